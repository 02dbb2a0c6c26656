"""Real messages go in by SMTP and come back by IMAP and by POP3, byte for byte behind the trace fields; what SMTP must
refuse is refused. Their ENVELOPE and BODYSTRUCTURE are what Python's email package makes of them, where it can say."""
import collections
import email
import email.utils
import hashlib
import os
import pathlib
import re
import sys
import tarfile
import threading

import pytest
import wire
from mail import wait_until_queue_is_empty, without_trace

import thurn as t

sys.path.append(str(t.ROOT / "t/lib/mail"))
import test_against_python_email as compare  # noqa: E402

SHARED = pathlib.Path(os.environ.get("THURN_SHARED", t.ROOT / "../shared"))
PUBLIC = SHARED / "data/spamassassin-public-corpus.tar.xz"
CONNECTIONS = 4
LINE_MAX = 65536


def wire_form(data):
    data = re.sub(rb"\AFrom [^\n]*\n", b"", data)
    data = re.sub(rb"(?<!\r)\n", b"\r\n", data)
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def refusal(data):
    """What SMTP has to say to the message; None when it has to take it."""
    if b"\0" in data:
        return "554 5.6.0 NUL"
    if re.search(rb"\r(?!\n)", data):
        return "550 5.6.0 Bare CR"
    if max(map(len, data.split(b"\r\n"))) > LINE_MAX:
        return "554 5.6.0 Line longer"
    return None


def send_all(thurn, messages):
    """Each of CONNECTIONS connections sends a share to a user of its own: (users, refused by reply)."""
    users = ["reader%d" % i for i in range(CONNECTIONS)]
    wrong, refused = [], collections.Counter()

    def send(i):
        s = wire.Smtp(thurn.ports["smtp"])
        for data in messages[i::CONNECTIONS]:
            try:
                reply = s.message("sender@elsewhere.test", t.address(users[i]), data)
            except (ConnectionError, AssertionError) as e:
                wrong.append(repr(e))
                return
            want = refusal(data) or "250 2.0.0 "
            if not reply.startswith(want):
                wrong.append("%s, not %s: %r" % (reply, want, data[:300]))
            if reply[0] != "2":
                refused[reply[:9]] += 1
        s.quit()

    for user in users:
        thurn.add_user(user)
    threads = [threading.Thread(target=send, args=(i,)) for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:10]
    return users, refused


def digests(messages):
    return collections.Counter(hashlib.sha256(m).digest() for m in messages)


def leaf_parts(tree, depth=0):
    """BODYSTRUCTURE as rows (depth, type, octets or None), as compare.python_parts has them."""
    if isinstance(tree[0], list):
        n = next(i for i, item in enumerate(tree) if not isinstance(item, list))
        rows = [(depth, "multipart/" + tree[n].decode().lower(), None)]
        for child in tree[:n]:
            rows += leaf_parts(child, depth + 1)
        return rows
    kind = b"/".join(tree[:2]).decode("latin-1").lower()
    if kind == "message/rfc822" and len(tree) > 8 and isinstance(tree[8], list):
        return [(depth, kind, None)] + leaf_parts(tree[8], depth + 1)
    return [(depth, kind, int(tree[6]))]


def addresses(tree):
    return [(a[2] + b"@" + a[3]).decode("latin-1") for a in tree or [] if a[2] is not None and a[3] is not None]


def unfolded(msg, field):
    value = msg.get(field)
    if not isinstance(value, str):
        return None  # octets past 127: Python makes something else of it
    return re.sub(r"\s+", " ", value).strip()


def check_envelope(tree, msg):
    assert len(tree) == 10
    for at, field in ((0, "date"), (1, "subject"), (9, "message-id")):
        value = unfolded(msg, field)
        if value is not None and len(msg.get_all(field)) == 1:
            assert re.sub(r"\s+", " ", (tree[at] or b"").decode("latin-1")).strip() == value, field
        assert (tree[at] is None) == (msg.get(field) is None), field
    for at, field in ((2, "from"), (5, "to"), (6, "cc")):
        value = msg.get(field)
        if not isinstance(value, str) or len(msg.get_all(field)) > 1 or not compare.plain_list(value):
            continue
        pairs = [a for _, a in email.utils.getaddresses([value])]
        if all(re.fullmatch(r'[^@" ]+@[^@" ]+', a) for a in pairs):
            assert addresses(tree[at]) == pairs, value
    # Sender and Reply-To stand for From where they are missing (RFC 3501 7.4.2).
    if msg.get("sender") is None:
        assert tree[3] == tree[2]
    if msg.get("reply-to") is None:
        assert tree[4] == tree[2]


