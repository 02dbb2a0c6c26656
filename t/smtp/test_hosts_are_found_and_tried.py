"""MX, A, literals, exceptions and smart hosts: where mail goes, and when it can't."""
import pytest
from fakes import Agent, CLOSE, NameServer, Server

TABLE = {
    "mx.test": {"MX": [(20, "second.test"), (10, "first.test")]},
    "first.test": {"A": ["127.0.0.2"]},
    "second.test": {"A": ["127.0.0.1"]},
    "implicit.test": {"A": ["127.0.0.1"]},
    "null.test": {"MX": [(0, "")], "A": ["127.0.0.1"]},
    "nothing.test": {},
    "broken.test": None,
    "half.test": {"MX": [(10, "broken.test")]},
    "dangling.test": {"MX": [(10, "gone.test")]},
    "loop.test": {"MX": [(10, "client.test"), (20, "second.test")]},
    "backup.test": {"MX": [(10, "first.test"), (20, "client.test"), (30, "second.test")]},
    "client.test": {"A": ["127.0.0.1"]},
    "six.test": {"AAAA": ["::1"], "A": ["127.0.0.1"]},
    "own0.test": {"A": ["0.0.0.0"]},
    "own1.test": {"AAAA": ["::"]},
    "own2.test": {"AAAA": ["::ffff:127.0.0.1"]},
    "own3.test": {"AAAA": ["::ffff:0.0.0.0"]},
    "primary.test": {"MX": [(10, "second.test"), (20, "far.test")]},
    "equal.test": {"MX": [(10, "far.test"), (10, "second.test")]},
    "mixed.test": {"A": ["192.0.2.1", "127.0.0.1"]},
    "worse.test": {"MX": [(10, "refused.test"), (20, "second.test"), (30, "far.test")]},
    "far.test": {"A": ["192.0.2.1"]},
    "refused.test": {"A": ["224.0.0.1"]},  # wherever this runs, nobody can connect to it
    "smart.test": {"A": ["127.0.0.1"]},
    "xn--bcher-kva.test": {"A": ["127.0.0.1"]},
    "xn--r8jz45g.test": {"A": ["127.0.0.1"]},
}


@pytest.fixture(scope="module")
def names():
    with NameServer(TABLE) as n:
        yield n


@pytest.fixture
def server():
    with Server() as s:
        yield s


def agent(names, server, **more):
    return Agent(dns=names.address, port=server.port, **more)


def test_mx_in_order(names, server):
    with agent(names, server) as a:  # nobody listens on 127.0.0.2: the second host takes it
        o = a.one("mx.test")
        assert (o.fate, o.mta) == ("relayed", "second.test")
        assert not a.host_down


def test_best_mx_first(names, server):
    with Server(host="127.0.0.2", port=server.port) as first, agent(names, server) as a:
        assert a.one("mx.test").mta == "first.test"
        assert server.connections == 0
        first.replies["greeting"] = "421 busy"
        a.sleep(0.1)
        first.replies["MAIL"] = CLOSE  # the kept connection breaks, a new one is refused: the next host
        assert a.one("mx.test").mta == "second.test"


def test_a_permanent_refusal_of_a_recipient_is_final(names, server):
    with Server(host="127.0.0.2", port=server.port, RCPT="550 5.1.1 no") as first, agent(names, server) as a:
        assert a.one("mx.test").status == "5.1.1"
        assert server.connections == 0 and first.connections == 1


def test_no_other_host_after_the_final_dot(names, server):
    """The first host may have the message: asking the second now would make two of it."""
    with Server(host="127.0.0.2", port=server.port, end=CLOSE), agent(names, server) as a:
        assert a.one("mx.test").fate == "deferred"
        assert server.connections == 0


def test_internationalized_domains(names, server):
    with agent(names, server) as a:
        assert a.one("b\u00fccher.test").fate == "relayed"
        assert a.one("\u4f8b\u3048.test").fate == "relayed"
        assert a.one("b\u00fc-%s.test" % ("x" * 60)).status == "5.1.2"
    assert ("xn--bcher-kva.test", "MX") in names.asked


