import base64

LATIN = b"""From: =?iso-8859-1?q?J=F6rg?= <joerg@x.test>\r
To: list@y.test\r
Subject: =?iso-8859-1?q?Gr=FC=DFe?= aus\r
 Berlin\r
Date: Mon, 7 Feb 1994 23:52:25 -0800\r
X-Empty:\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
Stra=DFe und =C4pfel, a long li=\r
ne\r
"""
MIXED = (b"""From: bob@z.test\r
Cc: carol@z.test\r
Bcc: dave@z.test\r
Subject: plain\r
Date: Tue, 8 Feb 1994 01:00:00 +0200\r
Content-Type: multipart/mixed; boundary=q\r
\r
preambleword\r
--q\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: base64\r
\r
""" + base64.encodebytes("Привет мир, hidden words".encode()).replace(b"\n", b"\r\n") + b"""--q\r
Content-Type: application/octet-stream; name=secretname\r
\r
binarytext\r
--q--\r
""")


def box(worker, account):
    c = worker.client(account)
    assert c.append("INBOX", LATIN, '(\\Seen $k) " 1-Mar-2000 23:30:00 -0800"').startswith("OK")
    assert c.append("INBOX", MIXED, '(\\Flagged \\Deleted) " 2-Mar-2000 00:30:00 +0100"').startswith("OK")
    assert c.append("INBOX", b"Subject: three\r\n\r\n" + b"x" * 5000, '(\\Answered \\Draft) " 3-Mar-2000 12:00:00 +0000"').startswith("OK")
    c.ok("SELECT INBOX")
    return c


def found(c, program, uid=False):
    program = program if isinstance(program, bytes) else program.encode()
    lines = c.ok((b"UID " if uid else b"") + b"SEARCH " + program)
    assert lines[0].startswith(b"* SEARCH") and len(lines) == 1
    return [int(n) for n in lines[0].split()[2:]]


def test_flags_and_sets(worker, account):
    c = box(worker, account)
    for program, want in (
            ("ALL", [1, 2, 3]), ("SEEN", [1]), ("UNSEEN", [2, 3]), ("FLAGGED", [2]), ("UNFLAGGED", [1, 3]),
            ("DELETED", [2]), ("UNDELETED", [1, 3]), ("ANSWERED", [3]), ("UNANSWERED", [1, 2]), ("DRAFT", [3]),
            ("UNDRAFT", [1, 2]), ("RECENT", [1, 2, 3]), ("OLD", []), ("NEW", [2, 3]), ("KEYWORD $K", [1]),
            ("UNKEYWORD $k", [2, 3]), ("KEYWORD nope", []), ("1:2", [1, 2]), ("*", [3]), ("2,3 SEEN", []),
            ("UID 2:*", [2, 3]), ("NOT 2", [1, 3]), ("OR SEEN FLAGGED", [1, 2]), ("(SEEN) NOT (FLAGGED)", [1]),
            ("NOT OR SEEN FLAGGED", [3]), ("LARGER 4000", [3]), ("SMALLER 4000", [1, 2]), ("99", []),
            ("NOT NOT SEEN", [1])):
        assert found(c, program) == want, program
    c.ok("STORE 2 +FLAGS.SILENT \\Deleted")
    c.ok("EXPUNGE")
    assert found(c, "ALL", uid=True) == [1, 3]
    assert found(c, "2 UID 3", uid=True) == [3]


def test_dates_are_those_written(worker, account):
    c = box(worker, account)
    for program, want in (
            ("ON 1-Mar-2000", [1]), ("ON 2-Mar-2000", [2]), ("BEFORE 2-Mar-2000", [1]), ("SINCE 2-Mar-2000", [2, 3]),
            ("SENTON 7-Feb-1994", [1]), ("SENTON 8-Feb-1994", [2]), ("SENTBEFORE 8-Feb-1994", [1]),
            ("SENTSINCE 8-Feb-1994", [2, 3]), ("SENTON 3-Mar-2000", [3]), ('SINCE "3-mar-2000"', [3])):
        assert found(c, program) == want, program


def test_headers_are_decoded(worker, account):
    c = box(worker, account)
    for program, want in (
            ("SUBJECT berlin", [1]), ("SUBJECT \"aus Berlin\"", [1]), ("FROM joerg", [1]), ("TO LIST@", [1]),
            ("CC carol", [2]), ("BCC dave", [2]), ("HEADER X-Empty \"\"", [1]), ("HEADER subject three", [3]),
            ("HEADER Content-Type secretname", []), ("HEADER X-Nope \"\"", []), ("SUBJECT nope", []),
            ("CHARSET UTF-8 SUBJECT {7+}\r\ngrüße".encode(), [1]),
            ("CHARSET UTF-8 FROM {5+}\r\nJÖRG".encode(), [1]),
            (b"CHARSET iso-8859-1 SUBJECT {5+}\r\nGR\xdc\xdfE", [1])):
        assert found(c, program) == want, program


