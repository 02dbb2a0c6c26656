"""Debian's Postfix relays to us, and we relay to it."""
import re
import smtplib

import fakes
import peers
import pytest
from mail import message, wait_for_subject, without_trace

import thurn as t

pytestmark = pytest.mark.skipif(not peers.Postfix.is_installed(), reason="Postfix is not installed, or we are not root")


@pytest.fixture(scope="module")
def sink():
    with fakes.Server() as server:
        yield server


@pytest.fixture(scope="module")
def thurn():
    ports = t.PortBase()
    port = ports.base + 26
    ports.free()
    made = t.Instance(settings={"smtp.smart_host": "[127.0.0.1]:%d" % port, "networks": "127.0.0.0/8"})
    made.postfix_port = port
    yield made
    made.close()


@pytest.fixture(scope="module")
def postfix(thurn, sink):
    """What it accepts for us comes to us, all else goes to the sink."""
    with peers.Postfix(port=thurn.postfix_port, settings={
            "transport_maps": "inline:{sandbox.test=smtp:[127.0.0.1]:%d}" % thurn.ports["smtp"],
            "relay_domains": "static:ALL",
            "smtpd_recipient_restrictions":
                "check_recipient_access inline:{unknown@far.test=REJECT},permit_mynetworks,reject",
            "default_transport": "smtp:[127.0.0.1]:%d" % sink.port,
            "relay_transport": "smtp:[127.0.0.1]:%d" % sink.port,
            "smtp_tls_security_level": "may"}) as p:
        yield p


def to_postfix(postfix, to, data, sender="bert@sandbox.test"):
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as s:
        s.sendmail(sender, to, data)


def test_it_relays_to_us_with_tls(thurn, postfix):
    data = message("from Postfix", "Line\r\n..dots\r\n.\r\nend\r\n")
    to_postfix(postfix, ["anna@sandbox.test"], data, "someone@far.test")
    got = wait_for_subject(thurn, "anna", "from Postfix")
    assert without_trace(got, 3) == data
    assert re.search(rb"Received: from postfix\.test .* with ESMTPS\s", got, re.S)


def test_we_relay_to_it(thurn, postfix, sink):
    data = message("through Postfix", "Line\r\n..dots\r\n.\r\nend\r\n")
    with thurn.submissions("bert") as s:
        s.sendmail("bert@sandbox.test", ["someone@far.test"], data)
    got = t.wait_for(lambda: next((m for m in sink.messages if b"through Postfix" in m), None), 20, "it at the sink")
    assert without_trace(got, 2) == data


def test_a_hundred_of_them_there_and_back(thurn, postfix, sink):
    for n in range(100):
        to_postfix(postfix, ["bert@sandbox.test"], message("many %d" % n))
    assert len(thurn.wait_for_mail("bert", 100, timeout=60)) == 100
    with thurn.smtp() as s:
        for n in range(100):
            s.sendmail("bert@sandbox.test", ["u%d@far.test" % n], message("back %d" % n))
    t.wait_for(lambda: sum(b"Subject: back" in m for m in sink.messages) == 100, 60, "a hundred messages at the sink")


def test_its_unknown_user_becomes_our_report(thurn, postfix):
    with thurn.submissions("anna") as s:
        s.sendmail("anna@sandbox.test", ["unknown@far.test"], message("to nobody"))
    report = t.wait_for(lambda: next((m for m in thurn.messages("anna") if b"multipart/report" in m), None), 20, "a report")
    assert b"Final-Recipient: rfc822; unknown@far.test" in report.replace(b"rfc822;u", b"rfc822; u")
    assert b"554 5.7.1 <unknown@far.test>" in report


def test_our_unknown_user_becomes_its_report(thurn, postfix):
    to_postfix(postfix, ["no-such-user@sandbox.test"], message("to our nobody"), "anna@sandbox.test")

    def report():
        return next((m for m in thurn.messages("anna") if b"to our nobody" in m), None)
    got = t.wait_for(report, 20, "Postfix's report")
    assert b"550 5.1.1" in got
