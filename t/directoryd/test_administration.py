"""Domains, users and aliases from the command line: what is refused, what is listed, what many at once do."""
import json
import threading

import pytest
import thurn as thurn_module
from calls import ALIAS, Door


@pytest.fixture(scope="module")
def thurn():
    t = thurn_module.Instance()
    t.thurn("domain", "add", "second.test")
    yield t
    t.close()


@pytest.mark.parametrize("words,sentence", [
    ("domain add second.test", "is there already"),
    ("domain add SECOND.test", "is there already"),
    ("domain remove nowhere.test", "There is no domain"),
    ("user add anna@sandbox.test --password x", "is there already"),
    ("user add ANNA@Sandbox.Test --password x", "is there already"),
    ("user add x@nowhere.test --password x", "is not a domain of this server"),
    ("user add a,b@sandbox.test --password x", "address"),
    ("user remove nobody@sandbox.test", "There is no user"),
    ("user passwd nobody@sandbox.test --password x", "There is no user"),
    ("alias add x@nowhere.test anna@sandbox.test", "is not a domain of this server"),
    ("alias add x@sandbox.test x@sandbox.test", "can't lead to itself"),
    ("alias add x@sandbox.test X@Sandbox.Test", "can't lead to itself"),
    ("alias remove nobody@sandbox.test", "There is no alias"),
])
def test_what_is_refused(thurn, words, sentence):
    done = thurn.thurn(*words.split(), check=False)
    assert done.returncode == 1 and sentence in done.stderr and done.stderr.count("\n") == 1, done


def test_a_domain_in_use_stays(thurn):
    thurn.thurn("domain", "add", "used.test")
    thurn.thurn("user", "add", "u@used.test", "--no-password")
    thurn.thurn("alias", "add", "a@used.test", "u@used.test")
    thurn.thurn("alias", "add", "@used.test", "u@used.test")
    for left, words in (("u@used.test", "user remove u@used.test"), ("@used.test", "alias remove @used.test"),
                        ("a@used.test", "alias remove a@used.test")):
        done = thurn.thurn("domain", "remove", "used.test", check=False)
        assert done.returncode == 1 and "remove its users and aliases first" in done.stderr
        thurn.thurn(*words.split())
    thurn.thurn("domain", "remove", "used.test")
    assert "used.test" not in json.dumps(thurn.json("domain", "list"))


def test_aliases(thurn):
    def targets(alias):
        return [a["targets"] for a in thurn.json("alias", "list", alias)]

    thurn.thurn("alias", "add", "list@second.test", "anna@sandbox.test", "Bert@SANDBOX.test")
    assert targets("list@second.test") == [["anna@sandbox.test", "bert@sandbox.test"]]
    thurn.thurn("alias", "add", "LIST@second.test", "anna@sandbox.test", "x@elsewhere.test")
    assert targets("list@second.test") == [["anna@sandbox.test", "bert@sandbox.test", "x@elsewhere.test"]]
    thurn.thurn("alias", "remove", "list@second.test", "BERT@sandbox.test")
    assert targets("list@second.test") == [["anna@sandbox.test", "x@elsewhere.test"]]
    thurn.thurn("alias", "remove", "list@second.test")
    assert targets("list@second.test") == []
    thurn.thurn("alias", "add", "one@second.test", "anna@sandbox.test")
    thurn.thurn("alias", "remove", "one@second.test", "anna@sandbox.test")
    assert targets("one@second.test") == []
    assert thurn.thurn("alias", "list").returncode == 0


def test_lists_match_and_page(thurn):
    thurn.thurn("domain", "add", "page.test")
    thurn.thurn("domain", "add", "notpage.test")
    thurn.thurn("alias", "add", "x@notpage.test", "anna@sandbox.test")
    lines = ["u%04d@page.test" % n for n in range(1203)]
    with Door(thurn, "directory-admin") as door:
        from calls import blob, varint
        for name in lines:
            door.send(21, blob(name) + varint(1) + blob("anna@sandbox.test"))
        for _ in lines:
            door.receive()
    assert [a["source"] for a in thurn.json("alias", "list", "@page.test")] == lines
    assert [a["source"] for a in thurn.json("alias", "list", "@notpage.test")] == ["x@notpage.test"]
    assert [a["source"] for a in thurn.json("alias", "list", "U0007@page.test")] == ["u0007@page.test"]
    assert thurn.json("alias", "list", "@nowhere.test") == []
    assert [d for d in json.dumps(thurn.json("domain", "list")).split('"') if d == "page.test"] == ["page.test"]


