"""msmtp sends, mpop fetches."""
import pytest
from programs import run, unix, write
from mail import message, subjects, wait_for_subject, without_trace

import thurn as t

BODY = "Line\r\n.dot\r\n..dots\r\n\r\nGr\xfc\xdfe\r\n.\r\nend\r\n"


def account(thurn, user, tmp_path, port, auth, options=""):
    return write(tmp_path / "rc", """
account default
host localhost
port %d
tls on
tls_trust_file %s
auth %s
user %s
password %s
timeout 60
%s
""" % (thurn.ports[port], thurn.dir / "etc/cert.pem", auth, t.address(user), thurn.password(user), options))


@pytest.mark.parametrize("port, starttls", [("submission", "on"), ("submissions", "off")])
@pytest.mark.parametrize("auth", ["on", "plain", "login", "scram-sha-1", "scram-sha-256"])
def test_msmtp_sends(thurn, tmp_path, port, starttls, auth):
    subject = "msmtp to %s with %s" % (port, auth)
    rc = account(thurn, "bert", tmp_path, port, auth, "tls_starttls %s\nfrom bert@sandbox.test" % starttls)
    data = message(subject, BODY, "bert@sandbox.test")
    run("msmtp", "-C", rc, "anna@sandbox.test", home=tmp_path, input=unix(data))
    assert without_trace(wait_for_subject(thurn, "anna", subject), 2) == data


def test_msmtp_reads_the_recipients_from_the_message(thurn, tmp_path):
    rc = account(thurn, "bert", tmp_path, "submission", "on", "tls_starttls on")
    data = unix(message("to three", BODY, "bert@sandbox.test"))
    data = data.replace(b"Subject:", b"Cc: Bert <bert@sandbox.test>\nBcc: anna+hidden@sandbox.test\nSubject:")
    run("msmtp", "-C", rc, "-t", "--read-envelope-from", home=tmp_path, input=data)
    for user in ("anna", "bert"):
        got = wait_for_subject(thurn, user, "to three")
        assert unix(without_trace(got, 2)) == data.replace(b"Bcc: anna+hidden@sandbox.test\n", b"")
    t.wait_for(lambda: subjects(thurn.messages("anna")).count("to three") == 2, 20, "the blind copy")


@pytest.mark.parametrize("options, to, status, reply", [
    ("from bert@sandbox.test", "no-such-user@sandbox.test", 65, b"550 5.1.1"),
    ("from anna@sandbox.test", "bert@sandbox.test", 65, b"553 5.7.1"),
    ("from bert@sandbox.test\npassword wrong", "anna@sandbox.test", 77, b"535 5.7.8"),
    ("from bert@sandbox.test\nauth off", "anna@sandbox.test", 65, b"530 5.7.0"),
])
def test_msmtp_says_why_not(thurn, tmp_path, options, to, status, reply):
    rc = account(thurn, "bert", tmp_path, "submission", "plain", "tls_starttls on\n" + options)
    done = run("msmtp", "-C", rc, to, home=tmp_path, input=unix(message("not sent")), status=status)
    assert reply in done.stderr


def test_msmtp_asks_what_the_server_can(thurn, tmp_path):
    rc = account(thurn, "bert", tmp_path, "submission", "on", "tls_starttls on")
    said = run("msmtp", "-C", rc, "--serverinfo", home=tmp_path).stdout
    for word in (b"52428800", b"PIPELINING", b"DSN", b"PLAIN", b"LOGIN", b"SCRAM-SHA-1 ", b"SCRAM-SHA-256 "):
        assert word in said, (word, said)


@pytest.mark.parametrize("port, starttls, pipelining", [("pop3", "on", "off"), ("pop3s", "off", "on")])
@pytest.mark.parametrize("auth", ["on", "user", "plain", "login", "scram-sha-1", "scram-sha-256"])
def test_mpop_fetches(thurn, user, tmp_path, port, starttls, auth, pipelining):
    for sub in ("cur", "new", "tmp"):
        (tmp_path / "mail" / sub).mkdir(parents=True)
    account(thurn, user, tmp_path, port, auth, "tls_starttls %s\npipelining %s\nkeep on\nuidls_file %s\n"
            "received_header off\ndelivery maildir %s" % (starttls, pipelining, tmp_path / "ids", tmp_path / "mail"))

    def fetched():
        run("mpop", "-C", tmp_path / "rc", home=tmp_path)
        return sorted(p.read_bytes() for p in (tmp_path / "mail/new").iterdir())

    with thurn.imaps(user) as c:
        for n in range(4):
            c.append("INBOX", None, None, message("for mpop %d" % n, BODY).decode().encode("latin-1"))
    was = thurn.messages(user)
    assert fetched() == sorted(map(unix, was))
    assert thurn.messages(user) == was
    with thurn.imaps(user) as c:
        c.append("INBOX", None, None, message("a new one"))
    assert fetched() == sorted(map(unix, thurn.messages(user)))  # the others not a second time
    (tmp_path / "rc").write_text((tmp_path / "rc").read_text() + "keep off\n")
    fetched()
    assert thurn.messages(user) == []
