import os
import threading
import time

import pytest

from thurn import SAN, SLOW, wait_for


def idle(c):
    c.send("i IDLE\r\n")
    assert c.line().startswith(b"+ ")


def test_news_come_while_idle(worker, account):
    c, d = worker.selected(account), worker.client(account)
    idle(c)
    d.fill("INBOX", 1)
    assert c.line() == b"* 1 EXISTS\r\n"
    assert c.line() == b"* 1 RECENT\r\n"
    d.ok("SELECT INBOX")
    d.ok("STORE 1 +FLAGS (\\Deleted)")
    assert c.line() == b"* 1 FETCH (FLAGS (\\Deleted \\Recent))\r\n"
    d.ok("EXPUNGE")
    assert c.line() == b"* 1 EXPUNGE\r\n"
    c.send("done\r\n")
    lines, reply = c.until("i")
    assert reply.startswith("OK")
    c.ok("NOOP")


def test_again_and_again(worker, account):
    c, d = worker.selected(account), worker.client(account)
    for i in range(1, 6):
        idle(c)
        d.fill("INBOX", 1)
        assert c.line() == b"* %d EXISTS\r\n" % i
        c.line()
        c.send("DONE\r\nn NOOP\r\n")
        assert c.until("i")[1].startswith("OK")
        assert c.until("n")[1].startswith("OK")


def test_what_is_not_done(worker, account):
    c = worker.selected(account)
    idle(c)
    c.send("NOOP\r\n")
    assert c.until("i")[1].startswith("BAD")
    idle(c)
    c.send("x {5+}\r\n12345\r\nn NOOP\r\n")
    assert c.until("i")[1].startswith("BAD")
    assert c.until("n")[1].startswith("OK")


def test_without_a_mailbox(worker, account):
    c = worker.client(account)
    idle(c)
    c.send("DONE\r\n")
    assert c.until("i")[1].startswith("OK")


def test_gone_while_idle(worker, account):
    c = worker.selected(account)
    idle(c)
    c.close()
    d = worker.selected(account)
    d.fill("INBOX", 1)
    d.ok("NOOP")


@pytest.mark.parametrize("last", ["IDLE", "UID SEARCH ALL"])
def test_a_session_that_waits_is_small(own_worker, last):
    w = own_worker()
    first = w.client("anna")
    first.fill("INBOX", 3)
    first.append("INBOX", b"x" * 30000)
    first.ok("SELECT INBOX")
    idle(first)
    before = w.memory()
    clients = []
    for i in range(200):
        c = w.client("anna")
        c.ok("SELECT INBOX")
        c.ok("FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])")
        c.send("i %s\r\n" % last)
        c.line()
        clients.append(c)
    if not SAN:  # after some time a parked fiber gives back what it does not use of its stack
        wait_for(lambda: w.memory() - before < 200 * 30000, 20, "less than 30000 octets each")
    for c in clients:
        c.close()


def test_news_from_another_process(own_worker):
    w = own_worker()
    other = own_worker(store=w.dir / "store")
    c = w.selected("anna")
    idle(c)
    d = other.client("anna")
    d.fill("INBOX", 1)
    assert c.line() == b"* 1 EXISTS\r\n"
    d.ok("SELECT INBOX")
    d.ok("STORE 1 +FLAGS (\\Flagged)")
    assert c.line() == b"* 1 RECENT\r\n"
    assert c.line() == b"* 1 FETCH (FLAGS (\\Flagged \\Recent))\r\n"


def test_an_account_that_fails_ends_its_own_sessions_only(own_worker):
    worker = own_worker()
    c, other = worker.selected("bad"), worker.client("good")
    idle(c)
    head, = worker.dir.glob("store/*/*/bad/head")
    os.truncate(head, 0)  # its notice is heard
    other.ok("NOOP")
    assert c.line().startswith(b"* BYE [UNAVAILABLE]")
    assert c.line() == b""
    other.ok("NOOP")


def test_a_stop_waits_for_no_watch(own_worker):
    worker = own_worker()
    for i in range(5):
        c = worker.selected("a%d" % i)
        idle(c)
    start = time.monotonic()
    worker.stop()
    assert time.monotonic() - start < 15 * SLOW
    assert worker.process.returncode == 0
    worker.start()
