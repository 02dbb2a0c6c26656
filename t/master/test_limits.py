"""Connections from one address are counted over all workers, also those that died; workers grow and shrink with need."""
import os
import signal
import time

import pytest

import private
from private import wait_for


def test_address_over_its_limit_is_told(master, one):
    rows, port = one(min_workers=2, max_workers=2, connections_per_address=3)
    m = master({"one": rows})
    wait_for(lambda: len(m.workers("one")) == 2)
    clients = [m.client(port) for _ in range(3)]
    assert all(c.ask("x") == "echo x" for c in clients)
    fourth = m.client(port)
    assert fourth.read() == "too many of you" and fourth.read() == ""
    assert m.service("one")["refused"] == 1
    clients[0].close()

    def welcome():
        return m.client(port).ask("x") == "echo x"
    wait_for(welcome)


def test_what_a_dead_worker_held_is_forgotten(master, one):
    rows, port = one(connections_per_address=2)
    m = master({"one": rows})
    for _ in range(3):
        clients = [m.client(port), m.client(port)]
        assert [c.ask("x") for c in clients] == ["echo x"] * 2
        os.kill(clients[0].pid(), signal.SIGKILL)
        assert clients[1].read() == ""


def test_growth_to_max_workers_and_no_further(master, one):
    rows, port = one(min_workers=1, max_workers=3, connections=1)
    m = master({"one": rows}, {"spare_time": "200ms"})
    clients = [m.client(port) for _ in range(3)]
    assert [c.ask("x") for c in clients] == ["echo x"] * 3
    assert len({c.pid() for c in clients}) == 3
    fourth = m.client(port)
    fourth.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        fourth.ask("x")
    assert len(m.workers("one")) == 3
    for c in [*clients, fourth]:
        c.close()
    wait_for(lambda: len(m.workers("one")) == 1 and len(m.pids()) == 1)
    last = m.client(port)
    assert last.sock.getpeername()[1] == port


def test_who_is_still_starting_is_not_spare(master, one):
    """However long it takes: the others are full, and will not say so again."""
    rows, port = one(min_workers=1, max_workers=2, connections=1)
    m = master({"one": rows}, {"spare_time": "100ms"})
    slow = m.dir / "etc/one.slow"
    slow.touch()
    first, second = m.client(port), m.client(port)
    assert first.ask("x") == "echo x"
    wait_for(lambda: len(m.pids()) == 2)
    time.sleep(0.5)
    slow.unlink()
    assert second.ask("x") == "echo x"
    assert "shrink" not in m.log()


def test_waiting_connection_is_served_when_another_ends(master, one):
    rows, port = one(connections=1)
    m = master({"one": rows})
    first = m.client(port)
    assert first.ask("x") == "echo x"
    second = m.client(port)
    second.file.write(b"y\n")
    second.file.flush()
    first.close()
    assert second.read() == "echo y"
    assert m.workers("one")[0]["served"] == 2


def test_counters_reach_the_status(master, one):
    rows, port = one()
    m = master({"one": rows})
    for _ in range(4):
        m.client(port).ask("x")
    w = m.workers("one")[0]
    assert w["counters"][0] == 4 and w["served"] == 4 and w["connections"] == 4
