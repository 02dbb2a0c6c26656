"""Cuts of a recorded run: where, what is left there, what recovery makes of it."""
import collections
import copy
import os
import random
import re
import shutil

import disk
import expect

LOG = re.compile(r"log\.\d+\Z")
UNSEEN = "nothing could be seen: "


class Cuts:
    """A run's record, gone through once, with stops at the events that are to be the last."""

    def __init__(self, path, below=("queue", "store", "directory")):
        self.events, self.below = disk.read_events(path), below

    def choose(self, start, count, seed):
        """Numbers of events: half of them where something was just promised, named or synced, half anywhere."""
        rng, start = random.Random(seed), copy.deepcopy(start)
        for e in self.events:
            start.happen(e)
        changes = [i + 1 for i, e in enumerate(self.events) if e.kind == disk.MARK or e.inode in start.nodes or e.a in start.nodes]
        edges = [i for i in changes if self.events[i - 1].kind in (disk.MARK, disk.SYNC_END, *disk.NAMES)]
        some = set(rng.sample(edges, min(count // 2, len(edges))))
        some |= set(rng.sample(changes, min(count - len(some), len(changes))))
        return sorted(some)

    def walk(self, start, stops):
        """Yields (number of events, disk, expected, synced) at each stop; start: the disk before the first event."""
        expected, number = expect.Expected(), 0
        accounts, logs = {}, {}  # inode of an account's folder: id; of a log's segment: id
        synced = collections.Counter()
        for stop in stops:
            for e in self.events[number:stop]:
                number += 1
                if e.kind == disk.MARK:
                    expected.learn(number, e.mark())
                elif e.kind == disk.MKDIR:
                    accounts[e.inode] = e.data.decode()
                elif e.kind == disk.LINK and LOG.match(e.data.decode()):
                    logs[e.inode] = accounts.get(e.a)
                elif e.kind == disk.SYNC_END and e.inode in logs and e.a in start.syncs:
                    synced[logs[e.inode]] = max(synced[logs[e.inode]], start.syncs[e.a])
                start.happen(e)
                assert start.number == number
            yield number, start, expected, synced

    def describe(self, number):
        e = self.events[number - 1]
        return "event %d of %d (kind %d, %s, %s)" % (number, len(self.events), e.kind, e.inode, e.data[:80])


def styles(seed):
    """Endlessly, the torn ones more often."""
    rng = random.Random(seed)
    while True:
        some = list(disk.STYLES) + ["any", "any", "sectors", "journal"]
        rng.shuffle(some)
        yield from some


def owners_are_right(place, root):
    """Whoever opens the segments at the next start must be allowed to."""
    wrong, path = [], os.path.join(place, "queue/segments")
    queue = root.seen.get("queue")
    segments = queue and queue.seen.get("segments")
    for name, child in segments.seen.items() if segments else ():
        try:
            st = os.lstat(os.path.join(path, name))
        except FileNotFoundError:
            continue
        newest = child.owners[-1][1] if child.owners else child.owner
        if st.st_size and (st.st_uid, st.st_gid, st.st_mode & 0o7777) != (newest[1], newest[2], newest[0] & 0o7777):
            wrong.append("The owner of %s is lost." % name)
    return wrong


class Judge:
    """Looks at cuts, in processes of their own, which have a picture of the moment."""

    def __init__(self, program, folder, timeout, jobs=2):
        self.program, self.folder, self.timeout, self.jobs = program, folder, timeout, jobs
        self.running, self.wrong, self.done = {}, [], 0

    def look(self, cuts, now, number, expected, synced, seed, style):
        while len(self.running) >= self.jobs:
            self.reap()
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                try:
                    wrong = self.verdict(cuts, now, number, expected, synced, seed, style)
                except BaseException as e:
                    wrong = [UNSEEN + repr(e)]
                with os.fdopen(into, "w") as f:
                    f.write("\n".join("%s, %s, seed %s: %s" % (cuts.describe(number), style, seed, w) for w in wrong))
            finally:
                os._exit(0)
        os.close(into)
        self.running[pid] = out

    def verdict(self, cuts, now, number, expected, synced, seed, style):
        place = os.path.join(self.folder, "cut.%s.%d" % (seed, number))
        now.leave(place, "%s/%d" % (seed, number), style)
        found = expect.look(self.program, *(os.path.join(place, b) for b in cuts.below), self.timeout)
        wrong = expect.judge(expected, found, synced) + owners_are_right(place, now.root)
        if not (wrong and "KEEP" in os.environ):
            shutil.rmtree(place)
        return wrong

    def reap(self):
        pid = next(iter(self.running))
        with os.fdopen(self.running.pop(pid)) as f:
            self.wrong += f.read().splitlines()
        _, status = os.waitpid(pid, 0)
        if status:
            self.wrong.append("A look at a cut ended with status %d." % status)
        self.done += 1

    def end(self):
        while self.running:
            self.reap()


def look_at_cuts(cuts, start, count, seed, program, folder, timeout):
    """Sentences about what is wrong, and how many cuts were looked at."""
    judge, style = Judge(program, folder, timeout), styles(seed)
    for number, now, expected, synced in cuts.walk(start, cuts.choose(start, count, seed)):
        judge.look(cuts, now, number, expected, synced, seed, next(style))
    judge.end()
    return judge.wrong, judge.done


def look_at_recoveries(cuts, start, count, each, seed, programs, folder, timeout, record):
    """The same with a second cut while the first one is recovered from: each of count recoveries is cut at `each` places.
    record(path, root): makes a record there."""
    wrong, done, style, rng = [], 0, styles(seed), random.Random(seed)
    for number, now, expected, synced in cuts.walk(start, cuts.choose(start, count, seed)):
        place, s = os.path.join(folder, "first.%s.%d" % (seed, number)), next(style)
        now.leave(place, "%s/%d" % (seed, number), s)
        os.mkdir(place + ".bin")
        shutil.copy(os.path.join(programs, "look"), place + ".bin")
        record(place + ".bin/record", place)
        disk_before = disk.Disk(place, cuts.below)
        found = expect.look(place + ".bin/look", *(os.path.join(place, b) for b in cuts.below), timeout)
        what = "%s, %s, seed %s" % (cuts.describe(number), s, seed)
        wrong += ["%s: %s" % (what, w) for w in expect.judge(expected, found, synced)]
        events = disk.read_events(place + ".bin/record")
        judge = Judge(os.path.join(os.path.dirname(programs), "look"), folder, timeout)
        stops = sorted(rng.sample(range(1, len(events) + 1), min(each, len(events))))
        for i, e in enumerate(events):
            disk_before.happen(e)
            if i + 1 in stops:
                judge.look(cuts, disk_before, number, expected, synced, "%s.%d" % (seed, i + 1), next(style))
        judge.end()
        wrong += judge.wrong
        done += judge.done
        shutil.rmtree(place)
        shutil.rmtree(place + ".bin")
    return wrong, done
