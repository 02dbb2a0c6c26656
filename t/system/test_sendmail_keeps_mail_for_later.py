"""sendmail as cron and programs call it, with the server up, down, and killed; mailq; newaliases stays quiet."""
import email
import subprocess

from mail import closed_port, message, needs, sendmail, wait_for_subject, wait_until_queue_is_empty, without_trace

import thurn as t


def test_what_it_took_while_the_server_was_down_is_delivered_after_the_start(instance):
    """Rule 27."""
    thurn = instance()
    thurn.stop()
    sent = [message("kept %d" % n, "Line %d\r\n.\r\n.dot\r\n" % n) for n in range(20)]
    for data in sent:
        sendmail(thurn, "-i", "-f", "bert@sandbox.test", "anna@sandbox.test", input=data.replace(b"\r\n", b"\n"))
    thurn.start()
    got = thurn.wait_for_mail("anna", 20)
    assert sorted(without_trace(m, 3) for m in got) == sorted(sent)
    assert all(m.startswith(b"Return-Path: <bert@sandbox.test>\r\n") for m in got)
    t.wait_for(lambda: not list((thurn.dir / "queue/drop").iterdir()), 20, "the end of what was handed on")


def test_what_it_took_is_there_after_a_crash_at_once(instance):
    thurn = instance()
    for n in range(10):
        sendmail(thurn, "-f", "bert@sandbox.test", "anna@sandbox.test", input=message("now %d" % n).replace(b"\r\n", b"\n"))
    thurn.kill()
    for n in range(10, 20):
        sendmail(thurn, "-f", "bert@sandbox.test", "anna@sandbox.test", input=message("now %d" % n).replace(b"\r\n", b"\n"))
    thurn.start()
    wait_until_queue_is_empty(thurn)
    got = thurn.wait_for_mail("anna", 20)
    assert sorted(email.message_from_bytes(m)["subject"] for m in got) == sorted("now %d" % n for n in range(20))


def test_as_cron_calls_it(thurn):
    """/usr/sbin/sendmail -FCronDaemon -i -B8BITMIME -oem user"""
    sendmail(thurn, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "anna@sandbox.test", input=(
        "From: root (Cron Daemon)\nTo: anna@sandbox.test\nSubject: Cron <anna@host> backup\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\n"
        "Grüße\n.\nafter the dot\n"))
    m = email.message_from_bytes(wait_for_subject(thurn, "anna", "Cron <anna@host> backup"))
    assert m.get_payload(decode=True).decode() == "Grüße\r\n.\r\nafter the dot\r\n"
    assert m["date"] and m["message-id"]


def test_recipients_from_the_header(thurn):
    sendmail(thurn, "-t", "-oi", input="To: Anna <anna@sandbox.test>\nCc: x@sandbox.test (not this),\n bert@sandbox.test\n"
             "Bcc: bert@sandbox.test\nSubject: by header\n\nHi.\n", check=False)
    for user in "anna", "bert":
        got = wait_for_subject(thurn, user, "by header")
        assert b"\r\nBcc:" not in got


def test_a_mail_user_agent_sends_through_it(thurn, tmp_path):
    """bsd-mailx, mutt and the like run a sendmail; Python's own way is a pipe."""
    script = tmp_path / "sendmail"
    script.write_text('#!/bin/sh\nexec %s -C %s "$@"\n' % (t.BIN / "sendmail", thurn.dir / "etc"))
    script.chmod(0o755)
    subprocess.run([needs("swaks"), "--pipe", "%s -bs" % script, "--from", "bert@sandbox.test", "--to", "anna@sandbox.test",
                    "--header", "Subject: by -bs", "--body", "dialogue"], check=True, capture_output=True, timeout=60)
    assert b"dialogue" in wait_for_subject(thurn, "anna", "by -bs")


def test_mailq_shows_what_waits(instance):
    nobody, port = closed_port()
    with nobody:
        thurn = instance(settings={"smtp.smart_host": "[127.0.0.1]:%d" % port})
        sendmail(thurn, "-f", "anna@sandbox.test", "x@far.test", input="Subject: waits\n\nx\n")
        t.wait_for(lambda: thurn.json("queue", "list"), 10, "it in the queue")
        shown = sendmail(thurn, "-bp").stdout
        assert b"anna@sandbox.test" in shown and b"x@far.test" in shown
        thurn.thurn("queue", "remove", "--all")
        # It goes when the attempt that may be under way is over.
        t.wait_for(lambda: b"empty" in sendmail(thurn, "-bp").stdout.lower(), 20, "an empty queue")
