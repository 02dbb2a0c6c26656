"""Clients from Debian: swaks, curl and mbsync do their ordinary work."""
import email
import os
import pathlib
import subprocess

import pytest
from mail import message, needs, wait_for_subject, without_trace

import thurn as t

ANNA = "anna@sandbox.test"


def run(*argv, input=b"", status=0, env=None):
    done = subprocess.run([str(a) for a in argv], input=input, capture_output=True, timeout=60 * t.SLOW,
                          env={**os.environ, **(env or {})})
    assert done.returncode == status, done
    return done


def curl(thurn, *argv, user="anna", **more):
    return run(needs("curl"), "-sS", "--cacert", thurn.dir / "etc/cert.pem", "-u",
               "%s:%s" % (t.address(user), thurn.password(user)), *argv, **more).stdout


@pytest.mark.parametrize("port, options", [
    ("smtp", []),
    ("smtp", ["--tls"]),
    ("smtp", ["--pipeline"]),
    ("submission", ["--tls", "--auth", "PLAIN"]),
    ("submission", ["--tls", "--auth", "LOGIN"]),
    ("submission", ["--tls", "--auth", "CRAM-MD5"]),
    ("submissions", ["--tls-on-connect", "--auth", "PLAIN"]),
    ("lmtp", ["--protocol", "LMTP"]),
], ids=lambda v: " ".join(v) if isinstance(v, list) else v)
def test_swaks_sends(thurn, port, options):
    subject = "swaks to %s %s" % (port, " ".join(options))
    argv = [needs("swaks"), "--server", "127.0.0.1:%d" % thurn.ports[port], "--from", "bert@sandbox.test", "--to", ANNA,
            "--header", "Subject: " + subject, "--body", "by swaks", *options]
    if "--auth" in options:
        argv += ["--auth-user", "bert@sandbox.test", "--auth-password", thurn.password("bert")]
    if "CRAM-MD5" in options:  # needs the password itself, which nobody here has
        assert b"250" not in run(*argv, status=28).stdout.splitlines()[-1]
        return
    run(*argv)
    assert b"by swaks" in wait_for_subject(thurn, "anna", subject)


@pytest.mark.parametrize("scheme, port, options", [
    ("smtp", "submission", ["--ssl-reqd"]),
    ("smtps", "submissions", []),
    ("smtps", "submissions", ["--login-options", "AUTH=LOGIN"]),
])
def test_curl_sends(thurn, scheme, port, options):
    subject = "curl by %s %s" % (scheme, " ".join(options))
    curl(thurn, "%s://localhost:%d/client.test" % (scheme, thurn.ports[port]), "--mail-from", ANNA, "--mail-rcpt",
         "bert@sandbox.test", "-T", "-", *options, input=message(subject))
    assert without_trace(wait_for_subject(thurn, "bert", subject), 2) == message(subject)


@pytest.fixture
def filled(thurn):
    """A fresh user with three messages, as they are stored."""
    user = "user%d" % len(thurn.passwords)
    thurn.add_user(user)
    for n in range(3):
        thurn.deliver(user, message("for curl %d" % n, "Body %d.\r\n.dot\r\n" % n))
        thurn.wait_for_mail(user, n + 1)
    return user, thurn.messages(user)


@pytest.mark.parametrize("scheme, port, options", [
    ("imaps", "imaps", []), ("imap", "imap", ["--ssl-reqd"]),
    ("imaps", "imaps", ["--login-options", "AUTH=LOGIN"]),
    ("imaps", "imaps", ["--login-options", "AUTH=PLAIN", "--sasl-ir"]),
])
def test_curl_reads_by_imap(thurn, filled, tmp_path, scheme, port, options):
    user, stored = filled
    url = "%s://localhost:%d/" % (scheme, thurn.ports[port])
    assert b'"INBOX"' in curl(thurn, url, *options, user=user) or b" INBOX" in curl(thurn, url, *options, user=user)
    for n, want in enumerate(stored, 1):
        assert curl(thurn, "%sINBOX;UID=%d" % (url, n), *options, user=user) == want
    assert curl(thurn, url + "INBOX?SUBJECT%20curl", *options, user=user).strip() == b"* SEARCH 1 2 3"
    (tmp_path / "m").write_bytes(message("put there"))
    curl(thurn, url + "Sent", "-T", tmp_path / "m", *options, user=user)
    assert thurn.messages(user, "Sent") == [message("put there")]


