"""Segments that can't be opened or read, at the start or for good: nothing of them is given up that may still be delivered, and
nothing that a person could still want is removed."""
import datetime
import fcntl
import os
import signal
import struct
import threading

import pytest
import segments

from thurn import wait_for


def spool(thurn):
    return thurn.dir / "queue/segments"


def with_text(thurn, text):
    return next(f for f in spool(thurn).glob("*.seg") if text in f.read_bytes())


@pytest.fixture
def parked(relay):
    """(instance, sink, closed) with three deferred messages."""
    closed = [True]
    thurn, sink = relay(lambda command, line: "451 4.2.0 not now" if command == "RCPT" and closed[0] else None)
    for n in range(3):
        thurn.deliver("bob@elsewhere.test", "Subject: %d\n\nx\n" % n)
    wait_for(lambda: [m["state"] for m in thurn.json("queue", "list")] == ["deferred"] * 3, 10, "deferrals")
    return thurn, sink, closed


def later(recipient):
    when = recipient.get("next") and datetime.datetime.fromisoformat(recipient["next"])
    return when and when > datetime.datetime.now(when.tzinfo) + datetime.timedelta(seconds=5)


def test_what_can_not_be_opened_now_is_delivered_later(parked):
    thurn, sink, closed = parked
    segment = with_text(thurn, b"Subject: 1")
    away = thurn.dir / "away.seg"
    thurn.stop()
    segment.rename(away)
    segment.symlink_to(away)  # links are not followed
    closed[0] = False
    thurn.start()
    thurn.wait_for_log("can't be opened")
    # Put off, by more than a retry would be.
    wait_for(lambda: [r for m in thurn.json("queue", "list") for r in m["recipients"] if later(r)], 30, "rows that wait")
    assert thurn.log().count("can't be opened") == 1
    segment.unlink()
    away.rename(segment)
    wait_for(lambda: sorted(sink.subjects()) == ["0", "1", "2"], 40, "all messages")
    wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")
    assert "is gone" not in thurn.log()
    thurn.restart()
    wait_for(lambda: list(spool(thurn).glob("*.seg")) == [], 10, "no segments")


def test_a_segment_with_an_envelope_that_can_not_be_read_is_kept(parked):
    """A whole record, so it is one that was accepted."""
    thurn, sink, closed = parked
    segment = with_text(thurn, b"Subject: 1")
    thurn.kill()
    for f in (thurn.dir / "queue/db").iterdir():
        f.unlink()
    file = bytearray(segment.read_bytes())
    (record,) = [r for r in segments.records(file) if b"Subject: 1" in r.payload()]
    record.put(b"\xff" * record.envelope + record.payload()[record.envelope:])
    segment.write_bytes(file)
    closed[0] = False
    thurn.start()
    wait_for(lambda: sorted(sink.subjects()) == ["0", "2"], 40, "the other messages")
    for _ in range(2):
        thurn.restart()
        wait_for(lambda: [f.name for f in spool(thurn).glob("*.seg")] == [segment.name], 20, "the others to go")
    wait_for(lambda: thurn.log().count("its segment is kept") == 3, 10, "what each start says of it")
    assert segment.exists()
    assert sorted(sink.subjects()) == ["0", "2"]


def test_a_row_whose_record_is_gone_is_closed_once(parked):
    """However many look at it before that is committed."""
    thurn, sink, closed = parked
    for file in spool(thurn).glob("*.seg"):
        with open(file, "r+b") as f:
            for record in segments.records(bytearray(f.read())):
                f.seek(record.at)
                f.write(bytes(64))
    (qmgr,) = thurn.pids("queue")
    os.kill(qmgr, signal.SIGSTOP)
    try:
        operators = [threading.Thread(target=thurn.thurn, args=("queue", "hold", "--all")) for _ in range(8)]
        for operator in operators:
            operator.start()
        for _ in range(20):  # the database has much to do
            thurn.deliver("anna", "Subject: other\n\nx\n")
    finally:
        os.kill(qmgr, signal.SIGCONT)
    for operator in operators:
        operator.join()
    thurn.thurn("queue", "release", "--all")
    wait_for(lambda: thurn.json("queue", "list") == [], 20, "an empty queue")
    assert thurn.log().count("the row is closed") == 3
    assert thurn.pids("queue") == [qmgr]


