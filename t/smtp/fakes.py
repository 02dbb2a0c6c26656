"""Other people's servers, as bad as one likes: an SMTP and LMTP server that follows a script, a name server
that answers from a table, and the agent that has to live with them."""
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import thurn as thurn_module

DELIVER = thurn_module.BIN.parent / "t/smtp/deliver"

CLOSE = object()  # instead of a reply: the connection is closed
HANG = object()   # no reply, ever
DRIP = object()   # a reply, or a handshake, that comes octet by octet and has no end


class Server:
    """Says `replies[key]` to each command. Keys: "greeting", verbs, "end" (of a message), "tls". A value is text, a list
    of texts that are used up in turn (the last stays), CLOSE, HANG, or a function of the command line. `commands` has what
    was said, `messages` what came in DATA, `connections` how many there were. A lenient one takes DATA without recipients."""

    DEFAULT = {
        "greeting": "220 fake.test ESMTP",
        "EHLO": "250-fake.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250 ENHANCEDSTATUSCODES",
        "LHLO": "250-fake.test\r\n250-PIPELINING\r\n250 8BITMIME",
        "HELO": "250 fake.test",
        "MAIL": "250 2.1.0 ok",
        "RCPT": "250 2.1.5 ok",
        "DATA": "354 go",
        "end": "250 2.0.0 taken",
        "RSET": "250 2.0.0 ok",
        "QUIT": "221 bye",
    }

    def __init__(self, context=None, lmtp=False, lenient=False, host="127.0.0.1", port=0, path=None,
                 **replies):
        self.replies = {**self.DEFAULT, **replies}
        self.context, self.lmtp, self.lenient = context, lmtp, lenient
        self.commands, self.messages, self.errors = [], [], []
        self.connections = self.most = 0
        self.open = set()
        self.listener = socket.create_server(str(path), family=socket.AF_UNIX) if path else \
            socket.create_server((host, port))
        self.port = None if path else self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self.listener.close()
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        assert not self.errors, self.errors

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        self.open.add(s)
        self.most = max(self.most, len(self.open))
        try:
            self.talk(s)
        except (OSError, ssl.SSLError):
            pass
        except Exception as e:  # a broken test, to be seen at the end
            self.errors.append(repr(e))
        finally:
            self.open.discard(s)
            s.close()

    def say(self, s, key, line=""):
        """False when the conversation is over."""
        reply = self.replies.get(key, "500 5.5.1 what?")
        if callable(reply):
            reply = reply(line)
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if reply is CLOSE:
            return None
        if reply is HANG:
            time.sleep(30)
            return None
        if reply is DRIP:
            self.drip(s, b"250-x\r\n" * 100)
            return None
        data = reply if isinstance(reply, bytes) else (reply + "\r\n").encode()
        s.sendall(data)
        return data.decode("latin-1")

    @staticmethod
    def drip(s, data):
        for i in range(len(data)):
            s.sendall(data[i:i + 1])
            time.sleep(0.1)

    def talk(self, s):
        if self.say(s, "greeting") is None:
            return
        f = s.makefile("rb")
        accepted, has_sender = 0, False
        while True:
            line = f.readline()
            if not line:
                return
            assert line.endswith(b"\r\n"), line
            text = line[:-2].decode("utf-8", "surrogateescape")
            self.commands.append(text)
            verb = text.split(" ")[0].upper()
            if not self.lenient and ((verb == "RCPT" and not has_sender) or (verb == "DATA" and not accepted)):
                s.sendall(b"503 5.5.1 not now\r\n")
                continue
            reply = self.say(s, verb, text)
            if reply is None or verb == "QUIT":
                return
            if verb == "MAIL":
                accepted, has_sender = 0, reply.startswith("2")
            if verb == "RCPT" and reply.startswith("2"):
                accepted += 1
            if verb == "STARTTLS" and reply.startswith("2"):
                f.close()
                if self.replies.get("tls") is CLOSE:
                    return
                if self.replies.get("tls") is DRIP:
                    self.drip(s, b"\x16\x03\x03\x40\x00\x02" + b"\0" * 1000)
                    return
                if isinstance(self.replies.get("tls"), bytes):
                    s.sendall(self.replies["tls"])
                    return
                s = self.context.wrap_socket(s, server_side=True)
                self.open.add(s)
                f = s.makefile("rb")
            if verb == "DATA" and reply.startswith("354"):
                lines = []
                while (line := f.readline()) not in (b".\r\n", b""):
                    assert line.endswith(b"\r\n") and b"\r" not in line[:-2], line
                    lines.append(line[1:] if line.startswith(b".") else line)
                if not line:
                    return
                if accepted:
                    self.messages.append(b"".join(lines))
                for _ in range(accepted if self.lmtp else 1):
                    if self.say(s, "end") is None:
                        return

    def said(self, verb):
        return [c for c in self.commands if c.upper().startswith(verb)]


