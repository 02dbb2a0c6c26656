"""Mode local: the peer's uid is the login, and no other is needed."""
import os
import pwd
import time

import pytest
import thurn as thurn_module
from dialogue import Dialogue


@pytest.fixture
def d(thurn):
    with Dialogue(None, path=thurn.dir / "run/submit") as d:
        hello = d.hello()
        assert "STARTTLS" not in hello
        yield d


def test_the_user_is_known(thurn, d):
    me = pwd.getpwuid(os.getuid()).pw_name
    d.message(sender="anna@sandbox.test", to="x@elsewhere.test")
    thurn.wait_for_log(r"accepted from=anna@sandbox.test to=x@elsewhere.test .* proto=local auth=%s " % me)


def test_who_hands_in_for_others_says_for_whom(thurn, d):
    d("MAIL FROM:<anna> AUTH=uid54321@x.test", "250 2.1.0")
    d("RCPT TO:<anna>", "250 2.1.5")
    d("DATA", 354)
    d("Subject: x\r\n\r\ny\r\n.", "250 2.0.0")
    thurn.wait_for_log("accepted from=anna@sandbox.test .* proto=local auth=uid54321 ")
    d.message(sender="bert@sandbox.test", to="anna@sandbox.test")  # and for the next one anew
    thurn.wait_for_log("accepted from=bert@sandbox.test .* proto=local auth=%s " % pwd.getpwuid(os.getuid()).pw_name)
    for nobody in "joe@x.test", "uid@x.test", "uid-1@x.test", "uid4294967295@x.test":
        d("MAIL FROM:<anna> AUTH=%s" % nobody, "250 2.1.0")
        d("RSET", 250)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_nobody_else_may(thurn):
    path = thurn.dir / "run/submit"
    path.parent.chmod(0o755)
    mode = path.stat().st_mode & 0o777
    path.chmod(0o777)
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresuid(54321, 54321, 54321)
            with Dialogue(None, path=path) as d:
                assert "AUTH" not in d.hello()
                d("MAIL FROM:<anna> AUTH=uid0@x.test", 555)
                d.message(sender="x54321@sandbox.test", to="x@elsewhere.test")
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    path.chmod(mode)
    assert status == 0
    thurn.wait_for_log("accepted from=x54321@sandbox.test .* proto=local auth=uid54321 ")


def test_names_without_a_domain(thurn, d):
    d("MAIL FROM:<anna>", "250 2.1.0")
    d("RCPT TO:<anna>", "250 2.1.5")
    d("RCPT TO:<unknown-person>", "550 5.1.1")
    d("DATA", 354)
    d("Subject: x\r\n\r\ny\r\n.", "250 2.0.0")
    thurn.wait_for_log("accepted from=anna@sandbox.test to=anna@sandbox.test")


def test_other_commands(d):
    d("AUTH PLAIN", "500 5.5.1")
    d("STARTTLS", "500 5.5.1")
    d("LHLO x", "500 5.5.1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_one_user_does_not_take_all_connections(instance):
    """His own are limited; others and root come in as ever, and he does again when he has let go."""
    thurn = instance(settings={"sendmail:connections_per_address": 3, "sendmail:min_workers": 2, "sendmail:max_workers": 2})
    path = thurn.dir / "run/submit"
    path.parent.chmod(0o755)

    def as_user(uid, work):
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setresuid(uid, uid, uid)
                work()
            except BaseException:
                os.write(full, b"!")
                os._exit(1)
            os._exit(0)
        return pid

    def takes_all():
        held = [Dialogue(None, path=path) for _ in range(3)]
        for _ in range(5):
            with Dialogue(None, greeting="421 4.7.0", path=path) as d:
                d.expect(None)
        os.write(full, b"x")
        os.read(go, 1)
        held.pop().sock.close()
        end = time.monotonic() + 20 * thurn_module.SLOW
        while True:
            try:
                return Dialogue(None, path=path)
            except AssertionError:
                assert time.monotonic() < end
                time.sleep(0.05)

    seen, full = os.pipe()
    go, let_go = os.pipe()
    first = as_user(54321, takes_all)
    assert os.read(seen, 1) == b"x"
    second = as_user(54322, lambda: [Dialogue(None, path=path) for _ in range(3)])
    assert os.waitpid(second, 0)[1] == 0
    with Dialogue(None, path=path) as d:
        d.hello()
        d.message(sender="anna@sandbox.test", to="anna@sandbox.test")
    os.write(let_go, b"x")
    assert os.waitpid(first, 0)[1] == 0
    assert len(thurn.wait_for_log("(?s)(refused service=sendmail peer=uid54321 reason=connections_per_address.*){5}").group()) > 0
    for fd in seen, full, go, let_go:
        os.close(fd)
