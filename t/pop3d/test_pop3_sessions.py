"""POP3 after login: RFC 1939 and 2449, numbers and ids, what deletes and what does not, clients that do not read."""
import glob
import os
import re
import signal
import socket
import time

import pytest
import thurn as thurn_module
from clients import Imap, Pop

USER = "anna@sandbox.test"
CORPUS = sorted(p for p in (thurn_module.ROOT / "t/data/mail").rglob("*") if p.is_file())


@pytest.fixture
def thurn(instance):
    return instance()


def enter(t, user="anna", tls="wrap", **more):
    c = Pop(t, tls, **more)
    ok, reply = c.login("PLAIN" if tls else "SCRAM-SHA-256", user + "@sandbox.test", t.password(user))
    assert ok, reply
    c.said = reply
    return c


def fill(t, count, user="anna", size=0):
    before = len(t.messages(user))
    for n in range(count):
        t.deliver(user, "Subject: message %d\n\nline 1 of %d\n.dot\n..two\nlast\n%s" % (n, n, "x" * 70 + "\n" if size else ""))
    t.wait_for_mail(user, before + count)


def append(t, messages, user="anna"):
    """As they are, by IMAP: nothing is put in front."""
    with t.imaps(user) as c:
        for m in messages:
            ok, said = c.append("INBOX", None, None, m)
            assert ok == "OK", said


def stuffed(message):
    lines = message.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)


def test_an_empty_maildrop(thurn):
    with enter(thurn) as c:
        assert c.said == "+OK 0 messages"
        assert c("STAT") == "+OK 0 0"
        assert c.list("LIST") == [] and c.list("UIDL") == []
        for command in ("RETR 1", "LIST 1", "DELE 1", "UIDL 1", "TOP 1 0"):
            c(command, "-ERR There is no such message")
        c("RSET", "+OK")
        c("QUIT", "+OK")
        assert c.line() is None


def test_dialogue(thurn):
    append(thurn, [b"Subject: a\r\n\r\none\r\n", b"Subject: b\r\n\r\n.\r\ntwo\r\n", b"Subject: c\r\n\r\n"])
    sizes = [19, 22, 14]
    with enter(thurn) as c:
        assert c("STAT") == "+OK 3 %d" % sum(sizes)
        assert c.list("LIST") == ["%d %d" % (n + 1, s) for n, s in enumerate(sizes)]
        assert c("LIST 2") == "+OK 2 22"
        ids = c.list("UIDL")
        assert all(re.fullmatch(r"\d [!-~]{1,70}", i) for i in ids) and len(set(i[2:] for i in ids)) == 3
        assert c("UIDL 3") == "+OK " + ids[2]
        assert c.message("RETR 2") == b"Subject: b\r\n\r\n..\r\ntwo\r\n"
        assert c.message("TOP 2 0") == b"Subject: b\r\n\r\n"
        assert c.message("TOP 2 1") == b"Subject: b\r\n\r\n..\r\n"
        assert c.message("TOP 2 4294967295") == b"Subject: b\r\n\r\n..\r\ntwo\r\n"
        assert c.message("TOP 3 5") == b"Subject: c\r\n\r\n"
        c("NOOP", "+OK")
        c("DELE 2", "+OK")
        for command in ("DELE 2", "RETR 2", "TOP 2 0", "LIST 2", "UIDL 2"):
            c(command, "-ERR There is no such message")
        assert c("STAT") == "+OK 2 33"
        assert c.list("LIST") == ["1 19", "3 14"]
        assert [i[0] for i in c.list("UIDL")] == ["1", "3"]
        c("RSET", "+OK")
        assert c("STAT") == "+OK 3 %d" % sum(sizes)
        c("dele 1", "+OK")
        c("QUIT", "+OK Bye")
        assert c.line() is None
    with enter(thurn) as c:
        assert c("STAT") == "+OK 2 36"
        assert [i.split()[1] for i in c.list("UIDL")] == [i.split()[1] for i in ids[1:]]


@pytest.mark.parametrize("command", [
    "", " ", "RETR", "RETR x", "RETR 0", "RETR -1", "RETR 1 2", "RETR 99999999999999999999", "TOP 1", "TOP 1 x", "TOP 0 1",
    "TOP 1 -1", "LIST 0", "LIST 1 1", "STAT 1", "NOOP x", "QUIT now", "DELE", "DELE 1x", "UIDL x", "FROB", "RETR\t1",
    "APOP a b", "USER anna", "PASS x", "AUTH PLAIN", "STLS", "R" * 254, "RETR " + "1" * 300, "RETR 1\0"])
def test_what_is_no_command(command, shared):
    with enter(shared) as c:
        assert c(command).startswith("-ERR"), command
        assert c("STAT") == "+OK 1 19"
        c("QUIT", "+OK")


@pytest.fixture(scope="module")
def shared():
    t = thurn_module.Instance()
    append(t, [b"Subject: a\r\n\r\none\r\n"])
    yield t
    t.close()