@pytest.mark.parametrize("scheme, port, options", [
    ("pop3s", "pop3s", []), ("pop3", "pop3", ["--ssl-reqd"]),
    ("pop3s", "pop3s", ["--login-options", "AUTH=PLAIN"]), ("pop3s", "pop3s", ["--login-options", "AUTH=LOGIN"]),
])
def test_curl_reads_by_pop3(thurn, filled, scheme, port, options):
    user, stored = filled
    url = "%s://localhost:%d/" % (scheme, thurn.ports[port])
    listed = curl(thurn, url, *options, user=user).split()
    assert [int(n) for n in listed[1::2]] == [len(m) for m in stored]
    for n, want in enumerate(stored, 1):
        assert curl(thurn, url + str(n), *options, user=user) == want
    curl(thurn, url + "2", "-X", "DELE", "-l", *options, user=user)
    assert thurn.messages(user) == [stored[0], stored[2]]


MBSYNC = """
IMAPAccount it
Host localhost
Port {port}
User {user}
Pass {password}
SSLType IMAPS
AuthMechs SCRAM-SHA-256
CertificateFile {cert}

IMAPStore far
Account it

MaildirStore near
Path {dir}/mail/
Inbox {dir}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
"""


def test_mbsync_keeps_two_sides_the_same(thurn, filled, tmp_path):
    user, stored = filled
    (tmp_path / "mail").mkdir()
    rc = tmp_path / "rc"
    rc.write_text(MBSYNC.format(port=thurn.ports["imaps"], user=t.address(user), password=thurn.password(user),
                                cert=thurn.dir / "etc/cert.pem", dir=tmp_path))

    def sync():
        run(needs("mbsync"), "-c", rc, "-a", env={"HOME": str(tmp_path)})

    def near(folder="INBOX"):
        return sorted(p for d in ("cur", "new") for p in (tmp_path / "mail" / folder / d).iterdir())

    def text(path):
        return b"".join(line for line in path.read_bytes().splitlines(True) if not line.startswith(b"X-TUID"))

    sync()
    assert sorted(text(p) for p in near()) == sorted(m.replace(b"\r\n", b"\n") for m in stored)
    # A new one there, a deleted one here, a flag here, a folder here.
    thurn.deliver(user, message("after the first"))
    thurn.wait_for_mail(user, 4)
    gone, flagged = near()[0], near()[1]
    gone_text = text(gone)
    gone.unlink()
    os.rename(flagged, pathlib.Path(str(flagged).replace("/new/", "/cur/").split(":")[0] + ":2,FS"))
    for sub in ("cur", "new", "tmp"):
        (tmp_path / "mail/Projects" / sub).mkdir(parents=True)
    (tmp_path / "mail/Projects/new/1.x").write_bytes(message("filed").replace(b"\r\n", b"\n"))
    sync()
    left = thurn.messages(user)
    assert len(left) == 3 and gone_text not in [m.replace(b"\r\n", b"\n") for m in left]
    assert [email.message_from_bytes(m)["subject"] for m in thurn.messages(user, "Projects")] == ["filed"]
    assert len(near()) == 3
    with thurn.imaps(user) as c:
        c.select("INBOX")
        assert len(c.search(None, "FLAGGED", "SEEN")[1][0].split()) == 1
    before = thurn.log().count("user=%s" % t.address(user))
    sync()
    assert len(near()) == 3 and len(thurn.messages(user)) == 3 and before
