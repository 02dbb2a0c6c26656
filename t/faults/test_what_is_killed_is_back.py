"""kill -9 of each program: how long until what it serves is served again. Two seconds are promised; the test allows ten, and prints
what it was (pytest -s)."""
import imaplib
import os
import poplib
import signal
import time

import fakes
import pytest
import wire
from mail import message, sendmail

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
        except (OSError, AssertionError, EOFError, imaplib.IMAP4.error, poplib.error_proto) as e:
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


def starttls(thurn, n):
    with thurn.imap("anna") as c:
        assert c.noop()[0] == "OK"


def stls(thurn, n):
    c = thurn.pop3("cleo")
    assert c.noop().startswith(b"+OK")
    c.quit()


def on_587(thurn, n):
    with thurn.submission("anna") as s:
        assert s.noop()[0] == 250


def lmtp(thurn, n):
    with thurn.lmtp() as s:
        s.sendmail("s@elsewhere.test", ["anna@sandbox.test"], message("lmtp %d" % n))


def by_sendmail(thurn, n):
    """To the socket, or into the drop folder while nobody answers there."""
    sendmail(thurn, "bert@sandbox.test", input="Subject: sendmail %d\n\nx\n" % n)
    t.wait_for(lambda: [m for m in thurn.messages("bert") if b"Subject: sendmail %d\r\n" % n in m], 10, "the message")


def dropped(thurn, n):
    drop = thurn.dir / "queue/drop"
    file = drop / ("tmp.%d" % time.monotonic_ns())
    file.write_text("THURN-DROP 1\nuid %d\ntime 1\nsender a@x.test\nto bert@sandbox.test\n\nSubject: dropped %d\r\n\r\nx\r\n" % (os.getuid(), n))
    os.chown(file, os.getuid(), drop.stat().st_gid)
    file.rename(drop / file.name.replace("tmp", "new"))
    t.wait_for(lambda: not list(drop.glob("new.*")), 10, "the file to be taken")


def far_away(thurn, n):
    """Relayed, refused there, and reported here."""
    name = "far %d" % time.monotonic_ns()
    with thurn.submissions("anna") as s:
        s.sendmail("anna@sandbox.test", ["nobody@far.test"], message(name))
    t.wait_for(lambda: [m for m in thurn.messages("anna") if b"multipart/report" in m and name.encode() in m], 10, "a report")


OTHERS = {"imap": starttls, "pop3": stls, "submission": on_587, "lmtp": lmtp, "sendmail": by_sendmail, "pickup": dropped,
          "smtp-agent": far_away, "bounce-agent": far_away}


def test_all_the_others_at_once(instance):
    """By themselves, and nothing else is needed."""
    with fakes.Server(RCPT="550 5.1.1 no such user") as far:
        thurn = instance(settings={"smtp.smart_host": fakes.to(far), "qmgr.retry_first": "1s"}, users=("anna", "bert", "cleo"))
        for serves in set(OTHERS.values()):
            serves(thurn, 0)
        pids = {service: thurn.pids(service) for service in OTHERS}
        assert all(pids.values()), pids
        for pid in sum(pids.values(), []):
            os.kill(pid, signal.SIGKILL)
        took = {service: time_until(serves, thurn, 1) for service, serves in OTHERS.items()}
        print(" ".join("%s=%.2fs" % row for row in took.items()))
        assert sum(took.values()) < 20 * t.SLOW
        t.wait_for(lambda: all(thurn.pids(service) and not set(thurn.pids(service)) & set(pids[service]) for service in OTHERS), 10,
                   "other processes")