class NameServer:
    """UDP on loopback. table: {"example.test": {"MX": [(10, "mx.example.test")], "A": ["127.0.0.1"]}}; a name that is missing is
    NXDOMAIN, a value of None is SERVFAIL."""

    TYPES = {1: "A", 12: "PTR", 15: "MX", 28: "AAAA"}

    def __init__(self, table):
        self.table = table
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]
        self.asked = []
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    @staticmethod
    def name(text):
        return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".") if p) + b"\0"

    def data(self, kind, value):
        if kind == "MX":
            return struct.pack("!H", value[0]) + self.name(value[1])
        if kind == "PTR":
            return self.name(value)
        return socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, value)

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        number = struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        name, kind = ".".join(labels).lower(), self.TYPES.get(number, "?")
        self.asked.append((name, kind))
        entry = self.table.get(name, {})
        code = 0 if name in self.table else 3
        values = entry.get(kind, []) if entry is not None else None
        if values is None:
            code, values = 2, []
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", number, 1, 60, len(d)) + d
                           for d in (self.data(kind, v) for v in values))
        return query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(values), 0, 0) + question + records

    def serve(self):
        while True:
            try:
                query, peer = self.sock.recvfrom(4096)
                self.sock.sendto(self.answer(query), peer)
            except OSError:
                return


IMPATIENT = {"command_timeout": "1s", "data_timeout": "1s"}


class Outcome:
    def __init__(self, line):
        self.fate, self.status, self.mta, self.text = line.split("\t")

    def __repr__(self):
        return "%s %s %s %r" % (self.fate, self.status, self.mta, self.text)


class Agent:
    """with Agent(port=2525) as a: a.deliver("example.test", ["x@example.test"]). It is patient: with who hangs, an IMPATIENT one
    has to do."""

    def __init__(self, **settings):
        settings.setdefault("loopback", "yes")
        for limit in "command_timeout", "data_timeout", "connect_timeout":
            settings.setdefault(limit, "30s")
        self.process = subprocess.Popen([DELIVER] + ["%s=%s" % s for s in settings.items()],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.file = tempfile.NamedTemporaryFile()
        self.host_down = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        try:
            status = self.process.wait(20 * thurn_module.SLOW)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.file.close()
        assert status == 0

    def sleep(self, seconds):
        print("sleep\t%d" % (seconds * 1000), file=self.process.stdin, flush=True)

    def deliver(self, destination, to=("a@example.test",), message=b"Subject: x\r\n\r\nbody\r\n",
                sender="me@client.test", flags="-"):
        """The outcomes, in the order of the recipients."""
        path = pathlib.Path(self.file.name)
        path.write_bytes(message)
        print("job", destination, sender, flags, path, *to, sep="\t", file=self.process.stdin, flush=True)
        got = []
        while True:
            line = self.process.stdout.readline().rstrip("\n")
            assert line, "the agent has died"
            if line.startswith("done"):
                self.host_down = "host_down" in line
                assert len(got) == len(to)
                return got
            got.append(Outcome(line))

    def one(self, destination, **more):
        (outcome,) = self.deliver(destination, **more)
        return outcome


def to(server):
    """A destination that is this server."""
    return "[127.0.0.1]:%d" % server.port