class Writer:
    """A segment that the test writes: it holds the lock, and neither syncs nor announces what it writes. model: the record of some
    message to bob with the subject "one"."""

    def __init__(self, thurn, file, model):
        file = bytearray(file)
        for at in (0, 512):  # the id is in the header
            head = file[at:at + 8] + struct.pack("<Q", 0xdeadbeef) + file[at + 16:at + 32]
            file[at:at + 36] = head + struct.pack("<I", segments.crc32c(head))
        self.path, self.model, self.size = spool(thurn) / "00000000deadbeef.seg", model, model.next - model.at
        self.path.write_bytes(bytes(file[:segments.START]) + bytes(65536))
        owner = next(f for f in spool(thurn).parent.iterdir() if f.name == "db").stat()
        os.chown(self.path, owner.st_uid, owner.st_gid)
        self.file = open(self.path, "r+b", buffering=0)
        fcntl.fcntl(self.file, 37, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # F_OFD_SETLK

    def put(self, number, subject):
        """As the record with that number; subject: as long as "one"."""
        at = segments.START + number * self.size
        self.file.seek(at)
        self.file.write(self.model.moved(at, self.model.payload().replace(b"Subject: one", b"Subject: " + subject)))


@pytest.fixture
def writer(relay):
    """writer(settings) -> (stopped instance, sink, Writer)."""
    made = []

    def make(settings):
        thurn, sink = relay(settings=settings)
        thurn.deliver("bob@elsewhere.test", "Subject: one\n\nx\n")
        wait_for(lambda: sink.subjects() == ["one"], 10, "the message")
        file = bytearray(with_text(thurn, b"Subject: one").read_bytes())
        thurn.stop()
        made.append(Writer(thurn, file, next(segments.records(file))))
        return thurn, sink, made[-1]

    yield make
    for w in made:
        w.file.close()


def test_a_record_that_nobody_announced_is_not_taken_before_it_is_synced(writer):
    # One worker: another's fresh segment would make qmgr look at all tails once more.
    thurn, sink, w = writer({"qmgr.scan_interval": "10m", "smtp:min_workers": 1, "smtp:max_workers": 1})
    w.put(0, b"two")
    thurn.start()
    thurn.deliver("bob@elsewhere.test", "Subject: known\n\nx\n")  # a fresh segment makes qmgr look at all tails
    wait_for(lambda: {"two", "known"} <= set(sink.subjects()), 20, "what was there before")
    w.put(1, b"new")
    for n in range(5):  # each makes qmgr go through all segments
        thurn.deliver("bob@elsewhere.test", "Subject: more%d\n\nx\n" % n)
        wait_for(lambda: "more%d" % n in sink.subjects(), 10, "the next message")
    assert "new" not in sink.subjects()
    w.file.close()
    thurn.restart()
    wait_for(lambda: "new" in sink.subjects(), 20, "the last message")


def test_a_record_that_was_passed_over_and_became_whole_is_delivered(writer):
    """Its writer was stopped for so long that it looked damaged."""
    thurn, sink, w = writer({"qmgr.scan_interval": "1s", "qmgr.damage_wait": "2s"})
    w.put(0, b"two")
    w.put(2, b"for")
    thurn.start()
    wait_for(lambda: {"two", "for"} <= set(sink.subjects()), 30, "what is whole")
    thurn.wait_for_log("is damaged and passed over")
    w.put(1, b"thr")
    thurn.restart()  # the position has not passed it either
    wait_for(lambda: "thr" in sink.subjects(), 20, "the one between")
    w.put(4, b"six")
    wait_for(lambda: "six" in sink.subjects(), 30, "the next one that is whole")
    w.put(3, b"fiv")
    w.file.close()
    wait_for(lambda: "fiv" in sink.subjects(), 20, "what is found when the writer is gone")
    wait_for(lambda: not w.path.exists(), 20, "the segment to go")
    assert sorted(sink.subjects()) == sorted(["one", "two", "for", "thr", "six", "fiv"])
