"""Command dialogues on port 25: codes, states, syntax."""
import os
import signal

import pytest
from dialogue import Dialogue


@pytest.fixture
def d(thurn):
    with Dialogue(thurn.ports["smtp"]) as d:
        yield d


def test_a_plain_session(thurn, d):
    d("HELO client.test", "250 sandbox.test")
    d.all([
        ("MAIL FROM:<sender@elsewhere.test>", "250 2.1.0 Ok"),
        ("RCPT TO:<anna@sandbox.test>", "250 2.1.5 Ok"),
        ("DATA", "354 End data with <CR><LF>.<CR><LF>"),
        ("Subject: plain\r\n\r\nhello\r\n.", "250 2.0.0 Ok: queued as "),
        ("QUIT", "221 2.0.0 Bye"),
    ])
    d.expect(None)


def test_capabilities(d):
    lines = d("EHLO client.test", 250).split("\n")
    assert lines[0] == "250-sandbox.test"
    words = {line[4:].split(" ")[0] for line in lines[1:]}
    assert words == {"PIPELINING", "SIZE", "STARTTLS", "AUTH", "ENHANCEDSTATUSCODES", "8BITMIME",
                     "DSN", "SMTPUTF8", "CHUNKING"}
    auth = next(line for line in lines if "AUTH" in line)
    assert "SCRAM-SHA-256" in auth and "PLAIN" not in auth and "LOGIN" not in auth


def test_without_ehlo_there_are_no_parameters(d):
    d("HELO client.test", 250)
    d("MAIL FROM:<a@elsewhere.test> SIZE=1", "555 5.5.4")
    d("MAIL FROM:<a@elsewhere.test>", 250)


