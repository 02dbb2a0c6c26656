"""Lines without end, NULs, and a hundred megabytes of noise, at every door."""
import random
import threading

import pytest
import thurn as t
from attack import ALL, DOORS, Guard

MIB = 1 << 20
GROWS = 32 * MIB  # of the whole instance, whatever comes in
BAD = {"smtp": (b"500 5.5", b"421 4.7.0"), "imap": (b"* BAD", b"a BAD", b"* BYE"), "pop3": (b"-ERR",)}

noise = random.Random(1)
LINES = b"".join(noise.randbytes(noise.choice((1, 10, 100, 1000))).replace(b"\n", b"") + noise.choice((b"\r\n", b"\n", b"\r", b"\0"))
                 for _ in range(2000))
ENDLESS = noise.randbytes(MIB).replace(b"\n", b"n")


@pytest.fixture(scope="module")
def thurn():
    made = t.Instance(settings={"smtpd.errors_max": 6})  # past half of them each answer takes a second
    yield made
    made.close()


def bad_of(door):
    return BAD[{"i": "imap", "p": "pop3"}.get(door.name[0], "smtp")]


@pytest.mark.parametrize("door", ALL, ids=str)
@pytest.mark.parametrize("line", [b"x" * MIB, b"a " + b"NOOP " * 40000, b"a NO\0OP", b"\0" * 100, b"a \xff\xfe\x80", b"\r\r\r"],
                         ids=["x", "command", "nul", "nuls", "8bit", "crs"])
def test_a_line_that_is_none(thurn, door, line):
    with door.open(thurn) as c:
        c.send(line + b"\r\n")
        assert c.line().startswith(bad_of(door))
        assert c.answers()


@pytest.mark.parametrize("door", ALL, ids=str)
def test_a_hundred_megabytes_of_garbage(thurn, door):
    with Guard(thurn, GROWS), door.open(thurn) as c:
        sent, said = c.flood(LINES, 100 * MIB)
        assert sent < 100 * MIB  # nobody listens to all of that
        assert not said or any(line.startswith(bad_of(door)) for line in said), said[-5:]
    with door.open(thurn) as c:
        assert c.answers()


@pytest.mark.parametrize("door", ALL, ids=str)
def test_a_line_of_a_hundred_megabytes(thurn, door):
    with Guard(thurn, GROWS), door.open(thurn) as c:
        for _ in range(100):
            c.send(ENDLESS)
        c.send(b"\r\n")
        assert c.line().startswith(bad_of(door))
        assert c.answers()


@pytest.mark.parametrize("door", [DOORS["smtp"], DOORS["imap"]], ids=str)
def test_forty_floods_at_once(thurn, door):
    """From one address, within its limit."""
    ended = []

    def flood():
        with door.open(thurn) as c:
            ended.append(c.flood(LINES, 20 * MIB)[0])

    with Guard(thurn, 2 * GROWS):
        threads = [threading.Thread(target=flood) for _ in range(40)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(ended) == 40


@pytest.mark.parametrize("door", ["smtp", "lmtp"])
@pytest.mark.parametrize("by", ["DATA", "BDAT"])
def test_a_message_of_a_hundred_megabytes(thurn, door, by):
    """Read to its end, kept nowhere, refused; the session goes on."""
    block = (b"x" * 78 + b"\r\n") * (MIB // 80)
    with Guard(thurn, GROWS), DOORS[door].open(thurn) as c:
        c.send(b"MAIL FROM:<s@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\n")
        c.send(b"BDAT %d LAST\r\n" % (100 * len(block)) if by == "BDAT" else b"DATA\r\n")
        for _ in range(3 if by == "DATA" else 2):
            assert c.line()[:1] in b"23"
        for _ in range(100):
            c.send(block)
        c.send(b".\r\n" if by == "DATA" else b"")
        assert c.line().startswith(b"552 5.3.4")
        assert c.answers()
