"""The disk of the queue, the store, the directory, the sockets or the log is full, now and then or for a while: temporary errors,
reading goes on, nothing is lost, and all is well when there is room again."""
import os
import signal
import time

import pytest
import wire
from conftest import full
from mail import message, wait_until_queue_is_empty
from readers import Reader, inspect
from small_disks import SmallDisk, private_mounts
from traffic import Traffic, wait_until_all_there

import thurn as t

USERS = ("anna", "bert", "cleo", "dora")
SETTINGS = {"message_size_limit": "1M", "disk_reserve": "1M", "qmgr.retry_first": "1s", "qmgr.retry_most": "2s",
            "qmgr.scan_interval": "1s", "directoryd.failure_delay": "0s"}
SIZES = {"queue": "96M", "store": "64M", "directory": "32M", "run": "8M", "log": "8M"}


@pytest.fixture(scope="module")
def namespace():
    if not private_mounts():
        pytest.skip("no mounts of our own: only root has them")


@pytest.fixture
def disk(namespace, instance):
    """disk(folder) -> (instance, the small disk that its folder is on)."""
    disks = []

    def make(folder):
        thurn = instance(users=USERS, settings=SETTINGS)
        for user in USERS:
            thurn.deliver(user, message("m%d" % (900000 + USERS.index(user))))
        wait_until_queue_is_empty(thurn)
        thurn.stop()
        disks.append(SmallDisk(thurn.dir / folder, SIZES[folder]))
        thurn.start()
        return thurn, disks[-1]

    yield make
    for d in disks:
        d.free()


def send(thurn, name, user="anna"):
    try:
        with wire.Smtp(thurn.ports["smtp"]) as s:
            return s.message("s@elsewhere.test", t.address(user), message(name))
    except AssertionError as e:
        return str(e)


def reading_goes_on(thurn):
    with wire.Imap(thurn, "anna") as c:
        c.command("SELECT INBOX")
        assert c.fetch("BODY.PEEK[]", "*")  # the newest: readers expunge others
    with wire.Pop3(thurn, "bert") as c:
        c.send(b"RETR 1\r\n")
        assert b"\r\nSubject: m" in c.lines()


def append(thurn, name):
    with wire.Imap(thurn, "anna") as c:
        data = message(name)
        c.send(b"x APPEND Drafts {%d+}\r\n%s\r\n" % (len(data), data))
        while True:
            line = c.reply()
            if line.startswith(b"x "):
                return line.decode()


def all_is_well(thurn):
    t.wait_for(lambda: send(thurn, "m999999").startswith("250"), 30, "250")
    assert append(thurn, "well").startswith("x OK")
    reading_goes_on(thurn)


@pytest.mark.parametrize("folder", SIZES if full() else ["queue", "store"])
def test_now_and_then(disk, folder):
    """The disk fills up at moments that nobody can foresee, while mail comes in, is delivered and read."""
    thurn, small = disk(folder)
    readers = [Reader(thurn, user, seed=n) for n, user in enumerate(USERS)]
    try:
        traffic = Traffic(thurn, 400, pause=0.03)
        for turn in range(6):
            time.sleep(0.2)
            small.fill(but=[0, 4096, 65536, 300000, 3000000, 0][turn])
            time.sleep(0.3)
            small.free()
        traffic.join()
        assert len(traffic.acknowledged) > 50, traffic.refused
        everything = {"m%d" % (900000 + n) for n in range(4)}
        wait_until_all_there(lambda: inspect(thurn, readers), traffic.acknowledged, traffic.sent | everything)
        wait_until_queue_is_empty(thurn, 60)
    finally:
        for r in readers:
            r.over = True
        for r in readers:
            r.thread.join()
    for r in readers:
        r.stop()
    all_is_well(thurn)
    for user in USERS:
        report = thurn.json("mailbox", "check", t.address(user))
        assert not report["findings"] and report["damagedRecords"] == report["badBodies"] == 0


def test_the_queue(disk):
    thurn, small = disk("queue")
    s = wire.Smtp(thurn.ports["smtp"])
    s.send(b"MAIL FROM:<s@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\nDATA\r\n")
    assert [s.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    small.fill()
    # In the middle of a message: it was written ahead, or it is not accepted.
    s.send(message("m1", "x" * 70 + "\r\n" * 9000) + b".\r\n")
    reply = s.reply()
    assert reply[:3] in ("250", "451", "452"), reply
    t.wait_for(lambda: send(thurn, "m2").startswith("452 4.3.1"), 5, "452")
    reading_goes_on(thurn)
    assert append(thurn, "x").startswith("x OK")
    small.free()
    all_is_well(thurn)

    def arrived():
        return [m for m in thurn.messages("anna") if b"Subject: m1\r\n" in m]
    if reply[:3] == "250":
        t.wait_for(arrived, 20, "what was accepted")
    wait_until_queue_is_empty(thurn)
    assert len(arrived()) == (reply[:3] == "250")


def test_the_store(disk):
    """What was accepted waits in the queue."""
    thurn, small = disk("store")
    small.fill()
    assert append(thurn, "x").startswith("x NO [UNAVAILABLE]")
    for n in range(5):
        assert send(thurn, "m%d" % n).startswith("250")
    t.wait_for(lambda: [m["state"] for m in thurn.json("queue", "list")] == ["deferred"] * 5, 20, "deferrals")
    reading_goes_on(thurn)
    with wire.Imap(thurn, "cleo") as c:  # flags are written ahead of, or refused for now
        c.command("SELECT INBOX")
        c.send(b"x STORE 1 +FLAGS (\\Seen)\r\n")
        while not (line := c.reply()).startswith(b"x "):
            pass
        assert line.startswith((b"x OK", b"x NO [UNAVAILABLE]")), line
    small.free()
    wait_until_queue_is_empty(thurn, 30)
    assert len(thurn.messages("anna")) == 6
    all_is_well(thurn)


def test_the_directory(disk):
    """Its log is written ahead. When it has to start on the full disk it may have to wait, but it loses nobody."""
    thurn, small = disk("directory")
    small.fill()
    added = []

    def add(name):
        done = thurn.thurn("user", "add", name + "@sandbox.test", "--no-password", check=False)
        if done.returncode == 0:
            added.append(name)
        else:
            assert done.stderr
        return done.returncode == 0

    for n in range(20):
        add("new%d" % n)
    assert send(thurn, "m1").startswith("250")
    for pid in thurn.pids("directory"):
        os.kill(pid, signal.SIGKILL)
    for _ in range(5):
        assert send(thurn, "m2")[:3] in ("250", "451")
    small.free()
    t.wait_for(lambda: add("later"), 30, "room")
    names = {u["username"] for u in thurn.json("user", "list")}
    assert {t.address(u) for u in (*USERS, *added)} <= names
    t.wait_for(lambda: send(thurn, "m3").startswith("250"), 30, "250")
    all_is_well(thurn)
