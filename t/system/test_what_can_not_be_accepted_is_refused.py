"""Refusals at the door: nobody relays, unknown users, quotas, a directory that is silent, limits of size."""
import os
import re
import signal
import time

import pytest
import wire
from mail import message, wait_for_subject

import thurn as t


@pytest.fixture(scope="module")
def thurn():
    made = t.Instance(settings={"message_size_limit": "1M"})
    made.add_user("tiny", None, "--quota", "20k")
    made.add_user("few", None, "--quota-messages", "2")
    yield made
    made.close()


def reply_to(thurn, to, data=message("x"), sender="sender@elsewhere.test"):
    with wire.Smtp(thurn.ports["smtp"]) as s:
        return s.message(sender, to, data)


@pytest.mark.parametrize("to, reply", [
    ("anna@sandbox.test", "250 2.0.0"),
    ("ANNA@SANDBOX.TEST", "250 2.0.0"),
    ("anna+detail@sandbox.test", "250 2.0.0"),
    ("postmaster@sandbox.test", "250 2.0.0"),
    ("postmaster", "250 2.0.0"),
    ("unknown-user@sandbox.test", "550 5.1.1"),
    ("anna@elsewhere.test", "550 5.7.1"),
    ("anna%elsewhere.test@sandbox.test", "550 5."),
    ("elsewhere.test!anna@sandbox.test", "550 5."),
    ('"anna@elsewhere.test"@sandbox.test', "550 5."),
    ("@sandbox.test:anna@elsewhere.test", "550 5.7.1"),
])
def test_recipients_by_name(thurn, to, reply):
    assert reply_to(thurn, to).startswith(reply)


def test_one_unknown_recipient_does_not_hurt_the_others(thurn):
    with wire.Smtp(thurn.ports["smtp"]) as s:
        s.send(b"MAIL FROM:<s@elsewhere.test>\r\nRCPT TO:<unknown-user@sandbox.test>\r\nRCPT TO:<anna@sandbox.test>\r\nDATA\r\n")
        assert [s.reply()[:9] for _ in range(4)] == ["250 2.1.0", "550 5.1.1", "250 2.1.5", "354 End d"]
        s.send(message("one of two") + b".\r\n")
        s.expect(b"250")
    assert wait_for_subject(thurn, "anna", "one of two")


def test_messages_beyond_the_limit_are_refused_early_and_late(thurn):
    with wire.Smtp(thurn.ports["smtp"]) as s:
        s.send(b"MAIL FROM:<s@elsewhere.test> SIZE=1048577\r\n")
        assert s.reply().startswith("552 5.3.4")
        assert s.message("s@elsewhere.test", "anna@sandbox.test", b"x" * 998 + b"\r\n" + b"y\r\n" * 400000).startswith("552 5.3.4")
        assert s.message("s@elsewhere.test", "anna@sandbox.test", b"Subject: fits\r\n\r\n" + b"y\r\n" * 340000).startswith("250")
    assert len(wait_for_subject(thurn, "anna", "fits")) > 1000000


def test_a_message_larger_than_the_mailbox_is_refused_for_good(thurn):
    with wire.Smtp(thurn.ports["smtp"]) as s:
        s.send(b"MAIL FROM:<s@elsewhere.test> SIZE=30000\r\nRCPT TO:<tiny@sandbox.test>\r\n")
        assert s.reply().startswith("250")
        assert s.reply().startswith("552 5.2.3")


def fill(thurn, user, data):
    """Sends until RCPT is refused: (the refusal, how many were taken)."""
    for n in range(10):
        reply = reply_to(thurn, t.address(user), data)
        if not reply.startswith("250"):
            return reply, n
        t.wait_for(lambda: len(thurn.messages(user)) > n or "over its quota" in thurn.log(), 20, "the delivery")
        time.sleep(0.1)
    assert False, "nothing was refused"


