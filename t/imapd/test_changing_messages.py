"""STORE, EXPUNGE, COPY, MOVE, and what other sessions are told."""
import re


def box(worker, account, n=5):
    c = worker.client(account)
    c.fill("INBOX", n)
    c.ok("SELECT INBOX")
    return c


def flags(c, seq):
    return re.search(rb"FLAGS \((.*?)\)", c.ok("FETCH %d FLAGS" % seq)[0])[1].replace(b"\\Recent", b"").split()


def test_store_adds_removes_sets(worker, account):
    c = box(worker, account)
    lines = c.ok("STORE 1:2 +FLAGS (\\Seen $x)")
    assert [line for line in lines if b"FETCH" in line] == [
        b"* 1 FETCH (FLAGS (\\Seen \\Recent $x))", b"* 2 FETCH (FLAGS (\\Seen \\Recent $x))"]
    assert any(line.startswith(b"* FLAGS ") and b"$x" in line for line in lines)
    c.ok("STORE 1 -FLAGS \\Seen")
    assert flags(c, 1) == [b"$x"]
    c.ok("STORE 1 FLAGS (\\Flagged \\Deleted)")
    assert flags(c, 1) == [b"\\Flagged", b"\\Deleted"]
    c.ok("STORE 1 FLAGS ()")
    assert flags(c, 1) == []
    assert flags(c, 2) == [b"\\Seen", b"$x"]


def test_silent(worker, account):
    c = box(worker, account)
    assert c.ok("STORE 1:5 +FLAGS.SILENT (\\Seen)") == []
    assert flags(c, 5) == [b"\\Seen"]


def test_uid_store_tells_uids(worker, account):
    c = box(worker, account)
    c.ok("STORE 1 +FLAGS.SILENT \\Deleted")
    c.ok("EXPUNGE")
    assert c.ok("UID STORE 3,99 +FLAGS (\\Seen)") == [b"* 2 FETCH (UID 3 FLAGS (\\Seen \\Recent))"]
    assert c.ok("UID STORE 99 +FLAGS (\\Seen)") == []
    c.bad("STORE 99 +FLAGS (\\Seen)")
    c.bad("STORE 1 +FOO (\\Seen)")
    c.bad("STORE 1 FLAGS")
    c.bad("STORE 0 FLAGS ()")


def test_expunge(worker, account):
    c = box(worker, account)
    c.ok("STORE 1,3,5 +FLAGS.SILENT (\\Deleted)")
    assert c.ok("UID EXPUNGE 3:4") == [b"* 3 EXPUNGE", b"* 4 RECENT"]
    lines = c.ok("EXPUNGE")[:-1]
    assert lines in ([b"* 1 EXPUNGE", b"* 3 EXPUNGE"], [b"* 4 EXPUNGE", b"* 1 EXPUNGE"])
    assert c.ok("UID SEARCH ALL") == [b"* SEARCH 2 4"]


def test_copy(worker, account):
    c = box(worker, account)
    c.ok("CREATE other")
    c.ok("STORE 2 +FLAGS.SILENT (\\Flagged $x)")
    lines, reply = c.cmd("COPY 2,4:5 other")
    assert re.match(r"OK \[COPYUID \d+ 2,4:5 1:3\]", reply)
    c.no("COPY 1 nowhere", "TRYCREATE")
    lines, reply = c.cmd("UID COPY 99 other")
    assert reply.startswith("OK") and "COPYUID" not in reply
    c.ok("SELECT other")
    assert flags(c, 1) == [b"\\Flagged", b"$x"]
    assert b"message 4" in c.ok("FETCH 2 BODY[HEADER]")[0]


def test_move(worker, account):
    c = box(worker, account)
    c.ok("CREATE other")
    lines, reply = c.cmd("MOVE 2:3 other")
    assert reply.startswith("OK")
    assert re.match(rb"\* OK \[COPYUID \d+ 2:3 1:2\]", lines[0])
    assert lines[-1] == b"* 3 RECENT"
    assert lines[1:-1] in ([b"* 2 EXPUNGE"] * 2, [b"* 3 EXPUNGE", b"* 2 EXPUNGE"])
    c.ok("UID MOVE 5 other")
    assert c.ok("UID SEARCH ALL") == [b"* SEARCH 1 4"]
    c.no("MOVE 1 nowhere", "TRYCREATE")
    c.ok("EXAMINE INBOX")
    c.no("MOVE 1 other", "READ-ONLY")


