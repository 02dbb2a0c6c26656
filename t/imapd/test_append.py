import re
import signal

import pytest

from thurn import SLOW, wait_for

MESSAGE = b"From: a@b.test\r\nSubject: hello\r\n\r\nbody\r\n"


def body(c, n=1):
    c.ok("SELECT INBOX")
    return re.search(rb"\{\d+\}\r\n(.*)\)$", c.ok("FETCH %d BODY.PEEK[]" % n)[0], re.S)[1]


def test_literals_with_and_without_leave(worker, account):
    c = worker.client(account)
    c.send("a APPEND INBOX {%d}\r\n" % len(MESSAGE))
    assert c.line().startswith(b"+ ")
    c.send(MESSAGE + b"\r\n")
    assert re.match(r"OK \[APPENDUID \d+ 1\]", c.until("a")[1])
    assert re.match(r"OK \[APPENDUID \d+ 2\]", c.append("INBOX", MESSAGE))
    assert body(c, 1) == body(c, 2) == MESSAGE


def test_flags_and_date(worker, account):
    c = worker.client(account)
    assert c.append("INBOX", MESSAGE, '(\\Seen \\Flagged $Label \\Recent) "17-Jul-1996 02:44:25 -0730"').startswith("OK")
    c.ok("SELECT INBOX")
    line = c.ok("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)")[0]
    assert line == (b'* 1 FETCH (FLAGS (\\Seen \\Flagged \\Recent $Label) INTERNALDATE '
                    b'"17-Jul-1996 02:44:25 -0730" RFC822.SIZE %d)' % len(MESSAGE))


def test_mailbox_as_literal(worker, account):
    c = worker.client(account)
    c.send(b"a APPEND {5}\r\n")
    assert c.line().startswith(b"+ ")
    c.send(b"INBOX (\\Seen) {%d}\r\n" % len(MESSAGE))
    assert c.line().startswith(b"+ ")
    c.send(MESSAGE + b"\r\n")
    assert c.until("a")[1].startswith("OK")


def test_no_such_mailbox_is_said_before_the_message(worker, account):
    c = worker.client(account)
    c.send("a APPEND nowhere {1000}\r\n")
    assert c.until("a")[1].startswith("NO [TRYCREATE]")
    assert c.append("nowhere", MESSAGE).startswith("NO [TRYCREATE]")
    c.ok("NOOP")


def test_bare_lf_becomes_crlf(worker, account):
    c = worker.client(account)
    assert c.append("INBOX", b"Subject: x\n\nline\r\nline\n\nend").startswith("OK")
    assert body(c) == b"Subject: x\r\n\r\nline\r\nline\r\n\r\nend"


def test_what_can_not_be_stored(own_worker):
    w = own_worker("append_size_max = 2048")
    c = w.client("anna")
    assert c.append("INBOX", b"Subject: \0\r\n\r\n").startswith("NO [CANNOT]")
    assert c.append("INBOX", b"").startswith("NO [CANNOT]")
    assert c.append("INBOX", b"x" * 2049).startswith("NO [LIMIT]")
    assert c.append("INBOX", b"x" * 3000000).startswith("NO [LIMIT]")
    c.send("a APPEND INBOX {2049}\r\n")
    assert c.until("a")[1].startswith("NO [LIMIT]")
    assert c.append("INBOX", b"x" * 2048).startswith("OK")
    c.send(b"a APPEND INBOX {99999999999+}\r\n")
    assert c.until("a")[1].startswith(("NO", "BAD"))
    assert c.line().startswith(b"* BYE") or c.sock.recv(1) == b""


def packs(w):
    """Octets of bodies, whatever is to become of them."""
    return sum(f.stat().st_size for f in (w.dir / "store").rglob("*") if "packs" in str(f) and f.is_file())


