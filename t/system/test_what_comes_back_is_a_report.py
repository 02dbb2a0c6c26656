"""Whole stories: a message that fails at another host comes back to its sender's mailbox; what waits is seen and moved by
an administrator; a trace tells it all."""
import email
import re

import fakes
import pytest
from mail import message, wait_for_subject, wait_until_queue_is_empty

import thurn as t


@pytest.fixture
def far():
    with fakes.Server() as server:
        server.replies["RCPT"] = lambda line: next((reply for name, reply in (
            ("nobody", "550 5.1.1 <nobody@far.test>: no such user here"), ("full", "452 4.2.2 full"),
            ("secret", "550 5.7.1 no\r\nX-Injected: yes")) if "<" + name in line), "250 2.1.5 ok")
        yield server


@pytest.fixture
def thurn(instance, far):
    return instance(settings={"smtp.smart_host": fakes.to(far), "qmgr.retry_first": "1s", "qmgr.retry_most": "1s"})


def submit(thurn, to, subject, user="anna", **more):
    with thurn.submissions(user) as s:
        s.sendmail(t.address(user), to, message(subject), **more)


def the_report(thurn, user="anna"):
    raw = t.wait_for(lambda: next((m for m in thurn.messages(user) if b"multipart/report" in m), None), 20, "a report")
    return raw, email.message_from_bytes(raw)


def test_a_refused_recipient_comes_back_to_the_sender(thurn, far):
    submit(thurn, ["nobody@far.test", "somebody@far.test"], "for two")
    raw, m = the_report(thurn)
    assert raw.startswith(b"Return-Path: <>\r\n")
    assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status"
    assert m["auto-submitted"] == "auto-replied" and m["to"].strip("<>") == "anna@sandbox.test"
    text, status, returned = m.get_payload()
    per_message, per_recipient = status.get_payload()
    assert per_message["reporting-mta"].replace(" ", "") == "dns;sandbox.test"
    assert per_recipient["final-recipient"].replace(" ", "").lower() == "rfc822;nobody@far.test"
    assert per_recipient["action"] == "failed" and per_recipient["status"] == "5.1.1"
    assert "no such user here" in per_recipient["diagnostic-code"] and per_recipient["diagnostic-code"].startswith("smtp;")
    assert "nobody@far.test" in text.get_payload()
    assert returned.get_content_type() in ("message/rfc822", "text/rfc822-headers")
    assert "Subject: for two" in returned.as_string()
    assert len(status.get_payload()) == 2, "the one that was delivered is not in it"
    assert any(b"for two" in d for d in far.messages)
    wait_until_queue_is_empty(thurn)


def test_nobody_is_told_of_a_report_that_fails(thurn, far):
    with thurn.smtp() as s:
        s.sendmail("", ["anna@sandbox.test"], message("from nobody"))
    assert wait_for_subject(thurn, "anna", "from nobody").startswith(b"Return-Path: <>\r\n")
    submit(thurn, ["nobody@far.test"], "first", "anna")
    the_report(thurn)
    wait_until_queue_is_empty(thurn)
    assert not [line for line in far.said("MAIL") if "<>" in line]


def test_what_a_peer_writes_can_not_become_a_header(thurn):
    submit(thurn, ["secret@far.test"], "injection")
    raw, m = the_report(thurn)
    assert b"\nX-Injected" not in raw
    wait_until_queue_is_empty(thurn)


def test_a_full_mailbox_there_is_tried_again_until_it_is_not(thurn, far):
    submit(thurn, ["full@far.test"], "patient")

    def waits():
        rows = thurn.json("queue", "list")
        return rows if rows and rows[0]["recipients"][0]["attempts"] >= 2 else None
    (row,) = t.wait_for(waits, 15, "a second attempt")
    assert row["recipients"][0]["status"] == "4.2.2" and "full" in row["recipients"][0]["text"]
    assert "4.2.2" in thurn.thurn("trace", row["id"]).stdout
    far.replies["RCPT"] = "250 2.1.5 ok"
    t.wait_for(lambda: any(b"patient" in m for m in far.messages), 15, "the delivery")
    wait_until_queue_is_empty(thurn)
    story = thurn.thurn("trace", row["id"]).stdout
    assert story.count("status=deferred") >= 2 and re.search("status=(relayed|delivered)", story)


