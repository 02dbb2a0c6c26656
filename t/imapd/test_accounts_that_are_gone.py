"""Sessions of a user who is removed end, politely and soon; those of others, and of the same user with a new password, go on."""
import os
import re
import shutil
import signal

import thurn as thurn_module
from calls import Door
from clients import MECHANISMS, Imap, Pop

BYE = "* BYE [CONTACTADMIN] "
USER = "anna@sandbox.test"


def enter(thurn, client, user="anna", tls="wrap"):
    c = client(thurn, tls)
    ok, reply = c.by_password("%s@sandbox.test" % user, thurn.password(user))
    assert ok, reply
    return c


def is_over(c, words):
    """The last words, and nothing behind them."""
    line = c.line()
    while line is not None and line.startswith("* OK Still here"):
        line = c.line()
    assert line is not None and line.startswith(words), line
    assert c.line() is None


def append(c, size):
    c.send("a APPEND INBOX {%d+}\r\n" % size + "x" * size + "\r\n")
    assert c.reply().startswith("a OK")


def test_who_is_removed(instance):
    thurn = instance(settings={"imap_login.plain_without_tls": "yes", "imap_login.proxy_timeout": "2m",
                               "imapd:min_workers": 1, "imapd:max_workers": 1})
    others = [enter(thurn, Imap, "bert"), enter(thurn, Pop, "bert")]
    waiting = [enter(thurn, Imap), enter(thurn, Imap, tls="")]
    idle, busy, half = enter(thurn, Imap), enter(thurn, Imap, tls=""), enter(thurn, Imap)
    size = 8000000
    append(waiting[0], size)
    for c in (idle, busy, half):
        assert c.command("SELECT INBOX")[-1].split()[1] == "OK"
    idle.send("i IDLE\r\n")
    assert idle.line().startswith("+ ")
    pop = enter(thurn, Pop)
    pop("DELE 1", "+OK")
    busy.send("f FETCH 1 BODY.PEEK[]\r\n")
    assert busy.line() == "* 1 FETCH (BODY[] {%d}" % size
    half.send("h APPEND INBOX {1000}\r\n")
    assert half.line().startswith("+ ")
    thurn.thurn("user", "remove", "anna")
    for c in [*waiting, idle, half]:
        is_over(c, BYE)
    is_over(pop, "-ERR [SYS/PERM] ")
    assert busy.octets(size) == b"x" * size  # a command under way is done to its end
    assert busy.line() == ")"
    assert busy.line().startswith("f OK")
    is_over(busy, BYE)
    assert others[0].command("NOOP")[-1].split()[1] == "OK"
    others[1]("STAT", "+OK")
    # Nothing is lost of the mail, and nothing of it is another's who comes under the same name.
    log = thurn.log()
    account = re.search(r"user removed user=anna@sandbox.test account=(\w+)", log)[1]
    assert len(re.findall(r"account gone user=anna@sandbox.test account=%s" % account, log)) == 2  # imapd's and pop3d's
    assert len(re.findall(r"reason=.account gone", log)) == 5
    assert [p for p in (thurn.dir / "store").rglob(account) if p.is_dir()]
    thurn.add_user("anna")
    with enter(thurn, Imap) as c:
        assert "* 0 EXISTS" in c.command("SELECT INBOX")
    for c in [*waiting, idle, half, busy, pop, *others]:
        c.sock.close()


