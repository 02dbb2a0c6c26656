"""Clients that people have: swaks, curl, smtplib, and Postfix as the host that relays to us."""
import email.message
import shutil
import subprocess

import pytest
import thurn as t
from peers import Postfix

MESSAGE = b"From: anna@sandbox.test\r\nTo: bert@sandbox.test\r\nSubject: hello\r\n\r\n.dot\r\nend\r\n"


def command(*argv, input=None):
    done = subprocess.run([str(a) for a in argv], input=input, capture_output=True, timeout=60)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout


def arrives(thurn, before):
    got = thurn.wait_for_mail("bert", before + 1)[-1]
    assert b"\r\n\r\n.dot\r\nend\r\n" in got
    return got


@pytest.mark.skipif(not shutil.which("swaks"), reason="no swaks")
@pytest.mark.parametrize("options", [
    ["--port", "smtp"],
    ["--port", "smtp", "--pipeline"],
    ["--port", "smtp", "--tls"],
    ["--port", "lmtp", "--protocol", "LMTP"],
    ["--port", "submission", "--tls", "--auth", "PLAIN"],
    ["--port", "submission", "--tls", "--auth", "LOGIN"],
    ["--port", "submissions", "--tlsc", "--auth", "PLAIN"],
], ids=" ".join)
def test_swaks(thurn, options):
    before = len(thurn.messages("bert"))
    options = [str(thurn.ports.get(o, o)) for o in options]
    if "--auth" in options:
        options += ["--auth-user", "anna@sandbox.test", "--auth-password", thurn.password("anna")]
    command("swaks", "--server", "127.0.0.1", "--from", "anna@sandbox.test", "--to", "bert@sandbox.test", "--data", "-",
            *options, input=MESSAGE)
    arrives(thurn, before)


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
@pytest.mark.parametrize("url,login", [("smtp://localhost:%(smtp)d", []), ("smtps://localhost:%(submissions)d", ["-u"]),
                                       ("smtp://localhost:%(submission)d", ["--ssl-reqd", "-u"])])
def test_curl(thurn, tmp_path, url, login):
    before = len(thurn.messages("bert"))
    (tmp_path / "m").write_bytes(MESSAGE)
    if login:
        login = login[:-1] + ["-u", "anna@sandbox.test:" + thurn.password("anna"), "--cacert", thurn.dir / "etc/cert.pem"]
    command("curl", "-sS", url % thurn.ports, *login, "--mail-from", "anna@sandbox.test", "--mail-rcpt", "bert@sandbox.test",
            "-T", tmp_path / "m")
    arrives(thurn, before)


def test_smtplib(thurn):
    before = len(thurn.messages("bert"))
    m = email.message.EmailMessage()
    m["Subject"], m["To"], m["From"] = "\u00e4", "bert@sandbox.test", "anna@sandbox.test"
    m.set_content(".dot\nend\n")
    with thurn.submission("anna") as s:
        assert s.send_message(m) == {}
    arrives(thurn, before)


@pytest.mark.skipif(not Postfix.is_installed(), reason="no Postfix")
def test_postfix_relays_to_us(thurn):
    before = len(thurn.messages("bert"))
    with Postfix(transport="smtp:[127.0.0.1]:%d" % thurn.ports["smtp"]) as p:
        for i in range(20):
            command("swaks", "--server", "127.0.0.1", "--port", p.port, "--from", "anna@sandbox.test", "--to",
                    "bert@sandbox.test", "--data", "-", input=MESSAGE)
        got = thurn.wait_for_mail("bert", before + 20)
        assert got[-1].count(b"Received: ") == 2
        t.wait_for(lambda: p.log().count("status=sent (250 2.0.0 Ok: queued as ") == 20, 20, "its log")
