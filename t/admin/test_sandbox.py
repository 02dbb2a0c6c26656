"""Private instances: what start makes and prints, going on with what is there, stop, and a crash."""
import json
import os
import socket
import ssl
import stat
import time

import pytest

import thurn as t

NAMES = {"smtp": 25, "lmtp": 24, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993,
         "pop3": 110, "pop3s": 995}


@pytest.fixture(scope="module")
def box():
    made = t.Instance(start=False, users=())
    made.start()
    yield made
    made.close()


def processes_of(folder):
    box = t.Instance.__new__(t.Instance)
    box.dir = folder
    return box.processes()


def test_it_prints_its_ports_as_one_json_object(box):
    assert box.ports == {n: box.port_base.base + p for n, p in NAMES.items()}


def test_every_port_answers(box):
    for port in box.ports.values():
        socket.create_connection(("127.0.0.1", port), timeout=30 * t.SLOW).close()


def test_it_makes_the_folders_and_the_domain(box):
    for name in ("etc", "queue", "store", "run", "log"):
        assert (box.dir / name).is_dir()
    assert box.json("domain", "list") == ["sandbox.test"]


def test_the_certificate_holds_for_its_names(box):
    for name in ("sandbox.test", "localhost", "127.0.0.1"):
        with socket.create_connection(("127.0.0.1", box.ports["submissions"]), timeout=30 * t.SLOW) as s:
            with box.tls().wrap_socket(s, server_hostname=name):
                pass
    with socket.create_connection(("127.0.0.1", box.ports["submissions"]), timeout=30 * t.SLOW) as s:
        with pytest.raises(ssl.SSLError):
            box.tls().wrap_socket(s, server_hostname="other.test")
    key = (box.dir / "etc/key.pem").stat()
    assert stat.S_IMODE(key.st_mode) == 0o600


