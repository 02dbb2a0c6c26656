"""Domains, users, aliases, queue, mailboxes and traces by the command line, on a running instance."""
import re

import pytest

import thurn as t


def failure(thurn, *argv, **more):
    done = thurn.thurn(*argv, check=False, **more)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


def test_domains(thurn):
    thurn.thurn("domain", "add", "Example.TEST")
    assert thurn.json("domain", "list") == ["example.test", "sandbox.test"]
    assert thurn.thurn("domain", "list").stdout == "example.test\nsandbox.test\n"
    thurn.thurn("domain", "remove", "example.test")
    assert thurn.json("domain", "list") == ["sandbox.test"]
    assert failure(thurn, "domain", "remove", "example.test")
    assert failure(thurn, "domain", "remove", "sandbox.test")  # has users


def test_users(thurn):
    thurn.thurn("user", "add", "carla@sandbox.test", "--password", "x", "--quota", "10M",
                "--quota-messages", "7")
    (carla,) = thurn.json("user", "list", "carla@sandbox.test")
    assert (carla["quota"], carla["quotaMessages"], carla["login"]) == (10 << 20, 7, True)
    assert failure(thurn, "user", "add", "carla@sandbox.test", "--password", "x")
    assert failure(thurn, "user", "add", "carla@other.test", "--password", "x")
    thurn.thurn("user", "remove", "carla@sandbox.test")
    assert thurn.json("user", "list", "carla@sandbox.test") == []
    assert failure(thurn, "user", "remove", "carla@sandbox.test")
    # a new user of that name is another account
    thurn.thurn("user", "add", "carla@sandbox.test", "--no-password")
    (again,) = thurn.json("user", "list", "carla@sandbox.test")
    assert again["account"] != carla["account"] and not again["login"]
    thurn.thurn("user", "remove", "carla@sandbox.test")


def test_the_list_of_users_has_a_line_each(thurn):
    lines = thurn.thurn("user", "list").stdout.splitlines()
    assert lines[0].split()[:2] == ["USERNAME", "ACCOUNT"]
    assert [line.split()[0] for line in lines[1:]] == ["anna@sandbox.test", "bert@sandbox.test"]
    assert thurn.json("user", "list", "@other.test") == []


def test_passwords_come_from_standard_input_too(thurn):
    thurn.thurn("user", "add", "dora@sandbox.test", input="first\n")
    thurn.passwords["dora@sandbox.test"] = "first"
    thurn.imaps("dora").logout()
    thurn.thurn("user", "passwd", "dora@sandbox.test", input="second\nignored\n")
    with pytest.raises(Exception):
        thurn.imaps("dora")
    thurn.passwords["dora@sandbox.test"] = "second"
    thurn.imaps("dora").logout()
    thurn.thurn("user", "remove", "dora@sandbox.test")


def test_aliases(thurn):
    add = lambda *a: thurn.thurn("alias", "add", *a)  # noqa: E731
    add("team@sandbox.test", "anna@sandbox.test", "bert@sandbox.test")
    add("team@sandbox.test", "c@elsewhere.test")
    (team,) = thurn.json("alias", "list")
    assert team == {"source": "team@sandbox.test", "targets": [
        "anna@sandbox.test", "bert@sandbox.test", "c@elsewhere.test"]}
    thurn.thurn("alias", "remove", "team@sandbox.test", "c@elsewhere.test")
    assert len(thurn.json("alias", "list")[0]["targets"]) == 2
    assert "anna@sandbox.test, bert@sandbox.test" in thurn.thurn("alias", "list").stdout
    thurn.deliver("team", "Subject: to the team\n\nx\n")
    assert thurn.wait_for_mail("anna") and thurn.wait_for_mail("bert")
    thurn.thurn("alias", "remove", "team@sandbox.test")
    assert thurn.json("alias", "list") == []
    assert failure(thurn, "alias", "remove", "team@sandbox.test")


