"""The wall clock is set back and forward by an hour under a running server: retries go on, ids and UIDs stay unique, sessions last,
nothing spins, nothing is lost."""
import datetime
import os
import pathlib
import re
import struct
import subprocess
import sys
import time

import pytest
import wire
from conftest import full
from mail import message

import thurn as t

sys.path.insert(0, str(t.ROOT / "t/qmgr"))

from sink import Sink  # noqa: E402

HOUR = 3600
PROGRAMS = [p for p in t.BIN.iterdir() if p.is_file() and os.access(p, os.X_OK)] if t.BIN.exists() else []


class Clock:
    """Programs whose wall clock is ours: `programs` is for program_dir."""

    def __init__(self, folder):
        self.file, shim, self.programs = folder / "clock", folder / "clock.so", folder / "bin"
        folder.chmod(0o755)
        self.file.write_bytes(bytes(8))
        self.file.chmod(0o644)
        subprocess.run(["cc", "-std=c17", "-O1", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(shim),
                        str(pathlib.Path(__file__).with_name("clock.c")), "-ldl"], check=True)
        self.programs.mkdir()
        self.programs.chmod(0o755)
        for p in PROGRAMS:
            wrapper = self.programs / p.name
            # The sanitizers want to be the first library; they need not.
            wrapper.write_text('#!/bin/sh\nexport THURN_TEST_CLOCK="%s" LD_PRELOAD="%s" ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"\n'
                               'exec "%s" "$@"\n' % (self.file, shim, p))
            wrapper.chmod(0o755)

    def set(self, seconds):
        with open(self.file, "r+b") as f:
            f.write(struct.pack("<q", int(seconds * 1000000)))
        self.ahead = seconds

    def now(self):
        return time.time() + self.ahead


@pytest.fixture
def world(instance, tmp_path_factory):
    """A clock, an instance that lives by it, and a host that mail is relayed to, which refuses until `open` is set."""
    import shutil
    import tempfile
    folder = pathlib.Path(tempfile.mkdtemp(prefix="thurn-test-clock-", dir="/tmp"))
    clock = Clock(folder)
    clock.set(0)
    state = {"open": False}
    sink = Sink(lambda c, line: "451 4.2.0 not now" if c == "RCPT" and not state["open"] else None)
    thurn = instance(settings={"program_dir": clock.programs, "smtp.routes": "elsewhere.test=127.0.0.1:%d" % sink.port,
                               "networks": "127.0.0.0/8", "smtp.loopback": "yes", "smtp.tls": "no", "qmgr.retry_first": "1s",
                               "qmgr.retry_most": "2s", "qmgr.scan_interval": "1s"})
    yield clock, thurn, sink, state
    sink.close()
    shutil.rmtree(folder, ignore_errors=True)


def defer(thurn, sink, count, prefix):
    for n in range(count):
        thurn.deliver("bob@elsewhere.test", message("%s%d" % (prefix, n), to="bob@elsewhere.test"))
    t.wait_for(lambda: [m for m in thurn.json("queue", "list") if m["state"] == "deferred"], 20, "deferrals")


def expect(thurn, sink, state, count, prefix):
    state["open"] = True
    t.wait_for(lambda: {"%s%d" % (prefix, n) for n in range(count)} <= set(sink.subjects()), 30, "the deferred messages")
    t.wait_for(lambda: not thurn.json("queue", "list"), 30, "an empty queue")
    assert len(sink.subjects()) == len(set(sink.subjects())), "twice"
    state["open"] = False


