import re
import socket
import time

from thurn import SLOW


def test_long_lines(worker, account):
    c = worker.client(account)
    c.send(b"a NOOP " + b"x" * 70000 + b"\r\n")
    assert c.until("a")[1].startswith("BAD")
    c.send(b"b" * 200000 + b"\r\n")
    assert c.line().startswith(b"* BAD")
    c.ok("NOOP")


def test_garbage(worker, account):
    c = worker.client(account)
    c.send(b"\x80\xff\x00 \r\n")
    assert c.line().startswith(b"* BAD")
    c.send(b"a \x80\xff\r\n")
    assert c.until("a")[1].startswith("BAD")
    c.send(b"a NOOP \x00\r\n")
    assert c.until("a")[1].startswith("BAD")
    c.send(b"a {5+}\r\n12345\r\n")
    assert c.until("a")[1].startswith("BAD")
    c.bad("LIST {3+}\r\n\0\0\0 *")
    c.bad("LIST {9999999+}\r\n" + "x" * 9999999)
    c.ok("NOOP")


def test_nonsense_ends(worker, account):
    c = worker.client(account)
    for _ in range(29):
        c.bad("FOO")
    c.ok("NOOP")
    for _ in range(29):
        c.bad("FOO")
    c.send("a FOO\r\nb NOOP\r\n")
    c.until("a")
    assert c.line().startswith(b"* BYE ")


def test_many_literals(own_worker):
    w = own_worker()
    c = w.client("anna")
    before = w.peak()
    for command in (b"APPEND {5000+}\r\n" + b"x" * 5000 + b" (", b"APPEND x (", b"LIST"):
        c.send(b"a " + command + b" {0+}\r\n" * 50000 + b"\r\n")
        assert c.until("a")[1].startswith(("BAD", "NO"))
    c.ok("NOOP")
    assert w.peak() - before < 32 * 1024 * 1024


def test_deep_searches(worker, account):
    c = worker.selected(account)
    c.bad("SEARCH " + "(" * 5000 + "ALL" + ")" * 5000)
    c.bad("SEARCH " + "NOT " * 5000 + "ALL")
    c.bad("SEARCH " + "OR ALL " * 5000 + "ALL")
    c.ok("SEARCH " + "ALL " * 3000 + "ALL")


def test_wide_sets(worker, account):
    c = worker.selected(account)
    c.fill("INBOX", 3)
    c.ok("NOOP")
    odd = ",".join(str(i) for i in range(1, 20000, 2))
    assert [line for line in c.ok("UID FETCH 1:4294967295 UID")] == [
        b"* 1 FETCH (UID 1)", b"* 2 FETCH (UID 2)", b"* 3 FETCH (UID 3)"]
    assert len(c.ok("UID FETCH %s UID" % odd)) == 2
    assert len(c.ok("UID FETCH %s UID" % ",".join(["1:*"] * 10000))) == 3
    c.bad("FETCH 1:4 UID")
    c.bad("FETCH * " + "x" * 1000)


def test_a_client_that_does_not_read_costs_no_memory(own_worker):
    w = own_worker()
    c = w.selected("anna")
    c.append("INBOX", b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 60000)
    for _ in range(5):
        c.ok("COPY 1:* INBOX")
        c.ok("NOOP")
    before = w.memory()
    for i in range(300):
        c.send("f%d FETCH 1:* (BODY.PEEK[] ENVELOPE)\r\n" % i)
    time.sleep(2)
    assert w.memory() - before < 4 * 1024 * 1024
    d = w.client("anna")
    d.ok("NOOP")
    c.close()
    d.ok("NOOP")


def test_a_large_header_many_times_over_costs_its_memory_once(own_worker):
    w = own_worker()
    c = w.selected("anna")
    c.append("INBOX", b"x: 0123456789abcde\r\n" * 150000 + b"\r\n")
    c.ok("NOOP")
    before = w.peak()
    c.ok("FETCH 1 (%s)" % " ".join(["BODY.PEEK[HEADER.FIELDS.NOT (y)]<0.1>"] * 60))
    assert w.peak() - before < 64 * 1024 * 1024 * SLOW  # the sanitizer keeps what is freed for a while


def test_half_a_command_then_gone(worker, account):
    for data in (b"a", b"a LOGIN {5}\r\n", b"a APPEND INBOX {1000}\r\nhalf", b"a APPEND INBOX {1000+}\r\nhalf",
                 b"a IDLE\r\nDO"):
        c = worker.client(account)
        c.send(data)
        c.close()
    c = worker.client(account)
    assert b"MESSAGES 0" in c.ok("STATUS INBOX (MESSAGES)")[0]


def test_half_closed_connections_get_their_answers(worker, account):
    c = worker.client(account)
    c.send("a NOOP\r\nb LOGOUT\r\n")
    c.sock.shutdown(socket.SHUT_WR)
    assert c.until("b")[1].startswith("OK")