def check_structure(tree, msg):
    if compare.skip_structure(msg):
        return False
    loose = compare.has_defect(msg, "CloseBoundaryNotFoundDefect", "StartBoundaryNotFoundDefect")
    theirs, ours = compare.python_parts(msg), leaf_parts(tree)
    assert compare.same_parts(ours, theirs, loose), (ours, theirs)
    return True


def read_by_imap(thurn, user, wrong):
    """{uid: message} of a user; differences go to wrong. Also how many structures were compared."""
    stored, compared = {}, 0
    with wire.Imap(thurn, user) as c:
        c.command("EXAMINE INBOX")
        summaries = c.fetch("UID RFC822.SIZE ENVELOPE BODYSTRUCTURE")
        texts = c.fetch("UID BODY.PEEK[]")
    assert summaries.keys() == texts.keys()
    for uid, items in summaries.items():
        data = bytes(texts[uid]["BODY[]"])
        stored[uid] = data
        msg = email.message_from_bytes(data)
        try:
            assert int(items["RFC822.SIZE"]) == len(data)
            check_envelope(items["ENVELOPE"], msg)
            compared += check_structure(items["BODYSTRUCTURE"], msg)
        except AssertionError as e:
            wrong.append("%s %d: %s\n%r" % (user, uid, str(e)[:600], data[:200]))
    return stored, compared


def check_pop3(thurn, user, stored):
    with wire.Pop3(thurn, user) as p:
        p.send(b"UIDL\r\n")
        rows = [line.split() for line in p.lines().splitlines()]
        p.send(b"LIST\r\n")
        sizes = [int(line.split()[1]) for line in p.lines().splitlines()]
        assert [int(uidl.rsplit(b".", 1)[1]) for _, uidl in rows] == sorted(stored)
        for at in range(0, len(rows), 100):
            some = rows[at:at + 100]
            p.send(b"".join(b"RETR %s\r\n" % n for n, _ in some))
            for n, uidl in some:
                data = p.lines()
                assert data == stored[int(uidl.rsplit(b".", 1)[1])], "message %s of %s" % (n, user)
                assert len(data) == sizes[int(n) - 1]
        p.command("QUIT")


def check_round_trip(thurn, messages):
    sent = [wire_form(m) for m in messages]
    users, refused = send_all(thurn, sent)
    taken = [m for m in sent if not refusal(m)]
    assert sum(refused.values()) == len(sent) - len(taken)
    wait_until_queue_is_empty(thurn, 120)
    wrong, got, compared = [], [], 0
    for user in users:
        stored, n = read_by_imap(thurn, user, wrong)
        compared += n
        check_pop3(thurn, user, stored)
        got += [without_trace(m, 2) for m in stored.values()]
    assert len(got) == len(taken)
    assert digests(got) == digests(taken)
    assert not wrong, "%d of %d differ:\n%s" % (len(wrong), len(got), "\n".join(wrong[:10]))
    return refused, compared


def test_our_own_messages(instance):
    paths = sorted((t.ROOT / "t/data/mail").glob("*.eml"))
    messages = [p.read_bytes() for p in paths]
    refused, compared = check_round_trip(instance(users=()), messages + [b"", b"\n", b".\n", b"..\n.\n", b"\n.\n"])
    assert refused["554 5.6.0"] >= 1  # nul.eml
    assert compared > 20


@pytest.mark.limit(280)
def test_the_public_corpus(instance):
    if not PUBLIC.exists():
        pytest.skip("the SpamAssassin corpus is not there")
    with tarfile.open(PUBLIC) as tar:
        messages = [tar.extractfile(m).read() for m in tar if m.isfile() and m.name.endswith(".eml")]
    assert len(messages) > 6000
    if t.SAN:
        messages = messages[::10]
    refused, compared = check_round_trip(instance(users=()), messages)
    assert compared > 0.9 * len(messages)
    print("refused", dict(refused), "compared", compared)
