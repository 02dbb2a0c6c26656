"""qmgr keeps what the directory said for a moment; a change ends that moment at once."""
import os
import signal

import thurn as t


def send(thurn, to, subject):
    with thurn.smtp() as s:
        s.sendmail("joe@far.test", [to], "Subject: %s\r\n\r\n" % subject)


def subjects(messages):
    return [line for m in messages for line in m.split(b"\r\n") if line.startswith(b"Subject: ")]


def test_a_user_who_is_removed_and_added_again_gets_the_mail_that_came_after(instance):
    thurn = instance()
    for turn in range(5):
        send(thurn, "bert@sandbox.test", "old")
        assert subjects(thurn.wait_for_mail("bert")) == [b"Subject: old"]
        thurn.thurn("user", "remove", "bert")
        thurn.add_user("bert")
        send(thurn, "bert@sandbox.test", "new")
        assert subjects(thurn.wait_for_mail("bert")) == [b"Subject: new"]
        thurn.thurn("user", "remove", "bert")
        thurn.add_user("bert")


def test_an_alias_takes_over_at_once(instance):
    thurn = instance()
    send(thurn, "bert@sandbox.test", "first")
    thurn.wait_for_mail("bert")
    thurn.thurn("alias", "add", "bert", "anna")
    send(thurn, "bert@sandbox.test", "second")
    assert subjects(thurn.wait_for_mail("anna")) == [b"Subject: second"]
    assert subjects(thurn.messages("bert")) == [b"Subject: first"]


def test_a_directory_that_was_killed_is_asked_anew(instance):
    thurn = instance()
    send(thurn, "bert@sandbox.test", "old")
    thurn.wait_for_mail("bert")
    (pid,) = thurn.pids("directory")
    os.kill(pid, signal.SIGKILL)
    t.wait_for(lambda: thurn.pids("directory") not in ([], [pid]), 20, "directoryd")
    t.wait_for(lambda: thurn.thurn("user", "remove", "bert", check=False).returncode == 0, 20, "the removal")
    thurn.add_user("bert")
    send(thurn, "bert@sandbox.test", "new")
    assert subjects(thurn.wait_for_mail("bert")) == [b"Subject: new"]
