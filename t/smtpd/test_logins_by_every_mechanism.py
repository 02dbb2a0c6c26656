"""AUTH (RFC 4954): every mechanism, right and wrong, and what may not be said when."""
import re
import time

import pytest
import sasl
import thurn as thurn_module
from dialogue import Dialogue

USER = "anna@sandbox.test"
DELAY = 0.2


@pytest.fixture(scope="module")
def thurn():
    """Each failed login makes the next one slower: here the steps are small."""
    t = thurn_module.Instance(settings={"directoryd.failure_delay": "%dms" % (DELAY * 1000)})
    yield t
    t.close()


def tls(thurn):
    d = Dialogue(thurn.ports["submission"])
    d.hello()
    d.start_tls(thurn.tls())
    d.hello()
    return d


def scram(d, name, algorithm, user, password, want):
    x = sasl.Scram(algorithm, user, password)
    got = d("AUTH %s %s" % (name, x.first()), "334 ")
    d.send(x.final(got[4:]) + "\r\n")
    got = d.reply()
    if got.startswith("334 "):
        x.check(got[4:])
        got = d("", want)
    assert got.startswith(want), got


def mechanisms(hello):
    return next((line[9:].split() for line in hello.split("\n") if line[4:].startswith("AUTH ")), [])


def test_offers(thurn):
    with Dialogue(thurn.ports["submission"]) as d:
        assert set(mechanisms(d.hello())) == {"SCRAM-SHA-256", "SCRAM-SHA-1"}
        d.start_tls(thurn.tls())
        assert {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"} <= set(mechanisms(d.hello()))
    with Dialogue(thurn.ports["lmtp"]) as d:
        assert mechanisms(d.hello("LHLO")) == []
        d("AUTH PLAIN", "503 5.5.1")


def test_plain(thurn):
    with tls(thurn) as d:
        d("AUTH PLAIN " + sasl.plain(USER, thurn.password("anna")), "235 2.7.0")
        d("AUTH PLAIN " + sasl.plain(USER, thurn.password("anna")), "503 5.5.1 Already")
        d.message(sender=USER)
    thurn.wait_for_log("accepted from=anna@sandbox.test .* auth=anna@sandbox.test tls=.TLSv1")
    with tls(thurn) as d:  # in two steps
        d("AUTH PLAIN", "334 ")
        d(sasl.plain(USER, thurn.password("anna")), "235 2.7.0")


def test_login(thurn):
    with tls(thurn) as d:
        d("AUTH LOGIN", "334 ")
        d(sasl.b64(USER.encode()), "334 ")
        d(sasl.b64(thurn.password("anna").encode()), "235 2.7.0")
    with tls(thurn) as d:
        d("AUTH LOGIN " + sasl.b64(USER.encode()), "334 ")
        d(sasl.b64(thurn.password("anna").encode()), "235 2.7.0")


@pytest.mark.parametrize("name,algorithm", [("SCRAM-SHA-256", "sha256"), ("SCRAM-SHA-1", "sha1")])
@pytest.mark.parametrize("with_tls", [False, True])
def test_scram(thurn, name, algorithm, with_tls):
    with Dialogue(thurn.ports["submission"]) as d:
        d.hello()
        if with_tls:
            d.start_tls(thurn.tls())
            d.hello()
        scram(d, name, algorithm, USER, thurn.password("anna"), "235 2.7.0")
        d("MAIL FROM:<%s>" % USER, "250 2.1.0")
    with Dialogue(thurn.ports["submission"]) as d:
        d.hello()
        if with_tls:
            d.start_tls(thurn.tls())
            d.hello()
        scram(d, name, algorithm, USER, "wrong", "535 5.7.8")
        d("MAIL FROM:<%s>" % USER, "530 5.7.0")


def test_no_password_in_the_clear(thurn):
    with Dialogue(thurn.ports["submission"]) as d:
        d.hello()
        for name in ("PLAIN", "LOGIN", "plain"):
            d("AUTH " + name, "538 5.7.11")
        d("AUTH PLAIN " + sasl.plain(USER, thurn.password("anna")), "538 5.7.11")
        d("MAIL FROM:<%s>" % USER, "530 5.7.0")


def test_wrong_passwords_are_slow_and_few(thurn):
    with tls(thurn) as d:
        d("AUTH PLAIN " + sasl.plain(USER, "wrong"), "535 5.7.8")
        start = time.monotonic()
        d("AUTH PLAIN " + sasl.plain("nobody-here@sandbox.test", "wrong"), "535 5.7.8")
        assert time.monotonic() - start >= DELAY
        d("AUTH PLAIN " + sasl.plain(USER, "wrong"), "535 5.7.8")
        d.expect("421 4.7.0")
        d.expect(None)


def test_bad_exchanges(thurn):
    with tls(thurn) as d:
        d("AUTH", "501 5.5.4")
        d("AUTH NO-SUCH-THING", "504 5.5.4")
        d("AUTH X/Y", "501 5.5.4")
        d("AUTH PLAIN not=base64", "501 5.5.2")
        d("AUTH PLAIN", "334 ")
        d("*", "501 5.7.0")
        d("AUTH PLAIN", "334 ")
        d("%%%", "501 5.5.2")
        d("NOOP", "250 2.0.0")
    with tls(thurn) as d:
        d("AUTH PLAIN " + "A" * 13000, "500 5.5.6")
        d("AUTH PLAIN", "334 ")
        d("A" * 13000, "501 5.5.2")
        d("AUTH PLAIN =", "5")
        d("NOOP", "250 2.0.0")


def test_auth_not_within_a_transaction(thurn):
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        d("AUTH SCRAM-SHA-256", "503 5.5.1")
        d("RSET", 250)
        scram(d, "SCRAM-SHA-256", "sha256", USER, thurn.password("anna"), "235 2.7.0")


def test_a_login_relays_from_anywhere(instance):
    t = instance(settings={"networks": "192.0.2.0/24"})
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        scram(d, "SCRAM-SHA-256", "sha256", USER, t.password("anna"), "235 2.7.0")
        d("MAIL FROM:<%s>" % USER, 250)
        d("RCPT TO:<x@elsewhere.test>", "250 2.1.5")


def test_passwords_stay_out_of_the_log(thurn):
    """Also where AUTH is refused before anybody looks at what follows it."""
    secret = sasl.plain(USER, thurn.password("anna"))
    with Dialogue(thurn.ports["submission"]) as d:
        d("AUTH PLAIN " + secret, "503 5.5.1 Say hello")
        d.hello()
        d("AUTH PLAIN " + secret, "538 5.7.11")
        d.send("auth plain %s\n" % secret)
        d.expect("500 5.5.2")
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        d("AUTH PLAIN " + secret, "503 5.5.1")
    thurn.wait_for_log("code=503 .* from=a@elsewhere.test about=AUTH ")
    assert secret.rstrip("=") not in thurn.log()


def test_no_secret_reaches_the_log(instance):
    """Clients that do not wait send their answers behind an AUTH that is refused, where they are no commands."""
    t = instance()
    secrets = [sasl.b64(b"anna@sandbox.test"), sasl.b64(b"topsecret"), "TopSecretWord", "Password", "get", "Pass:", "pass word"]
    for auth, faults in (("AUTH LOGIN", ("538", "530")), ("AUTH NONSENSE", ("504",)), ("AUTH PLAIN " + sasl.b64(b"x"), ("538", "530"))):
        for secret in secrets:
            with Dialogue(t.ports["smtp"]) as d:
                d.hello()
                d.send("%s\r\n%s\r\nNOOP\r\n" % (auth, secret))
                assert d.reply()[:3] in faults
                assert d.reply()[:3] in ("500", "521")
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        d("AUTH LOGIN", 538)
        d("NOOP", 250)
        d("FROBNICATE all of it", "500 5.5.2")
        d("dG9wc2VjcmV0", "500 5.5.2")
        d("TopSecretWord", "500 5.5.2")
    t.wait_for_log("about=FROBNICATE ")
    text = t.log()
    for secret in (*secrets, "all of it", "dG9wc2VjcmV0", "TopSecretWord"):
        assert not re.search(r"(about|text)=\"?" + re.escape(secret), text, re.I), secret
