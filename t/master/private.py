"""An instance of master whose services are all the test daemon (echo.c), under the names of real programs."""
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import thurn as thurn_module
from ports import free_port  # noqa: F401  the tests' own

BIN = thurn_module.BIN
ECHO = BIN.parent / "t/master/echo"
SAN = thurn_module.SAN
SLOW = thurn_module.SLOW
PROGRAMS = ("smtpd", "qmgr", "directoryd", "local")


def wait_for(what, limit=15):
    """Until what() is true; its value."""
    end = time.monotonic() + limit * SLOW
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, "it did not happen within %s s" % (limit * SLOW)
        time.sleep(0.02)


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Reader:
    """The fields of a frame's payload."""

    def __init__(self, data):
        self.data = data

    def take(self, n):
        assert len(self.data) >= n
        head, self.data = self.data[:n], self.data[n:]
        return head

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def bool(self):
        return self.take(1) == b"\1"

    def varint(self):
        v = shift = 0
        while True:
            b = self.take(1)[0]
            v |= (b & 127) << shift
            shift += 7
            if b < 128:
                return v

    def str(self):
        return self.take(self.varint()).decode()

    def list(self, element):
        return [element(self) for _ in range(self.varint())]

    def fields(self, **kinds):
        return {name: kind(self) for name, kind in kinds.items()}


def worker(r):
    return r.fields(slot=Reader.u32, pid=Reader.u32, generation=Reader.u32, state=Reader.str,
                    connections=Reader.u32, served=Reader.u64, uptime_ms=Reader.u64,
                    start_ms=Reader.u32, counters=lambda q: q.list(Reader.u64))


def service(r):
    return r.fields(name=Reader.str, program=Reader.str, ready=Reader.bool, min=Reader.u32,
                    max=Reader.u32, limit=Reader.u32, restarts=Reader.u64, refused=Reader.u64,
                    trouble=Reader.str, workers=lambda q: q.list(worker))


def status_of(payload):
    r = Reader(payload)
    s = r.fields(pid=Reader.u32, generation=Reader.u32, uptime_ms=Reader.u64, state=Reader.str,
                 ready=Reader.bool)
    s["services"] = {x["name"]: x for x in r.list(service)}
    assert not r.data
    return s


class Refused(Exception):
    pass


class Client:
    """A connection to the test daemon."""

    def __init__(self, where, timeout=10):
        unix = isinstance(where, (str, pathlib.Path))
        self.sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.sock.settimeout(timeout * SLOW)
        self.sock.connect(str(where) if unix else ("127.0.0.1", where))
        self.file = self.sock.makefile("rwb")

    def ask(self, line):
        self.file.write(line.encode() + b"\n")
        self.file.flush()
        return self.read()

    def read(self):
        try:
            return self.file.readline().decode().rstrip("\r\n")
        except ConnectionResetError:
            return ""

    def pid(self):
        return int(self.ask("who").split()[1])

    def close(self):
        self.file.close()
        self.sock.close()


class Master:
    def __init__(self, services, settings=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="thurn-master-", dir="/tmp"))
        os.chmod(self.dir, 0o755)
        self.clients, self.notify = [], None
        self.process = None
        self.env = dict(os.environ)
        (self.dir / "etc").mkdir()
        (self.dir / "bin").mkdir()
        for name in PROGRAMS:
            self.put(ECHO, self.dir / "bin" / name)
        shutil.copy(BIN / "master", self.dir / "bin/master")
        self.settings = {"shutdown_timeout": "1s", "restart_first": "50ms", **(settings or {})}
        self.hostname = "first.test"
        self.services = services
        self.write()

    @staticmethod
    def put(program, path):
        try:
            os.link(program, path)
        except OSError:  # another file system, or another mount of this one
            shutil.copy(program, path)

    def write(self):
        lines = ["hostname = " + self.hostname, "root = ..", "queue_dir = queue", "store_dir = store",
                 "run_dir = run", "directory_dir = directory", "program_dir = bin", "log = log",
                 "log_level = debug", "privilege = numeric", "[master]"]
        lines += ["%s = %s" % kv for kv in self.settings.items()]
        (self.dir / "etc/thurn.conf").write_text("\n".join(lines) + "\n")
        lines = []
        for name, rows in self.services.items():
            lines += ["[%s]" % name] + ["%s = %s" % kv for kv in rows.items()]
        (self.dir / "etc/services.conf").write_text("\n".join(lines) + "\n")

    def run(self, *options):
        return subprocess.run([self.dir / "bin/master", "-C", self.dir / "etc", *options],
                              capture_output=True, text=True, timeout=30, env=self.env)

    def start(self, ready=True):
        self.process = subprocess.Popen([self.dir / "bin/master", "-C", self.dir / "etc"],
                                        env=self.env, stdin=subprocess.DEVNULL, close_fds=False,
                                        stderr=subprocess.PIPE, start_new_session=True)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("master ended: " + self.process.stderr.read().decode())
            try:
                return self.status()["ready"]
            except OSError:
                return False
        wait_for(ready, 10)

    def call(self, number, payload=b""):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10 * SLOW)
            s.connect(str(self.dir / "run/master"))
            s.sendall(struct.pack("<IHHI", 8 + len(payload), 0x100 + number, 0, 1) + payload)
            f = s.makefile("rb")
            length, kind, _, _ = struct.unpack("<IHHI", f.read(12))
            body = f.read(length - 8)
        if kind == 0xffff:
            raise Refused(Reader(body).str())
        return body

    def status(self):
        return status_of(self.call(11))

    def answers(self):
        """While it starts there may be nobody behind its socket yet."""
        try:
            return bool(self.status())
        except OSError:
            return False

    def service(self, name):
        return self.status()["services"][name]

    def workers(self, name, state="ready"):
        return [w for w in self.service(name)["workers"] if w["state"] == state]

    def pids(self):
        return [w["pid"] for s in self.status()["services"].values() for w in s["workers"]]

    def reload(self):
        self.call(13)

    def client(self, where, **kwargs):
        c = Client(where, **kwargs)
        self.clients.append(c)
        return c

    def unix(self, name):
        return self.dir / "run" / name

    def log(self):
        try:
            return (self.dir / "log").read_text()
        except FileNotFoundError:
            return ""

    def signal(self, signo):
        self.process.send_signal(signo)

    def close(self):
        """What is left is stopped; complains about what the sanitizers or a panic wrote."""
        for c in self.clients:
            c.close()
        pids = []
        if self.process and self.process.poll() is None:
            try:
                pids = self.pids()
            except OSError:
                pass
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(15 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        log = self.log()
        left = [pid for pid in pids if is_alive(pid)]
        errors = self.process.stderr.read().decode(errors="replace") if self.process else ""
        if self.process:
            self.process.stderr.close()
        shutil.rmtree(self.dir)
        for text in (log, errors):
            assert not thurn_module.BAD_LINES.search(text), text
        assert not left, left
