"""Message text by each door, behind the trace fields octet for octet what was sent."""
import re

import pytest
from dialogue import Dialogue

TEXTS = {
    "plain": b"Subject: plain\r\n\r\nbody\r\n",
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n",
    "eight-bit": b"Subject: \xc3\xa4\r\n\r\n\xff\xfe\x80\r\n",
    "long-line": b"Subject: long\r\n\r\n" + b"x" * 65536 + b"\r\n",
    "no-body": b"Subject: nothing\r\n",
    "no-header": b"\r\njust a body\r\n",
    "tabs": b"Subject: x\r\n\tfolded\r\n\r\n \t \r\n\x0b\x0c\x1b\r\n",
    "empty": b"",
    "large": b"Subject: large\r\n\r\n" + b"".join(b".%07d %s\r\n" % (i, b"z" * (i % 200)) for i in range(30000)),
}
RECEIVED = re.compile(
    rb"Received: from client\.test \([^()]*\[127\.0\.0\.1\]\) by sandbox\.test with (\w+) id [0-9A-Z]{16} "
    rb"for <anna@sandbox\.test>; \w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} $")


def stuffed(text):
    return re.sub(rb"(?m)^\.", b"..", text) + b".\r\n"


def send(thurn, by, text):
    with Dialogue(thurn.ports["lmtp" if by == "lmtp" else "smtp"]) as d:
        d.hello("LHLO" if by == "lmtp" else "EHLO")
        d("MAIL FROM:<sender@elsewhere.test>", 250)
        d("RCPT TO:<anna@sandbox.test>", 250)
        if by == "bdat":
            for at in range(0, len(text), 9999):
                part = text[at:at + 9999]
                d.send(b"BDAT %d\r\n" % len(part) + part)
                d.expect(250)
            d("BDAT 0 LAST", "250 2.0.0")
        else:
            d("DATA", 354)
            d.send(stuffed(text))
            d.expect("250 2.0.0")


@pytest.fixture(scope="module")
def seen():
    return []


@pytest.mark.parametrize("by", ["smtp", "lmtp", "bdat"])
@pytest.mark.parametrize("name", TEXTS)
def test_octet_for_octet(thurn, seen, by, name):
    text = TEXTS[name]
    send(thurn, by, text)
    seen.append(name)
    got = thurn.wait_for_mail("anna", len(seen))[-1]
    assert got.startswith(b"Return-Path: <sender@elsewhere.test>\r\n")
    assert got.endswith(text)
    trace = got[got.index(b"Received: "):len(got) - len(text)]
    assert trace.endswith(b"\r\n")
    match = RECEIVED.match(re.sub(rb"\s+", b" ", trace))
    assert match, trace
    assert match[1] == {"smtp": b"ESMTP", "lmtp": b"LMTP", "bdat": b"ESMTP"}[by]


def test_by_submission(thurn, seen):
    with thurn.submission("anna") as s:
        s.sendmail("anna@sandbox.test", ["anna@sandbox.test"], b"Subject: mine\r\n\r\nx\r\n")
    seen.append("submission")
    got = thurn.wait_for_mail("anna", len(seen))[-1]
    assert re.search(rb"with ESMTPSA\s+\(TLSv1\.\d with cipher \w+\)\s+\(authenticated as\s+anna@sandbox\.test\)", got), got


def test_by_the_local_socket(thurn, seen):
    with Dialogue(None, path=thurn.dir / "run/submit") as d:
        d.hello()
        d.message(to="anna", sender="anna")
    seen.append("local")
    got = thurn.wait_for_mail("anna", len(seen))[-1]
    assert got.startswith(b"Return-Path: <anna@sandbox.test>\r\nReceived: by sandbox.test with local")


def test_postmaster_without_a_domain(thurn):
    thurn.thurn("alias", "add", "postmaster@sandbox.test", "bert@sandbox.test", check=False)
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d.message(to="postmaster")
    thurn.wait_for_mail("bert")
