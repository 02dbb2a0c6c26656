"""CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS."""
import re
import threading

from thurn import SLOW, wait_for


def names(lines):
    return sorted(re.match(rb'\* L\w+ \(.*?\) "/" (.*)', line)[1].strip(b'"').decode() for line in lines)


def listed(c, args, verb="LIST"):
    return names(c.ok("%s %s" % (verb, args)))


def fresh(worker, account):
    """A client, and the names a new account has."""
    c = worker.client(account)
    return c, listed(c, '"" *')


def test_create_list_delete(worker, account):
    c, default = fresh(worker, account)
    assert "INBOX" in default
    c.ok("CREATE work")
    c.ok("CREATE work/a/b")
    c.ok("CREATE trailing/")
    assert set(listed(c, '"" *')) - set(default) == {"work", "work/a", "work/a/b", "trailing"}
    assert listed(c, '"" work/%') == ["work/a"]
    assert listed(c, 'work/ *') == ["work/a", "work/a/b"]
    assert listed(c, '"" inbox') == ["INBOX"]
    c.no("CREATE work", "ALREADYEXISTS")
    c.no("CREATE inbox", "ALREADYEXISTS")
    c.no("DELETE nothing", "NONEXISTENT")
    c.no("DELETE INBOX", "CANNOT")
    c.ok("DELETE trailing")
    c.ok("DELETE work/a/b")
    assert "work/a/b" not in listed(c, '"" *')


def test_children_and_noselect(worker, account):
    c, _ = fresh(worker, account)
    c.ok("CREATE p/q")
    c.ok("DELETE p")
    lines = c.ok('LIST "" p*')
    assert rb"\NoSelect" in lines[0] and rb"\HasChildren" in lines[0]
    assert rb"\HasNoChildren" in lines[1]
    c.no("SELECT p", "NONEXISTENT")
    c.no("STATUS p (MESSAGES)", "NONEXISTENT")


def test_delimiter(worker, account):
    c, _ = fresh(worker, account)
    assert c.ok('LIST "" ""') == [b'* LIST (\\NoSelect) "/" ""']


def test_odd_names(worker, account):
    c, _ = fresh(worker, account)
    c.ok('CREATE "with space"')
    c.ok('CREATE "Entw&APw-rfe"')
    c.ok('CREATE {7+}\r\nlit "q"')
    assert c.ok('LIST "" "with*"')[0].endswith(b' "with space"')
    assert listed(c, '"" Entw*') == ["Entw&APw-rfe"]
    assert c.ok('LIST "" lit*')[0].endswith(rb'"lit \"q\""')
    for command in "CREATE &bad", "DELETE &bad", "RENAME INBOX &bad", "STATUS &bad (MESSAGES)", "EXAMINE &bad":
        c.no(command, "CANNOT")  # a name like others for the grammar, but no mailbox can have it
    assert c.ok('LIST "" &bad') == []
    c.ok("SELECT INBOX")
    c.no("SELECT &bad", "CANNOT")
    c.bad("FETCH 1 FLAGS")  # nothing is selected any more
    c.bad(b"CREATE caf\xc3\xa9")
    c.no("CREATE a//b", "CANNOT")
    c.bad("CREATE")
    c.bad('CREATE "unclosed')


def test_rename(worker, account):
    c, _ = fresh(worker, account)
    c.ok("CREATE old/child")
    c.append("old/child", "Subject: x\r\n\r\n")
    c.ok("RENAME old new")
    assert listed(c, '"" new*') == ["new", "new/child"]
    assert listed(c, '"" old*') == []
    assert b"MESSAGES 1" in c.ok("STATUS new/child (MESSAGES)")[0]
    c.no("RENAME nothing x", "NONEXISTENT")
    c.no("RENAME new INBOX", "ALREADYEXISTS")


def test_rename_inbox_moves_its_messages(worker, account):
    c, _ = fresh(worker, account)
    c.fill("INBOX", 2)
    c.ok("RENAME INBOX saved")
    assert b"MESSAGES 0" in c.ok("STATUS INBOX (MESSAGES)")[0]
    assert b"MESSAGES 2" in c.ok("STATUS saved (MESSAGES)")[0]


def test_subscriptions(worker, account):
    c, _ = fresh(worker, account)
    for line in c.ok('LSUB "" *'):
        c.ok("UNSUBSCRIBE " + re.search(rb'"/" (.*)', line)[1].decode())
    assert c.ok('LSUB "" *') == []
    c.ok("CREATE a/b")
    c.ok("SUBSCRIBE a/b")
    c.ok("SUBSCRIBE gone")
    assert listed(c, '"" *', "LSUB") == ["a/b", "gone"]
    # RFC 3501 6.3.9: the parent of a subscribed name shows as \NoSelect.
    lines = c.ok('LSUB "" %')
    assert names(lines) == ["a", "gone"]
    assert [line for line in lines if b" a" in line][0].startswith(b"* LSUB (\\NoSelect)")
    assert "gone" not in listed(c, '"" *')
    c.ok("UNSUBSCRIBE gone")
    assert listed(c, '"" *', "LSUB") == ["a/b"]


