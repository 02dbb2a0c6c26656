"""offlineimap keeps folders here and mailboxes there the same. By imaps: with STARTTLS two threads of its imaplib2 use the socket
at the same time, and now and then it crashes or hangs."""
import email
import os

import pytest
from programs import change, flags, mailboxes, run, unix, write
from mail import message, subjects

import thurn as t

RC = """
[general]
accounts = it
metadata = {dir}/state
maxsyncaccounts = 1
ui = basic
fsync = no

[Account it]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {dir}/mail
sep = /

[Repository far]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
sslcacertfile = {cert}
maxconnections = 2
{options}
"""


class Near:
    """Folders of files on this side."""

    def __init__(self, thurn, user, dir, port, options):
        self.home, self.mail = dir, dir / "mail"
        self.mail.mkdir(exist_ok=True)
        write(dir / "rc", RC.format(dir=dir, port=thurn.ports[port], user=t.address(user), password=thurn.password(user),
                                    cert=thurn.dir / "etc/cert.pem", options=options))

    def sync(self):
        said = run("offlineimap", "-c", self.home / "rc", "-o", home=self.home)
        assert b"ERROR" not in said.stderr and b"ERROR" not in said.stdout, said

    def files(self, folder="INBOX"):
        """By subject."""
        found = [p for d in ("cur", "new") for p in (self.mail / folder / d).iterdir()]
        return {email.message_from_bytes(p.read_bytes())["subject"]: p for p in found}

    def flags(self, folder="INBOX"):
        return {subject: p.name.rpartition(":2,")[2] for subject, p in self.files(folder).items()}

    def set_flags(self, subject, letters):
        p = self.files()[subject]
        os.rename(p, self.mail / "INBOX/cur" / (p.name.split(":")[0] + ":2," + letters))

    def make(self, folder):
        for sub in ("cur", "new", "tmp"):
            (self.mail / folder / sub).mkdir(parents=True)


@pytest.fixture
def near(thurn, user, tmp_path):
    with thurn.imaps(user) as c:
        for n in range(4):
            c.append("INBOX", "(\\Seen)" if n == 0 else None, None, message("m%d" % n, "Body %d.\r\n.dot\r\n" % n))
    made = Near(thurn, user, tmp_path, "imaps", "ssl = yes")
    made.sync()
    return made


def test_what_happens_on_one_side_happens_on_the_other(thurn, user, near):
    assert sorted(p.read_bytes() for p in near.files().values()) == sorted(map(unix, thurn.messages(user)))
    assert near.flags() == {"m0": "S", "m1": "", "m2": "", "m3": ""}
    assert {p.name for p in near.mail.iterdir()} == mailboxes(thurn, user)

    # There: a flag, a deletion, a move to a new mailbox, a new message.
    with thurn.imaps(user) as c:
        c.create("Projects/2024")
    change(thurn, user, 4, "MOVE", "Projects/2024")
    change(thurn, user, 2, "+FLAGS", "(\\Flagged \\Answered)")
    change(thurn, user, 3, "+FLAGS", "(\\Deleted)")
    with thurn.imaps(user) as c:
        c.append("INBOX", None, None, message("new there"))
    near.sync()
    assert near.flags() == {"m0": "S", "m1": "FR", "new there": ""}
    assert set(near.files("Projects/2024")) == {"m3"}

    # Here: the same.
    near.make("Private")
    os.rename(near.files()["m0"], near.mail / "Private/new/moved.1.x")
    near.files()["new there"].unlink()
    near.set_flags("m1", "FS")
    (near.mail / "Private/new/2.x").write_bytes(unix(message("new here")))
    near.sync()
    assert subjects(thurn.messages(user)) == ["m1"]
    assert flags(thurn, user) == [{"\\Flagged", "\\Seen"}]
    assert sorted(subjects(thurn.messages(user, "Private"))) == ["m0", "new here"]
    assert "Private" in mailboxes(thurn, user)

    # Nothing changes any more.
    before = {f: near.flags(f) for f in ("INBOX", "Private", "Projects/2024")}
    near.sync()
    assert {f: near.flags(f) for f in before} == before
    assert [len(thurn.messages(user, f)) for f in before] == [1, 2, 1]

    assert flags(thurn, user) == [{"\\Flagged", "\\Seen"}]


def test_both_sides_change_at_once(thurn, user, near):
    change(thurn, user, 1, "+FLAGS", "(\\Flagged)")
    near.set_flags("m0", "RS")
    near.set_flags("m1", "S")
    change(thurn, user, 4, "+FLAGS", "(\\Deleted)")
    near.files()["m2"].unlink()
    near.sync()
    assert near.flags() == {"m0": "FRS", "m1": "S"}
    assert flags(thurn, user) == [{"\\Seen", "\\Flagged", "\\Answered"}, {"\\Seen"}]
