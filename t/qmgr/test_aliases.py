"""Aliases lead to their targets: once each, however they are named; loops and owners."""
import time

from thurn import wait_for


def test_each_address_gets_one_copy(relay):
    thurn, sink = relay()
    thurn.thurn("alias", "add", "team@sandbox.test", "anna@sandbox.test", "bert@sandbox.test", "bob@elsewhere.test")
    thurn.thurn("alias", "add", "all@sandbox.test", "team@sandbox.test", "anna@sandbox.test")
    thurn.deliver(["all", "team", "anna"], "Subject: once\n\nx\n")
    wait_for(lambda: sink.messages, 20, "the copy for the other host")
    thurn.wait_for_mail("anna")
    thurn.wait_for_mail("bert")
    wait_for(lambda: thurn.json("queue", "list") == [], 20, "an empty queue")
    time.sleep(0.3)
    assert len(thurn.messages("anna")) == 1 and len(thurn.messages("bert")) == 1
    assert len(sink.messages) == 1


def test_a_loop_is_reported_not_followed(relay):
    thurn, sink = relay()
    thurn.thurn("alias", "add", "a@sandbox.test", "b@sandbox.test")
    thurn.thurn("alias", "add", "b@sandbox.test", "a@sandbox.test", "bert@sandbox.test")
    thurn.deliver("a", "Subject: loop\n\nx\n", sender="anna@sandbox.test")
    thurn.wait_for_mail("bert")
    (report,) = thurn.wait_for_mail("anna")
    assert b"leads back to itself" in report.replace(b"\r\n ", b" ")


def test_an_alias_of_a_user_may_name_the_user(relay):
    thurn, sink = relay()
    thurn.thurn("alias", "add", "anna@sandbox.test", "anna@sandbox.test", "bert@sandbox.test")
    thurn.deliver("anna", "Subject: both\n\nx\n")
    assert len(thurn.wait_for_mail("anna")) == 1 and len(thurn.wait_for_mail("bert")) == 1


def test_the_owner_of_a_list_gets_its_reports(relay):
    thurn, sink = relay(lambda c, line: "550 5.1.1 no" if c == "RCPT" else None)
    thurn.thurn("alias", "add", "list@sandbox.test", "bob@elsewhere.test", "bert@sandbox.test")
    thurn.thurn("alias", "add", "owner-list@sandbox.test", "anna@sandbox.test")
    thurn.deliver("list", "Subject: to the list\n\nx\n", sender="bert@sandbox.test")
    (report,) = thurn.wait_for_mail("anna")
    assert b"bob@elsewhere.test" in report
    (mail,) = thurn.wait_for_mail("bert")
    assert mail.startswith(b"Return-Path: <owner-list@sandbox.test>")
    assert any("MAIL FROM:<owner-list@sandbox.test>" in c for c in sink.commands)