def test_large_aliases_are_listed_in_parts(thurn):
    from calls import blob, varint
    thurn.thurn("domain", "add", "large.test")
    long = "x" * 200
    with Door(thurn, "directory-admin") as door:
        for n in range(40):
            door.call(21, blob("a%02d@large.test" % n) + varint(900) +
                      b"".join(blob("%s%d@elsewhere.test" % (long, k)) for k in range(900)))
    listed = thurn.json("alias", "list", "@large.test")
    assert len(listed) == 40 and all(len(a["targets"]) == 900 for a in listed)
    with Door(thurn, "directory") as door:
        assert len(door.resolve("a07", "large.test")[2]) == 900


def test_changes_at_once_lose_nothing(thurn):
    """Each adds its targets to the same alias, and its users, while others do."""
    failed = []

    def run(k):
        try:
            with Door(thurn, "directory-admin") as door:
                from calls import blob, varint
                calls = [door.send(21, blob("busy@second.test") + varint(1) + blob("t%d.%d@elsewhere.test" % (k, n)))
                         for n in range(20)]
                for _ in calls:
                    door.receive()
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    with Door(thurn, "directory") as door:
        status, _, targets, _ = door.resolve("busy", "second.test")
        assert status == ALIAS and len(targets) == 100


def test_one_name_is_added_once(thurn):
    from calls import Refused, blob
    doors = [Door(thurn, "directory-admin") for _ in range(10)]
    for d in doors:
        d.send(17, blob("race@sandbox.test") + blob("pw") + blob("") + b"\0" * 16)
    accounts = []
    for d in doors:
        try:
            accounts.append(d.receive()[1].text())
        except Refused as e:
            assert "is there already" in str(e)
        d.sock.close()
    assert len(accounts) == 1
    assert [u["account"] for u in thurn.json("user", "list", "race@sandbox.test")] == accounts


def test_passwd_does_not_bring_a_removed_user_back(thurn):
    from calls import Refused, blob
    for n in range(20):
        thurn_name = "flash%d@sandbox.test" % n
        with Door(thurn, "directory-admin") as one, Door(thurn, "directory-admin") as two:
            one.call(17, blob(thurn_name) + blob("pw") + blob("") + b"\0" * 16)
            one.send(19, blob(thurn_name) + blob("new") + blob("") + b"\0" * 16)
            two.call(18, blob(thurn_name))
            try:
                one.receive()
            except Refused:
                pass
            assert thurn.json("user", "list", thurn_name) == []


def test_newaliases(thurn):  # restarts it: the last of the file
    path = thurn.dir / "etc/aliases.test"
    thurn.restart(aliases=path)
    thurn.thurn("alias", "add", "other@second.test", "anna@sandbox.test")

    def load(text):
        path.write_text(text)
        return thurn_module.run("sendmail", "-C", thurn.dir / "etc", "-bi", check=False)

    before = load("# a comment\npostmaster: root\nroot: anna, x@elsewhere.test\nlist: anna,\n\tbert\nbert: bert\n")
    assert before.returncode == 0, before
    with Door(thurn, "directory") as door:
        assert door.resolve("root", "")[2] == ["anna@sandbox.test", "x@elsewhere.test"]
        assert door.resolve("list", "localhost")[2] == ["anna@sandbox.test", "bert@sandbox.test"]
        assert door.resolve("bert", "")[1] == "bert@sandbox.test"  # bert: bert is nothing new
        bad = load("root: bert\nbad: bad, anna\n")
        assert bad.returncode != 0 and "can't lead to itself" in bad.stderr
        assert door.resolve("root", "")[2] == ["anna@sandbox.test", "x@elsewhere.test"]  # what was there stays
        assert load("root: bert\n").returncode == 0
        assert door.resolve("root", "")[2] == ["bert@sandbox.test"]
        assert door.resolve("list", "localhost")[0] != ALIAS
        assert door.resolve("other", "second.test")[0] == ALIAS  # other domains' aliases are not its affair
        # What `alias add` made is not the file's to take back, also where both name an alias or even a target.
        thurn.thurn("alias", "add", "boss", "anna")
        thurn.thurn("alias", "add", "root", "z@elsewhere.test")
        assert load("root: anna\nboss: anna, bert\n").returncode == 0
        assert door.resolve("boss", "")[2] == ["anna@sandbox.test", "bert@sandbox.test"]
        assert door.resolve("root", "")[2] == ["anna@sandbox.test", "z@elsewhere.test"]
        thurn.restart(aliases=path)  # it is on record who wants what
    assert load("list: bert\n").returncode == 0
    with Door(thurn, "directory") as door:
        assert door.resolve("boss", "")[2] == ["anna@sandbox.test"]
        assert door.resolve("root", "")[2] == ["z@elsewhere.test"]
        assert door.resolve("list", "")[2] == ["bert@sandbox.test"]
        thurn.thurn("alias", "remove", "boss")
        assert load("").returncode == 0
        assert door.resolve("boss", "")[0] != ALIAS and door.resolve("list", "")[0] != ALIAS
