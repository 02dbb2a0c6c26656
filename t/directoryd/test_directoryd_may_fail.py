"""directoryd stopped, killed, flooded: the others say that they can't know now, and it goes on by itself."""
import os
import signal
import threading
import time

import pytest
import thurn as thurn_module
from calls import OK, Door
from clients import Imap, Pop, Submission, slow_hash

USER = "anna@sandbox.test"


def right(t, client=Imap):
    try:
        with client(t, "wrap") as c:
            return c.login("PLAIN", USER, t.password("anna"))[0]
    except OSError:
        return False


@pytest.mark.limit(200)
def test_stopped_for_a_while(instance):
    t = instance()
    for client in (Imap, Pop, Submission):  # what is offered is known to each program by then
        assert right(t, client)
    with t.smtp() as s:
        assert s.docmd("EHLO x")[0] == 250
    pid, = t.pids("directory")
    os.kill(pid, signal.SIGSTOP)
    said = {}

    def attempt(client):
        with client(t, "wrap", timeout=40) as c:
            start = time.monotonic()
            said[client] = c.login("PLAIN", USER, t.password("anna"))[1], time.monotonic() - start

    def recipient():
        with t.smtp() as s:
            s.docmd("EHLO x")
            s.docmd("MAIL FROM:<a@elsewhere.test>")
            said["rcpt"] = s.docmd("RCPT TO:<anna@sandbox.test>")[0], 0
            said["remote"] = s.docmd("RCPT TO:<x@elsewhere.test>")[0], 0
    try:
        threads = [threading.Thread(target=attempt, args=(c,)) for c in (Imap, Pop, Submission)]
        threads.append(threading.Thread(target=recipient))
        for x in threads:
            x.start()
        with Imap(t) as c:  # greetings come without it
            assert c.greeting.startswith("* OK") and "AUTH=SCRAM-SHA-256" in c.greeting
        assert not said
        for x in threads:
            x.join()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert said[Imap][0].startswith("a NO [UNAVAILABLE]")
    assert said[Pop][0].startswith("-ERR [SYS/TEMP]")
    assert said[Submission][0].startswith("454 4.7.0")
    assert said["rcpt"][0] == 451
    thurn_module.wait_for(lambda: right(t), 10, "logins again")
    assert t.pids("directory") == [pid]


def test_killed(instance):
    t = instance()
    held = t.imaps("anna")
    for _ in range(3):
        pid, = t.pids("directory")
        os.kill(pid, signal.SIGKILL)
        start = time.monotonic()
        thurn_module.wait_for(lambda: right(t), 15, "logins again")
        assert time.monotonic() - start < 10 * thurn_module.SLOW
    assert held.noop()[0] == "OK"
    t.deliver("anna", "Subject: x\n\ny\n")
    t.wait_for_mail("anna")


def test_what_was_said_to_be_done_survives_a_kill(instance):
    t = instance(users=())
    for n in range(8):
        t.thurn("user", "add", "u%d@sandbox.test" % n, "--password", "pw")
        t.thurn("alias", "add", "a%d@sandbox.test" % n, "u%d@sandbox.test" % n)
        os.kill(t.pids("directory")[0], signal.SIGKILL)
        thurn_module.wait_for(lambda: t.thurn("user", "list", check=False).returncode == 0, 15, "it to come back")
        assert len(t.json("user", "list")) == len(t.json("alias", "list")) == n + 1
    t.kill()
    t.start()
    assert len(t.json("user", "list")) == 8
    with Door(t, "directory-auth") as door:
        assert door.plain("u7@sandbox.test", "pw")["state"] == OK


def test_killed_while_users_are_added(instance):
    """Each add that returned is there afterwards, and no account came twice."""
    t = instance(users=())
    done, stop = [], threading.Event()

    def run(k):
        n = 0
        while not stop.is_set():
            name = "k%d-%d@sandbox.test" % (k, n)
            n += 1
            if t.thurn("user", "add", name, "--no-password", check=False).returncode == 0:
                done.append(name)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(3)]
    for x in threads:
        x.start()
    for _ in range(4):
        time.sleep(0.7)
        pids = t.pids("directory")
        if pids:
            os.kill(pids[0], signal.SIGKILL)
    stop.set()
    for x in threads:
        x.join()
    thurn_module.wait_for(lambda: t.thurn("user", "list", check=False).returncode == 0, 15, "it to come back")
    there = {u["username"]: u["account"] for u in t.json("user", "list")}
    assert done and not [name for name in done if name not in there]
    assert len(set(there.values())) == len(there)


@pytest.mark.limit(200)
def test_two_hundred_logins_at_once(instance):
    t = instance()
    results, lock = [], threading.Lock()

    def run(n):
        client = (Imap, Pop, Submission)[n % 3] if n % 3 != 1 else Submission
        mechanism = ("PLAIN", "SCRAM-SHA-256", "LOGIN")[n % 3]
        with client(t, "wrap", timeout=60) as c:
            ok, reply = c.login(mechanism, USER, t.password("anna"))
            with lock:
                results.append((ok, reply))
            if ok:
                c.logout()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(200)]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    wrong = [reply for ok, reply in results if not ok]
    assert len(results) == 200 and not wrong, wrong[:3]


def test_a_damaged_database_is_not_answered_from(instance):
    t = instance()
    t.stop()
    import glob
    files = glob.glob(str(t.dir) + "/**/users*", recursive=True) + glob.glob(str(t.dir) + "/**/directory/*.db", recursive=True)
    assert files
    for name in files:
        with open(name, "r+b") as f:
            size = os.path.getsize(name)
            f.seek(4096 if size > 8192 else 100)
            f.write(b"\xa5" * (size - f.tell()))
    done = None
    try:
        t.start()
    except thurn_module.CommandFailed as e:
        done = e.done
    if done is None:  # it came up on what it could read: then it dies at the first use, and never says "no such user"
        with t.smtp() as s:
            s.docmd("EHLO x")
            s.docmd("MAIL FROM:<a@elsewhere.test>")
            assert s.docmd("RCPT TO:<anna@sandbox.test>")[0] == 451
    assert "directory database" in t.log() or "damaged" in t.log(), t.log()[-2000:]




def test_a_stop_in_the_middle_of_logins(instance):
    """What hashes is not waited for for ever, and nothing is taken away from it either."""
    t = instance(users=())
    t.thurn("user", "add", "slow@sandbox.test", "--password-hash", slow_hash("x", 3000000))
    doors = [Door(t, "directory-auth") for _ in range(6)]
    for door in doors:
        for n in range(4):
            door.send(4, door.start_payload("PLAIN", b"\0slow@sandbox.test\0wrong%d" % n))
    time.sleep(0.3)
    start = time.monotonic()
    t.stop()
    assert time.monotonic() - start < 15 * thurn_module.SLOW
    assert "directory ended" not in t.log(), t.log()[-1500:]
    t.start()
    assert len(t.json("user", "list")) == 1
