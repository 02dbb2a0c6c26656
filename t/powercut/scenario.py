"""A run of a whole instance whose changes of files are recorded, and what its clients learn meanwhile, in the same order."""
import contextlib
import ctypes
import email
import json
import os
import random
import re
import shutil
import threading

import fakes
import wire
from mail import message, sendmail

import thurn as t

TOOLS = t.BIN.parent / "t/powercut"
KEYWORDS = ("$Forwarded", "Work")
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft")


@contextlib.contextmanager
def programs_in(folder):
    """t.run and all that uses it takes the programs from there."""
    before, t.BIN = t.BIN, folder
    try:
        yield
    finally:
        t.BIN = before


def put_programs(folder, boot):
    """The programs that record, if there is a file `record` beside them, and live on a machine that has just started."""
    folder.mkdir()
    for path in (TOOLS / "bin").iterdir():
        try:
            os.link(path, folder / path.name)
        except OSError:
            shutil.copy(path, folder / path.name)
    set_boot(folder, boot)


def set_boot(folder, boot):
    (folder / "boot_id").write_text("%08x-1111-4222-8333-444455556666\n" % boot)


class Recorder:
    def __init__(self, path, root):
        self.lib = ctypes.CDLL(str(TOOLS / "record.so"))
        assert self.lib.powercut_open(str(path).encode(), str(root).encode()) == 0
        os.chmod(path, 0o666)

    def mark(self, w, **what):
        text = json.dumps({"w": w, **what}).encode()
        self.lib.powercut_mark(text, len(text))

    @contextlib.contextmanager
    def held(self):
        self.lib.powercut_hold()
        try:
            yield
        finally:
            self.lib.powercut_release()


def subject(data):
    """The last Subject field: a report's is that of the message it is about."""
    return re.findall(rb"^Subject: ([^\r\n]*)", data, re.M)[-1].decode()


class Relay(fakes.Server):
    """Another host: refuses no*, defers later*, takes the rest."""

    def __init__(self, recorder):
        self.recorder, self.told = recorder, 0
        super().__init__(RCPT=self.rcpt, end=self.end)

    @staticmethod
    def rcpt(line):
        return "550 5.1.1 nobody" if "<no" in line else "451 4.2.0 not now" if "<later" in line else "250 2.1.5 ok"

    def end(self, line):
        for data in self.messages[self.told:]:
            self.recorder.mark("got", id=subject(data))
        self.told = len(self.messages)
        return "250 2.0.0 taken"


