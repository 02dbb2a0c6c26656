"""Tickets are good once, for one service, for a while and for the user they were made for; exchanges belong to who
began them."""
import base64
import os
import pwd
import signal
import socket
import threading
import time

import pytest
import thurn as thurn_module
from calls import BAD_MECHANISM, CONTINUE, FAILED, OK, TEMPFAIL, Door, Refused, blob
from clients import DIGEST, Imap, Pop, Submission, sasl

USER = "anna@sandbox.test"


@pytest.fixture(scope="module")
def thurn():
    t = thurn_module.Instance(settings={"directoryd.failure_delay": "0"})
    yield t
    t.close()


def test_once_only(thurn):
    with Door(thurn, "directory-auth") as door, Door(thurn, "directory-auth") as worker:
        r = door.plain(USER, thurn.password("anna"))
        assert r["state"] == OK and r["user"] == USER and len(r["ticket"]) == 16
        assert worker.redeem(r["ticket"]) == (USER, r["account"])
        assert worker.redeem(r["ticket"]) is None
        other = door.plain(USER, thurn.password("anna"))
        assert other["ticket"] != r["ticket"]


def test_for_one_service(thurn):
    with Door(thurn, "directory-auth") as door:
        r = door.plain(USER, thurn.password("anna"), service="pop")
        assert door.redeem(r["ticket"], "imap") is None
        assert door.redeem(r["ticket"], "") is None
        assert door.redeem(r["ticket"], "pop") is not None


def test_for_a_while(instance):
    t = instance(settings={"directoryd.ticket_life": "2s"})
    with Door(t, "directory-auth") as door:
        for _ in range(10):
            old = door.plain(USER, t.password("anna"))
            time.sleep(1)
            start = time.monotonic()
            young = door.plain(USER, t.password("anna"))
            time.sleep(1.1)
            assert door.redeem(old["ticket"]) is None
            is_good = door.redeem(young["ticket"]) is not None
            if time.monotonic() - start < 2:
                break  # else the machine was too slow for it
        assert is_good


def test_invented_ones_are_worth_nothing(thurn):
    with Door(thurn, "directory-auth") as door:
        for ticket in (b"", b"x", b"\0" * 16, os.urandom(16), b"x" * 100000):
            assert door.redeem(ticket) is None


def test_not_for_a_successor(thurn):
    thurn.add_user("gone", "pw")
    with Door(thurn, "directory-auth") as door:
        r, second = door.plain("gone@sandbox.test", "pw"), door.plain("gone@sandbox.test", "pw")
        thurn.thurn("user", "remove", "gone@sandbox.test")
        assert door.redeem(r["ticket"]) is None
        thurn.add_user("gone", "pw")
        assert door.redeem(second["ticket"]) is None
        new = door.plain("gone@sandbox.test", "pw")
        assert new["account"] != r["account"]


def test_exchanges_belong_to_their_connection(thurn):
    x = sasl.Scram("sha256", USER, thurn.password("anna"))
    with Door(thurn, "directory-auth") as one, Door(thurn, "directory-auth") as two:
        r = one.start("SCRAM-SHA-256", base64.b64decode(x.first()))
        assert r["state"] == CONTINUE
        final = base64.b64decode(x.final(base64.b64encode(r["data"]).decode()))
        assert two.step(r["id"], final)["state"] == TEMPFAIL
        assert one.step(r["id"] + 1, final)["state"] == TEMPFAIL
        assert one.step(r["id"], final)["state"] == OK
        assert one.step(r["id"], final)["state"] == TEMPFAIL  # over


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_the_old_password_is_worth_nothing_in_the_middle_of_an_exchange(thurn, mechanism):
    """Who waits with the last step until the password has changed, or until somebody else has the name, is not in."""
    changes = {"nothing": [], "passwd": [["passwd", "held", "--password", "new"]],
               "the same again": [["passwd", "held", "--password", "old"]],
               "a successor": [["remove", "held"], ["add", "held", "--password", "old"]], "gone": [["remove", "held"]],
               "disabled": [["disable", "held"]]}
    for name, commands in changes.items():
        thurn.thurn("user", "add", "held", "--password", "old")
        x = sasl.Scram(DIGEST[mechanism], "held@sandbox.test", "old")
        with Door(thurn, "directory-auth") as door:
            r = door.start(mechanism, base64.b64decode(x.first()))
            final = base64.b64decode(x.final(base64.b64encode(r["data"]).decode()))
            for command in commands:
                thurn.thurn("user", *command)
            r = door.step(r["id"], final)
            assert (r["state"], bool(r["ticket"])) == ((FAILED, False) if commands else (OK, True)), name
        thurn.thurn("user", "remove", "held", check=False)


