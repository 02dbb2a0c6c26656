"""What can't be delivered now is tried again, at pauses; what operators do to it."""
import json
import os
import signal
import subprocess
import threading
import time

from thurn import BIN, SLOW, wait_for


def deferring(times):
    """Refuses the first recipients for now."""
    left = [times]

    def answer(command, line):
        if command == "RCPT" and left[0] > 0:
            left[0] -= 1
            return "451 4.2.0 not now"
        return None

    return answer


def test_it_is_tried_again_until_it_is_taken(relay):
    thurn, sink = relay(deferring(3))
    thurn.deliver("bob@elsewhere.test", "Subject: again\n\nx\n")
    wait_for(lambda: sink.subjects() == ["again"], 20, "the message")
    assert len([c for c in sink.commands if c.startswith("RCPT")]) == 4
    wait_for(lambda: thurn.json("queue", "list") == [], 20, "an empty queue")


def test_a_dead_host_is_left_alone_and_found_again(relay):
    thurn, sink = relay(settings={"smtp.connect_timeout": "1s"})
    sink.close()
    for i in range(5):
        thurn.deliver("bob@elsewhere.test", "Subject: %d\n\nx\n" % i)
    wait_for(lambda: [m["state"] for m in thurn.json("queue", "list")] == ["deferred"] * 5, 10, "five deferred")
    listed = thurn.json("queue", "list")
    assert all(m["recipients"][0]["status"].startswith("4.") for m in listed)
    sink.open_again()
    wait_for(lambda: sorted(sink.subjects()) == list("01234"), 20, "five messages")


def test_list_and_show_say_what_is_known(relay):
    thurn, sink = relay(lambda c, line: "451 4.7.1 greylisted, come back" if c == "RCPT" else None)
    thurn.deliver(["bob@elsewhere.test", "anna"], "Subject: listed\n\nsome text\n", sender="bert@sandbox.test")
    (m,) = wait_for(lambda: [m for m in thurn.json("queue", "list") if m["state"] == "deferred"], 10, "deferral")
    assert m["sender"] == "bert@sandbox.test" and m["size"] > 20
    rows = {r["address"]: r for r in m["recipients"]}
    assert rows["anna@sandbox.test"]["state"] == "done"
    bob = rows["bob@elsewhere.test"]
    assert bob["state"] == "deferred" and bob["status"] == "4.7.1" and "greylisted" in bob["text"]
    assert bob["agent"] == "smtp" and bob["attempts"] >= 1 and bob["next"]
    shown = thurn.json("queue", "show", m["id"])
    assert "Subject: listed" in shown["message"] and "some text" in shown["message"]
    for match, count in (("recipient=bob@elsewhere.test", 1), ("domain=elsewhere.test", 1), (m["id"], 1),
                         ("sender=bert@sandbox.test", 1), ("sender=anna@sandbox.test", 0)):
        assert len(thurn.json("queue", "list", match)) == count, match
    assert len(thurn.json("queue", "list", "--state", "held")) == 0
    assert thurn.thurn("queue", "show", "0000000000000000", check=False).returncode == 1


def test_what_was_accepted_is_in_the_list_at_once(relay):
    """qmgr is asked before it has read what was announced to it."""
    go_on = threading.Event()
    thurn, sink = relay(lambda c, line: go_on.wait(60 * SLOW) and None if c == "END" else None)
    (qmgr,) = thurn.pids("queue")
    thurn.deliver("bob@elsewhere.test", "Subject: 0\n\nx\n")
    wait_for(lambda: len(thurn.json("queue", "list")) == 1, 10, "the first message")
    for n in range(1, 6):
        os.kill(qmgr, signal.SIGSTOP)
        try:
            thurn.deliver("bob@elsewhere.test", "Subject: %d\n\nx\n" % n)
            lister = subprocess.Popen([str(BIN / "thurn"), "-C", str(thurn.dir / "etc"), "--json", "queue", "list"],
                                      stdout=subprocess.PIPE)
            time.sleep(0.2)
        finally:
            os.kill(qmgr, signal.SIGCONT)
        assert len(json.loads(lister.communicate(timeout=60 * SLOW)[0])) == n + 1
    go_on.set()


def test_hold_release_flush_and_remove(relay):
    open_now = [False]
    thurn, sink = relay(lambda c, line: None if open_now[0] or c != "RCPT" else "451 4.2.0 not now",
                        {"qmgr.retry_first": "1h", "qmgr.retry_most": "2h"})
    for i in range(4):
        thurn.deliver("bob@elsewhere.test", "Subject: %d\n\nx\n" % i)
    wait_for(lambda: [m["state"] for m in thurn.json("queue", "list")] == ["deferred"] * 4, 10, "four deferred")
    ids = [m["id"] for m in thurn.json("queue", "list")]
    assert ids == sorted(ids)
    assert thurn.json("queue", "hold", ids[0])["count"] == 1
    assert thurn.json("queue", "remove", ids[1])["count"] == 1
    # What an operator did stays done, whatever happens.
    thurn.kill()
    open_now[0] = True
    thurn.start()
    states = {m["id"]: m["state"] for m in thurn.json("queue", "list")}
    assert states == {ids[0]: "held", ids[2]: "deferred", ids[3]: "deferred"}
    assert thurn.json("queue", "flush")["count"] == 2
    wait_for(lambda: sorted(sink.subjects()) == ["2", "3"], 10, "the flushed ones")
    time.sleep(0.5)
    assert [m["state"] for m in thurn.json("queue", "list")] == ["held"]
    assert thurn.json("queue", "release", ids[0])["count"] == 1
    wait_for(lambda: sorted(sink.subjects()) == ["0", "2", "3"], 10, "the released one")
    assert thurn.thurn("queue", "release", ids[0], check=False).returncode == 1


def test_a_message_in_delivery_can_be_held_and_removed(relay):
    slow = [True]

    def answer(command, line):
        while command == "END" and slow[0]:
            time.sleep(0.05)
        return None

    thurn, sink = relay(answer)
    thurn.deliver("bob@elsewhere.test", "Subject: a\n\nx\n")
    thurn.deliver("bob@elsewhere.test", "Subject: b\n\nx\n")
    wait_for(lambda: [m["state"] for m in thurn.json("queue", "list")] == ["active"] * 2, 10, "two in delivery")
    a, b = [m["id"] for m in thurn.json("queue", "list")]
    thurn.json("queue", "remove", a)
    thurn.json("queue", "hold", b)
    slow[0] = False  # an agent has them: they can't be called back, but nothing else comes of them
    wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")
    assert sorted(sink.subjects()) == ["a", "b"]


def test_a_slow_host_does_not_hold_up_others(relay):
    go_on = threading.Event()

    def answer(command, line):
        if command == "END":
            go_on.wait(60 * SLOW)
        return None

    thurn, sink = relay(answer)
    for i in range(60):
        thurn.deliver("bob%d@elsewhere.test" % i, "Subject: slow\n\nx\n")
    thurn.deliver("anna", "Subject: quick\n\nx\n")
    thurn.wait_for_mail("anna")
    assert not sink.messages
    go_on.set()
