"""Doors to attack, and a guard that watches what everybody else gets meanwhile.

	with Guard(thurn, grows=32 << 20):
	    with DOORS["imap"].open(thurn) as c:
	        c.flood(GARBAGE, 100 << 20)

The guard's client comes from an address of its own, and does ordinary work in a loop: a message is accepted, is
delivered, is read by IMAP; POP3 counts. Its slowest answer, its usual one, and by how much the memory of all processes of the instance grew (PSS,
at its worst), are asserted at the end and printed (pytest -s).
"""
import os
import socket
import threading
import time

import wire

import thurn as t

SLOWEST = 10          # seconds that the well-behaved client may wait for one answer; usual are some milliseconds
USUAL = 2             # seconds that it may wait for it on the average
ROUNDS = 5            # that it makes at least
PROBE = "127.0.0.9"   # its address
IP_BIND_ADDRESS_NO_PORT = 24  # else each bind searches among all that are in use


def pss(thurn):
    """Octets that all processes of the instance take, shared ones divided."""
    total = 0
    for pid in thurn.processes():
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:")) << 10
        except (OSError, StopIteration):
            pass  # it has just ended
    return total


class Door:
    """One port: how its protocol greets, says nothing, and refuses."""

    def __init__(self, name, greeting, hello, noop, refusal, tls=False, start=None, user=None):
        self.name, self.greeting, self.hello, self.noop, self.refusal = name, greeting, hello, noop, refusal
        self.tls, self.start, self.user = tls, start, user
        self.port = {"imapd": "imaps", "pop3d": "pop3s"}.get(name, name)

    def __repr__(self):
        return self.name

    def raw(self, thurn, source="127.0.0.1", rcvbuf=None):
        """Connected, and nothing else."""
        s = socket.socket()
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        s.bind((source, 0))
        s.settimeout(30 * t.SLOW)
        s.connect(("127.0.0.1", thurn.ports[self.port]))
        return s

    def open(self, thurn, rcvbuf=None):
        """Greeted (and logged in, where the door is behind the login). A maildrop is one session's: who has just left it without
        a word holds it until the server notices."""
        return t.wait_for(lambda: self.try_to_open(thurn, rcvbuf), 20, "a maildrop that is free")

    def try_to_open(self, thurn, rcvbuf):
        s = self.raw(thurn, rcvbuf=rcvbuf)
        if self.tls:
            s = thurn.tls().wrap_socket(s, server_hostname="localhost")
        c = Attacker(self, s)
        assert c.line().startswith(self.greeting)
        if self.name == "imapd":
            c.send(b'l LOGIN anna@sandbox.test %s\r\n' % thurn.password("anna").encode())
            assert c.line().startswith(b"l OK")
        elif self.name == "pop3d":
            c.send(b"USER bert@sandbox.test\r\nPASS %s\r\n" % thurn.password("bert").encode())
            assert c.line().startswith(b"+OK")
            said = c.line()
            if said.startswith(b"-ERR [IN-USE]"):
                s.close()
                return None
            assert said.startswith(b"+OK"), said
        elif self.hello:
            c.send(self.hello)
            while not c.line().startswith(b"250 "):
                pass
        return c


class Attacker:
    def __init__(self, door, sock):
        self.door, self.sock, self.buffer = door, sock, b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def line(self):
        """Without its end; None when the connection is over: in order, or with what we sent thrown away."""
        while b"\r\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                more = b""
            except OSError as e:  # TLS without its end
                if isinstance(e, TimeoutError):
                    raise
                more = b""
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def rest(self):
        """All lines up to the end."""
        return list(iter(self.line, None))

    def answers(self):
        """True when it still answers a command that does nothing."""
        self.send(self.door.noop)
        want = {b"N": (b"250",), b"z": (b"z OK",), b"C": (b"+OK",)}[self.door.noop[:1]]
        while (line := self.line()) is not None:
            if line.startswith(want):
                return True
        return False

    def flood(self, block, total):
        """Sends block after block while somebody reads what comes back: how many octets were taken, and the lines that were last
        said."""
        said, end = [], threading.Event()

        def drain():
            tail = b""
            while True:
                try:
                    more = self.sock.recv(1 << 18)
                except OSError:
                    more = b""
                if not more:
                    break
                tail = (tail + more)[-4096:]
            said.extend(tail.split(b"\r\n"))
            end.set()

        if not hasattr(self.sock, "context"):  # TLS here can't be read and written at the same time
            reader = threading.Thread(target=drain)
            reader.start()
        sent = 0
        try:
            while sent < total and not end.is_set():
                self.sock.sendall(block)
                sent += len(block)
            if hasattr(self.sock, "context"):
                self.sock.settimeout(0.5)
                drain()
            else:
                self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if not hasattr(self.sock, "context"):
            reader.join(60 * t.SLOW)
            assert not reader.is_alive(), "the connection does not end"
        return sent, said