def test_cancelled_and_endless_exchanges(thurn):
    with Door(thurn, "directory-auth") as door:
        r = door.start("LOGIN")
        assert door.step(r["id"], b"", cancel=True)["state"] == FAILED
        assert door.step(r["id"], b"anna")["state"] == TEMPFAIL
        r = door.start("LOGIN")
        assert door.step(r["id"], b"x" * 100000)["state"] in (CONTINUE, FAILED)


def test_unknown_mechanisms_and_missing_tls(thurn):
    with Door(thurn, "directory-auth") as door:
        for mechanism in ("", "CRAM-MD5", "EXTERNAL", "ANONYMOUS", "GSSAPI", "X" * 10000, "PLAIN LOGIN",
                          "SCRAM-SHA-256-PLUS"):
            assert door.start(mechanism)["state"] == BAD_MECHANISM
        for mechanism in ("PLAIN", "LOGIN", "plain"):
            assert door.start(mechanism, tls=False)["state"] == BAD_MECHANISM


def test_malformed_frames_end_only_their_connection(thurn):
    for data in (b"\xff" * 64, b"\0" * 64, b"\x08\0\0\0\x04\x02\0\0\x01\0\0\0",
                 b"\x10\0\0\0\x04\x02\0\0\x01\0\0\0" + b"\xff" * 8):
        with Door(thurn, "directory-auth") as door:
            door.sock.sendall(data)
            door.sock.shutdown(socket.SHUT_WR)
            while door.sock.recv(65536):
                pass
    with Door(thurn, "directory-auth") as door:
        assert door.plain(USER, thurn.password("anna"))["state"] == OK


def test_exchanges_interleave_inside_the_library(thurn):
    """Password checks park in the library's callbacks: many at once, right and wrong, each gets its own answer."""
    names = []
    for n in range(8):
        name = "many%d@sandbox.test" % n
        thurn.thurn("user", "add", name, "--password", "pw%d" % n)
        names.append(name)
    wrong = []

    def run(seed):
        with Door(thurn, "directory-auth") as door:
            asked, scrams = {}, {}
            for n in range(60):
                k = (n * 7 + seed) % 8
                right = (n + seed) % 3 != 0
                password = "pw%d" % k if right else "pw%d" % ((k + 1) % 8)
                if n % 2:
                    x = sasl.Scram("sha256", names[k], password)
                    call = door.send(4, door.start_payload("SCRAM-SHA-256", base64.b64decode(x.first())))
                    scrams[call] = (x, k, right)
                else:
                    text = "\0%s\0%s" % (names[k], password + " " * 0)
                    call = door.send(4, door.start_payload("PLAIN", text.encode()))
                    asked[call] = (k, right)
            while asked or scrams:
                call, reader = door.receive()
                r = door.auth_reply(reader)
                if call in scrams:
                    x, k, right = scrams.pop(call)
                    final = base64.b64decode(x.final(base64.b64encode(r["data"]).decode()))
                    call = door.send(5, r["id"].to_bytes(8, "little") + blob(final) + b"\0")
                    asked[call] = (k, right)
                else:
                    k, right = asked.pop(call)
                    if (r["state"] == OK) != right or (right and r["user"] != names[k]):
                        wrong.append((k, right, r))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]


def test_connections_that_leave_in_the_middle(thurn):
    for n in range(30):
        door = Door(thurn, "directory-auth")
        for k in range(20):
            door.send(4, door.start_payload("PLAIN", ("\0%s\0wrong%d.%d" % (USER, n, k)).encode()))
            door.send(4, door.start_payload("SCRAM-SHA-1", b"n,,n=anna,r=abcdefghijkl"))
        door.sock.close()
    with Door(thurn, "directory-auth") as door:
        assert door.plain(USER, thurn.password("anna"))["state"] == OK
    assert len(thurn.pids("directory")) == 1


