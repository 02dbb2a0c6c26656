"""What is data stays data: no message, address, name or password becomes a command, a header field, or a line of the log."""
import base64
import itertools
import re
import smtplib
import subprocess

import pytest
import thurn as t
from attack import DOORS, Attacker
from fakes import NameServer, Server
from mail import wait_until_queue_is_empty, wait_for_subject

INNER = b"MAIL FROM:<smuggled@elsewhere.test>\r\nRCPT TO:<smuggled@out.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n"
ENDS = [b"\r\n", b"\n", b"\r", b"", b"\r\r\n", b"\n\r", b"\0\r\n", b"\r\n\0"]
MIXES = [a + b"." + b for a, b in itertools.product(ENDS, ENDS)]


@pytest.fixture(scope="module")
def world():
    """A host out there takes what we relay."""
    with Server() as server, NameServer({"out.test": {"MX": [(10, "mx.out.test")]}, "mx.out.test": {"A": ["127.0.0.1"]}}) as names:
        made = t.Instance(settings={"dns_servers": names.address, "smtp.port": server.port, "smtp.loopback": "yes",
                                    "networks": "127.0.0.0/8", "smtpd.errors_max": 1000, "directoryd.failure_delay": "0",
                                    "imap_login.failures_max": 100, "pop3_login.failures_max": 100,
                                    "qmgr.retry_first": "1s"})
        made.server = server
        yield made
        made.close()


def opened(thurn, door):
    c = DOORS[door].open(thurn)
    if door == "submissions":
        c.send(b"AUTH PLAIN " + base64.b64encode(b"\0anna@sandbox.test\0" + thurn.password("anna").encode()) + b"\r\n")
        assert c.line().startswith(b"235")
    return c


def hand_in(thurn, door, by, text):
    """The reply to one message for out.test; the session must be in step behind it."""
    with opened(thurn, door) as c:
        c.send(b"MAIL FROM:<anna@sandbox.test>\r\nRCPT TO:<x@out.test>\r\n")
        assert c.line().startswith(b"250") and c.line().startswith(b"250")
        if by == "BDAT":
            c.send(b"BDAT %d LAST\r\n" % len(text) + text)
        else:
            c.send(b"DATA\r\n")
            assert c.line().startswith(b"354")
            c.send(text + b"\r\n.\r\n")
        reply = c.line()
        c.send(b"NOOP\r\n")
        assert c.line() == b"250 2.0.0 Ok", (text, reply)
        c.sock.settimeout(0.02)
        with pytest.raises(TimeoutError):
            c.sock.recv(1)
        return reply


def relayed(world, count):
    t.wait_for(lambda: len(world.server.messages) >= count, 30, "%d messages out there" % count)
    assert not [line for line in world.server.commands if "smuggled" in line]
    assert all(line.split()[0].upper() in ("EHLO", "MAIL", "RCPT", "DATA", "QUIT", "RSET") for line in world.server.commands)
    return world.server.messages


@pytest.mark.parametrize("door,by", [("smtp", "DATA"), ("smtp", "BDAT"), ("lmtp", "DATA"), ("lmtp", "BDAT"),
                                     ("submissions", "DATA"), ("submissions", "BDAT")])
def test_a_message_stays_one_message_all_the_way(world, door, by):
    """Every mix of CR, LF, NUL and dot: refused as a whole, or relayed as one message with its text as it was."""
    before, taken = len(world.server.messages), []
    for mix in MIXES:
        if by == "DATA" and b"\r\n.\r\n" in mix:
            continue  # that is an end
        text = b"Subject: outer\r\n\r\nbody" + mix + INNER
        bare = re.sub(rb"\r\n", b"", text)
        reply = hand_in(world, door, by, text)
        if b"\0" in bare:
            assert reply.startswith(b"554 5.6.0"), (mix, reply)
        elif b"\r" in bare or b"\n" in bare:
            assert reply.startswith(b"550 5.6.0"), (mix, reply)
        else:
            assert reply.startswith(b"250 "), (mix, reply)
            taken.append(re.sub(rb"(\A|\r\n)\.", rb"\1", text) if by == "DATA" else text)
    got = relayed(world, before + len(taken))[before:]
    assert len(got) == len(taken) > 2
    for text in taken:
        assert [m for m in got if m.endswith(text) or m.endswith(text + b"\r\n")], text


