"""8BITMIME, SMTPUTF8, SIZE, DSN: sent where offered; bounced where needed and not offered."""
import pytest
from fakes import Agent, Server, to

FULL = "250-fake.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 1000"


@pytest.fixture(scope="module")
def agent():
    with Agent() as a:
        yield a


def test_everything_offered(agent):
    with Server(EHLO=FULL) as s:
        got = agent.deliver(to(s), ["\u00e4@x.test|SUCCESS,DELAY|rfc822;o+r@x.test", "b@x.test"], sender="\u00fc@y.test",
                            flags="utf8,8bit,ret=hdrs,envid=id+1", message="Subject: \u00e4\r\n\r\nx\r\n".encode())
        assert [o.fate for o in got] == ["handed-on"] * 2  # it does DSN: reporting is its task
        assert s.said("MAIL") == ["MAIL FROM:<\u00fc@y.test> SIZE=18 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=id+2B1"]
        assert s.said("RCPT") == ["RCPT TO:<\u00e4@x.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2Br@x.test",
                                  "RCPT TO:<b@x.test> ORCPT=rfc822;b@x.test"]


def test_nothing_offered_and_nothing_needed(agent):
    with Server(EHLO="250 fake.test") as s:
        assert agent.one(to(s), to=["a@x.test|SUCCESS"], flags="utf8,8bit,ret=full,envid=x").fate == "relayed"
        assert s.said("MAIL") == ["MAIL FROM:<me@client.test>"] and s.said("RCPT") == ["RCPT TO:<a@x.test>"]


@pytest.mark.parametrize("to_,sender,flags,message,status", [
    ("a@x.test", "me@y.test", "8bit", "Subject: x\r\n\r\n\u00e4\r\n", "5.6.3"),
    ("\u00e4@x.test", "me@y.test", "utf8", "Subject: x\r\n\r\nx\r\n", "5.6.7"),
    ("a@x.test", "\u00fc@y.test", "utf8", "Subject: x\r\n\r\nx\r\n", "5.6.7"),
    ("a@x.test", "me@y.test", "utf8", "Subject: \u00e4\r\n\r\nx\r\n", "5.6.7"),
])
def test_needed_and_not_offered(agent, to_, sender, flags, message, status):
    with Server(EHLO="250 fake.test") as s:
        o = agent.one(to(s), to=[to_], sender=sender, flags=flags, message=message.encode())
        assert (o.fate, o.status) == ("failed", status)
        assert s.said("MAIL") == []


def test_too_large(agent):
    with Server(EHLO=FULL) as s:
        o = agent.one(to(s), message=b"x" * 1001)
        assert (o.fate, o.status) == ("failed", "5.3.4") and s.said("MAIL") == []
        assert agent.one(to(s), message=b"x" * 1000).fate == "handed-on"


def test_null_sender(agent):
    with Server() as s:
        agent.one(to(s), sender="")
        assert s.said("MAIL")[0].startswith("MAIL FROM:<> ")
