"""Reverse look-ups: the name in Received is one whose addresses hold the client's, and nobody waits for it."""
import itertools
import os
import socket
import sys
import time

import thurn as thurn_module
from dialogue import Dialogue

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "..", d) for d in ("smtp", "system")]
from fakes import NameServer  # noqa: E402
from mail import wait_for_subject  # noqa: E402

numbers = itertools.count()


def name_of(t, d):
    """Of the client, as the Received field of one more message says."""
    subject = "of %d" % next(numbers)
    d.message(text=b"Subject: %s\r\n\r\nx\r\n" % subject.encode())
    return wait_for_subject(t, "anna", subject).split(b"Received: from client.test (")[1].split(b" [")[0].decode()


def becomes(t, source, name):
    """The answer may come behind the first messages."""
    with Dialogue(t.ports["smtp"], source=source) as d:
        d.hello()
        thurn_module.wait_for(lambda: name_of(t, d) == name, 20, name)


def stays_unknown(t, source, names, question):
    """Also when the last question has been answered."""
    with Dialogue(t.ports["smtp"], source=source) as d:
        d.hello()
        assert name_of(t, d) == "unknown"
        thurn_module.wait_for(lambda: question in names.asked, 10, "the question %s %s" % question)
        time.sleep(0.3)
        assert name_of(t, d) == "unknown"


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
        becomes(t, "127.0.0.5", "client.example.test")
        stays_unknown(t, "127.0.0.6", names, ("liar.example.test", "A"))
        stays_unknown(t, "127.0.0.7", names, ("gone.example.test", "A"))
        stays_unknown(t, "127.0.0.8", names, ("8.0.0.127.in-addr.arpa", "PTR"))
        becomes(t, "127.0.0.5", "client.example.test")
        assert names.asked.count(("5.0.0.127.in-addr.arpa", "PTR")) <= len(t.pids("smtp"))  # once for each worker


def test_a_dead_name_server_delays_nobody(instance):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        t = instance(settings={"dns_servers": "127.0.0.1:%d" % silent.getsockname()[1]})
        start = time.monotonic()
        with Dialogue(t.ports["smtp"]) as d:
            d.hello()
            d.message()
        assert time.monotonic() - start < 8  # fourteen until it is given up
        assert silent.recv(1000)
