"""Reverse look-ups: the name in Received is one whose addresses hold the client's, and nobody waits for it."""
import os
import sys
import time

from dialogue import Dialogue

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../smtp"))
from fakes import NameServer  # noqa: E402


def received(t, count):
    """From which host the last message came, as its Received field says."""
    return t.wait_for_mail("anna", count)[-1].split(b"Received: from client.test (")[1].split(b" [")[0].decode()


def twice(t, count, source):
    """A message while the look-up may be under way, and one when its answer must be there."""
    with Dialogue(t.ports["smtp"], source=source) as d:
        d.hello()
        d.message()
        time.sleep(0.5)
        d.message()
    return received(t, count)


def test_names(instance):
    table = {
        "5.0.0.127.in-addr.arpa": {"PTR": ["client.example.test"]},
        "client.example.test": {"A": ["127.0.0.9", "127.0.0.5"]},
        "6.0.0.127.in-addr.arpa": {"PTR": ["liar.example.test"]},
        "liar.example.test": {"A": ["127.0.0.5"]},
        "7.0.0.127.in-addr.arpa": {"PTR": ["gone.example.test"]},
    }
    with NameServer(table) as names:
        t = instance(settings={"dns_servers": names.address})
        assert twice(t, 2, "127.0.0.5") == "client.example.test"
        assert twice(t, 4, "127.0.0.6") == "unknown"
        assert twice(t, 6, "127.0.0.7") == "unknown"
        assert twice(t, 8, "127.0.0.8") == "unknown"
        asked = names.asked.count(("5.0.0.127.in-addr.arpa", "PTR"))
        assert twice(t, 10, "127.0.0.5") == "client.example.test"
        assert names.asked.count(("5.0.0.127.in-addr.arpa", "PTR")) <= max(asked, 2)  # once for each worker


def test_a_dead_name_server_delays_nobody(instance):
    t = instance(settings={"dns_servers": "127.0.0.1:9"})
    start = time.monotonic()
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        d.message()
    assert time.monotonic() - start < 2
