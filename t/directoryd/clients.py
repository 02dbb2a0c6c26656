"""Clients spelled out, byte by byte: IMAP, POP3 and submission before and after login, all with the same face.

	with Imap(thurn) as c:              # or Imap(thurn, tls="wrap"), Imap(thurn, tls="start")
	    ok, reply = c.login("PLAIN", "anna@sandbox.test", "secret")
"""
import base64
import hashlib
import hmac
import re
import socket
import ssl
import subprocess
import sys

import thurn as thurn_module

sys.path.insert(0, str(thurn_module.ROOT / "t/smtpd"))
import sasl  # noqa: E402

MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1")
DIGEST = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1", "SCRAM-SHA-256-PLUS": "sha256",
          "SCRAM-SHA-1-PLUS": "sha1"}


def slow_hash(password, rounds):
    """A crypt(3) hash that takes its time."""
    setting = "$6$rounds=%d$saltsaltsalt$" % rounds
    return subprocess.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, setting],
                          capture_output=True, text=True, check=True).stdout


class BoundScram(sasl.Scram):
    """SCRAM with a GS2 header of choice: "p=tls-unique,,", "y,,"."""

    def __init__(self, algorithm, user, password, header, binding=b""):
        super().__init__(algorithm, user, password)
        self.header, self.binding = header, binding

    def first(self):
        return sasl.b64((self.header + base64.b64decode(super().first()).decode()[3:]).encode())

    def final(self, challenge):
        server = base64.b64decode(challenge).decode()
        values = dict(part.split("=", 1) for part in server.split(","))
        salted = hashlib.pbkdf2_hmac(self.algorithm, self.password.encode(),
                                     base64.b64decode(values["s"]), int(values["i"]))
        without = "c=%s,r=%s" % (sasl.b64(self.header.encode() + self.binding), values["r"])
        auth = ",".join([self.bare, server, without]).encode()
        key = hmac.digest(salted, b"Client Key", self.algorithm)
        sign = hmac.digest(hashlib.new(self.algorithm, key).digest(), auth, self.algorithm)
        server_key = hmac.digest(salted, b"Server Key", self.algorithm)
        self.signature = hmac.digest(server_key, auth, self.algorithm)
        return sasl.b64((without + ",p=" + sasl.b64(bytes(a ^ b for a, b in zip(key, sign)))).encode())


class Client:
    plain_port = wrapped_port = None  # names in thurn.ports
    cancelled = malformed = "?"       # replies

    def __init__(self, thurn, tls="", source="", context=None, timeout=30):
        self.thurn = thurn
        self.context = context or thurn.tls()
        self.buffer = b""
        port = thurn.ports[self.wrapped_port if tls == "wrap" else self.plain_port]
        self.sock = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
        self.sock.settimeout(timeout * thurn_module.SLOW)
        if tls == "wrap":
            self.wrap()
        self.greeting = self.greet()
        if tls == "start":
            self.start_tls()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.leave()
        self.sock.close()

    def leave(self):
        """What there is to do before the end."""

    def wrap(self):
        self.sock = self.context.wrap_socket(self.sock, server_hostname="localhost")

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        """A line without CRLF, as text; None at the end of the stream."""
        while b"\r\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                more = b""
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def octets(self, n):
        while len(self.buffer) < n:
            more = self.sock.recv(65536)
            assert more
            self.buffer += more
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def greet(self):
        return self.line()

    # --- what differs: auth_line, reply (of a login), is_challenge, ok ---

    def login(self, mechanism, user, password, initial=True, header=None, binding=b""):
        """(right, reply)"""
        steps = self.steps(mechanism, user, password, header, binding)
        first = next(steps)
        self.send(self.auth_line(mechanism, first if initial and first is not None else None))
        pending = None if initial else first
        while True:
            got = self.reply()
            if not self.is_challenge(got):
                return self.ok(got), got
            if pending is not None:
                text, pending = pending, None
            else:
                text = steps.send(self.challenge(got))
            self.send(text + "\r\n")

    @staticmethod
    def steps(mechanism, user, password, header, binding):
        if mechanism == "PLAIN":
            yield sasl.plain(user, password)
        elif mechanism == "LOGIN":
            yield None
            yield sasl.b64(user.encode())
            yield sasl.b64(password.encode())
        else:
            x = BoundScram(DIGEST[mechanism], user, password, header or "n,,", binding)
            challenge = yield x.first()
            last = yield x.final(challenge)
            x.check(last)
            yield ""
        raise AssertionError("one more challenge")


