"""What the tests of whole instances share: messages, logins by hand, other people's programs."""
import email
import re
import shutil
import socket
import subprocess

import pytest
import sasl

import thurn as t

TRACE_FIELDS = re.compile(rb"\A(?:Delivered-To:[^\n]*\n|Return-Path:[^\n]*\n|Received:[^\n]*\n(?:[ \t][^\n]*\n)*)*")
SUBMISSION_FIELDS = ("date", "message-id")


def message(subject, body="Hello.\r\n", sender="sender@elsewhere.test", to="anna@sandbox.test"):
    """With all that a submission would add, so that it arrives as it was."""
    return ("From: <%s>\r\nTo: <%s>\r\nDate: Mon, 01 Jan 2024 10:00:00 +0000\r\nMessage-ID: <%s@elsewhere.test>\r\n"
            "Subject: %s\r\n\r\n%s" % (sender, to, re.sub(r"\W+", ".", subject), subject, body)).encode()


def without_trace(data, added):
    """What is left behind as many added trace fields: Return-Path and Received."""
    for _ in range(added):
        m = re.match(rb"(?:Return-Path|Received):[^\n]*\n(?:[ \t][^\n]*\n)*", data)
        assert m, "no trace field: %r" % data[:200]
        data = data[m.end():]
    return data


def subjects(messages):
    return [email.message_from_bytes(m)["subject"] for m in messages]


def with_subject(messages, subject):
    (found,) = [m for m in messages if email.message_from_bytes(m)["subject"] == subject]
    return found


def wait_for_subject(thurn, user, subject, timeout=20, mailbox="INBOX"):
    return t.wait_for(
        lambda: next((m for m in thurn.messages(user, mailbox)
                      if email.message_from_bytes(m)["subject"] == subject), None),
        timeout, "%r in the mailbox of %s" % (subject, user))


def scram(smtp, mechanism, user, password):
    """AUTH by SCRAM on an smtplib connection."""
    s = sasl.Scram({"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[mechanism], user, password)
    code, challenge = smtp.docmd("AUTH", "%s %s" % (mechanism, s.first()))
    assert code == 334, (code, challenge)
    code, last = smtp.docmd(s.final(challenge.decode()))
    assert code == 334, (code, last)
    s.check(last.decode())
    code, text = smtp.docmd("")
    assert code == 235, (code, text)


def needs(program):
    """The program's path, or the test is skipped."""
    path = shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin")
    if not path:
        pytest.skip("%s is not installed" % program)
    return path


def sendmail(thurn, *argv, input="", check=True):
    done = subprocess.run([str(t.BIN / "sendmail"), "-C", str(thurn.dir / "etc"), *argv],
                          input=input.encode() if isinstance(input, str) else input,
                          capture_output=True, timeout=60)
    if check:
        assert done.returncode == 0, done
    return done


def queue_is_empty(thurn):
    return not thurn.json("queue", "list")


def wait_until_queue_is_empty(thurn, timeout=30):
    t.wait_for(lambda: queue_is_empty(thurn), timeout, "an empty queue")


def closed_port():
    """A port where nobody answers: connections are refused as long as the socket is kept."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]
