"""Reload drops no connection and no message; a stop leaves no process and loses nothing; it comes back with what was there."""
import collections
import re
import threading
import time

import pytest
import wire
from mail import message, wait_until_queue_is_empty
from traffic import USERS, Traffic, check_shown_stays, found, wait_until_all_there

import thurn as t


def new_ones_take(thurn, size):
    """New connections have that message_size_limit, as soon as the old workers have heard that they take none any more."""
    def answers():
        with wire.Smtp(thurn.ports["smtp"]) as s:
            s.send(b"MAIL FROM:<x@elsewhere.test> SIZE=%d\r\nRSET\r\nMAIL FROM:<x@elsewhere.test> SIZE=%d\r\n" % (size + 1, size))
            return [s.reply()[:9] for _ in range(3)]
    t.wait_for(lambda: answers() == ["552 5.3.4", "250 2.0.0", "250 2.1.0"], 20, "the new settings")


def test_reload_keeps_every_connection(instance):
    thurn = instance()
    imap, idle, pop3 = wire.Imap(thurn, "anna"), wire.Imap(thurn, "anna"), wire.Pop3(thurn, "bert")
    imap.command("SELECT INBOX")
    idle.command("SELECT INBOX")
    idle.send(b"i IDLE\r\n")
    idle.reply()
    smtp = wire.Smtp(thurn.ports["smtp"])
    smtp.send(b"MAIL FROM:<x@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\nDATA\r\n")
    assert [smtp.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    before = thurn.status()["generation"]
    conf = thurn.dir / "etc/thurn.conf"
    conf.write_text("message_size_limit = 65536\n" + conf.read_text())
    thurn.thurn("reload")
    t.wait_for(lambda: thurn.status()["generation"] > before and thurn.status()["ready"], 20, "the new generation")
    # The old connections go on where they were,
    smtp.send(message("over the reload") + b".\r\n")
    smtp.expect(b"250")
    assert len(thurn.wait_for_mail("anna", 1)) == 1
    assert idle.reply() == b"* 1 EXISTS"
    assert b"* 1 EXISTS" in imap.command("NOOP")
    pop3.command("NOOP")
    # and new ones have the new settings.
    new_ones_take(thurn, 65536)
    for c in imap, idle, pop3, smtp:
        c.close()


def test_a_bad_configuration_changes_nothing(instance):
    thurn = instance()
    conf = thurn.dir / "etc/thurn.conf"
    good = conf.read_text()
    conf.write_text("no_such_setting = 1\n" + good)
    done = thurn.thurn("reload", check=False)
    assert done.returncode == 1 and "no_such_setting" in done.stderr
    thurn.deliver("anna", message("still there"))
    assert thurn.wait_for_mail("anna", 1)
    conf.write_text(good)


def test_reloads_under_load_lose_no_connection_and_no_message(instance):
    thurn = instance(users=USERS)
    traffic = Traffic(thurn, 600, pause=0.02)
    for n in (50, 200, 350):
        traffic.wait_for(n)
        thurn.thurn("reload")
    traffic.join()
    assert traffic.lost == 0 and not traffic.refused
    assert len(traffic.acknowledged) == 600
    wait_until_queue_is_empty(thurn, 60)
    wait_until_all_there(lambda: found(thurn), traffic.acknowledged, traffic.sent)


def test_a_stop_under_load_is_quick_clean_and_loses_nothing(instance):
    thurn = instance(users=USERS)
    traffic = Traffic(thurn, 1000, pause=0.01)
    traffic.wait_for(100)
    assert thurn.processes()
    start = time.monotonic()
    thurn.stop()
    assert time.monotonic() - start < 8 * t.SLOW
    traffic.stop()
    assert not thurn.processes()
    thurn.start()
    wait_until_queue_is_empty(thurn, 60)
    wait_until_all_there(lambda: found(thurn), traffic.acknowledged, traffic.sent)


def test_mail_is_there_after_a_restart(instance):
    thurn = instance(users=USERS)
    for n in range(20):
        thurn.deliver(USERS[n % 4], message("r%d" % n))
    wait_until_queue_is_empty(thurn)
    before = found(thurn)
    assert sum(map(len, before.values())) == 20
    thurn.restart()
    check_shown_stays(before, found(thurn))
    with wire.Imap(thurn, "anna") as c:
        c.command("SELECT INBOX")


def test_an_idle_instance_stops_at_once(instance):
    thurn = instance()
    assert thurn.processes()
    start = time.monotonic()
    thurn.thurn("stop")
    assert time.monotonic() - start < 3 * t.SLOW
    t.wait_for(lambda: not thurn.processes(), 3, "the end of all processes")


class Visitors:
    """Clients of every kind that stay, and others that come, do something and go, until stop(): whatever goes wrong is kept."""

    def __init__(self, thurn):
        self.thurn, self.over, self.wrong, self.turns = thurn, False, [], collections.Counter()
        kinds = (self.stays_by_imaps, self.stays_by_imap, self.stays_by_pop3, self.idles, self.stays_by_smtp, self.comes_by_imaps,
                 self.comes_by_pop3, self.comes_by_submission)
        self.threads = [threading.Thread(target=self.run, args=(kind,), daemon=True) for kind in kinds]
        for one in self.threads:
            one.start()
        t.wait_for(lambda: self.wrong or len(self.turns) == len(kinds), 20, "the visitors")

    def run(self, kind):
        try:
            for _ in kind():
                self.turns[kind.__name__] += 1
                if self.over:
                    return
                time.sleep(0.02)
        except Exception as e:
            self.wrong.append("%s: %r" % (kind.__name__, e))

    def stop(self):
        self.over = True
        for one in self.threads:
            one.join(30 * t.SLOW)
        assert not self.wrong, self.wrong

    def wait_for_turns(self):
        """Each has had some more."""
        before = self.turns.copy()
        t.wait_for(lambda: self.wrong or all(self.turns[k] > n + 3 for k, n in before.items()), 20, "the visitors' turns")
        assert not self.wrong, self.wrong

    def stays_by_imaps(self):
        with wire.Imap(self.thurn, "anna") as c:
            c.command("SELECT INBOX")
            while True:
                c.command("NOOP")
                yield

    def stays_by_imap(self):
        """STARTTLS: another service, and its login program's own worker."""
        c = self.thurn.imap("bert")
        c.select("INBOX")
        while True:
            assert c.noop()[0] == "OK"
            yield

    def stays_by_pop3(self):
        with wire.Pop3(self.thurn, "cleo") as c:
            while True:
                c.command("NOOP")
                yield

    def idles(self):
        with wire.Imap(self.thurn, "dora") as c:
            c.command("SELECT INBOX")
            while True:
                c.send(b"i IDLE\r\n")
                while not c.reply().startswith(b"+"):
                    pass
                yield
                c.send(b"DONE\r\n")
                while not (line := c.reply()).startswith(b"i "):
                    pass
                assert line.startswith(b"i OK"), line

    def stays_by_smtp(self):
        """In the middle of a message all the time."""
        with wire.Smtp(self.thurn.ports["smtp"]) as c:
            c.send(b"MAIL FROM:<x@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\nDATA\r\n")
            assert [c.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
            c.send(b"Subject: m999996\r\n\r\n")
            while not self.over:
                c.send(b"and on\r\n")
                yield
            c.send(b".\r\n")
            c.expect(b"250")

    def comes_by_imaps(self):
        while True:
            with wire.Imap(self.thurn, "anna") as c:
                c.command("STATUS INBOX (MESSAGES)")
                c.command("LOGOUT")
            yield

    def comes_by_pop3(self):
        while True:
            with wire.Pop3(self.thurn, "bert") as c:
                c.command("STAT")
                c.command("QUIT")
            yield

    def comes_by_submission(self):
        while True:
            with self.thurn.submissions("cleo") as c:
                assert c.mail("cleo@sandbox.test")[0] == 250
            yield


@pytest.mark.parametrize("how", ["reload", "upgrade"])
def test_nobody_is_dropped_whatever_they_do(instance, how):
    thurn = instance(users=USERS)
    visitors, traffic = Visitors(thurn), Traffic(thurn, 100000, pause=0.02)
    conf = thurn.dir / "etc/thurn.conf"
    for n in range(3):
        visitors.wait_for_turns()
        conf.write_text("message_size_limit = %d\n" % (100000 + n) + re.sub("^message_size_limit.*\n", "", conf.read_text()))
        generation = thurn.status()["generation"]
        thurn.thurn(how)
        t.wait_for(lambda: (lambda s: s["generation"] > generation and s["ready"])(thurn.status()), 20, "the new generation")
        new_ones_take(thurn, 100000 + n)
    visitors.wait_for_turns()
    traffic.over = True
    traffic.join()
    visitors.stop()
    assert traffic.lost == 0 and not traffic.refused
    wait_until_queue_is_empty(thurn, 60)
    wait_until_all_there(lambda: found(thurn), traffic.acknowledged | {"m999996"}, traffic.sent | {"m999996"})
