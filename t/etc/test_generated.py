"""What is made from the tables is what is committed, and holds together."""
import re
import shutil
import subprocess

import pytest

import thurn as t


def test_the_committed_defaults_are_fresh(tmp_path):
    t.run("thurn", "generate", "etc", tmp_path)
    for name in ("thurn.conf", "services.conf"):
        assert (t.ROOT / "etc" / name).read_text() == (tmp_path / name).read_text(), \
            "make etc has not been run"


def test_commented_defaults_are_the_defaults(tmp_path):
    """Without their comment signs the lines say what holds anyway."""
    t.run("thurn", "generate", "etc", tmp_path)
    before = t.run("thurn", "-C", tmp_path, "config", "show").stdout
    text = (tmp_path / "thurn.conf").read_text()
    (tmp_path / "thurn.conf").write_text(re.sub(r"^#(\w+ =)", r"\1", text, flags=re.M))
    assert t.run("thurn", "-C", tmp_path, "config", "show").stdout == before


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    t.run("thurn", "generate", "man", folder)
    return folder


def test_every_setting_and_command_is_in_the_manual(pages):
    settings = re.findall(r"^#(\w+) =", (t.ROOT / "etc/thurn.conf").read_text(), re.M)
    page = (pages / "thurn.conf.5").read_text()
    assert settings
    for name in settings:
        assert re.search(r"^\.It Ic %s\b" % name, page, re.M), name
    page = (pages / "thurn.8").read_text()
    for line in re.findall(r"^  (\S.*)$", t.run("thurn", "help").stdout, re.M):
        words = re.match(r"[a-z]+( [a-z]+)?", line)
        if words:
            assert ".It Ic %s" % words.group(0).strip() in page, line


def test_the_manual_pages_are_well_formed(pages):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    files = [*pages.iterdir(), t.ROOT / "admin/sendmail/sendmail.1"]
    assert len(files) > 10
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *map(str, files)], capture_output=True,
                          text=True)
    assert done.stdout + done.stderr == ""


def test_packages_are_named_once_with_their_purpose():
    lines = [line.split() for line in (t.ROOT / "etc/packages").read_text().splitlines()
             if line.strip() and not line.startswith("#")]
    assert all(len(line) == 2 and line[1] in ("build", "test", "peer", "client", "desktop") for line in lines)
    names = [line[0] for line in lines]
    assert len(names) == len(set(names))
