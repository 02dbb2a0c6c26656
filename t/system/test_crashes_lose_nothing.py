"""kill -9 of everything, or of one process, in the middle of work: what was acknowledged is there, once; what was shown stays."""
import collections
import os
import re
import signal
import threading
import time

import pytest
import wire
from mail import message, wait_until_queue_is_empty

import thurn as t

USERS = ("anna", "bert", "cleo", "dora")
CLIENTS = 8


class Traffic:
    """CLIENTS clients that send numbered messages, and remember those that got 250."""

    def __init__(self, thurn, count, pause=0.0, prefix="m", tell_refusals=False):
        self.thurn, self.prefix, self.pause = thurn, prefix, pause
        self.acknowledged, self.sent, self.refused = set(), set(), collections.Counter()
        self.wrong, self.lost = [], 0
        self.over = False
        self.threads = [threading.Thread(target=self.run, args=(range(i, count, CLIENTS),)) for i in range(CLIENTS)]
        thurn.traffic = self  # the fixture ends it when the test fails
        for thread in self.threads:
            thread.daemon = True
            thread.start()

    def run(self, numbers):
        s = None
        for n in numbers:
            if self.over:
                return
            name = "%s%d" % (self.prefix, n)
            try:
                if not s:
                    s = wire.Smtp(self.thurn.ports["smtp"])
                self.sent.add(name)
                to = [t.address(USERS[n % len(USERS)])]
                if n % 10 == 0:
                    to.append(t.address(USERS[(n + 1) % len(USERS)]))
                reply = s.message("sender@elsewhere.test", to, message(name, "x" * (n % 7 * 1000) + "\r\n"))
                if reply.startswith("250") and not s.refused:  # else not for all of them
                    self.acknowledged.add(name)
                elif reply[0] == "4" or s.refused:
                    self.refused[reply] += 1
                else:
                    self.wrong.append(reply)
            except (OSError, ConnectionError):
                self.lost += 1
                if s:
                    s.close()
                s = None
            except AssertionError as e:
                self.wrong.append(str(e))
                s = None
            time.sleep(self.pause)

    def wait_for(self, count):
        t.wait_for(lambda: len(self.acknowledged) >= count, 60, "%d acknowledgements" % count)

    def stop(self):
        self.over = True
        self.join()

    def join(self):
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong[:5]


def found(thurn):
    """{user: {uid: subject}} of what is in the mailboxes."""
    boxes = {}
    for user in USERS:
        with wire.Imap(thurn, user) as c:
            c.command("EXAMINE INBOX")
            boxes[user] = {uid: items["ENVELOPE"][1].decode() for uid, items in c.fetch("UID ENVELOPE").items()}
    return boxes


def check_all_there(boxes, acknowledged, sent):
    """Each recipient of an acknowledged message has it exactly once; nobody has anything that was not sent."""
    for i, user in enumerate(USERS):
        counts = collections.Counter(boxes[user].values())
        assert set(counts) <= sent
        assert not [s for s, n in counts.items() if n > 1], "delivered twice"
        missing = [s for s in acknowledged if s not in counts and
                   (lambda n: n % len(USERS) == i or (n % 10 == 0 and (n + 1) % len(USERS) == i))(int(re.sub(r"\D", "", s[1:])))]
        assert not missing, "%d acknowledged and lost for %s: %s" % (len(missing), user, missing[:5])


def check_shown_stays(before, after):
    """What once had a UID still has it."""
    for user in USERS:
        for uid, subject in before[user].items():
            assert after[user].get(uid) == subject


def test_everything_is_killed_while_500_messages_come_in(instance):
    """First while all of it stays in the queue, then in the middle of deliveries."""
    thurn = instance(users=USERS, settings={"local-agent:enabled": "no"})
    acknowledged, sent, boxes = set(), set(), None
    for round_ in range(3):
        traffic = Traffic(thurn, 500, pause=0.01, prefix="abc"[round_])
        traffic.wait_for(50 + 60 * round_)
        if round_ == 2:
            boxes = found(thurn)  # what somebody has seen
        thurn.kill()
        traffic.stop()
        assert 50 <= len(traffic.acknowledged) < 500, "the kill was not in the middle"
        acknowledged |= traffic.acknowledged
        sent |= traffic.sent
        if round_ == 1:
            thurn.settings["local-agent:enabled"] = "yes"
        start = time.monotonic()
        thurn.start()
        assert time.monotonic() - start < 5 * t.SLOW
    wait_until_queue_is_empty(thurn, 60)
    after = found(thurn)
    check_all_there(after, acknowledged, sent)
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
    traffic = Traffic(thurn, 600, pause=0.02)
    kills = 0
    for at in (50, 150, 250):
        traffic.wait_for(at)
        for pid in t.wait_for(lambda: thurn.pids(service), 10, "a worker"):
            os.kill(pid, signal.SIGKILL)
            kills += 1
    traffic.join()
    assert kills >= 3
    assert len(traffic.acknowledged) >= 300
    if fate == "lost":
        assert traffic.lost
    else:
        assert traffic.lost == 0, "somebody else's connections were lost"
    wait_until_queue_is_empty(thurn, 60)
    check_all_there(found(thurn), traffic.acknowledged, traffic.sent)


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
    check_all_there(found(thurn), traffic.acknowledged, traffic.sent)


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
