"""Look-ups: users, aliases, detail after +, postmaster, catch-all, system users, domains that are ours and not."""
import os
import pwd
import subprocess

import pytest
import thurn as thurn_module
from calls import ACCOUNT, ALIAS, DISABLED, NOT_LOCAL, UNKNOWN, Door

DOMAIN = "sandbox.test"


@pytest.fixture(scope="module")
def thurn():
    t = thurn_module.Instance(settings={"postmaster": "anna@sandbox.test"})
    t.thurn("domain", "add", "second.test")
    t.thurn("domain", "add", "all.test")
    t.add_user("otto@second.test")
    t.add_user("grün@second.test")
    t.thurn("alias", "add", "team@second.test", "otto@second.test", "x@elsewhere.test")
    t.thurn("alias", "add", "otto+lists@second.test", "anna@sandbox.test")
    t.thurn("alias", "add", "@all.test", "bert@sandbox.test")
    t.thurn("alias", "add", "one@all.test", "anna@sandbox.test")
    yield t
    t.close()


@pytest.fixture
def door(thurn):
    with Door(thurn, "directory") as d:
        yield d


@pytest.mark.parametrize("local,domain,status,what", [
    ("anna", DOMAIN, ACCOUNT, "anna@sandbox.test"),
    ("ANNA", "SandBox.Test", ACCOUNT, "anna@sandbox.test"),
    ("anna", DOMAIN + ".", ACCOUNT, "anna@sandbox.test"),
    ("anna", "", ACCOUNT, "anna@sandbox.test"),
    ("anna", "localhost", ACCOUNT, "anna@sandbox.test"),
    ("anna", "second.test", UNKNOWN, None),
    ("otto", "second.test", ACCOUNT, "otto@second.test"),
    ("otto+x", "second.test", ACCOUNT, "otto@second.test"),
    ("otto+x+y", "second.test", ACCOUNT, "otto@second.test"),
    ("otto+", "second.test", ACCOUNT, "otto@second.test"),
    ("otto+lists", "second.test", ALIAS, ["anna@sandbox.test"]),
    ("Otto+LISTS", "second.test", ALIAS, ["anna@sandbox.test"]),
    ("team+x", "second.test", ALIAS, ["otto@second.test", "x@elsewhere.test"]),
    ("+", "second.test", UNKNOWN, None),
    ("+otto", "second.test", UNKNOWN, None),
    ("grün", "second.test", ACCOUNT, "grün@second.test"),
    ("team", "second.test", ALIAS, ["otto@second.test", "x@elsewhere.test"]),
    ("nobody", "second.test", UNKNOWN, None),
    ("postmaster", "second.test", ALIAS, ["anna@sandbox.test"]),
    ("Postmaster", DOMAIN, ALIAS, ["anna@sandbox.test"]),
    ("postmaster", "", ALIAS, ["anna@sandbox.test"]),
    ("postmaster", "elsewhere.test", NOT_LOCAL, None),
    ("anything", "all.test", ALIAS, ["bert@sandbox.test"]),
    ("one", "all.test", ALIAS, ["anna@sandbox.test"]),
    ("one+x", "all.test", ALIAS, ["anna@sandbox.test"]),
    ("postmaster", "all.test", ALIAS, ["anna@sandbox.test"]),
    ("", DOMAIN, UNKNOWN, None),
    ("", "all.test", UNKNOWN, None),
    ("anna", "elsewhere.test", NOT_LOCAL, None),
    ("anna", "sub.sandbox.test", NOT_LOCAL, None),
    ("anna", "test", NOT_LOCAL, None),
    ("anna", "..", NOT_LOCAL, None),
    ("anna", "[127.0.0.1]", ACCOUNT, "anna@sandbox.test"),  # an address of this machine
    ("anna", "[198.51.100.7]", NOT_LOCAL, None),
    ("an na", DOMAIN, UNKNOWN, None),
    ("anna\n", DOMAIN, UNKNOWN, None),
    ("x@anna", DOMAIN, UNKNOWN, None),
    ("a" * 400, DOMAIN, UNKNOWN, None),
    ("anna", "x" * 300, NOT_LOCAL, None),
    ("daemon", DOMAIN, UNKNOWN, None),
])
def test_resolve(door, local, domain, status, what):
    got = door.resolve(local, domain)
    assert got[0] == status
    if status == ACCOUNT:
        assert got[1] == what and got[3]
    elif status == ALIAS:
        assert got[2] == what


def test_names_that_are_no_text(door):
    for bad in (b"\xff\xfe", b"an\xc3", b"\x80"):
        door.resolve(bad, "all.test")  # invalid UTF-8 is nobody's name
        assert door.resolve(bad, DOMAIN)[0] == UNKNOWN
        assert door.resolve("anna", bad)[0] == NOT_LOCAL


def test_may_send(door):
    anna = "anna@sandbox.test"
    for sender, yes in (("", True), (anna, True), ("ANNA@sandbox.test", True), ("anna+x@sandbox.test", True),
                        ("bert@sandbox.test", False), ("one@all.test", True), ("two@all.test", False),
                        ("otto+lists@second.test", True), ("team@second.test", False), ("x@elsewhere.test", False),
                        ("@", False), ("nobody@sandbox.test", False), ("postmaster@second.test", True)):
        assert door.may_send(anna, sender) == yes, sender
    assert door.may_send("otto@second.test", "team@second.test")
    assert door.may_send("bert@sandbox.test", "two@all.test")


