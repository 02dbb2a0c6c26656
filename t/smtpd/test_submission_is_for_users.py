"""Ports 587 and 465 (RFC 6409): login first, the sender one's own, Date and Message-ID there in the end."""
import smtplib

import pytest
from dialogue import Dialogue


def test_login_comes_before_mail(thurn):
    with Dialogue(thurn.ports["submission"]) as d:
        d("MAIL FROM:<anna@sandbox.test>", "530 5.7.0 Authentication required")
        d.hello()
        d("MAIL FROM:<anna@sandbox.test>", "530 5.7.0 Authentication required")
        d("RCPT TO:<bert@sandbox.test>", "530 5.7.0")
        d("VRFY anna", "530 5.7.0")
        d.send("BDAT 4\r\nNOOP")  # the octets are read all the same
        d.expect("530 5.7.0")
        d("NOOP", "250 2.0.0")


def test_the_sender_is_ones_own(thurn):
    with thurn.submission("anna") as s:
        with pytest.raises(smtplib.SMTPSenderRefused) as e:
            s.sendmail("bert@sandbox.test", ["x@elsewhere.test"], b"x\r\n")
        assert e.value.smtp_code == 553 and e.value.smtp_error.startswith(b"5.7.1")
        s.sendmail("anna@sandbox.test", ["x@elsewhere.test"], b"x\r\n")
        s.sendmail("", ["bert@sandbox.test"], b"x\r\n")


def test_who_is_removed_sends_no_more(thurn):
    thurn.add_user("otto")
    with thurn.submission("otto") as s:
        s.sendmail("otto@sandbox.test", ["x@elsewhere.test"], b"x\r\n")
        thurn.thurn("user", "remove", "otto")
        for sender in ("otto@sandbox.test", ""):
            with pytest.raises(smtplib.SMTPSenderRefused) as e:
                s.sendmail(sender, ["x@elsewhere.test"], b"x\r\n")
            assert e.value.smtp_code == 553


@pytest.mark.parametrize("head,date,ident", [
    (b"Subject: bare\r\n", True, True),
    (b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nSubject: dated\r\n", False, True),
    (b"message-id: <x@y.test>\r\nSubject: named\r\n", True, False),
    (b"DATE: x\r\nMessage-Id: <x@y.test>\r\nSubject: both\r\n", False, False),
])
def test_missing_fields_are_added(thurn, head, date, ident):
    before = len(thurn.messages("bert"))
    with thurn.submission("anna") as s:
        s.sendmail("anna@sandbox.test", ["bert@sandbox.test"], head + b"\r\nbody\r\n")
    got = thurn.wait_for_mail("bert", before + 1)[-1]
    header = got.split(b"\r\n\r\n")[0].lower()
    assert header.count(b"\r\ndate: ") == 1 and header.count(b"\r\nmessage-id: ") == 1
    assert got.endswith(b"\r\n" + head + b"\r\nbody\r\n")
    trace = header[:header.index(head.split(b":")[0].lower() + b":")]
    assert (b"\r\ndate: " in trace) == date
    assert (b"\r\nmessage-id: " in trace) == ident


def test_nothing_is_added_on_port_25(thurn):
    before = len(thurn.messages("bert"))
    thurn.deliver("bert", b"Subject: x\r\n\r\nbody\r\n")
    header = thurn.wait_for_mail("bert", before + 1)[-1].split(b"\r\n\r\n")[0].lower()
    assert b"\r\nmessage-id:" not in header and b"\r\ndate:" not in header