def test_a_full_mailbox_is_452_until_there_is_room(thurn):
    refusal, taken = fill(thurn, "few", message("fills"))
    assert refusal.startswith("452 4.2.2")
    assert 2 <= taken <= 3
    assert len(thurn.messages("few")) == 2
    # Over IMAP, too (RFC 3501: NO), with the code of RFC 5530.
    with wire.Imap(thurn, "few") as c:
        c.send(b"x APPEND INBOX {3+}\r\na\r\n\r\n")
        assert c.reply().startswith(b"x NO [OVERQUOTA]")
        c.command("SELECT INBOX")
        c.command("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
        c.command("EXPUNGE")
        c.command(b"APPEND INBOX {3+}\r\na\r\n")
    thurn.thurn("queue", "flush")  # or within a minute
    t.wait_for(lambda: not thurn.json("queue", "list", "recipient=few@sandbox.test"), 20, "what had to wait")
    with wire.Imap(thurn, "few") as c:  # that may have been as much as there was room for
        c.command("SELECT INBOX")
        c.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        c.command("EXPUNGE")
    t.wait_for(lambda: reply_to(thurn, "few@sandbox.test", message("fits again")).startswith("250"), 45, "room")


def test_a_silent_directory_means_later_never_unknown(thurn):
    thurn.add_user("unasked")  # nobody remembers what the directory said of it
    pid = thurn.pids("directory")[0]
    names = b"unasked@sandbox.test", b"unknown-person@sandbox.test", b"somebody@elsewhere.test"
    sessions = [wire.Smtp(thurn.ports["smtp"]) for _ in names]
    imap = wire.Imap(thurn)
    os.kill(pid, signal.SIGSTOP)
    try:
        imap.send(b'a1 LOGIN "anna@sandbox.test" "%s"\r\n' % thurn.password("anna").encode())
        time.sleep(0.3)
        for s, name in zip(sessions, names):
            s.send(b"MAIL FROM:<s@elsewhere.test>\r\nRCPT TO:<%s>\r\n" % name)
        for s in sessions:
            s.expect(b"250")
            assert s.reply().startswith("451 4.3.0")
    finally:
        os.kill(pid, signal.SIGCONT)
    for s, name, code in zip(sessions, names, (b"250", b"550 5.1.1", b"550 5.7.1")):
        s.send(b"RCPT TO:<%s>\r\n" % name)
        s.expect(code)
        s.close()
    assert re.match(rb"a1 (OK|NO \[UNAVAILABLE\])", imap.reply())
    imap.close()
    with wire.Imap(thurn, "anna") as c:
        c.command("NOOP")


def test_a_stopped_queue_manager_stops_nobody_from_sending(thurn):
    """Rule 2: 250 does not wait for it, and it finds what nobody could announce."""
    pid = thurn.pids("queue")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        for n in range(20):
            assert reply_to(thurn, "bert@sandbox.test", message("while it sleeps %d" % n)).startswith("250")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert len(thurn.wait_for_mail("bert", 20)) == 20


def test_a_message_that_loops_is_refused(thurn):
    hops = b"".join(b"Received: from a%d by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" % n for n in range(100))
    assert reply_to(thurn, "anna@sandbox.test", hops + message("loop")).startswith("554 5.4.6")
    assert reply_to(thurn, "anna@sandbox.test", hops[len(hops) // 2:] + message("no loop")).startswith("250")


def test_submission_wants_a_login_and_ones_own_name(thurn):
    s = thurn.submission()
    assert s.docmd("MAIL FROM:<anna@sandbox.test>")[0] == 530
    s.login("anna@sandbox.test", thurn.password("anna"))
    assert s.docmd("MAIL FROM:<bert@sandbox.test>")[0] == 553
    assert s.docmd("MAIL FROM:<anna@sandbox.test>")[0] == 250
    s.quit()


def test_a_full_disk_is_452_and_recovers(instance):
    """Rule 10."""
    thurn = instance(settings={"disk_reserve": "100000G"}, users=("anna",))
    assert reply_to(thurn, "anna@sandbox.test").startswith("452 4.3.1")
    conf = thurn.dir / "etc/thurn.conf"
    conf.write_text(conf.read_text().replace("100000G", "1M"))
    thurn.thurn("reload")
    t.wait_for(lambda: reply_to(thurn, "anna@sandbox.test").startswith("250"), 20, "250")
    assert thurn.wait_for_mail("anna", 1)
