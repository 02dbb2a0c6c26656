"""thurn: usage, exit statuses, text and JSON, help from the table."""
import json

import pytest

import thurn as t


@pytest.fixture(scope="module")
def etc(tmp_path_factory):
    """A configuration folder without a server."""
    folder = tmp_path_factory.mktemp("etc")
    t.run("thurn", "generate", "etc", folder)
    with open(folder / "thurn.conf", "a") as f:
        f.write("command_timeout = 10m\n")  # in the last section, [store]: wrong there
    (folder / "thurn.conf").write_text(
        "hostname = mx.test\nroot = ..\nrun_dir = run\nlog = nowhere.log\ntls_cert =\ntls_key =\n"
        "[smtpd]\ncommand_timeout = 10m\n")
    return folder


USAGE = [
    [], ["nonsense"], ["user"], ["user", "add"], ["user", "add", "no@"],
    ["user", "add", "a@b.test", "extra"], ["user", "add", "a@b.test", "--unknown"],
    ["user", "add", "a@b.test", "--quota", "big"], ["user", "add", "a@b.test", "--quota"],
    ["user", "add", "a@b.test", "--no-password=x"], ["domain", "add", "a b"],
    ["domain", "add", "-x.test"], ["domain", "add", "a..b"], ["alias", "add", "a@b.test"],
    ["-C"], ["sandbox", "start"], ["sandbox", "start", "/x", "--base-port", "ten"],
    ["config", "get", "a", "b"], ["help", "nonsense"],
]


@pytest.mark.parametrize("argv", USAGE, ids=" ".join)
def test_wrong_usage_exits_2_and_shows_the_right_one(argv, etc):
    done = t.run("thurn", "-C", etc, *argv, check=False) if argv != ["-C"] else \
        t.run("thurn", "-C", check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "usage: thurn" in done.stderr


@pytest.mark.parametrize("argv, sentence", [
    (["config", "get", "nothing"], 'There is no setting "nothing".'),
    (["config", "get", "smtpx.mode"], 'There is no setting "smtpx.mode".'),
    (["config", "get", "a.b.c"], 'There is no setting "a.b.c".'),
    (["domain", "list"], "The server is not running (there is no {root}/run/directory-admin)."),
    (["queue", "list"], "The server is not running (there is no {root}/run/queue-admin)."),
    (["queue", "remove"], "Give either a message or --all."),
    (["status"], "The server is not running (there is no {root}/run/master)."),
    (["stop"], "The server is not running."),
    (["trace", "1234"], "The log ({root}/nowhere.log) can't be read."),
    (["user", "add", "a@b.test"], "No password was given."),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_failures_exit_1_with_one_sentence(argv, sentence, etc):
    done = t.run("thurn", "-C", etc, *argv, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == sentence.format(root=etc.parent) + "\n"


def test_a_missing_configuration_is_named():
    done = t.run("thurn", "-C", "/nowhere", "config", "show", check=False)
    assert done.returncode == 1
    assert done.stderr == "/nowhere/thurn.conf can't be read: No such file or directory.\n"


def test_config_get_knows_the_three_kinds_of_names(etc):
    def get(name):
        return t.run("thurn", "-C", etc, "config", "get", name).stdout
    assert get("hostname") == "mx.test\n"
    assert get("smtpd.command_timeout") == "10m\n"
    assert get("submission:mode") == "submission\n"
    assert get("submission:command_timeout") == "10m\n"  # from [smtpd]
    assert get("run_dir") == "%s/run\n" % etc.parent


def test_config_show_lists_all_settings(etc):
    shown = {s["name"]: s["value"] for s in
             json.loads(t.run("thurn", "--json", "-C", etc, "config", "show").stdout)}
    assert shown["hostname"] == "mx.test"
    assert shown["smtp:listen"] == "*:25"
    assert shown["smtp:command_timeout"] == "10m"
    assert len(shown) > 100
    text = t.run("thurn", "-C", etc, "config", "show").stdout
    assert "smtpd.command_timeout" in text and text.startswith("NAME")


@pytest.mark.parametrize("name, text, sentence", [
    ("thurn.conf", "hostnam = x\n", "{f}:1: there is no parameter hostnam."),
    ("thurn.conf", "\n[smtpd]\nmode = x\n", '{f}:3: mode: "x" is not one of smtp|submission|lmtp|local.'),
    ("services.conf", "[a]\nprogram = b\n", '{f}:1: service a: there is no program "b".'),
    ("services.conf", "[a]\nprogram = qmgr\nlisten = *:port\n", None),
    ("thurn.conf", "tls_cert = /nowhere\n", "tls_cert: /nowhere can't be read: No such file or directory."),
])
def test_config_check_names_the_first_mistake(etc, tmp_path, name, text, sentence):
    for file in ("thurn.conf", "services.conf"):
        (tmp_path / file).write_text((etc / file).read_text())
    assert t.run("thurn", "-C", tmp_path, "config", "check").returncode == 0
    (tmp_path / name).write_text(text)
    done = t.run("thurn", "-C", tmp_path, "config", "check", check=False)
    assert done.returncode == 1
    if sentence:
        assert done.stderr == sentence.format(f=tmp_path / name) + "\n"
    else:
        assert "service a: listen:" in done.stderr


def test_help_comes_from_the_table():
    everything = t.run("thurn", "help").stdout
    for command in ("domain add DOMAIN", "user passwd USER", "alias remove ALIAS [TARGET]...",
                    "queue flush", "mailbox rebuild USER", "config check", "trace ID", "reload",
                    "sandbox start DIR"):
        assert command in everything
    assert "generate" not in everything  # hidden
    one = t.run("thurn", "help", "user", "add").stdout
    assert one.startswith("usage: thurn [-C DIR] [--json] user add USER")
    assert one == t.run("thurn", "user", "add", "--help").stdout
    assert "queue" not in t.run("thurn", "help", "user").stdout


def test_general_options_may_stand_anywhere(etc):
    one = t.run("thurn", "--json", "-C", etc, "config", "get", "hostname").stdout
    assert one == t.run("thurn", "config", "get", "hostname", "-C", etc, "--json").stdout == '"mx.test"\n'


def test_output_that_can_not_be_written_is_an_error(etc):
    import subprocess
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(t.BIN / "thurn"), "-C", str(etc), "config", "show"], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "written" in done.stderr
