"""Power cuts at any moment: what was acknowledged is there, what was shown stays.

One run of a whole instance is recorded: mail by SMTP and sendmail, delivered, bounced and deferred; APPEND, STORE, COPY, MOVE,
EXPUNGE, mailboxes made, renamed and deleted; POP3; checkpoints and new segments; users; reload, kill -9, stop and start. Then the
disk is rebuilt as it may be left at some event (disk.py tells what is assumed), and the recovery of queue, store and directory is
compared with what clients had been told by then.

CUTS=5000 looks at so many moments, SEED=7 at others (the run itself differs each time). KEEP=1 leaves the disks that are wrong.
"""
import collections
import copy
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import disk
import expect
import pytest
import replay
import scenario

import thurn as t

CUTS = int(os.environ.get("CUTS", 30 if t.SAN else 80))
SEED = int(os.environ.get("SEED", 1))
LIMIT = 120 + CUTS  # seconds
LOOK = scenario.TOOLS / "look"
BELOW = ("queue", "store", "directory")


@pytest.fixture(scope="module")
def folder():
    """Where disks are rebuilt: in memory, if there is a file system for it that has room."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 2 << 30 else "/tmp"
    path = pathlib.Path(tempfile.mkdtemp(prefix="thurn-cuts-", dir=base))
    path.chmod(0o755)
    yield path
    if "KEEP" not in os.environ:
        shutil.rmtree(path, ignore_errors=True)


class Recorded:
    """A run that is over."""

    def __init__(self, seed):
        self.run = scenario.Run(seed)
        self.root = self.run.dir
        try:
            self.cuts = None
            self.blank = self.start()
            self.run.whole()
            self.cuts = replay.Cuts(self.run.path, BELOW)
        except BaseException:
            self.run.close()
            raise

    def start(self):
        """The disk before the first event."""
        return disk.Disk(str(self.root), BELOW)


@pytest.fixture(scope="module")
def recorded():
    r = Recorded(SEED)
    yield r
    r.run.close()


def tell(wrong):
    return "%d broken promises:\n%s" % (len(wrong), "\n".join(wrong[:30]))


@pytest.mark.limit(LIMIT)
def test_what_was_recorded(recorded):
    """Else the rest would prove little."""
    kinds = {kind: 0 for kind in range(1, 14)}
    for e in recorded.cuts.events:
        kinds[e.kind] += 1
    assert not [k for k, n in kinds.items() if not n], kinds
    paths, gone, end = set(), set(), copy.deepcopy(recorded.blank)
    for e in recorded.cuts.events:
        if e.kind == disk.UNLINK and e.a in end.nodes:
            gone.add(os.path.join(end.nodes[e.a].path, e.data.decode()))
        end.happen(e)
    paths = {node.path for node in end.nodes.values()}

    def has(pattern, where=paths):
        return [p for p in where if re.fullmatch(pattern, p)]
    assert has(r"queue/segments/\w+\.seg", gone), "no segment was removed"
    assert has(r"queue/drop/new\.\S+", paths | gone) and has(r"queue/segments\.next")
    assert has(r"store/p0/\w\w/\w+/tree"), "no checkpoint of the tree"
    assert has(r"store/p0/\w\w/\w+/index/\w+"), "no checkpoint of a mailbox"
    assert len(has(r"store/p0/\w\w/\w+/log\.2")) >= 1, "no second segment of a log"
    assert len(has(r"store/p0/packs/\w+")) >= 4
    # What programs see is what the record says.
    for path in BELOW:
        compare(end.root.seen[path], recorded.root / path)


def compare(node, path):
    if node.folder:
        assert sorted(node.seen) == sorted(os.listdir(path)), path
        for name, child in node.seen.items():
            compare(child, path / name)
    else:
        assert node.seen.part(0, node.seen.size) == path.read_bytes(), path


@pytest.mark.limit(LIMIT)
def test_nothing_acknowledged_is_lost_and_nothing_shown_taken_back(recorded, folder):
    wrong, done = replay.look_at_cuts(recorded.cuts, copy.deepcopy(recorded.blank), CUTS, SEED, LOOK, folder, 60 * t.SLOW)
    assert done >= CUTS * 0.9
    assert not wrong, tell(wrong)


@pytest.mark.limit(LIMIT)
def test_the_power_fails_again_during_the_recovery(recorded, folder):
    wrong, done = replay.look_at_recoveries(recorded.cuts, copy.deepcopy(recorded.blank), CUTS // 20, 5, SEED, scenario.TOOLS / "bin",
                                            folder, 60 * t.SLOW, scenario.Recorder)
    assert done >= CUTS // 20 * 4
    assert not wrong, tell(wrong)


@pytest.mark.limit(LIMIT)
def test_a_segment_goes_when_what_was_stamped_in_it_is_durable(recorded):
    """Its name may come back with a power cut: then what was done must not be done again."""
    now, gone, wrong = copy.deepcopy(recorded.blank), 0, []
    for e in recorded.cuts.events:
        if e.kind == disk.UNLINK and e.a in now.nodes and now.nodes[e.a].path == "queue/segments":
            node = now.nodes[e.a].seen.get(e.data.decode())
            gone += 1
            if node and [op for op in node.pending if op[1] == "write" and op[3] == 8]:
                wrong.append(node.path)
        now.happen(e)
    assert gone and not wrong, wrong


@pytest.mark.limit(LIMIT)
def test_that_a_report_was_made_is_forgotten_when_its_message_is_durably_done(recorded):
    """Else the message would be tried again after a power cut, and reported again. The database's log has the report's name twice:
    when it is entered and when it is deleted."""
    now, places, named, wrong, forgotten = copy.deepcopy(recorded.blank), {}, collections.Counter(), [], 0
    for e in recorded.cuts.events:
        now.happen(e)
        node = now.nodes.get(e.inode)
        if e.kind != disk.WRITE or not node or not e.data:
            continue
        if node.path.startswith("queue/segments/") and e.data[:8] == b"TRec\1\0\0\0":
            places[e.data[32:48]] = node, e.a
        elif node.path.startswith("queue/db/log."):
            for trace in re.findall(rb"([0-9A-Z]{16})failed\.", e.data):
                named[trace] += 1
                segment, at = places.get(trace, (None, 0))
                if named[trace] == 2 and segment:
                    forgotten += 1
                    wrong += [trace for op in segment.pending if op[1] == "write" and op[2] == at + 56]
    assert forgotten and not wrong, (forgotten, wrong)


# What the server syncs, and somewhere a promise rests on it. Without that sync cuts must find something.
NEEDED = {
    "the folder of spool segments": r"queue/segments",
    "spool segments": r"queue/segments/\w+\.seg",
    "the folder that sendmail drops into": r"queue/drop",
    "what sendmail drops": r"queue/drop/\S+",
    "the folder of packs": r"store/p0/packs",
    "packs": r"store/p0/packs/\w+",
    "an account's folder": r"store/p0/\w\w/\w+",
    "the folders above it": r"store/p0(/\w\w)?",
    "logs of accounts": r"store/p0/\w\w/\w+/log\.\d+",
    "the database's log": r"directory/log\.\d+",
    "the database's folder": r"directory",
    "what master makes": r"|queue|store",
}


@pytest.mark.limit(LIMIT)
@pytest.mark.parametrize("what", NEEDED)
def test_a_sync_that_is_left_out_is_noticed(recorded, folder, what):
    events = len(recorded.cuts.events)
    places = (0.35, 0.5, 0.65, 0.8, 0.92) if what != "what sendmail drops" else (0.66, 0.68, 0.7, 0.72, 0.74)
    # Each run is another one: if nothing is found at the likely places, at many more.
    for stops in sorted(int(events * p) for p in places), recorded.cuts.choose(recorded.blank, 100, SEED):
        start = copy.deepcopy(recorded.blank)
        start.forgotten = re.compile(NEEDED[what])
        judge = replay.Judge(LOOK, folder, 60 * t.SLOW)
        for number, now, expected, synced in recorded.cuts.walk(start, stops):
            judge.look(recorded.cuts, now, number, expected, synced, SEED, "nothing")
            judge.end()
            assert not [w for w in judge.wrong if replay.UNSEEN in w], judge.wrong
            if judge.wrong:
                return
    assert False, "%s need not be synced, it seems" % what


# --- the server itself, on what is left ---

class Revived(t.Instance):
    """An instance on a rebuilt disk, on a machine that has just started."""

    def __init__(self, dead, boot):
        super().__init__(settings=dead.thurn.settings, start=False)
        self.passwords = dead.thurn.passwords
        shutil.copytree(dead.dir / "etc", self.dir / "etc")
        scenario.put_programs(self.dir / "bin", boot)

    def start(self, **settings):
        with scenario.programs_in(self.dir / "bin"):
            return super().start(**settings)


@pytest.mark.limit(LIMIT)
@pytest.mark.parametrize("style", ["nothing", "any", "sectors"])
def test_the_server_starts_on_what_is_left_and_delivers(recorded, style):
    start, events = copy.deepcopy(recorded.blank), recorded.cuts.events
    share = {"nothing": 0.3, "any": 0.6, "sectors": 0.9}[style]
    ((number, now, expected, synced),) = recorded.cuts.walk(start, [int(len(events) * share)])
    revived = Revived(recorded.run, 77)
    try:
        for name in BELOW:
            if name in now.root.seen:
                replay_folder(now, name, revived.dir / name, style)
        local = {id_ for id_, (to, _) in expected.ok.items() if all(a.endswith(t.DOMAIN) for a in to)}
        assert local
        for _ in range(3):  # what was just handed on, from the drop folder or to qmgr, is in no list for a moment
            revived.start()
            t.wait_for(lambda: not list((revived.dir / "queue/drop").glob("new.*")), 60, "an empty drop folder")
            t.wait_for(lambda: not [m for m in revived.json("queue", "list") if is_local(m)], 60, "an empty queue")
            assert "panic" not in revived.log()
            revived.stop()
            found = expect.look(LOOK, *(revived.dir / name for name in BELOW), 60 * t.SLOW)
            wrong = expect.judge(expected, found, synced, after_delivery=True)
            if not wrong:
                break
        assert not wrong, "%s: %s" % (recorded.cuts.describe(number), tell(wrong))
    finally:
        revived.close()


def is_local(message):
    return any(r["address"].endswith("@" + t.DOMAIN) for r in message["recipients"])


def replay_folder(now, name, path, style):
    disk.Cut(disk.random.Random(SEED), style).write_folder(now.root.seen[name], str(path))


# --- the database alone: its files change when its log has grown by many MiB ---

@pytest.mark.limit(LIMIT)
def test_durable_commits_survive_while_the_database_begins_new_logs(folder):
    root = pathlib.Path(tempfile.mkdtemp(prefix="thurn-test-", dir="/tmp"))
    try:
        (root / "bin").mkdir()
        (root / "db").mkdir()
        shutil.copy(scenario.TOOLS / "bin/commit", root / "bin/commit")
        scenario.Recorder(root / "bin/record", root)
        blank = disk.Disk(str(root), ("db",))
        subprocess.run([root / "bin/commit", root / "db", "700"], check=True, timeout=60 * t.SLOW)
        cuts = replay.Cuts(root / "bin/record", ("db",))
        new = [i for i, e in enumerate(cuts.events) if e.kind == disk.CREATE and re.fullmatch(rb"log\.\d+", e.data)]
        assert len(new) >= 2, "no second log"
        marks = [i + 1 for i, e in enumerate(cuts.events) if e.kind == disk.MARK]
        after = [m for m in marks if m > new[1]]
        stops = sorted(set(marks[::90] + after[:3] + after[20::40] + [len(cuts.events) - 1]))
        number, told = 0, {}
        for stop in stops:
            for e in cuts.events[number:stop]:
                blank.happen(e)
                if e.kind == disk.MARK:
                    told[int(e.data) % 40] = int(e.data)
            number = stop
            place = folder / ("db%d" % stop)
            blank.leave(str(place), SEED, "nothing")
            done = subprocess.run([scenario.TOOLS / "bin/commit", place / "db"], capture_output=True, text=True, timeout=60 * t.SLOW)
            assert done.returncode == 0, (stop, done.stderr)
            there = {int(line) % 40: int(line) for line in done.stdout.split()}
            lost = {k: v for k, v in told.items() if there.get(k, 0) < v}
            assert not lost, (stop, lost)
            shutil.rmtree(place)
        assert len(told) == 40
    finally:
        shutil.rmtree(root, ignore_errors=True)
