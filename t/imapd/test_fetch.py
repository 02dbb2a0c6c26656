import email
import email.policy
import pathlib
import re

import pytest

from replies import fetched, leaves

CORPUS = [p for p in sorted((pathlib.Path(__file__).parent.parent / "data/mail").glob("*.eml"))
          if p.stat().st_size]
MULTI = b"""From: "A. Sender" <a@from.test>\r
To: b@to.test, c@to.test\r
Subject: =?utf-8?q?caf=C3=A9?=\r
 and more\r
X-Odd: 1\r
Date: Wed, 17 Jul 1996 02:23:25 -0700\r
Message-ID: <m1@from.test>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="b"\r
\r
preamble\r
--b\r
Content-Type: text/plain\r
X-Part: one\r
\r
first part\r
--b\r
Content-Type: message/rfc822\r
\r
From: inner@x.test\r
Subject: inner\r
\r
inner text\r
--b--\r
"""


def wire(path):
    """As a client appends it: CRLF lines, no NUL."""
    return re.sub(rb"\r?\n", b"\r\n", path.read_bytes()).replace(b"\0", b"")


def box(worker, account, *messages):
    c = worker.client(account)
    for m in messages:
        assert c.append("INBOX", m).startswith("OK")
    c.ok("SELECT INBOX")
    return c


def item(line, name):
    """The literal after BODY[...] or the like."""
    at = line.index(b" (") + 1
    at = line.index(name, at) + len(name) + 1
    if line[at:at + 3] == b"NIL":
        return None
    m = re.match(rb"\{(\d+)\}\r\n", line[at:])
    return line[at + m.end():at + m.end() + int(m[1])]


def fetch(c, name, label=None):
    label = label or name.replace(".PEEK", "")
    lines = c.ok("FETCH 1 " + name)
    return item(lines[0], label.encode())


def test_rows(worker, account):
    c = box(worker, account, MULTI)
    assert c.ok("FETCH 1 UID") == [b"* 1 FETCH (UID 1)"]
    line = c.ok("FETCH 1 ALL")[0]
    assert line.startswith(b"* 1 FETCH (FLAGS (\\Recent) INTERNALDATE \"")
    assert b"RFC822.SIZE %d ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700\" " % len(MULTI) in line
    assert b'(("A. Sender" NIL "a" "from.test"))' in line
    assert b'((NIL NIL "b" "to.test")(NIL NIL "c" "to.test"))' in line
    assert c.ok("UID FETCH 1 FLAGS") == [b"* 1 FETCH (UID 1 FLAGS (\\Recent))"]
    assert b"BODY ((" in c.ok("FETCH 1 FULL")[0]
    structure = c.ok("FETCH 1 BODYSTRUCTURE")[0].lower()
    assert b'"mixed" ("boundary" "b")' in structure and b'"message" "rfc822"' in structure
    assert b'"boundary"' not in c.ok("FETCH 1 BODY")[0].lower()


def test_sections(worker, account):
    c = box(worker, account, MULTI)
    head, text = MULTI.split(b"\r\n\r\n", 1)
    head += b"\r\n\r\n"
    inner = b"From: inner@x.test\r\nSubject: inner\r\n\r\ninner text"
    for name, want in (
            ("BODY.PEEK[]", MULTI),
            ("BODY.PEEK[HEADER]", head),
            ("BODY.PEEK[TEXT]", text),
            ("RFC822.HEADER", head),
            ("BODY.PEEK[1]", b"first part"),
            ("BODY.PEEK[1.MIME]", b"Content-Type: text/plain\r\nX-Part: one\r\n\r\n"),
            ("BODY.PEEK[2]", inner),
            ("BODY.PEEK[2.HEADER]", b"From: inner@x.test\r\nSubject: inner\r\n\r\n"),
            ("BODY.PEEK[2.TEXT]", b"inner text"),
            ("BODY.PEEK[2.1]", b"inner text"),
            ("BODY.PEEK[3]", None),
            ("BODY.PEEK[1.1.1]", None),
            ("BODY.PEEK[HEADER.FIELDS (SUBJECT to)]",
             b"To: b@to.test, c@to.test\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n and more\r\n\r\n"),
            ("BODY.PEEK[HEADER.FIELDS (X-Odd)]", b"X-Odd: 1\r\n\r\n"),
            ("BODY.PEEK[HEADER.FIELDS (Nope)]", b"\r\n"),
            ("BODY.PEEK[2.HEADER.FIELDS (Subject)]", b"Subject: inner\r\n\r\n"),
            ("BODY.PEEK[2.HEADER.FIELDS.NOT (Subject)]", b"From: inner@x.test\r\n\r\n"),
    ):
        assert fetch(c, name) == want, name
    assert fetch(c, "RFC822") == MULTI
    assert fetch(c, "RFC822.TEXT") == text