def test_commands_out_of_order(d):
    d.all([
        ("MAIL FROM:<a@elsewhere.test>", "503 5.5.1 Say hello first"),
        ("RCPT TO:<anna@sandbox.test>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("AUTH PLAIN", "503 5.5.1"),
        ("NOOP", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("EHLO client.test", 250),
        ("RCPT TO:<anna@sandbox.test>", "503 5.5.1 MAIL first"),
        ("DATA", "503 5.5.1 MAIL first"),
        ("MAIL FROM:<a@elsewhere.test>", 250),
        ("MAIL FROM:<a@elsewhere.test>", "503 5.5.1 Nested MAIL command"),
        ("DATA", "503 5.5.1 RCPT first"),
        ("STARTTLS", "503 5.5.1"),
        ("RCPT TO:<unknown@sandbox.test>", "550 5.1.1"),
        ("DATA", "554 5.5.1 No valid recipients"),
        ("RSET", 250),
        ("RCPT TO:<anna@sandbox.test>", "503 5.5.1 MAIL first"),
    ])


def test_hello_ends_a_transaction(d):
    d.hello()
    d("MAIL FROM:<a@elsewhere.test>", 250)
    d("RCPT TO:<anna@sandbox.test>", 250)
    d.hello()
    d("DATA", "503 5.5.1")


@pytest.mark.parametrize("command,want", [
    ("EHLO", "501 5.5.4"),
    ("EHLO a\x7fb", "501 5.5.4"),
    ("HELO [127.0.0.1]", "250 sandbox.test"),
    ("EHLO under_score", 250),
    ("MAIL", "501 5.5.4"),
    ("MAIL <a@b.test>", "501 5.5.4"),
    ("MAIL FROM:a@b.test", "501 5.1.7"),
    ("MAIL FROM:<a@b.test", "501 5.1.7"),
    ("MAIL FROM:<a b@c.test>", "501 5.1.7"),
    ("MAIL FROM:<a@b..test>", "501 5.1.7"),
    ("MAIL FROM:<a@b.test> SIZE=x", "501 5.5.4"),
    ("MAIL FROM:<a@b.test> UNKNOWN=1", "555 5.5.4"),
    ("MAIL FROM:<a@b.test> NOTIFY=NEVER", "555 5.5.4"),
    ("MAIL FROM:<\u00e4@b.test>", "553 5.6.7"),
    ("MAIL FROM:<>", "250 2.1.0"),
    ("MAIL FROM:<@relay.test:a@b.test>", "250 2.1.0"),
    ("MAIL FROM:<\"a b\"@c.test>", "250 2.1.0"),
    ("MAIL FROM:<a@[192.0.2.1]>", "250 2.1.0"),
    ("mail from: <a@b.test>", "250 2.1.0"),
    ("VRFY anna", "252 2.5.0"),
    ("VRFY", "501 5.5.4"),
    ("EXPN list", "502 5.5.1"),
    ("ETRN x.test", "500 5.5.2"),
    ("TURN", "500 5.5.2"),
    ("XCLIENT ADDR=192.0.2.1", "500 5.5.2"),
    ("LHLO client.test", "500 5.5.1"),
    ("HELP", "214 2.0.0"),
    ("HELP MAIL", "214 2.0.0"),
    ("NOOP a b c", "250 2.0.0"),
    ("RSET now", "501 5.5.4"),
    ("", "500 5.5.2"),
    ("NOOP\0", "500 5.5.2"),
    ("NO\0OP", "500 5.5.2"),
    ("QUIT", "221 2.0.0"),
])
def test_one_command(d, command, want):
    d.hello()
    d(command, want)


@pytest.mark.parametrize("command,want", [
    ("RCPT TO:<>", "501 5.1.3"),
    ("RCPT TO:<anna>", "501 5.1.3"),
    ("RCPT TO:<postmaster>", "250 2.1.5"),
    ("RCPT TO:<Postmaster@sandbox.test>", "250 2.1.5"),
    ("RCPT TO:<ANNA@SANDBOX.TEST>", "250 2.1.5"),
    ("RCPT TO:<anna+detail@sandbox.test>", "250 2.1.5"),
    ("RCPT TO:<\"anna\"@sandbox.test>", "250 2.1.5"),
    ("RCPT TO:<unknown@sandbox.test>", "550 5.1.1"),
    ("RCPT TO:<anna@sandbox.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.test", "250 2.1.5"),
    ("RCPT TO:<anna@sandbox.test> NOTIFY=NEVER,DELAY", "501 5.5.4"),
    ("RCPT TO:<anna@sandbox.test> SIZE=1", "555 5.5.4"),
    ("RCPT FROM:<anna@sandbox.test>", "501 5.5.4"),
])
def test_one_recipient(d, command, want):
    d.hello()
    d("MAIL FROM:<a@elsewhere.test>", 250)
    d(command, want)


def test_a_browser_is_sent_away(thurn):
    for line in ("GET / HTTP/1.1", "POST /x HTTP/1.0", "Host: sandbox.test"):
        with Dialogue(thurn.ports["smtp"]) as d:
            d(line, "521 5.5.1")
            d.expect(None)


def test_who_talks_before_the_greeting_is_refused(thurn):
    # The server finds the words already there when it looks.
    pids = thurn.pids("smtp")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        d = Dialogue(thurn.ports["smtp"], greeting=None)
        d.send("EHLO spammer.test\r\n")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    with d:
        d.expect("554 5.5.1")
        d.expect(None)


def test_pipelined_commands_are_answered_in_order(d):
    d.send("EHLO client.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<unknown@sandbox.test>\r\n"
           "RCPT TO:<anna@sandbox.test>\r\nDATA\r\n")
    for want in (250, "250 2.1.0", "550 5.1.1", "250 2.1.5", 354):
        d.expect(want)
    d.send("Subject: x\r\n\r\ny\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
    for want in ("250 2.0.0 Ok: queued", "250 2.1.0", "250 2.0.0 Ok", 221, None):
        d.expect(want)


def test_pipelined_garbage_is_answered_line_by_line(d):
    d.send(b"EHLO client.test\r\n" + b"\xff\xfe\r\n" + b"MAIL FROM:<<<>\r\n" + b"NOOP\r\n")
    for want in (250, "500 5.5.2", "501 5.1.7", "250 2.0.0"):
        d.expect(want)


def test_octet_by_octet(thurn, d):
    import time
    text = (b"EHLO client.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\n"
            b"DATA\r\nSubject: slow\r\n\r\n..x\r\n.\r\nQUIT\r\n")
    for i in range(len(text)):
        d.send(text[i:i + 1])
        time.sleep(0.001)
    for want in (250, "250 2.1.0", "250 2.1.5", 354, "250 2.0.0 Ok: queued", 221, None):
        d.expect(want)


def test_injection_by_addresses_and_parameters(thurn, d):
    """What an address or a parameter carries never becomes another command or header line."""
    d.hello()
    for command, want in [
            (b"MAIL FROM:<a@b.test\nRCPT TO:<anna@sandbox.test>>", 500),
            (b"MAIL FROM:<a\r@b.test>", 500),
            (b"MAIL FROM:<\"a\\\n\"@b.test>", 500),
            (b"MAIL FROM:<a@b.test> ENVID=x+0D+0ARCPT", 501),
            (b"MAIL FROM:<a@b.test> AUTH=<>\x0bx", 500)]:
        d.send(command + b"\r\n")
        got = d.reply()
        assert got.startswith(str(want)), (command, got)
        while b"\n" in command and not d.is_silent():
            assert d.reply()[0] == "5"
    d("RSET", 250)
    d("MAIL FROM:<a@b.test>", 250)
    d("RCPT TO:<anna@sandbox.test> ORCPT=rfc822;a+0D+0AX", "501 5.5.4")
