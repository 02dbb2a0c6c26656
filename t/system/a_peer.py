"""What another host and we do for each other: relaying both ways without TLS, with any certificate, and with verified ones;
content, reports, internationalized addresses. A test file names the host in PEER, and imports all of this."""
import contextlib
import re
import smtplib
import subprocess

import fakes
import pytest
from mail import message, wait_for_subject, without_trace

import thurn as t

WAYS = [None, "may", "verify"]
SINK = "250-sink.test\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250 SIZE 100000000"
TRICKY = ("Line\r\n..dots\r\n.\r\n. \r\n.dot\r\n\r\n\r\n \r\n\t\r\nGrüße\r\nFrom here\r\n" + "x" * 998 + "\r\n"
          "=20\r\n.\r\n\r\n")
MANY = 20
LARGE = "".join("%06d %s\r\n" % (n, "0123456789abcdef" * 4) for n in range(30000))


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cert")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem", "-days", "2", "-subj", "/CN=peer.test", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def sink():
    with fakes.Server(EHLO=SINK) as server:
        yield server


@pytest.fixture(scope="module", params=WAYS, ids=["plain", "tls", "verified"])
def pair(request, sink, cert):
    """We and the peer, each the other's way to the world: sandbox.test is ours, what else the peer gets goes to the sink."""
    ports = t.PortBase()  # ours until the peer is gone: others look for theirs all the time
    port = ports.base + 26
    ways = {None: {"smtp.tls": "no"}, "may": {}, "verify": {"smtp.tls": "require", "tls_ca": cert / "cert.pem"}}
    if not request.module.PEER.serves_tls:
        ways["verify"] = {}
    with contextlib.closing(t.Instance(settings={"smtp.smart_host": "[localhost]:%d" % port, "networks": "127.0.0.0/8",
                                                 **ways[request.param]})) as thurn:
        with request.module.PEER(port=port, to_us=thurn.ports["smtp"], sink=sink.port, tls=request.param, cert=cert,
                                 ca=thurn.dir / "etc/cert.pem") as peer:
            thurn.tls_way = request.param
            yield thurn, peer
    ports.free()


def to_peer(peer, to, data, sender="someone@far.test", options=()):
    with smtplib.SMTP("127.0.0.1", peer.port, timeout=30 * t.SLOW) as s:
        s.sendmail(sender, to, data, mail_options=options)


def to_us(thurn, to, data, sender="bert@sandbox.test", options=()):
    with thurn.submissions(sender) as s:
        s.sendmail(sender, to, data, mail_options=options)


def at_sink(sink, subject):
    subject = b"\r\nSubject: %s\r\n" % subject.encode()
    return t.wait_for(lambda: next((m for m in sink.messages if subject in m), None), 30, "%r at the sink" % subject)


def check_tls(message, host, tls):
    """The Received field of this host says what was spoken. RFC 6531's names have UTF8 and no E."""
    fields = re.findall(rb"^Received: .*\n(?:[ \t].*\n)*", message, re.M)
    (field,) = [f for f in fields if b"by " + host.encode() in f]
    protocol = re.search(rb"with (?:ESMTP|UTF8SMTP|UTF8ESMTP)(S?)", field, re.I)
    assert protocol and bool(protocol[1]) == tls, field


def test_it_relays_to_us(pair):
    thurn, peer = pair
    subject = "from the peer %s" % thurn.tls_way
    data = message(subject, TRICKY)
    to_peer(peer, ["anna@sandbox.test", "bert@sandbox.test"], data, options=["BODY=8BITMIME"])
    for user in ("anna", "bert"):
        got = wait_for_subject(thurn, user, subject)
        assert without_trace(got, 3) == data
        assert got.startswith(b"Return-Path: <someone@far.test>")
        check_tls(got, "sandbox.test", bool(thurn.tls_way))
    if peer.sends_bdat:
        t.wait_for(lambda: re.search(r"=> anna@.* K ", peer.log()), 20, "what the peer says of it")


