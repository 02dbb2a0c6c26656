"""sendmail called by somebody who wants more than to send a message: options, arguments, descriptors, limits, signals."""
import itertools
import os
import re
import resource
import signal
import subprocess

import pytest

import thurn as t

OK, TEMPFAIL = 0, 75
TEXT = b"Subject: x\n\nbody\n"


@pytest.fixture(scope="module")
def down():
    made = t.Instance(users=())
    made.stop()
    yield made
    made.close()


@pytest.fixture
def drop(down):
    """The drop folder, empty."""
    folder = down.dir / "queue/drop"
    for f in folder.iterdir():
        f.unlink()
    return folder


def argv(box, *more):
    return [str(t.BIN / "sendmail"), "-C", str(box.dir / "etc"), *more]


def send(box, *more, **how):
    return subprocess.run(argv(box, *more), input=TEXT, capture_output=True, timeout=60, **how)


def whole(drop):
    """Each file there is one whole message to a@x.test, with nothing of anything else in it."""
    files = list(drop.iterdir())
    for f in files:
        text = f.read_bytes()
        assert b"\nto a@x.test\n" in text and b"sendmail:" not in text
        assert f.stat().st_mode & 0o7777 in (0o600, 0o640, 0o400, 0o440), oct(f.stat().st_mode)
    return len(files)