@pytest.mark.parametrize("domain,fate,status,down", [
    ("implicit.test", "relayed", "2.0.0", False),
    ("null.test", "failed", "5.1.10", False),
    ("nothing.test", "failed", "5.1.2", False),
    ("no-such.test", "failed", "5.1.2", False),
    ("broken.test", "deferred", "4.4.3", True),
    ("half.test", "deferred", "4.4.3", True),
    ("dangling.test", "failed", "5.1.2", False),
    ("loop.test", "failed", "5.4.6", False),
    ("backup.test", "deferred", "4.4.1", True),
    ("[127.0.0.1]", "relayed", "2.0.0", False),
    ("[IPv6:::1]", "deferred", "4.4.1", True),
])
def test_one_domain(names, server, domain, fate, status, down):
    with agent(names, server) as a:
        o = a.one(domain)
        assert (o.fate, o.status, a.host_down) == (fate, status, down), o


def test_own_addresses_are_a_loop(names, server):
    with agent(names, server, loopback="no") as a:
        o = a.one("implicit.test")
        assert (o.fate, o.status) == ("failed", "5.4.6")
        for i in range(4):
            o = a.one("own%d.test" % i)
            assert (o.fate, o.status) == ("failed", "5.4.6"), (i, o)
        for literal in ("[127.0.0.1]", "[127.9.9.9]", "[IPv6:::1]"):
            o = a.one(literal)
            assert (o.fate, o.status) == ("failed", "5.4.6"), (literal, o)
        assert server.connections == 0
        assert a.one("[127.0.0.1]:%d" % server.port).fate == "relayed"  # users can't write ports
    with agent(names, server, loopback="no", routes="implicit.test=[127.0.0.1]") as a:
        assert a.one("implicit.test").fate == "relayed"  # the configuration says so
    assert server.connections == 2


def test_hosts_no_better_than_an_own_address_are_not_asked(names, server):
    with agent(names, server, loopback="no") as a:
        for domain in ("primary.test", "equal.test", "mixed.test"):
            o = a.one(domain)
            assert (o.fate, o.status) == ("failed", "5.4.6"), (domain, o)
        assert a.one("worse.test").status == "4.4.1"  # the better one is asked, and nobody else
    assert server.connections == 0


def test_a_host_of_our_name_is_ourselves(names, server):
    """Behind a router our address is one that we do not know."""
    server.replies["EHLO"] = "250-mx7.client.test hello\r\n250 8BITMIME"
    with agent(names, server, hostname="mx7.client.test") as a:
        for domain in ("implicit.test", "[127.0.0.1]"):
            o = a.one(domain)
            assert (o.fate, o.status) == ("failed", "5.4.6"), (domain, o)
        assert a.one("[127.0.0.1]:%d" % server.port).fate == "relayed"
    with agent(names, server, hostname="mx.client.test") as a:
        assert a.one("implicit.test").fate == "relayed"


def test_six_then_four(names, server):
    with agent(names, server) as a:
        assert a.one("six.test").fate == "relayed"


def test_smart_host(names, server):
    for text in ("smart.test:%d", "[smart.test]:%d", "[127.0.0.1]:%d"):
        with Agent(dns=names.address, smart_host=text % server.port) as a:
            assert a.one("anywhere.test").fate == "relayed"
            assert a.one("null.test").fate == "relayed"
    assert ("anywhere.test", "MX") not in names.asked


def test_routes(names, server):
    routes = "special.test=127.0.0.1:%d .sub.test=[smart.test]:%d" % (server.port, server.port)
    with Agent(dns=names.address, routes=routes, smart_host="127.0.0.1:1") as a:
        assert a.one("special.test").fate == "relayed"
        assert a.one("SPECIAL.test").fate == "relayed"
        assert a.one("a.b.sub.test").fate == "relayed"
        assert a.one("sub.test").fate == "deferred"
        assert a.one("other.test").status == "4.4.1"


def test_bad_destinations(names, server):
    with agent(names, server) as a:
        for text in ("[", "[]", "[127.0.0.1]:x", "[127.0.0.1]x", "host:0", "host:70000", "lmtp:"):
            o = a.one(text)
            assert (o.fate, o.status) == ("deferred", "4.3.5"), text


def test_no_more_hosts_than_allowed(names):
    table = {"many.test": {"MX": [(i, "h%d.test" % i) for i in range(20)]},
             **{"h%d.test" % i: {"A": ["127.0.0.1"]} for i in range(20)}}
    with NameServer(table) as n, Server(greeting="421 busy") as s:
        with Agent(dns=n.address, port=s.port, hosts_max=3) as a:
            assert a.one("many.test").fate == "deferred"
        assert s.connections == 3
