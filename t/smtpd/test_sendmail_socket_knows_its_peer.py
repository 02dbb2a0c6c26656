"""Mode local: the peer's uid is the login, and no other is needed."""
import os
import pwd

import pytest
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
