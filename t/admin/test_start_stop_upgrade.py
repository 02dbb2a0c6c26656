"""thurn start, stop and upgrade: each returns when it is true, whatever was there before."""
import pathlib
import platform
import subprocess
import sys
import time

import pytest

from thurn import wait_for


def failure(thurn, *argv, **more):
    done = thurn.thurn(*argv, check=False, **more)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


def test_start_and_stop_by_configuration(instance):
    box = instance(users=())
    assert failure(box, "start") == "The server is running already."
    box.thurn("stop")
    assert failure(box, "stop") == "The server is not running."
    box.thurn("start")
    assert box.status()["ready"]


def test_start_and_stop_if_needed(instance):
    box = instance(users=())
    box.thurn("start", "--if-needed")
    box.thurn("stop", "--if-needed")
    box.thurn("stop", "--if-needed")
    assert (box.dir / "run/master.pid").read_text() == ""
    box.thurn("start", "--if-needed")
    assert box.status()["ready"]


# Its first thread is a zombie, while another one still holds the pid file's lock: what master is for a moment when it
# ends, or for long on a busy machine.
ENDING = """
import ctypes, fcntl, os, signal, struct, sys, threading, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as who ends already
f = open(sys.argv[2], "r+")
os.setsid()
fcntl.fcntl(f, 37, struct.pack("hhlli4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
f.truncate(0)
f.write("%d\\n" % os.getpid())
f.flush()
def end():
    sys.stdin.readline()
    time.sleep(0.5)
    os._exit(0)
threading.Thread(target=end).start()
print("locked", flush=True)
ctypes.CDLL(None).syscall(60, 0)  # exit: this thread alone
"""


@pytest.fixture
def ending(instance):
    """An instance whose master has not yet ended; go() makes it end soon."""
    box = instance(users=())
    box.stop()
    p = subprocess.Popen([sys.executable, "-c", ENDING, box.dir / "etc", box.dir / "run/master.pid"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "locked\n"
    wait_for(lambda: pathlib.Path("/proc/%d/stat" % p.pid).read_text().rpartition(")")[2].split()[0] == "Z", 10,
             "the first thread to end")
    box.ending = p
    yield box
    p.kill()
    p.communicate()


def let_it_end(p):
    """A time at which it has not yet ended."""
    least = time.monotonic() + 0.5
    p.stdin.write("\n")
    p.stdin.flush()
    return least


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of exit is another")
def test_start_waits_for_one_that_is_ending(ending):
    least = let_it_end(ending.ending)
    ending.thurn("start")
    assert time.monotonic() > least and ending.status()["ready"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of exit is another")
def test_stop_returns_when_all_is_gone(ending):
    least = let_it_end(ending.ending)
    ending.stop()
    assert time.monotonic() > least and ending.ending.wait(5) == 0


def test_an_old_pid_file_is_no_server(instance):
    box = instance(users=())
    box.kill()
    with subprocess.Popen([sys.executable, "-c", "import os; os.setsid(); print(flush=True); input()",
                           box.dir / "etc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        (box.dir / "run/master.pid").write_text("%d\n" % other.pid)
        assert failure(box, "stop") == "The server is not running."
        box.thurn("start")
        assert box.status()["ready"] and other.poll() is None
        other.stdin.close()


def test_an_upgrade_drops_no_connection(instance):
    box = instance(users=("anna",))
    with box.imaps("anna") as c:
        pid, queue = box.status()["pid"], box.pids("queue")
        box.thurn("upgrade")
        status = box.status()
        assert (status["pid"], status["generation"], status["ready"]) == (pid, 2, True)
        assert box.pids("queue") != queue
        assert c.noop()[0] == "OK"
    conf = box.dir / "etc/thurn.conf"
    good = conf.read_text()
    conf.write_text(good.replace("[", "no_such_name = 1\n[", 1) if "[" in good
                    else good + "no_such_name = 1\n")
    assert "no_such_name" in box.thurn("upgrade", check=False).stderr
    conf.write_text(good)
    assert box.status()["generation"] == 2
    box.stop()
    assert "not running" in failure(box, "upgrade")
