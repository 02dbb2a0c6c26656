"""Clients that cost little: one process each, so that two of them can be busy at a time."""
import re
import socket
import ssl

LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


class Line:
    def __init__(self, port, tls=False):
        self.sock = socket.create_connection(("127.0.0.1", port), 120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = TLS.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb", 1 << 20)

    def line(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the connection ended")
        return line

    def close(self):
        self.file.close()
        self.sock.close()


class Imap(Line):
    def __init__(self, port, user=None, password=None, tls=False):
        super().__init__(port, tls)
        self.line()
        if user:
            self.command("LOGIN %s %s" % (user, password))

    def command(self, text):
        """How many untagged lines and octets came before OK."""
        self.sock.sendall(b"x " + (text.encode() if isinstance(text, str) else text) + b"\r\n")
        lines = octets = 0
        while True:
            line = self.line()
            if line.startswith(b"x "):
                assert line.startswith(b"x OK"), line
                return lines, octets
            lines += line.startswith(b"* ")
            octets += len(line)
            m = LITERAL.search(line)
            if m:
                self.file.read(int(m.group(1)))
                octets += int(m.group(1))

    def append(self, mailbox, message, many=1):
        literal = b" {%d+}\r\n%s" % (len(message), message)
        if many > 1:  # MULTIAPPEND
            self.command(b"APPEND " + mailbox.encode() + literal * many)
        else:
            self.command(b"APPEND " + mailbox.encode() + literal)


class Pop3(Line):
    def __init__(self, port, user, password):
        super().__init__(port)
        self.line()
        self.command("USER " + user)
        self.command("PASS " + password)

    def command(self, text):
        self.sock.sendall(text.encode() + b"\r\n")
        line = self.line()
        assert line.startswith(b"+OK"), line

    def retr(self, n):
        self.command("RETR %d" % n)
        while self.line() != b".\r\n":
            pass


def message(size, n=0):
    head = (b"From: Some Body <some.body@example.com>\r\nTo: Other <other@example.com>\r\nSubject: message %d of many\r\n"
            b"Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <%d@bench.example.com>\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\n\r\n" % (n, n))
    line = b"This is a line of text of an ordinary length, as they are in mail.\r\n"
    return (head + line * (max(size - len(head), 0) // len(line) + 1))[:size - 2] + b"\r\n"
