"""The design's table of who runs as whom and may do what (section 2), row by row, against the processes of an installed
server at work: users, capabilities, chroot, filters, open descriptors, what can be read and written, and which sockets answer."""
import json
import os
import re

import pytest

from conftest import copy_build

USER = "anna@post.machine.test"
HERE = os.path.dirname(__file__)

# Of every process but master.
ALWAYS = {"/dev/null", "eventpoll", "eventfd", "line", "log"}

SEGMENT = r"/var/spool/thurn/segments/[0-9a-f]{16}\.seg"
SMTPD = {SEGMENT, "tcp", "connected to directory", "connected to directory-auth", "connected to queue",
         "/var/spool/thurn"}
LOGIN = {"tcp", "connected to directory-auth"}
# Passed on by master to the worker that it chose, or by way of the socket.
TO_IMAPD, TO_POP3D = "connected to imapd|pair with imapd", "connected to pop3d|pair with pop3d"
FROM_IMAP, FROM_POP3 = "accepted at imapd|pair with imaps?", "accepted at pop3d|pair with pop3s?"
STORE = r"/var/lib/thurn/store(/.*)?"

# What the design says; here each service is a row, as services.conf has them.
TABLE = {
    # service        program       user           in a chroot  listens on                  may hold, besides
    "smtp":         ("smtpd",      "thurn-smtpd", False, {"tcp:25"},                       SMTPD),
    "submission":   ("smtpd",      "thurn-smtpd", False, {"tcp:587"},                      SMTPD),
    "submissions":  ("smtpd",      "thurn-smtpd", False, {"tcp:465"},                      SMTPD),
    "lmtp":         ("smtpd",      "thurn-smtpd", False, {"tcp:24", "unix:lmtp"},          SMTPD | {"accepted at lmtp"}),
    "sendmail":     ("smtpd",      "thurn-smtpd", False, {"unix:submit"},                  SMTPD | {"accepted at submit"}),
    "imap":         ("imap_login", "thurn-login", True,  {"tcp:143"},                      LOGIN | {TO_IMAPD}),
    "imaps":        ("imap_login", "thurn-login", True,  {"tcp:993"},                      LOGIN | {TO_IMAPD}),
    "pop3":         ("pop3_login", "thurn-login", True,  {"tcp:110"},                      LOGIN | {TO_POP3D}),
    "pop3s":        ("pop3_login", "thurn-login", True,  {"tcp:995"},                      LOGIN | {TO_POP3D}),
    "imapd":        ("imapd",      "thurn-store", False, {"unix:imapd"},
                     {STORE, FROM_IMAP, "connected to directory", "connected to directory-auth", "inotify",
                      "line within"}),
    "pop3d":        ("pop3d",      "thurn-store", False, {"unix:pop3d"},
                     {STORE, FROM_POP3, "connected to directory", "connected to directory-auth", "inotify",
                      "line within"}),
    "directory":    ("directoryd", "thurn-dir",   False,
                     {"unix:directory", "unix:directory-auth", "unix:directory-admin"},
                     {"/var/lib/thurn/directory(/.*)?", "accepted at directory(-auth|-admin)?", "inotify"}),
    "queue":        ("qmgr",       "thurn-queue", False, {"unix:queue", "unix:queue-agent", "unix:queue-admin"},
                     {"/var/spool/thurn/db(/.*)?", "/var/spool/thurn/segments(/.*)?",
                      "accepted at queue(-agent|-admin)?", "connected to directory", "memory .*"}),
    "smtp-agent":   ("smtp",       "thurn-smtp",  False, set(),
                     {"connected to queue-agent", "tcp", "memory .*"}),
    "local-agent":  ("local",      "thurn-store", False, set(),
                     {STORE, SEGMENT, "connected to queue-agent", "connected to directory", "inotify"}),
    "bounce-agent": ("bounce",     "thurn-queue", True,  set(), {SEGMENT, "connected to queue-agent"}),
    "pickup":       ("pickup",     "thurn-drop",  False, set(),
                     {"/var/spool/thurn/drop(/.*)?", "inotify", "connected to submit"}),
}

# Whoever reads bytes from the network can write nothing and read no secret; the owners only their own.
QUEUE_FILES = r"/var/spool/thurn/(db|segments)(/.*)?"
OWN = {
    # user     files that it may read or write, besides those for everybody   sockets that answer to it
    "smtpd": (None,                                "directory directory-auth queue lmtp submit"),
    "smtp":  (None,                                "queue-agent lmtp submit"),
    "login": (None,                                "directory-auth imapd pop3d lmtp submit"),
    "dir":   (r"/var/lib/thurn/directory(/.*)?",   "lmtp submit"),
    "queue": (QUEUE_FILES,                         "directory queue-agent lmtp submit"),
    "store": (STORE,                               "directory directory-auth queue-agent lmtp submit"),
    "drop":  (r"/var/spool/thurn/drop(/.*)?",      "submit"),
    "admin": (None,                                "queue-admin lmtp submit master"),
}


