"""min_workers = 0: no process until somebody connects, and none again when nobody needs it."""
import signal

import private
from private import wait_for


def test_first_connection_starts_a_worker_and_the_last_one_ends_it(master, one):
    rows, port = one(min_workers=0, listen="unix:one")
    m = master({"one": rows}, {"spare_time": "200ms"})
    assert m.pids() == []
    for _ in range(2):
        c = m.client(m.unix("one"))
        assert c.ask("x") == "echo x"
        assert len(m.pids()) == 1
        c.close()
        wait_for(lambda: m.pids() == [])
    assert m.service("one")["restarts"] == 0 and m.status()["ready"]


def test_connection_keeps_its_worker(master, one):
    rows, port = one(min_workers=0)
    m = master({"one": rows}, {"spare_time": "100ms"})
    c = m.client(port)
    pid = c.pid()
    m.client(port).ask("x")
    m.clients.pop().close()
    try:
        wait_for(lambda: m.pids() != [pid], 0.6)
        raise RuntimeError("it was ended")
    except AssertionError:
        pass
    assert c.pid() == pid


def test_reload_and_upgrade_with_nobody_there(master, one):
    rows, port = one(min_workers=0)
    m = master({"one": rows}, {"spare_time": "10s"})
    m.reload()
    assert m.pids() == []
    c = m.client(port)
    pid = c.pid()
    m.signal(signal.SIGUSR2)

    def upgraded():
        try:
            return m.status()["generation"] == 3
        except OSError:
            return False
    wait_for(upgraded)
    wait_for(lambda: m.workers("one", "retiring"))
    assert c.ask("x") == "echo x"
    wait_for(lambda: m.client(port).pid() != pid)
