"""Files of single accounts are cut and flipped under a stopped server (every octet of them in t/lib/store, t/lib/queue and
t/lib/kv): each account comes back with what is whole, the log and `mailbox check` say what is not, `mailbox rebuild` mends what can
be, a neighbour's files are not touched, and the next message arrives."""
import hashlib
import re

import pytest
import wire
from mail import message, wait_until_queue_is_empty

import thurn as t

COUNT = 30
LATER = 99  # the message that comes after all that
USERS = ("cut", "flipped", "tree", "rows", "body", "head", "neighbour")


def records(log):
    """Where each record of a log segment begins (lib/store/format.h)."""
    found, at, salt = [], 128, log[12:16]
    while log[at:at + 4] == salt:
        found.append(at)
        at += int.from_bytes(log[at + 4:at + 8], "little")
    return found, at


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def sums(folder):
    """The head is a cache that each start may touch."""
    return {p.relative_to(folder): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in ("head", "session")}


def look(thurn, user):
    """{UID: (number, flags, whether its text is whole)}"""
    found = {}
    with wire.Imap(thurn, user) as c:
        c.command("EXAMINE INBOX")
        for uid, i in c.fetch("UID ENVELOPE FLAGS").items():
            found[uid] = int(i["ENVELOPE"][1].split()[1]), b"\\Flagged" in i["FLAGS"]
    return found


class World:
    def __init__(self, thurn):
        self.thurn = thurn
        # In the order of their logins: which account is whose.
        self.folders, self.accounts = {}, {}
        for user in USERS:
            for n in range(COUNT):
                thurn.deliver(user, message("n %d" % n, "text of %s %d\r\n" % (user, n)))
        wait_until_queue_is_empty(thurn)
        for user in USERS:
            with wire.Imap(thurn, user) as c:
                c.command("SELECT INBOX")
                c.command("STORE 5:8 +FLAGS (\\Flagged)")
        rows = {u["username"]: u["account"] for u in thurn.json("user", "list")}
        for user in USERS:
            self.accounts[user] = rows[t.address(user)]
            (self.folders[user],) = (thurn.dir / "store").glob("*/*/" + self.accounts[user])
            thurn.thurn("mailbox", "rebuild", t.address(user))  # checkpoints
        for user in USERS:  # and something behind them
            thurn.deliver(user, message("n %d" % COUNT))
        wait_until_queue_is_empty(thurn)
        self.before = {user: look(thurn, user) for user in USERS}
        thurn.stop()

    def damage(self):
        log = self.folders["cut"] / "log.1"
        starts, end = records(log.read_bytes())
        with open(log, "r+b") as f:
            f.truncate(end - 20)  # the last record is not whole
        log = self.folders["flipped"] / "log.1"
        starts, end = records(log.read_bytes())
        flip(log, starts[10] + 70)  # acknowledged, and followed by others
        for name in "tree", "index":  # checkpoints cover it: without them the log is all there is
            for p in (self.folders["flipped"] / name).glob("*") if name == "index" else [self.folders["flipped"] / name]:
                p.unlink()
        tree = self.folders["tree"] / "tree"
        flip(tree, tree.stat().st_size - 100)
        (rows,) = [p for p in (self.folders["rows"] / "index").iterdir() if p.stat().st_size > 1000]
        flip(rows, rows.stat().st_size - 100)
        (pack,) = [p for p in self.folders["body"].parent.parent.joinpath("packs").iterdir()
                   if b"text of body 7\r\n" in p.read_bytes()]
        flip(pack, pack.read_bytes().index(b"text of body 7\r\n") + 3)
        flip(self.folders["head"] / "head", 70)


@pytest.fixture(scope="module")
def world():
    # One after another: else deliveries overtake each other, and those that meet are one record.
    thurn = t.Instance(users=USERS, settings={"local-agent:min_workers": 1, "local-agent:max_workers": 1, "local.deliveries": 1})
    w = World(thurn)
    w.sums = sums(w.folders["neighbour"])
    w.damage()
    thurn.start()
    yield w
    thurn.close()


def lost(world, user):
    after = look(world.thurn, user)
    for uid, what in after.items():
        if what[0] != LATER:
            assert world.before[user][uid] == what or user == "flipped"
    return sorted(set(world.before[user]) - set(after))


def check(world, user, operation="check"):
    return world.thurn.json("mailbox", operation, t.address(user))


def test_a_log_that_is_cut_loses_its_last_record_only(world):
    assert lost(world, "cut") == [COUNT + 1]
    assert re.search(r"error .*The log of account %s " % world.accounts["cut"], world.thurn.log())


def test_a_flip_in_the_middle_costs_one_record(world):
    gone = lost(world, "flipped")
    assert len(gone) == 1 and gone[0] < COUNT
    assert re.search(r"The log of account %s is damaged from " % world.accounts["flipped"], world.thurn.log())
    assert list(world.folders["flipped"].glob("damage.*")), "what was there is kept"
    report = check(world, "flipped")
    there = len(look(world.thurn, "flipped"))
    assert report["damagedRecords"] == 1 and report["messages"] == there and report["findings"]


@pytest.mark.parametrize("user", ["tree", "rows", "head"])
def test_caches_are_made_anew(world, user):
    assert lost(world, user) == []
    check(world, user, "rebuild")
    assert lost(world, user) == []
    report = check(world, user)
    assert not report["findings"] and report["damagedRecords"] == report["badBodies"] == 0


def test_a_damaged_body_is_told_and_the_others_are_whole(world):
    assert lost(world, "body") == []
    report = check(world, "body")
    numbers = {uid: n for uid, (n, _) in world.before["body"].items() if n < COUNT}
    (bad,) = [uid for uid, n in numbers.items() if n == 7]
    assert report["badBodies"] == 1 and any("UID %d " % bad in f for f in report["findings"]), report
    with wire.Imap(world.thurn, "body") as c:
        c.command("EXAMINE INBOX")
        texts = c.fetch("BODY.PEEK[TEXT]", ",".join(str(uid) for uid in numbers if uid != bad))
        assert len(texts) == COUNT - 1
        for uid, items in texts.items():
            assert items["BODY[TEXT]"] == b"text of body %d\r\n" % numbers[uid]


def test_life_goes_on(world):
    """And no UID comes back, not even that of a lost record."""
    for user in USERS:
        if user == "neighbour":
            continue
        world.thurn.deliver(user, message("n %d" % LATER))
        t.wait_for(lambda: any(n == LATER for n, _ in look(world.thurn, user).values()), 20, "the next message")
        (uid,) = [uid for uid, (n, _) in look(world.thurn, user).items() if n == LATER]
        assert uid > COUNT + 1


def test_no_other_account_was_touched(world):
    assert lost(world, "neighbour") == []
    assert sums(world.folders["neighbour"]) == world.sums
    assert world.accounts["neighbour"] not in "\n".join(
        line for line in world.thurn.log().splitlines() if " error " in line or " warning " in line)
