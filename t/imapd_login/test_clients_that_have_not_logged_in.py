"""IMAP and POP3 before login: injection at TLS, cancelling, malformed and endless input, limits."""
import socket
import threading
import time

import pytest
import thurn as thurn_module
from clients import Imap, Pop, sasl

USER = "anna@sandbox.test"
BOTH = pytest.mark.parametrize("client", [Imap, Pop])


@pytest.fixture(scope="module")
def thurn():
    t = thurn_module.Instance(settings={"directoryd.failure_delay": "0", "imap_login.failures_max": 3,
                                        "pop3_login.failures_max": 3})
    yield t
    t.close()


def ended(c):
    return c.line() is None


@pytest.mark.parametrize("client,start", [(Imap, "a STARTTLS\r\n"), (Pop, "STLS\r\n")])
@pytest.mark.parametrize("more", ["a", "b NOOP\r\n", "b LOGIN anna x\r\nc SELECT INBOX\r\n", "CAPA\r\n", "\r\n"])
def test_what_was_sent_before_tls_is_never_taken_for_what_comes_after(thurn, client, start, more):
    with client(thurn) as c:
        c.send(start + more)
        assert c.reply().startswith(("a OK", "+OK"))
        try:
            c.wrap()
            said = c.sock.recv(1000)
        except OSError:
            said = b""
        assert said == b""
    with client(thurn, "start") as c:  # and without, all is well
        assert c.by_password(USER, thurn.password("anna"))[0]


def test_tls_once_and_without_arguments(thurn):
    with Imap(thurn, "start") as c:
        assert c.command("STARTTLS") == ["c1 BAD TLS is not available or active already"]
    with Imap(thurn) as c:
        assert c.command("STARTTLS now") == ["c1 BAD This command takes no arguments"]
    with Pop(thurn, "start") as c:
        c("USER " + USER, "+OK")
        c("STLS", "-ERR TLS is not available")
    with Pop(thurn, "wrap") as c:
        c("STLS", "-ERR")
        c("STLS x", "-ERR Wrong number")


def test_tls_forgets_the_user(instance):
    t = instance(settings={"pop3_login.plain_without_tls": "yes"})
    with Pop(t) as c:
        c("USER " + USER, "+OK")
        c.start_tls()
        c("PASS " + t.password("anna"), "-ERR USER comes first")


@BOTH
def test_cancelling_and_malformed_answers(thurn, client):
    with client(thurn, "start") as c:
        for text, want in (("*", c.cancelled), ("%%%", c.malformed), ("a", c.malformed), ("YQ=", c.malformed)):
            c.send(c.auth_line("PLAIN", None))
            assert c.is_challenge(c.reply() or "")
            c.send(text + "\r\n")
            assert c.reply() == want, text
        c.send(c.auth_line("PLAIN", "not=base64"))
        assert c.reply() == c.malformed
        c.send(c.auth_line("LOGIN", None))
        assert c.is_challenge(c.reply())
        c.send("A" * 20000 + "\r\n")
        assert c.reply() == c.malformed
        assert c.login("PLAIN", USER, thurn.password("anna"))[0]