def test_more_entries_than_fit_in_one_answer(instance):
    box = instance(users=())
    lines = "".join("alias%05d: x@elsewhere.test\n" % i for i in range(2500))
    (box.dir / "aliases").write_text(lines)
    conf = box.dir / "etc/thurn.conf"
    conf.write_text("aliases = %s/aliases\n" % box.dir + conf.read_text())
    t.run("sendmail", "-C", box.dir / "etc", "-bi")
    names = [a["source"] for a in box.json("alias", "list")]
    assert len(names) == len(set(names)) == 2500


UNREACHABLE = {"networks": "127.0.0.1", "smtp.smart_host": "[127.0.0.1]:9"}


def fill(box):
    """Two messages for a host that refuses connections."""
    for i in range(2):
        with box.smtp() as s:
            s.sendmail("anna@sandbox.test", ["x%d@elsewhere.test" % i, "y@elsewhere.test"],
                       "Subject: number %d\r\n\r\nbody\r\n" % i)
    wait_for_deferral(box)


def wait_for_deferral(box):
    t.wait_for(lambda: len(box.json("queue", "list", "--state", "deferred")) == 2, 20, "deferral")


@pytest.fixture(scope="module")
def filled():
    box = t.Instance(users=("anna",), settings=UNREACHABLE)
    fill(box)
    yield box
    box.close()


@pytest.fixture
def waiting(filled):
    """Both of them deferred, whatever the test before did to them."""
    wait_for_deferral(filled)
    return filled


def test_queue_list_and_show(waiting):
    listed = waiting.json("queue", "list")
    assert len(listed) == 2 and listed[0]["arrival"] <= listed[1]["arrival"]
    first = listed[0]
    assert first["sender"] == "anna@sandbox.test" and first["state"] == "deferred"
    assert [r["address"] for r in first["recipients"]] == ["x0@elsewhere.test", "y@elsewhere.test"]
    assert first["recipients"][0]["attempts"] >= 1 and first["recipients"][0]["text"]
    text = waiting.thurn("queue", "list").stdout
    assert text.startswith("ID") and first["id"] in text
    shown = waiting.json("queue", "show", first["id"])
    assert shown["id"] == first["id"] and "Subject: number 0" in shown["message"]
    text = waiting.thurn("queue", "show", first["id"]).stdout
    assert "id: %s\n" % first["id"] in text and text.rstrip().endswith("body")
    assert waiting.json("queue", "list", "recipient=x1@elsewhere.test")[0]["id"] == listed[1]["id"]
    assert len(waiting.json("queue", "list", "domain=elsewhere.test")) == 2
    assert len(waiting.json("queue", "list", "--limit", "1")) == 1
    assert waiting.json("queue", "list", "--state", "held") == []


def test_mailq_shows_the_same(waiting):
    out = t.run("sendmail", "-C", waiting.dir / "etc", "-bp").stdout
    for m in waiting.json("queue", "list"):
        assert m["id"] in out
    assert "x0@elsewhere.test" in out and out.endswith("-- 2 messages\n")


def test_queue_hold_and_release(waiting):
    ident = waiting.json("queue", "list")[0]["id"]
    assert waiting.json("queue", "hold", ident) == {"count": 1}
    assert [m["id"] for m in waiting.json("queue", "list", "--state", "held")] == [ident]
    assert waiting.json("queue", "release", "--all")["count"] >= 1
    assert waiting.json("queue", "list", "--state", "held") == []


def test_queue_flush_tries_again(waiting):
    def attempts():
        return sum(r["attempts"] for m in waiting.json("queue", "list") for r in m["recipients"])
    before = attempts()
    assert waiting.json("queue", "flush")["count"] == 2
    t.wait_for(lambda: attempts() >= before + 4, 20, "another attempt for each recipient")


