"""Protocols by hand, where the standard library is too slow or too kind: SMTP with PIPELINING, IMAP as trees, POP3."""
import re
import ssl
import socket

import thurn as t


class Stream:
    def __init__(self, port, context=None):
        self.sock = socket.create_connection(("127.0.0.1", port), 60 * t.SLOW)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb", 1 << 18)

    def send(self, data):
        self.sock.sendall(data)

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection ended")
        return line[:-2]

    def close(self):
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.file.close()
            self.sock.close()
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Smtp(Stream):
    """message() sends a whole transaction in two writes, and returns the reply to the final dot, or the first refusal when there
    was none; refused has the refusals of single recipients."""

    def __init__(self, port, verb="EHLO"):
        super().__init__(port)
        self.expect(b"220")
        self.send(b"%s client.test\r\n" % verb.encode())
        self.expect(b"250")

    def reply(self):
        while True:
            line = self.line()
            if line[3:4] == b" ":
                return line.decode()

    def expect(self, code):
        reply = self.reply()
        if reply.startswith(("421 4.3.2", "421 4.7.0 Too many errors")):  # refused for now too often
            raise ConnectionError(reply)
        assert reply.startswith(code.decode()), reply
        return reply

    def message(self, sender, to, data):
        """data: with CRLF line ends."""
        to = [to] if isinstance(to, str) else to
        self.send(("MAIL FROM:<%s>\r\n" % sender + "".join("RCPT TO:<%s>\r\n" % r for r in to) + "DATA\r\n").encode())
        self.refused = [r for r in [self.reply() for _ in range(1 + len(to))] if not r.startswith("250")]
        go = self.reply()
        if not go.startswith("354"):
            self.send(b"RSET\r\n")
            self.expect(b"250")
            return self.refused[0] if self.refused else go
        if not data.endswith(b"\r\n"):
            data += b"\r\n"
        data = data.replace(b"\n.", b"\n..")  # wherever a server might see the start of a line
        if data.startswith(b"."):
            data = b"." + data
        self.send(data + b".\r\n")
        return self.reply()

    def quit(self):
        self.send(b"QUIT\r\n")
        self.expect(b"221")
        self.close()


class Imap(Stream):
    """command() returns the untagged replies, literals in their place, as bytes, and wants OK."""

    LITERAL = re.compile(rb"\{(\d+)\}\Z")

    def __init__(self, thurn, user=None):
        super().__init__(thurn.ports["imaps"], thurn.tls())
        self.count = 0
        assert self.line().startswith(b"* OK")
        if user:
            self.command('LOGIN "%s" "%s"' % (t.address(user), thurn.password(user)))

    def reply(self):
        """One line with its literals."""
        parts = []
        while True:
            line = self.line()
            parts.append(line)
            m = self.LITERAL.search(line)
            if not m:
                return b"".join(parts)
            parts.append(b"\r\n" + self.file.read(int(m.group(1))))

    def command(self, text, want="OK"):
        self.count += 1
        tag = b"a%d" % self.count
        self.send(tag + b" " + (text.encode() if isinstance(text, str) else text) + b"\r\n")
        untagged = []
        while True:
            line = self.reply()
            if line.startswith(tag + b" "):
                assert line[len(tag) + 1:].decode().startswith(want), line
                return untagged
            untagged.append(line)

    def fetch(self, what, which="1:*"):
        """{UID: {item: tree}}"""
        found = {}
        for line in self.command("UID FETCH %s (%s)" % (which, what)):
            m = re.match(rb"\* \d+ FETCH ", line)
            if m:
                tree, _ = parse_list(line, m.end())
                items = {tree[i].decode().upper(): tree[i + 1] for i in range(0, len(tree), 2)}
                found[int(items["UID"])] = items
        return found


ATOM = re.compile(rb"[A-Za-z0-9\\$*.\-_]+(?:\[[^]]*\](?:<\d+>)?)?")
QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
NUMBER = re.compile(rb"\{(\d+)\}\r\n")


class Text(bytes):
    """A string, as opposed to an atom."""


def parse_list(text, at):
    """The list that begins at `at` and where it ends. NIL is None."""
    assert text[at:at + 1] == b"(", text[at:at + 60]
    items, at = [], at + 1
    while True:
        c = text[at:at + 1]
        if c == b")":
            return items, at + 1
        if c == b" ":
            at += 1
        elif c == b"(":
            item, at = parse_list(text, at)
            items.append(item)
        elif c == b'"':
            m = QUOTED.match(text, at)
            assert m, text[at:at + 60]
            items.append(Text(re.sub(rb"\\(.)", rb"\1", m.group(1))))
            at = m.end()
        elif c == b"{":
            m = NUMBER.match(text, at)
            at = m.end() + int(m.group(1))
            items.append(Text(text[m.end():at]))
        else:
            m = ATOM.match(text, at)
            assert m, text[at:at + 60]
            items.append(None if m.group() == b"NIL" else m.group())
            at = m.end()


class Pop3(Stream):
    def __init__(self, thurn, user):
        super().__init__(thurn.ports["pop3s"], thurn.tls())
        self.ok()
        self.command("USER " + t.address(user))
        self.command("PASS " + thurn.password(user))

    def ok(self):
        line = self.line()
        assert line.startswith(b"+OK"), line
        return line

    def command(self, text):
        self.send(text.encode() + b"\r\n")
        return self.ok()

    def lines(self):
        """A multi-line reply's text, dots taken off."""
        self.ok()
        out = []
        while True:
            line = self.file.readline()
            if line == b".\r\n":
                return b"".join(out)
            assert line.endswith(b"\n"), "the connection ended"
            out.append(line[1:] if line.startswith(b".") else line)