@BOTH
def test_messages_that_are_none_of_the_mechanisms(thurn, client):
    for mechanism, message in (
            ("PLAIN", ""), ("PLAIN", "x"), ("PLAIN", "\0\0"), ("PLAIN", "\0a"), ("PLAIN", "\0a\0b\0c"),
            ("PLAIN", "\0" * 1000), ("PLAIN", "\0a\0" + "x" * 5000), ("PLAIN", "a" * 9000 + "\0b\0c"),
            ("SCRAM-SHA-256", ""), ("SCRAM-SHA-256", "n,,"), ("SCRAM-SHA-256", "n,,n=,r="),
            ("SCRAM-SHA-256", "x,,n=anna,r=abcdefgh"), ("SCRAM-SHA-256", "p=,,n=anna,r=abcdefgh"),
            ("SCRAM-SHA-256", "n,,m=x,n=anna,r=abcdefgh"), ("SCRAM-SHA-256", "n,,r=abc,n=anna"),
            ("SCRAM-SHA-256", "n,a==,n=anna,r=abcdefgh"), ("SCRAM-SHA-256", "\0" * 40),
            ("SCRAM-SHA-1", "n,,n=%s,r=x" % ("a" * 8000)), ("SCRAM-SHA-1", "n,,n=anna,r=" + "x" * 8000)):
        with client(thurn, "start") as c:
            c.send(c.auth_line(mechanism, sasl.b64(message.encode()) or "="))
            reply = c.reply()
            if c.is_challenge(reply):  # SCRAM goes on with whoever it is; garbage ends it
                c.send(sasl.b64(b"c=biws,r=,p=") + "\r\n")
                reply = c.reply()
            assert reply.startswith(("a NO [AUTHENTICATIONFAILED]", "-ERR [AUTH]")), (mechanism, message, reply)
            assert c.login("PLAIN", USER, thurn.password("anna"))[0]


def test_unknown_mechanisms(thurn):
    with Imap(thurn, "start") as c:
        assert c.command("AUTHENTICATE CRAM-MD5") == ["c1 NO [CANNOT] This mechanism is not offered"]
        assert c.command("AUTHENTICATE EXTERNAL =")[-1].startswith("c2 NO [CANNOT]")
        assert c.command("AUTHENTICATE")[-1].startswith("c3 BAD")
        assert c.command("AUTHENTICATE " + "X" * 3000)[-1].startswith("c4 NO [CANNOT]")
    with Pop(thurn, "start") as c:
        c("AUTH CRAM-MD5", "-ERR This mechanism is not offered")
        assert set(c.list("AUTH")) == c.mechanisms()


def test_imap_commands(thurn):
    with Imap(thurn) as c:
        assert c.greeting.startswith("* OK [CAPABILITY IMAP4rev1 ") and "Thurn ready" in c.greeting
        assert "STARTTLS" in c.greeting and "LOGINDISABLED" in c.greeting
        assert c.command("NOOP") == ["c1 OK Nothing done"]
        assert c.command('ID ("name" "test")')[0].startswith('* ID ("name" "Thurn"')
        for text in ("SELECT INBOX", "", "LIST \"\" *", "LOGIN", "LOGIN a", "LOGIN a b c", "NOOP x", "FROB"):
            assert c.command(text)[-1].split()[1] == "BAD", text
        assert c.command("LOGOUT")[0].startswith("* BYE")
        assert ended(c)
    with Imap(thurn, "start") as c:
        c.send("a LOGIN {%d}\r\n" % len(USER))
        assert c.line().startswith("+")
        c.send(USER + " {%d+}\r\n%s\r\n" % (len(thurn.password("anna")), thurn.password("anna")))
        assert c.reply().startswith("a OK [CAPABILITY")
    with Imap(thurn, "start") as c:
        c.send("a LOGIN {5000}\r\n")
        assert c.reply().startswith(("a BAD", "a NO", "* BAD"))
        c.send("a LOGIN {3}\r\n")
        assert c.line().startswith("+")
        c.send(b"a\0b x\r\n")
        assert c.reply().startswith(("a BAD", "* BAD"))
        assert c.by_password(USER, thurn.password("anna"))[0]


def test_pop3_commands(thurn):
    with Pop(thurn, "start") as c:
        c("PASS x", "-ERR USER comes first")
        c("USER", "-ERR Wrong number")
        c("STAT", "-ERR Unknown command, or log in first")
        c("CAPA x", "-ERR")
        c("", "-ERR")
        c(" NOOP", "-ERR")
        c("user " + USER, "+OK")
        c("pass " + thurn.password("anna"), "+OK 0 messages")
        c("QUIT", "+OK")
        assert ended(c)
    with Pop(thurn) as c:
        c("QUIT", "+OK")
        assert ended(c)


