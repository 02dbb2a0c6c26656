"""STARTTLS and TLS from the first octet: nothing said in plain survives, nothing slips in behind it."""
import ssl

import pytest
import sasl
from dialogue import Dialogue


def test_state_is_forgotten(thurn):
    with Dialogue(thurn.ports["smtp"]) as d:
        assert "STARTTLS" in d.hello()
        d.start_tls(thurn.tls())
        d("MAIL FROM:<a@elsewhere.test>", "503 5.5.1 Say hello first")
        assert "STARTTLS" not in d.hello()
        d("STARTTLS", "503 5.5.1")
        d.message()
    thurn.wait_for_log(r"accepted .* proto=ESMTPS .* tls=.TLSv1\.[23] with cipher")


def test_the_login_is_forgotten(thurn):
    """Whoever sits in between must not log in as himself for mail that comes after."""
    user, password = "bert@sandbox.test", thurn.password("bert")
    with Dialogue(thurn.ports["submission"]) as d:
        d.hello()
        scram = sasl.Scram("sha256", user, password)
        challenge = d("AUTH SCRAM-SHA-256 " + scram.first(), "334 ")
        d(scram.final(challenge[4:]), "334 ")
        d("", "235 2.7.0")
        d.start_tls(thurn.tls())
        assert "AUTH " in d.hello()
        d("MAIL FROM:<%s>" % user, "530 5.7.0 Authentication required")
        d("AUTH PLAIN " + sasl.plain("anna@sandbox.test", thurn.password("anna")), "235 2.7.0")
        d("MAIL FROM:<%s>" % user, "553 5.7.1")
        d.message(sender="anna@sandbox.test")
    thurn.wait_for_log("accepted from=anna@sandbox.test .* auth=anna@sandbox.test")


@pytest.mark.parametrize("behind", ["NOOP\r\n", "EHLO evil.test\r\nMAIL FROM:<evil@elsewhere.test>\r\n", "x"])
def test_plaintext_behind_starttls_ends_the_connection(thurn, behind):
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d.send("STARTTLS\r\n" + behind)
        got = d.reply()
        assert got is None or got.startswith("220")
        if got:
            d.expect(None)
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d("STARTTLS now", "501 5.5.4")


def test_garbage_instead_of_a_handshake(thurn):
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d("STARTTLS", 220)
        d.send(b"EHLO client.test\r\n" * 100)
        try:
            while d.sock.recv(4096):
                pass
        except ConnectionResetError:
            pass


def test_old_versions_are_refused(thurn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            d.start_tls(context)


def test_from_the_first_octet(thurn):
    with thurn.submissions("anna") as s:
        assert "starttls" not in s.esmtp_features
        s.sendmail("anna@sandbox.test", ["bert@sandbox.test"], b"Subject: x\r\n\r\ny\r\n")


def test_required(instance):
    t = instance(settings={"smtpd.require_tls": "yes"})
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", "530 5.7.0 Must issue a STARTTLS")
        d.start_tls(t.tls())
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", "250 2.1.0")


def test_pipelining_in_tls(thurn):
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d.start_tls(thurn.tls())
        d.send("EHLO c.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\nDATA\r\n")
        for want in (250, 250, 250, 354):
            d.expect(want)
        d.send(b"Subject: big\r\n\r\n" + b"0123456789" * 7 + b"\r\n")
        d.send((b"0123456789" * 7 + b"\r\n") * 20000 + b".\r\nQUIT\r\n")
        for want in ("250 2.0.0", 221, None):
            d.expect(want)
