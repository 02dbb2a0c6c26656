"""Clients that ask for much and never read an answer: what is not read is not made."""
import socket
import ssl
import threading
import time

import pytest
import thurn as t
from attack import ALL, DOORS, Guard

GROWS = 64 << 20
CLIENTS = 10
BODY = b"Subject: big\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 15000  # a megabyte


@pytest.fixture(scope="module")
def thurn():
    made = t.Instance()
    with made.imaps("anna") as c:
        for _ in range(3):
            c.append("INBOX", None, None, BODY)
            for _ in range(3):
                c.select("INBOX")
                c.copy("1:*", "INBOX")  # 31 in the end
    with made.imaps("bert") as c:
        for _ in range(5):
            c.append("INBOX", None, None, BODY)
    yield made
    made.close()


ASKS = {"imapd": b"a SELECT INBOX\r\n" + b"b FETCH 1:* (BODY.PEEK[] ENVELOPE BODYSTRUCTURE)\r\n" * 2000,
        "pop3d": b"RETR 1\r\nRETR 2\r\nLIST\r\n" * 5000,
        "imap": b"a CAPABILITY\r\n" * 200000,
        "pop3": b"CAPA\r\n" * 200000,
        "smtp": b"EHLO x.test\r\n" * 200000,
        "lmtp": b"LHLO x.test\r\n" * 200000,
        "submission": b"HELP\r\n" * 200000}
ASKS.update(imaps=ASKS["imap"], pop3s=ASKS["pop3"], submissions=ASKS["submission"])


def ask(c, text):
    """All that the other side takes."""
    c.sock.settimeout(0.5)
    try:
        c.send(text)
    except OSError:
        pass


@pytest.mark.parametrize("door", ALL, ids=str)
def test_asked_and_never_read(thurn, door):
    clients = [door.open(thurn, rcvbuf=4096) for _ in range(1 if door.name == "pop3d" else CLIENTS)]
    with Guard(thurn, GROWS):
        threads = [threading.Thread(target=ask, args=(c, ASKS[door.name])) for c in clients]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        time.sleep(1)  # nothing more happens, and the others go on
    for c in clients:
        c.sock.close()
    with DOORS[door.name].open(thurn) as c:
        assert c.answers()


def test_who_does_not_read_loses_the_connection(instance):
    """At every door, after the time that it gives, with answers waiting; behind TLS the login program keeps what it has taken from the
    worker, which is gone."""
    limit = "%ds" % (3 * t.SLOW)
    thurn = instance(settings={"smtpd.command_timeout": limit, "imap_login.login_timeout": limit, "pop3_login.login_timeout": limit,
                               "imapd.idle_timeout": limit, "pop3d.idle_timeout": limit}, users=("anna", "bert"))
    for user in "anna", "bert":
        with thurn.imaps(user) as c:
            for _ in range(4):  # more than the sockets on the way hold
                c.append("INBOX", None, None, BODY)
    clients = [door.open(thurn, rcvbuf=4096) for door in ALL]
    threads = [threading.Thread(target=ask, args=(c, ASKS[c.door.name])) for c in clients]
    for one in threads:
        one.start()

    def connections():
        return {s["service"]: s["connections"] for s in thurn.status()["services"] if s["service"] in DOORS and s["connections"]}

    proxied = {"imaps": 1, "pop3s": 1}
    t.wait_for(lambda: connections() == proxied, 20, "the end of the connections: %s" % connections())
    for one in threads:
        one.join()
    for c in clients:
        if not c.door.user:
            with pytest.raises((ConnectionError, socket.timeout, ssl.SSLError)):
                for _ in range(1000):
                    c.send(b"NOOP\r\n" * 1000)
        c.sock.close()
    t.wait_for(lambda: not connections(), 20, "the end of the last two")
