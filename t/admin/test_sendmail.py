"""sendmail as programs call it: what it takes, what it adds, what it exits with; with and without a server."""
import email
import email.policy
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import time

import pytest

import thurn as t
from fakes import Server

EX = {"OK": 0, "USAGE": 64, "DATAERR": 65, "NOINPUT": 66, "NOUSER": 67, "UNAVAILABLE": 69,
      "TEMPFAIL": 75, "CONFIG": 78}


@pytest.fixture(scope="module")
def down():
    """An instance that is stopped: what sendmail takes stands in the drop folder."""
    made = t.Instance(users=())
    made.stop()
    yield made
    made.close()


def sendmail(box, *argv, input="Subject: x\n\nbody\n", **more):
    argv = ["-C", box.dir / "etc", *argv]
    return t.run("sendmail", *argv, input=input, check=False, **more)


def drop_files(box):
    return sorted((box.dir / "queue/drop").iterdir())


def dropped(box, *argv, input="Subject: x\n\nbody\n"):
    """Sends, and returns (header lines of the drop file, message) of the one file that was made."""
    for f in drop_files(box):
        f.unlink()
    data = input if isinstance(input, bytes) else input.encode()
    done = subprocess.run([str(t.BIN / "sendmail"), "-C", str(box.dir / "etc"), *argv], input=data,
                          capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (file,) = drop_files(box)
    head, _, body = file.read_bytes().partition(b"\n\n")
    return head.decode().split("\n"), body


def test_a_message_is_completed(down):
    head, body = dropped(down, "a@b.test")
    assert head[0] == "THURN-DROP 1"
    assert head[1] == "uid %d" % os.getuid()
    assert head[3:] == ["sender root@sandbox.test", "to a@b.test"] or os.getuid() != 0
    m = email.message_from_bytes(body, policy=email.policy.default)
    assert m["Subject"] == "x" and m.get_content() == "body\r\n"
    assert "@sandbox.test" in m["From"]
    assert re.fullmatch(r"<[0-9A-Z]{16}@sandbox\.test>", m["Message-ID"])
    assert abs(m["Date"].datetime.timestamp() - time.time()) < 60


def test_what_is_there_stays(down):
    given = "From: A <a@x.test>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <1@x>\nTo: b@y.test\n\nb\n"
    _, body = dropped(down, "b@y.test", input=given)
    assert body == given.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("argv, sender", [
    (["-f", "a@x.test"], "a@x.test"), (["-fa@x.test"], "a@x.test"), (["-ra@x.test"], "a@x.test"),
    (["-f", "Name <a@X.Test>"], "a@x.test"), (["-f", ""], ""), (["-f", "<>"], ""),
    (["-f", "daemon"], "daemon@sandbox.test"), (["-f", '"a b"@x.test'], '"a b"@x.test'),
    (["-tif", "a@x.test"], "a@x.test"),
])
def test_the_sender_is_an_option(down, argv, sender):
    head, _ = dropped(down, *argv, "b@y.test")
    assert "sender " + sender in head


@pytest.mark.parametrize("argv, to", [
    (["a@x.test", "b"], ["a@x.test", "b@sandbox.test"]),
    (["a@x.test, B <b@y.test>"], ["a@x.test", "b@y.test"]),
    (["--", "-a@x.test"], ["-a@x.test"]),
    (["-oi", "-oem", "-om", "-B8BITMIME", "-B", "7BIT", "-v", "-n", "-U", "-h", "3", "-odb", "-G",
      "-O", "DeliveryMode=b", "-X", "/dev/null", "-p", "ESMTP", "-L", "tag", "-bm", "a@x.test"],
     ["a@x.test"]),
])
def test_recipients_are_arguments(down, argv, to):
    head, _ = dropped(down, *argv)
    assert [line[3:] for line in head if line.startswith("to ")] == to


HEADER = """From: me@x.test
To: A <a@x.test>, group: g@x.test, "G, H" <h@x.test>;
Cc: c@x.test,
 folded@x.test
Bcc: secret@x.test
Subject: s
Return-Path: <forged@x.test>

To: body@x.test
"""


def test_t_takes_recipients_from_the_header_and_hides_bcc(down):
    head, body = dropped(down, "-t", "extra@x.test", input=HEADER)
    assert [line[3:] for line in head if line.startswith("to ")] == [
        "extra@x.test", "a@x.test", "g@x.test", "h@x.test", "c@x.test", "folded@x.test",
        "secret@x.test"]
    assert b"secret" not in body and b"Return-Path" not in body
    assert b"Cc: c@x.test,\r\n folded@x.test\r\n" in body


def test_bcc_is_hidden_without_t_too(down):
    head, body = dropped(down, "a@x.test", input=HEADER)
    assert [line for line in head if line.startswith("to ")] == ["to a@x.test"]
    assert b"secret" not in body


def test_a_message_sent_again_goes_to_its_resent_fields(down):
    head, body = dropped(down, "-t", input="Resent-To: r@x.test\nResent-Bcc: rb@x.test\n" + HEADER)
    assert [line for line in head if line.startswith("to ")] == ["to r@x.test", "to rb@x.test"]
    assert b"Resent-Bcc" not in body


@pytest.mark.parametrize("argv, given, wanted", [
    ([], b"Subject: x\n\na\n.\nb\n", b"a\r\n"),
    (["-i"], b"Subject: x\n\na\n.\nb\n", b"a\r\n.\r\nb\r\n"),
    (["-oi"], b"Subject: x\n\na\n.\n", b"a\r\n.\r\n"),
    ([], b"Subject: x\r\n\r\na\r\nb\n", b"a\r\nb\r\n"),
    ([], b"Subject: x\r\n\r\na\r\n.\r\nb\r\n", b"a\r\n"),
    ([], b"Subject: x\n\na\rb\0c", b"a b c\r\n"),
    ([], b"no header, only text\nmore: text\n", b"no header, only text\r\nmore: text\r\n"),
    ([], b"\nFrom cron\n", b"From cron\r\n"),
    ([], b"", b""),
    ([], b"From root Mon Jan  1 00:00:00 2024\nSubject: x\n\nb\n", b"b\r\n"),
    ([], b"Subject: x\n\n" + b"y" * 130000 + b"\n",
     b"y" * 60000 + b"\r\n " + b"y" * 60000 + b"\r\n " + b"y" * 10000 + b"\r\n"),
    (["-i"], "Subject: x\n\n\u00e4\n".encode(), "\u00e4\r\n".encode()),
], ids=range(12))
def test_lines_become_what_smtp_takes(down, argv, given, wanted):
    _, body = dropped(down, *argv, "a@x.test", input=given)
    assert body.partition(b"\r\n\r\n")[2] == wanted
    assert b"Message-ID: <" in body


@pytest.mark.parametrize("name, wanted", [
    ("Plain Name", '"Plain Name" <root@sandbox.test>'),
    ('Inj"ect\nBcc: x@y.test', None),
    ("\u00c4\u00d6 <x@y>", None),
])
def test_a_name_can_not_make_header_lines(down, name, wanted):
    _, body = dropped(down, "-f", "root", "-F", name, "a@x.test")
    m = email.message_from_bytes(body, policy=email.policy.default)
    assert m["Bcc"] is None and m.get_content() == "body\r\n"
    assert [a.addr_spec for a in m["From"].addresses] == ["root@sandbox.test"]
    if wanted:
        assert ("From: %s\r\n" % wanted).encode() in body


def test_delivery_reports_can_be_asked_for(down):
    head, _ = dropped(down, "-N", "success,delay", "-R", "hdrs", "-V", "env-1", "a@x.test")
    assert {"notify 10", "ret 2", "envid env-1"} <= set(head)


@pytest.mark.parametrize("argv, given, status", [
    ([], "x", EX["USAGE"]),
    (["-t"], "Subject: x\n\nb\n", EX["USAGE"]),
    (["-Z", "a@x.test"], "x", EX["USAGE"]),
    (["-bd"], "", EX["USAGE"]),
    (["-bv", "a@x.test"], "", EX["USAGE"]),
    (["-f"], "", EX["USAGE"]),
    (["-f", "a@b@c d", "a@x.test"], "x", EX["USAGE"]),
    (["a b c d@"], "x", EX["USAGE"]),
    (["-N", "often", "a@x.test"], "x", EX["USAGE"]),
    (["-R", "some", "a@x.test"], "x", EX["USAGE"]),
    (["-V", "a b", "a@x.test"], "x", EX["USAGE"]),
    (["a@x.test\nto: b@y.test"], "x", EX["USAGE"]),
    (["-bp"], "", EX["UNAVAILABLE"]),
    (["-q"], "", EX["UNAVAILABLE"]),
    (["-bs"], "", EX["TEMPFAIL"]),
    (["-C", "/nowhere", "a@x.test"], "x", EX["CONFIG"]),
])
def test_exit_statuses(down, argv, given, status):
    for f in drop_files(down):
        f.unlink()
    done = sendmail(down, *argv, input=given)
    assert done.returncode == status
    assert done.stderr.startswith("sendmail: ") and done.stderr.count("\n") == 1
    assert drop_files(down) == []


def test_a_message_that_is_too_big_is_refused(instance):
    box = instance(users=(), settings={"message_size_limit": "64k"})
    done = sendmail(box, "a@sandbox.test", input="x" * 70000)
    assert done.returncode == EX["DATAERR"]


def test_without_a_drop_folder_it_is_a_failure_that_passes(down):
    drop = down.dir / "queue/drop"
    shutil.move(drop, str(drop) + ".away")
    try:
        done = sendmail(down, "a@x.test")
    finally:
        shutil.move(str(drop) + ".away", drop)
    assert done.returncode == EX["TEMPFAIL"]


def test_a_hostile_caller_changes_nothing(down):
    """Closed descriptors, an environment of lies, small limits, ignored signals."""
    for f in drop_files(down):
        f.unlink()
    script = ("ulimit -f 1; ulimit -t 1; exec 0</dev/null 1>&- 2>&-; trap '' TERM ALRM;"
              "exec %s -C %s a@x.test" % (t.BIN / "sendmail", down.dir / "etc"))
    env = {"LD_LIBRARY_PATH": "/nowhere", "HOME": "/nowhere", "LOGNAME": "liar", "USER": "liar",
           "TZ": "../../etc/passwd", "IFS": "x", "MALLOC_CHECK_": "3"}
    done = subprocess.run(["/bin/bash", "-c", script], env=env)
    assert done.returncode == 0
    (file,) = drop_files(down)
    assert "liar" not in file.read_text()


def test_a_limit_that_can_not_be_raised_leaves_no_half_message(down):
    for f in drop_files(down):
        f.unlink()
    script = "ulimit -Hf 8; exec %s -C %s a@x.test" % (t.BIN / "sendmail", down.dir / "etc")
    done = subprocess.run(["/usr/bin/setpriv", "--bounding-set=-all", "--inh-caps=-all", "/bin/bash",
                           "-c", script] if os.getuid() == 0 else ["/bin/bash", "-c", script],
                          input="x" * 100000, text=True, capture_output=True)
    assert done.returncode in (0, EX["TEMPFAIL"])
    assert len(drop_files(down)) == (1 if done.returncode == 0 else 0)


# --- with a server ---

def test_it_hands_the_message_to_the_server(thurn):
    done = sendmail(thurn, "-f", "sender@elsewhere.test", "anna", input="Subject: up\n\n.dot\n..\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert drop_files(thurn) == []
    assert thurn.wait_for_log(r"accepted from=sender@elsewhere.test to=anna@sandbox.test .*proto=local")


def test_an_unknown_user_is_told_at_once(thurn):
    done = sendmail(thurn, "no-such-user@sandbox.test", "anna@sandbox.test")
    assert done.returncode == EX["NOUSER"]
    assert done.stderr.startswith("sendmail: no-such-user@sandbox.test: 550 5.1.1")
    assert done.stderr.count("\n") == 1


def test_bs_speaks_smtp(thurn):
    dialogue = ("EHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<anna@sandbox.test>\r\nDATA\r\n"
                "Subject: bs\r\n\r\nb\r\n.\r\nQUIT\r\n")
    done = sendmail(thurn, "-bs", input=dialogue)
    assert done.returncode == 0
    codes = re.findall(r"^(\d\d\d) ", done.stdout, re.M)
    assert codes == ["220", "250", "250", "250", "354", "250", "221"]


def test_many_recipients_go_in_several_transactions(thurn):
    many = ["user%d@other.test" % i for i in range(1200)]
    done = sendmail(thurn, *many)
    assert (done.returncode, done.stderr) == (0, "")
    accepted = re.findall(r"accepted .* nrcpt=(\d+) .*proto=local", thurn.log())
    assert sorted(map(int, accepted))[-3:] == [200, 500, 500]


# --- the drop folder is collected ---

def test_what_was_dropped_is_sent_when_the_server_is_up_again(instance):
    box = instance(users=("anna",))
    box.stop()
    for i in range(3):
        assert sendmail(box, "anna@sandbox.test", input="Subject: late %d\n\nb\n" % i).returncode == 0
    assert len(drop_files(box)) == 3
    box.start()
    t.wait_for(lambda: not drop_files(box), 20, "an empty drop folder")
    assert len(re.findall(r"picked up file=new\.", box.log())) == 3
    mail = box.wait_for_mail("anna", 3)
    assert sorted(re.search(rb"Subject: (late \d)", m).group(1) for m in mail) == [
        b"late 0", b"late 1", b"late 2"]
    assert all(b"kept while the server was down" in m for m in mail)
    # Not pickup's, that was the messenger.
    me = pwd.getpwuid(os.getuid()).pw_name
    assert len(re.findall(r"accepted .*proto=local auth=%s " % me, box.log())) == 3


def test_a_file_dropped_while_the_server_runs_is_seen_at_once(instance):
    box = instance(users=("anna",))
    box.stop()
    sendmail(box, "anna@sandbox.test")
    (file,) = drop_files(box)
    kept = box.dir / "kept"
    shutil.copy2(file, kept)
    file.unlink()
    box.start()
    shutil.copy2(kept, box.dir / "queue/drop/tmp.copy")
    own = os.stat(box.dir / "queue/drop")
    os.chown(box.dir / "queue/drop/tmp.copy", os.getuid(), own.st_gid)
    os.rename(box.dir / "queue/drop/tmp.copy", box.dir / "queue/drop/new.copy")
    t.wait_for(lambda: not drop_files(box), 5, "the file to be taken")


def bad_files(drop):
    """Everything that is not a plain file with one link, of its sender, in the right form."""
    good = (b"THURN-DROP 1\nuid %d\ntime 1\nsender a@x.test\nto anna@sandbox.test\n\nSubject: x\r\n\r\nb\r\n"
            % os.getuid())
    (drop / "new.garbage").write_bytes(b"garbage\n\n")
    (drop / "new.other-uid").write_bytes(good.replace(b"uid %d" % os.getuid(), b"uid 4711"))
    (drop / "new.injected").write_bytes(good.replace(b"a@x.test", b"a@x.test\r"))
    (drop / "keep").write_bytes(good)
    os.link(drop / "keep", drop / "new.two-links")
    os.symlink("keep", drop / "new.symlink")
    os.mkfifo(drop / "new.fifo")
    (drop / "new.folder").mkdir()
    (drop / "new.refused").write_bytes(good.replace(b"a@x.test", b"").replace(b"anna@", b"no-such-user@"))
    (drop / "new.sender").write_bytes(good.replace(b"a@x.test", b"a b\x01"))
    return 9


def test_files_that_are_no_messages_are_set_aside(instance):
    box = instance(users=("anna",))
    box.stop()
    drop = box.dir / "queue/drop"
    count = bad_files(drop)
    for f in drop.iterdir():
        if f.is_file() and not f.is_symlink():
            os.chmod(f, 0o644)
    box.start()
    t.wait_for(lambda: len(list(drop.glob("bad.*"))) == count, 10, "bad files to be set aside")
    assert list(drop.glob("new.*")) == []
    assert not re.search(r"accepted .*anna", box.log())
    box.stop()


def test_files_that_were_never_finished_go_after_a_day(instance):
    box = instance(users=())
    box.stop()
    drop = box.dir / "queue/drop"
    for name, age in (("tmp.old", 2 * 86400), ("tmp.young", 60)):
        (drop / name).write_text("x")
        os.utime(drop / name, (time.time() - age,) * 2)
    box.start()
    t.wait_for(lambda: not (drop / "tmp.old").exists(), 10, "the old file to go")
    assert (drop / "tmp.young").exists()


def recipient_of(report):
    """The fields of the one recipient that a report is about."""
    m = email.message_from_bytes(report, policy=email.policy.default)
    assert m.get_content_type() == "multipart/report"
    message, recipient = list(m.iter_parts())[1].get_payload()
    assert message["Original-Envelope-Id"] == "envelope"
    return recipient


def test_who_is_refused_later_is_reported_to_the_sender(instance):
    """sendmail has said that all is well, and nobody reads its exit status any more."""
    box = instance(users=("anna", "bert"))
    box.stop()
    argv = ("-f", "anna@sandbox.test", "-V", "envelope")
    assert sendmail(box, *argv, "bert@sandbox.test", "no-such-user@sandbox.test").returncode == 0
    assert sendmail(box, *argv, "-N", "never", "bert@sandbox.test", "nor-this@sandbox.test").returncode == 0
    box.start()
    (report,) = box.wait_for_mail("anna", 1)
    recipient = recipient_of(report)
    assert recipient["Final-Recipient"] == "rfc822; no-such-user@sandbox.test"
    assert recipient["Action"] == "failed" and recipient["Status"] == "5.1.1"
    assert b"Subject: x\r\n" in report
    box.wait_for_mail("bert", 2)
    t.wait_for(lambda: not drop_files(box), 20, "an empty drop folder")
    assert len(re.findall(r"accepted .*to=anna@sandbox\.test", box.log())) == 1
    assert len(re.findall(r"accepted .*to=bert@sandbox\.test", box.log())) == 2


def test_where_the_report_has_to_wait_only_the_refused_wait_for_it(instance):
    answers = {"anna": ["451 4.3.0 later", "250 2.1.5 ok"], "bert": ["250 2.1.5 ok"], "cleo": ["550 5.1.1 nobody"]}

    def answer(line):
        of = answers[re.search("<(\\w+)@", line).group(1)]
        return of.pop(0) if len(of) > 1 else of[0]

    box = instance(users=("anna",), settings={"sendmail:enabled": "no"})
    sendmail(box, "-f", "anna@sandbox.test", "-V", "envelope", "-N", "failure", "bert@x.test", "cleo@x.test")
    assert len(drop_files(box)) == 1
    with Server(path=box.dir / "run/submit", RCPT=answer, lenient=True) as server:
        os.chmod(box.dir / "run/submit", 0o777)
        t.wait_for(lambda: len(server.messages) == 2 and not drop_files(box), 30, "the report")
    assert b"Subject: x" in server.messages[0]
    assert recipient_of(server.messages[1])["Final-Recipient"] == "rfc822; cleo@x.test"
    assert len([c for c in server.said("RCPT") if "bert" in c]) == 1


def test_kept_messages_wait_while_the_server_can_not_take_them(instance):
    """Recipients that get 4xx stay; the others are sent once."""
    box = instance(users=("anna",), settings={"sendmail:enabled": "no"})
    assert sendmail(box, "anna@sandbox.test").returncode == 0
    time.sleep(1)
    assert len(drop_files(box)) == 1
    box.restart(**{"sendmail:enabled": "yes"})
    t.wait_for(lambda: not drop_files(box), 20, "the file to be taken")


# --- newaliases ---

@pytest.mark.parametrize("text, line, about", [
    ("a: b\nwrong\n", 2, "wrong"), ("a: |/bin/cat\n", 1, "|/bin/cat"),
    ('a: "|/bin/cat x"\n', 1, "|/bin/cat"), ("# x\n\na: b,\n  /var/mail/x\n", 3, "/var/mail/x"),
    ("a: :include:/etc/list\n", 1, ":include:"), ("a: b\nA: c\n", 2, "A"), ("a:\n", 1, "address"),
    (": b\n", 1, ": b"),
])
def test_newaliases_names_the_line_that_can_not_be(down, text, line, about, tmp_path):
    file = tmp_path / "aliases"
    file.write_text(text)
    conf = tmp_path / "etc"
    shutil.copytree(down.dir / "etc", conf)
    (conf / "thurn.conf").write_text("aliases = %s\n" % file + (conf / "thurn.conf").read_text())
    done = t.run("sendmail", "-C", conf, "-bi", check=False)
    assert done.returncode == EX["DATAERR"]
    assert "%s:%d: " % (file, line) in done.stderr and about in done.stderr


def test_newaliases_loads_all_or_nothing(thurn, tmp_path):
    file = tmp_path / "aliases"
    file.write_text("# system\npostmaster: root\nRoot: anna,\n  Bert <bert@sandbox.test>\n\"x y\": anna\n")
    conf = thurn.dir / "etc"
    text = (conf / "thurn.conf").read_text()
    (conf / "thurn.conf").write_text("aliases = %s\n" % file + text)
    try:
        done = t.run("sendmail", "-C", conf, "-bi")
        assert done.stdout == "%s: 3 aliases\n" % file
        aliases = {a["source"]: a["targets"] for a in thurn.json("alias", "list")}
        assert aliases["postmaster@sandbox.test"] == ["root@sandbox.test"]
        assert aliases["root@sandbox.test"] == ["anna@sandbox.test", "bert@sandbox.test"]
        file.write_text("root: |x\n")
        assert t.run("sendmail", "-C", conf, "-bi", check=False).returncode == EX["DATAERR"]
        assert len(thurn.json("alias", "list")) == 3
    finally:
        (conf / "thurn.conf").write_text(text)


# --- installed: set-group-id ---

class Installed:
    """A set-group-id copy, as make install makes it, whose configuration can only be /etc/thurn: that of the instance, for
    processes in a mount namespace of their own."""

    def __init__(self, box, folder):
        self.box, self.program = box, pathlib.Path("/tmp/thurn-test-sendmail-%d" % os.getpid())
        shutil.copy(t.BIN / "sendmail", self.program)
        os.chown(self.program, 0, os.stat(box.dir / "queue/drop").st_gid)
        os.chmod(self.program, 0o2755)
        self.etc = folder / "etc"
        self.etc.mkdir()
        for name in ("passwd", "group", "nsswitch.conf"):
            shutil.copy("/etc/" + name, self.etc)
        shutil.copytree(box.dir / "etc", self.etc / "thurn")
        conf = self.etc / "thurn/thurn.conf"
        conf.write_text(conf.read_text().replace("root = ..", "root = %s" % box.dir))
        for path in (folder, self.etc, self.etc / "thurn"):
            path.chmod(0o755)

    def run(self, *argv, **more):
        """As an ordinary user who finds this /etc."""
        return t.run("/usr/bin/unshare", "--mount", "/bin/sh", "-c",
                     'mount --bind "$0" /etc && exec setpriv --reuid=12345 --regid=12345 --clear-groups "$@"',
                     self.etc, *argv, check=False, **more)


@pytest.fixture
def installed(tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs root")
    if t.run("/usr/bin/unshare", "--mount", "/bin/true", check=False).returncode != 0:
        pytest.skip("there are no mount namespaces")
    box = t.Instance(users=())
    box.stop()
    made = Installed(box, tmp_path)
    try:
        yield made
    finally:
        made.program.unlink()
        box.close()


def test_an_ordinary_user_drops_and_can_not_touch(installed):
    program, box = installed.program, installed.box
    done = installed.run(program, "a@x.test", input="Subject: x\n\nb\n")
    if "Permission denied" in done.stderr and t.SAN:
        pytest.skip("the sanitizers do not work set-group-id")
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = drop_files(box)
    st = file.stat()
    assert st.st_uid == 12345 and st.st_gid == os.stat(box.dir / "queue/drop").st_gid
    assert "sender uid12345@sandbox.test" in file.read_text()
    # nobody else's folder
    assert installed.run("/bin/ls", box.dir / "queue/drop").returncode != 0
    done = installed.run(program, "-C", "/tmp", "a@x.test")
    assert "-C" in done.stderr
    # A set-group-id process can't be traced, which is how leaks are looked for at its exit.
    assert done.returncode == EX["USAGE"] or (t.SAN and "LeakSanitizer does not work" in done.stderr)
    box.start()
    t.wait_for(lambda: "refused file" in box.log() or "picked up" in box.log(), 10, "pickup")
