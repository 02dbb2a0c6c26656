"""A daemon by hand: it binds its own sockets and needs no master."""
import os
import resource
import signal
import subprocess

import private
from private import wait_for


def run_alone(m, name, **kwargs):
    for folder in ("run", "queue/segments"):
        (m.dir / folder).mkdir(parents=True, exist_ok=True)
    os.chmod(m.dir / "run", 0o777)
    return subprocess.Popen([m.dir / "bin/smtpd", "-C", m.dir / "etc", "-S", name, "--alone"],
                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)


def end(child):
    child.send_signal(signal.SIGTERM)
    assert child.wait(10 * private.SLOW) == 0


def test_it_serves_and_ends(master, one):
    rows, port = one()
    m = master({"one": rows}, start=False)
    child = run_alone(m, "one")
    try:
        wait_for(lambda: "ready service=one alone" in m.log())
        assert m.client(port).ask("who").startswith("pid %d worker 0 " % child.pid)
        for c in m.clients:
            c.close()
    finally:
        end(child)


def test_without_master_it_wants_to_be_told(master, one):
    rows, port = one()
    m = master({"one": rows}, start=False)
    done = subprocess.run([m.dir / "bin/smtpd", "-C", m.dir / "etc", "-S", "one"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and "usage:" in done.stderr


def test_out_of_descriptors_new_connections_are_told_and_others_live_on(master, one):
    rows, port = one(connections=1000)
    m = master({"one": rows}, start=False)
    m.write()

    def as_nobody_with_few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

    (m.dir / "log").touch()
    os.chmod(m.dir / "log", 0o666)
    child = run_alone(m, "one", preexec_fn=as_nobody_with_few)
    try:
        wait_for(lambda: "ready service=one alone" in m.log())
        answers = [m.client(port).ask("x") for _ in range(60)]
        served = answers.count("echo x")
        assert 10 < served < 40
        assert set(answers[served:]) <= {"too busy", ""} and "too busy" in answers
        assert m.clients[0].ask("y") == "echo y"
        for c in m.clients:
            c.close()
        wait_for(lambda: m.client(port).ask("z") == "echo z")
        for c in m.clients:
            c.close()
    finally:
        end(child)
