"""A program that is there and does nothing (SIGSTOP): temporary errors in bounded time, the others unaffected, and all is well by
itself when it goes on. With THURN_FULL=1 each is stopped for a minute, as an operator's debugger would."""
import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest
import wire
from clients import Imap, Pop
from conftest import full
from mail import message

import thurn as t

FULL_SECONDS = 60
USERS = ("anna", "bert")


def one(service):
    return {service + ":min_workers": 1, service + ":max_workers": 1}


@contextlib.contextmanager
def stopped(thurn, *services):
    pids = [pid for service in services for pid in thurn.pids(service)]
    assert pids
    start = time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield pids
        if full():
            time.sleep(max(0, FULL_SECONDS - (time.monotonic() - start)))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class Asked:
    """Answers to several requests at once, each with the time that it took."""

    def __init__(self, **requests):
        self.answers, self.took = {}, {}
        self.threads = [threading.Thread(target=self.ask, args=row, daemon=True) for row in requests.items()]
        for thread in self.threads:
            thread.start()

    def ask(self, name, request):
        start = time.monotonic()
        try:
            self.answers[name] = request()
        except (OSError, ConnectionError) as e:
            self.answers[name] = "lost: %s" % e
        except AssertionError as e:
            self.answers[name] = str(e)
        self.took[name] = time.monotonic() - start

    def join(self, limit):
        """All have come within so many seconds."""
        end = time.monotonic() + limit * t.SLOW
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
        assert not [x for x in self.threads if x.is_alive()], "no answer in time: only %s" % self.answers
        print(self.answers, {k: round(v, 1) for k, v in self.took.items()})
        return self.answers


def send(thurn, name, to="anna@sandbox.test"):
    def request():
        with wire.Smtp(thurn.ports["smtp"]) as s:
            return s.message("s@elsewhere.test", to, message(name))
    return request


def login(thurn, user="anna"):
    def request():
        with wire.Imap(thurn, user) as c:
            c.command("SELECT INBOX")
        return "OK"
    return request


def pop3(thurn, user="bert"):
    def request():
        with wire.Pop3(thurn, user) as c:
            return c.command("STAT").decode()
    return request


def sessions(thurn):
    """Of users that are logged in: they work whatever is stopped."""
    c, p, s = wire.Imap(thurn, "anna"), wire.Pop3(thurn, "bert"), wire.Smtp(thurn.ports["smtp"])
    c.command("SELECT INBOX")

    def work():
        start = time.monotonic()
        c.command("NOOP")
        data = message("appended")
        c.send(b"x APPEND Drafts {%d+}\r\n%s\r\n" % (len(data), data))
        assert c.reply().startswith(b"x OK")
        p.command("NOOP")
        s.send(b"NOOP\r\n")
        s.expect(b"250")
        assert time.monotonic() - start < 3 * t.SLOW, "others are held up"
    return work


def all_is_well(thurn, names):
    t.wait_for(lambda: login(thurn)() == "OK", 20, "a login")
    assert send(thurn, "well again")().startswith("250")
    with wire.Imap(thurn, "anna") as c:
        def there():
            c.command("SELECT INBOX")
            found = [i["ENVELOPE"][1].decode() for i in c.fetch("UID ENVELOPE").values()]
            assert len(found) == len(set(found)), "twice"
            return {*names, "well again"} <= set(found)
        t.wait_for(there, 60, "all messages")


@pytest.mark.skipif(not full(), reason="THURN_FULL=1; directoryd/test_directoryd_may_fail.py and others have a shorter one")
@pytest.mark.limit(400)
def test_the_directory(instance):
    thurn = instance()
    work = sessions(thurn)
    with stopped(thurn, "directory") as pids:
        work()
        asked = Asked(mail=send(thurn, "refused"), remote=send(thurn, "refused", "x@far.test"), imap=login(thurn), pop3=pop3(thurn))
        work()
        answers = asked.join(45)
        assert answers["mail"].startswith("451 4.3.0") and answers["remote"].startswith("451 4.3.0")
        assert "NO [UNAVAILABLE]" in answers["imap"]
        assert "-ERR [SYS/TEMP]" in answers["pop3"]
        work()
    assert thurn.pids("directory") == pids
    all_is_well(thurn, [])


@pytest.mark.limit(400)
def test_the_queue_manager(instance):
    """Nobody waits for it: what it would have delivered comes later."""
    thurn = instance()
    work = sessions(thurn)
    with stopped(thurn, "queue") as pids:
        asked = Asked(**{"m%d" % n: send(thurn, "m%d" % n) for n in range(10)}, imap=login(thurn))
        answers = asked.join(10)
        assert all(a.startswith("250") or a == "OK" for a in answers.values()), answers
        work()
        if full():  # it waits half a minute
            done = thurn.thurn("queue", "list", check=False)
            assert done.returncode != 0 and done.stderr, "the operator is told"
    assert thurn.pids("queue") == pids
    all_is_well(thurn, ["m%d" % n for n in range(10)])


@pytest.mark.limit(400)
def test_the_login_programs(instance):
    """Who is in stays in, unless his bytes pass through the stopped one; who comes waits, and is served when it goes on."""
    thurn = instance(settings=one("imaps"))
    with stopped(thurn, "imaps") as pids:
        waiting = socket.create_connection(("127.0.0.1", thurn.ports["imaps"]), 5)  # the kernel has it
        asked = Asked(mail=send(thurn, "meanwhile"), pop3=pop3(thurn), plain=lambda: thurn.imap("anna").noop()[0])
        answers = asked.join(20)
        assert answers["mail"].startswith("250") and answers["pop3"].startswith("+OK") and answers["plain"] == "OK"
    assert thurn.pids("imaps") == pids
    with thurn.tls().wrap_socket(waiting, server_hostname="localhost") as s:
        s.settimeout(20 * t.SLOW)
        assert s.recv(1000).startswith(b"* OK")
    all_is_well(thurn, ["meanwhile"])


