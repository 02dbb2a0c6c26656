"""A name alone is one of default_domain, whoever says it; the host's own name is no domain of its own."""
import pytest

import thurn as thurn_module


@pytest.fixture(scope="module")
def split():
    """A host whose mail domain is not its name."""
    thurn = thurn_module.Instance(settings={"hostname": "mx7.host.test", "default_domain": "sandbox.test"})
    yield thurn
    thurn.close()


def sendmail(thurn, *argv, text="Subject: x\n\nx\n"):
    return thurn_module.run("sendmail", "-C", thurn.dir / "etc", *argv, input=text)


def test_the_command_line(split):
    split.thurn("user", "add", "carl", "--password", "secret")
    assert [u["username"] for u in split.json("user", "list", "carl")] == ["carl@sandbox.test"]
    split.thurn("mailbox", "create", "carl", "Projects")
    assert "Projects" in [m["mailboxName"] for m in split.json("mailbox", "list", "carl@sandbox.test")]
    split.thurn("alias", "add", "charles", "carl", "anna")
    assert split.json("alias", "list", "charles@sandbox.test")[0]["targets"] == ["carl@sandbox.test", "anna@sandbox.test"]
    assert "There is no user dora." in split.thurn("mailbox", "list", "dora", check=False).stderr


@pytest.mark.parametrize("name", ["a b", "a@", "@", "@sandbox.test", ""])
def test_what_is_no_name(split, name):
    done = split.thurn("mailbox", "list", name, check=False)
    assert done.returncode != 0 and "is not an address" in done.stderr


@pytest.mark.parametrize("sender, to", [("anna", "bert"), ("anna@mx7.host.test", "bert@mx7.host.test"),
                                        ("anna@localhost", "bert@localhost")])
def test_a_letter_and_its_answer(split, sender, to):
    had = len(split.messages("bert"))
    sendmail(split, "-f", sender, to)
    got = split.wait_for_mail("bert", had + 1)[-1]
    want = sender if "@" in sender else "anna@sandbox.test"
    assert b"Return-Path: <%s>" % want.encode() in got
    with split.smtp() as s:  # so nothing goes in circles
        s.ehlo()
        assert s.mail("x@far.test")[0] == 250 and s.rcpt(want)[0] == 250


def test_names_alone_in_smtp_of_local_programs(split):
    """What speaks SMTP to run_dir/submit may leave domains out, too."""
    import socket
    had = len(split.messages("anna"))
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(split.dir / "run/submit"))
        f = s.makefile("rwb")
        f.readline()
        for line in b"HELO x", b"MAIL FROM:<bert>", b"RCPT TO:<anna>", b"DATA", b"Subject: bare\r\n\r\n.", b"QUIT":
            f.write(line + b"\r\n")
            f.flush()
            assert f.readline()[:1] in b"23", line
    assert b"Return-Path: <bert@sandbox.test>" in split.wait_for_mail("anna", had + 1)[-1]


def test_logins_and_senders(split):
    with split.submission() as s:
        s.login("anna", split.password("anna"))
        assert s.mail("anna@mx7.host.test")[0] == 250
        s.rset()
        assert s.mail("bert@mx7.host.test")[0] == 553


def test_a_domain_of_the_hosts_name_is_one_by_itself(split):
    split.thurn("domain", "add", "mx7.host.test")
    with split.smtp() as s:
        s.ehlo()
        s.mail("x@far.test")
        # smtpd remembers for a moment what it was told.
        thurn_module.wait_for(lambda: s.rcpt("anna@mx7.host.test")[0] == 550, 20, "another domain")
        assert s.rcpt("anna@localhost")[0] == 250
    split.thurn("domain", "remove", "mx7.host.test")


def test_a_domain_that_is_none(split):
    done = split.thurn("config", "check", check=False)
    assert done.returncode == 0, done.stderr
    conf = split.dir / "etc/thurn.conf"
    before = conf.read_text()
    try:
        conf.write_text(before.replace("default_domain = sandbox.test", "default_domain = a b"))
        done = split.thurn("config", "check", check=False)
        assert done.returncode == 1 and "is not a domain name" in done.stderr
    finally:
        conf.write_text(before)