def test_bodies_are_decoded(worker, account):
    c = box(worker, account)
    for program, want in (
            ("BODY \"long line\"", [1]), ("BODY hidden", [2]), ("TEXT hidden", [2]), ("BODY berlin", []),
            ("TEXT berlin", [1]), ("BODY binarytext", []), ("TEXT secretname", [2]), ("BODY preambleword", []),
            ("BODY secretname", [2]),
            ("TEXT xxxx", [3]), ("BODY \"\"", [1, 2, 3]), ("OR BODY hidden BODY \"long\"", [1, 2]),
            ("CHARSET UTF-8 BODY {12+}\r\nПРИВЕТ".encode(), [2]),
            ("CHARSET UTF-8 BODY {7+}\r\näpfel,".encode(), [1])):
        assert found(c, program) == want, program


def test_words_across_pieces_of_a_large_body(worker, account):
    c = worker.client(account)
    for at in (16380, 16384, 16390, 32768, 40000):
        body = b"Subject: x\r\n\r\n" + b"a" * at + b"needle" + b"b" * 30000
        assert c.append("INBOX", body).startswith("OK")
    c.ok("SELECT INBOX")
    assert found(c, "BODY aneedleb") == [1, 2, 3, 4, 5]
    assert found(c, "BODY needlec") == []


def test_malformed(worker, account):
    c = box(worker, account)
    for program in ("", "FOO", "SEEN)", "(SEEN", "OR SEEN", "SUBJECT", "BEFORE x", "LARGER -1", "0", "CHARSET UTF-8"):
        c.bad("SEARCH " + program)
    c.bad("SEARCH")
    c.no("SEARCH CHARSET x-unknown SUBJECT x", "BADCHARSET")


def test_addresses_are_found_as_the_envelope_has_them(worker, account):
    c = worker.client(account)
    c.append("INBOX", b'From: Some (one) Body <some.body (comment)@ (comment) example . org>\r\nTo: "quo\\ted"@x.test\r\n'
                      b"Cc: team: a@x.test, (b) b @ x.test;\r\nBcc: =?utf-8?q?J=C3=B6rg?= <joerg (.) @ y.test>\r\n\r\n")
    c.ok("SELECT INBOX")
    for program, want in (
            ("FROM some.body@example.org", [1]), ('FROM "(comment)"', [1]), ("TO quoted@x.test", [1]), ("CC b@x.test", [1]),
            ("CC b@y.test", []), ("BCC joerg@y.test", [1]), ("FROM quoted", []), ('TO ""', [1]), ('NOT FROM ""', []),
            ("HEADER From some.body@example.org", [])):
        assert found(c, program) == want, program


def test_folds_and_blanks_of_a_header_count_as_one_space(worker, account):
    c = worker.client(account)
    c.append("INBOX", b"Subject: a long\r\n\tsubject of\r\n    =?utf-8?q?many?=\t  words\r\n"
                      b"From: Some\r\n\tBody <some@x.test>\r\nX-Test: one\ttwo\r\n\r\nthree\tfour\r\n")
    c.ok("SELECT INBOX")
    for program, want in (
            ('SUBJECT "long subject of many words"', [1]), ('SUBJECT "LONG\tSUBJECT"', [1]), ('TEXT "subject of many"', [1]),
            ('SUBJECT "of    many"', [1]), ('FROM "some body"', [1]), ('HEADER X-Test "one two"', [1]),
            ('SUBJECT " long"', [1]), ('SUBJECT " "', [1]), ('SUBJECT "longsubject"', []), ('HEADER X-Test "onetwo"', []),
            ('BODY "three\tfour"', [1]), ('BODY "three four"', [])):
        assert found(c, program) == want, program


def test_the_largest_number_is_no_star(worker, account):
    c = box(worker, account)
    assert found(c, "UID 4:4294967295", uid=True) == []
    assert found(c, "UID 3:4294967295", uid=True) == [3]
    assert found(c, "UID 4:*", uid=True) == [3]
    c.ok("UID FETCH 4:4294967295 FLAGS")
    c.bad("FETCH 4:4294967295 FLAGS")


def test_the_header_of_a_message_within_is_in_the_body(worker, account):
    c = worker.client(account)
    inner = b"From: x@inner.test\r\nSubject: =?utf-8?q?=C3=84pfel?=\r\n\r\ninside\r\n"
    c.append("INBOX", b"Subject: outside\r\nContent-Type: message/rfc822\r\n\r\n" + inner)
    c.append("INBOX", b"Subject: outside\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n"
                      b"Content-Type: message/rfc822\r\n\r\n" + inner + b"--q--\r\n")
    c.ok("SELECT INBOX")
    for program, want in (
            ("BODY inner.test", [1, 2]), ('BODY "from: x@"', [1, 2]), ('TEXT "ject: out"', [1, 2]), ("BODY outside", []),
            ('SUBJECT "ject:"', []), ("BODY inside", [1, 2]), ("FROM inner.test", []),
            ("CHARSET UTF-8 BODY {6+}\r\n\u00e4pfel".encode(), [1, 2])):
        assert found(c, program) == want, program
