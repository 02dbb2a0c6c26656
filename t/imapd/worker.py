"""One imapd without the rest: a folder of its own, started alone, with a directory that believes every ticket
(the ticket is the account), and the login program's part played by the test."""
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading

from thurn import BAD_LINES, BIN, SLOW, wait_for

DIRECTORY, LOGIN = 0x0200, 0x0501
READY, YOURS = struct.pack("<IHHI", 8, 0x0502, 0, 0), struct.pack("<IHHI", 8, 0x0503, 0, 0)
REDEEM_REPLY = DIRECTORY + 10


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def blob(b):
    b = b.encode() if isinstance(b, str) else b
    return varint(len(b)) + b


def frame(kind, call, payload):
    return struct.pack("<IHHI", len(payload) + 8, kind, 0, call) + payload


class Directory(threading.Thread):
    """unix:directory-auth, as far as imapd asks it."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.quota = (0, 0)
        self.refuse = False
        self.asked = 0
        self.hold = threading.Event()  # cleared: no answer yet
        self.hold.set()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()

    def run(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn, conn.makefile("rb") as f:
            while head := f.read(12):
                length, _, _, call = struct.unpack("<IHHI", head)
                payload = f.read(length - 8)
                ticket = payload[1:1 + payload[0]].decode()
                self.asked += 1
                self.hold.wait()
                reply = struct.pack("<?", not self.refuse) + blob(ticket + "@sandbox.test") + blob(ticket)
                conn.sendall(frame(REDEEM_REPLY, call, reply + struct.pack("<QQ", *self.quota)))


class Client:
    """The client's end of a session: lines out, replies in."""

    def __init__(self, sock, tag):
        self.sock = sock
        self.sock.settimeout(20 * SLOW)
        self.file = sock.makefile("rb")
        self.n = 0
        self.greeting = self.line()
        self.tag = tag

    def line(self):
        """One reply, with its literals."""
        line = self.file.readline()
        while m := re.search(rb"\{(\d+)\}\r\n$", line):
            line += self.file.read(int(m[1])) + self.file.readline()
        return line

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def until(self, tag):
        """Untagged lines up to the tagged one: (lines, tagged), without line ends."""
        tag = tag.encode()
        lines = []
        while True:
            line = self.line()
            assert line, "the server closed: %r" % lines
            if line.startswith(tag + b" "):
                return lines, line[len(tag) + 1:].rstrip().decode()
            lines.append(line[:-2])

    def cmd(self, command):
        """(untagged lines as bytes, tagged reply)."""
        self.n += 1
        tag = "t%d" % self.n
        self.send(tag.encode() + b" " + (command if isinstance(command, bytes) else command.encode())
                  + b"\r\n")
        return self.until(tag)

    def ok(self, command):
        lines, reply = self.cmd(command)
        assert reply.startswith("OK"), reply
        return lines

    def no(self, command, code=None):
        lines, reply = self.cmd(command)
        assert reply.startswith("NO" if code is None else "NO [%s" % code), reply
        return lines

    def bad(self, command):
        lines, reply = self.cmd(command)
        assert reply.startswith("BAD"), reply
        return lines

    def append(self, mailbox, message, args=""):
        """Tagged reply of an APPEND with a literal that waits for no leave."""
        message = message if isinstance(message, bytes) else message.encode()
        return self.cmd(b"APPEND %s %s{%d+}\r\n%s" % (mailbox.encode(), args.encode() + (b" " if args else b""),
                                                     len(message), message))[1]

    def fill(self, mailbox, n, args=""):
        for i in range(n):
            reply = self.append(mailbox, "Subject: message %d\r\n\r\nbody %d\r\n" % (i + 1, i + 1), args)
            assert reply.startswith("OK"), reply

    def close(self):
        self.file.close()
        self.sock.close()


class Worker:
    def __init__(self, conf="", store="store"):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="thurn-imapd-", dir="/tmp"))
        for name in ("etc", "run", "store"):
            (self.dir / name).mkdir()
        (self.dir / "etc/thurn.conf").write_text(
            "hostname = mail.sandbox.test\nroot = ..\nrun_dir = run\nstore_dir = %s\nlog = %s/log\n"
            "privilege = none\ntls_cert =\ntls_key =\n[imapd]\n%s\n" % (store, self.dir, conf))
        (self.dir / "etc/services.conf").write_text("[imapd]\nlisten = unix:imapd\nconnections = 5000\n")
        self.directory = Directory(self.dir / "run/directory-auth")
        self.directory.start()
        self.process = None
        self.start()

    def start(self):
        before = self.log().count("ready service")
        self.process = subprocess.Popen([BIN / "imapd", "-C", self.dir / "etc", "-S", "imapd", "--alone"])
        wait_for(lambda: self.log().count("ready service") > before or self.process.poll() is not None, 10, "imapd")
        assert self.process.poll() is None, self.log()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(20 * SLOW)

    def close(self):
        self.stop()
        self.directory.socket.close()
        bad = [line for line in self.log().splitlines() if BAD_LINES.search(line)]
        if bad:
            print(self.log()[-10000:])
        if "KEEP" not in os.environ:
            shutil.rmtree(self.dir, ignore_errors=True)
        assert not bad, bad[0]

    def log(self):
        try:
            return (self.dir / "log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def memory(self):
        """Private memory of the process in octets."""
        text = pathlib.Path("/proc/%d/smaps_rollup" % self.process.pid).read_text()
        return sum(int(v) for v in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M)) * 1024

    def peak(self):
        """The most memory that the process ever had, in octets."""
        text = pathlib.Path("/proc/%d/status" % self.process.pid).read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", text, re.M)[1]) * 1024

    def offer(self, account, tag="", input=b"", tls=False):
        """The login program's socket, before the worker is ready."""
        payload = (blob(account) + blob(tag) + blob("192.0.2.1") + blob("Stest") +
                   struct.pack("<?", tls) + blob("imap") + blob(input))
        handoff = socket.socket(socket.AF_UNIX)
        handoff.settimeout(20 * SLOW)
        handoff.connect(str(self.dir / "run/imapd"))
        handoff.sendall(frame(LOGIN, 0, payload))
        return handoff

    @staticmethod
    def give(handoff, proxied=False):
        """The client's socket."""
        if proxied:
            handoff.sendall(YOURS)
            return handoff
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs, _ = server.accept()
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with handoff, theirs:
            socket.send_fds(handoff, [YOURS], [theirs.fileno()])
        return ours

    def hand_over(self, account, tag="", proxied=False, **more):
        """The socket of a client whose session was handed over."""
        handoff = self.offer(account, tag, **more)
        assert handoff.recv(len(READY), socket.MSG_WAITALL) == READY
        return self.give(handoff, proxied)

    def client(self, account="anna", tag="", **more):
        return Client(self.hand_over(account, tag, **more), tag)

    def selected(self, account="anna", mailbox="INBOX", **more):
        c = self.client(account, **more)
        c.ok("SELECT " + mailbox)
        return c