def test_capabilities(shared):
    with Pop(shared, "wrap") as c:
        before = set(c.list("CAPA"))
        assert {"TOP", "UIDL", "USER", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"} <= before
    with enter(shared) as c:
        after = set(c.list("CAPA"))
        assert {b for b in before if not b.startswith(("SASL", "STLS"))} <= after
        c("QUIT", "+OK")
    with Pop(shared) as c:
        assert "STLS" in c.list("CAPA")


def test_ids_are_the_same_in_every_session_and_after_a_restart(thurn):
    fill(thurn, 3)
    with enter(thurn) as c:
        ids = c.list("UIDL")
        c("QUIT", "+OK")
    thurn.restart()
    with enter(thurn) as c:
        assert c.list("UIDL") == ids
        c("DELE 2", "+OK")
        c("QUIT", "+OK")
    fill(thurn, 1)
    with enter(thurn) as c:
        now = [i.split()[1] for i in c.list("UIDL")]
        assert now[:2] == [ids[0].split()[1], ids[2].split()[1]] and now[2] not in [i.split()[1] for i in ids]


@pytest.mark.parametrize("end", ["close", "reset", "timeout-like"])
def test_without_quit_nothing_is_deleted(thurn, end):
    fill(thurn, 2)
    c = enter(thurn)
    c("DELE 1", "+OK")
    c.message("RETR 2")
    if end == "reset":
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    elif end == "timeout-like":
        c.send("QUI")
    c.sock.close()
    thurn_module.wait_for(lambda: can_enter(thurn), 10, "the end of the session")
    assert len(thurn.messages("anna")) == 2
    with enter(thurn) as c:
        assert c("STAT").startswith("+OK 2 ")


def test_what_was_read_is_seen(thurn):
    fill(thurn, 2)
    with enter(thurn) as c:
        c.message("RETR 2")
        c("QUIT", "+OK")
    with thurn.imaps("anna") as c:
        c.select("INBOX")
        assert c.search(None, "SEEN") == ("OK", [b"2"])


def test_in_use(thurn):
    fill(thurn, 1)
    with enter(thurn) as first:
        with Pop(thurn, "wrap") as c:
            ok, reply = c.login("PLAIN", USER, thurn.password("anna"))
            assert not ok and reply.startswith("-ERR [IN-USE]")
        with enter(thurn, "bert"):  # who is somebody else is free to enter
            pass
        with Imap(thurn, "wrap") as c:  # and IMAP does not mind
            assert c.login("PLAIN", USER, thurn.password("anna"))[0]
        first("DELE 1", "+OK")
        first("QUIT", "+OK")
    with enter(thurn) as c:
        assert c("STAT") == "+OK 0 0"
    for pid in thurn.pids("pop3d"):  # a lock dies with its holder
        os.kill(pid, signal.SIGKILL)
    thurn_module.wait_for(lambda: can_enter(thurn), 10, "a new session")


def test_who_heard_the_end_may_come_back_at_once(shared):
    for _ in range(20):
        with enter(shared) as c:
            c("QUIT", "+OK Bye")


def can_enter(t):
    try:
        with enter(t) as c:
            c("QUIT", "+OK")
            return True
    except (AssertionError, OSError):
        return False


def test_numbers_stay_while_mail_comes_and_goes(thurn):
    fill(thurn, 3)
    with enter(thurn) as c:
        ids, sizes = c.list("UIDL"), c.list("LIST")
        fill(thurn, 2)
        with thurn.imaps("anna") as other:
            other.select("INBOX")
            other.store("2", "+FLAGS", "\\Deleted")
            other.expunge()
        assert c.list("UIDL") == ids and c.list("LIST") == sizes
        assert c.message("RETR 3").startswith(b"Return-Path")
        first = c("RETR 2")  # gone meanwhile: either it is still read, or that is said
        assert first.startswith(("+OK", "-ERR"))
        if first.startswith("+OK"):
            c.many()
        c("DELE 2", "+OK")
        c("DELE 1", "+OK")
        c("QUIT", "+OK")
    assert len(thurn.messages("anna")) == 3


@pytest.mark.parametrize("tls", ["", "wrap"])
def test_every_message_comes_back_byte_for_byte(instance, tls):
    t = instance()
    messages = []
    for path in CORPUS:
        text = path.read_bytes()
        text = re.sub(rb"\r?\n", b"\r\n", text)
        if b"\0" not in text and len(text) < 2 << 20 and text:
            messages.append(text if text.endswith(b"\r\n") else text + b"\r\n")
    messages += [b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n", b".\r\n", b"\r\n", b"\r\n.\r\n",
                 b"A: b\r\n\r\n" + b".\r\n" * 40000,
                 b"A: b\r\n\r\n" + b"x" * 65000 + b"\r\n" + b"." * 65000 + b"\r\n",
                 b"A: " + b"y" * (65536 - 5) + b"\r\n\r\n.end of a piece\r\n",
                 b"no header at all\r\n.\r\n"]
    append(t, messages)
    with enter(t, tls=tls, timeout=60) as c:
        assert c("STAT") == "+OK %d %d" % (len(messages), sum(map(len, messages)))
        for n, m in enumerate(messages, 1):
            assert c.message("RETR %d" % n) == stuffed(m), n
        for n, m in enumerate(messages, 1):
            head, blank, body = m.partition(b"\r\n\r\n") if not m.startswith(b"\r\n") else (b"", b"\r\n", m[2:])
            for lines in (0, 1, 3):
                want = head + blank + b"".join(line + b"\r\n" for line in body.split(b"\r\n")[:-1][:lines])
                assert c.message("TOP %d %d" % (n, lines)) == stuffed(want), (n, lines)
        c("QUIT", "+OK")


def test_pipelining(thurn):
    append(thurn, [b"Subject: %d\r\n\r\n%s\r\n" % (n, b"z" * 500) for n in range(50)])
    with enter(thurn) as c:
        c.send("".join("RETR %d\r\nDELE %d\r\n" % (n, n) for n in range(1, 51)) + "STAT\r\nRSET\r\nLIST 50\r\nQUIT\r\n")
        for n in range(50):
            assert c.line().startswith("+OK")
            assert c.many()[0] == "Subject: %d" % n
            assert c.line().startswith("+OK")
        assert c.line() == "+OK 0 0"
        assert c.line() == "+OK"
        assert c.line().startswith("+OK 50 ")
        assert c.line().startswith("+OK") and c.line() is None
    assert len(thurn.messages("anna")) == 50


def resident(t, *services):
    return sum(int(line.split()[1]) for s in services for pid in t.pids(s)
               for line in open("/proc/%d/status" % pid) if line.startswith("VmRSS"))


@pytest.mark.parametrize("tls", ["", "wrap"])
def test_a_client_that_does_not_read_costs_little(instance, tls):
    t = instance()
    append(t, [b"Subject: big\r\n\r\n" + (b"y" * 70 + b"\r\n") * 30000])
    with enter(t, tls=tls) as c:
        c.message("RETR 1")
        before = resident(t, "pop3d", "pop3", "pop3s")
        try:
            for _ in range(200):
                c.sock.settimeout(0.2)
                c.send("RETR 1\r\nLIST\r\n" * 20)
        except (TimeoutError, OSError):
            pass
        time.sleep(1)
        grown = resident(t, "pop3d", "pop3", "pop3s") - before
        assert grown < (8 << 10) * thurn_module.SLOW, grown
        with enter(t, "bert") as other:  # the others go on
            start = time.monotonic()
            other("STAT", "+OK")
            other("QUIT", "+OK")
            assert time.monotonic() - start < 10 * thurn_module.SLOW


@pytest.mark.limit(200)
def test_a_huge_listing(instance):
    """20,000 messages: numbers, sizes, ids; and half of it removed."""
    t = instance()
    with t.imaps("anna") as c:
        c.sock.settimeout(100 * thurn_module.SLOW)
        one = b"S: x\r\n\r\n"
        for _ in range(20):
            c.send(b"m APPEND INBOX " + b" ".join([b"{%d+}\r\n" % len(one) + one] * 1000) + b"\r\n")
            while not (line := c.readline()).startswith(b"m "):
                pass
            if b"OK" not in line:
                pytest.skip("no MULTIAPPEND: " + line.decode())
    with enter(t, timeout=60) as c:
        assert c("STAT") == "+OK 20000 160000"
        assert len(c.list("LIST")) == len(set(x.split()[1] for x in c.list("UIDL"))) == 20000
        c.send("".join("DELE %d\r\n" % n for n in range(1, 20001, 2)))
        for _ in range(10000):
            assert c.line().startswith("+OK")
        c("QUIT", "+OK")
    with enter(t) as c:
        assert c("STAT") == "+OK 10000 80000"


def test_a_message_that_can_not_be_read_is_said_to_be(thurn):
    """The pack is cut in the middle of the second of three messages: RETR refuses it, what TOP sent of it has no end."""
    append(thurn, [b"Subject: a\r\n\r\n" + b"first message\r\n" * 100])
    append(thurn, [b"Subject: b\r\n\r\n" + b"middle message\r\n" * 20000 + b"its end\r\n"])
    append(thurn, [b"Subject: c\r\n\r\n" + b"last message\r\n" * 100])
    thurn.stop()
    packs = [p for p in glob.glob(str(thurn.dir) + "/store/**", recursive=True)
             if os.path.isfile(p) and b"middle message" in open(p, "rb").read()]
    for p in packs:
        os.truncate(p, open(p, "rb").read().index(b"Subject: b") + 150000)
    assert packs
    thurn.start()
    with enter(thurn) as c:
        assert b"first message" in c.message("RETR 1")
        assert c("RETR 3").startswith("-ERR [SYS/")
        assert b"middle message" in c.message("TOP 2 5")
        assert c("RETR 2").startswith("-ERR [SYS/")
        c("TOP 2 100000", "+OK")
        said = []
        while (line := c.line()) is not None:
            said.append(line)
        assert "." not in said and "its end" not in said  # the connection's end is all that is honest
    with enter(thurn) as c:
        c("DELE 2", "+OK")
        c("DELE 3", "+OK")
        c("QUIT", "+OK")
    with enter(thurn) as c:
        assert c("STAT").startswith("+OK 1 ")