def processor_times(thurn):
    found = {}
    for pid in thurn.processes():
        fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
        found[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def nothing_spins(thurn):
    before = processor_times(thurn)
    time.sleep(1.5)
    busy = {pid: spent - before[pid] for pid, spent in processor_times(thurn).items() if pid in before}
    assert max(busy.values()) < 0.8, busy


def mailbox(c, name):
    text = b"\n".join(c.command("SELECT " + name))
    return int(re.search(rb"\[UIDVALIDITY (\d+)\]", text)[1])


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
def test_an_hour(world, step):
    clock, thurn, sink, state = world
    if step < 0:
        clock.set(HOUR)
        thurn.restart()
    start = clock.ahead
    for n in range(5):
        thurn.deliver("anna", message("before %d" % n))
    thurn.wait_for_mail("anna", 5)
    imap, smtp, pop3 = wire.Imap(thurn, "anna"), wire.Smtp(thurn.ports["smtp"]), wire.Pop3(thurn, "bert")
    uidvalidity = mailbox(imap, "INBOX")
    imap.command("CREATE before")
    made_before = mailbox(imap, "before")
    imap.command("SELECT INBOX")
    defer(thurn, sink, 4, "d")
    clock.set(start + step)
    # Who is in stays in, and what takes time takes as long as before.
    nothing_spins(thurn)
    imap.command("NOOP")
    pop3.command("NOOP")
    for n in range(5):
        assert smtp.message("s@elsewhere.test", "anna@sandbox.test", message("after %d" % n)).startswith("250")
    expect(thurn, sink, state, 4, "d")
    thurn.wait_for_mail("anna", 10)
    # Numbers go up, whatever the clock does.
    imap.command("NOOP")
    rows = imap.fetch("UID ENVELOPE INTERNALDATE")
    assert list(rows) == list(range(1, 11))
    assert [i["ENVELOPE"][1].decode() for i in rows.values()][5:] == ["after %d" % n for n in range(5)]
    assert mailbox(imap, "INBOX") == uidvalidity
    imap.command("DELETE before")
    imap.command("CREATE before")
    assert mailbox(imap, "before") > made_before
    date = rows[10]["INTERNALDATE"].decode()
    arrival = datetime.datetime.strptime(date.strip(), "%d-%b-%Y %H:%M:%S %z").timestamp()
    assert abs(arrival - clock.now()) < 600, date
    # A login, whose ticket has an age, and one message more each way.
    with wire.Imap(thurn, "anna") as c:
        c.command("NOOP")
    defer(thurn, sink, 2, "e")
    expect(thurn, sink, state, 2, "e")
    traces = re.findall(r"smtpd\S* info session=\S+ trace=(\w+) accepted", thurn.log())
    assert len(traces) == len(set(traces)) == 16
    assert "expired" not in thurn.log()


def test_started_again_with_a_clock_that_was_ahead(world):
    """What was put off by the wrong clock does not wait until that time."""
    clock, thurn, sink, state = world
    clock.set(HOUR)
    thurn.restart()
    defer(thurn, sink, 4, "d")
    thurn.stop()
    clock.set(0)
    thurn.start()
    expect(thurn, sink, state, 4, "d")


@pytest.mark.skipif(not full(), reason="THURN_FULL=1")
def test_ten_days_ahead_and_back(world):
    """Mail that was accepted after the clock was mended is not old."""
    clock, thurn, sink, state = world
    clock.set(10 * 24 * HOUR)
    nothing_spins(thurn)
    clock.set(0)
    defer(thurn, sink, 3, "d")
    time.sleep(3)  # a few retries
    assert len(thurn.json("queue", "list")) == 3
    expect(thurn, sink, state, 3, "d")


@pytest.mark.limit(90)
def test_an_old_segment_without_header_goes_only_if_nothing_is_in_it(world):
    """Its writer never began, or its beginning is damaged."""
    clock, thurn, sink, state = world
    folder = thurn.dir / "queue/segments"
    defer(thurn, sink, 1, "m")
    (damaged,) = [f for f in folder.glob("*.seg") if b"Subject: m0" in f.read_bytes()]
    owner = damaged.stat()
    thurn.kill()
    for f in (thurn.dir / "queue/db").iterdir():
        f.unlink()
    text = damaged.read_bytes()
    at = text.index(b"Subject: m0")
    damaged.write_bytes(bytes(2048) + text[at:] + bytes(4096))
    zeros, empty = folder / "00000000deadbee1.seg", folder / "00000000deadbee2.seg"
    for path, content in ((zeros, bytes(200000)), (empty, b"")):
        path.write_bytes(content)
        os.chown(path, owner.st_uid, owner.st_gid)
    thurn.start()
    clock.set(2 * HOUR)
    t.wait_for(lambda: not zeros.exists() and not empty.exists(), 20, "the empty ones to go")
    thurn.wait_for_log("has no header that can be read; it is kept")
    assert damaged.exists()