class Sender(threading.Thread):
    """Sends count messages by SMTP, to one or both users."""

    SIZES = (0, 300, 3000, 3000, 30000, 300000)

    def __init__(self, run, name, count, users):
        super().__init__(daemon=True)
        self.run_, self.name_, self.count, self.users, self.error = run, name, count, users, None
        self.rng = random.Random(name)

    def run(self):
        try:
            with wire.Smtp(self.run_.thurn.ports["smtp"]) as s:
                for n in range(self.count):
                    self.send_one(s, "%s.%d" % (self.name_, n))
        except (OSError, ConnectionError):
            self.error = "lost"  # it was killed
        except BaseException as e:
            self.error = repr(e)

    def send_one(self, s, id_):
        to = [t.address(u) for u in self.rng.choice([self.users[:1], self.users[1:2], self.users[:2]])]
        body = "%s\r\n" % ("x" * 70) * (self.rng.choice(self.SIZES) // 72 + 1)
        self.run_.mark("sent", id=id_)
        reply = s.message("sender@elsewhere.test", to, message(id_, body))
        assert reply.startswith("250") and not s.refused, (reply, s.refused)
        self.run_.mark("ok", id=id_, to=to)


class Client(wire.Imap):
    """An IMAP client that tells what it learns."""

    def __init__(self, run, user):
        self.run, self.user, self.mark = run, t.address(user), run.mark
        self.boxes = {}  # name: uidvalidity
        super().__init__(run.thurn, user)
        self.inner = {}

    def told(self, text, *literals):
        """Sends a command with non-synchronizing literals, OK is wanted: (untagged replies, the tagged one)."""
        self.count += 1
        tag = b"t%d" % self.count
        self.send(tag + b" " + text.encode() + b"".join(literals) + b"\r\n")
        untagged = []
        while not (line := self.reply()).startswith(tag + b" "):
            untagged.append(line)
        assert line.startswith(tag + b" OK"), (text, line)
        return untagged, line

    def status(self, box):
        (line,) = [u for u in self.told('STATUS %s (UIDVALIDITY UIDNEXT)' % box)[0] if u.startswith(b"* STATUS")]
        n = {k: int(re.search(rb"%s (\d+)" % k.encode(), line).group(1)) for k in ("UIDVALIDITY", "UIDNEXT")}
        if box not in self.boxes:
            self.boxes[box] = n["UIDVALIDITY"]
            self.mark("mailbox", user=self.user, uidvalidity=n["UIDVALIDITY"], name=box)
        self.mark("shown", user=self.user, uidvalidity=n["UIDVALIDITY"], uidnext=n["UIDNEXT"])

    def create(self, box):
        self.told("CREATE " + box)
        self.status(box)

    def rename(self, box, new):
        v = self.boxes[new] = self.boxes.pop(box)
        self.mark("renaming", user=self.user, uidvalidity=v, name=new)
        self.told("RENAME %s %s" % (box, new))
        self.mark("mailbox", user=self.user, uidvalidity=v, name=new)

    def delete(self, box):
        v = self.boxes.pop(box)
        self.mark("deleting", user=self.user, uidvalidity=v)
        self.told("DELETE " + box)
        self.mark("deleted", user=self.user, uidvalidity=v)

    def append(self, box, ids, flags, size=100):
        literals = []
        for id_ in ids:
            self.mark("sent", id=id_)
            data = message(id_, "y" * 70 * (size // 70) + "\r\n")
            literals.append(b" (%s) {%d+}\r\n%s" % (" ".join(flags).encode(), len(data), data))
        _, line = self.told("APPEND " + box, *literals)
        v, uids = re.search(rb"APPENDUID (\d+) ([\d:,]+)", line).groups()
        assert int(v) == self.boxes[box]
        uids = numbers(uids)
        for id_, uid in zip(ids, uids):
            self.mark("message", user=self.user, uidvalidity=int(v), uid=uid, id=id_, flags=flags)
        return uids

    def look(self, box):
        """{uid: id} of a mailbox, which is selected from now on."""
        self.told("SELECT " + box)
        found = {uid: subject(items["BODY[]<0>"]) for uid, items in self.fetch("UID BODY.PEEK[]<0.65536>").items()}
        for uid, id_ in found.items():
            self.mark("message", user=self.user, uidvalidity=self.boxes[box], uid=uid, id=id_)
        return found

    def store(self, box, uids, flags):
        what = dict(user=self.user, uidvalidity=self.boxes[box], uids=uids, flags=flags)
        self.mark("flagging", **what)
        self.told("UID STORE %s FLAGS (%s)" % (commas(uids), " ".join(flags)))
        self.mark("flagged", **what)

    def copy(self, uids, ids, to, from_=None):
        """from_: moves them."""
        if from_:
            self.mark("moving", user=self.user, uidvalidity=self.boxes[from_], uids=uids)
        untagged, line = self.told("UID %s %s %s" % ("MOVE" if from_ else "COPY", commas(uids), to))
        v, old, new = re.search(rb"COPYUID (\d+) ([\d:,]+) ([\d:,]+)", b"".join(untagged) + line).groups()
        for a, b in zip(numbers(old), numbers(new)):
            self.mark("message", user=self.user, uidvalidity=int(v), uid=b, id=ids[a])
        if from_:
            self.mark("gone", user=self.user, uidvalidity=self.boxes[from_], uids=uids)

    def expunge(self, box, uids, ids):
        what = dict(user=self.user, uidvalidity=self.boxes[box], uids=uids)
        self.mark("expunging", user=self.user, ids=[ids[u] for u in uids])
        self.mark("moving", **what)
        self.told("UID STORE %s +FLAGS.SILENT (\\Deleted)" % commas(uids))
        self.told("UID EXPUNGE " + commas(uids))
        self.mark("gone", **what)


def numbers(text):
    out = []
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        out += range(int(first), int(last or first) + 1)
    return out


def commas(uids):
    return ",".join(map(str, uids))


class Run:
    """The folder has: bin, record, and the instance's own."""

    SETTINGS = {"store.pack_size": "1M", "store.log_segment_size": "64k", "qmgr.retry_first": "1s", "qmgr.scan_interval": "1s",
                "pickup.scan_interval": "1s", "smtp:min_workers": "1", "imapd:min_workers": "1", "local-agent:min_workers": "1"}

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.thurn = t.Instance(settings=dict(self.SETTINGS), start=False)
        self.dir = self.thurn.dir
        self.bin = self.dir / "bin"
        put_programs(self.bin, 1)
        self.path = self.bin / "record"
        self.recorder = Recorder(self.path, self.dir)
        self.mark = self.recorder.mark
        self.relay = Relay(self.recorder)
        self.thurn.settings["smtp.smart_host"] = fakes.to(self.relay)

    def close(self):
        try:
            with programs_in(self.bin):
                self.thurn.close()
        finally:
            self.relay.__exit__()

    def start(self):
        with programs_in(self.bin):
            self.thurn.start()

    def stop(self):
        with programs_in(self.bin):
            self.thurn.stop()

    def kill(self):
        """Between two changes of files."""
        with self.recorder.held():
            self.thurn.kill()

    def add_user(self, name):
        with programs_in(self.bin):
            self.thurn.add_user(name)
        self.mark("user", name=t.address(name))

    # --- what happens ---

    def whole(self):
        self.start()
        for name in ("anna", "bert"):
            self.add_user(name)
        senders = self.send("a", 12)
        self.read_and_change("one")
        self.far_away("killed")
        self.end(senders)
        self.pop()
        self.local("up", 2)
        self.thurn.thurn("reload")
        senders = self.send("b", 40)
        self.read_and_change("two")
        self.kill()
        self.end(senders, lost=True)
        self.start()
        self.add_user("cleo")
        self.read_and_change("three")
        self.many()
        self.stop()
        self.local("down", 2)
        set_boot(self.bin, 2)
        self.start()
        senders = self.send("c", 12)
        self.far_away("stopped")
        self.read_and_change("four")
        self.end(senders)
        self.thurn.thurn("reload")
        self.stop()

    def send(self, name, count):
        senders = [Sender(self, "%s%d" % (name, i), count, ("anna", "bert")) for i in range(3)]
        for s in senders:
            s.start()
        return senders

    @staticmethod
    def end(senders, lost=False):
        for s in senders:
            s.join()
            assert not s.error or (lost and s.error == "lost"), s.error

    def far_away(self, name):
        """To other hosts: delivered, refused, deferred; some of each, with one of ours."""
        with self.thurn.submissions("anna") as s:
            for n, to in enumerate((["ok"], ["no"], ["later"], ["ok", "later", "no"], ["no", "bert@sandbox.test"])):
                id_, to = "far.%s.%d" % (name, n), [a if "@" in a else "%s.%s.%d@far.test" % (a, name, n) for a in to]
                self.mark("sent", id=id_)
                s.sendmail("anna@sandbox.test", to, message(id_))
                self.mark("ok", id=id_, to=to, sender="anna@sandbox.test")

    def local(self, name, count):
        """By sendmail, to the socket or into the drop folder."""
        for n in range(count):
            id_ = "local.%s.%d" % (name, n)
            self.mark("sent", id=id_)
            with programs_in(self.bin):
                sendmail(self.thurn, "-f", "sender@elsewhere.test", "anna@sandbox.test", input=message(id_).replace(b"\r\n", b"\n"))
            self.mark("ok", id=id_, to=["anna@sandbox.test"])

    def read_and_change(self, name):
        rng = self.rng
        with Client(self, "anna") as c:
            for box in ("INBOX", "Archive", "Sent", "Trash"):
                c.status(box)
            c.create("Work" + name)
            for n in range(4):
                box = rng.choice(("Archive", "Work" + name))
                ids = ["%s.%d.%d" % (name, n, i) for i in range(rng.choice((1, 1, 3, 6)))]
                uids = c.append(box, ids, rng.sample(FLAGS, 1) + rng.sample(KEYWORDS, rng.randint(0, 1)), rng.choice((100, 5000)))
                c.status(box)
                there = c.look(box)
                c.store(box, uids, rng.sample(FLAGS, rng.randint(0, 3)))
                some = rng.sample(uids, rng.randint(1, len(uids)))
                if n == 1:
                    c.copy(uids, there, "Sent")
                elif n == 2:
                    c.copy(some, there, "Trash", from_=box)
                elif n == 3:
                    c.expunge(box, some, there)
            c.create("Old" + name)
            c.append("Old" + name, [name + ".old"], ["\\Seen"])
            c.rename("Old" + name, "New" + name)
            c.create("Gone" + name)
            c.append("Gone" + name, [name + ".gone"], ["\\Seen"])
            c.delete("Gone" + name)
            there = c.look("INBOX")
            if len(there) > 4:
                c.expunge("INBOX", rng.sample(sorted(there), 3), there)
            c.status("INBOX")

    def many(self):
        """Enough for checkpoints, new segments of the log, new packs."""
        with Client(self, "anna") as c:
            c.create("Many")
            for n in range(8):
                c.append("Many", ["many.%d.%d" % (n, i) for i in range(60)], ["\\Seen"], rng_size(n))
            c.status("Many")

    def pop(self):
        self.thurn.wait_for_mail("bert", 6)
        with Client(self, "bert") as c:
            c.status("INBOX")
            there = c.look("INBOX")
            v = c.boxes["INBOX"]
        with wire.Pop3(self.thurn, "bert") as p:
            what = dict(user="bert@sandbox.test", uidvalidity=v, uids=sorted(there)[:3])
            p.send(b"UIDL\r\n")
            uidl = [line.split()[1].decode() for line in p.lines().splitlines()]
            assert uidl[:3] == ["%d.%d" % (v, uid) for uid in what["uids"]]
            for n in (1, 2, 3):
                p.command("DELE %d" % n)
            self.mark("expunging", user=what["user"], ids=[there[u] for u in what["uids"]])
            self.mark("moving", **what)
            p.command("QUIT")
            self.mark("gone", **what)


def rng_size(n):
    return 200 if n % 4 else 9000
