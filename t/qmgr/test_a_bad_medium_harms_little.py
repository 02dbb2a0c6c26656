"""A record that went bad under a living writer; a disk that is full."""
import os
import signal
import subprocess
import time

import pytest

import thurn as t

SMALL = 200 << 10  # what is left of the disk


def test_a_damaged_record_holds_up_the_others_for_its_time(instance):
    """The writer lives and its record is announced: qmgr waits for it, but not for ever."""
    thurn = instance(users=("anna",), settings={
        "qmgr.scan_interval": "1s", "qmgr.damage_wait": "3s", "smtp:min_workers": "1", "smtp:max_workers": "1"})
    queue, writer = thurn.pids("queue")[0], thurn.pids("smtp")[0]
    os.kill(queue, signal.SIGSTOP)
    try:
        with thurn.smtp() as s:
            for n in range(3):
                s.sendmail("joe@far.test", ["anna@sandbox.test"], "Subject: m%d\r\n\r\nmarked %d\r\n" % (n, n))
        (segment,) = [p for p in (thurn.dir / "queue").rglob("*") if p.is_file() and b"marked 1" in p.read_bytes()]
        with open(segment, "r+b") as f:
            f.seek(segment.read_bytes().index(b"marked 1"))
            f.write(b"M")
        began = time.monotonic()
    finally:
        os.kill(queue, signal.SIGCONT)
    got = thurn.wait_for_mail("anna", 2)
    assert time.monotonic() - began > 3
    assert sorted(line for m in got for line in m.split(b"\r\n") if line.startswith(b"Subject")) == [b"Subject: m0", b"Subject: m2"]
    assert "is damaged and passed over" in thurn.log()
    assert thurn.pids("smtp") == [writer]  # it was not its end that freed the others
    reply = thurn.smtp().sendmail("joe@far.test", ["anna@sandbox.test"], "Subject: m3\r\n\r\n\r\n")
    assert reply == {} and len(thurn.wait_for_mail("anna", 3)) == 3


def mail(thurn):
    """The reply to MAIL."""
    with thurn.smtp() as s:
        s.ehlo()
        return "%d %s" % tuple(x if isinstance(x, int) else x.decode() for x in s.mail("joe@far.test"))


def size_of(disk, octets):
    subprocess.run(["mount", "-o", "remount,size=%d" % octets, "tmpfs", disk], check=True)


def leave(disk, octets):
    """The disk is as full as can be: so much is left."""
    st = os.statvfs(disk)
    size_of(disk, (st.f_blocks - st.f_bavail) * st.f_frsize + octets)


@pytest.fixture
def disk(relay):
    """(instance, sink, disk) of a queue with a disk of its own."""
    answers = {"END": "451 4.3.0 later"}
    thurn, sink = relay(lambda command, line: answers.get(command), users=("anna",),
                        settings={"disk_reserve": "64M", "message_size_limit": "1M"})
    thurn.stop()
    queue = thurn.dir / "queue"
    old = queue.with_name("queue.old")
    queue.rename(old)
    queue.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m,mode=%o" % (old.stat().st_mode & 0o7777), "tmpfs", queue],
                      capture_output=True).returncode:
        queue.rmdir()
        old.rename(queue)
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["cp", "-a", "%s/." % old, queue], check=True)
        os.chown(queue, old.stat().st_uid, old.stat().st_gid)
        thurn.start()
        yield thurn, answers, queue
        thurn.kill()
    finally:
        subprocess.run(["umount", "-l", queue], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_leaves_room_for_what_is_accepted(disk):
    """Rule 10: nothing new comes in, what is there gets its end, reports too; then all is as before."""
    thurn, answers, queue = disk
    reserve = queue / "db/reserve"
    t.wait_for(lambda: reserve.stat().st_blocks * 512 >= 32 << 20, 10, "the reserve")
    with thurn.submissions("anna") as s:
        for n in range(30):
            s.sendmail("anna@sandbox.test", ["x%d@elsewhere.test" % n], "Subject: m%d\r\n\r\n%s\r\n" % (n, "x" * 2000))
    leave(queue, SMALL)
    t.wait_for(lambda: reserve.stat().st_size == 0, 10, "the reserve to be given back")
    t.wait_for(lambda: mail(thurn).startswith("452 4.3.1"), 10, "452")
    answers["END"] = "554 5.6.0 never"
    assert len(thurn.wait_for_mail("anna", 30, timeout=60)) == 30  # reports
    size_of(queue, 600 << 20)
    t.wait_for(lambda: reserve.stat().st_blocks * 512 >= 32 << 20, 10, "the reserve to be taken again")
    t.wait_for(lambda: mail(thurn).startswith("250"), 10, "250")