class Imap(Client):
    plain_port, wrapped_port = "imap", "imaps"
    cancelled, malformed = "a BAD Authentication cancelled", "a BAD The answer is not base64"
    commands = 0

    def start_tls(self):
        self.send("s STARTTLS\r\n")
        assert self.line().startswith("s OK")
        self.wrap()

    def auth_line(self, mechanism, initial):
        return "a AUTHENTICATE %s%s\r\n" % (mechanism, " " + initial if initial else "")

    def password_line(self, user, password):
        return 'a LOGIN "%s" "%s"\r\n' % (user, password)

    def by_password(self, user, password):
        self.send(self.password_line(user, password))
        got = self.reply()
        return self.ok(got), got

    def reply(self):
        """The tagged line, or a challenge; what comes before is dropped."""
        while True:
            line = self.line()
            if line is None or line.startswith(("a ", "+", "* BYE")):
                return line

    @staticmethod
    def is_challenge(line):
        return line is not None and line.startswith("+ ")

    @staticmethod
    def challenge(line):
        return line[2:]

    @staticmethod
    def ok(line):
        return line is not None and line.startswith("a OK")

    def command(self, text):
        """Untagged lines and the tagged one."""
        self.commands += 1
        tag = "c%d" % self.commands
        self.send("%s %s\r\n" % (tag, text))
        lines = []
        while True:
            line = self.line()
            lines.append(line)
            if line is None or line.startswith(tag + " "):
                return lines

    def mechanisms(self):
        line = next(x for x in self.command("CAPABILITY") if x.startswith("* CAPABILITY"))
        return {w[5:] for w in line.split() if w.startswith("AUTH=")}

    def logout(self):
        self.command("LOGOUT")


class Pop(Client):
    plain_port, wrapped_port = "pop3", "pop3s"
    cancelled, malformed = "-ERR Authentication cancelled", "-ERR The answer is not base64"

    def start_tls(self):
        self("STLS", "+OK")
        self.wrap()

    def auth_line(self, mechanism, initial):
        return "AUTH %s%s\r\n" % (mechanism, " " + initial if initial else "")

    def by_password(self, user, password):
        self("USER " + user, "+OK")
        self.send("PASS %s\r\n" % password)
        got = self.reply()
        return self.ok(got), got

    def reply(self):
        return self.line()

    @staticmethod
    def is_challenge(line):
        return line is not None and line.startswith("+ ")

    @staticmethod
    def challenge(line):
        return line[2:]

    inside = False

    def ok(self, line):
        """Of a login."""
        self.inside = line is not None and line.startswith("+OK")
        return self.inside

    def __call__(self, command, want=None):
        self.send(command + "\r\n")
        line = self.line()
        if want is not None:
            assert line is not None and line.startswith(want), (command, line)
        return line

    def leave(self):
        """A maildrop is one session's: who comes next finds it free when the server has closed."""
        if self.inside:
            try:
                self.sock.shutdown(socket.SHUT_WR)
                for _ in range(100):  # there may be much that nobody wanted to read
                    if not self.sock.recv(1 << 16):
                        break
            except OSError:
                pass

    def many(self):
        """Lines of a multi-line reply, still stuffed, up to its dot."""
        lines = []
        while True:
            line = self.line()
            assert line is not None
            if line == ".":
                return lines
            lines.append(line)

    def list(self, command):
        self(command, "+OK")
        return self.many()

    def message(self, command):
        """The bytes of a RETR or TOP, stuffed as they came, without the final dot."""
        self(command, "+OK")
        while b"\r\n.\r\n" not in b"\r\n" + self.buffer:
            more = self.sock.recv(1 << 20)
            assert more, "the connection ended in a message"
            self.buffer += more
        at = (b"\r\n" + self.buffer).index(b"\r\n.\r\n")
        data, self.buffer = self.buffer[:at], self.buffer[at + 3:]
        return data

    def mechanisms(self):
        return {w for line in self.list("CAPA") if line.startswith("SASL ") for w in line.split()[1:]}

    def logout(self):
        self("QUIT", "+OK")


class Submission(Client):
    plain_port, wrapped_port = "submission", "submissions"

    def greet(self):
        self.line()
        return self.hello()

    def hello(self):
        self.send("EHLO client.test\r\n")
        return self.reply()

    def start_tls(self):
        self.send("STARTTLS\r\n")
        assert self.reply().startswith("220")
        self.wrap()
        self.greeting = self.hello()

    def auth_line(self, mechanism, initial):
        return "AUTH %s%s\r\n" % (mechanism, " " + initial if initial else "")

    def reply(self):
        lines = []
        while True:
            line = self.line()
            if line is None:
                return None
            lines.append(line)
            if re.match(r"\d\d\d( |$)", line):
                return "\n".join(lines)

    @staticmethod
    def is_challenge(line):
        return line is not None and line.startswith("334")

    @staticmethod
    def challenge(line):
        return line[4:]

    @staticmethod
    def ok(line):
        return line is not None and line.startswith("235")

    def mechanisms(self):
        return {w for line in self.greeting.split("\n") if line[4:].startswith("AUTH ")
                for w in line[9:].split()}

    def logout(self):
        self.send("QUIT\r\n")
        self.line()
