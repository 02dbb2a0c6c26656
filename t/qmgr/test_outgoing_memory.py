"""Large messages on their way to other hosts take no more memory than outgoing_memory says; the others wait their turn."""
import os
import pathlib
import signal
import threading

import pytest
from sink import Sink

from thurn import wait_for

LIMIT = 4 << 20
BIG = 1500000  # octets: two of them fit
SMALL = 256 << 10


def text(subject, size):
    return "Subject: %s\r\n\r\n%s" % (subject, "x" * 75 + "\r\n" + ("y" * 75 + "\r\n") * (size // 77))


class Held:
    """Answers to recipients named big... wait until they are let go."""

    def __init__(self):
        self.go = threading.Event()
        self.one = threading.Semaphore(0)
        self.seen = []

    @property
    def waiting(self):
        return len(self.seen)

    def answer(self, command, line):
        if command == "RCPT" and "<big" in line:
            self.seen.append(line)
            while not self.go.is_set() and not self.one.acquire(timeout=0.05):
                pass


@pytest.fixture
def held():
    h = Held()
    yield h
    h.go.set()


@pytest.fixture
def sink(held):
    with Sink(held.answer) as s:
        yield s


@pytest.fixture
def outgoing(held, sink, instance):
    """All remote mail goes to the sink, each recipient's domain by itself."""
    return instance(settings={"smtp.smart_host": "[127.0.0.1]:%d" % sink.port, "networks": "127.0.0.0/8",
                              "smtp.tls": "no", "qmgr.outgoing_memory": LIMIT, "qmgr.scan_interval": "1s"})


def memory_files(pid):
    """inode -> size of the messages in memory that a process has open."""
    found = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            fd = os.open("/proc/%d/fd/%s" % (pid, name), os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue  # a socket, or closed just now
        if os.readlink("/proc/self/fd/%d" % fd).startswith("/memfd:message"):
            found[os.fstat(fd).st_ino] = os.fstat(fd).st_size
        os.close(fd)
    return found


def sizes(thurn):
    """Of the large messages in memory at one moment, each once however many hold it."""
    (queue,) = thurn.pids("queue")
    os.kill(queue, signal.SIGSTOP)
    try:
        wait_for(lambda: pathlib.Path("/proc/%d/stat" % queue).read_text().rsplit(")")[-1].split()[0] == "T", 10, "the stop")
        found = memory_files(queue)
        for pid in thurn.pids("smtp-agent"):
            found.update(memory_files(pid))
    finally:
        os.kill(queue, signal.SIGCONT)
    return [n for n in found.values() if n > SMALL]


def is_within(thurn):
    found = sizes(thurn)
    assert sum(found) <= LIMIT or len(found) == 1, found


def send(thurn, sends):
    with thurn.smtp() as s:
        for to, size in sends:
            s.sendmail("sender@elsewhere.test", [to], text(to, size))


def all_of(thurn, sink, subjects):
    is_within(thurn)
    return sorted(sink.subjects()) == sorted(subjects)


def test_large_messages_wait_for_octets_and_small_ones_for_nothing(outgoing, held, sink):
    large = ["big%d@far%d.test" % (i, i) for i in range(7)] + ["big@huge.test"]
    send(outgoing, [(to, 2 * LIMIT if "huge" in to else BIG) for to in large])
    wait_for(lambda: held.waiting >= 2, 20, "two of them at the host")
    small = ["joe@near%d.test" % i for i in range(20)]
    send(outgoing, [(to, 1000) for to in small])
    wait_for(lambda: all_of(outgoing, sink, small), 20, "the small ones")
    assert held.waiting == 2 and len(sizes(outgoing)) == 2
    held.go.set()
    wait_for(lambda: all_of(outgoing, sink, small + large), 60, "all of them")
    wait_for(lambda: sizes(outgoing) == [], 20, "the end of the copies")


def test_several_deliveries_share_a_copy(outgoing, held, sink):
    domains = ["big@far%d.test" % i for i in range(4)]
    with outgoing.smtp() as s:
        s.sendmail("sender@elsewhere.test", domains, text("one", 3000000))
    wait_for(lambda: held.waiting == 4, 20, "four deliveries of one message")
    assert len(sizes(outgoing)) == 1
    held.go.set()
    wait_for(lambda: len(sink.subjects()) == 4, 20, "all of them")


def test_an_agent_that_dies_gives_its_octets_back(outgoing, held, sink):
    large = ["big%d@far%d.test" % (i, i) for i in range(5)]
    send(outgoing, [(to, BIG) for to in large])
    wait_for(lambda: held.waiting == 2, 20, "two of them at the host")
    for pid in outgoing.pids("smtp-agent"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: held.waiting == 4, 20, "two of them there again")
    is_within(outgoing)
    held.go.set()
    wait_for(lambda: all_of(outgoing, sink, large), 60, "all of them")


def test_who_has_half_of_it_lets_others_pass(outgoing, held, sink):
    crowd = ["big%d@crowd.test" % i for i in range(7)]
    send(outgoing, [(to, 1000000) for to in crowd])
    wait_for(lambda: held.waiting == 4, 20, "four of them at the host")
    send(outgoing, [("big@other.test", 1000000)])
    wait_for(lambda: len(outgoing.json("queue", "list")) == 8, 20, "all in the queue")
    held.one.release()
    wait_for(lambda: held.waiting == 5, 20, "the next one's turn")
    assert "big@other.test" in held.seen[4]
    held.go.set()
    wait_for(lambda: all_of(outgoing, sink, crowd + ["big@other.test"]), 60, "all of them")
