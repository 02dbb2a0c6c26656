"""kill -9 of any process, or of all, at random moments, round after round, while messages come in, are delivered, read, flagged
and removed: what got 250 is in a mailbox, once; what was shown, flagged or removed stays so; no UID comes twice.

The full size (20 rounds of 5,000 messages by 20 clients for 20 readers) is run by THURN_FULL=1."""
import os
import random
import signal
import time

import pytest
from conftest import full
from mail import wait_until_queue_is_empty
from readers import Reader, inspect
from traffic import Traffic, check_all_there, wait_until_all_there

import thurn as t

ROUNDS, COUNT, USERS = (20, 5000, 20) if full() else (3, 1000, 6)
SETTINGS = {"qmgr.retry_first": "1s", "qmgr.retry_most": "2s", "qmgr.scan_interval": "1s",
            "directoryd.failure_delay": "0s"}


def kill_one(thurn, rnd):
    """Any process but master, whose end is the end of all."""
    master = int((thurn.dir / "run/master.pid").read_text())
    pids = [pid for pid in thurn.processes() if pid != master]
    if pids:
        try:
            os.kill(rnd.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            pass


def kill_one_after_the_other(thurn, traffic, rnd):
    while traffic.goes_on():
        kill_one(thurn, rnd)
        time.sleep(rnd.uniform(0.02, 0.3))


def kill_all(thurn, traffic, rnd):
    traffic.wait_for(rnd.randrange(1, COUNT // 2))
    for _ in range(2):
        time.sleep(rnd.uniform(0, 0.5))
        thurn.kill()
        thurn.start()


def kill_master(thurn, traffic, rnd):
    traffic.wait_for(rnd.randrange(1, COUNT // 2))
    os.kill(int((thurn.dir / "run/master.pid").read_text()), signal.SIGKILL)
    t.wait_for(lambda: not thurn.processes(), 20, "the end of the workers")
    thurn.start()


KINDS = (kill_one_after_the_other, kill_all, kill_master, kill_one_after_the_other)


@pytest.mark.limit(3000 if full() else 200)
def test_nothing_is_lost_repeated_or_taken_back(instance):
    seed = int(os.environ.get("THURN_SEED", random.randrange(1 << 30)))
    print("THURN_SEED=%d" % seed)
    rnd = random.Random(seed)
    users = ["user%d" % n for n in range(USERS)]
    thurn = instance(users=users, settings=SETTINGS)
    readers = [Reader(thurn, user, pop3=n % 10 == 5, seed=rnd.random()) for n, user in enumerate(users)]
    acknowledged, sent = set(), set()
    try:
        for n in range(ROUNDS):
            kill = KINDS[n % len(KINDS)]
            start = time.monotonic()
            traffic = Traffic(thurn, COUNT, pause=0.02, prefix=chr(ord("a") + n), users=users, clients=USERS)
            kill(thurn, traffic, rnd)
            traffic.join()
            acknowledged |= traffic.acknowledged
            sent |= traffic.sent
            assert len(traffic.acknowledged) > COUNT // 4, traffic.refused
            wait_until_queue_is_empty(thurn, 120)
            wait_until_all_there(lambda: inspect(thurn, readers), acknowledged, sent)
            print("round %d, %s: %d of %d messages, %d connections lost, refused %s, %.1f s" % (
                n, kill.__name__, len(traffic.acknowledged), COUNT, traffic.lost, dict(traffic.refused), time.monotonic() - start))
    finally:
        for r in readers:
            r.over = True
        for r in readers:
            r.thread.join()
    for r in readers:
        r.stop()
        assert r.sessions and r.changes
    print("%d messages acknowledged, %d sessions, %d changes" % (
        len(acknowledged), sum(r.sessions for r in readers), sum(r.changes for r in readers)))
    check_all_there(inspect(thurn, readers), acknowledged, sent)
    for user in users[:3]:
        report = thurn.json("mailbox", "check", t.address(user))
        assert not report["findings"] and report["damagedRecords"] == report["badBodies"] == 0
