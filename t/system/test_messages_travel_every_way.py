"""A message goes in by each of SMTP, submission, submissions, LMTP and sendmail, into a mailbox and out to another host."""
import base64
import email
import re

import fakes
import pytest
from mail import message, scram, sendmail, wait_for_subject, without_trace

import thurn as t


@pytest.fixture(scope="module")
def sink():
    with fakes.Server() as server:
        yield server


@pytest.fixture(scope="module")
def thurn(sink):
    """Everything for other hosts goes to the sink; this host may relay."""
    made = t.Instance(settings={"smtp.smart_host": fakes.to(sink), "networks": "127.0.0.0/8"})
    yield made
    made.close()


def by_smtp(thurn, to, data):
    with thurn.smtp() as s:
        s.sendmail("bert@sandbox.test", [to], data)


def by_submission(mechanism):
    def send(thurn, to, data):
        user, password = "bert@sandbox.test", thurn.password("bert")
        with thurn.submission() as s:
            s.ehlo()
            if mechanism.startswith("SCRAM"):
                scram(s, mechanism, user, password)
            else:
                s.user, s.password = user, password
                s.auth(mechanism, getattr(s, "auth_" + mechanism.lower()))
            s.sendmail("bert@sandbox.test", [to], data)
    return send


def by_submissions(thurn, to, data):
    with thurn.submissions("bert") as s:
        s.sendmail("bert@sandbox.test", [to], data)


def by_lmtp(thurn, to, data):
    with thurn.lmtp() as s:
        s.sendmail("bert@sandbox.test", [to], data)


def by_sendmail(thurn, to, data):
    sendmail(thurn, "-i", "-f", "bert@sandbox.test", to, input=data.replace(b"\r\n", b"\n"))


WAYS = {
    "SMTP": by_smtp,
    "submission, PLAIN": by_submission("PLAIN"),
    "submission, LOGIN": by_submission("LOGIN"),
    "submission, SCRAM-SHA-1": by_submission("SCRAM-SHA-1"),
    "submission, SCRAM-SHA-256": by_submission("SCRAM-SHA-256"),
    "submissions": by_submissions,
    "LMTP": by_lmtp,
    "sendmail": by_sendmail,
}


@pytest.mark.parametrize("way", WAYS)
def test_into_a_mailbox(thurn, way):
    sent = message("in by " + way, "One line.\r\n.\r\n..two dots\r\n")
    WAYS[way](thurn, "anna@sandbox.test", sent)
    got = wait_for_subject(thurn, "anna", "in by " + way)
    assert without_trace(got, 2) == sent
    assert got.startswith(b"Return-Path: <bert@sandbox.test>\r\nReceived: ")


@pytest.mark.parametrize("way", WAYS)
def test_out_to_another_host(thurn, sink, way):
    sent = message("out by " + way, "One line.\r\n.\r\n..two dots\r\n", to="someone@far.test")
    WAYS[way](thurn, "someone@far.test", sent)
    got = t.wait_for(lambda: next((m for m in sink.messages if b"out by " + way.encode() in m), None), 20,
                     "the message at the other host")
    assert without_trace(got, 1) == sent
    assert "MAIL FROM:<bert@sandbox.test>" in " ".join(sink.said("MAIL"))
    assert sink.said("RCPT")[-1].startswith("RCPT TO:<someone@far.test>")


def test_one_delivery_to_many_is_read_by_each(thurn):
    sent = message("to both")
    thurn.deliver(["anna", "bert"], sent)
    for user in "anna", "bert":
        assert without_trace(wait_for_subject(thurn, user, "to both"), 2) == sent


def test_imap_and_pop3_show_the_same(thurn):
    thurn.add_user("dora")
    sent = message("read twice", "Line.\r\n.starts with a dot\r\n")
    thurn.deliver("dora", sent)
    by_imap = wait_for_subject(thurn, "dora", "read twice")
    for login in thurn.pop3, thurn.pop3s:
        p = login("dora")
        assert p.stat() == (1, len(by_imap))
        assert b"\r\n".join(p.retr(1)[1]) + b"\r\n" == by_imap
        p.quit()
    for login in thurn.imap, thurn.imaps:
        with login("dora") as c:
            c.select("INBOX", readonly=True)
            assert c.fetch("1", "(BODY.PEEK[])")[1][0][1] == by_imap


def test_pop3_deletes_at_quit_and_imap_sees_it(thurn):
    thurn.add_user("emil")
    for n in range(3):
        thurn.deliver("emil", message("number %d" % n))
        thurn.wait_for_mail("emil", n + 1)  # deliveries may overtake each other
    p = thurn.pop3("emil")
    p.dele(2)
    assert len(thurn.messages("emil")) == 3
    p.quit()
    assert [email.message_from_bytes(m)["subject"] for m in thurn.messages("emil")] == ["number 0", "number 2"]


def test_a_submission_is_completed(thurn):
    with thurn.submissions("bert") as s:
        s.sendmail("bert@sandbox.test", ["anna@sandbox.test"], b"Subject: bare\r\nFrom: bert@sandbox.test\r\n\r\nx\r\n")
    m = email.message_from_bytes(wait_for_subject(thurn, "anna", "bare"))
    assert re.fullmatch(r"<[^<>@ ]+@[^<>@ ]+>", m["message-id"])
    assert email.utils.parsedate_to_datetime(m["date"])


def test_mail_from_smtp_is_not_completed(thurn):
    thurn.deliver("anna", b"Subject: as it is\r\n\r\nx\r\n")
    assert without_trace(wait_for_subject(thurn, "anna", "as it is"), 2) == b"Subject: as it is\r\n\r\nx\r\n"


def test_utf8_addresses_and_8_bit_content_pass(thurn):
    thurn.add_user("jörg")
    data = "Subject: grüße\r\n\r\nschön\r\n".encode()
    with thurn.smtp() as s:
        s.ehlo()
        s.sendmail("søren@elsewhere.test", ["jörg@sandbox.test"], data, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    with thurn.imaps() as c:
        user = base64.b64encode("\0jörg@sandbox.test\0{}".format(thurn.password("jörg")).encode())
        c.authenticate("PLAIN", lambda _: base64.b64decode(user))

        def fetched():
            return c.fetch("1", "(BODY.PEEK[])")[1] if int(c.select("INBOX")[1][0]) else None
        got = t.wait_for(fetched, 20, "the message")
        assert without_trace(got[0][1], 2) == data


def test_a_message_names_its_way(thurn):
    """Received says how it came; the queue's id is in the reply to DATA and in trace."""
    with thurn.smtp() as s:
        s.ehlo("client.test")
        s.mail("x@elsewhere.test")
        s.rcpt("anna@sandbox.test")
        code, text = s.data(message("traced"))
    assert code == 250
    trace = re.search(r"[0-9A-Z]{16}", text.decode()).group()
    got = wait_for_subject(thurn, "anna", "traced")
    assert re.search(rb"Received: from client\.test .*\bESMTP id\s+%s" % trace.encode(), got, re.S)
    story = t.wait_for(lambda: (lambda s: s if "removed" in s else None)(thurn.thurn("trace", trace).stdout), 10,
                       "the end of the story")
    for word in ("accepted", "queued", "status=delivered"):
        assert word in story, story
    assert story.index("accepted") < story.index("queued") < story.index("status=delivered")
