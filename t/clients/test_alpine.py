"""alpine in a terminal: reads, answers, searches, files and throws away."""
import pytest
from programs import Screen, change, flags, mailboxes, parsed, write
from mail import message, subjects, wait_for_subject

import thurn as t

RC = """
personal-name=User
user-domain=sandbox.test
customized-hdrs=From: User <{user}>
inbox-path={{localhost:{imap}/{tls}/user={user}}}INBOX
folder-collections=Mail {{localhost:{imap}/{tls}/user={user}}}[]
smtp-server=localhost:{smtp}/{tls}/user={user}
default-fcc=Sent
postponed-folder=Drafts
system-certs-file={cert}
feature-list=quit-without-confirm,expunge-without-confirm,expunge-without-confirm-everywhere,enable-aggregate-command-set,
	enable-flag-cmd,disable-password-file-saving,disable-busy-alarm,enable-delete-before-writing
mail-check-interval=15
sort-key=Arrival
last-time-prune-questioned=999.1
last-version-used=9.99
"""
WAYS = {"tls": ("ssl", "imaps", "submissions"), "starttls": ("tls", "imap", "submission")}


@pytest.fixture(params=["tls"])
def alpine(request, thurn, user, tmp_path):
    """It shows five new letters; after the test it ends."""
    tls, imap, smtp = WAYS[request.param]
    with thurn.imaps(user) as c:
        for n in range(5):
            c.append("INBOX", None, None, message("letter %d" % n, "Body %d, needle%d.\r\n" % (n, n), "bert@sandbox.test",
                                                  t.address(user)))
    write(tmp_path / "rc", RC.format(user=t.address(user), tls=tls, imap=thurn.ports[imap], smtp=thurn.ports[smtp],
                                     cert=thurn.dir / "etc/cert.pem"))
    with Screen(tmp_path, "alpine -p rc -i") as s:
        log_in(s, thurn, user)
        s.wait("letter 4")
        s.wait("OTHER CMDS")
        yield s
        s.type("q")
        s.wait_end()


def log_in(s, thurn, user):
    s.wait("USER: %s *ENTER PASSWORD" % t.address(user))
    s.type(thurn.password(user))
    s.key("Enter")


def answer(s, question, text):
    """At the prompt, in place of what it suggests."""
    s.wait(question)
    s.key("C-u")
    s.type(text)
    s.key("Enter")


@pytest.mark.parametrize("alpine", WAYS, indirect=True)
def test_it_reads_and_answers_with_an_attachment(thurn, user, alpine, tmp_path):
    s = alpine
    s.type("1")
    s.key("Enter", "Enter")
    s.wait("Body 0, needle0")
    (tmp_path / "picture.bin").write_bytes(bytes(range(256)) * 40)
    s.type("r")
    s.wait("Include original message")
    s.type("y")
    s.wait("Reply to all recipients")
    s.type("n")
    s.wait("COMPOSE MESSAGE REPLY")
    s.type("Written by hand.")
    s.key("Up", "Up", "Up")
    s.wait(r"\^J Attach")
    s.key("C-j")
    answer(s, "File to attach", "picture.bin")
    s.wait("Attachment comment")
    s.key("Enter")
    s.wait(r"1\. .*picture\.bin")
    s.key("C-x")
    s.wait("Send message")
    s.type("y")
    log_in(s, thurn, user)
    fields, text, files = parsed(wait_for_subject(thurn, "bert", "Re: letter 0"))
    assert fields["in-reply-to"] == "<letter.0@elsewhere.test>"
    assert "Written by hand." in text and "> Body 0, needle0." in text
    assert files == {"picture.bin": (tmp_path / "picture.bin").read_bytes()}
    s.wait("MESSAGE TEXT")
    t.wait_for(lambda: subjects(thurn.messages(user, "Sent")) == ["Re: letter 0"], 20, "the copy")
    t.wait_for(lambda: flags(thurn, user)[0] == {"\\Seen", "\\Answered"}, 20, "the flags")


def test_it_searches_at_the_server(thurn, user, alpine):
    s = alpine
    s.type(";")
    s.wait("SELECT criteria")
    s.type("t")
    s.wait("Select based on")
    s.type("a")
    s.wait("String in message TEXT")
    s.type("needle3")
    s.key("Enter")
    s.wait("ZOOMED MESSAGE INDEX")
    s.wait_gone("letter 2")
    s.wait("letter 3")
    s.type("a")
    s.wait("APPLY command")
    s.type("*")
    s.wait(r"\* \[Important\]")
    s.key("Enter")
    t.wait_for(lambda: flags(thurn, user)[3] == {"\\Flagged"}, 20, "the flag")


def test_it_files_and_throws_away(thurn, user, alpine):
    s = alpine
    s.type("2")
    s.key("Enter")
    s.wait("Message 2 of 5")
    s.type("s")
    answer(s, "to folder", "Projects")
    s.wait("doesn't exist.  Create")
    s.type("y")
    s.wait(r"\bD +2 ")
    s.type("5")
    s.key("Enter")
    s.wait("Message 5 of 5")
    s.type("s")
    answer(s, "to folder", "Trash")
    s.wait(r"\bD +5 ")
    s.type("1")
    s.key("Enter")
    s.wait("Message 1 of 5")
    s.type("d")
    s.wait(r"\bD +1 ")
    s.type("x")
    s.wait_gone("letter 4")
    t.wait_for(lambda: subjects(thurn.messages(user)) == ["letter 2", "letter 3"], 20, "what is left")
    assert subjects(thurn.messages(user, "Projects")) == ["letter 1"]
    assert subjects(thurn.messages(user, "Trash")) == ["letter 4"]
    assert "Projects" in mailboxes(thurn, user)


def test_new_mail_and_what_others_did(thurn, user, alpine):
    s = alpine
    thurn.deliver(user, message("news"))
    thurn.wait_for_mail(user, 6)
    change(thurn, user, 2, "+FLAGS", "(\\Deleted)")
    s.key("C-l")  # looks now
    s.wait("5 .*news")
    s.wait_gone("letter 1")


def test_a_draft_is_kept_and_sent_later(thurn, user, alpine):
    s = alpine
    s.type("c")
    s.wait("COMPOSE MESSAGE")
    s.type("bert@sandbox.test")
    s.key("Down", "Down", "Down")
    s.type("later " + user)
    s.wait("Subject : later")
    s.key("C-o")
    t.wait_for(lambda: subjects(thurn.messages(user, "Drafts")) == ["later " + user], 20, "the draft")
    s.type("c")
    s.wait("Continue postponed composition")
    s.type("y")
    s.wait("COMPOSE MESSAGE")
    s.wait("Subject : later")
    s.key("C-x")
    s.wait("Send message")
    s.type("y")
    log_in(s, thurn, user)
    wait_for_subject(thurn, "bert", "later " + user)
    t.wait_for(lambda: not thurn.messages(user, "Drafts"), 20, "no draft")
    s.wait("MESSAGE INDEX")
