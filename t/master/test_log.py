"""A log file that has been rotated: every process goes on in the new one."""
import re
import signal

import pytest

import private
from private import wait_for


@pytest.fixture
def m(master, one):
    rows, port = one(min_workers=1, max_workers=1)
    made = master({"one": rows,
                   "queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    made.port = port
    return made


def rotate(m):
    (m.dir / "log").rename(m.dir / "log.1")


def is_in(m, name, text):
    path = m.dir / name
    return path.exists() and re.search(text, path.read_text()) is not None


def says(client, text):
    """Its process writes a line; then it answers."""
    client.file.write(b"log %s\n" % text.encode())
    assert client.ask("x") == "echo x"


def goes_on_in_the_new_file(m, client, text):
    """The notice may take a moment."""
    def does():
        says(client, text)
        return is_in(m, "log", text)
    wait_for(does)


def test_a_signal_makes_all_processes_reopen_it(m):
    worker, single = m.client(m.port), m.client(m.unix("queue"))
    pid = worker.pid()
    rotate(m)
    says(worker, "still there")
    assert is_in(m, "log.1", "still there")
    m.signal(signal.SIGUSR1)
    wait_for(lambda: (m.dir / "log").exists())
    goes_on_in_the_new_file(m, worker, "from the worker")
    goes_on_in_the_new_file(m, single, "from the queue")
    assert worker.pid() == pid and m.client(m.port).pid() == pid
    m.signal(signal.SIGHUP)
    wait_for(lambda: is_in(m, "log", r" master\[\d+\] info reload "))
    assert not is_in(m, "log.1", "reload")


def test_so_does_a_reload_for_those_that_are_retiring(m):
    old = m.client(m.port)
    rotate(m)
    m.reload()
    wait_for(lambda: m.workers("one", "retiring"))
    goes_on_in_the_new_file(m, old, "from the old worker")
    assert not is_in(m, "log.1", "reload generation")


def test_where_it_can_not_be_opened_the_old_one_is_kept(m):
    rotate(m)
    (m.dir / "log").mkdir()
    m.signal(signal.SIGUSR1)
    wait_for(lambda: is_in(m, "log.1", "can't be opened for appending"))
    worker = m.client(m.port)
    says(worker, "still there")
    assert is_in(m, "log.1", "still there")
    (m.dir / "log").rmdir()
