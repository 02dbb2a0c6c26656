"""directoryd asked directly, over its sockets, as the other programs ask it (lib/directory/messages.h)."""
import socket
import struct

import thurn as thurn_module

RANGE = 0x0200
CHANGED = 27
CONTINUE, OK, FAILED, TEMPFAIL, BAD_MECHANISM = range(5)
TEMPORARY, NOT_LOCAL, UNKNOWN, ACCOUNT, ALIAS, DISABLED = range(6)


class Refused(Exception):
    pass


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def blob(b):
    b = b.encode() if isinstance(b, str) else b
    return varint(len(b)) + b


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, fmt):
        value, = struct.unpack_from("<" + fmt, self.data, self.at)
        self.at += struct.calcsize("<" + fmt)
        return value

    def varint(self):
        n = shift = 0
        while True:
            b = self.take("B")
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n

    def blob(self):
        n = self.varint()
        self.at += n
        return self.data[self.at - n:self.at]

    def text(self):
        return self.blob().decode()


class Door:
    """One connection to one of the sockets."""

    def __init__(self, thurn, name):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20 * thurn_module.SLOW)
        self.sock.connect(str(thurn.dir / "run" / name))
        self.calls = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, kind, payload, call=None):
        if call is None:
            self.calls += 1
            call = self.calls
        self.sock.sendall(struct.pack("<IHHI", len(payload) + 8, RANGE + kind, 0, call) + payload)
        return call

    def exact(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        """The next answer; notices (that something has changed) are passed over."""
        call = 0
        while not call:
            length, kind, _, call = struct.unpack("<IHHI", self.exact(12))
            reader = Reader(self.exact(length - 8))
        if kind == 0xffff:
            raise Refused(reader.text())
        return call, reader

    def notice(self):
        """The account that the next notice of a change names."""
        while True:
            length, kind, _, call = struct.unpack("<IHHI", self.exact(12))
            reader = Reader(self.exact(length - 8))
            if kind == RANGE + CHANGED and not call:
                reader.take("Q")
                return reader.text()

    def call(self, kind, payload):
        self.send(kind, payload)
        return self.receive()[1]

    # --- calls ---

    def resolve(self, local, domain):
        """(status, canonical, targets, account)"""
        r = self.call(2, blob(local) + blob(domain))
        status, account, canonical = r.take("I"), r.text(), r.text()
        targets = [r.text() for _ in range(r.varint())]
        self.quota = r.take("Q"), r.take("Q")
        self.over = r.take("?")
        return status, canonical, targets, account

    def may_send(self, user, sender):
        return self.call(11, blob(user) + blob(sender)).take("?")

    def quota_notice(self, account, over):
        self.send(13, blob(account) + struct.pack("<?", over), call=0)

    @staticmethod
    def start_payload(mechanism, initial=None, service="imap", remote="192.0.2.1", tls=True):
        return (blob(mechanism) + blob(service) + blob(remote) +
                struct.pack("<??", tls, initial is not None) + blob(initial or b"") + varint(0))

    @staticmethod
    def auth_reply(r):
        keys = ("state", "id", "data", "user", "account", "ticket", "text", "delay")
        return dict(zip(keys, (r.take("I"), r.take("Q"), r.blob(), r.text(), r.text(), r.blob(), r.text(),
                               r.take("Q"))))

    def start(self, mechanism, initial=None, **more):
        return self.auth_reply(self.call(4, self.start_payload(mechanism, initial, **more)))

    def step(self, number, data, cancel=False):
        return self.auth_reply(self.call(5, struct.pack("<Q", number) + blob(data) + struct.pack("<?", cancel)))

    def plain(self, user, password, **more):
        return self.start("PLAIN", ("\0%s\0%s" % (user, password)).encode(), **more)

    def redeem(self, ticket, service="imap"):
        """(user, account) or None"""
        r = self.call(9, blob(ticket) + blob(service))
        ok, user, account = r.take("?"), r.text(), r.text()
        return (user, account) if ok else None
