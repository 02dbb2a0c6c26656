"""Outcomes that arrive at once: the last one ends the message while the note of the first is on its way to the database."""
import os
import signal
import threading
import time

from thurn import SLOW, wait_for


def test_the_last_outcome_comes_before_the_first_is_noted(relay):
    asked, go_on = threading.Semaphore(0), threading.Event()

    def answer(command, line):
        if command == "END":
            asked.release()
            go_on.wait(30 * SLOW)

    thurn, sink = relay(answer)
    thurn.stop()
    thurn.start(**{"smtp.routes": "elsewhere.test=127.0.0.1:%d second.test=127.0.0.1:%d" % (sink.port, sink.port)})
    qmgr = thurn.pids("queue")
    thurn.deliver(["x@elsewhere.test", "y@second.test"], b"Subject: both\r\n\r\nx\r\n")
    for _ in range(2):
        assert asked.acquire(timeout=20 * SLOW)
    for pid in qmgr:
        os.kill(pid, signal.SIGSTOP)
    try:
        go_on.set()
        wait_for(lambda: len(sink.messages) == 2, 20, "both copies")
        time.sleep(0.3 * SLOW)  # until both outcomes lie in qmgr's sockets
    finally:
        for pid in qmgr:
            os.kill(pid, signal.SIGCONT)
    thurn.wait_for_log("removed from the queue")
    assert thurn.pids("queue") == qmgr
    thurn.restart()
    assert not thurn.thurn("queue", "list").stdout.count("elsewhere.test")
    assert thurn.log().count("removed from the queue") == 1
    assert len(sink.messages) == 2
