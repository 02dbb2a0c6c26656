"""A worker that dies is started again; one that dies at once again and again is given ever longer pauses."""
import os
import signal
import time

import private
from private import wait_for


def test_killed_worker_is_replaced_and_the_others_serve_on(master, one):
    rows, port = one(min_workers=2, max_workers=2)
    m = master({"one": rows})
    wait_for(lambda: len(m.workers("one")) == 2)
    c = m.client(port)
    other = next(w["pid"] for w in m.workers("one") if w["pid"] != c.pid())
    killed = time.monotonic()
    os.kill(other, signal.SIGKILL)
    wait_for(lambda: len(m.workers("one")) == 2 and other not in m.pids())
    assert time.monotonic() - killed < 3 * private.SLOW  # usual is a tenth
    assert m.service("one")["restarts"] == 1
    assert c.ask("still there") == "echo still there"
    assert "was killed by signal 9" in m.log()


def test_crash_loop_backs_off_and_heals(master, one):
    rows, port = one()
    m = master({"one": rows}, {"restart_first": "50ms", "restart_most": "800ms"}, start=False)
    crash = m.dir / "etc/one.crash"
    crash.touch()
    m.start(ready=False)
    began = time.monotonic()
    wait_for(lambda: m.answers() and m.service("one")["restarts"] >= 2)
    time.sleep(1.2)
    # 50 + 100 + 200 + 400 ms, and 800 from then on: five or six starts, where an endless loop makes hundreds.
    restarts = m.service("one")["restarts"]
    assert restarts <= 6 + max(0, time.monotonic() - began - 1.5) / 0.8
    assert not m.status()["ready"]
    assert m.service("one")["trouble"] == "It ends before it is ready; the log tells why."
    assert "can't start: It was told to fail." in m.log()
    crash.unlink()
    wait_for(lambda: m.status()["ready"])
    assert m.client(port).ask("hi") == "echo hi"
    assert m.service("one")["trouble"] == ""


def test_stuck_starter_is_killed_and_slow_one_is_not(master, one):
    rows, port = one()
    slow, slow_port = one()
    m = master({"one": rows, "two": slow}, {"start_timeout": "1s"}, start=False)
    (m.dir / "etc/one.hang").touch()
    (m.dir / "etc/two.slow").touch()
    m.start(ready=False)
    wait_for(lambda: "does not get ready and is killed" in m.log())
    (m.dir / "etc/one.hang").unlink()
    wait_for(lambda: m.status()["ready"])
    assert m.service("two")["restarts"] == 0
    assert m.workers("two")[0]["start_ms"] > 1500


def test_single_is_never_there_twice(master):
    m = master({"queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    first = m.client(m.unix("queue")).pid()
    os.kill(first, signal.SIGKILL)
    second = m.client(m.unix("queue")).pid()
    assert second != first and not private.is_alive(first)
    assert len(m.pids()) == 1


def test_workers_that_served_are_back_soon_however_often_they_are_killed(master, one):
    rows, port = one(min_workers=2, max_workers=2)
    m = master({"one": rows}, {"restart_first": "400ms"})
    for _ in range(5):
        wait_for(lambda: len(m.workers("one")) == 2)
        killed = time.monotonic()
        pids = [w["pid"] for w in m.workers("one")]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert m.client(port).ask("again") == "echo again"
        assert time.monotonic() - killed < 4 * private.SLOW  # the pauses would become longer than six seconds
