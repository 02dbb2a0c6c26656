"""Reports as RFC 3461-3464 want them, to whom they are due, and to nobody else."""
import email
import email.policy
import os
import signal
import time

import pytest

from thurn import wait_for

TEXT = "From: anna@sandbox.test\nSubject: try\nX-Mark: here\n\nthe body\n"


def report_of(thurn, user="anna", count=1):
    message = thurn.wait_for_mail(user, count)[count - 1]
    return message, email.message_from_bytes(message, policy=email.policy.default)


def status_fields(report):
    """The message/delivery-status part: the fields of the message, then of each recipient."""
    part = list(report.iter_parts())[1]
    assert part.get_content_type() == "message/delivery-status"
    return part.get_payload()


def send(thurn, sender, to, text=TEXT, options=(), rcpt_options=()):
    with thurn.smtp() as s:
        s.ehlo()
        assert s.mail(sender, options)[0] == 250
        for t in to:
            assert s.rcpt(t, rcpt_options)[0] == 250
        assert s.data(text.replace("\n", "\r\n").encode())[0] == 250


def test_a_refused_recipient_is_reported_to_the_sender(relay):
    thurn, sink = relay(lambda c, line: "550 5.1.1 nobody of that name" if c == "RCPT" else None)
    send(thurn, "anna@sandbox.test", ["nobody@elsewhere.test"])
    raw, report = report_of(thurn)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert raw.startswith(b"Return-Path: <>\r\n")
    assert report["To"] == "anna@sandbox.test"
    message, recipient = status_fields(report)
    assert recipient["Final-Recipient"] == "rfc822; nobody@elsewhere.test"
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "5.1.1"
    assert "nobody of that name" in recipient["Diagnostic-Code"]
    returned = list(report.iter_parts())[2]
    assert "the body" in returned.as_string()
    assert "X-Mark: here" in returned.as_string()
    wait_for(lambda: thurn.json("queue", "list") == [], 20, "an empty queue")


def test_ret_hdrs_returns_the_header_only(relay):
    thurn, sink = relay(lambda c, line: "550 5.1.1 no" if c == "RCPT" else None)
    send(thurn, "anna@sandbox.test", ["nobody@elsewhere.test"], options=["RET=HDRS", "ENVID=me+2B1"],
         rcpt_options=["ORCPT=rfc822;first@old.test"])
    raw, report = report_of(thurn)
    message, recipient = status_fields(report)
    assert message["Original-Envelope-Id"] == "me+1"
    assert recipient["Original-Recipient"] == "rfc822; first@old.test"
    assert b"X-Mark: here" in raw and b"the body" not in raw


def test_nobody_is_told_about_a_report(relay):
    thurn, sink = relay(lambda c, line: "550 5.1.1 no" if c == "RCPT" else None)
    send(thurn, "", ["nobody@elsewhere.test"])
    thurn.wait_for_log("can't be delivered and is dropped")
    wait_for(lambda: thurn.json("queue", "list") == [], 20, "an empty queue")
    assert "made a message" not in thurn.log()


@pytest.mark.parametrize("notify,reports", [("NEVER", 0), ("SUCCESS", 0), ("FAILURE", 1), ("DELAY,FAILURE", 1)])
def test_notify_is_kept(relay, notify, reports):
    thurn, sink = relay(lambda c, line: "550 5.1.1 no" if c == "RCPT" else None)
    send(thurn, "anna@sandbox.test", ["nobody@elsewhere.test"], rcpt_options=["NOTIFY=" + notify])
    thurn.wait_for_log("removed from the queue")
    if reports:
        thurn.wait_for_mail("anna", reports)
    time.sleep(0.5)
    assert len(thurn.messages("anna")) == reports


def test_success_is_reported_when_asked_for(relay):
    thurn, sink = relay()
    send(thurn, "anna@sandbox.test", ["bert@sandbox.test"], rcpt_options=["NOTIFY=SUCCESS"])
    raw, report = report_of(thurn)
    assert status_fields(report)[1]["Action"] == "delivered"
    assert b"the body" not in raw
    send(thurn, "anna@sandbox.test", ["bob@elsewhere.test"], rcpt_options=["NOTIFY=SUCCESS"])
    raw, report = report_of(thurn, count=2)
    assert status_fields(report)[1]["Action"] == "relayed"  # the sink knows no DSN
    assert len(thurn.messages("bert")) == 1


def test_delay_is_told_once_then_expiry_returns_the_message(relay):
    thurn, sink = relay(lambda c, line: "451 4.2.0 not now" if c == "RCPT" else None,
                        {"qmgr.delay_warning": "1s", "qmgr.expire": "6s"})
    send(thurn, "anna@sandbox.test", ["bob@elsewhere.test"])
    raw, report = report_of(thurn)
    recipient = status_fields(report)[1]
    assert recipient["Action"] == "delayed" and recipient["Status"] == "4.2.0"
    assert recipient["Will-Retry-Until"]
    raw, report = report_of(thurn, count=2)
    recipient = status_fields(report)[1]
    assert recipient["Action"] == "failed" and recipient["Status"] == "5.4.7"
    assert "not now" in recipient.as_string()
    time.sleep(1)
    assert len(thurn.messages("anna")) == 2


def test_recipients_have_each_their_fate(relay):
    thurn, sink = relay(lambda c, line: "550 5.1.1 no" if c == "RCPT" and "<no" in line else None)
    send(thurn, "anna@sandbox.test", ["no1@elsewhere.test", "yes@elsewhere.test", "bert@sandbox.test",
                                      "no2@elsewhere.test"])
    raw, report = report_of(thurn)
    rows = status_fields(report)[1:]
    assert sorted(r["Final-Recipient"] for r in rows) == ["rfc822; no1@elsewhere.test",
                                                          "rfc822; no2@elsewhere.test"]
    assert [m[1] for m in sink.messages] == [["yes@elsewhere.test"]]
    assert len(thurn.wait_for_mail("bert")) == 1


def test_a_message_that_loops_is_returned(relay):
    """smtpd would refuse it; here the limit is lowered while it waits."""
    thurn, sink = relay()
    os.kill(thurn.pids("queue")[0], signal.SIGSTOP)
    send(thurn, "anna@sandbox.test", ["bert@sandbox.test"], text="Received: x\n" * 50 + TEXT)
    thurn.kill()
    thurn.start(hop_limit=50)
    raw, report = report_of(thurn)
    assert status_fields(report)[1]["Status"] == "5.4.6"
    assert thurn.messages("bert") == []
