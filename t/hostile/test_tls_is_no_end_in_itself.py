"""Messages of TLS that carry nothing: new keys again and again, faster than they are dealt with. OpenSSL would listen to them for as
long as they come, and nobody else be served meanwhile."""
import ctypes
import ctypes.util
import threading
import time

import pytest
import thurn as t
from attack import BEFORE_LOGIN, DOORS, Guard

FLOODS = 3       # at each door
MOST = 200000    # updates that a client would send; they end after some dozens, and what was on its way by then
UPDATE_NOT_REQUESTED, UPDATE_REQUESTED = 0, 1


def library():
    """OpenSSL itself: Python has no word for key updates."""
    name = ctypes.util.find_library("ssl")
    if not name:
        pytest.skip("no libssl")
    ssl = ctypes.CDLL(name)
    for f in "TLS_client_method", "SSL_CTX_new", "SSL_new":
        getattr(ssl, f).restype = ctypes.c_void_p
    return ssl


class Session:
    """TLS 1.3 on a connection that is there."""

    def __init__(self, ssl, sock):
        self.ssl, self.sock = ssl, sock
        sock.settimeout(None)
        self.ctx = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
        self.tls = ctypes.c_void_p(ssl.SSL_new(self.ctx))
        ssl.SSL_set_fd(self.tls, sock.fileno())
        assert ssl.SSL_connect(self.tls) == 1

    def update(self, kind):
        return self.ssl.SSL_key_update(self.tls, kind) == 1 and self.ssl.SSL_do_handshake(self.tls) == 1

    def close(self):
        self.ssl.SSL_free(self.tls)
        self.ssl.SSL_CTX_free(self.ctx)
        self.sock.close()


def connected(thurn, ssl, door):
    if door.tls:
        return Session(ssl, door.raw(thurn))
    c = door.open(thurn)
    c.send(door.start)
    assert c.line().startswith((b"220", b"a OK", b"+OK"))
    return Session(ssl, c.sock)


@pytest.mark.parametrize("kind", [UPDATE_NOT_REQUESTED, UPDATE_REQUESTED], ids=["said", "answered"])
def test_new_keys_without_end(thurn, kind):
    """At all doors at once."""
    ssl = library()
    sent = []

    def flood(session):
        n = 0
        while n < MOST and session.update(kind):
            n += 1
        sent.append(n)

    sessions = [connected(thurn, ssl, door) for door in BEFORE_LOGIN for _ in range(FLOODS)]
    threads = [threading.Thread(target=flood, args=(s,)) for s in sessions]
    with Guard(thurn, 32 << 20):
        for one in threads:
            one.start()
        for one in threads:
            one.join(60 * t.SLOW)
            assert not one.is_alive(), "it is listened to without end"
    assert 32 < min(sent) and max(sent) < MOST, sent
    for s in sessions:
        s.close()


@pytest.mark.parametrize("door", [DOORS["imaps"], DOORS["submissions"]], ids=str)
def test_some_new_keys_are_fine(thurn, door):
    ssl = library()
    s = connected(thurn, ssl, door)
    for _ in range(10):
        assert s.update(UPDATE_REQUESTED)
    buf = ctypes.create_string_buffer(4096)
    said, end = b"", time.monotonic() + 20 * t.SLOW
    ssl.SSL_write(s.tls, door.noop, len(door.noop))
    while not said.rstrip().endswith((b"z OK Nothing done", b"250 2.0.0 Ok")) and time.monotonic() < end:
        n = ssl.SSL_read(s.tls, buf, 4096)
        assert n > 0, said
        said += buf.raw[:n]
    s.close()
