"""kill -9 of everything, or of one process, in the middle of work: what was acknowledged is there, once; what was shown stays."""
import os
import re
import signal
import time

import pytest
import wire
from mail import message, wait_until_queue_is_empty
from traffic import USERS, Traffic, check_shown_stays, found, wait_until_all_there

import thurn as t


def test_everything_is_killed_while_messages_come_in(instance):
    """First while all of it stays in the queue, then in the middle of deliveries."""
    thurn = instance(users=USERS, settings={"local-agent:enabled": "no"})
    acknowledged, sent, boxes = set(), set(), None
    for round_ in range(3):
        traffic = Traffic(thurn, 100000, pause=0.01, prefix="abc"[round_])  # more than there is time for
        traffic.wait_for(50 + 60 * round_)
        if round_ == 2:
            boxes = found(thurn)  # what somebody has seen
        thurn.kill()
        traffic.stop()
        assert len(traffic.acknowledged) >= 50
        acknowledged |= traffic.acknowledged
        sent |= traffic.sent
        if round_ == 1:
            thurn.settings["local-agent:enabled"] = "yes"
        start = time.monotonic()
        thurn.start()
        assert time.monotonic() - start < 5 * t.SLOW
    wait_until_queue_is_empty(thurn, 60)
    after = wait_until_all_there(lambda: found(thurn), acknowledged, sent)
    check_shown_stays(boxes, after)
    # It goes on: UIDs that are new.
    thurn.deliver("anna", message("d0"))
    thurn.wait_for_mail("anna", len(after["anna"]) + 1)
    assert max(found(thurn)["anna"]) > max(after["anna"])


@pytest.mark.parametrize("service, fate", [
    ("queue", None), ("local-agent", None), ("smtp", "lost"), ("directory", None), ("imapd", None), ("bounce-agent", None),
])
def test_one_program_is_killed_again_and_again(instance, service, fate):
    thurn = instance(users=USERS)
    traffic = Traffic(thurn, 100000, pause=0.02)
    kills = 0
    for at in (50, 150, 250):
        traffic.wait_for(at)
        for pid in t.wait_for(lambda: thurn.pids(service), 10, "a worker"):
            os.kill(pid, signal.SIGKILL)
            kills += 1
    traffic.wait_for(len(traffic.acknowledged) + 100)  # each client has gone on
    traffic.stop()
    assert kills >= 3
    if fate == "lost":
        assert traffic.lost
    else:
        assert traffic.lost == 0, "somebody else's connections were lost"
    wait_until_queue_is_empty(thurn, 60)
    wait_until_all_there(lambda: found(thurn), traffic.acknowledged, traffic.sent)


def test_master_is_killed_and_all_follow(instance):
    """Without master nobody is left behind, and a new start finds the place free."""
    thurn = instance(users=USERS)
    traffic = Traffic(thurn, 400, pause=0.01)
    traffic.wait_for(60)
    os.kill(thurn.status()["pid"], signal.SIGKILL)
    traffic.stop()
    t.wait_for(lambda: not thurn.processes(), 20, "the end of the workers")
    thurn.start()
    wait_until_queue_is_empty(thurn, 60)
    wait_until_all_there(lambda: found(thurn), traffic.acknowledged, traffic.sent)


def test_appends_that_got_ok_survive_imapd(instance):
    thurn = instance(users=("anna",))
    kept, shown = {}, {}
    n = 0
    for round_ in range(4):
        with wire.Imap(thurn, "anna") as c:
            if round_ == 3:
                c.command("SELECT INBOX")
            try:
                for _ in range(40):
                    data = message("append %d" % n)
                    c.send(b"x APPEND INBOX (\\Seen $Label%d) {%d+}\r\n%s\r\n" % (n % 3, len(data), data))
                    reply = c.reply()
                    while not reply.startswith(b"x "):
                        reply = c.reply()
                    kept["append %d" % n] = int(re.match(rb"x OK \[APPENDUID \d+ (\d+)\]", reply).group(1))
                    n += 1
                    if n % 40 == 25:
                        for pid in thurn.pids("imapd"):
                            os.kill(pid, signal.SIGKILL)
                assert False, "the connection survived its worker"
            except ConnectionError:
                n += 1

        def log_in():
            try:
                return wire.Imap(thurn, "anna")
            except (ConnectionError, AssertionError):
                return None
        with t.wait_for(log_in, 20, "a login") as c:
            c.command("EXAMINE INBOX")
            now = {uid: (i["ENVELOPE"][1].decode(), sorted(i["FLAGS"])) for uid, i in c.fetch("UID ENVELOPE FLAGS").items()}
        for subject, uid in kept.items():
            assert now[uid][0] == subject
            assert b"\\Seen" in now[uid][1] and any(f.startswith(b"$Label") for f in now[uid][1])
        for uid, what in shown.items():
            assert now[uid][0] == what[0]
        shown = now
    assert len(kept) >= 60


def test_flags_and_expunges_survive_a_crash(instance):
    thurn = instance(users=("anna",))
    for n in range(20):
        thurn.deliver("anna", message("f%d" % n))
    thurn.wait_for_mail("anna", 20)
    with wire.Imap(thurn, "anna") as c:
        c.command("SELECT INBOX")
        c.command("STORE 1:10 +FLAGS (\\Seen)")
        c.command("STORE 11:15 +FLAGS (\\Deleted)")
        c.command("UID EXPUNGE 11:12")
        c.command("CREATE Kept/Here")
        c.command("COPY 1:3 Kept/Here")
        thurn.kill()
    thurn.start()
    with wire.Imap(thurn, "anna") as c:
        c.command("EXAMINE INBOX")
        flags = {uid: items["FLAGS"] for uid, items in c.fetch("UID FLAGS").items()}
        assert sorted(flags) == [*range(1, 11), *range(13, 21)]
        assert [uid for uid in flags if b"\\Seen" in flags[uid]] == list(range(1, 11))
        assert [uid for uid in flags if b"\\Deleted" in flags[uid]] == [13, 14, 15]
        c.command("EXAMINE Kept/Here")
        assert len(c.fetch("UID")) == 3
    report = thurn.json("mailbox", "check", "anna@sandbox.test")
    assert report["messages"] == 21 and not report["findings"] and report["damagedRecords"] == report["badBodies"] == 0
