"""Descriptors or memory run out in one program: temporary errors, nobody else notices, no processor is burnt, nothing is lost, and
it recovers by itself."""
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest
import wire
from conftest import full
from mail import message
from traffic import Traffic, found, wait_until_all_there

import thurn as t

ONE = {"smtp:min_workers": 1, "smtp:max_workers": 1, "imap:min_workers": 1, "imap:max_workers": 1,
       "imapd:min_workers": 1, "imapd:max_workers": 1}


def processor_time(pid):
    fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def prlimit(pid, option, value):
    """Even without the capability for it: as the process's own user. value: a soft limit, the hard one stays."""
    def try_it():  # again, if it was just changing to its user
        owner = os.stat("/proc/%d" % pid)
        done = subprocess.run(["setpriv", "--reuid=%d" % owner.st_uid, "--regid=%d" % owner.st_gid, "--clear-groups",
                               "prlimit", "--pid", str(pid), "--%s=%s:" % (option, value)])
        return done.returncode == 0
    t.wait_for(try_it, 10, "the limit to be set")


def usual_limit(pid):
    (line,) = [line for line in open("/proc/%d/limits" % pid) if line.startswith("Max open files")]
    return int(line.split()[3])


def limit_descriptors(pid, more):
    """Only so many more than it has open."""
    prlimit(pid, "nofile", descriptors(pid) + more)


def accepts(thurn, name="x"):
    try:
        with wire.Smtp(thurn.ports["smtp"]) as s:
            return s.message("s@elsewhere.test", "anna@sandbox.test", message(name)).startswith("250")
    except (OSError, AssertionError):
        return False


def greeting(port, wait=20):
    """What a new connection is told in that time, and the connection."""
    s = socket.create_connection(("127.0.0.1", port), 10)
    s.settimeout(wait * t.SLOW)
    try:
        return s.recv(1000), s
    except (TimeoutError, ConnectionError):
        return None, s


@pytest.mark.parametrize("service, port, busy", [("smtp", "smtp", b"421 4.3.2 "), ("imap", "imap", b"* BYE "), ("pop3", "pop3", b"-ERR [SYS/TEMP]")])
def test_descriptors_run_out(instance, service, port, busy):
    thurn = instance(settings=ONE)
    (pid,) = thurn.pids(service)
    held = [greeting(thurn.ports[port])[1] for _ in range(3)]
    limit_descriptors(pid, 2)
    said = []
    for _ in range(12):
        text, s = greeting(thurn.ports[port])
        held.append(s)
        said.append(text)
    refused = [text for text in said if text and text.startswith(busy)]
    assert len(refused) >= 8, said
    before = processor_time(pid)
    time.sleep(1)
    assert processor_time(pid) - before < 0.5, "it spins"
    # The others go on; the ones that are in go on, too.
    assert thurn.lmtp().noop()[0] == 250
    assert thurn.imaps("anna").noop()[0] == "OK"
    for s in held:
        s.close()
    t.wait_for(lambda: not (greeting(thurn.ports[port])[0] or busy).startswith(busy), 10, "room again")
    assert thurn.pids(service) == [pid]
    assert thurn.log().count("may not open more descriptors") <= 30


def test_there_is_not_even_a_reserve(instance):
    """Nobody can be accepted, so that nobody can be told: they wait, and nothing spins meanwhile."""
    thurn = instance(settings=ONE)
    (pid,) = thurn.pids("smtp")
    usual = usual_limit(pid)
    prlimit(pid, "nofile", 3)  # below what is open: no number can be had
    text, s = greeting(thurn.ports["smtp"], 1)
    assert text is None
    before = processor_time(pid)
    time.sleep(2)
    assert processor_time(pid) - before < 0.5, "it spins"
    assert thurn.log().count("may not open more descriptors") <= 10
    prlimit(pid, "nofile", usual)
    s.settimeout(30)
    assert s.recv(1000).startswith(b"220 ")
    s.close()
    assert accepts(thurn)


