"""BDAT (RFC 3030): counted chunks, in step whatever is refused."""
import pytest
from dialogue import Dialogue, accepted


@pytest.fixture
def d(thurn):
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        yield d


def begin(d):
    d("MAIL FROM:<a@elsewhere.test>", 250)
    d("RCPT TO:<anna@sandbox.test>", 250)


def chunk(d, data, want, last=False):
    d.send(b"BDAT %d%s\r\n" % (len(data), b" LAST" if last else b"") + data)
    return d.expect(want)


def test_chunks(thurn, d):
    begin(d)
    chunk(d, b"Subject: x\r\n\r", "250 2.0.0 13 octets received")
    chunk(d, b"\n.\r\n..\r\nMAIL FROM:<evil@elsewhere.test>\r\n", "250 2.0.0")
    d("MAIL FROM:<b@elsewhere.test>", "503 5.5.1")
    d("RCPT TO:<bert@sandbox.test>", "503 5.5.1")
    d("DATA", "503 5.5.1")
    d("NOOP", "250 2.0.0")
    chunk(d, b"", "250 2.0.0 Ok: queued as", last=True)
    d("BDAT 0 LAST", "503 5.5.1")
    assert not any("evil@" in line for line in accepted(thurn))


def test_one_chunk_and_pipelining(d):
    d.send(b"MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\nBDAT 3 LAST\r\nx\r\nQUIT\r\n")
    for want in (250, 250, "250 2.0.0 Ok: queued", 221, None):
        d.expect(want)


@pytest.mark.parametrize("text,want", [
    (b"a\nb\r\n", "550 5.6.0"), (b"a\rb", "550 5.6.0"), (b"a\r", "550 5.6.0"),
    (b"a\0b\r\n", "554 5.6.0"), (b"no line end", "250 2.0.0")])
def test_what_may_be_in_it(d, text, want):
    begin(d)
    chunk(d, text, want, last=True)
    d("NOOP", "250 2.0.0")


def test_out_of_order_chunks_are_read(d):
    chunk(d, b"NOOP\r\n", "503 5.5.1", last=True)
    d("MAIL FROM:<a@elsewhere.test>", 250)
    chunk(d, b"NOOP\r\n", "503 5.5.1")
    d("RCPT TO:<unknown@sandbox.test>", "550 5.1.1")
    chunk(d, b"NOOP\r\n", "554 5.5.1", last=True)
    d("RSET", 250)


@pytest.mark.parametrize("args", ["", "x", "-1", "1 FIRST", "99999999999999999999"])
def test_a_size_that_is_none_ends_the_session(d, args):
    begin(d)
    d("BDAT " + args, "501 5.5.4")
    d.expect(None)


def test_too_large(instance):
    t = instance(settings={"message_size_limit": 100000})
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        begin(d)
        chunk(d, b"x" * 70 + b"\r\n", 250)
        chunk(d, b"y" * 100000, "552 5.3.4")
        chunk(d, b"z", "552 5.3.4", last=True)
        begin(d)
        chunk(d, b"small\r\n", "250 2.0.0", last=True)
    assert len(accepted(t)) == 1


def test_reset_drops_the_chunks(thurn, d):
    before = len(accepted(thurn))
    begin(d)
    chunk(d, b"dropped\r\n", 250)
    d("RSET", 250)
    chunk(d, b"x\r\n", "503 5.5.1", last=True)
    assert len(accepted(thurn)) == before
