"""The rules that the package brings for logcheck, held against the source: a line of level info that no rule knows and that
nobody decided to show is forgotten; warnings and errors are always shown."""
import re
import subprocess

import pytest

import thurn as t

RULES = t.ROOT / "debian/logcheck"
PROGRAMS = ("lib", "master", "smtpd", "imapd", "pop3d", "qmgr", "local")

# Changes by an operator, and what came out of a crash: for somebody to read.
SHOWN = {"user added", "user removed", "user disabled", "user enabled", "domain added", "domain removed", "alias added", "alias removed",
         "password changed", "removed by an operator", "Account 1 is recovered."}


def messages(level):
    """The formats of a level in the source, each as it could be logged."""
    found = set()
    for folder in PROGRAMS:
        for path in (t.ROOT / folder).rglob("*.c"):
            # Neighbouring literals are one; a macro between them is a number.
            for literals in re.findall(r'log_%s\(\s*((?:"(?:[^"\\]|\\.)*"\s*(?:PRI\w+\s*)?)+)' % level, path.read_text()):
                text = re.sub(r'"\s*(PRI\w+)?\s*"', lambda m: "d" if m.group(1) else "", literals.strip())
                text = re.sub(r'^"|"$', "", re.sub(r"PRI\w+$", 'd"', text))
                found.add(re.sub(r"%[-+ 0-9.*]*[hlzjt]*[a-zA-Z]", "1", text).replace('\\"', '"').replace("%%", "%"))
    return sorted(found)


def lines(found):
    for text in found:
        yield "Nov 22 20:15:01 post thurn/some/program[123]: %s session=S1" % text, text


def is_known(line):
    return subprocess.run(["grep", "-qE", "-f", RULES], input=line + "\n", text=True).returncode == 0


def test_every_message_of_level_info_is_ordinary_or_meant_to_be_shown():
    found = messages("info")
    assert len(found) > 30
    left = {text for line, text in lines(found) if not is_known(line.replace("some/program", "master")
            if text == "stopped" else line) and text != "stopped"}
    assert {text for text in left if not any(text.startswith(s) for s in SHOWN)} == set()
    for shown in SHOWN:
        assert any(text.startswith(shown) for text in left), shown


def test_warnings_and_errors_are_always_shown():
    found = messages("warning") + messages("error") + messages("fatal")
    assert len(found) > 100
    assert [line for line, _ in lines(found) if is_known(line)] == []


@pytest.mark.parametrize("line", [
    "Nov 22 20:15:01 post thurn/master[7]: stopped",
    "2026-11-22T20:15:01.123456+00:00 post thurn/queue/qmgr[7]: delivery to=a@b.test relay=local delay=0.1",
    "Nov  2 20:15:01 post thurn/directory/directoryd[7]: aliases loaded count=1",
])
def test_both_forms_of_time(line):
    assert is_known(line)
