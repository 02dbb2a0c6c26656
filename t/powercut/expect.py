"""What users were told up to a cut, and whether a disk keeps it: marks of the test in, lines of look.c against them.

Marks, in the order in which clients learnt things ("-ing": is about to):
	user name | sent id | ok id, to, sender | got id (another host took it)
	mailbox user, uidvalidity, name | renaming user, uidvalidity, name | deleting, deleted user, uidvalidity
	message user, uidvalidity, uid, id, flags (or none) | shown user, uidvalidity, uidnext
	flagging, flagged user, uidvalidity, uids, flags | moving, gone user, uidvalidity, uids | expunging user, ids
"""
import collections
import subprocess

FLAGS = {"\\Seen": 1, "\\Answered": 2, "\\Flagged": 4, "\\Deleted": 8, "\\Draft": 16}
DOMAIN = "sandbox.test"


class Flags:
    """A message's flags over time: (number of the mark or None, value); the last that is sure, or a later one, is right."""

    def __init__(self, number, flags):
        self.states = [[number, frozenset(flags)]]

    def right(self, synced):
        last = 0
        for i, (number, _) in enumerate(self.states):
            if number is not None and (i == 0 or number < synced):
                last = i
        return [value for _, value in self.states[last:]]


class Box:
    def __init__(self, names):
        self.names, self.may_go, self.gone, self.uidnext = names, False, False, 1
        self.messages = {}  # uid: (id, Flags or None)
        self.may_leave, self.left = set(), set()


class Expected:
    def __init__(self):
        self.users, self.sent, self.got = set(), set(), set()
        self.ok = {}  # id: (recipients, sender)
        self.boxes = {}  # (user, uidvalidity)
        self.kept = collections.defaultdict(set)  # user: ids that are in some mailbox
        self.expunged = collections.defaultdict(set)

    def learn(self, number, m):
        getattr(self, "on_" + m["w"])(number, m)

    def on_user(self, number, m):
        self.users.add(m["name"])

    def on_sent(self, number, m):
        self.sent.add(m["id"])

    def on_ok(self, number, m):
        self.ok[m["id"]] = (m["to"], m.get("sender"))

    def on_got(self, number, m):
        self.got.add(m["id"])

    def box(self, m):
        return self.boxes[m["user"], m["uidvalidity"]]

    def on_mailbox(self, number, m):
        box = self.boxes.setdefault((m["user"], m["uidvalidity"]), Box(set()))
        box.names = {m["name"]}

    def on_renaming(self, number, m):
        self.box(m).names.add(m["name"])

    def on_deleting(self, number, m):
        box = self.box(m)
        box.may_go = True
        self.expunged[m["user"]] |= {id_ for id_, _ in box.messages.values()}

    def on_deleted(self, number, m):
        self.box(m).gone = True

    def on_message(self, number, m):
        box = self.box(m)
        if m["uid"] not in box.messages or m.get("flags") is not None:
            flags = Flags(number, m["flags"]) if m.get("flags") is not None else None
            box.messages[m["uid"]] = (m["id"], flags)
        box.uidnext = max(box.uidnext, m["uid"] + 1)
        self.kept[m["user"]].add(m["id"])

    def on_shown(self, number, m):
        box = self.box(m)
        box.uidnext = max(box.uidnext, m["uidnext"])

    def on_flagging(self, number, m):
        for uid in m["uids"]:
            self.box(m).messages[uid][1].states.append([None, frozenset(m["flags"])])

    def on_flagged(self, number, m):
        for uid in m["uids"]:
            self.box(m).messages[uid][1].states[-1][0] = number

    def on_moving(self, number, m):
        self.box(m).may_leave |= set(m["uids"])

    def on_gone(self, number, m):
        self.box(m).left |= set(m["uids"])

    def on_expunging(self, number, m):
        self.expunged[m["user"]] |= set(m["ids"])


class Found:
    """What look.c says of a disk."""

    def __init__(self, text):
        self.users, self.accounts, self.bad, self.notes = set(), {}, [], []
        self.spool = collections.defaultdict(set)  # id: addresses
        self.boxes = {}     # (account, name): (uidvalidity, uidnext)
        self.messages = {}  # (account, name): {uid: (id, flags)}
        self.new = {}       # account: uid
        for line in text.splitlines():
            word, *rest = line.split("\t")
            getattr(self, "on_" + word)(*rest)

    def on_user(self, name):
        self.users.add(name)

    def on_account(self, id_, name):
        self.accounts[name] = id_

    def on_spool(self, trace, subject, *addresses):
        self.spool[subject] |= set(addresses)

    def on_box(self, account, name, *numbers):
        self.boxes[account, name] = tuple(map(int, numbers))
        self.messages[account, name] = {}

    def on_message(self, account, name, uid, subject, flags, keywords, _):
        names = {f for f, bit in FLAGS.items() if int(flags) & bit} | set(filter(None, keywords.split(",")))
        self.messages[account, name][int(uid)] = (subject, frozenset(names))

    def on_new(self, account, _, uid):
        self.new[account] = int(uid)

    def on_bad(self, sentence):
        self.bad.append(sentence)

    def on_note(self, sentence):
        self.notes.append(sentence)


