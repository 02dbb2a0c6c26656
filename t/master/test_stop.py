"""The end: in order, in time, leaving nothing behind; and what happens when master itself is killed."""
import os
import re
import signal
import time

import private
from private import wait_for


def services(one):
    rows, port = one(min_workers=2, max_workers=2)
    return {
        "directory": {"program": "directoryd", "listen": "unix:directory", "user": "dir"},
        "queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"},
        "deliver": {"program": "local", "listen": "unix:deliver", "user": "store"},
        "one": rows,
    }, port


def test_stop_leaves_nothing_and_ends_in_order(master, one):
    rows, port = services(one)
    m = master(rows)
    wait_for(lambda: len(m.pids()) == 5)
    pids = m.pids()
    idle = m.client(port)  # an open connection gets its time and is cut
    assert idle.ask("x") == "echo x"
    start = time.monotonic()
    m.signal(signal.SIGTERM)
    assert m.process.wait(10 * private.SLOW) == 0
    assert time.monotonic() - start > 0.5
    assert not [pid for pid in pids if private.is_alive(pid)]
    assert sorted(os.listdir(m.dir / "run")) == ["empty", "master.pid"]
    order = re.findall(r"ended service=(\w+)", m.log())
    assert order == ["one", "one", "deliver", "queue", "directory"]
    assert idle.read() == ""


def test_stop_by_operator_and_second_signal_is_now(master, one):
    rows, port = services(one)
    m = master(rows, {"shutdown_timeout": "30s"})
    c = m.client(port)
    c.ask("x")
    m.call(14, b"\0")
    wait_for(lambda: m.status()["state"] == "stopping")
    m.signal(signal.SIGTERM)
    assert m.process.wait(5 * private.SLOW) == 0
    assert c.read() == ""


def test_killed_master_takes_its_workers_with_it_and_the_next_one_starts(master, one):
    rows, port = services(one)
    rows["one"]["segments"] = "yes"
    m = master(rows)
    pids = m.pids()
    ids = [int(m.client(port).ask("segment").split()[1]) for _ in range(3)]
    m.process.kill()
    m.process.wait()
    m.process.stderr.close()
    wait_for(lambda: not [pid for pid in pids if private.is_alive(pid)], 8)
    m.start()
    ids += [int(m.client(port).ask("segment").split()[1]) for _ in range(3)]
    assert ids == sorted(set(ids))


def test_second_master_is_refused(master, one):
    rows, port = one()
    m = master({"one": rows})
    done = m.run()
    assert done.returncode == 1
    assert "Another master runs in this run_dir." in done.stderr + m.log()
    assert m.client(port).ask("x") == "echo x"


def test_background_returns_when_sockets_are_bound(master, one):
    rows, port = one()
    m = master({"one": rows}, start=False)
    done = m.run("-b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = int((m.dir / "run/master.pid").read_text())
    try:
        c = m.client(port)
        assert c.ask("x") == "echo x"
        c.close()
    finally:
        pids = m.pids()
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not [p for p in pids + [pid] if private.is_alive(p)])
    m.services["one"]["listen"] = "300.0.0.1:25"
    m.write()
    done = m.run("-b")
    assert done.returncode == 1 and done.stderr.startswith("master: ")


def test_check_only_says_what_is_wrong(master, one):
    rows, port = one()
    m = master({"one": rows}, start=False)
    assert m.run("-t").returncode == 0
    m.services["one"]["max_workers"] = "0"
    m.write()
    done = m.run("-t")
    assert done.returncode == 1 and "max_workers" in done.stderr
