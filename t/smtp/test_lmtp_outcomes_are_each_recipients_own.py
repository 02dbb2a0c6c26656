"""LMTP: LHLO, and a final reply for each recipient that was taken."""
from fakes import CLOSE, Agent, Server


def lmtp(server):
    return "lmtp:[127.0.0.1]:%d" % server.port


def test_each_its_own():
    replies = ["250 2.0.0 stored", "452 4.2.2 full", "550 5.2.1 off"]
    with Server(lmtp=True, end=replies, RCPT=lambda line: "550 5.1.1 no" if "no@" in line else "250 ok") as s, \
            Agent() as a:
        got = a.deliver(lmtp(s), ["a@x.test", "no@x.test", "b@x.test", "c@x.test"])
        assert [(o.fate, o.status) for o in got] == [("delivered", "2.0.0"), ("failed", "5.1.1"),
                                                     ("deferred", "4.2.2"), ("failed", "5.2.1")]
        assert s.commands[0] == "LHLO client.test"
        s.replies["end"] = "250 2.0.0 stored"
        assert a.one(lmtp(s)).fate == "delivered"
        assert s.connections == 1


def test_lost_between_replies():
    with Server(lmtp=True, end=["250 2.0.0 stored", CLOSE]) as s, Agent() as a:
        got = a.deliver(lmtp(s), ["a@x.test", "b@x.test", "c@x.test"])
        assert [o.fate for o in got] == ["delivered", "deferred", "deferred"]


def test_no_hello_no_fallback():
    with Server(lmtp=True, LHLO="500 what?") as s, Agent() as a:
        assert a.one(lmtp(s)).fate == "failed"
        assert not s.said("HELO") and not s.said("EHLO")