DOORS = {"imap": (Imap, "", "a NO [UNAVAILABLE]"), "imaps": (Imap, "wrap", "a NO [UNAVAILABLE]"),
         "pop3": (Pop, "", "-ERR [SYS/TEMP]"), "pop3s": (Pop, "wrap", "-ERR [SYS/TEMP]")}
PLACES = 3  # at each door


def enter(thurn, door, user="anna"):
    client, tls, _ = DOORS[door]
    c = client(thurn, tls)
    c.log_in = lambda: c.by_password(t.address(user), thurn.password(user))[1]
    return c


def is_refused(thurn, door):
    try:
        with enter(thurn, door) as c:
            return c.greeting is None or "OK" not in c.greeting
    except OSError:
        return True


def nobody_is_left(thurn, services, before):
    def left():
        found = [s["connections"] for s in thurn.status()["services"] if s["service"] in services]
        open_now = [len(os.listdir("/proc/%d/fd" % pid)) for service in services for pid in thurn.pids(service)]
        return not any(found) and all(now <= then for now, then in zip(open_now, before or open_now)) and open_now
    return t.wait_for(left, 20, "the end of all connections and their descriptors")


@pytest.mark.limit(400)
def test_the_workers_behind_the_login_programs(instance):
    """Who has logged in is told to come later, on a connection that goes on; nobody else waits, and nothing is left of it."""
    services = [*DOORS, "imapd", "pop3d"]
    settings = {k: v for s in services for k, v in one(s).items()}
    for door in DOORS:
        settings[door + ":connections_per_address"] = PLACES
    for program in ("imap_login", "pop3_login"):
        settings.update({program + ".hand_over_timeout": 2, program + ".plain_without_tls": "yes"})
    thurn = instance(settings=settings)
    for door in DOORS:
        with enter(thurn, door) as c:
            assert c.ok(c.log_in())
    before = nobody_is_left(thurn, services, None)
    late = {"%s %d" % (door, n): enter(thurn, door) for door in DOORS for n in range(PLACES)}
    with stopped(thurn, "imapd", "pop3d"):
        waiting = Asked(**{name: c.log_in for name, c in late.items()})
        assert send(thurn, "meanwhile")().startswith("250")
        answers = waiting.join(30)
        wrong = {name: a for name, a in answers.items() if not a.startswith(DOORS[name.split()[0]][2])}
        assert not wrong, wrong
        assert min(waiting.took.values()) > 1.5
    for door in DOORS:  # and on the same connection
        c = late[door + " 0"]
        t.wait_for(lambda: c.ok(c.log_in()), 10, "a login at " + door)
        c.logout()
    for c in late.values():
        c.sock.close()
    nobody_is_left(thurn, services, before)
    inside = []
    for door in DOORS:  # all places are there again, and not one more
        for n in range(PLACES):
            inside.append(enter(thurn, door))
            if n == 0 or door.startswith("imap"):  # a maildrop is one session's
                t.wait_for(lambda: inside[-1].ok(inside[-1].log_in()), 10, "a place at " + door)
        assert is_refused(thurn, door)
        if door == "pop3":
            inside[-PLACES].logout()
    for c in inside:
        c.sock.close()
    nobody_is_left(thurn, services, None)
    all_is_well(thurn, ["meanwhile"])


@pytest.mark.limit(400)
def test_the_delivery_agent(instance):
    thurn = instance(settings=one("local-agent"))
    work = sessions(thurn)
    names = ["m%d" % n for n in range(10)]
    with stopped(thurn, "local-agent") as pids:
        answers = Asked(**{n: send(thurn, n) for n in names}, imap=login(thurn)).join(10)
        assert all(a.startswith("250") or a == "OK" for a in answers.values()), answers
        work()
        t.wait_for(lambda: len(thurn.json("queue", "list")) == 10, 10, "ten messages in the queue")
    assert thurn.pids("local-agent") == pids
    all_is_well(thurn, names)


@pytest.mark.limit(400)
def test_a_worker_of_several(instance):
    """The kernel gives connections to the ones that wake up."""
    thurn = instance(settings={"smtp:min_workers": 2, "smtp:max_workers": 2})
    pid = thurn.pids("smtp")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = Asked(**{"m%d" % n: send(thurn, "m%d" % n) for n in range(20)}).join(20)
        assert all(a.startswith("250") for a in answers.values()), answers
    finally:
        os.kill(pid, signal.SIGCONT)
    all_is_well(thurn, ["m%d" % n for n in range(20)])


@pytest.mark.skipif(not full(), reason="THURN_FULL=1; the deadlines add up to a quarter of a minute")
@pytest.mark.limit(400)
def test_master(instance):
    """Who is in goes on; what needs master (a new segment, a connection out of a chroot) is told to come later."""
    thurn = instance()
    work = sessions(thurn)
    master = thurn.status()["pid"]
    os.kill(master, signal.SIGSTOP)
    try:
        answers = Asked(mail=send(thurn, "refused"), imap=login(thurn), pop3=pop3(thurn)).join(100)
        assert answers["mail"].startswith(("250", "451 4.3.0"))
        assert answers["imap"] == "OK" or "UNAVAILABLE" in answers["imap"]
        assert answers["pop3"].startswith("+OK") or "SYS/TEMP" in answers["pop3"]
        work()
    finally:
        os.kill(master, signal.SIGCONT)
    all_is_well(thurn, [])
