"""LMTP (RFC 2033): LHLO, and one reply for each recipient that was accepted."""
import pytest
from dialogue import Dialogue


@pytest.fixture
def d(thurn):
    with Dialogue(thurn.ports["lmtp"]) as d:
        d.hello("LHLO")
        yield d


def test_hello(thurn):
    with Dialogue(thurn.ports["lmtp"], greeting="220 sandbox.test LMTP") as d:
        d("EHLO client.test", "500 5.5.1")
        d("HELO client.test", "500 5.5.1")
        d("MAIL FROM:<a@elsewhere.test>", "503 5.5.1")
        hello = d.hello("LHLO")
        assert "PIPELINING" in hello and "ENHANCEDSTATUSCODES" in hello and "8BITMIME" in hello


@pytest.mark.parametrize("by", ["DATA", "BDAT"])
def test_replies(thurn, d, by):
    d("MAIL FROM:<a@elsewhere.test>", 250)
    d("RCPT TO:<anna@sandbox.test>", "250 2.1.5")
    d("RCPT TO:<unknown@sandbox.test>", "550 5.1.1")
    d("RCPT TO:<bert@sandbox.test>", "250 2.1.5")
    text = b"Subject: both\r\n\r\nx\r\n"
    if by == "DATA":
        d("DATA", 354)
        d.send(text + b".\r\n")
    else:
        d.send(b"BDAT %d LAST\r\n" % len(text) + text)
    first = d.expect("250 2.0.0 <anna@sandbox.test> Ok: queued as ")
    second = d.expect("250 2.0.0 <bert@sandbox.test> Ok: queued as ")
    assert first.split()[-1] == second.split()[-1]
    assert d.is_silent()
    assert first.split()[-1] in thurn.log()  # in the queue before it was said


def test_refusals_are_for_each_too(d):
    d("MAIL FROM:<a@elsewhere.test>", 250)
    d("RCPT TO:<anna@sandbox.test>", 250)
    d("RCPT TO:<bert@sandbox.test>", 250)
    d("DATA", 354)
    d.send(b"a\nb\r\n.\r\n")
    d.expect("550 5.6.0 <anna@sandbox.test> ")
    d.expect("550 5.6.0 <bert@sandbox.test> ")
    d("DATA", "503 5.5.1")


def test_no_recipient_no_data(d):
    d("MAIL FROM:<a@elsewhere.test>", 250)
    d("RCPT TO:<unknown@sandbox.test>", "550 5.1.1")
    d("DATA", "554 5.5.1")


def test_smtplib(thurn):
    with thurn.lmtp() as s:  # it reads one reply only
        assert s.sendmail("a@elsewhere.test", ["anna@sandbox.test"],
                          b"Subject: x\r\n\r\n.\r\n..\r\n") == {}