DOORS = {d.name: d for d in (
    Door("smtp", b"220 ", b"EHLO x.test\r\n", b"NOOP\r\n", b"421 4.7.0", start=b"STARTTLS\r\n"),
    Door("lmtp", b"220 ", b"LHLO x.test\r\n", b"NOOP\r\n", b"421 4.7.0", start=b"STARTTLS\r\n"),
    Door("submission", b"220 ", b"EHLO x.test\r\n", b"NOOP\r\n", b"421 4.7.0", start=b"STARTTLS\r\n"),
    Door("submissions", b"220 ", b"EHLO x.test\r\n", b"NOOP\r\n", b"421 4.7.0", tls=True),
    Door("imap", b"* OK", b"", b"z NOOP\r\n", b"* BYE", start=b"a STARTTLS\r\n"),
    Door("imaps", b"* OK", b"", b"z NOOP\r\n", b"* BYE", tls=True),
    Door("pop3", b"+OK", b"", b"CAPA\r\n", b"-ERR", start=b"STLS\r\n"),
    Door("pop3s", b"+OK", b"", b"CAPA\r\n", b"-ERR", tls=True),
    # Behind the login.
    Door("imapd", b"* OK", b"", b"z NOOP\r\n", b"* BYE", tls=True, user="anna"),
    Door("pop3d", b"+OK", b"", b"CAPA\r\n", b"-ERR", tls=True, user="bert"),
)}
BEFORE_LOGIN = [d for d in DOORS.values() if not d.user]
ALL = list(DOORS.values())


class Guard:
    """See above. grows: octets by which the instance may; by: the door where the probe hands its messages in."""

    def __init__(self, thurn, grows, by="smtp"):
        self.thurn, self.grows, self.by = thurn, grows, by
        self.slowest, self.spent, self.rounds, self.error = {}, {}, 0, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        if "probe@sandbox.test" not in thurn.passwords:
            thurn.add_user("probe")

    def __enter__(self):
        self.round()  # an ordinary one, before: caches are filled and workers are there
        self.slowest, self.spent, self.rounds = {}, {}, 0
        self.before = self.peak = pss(self.thurn)
        self.thread.start()
        return self

    def __exit__(self, kind, *exc):
        try:
            if not kind:  # an average of one is none
                t.wait_for(lambda: self.rounds > ROUNDS or not self.thread.is_alive(), ROUNDS * SLOWEST, "rounds of the probe")
        finally:
            self.over.set()
            self.thread.join()
        if kind:
            return
        if self.error:
            raise self.error
        grown = self.peak - self.before
        print("\n%s: %d rounds, slowest %s, memory %.1f + %.1f MiB" % (
            os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0].split("/")[-1], self.rounds,
            " ".join("%s=%.3fs" % item for item in sorted(self.slowest.items())), self.before / 2**20, grown / 2**20))
        assert self.rounds, "the well-behaved client got nothing done"
        assert max(self.slowest.values()) < SLOWEST * t.SLOW, self.slowest
        assert max(self.spent.values()) < USUAL * t.SLOW * self.rounds, (self.spent, self.rounds)
        assert t.SAN or grown < self.grows, "grown by %d octets" % grown

    def run(self):
        try:
            while not self.over.is_set():
                self.round()
                self.peak = max(self.peak, pss(self.thurn))
        except BaseException as e:  # told by __exit__
            self.error = e

    def timed(self, what, call):
        start = time.monotonic()
        value = call()
        took = time.monotonic() - start
        self.slowest[what] = max(self.slowest.get(what, 0), took)
        self.spent[what] = self.spent.get(what, 0) + took
        return value

    def connect(self, door):
        s = DOORS[door].raw(self.thurn, source=PROBE)
        s = self.thurn.tls().wrap_socket(s, server_hostname="localhost") if DOORS[door].tls else s
        return Attacker(DOORS[door], s)

    def round(self):
        self.rounds += 1
        self.timed("accept", self.send_message)
        with self.timed("login", self.log_in) as c:
            self.timed("deliver", lambda: self.wait_for_message(c))
            self.timed("fetch", lambda: self.fetch(c))
        self.timed("pop3", self.count_messages)

    def send_message(self):
        with self.connect(self.by) as c:
            assert c.line().startswith(b"220 ")
            c.send(c.door.hello + b"MAIL FROM:<probe@elsewhere.test>\r\nRCPT TO:<probe@sandbox.test>\r\nDATA\r\n")
            while not (line := c.line()).startswith(b"354"):
                assert line[:1] == b"2", line
            c.send(b"Subject: probe\r\n\r\nHello.\r\n.\r\nQUIT\r\n")
            assert (line := c.line()).startswith(b"250 2.0.0"), line
            assert c.line().startswith(b"221")

    def command(self, c, text):
        c.send(b"p " + text + b"\r\n")
        said = []
        while not (line := c.line()).startswith(b"p "):
            said.append(line)
        assert line.startswith(b"p OK"), line
        return said

    def log_in(self):
        c = self.connect("imaps")
        assert c.line().startswith(b"* OK")
        self.command(c, b"LOGIN probe@sandbox.test " + self.thurn.password("probe").encode())
        return c

    def wait_for_message(self, c):
        said = self.command(c, b"SELECT INBOX")
        while not any(line.endswith(b" EXISTS") and not line.startswith(b"* 0 ") for line in said):
            time.sleep(0.002)
            said = self.command(c, b"NOOP")

    def fetch(self, c):
        said = self.command(c, b"FETCH 1 (FLAGS ENVELOPE BODY[])")
        assert b"Hello." in said
        self.command(c, b"STORE 1:* +FLAGS.SILENT (\\Deleted)")
        self.command(c, b"EXPUNGE")
        self.command(c, b"LOGOUT")

    def count_messages(self):
        with self.connect("pop3s") as c:
            for command in (None, b"USER probe@sandbox.test", b"PASS " + self.thurn.password("probe").encode(), b"STAT",
                            b"QUIT"):
                if command:
                    c.send(command + b"\r\n")
                assert (line := c.line()).startswith(b"+OK"), line
