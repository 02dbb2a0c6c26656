"""The next message goes over the same connection, as long as it is good."""
import thurn as t
from fakes import Agent, Server, to


def test_kept_then_closed():
    with Server() as s, Agent(idle_timeout="2s") as a:
        for _ in range(5):
            assert a.one(to(s)).fate == "relayed"
        assert s.connections == 1 and not s.said("QUIT") and not s.said("RSET")
        a.sleep(2.5)
        assert a.one(to(s)).fate == "relayed"
        assert s.connections == 2
        t.wait_for(lambda: s.said("QUIT"), 10, "the first one's farewell")
        assert len(s.said("QUIT")) == 1


def test_not_for_ever():
    with Server() as s, Agent(messages_per_connection=3) as a:
        for _ in range(7):
            assert a.one(to(s)).fate == "relayed"
        assert s.connections == 3
        t.wait_for(lambda: len(s.said("QUIT")) >= 2, 10, "two farewells")


def test_not_at_all():
    with Server() as s, Agent(idle_timeout="0") as a:
        for _ in range(3):
            assert a.one(to(s)).fate == "relayed"
        assert s.connections == 3


def test_one_that_was_closed_meanwhile():
    with Server() as s, Agent() as a:
        for _ in range(3):
            assert a.one(to(s)).fate == "relayed"
            for c in list(s.open):
                c.shutdown(2)
            t.wait_for(lambda: not s.open, 10, "its end")
        assert s.connections == 3


def test_one_that_breaks_when_used():
    with Server() as s, Agent() as a:
        assert a.one(to(s)).fate == "relayed"
        s.replies["MAIL"] = ["421 4.4.2 idle too long", "250 ok"]
        assert a.one(to(s)).fate == "relayed"
        assert s.connections == 2 and len(s.messages) == 2


def test_one_where_more_was_said_than_was_asked():
    """Of the next message it would have been the reply to MAIL, and so on, each a command too early."""
    for stray in b"550 5.7.1 go away", b"250 2.0.0 and again", b"421 4.4.2 bye", b"what":
        with Server(end=b"250 2.0.0 taken\r\n" + stray + b"\r\n") as s, Agent() as a:
            for _ in range(3):
                assert a.one(to(s)).fate == "relayed"
            assert s.connections == 3 and len(s.messages) == 3


def test_other_destinations_have_their_own():
    with Server() as s, Server() as t, Agent() as a:
        for _ in range(2):
            assert a.one(to(s)).fate == "relayed" and a.one(to(t)).fate == "relayed"
        assert s.connections == t.connections == 1