def test_workers_without_descriptors_answer_later(instance):
    """imapd can't open the accounts, local neither, qmgr no segments: all is well again when they can."""
    thurn = instance(users=("anna", "bert", "cleo", "dora"), settings={**ONE, "qmgr.retry_first": "1s", "qmgr.retry_most": "2s"})
    usual = {}
    for service in ("imapd", "local-agent", "queue"):
        for pid in thurn.pids(service):
            usual[pid] = usual_limit(pid)
            limit_descriptors(pid, 1)
    traffic = Traffic(thurn, 200)
    traffic.join()
    assert len(traffic.acknowledged) == 200
    answers = []
    for user in ("anna", "bert"):
        try:
            wire.Imap(thurn, user).close()
        except (AssertionError, OSError) as e:
            answers.append(str(e))
    assert all("UNAVAILABLE" in a or "ended" in a for a in answers), answers
    busy = {pid: processor_time(pid) for pid in usual if os.path.exists("/proc/%d" % pid)}
    time.sleep(1)
    for pid, spent in busy.items():
        if os.path.exists("/proc/%d" % pid):
            assert processor_time(pid) - spent < 0.7, "it spins"
    for pid, limits in usual.items():
        if os.path.exists("/proc/%d" % pid):
            prlimit(pid, "nofile", limits)
    wait_until_all_there(lambda: found(thurn), traffic.acknowledged, traffic.sent)


@pytest.mark.skipif(not full(), reason="THURN_FULL=1: it is waited for half a minute, as in directoryd/test_directoryd_may_fail.py")
def test_a_directory_without_descriptors_is_not_there_for_now(instance):
    """Who is connected to it goes on; who has to connect hears that later, and says so; it takes them by itself."""
    thurn = instance(settings={**ONE, "imaps:min_workers": 1, "imaps:max_workers": 1})
    (pid,) = thurn.pids("directory")
    usual = usual_limit(pid)
    assert accepts(thurn) and thurn.imaps("anna").noop()[0] == "OK"
    with thurn.lmtp() as s:
        s.ehlo()
        assert s.mail("s@elsewhere.test")[0] == 250 and s.rcpt("anna@sandbox.test")[0] == 250
        prlimit(pid, "nofile", 3)  # what is open stays so
        assert s.rcpt("bert@sandbox.test")[0] == 250
    for service in "smtp", "imaps":  # those that come after them have no connection to it
        for old in thurn.pids(service):
            os.kill(old, signal.SIGKILL)
            t.wait_for(lambda: thurn.pids(service) not in ([], [old]), 10, "the next worker")
    before, told = processor_time(pid), []

    def attempt(work):
        try:
            work()
            told.append("done")
        except (OSError, AssertionError) as e:
            told.append(str(e))

    def send():
        with wire.Smtp(thurn.ports["smtp"]) as s:
            reply = s.message("s@elsewhere.test", "anna@sandbox.test", message("x"))
            assert reply.startswith("250"), reply

    threads = [threading.Thread(target=attempt, args=(work,)) for work in (send, lambda: wire.Imap(thurn, "anna").close())]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60 * t.SLOW)
    assert len(told) == 2 and all(re.search(r"\A451 4\.3\.0|NO \[UNAVAILABLE\]", x) for x in told), told
    assert processor_time(pid) - before < 2, "it spins"
    prlimit(pid, "nofile", usual)
    t.wait_for(lambda: accepts(thurn), 20, "250")
    assert thurn.imaps("anna").noop()[0] == "OK" and thurn.pids("directory") == [pid]


def limit_memory(pid, more):
    size = int(open("/proc/%d/statm" % pid).read().split()[0]) * resource.getpagesize()
    prlimit(pid, "as", size + more)


@pytest.mark.skipif(t.SAN, reason="the sanitizers need all the address space")
@pytest.mark.parametrize("service", ["smtp", "imapd", "queue"] + ["local-agent", "directory", "imaps"] * full())
def test_memory_runs_out(instance, service):
    """The process may end, and says why; another takes its place."""
    thurn = instance(users=("anna", "bert", "cleo", "dora"), settings={**ONE, "qmgr.retry_first": "1s", "qmgr.retry_most": "2s",
                                                                       "qmgr.scan_interval": "1s"})
    for pid in thurn.pids(service):
        limit_memory(pid, 300000)
    traffic = Traffic(thurn, 300, clients=40)
    sessions = []
    for n in range(20):
        try:
            sessions.append(wire.Imap(thurn, ("anna", "bert")[n % 2]))
            sessions[-1].command("SELECT INBOX")
            sessions[-1].command("UID FETCH 1:* (BODY.PEEK[] ENVELOPE)")
        except (AssertionError, OSError):
            pass
    traffic.join()
    for s in sessions:
        s.close()
    assert len(traffic.acknowledged) > 100
    for pid in thurn.pids(service):
        prlimit(pid, "as", "unlimited")
    wait_until_all_there(lambda: found(thurn), traffic.acknowledged, traffic.sent)
    assert accepts(thurn, "m1000000")
