"""lib/mail and Python's email package make the same of the same messages.

The messages are our own corpus, and the public SpamAssassin one where it lies beside the checkout.
Where the two differ on purpose the difference is a class below, with the RFC that decides.
"""
import email
import email.header
import email.utils
import json
import os
import pathlib
import re
import subprocess
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
CORPUS = ROOT / "t" / "data" / "mail"
PUBLIC = ROOT / ".." / "shared" / "data" / "spamassassin-public-corpus.tar.xz"
BATCH = 500


def find_tool():
    build = pathlib.Path(os.environ.get("THURN_BIN", ROOT / "build" / "bin")).parent
    tool = build / "t" / "lib" / "mail" / "describe"
    assert tool.exists(), "%s is not built" % tool
    return tool


def to_crlf(data):
    return re.sub(rb"(?<!\r)\n", b"\r\n", data)


def raw(text):
    """The octets behind a JSON string of the tool."""
    return None if text is None else text.encode("latin-1")


def surrogate_bytes(text):
    return text.encode("ascii", "surrogateescape")


def python_parts(msg, depth=0, parent=None, out=None):
    """(depth, type, size of the leaf's body or None), in the order of their start."""
    out = [] if out is None else out
    ctype = msg.get_content_type().split()[0]
    children = msg.get_payload() if msg.is_multipart() else []
    if ctype.startswith("message/") and ctype != "message/rfc822":
        # Parsed by Python as well, for us a leaf as IMAP wants it (RFC 3501 7.4.2).
        out.append((depth, ctype, None))
        return out
    if msg.get_content_maintype() == "multipart" and not children:
        # No boundary, or none appears: text/plain here, so that its text can be read.
        ctype = "text/plain"
    # get_payload() would decode.
    size = None if msg.is_multipart() else len(surrogate_bytes(msg._payload or ""))
    out.append((depth, ctype, size))
    for child in children:
        python_parts(child, depth + 1, ctype, out)
    return out


def has_defect(msg, *names):
    return any(type(d).__name__ in names for part in msg.walk() for d in part.defects)


def skip_structure(msg):
    """Classes in which the structures may differ, and why ours is right."""
    # A header ends at the first empty line (RFC 5322 2.1), Python ends it at the first line that
    # is no field.
    if has_defect(msg, "MissingHeaderBodySeparatorDefect", "FirstHeaderLineIsContinuationDefect"):
        return "header end"
    # A boundary used again inside itself: the innermost counts, so that both are seen.
    boundaries = [part.get_boundary() for part in msg.walk() if part.get_boundary()]
    if len(set(boundaries)) < len(boundaries):
        return "same boundary"
    # A delimiter may be followed by anything (RFC 2046 5.1.1), Python wants the line to end.
    for part in msg.walk():
        boundary = part.get_boundary()
        if boundary and part.is_multipart():
            inner = re.compile(rb"(?m)^--" + re.escape(surrogate_bytes(boundary)) +
                               rb"(--[^\s]|-?[^\s-])")
            if inner.search(part.as_bytes()):
                return "delimiter line"
    return None


def our_parts(d):
    return [
        (p["depth"], ("%s/%s" % (p["type"], p["subtype"])).lower(),
         None if p["kind"] >= 2 else p["body_len"])
        for p in d["parts"]
    ]


def same_size(ours, theirs, unterminated):
    # Without an end delimiter the last line end belongs to the body; Python takes it off.
    return ours is None or theirs is None or ours == theirs or (unterminated and ours == theirs + 2)


def same_parts(ours, theirs, unterminated):
    return len(ours) == len(theirs) and all(
        o[:2] == t[:2] and same_size(o[2], t[2], unterminated) for o, t in zip(ours, theirs))


def decode_subject(value):
    """None where Python can't say: octets that aren't ASCII, charsets it doesn't know."""
    text = re.sub(rb"\r?\n", b"", value).decode("ascii")
    try:
        out = ""
        for part, charset in email.header.decode_header(text):
            if isinstance(part, str):
                out += part
            else:
                out += part.decode(charset or "ascii")
        return out.strip()
    except (LookupError, UnicodeDecodeError, ValueError, email.errors.HeaderParseError):
        return None


def check_subject(msg, d):
    value = msg.get("subject")
    if value is None:
        assert "subject" not in d
        return
    value = surrogate_bytes(str(value)) if isinstance(value, str) else None
    if value is None or not value.isascii() or re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", value):
        return
    if re.search(rb"(?i)=\?(iso-8859-1|us-ascii|windows-1252|ascii|gb2312|euc-kr|ks)", value):
        return  # read as the larger set that is meant
    want = decode_subject(value)
    if want is not None and not re.search(r"[\x00-\x1f\ufffd]", want):
        got = raw(d["subject"]).decode("utf-8")
        assert re.sub(r"\s+", " ", got) == re.sub(r"\s+", " ", want)


