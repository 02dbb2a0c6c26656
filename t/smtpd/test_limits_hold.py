"""Size, recipients, errors, lines, hops, time: each limit with its reply."""
import contextlib
import os
import pathlib
import time

import pytest
import thurn as thurn_module
from dialogue import Dialogue, accepted

SETTINGS = {
    "message_size_limit": 100000,
    "hop_limit": 20,
    "smtpd.recipients_max": 100,
    "smtpd.errors_max": 6,
    "smtpd.command_timeout": "2s",
    "smtpd.data_timeout": "2s",
    "smtpd.messages_max": 5,
}


@pytest.fixture(scope="module")
def small():
    t = thurn_module.Instance(settings=SETTINGS)
    yield t
    t.close()


def begin(d):
    d.hello()
    d("MAIL FROM:<a@elsewhere.test>", 250)
    d("RCPT TO:<anna@sandbox.test>", 250)
    d("DATA", 354)


def test_size_declared(small):
    with Dialogue(small.ports["smtp"]) as d:
        assert "250-SIZE 100000\n" in d.hello()
        d("MAIL FROM:<a@elsewhere.test> SIZE=100001", "552 5.3.4")
        d("MAIL FROM:<a@elsewhere.test> SIZE=100000", "250 2.1.0")


def test_size_found_out(small):
    seen = len(accepted(small))
    with Dialogue(small.ports["smtp"]) as d:
        begin(d)
        d.send(b"x" * 78 + b"\r\n")
        for _ in range(1300):
            d.send(b"x" * 78 + b"\r\n")
        d.send(b".\r\n")
        d.expect("552 5.3.4")
        d.message(text=b"small\r\n")
    assert len(accepted(small)) == seen + 1


def test_exactly_the_limit_is_taken(small):
    with Dialogue(small.ports["smtp"]) as d:
        begin(d)
        d.send(b"x" * 98 + b"\r\n")
        d.send((b"y" * 98 + b"\r\n") * 999 + b".\r\n")
        d.expect("250 2.0.0")


def test_recipients(small):
    with Dialogue(small.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        d.send("RCPT TO:<anna@sandbox.test>\r\n" * 100)
        for _ in range(100):
            d.expect("250 2.1.5")
        d("RCPT TO:<anna@sandbox.test>", "452 4.5.3")
        d("DATA", 354)
        d("x\r\n.", "250 2.0.0")
    assert "nrcpt=100 " in accepted(small)[-1]


def test_errors(small):
    with Dialogue(small.ports["smtp"]) as d:
        start = time.monotonic()
        for _ in range(6):
            d("NONSENSE", "500 5.5.2")
        d.expect("421 4.7.0 Too many errors")
        d.expect(None)
        assert time.monotonic() - start > 1.9  # hasty clients are slowed down


def test_unknown_recipients_count(small):
    with Dialogue(small.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        for i in range(6):
            d("RCPT TO:<unknown%d@sandbox.test>" % i, "550 5.1.1")
        d.expect("421 4.7.0")
        d.expect(None)


def test_long_lines(small):
    with Dialogue(small.ports["smtp"]) as d:
        d.hello()
        d("NOOP " + "x" * 507, "250 2.0.0")
        d("NOOP " + "x" * 508, "500 5.5.6")
        d("NOOP " + "x" * 100000, "500 5.5.6")
        d("MAIL FROM:<a@elsewhere.test>" + " " * 3000, "250 2.1.0")
        d("NOOP", "250 2.0.0")


def test_hops(small):
    with Dialogue(small.ports["smtp"]) as d:
        d.hello()
        d.message(text=b"Received: x\r\n" * 19 + b"\r\nx\r\n", want="250 2.0.0")
        d.message(text=b"Received: x\r\n" * 20 + b"\r\nx\r\n", want="554 5.4.6")


def test_silence_ends_the_session(small):
    with Dialogue(small.ports["smtp"]) as d:
        d.hello()
        start = time.monotonic()
        d.expect("421 4.4.2")
        d.expect(None)
        assert 1.5 < time.monotonic() - start < 10


def test_silence_in_data(small):
    seen = len(accepted(small))
    with Dialogue(small.ports["smtp"]) as d:
        begin(d)
        d.send("Subject: x\r\n")
        d.expect("421 4.4.2")
        d.expect(None)
    small.wait_for_log("lost in=DATA")
    assert len(accepted(small)) == seen


def test_messages(small):
    with Dialogue(small.ports["smtp"]) as d:
        d.hello()
        for _ in range(5):
            d.message()
        d("MAIL FROM:<a@elsewhere.test>", "421 4.7.0")
        d.expect(None)


def test_a_lost_connection_accepts_nothing(small):
    seen = len(accepted(small))
    for text in ("", "Subject: x\r\n\r\n", "Subject: x\r\n\r\nx\r\n."):
        with Dialogue(small.ports["smtp"]) as d:
            begin(d)
            d.send(text)
    time.sleep(0.3)
    assert len(accepted(small)) == seen


def test_ten_thousand_recipients(instance):
    t = instance(settings={"smtpd.recipients_max": 10000, "networks": "127.0.0.0/8"})
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        for part in range(100):
            d.send("".join("RCPT TO:<u%d@elsewhere.test>\r\n" % (part * 100 + i) for i in range(100)))
            for _ in range(100):
                d.expect("250 2.1.5")
        d("RCPT TO:<x@elsewhere.test>", "452 4.5.3")
        d("RSET", 250)


def test_large_messages_wait_on_the_disk(thurn):
    """Anybody can leave them half sent, on as many connections as he likes."""
    lines = b"0123456789abcde\r\n" * 65536
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        d("RCPT TO:<anna@sandbox.test>", 250)
        d("DATA", 354)
        d.send(b"Subject: large\r\n\r\n" + lines * 2)

        def files():
            found = {}
            for pid in thurn.pids("smtp"):
                for fd in pathlib.Path("/proc/%d/fd" % pid).iterdir():
                    with contextlib.suppress(FileNotFoundError):  # it has just been closed
                        found[os.readlink(fd)] = fd.stat().st_size
            return found

        folder = str(thurn.dir / "queue/segments/")
        thurn_module.wait_for(lambda: any(size > len(lines) for name, size in files().items()
                                          if name.startswith(folder) and name.endswith(" (deleted)")), 10, "a file")
        assert not [name for name in files() if "memfd:" in name and "scoreboard" not in name]
        d.send(lines + b".\r\n")
        d.expect("250 2.0.0")
    (message,) = thurn.wait_for_mail("anna")
    assert message.endswith(b"Subject: large\r\n\r\n" + lines * 3)
