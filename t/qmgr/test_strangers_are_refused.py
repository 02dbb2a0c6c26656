"""Each socket of the queue serves the programs that have business there, whatever the modes of files say."""
import os
import socket
import struct

import pytest

import thurn as t

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

BASE = 60600  # numeric_uid_base; the programs follow in the order of params_users
UIDS = {name: BASE + 1 + n for n, name in enumerate(["dir", "smtpd", "queue", "smtp", "store", "login", "admin", "drop"])}
UIDS["root"] = 0
UIDS["a stranger"] = BASE - 1

SERVES = {
    "queue": {"root", "smtpd", "drop"},
    "queue-agent": {"root", "store", "smtp", "queue"},
    "queue-admin": {"root", "admin"},
}
HELLO = 0x0400


def as_uid(uid, deed):
    """deed()'s text, of a process that is that user."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "?"
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            text = deed()
        except BaseException as e:
            text = repr(e)
        os.write(w, text.encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return text


def frame(kind, payload):
    return struct.pack("<IHHI", 8 + len(payload), kind, 0, 0) + payload


def hello(name, capacity):
    return frame(HELLO, bytes([len(name)]) + name.encode() + struct.pack("<QB", capacity, 0))


def call(path, data, wait):
    """'closed', 'open' or what was answered."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(wait)
        s.connect(str(path))
        try:
            s.sendall(data)
            got = s.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            return "closed"
        except socket.timeout:
            return "open"
        return "answered" if got else "closed"


@pytest.fixture(scope="module")
def open_doors():
    """An instance whose sockets everybody can reach: nothing but the uid is left to tell."""
    thurn = t.Instance(settings={"smtp-agent:enabled": "no"})
    modes = {}
    for name in SERVES:
        path = thurn.dir / "run" / name
        modes[name] = path.stat().st_mode & 0o7, as_uid(UIDS["a stranger"], lambda: call(path, b"", 0.2))
        path.chmod(0o777)
    thurn.modes = modes
    (thurn.dir / "run").chmod(0o755)
    yield thurn
    thurn.close()


@pytest.mark.parametrize("name", SERVES)
def test_by_the_modes_of_files(open_doors, name):
    mode, answer = open_doors.modes[name]
    assert mode == 0 and "PermissionError" in answer


@pytest.mark.parametrize("name", SERVES)
def test_by_the_uid(open_doors, name):
    path = open_doors.dir / "run" / name
    got = {user: as_uid(uid, lambda: call(path, b"", 20 * t.SLOW)) for user, uid in UIDS.items() if user not in SERVES[name]}
    assert set(got.values()) == {"closed"}, got
    for user, uid in UIDS.items():
        if user not in SERVES[name]:
            assert "qmgr: a connection of uid %d is refused" % uid in open_doors.log()
    got = {user: as_uid(UIDS[user], lambda: call(path, b"", 0.3)) for user in SERVES[name]}
    assert set(got.values()) == {"open"}, got


def test_an_agent_is_who_its_uid_is(open_doors):
    """The store's programs may speak to the socket of the agents, but get no mail that goes to other hosts."""
    thurn = open_doors
    path = thurn.dir / "run/queue-agent"
    with thurn.submissions("anna") as s:
        s.sendmail("anna@sandbox.test", ["x@far.test"], "Subject: secret\r\n\r\nsecret\r\n")
    assert as_uid(UIDS["store"], lambda: call(path, hello("smtp", 100), 2)) == "open"
    thurn.wait_for_log("a process that may not says it is an agent name=smtp uid=%d" % UIDS["store"])
    # The same words of who may be it bring the job: the test can tell.
    assert as_uid(UIDS["smtp"], lambda: call(path, hello("smtp", 100), 20 * t.SLOW)) == "answered"


def submit(path):
    """What becomes of mail that the agent to other hosts makes: the type of the reply, and its text."""
    blob = lambda b: bytes([len(b)]) + b
    envelope = b"\x01\x03" + blob(b"anna@sandbox.test") + b"\x04" + blob(b"\x01" + blob(b"bert@sandbox.test"))
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20 * t.SLOW)
        s.connect(str(path))
        f = s.makefile("rb")
        s.sendall(hello("smtp", 100))
        kind = 0
        while kind != HELLO + 2:  # a job
            length, kind, _, _ = struct.unpack("<IHHI", f.read(12))
            job = f.read(length - 8)[:8]
        payload = job + blob(b"failed.0") + blob(envelope) + blob(b"Subject: forged\r\n\r\n")
        s.sendall(struct.pack("<IHHI", 8 + len(payload), HELLO + 7, 0, 1) + payload)
        call = 0
        while call != 1:
            length, kind, _, call = struct.unpack("<IHHI", f.read(12))
            text = f.read(length - 8)
        return "%04x %s" % (kind, text[1:].decode())


def test_who_reads_what_other_hosts_say_makes_no_mail(open_doors):
    with open_doors.submissions("anna") as s:
        s.sendmail("anna@sandbox.test", ["x@far.test"], "Subject: a job\r\n\r\nbody\r\n")
    said = as_uid(UIDS["smtp"], lambda: submit(open_doors.dir / "run/queue-agent"))
    assert said == "ffff This agent makes no mail."
