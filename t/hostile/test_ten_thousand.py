"""Ten thousand connections from one address, and ten thousand recipients: each has its limit, and a word for who meets it."""
import base64
import re
import resource
import select
import socket

import pytest
import thurn as t
from attack import BEFORE_LOGIN, DOORS, Guard, pss

MANY = 10000
TAKEN, ERRORS = 1000, 4    # recipients_max, which is the default, and errors_max
PER_CONNECTION = 20 << 10  # octets of memory that an idle client may cost; usual are 8 KiB,
PER_HANDSHAKE = 80 << 10   # or 46 where a TLS handshake is awaited
LIMITS = {door.name: 2000 if door.name.startswith("imap") else 500 for door in BEFORE_LOGIN if door.name != "lmtp"}


def descriptors(n):
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n + 500:
        pytest.skip("no %d descriptors" % n)


class Crowd:
    """Connections that are made all at once, from one address; what each was told. patient: not more than the backlog holds."""

    def __init__(self, thurn, door, n, patient=True):
        self.sockets, self.told = {}, {}
        self.poll = select.epoll()
        for _ in range(n):
            s = socket.socket()
            s.settimeout(60 if patient else 0)
            s.connect_ex(("127.0.0.1", thurn.ports[door.port]))
            s.setblocking(False)
            self.sockets[s.fileno()] = s
            self.poll.register(s.fileno(), select.EPOLLIN)
            if len(self.sockets) % 100 == 0:
                self.listen(0)

    def listen(self, timeout):
        """Takes what was said; closes what was closed. True when there was something."""
        events = self.poll.poll(timeout, len(self.sockets) + 1)
        for fd, _ in events:
            try:
                said = self.sockets[fd].recv(4096)
            except OSError:
                said = b""
            self.told[fd] = self.told.get(fd, b"") + said
            if not said:
                self.poll.unregister(fd)  # the number stays taken: told is by it
        return bool(events)

    def wait(self, told):
        """Until so many have been told something, or closed, and nobody else is."""
        t.wait_for(lambda: (self.listen(0.1), len(self.told) >= told)[1], 60, "%d answers" % told)
        while self.listen(0.5):
            pass
        assert len(self.told) == told

    def count(self, start):
        return sum(said.startswith(start) for said in self.told.values())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.poll.close()
        for s in self.sockets.values():
            s.close()


@pytest.fixture(scope="module")
def thurn():
    # Past half of the errors each answer takes a second; who says nothing may do so until all have come.
    made = t.Instance(settings={"smtpd.errors_max": ERRORS, **{d.name + ":tls_timeout": "10m" for d in BEFORE_LOGIN if d.tls}})
    yield made
    made.close()


@pytest.mark.parametrize("door", [DOORS[name] for name in LIMITS], ids=str)
def test_one_address_has_its_share(thurn, door):
    """What is over it is told so and closed; others come in as ever."""
    limit = LIMITS[door.name]
    many = MANY if door.name in ("smtp", "imap", "pop3s") else limit + 500
    descriptors(many)
    with Guard(thurn, limit * (PER_HANDSHAKE if door.tls else PER_CONNECTION) + (16 << 20)):
        with Crowd(thurn, door, many) as crowd:
            crowd.wait(many - limit if door.tls else many)  # nothing is said before a handshake
            if not door.tls:
                assert crowd.count(door.greeting) == limit
                assert crowd.count(door.refusal) == many - limit
    t.wait_for(lambda: is_welcome(thurn, door), 20, "room for the address again")


def is_welcome(thurn, door):
    try:
        with door.open(thurn) as c:
            return c.answers()
    except (AssertionError, OSError, AttributeError):
        return False


