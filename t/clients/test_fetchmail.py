"""fetchmail brings mail from a mailbox to a mail server, and to a program."""
import subprocess

import pytest
from programs import ENV, flags, run, unix, write
from mail import TRACE_FIELDS, closed_port, message, needs, subjects, wait_for_subject

import thurn as t

BODY = "Line\r\n.dot\r\n..dots\r\nFrom here on\r\n" + "x" * 900 + "\r\nend\r\n"


def rc(thurn, user, tmp_path, protocol, port, options):
    """The file with an account that needs a verified TLS."""
    return write(tmp_path / "rc", """
set no bouncemail
poll localhost service %d protocol %s user "%s" password "%s" sslcertck sslcertfile %s fetchall %s
""" % (thurn.ports[port], protocol, t.address(user), thurn.password(user), thurn.dir / "etc/cert.pem", options))


def fetchmail(tmp_path, *options, **more):
    return run("fetchmail", "-f", tmp_path / "rc", "--pidfile", tmp_path / "pid", "--idfile", tmp_path / "ids", "-v", "-v",
               *options, home=tmp_path, **more)


def put(thurn, user, name):
    """Three messages, of which one was seen."""
    for n in range(3):
        thurn.deliver(user, message("%s %d" % (name, n), BODY))
        thurn.wait_for_mail(user, n + 1)
    with thurn.imaps(user) as c:
        c.select("INBOX")
        c.store("2", "+FLAGS", "(\\Seen)")


WAYS = [("imap", "imaps", "ssl"), ("imap", "imap", "sslproto TLS1.2+"), ("pop3", "pop3s", "ssl"),
        ("pop3", "pop3", "sslproto TLS1.2+")]


@pytest.mark.parametrize("protocol, port, options", WAYS)
def test_it_hands_all_to_a_server_and_deletes_them(thurn, user, tmp_path, protocol, port, options):
    name = "fetched from " + port
    put(thurn, user, name)
    stored = thurn.messages(user)
    rc(thurn, user, tmp_path, protocol, port, options + ' smtphost localhost/%d smtpname "bert@sandbox.test"' %
       thurn.ports["smtp"])
    fetchmail(tmp_path)
    for n, was in enumerate(stored):
        got = wait_for_subject(thurn, "bert", "%s %d" % (name, n))
        assert TRACE_FIELDS.sub(b"", got).endswith(TRACE_FIELDS.sub(b"", was))
    assert thurn.messages(user) == []
    fetchmail(tmp_path, status=1)  # there is nothing


@pytest.mark.parametrize("protocol, port, options", WAYS)
def test_it_keeps_them_and_knows_the_new_ones(thurn, user, tmp_path, protocol, port, options):
    put(thurn, user, "kept")
    rc(thurn, user, tmp_path, protocol, port, options + ' keep no fetchall mda "cat >>%s/out"' % tmp_path)
    uidl = ["--uidl"] if protocol == "pop3" else []
    fetchmail(tmp_path, *uidl)
    got = (tmp_path / "out").read_bytes()
    assert got.count(b"\n" + unix(BODY.encode())) == (3 if protocol == "pop3" else 2)
    assert len(thurn.messages(user)) == 3
    if protocol == "imap":
        assert flags(thurn, user) == [{"\\Seen"}] * 3
    fetchmail(tmp_path, *uidl, status=1)
    thurn.deliver(user, message("the new one"))
    thurn.wait_for_mail(user, 4)
    fetchmail(tmp_path, *uidl)
    assert (tmp_path / "out").read_bytes()[len(got):].count(b"Subject: the new one\n") == 1


def test_it_speaks_lmtp_and_takes_another_folder(thurn, user, tmp_path):
    with thurn.imaps(user) as c:
        c.create("Lists")
        c.append("Lists", None, None, message("listed"))
    rc(thurn, user, tmp_path, "imap", "imaps", 'ssl folder "Lists" lmtp smtphost localhost/%d smtpname "anna@sandbox.test"' %
       thurn.ports["lmtp"])
    fetchmail(tmp_path)
    wait_for_subject(thurn, "anna", "listed")
    assert thurn.messages(user, "Lists") == []


def test_idle_tells_it_of_new_mail(thurn, user, tmp_path):
    rc(thurn, user, tmp_path, "imap", "imaps", 'ssl idle mda "cat >>%s/out"' % tmp_path)
    with open(tmp_path / "log", "w") as log:
        it = subprocess.Popen([needs("fetchmail"), "-f", tmp_path / "rc", "--pidfile", tmp_path / "pid", "--nodetach", "-v"],
                              env={**ENV, "HOME": str(tmp_path)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        for n in (1, 2):
            t.wait_for(lambda: (tmp_path / "log").read_text().count("< + idling") >= n, 20, "IDLE")
            thurn.deliver(user, message("pushed %d" % n))
            t.wait_for(lambda: (tmp_path / "out").exists()
                       and b"Subject: pushed %d\n" % n in (tmp_path / "out").read_bytes(), 20, "the message")
        t.wait_for(lambda: not thurn.messages(user), 20, "an empty mailbox")
    finally:
        it.terminate()
        it.wait(20)


def test_a_wrong_name_in_the_certificate_stops_it(thurn, user, tmp_path):
    thurn.deliver(user, message("stays"))
    thurn.wait_for_mail(user)
    rc(thurn, user, tmp_path, "imap", "imaps", 'ssl sslcommonname "elsewhere.test" mda "cat >>%s/out"' % tmp_path)
    fetchmail(tmp_path, status=2)
    assert subjects(thurn.messages(user)) == ["stays"] and not (tmp_path / "out").exists()


def test_without_a_server_to_hand_them_to_they_stay(thurn, user, tmp_path):
    put(thurn, user, "not deliverable")
    closed, port = closed_port()
    rc(thurn, user, tmp_path, "imap", "imaps", 'ssl smtphost localhost/%d smtpname "anna@sandbox.test"' % port)
    fetchmail(tmp_path, status=10)
    closed.close()
    assert len(thurn.messages(user)) == 3
