"""A session on its way to its worker, and every moment at which worker or login program may stop, hang or die: the client
gets its session, a refusal or the end of its connection, and soon."""
import contextlib
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest
import thurn as t
from calls import Door, blob
from clients import Imap, Pop

READY, YOURS = struct.pack("<IHHI", 8, 0x0502, 0, 0), struct.pack("<IHHI", 8, 0x0503, 0, 0)
LIMIT, SHORT_LIMIT = 15, 3 * t.SLOW  # hand_over_timeout
DOORS = {"imap": (Imap, ""), "imaps": (Imap, "wrap"), "pop3": (Pop, ""), "pop3s": (Pop, "wrap")}
REFUSED = {Imap: "a NO [UNAVAILABLE] ", Pop: "-ERR [SYS/TEMP] "}
WORKER = {Imap: "imapd", Pop: "pop3d"}
IN = {Imap: "a OK", Pop: "+OK"}
AT_EVERY_DOOR = pytest.mark.parametrize("door", DOORS)


class Front:
    """The four doors, each a login program that stands alone, with the directory of an instance and no workers."""

    def __init__(self, thurn, limit=LIMIT):
        self.thurn, self.tls, self.password = thurn, thurn.tls, thurn.password
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="thurn-front-", dir="/tmp"))
        for name in ("etc", "run"):
            (self.dir / name).mkdir()
        (self.dir / "run/directory-auth").symlink_to(thurn.dir / "run/directory-auth")
        self.base = t.PortBase()
        self.ports = {name: self.base.base + n for name, n in (("imap", 143), ("imaps", 993), ("pop3", 110), ("pop3s", 995))}
        (self.dir / "etc/thurn.conf").write_text(
            "hostname = mail.sandbox.test\nroot = ..\nrun_dir = run\nlog = %s/log\nprivilege = none\n"
            "tls_cert = %s/etc/cert.pem\ntls_key = %s/etc/key.pem\n" % (self.dir, thurn.dir, thurn.dir) +
            "".join("[%s]\nhand_over_timeout = %d\nplain_without_tls = yes\n" % (p, limit) for p in ("imap_login", "pop3_login")))
        (self.dir / "etc/services.conf").write_text("".join(
            "[%s]\nprogram = %s_login\nlisten = 127.0.0.1:%d\ntls_wrap = %s\n" % (
                name, name.rstrip("s") if name.startswith("pop") else "imap", port, "yes" if DOORS[name][1] else "no")
            for name, port in self.ports.items()))
        self.processes = {}
        for name in DOORS:
            self.start(name)

    def start(self, name):
        def ready():
            assert self.processes[name].poll() is None, (self.dir / "log").read_text()
            return (self.dir / "log").exists() and self.is_open(name)
        self.processes[name] = subprocess.Popen([t.BIN / ("imap_login" if "imap" in name else "pop3_login"), "-C",
                                                 self.dir / "etc", "-S", name, "--alone"])
        t.wait_for(ready, 20, name)

    def is_open(self, name):
        try:
            socket.create_connection(("127.0.0.1", self.ports[name])).close()
            return True
        except OSError:
            return False

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def close(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(20 * t.SLOW)
        log = (self.dir / "log").read_text(errors="replace")
        shutil.rmtree(self.dir)
        self.base.free()
        assert not t.BAD_LINES.search(log), log


class Place:
    """Where sessions go: the test plays the worker, or passes them on to the true one."""

    def __init__(self, front, name):
        self.true = str(front.thurn.dir / "run" / name)
        self.path = front.dir / "run" / name
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20 * t.SLOW)
        self.socket.bind(str(self.path))
        self.socket.listen()

    def close(self):
        self.socket.close()
        self.path.unlink()

    def take(self):
        return Session(self.socket.accept()[0], self.true)


