"""Every mechanism, right and wrong, on each port where one logs in; what is offered when."""
import ssl
import warnings

import pytest
import thurn as thurn_module
from clients import MECHANISMS, Imap, Pop, Submission

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # nothing takes its place in Debian 12
    import crypt

USER = "anna@sandbox.test"
WHERE = [(Imap, "start"), (Imap, "wrap"), (Pop, "start"), (Pop, "wrap"), (Submission, "start"),
         (Submission, "wrap")]
NAMES = ["%s-%s" % (c.__name__, tls) for c, tls in WHERE]


@pytest.fixture(scope="module")
def thurn():
    t = thurn_module.Instance(settings={"directoryd.failure_delay": "0"})
    t.add_user("umlaut-ä@sandbox.test", "gehe;im 'ä' \"x\" \\ %")
    yield t
    t.close()


@pytest.mark.parametrize("client,tls", WHERE, ids=NAMES)
@pytest.mark.parametrize("mechanism", MECHANISMS + ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"))
def test_right_and_wrong(thurn, client, tls, mechanism):
    header, binding = None, b""
    context = thurn.tls()
    if mechanism.endswith("PLUS"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # Python can't export from TLS 1.3
        header = "p=tls-unique,,"
    for user, password, right in ((USER, thurn.password("anna"), True),
                                  ("ANNA@Sandbox.Test", thurn.password("anna"), True),
                                  (USER, "wrong", False),
                                  (USER, thurn.password("anna") + " ", False),
                                  (USER, thurn.password("bert"), False),
                                  ("nobody@sandbox.test", thurn.password("anna"), False)):
        with client(thurn, tls, context=context) as c:
            if header:
                binding = c.sock.get_channel_binding("tls-unique")
            ok, reply = c.login(mechanism, user, password, header=header, binding=binding)
            assert ok == right, (user, reply)
            if ok:
                c.logout()


@pytest.mark.parametrize("client,tls", WHERE, ids=NAMES)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_without_an_initial_response(thurn, client, tls, mechanism):
    with client(thurn, tls) as c:
        assert c.login(mechanism, USER, thurn.password("anna"), initial=False)[0]
    with client(thurn, tls) as c:
        assert not c.login(mechanism, USER, "wrong", initial=False)[0]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_names(thurn, mechanism):
    umlaut = "umlaut-ä@sandbox.test"
    with Imap(thurn, "wrap") as c:
        assert c.login(mechanism, umlaut, thurn.password(umlaut))[0]
    for name in ("annabel", "@sandbox.test", "anna@elsewhere.test", "anna+x@sandbox.test", "@",
                 "anna@sandbox.test@sandbox.test", "a" * 1000, "a" * 1000 + "@sandbox.test", "x/../anna@sandbox.test"):
        with Imap(thurn, "wrap") as c:
            ok, reply = c.login(mechanism, name, thurn.password("anna"))
            assert not ok and reply == "a NO [AUTHENTICATIONFAILED] Authentication failed", name


def test_names_without_domain_are_the_default_domains(instance):
    t = instance(settings={"default_domain": "sandbox.test", "directoryd.failure_delay": "0"})
    for mechanism in MECHANISMS:
        with Pop(t, "wrap") as c:
            ok, reply = c.login(mechanism, "Anna", t.password("anna"))
            assert ok, (mechanism, reply)
        with Pop(t, "wrap") as c:
            assert not c.login(mechanism, "anna", "wrong")[0]
    with Pop(t, "wrap") as c:
        assert c.by_password("anna", t.password("anna"))[0]


@pytest.mark.parametrize("client", [Imap, Pop])
def test_user_and_password(thurn, client):
    for tls in ("start", "wrap"):
        with client(thurn, tls) as c:
            assert c.by_password(USER, thurn.password("anna"))[0]
        with client(thurn, tls) as c:
            assert not c.by_password(USER, "wrong")[0]
            assert c.by_password(USER, thurn.password("anna"))[0]


def test_offers(thurn):
    scram = {"SCRAM-SHA-256", "SCRAM-SHA-1"}
    for client in (Imap, Pop, Submission):
        with client(thurn) as c:
            assert c.mechanisms() == scram
        for tls in ("start", "wrap"):
            with client(thurn, tls) as c:
                assert c.mechanisms() == scram | {"PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"}


@pytest.mark.parametrize("client", [Imap, Pop, Submission])
def test_no_password_in_the_clear(thurn, client):
    for mechanism in ("PLAIN", "LOGIN", "plain"):
        with client(thurn) as c:
            c.send(c.auth_line(mechanism, None))
            assert c.reply().startswith(("a NO [PRIVACYREQUIRED]", "-ERR Use STLS first", "538 5.7.11"))
    with Imap(thurn) as c:
        c.send(c.password_line(USER, thurn.password("anna")))
        assert c.reply().startswith("a NO [PRIVACYREQUIRED]")
        assert "* CAPABILITY" in c.command("CAPABILITY")[0] and "LOGINDISABLED" in c.command("CAPABILITY")[0]
    with Pop(thurn) as c:
        c("USER " + USER, "-ERR Use STLS first")
        c("PASS " + thurn.password("anna"), "-ERR")
        assert "USER" not in c.list("CAPA")


@pytest.mark.parametrize("client", [Imap, Pop, Submission])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_scram_needs_no_tls(thurn, client, mechanism):
    with client(thurn) as c:
        assert c.login(mechanism, USER, thurn.password("anna"))[0]
    with client(thurn) as c:
        assert not c.login(mechanism, USER, "wrong")[0]


@pytest.mark.parametrize("client", [Imap, Pop, Submission])
def test_channel_binding(thurn, client):
    context = thurn.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    der = ssl.PEM_cert_to_DER_cert((thurn.dir / "etc/cert.pem").read_text())
    end_point = __import__("hashlib").sha256(der).digest()
    rows = [  # header, is its binding right?, wanted; mechanism -PLUS
        ("p=tls-unique,,", "unique", True),
        ("p=tls-server-end-point,,", "end point", True),
        ("p=tls-unique,,", "wrong", False),
        ("p=tls-unique,,", "end point", False),
        ("p=tls-no-such-thing,,", "unique", False),
        ("p=tls-exporter,,", "unique", False),
    ]
    for header, what, right in rows:
        with client(thurn, "wrap", context=context) as c:
            binding = {"unique": c.sock.get_channel_binding("tls-unique"), "end point": end_point,
                       "wrong": b"x" * 12}[what]
            ok, reply = c.login("SCRAM-SHA-256-PLUS", USER, thurn.password("anna"), header=header,
                                binding=binding)
            assert ok == right, (header, what, reply)
    with client(thurn, "wrap") as c:  # with TLS 1.3, too
        assert c.sock.version() == "TLSv1.3"
        assert c.login("SCRAM-SHA-256-PLUS", USER, thurn.password("anna"),
                       header="p=tls-server-end-point,,", binding=end_point)[0]
    with client(thurn, "wrap") as c:  # "the server can't bind", says who was told otherwise by someone between
        assert not c.login("SCRAM-SHA-256", USER, thurn.password("anna"), header="y,,")[0]
    with client(thurn) as c:  # without TLS it is true
        assert c.login("SCRAM-SHA-256", USER, thurn.password("anna"), header="y,,")[0]
    with client(thurn) as c:
        c.send(c.auth_line("SCRAM-SHA-256-PLUS", None))
        assert c.reply().startswith(("a NO [CANNOT]", "-ERR This mechanism", "504 5.5.4"))


def test_without_channel_binding(instance):
    """Nothing that binds is offered or taken, and who says so is right."""
    t = instance(settings={s + ".auth_channel_binding": "no" for s in ("smtpd", "imap_login", "pop3_login")})
    for client, tls in WHERE:
        with client(t, tls) as c:
            assert c.mechanisms() == {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"}
            c.send(c.auth_line("SCRAM-SHA-256-PLUS", None))
            assert c.reply().startswith(("a NO [CANNOT]", "-ERR This mechanism", "504 5.5.4"))
        with client(t, tls) as c:
            assert c.login("SCRAM-SHA-256", USER, t.password("anna"), header="y,,")[0]


def test_nobody_becomes_somebody_else(thurn):
    import base64
    for authzid, right in (("", True), (USER, True), ("ANNA@sandbox.test", False), ("bert@sandbox.test", False)):
        with Imap(thurn, "wrap") as c:
            text = "%s\0%s\0%s" % (authzid, USER, thurn.password("anna"))
            c.send(c.auth_line("PLAIN", base64.b64encode(text.encode()).decode()))
            assert c.ok(c.reply()) == right, authzid
    for authzid, right in (("a=" + USER, True), ("a=bert@sandbox.test", False)):
        with Imap(thurn, "wrap") as c:
            ok, reply = c.login("SCRAM-SHA-256", USER, thurn.password("anna"), header="n,%s," % authzid)
            assert ok == right, (authzid, reply)


@pytest.mark.parametrize("method", ["SHA512", "SHA256", "MD5", "CRYPT"])
def test_hashes_from_elsewhere(thurn, method):
    password = "gehEim"
    digest = crypt.crypt(password, getattr(crypt, "METHOD_" + method))
    for n, text in enumerate((digest, "{CRYPT}" + digest, "{crypt}" + digest)):
        user = "%s%d@sandbox.test" % (method.lower(), n)
        thurn.thurn("user", "add", user, "--password-hash", text)
        for mechanism, given, right in (("PLAIN", password, True), ("LOGIN", password, True),
                                        ("PLAIN", "wrong", False), ("PLAIN", "", False),
                                        ("SCRAM-SHA-256", password, False), ("PLAIN", password, True)):
            with Imap(thurn, "wrap") as c:
                assert c.login(mechanism, user, given)[0] == right, (mechanism, given)
    thurn.thurn("user", "passwd", user, "--password", "neu")
    with Imap(thurn, "wrap") as c:
        assert not c.login("PLAIN", user, password)[0]
        assert c.login("SCRAM-SHA-256", user, "neu")[0]
    thurn.thurn("user", "passwd", user, "--password-hash", digest)
    with Imap(thurn, "wrap") as c:
        assert not c.login("PLAIN", user, "neu")[0]
        assert c.login("PLAIN", user, password)[0]


@pytest.mark.parametrize("text", ["secret", "$6$", "$6$salt$", "$6$salt$tooshort", "*", "!", "x", "{SSHA}abcdef", "$7x$a$b",
                                  "$6$saltstring$" + "A" * 2000])
def test_what_is_no_hash_is_refused(thurn, text):
    done = thurn.thurn("user", "add", "nohash@sandbox.test", "--password-hash", text, check=False)
    assert done.returncode == 1 and "crypt(3)" in done.stderr, done
    done = thurn.thurn("user", "add", "nohash@sandbox.test", "--password-hash", "$6$a$b", "--password", "x",
                       check=False)
    assert done.returncode == 1 and "not both" in done.stderr


def test_a_user_without_password_can_not_log_in(thurn):
    thurn.thurn("user", "add", "mute@sandbox.test", "--no-password")
    for mechanism in MECHANISMS:
        for password in ("", "x"):
            with Imap(thurn, "wrap") as c:
                assert not c.login(mechanism, "mute@sandbox.test", password)[0]


def test_a_changed_password_counts_at_once(thurn):
    thurn.add_user("change", "eins")
    with Imap(thurn, "wrap") as c:
        assert c.login("PLAIN", "change@sandbox.test", "eins")[0]
    thurn.thurn("user", "passwd", "change@sandbox.test", "--password", "zwei")
    for mechanism in MECHANISMS:
        with Imap(thurn, "wrap") as c:
            assert not c.login(mechanism, "change@sandbox.test", "eins")[0]
            assert c.login(mechanism, "change@sandbox.test", "zwei")[0]
