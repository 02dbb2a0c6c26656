"""From the login program to the worker, and the end of a session."""
import re
import signal
import socket
import threading
import time

from thurn import SLOW, wait_for
from worker import Client, frame, LOGIN, READY


def test_preauth_greets(worker, account):
    c = worker.client(account)
    assert c.greeting.startswith(b"* PREAUTH [CAPABILITY IMAP4rev1 ")
    assert c.ok("NOOP") == []
    lines, reply = c.cmd("LOGOUT")
    assert lines[0].startswith(b"* BYE ") and reply.startswith("OK")
    assert c.sock.recv(1) == b""


def test_login_is_answered_with_its_tag(worker, account):
    c = worker.client(account, tag="A001")
    assert re.match(rb"A001 OK \[CAPABILITY IMAP4rev1 .*UIDPLUS.*\] Logged in\.\r\n", c.greeting)


def test_proxied_session_and_pipelined_input(worker, account):
    c = worker.client(account, tag="x", proxied=True, input=b"a NOOP\r\nb NO", tls=True)
    assert c.until("a")[1].startswith("OK")
    c.send("OP\r\n")
    assert c.until("b")[1].startswith("OK")


def test_refused_ticket(own_worker):
    w = own_worker()
    w.directory.refuse = True
    c = w.client("anna", tag="x")
    assert c.greeting.startswith(b"x NO [UNAVAILABLE] ")
    assert c.line().startswith(b"* BYE ")
    assert c.sock.recv(1) == b""


def test_garbage_instead_of_a_handoff(worker, account):
    for garbage in (b"GET / HTTP/1.0\r\n\r\n", frame(LOGIN, 0, b"\xff" * 50), b"\xff" * 100, b""):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(worker.dir / "run/imapd"))
            s.sendall(garbage)
            s.shutdown(socket.SHUT_WR)
            try:
                assert s.recv(1) == b""
            except ConnectionResetError:
                pass
    worker.client(account).ok("NOOP")


def test_capabilities_are_those_of_the_greeting(worker, account):
    c = worker.client(account)
    said = re.search(rb"\[CAPABILITY (.*?)\]", c.greeting)[1]
    assert c.ok("CAPABILITY") == [b"* CAPABILITY " + said]
    for name in b"IMAP4rev1 LITERAL+ UIDPLUS MOVE IDLE NAMESPACE UNSELECT CHILDREN ID ENABLE SPECIAL-USE LIST-STATUS".split():
        assert name in said.split()
    assert b"AUTH=" not in said and b"STARTTLS" not in said


def test_idle_connections_are_told_to_go_when_the_server_stops(own_worker):
    w = own_worker()
    waiting = w.client("anna")
    idle = w.selected("anna")
    idle.send("i IDLE\r\n")
    assert idle.line().startswith(b"+ ")
    w.stop()
    assert "overdue" not in w.log()
    assert waiting.line().startswith(b"* BYE ")
    assert idle.line().startswith(b"* BYE ")
    w.start()


def test_a_command_under_way_is_finished_before_the_server_stops(own_worker):
    w = own_worker()
    c = w.selected("anna")
    c.append("INBOX", b"x" * 20000000)
    c.ok("NOOP")
    c.send("f FETCH 1 BODY.PEEK[]\r\n")
    assert c.sock.recv(1) == b"*"
    stopping = threading.Thread(target=w.stop)
    stopping.start()
    time.sleep(0.5)
    lines, reply = c.until("f")
    assert reply.startswith("OK") and len(lines[0]) > 20000000
    assert c.line().startswith(b"* BYE ")
    stopping.join()
    w.start()


def test_autologout(own_worker):
    w = own_worker("idle_timeout = 3")
    waiting, idle, busy = w.client("anna"), w.client("anna"), w.client("anna")
    idle.send("i IDLE\r\n")
    assert idle.line().startswith(b"+ ")
    for _ in range(16):
        time.sleep(0.25)
        busy.ok("NOOP")
    for c in (waiting, idle):
        assert c.line().startswith(b"* BYE Autologout")
        assert c.sock.recv(1) == b""
    assert "reason=timeout" in w.log()


def test_small_commands(worker, account):
    c = worker.client(account)
    assert c.ok("NAMESPACE") == [b'* NAMESPACE (("" "/")) NIL NIL']
    assert c.ok('ID ("name" "tester" "version" NIL)') == [b'* ID ("name" "Thurn")']
    assert c.ok("ID NIL")
    c.bad("ID")
    c.bad('ID ("name")')
    assert c.ok("ENABLE CONDSTORE X-FOO") == [b"* ENABLED"]
    c.bad("ENABLE")
    for name in ("CHECK", "CLOSE", "EXPUNGE", "FETCH 1 UID", "SEARCH ALL", "UNSELECT", "STORE 1 FLAGS ()",
                 "COPY 1 x", "MOVE 1 x", "UID FETCH 1 UID"):
        c.bad(name)
    c.bad("NOOP x")
    c.bad("UID NOOP")
    c.bad("FOO")
    c.send("\r\n* x\r\n+ x\r\n")
    assert c.line().startswith(b"* BAD")
    c.ok("NOOP")


def test_a_worker_that_is_late_ends_without_its_client(own_worker):
    """The login program has given up while the worker did nothing: nobody gets a word, nothing stays open."""
    w = own_worker()
    w.client("anna").ok("NOOP")
    before = w.descriptors()
    w.process.send_signal(signal.SIGSTOP)
    given_up = [w.offer("anna", tag="x") for _ in range(20)]
    for handoff in given_up:
        handoff.close()
    waiting = w.offer("anna", tag="y")
    w.process.send_signal(signal.SIGCONT)
    assert waiting.recv(len(READY), socket.MSG_WAITALL) == READY
    c = Client(w.give(waiting), "y")
    assert c.greeting.startswith(b"y OK ")
    assert w.log().count("was not taken over") == 20
    assert len(re.findall(r" login account=", w.log())) == 2
    c.close()
    wait_for(lambda: w.descriptors() <= before, 10, "its descriptors")


def test_a_login_program_that_leaves_while_the_account_is_opened(own_worker):
    w = own_worker()
    w.directory.hold.clear()
    handoff = w.offer("anna", tag="x")
    wait_for(lambda: w.directory.asked == 1, 10, "the question for the ticket")
    handoff.close()
    w.directory.hold.set()
    wait_for(lambda: "was not taken over" in w.log(), 10, "the end of the session")
    assert " login account=" not in w.log()
    w.client("anna").ok("NOOP")
