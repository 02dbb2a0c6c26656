"""STARTTLS to other hosts: opportunistic falls back to plain, required never does."""
import ssl
import subprocess
import time

import pytest
from fakes import CLOSE, DRIP, IMPATIENT, Agent, NameServer, Server, to

EHLO = "250-fake.test\r\n250-PIPELINING\r\n250 STARTTLS"
GO = "220 go"


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    d = tmp_path_factory.mktemp("cert")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d / "key.pem", "-out",
                    d / "cert.pem", "-days", "2", "-subj", "/CN=mx.test", "-addext", "subjectAltName=DNS:mx.test"],
                   check=True, capture_output=True)
    return d


@pytest.fixture
def context(cert):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(cert / "cert.pem", cert / "key.pem")
    return c


@pytest.fixture(scope="module")
def names():
    with NameServer({"mx.test": {"A": ["127.0.0.1"]}, "other.test": {"A": ["127.0.0.1"]}}) as n:
        yield n


def test_any_certificate_will_do(context):
    with Server(context=context, EHLO=EHLO, STARTTLS=GO) as s, Agent() as a:
        assert a.one(to(s)).fate == "relayed"
        assert s.commands[:3] == ["EHLO client.test", "STARTTLS", "EHLO client.test"]
        assert a.one(to(s)).fate == "relayed"
        assert s.connections == 1  # kept, with its TLS


@pytest.mark.parametrize("more", [{"tls": CLOSE}, {"tls": b"500 not really\r\n" * 10}, {"STARTTLS": "454 4.7.0 not now"},
                                  {"STARTTLS": CLOSE}, {"tls": DRIP}],
                         ids=["close", "garbage", "refused", "lost", "drip"])
def test_broken_tls_falls_back(context, more):
    replies = {"EHLO": EHLO, "STARTTLS": GO, **more}
    start = time.monotonic()
    with Server(context=context, **replies) as s, Agent(**(IMPATIENT if more.get("tls") is DRIP else {})) as a:
        assert a.one(to(s)).fate == "relayed"
        assert len(s.messages) == 1
    assert time.monotonic() - start < 60  # a handshake that drips would take 100 s


def test_a_connection_is_kept_if_nothing_more_was_said(context):
    with Server(context=context, EHLO=EHLO, STARTTLS=GO) as s, Agent() as a:
        for _ in range(3):
            assert a.one(to(s)).fate == "relayed"
        assert s.connections == 1
    with Server(context=context, EHLO=EHLO, STARTTLS=GO, end=b"250 2.0.0 taken\r\n550 5.7.1 go away\r\n") as s, Agent() as a:
        for _ in range(3):
            assert a.one(to(s)).fate == "relayed"
        assert s.connections == 3


def test_words_behind_the_220_are_not_believed(context):
    """RFC 3207 6: what a man in the middle puts behind the 220 is no reply within TLS."""
    with Server(context=context, EHLO=EHLO, STARTTLS=b"220 go\r\n250 injected\r\n") as s, Agent() as a:
        assert a.one(to(s)).fate == "relayed"
        assert s.connections == 2


def test_required(context, cert, names):
    with Server(context=context, EHLO=EHLO, STARTTLS=GO) as s:
        with Agent(tls="require", ca=cert / "cert.pem", dns=names.address, port=s.port) as a:
            assert a.one("mx.test").fate == "relayed"
            o = a.one("other.test")
            assert (o.fate, o.status) == ("deferred", "4.7.5")
        with Agent(tls="require", dns=names.address, port=s.port) as a:
            assert a.one("mx.test").status == "4.7.5"
        assert len(s.messages) == 1
    with Server() as s, Agent(tls="require", dns=names.address, port=s.port) as a:
        o = a.one("mx.test")
        assert (o.fate, o.status) == ("deferred", "4.7.4") and s.messages == []


def test_off(context):
    with Server(context=context, EHLO=EHLO, STARTTLS=GO) as s, Agent(tls="no") as a:
        assert a.one(to(s)).fate == "relayed"
        assert not s.said("STARTTLS")