def test_others_hear_of_it(worker, account):
    c, d = box(worker, account), worker.selected(account)
    c.ok("STORE 2 +FLAGS (\\Seen)")
    assert d.ok("NOOP") == [b"* 2 FETCH (FLAGS (\\Seen))"]
    c.append("INBOX", "Subject: new\r\n\r\n")
    assert b"* 6 EXISTS" in d.ok("NOOP")
    assert b"* 6 EXISTS" not in d.ok("NOOP")


def test_no_expunge_during_commands_with_sequence_numbers(worker, account):
    c, d = box(worker, account), worker.selected(account)
    c.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    for command in ("FETCH 1 FLAGS", "SEARCH ALL", "STORE 1 +FLAGS (\\Seen)"):
        assert not [line for line in d.ok(command) if b"EXPUNGE" in line]
    assert b"UID 3" in d.ok("FETCH 3 UID")[0]
    # Its flags are still known, and its text as long as nothing was reclaimed.
    assert b"UID 2" in d.ok("FETCH 2 UID")[0]
    assert d.ok("UID FETCH 3 FLAGS")[-1] == b"* 2 EXPUNGE"
    assert b"UID 3" in d.ok("FETCH 2 UID")[0]


def test_a_copy_is_of_all_or_of_none(worker, account):
    """RFC 3501 6.4.7; that another session expunged some is no reason for a part of it. RFC 3501 6.4.8: a UID that is
    no more is no error."""
    c, other = worker.client(account), worker.client(account)
    c.ok("CREATE there")
    c.fill("INBOX", 5)
    for verb, there in ("COPY 1:2", 0), ("MOVE 1:2", 0), ("UID COPY 1:4", 1), ("UID MOVE 1:7", 4):
        c.ok("SELECT INBOX")
        other.ok("SELECT INBOX")
        other.ok(r"STORE 1 +FLAGS.SILENT \Deleted")
        other.ok("EXPUNGE")
        if verb.startswith("UID"):
            c.ok(verb + " there")
        else:
            lines = c.no(verb + " there", "EXPUNGEISSUED")
            assert b"* 1 EXPUNGE" in lines
        assert b"MESSAGES %d" % there in c.ok("STATUS there (MESSAGES)")[0]
        c.fill("INBOX", 1)


def test_what_another_session_expunged_is_not_stored_to(worker, account):
    c, d = box(worker, account), worker.selected(account)
    c.ok("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    lines = d.no("STORE 1:5 +FLAGS (\\Seen $x)", "EXPUNGEISSUED")
    told = [line for line in lines if b" FETCH " in line]
    assert [line.split()[1] for line in told] == [b"1", b"3", b"5"] and all(b"\\Seen $x" in line for line in told)
    assert [line for line in d.no("STORE 2,4 +FLAGS (\\Flagged)", "EXPUNGEISSUED") if b" FETCH " in line] == []
    # RFC 2180 4.2.1: silently it is done to the others; RFC 3501 6.4.8: a UID that is no more is no error.
    d.ok("STORE 1:5 +FLAGS.SILENT (\\Flagged)")
    lines = d.ok("UID STORE 4:5 +FLAGS (\\Draft)")
    assert [line.split()[1] for line in lines if b" FETCH " in line] == [b"5"]
    assert [line for line in lines if b"EXPUNGE" in line] == [b"* 2 EXPUNGE", b"* 3 EXPUNGE"]
    d.ok("STORE 1:3 +FLAGS (\\Answered)")
    for seq in (1, 2, 3):
        assert {b"\\Seen", b"\\Flagged", b"\\Answered", b"$x"} <= set(flags(d, seq))


def test_keywords_have_a_limit(worker, account):
    c = box(worker, account, 1)
    for i in range(64):
        c.ok("STORE 1 +FLAGS.SILENT (k%d)" % i)
    c.no("STORE 1 +FLAGS (onemore)", "LIMIT")
    assert len(flags(c, 1)) == 64