def test_trace_tells_the_story_in_order(waiting):
    ident = waiting.json("queue", "list")[0]["id"]
    story = waiting.json("trace", ident)
    lines = story["story"]
    assert all(ident in line for line in lines)
    assert lines == [line for line in waiting.log().splitlines() if ident in line][:len(lines)]
    assert any("accepted" in line for line in lines) and any("qmgr" in line for line in lines)
    assert story["queue"]["state"] == "deferred"
    assert lines[0] in waiting.thurn("trace", ident).stdout
    assert "Nothing is known" in failure(waiting, "trace", "0000000000000000")


def test_queue_remove(instance):
    waiting = instance(users=("anna",), settings=UNREACHABLE)
    fill(waiting)
    ident = waiting.json("queue", "list")[0]["id"]
    assert waiting.json("queue", "remove", ident) == {"count": 1}
    assert failure(waiting, "queue", "remove", ident) == "Nothing in the queue matches %s." % ident
    assert failure(waiting, "queue", "show", ident)
    assert waiting.json("queue", "remove", "--all") == {"count": 1}
    assert waiting.json("queue", "list") == [] and waiting.thurn("queue", "list").stdout == ""
    assert t.run("sendmail", "-C", waiting.dir / "etc", "-bp").stdout == "Mail queue is empty\n"


def test_mailboxes(thurn):
    thurn.thurn("mailbox", "create", "anna@sandbox.test", "Work/Reports")
    names = [m["mailboxName"] for m in thurn.json("mailbox", "list", "anna@sandbox.test")]
    assert names[0] == "INBOX" and {"Work", "Work/Reports", "Trash"} <= set(names)
    assert failure(thurn, "mailbox", "create", "anna@sandbox.test", "Work/Reports")
    with thurn.imaps("anna") as c:
        assert c.select("Work/Reports")[0] == "OK"
    thurn.thurn("mailbox", "delete", "anna@sandbox.test", "Work/Reports")
    names = [m["mailboxName"] for m in thurn.json("mailbox", "list", "anna@sandbox.test")]
    assert "Work/Reports" not in names
    assert failure(thurn, "mailbox", "delete", "anna@sandbox.test", "Work/Reports")
    assert failure(thurn, "mailbox", "delete", "anna@sandbox.test", "INBOX")
    assert failure(thurn, "mailbox", "list", "nobody-there@sandbox.test")


def test_mailbox_check_and_rebuild(thurn):
    thurn.deliver("anna", "Subject: checked\n\nx\n")
    thurn.wait_for_mail("anna")
    report = thurn.json("mailbox", "check", "anna@sandbox.test")
    assert report["messages"] >= 1
    assert (report["findings"], report["badBodies"], report["damagedRecords"]) == ([], 0, 0)
    thurn.thurn("mailbox", "rebuild", "anna@sandbox.test")
    assert any(b"Subject: checked" in m for m in thurn.messages("anna"))


def test_reload_takes_a_new_setting_and_loses_no_connection(instance):
    box = instance(users=())
    with box.smtp() as s:
        s.ehlo()
        conf = box.dir / "etc/thurn.conf"
        conf.write_text("message_size_limit = 100k\n" + conf.read_text())
        before = box.status()["generation"]
        box.thurn("reload")
        assert box.status()["generation"] == before + 1
        assert s.noop()[0] == 250

        def size():
            with box.smtp() as other:
                other.ehlo()
                return other.esmtp_features["size"] == str(100 << 10)
        t.wait_for(size, 10, "the new limit")
    conf.write_text("nonsense = 1\n" + conf.read_text())
    done = box.thurn("reload", check=False)
    assert done.returncode == 1 and "thurn.conf:1: there is no parameter nonsense" in done.stderr


def test_only_its_owner_administers_it(thurn):
    import os
    if os.geteuid() != 0:
        pytest.skip("needs root")
    user = ["/usr/bin/setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    done = t.run(*user, t.BIN / "thurn", "-C", thurn.dir / "etc", "user", "list", check=False)
    if "No such file" in done.stderr and done.returncode == 127:
        pytest.skip("the programs are where other users can't get at them")
    assert done.returncode == 1 and re.search("denied|does not answer|not running", done.stderr)