def test_who_is_disabled_and_enabled(instance):
    thurn = instance(settings={"directoryd.failure_delay": "0"})
    thurn.thurn("alias", "add", "both", "anna", "bert")
    thurn.deliver("anna", "Subject: before\n\n")
    thurn.wait_for_mail("anna")
    idle, waiting, pop, other = enter(thurn, Imap), enter(thurn, Imap), enter(thurn, Pop), enter(thurn, Imap, "bert")
    assert idle.command("SELECT INBOX")[-1].split()[1] == "OK"
    idle.send("i IDLE\r\n")
    assert idle.line().startswith("+ ")
    with thurn.submission("anna") as submission, Door(thurn, "directory-auth") as auth:
        ticket = auth.plain(USER, thurn.password("anna"))["ticket"]
        for _ in range(2):  # the second time it is so already
            thurn.thurn("user", "disable", "anna")
        is_over(idle, BYE)
        is_over(waiting, BYE)
        is_over(pop, "-ERR [SYS/PERM] ")
        assert submission.mail(USER)[0] >= 421  # the session is ended
        assert auth.redeem(ticket) is None
    assert other.command("NOOP")[-1].split()[1] == "OK"
    assert [(u["login"], u["disabled"]) for u in thurn.json("user", "list")] == [(False, True), (True, False)]
    for client in (Imap, Pop):
        for mechanism in MECHANISMS:
            said = []
            for password in (thurn.password("anna"), "wrong"):
                with client(thurn, "wrap") as c:
                    ok, reply = c.login(mechanism, USER, password)
                    assert not ok
                    said.append(reply)
            assert said[0] == said[1]  # nothing tells that the password was right
    with thurn.smtp() as s:
        s.ehlo("x")
        s.mail("x@elsewhere.test")
        code, text = s.rcpt(USER)
        assert code == 550 and text.startswith(b"5.2.1 "), text
        assert s.rcpt("anna+detail@sandbox.test")[0] == 550
        assert s.rcpt("bert@sandbox.test")[0] == 250
    thurn.thurn("user", "passwd", "anna", "--password", "newer")  # lets nobody in
    with Imap(thurn, "wrap") as c:
        assert not c.login("PLAIN", USER, "newer")[0]
    thurn.thurn("user", "enable", "anna")
    thurn.passwords[USER] = "newer"
    thurn.deliver("anna", "Subject: after\n\n")
    assert len(thurn.wait_for_mail("anna", 2)) == 2
    assert [u["disabled"] for u in thurn.json("user", "list")] == [False, False]
    for verb in ("disable", "enable"):
        assert "There is no user" in thurn.thurn("user", verb, "nobody-there", check=False).stderr
    for c in (idle, waiting, pop, other):
        c.sock.close()


def test_who_gets_a_new_password(instance):
    thurn = instance()
    c, p = enter(thurn, Imap), enter(thurn, Pop)
    thurn.thurn("user", "passwd", "anna", "--password", "another one")
    thurn.thurn("alias", "add", "anna2", "anna")
    assert not thurn.thurn("user", "remove", "bert").returncode
    assert c.command("SELECT INBOX")[-1].split()[1] == "OK"
    p("STAT", "+OK")
    assert "account gone" not in thurn.log()
    c.sock.close()
    p.sock.close()


def test_who_is_removed_while_nobody_hears_it(instance):
    """The directory was away: who is logged in is looked up again when it is back."""
    thurn = instance()
    gone, stays = enter(thurn, Imap), enter(thurn, Imap, "bert")
    (pid,) = thurn.pids("directory")
    workers = [*thurn.pids("imapd"), *thurn.pids("pop3d")]
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        os.kill(pid, signal.SIGKILL)
        thurn_module.wait_for(lambda: thurn.pids("directory") not in ([], [pid]), 20, "directoryd")
        thurn_module.wait_for(lambda: thurn.thurn("user", "remove", "anna", check=False).returncode == 0, 20, "the removal")
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
    is_over(gone, BYE)
    assert stays.command("NOOP")[-1].split()[1] == "OK"
    gone.sock.close()
    stays.sock.close()


def test_files_that_are_removed_under_a_session(instance):
    """What an operator removes is gone; nobody else notices, and no process dies of it."""
    thurn = instance()
    workers = thurn.pids("imapd") + thurn.pids("pop3d") + thurn.pids("local-agent")
    sessions = [enter(thurn, Imap) for _ in range(3)]
    append(sessions[0], 1000)
    for c in sessions:
        assert c.command("SELECT INBOX")[-1].split()[1] == "OK"
    sessions[2].send("i IDLE\r\n")
    assert sessions[2].line().startswith("+ ")
    pop = enter(thurn, Pop)
    account = re.search(r"user added user=anna@sandbox.test account=(\w+)", thurn.log())[1]
    for folder in [p for p in (thurn.dir / "store").rglob(account) if p.is_dir()]:
        shutil.rmtree(folder)
    for c, commands in ((sessions[0], ("NOOP", "FETCH 1 (FLAGS BODY[])", "STORE 1 +FLAGS (\\Flagged)", "SEARCH BODY x", "EXPUNGE")),
                        (sessions[1], ("COPY 1 Drafts", "CREATE new", "DELETE Drafts", "STATUS INBOX (MESSAGES)", "SELECT INBOX"))):
        for command in commands:
            if c.command(command)[-1] is None:  # it may say BYE
                break
    pop.send("RETR 1\r\nDELE 1\r\nQUIT\r\n")
    while pop.line() is not None:
        pass
    thurn.thurn("user", "remove", "anna")
    for c in sessions:
        while c.line() is not None:
            pass
        c.sock.close()
    pop.sock.close()
    assert thurn.pids("imapd") + thurn.pids("pop3d") + thurn.pids("local-agent") == workers
    thurn.deliver("bert", "Subject: all is well\n\n")
    thurn.wait_for_mail("bert")
