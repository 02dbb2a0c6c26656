"""Half commands and silence, an octet now and then, handshakes that stall, renegotiation: every door lets go in its time."""
import concurrent.futures
import functools
import re
import subprocess
import time

import pytest
import thurn as t
from attack import ALL, BEFORE_LOGIN, DOORS, Attacker, Guard

LIMIT = 4 if t.SAN else 2  # seconds, in which what is no attack has to be done, too
GROWS = 32 << 20
SETTINGS = {"smtpd.session_timeout": "%ds" % (2 * LIMIT), **dict.fromkeys((
    "smtpd.command_timeout", "smtpd.data_timeout", "imap_login.login_timeout", "pop3_login.login_timeout", "imapd.idle_timeout",
    "pop3d.idle_timeout", "submissions:tls_timeout", "imaps:tls_timeout", "pop3s:tls_timeout"), "%ds" % LIMIT)}
LAST_WORDS = {"smtp": b"421 4.4.2", "lmtp": b"421 4.4.2", "submission": b"421 4.4.2", "imap": b"* BYE"}
HALF = {"s": (b"", b"MAIL FR", b"MAIL FROM:<a@elsewhere.test>\r\nRCPT"), "l": (b"", b"MAIL FR", b"MAIL FROM:<a@b.test>\r\nRCPT"),
        "i": (b"", b"a NOO", b"a LOGIN {5}\r\nan"), "p": (b"", b"US", b"CAPA\r\nUSER anna")}



@pytest.fixture(scope="module")
def thurn():
    made = t.Instance(settings=SETTINGS)
    yield made
    made.close()


class Times:
    """Between LIMIT and a good deal more."""

    def __enter__(self):
        self.start = time.monotonic()

    def __exit__(self, kind, *exc):
        spent = time.monotonic() - self.start
        assert kind or LIMIT - 0.5 < spent < 10 * t.SLOW, spent


def all_at_once(calls):
    """Each in a thread of its own; their values."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [f.result() for f in [pool.submit(call) for call in calls]]


def test_half_a_command_and_silence(thurn):
    """At all doors, ten clients each."""
    with Guard(thurn, GROWS), Times():
        clients = [(door, half, door.open(thurn)) for door in ALL for half in HALF[door.name[0]] * 3 if door.name != "pop3d"]
        clients.append((DOORS["pop3d"], b"STAT", DOORS["pop3d"].open(thurn)))  # nobody else can be in there
        for door, half, c in clients:
            c.send(half)
        for door, _, c in clients:
            said = c.rest()
            c.sock.close()
            if door.name in LAST_WORDS:
                assert said[-1].startswith(LAST_WORDS[door.name]), said


def test_half_a_message_and_silence(thurn):
    def half(door, start):
        with DOORS[door].open(thurn) as c:
            c.send(b"MAIL FROM:<s@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\n" + start)
            assert c.rest()[-1].startswith(b"421 4.4.2")

    with Guard(thurn, GROWS), Times():
        all_at_once([functools.partial(half, door, start) for door in ("smtp", "lmtp")
                     for start in (b"DATA\r\nSubject: x\r\n\r\nhalf a li", b"BDAT 1000\r\nhalf a li")])
    assert not thurn.messages("anna")


def drip(c, octets):
    """An octet ten times a second until the other side has gone: seconds."""
    start = time.monotonic()
    c.sock.settimeout(0.1)
    for n in range(int(30 * t.SLOW * 10)):
        try:
            c.sock.send(octets[n:n + 1] or b"x")
            if not c.sock.recv(1000):
                break
            time.sleep(0.1)
        except TimeoutError:
            pass
        except OSError:
            break
    c.sock.close()
    return time.monotonic() - start


def test_octets_now_and_then_do_not_buy_time(thurn):
    with Guard(thurn, GROWS):
        spent = all_at_once([functools.partial(drip, door.open(thurn), b"NOOP ") for door in BEFORE_LOGIN if not door.tls])
    assert max(spent) < 15 * t.SLOW


HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(500)  # a ClientHello that could become one


def at_handshake(door, thurn):
    """A connection where TLS is to start."""
    if door.tls:
        return Attacker(door, door.raw(thurn))
    c = door.open(thurn)
    c.send(door.start)
    assert c.line().startswith((b"220", b"a OK", b"+OK"))
    return c


def test_handshakes_that_stall(thurn):
    with Guard(thurn, GROWS), Times():
        clients = [at_handshake(door, thurn) for door in BEFORE_LOGIN for _ in range(50)]
        for n, c in enumerate(clients):
            c.send(HELLO[:n % 50 * 10])
        for c in clients:
            c.rest()
            c.sock.close()


def test_handshakes_octet_by_octet(thurn):
    with Guard(thurn, GROWS):
        spent = all_at_once([functools.partial(drip, at_handshake(door, thurn), HELLO) for door in BEFORE_LOGIN])
    assert max(spent) < 15 * t.SLOW


@pytest.mark.parametrize("door", BEFORE_LOGIN, ids=str)
def test_sessions_octet_by_octet_are_served(thurn, door):
    with door.open(thurn) as c:
        for octet in door.noop * 3:
            c.send(bytes([octet]))
        assert c.answers()


STARTTLS = {"smtp": "smtp", "submission": "smtp", "lmtp": "lmtp", "imap": "imap", "pop3": "pop3"}


@pytest.mark.parametrize("door", BEFORE_LOGIN, ids=str)
def test_renegotiation_is_refused(thurn, door):
    """What OpenSSL's client does on a line that is R; TLS 1.3 has no such thing."""
    start = ["-starttls", STARTTLS[door.name]] if door.name in STARTTLS else []
    # The greeting comes behind a handshake from the first octet on; in the middle of the next it would be a fault of the client's.
    ready = rb"Verify return code: [^\n]*\n(.*\n)*---\n" + (b"" if start else rb"(.*\n)*(\* OK|\+OK|220) ")
    client = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:%d" % thurn.ports[door.port], *start],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = b""
        while not re.search(ready, said):
            more = client.stdout.read1(65536)
            assert more, said
            said += more
        client.stdin.write(b"R\n")
        client.stdin.flush()
        rest = client.stdout.read()  # it gives up, or we do in our time
    finally:
        client.kill()
        client.wait()
    assert b"RENEGOTIATING" in rest
    assert b"no renegotiation" in rest and b"verify return" not in rest, rest
    with door.open(thurn) as c:
        assert c.answers()
