"""Every reply at every stage becomes the right outcome, with the peer's name and words."""
import re
import time

import pytest
import thurn as t
from fakes import CLOSE, DRIP, HANG, IMPATIENT, Agent, Server, to
from ports import free_port


@pytest.fixture(scope="module")
def agent():
    with Agent() as a:
        yield a


@pytest.fixture(scope="module")
def impatient():
    with Agent(**IMPATIENT) as a:
        yield a


def test_delivered(agent):
    with Server() as s:
        o = agent.one(to(s), message=b"Subject: dots\r\n\r\n.\r\n..\r\nend")
        assert (o.fate, o.status, o.mta, o.text) == ("relayed", "2.0.0", "127.0.0.1", "250 2.0.0 taken")
        assert s.messages == [b"Subject: dots\r\n\r\n.\r\n..\r\nend\r\n"]
        assert s.commands[:4] == ["EHLO client.test", "MAIL FROM:<me@client.test> SIZE=27",
                                  "RCPT TO:<a@example.test>", "DATA"]
        assert not agent.host_down


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "end"])
@pytest.mark.parametrize("reply,fate,status", [
    ("550 5.7.1 we don't like you", "failed", "5.7.1"),
    ("550-5.1.1 first\r\n550 5.1.1 second", "failed", "5.1.1"),
    ("554 no words", "failed", "5.0.0"),
    ("450 4.2.0 later", "deferred", "4.2.0"),
    ("451 later", "deferred", "4.0.0"),
    ("550 4.7.1 mixed", "failed", None),
    ("354 out of place", "deferred", None),
])
def test_refusals(agent, pipelining, stage, reply, fate, status):
    if stage == "DATA" and reply.startswith("354"):
        return
    replies = {stage: reply}
    if not pipelining:
        replies["EHLO"] = "250 fake.test"
    with Server(**replies) as s:
        o = agent.one(to(s))
        assert o.fate == fate
        assert status is None or o.status == status
        assert o.mta == "127.0.0.1"
        assert o.text == re.sub("^(...)-", "\\1 ", " ".join(reply.replace("\r\n550 ", "\r\n").split("\r\n")))
        assert len(s.messages) == (1 if stage == "end" else 0)
        assert not agent.host_down
        # The dialogue is still in step: the next message goes over the same connection.
        s.replies[stage] = Server.DEFAULT[stage]
        assert agent.one(to(s)).fate == "relayed"
        assert s.connections == 1


@pytest.mark.parametrize("stage", ["greeting", "EHLO"])
@pytest.mark.parametrize("reply,fate", [("554 5.7.1 go away", "failed"), ("421 4.3.2 busy", "deferred"), ("450 x", "deferred")])
def test_refused_at_the_door(agent, stage, reply, fate):
    with Server(**{stage: reply, "HELO": reply}) as s:
        o = agent.one(to(s))
        assert o.fate == fate and o.text == reply
        assert agent.host_down == (fate == "deferred")


def test_helo_for_the_old(agent):
    with Server(EHLO="502 5.5.1 what?") as s:
        assert agent.one(to(s)).fate == "relayed"
        assert s.said("HELO") and s.said("MAIL") == ["MAIL FROM:<me@client.test>"]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("bad", [CLOSE, HANG, "421 4.4.2 shutting down", b"\x00\xff garbage\r\n", b"250-torn\r\n251 other\r\n"],
                         ids=["close", "hang", "421", "garbage", "two-codes"])
@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"])
def test_peers_that_break(agent, impatient, stage, bad, pipelining):
    agent = impatient if bad is HANG else agent
    replies = {stage: bad}
    if not pipelining and stage != "EHLO":
        replies["EHLO"] = "250 fake.test"
    with Server(**replies) as s:
        o = agent.one(to(s))
        assert o.fate == "deferred" and o.status.startswith("4."), o
        assert o.mta == "127.0.0.1"
        assert agent.host_down or stage == "end"
        s.replies.update(Server.DEFAULT)
        t.wait_for(lambda: agent.one(to(s)).fate == "relayed", 10, "a reply in the time that it gives")