def test_we_relay_to_it(pair, sink):
    thurn, peer = pair
    subject = "through the peer %s" % thurn.tls_way
    data = message(subject, TRICKY)
    to_us(thurn, ["someone@far.test", "other@far.test"], data, options=["BODY=8BITMIME"])
    got = at_sink(sink, subject)
    assert without_trace(got, 2) == data
    check_tls(got, peer.name, bool(thurn.tls_way) and peer.serves_tls)


@pytest.mark.parametrize("pair", ["verify"], ids=["verified"], indirect=True, scope="module")
def test_a_large_one_there_and_back(pair, sink):
    thurn, peer = pair
    subject = "large %s" % thurn.tls_way
    data = message(subject, LARGE)
    to_us(thurn, ["someone@far.test"], data)
    assert without_trace(at_sink(sink, subject), 2) == data
    to_peer(peer, ["anna@sandbox.test"], data)
    assert without_trace(wait_for_subject(thurn, "anna", subject, 60), 3) == data


@pytest.mark.parametrize("pair", ["verify"], ids=["verified"], indirect=True, scope="module")
def test_many_there_and_back(pair, sink):
    thurn, peer = pair
    name = "many %s" % thurn.tls_way
    with smtplib.SMTP("127.0.0.1", peer.port, timeout=30 * t.SLOW) as s:
        for n in range(MANY):
            s.sendmail("someone@far.test", ["bert@sandbox.test"], message("%s %d" % (name, n)))

    def arrived():
        return sum(b"\r\nSubject: %s" % name.encode() in m for m in thurn.messages("bert")) == MANY
    t.wait_for(arrived, 60, "all of them here")
    with thurn.smtp() as s:
        for n in range(MANY):
            s.sendmail("bert@sandbox.test", ["u%d@far.test" % n], message("back %s %d" % (name, n)))
    t.wait_for(lambda: sum(b"Subject: back %s" % name.encode() in m for m in sink.messages) == MANY, 60, "all of them at the sink")


def test_its_unknown_user_becomes_our_report(pair):
    thurn, peer = pair
    subject = "to nobody there %s" % thurn.tls_way
    to_us(thurn, ["unknown@far.test"], message(subject), "anna@sandbox.test")
    report = report_about(thurn, subject)
    assert re.search(rb"Final-Recipient: rfc822; ?unknown@far\.test", report)
    assert re.search(rb"Diagnostic-Code: smtp; ?5", report) and b"Reporting-MTA: dns; sandbox.test" in report


def test_our_unknown_user_becomes_its_report(pair):
    thurn, peer = pair
    subject = "to nobody here %s" % thurn.tls_way
    to_peer(peer, ["no-such-user@sandbox.test"], message(subject), "anna@sandbox.test")
    assert b"550 5.1.1" in report_about(thurn, subject)


def report_about(thurn, subject):
    return t.wait_for(lambda: next((m for m in thurn.messages("anna") if b"Return-Path: <>" in m
                                    and subject.encode() in m), None), 30, "the report")


def test_internationalized_addresses(pair, sink):
    thurn, peer = pair
    subject = "Grüße %s" % thurn.tls_way
    data = message(subject, sender="anna@sandbox.test")
    to_us(thurn, ["jürgen@far.test"], data, "anna@sandbox.test", options=["SMTPUTF8"])
    if not peer.speaks_utf8:
        report = report_about(thurn, subject)
        assert b"Status: 5.6.7" in report
        return
    got = at_sink(sink, subject)
    assert without_trace(got, 2) == data and "RCPT TO:<jürgen@far.test>" in " ".join(sink.commands)
    subject = "Zurück %s" % thurn.tls_way
    to_peer(peer, ["anna@sandbox.test"], message(subject), "jürgen@far.test", options=["SMTPUTF8"])
    got = t.wait_for(lambda: next((m for m in thurn.messages("anna") if subject.encode() in m), None), 30, "it here")
    assert got.startswith("Return-Path: <jürgen@far.test>".encode())
