"""SIGUSR2: a new binary takes over under the same pid; sockets stay open, old connections live on."""
import os
import signal
import threading
import time

import private
from private import wait_for


def test_upgrade_keeps_listening_and_old_connections(master, one):
    rows, port = one(min_workers=2, max_workers=2)
    m = master({"one": rows, "queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    old = m.client(port)
    old_pid = old.pid()
    queue_pid = m.client(m.unix("queue")).pid()
    pid = m.status()["pid"]
    failures, stop = [], threading.Event()

    def connect_all_the_time():
        while not stop.is_set():
            try:
                c = private.Client(port)
                if c.ask("x") != "echo x":
                    failures.append("no answer")
                c.close()
            except OSError as e:
                failures.append(e)

    t = threading.Thread(target=connect_all_the_time)
    t.start()
    try:
        m.signal(signal.SIGUSR2)
        wait_for(lambda: m.unix("master").exists() and generation(m) == 2)
        wait_for(lambda: m.status()["ready"])
        time.sleep(0.3)
    finally:
        stop.set()
        t.join()
    assert not failures
    status = m.status()
    assert status["pid"] == pid == m.process.pid
    assert old.ask("y") == "echo y" and old.pid() == old_pid
    wait_for(lambda: [w["pid"] for w in m.workers("one", "retiring")] == [old_pid])
    wait_for(lambda: m.client(port).pid() != old_pid)
    # The one that owns state alone was replaced, too, by one that came after it had ended.
    assert m.client(m.unix("queue")).pid() != queue_pid
    assert not private.is_alive(queue_pid)
    for c in m.clients:
        c.close()
    wait_for(lambda: not private.is_alive(old_pid))
    assert m.service("one")["restarts"] == 0


def test_what_workers_ask_meanwhile_is_answered(master, one):
    """Each question is answered by the old binary or by the new one, at once: nothing waits for the limit and fails."""
    rows, port = one(min_workers=2, max_workers=2, segments="yes")
    m = master({"one": rows, "many": {"program": "local", "listen": "unix:many", "user": "smtpd", "min_workers": 2,
                                      "max_workers": 2}})
    wrong, asked, stop = [], [0] * 6, threading.Event()

    def ask_all_the_time(i):
        c = private.Client(port, timeout=60)
        while not stop.is_set():
            answer = c.ask("segment" if i % 2 else "by many %d" % asked[i])
            asked[i] += 1
            if not answer.startswith("segment " if i % 2 else "pid "):
                wrong.append(answer)
        c.close()

    threads = [threading.Thread(target=ask_all_the_time, args=(i,)) for i in range(len(asked))]
    for t in threads:
        t.start()
    try:
        for n in range(2, 10):
            before = list(asked)
            m.signal(signal.SIGUSR2)
            wait_for(lambda: generation(m) == n and m.status()["ready"])
            wait_for(lambda: all(now > then for now, then in zip(asked, before)))
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not wrong
    # Nobody was told twice, or not at all, to go.
    wait_for(lambda: not m.workers("one", "retiring") and not m.workers("many", "retiring"), 10)


def test_who_does_not_listen_does_not_hold_it_up(master):
    m = master({"queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    pid = m.client(m.unix("queue")).pid()
    os.kill(pid, signal.SIGSTOP)
    for _ in range(400):  # more than the line holds
        m.reload()
    before = m.status()["generation"]
    m.signal(signal.SIGUSR2)
    wait_for(lambda: generation(m) == before + 1, 20)
    assert "Process %d of service queue does not listen and is left behind." % pid in m.log()
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not private.is_alive(pid), 10)
    wait_for(lambda: m.status()["ready"], 10)
    assert m.client(m.unix("queue")).pid() != pid


def generation(m):
    try:
        return m.status()["generation"]
    except OSError:
        return 0


def test_broken_binary_or_configuration_never_takes_over(master, one):
    rows, port = one()
    m = master({"one": rows})
    pid = m.client(port).pid()
    m.services["one"]["max_workers"] = "0"
    m.write()
    m.signal(signal.SIGUSR2)
    wait_for(lambda: "The upgrade fails" in m.log())
    assert m.client(port).pid() == pid
    assert m.status()["generation"] == 1
