"""What ends up in a mailbox, and what does not."""
import os
import signal
import time

from thurn import wait_for


def test_the_message_is_what_came_behind_the_trace_fields(thurn):
    body = b"Subject: exact\r\nX-Odd:\tvalue \r\n\r\n..dot\r\n\xff\xfe eight bit\r\n" + b"y" * 5000 + b"\r\n"
    thurn.deliver("anna", body.replace(b"\r\n.", b"\r\n."), sender="some.one@elsewhere.test")
    m = thurn.wait_for_mail("anna")[-1]
    assert m.startswith(b"Return-Path: <some.one@elsewhere.test>\r\nReceived: ")
    assert m.endswith(body)


def test_one_message_for_many_is_stored_once(instance):
    t = instance(users=["u%d" % i for i in range(20)])
    packs = lambda: sum(f.stat().st_blocks * 512 for f in (t.dir / "store").rglob("*") if "packs" in str(f) and f.is_file())
    text = "Subject: big\n\n" + "line of text\n" * 80000
    t.deliver(["u%d" % i for i in range(20)], text)
    for i in range(20):
        t.wait_for_mail("u%d" % i)
    assert packs() < 5 * len(text)


def fill(t, user, **more):
    """Two messages that each would fit into 20k."""
    t.deliver(user, "Subject: fits\n\n" + "line of text\n" * 1000, **more)
    t.wait_for_mail(user)
    t.deliver(user, "Subject: fits no more\n\n" + "line of text\n" * 1000, **more)


def test_over_quota_is_put_off_and_refused_at_rcpt(instance):
    t = instance(settings={"qmgr.retry_first": "1s", "qmgr.retry_most": "1s"}, users=())
    t.add_user("small", None, "--quota", "20k")
    fill(t, "small")
    t.wait_for_log(r"dsn=4\.2\.2 status=deferred")
    with t.smtp() as s:
        s.ehlo()
        s.mail("x@elsewhere.test")
        assert wait_for(lambda: s.rcpt("small@sandbox.test")[0] in (452, 552, 450, 451), 5, "a refusal")


def packs(t):
    return sum(f.stat().st_size for f in (t.dir / "store").rglob("*") if "packs" in str(f) and f.is_file())


def test_what_is_over_quota_takes_no_room_with_each_attempt(instance):
    t = instance(settings={"qmgr.retry_first": "1s", "qmgr.retry_most": "1s"}, users=("anna",))
    t.add_user("small", None, "--quota", "1M")
    text = "Subject: big\n\n" + "line of text\n" * 60000
    t.deliver("small", text)
    t.wait_for_mail("small")
    t.deliver(["small", "anna"], text)
    deferred = lambda: t.log().count("dsn=4.2.2")
    assert wait_for(lambda: deferred() >= 1, 20, "the first attempt")
    t.wait_for_mail("anna")
    before = packs(t)
    assert wait_for(lambda: deferred() >= 4, 30, "more attempts")
    assert packs(t) == before


def test_over_quota_may_bounce(instance):
    t = instance(settings={"local.over_quota": "bounce"}, users=("anna",))
    t.add_user("small", None, "--quota", "20k")
    fill(t, "small", sender="anna@sandbox.test")
    (report,) = t.wait_for_mail("anna")
    assert b"5.2.2" in report


def test_detail_goes_to_its_mailbox_when_wanted(instance):
    t = instance(settings={"local.detail_mailbox": "yes"}, users=("anna",))
    t.thurn("mailbox", "create", "anna@sandbox.test", "lists")
    t.deliver("anna+lists@sandbox.test", "Subject: a\n\nx\n")
    t.deliver("anna+other@sandbox.test", "Subject: b\n\nx\n")
    assert len(t.wait_for_mail("anna", mailbox="lists")) == 1
    assert len(t.wait_for_mail("anna")) == 1


def test_a_delivery_that_is_repeated_is_stored_once(instance):
    """local dies after storing and before answering, again and again."""
    t = instance(settings={"qmgr.retry_first": "1s", "qmgr.retry_most": "1s"}, users=("anna",))
    for i in range(30):
        t.deliver("anna", "Subject: %d\n\nx\n" % i)
        if i % 3 == 0:
            for pid in t.pids("local-agent"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
    t.wait_for_mail("anna", 30)
    wait_for(lambda: t.json("queue", "list") == [], 30, "an empty queue")
    time.sleep(0.5)
    assert len(t.messages("anna")) == 30
