"""What a running worker may do: its uid, no new privileges, the system call filter, its chroot."""
import contextlib
import os

import pytest

import private
from private import wait_for

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
filtered = pytest.mark.skipif(private.SAN, reason="sanitizer builds have no system call filter")


def process_status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test_worker_has_no_way_to_more_rights(master, one):
    rows, port = one()
    m = master({"one": rows})
    status = process_status(m.client(port).pid())
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == 0 or os.geteuid() != 0
    if not private.SAN:
        assert status["Seccomp"] == "2"


def test_worker_has_only_its_own_descriptors_and_environment(master, one):
    rows, port = one()
    m = master({"one": rows}, start=False)
    m.env["SECRET"] = "of the caller"
    with open("/dev/zero") as f:
        os.set_inheritable(f.fileno(), True)
        m.start()
    pid = m.client(port).pid()
    files = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(FileNotFoundError):  # it has just been closed
            files.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
    assert "/dev/zero" not in files
    # Standard ones, log, control line, listener and its reserve, event loop, this connection.
    assert len(files) <= 12, files
    with open("/proc/%d/environ" % pid, "rb") as f:
        assert b"SECRET" not in f.read()


@as_root
def test_programs_have_uids_of_their_own(master, one):
    rows, port = one()
    m = master({"one": rows, "queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    uids = []
    for where in (port, m.unix("queue")):
        status = process_status(m.client(where).pid())
        uid = status["Uid"].split()
        assert len(set(uid)) == 1 and uid[0] != "0"
        assert len(set(status["Gid"].split())) == 1 and status["Gid"].split()[0] != "0"
        assert status["Groups"].strip() == ""
        uids.append(uid[0])
    assert uids[0] != uids[1]


@filtered
@pytest.mark.parametrize("deed", ["exec", "ptrace"])
def test_hostile_call_kills_and_is_logged(master, one, deed):
    rows, port = one()
    m = master({"one": rows})
    c = m.client(port)
    assert c.ask("x") == "echo x"
    assert c.ask(deed) == ""
    wait_for(lambda: "a system call that its sandbox forbids" in m.log())
    wait_for(lambda: m.status()["ready"])


@filtered
def test_filter_leaves_what_daemons_need(master, one):
    rows, port = one()
    m = master({"one": rows, "queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    c = m.client(port)
    assert c.ask("thread") == "thread 7"
    assert c.ask("socket") == "inet 1 netlink Operation not permitted"
    assert c.ask("kill") == "kill Operation not permitted"
    # SERVICE_NO_NET
    assert m.client(m.unix("queue")).ask("socket").startswith("inet 0 ")


@as_root
def test_chroot_hides_the_files_and_master_connects_instead(master, one):
    rows, port = one(chroot="empty")
    m = master({"one": rows, "queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    c = m.client(port)
    assert os.readlink("/proc/%d/root" % c.pid()) == str(m.dir / "run/empty")
    assert c.ask("connect queue") == "connected"
    assert c.ask("connect master") == 'error "master" is no name for a socket in run_dir.'
    assert c.ask("connect ../etc") == 'error "../etc" is no name for a socket in run_dir.'
    assert c.ask("connect nothing") == "error No service listens on unix:nothing."
    # The other side sees whose connection it is, not root's.
    wait_for(lambda: "service=queue peer=unix port=0 uid=60602" in m.log())


@as_root
def test_socket_mode_holds_for_connections_by_master(master, one):
    rows, port = one(chroot="empty")
    m = master({"one": rows, "queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue",
                                       "listen_mode": "600"}})
    assert m.client(port).ask("connect queue").endswith("Permission denied.")


def test_peers_are_known_by_uid(master, one):
    rows, port = one(listen="unix:one", listen_mode="666")
    m = master({"one": rows})
    assert m.client(m.unix("one")).ask("user") == "user root"


def test_segments_go_to_services_that_are_configured_for_them(master, one):
    rows, port = one(segments="yes")
    other, other_port = one()
    m = master({"one": rows, "two": other,
                "queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    word, number, written = m.client(port).ask("segment").split()
    assert (word, written) == ("segment", "1")
    path = m.dir / "queue/segments" / ("%016x.seg" % int(number))
    assert path.read_bytes() == b"x"
    st = path.stat()
    assert st.st_mode & 0o777 == 0o600
    if os.geteuid() == 0:
        assert st.st_uid == 60603
    assert m.client(other_port).ask("segment") == \
        "error This service gets no segments: segments is no."
