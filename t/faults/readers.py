"""Clients that read and change mailboxes while the server has faults, and remember what they were told."""
import collections
import random
import re
import threading
import time

import wire

import thurn as t

# What a fault may cause to be said, and nothing else: temporary, and no word about the password.
TEMPORARY = re.compile(r"NO \[(UNAVAILABLE|INUSE|LIMIT)\]|BYE|-ERR \[(SYS/TEMP|IN-USE)\]")
KEYWORDS = ("$a", "$b", "$c")


class Memory:
    """One mailbox as its reader was told: what must be there, what must be gone, what may be either."""

    def __init__(self):
        self.uidvalidity = None
        self.subjects = {}
        self.with_flag, self.without_flag = collections.defaultdict(set), collections.defaultdict(set)
        self.gone, self.going = set(), set()

    def saw(self, uid, subject):
        assert self.subjects.setdefault(uid, subject) == subject, "UID %d was %s and is %s" % (uid, self.subjects[uid], subject)
        assert uid not in self.gone, "UID %d is back" % uid

    def check(self, uidvalidity, items):
        """items: {uid: (subject, flags)} of all that is there now."""
        assert self.uidvalidity in (None, uidvalidity)
        for uid, (subject, flags) in items.items():
            self.saw(uid, subject)
            assert self.with_flag[uid] <= flags, "UID %d lost flags: %s of %s" % (uid, flags, self.with_flag[uid])
            assert not self.without_flag[uid] & flags, "UID %d has flags that were removed: %s" % (uid, flags)
        missing = [uid for uid in self.subjects if uid not in items and uid not in self.going]
        assert not missing, "UIDs that were shown are gone: %s" % missing[:5]


class Reader:
    """One user's session after session, over IMAP or POP3, until stop()."""

    def __init__(self, thurn, user, pop3=False, seed=None):
        self.thurn, self.user, self.pop3 = thurn, user, pop3
        self.memory, self.random = Memory(), random.Random(seed)
        self.over, self.wrong, self.sessions, self.changes = False, [], 0, 0
        self.turn = threading.Lock()  # held while the memory is about to change
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.over = True
        self.thread.join()
        assert not self.wrong, "%s: %s" % (self.user, self.wrong[:5])

    def run(self):
        while not self.over:
            try:
                (self.session_pop3 if self.pop3 else self.session_imap)()
            except (OSError, ConnectionError):
                time.sleep(0.05)
            except AssertionError as e:
                if not TEMPORARY.search(str(e)):
                    self.wrong.append(str(e))
                    return
                time.sleep(0.05)

    def pause(self):
        time.sleep(self.random.uniform(0.01, 0.1))

    # --- IMAP ---

    def session_imap(self):
        with wire.Imap(self.thurn, self.user) as c:
            select(c, self.memory)
            self.sessions += 1
            last = 0
            while not self.over:
                with self.turn:
                    # A range that ends in * has the last message, new or not.
                    new = {uid: i for uid, i in c.fetch("UID ENVELOPE", "%d:*" % (last + 1)).items() if uid > last}
                    for uid, items in new.items():
                        self.memory.saw(uid, items["ENVELOPE"][1].decode())
                    last = max([last, *new])
                    for _ in range(3):
                        self.change(c)
                self.pause()

    def change(self, c):
        m = self.memory
        known = [uid for uid in m.subjects if uid not in m.going]
        if not known:
            return
        uids = self.random.sample(known, min(len(known), 3))
        self.changes += 1
        if self.random.random() < 0.05:
            self.remove(c, uids[:1])
        else:
            self.flag(c, uids, self.random.choice(("\\Seen", "\\Flagged", *KEYWORDS)), self.random.random() < 0.7)

    def flag(self, c, uids, flag, on):
        m, name = self.memory, flag.encode()
        for uid in uids:  # until there is an answer it may be either
            m.with_flag[uid].discard(name)
            m.without_flag[uid].discard(name)
        c.command("UID STORE %s %sFLAGS.SILENT (%s)" % (",".join(map(str, uids)), "-+"[on], flag))
        for uid in uids:
            (m.with_flag if on else m.without_flag)[uid].add(name)

    def remove(self, c, uids):
        m = self.memory
        m.going.update(uids)
        which = ",".join(map(str, uids))
        c.command("UID STORE %s +FLAGS.SILENT (\\Deleted)" % which)
        c.command("UID EXPUNGE %s" % which)
        m.gone.update(uids)

    # --- POP3 ---

    def session_pop3(self):
        with self.turn, wire.Pop3(self.thurn, self.user) as c:
            self.sessions += 1
            c.send(b"UIDL\r\n")
            rows = [line.decode().split() for line in c.lines().splitlines()]
            for number, unique in rows:
                uidvalidity, uid = map(int, unique.split("."))
                self.memory.uidvalidity = self.memory.uidvalidity or uidvalidity
                assert self.memory.uidvalidity == uidvalidity
                if uid not in self.memory.subjects:
                    c.send(b"TOP %s 0\r\n" % number.encode())
                    self.memory.saw(uid, re.search(rb"^Subject: (\w+)\r$", c.lines(), re.M)[1].decode())
            delete = rows[:1] if len(rows) > 20 else []
            for number, unique in delete:
                c.command("DELE " + number)
                self.memory.going.add(int(unique.split(".")[1]))
                self.changes += 1
            c.command("QUIT")
            self.memory.gone.update(int(unique.split(".")[1]) for _, unique in delete)
        self.pause()


def select(c, memory=None, verb="SELECT"):
    """The mailbox's UIDVALIDITY, which never changes."""
    text = b"\n".join(c.command(verb + " INBOX"))
    uidvalidity = int(re.search(rb"\[UIDVALIDITY (\d+)\]", text)[1])
    if memory:
        memory.uidvalidity = memory.uidvalidity or uidvalidity
        assert memory.uidvalidity == uidvalidity, "another UIDVALIDITY"
    return uidvalidity


def inspect(thurn, readers):
    """Each mailbox is as its reader was told. {user: {uid: subject}}, with what was removed."""
    boxes = {}
    for r in readers:
        with r.turn, wire.Imap(thurn, r.user) as c:
            uidvalidity = select(c, verb="EXAMINE")
            items = {uid: (i["ENVELOPE"][1].decode(), set(i["FLAGS"])) for uid, i in c.fetch("UID ENVELOPE FLAGS").items()}
            try:
                r.memory.check(uidvalidity, items)
            except AssertionError as e:
                raise AssertionError("%s: %s" % (r.user, e)) from None
            boxes[r.user] = {**{uid: r.memory.subjects[uid] for uid in r.memory.going},
                             **{uid: subject for uid, (subject, _) in items.items()}}
    return boxes
