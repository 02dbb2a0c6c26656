"""kill -9 of any part at any moment; the database wiped or damaged; segments that go when they are done."""
import os
import random
import signal
import threading
import time

import pytest

from thurn import SLOW, wait_for

COUNT = 300


def send_many(thurn, count, to, name="m", sender="sender@elsewhere.test"):
    """Over a few connections; the subjects that were acknowledged."""
    accepted, lock = [], threading.Lock()

    def client(numbers):
        s = None
        for n in numbers:
            subject = "%s%d" % (name, n)
            for attempt in range(100):
                try:
                    s = s or thurn.smtp()
                    s.sendmail(sender, [to(n)],
                               ("Subject: %s\r\n\r\n%s\r\n" % (subject, "x" * 500)).encode())
                    with lock:
                        accepted.append(subject)
                    break
                except Exception:
                    s = None
                    time.sleep(0.1)

    threads = [threading.Thread(target=client, args=(range(i, count, 5),)) for i in range(5)]
    for t in threads:
        t.start()
    return threads, accepted


def subjects(messages):
    return [line[9:].decode() for m in messages for line in m.split(b"\r\n")[:12] if line.startswith(b"Subject: ")]


def kill_some(thurn, services, threads, accepted, pause=0.15):
    """As long as they send. Some messages come through between two kills, however slow all is: else there would be no end."""
    while any(t.is_alive() for t in threads):
        before = len(accepted)
        pids = [p for s in services for p in thurn.pids(s)]
        if pids:
            try:
                os.kill(random.choice(pids), signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(pause)
        while len(accepted) < before + 3 and any(t.is_alive() for t in threads):
            time.sleep(0.01)


@pytest.mark.limit(200)
@pytest.mark.parametrize("services", [["queue"], ["local-agent"], ["queue", "local-agent", "smtp", "directory"]])
def test_kills_lose_nothing_and_repeat_nothing_locally(instance, services):
    thurn = instance(settings={"qmgr.retry_first": "1s", "qmgr.retry_most": "2s", "qmgr.scan_interval": "1s"})
    threads, accepted = send_many(thurn, COUNT, lambda n: "anna@sandbox.test")
    kill_some(thurn, services, threads, accepted)
    for t in threads:
        t.join()
    assert len(accepted) == COUNT
    got = wait_for(lambda: (lambda m: m if set(m) >= set(accepted) else None)(subjects(thurn.messages("anna"))), 60,
                   "all messages")
    if "smtp" not in services:  # a client that saw no 250 sends again: that is another message
        assert len(got) == len(set(got))
    wait_for(lambda: thurn.json("queue", "list") == [], 30, "an empty queue")


@pytest.mark.limit(200)
def test_a_killed_qmgr_repeats_nothing_to_other_hosts(relay):
    """The agents remember what they were doing for the qmgr that died."""
    thurn, sink = relay(lambda c, line: time.sleep(0.02) if c == "END" else None)
    threads, accepted = send_many(thurn, 150, lambda n: "bob%d@elsewhere.test" % n)
    kill_some(thurn, ["queue"], threads, accepted, 0.3)
    for t in threads:
        t.join()
    wait_for(lambda: len(set(sink.subjects())) == 150, 60, "all messages")
    wait_for(lambda: thurn.json("queue", "list") == [], 30, "an empty queue")
    assert len(sink.subjects()) == 150


@pytest.mark.limit(200)
def test_kills_make_no_second_report(relay):
    """Each report has an id that follows from what it is about."""
    thurn, sink = relay(lambda c, line: "550 5.1.1 no" if c == "RCPT" else None)
    threads, accepted = send_many(thurn, 60, lambda n: "bob%d@elsewhere.test" % n, sender="anna@sandbox.test")
    kill_some(thurn, ["queue", "bounce-agent"], threads, accepted, 0.25)
    for t in threads:
        t.join()
    wait_for(lambda: thurn.json("queue", "list") == [], 60, "an empty queue")
    reports = thurn.wait_for_mail("anna", 60)
    about = [m.split(b"Final-Recipient: rfc822; ")[1].split(b"\r\n")[0] for m in reports]
    assert len(set(about)) == 60
    assert len(about) == 60


@pytest.mark.limit(200)
def test_a_restart_repeats_nothing(relay):
    go_on = threading.Event()

    def answer(command, line):
        if command == "END":
            go_on.wait(60 * SLOW)
            time.sleep(0.1)

    thurn, sink = relay(answer)
    threads, accepted = send_many(thurn, 100, lambda n: "bob%d@elsewhere.test" % n)
    for t in threads:
        t.join()
    go_on.set()
    assert len(sink.subjects()) < 100
    thurn.restart()
    wait_for(lambda: len(set(sink.subjects())) == 100, 60, "all messages")
    wait_for(lambda: thurn.json("queue", "list") == [], 30, "an empty queue")
    assert len(sink.subjects()) == 100


def park_some(relay, count=5):
    closed = [True]
    thurn, sink = relay(lambda c, line: "451 4.2.0 not now" if c == "RCPT" and closed[0] else None,
                        {"qmgr.retry_first": "2s", "qmgr.retry_most": "2s"})
    for i in range(count):
        thurn.deliver("bob@elsewhere.test", "Subject: %d\n\nx\n" % i)
    wait_for(lambda: [m["state"] for m in thurn.json("queue", "list")] == ["deferred"] * count, 10, "deferrals")
    return thurn, sink, closed


def expect_all(thurn, sink, closed, count=5):
    closed[0] = False
    wait_for(lambda: sorted(sink.subjects()) == [str(i) for i in range(count)], 30, "all messages")
    wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")


def test_a_wiped_database_comes_back_from_the_segments(relay):
    thurn, sink, closed = park_some(relay)
    thurn.kill()
    for f in (thurn.dir / "queue/db").iterdir():
        f.unlink()
    thurn.start()
    expect_all(thurn, sink, closed)


@pytest.mark.parametrize("victim", ["rows.db", "due.db", "log"])
def test_a_damaged_database_is_set_aside(relay, victim):
    thurn, sink, closed = park_some(relay)
    thurn.stop()
    db = thurn.dir / "queue/db"
    (path,) = [f for f in db.iterdir() if f.name.startswith(victim)]
    size = path.stat().st_size
    with open(path, "r+b") as f:
        for at in range(100, min(size, 65536), 512):
            f.seek(at)
            f.write(b"damage!")
    thurn.start()
    expect_all(thurn, sink, closed)


def test_a_segment_goes_when_all_of_it_is_done(relay):
    thurn, sink, closed = park_some(relay)
    thurn.deliver("anna", "Subject: local\n\nx\n")
    thurn.wait_for_mail("anna")
    segments = thurn.dir / "queue/segments"
    assert len(list(segments.glob("*.seg"))) >= 1
    thurn.restart()  # the writers end their segments
    assert len(list(segments.glob("*.seg"))) >= 1
    expect_all(thurn, sink, closed)
    wait_for(lambda: list(segments.glob("*.seg")) == [], 10, "no segments")


def test_the_segment_of_a_killed_writer_goes(relay):
    thurn, sink = relay()
    segments = thurn.dir / "queue/segments"
    thurn.deliver("anna", "Subject: x\n\nx\n")
    thurn.wait_for_mail("anna")
    assert len(list(segments.glob("*.seg"))) == 1
    for pid in thurn.pids("smtp"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: list(segments.glob("*.seg")) == [], 10, "no segments")


def test_a_fresh_segment_is_left_alone(relay):
    """One that has no header yet may be about to be written."""
    thurn, sink = relay()
    fresh = thurn.dir / "queue/segments/00000000deadbeef.seg"
    fresh.touch()
    time.sleep(3)
    assert fresh.exists()


def test_damage_in_a_segment_costs_one_message(relay):
    thurn, sink, closed = park_some(relay)
    thurn.kill()
    for f in (thurn.dir / "queue/db").iterdir():
        f.unlink()
    segment = next(f for f in (thurn.dir / "queue/segments").glob("*.seg") if b"Subject: 2" in f.read_bytes())
    text = segment.read_bytes()
    at = text.index(b"Subject: 2")
    segment.write_bytes(text[:at] + b"damage!" + text[at + 7:])
    thurn.start()
    closed[0] = False
    wait_for(lambda: sorted(sink.subjects()) == ["0", "1", "3", "4"], 30, "the other messages")
    thurn.wait_for_log("octets that are no whole record")
    wait_for(lambda: list((thurn.dir / "queue/segments").glob("*.seg")) == [], 10, "no segments")


def test_a_row_without_its_segment_is_closed_and_said(relay):
    thurn, sink, closed = park_some(relay, 2)
    thurn.stop()
    for f in (thurn.dir / "queue/segments").glob("*.seg"):
        f.unlink()
    thurn.start()
    thurn.wait_for_log("the message of a queue row is gone")
    wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")


def test_mail_accepted_while_qmgr_is_away_is_found(relay):
    thurn, sink = relay()
    (pid,) = thurn.pids("queue")
    os.kill(pid, signal.SIGSTOP)
    try:
        for i in range(10):
            thurn.deliver("bob@elsewhere.test", "Subject: %d\n\nx\n" % i)
    finally:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: sorted(sink.subjects()) == [str(i) for i in range(10)], 20, "all messages")


def test_the_reserve_is_there(relay):
    thurn, sink = relay()
    st = (thurn.dir / "queue/db/reserve").stat()
    assert st.st_size == 32 << 20 and st.st_blocks * 512 >= st.st_size