@pytest.mark.parametrize("closed", [c for n in (1, 2, 3) for c in itertools.combinations((0, 1, 2), n)], ids=str)
def test_closed_descriptors_are_no_files_of_ours(down, drop, closed):
    """What would be written to them is written nowhere, and what is read from them is nothing."""
    script = "exec %s; exec %s" % (" ".join("%d>&-" % n for n in closed), " ".join(argv(down, "a@x.test")))
    subprocess.run(["/bin/bash", "-c", script], input=TEXT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    assert whole(drop) <= 1
    for f in drop.iterdir():
        f.unlink()
    script = "exec %s; exec %s" % (" ".join("%d>&-" % n for n in closed), " ".join(argv(down, "-Z")))  # has something to say
    done = subprocess.run(["/bin/bash", "-c", script], input=TEXT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 64 and whole(drop) == 0


def test_inherited_descriptors_are_neither_kept_nor_hurt(down, drop, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    fds = [os.open(victim, os.O_RDWR) for _ in range(200)]
    try:
        assert send(down, "a@x.test", pass_fds=fds).returncode == OK
    finally:
        for fd in fds:
            os.close(fd)
    assert victim.read_text() == "untouched" and whole(drop) == 1


@pytest.mark.parametrize("limit,value", [("NOFILE", 3), ("NOFILE", 6), ("NOFILE", 0), ("FSIZE", 0), ("FSIZE", 100), ("AS", 30 << 20), ("DATA", 1 << 16),
                                         ("STACK", 1 << 16), ("CPU", 0), ("NPROC", 0), ("MEMLOCK", 0), ("CORE", 1 << 40)])
def test_small_limits_lose_nothing_in_silence(down, drop, limit, value):
    """A whole message and 0, or none and a failure that is told by the status, or by the signal."""
    if t.SAN:
        pytest.skip("the sanitizers need their memory")
    which = getattr(resource, "RLIMIT_" + limit)

    def shrink():
        _, hard = resource.getrlimit(which)
        resource.setrlimit(which, (min(value, hard) if hard >= 0 else value,) * 2)

    try:
        done = send(down, "a@x.test", preexec_fn=shrink)
    except (OSError, subprocess.SubprocessError):
        return  # not even started
    assert whole(drop) == (1 if done.returncode == OK else 0), done
    assert not list(down.dir.glob("queue/core*"))


@pytest.mark.parametrize("umask", [0o000, 0o777, 0o027], ids=oct)
def test_the_callers_umask_is_not_ours(down, drop, umask):
    assert send(down, "a@x.test", preexec_fn=lambda: os.umask(umask)).returncode == OK
    assert whole(drop) == 1


def test_signals_that_are_ignored_or_blocked(down, drop):
    def deaf():
        for n in range(1, 32):
            if n not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(n, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))

    assert send(down, "a@x.test", preexec_fn=deaf).returncode == OK
    assert whole(drop) == 1


def test_nobody_reads_what_it_says(down, drop):
    """A pipe without a reader where errors go."""
    r, w = os.pipe()
    os.close(r)
    done = subprocess.run(argv(down, "-Z"), input=TEXT, stdout=w, stderr=w, timeout=60)
    os.close(w)
    assert done.returncode == 64 and whole(drop) == 0


ENVIRONMENT = {
    "LD_PRELOAD": "/nowhere/x.so", "LD_AUDIT": "/nowhere", "TZ": ":/etc/shadow", "TZDIR": "/nowhere", "LANG": "../../../tmp", "LC_ALL": "x/../y",
    "LOCPATH": "/tmp", "NLSPATH": "/tmp/%N", "GCONV_PATH": "/tmp", "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "255", "MALLOC_ARENA_MAX": "0",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=255", "RES_OPTIONS": "debug", "HOSTALIASES": "/etc/shadow", "LOCALDOMAIN": "evil.test",
    "OPENSSL_CONF": "/tmp/x", "SSL_CERT_FILE": "/tmp/x", "KRB5_CONFIG": "/tmp/x", "TMPDIR": "/nowhere", "PATH": "/nowhere", "IFS": "/", "SHELL": "/x",
    "USER": "liar", "LOGNAME": "liar", "NAME": "liar", "MAIL_CONFIG": "/nowhere", "THURN_CONFIG": "/nowhere", "THURN_BIN": "/nowhere",
    "THURN_X": "x" * 100000, "POSIXLY_CORRECT": "1", "X" * 1000: "y", "BASH_FUNC_x%%": "() { :; }; echo evil",
}


def test_the_environment_is_not_listened_to(down, drop):
    env = dict(ENVIRONMENT)
    if t.SAN:
        env.pop("LD_PRELOAD")
        env.pop("LD_AUDIT")
    plain = send(down, "a@x.test", env={})
    strange = send(down, "a@x.test", env=env)
    assert plain.returncode == strange.returncode == OK
    one, two = [re.sub(rb"(?m)^(Date|Message-ID|Received|\s+id|time|date|id|arrival).*\n(\s.*\n)*", b"", f.read_bytes()) for f in drop.iterdir()]
    assert one == two and b"liar" not in one and b"evil" not in one
    assert whole(drop) == 2


@pytest.mark.parametrize("options", [
    ["-X", "%s"], ["-OQueueDirectory=%s"], ["-O", "QueueDirectory=%s"], ["-oQ%s"], ["-oA%s"], ["-oL%s"], ["-D", "%s"], ["-p", "%s"], ["-h", "99"],
    ["-B", "8BITMIME"], ["-A", "%s"], ["-Ac"], ["-Mx%s"], ["-L", "%s"], ["-d99.99"], ["-n"], ["-v"], ["-x", "%s"], ["-oi", "-oem"],
], ids=" ".join)
def test_options_of_another_sendmail_write_and_read_nothing(down, drop, tmp_path, options):
    """Taken and not followed, or refused: no file of the caller's choice is opened."""
    target = tmp_path / "target"
    done = send(down, *[o % target if "%s" in o else o for o in options], "a@x.test")
    assert not target.exists() and not list(tmp_path.iterdir())
    assert done.returncode in (OK, 64), done
    assert whole(drop) == (1 if done.returncode == OK else 0)
    assert done.stdout == b""


@pytest.mark.parametrize("more", [
    ["x" * 100000 + "@x.test"], ["-f", "x" * 100000, "a@x.test"], ["-f", "a@" + "x." * 30000 + "test", "a@x.test"], ["-V", "x" * 100000, "a@x.test"],
    ["-r", "a\nb@x.test", "a@x.test"], ["-f", "a@x.test\r\nRCPT TO:<b@x.test>", "a@x.test"], ["-f", "\x01@x.test", "a@x.test"],
    ["a@x.test\r\nDATA"], ["-N", "x" * 100000, "a@x.test"],
], ids=lambda more: " ".join(more)[:20].encode("unicode_escape").decode())
def test_arguments_that_are_too_much(down, drop, more):
    done = send(down, *more)
    assert done.returncode in (64, 65, 67) and whole(drop) == 0, done
    assert done.stderr.startswith(b"sendmail: ") and done.stderr.count(b"\n") == 1 and len(done.stderr) < 2000
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.stderr)


def test_a_long_name_and_many_recipients(down, drop):
    assert send(down, "-F", "n" * 100000, "a@x.test").returncode in (OK, 64)
    for f in drop.iterdir():
        assert max(map(len, f.read_bytes().split(b"\n"))) <= 1000  # RFC 5322 2.1.1
    done = send(down, "a@x.test", *("u%d@x.test" % n for n in range(10000)))
    assert done.returncode == OK
    assert whole(drop) >= 1


def test_t_with_hidden_and_strange_recipients(down, drop):
    head = (b"To: a@x.test\nBcc: hidden@x.test,\n other@x.test\nbcc : third@x.test\nResent-Junk: x\nSubject: Bcc: no@x.test\n"
            b"Cc: =?utf-8?q?x=0aBcc=3a_y=40x.test?= <b@x.test>\n\nBcc: body@x.test\n")
    done = subprocess.run(argv(down, "-t"), input=head, capture_output=True, timeout=60)
    assert done.returncode == OK, done
    (f,) = drop.iterdir()
    envelope, _, message = f.read_bytes().partition(b"\n\n")
    to = set(re.findall(rb"(?m)^to (.*)$", envelope))
    assert {b"a@x.test", b"b@x.test", b"hidden@x.test", b"other@x.test"} <= to
    assert not to & {b"no@x.test", b"body@x.test", b"y@x.test"}
    assert b"hidden@" not in message and b"other@" not in message and b"third@" not in message
    assert b"Bcc: body@x.test" in message