def test_over_quota(thurn, door):
    status, canonical, _, account = door.resolve("bert", DOMAIN)
    assert not door.over
    door.quota_notice(account, True)
    door.resolve("bert", DOMAIN)
    assert door.over
    assert [u["overQuota"] for u in thurn.json("user", "list", "bert@sandbox.test")] == [True]
    door.quota_notice(account, False)
    door.resolve("bert", DOMAIN)
    assert not door.over


def test_quota_is_told(thurn, door):
    thurn.add_user("small", None, "--quota", "5M", "--quota-messages", "7")
    door.resolve("small", DOMAIN)
    assert door.quota == (5 << 20, 7)


def test_changes_count_at_once(thurn, door):
    assert door.resolve("later", DOMAIN)[0] == UNKNOWN
    thurn.add_user("later")
    status, _, _, first = door.resolve("later", DOMAIN)
    assert status == ACCOUNT
    thurn.thurn("user", "remove", "later@sandbox.test")
    assert door.resolve("later", DOMAIN)[0] == UNKNOWN
    thurn.add_user("later")
    status, _, _, second = door.resolve("later", DOMAIN)
    assert status == ACCOUNT and first != second
    assert door.resolve("x", "new.test")[0] == NOT_LOCAL
    thurn.thurn("domain", "add", "new.test")
    assert door.resolve("x", "new.test")[0] == UNKNOWN
    thurn.thurn("alias", "add", "x@new.test", "later@sandbox.test")
    assert door.resolve("x", "new.test")[0] == ALIAS
    thurn.thurn("alias", "remove", "x@new.test")
    thurn.thurn("domain", "remove", "new.test")
    assert door.resolve("x", "new.test")[0] == NOT_LOCAL


def test_root_is_a_system_user(thurn, door):
    status, canonical, _, account = door.resolve("root", DOMAIN)
    assert (status, canonical) == (ACCOUNT, "root@sandbox.test")
    assert door.resolve("root", "localhost")[3] == account == door.resolve("root+x", "")[3]
    assert door.resolve("root", "second.test")[0] == UNKNOWN
    with Door(thurn, "directory-auth") as auth:
        assert not auth.plain("root@sandbox.test", "")["ticket"]


def test_nobody_has_no_mailbox_but_may_be_an_alias(thurn, door):
    if not any(p.pw_name == "nobody" and p.pw_uid == 65534 for p in pwd.getpwall()):
        pytest.skip("there is no nobody")
    assert door.resolve("nobody", "")[0] == UNKNOWN
    thurn.thurn("alias", "add", "nobody", "anna")
    try:
        assert door.resolve("nobody", "")[0] == ALIAS
    finally:
        thurn.thurn("alias", "remove", "nobody")


def test_one_system_user_has_one_account_however_many_ask(instance):
    t = instance(users=())
    doors = [Door(t, "directory") for _ in range(8)]
    for d in doors:
        for _ in range(20):
            d.send(2, b"\4root\0")
    accounts = set()
    for d in doors:
        for _ in range(20):
            _, r = d.receive()
            assert r.take("I") == ACCOUNT
            accounts.add(r.text())
        d.sock.close()
    assert len(accounts) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="makes a system user")
def test_system_users_come_and_go(instance):
    name = "thurn-t-%d" % (os.getpid() % 100000)
    t = instance(users=())
    with Door(t, "directory") as door:
        assert door.resolve(name, "")[0] == UNKNOWN
        subprocess.run(["useradd", "--no-create-home", "-u", "%d" % free_uid(), name], check=True)
        try:
            status, _, _, account = door.resolve(name, "")
            assert status == ACCOUNT
            with Door(t, "directory") as other:  # who only listens
                other.resolve("x", "elsewhere.test")
                subprocess.run(["userdel", name], check=True, capture_output=True)
                assert other.notice() == ""
        finally:
            subprocess.run(["userdel", name], check=False, capture_output=True)
        thurn_module.wait_for(lambda: door.resolve(name, "")[0] == UNKNOWN, 10, "the end of the system user")
        t.thurn("user", "passwd", name + "@sandbox.test", "--password", "x")  # now it is one of ours
        assert door.resolve(name, "")[3] == account


def free_uid():
    taken = {p.pw_uid for p in pwd.getpwall()}
    return next(u for u in range(50000, 60000) if u not in taken)


def test_without_system_users(instance):
    t = instance(settings={"directoryd.system_users": "no"}, users=())
    with Door(t, "directory") as door:
        assert door.resolve("root", "")[0] == UNKNOWN


def test_removed_user_added_again_does_not_inherit_the_mail(instance):
    t = instance()
    t.deliver("anna", "Subject: old\n\nfor the first anna\n")
    assert len(t.wait_for_mail("anna")) == 1
    session = t.imaps("anna")
    session.select("INBOX")
    t.thurn("user", "remove", "anna@sandbox.test")
    t.add_user("anna", "other")
    assert t.messages("anna") == []
    t.deliver("anna", "Subject: new\n\nfor the second anna\n")
    assert b"second anna" in t.wait_for_mail("anna")[0]
    with pytest.raises(session.abort):  # who was logged in when the user went
        session.noop()
    session.shutdown()
