"""Clients that send each octet by itself, each in a TLS record of its own where there is TLS: whole sessions of ordinary work, with
literals, dot-stuffing and ends of messages cut at every place, do what they do in one piece."""
import base64
import concurrent.futures
import re
import time

import pytest
import thurn as t
from attack import ALL, DOORS, Guard

BODY = b"Subject: piecemeal %s\r\n\r\n.hidden\r\n..two\r\n\r\n.\r\x20\n not a dot\r\nlast\r\n"
GROWS = 32 << 20


def body(name):
    return BODY.replace(b"\r\x20\n", b"\r\n").replace(b"%s", name.encode())


def stuffed(text):
    return re.sub(rb"(\A|\r\n)\.", rb"\1..", text)


class Piecemeal:
    """A session whose octets go out one by one. say(what) sends, and gives the lines up to one that `ends` matches."""

    def __init__(self, thurn, c):
        self.thurn, self.c = thurn, c

    def send(self, text):
        for n in range(len(text)):
            self.c.send(text[n:n + 1])

    def say(self, text, ends):
        self.send(text)
        said = []
        while True:
            line = self.c.line()
            assert line is not None, (text, said)
            said.append(line)
            if re.match(ends, line):
                return said

    def start_tls(self):
        self.say(self.c.door.start, rb"220|a OK|\+OK")
        self.c.sock = self.thurn.tls().wrap_socket(self.c.sock, server_hostname="localhost")


def smtp(p, name):
    door = p.c.door
    if door.start:
        p.start_tls()
        p.say(door.hello, rb"250 ")
    sender = b"s@elsewhere.test"
    if door.name.startswith("submission"):
        sender = b"anna@sandbox.test"
        p.say(b"AUTH LOGIN\r\n", rb"334 ")
        p.say(base64.b64encode(sender) + b"\r\n", rb"334 ")
        p.say(base64.b64encode(p.thurn.password("anna").encode()) + b"\r\n", rb"235 ")
    begin = b"MAIL FROM:<%s>\r\n" % sender, b"RCPT TO:<cleo@sandbox.test>\r\n"
    for command in begin:
        p.say(command, rb"250 ")
    p.say(b"DATA\r\n", rb"354 ")
    p.say(stuffed(body(name + "-data")) + b".\r\n", rb"250 ")
    for command in begin:
        p.say(command, rb"250 ")
    text = body(name + "-bdat")
    p.say(b"BDAT %d\r\n" % 30 + text[:30], rb"250 ")
    p.say(b"BDAT %d LAST\r\n" % (len(text) - 30) + text[30:], rb"250 ")
    p.say(b"QUIT\r\n", rb"221 ")
    return [name + "-data", name + "-bdat"]


def imap(p, name):
    user, password = b"anna@sandbox.test", p.thurn.password("anna").encode()
    if p.c.door.start:
        p.start_tls()
    if not p.c.door.user:
        p.say(b"b LOGIN {%d}\r\n" % len(user), rb"\+ ")
        p.say(user + b" {%d+}\r\n" % len(password) + password + b"\r\n", rb"b OK")
    text, box = body(name), name.encode()
    p.say(b"c CREATE %s\r\n" % box, rb"c OK")
    p.say(b"d APPEND %s (\\Seen) {%d}\r\n" % (box, len(text)), rb"\+ ")
    p.say(text + b"\r\n", rb"d OK")
    p.say(b"e APPEND {%d+}\r\n%s {%d+}\r\n%s\r\n" % (len(box), box, len(text), text), rb"e OK")
    p.say(b"f SELECT %s\r\n" % box, rb"f OK")
    p.say(b"g IDLE\r\n", rb"\+ ")
    p.say(b"DONE\r\n", rb"g OK")
    said = p.say(b"h UID FETCH 1:2 (FLAGS BODY.PEEK[])\r\n", rb"h OK")
    assert b"\r\n".join(said).count(text) == 2 and b"\\Seen" in said[0]
    p.say(b"i LOGOUT\r\n", rb"i OK")
    return []


def pop3(p, name):
    """Behind the login there is one message."""
    if p.c.door.start:
        p.start_tls()
    if not p.c.door.user:
        user = "pop-" + name
        p.say(b"USER %s\r\n" % t.address(user).encode(), rb"\+OK")
        p.say(b"PASS %s\r\n" % p.thurn.password(user).encode(), rb"\+OK")
    p.say(b"STAT\r\n", rb"\+OK 1 ")
    said = p.say(b"RETR 1\r\n", rb"\.\Z")
    assert b"\r\n".join(said[1:]) == stuffed(body("pop")) + b"."
    p.say(b"DELE 1\r\n", rb"\+OK")
    p.say(b"QUIT\r\n", rb"\+OK")
    return []


@pytest.fixture(scope="module")
def thurn():
    made = t.Instance()
    for user in "cleo", "pop-pop3", "pop-pop3s":
        made.add_user(user)
    for user in "pop-pop3", "pop-pop3s", "bert":
        with made.imaps(user) as c:
            c.append("INBOX", None, None, body("pop"))
    yield made
    made.close()


WORK = {"s": smtp, "l": smtp, "i": imap, "p": pop3}


def session(thurn, door):
    with door.open(thurn) as c:
        return WORK[door.name[0]](Piecemeal(thurn, c), door.name)


def test_whole_sessions_at_all_doors_at_once(thurn):
    with Guard(thurn, GROWS), concurrent.futures.ThreadPoolExecutor(len(ALL)) as pool:
        sent = [name for names in pool.map(lambda door: session(thurn, door), ALL) for name in names]
    assert len(sent) == 8
    for name in sent:
        t.wait_for(lambda: [m for m in thurn.messages("cleo") if m.endswith(body(name))], 20, "%s as it was sent" % name)
