"""What systemd is told, and that hostile bytes on the operators' socket do nothing."""
import os
import signal
import socket
import struct
import tempfile

import private
from private import wait_for


def test_systemd_hears_ready_reloading_stopping_and_the_watchdog(master, one):
    rows, port = one()
    m = master({"one": rows}, start=False)
    with tempfile.TemporaryDirectory() as folder, socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(folder + "/notify")
        s.settimeout(10 * private.SLOW)
        m.env.update(NOTIFY_SOCKET=folder + "/notify", WATCHDOG_USEC="400000")
        m.start()
        heard = []

        def hear(what):
            while what not in heard:
                heard.append(s.recv(1000).decode())
        hear("READY=1")
        hear("WATCHDOG=1")
        with open("/proc/%d/environ" % m.client(port).pid(), "rb") as f:
            assert b"NOTIFY_SOCKET" not in f.read()
        heard.clear()
        m.reload()
        hear("RELOADING=1")
        heard.remove("RELOADING=1")
        hear("READY=1")
        m.signal(signal.SIGTERM)
        hear("STOPPING=1")
        m.process.wait(10 * private.SLOW)


def test_hostile_frames_end_only_their_connection(master, one):
    rows, port = one()
    m = master({"one": rows})
    for attack in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100, b"\xff" * 5000,
                   struct.pack("<IHHI", 8, 0x100 + 11, 0, 1)[:-1],
                   struct.pack("<IHHI", 9, 0x100 + 11, 0, 1) + b"x",
                   struct.pack("<IHHI", 8, 0x100 + 11, 3, 1)):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5 * private.SLOW)
            s.connect(str(m.unix("master")))
            s.sendall(attack)
            s.shutdown(socket.SHUT_WR)
            try:
                assert s.recv(1000) == b""
            except ConnectionResetError:
                pass
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(m.unix("master")))
        s.sendall(struct.pack("<IHHI", 8, 0x7777, 0, 5))
        assert b"not known here" in s.recv(1000)
    assert m.client(port).ask("x") == "echo x"


def test_many_operators_at_once_do_not_stop_master(master, one):
    rows, port = one()
    m = master({"one": rows})
    crowd = []
    for _ in range(150):
        s = socket.socket(socket.AF_UNIX)
        wait_for(lambda: s.connect_ex(str(m.unix("master"))) == 0)
        crowd.append(s)
    os.kill(m.client(port).pid(), signal.SIGKILL)
    wait_for(lambda: m.client(port).ask("x") == "echo x")
    for s in crowd:
        s.close()

    def answers():
        try:
            return m.status()["ready"]
        except OSError:
            return False  # the crowd's connections are not over yet
    wait_for(answers)
