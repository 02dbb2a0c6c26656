"""SMTP smuggling: whatever stands around the dot, nobody hears a second message."""
import itertools

import pytest
from dialogue import Dialogue, accepted

INNER = b"MAIL FROM:<smuggled@elsewhere.test>\r\nRCPT TO:<anna@sandbox.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
ENDS = [b"\r\n", b"\n", b"\r", b"", b"\r\r\n", b"\n\r"]
PAIRS = [(a, b) for a, b in itertools.product(ENDS, ENDS) if b"\r\n.\r\n" not in a + b"." + b]


def is_bare(text):
    return any(c in text.replace(b"\r\n", b"") for c in (b"\r", b"\n"))


@pytest.mark.parametrize("before,after", PAIRS)
def test_false_ends_are_no_ends(thurn, before, after):
    seen = len(accepted(thurn))
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        d("RCPT TO:<anna@sandbox.test>", 250)
        d("DATA", 354)
        d.send(b"Subject: outer\r\n\r\nbody" + before + b"." + after + INNER)
        got = d.expect("")
        bare = is_bare(before + b"." + after + INNER)
        assert got.startswith("550 5.6.0" if bare else "250 2.0.0"), got
        d("NOOP", "250 2.0.0")  # in step again
        assert d.is_silent()
    new = accepted(thurn)[seen:]
    assert len(new) == (0 if bare else 1)
    assert not any("smuggled@" in line for line in new)


@pytest.mark.parametrize("text,want", [
    (b"a\nb\r\n", "550 5.6.0"),
    (b"a\rb\r\n", "550 5.6.0"),
    (b"Subject: x\n\nbody\r\n", "550 5.6.0"),
    (b"a\0b\r\n", "554 5.6.0"),
    (b"a" * 65536 + b"\r\n", "250 2.0.0"),
    (b"a" * 65537 + b"\r\n", "554 5.6.0"),
    (b"", "250 2.0.0"),
    (b"..\r\n...\r\n", "250 2.0.0"),
], ids=lambda v: repr(v)[:30])
def test_what_a_message_may_hold(thurn, text, want):
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d.message(text=text, want=want)
        d("NOOP", "250 2.0.0")


def test_commands_end_with_crlf(thurn):
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()
        d.send(b"NOOP\n")
        d.expect("500 5.5.2")
        d("NOOP", 250)


def test_bare_lf_can_be_allowed_and_still_smuggles_nothing(instance):
    t = instance(settings={"smtpd.refuse_bare_lf": "no"})
    for before, after in [(b"\n", b"\n"), (b"\n", b"\r\n"), (b"\r\n", b"\n")]:
        with Dialogue(t.ports["smtp"]) as d:
            d.hello()
            d("MAIL FROM:<a@elsewhere.test>", 250)
            d("RCPT TO:<anna@sandbox.test>", 250)
            d("DATA", 354)
            d.send(b"Subject: outer\r\n\r\nbody" + before + b"." + after + INNER)
            d.expect("250 2.0.0")
            assert d.is_silent()
    assert not any("smuggled@" in line for line in accepted(t))