def test_a_second_start_is_refused(box):
    done = t.run("thurn", "sandbox", "start", box.dir, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The sandbox in %s is running already.\n" % box.dir


def test_status_tells_every_service(box):
    status = box.json("status")
    assert status["ready"] and status["state"] == "running"
    by_name = {s["service"]: s for s in status["services"]}
    assert by_name["smtp"]["program"] == "smtpd"
    assert all(s["workers"] == len(s["pids"]) for s in status["services"])
    assert "smtpd" in box.thurn("status").stdout


def test_programs_run_as_different_users(box):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    owner = {name: os.stat("/proc/%d" % box.pids(name)[0]).st_uid
             for name in ("smtp", "directory")}
    assert 0 not in owner.values()
    assert owner["smtp"] != owner["directory"]
    assert os.stat("/proc/%d" % box.status()["pid"]).st_uid == 0


def test_it_goes_on_with_what_is_there(instance):
    box = instance()
    box.stop()
    assert box.processes() == []
    # without --base-port: the ports stay
    ports = json.loads(t.run("thurn", "sandbox", "start", box.dir).stdout)
    assert ports == box.ports
    assert [u["username"] for u in box.json("user", "list")] == ["anna@sandbox.test", "bert@sandbox.test"]
    assert box.json("domain", "list") == ["sandbox.test"]


def test_kill_ends_everything_at_once_and_it_starts_again(instance):
    box = instance(users=("anna",))
    before = box.processes()
    assert len(before) > 5
    box.kill()
    assert box.processes() == []
    box.start()
    assert [u["username"] for u in box.json("user", "list")] == ["anna@sandbox.test"]
    assert not set(before) & set(box.processes())


def test_stop_without_a_server_is_done(instance):
    box = instance(users=())
    box.stop()
    assert t.run("thurn", "sandbox", "stop", box.dir).stdout == ""


def test_orphans_of_a_dead_master_are_ended(instance):
    box = instance(users=())
    os.kill(box.status()["pid"], 9)
    box.stop()
    assert box.processes() == []


def test_stop_of_a_folder_that_is_none():
    done = t.run("thurn", "sandbox", "stop", "/nowhere", check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_settings_go_to_their_files(instance):
    box = instance(users=(), settings={
        "message_size_limit": "100k", "smtpd.command_timeout": "7s", "submission:errors_max": "3"})
    get = lambda name: box.thurn("config", "get", name).stdout.strip()  # noqa: E731
    assert get("message_size_limit") == "100k"
    assert get("smtpd.command_timeout") == "7s"
    assert get("submission:errors_max") == "3" and get("smtp:errors_max") == "20"
    with box.smtp() as s:
        s.ehlo()
        assert s.esmtp_features["size"] == str(100 * 1024)
    assert "errors_max = 3" in (box.dir / "etc/services.conf").read_text()


@pytest.mark.parametrize("setting, sentence", [
    ("nonsense", '"nonsense" is not name=value, program.name=value or service:name=value.'),
    ("nothing=1", "{etc}/thurn.conf:{line}: there is no parameter nothing."),
    ("smtpd.mode=x", '{etc}/thurn.conf:{line}: mode: "x" is not one of smtp|submission|lmtp|local.'),
    ("hostname=a b", '{etc}/thurn.conf: hostname: "a b" is not a host name.'),
    ("nosuch:user=x", '{etc}/services.conf:{line}: service nosuch: there is no program "nosuch".'),
])
def test_wrong_settings_are_told_and_nothing_starts(setting, sentence, tmp_path):
    os.chmod(tmp_path, 0o755)
    folder = tmp_path / "box"
    done = t.run("thurn", "sandbox", "start", folder, "--set", setting, check=False)
    assert done.returncode == 1
    parts = sentence.format(etc=folder / "etc", line="LINE").split("LINE")
    assert done.stderr.startswith(parts[0]) and done.stderr.strip().endswith(parts[-1])
    assert processes_of(folder) == []


def test_a_taken_port_is_told(instance):
    box = instance(users=())
    other = instance(users=(), start=False)
    other.port_base.free()
    done = t.run("thurn", "sandbox", "start", other.dir, "--base-port", box.port_base.base,
                 check=False)
    assert done.returncode == 1
    assert "127.0.0.1:" in done.stderr and done.stderr.count("\n") == 1
    assert other.processes() == []


def test_a_folder_that_others_can_not_enter_is_named(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.chmod(tmp_path, 0o755)
    parent = tmp_path.parent
    opened = []
    while parent != parent.parent:  # pytest makes its folders 0700
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & 1:
            opened.append((parent, mode))
            os.chmod(parent, mode | 0o111)
        parent = parent.parent
    try:
        done = t.run("thurn", "sandbox", "start", closed / "box", check=False)
    finally:
        for folder, mode in opened:
            os.chmod(folder, mode)
    assert done.returncode == 1
    assert done.stderr == ("The folder %s is not searchable for other users, whom the server's "
                           "programs run as.\n" % closed)


def test_an_ordinary_user_can_have_one():
    if os.geteuid() != 0:
        pytest.skip("is all that the other tests do")
    import pathlib
    import shutil
    import subprocess
    import tempfile
    if subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
                       str(t.BIN / "thurn"), "help"], capture_output=True).returncode != 0:
        pytest.skip("the programs are where other users can't get at them")
    base = t.PortBase()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="thurn-test-", dir="/tmp"))
    os.chown(folder, 12345, 12345)
    user = ["/usr/bin/setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    try:
        done = t.run(*user, t.BIN / "thurn", "sandbox", "start", folder, "--base-port", base.base,
                     timeout=300)
        assert json.loads(done.stdout)["smtp"] == base.base + 25
        assert {os.stat("/proc/%d" % p).st_uid for p in processes_of(folder)} == {12345}
        t.run(*user, t.BIN / "thurn", "sandbox", "stop", folder, timeout=300)
        assert processes_of(folder) == []
    finally:
        t.run("thurn", "sandbox", "stop", folder, "--kill", check=False)
        shutil.rmtree(folder)
        base.free()


def test_start_is_quick(instance):
    box = instance(users=(), start=False)
    start = time.monotonic()
    box.start()
    assert time.monotonic() - start < 5 * t.SLOW  # 0.1 s on a machine that is idle
