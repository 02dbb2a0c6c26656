"""Ports for the tests' servers, below those that the kernel chooses for connections by itself; each is kept for this process by a
lock, which tells other tests at work."""
import fcntl
import os
import random
import socket

FOLDER = "/tmp/thurn-test-ports-%d" % os.getuid()
WELL_KNOWN = (24, 25, 80, 110, 143, 465, 587, 993, 995)
BASES = range(11000, 31000, 250)   # no two of them have a port in common
SINGLE = range(31750, 32768)
kept = []  # locks of single ports, as long as this process lives


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def locked(numbers, ports_of):
    """One of the numbers whose ports are free, and the file that keeps it as long as it is open."""
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    for number in random.sample(numbers, len(numbers)):
        lock = open("%s/%d" % (FOLDER, number), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        if all(is_free(port) for port in ports_of(number)):
            return number, lock
        lock.close()
    raise RuntimeError("no free ports")


class PortBase:
    """A base whose ports are free, kept as long as the object lives."""

    def __init__(self):
        self.base, self.lock = locked(BASES, lambda base: [base + port for port in WELL_KNOWN])

    def free(self):
        self.lock.close()


def free_port():
    """One that nobody else takes while this process lives, whether something listens on it or not."""
    port, lock = locked(SINGLE, lambda port: [port])
    kept.append(lock)
    return port
