"""A host that mail is relayed to: says what a test wants, remembers what it took."""
import socket
import threading


class Sink:
    """answer(command, line) gives the reply to MAIL, RCPT, DATA or END (of data), or None for the usual one."""

    def __init__(self, answer=None):
        self.answer = answer or (lambda command, line: None)
        self.messages = []  # (sender, [recipients], bytes)
        self.commands = []
        self.lock = threading.Lock()
        self.place = socket.socket()  # keeps the port ours while nobody listens
        self.place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.place.bind(("127.0.0.1", 0))
        self.port = self.place.getsockname()[1]
        self.open_again()

    def open_again(self):
        self.socket = socket.create_server(("127.0.0.1", self.port), backlog=100)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def subjects(self):
        with self.lock:
            return [line[9:].decode() for _, _, m in self.messages
                    for line in m.split(b"\r\n\r\n")[0].split(b"\r\n") if line.startswith(b"Subject: ")]

    def accept(self):
        listener = self.socket
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def reply(self, f, command, line, usual):
        with self.lock:
            self.commands.append(line)
        text = self.answer(command, line) or usual
        f.write(text.encode() + b"\r\n")
        f.flush()
        return text[0] in "23"

    def serve(self, connection):
        try:
            with connection, connection.makefile("rwb") as f:
                self.dialogue(f)
        except OSError:
            pass

    def dialogue(self, f):
        sender, recipients = None, []
        f.write(b"220 sink.test ESMTP\r\n")
        f.flush()
        for raw in f:
            line = raw.decode("utf-8", "replace").strip()
            verb = line.split(" ")[0].upper()
            if verb in ("EHLO", "HELO"):
                f.write(b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n" if verb == "EHLO" else b"250 sink.test\r\n")
                f.flush()
            elif verb == "MAIL":
                sender, recipients = line[line.index("<") + 1:line.index(">")], []
                self.reply(f, "MAIL", line, "250 2.1.0 ok")
            elif verb == "RCPT":
                if self.reply(f, "RCPT", line, "250 2.1.5 ok"):
                    recipients.append(line[line.index("<") + 1:line.index(">")])
            elif verb == "DATA":
                if not recipients:
                    f.write(b"503 5.5.1 no recipients\r\n")
                    f.flush()
                elif self.reply(f, "DATA", line, "354 go ahead"):
                    self.data(f, sender, recipients)
            elif verb == "RSET":
                f.write(b"250 2.0.0 ok\r\n")
                f.flush()
            elif verb == "QUIT":
                f.write(b"221 2.0.0 bye\r\n")
                f.flush()
                return
            else:
                f.write(b"502 5.5.1 what?\r\n")
                f.flush()

    def data(self, f, sender, recipients):
        lines = []
        for line in f:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        else:
            return
        text = self.answer("END", b"".join(lines)) or "250 2.0.0 taken"
        if text[0] == "2":
            with self.lock:
                self.messages.append((sender, list(recipients), b"".join(lines)))
        f.write(text.encode() + b"\r\n")
        f.flush()
