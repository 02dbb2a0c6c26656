import re


def test_select_says_what_is_there(worker, account):
    c = worker.client(account)
    c.ok("CREATE box")
    c.fill("box", 1, "(\\Seen $Forwarded)")
    c.fill("box", 2)
    lines, reply = c.cmd("SELECT box")
    text = b"\n".join(lines).decode()
    assert reply.startswith("OK [READ-WRITE]")
    assert "* 3 EXISTS" in text and "* 3 RECENT" in text
    assert re.search(r"^\* FLAGS \(\\Seen \\Answered \\Flagged \\Deleted \\Draft \$Forwarded\)$", text, re.M)
    assert re.search(r"PERMANENTFLAGS \(.*\$Forwarded \\\*\)\]", text)
    assert "[UNSEEN 2]" in text and "[UIDNEXT 4]" in text and re.search(r"\[UIDVALIDITY \d+\]", text)


def test_recent_belongs_to_one_session(worker, account):
    c = worker.client(account)
    c.fill("INBOX", 2)
    assert b"* 2 RECENT" in c.ok("EXAMINE INBOX")
    assert b"* 2 RECENT" in c.ok("SELECT INBOX")
    d = worker.client(account)
    assert b"* 0 RECENT" in d.ok("SELECT INBOX")
    assert rb"\Recent" in c.ok("FETCH 1 FLAGS")[0]
    assert rb"\Recent" not in d.ok("FETCH 1 FLAGS")[0]


def test_examine_is_read_only(worker, account):
    c = worker.client(account)
    c.fill("INBOX", 1)
    lines, reply = c.cmd("EXAMINE INBOX")
    assert reply.startswith("OK [READ-ONLY]")
    assert any(b"[PERMANENTFLAGS ()]" in line for line in lines)
    c.no("STORE 1 +FLAGS (\\Seen)", "READ-ONLY")
    c.no("EXPUNGE", "READ-ONLY")
    c.ok("FETCH 1 BODY[]")
    assert rb"\Seen" not in c.ok("FETCH 1 FLAGS")[0]


def test_failed_select_leaves_nothing_selected(worker, account):
    c = worker.selected(account)
    c.no("SELECT nowhere", "NONEXISTENT")
    c.bad("CHECK")
    c.ok("SELECT INBOX")
    c.ok("UNSELECT")
    c.bad("CHECK")


def test_close_expunges_and_unselect_does_not(worker, account):
    c = worker.selected(account)
    c.fill("INBOX", 3, "(\\Deleted)")
    c.ok("NOOP")
    c.ok("UNSELECT")
    assert b"* 3 EXISTS" in c.ok("EXAMINE INBOX")
    c.ok("CLOSE")
    assert b"* 3 EXISTS" in c.ok("SELECT INBOX")
    assert c.ok("CLOSE") == []
    assert b"* 0 EXISTS" in c.ok("SELECT INBOX")


def test_deleted_mailbox_ends_the_session(worker, account):
    c = worker.client(account)
    c.ok("CREATE box")
    c.ok("SELECT box")
    worker.client(account).ok("DELETE box")
    c.send("a NOOP\r\n")
    assert c.line().startswith(b"* BYE ")


def test_deleting_the_selected_mailbox_unselects(worker, account):
    c = worker.client(account)
    c.ok("CREATE box")
    c.ok("SELECT box")
    c.ok("DELETE box")
    c.bad("CHECK")
    c.ok("NOOP")
