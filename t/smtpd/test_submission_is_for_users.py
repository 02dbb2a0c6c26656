"""Ports 587 and 465 (RFC 6409): login first, the sender one's own, Date and Message-ID there in the end."""
import os
import signal
import smtplib

import pytest
from dialogue import Dialogue
from sasl import plain
from thurn import Instance, wait_for


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


def log_in(thurn, service, user):
    d = Dialogue(thurn.ports[service])
    d.hello()
    d.start_tls(thurn.tls())
    d("EHLO client.test", 250)
    d("AUTH PLAIN " + plain("%s@sandbox.test" % user, thurn.password(user)), 235)
    return d


@pytest.fixture(scope="module")
def single():
    """One process for each port, so that all its sessions hear the same at once."""
    t = Instance(settings={"%s:%s_workers" % (s, n): 1 for s in ("smtp", "submission") for n in ("min", "max")})
    yield t
    t.close()


@pytest.mark.parametrize("change", ["remove", "disable"])
def test_who_is_gone_sends_no_more(single, change):
    """On port 25, too, where who logged in may relay. Sessions that wait end at once, those with a message under way at the next word."""
    user = "otto-" + change
    single.add_user(user)
    idle = [log_in(single, service, user) for service in ("submission", "smtp")]
    busy = [log_in(single, service, user) for service in ("submission", "smtp")]
    for d in busy:
        d("MAIL FROM:<%s@sandbox.test>" % user, 250)
        d("RCPT TO:<x@elsewhere.test>", 250)
    with log_in(single, "smtp", "anna") as other:
        single.thurn("user", change, user)
        for d in idle:
            d.expect("421 4.7.0")
            d.expect(None)
        for d in busy:
            d("DATA", "421 4.7.0")
            d.expect(None)
        other("MAIL FROM:<anna@sandbox.test>", 250)


def test_a_command_that_is_quicker_than_the_news(single):
    """The process finds both at once: the removal and MAIL."""
    single.add_user("otto")
    for service in "submission", "smtp":
        with log_in(single, service, "otto") as d:
            (pid,) = single.pids(service)
            os.kill(pid, signal.SIGSTOP)
            try:
                d.send("MAIL FROM:<otto@sandbox.test>\r\n")
                single.thurn("user", "remove", "otto")
            finally:
                os.kill(pid, signal.SIGCONT)
            assert d.reply()[:3] in ("421", "530", "553")
        single.add_user("otto")


def arrived(thurn, end):
    """The one message for bert that ends so."""
    return wait_for(lambda: next((m for m in thurn.messages("bert") if m.endswith(end)), None), 40, "%r" % end)


@pytest.mark.parametrize("head,date,ident", [
    (b"Subject: bare\r\n", True, True),
    (b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nSubject: dated\r\n", False, True),
    (b"message-id: <x@y.test>\r\nSubject: named\r\n", True, False),
    (b"DATE: x\r\nMessage-Id: <x@y.test>\r\nSubject: both\r\n", False, False),
])
def test_missing_fields_are_added(thurn, head, date, ident):
    with thurn.submission("anna") as s:
        s.sendmail("anna@sandbox.test", ["bert@sandbox.test"], head + b"\r\nbody\r\n")
    got = arrived(thurn, b"\r\n" + head + b"\r\nbody\r\n")
    header = got.split(b"\r\n\r\n")[0].lower()
    assert header.count(b"\r\ndate: ") == 1 and header.count(b"\r\nmessage-id: ") == 1
    trace = header[:header.index(head.split(b":")[0].lower() + b":")]
    assert (b"\r\ndate: " in trace) == date
    assert (b"\r\nmessage-id: " in trace) == ident


def test_nothing_is_added_on_port_25(thurn):
    thurn.deliver("bert", b"Subject: plain\r\n\r\nbody\r\n")
    header = arrived(thurn, b"\r\nSubject: plain\r\n\r\nbody\r\n").split(b"\r\n\r\n")[0].lower()
    assert b"\r\nmessage-id:" not in header and b"\r\ndate:" not in header