def test_extended_list(worker, account):
    c, _ = fresh(worker, account)
    c.ok("CREATE x/y")
    c.ok("SUBSCRIBE x/y")
    c.ok("SUBSCRIBE nowhere")
    lines = c.ok('LIST (SUBSCRIBED) "" (x* no*)')
    assert names(lines) == ["nowhere", "x/y"]
    assert rb"\NonExistent" in [line for line in lines if b"nowhere" in line][0]
    assert rb"\Subscribed" in [line for line in lines if b"x/y" in line][0]
    lines = c.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" x')
    assert lines == [b'* LIST (\\HasChildren) "/" x ("CHILDINFO" ("SUBSCRIBED"))']
    lines = c.ok('LIST "" x* RETURN (SUBSCRIBED CHILDREN)')
    assert rb"\Subscribed" not in lines[0] and rb"\Subscribed" in lines[1]
    c.bad('LIST (FOO) "" *')


def test_what_is_below_is_told_by_what_was_asked_for(worker, account):
    """RFC 5258 section 4, with RFC 6154's option."""
    c, _ = fresh(worker, account)
    c.ok(r"CREATE p/drafts (USE (\Drafts))")
    c.ok("SUBSCRIBE p/drafts")
    for options in "SUBSCRIBED", "SPECIAL-USE", "SUBSCRIBED SPECIAL-USE":
        info = " ".join('"%s"' % o for o in options.split())
        assert c.ok('LIST (%s RECURSIVEMATCH) "" p' % options) == [
            b'* LIST (\\HasChildren) "/" p ("CHILDINFO" (%s))' % info.encode()]
    c.bad('LIST (RECURSIVEMATCH) "" p')
    c.bad('LIST (RECURSIVEMATCH REMOTE) "" p')


def test_many_lists_of_many_mailboxes_need_the_memory_of_one(own_worker):
    """A client that does not read has its LIST in memory; other sessions of the account wait for their turn."""
    w = own_worker()
    c = w.client("anna")
    level = "/" + "x" * 49
    c.send("".join("c CREATE %049d%s\r\n" % (i, level * 19) for i in range(300)) + "end NOOP\r\n")
    assert c.until("end")[1].startswith("OK")
    names = len(c.ok('LIST "" *'))
    assert names > 6000
    clients = [w.client("anna", proxied=True) for _ in range(8)]
    before = w.memory()
    for d in clients:
        d.send('a LIST "" *\r\n')
    idle(w)
    assert w.memory() - before < (16 << 20) * SLOW
    told = []
    readers = [threading.Thread(target=lambda d=d: told.append(count_lines(d))) for d in clients]
    for r in readers:
        r.start()
    for r in readers:
        r.join()
    assert told == [names] * len(clients)


def count_lines(c):
    """Before the tagged one, without a look at each."""
    text = bytearray()
    while not text.endswith(b"LIST completed.\r\n"):
        c.sock.settimeout(60 * SLOW)  # for its turn
        more = c.sock.recv(1 << 20)
        assert more, "the server closed"
        text += more
    return text.count(b"\n") - 1


def idle(w):
    """The worker has done all it can."""
    used = lambda: open("/proc/%d/stat" % w.process.pid).read().rsplit(")", 1)[1].split()[11:13]
    seen = []

    def still():
        seen.append(used())
        return len(seen) > 10 and seen[-1] == seen[-10]

    wait_for(still, 60, "rest")


def test_special_use(worker, account):
    c, _ = fresh(worker, account)
    c.ok("CREATE Stuff (USE (\\Archive))")
    assert [line for line in c.ok('LIST "" Stuff') if rb"\Archive" in line]
    lines = c.ok('LIST (SPECIAL-USE) "" *')
    assert b"Stuff" in b"".join(lines) and b"INBOX" not in b"".join(lines)
    for uses in r"\Nope", r"\Sent \Nope", r"\Sent \Drafts":  # the last: one mailbox, one use
        c.no("CREATE Other (USE (%s))" % uses, "USEATTR")
    for uses in "Sent", r"\Sent\Drafts", r"\Sent ", r" \Sent":
        c.bad("CREATE Other (USE (%s))" % uses)
    c.ok(r"CREATE Twice (USE (\Junk \junk))")
    c.ok("CREATE None (USE ())")  # RFC 6154 section 6
    assert c.ok('LIST "" None') == [b'* LIST (\\HasNoChildren) "/" None']
    c.bad("CREATE Other (FOO)")


def test_status(worker, account):
    c, _ = fresh(worker, account)
    c.ok("CREATE box")
    c.fill("box", 3)
    c.append("box", "Subject: seen\r\n\r\n", "(\\Seen)")
    line = c.ok("STATUS box (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)")[0]
    assert re.match(rb"\* STATUS box \(MESSAGES 4 RECENT 4 UIDNEXT 5 UIDVALIDITY \d+ UNSEEN 3\)$", line)
    c.bad("STATUS box ()")
    c.bad("STATUS box (FOO)")
    lines = c.ok('LIST "" b* RETURN (STATUS (MESSAGES UNSEEN))')
    assert lines[1:] == [b"* STATUS box (MESSAGES 4 UNSEEN 3)"]


def test_other_separator(own_worker):
    c = own_worker("separator = .").client("anna")
    assert c.ok("NAMESPACE") == [b'* NAMESPACE (("" ".")) NIL NIL']
    c.ok("CREATE a.b.c")
    assert [line for line in c.ok('LIST "a." %') if line.endswith(b'"." a.b')]
    assert not c.ok('LIST "" a.b.%')[0].endswith(b"/c")
    c.ok("RENAME a.b x.y")
    assert c.ok("LIST x.y. *")[0].endswith(b'"." x.y.c')
    c.no("CREATE with/slash", "CANNOT")
    c.ok("SELECT x.y.c")
