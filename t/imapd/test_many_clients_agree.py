"""Clients that change one mailbox at the same time, each keeping the picture that the protocol gives it: sequence numbers, UIDs and
flags never contradict it, and in the end all pictures are the same."""
import random
import re
import signal
import threading
import time

CLIENTS, SECONDS = 6, 6


class Picture:
    """What one client knows: for each sequence number [uid or None, flags or None]."""

    def __init__(self, worker, account, seed):
        self.random = random.Random(seed)
        self.c = worker.client(account)
        self.rows = []
        self.last_uid = 0
        self.take(self.c.ok("SELECT INBOX"))

    def take(self, lines):
        for line in lines:
            if m := re.match(rb"\* (\d+) EXISTS$", line):
                assert int(m[1]) >= len(self.rows), "EXISTS %d after %d" % (int(m[1]), len(self.rows))
                self.rows += [[None, None] for _ in range(int(m[1]) - len(self.rows))]
            elif m := re.match(rb"\* (\d+) EXPUNGE$", line):
                assert 1 <= int(m[1]) <= len(self.rows)
                del self.rows[int(m[1]) - 1]
            elif m := re.match(rb"\* (\d+) FETCH \((?:UID (\d+) ?)?(?:FLAGS \((.*?)\))?", line):
                self.learn(self.rows[int(m[1]) - 1], m[2], m[3])

    @staticmethod
    def learn(row, uid, flags):
        if uid:
            assert row[0] in (None, int(uid)), "UID %s where %s was" % (uid, row[0])
            row[0] = int(uid)
        if flags is not None:
            row[1] = set(flags.split()) - {b"\\Recent"}

    def some(self):
        a = self.random.randint(1, len(self.rows))
        return "%d:%d" % (a, min(len(self.rows), a + self.random.randint(0, 5)))

    def step(self):
        r = self.random.random()
        if not self.rows or r < 0.2:
            assert self.append().startswith("OK")
        elif r < 0.45:
            flag = self.random.choice(["\\Seen", "\\Flagged", "k1", "k2", "\\Deleted"])
            self.change("STORE %s %sFLAGS (%s)" % (self.some(), self.random.choice("+-"), flag))
        elif r < 0.6:
            self.change("FETCH %s (UID FLAGS)" % self.some())
        elif r < 0.7:
            self.change("FETCH %s (UID FLAGS BODY[])" % self.some())
        elif r < 0.78:
            self.change("EXPUNGE")
        elif r < 0.83:
            self.change("COPY %s INBOX" % self.some())
        elif r < 0.86:
            self.change("MOVE %s Trash" % self.some())
        else:
            self.change("NOOP")
        assert len([u for u, _ in self.rows if u]) == len({u for u, _ in self.rows if u})
        known = [u for u, _ in self.rows if u]
        assert known == sorted(known)

    def append(self):
        lines, reply = self.c.cmd(b"APPEND INBOX {20+}\r\nSubject: a\r\n\r\ntext\r\n")
        self.take(lines)
        return reply

    def change(self, command):
        lines, reply = self.c.cmd(command)
        keeps = command.split()[0] in ("FETCH", "STORE", "SEARCH")
        assert not keeps or not [line for line in lines if line.endswith(b" EXPUNGE")], command
        self.take(lines)
        assert reply.startswith("OK") or "EXPUNGEISSUED" in reply, (command, reply)


def run(picture, end, errors):
    try:
        while time.monotonic() < end and not errors:
            picture.step()
    except BaseException as e:
        errors.append(e)
        raise


def test_in_one_process(worker, account):
    pictures_agree([worker], account)


def test_in_two_processes(own_worker, account):
    first = own_worker()
    pictures_agree([first, own_worker(store=first.dir / "store")], account)


def test_while_processes_die(own_worker, account):
    """The second one is killed again and again; the others never notice."""
    first = own_worker()
    victim = own_worker(store=first.dir / "store")
    dying = threading.Event()

    def killer():
        while not dying.wait(0.7):
            victim.stop(signal.SIGKILL)
            victim.start()

    def disturber(seed):
        while not dying.is_set():
            try:
                p = Picture(victim, account, seed)
                while not dying.is_set():
                    p.step()
            except (OSError, AssertionError):
                pass  # the end of its process

    threads = [threading.Thread(target=killer)] + [threading.Thread(target=disturber, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()

    def settle():
        dying.set()
        for t in threads:
            t.join()

    try:
        pictures_agree([first], account, settle)
    finally:
        settle()


def pictures_agree(workers, account, settle=lambda: None):
    first = workers[0].client(account)
    first.cmd("CREATE Trash")
    first.fill("INBOX", 20)
    pictures = [Picture(workers[n % len(workers)], account, n) for n in range(CLIENTS)]
    errors, end = [], time.monotonic() + SECONDS
    threads = [threading.Thread(target=run, args=(p, end, errors)) for p in pictures]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors[0]
    settle()
    for p in pictures:
        p.change("NOOP")
    for p in pictures:
        told = [row[1] for row in p.rows]
        if p.rows:
            p.change("FETCH 1:* (UID FLAGS)")
        # What was told without asking is what asking gives.
        assert all(t is None or t == row[1] for t, row in zip(told, p.rows))
    assert all(p.rows == pictures[0].rows for p in pictures)
