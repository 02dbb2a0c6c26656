"""Thousands of real messages of other people, where they are at hand: what was put in comes out, and is understood as Python's
email package understands it where both can say."""
import email
import email.policy
import email.utils
import pathlib
import re
import tarfile

import pytest

from replies import fetched, leaves

DATA = pathlib.Path(__file__).resolve().parents[3] / "shared/data/spamassassin-public-corpus.tar.xz"
BATCH = 200

pytestmark = [pytest.mark.skipif(not DATA.exists(), reason="no ../shared/data"), pytest.mark.limit(400)]


@pytest.fixture(scope="module")
def box(shared_worker):
    """The messages as they were put in, and a client that has selected them."""
    with tarfile.open(DATA) as tar:
        messages = [re.sub(rb"\r?\n", b"\r\n", tar.extractfile(m).read()).replace(b"\0", b"")
                    for m in tar if m.isfile()]
    messages = [m for m in messages if m]
    c = shared_worker.client("real")
    for i in range(0, len(messages), BATCH):
        some = b"".join(b" {%d+}\r\n%s" % (len(m), m) for m in messages[i:i + BATCH])
        assert c.cmd(b"APPEND INBOX" + some)[1].startswith("OK")
    c.ok("SELECT INBOX")
    return messages, c


def test_all_come_back_with_structure_and_envelope(box):
    messages, c = box
    lines = c.ok("FETCH 1:* (RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[])")
    assert len(lines) == len(messages)
    for message, line in zip(messages, lines):
        found = fetched(line)
        assert found["BODY[]"] == message
        assert int(found["RFC822.SIZE"]) == len(message)
        assert len(found["ENVELOPE"]) == 10


def test_each_leaf_is_as_long_as_its_structure_says(box):
    messages, c = box
    for seq, line in enumerate(c.ok("FETCH 1:* BODYSTRUCTURE"), 1):
        parts = [(name, int(leaf[6])) for name, leaf in leaves(fetched(line)["BODYSTRUCTURE"])]
        for at in range(0, len(parts), 50):
            names = " ".join("BODY.PEEK[%s]" % name for name, _ in parts[at:at + 50])
            found = fetched(c.ok("FETCH %d (%s)" % (seq, names))[0])
            for name, size in parts[at:at + 50]:
                assert len(found["BODY[%s]" % name]) == size, (seq, name)


def one(parsed, name):
    """The field's text when there is just one and nothing is odd about it."""
    values = parsed.get_all(name, [])
    if len(values) != 1 or not isinstance(values[0], str):
        return None
    text = re.sub(r"\r\n(?=[ \t])", "", values[0]).strip()
    return text if text.isascii() and text.isprintable() and text else None


def test_envelopes_agree_with_python(box):
    messages, c = box
    compared = 0
    for message, line in zip(messages, c.ok("FETCH 1:* ENVELOPE")):
        parsed = email.message_from_bytes(message, policy=email.policy.compat32)
        if parsed.defects:
            continue
        date, subject, sender = fetched(line)["ENVELOPE"][:3]
        if one(parsed, "Subject"):
            assert re.sub(rb"\s+", b" ", subject) == re.sub(r"\s+", " ", one(parsed, "Subject")).encode()
            compared += 1
        if one(parsed, "Date"):
            assert re.sub(rb"\s+", b" ", date) == re.sub(r"\s+", " ", one(parsed, "Date")).encode()
        text = one(parsed, "From")
        m = text and re.fullmatch(r'(?:"?[\w .-]*"? )?<?([\w.+-]+)@([\w.-]+)>?', text)
        if m and email.utils.parseaddr(text)[1] == m[1] + "@" + m[2]:
            assert sender[0][2:] == [m[1].encode(), m[2].encode()]
    assert compared > len(messages) / 2


def test_searches_agree_with_a_plain_scan(box):
    messages, c = box
    plain = {}  # where the bytes are the text
    for seq, message in enumerate(messages, 1):
        parsed = email.message_from_bytes(message)
        if not parsed.is_multipart() and parsed.get_content_maintype() == "text" and not parsed.defects and \
                parsed.get("Content-Transfer-Encoding", "7bit").strip().lower() in ("7bit", "8bit") and message.isascii():
            plain[seq] = message.split(b"\r\n\r\n", 1)[-1].lower()
    assert len(plain) > len(messages) / 3
    for word in ("linux", "money", "unsubscribe", "razor", "the e", "qqqq"):
        found = {int(n) for n in c.ok('SEARCH BODY "%s"' % word)[0].split()[2:]}
        want = {seq for seq, text in plain.items() if word.encode() in text}
        assert found & plain.keys() == want, word