def test_pipelined_logins(thurn):
    with Pop(thurn, "wrap") as c:
        c.send("USER %s\r\nPASS %s\r\nSTAT\r\nNOOP\r\nQUIT\r\n" % (USER, thurn.password("anna")))
        assert [c.line()[:3] for _ in range(5)] == ["+OK"] * 5
        assert ended(c)
    with Imap(thurn, "wrap") as c:
        c.send('a LOGIN %s %s\r\nb SELECT INBOX\r\nd LOGOUT\r\n' % (USER, thurn.password("anna")))
        assert c.reply().startswith("a OK")
        said = []
        while (line := c.line()) is not None:
            said.append(line)
        assert [x for x in said if x.startswith("b OK")] and said[-1].startswith("d OK")


def test_pipelined_behind_sasl_on_a_plain_connection(thurn):
    """The socket itself is handed over, with what was read of it."""
    with Imap(thurn) as c:
        steps = c.steps("SCRAM-SHA-256", USER, thurn.password("anna"), None, b"")
        c.send(c.auth_line("SCRAM-SHA-256", next(steps)))
        c.send(steps.send(c.challenge(c.reply())) + "\r\n")
        c.send(steps.send(c.challenge(c.reply())) + "\r\nb SELECT INBOX\r\nd LOGOUT\r\n")
        said = []
        while (line := c.line()) is not None:
            said.append(line)
        assert said[0].startswith("a OK") and said[-1].startswith("d OK")


@BOTH
def test_ten_bad_commands(thurn, client):
    with client(thurn) as c:
        for _ in range(10):
            c.send("x FROB\r\n")
            assert c.line() is not None
        c.send("x FROB\r\n")
        assert c.line() is not None
        assert ended(c) or (c.line() is None)  # IMAP says BYE first


@BOTH
def test_bad_exchanges_are_counted_as_well(thurn, client):
    with client(thurn, "wrap") as c:
        for _ in range(11):
            c.send(c.auth_line("PLAIN", None))
            assert c.is_challenge(c.reply())
            c.send("*\r\n")
            assert c.reply() == c.cancelled
        c.line()
        assert ended(c)


@BOTH
def test_three_failed_logins(thurn, client):
    with client(thurn, "wrap") as c:
        for _ in range(3):
            assert not c.login("PLAIN", USER, "wrong")[0]
        if client is Imap:
            assert c.line() == "* BYE Too many failed logins"
        assert ended(c)


@BOTH
def test_too_long_lines(thurn, client):
    with client(thurn) as c:
        c.send("a " + "X" * 200000 + "\r\n")
        assert c.line().split()[1 if client is Imap else 0] in ("BAD", "-ERR")
        c.send("b NOOP\r\n" if client is Imap else "CAPA\r\n")
        assert c.line().startswith(("b OK", "+OK"))


def test_literals_do_not_add_up(thurn):
    with Imap(thurn, "start") as c:
        c.send("a LOGIN" + " {4000+}\r\n%s" % ("x" * 4000) * 10 + "\r\n")
        assert c.reply() == "a BAD The command is too long."
        assert c.by_password(USER, thurn.password("anna"))[0]


def test_a_nul_ends_no_name_and_no_password(thurn):
    with Pop(thurn, "start") as c:
        c("USER %s\0x" % USER, "-ERR A NUL")
        c("USER " + USER, "+OK")
        c("PASS %s\0x" % thurn.password("anna"), "-ERR A NUL")
        c("PASS " + thurn.password("anna"), "+OK 0 messages")