def test_an_administrator_holds_releases_flushes_and_removes(instance, far):
    # An attempt that is under way can't be called back: none begins by itself.
    thurn = instance(settings={"smtp.smart_host": fakes.to(far), "qmgr.retry_first": "1h", "qmgr.retry_most": "1h"})
    far.replies["RCPT"] = "452 4.2.2 full"
    for n in range(3):
        submit(thurn, ["u%d@far.test" % n], "held %d" % n)
    rows = t.wait_for(lambda: (lambda r: r if [x["state"] for x in r] == ["deferred"] * 3 else None)(
        thurn.json("queue", "list")), 15, "three that wait")
    first, second, third = [r["id"] for r in rows]
    for one in first, second:
        assert thurn.json("queue", "hold", one)["count"] == 1
    assert {r["id"] for r in thurn.json("queue", "list", "--state", "held")} == {first, second}
    assert "Subject: held" in thurn.thurn("queue", "show", first).stdout
    assert thurn.json("queue", "remove", third)["count"] == 1
    far.replies["RCPT"] = "250 2.1.5 ok"
    thurn.json("queue", "flush")
    assert len(thurn.json("queue", "list")) == 2, "what is held stays"
    thurn.kill()
    thurn.start()
    assert {r["id"] for r in thurn.json("queue", "list", "--state", "held")} == {first, second}, "what was held is held"
    assert thurn.json("queue", "release", first)["count"] == 1
    t.wait_for(lambda: len(far.messages) == 1, 15, "the released one")
    assert thurn.json("queue", "release", "--all")["count"] == 1
    t.wait_for(lambda: len(far.messages) == 2, 15, "the other one")
    wait_until_queue_is_empty(thurn)
    assert "removed by an operator" in thurn.thurn("trace", third).stdout


def test_aliases_reach_everybody_once(thurn, far):
    thurn.thurn("alias", "add", "team@sandbox.test", "anna@sandbox.test", "bert@sandbox.test", "someone@far.test")
    thurn.thurn("alias", "add", "all@sandbox.test", "team@sandbox.test", "anna@sandbox.test")
    with thurn.smtp() as s:
        s.sendmail("x@elsewhere.test", ["all@sandbox.test", "anna@sandbox.test"], message("to all"))
    for user in "anna", "bert":
        wait_for_subject(thurn, user, "to all")
    t.wait_for(lambda: far.messages, 10, "the copy for the other host")
    wait_until_queue_is_empty(thurn)
    assert [len(thurn.messages(u)) for u in ("anna", "bert")] == [1, 1] and len(far.messages) == 1
    thurn.thurn("alias", "remove", "team@sandbox.test", "bert@sandbox.test")
    with thurn.smtp() as s:
        s.sendmail("x@elsewhere.test", ["team@sandbox.test"], message("to fewer"))
    wait_for_subject(thurn, "anna", "to fewer")
    wait_until_queue_is_empty(thurn)
    assert len(thurn.messages("bert")) == 1


def test_no_answer_is_a_delay_and_then_a_report(instance):
    with fakes.Server(greeting=fakes.CLOSE) as dead:
        thurn = instance(settings={"smtp.smart_host": fakes.to(dead), "qmgr.retry_first": "1s", "qmgr.retry_most": "1s",
                                   "qmgr.delay_warning": "2s", "qmgr.expire": "5s"})
        submit(thurn, ["someone@far.test"], "never arrives")
        reports = t.wait_for(lambda: (lambda r: r if len(r) == 2 else None)(
            [email.message_from_bytes(m) for m in thurn.messages("anna")]), 30, "two reports")
        actions = [re.search(r"(?im)^Action: (\w+)", r.as_string()).group(1) for r in reports]
        assert actions == ["delayed", "failed"]
        wait_until_queue_is_empty(thurn)
