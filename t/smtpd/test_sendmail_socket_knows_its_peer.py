"""Mode local: the peer's uid is the login, and no other is needed."""
import os
import pwd

import pytest
from dialogue import Dialogue


@pytest.fixture
def d(thurn):
    with Dialogue(None, path=thurn.dir / "run/submit") as d:
        hello = d.hello()
        assert "AUTH" not in hello and "STARTTLS" not in hello
        yield d


def test_the_user_is_known(thurn, d):
    me = pwd.getpwuid(os.getuid()).pw_name
    d.message(sender="anna@sandbox.test", to="x@elsewhere.test")
    thurn.wait_for_log(r"accepted from=anna@sandbox.test to=x@elsewhere.test .* proto=local auth=%s " % me)


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