@pytest.mark.parametrize("door", ["imap", "pop3"])
def test_ten_thousand_idle_clients(instance, door):
    """Where one address may have them all: their memory, and everybody else meanwhile."""
    descriptors(MANY)
    thurn = instance(settings={door + ":connections_per_address": 0})
    with Guard(thurn, MANY * PER_CONNECTION + (16 << 20)) as guard:
        with Crowd(thurn, DOORS[door], MANY) as crowd:
            crowd.wait(MANY)
            assert crowd.count(DOORS[door].greeting) == MANY
            print("%d octets each" % ((pss(thurn) - guard.before) // MANY))
    with DOORS[door].open(thurn) as c:
        assert c.answers()


@pytest.mark.parametrize("door", ["smtp", "imap"])
def test_the_limit_of_all_holds(instance, door):
    """The rest waits at the door, unheard, and costs nothing; other services go on; there is room when the crowd has gone."""
    descriptors(MANY)
    thurn = instance(settings={door + ":connections_per_address": 0, door + ":max_workers": 2, door + ":connections": 500})
    with Guard(thurn, 1000 * PER_CONNECTION + (16 << 20), by="lmtp" if door == "smtp" else "smtp"):
        with Crowd(thurn, DOORS[door], MANY, patient=False) as crowd:
            crowd.wait(1000)
            assert crowd.count(DOORS[door].greeting) == 1000
    t.wait_for(lambda: is_welcome(thurn, DOORS[door]), 20, "room again")


def begun(thurn, door):
    """A transaction with a sender, and no recipient yet."""
    c = DOORS[door].open(thurn)
    if door == "submissions":
        c.send(b"AUTH PLAIN " + base64.b64encode(b"\0anna@sandbox.test\0" + thurn.password("anna").encode()) + b"\r\n")
        assert c.line().startswith(b"235")
    c.send(b"MAIL FROM:<anna@sandbox.test>\r\n")
    assert c.line().startswith(b"250")
    return c


def recipients(numbers):
    return b"".join(b"RCPT TO:<anna+%d@sandbox.test>\r\n" % n for n in numbers)


MTAS = pytest.mark.parametrize("door", ["smtp", "lmtp", "submissions"])


@MTAS
def test_ten_thousand_recipients(thurn, door):
    """A thousand are taken, in one transaction; the others are refused for now, each in its turn; who goes on and on is sent away
    in the end: errors_max."""
    with Guard(thurn, 32 << 20), begun(thurn, door) as c:
        told = []
        for start in range(0, MANY, 100):
            try:
                c.send(recipients(range(start, start + 100)))
            except OSError:
                pass  # it has been sent away
            while len(told) < start + 100 and (line := c.line()) is not None:
                told.append(line)
            if len(told) < start + 100:
                break
        assert all(line.startswith(b"250 2.1.5") for line in told[:TAKEN])
        assert all(line.startswith(b"452 4.5.3") for line in told[TAKEN:-1])
        assert told[-1].startswith(b"421 4.7.0") and len(told) == 2 * TAKEN + ERRORS + 1


@MTAS
def test_those_that_were_taken_get_the_message_and_the_others_have_their_turn(thurn, door):
    """RFC 5321 4.5.3.1.10: a client that sent all of them in one go hears who was put off, sends the message, and comes back."""
    count = TAKEN + TAKEN // 2
    names = ["%s-%d" % (door, n) for n in range(2)]
    with begun(thurn, door) as c:
        waiting = range(count)
        for name in names:
            c.send(recipients(waiting) + b"DATA\r\n")
            told = [c.line() for _ in waiting]
            assert {line[:9] for line in told} <= {b"250 2.1.5", b"452 4.5.3"}
            taken = [line[:1] for line in told].count(b"2")
            assert taken == min(TAKEN, len(waiting))
            assert c.line().startswith(b"354")
            c.send(b"Subject: %s\r\n\r\nx\r\n.\r\n" % name.encode())
            for _ in range(taken if door == "lmtp" else 1):
                assert c.line().startswith(b"250 2.0.0")
            waiting = [n for n, line in zip(waiting, told) if line.startswith(b"4")]
            c.send(b"MAIL FROM:<anna@sandbox.test>\r\n")
            assert c.line().startswith(b"250")
    assert not waiting
    told = [int(n) for n in re.findall(r"accepted from=anna@sandbox\.test .*nrcpt=(\d+) ", thurn.log())]
    assert told[-2:] == [TAKEN, count - TAKEN]
    for name in names:
        t.wait_for(lambda: [m for m in thurn.messages("anna") if b"Subject: %s\r\n" % name.encode() in m], 30, name)