def test_sendmail_sends_one_message(world):
    """There line ends are the system's: they are mended, as NULs are, and a lone dot ends only what was said to end so."""
    before = len(world.server.messages)
    for mix in MIXES:
        done = subprocess.run([t.BIN / "sendmail", "-C", world.dir / "etc", "-i", "-f", "anna@sandbox.test", "x@out.test"],
                              input=b"Subject: outer\n\nbody" + mix + INNER, capture_output=True, timeout=60)
        assert done.returncode == 0, (mix, done)
    got = relayed(world, before + len(MIXES))[before:]
    assert len(got) == len(MIXES) and not [message for message in got if b"\0" in message]


LOCALS = [b'"a b"', b'"a\\"b"', b'"<odd>"', b'"a@b"', b'"a\\\\b"', b'"RCPT TO:"', b"a!b", b"a%b", b"|cat", b"`id`", b"$(id)", b"-oX",
          b'".."', b'"/etc/passwd"', b"x'y", b"a{b}", b'" "']


def test_strange_addresses_reach_the_other_host_as_they_are(world):
    before = len(world.server.said("RCPT"))
    with opened(world, "smtp") as c:
        c.send(b"MAIL FROM:<anna@sandbox.test>\r\n" + b"".join(b"RCPT TO:<%s@out.test>\r\n" % x for x in LOCALS) + b"DATA\r\n")
        replies = [c.line() for _ in range(len(LOCALS) + 2)]
        assert replies[-1].startswith(b"354"), replies
        c.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert c.line().startswith(b"250")
    accepted = [x for x, reply in zip(LOCALS, replies[1:]) if reply.startswith(b"250")]
    assert len(accepted) > 10, replies
    wait_until_queue_is_empty(world)
    said = [re.match(r"RCPT TO:<(.*)@out\.test>(?: [A-Z].*)?\Z", line, re.S).group(1) for line in world.server.said("RCPT")[before:]]
    assert len(said) == len(accepted)

    def plain(local):
        return re.sub(r"\\(.)", r"\1", local[1:-1]) if local.startswith('"') else local

    assert sorted(plain(x) for x in said) == sorted(plain(x.decode()) for x in accepted)
    for x in said:  # quoted where it must be
        assert x.startswith('"') == (re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+", plain(x)) is None or ".." in x), x


@pytest.mark.parametrize("address", [b"a\r\nRCPT TO:<evil@out.test>\r\n@out.test", b'"a\r\nDATA\r\n"@out.test', b"a\0@out.test",
                                     b"a b@out.test", b"a@out.test> NOTIFY=NEVER <", b"a@out.test\x0b", b"a@[127.0.0.1]x", b"a@out..test",
                                     b"a@out.test\xff", b'"\x01"@out.test', b"<a@out.test>", b"a@" + b"x" * 300 + b".test",
                                     b"x" * 500 + b"@out.test"], ids=lambda a: repr(a[:20]))
@pytest.mark.parametrize("command", [b"MAIL FROM", b"RCPT TO"])
def test_what_is_no_address_is_refused(world, command, address):
    with opened(world, "smtp") as c:
        c.send(b"MAIL FROM:<anna@sandbox.test>\r\n" * (command == b"RCPT TO") + command + b":<" + address + b">\r\nQUIT\r\n")
        replies = c.rest()
        assert all(re.match(rb"[2-5]\d\d[ -][ -~]*\Z", line) for line in replies), replies
        assert replies[1 if command == b"RCPT TO" else 0][:1] == b"5" and replies[-1].startswith(b"221")
    assert not [line for line in world.server.commands if "evil" in line]


numbers = itertools.count()


@pytest.mark.parametrize("helo", [b"a\tb", b"x(y", b"x\x7f", b"x\x1b[31m", b"x;y", b"a)b (c", b"\xff\xfe", b"x" * 500, b'"x\\"', b"[1.2.3.4] by evil",
                                  b"a\rReceived: x", b"[IPv6:::1", b"-", b"a..b", b"<script>"])
@pytest.mark.parametrize("verb", [b"HELO", b"EHLO"])
def test_the_name_in_a_greeting_adds_no_header_field(world, verb, helo):
    with Attacker(DOORS["smtp"], DOORS["smtp"].raw(world)) as c:
        assert c.line().startswith(b"220")
        c.send(verb + b" " + helo + b"\r\n")
        reply = c.line()
        if not reply.startswith(b"250"):
            assert reply[:1] == b"5"
            return
        while reply[3:4] == b"-":
            reply = c.line()
        subject = "from number %d" % next(numbers)
        c.send(b"MAIL FROM:<s@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\nDATA\r\n")
        assert [c.line()[:1] for _ in range(3)] == [b"2", b"2", b"3"]
        c.send(b"Subject: %s\r\n\r\nx\r\n.\r\n" % subject.encode())
        assert c.line().startswith(b"250")
    head = wait_for_subject(world, "anna", subject).split(b"\r\n\r\n")[0]
    fields = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert fields == [b"Return-Path", b"Received", b"Subject"] or fields == [b"Return-Path", b"Delivered-To", b"Received", b"Subject"], head
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", head)


EVIL = b"evil\r\n2026-01-01T00:00:00.000Z smtpd[1] error injected\x1b[2J\x07\x7f\xff\xc2\x85"


def b64(data):
    return base64.b64encode(data)


def say(world, door, *lines):
    with DOORS[door].open(world) as c:
        for line in lines:
            c.send(line)
        c.sock.settimeout(0.3)
        try:
            c.rest()
        except TimeoutError:
            pass


def test_the_log_has_lines_of_ours_only(world):
    """Names, addresses, passwords, tags, verbs, ids, arguments: whatever they hold."""
    one_line = EVIL.replace(b"\r\n", b"\x0b\r")
    plain = b64(b"\0" + EVIL + b"\0" + EVIL.replace(b"\0", b""))
    say(world, "submissions", b"AUTH PLAIN " + plain + b"\r\n", b"AUTH LOGIN\r\n", b64(EVIL) + b"\r\n", b64(EVIL) + b"\r\n",
        b"AUTH SCRAM-SHA-256 " + b64(b"n,a=" + EVIL + b",n=" + EVIL + b",r=" + EVIL) + b"\r\n")
    say(world, "smtp", b"EHLO " + one_line + b"\r\n", one_line + b"\r\n", b"MAIL FROM:<" + one_line + b">\r\n",
        b"MAIL FROM:<a@b.test> ENVID=" + one_line + b"\r\n", b'MAIL FROM:<"' + one_line + b'"@b.test>\r\n', b"GET /" + one_line + b" HTTP/1.0\r\n")
    say(world, "imaps", b"a LOGIN {%d+}\r\n" % len(EVIL) + EVIL + b" x\r\n", b"b ID (" + one_line + b")\r\n", one_line + b" NOOP\r\n",
        b"c AUTHENTICATE PLAIN " + plain + b"\r\n")
    say(world, "pop3s", b"USER " + one_line + b"\r\n", b"PASS x\r\n", b"AUTH PLAIN " + plain + b"\r\n", one_line + b"\r\n")
    say(world, "imapd", b"a SELECT {%d+}\r\n" % len(EVIL) + EVIL + b"\r\n", b"b CREATE {%d+}\r\n" % len(EVIL) + EVIL + b"\r\n",
        b"c ID (\"x\" {%d+}\r\n" % len(EVIL) + EVIL + b")\r\n", one_line + b" x\r\n")
    say(world, "pop3d", one_line + b"\r\n", b"RETR " + one_line + b"\r\n")
    subprocess.run([t.BIN / "sendmail", "-C", world.dir / "etc", "-f", EVIL, "-F", EVIL, "-V", EVIL, "anna@sandbox.test", EVIL],
                   input=b"x\n", capture_output=True, timeout=60)
    try:
        with smtplib.SMTP("127.0.0.1", world.ports["smtp"]) as s:
            s.ehlo("probe.test")
            s.sendmail("s@elsewhere.test", ["anna@sandbox.test"], b"Subject: " + one_line + b"\r\nMessage-ID: <" + one_line + b">\r\n\r\nx\r\n")
    except smtplib.SMTPException:
        pass
    world.wait_for_log("evil")
    log = (world.dir / "log/thurn.log").read_bytes()
    assert b"error injected" in log
    for line in log.split(b"\n")[:-1]:
        assert re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z0-9_/-]+\[\d+\] (debug|info|warning|error) ", line), line
        assert not re.search(rb"[\x00-\x1f\x7f]", line), line
        line.decode()