@BOTH
def test_endless_lines_and_silence_cost_no_memory(thurn, client):
    name = {Imap: "imap", Pop: "pop3"}[client]

    def resident():
        return sum(int(line.split()[1]) for pid in thurn.pids(name)
                   for line in open("/proc/%d/status" % pid) if line.startswith("VmRSS"))

    with client(thurn):
        before = resident()
    with client(thurn) as c:
        blob = b"X" * 65536
        for _ in range(400):  # 25 MiB without a line end
            try:
                c.sock.sendall(blob)
            except OSError:
                break
    quiet = [client(thurn) for _ in range(20)]
    assert resident() - before < (8 << 10) * thurn_module.SLOW, (before, resident())
    for c in quiet:
        c.sock.close()


@BOTH
def test_many_commands_cost_no_memory(thurn, client):
    name = {Imap: "imap", Pop: "pop3"}[client]
    with client(thurn) as c:
        def resident():
            return sum(int(line.split()[1]) for pid in thurn.pids(name)
                       for line in open("/proc/%d/status" % pid) if line.startswith("VmRSS"))

        ask = {Imap: b"a CAPABILITY\r\n", Pop: b"CAPA\r\n"}[client]
        stop = threading.Event()

        def drain():
            while not stop.is_set() and c.sock.recv(1 << 20):
                pass

        before = resident()
        reader = threading.Thread(target=drain)
        reader.start()
        for _ in range(50):
            c.sock.sendall(ask * 1000)
        time.sleep(0.5)
        after = resident()
        stop.set()
        c.sock.shutdown(socket.SHUT_RDWR)
        reader.join()
        assert after - before < (4 << 10) * thurn_module.SLOW, (before, after)


@BOTH
def test_time_to_log_in_ends(instance, client):
    t = instance(settings={"imap_login.login_timeout": "2s", "pop3_login.login_timeout": "2s"})
    start = time.monotonic()
    with client(t) as c:
        while time.monotonic() - start < 20 * thurn_module.SLOW:  # busy, but never logged in
            try:
                c.send("a NOOP\r\n" if client is Imap else "CAPA\r\n")
                c.sock.recv(4096) or 1 / 0
            except (OSError, ZeroDivisionError):
                break
            time.sleep(0.3)
        assert 1.9 <= time.monotonic() - start < 15 * thurn_module.SLOW


@BOTH
def test_reload_and_stop(instance, client):
    t = instance()
    with client(t, "start") as before, client(t, "wrap") as inside:
        assert inside.login("PLAIN", USER, t.password("anna"))[0]
        t.thurn("reload")
        time.sleep(1)
        assert before.login("PLAIN", "bert@sandbox.test", t.password("bert"))[0]  # neither is cut
        for _ in range(3):
            inside.send("a NOOP\r\n" if client is Imap else "NOOP\r\n")
            assert inside.line().startswith(("a OK", "+OK"))
        with client(t) as waiting:
            start = time.monotonic()
            t.stop()
            assert time.monotonic() - start < 8 * thurn_module.SLOW
            line = waiting.line()
            assert line is None or "shutting down" in line


def welcomed(t, client):
    """A client that is let in, or None."""
    c = client(t)
    if c.greeting and c.greeting.startswith(("* OK", "+OK")):
        return c
    c.sock.close()
    return None


def test_connections_per_address_count_those_that_were_handed_over(instance):
    t = instance(settings={"imap:connections_per_address": 3, "pop3:connections_per_address": 3})
    for client in (Imap, Pop):
        inside = []
        for user in ("anna", "bert", "anna" if client is Imap else "bert"):
            # Who is handed over counts twice until the login program has heard of it.
            c = thurn_module.wait_for(lambda: welcomed(t, client), 10, "a place")
            inside.append(c)
            if len(inside) <= 2 or client is Imap:
                assert c.login("SCRAM-SHA-256", "%s@sandbox.test" % user, t.password(user))[0]
        assert not welcomed(t, client)
        inside.pop().sock.close()
        inside.append(thurn_module.wait_for(lambda: welcomed(t, client), 10, "room"))
        for c in inside:
            c.sock.close()
