"""Who asked for it is told of the success, if not at once then later: a bounce agent that can't now is asked again."""
import re
import socket
import struct

import pytest

import thurn as t

HELLO, WORK, RESULT = 0x0400, 0x0402, 0x0405
DELIVERED, DEFERRED = 0, 4


def text(s):
    return bytes([len(s)]) + s.encode()


class Agent:
    """A bounce agent that says the same to each job."""

    def __init__(self, thurn):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30 * t.SLOW)
        self.s.connect(str(thurn.dir / "run/queue-agent"))
        self.send(HELLO, text("bounce") + struct.pack("<QB", 10, 1))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.close()

    def send(self, kind, payload):
        self.s.sendall(struct.pack("<IHHI", 8 + len(payload), kind, 0, 0) + payload)

    def exact(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            assert more
            data += more
        return data

    def answer(self, fate, status):
        """Answers the next job, of one recipient."""
        kind = None
        while kind != WORK:
            length, kind, _, _ = struct.unpack("<IHHI", self.exact(12))
            payload = self.exact(length - 8)
        job = struct.unpack_from("<Q", payload)[0]
        assert b"delivered" in payload
        self.send(RESULT, struct.pack("<QBB", job, 0, 1) + struct.pack("<I", fate) + text(status) + text("so it is") + text(""))


def send(thurn):
    with thurn.submissions("anna") as s:
        s.sendmail("anna@sandbox.test", ["bert@sandbox.test"], "Subject: x\r\n\r\n", rcpt_options=["NOTIFY=SUCCESS"])
    thurn.wait_for_mail("bert")


SETTINGS = {"bounce-agent:enabled": "no", "qmgr.retry_first": "1s", "qmgr.retry_most": "1s"}


@pytest.mark.parametrize("crash", [False, True])
def test_it_comes_with_a_later_attempt(instance, crash):
    thurn = instance(settings=SETTINGS)
    with Agent(thurn) as agent:
        send(thurn)
        for _ in range(2):
            agent.answer(DEFERRED, "4.3.0")
    t.wait_for(lambda: len(thurn.json("queue", "list")) == 1, 10, "the message to be kept")
    if crash:
        thurn.kill()
    else:
        thurn.stop()
    thurn.start(**{"bounce-agent:enabled": "yes"})
    report = thurn.wait_for_mail("anna")[0]
    assert b"Action: delivered" in report
    t.wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")
    assert len(thurn.messages("anna")) == 1 and len(thurn.messages("bert")) == 1  # nothing twice


def test_it_is_given_up_with_the_time_of_the_mail(instance):
    thurn = instance(settings={**SETTINGS, "qmgr.expire": "3s"})
    with Agent(thurn) as agent:
        send(thurn)
        while not re.search("a report of success could not be made in time to=bert@sandbox.test", thurn.log()):
            try:
                agent.s.settimeout(2)
                agent.answer(DEFERRED, "4.3.0")
            except socket.timeout:
                pass
        t.wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")
    assert "removed from the queue" in thurn.log()


def test_what_is_told_is_over(instance):
    thurn = instance(settings=SETTINGS)
    with Agent(thurn) as agent:
        send(thurn)
        agent.answer(DELIVERED, "2.0.0")
        t.wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")


def test_an_operator_may_remove_it(instance):
    thurn = instance(settings=SETTINGS)
    with Agent(thurn) as agent:
        send(thurn)
        agent.answer(DEFERRED, "4.3.0")
    (row,) = t.wait_for(lambda: thurn.json("queue", "list"), 10, "the message to be kept")
    thurn.thurn("queue", "remove", next(v for k, v in row.items() if re.fullmatch("[0-9A-Z]{16}", str(v))))
    t.wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")
