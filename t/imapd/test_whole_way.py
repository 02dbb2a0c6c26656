"""Through the login program, plain and TLS, with the whole instance behind it."""
import threading
import time

import pytest


def fill(c, n):
    for i in range(n):
        assert c.append("INBOX", None, None, b"Subject: m%d\r\n\r\nbody\r\n" % i)[0] == "OK"


@pytest.mark.parametrize("way", ["imap", "imaps"])
def test_login_and_work(thurn, way):
    c = getattr(thurn, way)("anna")
    assert "UIDPLUS" in c.capability()[1][0].decode()
    fill(c, 3)
    ok, (count,) = c.select()
    assert ok == "OK" and int(count) >= 3
    ok, parts = c.fetch("1:3", "(UID FLAGS BODY.PEEK[])")
    assert len([p for p in parts if isinstance(p, tuple)]) == 3
    assert c.logout()[0] == "BYE"


def test_mail_comes_while_idle(thurn):
    c = thurn.imaps("bert")
    c.select()
    c.send(b"x IDLE\r\n")
    assert c.readline().startswith(b"+ ")
    thurn.deliver("bert", "Subject: hello\n\nnews\n")
    assert b"EXISTS" in c.readline()
    c.send(b"DONE\r\n")
    while not c.readline().startswith(b"x OK"):
        pass
    c.logout()


def test_large_message_through_tls(thurn):
    big = b"Subject: big\r\n\r\n" + b"".join(b"%d\r\n" % i for i in range(200000))
    c = thurn.imaps("bert")
    c.create("big")
    assert c.append("big", None, None, big)[0] == "OK"
    c.select("big")
    assert c.fetch("1", "BODY.PEEK[]")[1][0][1] == big
    c.logout()


def test_sessions_survive_a_reload(thurn):
    c, d = thurn.imaps("anna"), thurn.imap("anna")
    c.select()
    thurn.thurn("reload")
    time.sleep(1)
    for s in (c, d):
        assert s.noop()[0] == "OK"
        assert s.select()[0] == "OK"
        s.logout()


def test_many_sessions_on_one_mailbox(thurn):
    errors = []

    def work(n):
        try:
            c = thurn.imap("anna")
            c.select("shared")
            for i in range(20):
                assert c.append("shared", None, None, b"Subject: %d %d\r\n\r\nx\r\n" % (n, i))[0] == "OK"
                assert c.uid("STORE", "1:*", "+FLAGS.SILENT", "(k%d)" % n)[0] == "OK"
            c.logout()
        except Exception as e:
            errors.append(e)

    c = thurn.imap("anna")
    c.create("shared")
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert int(c.select("shared")[1][0]) == 160
    uids = c.uid("SEARCH", "ALL")[1][0].split()
    assert sorted(set(map(int, uids))) == list(range(1, 161))
    assert len(c.fetch("1:*", "(BODY.PEEK[HEADER])")[1]) == 320
    c.logout()
