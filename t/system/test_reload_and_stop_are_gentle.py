"""Reload drops no connection and no message; a stop leaves no process and loses nothing; it comes back with what was there."""
import time

import wire
from mail import message, wait_until_queue_is_empty
from traffic import USERS, Traffic, check_all_there, check_shown_stays, found

import thurn as t


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
    with wire.Smtp(thurn.ports["smtp"]) as s:
        s.send(b"MAIL FROM:<x@elsewhere.test> SIZE=70000\r\n")
        s.expect(b"552 5.3.4")
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
    check_all_there(found(thurn), traffic.acknowledged, traffic.sent)


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
    check_all_there(found(thurn), traffic.acknowledged, traffic.sent)


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