def test_doors_are_closed_to_strangers(thurn):
    nobody = pwd.getpwnam("nobody")
    for door in ("directory", "directory-auth", "directory-admin"):
        (thurn.dir / "run").chmod(0o755)
        (thurn.dir / "run" / door).chmod(0o666)  # even if the file modes let them in
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgid(nobody.pw_gid)
                os.setuid(nobody.pw_uid)
                with Door(thurn, door) as d:
                    try:
                        d.call(7, b"\x01")
                    except (EOFError, ConnectionResetError, BrokenPipeError):
                        status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0, door
        with Door(thurn, door) as d:  # root gets an answer, if only that this is no question for this door
            try:
                d.call(7, b"\x01")
            except Refused:
                pass
    thurn.wait_for_log("connection refused socket=directory-admin uid=%d" % nobody.pw_uid)


def test_a_session_survives_the_restart_of_directoryd_in_the_middle_of_its_login(instance):
    t = instance(settings={"directoryd.failure_delay": "0"})
    with Imap(t, "wrap") as c, Imap(t, "wrap") as other:
        steps = c.steps("SCRAM-SHA-256", USER, t.password("anna"), None, b"")
        c.send(c.auth_line("SCRAM-SHA-256", next(steps)))
        final = steps.send(c.challenge(c.reply()))
        pid, = t.pids("directory")
        os.kill(pid, signal.SIGKILL)
        thurn_module.wait_for(lambda: t.pids("directory") not in ([], [pid]), 10, "a new directoryd")
        other.send(other.auth_line("LOGIN", None))  # takes the same number, were they counted from 1
        assert other.is_challenge(other.reply())
        c.send(final + "\r\n")
        assert c.reply().startswith("a NO [UNAVAILABLE]")
        other.send(sasl.b64(USER.encode()) + "\r\n")
        assert other.is_challenge(other.reply())
        other.send(sasl.b64(t.password("anna").encode()) + "\r\n")
        assert other.ok(other.reply())
        assert c.login("PLAIN", USER, t.password("anna"))[0]


def test_exchanges_under_way_when_the_server_is_upgraded(instance):
    """The old directoryd lets them come to their end, for half of the time that a stop has; one that does not come to its end holds
    up nobody."""
    t = instance(settings={"directoryd.failure_delay": "0", "master.shutdown_timeout": "60s"})
    under_way = []
    for client, tls, mechanism, user in ((Imap, "wrap", "SCRAM-SHA-256", "anna"), (Imap, "start", "LOGIN", "bert"),
                                         (Pop, "wrap", "SCRAM-SHA-1", "anna"), (Submission, "start", "SCRAM-SHA-256", "bert")):
        c = client(t, tls)
        steps = c.steps(mechanism, thurn_module.address(user), t.password(user), None, b"")
        c.send(c.auth_line(mechanism, next(steps)))
        got = c.reply()
        under_way.append((c, steps, steps.send(c.challenge(got)) if mechanism != "LOGIN" else next(steps)))
    pid, = t.pids("directory")
    upgrade = threading.Thread(target=t.thurn, args=("upgrade",))
    upgrade.start()
    t.wait_for_log("stop waits for what is begun service=directory", 30)
    with Imap(t, "wrap") as c:  # all goes on meanwhile
        assert c.login("PLAIN", USER, t.password("anna"))[0]
    for c, steps, text in under_way:
        while True:
            c.send(text + "\r\n")
            got = c.reply()
            if not c.is_challenge(got):
                break
            text = steps.send(c.challenge(got))
        assert c.ok(got), got
        c.sock.close()
    upgrade.join()
    assert t.pids("directory") not in ([], [pid])
    t.stop()
    t.start(**{"master.shutdown_timeout": "1s"})
    with Imap(t, "wrap") as c:
        c.send(c.auth_line("LOGIN", None))
        assert c.is_challenge(c.reply())
        t.thurn("upgrade")
        c.send(sasl.b64(USER.encode()) + "\r\n")
        assert c.reply().startswith("a NO [UNAVAILABLE]")
        assert c.login("PLAIN", USER, t.password("anna"))[0]
