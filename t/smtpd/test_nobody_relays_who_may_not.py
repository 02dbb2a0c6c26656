"""Relaying is for listed networks and for users who logged in."""
import os
import signal

from dialogue import Dialogue

OUTSIDE = ["x@elsewhere.test", "\"anna@sandbox.test\"@elsewhere.test", "anna%sandbox.test@elsewhere.test",
           "@sandbox.test:x@elsewhere.test", "\"x@elsewhere.test\"@other.test", "x@[192.0.2.1]"]


def test_strangers(instance):
    t = instance(settings={"networks": "192.0.2.0/24"})
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<anna@sandbox.test>", 250)
        for address in OUTSIDE:
            d("RCPT TO:<%s>" % address, "550 5.7.1 Relaying denied")
        d("RCPT TO:<anna@sandbox.test>", "250 2.1.5")
        d("RCPT TO:<elsewhere.test!x@sandbox.test>", "550 5.1.1")
        d("RCPT TO:<x%elsewhere.test@sandbox.test>", "550 5.1.1")
    with Dialogue(t.ports["lmtp"]) as d:
        d("LHLO client.test", 250)
        d("MAIL FROM:<anna@sandbox.test>", 250)
        d("RCPT TO:<x@elsewhere.test>", "550 5.7.1 Relaying denied")
    t.wait_for_log(r"refused ip=127\.0\.0\.1 code=550 status=5\.7\.1 from=anna@sandbox\.test about=x@elsewhere\.test")


def test_listed_networks(instance):
    t = instance(settings={"networks": "192.0.2.0/24 127.0.0.0/8"})
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<anna@sandbox.test>", 250)
        d("RCPT TO:<x@elsewhere.test>", "250 2.1.5")


def test_a_directory_that_cannot_say_defers(instance):
    t = instance()
    with Dialogue(t.ports["smtp"]) as d, t.submissions("anna") as user:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        pids = t.pids("directory")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            user.putcmd("MAIL FROM:<anna@sandbox.test>")
            got = d("RCPT TO:<anna@sandbox.test>", "451 4.")
            assert user.getreply() == (451, b"4.3.0 Sender can't be checked now")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert "550" not in got
        d("RCPT TO:<anna@sandbox.test>", "250 2.1.5")
