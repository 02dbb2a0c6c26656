"""When many connections have ended, what they took goes back to the system: not to the next ones, who may never come."""
import socket

import pytest

import thurn as t

MANY = 300


def memory(pid):
    """Octets that are this process's own and written to."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Private_Dirty:")) << 10


def connect(thurn, tls):
    c = tls.wrap_socket(socket.create_connection(("127.0.0.1", thurn.ports["imaps"]), 30), server_hostname="localhost")
    assert c.recv(1000).startswith(b"* OK")
    return c


@pytest.mark.skipif(t.SAN, reason="the address sanitizer keeps what is freed")
def test_the_memory_of_a_crowd_goes_back(instance):
    thurn = instance(settings={"imaps:max_workers": 1})
    pid, = thurn.pids("imaps")
    tls = thurn.tls()
    connect(thurn, tls).close()
    before = memory(pid)
    crowd = [connect(thurn, tls) for _ in range(MANY)]
    taken = memory(pid) - before
    assert taken > MANY * 8192
    for c in crowd:
        c.close()
    t.wait_for(lambda: memory(pid) < before + taken // 2, 60, "the memory of %d connections" % MANY)
    connect(thurn, tls).close()