class Session:
    """What a login program sends, held at any moment."""

    def __init__(self, sock, true):
        self.sock, self.true_path = sock, true
        self.true = self.client = None
        self.sock.settimeout(20 * t.SLOW)

    def exact(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            assert more, "it left"
            data += more
        return data

    def handoff(self):
        head = self.exact(4)
        self.frame = head + self.exact(struct.unpack("<I", head)[0])
        return self

    def ready(self):
        self.sock.sendall(READY)
        return self

    def until_there_is_more(self):
        assert select.select([self.sock], [], [], 20 * t.SLOW)[0]
        return self

    def yours(self):
        data, fds, _, _ = socket.recv_fds(self.sock, len(YOURS), 4)
        assert data == YOURS
        self.client = socket.socket(fileno=fds[0]) if fds else None
        return self

    def ask_true(self):
        """The true worker has the session's frame, and is ready."""
        self.true = socket.socket(socket.AF_UNIX)
        self.true.settimeout(20 * t.SLOW)
        self.true.connect(self.true_path)
        self.true.sendall(self.frame)
        assert self.true.recv(len(READY), socket.MSG_WAITALL) == READY
        return self

    def give_true(self):
        """What follows goes both ways, until one of them has no more to say."""
        socket.send_fds(self.true, [YOURS], [self.client.fileno()] if self.client else [])
        if self.client:
            self.client.close()
        ways = {self.sock: self.true, self.true: self.sock}
        while True:
            for one in select.select(list(ways), [], [], 20 * t.SLOW)[0]:
                data = one.recv(65536)
                if not data:
                    self.true.close()
                    self.sock.close()
                    return
                ways[one].sendall(data)

    def die(self):
        for s in (self.sock, self.client, self.true):
            if s:
                s.close()


@pytest.fixture(scope="module")
def thurn():
    i = t.Instance()
    yield i
    i.close()


@pytest.fixture(scope="module")
def front(thurn):
    f = Front(thurn)
    yield f
    f.close()


def send_login(c, password, user="anna"):
    if isinstance(c, Pop):
        c.send("USER %s@sandbox.test\r\n" % user)
        assert c.line().startswith("+OK")
        c.send("PASS %s\r\n" % password)
    else:
        c.send("a LOGIN %s@sandbox.test %s\r\n" % (user, password))


@contextlib.contextmanager
def logging_in(front, door):
    """A client that waits for the answer to its login, and the place where its session goes."""
    client, tls = DOORS[door]
    place = Place(front, WORKER[client])
    try:
        with client(front, tls) as c:
            send_login(c, front.password("anna"))
            yield c, place
    finally:
        place.close()


def is_refused_and_stays(c):
    assert c.line().startswith(REFUSED[type(c)])
    c.send("b NOOP\r\n" if isinstance(c, Imap) else "CAPA\r\n")
    assert c.line().startswith(("b OK", "+OK"))


def is_refused_and_goes(c, tls):
    """Who is reached by TLS only can be told; of another nobody knows who speaks to it."""
    if tls:
        assert c.line().startswith(REFUSED[type(c)])
        if isinstance(c, Imap):
            assert c.line().startswith("* BYE [UNAVAILABLE] ")
    assert c.line() is None


def soon(since):
    """It isn't waited for what does not come."""
    assert time.monotonic() - since < 0.8 * LIMIT


@AT_EVERY_DOOR
def test_a_worker_that_dies_before_it_has_the_client(front, door):
    """There is a second one to be asked; then the client is told, and stays."""
    for die in (lambda s: s.die(),
                lambda s: s.handoff().die(),
                lambda s: s.handoff().ready().die(),
                lambda s: s.handoff().ready().until_there_is_more().die()):  # `yours` is there and nobody reads it
        with logging_in(front, door) as (c, place):
            start = time.monotonic()
            die(place.take())
            place.socket.settimeout(0.5 * t.SLOW)
            with contextlib.suppress(socket.timeout):
                die(place.take())
            is_refused_and_stays(c)
            soon(start)


@AT_EVERY_DOOR
def test_a_worker_that_dies_with_the_client(front, door):
    with logging_in(front, door) as (c, place):
        start = time.monotonic()
        place.take().handoff().ready().yours().die()
        is_refused_and_goes(c, DOORS[door][1])
        soon(start)


HANGS = {"at once": lambda s: s.handoff(), "ready": lambda s: s.handoff().ready().until_there_is_more(),
         "with the client": lambda s: s.handoff().ready().yours()}


def test_a_worker_that_hangs(thurn):
    front = Front(thurn, SHORT_LIMIT)
    places = {client: Place(front, WORKER[client]) for client in WORKER}
    waiting = []
    try:
        for door, (client, tls) in DOORS.items():
            for hang, how in HANGS.items():
                c = client(front, tls)
                send_login(c, thurn.password("anna"))
                waiting.append((c, tls, hang, how(places[client].take())))
        for c, tls, hang, session in waiting:
            if hang == "at once":
                is_refused_and_stays(c)
                assert session.sock.recv(1) == b""
            else:
                is_refused_and_goes(c, tls)
            if hang == "ready" and not tls:  # it goes on, and is late
                session.yours()
            if session.client:
                assert session.client.recv(1) == b""
                with pytest.raises(OSError):
                    session.client.sendall(b"a OK too late\r\n")
            session.die()
            c.sock.close()
    finally:
        for place in places.values():
            place.close()
        front.close()


@AT_EVERY_DOOR
def test_a_login_program_that_dies(front, door):
    client, tls = DOORS[door]
    try:
        with logging_in(front, door) as (c, place):
            session = place.take().handoff().ask_true().ready().until_there_is_more()
            front.kill(door)
            session.yours()
            if tls:  # it went with its proxy
                assert c.line() is None
                session.die()
            else:  # the worker's all the same
                give = threading.Thread(target=session.give_true)
                give.start()
                assert c.line().startswith(IN[client])
                c.logout()
                give.join()
        front.start(door)
        with logging_in(front, door) as (c, place):
            session = place.take().handoff()
            front.kill(door)
            assert c.line() is None
            assert session.sock.recv(1) == b""
            session.die()
    finally:
        front.start(door)


def descriptors(pid):
    try:
        return len(os.listdir("/proc/%d/fd" % pid))
    except FileNotFoundError:
        return 0


class Handed(socket.socket):
    """A session that the test hands over itself to a worker of the instance."""

    def __init__(self, thurn, client):
        super().__init__(socket.AF_UNIX)
        self.settimeout(20 * t.SLOW)
        with Door(thurn, "directory-auth") as door:
            ticket = door.plain("anna@sandbox.test", thurn.password("anna"), service="imap" if client is Imap else "pop")["ticket"]
        self.connect(str(thurn.dir / "run" / WORKER[client]))
        payload = blob(ticket) + blob("a" if client is Imap else "") + blob("192.0.2.1") + blob("Stest") + b"\1" + blob("x") + blob(b"")
        self.sendall(struct.pack("<IHHI", len(payload) + 8, 0x0501, 0, 0) + payload)
        assert self.recv(len(READY), socket.MSG_WAITALL) == READY


@pytest.mark.parametrize("client", [Imap, Pop])
def test_a_worker_that_retires_before_it_has_the_client(thurn, client):
    """It serves it to its end, and ends then."""
    before = thurn.pids(WORKER[client])
    with Handed(thurn, client) as s:
        thurn.thurn("reload")
        t.wait_for(lambda: set(thurn.pids(WORKER[client])) - set(before), 20, "the new ones")
        s.sendall(YOURS + (b"b NOOP\r\n" if client is Imap else b"NOOP\r\n"))
        with s.makefile("rb") as f:
            assert f.readline().startswith(IN[client].encode())
            assert f.readline().startswith((b"b OK", b"+OK"))
    t.wait_for(lambda: not set(thurn.pids(WORKER[client])) & set(before), 20, "the end of the old ones")


@pytest.mark.parametrize("client", [Imap, Pop])
def test_a_worker_that_is_stopped_before_it_has_the_client(thurn, client):
    """By SIGTERM: it says good-bye, and master starts another."""
    before = thurn.pids(WORKER[client])
    with Handed(thurn, client) as s:
        open_then = {pid: descriptors(pid) for pid in before}
        for pid in before:
            os.kill(pid, signal.SIGTERM)
        t.wait_for(lambda: all(descriptors(pid) < n for pid, n in open_then.items()), 20, "the end of its listening sockets")
        s.sendall(YOURS)
        with s.makefile("rb") as f:
            assert f.readline().startswith(IN[client].encode())
            assert f.readline().startswith((b"* BYE", b"-ERR [SYS/TEMP]"))
            assert f.readline() == b""


@pytest.mark.parametrize("end", ["reload", "kill"])
def test_workers_that_hang_and_are_replaced(instance, end):
    """Sessions wait for workers that do nothing. With new ones everybody is in, though the login programs retire as well; when
    the old ones are killed at least nobody waits."""
    workers = {"imapd:min_workers": 1, "imapd:max_workers": 1, "pop3d:min_workers": 1, "pop3d:max_workers": 1}
    thurn = instance(settings={**workers, "imap_login.plain_without_tls": "yes", "pop3_login.plain_without_tls": "yes"})
    clients = [DOORS[door][0](thurn, DOORS[door][1]) for door in DOORS]
    before = thurn.pids("imapd") + thurn.pids("pop3d")
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    try:
        for c, user in zip(clients, ("anna", "anna", "anna", "bert")):
            send_login(c, thurn.password(user), user)
        thurn.wait_for_log(r"(?s)( login service=.*){4}")
        if end == "reload":
            thurn.thurn("reload")
        else:
            for pid in before:
                os.kill(pid, signal.SIGKILL)
        start = time.monotonic()
        for c in clients:
            line = c.line()
            assert line is None or line.startswith((IN[type(c)], REFUSED[type(c)])), line
            assert end != "reload" or line.startswith(IN[type(c)])
        assert time.monotonic() - start < 12 * t.SLOW  # hand_over_timeout is 15 s
    finally:
        for pid in before if end == "reload" else []:
            os.kill(pid, signal.SIGCONT)
    for c in clients:
        c.sock.close()
    t.wait_for(lambda: not set(thurn.pids("imapd") + thurn.pids("pop3d")) & set(before), 20, "the end of the old ones")
