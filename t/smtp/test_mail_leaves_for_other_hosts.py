"""The whole way: in by submission, out by the agent, with bounces back."""
import time

import pytest
import thurn as thurn_module
from fakes import CLOSE, NameServer, Server


@pytest.fixture(scope="module")
def world():
    with Server(EHLO="250-x\r\n250-PIPELINING\r\n250-DSN\r\n250 SMTPUTF8") as server, \
            NameServer({"out.test": {"MX": [(10, "mx.out.test")]}, "mx.out.test": {"A": ["127.0.0.1"]},
                        "null.test": {"MX": [(0, "")]}}) as names:
        t = thurn_module.Instance(settings={
            "dns_servers": names.address, "smtp.port": server.port, "smtp.loopback": "yes",
            "qmgr.retry_first": "1s", "smtp.command_timeout": "3s"})
        t.server = server
        yield t
        t.close()


def send(world, to, text=b"Subject: x\r\n\r\nbody\r\n", **more):
    with world.submission("anna") as s:
        s.sendmail("anna@sandbox.test", to, text, **more)


def wait(condition, what, timeout=15):
    return thurn_module.wait_for(condition, timeout, what)


def test_out(world):
    taken, mails, rcpts = len(world.server.messages), len(world.server.said("MAIL")), len(world.server.said("RCPT"))
    send(world, ["x@out.test", "y@out.test"], mail_options=["RET=HDRS", "ENVID=e+2B1"],
         rcpt_options=["NOTIFY=FAILURE", "ORCPT=rfc822;o@out.test"])
    wait(lambda: len(world.server.messages) > taken, "the message")
    (message,) = world.server.messages[taken:]
    assert message.endswith(b"Subject: x\r\n\r\nbody\r\n") and message.startswith(b"Received: ")
    (mail,) = world.server.said("MAIL")[mails:]
    assert mail.startswith("MAIL FROM:<anna@sandbox.test>") and "RET=HDRS ENVID=e+2B1" in mail
    assert sorted(world.server.said("RCPT")[rcpts:]) == [
        "RCPT TO:<%s@out.test> NOTIFY=FAILURE ORCPT=rfc822;o@out.test" % n for n in "xy"]


def test_a_refusal_comes_back(world):
    before = len(world.messages("anna"))
    world.server.replies["RCPT"] = "550 5.7.1 not from you"
    send(world, ["x@out.test"])
    report = world.wait_for_mail("anna", before + 1)[-1]
    world.server.replies["RCPT"] = "250 ok"
    assert b"550 5.7.1 not from you" in report and b"Status: 5.7.1" in report
    assert b"Remote-MTA: dns; mx.out.test" in report


def test_a_peer_that_does_dsn_reports_itself(world):
    before, taken = len(world.messages("anna")), len(world.server.messages)
    send(world, ["x@out.test"], rcpt_options=["NOTIFY=SUCCESS"])
    wait(lambda: len(world.server.messages) == taken + 1, "the message")
    send(world, ["anna@sandbox.test"])
    world.wait_for_mail("anna", before + 1)
    time.sleep(0.5)
    assert len(world.messages("anna")) == before + 1


def test_a_null_mx_comes_back(world):
    before = len(world.messages("anna"))
    send(world, ["x@null.test"])
    assert b"Status: 5.1.10" in world.wait_for_mail("anna", before + 1)[-1]


def test_a_deferral_is_tried_again(world):
    taken = len(world.server.messages)
    world.server.replies["RCPT"] = ["450 4.2.0 greylisted", "250 ok"]
    send(world, ["x@out.test"])
    wait(lambda: len(world.server.messages) == taken + 1, "the second try", 30)


def test_a_host_that_comes_back(world):
    taken = len(world.server.messages)
    world.server.replies["greeting"] = [CLOSE, CLOSE, "220 back"]
    time.sleep(5.5)  # kept connections are gone
    for _ in range(3):
        send(world, ["x@out.test"])
    wait(lambda: len(world.server.messages) == taken + 3, "all three", 60)
    world.server.replies["greeting"] = "220 fake.test"
