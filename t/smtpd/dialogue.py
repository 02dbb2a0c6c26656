"""Raw SMTP dialogues: what is sent is sent as it stands, what comes back is compared as it stands."""
import re
import socket
import ssl
import time

import thurn as thurn_module

QUIET = 0.4  # seconds without a word count as silence


class Dialogue:
    """with Dialogue(port) as d: d("EHLO x", 250); d("QUIT", "221 2.0.0 Bye")"""

    def __init__(self, port, greeting=220, path=None, source=""):
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(path))
        else:
            self.sock = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
        self.sock.settimeout(20 * thurn_module.SLOW)
        self.buffer = b""
        if greeting:
            self.expect(greeting)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        """One line without CRLF; None at the end of the stream."""
        while b"\r\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError):  # a session that is ended from outside sends an alert
                return None
            if not more:
                assert not self.buffer, "torn line %r" % self.buffer
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def reply(self):
        """One reply: its lines joined by newlines; None at the end."""
        lines = []
        while True:
            line = self.line()
            if line is None:
                assert not lines
                return None
            lines.append(line)
            assert re.match(r"[2-5]\d\d[ -]", line), "no reply: %r" % line
            if line[3] == " ":
                return "\n".join(lines)

    def expect(self, want):
        """A code, the start of a reply, or None for the end."""
        got = self.reply()
        if want is None:
            assert got is None, "wanted the end, got %r" % got
        else:
            assert got is not None and got.startswith(str(want)), "wanted %s, got %r" % (want, got)
        return got

    def __call__(self, command, want):
        self.send(command + "\r\n" if isinstance(command, str) else command + b"\r\n")
        return self.expect(want)

    def all(self, rows):
        for command, want in rows:
            self(command, want)

    def is_silent(self):
        self.sock.settimeout(QUIET)
        try:
            return not self.buffer and not self.sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(20 * thurn_module.SLOW)

    def hello(self, verb="EHLO"):
        return self(verb + " client.test", 250)

    def message(self, to="anna@sandbox.test", text=b"Subject: x\r\n\r\ny\r\n", want=250,
                sender="sender@elsewhere.test"):
        """A whole transaction; the text gets its final dot."""
        self("MAIL FROM:<%s>" % sender, 250)
        self("RCPT TO:<%s>" % to, 250)
        self("DATA", 354)
        self.send(text + b".\r\n")
        return self.expect(want)

    def start_tls(self, context, hostname="localhost"):
        self("STARTTLS", 220)
        self.sock = context.wrap_socket(self.sock, server_hostname=hostname)


def accepted(thurn, timeout=5):
    """Log lines of messages that were accepted, so far."""
    time.sleep(0.05)
    return [line for line in thurn.log().splitlines() if " accepted from=" in line]