@pytest.mark.parametrize("stage", ["greeting", "RCPT", "end"])
def test_a_reply_has_its_time_and_no_more(stage):
    """Each octet comes soon: a limit on silence would never be reached."""
    with Server(**{stage: DRIP}) as s, Agent(**IMPATIENT) as a:
        start = time.monotonic()
        o = a.one(to(s))
        assert (o.fate, o.status) == ("deferred", "4.4.2") and "Timeout" in o.text, o
        assert time.monotonic() - start < 15


def test_endless_replies(agent):
    with Server(EHLO=lambda line: "\r\n".join(["250-x"] * 5000 + ["250 y"])) as s:
        assert agent.one(to(s)).fate == "deferred"
    with Server(RCPT="250 " + "x" * 100000) as s:
        assert agent.one(to(s)).fate == "deferred"


def test_nobody_there(agent):
    port = free_port()
    o = agent.one("[127.0.0.1]:%d" % port)
    assert (o.fate, o.status) == ("deferred", "4.4.1")
    assert re.match(r"Connect to 127\.0\.0\.1\[127\.0\.0\.1\]:%d: Connection refused" % port, o.text)
    assert agent.host_down


def test_each_recipient_its_own(agent):
    def rcpt(line):
        return {"good": "250 ok", "bad": "550 5.1.1 unknown", "later": "450 4.2.1 busy"}[line[9:].split("@")[0]]
    people = ["good@x.test", "bad@x.test", "later@x.test", "good@y.test"]
    for ehlo in (Server.DEFAULT["EHLO"], "250 fake.test"):
        with Server(RCPT=rcpt, EHLO=ehlo) as s:
            got = agent.deliver(to(s), people)
            assert [(o.fate, o.status) for o in got] == [
                ("relayed", "2.0.0"), ("failed", "5.1.1"), ("deferred", "4.2.1"), ("relayed", "2.0.0")]
            assert len(s.messages) == 1


def test_all_recipients_refused_but_354(agent):
    with Server(lenient=True, RCPT="550 5.1.1 no") as s:
        assert agent.one(to(s)).status == "5.1.1"
        assert s.messages == []
        assert agent.one(to(s)).status == "5.1.1"
        assert s.connections == 1


def test_too_many_recipients_go_in_turns(agent):
    taken = []

    def rcpt(line):
        taken.append(line)
        return "250 ok" if len(taken) % 10 else "452 4.5.3 too many"
    with Server(RCPT=rcpt) as s:
        got = agent.deliver(to(s), ["u%d@x.test" % i for i in range(40)])
        assert {o.fate for o in got} == {"relayed"}
        assert len(s.messages) > 1


def test_many_recipients(agent):
    with Server() as s:
        got = agent.deliver(to(s), ["u%d@x.test" % i for i in range(1000)])
        assert {o.fate for o in got} == {"relayed"}
        assert len(s.said("RCPT")) == 1000 and len(s.messages) == 1


def test_large_message(agent):
    text = b"Subject: large\r\n\r\n" + b"".join(b".%d\r\n" % i for i in range(100000))
    with Server() as s:
        assert agent.one(to(s), message=text).fate == "relayed"
        assert s.messages == [text]


def test_line_ends_leave_as_crlf(agent):
    with Server() as s:
        assert agent.one(to(s), message=b"a\nb\rc\n.\r\n\r.\n").fate == "relayed"
        assert s.messages == [b"a\r\nb c\r\n.\r\n .\r\n"]


def test_addresses_that_would_inject(agent):
    with Server() as s:
        o = agent.one(to(s), to=["a\x01@x.test"])
        assert (o.fate, o.status) == ("failed", "5.1.3")
        assert s.commands == []
