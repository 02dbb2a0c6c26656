"""kill -9 of each program: how long until what it serves is served again. Two seconds are promised; the test allows ten, and prints
what it was (pytest -s)."""
import os
import signal
import time

import pytest
import wire
from mail import message

import thurn as t


def smtp(thurn, n):
    with wire.Smtp(thurn.ports["smtp"]) as s:
        assert s.message("s@elsewhere.test", "anna@sandbox.test", message("smtp %d" % n)).startswith("250")


def submission(thurn, n):
    with thurn.submissions("anna") as s:
        assert s.noop()[0] == 250


def imap(thurn, n):
    with wire.Imap(thurn, "anna") as c:
        c.command("SELECT INBOX")


def pop3(thurn, n):
    with wire.Pop3(thurn, "bert") as c:
        c.command("STAT")


def delivery(thurn, n):
    name = "delivery %d" % n
    with wire.Smtp(thurn.ports["smtp"]) as s:
        assert s.message("s@elsewhere.test", "anna@sandbox.test", message(name)).startswith("250")
    end = time.monotonic() + 10 * t.SLOW
    with wire.Imap(thurn, "anna") as c:
        while time.monotonic() < end:
            c.command("SELECT INBOX")
            if c.command('SEARCH SUBJECT "%s"' % name) != [b"* SEARCH"]:
                return
            time.sleep(0.01)
    raise AssertionError("not delivered")


ROWS = [("smtp", smtp), ("submissions", submission), ("directory", smtp), ("directory", imap), ("imaps", imap), ("imapd", imap),
        ("pop3s", pop3), ("pop3d", pop3), ("queue", delivery), ("local-agent", delivery)]


def time_until(serves, thurn, n):
    start = time.monotonic()
    while True:
        try:
            serves(thurn, n)
            return time.monotonic() - start
        except (OSError, AssertionError, EOFError) as e:
            assert time.monotonic() - start < 30 * t.SLOW, e
            time.sleep(0.01)


@pytest.mark.parametrize("service, serves", ROWS, ids=["%s-%s" % (s, f.__name__) for s, f in ROWS])
def test_a_program(thurn, service, serves):
    serves(thurn, 0)
    usual = time_until(serves, thurn, 1)
    took = []
    for n in range(2, 4):
        for pid in thurn.pids(service):
            os.kill(pid, signal.SIGKILL)
        took.append(time_until(serves, thurn, n))
        t.wait_for(lambda: thurn.pids(service), 10, "the status")
    print("%s, %s: %s s, usually %.2f s" % (service, serves.__name__, " ".join("%.2f" % x for x in took), usual))
    assert max(took) < 10 * t.SLOW


def test_everything(instance):
    """As a supervisor does that starts master again."""
    thurn = instance()
    for n in range(20):
        thurn.deliver("anna", message("before %d" % n))
    took = []
    for n in range(2):
        thurn.kill()
        start = time.monotonic()
        thurn.start()
        for serves in smtp, imap, delivery:
            time_until(serves, thurn, n)
        took.append(time.monotonic() - start)
    print("everything: %s s" % " ".join("%.2f" % x for x in took))
    assert max(took) < 10 * t.SLOW