def look(program, queue, store, directory, timeout):
    done = subprocess.run([str(program), str(queue), str(store), str(directory)], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=timeout)
    text = done.stdout.decode(errors="replace")
    if done.returncode == 0:
        return Found(text)
    found = Found(text[:text.rfind("\n") + 1])  # its last line may be cut
    found.bad.append("look ended with %d: %s" % (done.returncode, done.stderr.decode(errors="replace")[-2000:]))
    return found


def judge(expected, found, synced, after_delivery=False):
    """Sentences about broken promises. synced: account -> number of the event up to which its log is surely durable."""
    wrong = list(found.bad)
    say = wrong.append
    for name in expected.users - found.users:
        say("The user %s is lost." % name)
    by_user = {name: id_ for name, id_ in found.accounts.items()}
    ids = collections.defaultdict(set)  # account: ids anywhere
    for (account, name), messages in found.messages.items():
        subjects = [id_ for id_, _ in messages.values()]
        ids[account] |= set(subjects)
        for id_ in set(subjects) - expected.sent - {"after the cut"}:
            say("%s of %s has %r, which nobody sent." % (name, account, id_))
        if name == "INBOX":
            for id_, n in collections.Counter(subjects).items():
                # A drop file whose removal was not durable is submitted once more; sendmail(1) says so.
                if n > 1 and id_ != "after the cut" and not id_.startswith("local."):
                    say("%s is %d times in the INBOX of %s." % (id_, n, account))
    judge_queue(expected, found, by_user, ids, say, after_delivery)
    for (user, uidvalidity), box in expected.boxes.items():
        judge_box(user, uidvalidity, box, found, by_user.get(user), synced, say)
    for user, kept in expected.kept.items():
        for id_ in kept - expected.expunged[user] - ids[by_user.get(user)]:
            say("%s was in a mailbox of %s and is in none." % (id_, user))
    return wrong


def judge_queue(expected, found, by_user, ids, say, after_delivery):
    for id_, (recipients, sender) in expected.ok.items():
        for to in recipients:
            local = to.endswith("@" + DOMAIN)
            there = id_ in ids[by_user.get(to)] or id_ in expected.expunged[to] if local else id_ in expected.got
            reported = not local and (id_ in ids[by_user.get(sender)] | expected.expunged[sender] or sender in found.spool[id_])
            waits = to in found.spool[id_]
            if not (there or reported or (waits and not (local and after_delivery))):
                say("%s was acknowledged and is lost for %s." % (id_, to))


def judge_box(user, uidvalidity, box, found, account, synced, say):
    where = [(n, v) for (a, n), v in found.boxes.items() if a == account and v[0] == uidvalidity]
    what = "%s of %s (%d)" % ("|".join(sorted(box.names)), user, uidvalidity)
    if not where:
        if not box.may_go:
            say("The mailbox %s is lost." % what)
        return
    (name, (_, uidnext)), = where
    if box.gone:
        say("The mailbox %s is back." % what)
    if name not in box.names:
        say("The mailbox %s is called %s." % (what, name))
    if box.may_go:
        return
    new = found.new.get(account, 0) if name == "INBOX" else uidnext
    if uidnext < box.uidnext or new < box.uidnext:
        say("UIDNEXT of %s goes from %d to %d, and %d is given." % (what, box.uidnext, uidnext, new))
    there = found.messages[account, name]
    for uid, (id_, flags) in box.messages.items():
        now = there.get(uid)
        if uid in box.left and now:
            say("UID %d of %s is back." % (uid, what))
        elif not now and uid not in box.may_leave:
            say("UID %d (%s) of %s is lost." % (uid, id_, what))
        elif now and now[0] != id_:
            say("UID %d of %s was %s and is %s." % (uid, what, id_, now[0]))
        elif now and flags and uid not in box.may_leave and now[1] not in flags.right(synced.get(account, 0)):
            say("UID %d of %s has the flags %s, not %s." % (uid, what, sorted(now[1]), flags.states))