def test_partial(worker, account):
    c = box(worker, account, MULTI)
    assert fetch(c, "BODY.PEEK[]<0.10>", "BODY[]<0>") == MULTI[:10]
    assert fetch(c, "BODY.PEEK[]<5.10>", "BODY[]<5>") == MULTI[5:15]
    assert fetch(c, "BODY.PEEK[]<100000.10>", "BODY[]<100000>") == b""
    assert fetch(c, "BODY.PEEK[]<10.100000>", "BODY[]<10>") == MULTI[10:]
    assert fetch(c, "BODY.PEEK[1]<6.4>", "BODY[1]<6>") == b"part"
    assert fetch(c, "BODY.PEEK[HEADER.FIELDS (X-Odd)]<2.3>", "BODY[HEADER.FIELDS (X-Odd)]<2>") == b"Odd"
    assert fetch(c, "BODY.PEEK[]<9223372036854775807.9223372036854775807>", "BODY[]<9223372036854775807>") == b""


def test_seen(worker, account):
    c = box(worker, account, MULTI, MULTI, MULTI)
    assert b"Seen" not in c.ok("FETCH 1 BODY.PEEK[]")[0]
    assert b"Seen" not in c.ok("FETCH 1 (ENVELOPE RFC822.HEADER)")[0]
    assert c.ok("FETCH 1:2 BODY[1]")[0].startswith(b"* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[1] {10}")
    assert b"FLAGS" not in c.ok("FETCH 1 BODY[1]")[0]
    assert c.ok("SEARCH SEEN") == [b"* SEARCH 1 2"]
    d = worker.selected(account)
    c.ok("FETCH 3 RFC822.TEXT")
    assert d.ok("NOOP") == [b"* 3 FETCH (FLAGS (\\Seen))"]


def test_malformed(worker, account):
    c = box(worker, account, MULTI)
    for args in ("1", "1 ()", "1 FOO", "1 (UID", "1 BODY[", "1 BODY[]<1>", "x UID", "1 UID x", "2 UID", "0 UID",
                 "1:2 UID", "1 BODY[HEADER.FIELDS ()]", "1 BODY[1.MIME.2]"):
        c.bad("FETCH " + args)
    assert c.ok("FETCH * UID") == [b"* 1 FETCH (UID 1)"]
    empty = worker.client(account)
    empty.ok("CREATE empty")
    empty.ok("SELECT empty")
    empty.bad("FETCH 1:* UID")
    assert empty.ok("UID FETCH 1:* UID") == []


def test_large_bodies_come_whole(worker, account):
    big = b"Subject: big\r\n\r\n" + b"".join(b"%d\r\n" % i for i in range(100000))
    c = box(worker, account, big)
    assert fetch(c, "BODY.PEEK[]") == big
    assert fetch(c, "BODY.PEEK[TEXT]") == big[16:]
    assert fetch(c, "BODY.PEEK[]<50000.200000>", "BODY[]<50000>") == big[50000:250000]


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_corpus(worker, path):
    message = wire(path)
    c = box(worker, "corpus" + re.sub("[^a-z0-9]", "", path.stem), message)
    line = c.ok("FETCH 1 (RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[])")[0]
    found = fetched(line)
    assert int(found["RFC822.SIZE"]) == len(message)
    assert found["BODY[]"] == message
    assert len(found["ENVELOPE"]) == 10
    # Each leaf's size is that of its section.
    for section, leaf in leaves(found["BODYSTRUCTURE"]):
        body = fetch(c, "BODY.PEEK[%s]" % section)
        assert body is not None and len(body) == int(leaf[6]), section
    parsed = email.message_from_bytes(message, policy=email.policy.compat32)
    head = fetch(c, "BODY.PEEK[HEADER]")
    assert message.startswith(head)
    if parsed["Message-ID"] and not parsed.defects:
        assert found["ENVELOPE"][9] == parsed["Message-ID"].strip().encode() or b"=?" in found["ENVELOPE"][9]