def test_quota(own_worker):
    w = own_worker()
    w.directory.quota = (5000000, 0)
    c = w.client("anna")
    assert c.append("INBOX", b"x" * 4000000).startswith("OK")
    before = packs(w)
    assert c.append("INBOX", b"x" * 4000000).startswith("NO [OVERQUOTA]")
    assert packs(w) == before
    c.send("a APPEND INBOX {1000001}\r\n")
    assert c.until("a")[1].startswith("NO [OVERQUOTA]")
    assert c.append("INBOX", b"x" * 900000).startswith("OK")


def test_messages_at_once_are_over_quota_together(own_worker):
    w = own_worker()
    w.directory.quota = (5000, 3)
    c = w.client("anna")
    one = b"{2000+}\r\n" + b"x" * 2000
    assert c.cmd(b"APPEND INBOX " + b" ".join([one] * 3))[1].startswith("NO [OVERQUOTA]")
    one = b"{20+}\r\n" + b"x" * 20
    assert c.cmd(b"APPEND INBOX " + b" ".join([one] * 4))[1].startswith("NO [OVERQUOTA]")
    assert c.cmd(b"APPEND INBOX " + b" ".join([one] * 3))[1].startswith("OK")


BIG = b"{1000000+}\r\n" + b"x" * 1000000


@pytest.mark.parametrize("command, answer", [
    (b"(" + b" ".join(b"k%d" % i for i in range(65)) + b") " + BIG, "NO [LIMIT]"),
    (b"(" + b" ".join(b"k%d" % i for i in range(40)) + b") " + BIG +
     b" (" + b" ".join(b"l%d" % i for i in range(40)) + b") " + BIG, "NO [LIMIT]"),
    (b"(" + b"k" * 150 + b") " + BIG, "NO [CANNOT]"),
    (BIG + b" {3+}\r\na\0b", "NO [CANNOT]"),
    (BIG + b" {0+}\r\n", "NO [CANNOT]"),
    (BIG + b" (\\Nope) " + BIG, "BAD"),
    (BIG + b" what", "BAD"),
], ids=["keywords", "all keywords", "a keyword", "NUL", "empty", "malformed", "more"])
def test_what_is_refused_leaves_nothing_in_the_packs(worker, account, command, answer):
    c = worker.client(account)
    before = packs(worker)
    assert c.cmd(b"APPEND INBOX " + command)[1].startswith(answer)
    assert packs(worker) == before


def test_a_command_that_never_ends_leaves_nothing_in_the_packs(worker, account):
    c = worker.client(account)
    before = packs(worker)
    c.send(b"a APPEND INBOX " + BIG + b" " + BIG[:500000])
    c.close()
    ended = lambda: re.search(r"logout.*user=%s" % account, worker.log()) or re.search(r"user=%s.*logout" % account,
                                                                                      worker.log())
    assert wait_for(ended, 20, "the end of the session")
    assert packs(worker) == before


def test_a_mailbox_that_goes_meanwhile_leaves_nothing_in_the_packs(worker, account):
    c, other = worker.client(account), worker.client(account)
    other.ok("CREATE gone")
    before = packs(worker)
    c.send(b"a APPEND gone " + BIG + b" {1000000}\r\n")
    assert c.line().startswith(b"+ ")
    other.ok("DELETE gone")
    c.send(BIG[-1000000:] + b"\r\n")
    assert c.until("a")[1].startswith("NO [TRYCREATE]")
    assert packs(worker) == before


def test_summaries_are_made_when_all_messages_are_there(own_worker):
    """Memory is not held for a client that goes on sending; and there is an end to what they may take."""
    w = own_worker()
    c = w.client("anna")
    part = b"--b\r\nContent-Type: text/plain; name=" + b"n" * 300 + b"\r\n\r\n\r\n"
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 990 + b"--b--\r\n"
    one = b" {%d+}\r\n%s" % (len(message), message)
    assert c.append("INBOX", message).startswith("OK")
    before, stored = w.memory(), packs(w)
    c.send(b"a APPEND INBOX" + one * 60 + b" {%d}\r\n" % len(message))
    assert c.line().startswith(b"+ ")
    assert w.memory() - before < (10 << 20) * SLOW  # the sanitizer keeps what is freed for a while
    c.send(message + one * 140 + b"\r\n")
    assert c.until("a")[1].startswith("NO [LIMIT]")
    assert packs(w) == stored
    lines, reply = c.cmd(b"APPEND INBOX" + one * 20)
    assert re.match(r"OK \[APPENDUID \d+ 2:21\]", reply)
    c.ok("SELECT INBOX")
    assert [b"n" * 300 in line for line in c.ok("FETCH 1:* BODYSTRUCTURE")] == [True] * 21
    assert c.ok("FETCH 21 BODY.PEEK[]")[0].endswith(message + b")")


