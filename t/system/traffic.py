"""Traffic that goes on while something happens to the server, and what must be true of the mailboxes afterwards."""
import collections
import re
import threading
import time

import wire
from mail import message

import thurn as t

USERS = ("anna", "bert", "cleo", "dora")
CLIENTS = 8


class Traffic:
    """Clients that send numbered messages, and remember those that got 250. The n-th is for one of the users, each tenth for
    the next one, too. The prefix is one character. Nobody sends a message twice."""

    def __init__(self, thurn, count, pause=0.0, prefix="m", users=USERS, clients=CLIENTS):
        self.thurn, self.prefix, self.pause, self.users = thurn, prefix, pause, users
        self.acknowledged, self.sent, self.refused = set(), set(), collections.Counter()
        self.wrong, self.lost = [], 0
        self.over = False
        self.threads = [threading.Thread(target=self.run, args=(range(i, count, clients),)) for i in range(clients)]
        thurn.traffic = self  # the fixture ends it when the test fails
        for thread in self.threads:
            thread.daemon = True
            thread.start()

    def connect(self):
        """None when it is over."""
        while not self.over:
            try:
                return wire.Smtp(self.thurn.ports["smtp"])
            except (OSError, ConnectionError):
                self.lost += 1
                time.sleep(0.05)
        return None

    def run(self, numbers):
        s = None
        for n in numbers:
            name = "%s%d" % (self.prefix, n)
            try:
                s = s or self.connect()
                if not s or self.over:
                    return
                to = [t.address(self.users[n % len(self.users)])]
                if n % 10 == 0:
                    to.append(t.address(self.users[(n + 1) % len(self.users)]))
                self.sent.add(name)
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

    def goes_on(self):
        return any(thread.is_alive() for thread in self.threads)

    def wait_for(self, count):
        t.wait_for(lambda: len(self.acknowledged) >= count, 60, "%d acknowledgements" % count)

    def stop(self):
        self.over = True
        self.join()

    def join(self):
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong[:5]


def found(thurn, users=USERS):
    """{user: {uid: subject}} of what is in the mailboxes."""
    boxes = {}
    for user in users:
        with wire.Imap(thurn, user) as c:
            c.command("EXAMINE INBOX")
            boxes[user] = {uid: items["ENVELOPE"][1].decode() for uid, items in c.fetch("UID ENVELOPE").items()}
    return boxes


def check_all_there(boxes, acknowledged, sent):
    """Each recipient of an acknowledged message has it exactly once; nobody has anything that was not sent."""
    count = len(boxes)
    for i, user in enumerate(boxes):
        counts = collections.Counter(boxes[user].values())
        assert set(counts) <= sent
        assert not [s for s, n in counts.items() if n > 1], "delivered twice"
        missing = [s for s in acknowledged if s not in counts and
                   (lambda n: n % count == i or (n % 10 == 0 and (n + 1) % count == i))(int(s[1:]))]
        assert not missing, "%d acknowledged and lost for %s: %s" % (len(missing), user, missing[:5])


def wait_until_all_there(look, acknowledged, sent, timeout=60):
    """The same, once it is so: qmgr finds what nobody could announce to it by and by. look() gives the boxes."""
    end = time.monotonic() + timeout * t.SLOW
    while True:
        boxes = look()
        try:
            check_all_there(boxes, acknowledged, sent)
            return boxes
        except AssertionError as e:
            if "acknowledged and lost" not in str(e) or time.monotonic() > end:
                raise
        time.sleep(0.3)


def check_shown_stays(before, after):
    """What once had a UID still has it."""
    for user in before:
        for uid, subject in before[user].items():
            assert after[user].get(uid) == subject