def check_date(msg, d):
    value = msg.get("date")
    if value is None or not isinstance(value, str):
        return
    theirs = email.utils.parsedate_tz(value)
    if theirs is None or "sent" not in d:
        return
    # Military and unknown zones count as -0000 (RFC 5322 4.3).
    if not re.search(r"[+-]\d{4}", value):
        return
    if not 1900 < theirs[0] < 2100:
        return
    try:
        want = email.utils.mktime_tz(theirs)
    except (ValueError, OverflowError):
        return
    assert d["sent"] == want, value


def plain_list(value):
    """Lists on which nobody disagrees: no comments, groups, quoted local parts, white space in
    addresses, or octets past 127."""
    return re.fullmatch(r"[\x20-\x7e\r\n\t]*", value) and not re.search(
        r'[():;\\\[\]]|@.*@[^,]*@|"@|<[^>]*\s[^>]*>', value)


def check_addresses(msg, d, field):
    value = msg.get(field)
    if not isinstance(value, str) or not plain_list(value) or field not in d:
        return
    theirs = [a for _, a in email.utils.getaddresses([value]) if a.count("@") == 1 and " " not in a]
    ours = ["%s@%s" % (i["local"], i["domain"]) for i in d[field] if i["local"] and i["domain"]]
    if "" in [a for _, a in email.utils.getaddresses([value])] or any(
            '"' in a or a.startswith("@") for a in theirs):
        return
    assert ours == theirs, value


def check_imap_syntax(d):
    """The ready-made texts are one well-formed parenthesised list each."""
    for name in ("envelope", "bodystructure", "body"):
        text = raw(d[name])
        tree, rest = parse_list(text, 0)
        assert rest == len(text)
        if name == "envelope":
            assert len(tree) == 10


def parse_list(text, at):
    assert text[at:at + 1] == b"(", text[at:at + 40]
    items, at = [], at + 1
    while text[at:at + 1] != b")":
        c = text[at:at + 1]
        if c == b" ":
            at += 1
        elif c == b"(":
            item, at = parse_list(text, at)
            items.append(item)
        elif c == b'"':
            m = re.compile(rb'"((?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*)"').match(text, at)
            assert m, text[at:at + 60]
            items.append(m.group(1))
            at = m.end()
        elif c == b"{":
            m = re.compile(rb"\{(\d+)\}\r\n").match(text, at)
            at = m.end() + int(m.group(1))
            items.append(text[m.end():at])
            assert b"\0" not in items[-1]
        else:
            m = re.compile(rb"NIL|\d+").match(text, at)
            assert m, text[at:at + 60]
            items.append(m.group())
            at = m.end()
    return items, at + 1


def check_offsets(d, data):
    root = d["parts"][0]
    assert root["header_at"] == 0
    assert root["header_len"] + root["body_len"] == len(data) == d["size"]
    for p in d["parts"]:
        body = data[p["body_at"]:p["body_at"] + p["body_len"]]
        assert len(body) == p["body_len"]
        assert body.count(b"\n") == p["lines"]


def check_message(d, data):
    msg = email.message_from_bytes(data)
    assert d["summary_rc"] == 0
    check_offsets(d, data)
    check_imap_syntax(d)
    raw(d["preview"]).decode("utf-8")
    assert len(raw(d["preview"]).decode("utf-8")) <= 200
    why = skip_structure(msg)
    if why:
        return why
    theirs = python_parts(msg)
    ours = our_parts(d)
    unterminated = has_defect(msg, "CloseBoundaryNotFoundDefect", "StartBoundaryNotFoundDefect")
    assert same_parts(ours, theirs, unterminated), (ours, theirs)
    check_subject(msg, d)
    check_date(msg, d)
    for field in ("From", "To", "Cc"):
        check_addresses(msg, d, field)
    return None


def describe(paths):
    tool = find_tool()
    for i in range(0, len(paths), BATCH):
        run = subprocess.run([tool, "--crlf", *paths[i:i + BATCH]], stdout=subprocess.PIPE, check=True)
        for line in run.stdout.splitlines():
            d = json.loads(line)
            yield d, to_crlf(pathlib.Path(d["path"]).read_bytes())


def check_all(paths):
    wrong, skipped, total = [], {}, 0
    for d, data in describe([str(p) for p in paths]):
        total += 1
        try:
            why = check_message(d, data)
        except AssertionError as e:
            wrong.append("%s: %s" % (d["path"], str(e)[:800]))
            continue
        if why:
            skipped[why] = skipped.get(why, 0) + 1
    assert total == len(paths)
    assert not wrong, "%d of %d differ:\n%s" % (len(wrong), total, "\n".join(wrong[:20]))
    # A comparison that compares nothing would always succeed.
    assert sum(skipped.values()) < max(0.5 * total, 1), skipped
    return skipped


def test_our_own_messages():
    paths = sorted(CORPUS.glob("*.eml"))
    assert len(paths) >= 15
    check_all(paths)


def test_the_public_corpus(tmp_path):
    if not PUBLIC.exists():
        pytest.skip("the SpamAssassin corpus is not there")
    with tarfile.open(PUBLIC) as tar:
        tar.extractall(tmp_path)
    paths = sorted(tmp_path.rglob("*.eml"))
    assert len(paths) > 6000
    skipped = check_all(paths)
    assert sum(skipped.values()) < 0.03 * len(paths), skipped