def test_messages_of_all_sizes_at_once(worker, account):
    """Through memory, through a file, read and mapped, from places that are no page's beginning."""
    c = worker.client(account)
    messages = [b"Subject: %d\r\n\r\n" % i + b"text %d\r\n" % i * n
                for i, n in enumerate((1, 5000, 60000, 3, 40000, 1, 100000, 2))]
    lines, reply = c.cmd(b"APPEND INBOX" + b"".join(b" (k%d) {%d+}\r\n%s" % (i, len(m), m)
                                                    for i, m in enumerate(messages)))
    assert reply.startswith("OK"), reply
    assert [body(c, i + 1) for i in range(len(messages))] == messages
    assert [b"k%d)" % i in line for i, line in enumerate(c.ok("FETCH 1:* FLAGS"))] == [True] * len(messages)


def test_malformed(worker, account):
    c = worker.client(account)
    c.bad("APPEND INBOX")
    c.bad("APPEND INBOX ()")
    c.bad('APPEND INBOX "not a literal"')
    assert c.append("INBOX", MESSAGE, "(\\Nope)").startswith("BAD")
    assert c.append("INBOX", MESSAGE, '"yesterday"').startswith("BAD")
    lines, reply = c.cmd(b"APPEND INBOX {%d+}\r\n%s x" % (len(MESSAGE), MESSAGE))
    assert reply.startswith("BAD")
    assert b"MESSAGES 0" in c.ok("STATUS INBOX (MESSAGES)")[0]


def test_several_at_once_are_all_or_nothing(worker, account):
    c = worker.client(account)
    one = b"{%d+}\r\n%s" % (len(MESSAGE), MESSAGE)
    lines, reply = c.cmd(b"APPEND INBOX (\\Seen) " + one + b" " + one + b' (\\Draft) "17-Jul-1996 02:44:25 -0700" ' + one)
    assert re.match(r"OK \[APPENDUID \d+ 1:3\]", reply)
    lines, reply = c.cmd(b"APPEND INBOX " + one + b" {3+}\r\n\0\0\0 " + one)
    assert reply.startswith("NO [CANNOT]")
    assert b"MESSAGES 3" in c.ok("STATUS INBOX (MESSAGES)")[0]


def test_large_message(worker, account):
    c = worker.client(account)
    big = b"Subject: big\r\n\r\n" + b"".join(b"line %d\r\n" % i for i in range(400000))
    assert c.append("INBOX", big).startswith("OK")
    assert body(c) == big


def test_the_selected_mailbox_sees_it(worker, account):
    c = worker.selected(account)
    lines, reply = c.cmd(b"APPEND INBOX {%d+}\r\n%s" % (len(MESSAGE), MESSAGE))
    assert b"* 1 EXISTS" in lines and b"* 1 RECENT" in lines


def test_what_was_acknowledged_survives_a_crash(own_worker):
    w = own_worker()
    c = w.client("anna")
    for i in range(20):
        assert c.append("INBOX", b"Subject: %d\r\n\r\n" % i).startswith("OK")
    w.stop(signal.SIGKILL)
    w.start()
    c = w.selected("anna")
    assert [b"Subject: %d\r\n" % i in line for i, line in enumerate(c.ok("FETCH 1:* BODY.PEEK[]"))] == [True] * 20