def start_by_hand(m):
    """Whoever starts it may have files open, be in groups, and have an environment."""
    m.put("/root/secret", "x", 0o600)
    m.run("exec 7</root/secret 8</root 9>/root/other; umask 0; ulimit -c unlimited; LD_BIND_NOW=1 SECRET=x "
          "setpriv --groups 4,8 thurn start")


def start_by_unit(m):
    m.run("systemctl daemon-reload; systemctl start thurn")


@pytest.fixture(scope="module", params=[("", start_by_hand), ("basic.target", start_by_unit)], ids=["by hand", "by systemd"])
def seen(request, new_machine, pages):
    systemd, start = request.param
    m = new_machine(systemd=systemd)
    copy_build(m)
    m.run("/root/src/etc/install /root/src '' /usr")
    start(m)
    m.run("thurn user add %s --password secret" % USER)
    with open(os.path.join(HERE, "walk.py")) as f:
        m.run("cat >/root/walk.py", input=f)
    return json.loads(m.run("python3 /root/walk.py %s secret" % USER))


def workers(seen):
    return [p for p in seen["processes"] if p["service"]]


def test_every_service_of_the_table_runs_and_no_other(seen):
    assert {p["service"] for p in workers(seen)} == set(TABLE)
    assert [os.path.basename(p["program"]) for p in seen["processes"] if not p["service"]] == ["master"]


def test_users_and_groups(seen):
    for p in workers(seen):
        program, user = TABLE[p["service"]][:2]
        group = "thurn-drop" if user == "thurn-drop" else "thurn"
        assert (p["program"], p["users"], p["group"], p["groups"]) == (program, [user], [group], []), p


def test_no_capability_is_left_nor_can_come_back(seen):
    for p in workers(seen):
        assert set(p["capabilities"].values()) == {0}, p
        assert (p["nnp"], p["seccomp"]) == ("1", "2"), p


def test_chroots(seen):
    for p in workers(seen):
        where = "/run/thurn/empty" if TABLE[p["service"]][2] else "/"
        assert (p["root"], p["cwd"]) == (where, where), p


def test_nothing_leaks_out(seen):
    """Neither by a core nor to a debugger of the same user, nor by new files for everybody; and nothing in."""
    for p in workers(seen):
        assert not p["traceable"] and p["umask"] == "0027", p
        assert p["core"] == "0", p
        assert set(p["environment"]) <= {"PATH", "TZ", "THURN_WORKER"}, p


def test_descriptors(seen):
    for p in workers(seen):
        listens = {h[len("listen "):] for h in p["held"] if h.startswith("listen ")}
        assert listens == TABLE[p["service"]][3], p
        allowed = ALWAYS | TABLE[p["service"]][4]
        others = [h for h in p["held"] if not h.startswith("listen ")]
        assert [h for h in others if not any(re.fullmatch(a, h) for a in allowed)] == [], p


def test_they_were_seen_at_work(seen):
    """What is held was looked at while there was something to hold."""
    held = {}
    for p in workers(seen):
        held.setdefault(p["service"], set()).update(p["held"])
    assert "tcp" in held["smtp"] and any(re.fullmatch(SEGMENT, h) for h in held["smtp"])
    for service, wanted in (("imaps", TO_IMAPD), ("imapd", FROM_IMAP), ("pop3s", TO_POP3D), ("pop3d", FROM_POP3)):
        assert any(re.fullmatch(wanted, h) for h in held[service]), service
    assert "tcp" in held["imaps"] and "tcp" in held["pop3s"]


def test_master_is_root_and_holds_what_it_hands_out(seen):
    [p] = [p for p in seen["processes"] if not p["service"]]
    assert (p["users"], p["group"], p["groups"], p["cwd"], p["umask"]) == (["root"], ["root"], [], "/", "0022")
    listens = {h[len("listen "):] for h in p["held"] if h.startswith("listen ")}
    assert listens == {"unix:master"}.union(*(row[3] for row in TABLE.values()))
    others = {h for h in p["held"] if not h.startswith("listen ")}
    assert others <= {"/dev/null", "eventpoll", "eventfd", "line", "log", "memory scoreboard",
                      "/run/thurn/master.pid", "/var/spool/thurn", "/var/spool/thurn/segments"}


@pytest.mark.parametrize("how", ["reads", "writes"])
def test_files_of_others_are_out_of_reach(seen, how):
    for user, (own, _) in OWN.items():
        paths = [p for p in seen["users"][user][how] if not own or not re.fullmatch(own, p)]
        assert paths == [], (user, paths)


def test_the_owners_reach_their_own(seen):
    for user, sample in (("dir", "/var/lib/thurn/directory/users.db"), ("queue", "/var/spool/thurn/db/rows.db"),
                         ("store", "/var/lib/thurn/store/p0/packs")):
        assert sample in seen["users"][user]["writes"]


def test_each_socket_answers_only_those_that_it_is_for(seen):
    for user, (_, doors) in OWN.items():
        assert set(seen["users"][user]["doors"]) == set(doors.split()), user
