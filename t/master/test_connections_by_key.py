"""A connection with a key goes to the same worker as the others with that key, and to any other when that one can't take it."""
import os
import signal
import time

import pytest

import private
from private import wait_for

KEYS = range(40)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def pids(m):
    return [w["pid"] for w in m.workers("many")]


def who(client, key):
    """Pid of the worker that a connection with the key got to."""
    answer = client.ask("by many %d" % key)
    assert answer.startswith("pid "), answer
    return int(answer.split()[1])


@pytest.fixture
def pair(master, one):
    """A master with a service of some workers, and a client of another service that connects to it."""
    def make(chroot="", user="smtpd", **rows):
        first, port = one(**({"chroot": chroot} if chroot else {}))
        m = master({"one": first, "many": {"program": "local", "listen": "unix:many", "user": user, "min_workers": 3,
                                           "max_workers": 3, **rows}})
        wait_for(lambda: len(m.workers("many")) == 3)
        return m, m.client(port)
    return make


def all_keys(c):
    """Who has each key; a worker that has no time for half a second is passed over, and has it the next time."""
    def twice_the_same():
        found = {key: who(c, key) for key in KEYS}
        return found if {key: who(c, key) for key in KEYS} == found else None
    return wait_for(twice_the_same)


def test_each_key_has_its_worker_and_each_worker_its_keys(pair):
    m, c = pair()
    assert set(all_keys(c).values()) == set(pids(m))


def test_a_dead_worker_moves_its_own_keys_only(pair):
    m, c = pair()
    first = all_keys(c)
    dead = first[0]
    os.kill(dead, signal.SIGKILL)
    # Meanwhile too: nobody is turned away.
    during = {key: who(c, key) for key in KEYS}
    assert dead not in during.values()
    wait_for(lambda: len(m.workers("many")) == 3 and dead not in pids(m))
    after = all_keys(c)
    assert all(after[key] == first[key] for key in KEYS if first[key] != dead)
    assert len(set(after.values())) == 3


def test_a_full_worker_is_passed_over(pair):
    m, c = pair(connections=2)
    favourite = who(c, 1)
    direct = []
    while sum(x.pid() == favourite for x in direct) < 2:
        direct.append(m.client(m.unix("many")))
        assert len(direct) <= 6
    for x in direct:
        if x.pid() != favourite:
            x.close()
    assert who(c, 1) != favourite
    for x in direct:
        x.close()
    wait_for(lambda: who(c, 1) == favourite)


def test_a_worker_that_takes_nothing_is_passed_over(pair):
    m, c = pair()
    stuck = who(c, 1)
    os.kill(stuck, signal.SIGSTOP)
    try:
        waiting = m.client(c.sock.getpeername()[1])
        waiting.file.write(b"by many 1\n")
        waiting.file.flush()
        answer = waiting.read()  # it waits for that one for a moment only
        assert answer.startswith("pid ") and int(answer.split()[1]) != stuck
        assert who(c, 1) != stuck
    finally:
        os.kill(stuck, signal.SIGCONT)
    wait_for(lambda: who(c, 1) == stuck)


def test_a_reload_moves_all_keys_to_new_workers(pair):
    m, c = pair()
    old = {who(c, key) for key in KEYS}
    m.reload()
    c = m.client(c.sock.getpeername()[1])
    for _ in range(200):
        assert who(c, 1)
    wait_for(lambda: not old & set(pids(m)))
    assert not old & {who(c, key) for key in KEYS}


@as_root
@pytest.mark.parametrize("chroot", ["", "empty"])
def test_the_worker_learns_who_connects(pair, chroot):
    m, c = pair(chroot=chroot)
    assert c.ask("by many 7").endswith(" peer unix 60602")


@as_root
def test_who_may_not_connect_gets_no_worker(pair):
    m, c = pair(chroot="empty", user="queue", listen_mode="600")
    assert c.ask("by many 7").endswith("Permission denied.")
