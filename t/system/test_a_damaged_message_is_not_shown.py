"""A body whose octets went bad on the disk is refused by IMAP and POP3, small or large; the others are as they were."""
import poplib
import re

import pytest
import wire
from mail import message

LARGE = b"x" * 76 + b"\r\n"


@pytest.mark.parametrize("size", [1, 3000], ids=["small", "large"])
def test_by_imap_and_by_pop3(instance, size):
    thurn = instance(users=("anna",))
    with thurn.smtp() as s:
        for n in range(3):
            s.sendmail("joe@far.test", ["anna@sandbox.test"], message("number %d" % n).rstrip() + b"\r\nmarked %d\r\n" % n + LARGE * size)
    thurn.wait_for_mail("anna", 3)
    packs = [p for p in (thurn.dir / "store").glob("*/packs/*") if b"marked 1" in p.read_bytes()]
    assert len(packs) == 1
    with open(packs[0], "r+b") as f:
        f.seek(packs[0].read_bytes().index(b"marked 1"))
        f.write(b"M")
    with wire.Imap(thurn, "anna") as c:
        c.command("SELECT INBOX")
        bad = None
        for uid in 1, 2, 3:
            c.send(b"f UID FETCH %d BODY.PEEK[]\r\n" % uid)
            got = b""
            reply = c.reply()
            while not reply.startswith(b"f "):
                got, reply = got + reply, c.reply()
            if not reply.startswith(b"f OK"):
                assert re.match(rb"f NO \[CORRUPTION\]", reply) and b"arked 1" not in got
                assert not bad
                bad = uid
            else:
                assert b"arked 1" not in got
        assert bad
    p = thurn.pop3s("anna")
    for n in 1, 2, 3:
        if n == bad:
            with pytest.raises(poplib.error_proto, match="-ERR"):
                p.retr(n)
        else:
            assert p.retr(n)[0].startswith(b"+OK")
    p.quit()
    assert "is damaged in pack" in thurn.log()
