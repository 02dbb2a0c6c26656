"""neomutt in a terminal: reads, answers, searches, files and throws away; IDLE shows it new mail."""
import re

import pytest
from programs import Screen, change, flags, mailboxes, parsed, run, write
from mail import message, subjects, wait_for_subject

import thurn as t

RC = """
set realname="User" from="{user}" use_from=yes envelope_from=yes hostname="sandbox.test"
set folder="{scheme}://{user}@localhost:{port}/" spoolfile="+INBOX" record="+Sent" postponed="+Drafts" trash="+Trash"
set imap_user="{user}" imap_pass="{password}" imap_authenticators="{auth}"
set smtp_url="{smtp}://{user}@localhost:{smtp_port}/" smtp_pass="{password}" smtp_authenticators="{auth}"
set ssl_starttls=yes ssl_force_tls=yes ssl_verify_host=yes certificate_file="{cert}"
set imap_idle=yes timeout=1 mail_check=600 imap_poll_timeout=60 imap_check_subscribed=no
set sleep_time=0 quit=yes delete=yes confirmappend=no confirmcreate=no beep=no beep_new=no move=no
set fast_reply=yes include=yes edit_headers=no editor="{editor}" askcc=no abort_noattach=no abort_unmodified=no
set index_format="%3C |%Z| %s" status_format="%f [%m messages, %n new]" pager_stop=yes wait_key=no
set header_cache="" message_cachedir="" sort=mailbox-order mark_old=no
"""
WAYS = {"tls": ("imaps", "imaps", "smtps", "submissions", "login"),
        "starttls": ("imap", "imap", "smtp", "submission", "plain")}


def letter(user, n):
    return message("letter %d" % n, "The needle is here.\r\n" if n == 3 else "Body %d.\r\n" % n, "bert@sandbox.test",
                   t.address(user))


@pytest.fixture(params=["tls"])
def neomutt(request, thurn, user, tmp_path):
    """It shows five new letters; after the test it ends."""
    scheme, port, smtp, smtp_port, auth = WAYS[request.param]
    with thurn.imaps(user) as c:
        for n in range(5):
            c.append("INBOX", None, None, letter(user, n))
    editor = write(tmp_path / "editor", "#!/bin/sh\n{ echo 'Written by hand, mit Gruß.'; echo .; cat \"$1\"; } >\"$1.new\"\n"
                   "mv \"$1.new\" \"$1\"\n", 0o700)
    write(tmp_path / "rc", RC.format(user=t.address(user), password=thurn.password(user), scheme=scheme, auth=auth, smtp=smtp,
                                     port=thurn.ports[port], smtp_port=thurn.ports[smtp_port], editor=editor,
                                     cert=thurn.dir / "etc/cert.pem"))
    with Screen(tmp_path, "neomutt -n -F rc -d 2 -l log") as s:
        s.wait(r"INBOX \[5 messages, 5 new\]")
        yield s
        s.type("q")
        s.wait_end()


def answer(s, question, text):
    """At the prompt at the bottom, in place of what it suggests."""
    s.wait(question)
    s.key("C-u")
    s.type(text)
    s.key("Enter")


def test_it_sends_by_scram_where_no_binding_is_offered(instance, tmp_path):
    """Its library would choose what binds, which it can't do; then it gives up."""
    thurn = instance(settings={"smtpd.auth_channel_binding": "no"})
    rc = RC.replace(' smtp_authenticators="{auth}"', "").format(
        user="anna@sandbox.test", password=thurn.password("anna"), scheme="imaps", auth="login", smtp="smtps", editor="true",
        port=thurn.ports["imaps"], smtp_port=thurn.ports["submissions"], cert=thurn.dir / "etc/cert.pem")
    run("neomutt", "-n", "-F", write(tmp_path / "rc", rc), "-s", "bound to nothing", "bert@sandbox.test", home=tmp_path,
        input=b"Hello.\n")
    wait_for_subject(thurn, "bert", "bound to nothing")
    thurn.wait_for_log("login ip=127.0.0.1 mechanism=SCRAM-SHA-256 ")


@pytest.mark.parametrize("neomutt", WAYS, indirect=True)
def test_it_reads_and_answers_with_an_attachment(thurn, user, neomutt, tmp_path):
    s = neomutt
    s.key("Enter")
    s.wait("Body 0\\.")
    (tmp_path / "picture.bin").write_bytes(bytes(range(256)) * 40)
    s.type("r")
    s.wait(r"To: .*bert@sandbox\.test")
    s.type("a")
    answer(s, "Attach file", "picture.bin")
    s.wait(r"picture\.bin +\[")
    s.type("y")
    s.wait_gone("y:Send")
    fields, text, files = parsed(wait_for_subject(thurn, "bert", "Re: letter 0"))
    assert fields["in-reply-to"] == "<letter.0@elsewhere.test>"
    assert text.startswith("Written by hand, mit Gruß.\n.\n") and "> Body 0." in text
    assert files == {"picture.bin": (tmp_path / "picture.bin").read_bytes()}
    t.wait_for(lambda: subjects(thurn.messages(user, "Sent")) == ["Re: letter 0"], 20, "the copy")
    s.type("q")  # from the message to the index
    s.wait("4 new")
    s.type("$")
    t.wait_for(lambda: flags(thurn, user)[0] == {"\\Seen", "\\Answered"}, 20, "the flags")
    s.type("c")
    answer(s, "Open mailbox", "=Sent")
    s.wait(r"Sent \[1 messages")


def test_it_searches_at_the_server(thurn, user, neomutt):
    s = neomutt
    s.type("l")
    answer(s, "Limit to messages", "=b needle")
    s.wait_gone("letter 1")
    s.wait("letter 3")
    s.type("F")
    s.wait("! letter 3|!.*letter 3")
    s.type("l")
    answer(s, "Limit to messages", "all")
    s.wait("letter 1")
    s.type("$")
    t.wait_for(lambda: flags(thurn, user) == [set(), set(), set(), {"\\Flagged"}, set()], 20, "the flag")


def test_it_files_and_throws_away(thurn, user, neomutt):
    s = neomutt
    s.type("2")
    s.key("Enter")
    s.type("s")
    answer(s, "Save .*to mailbox", "+Projects")
    s.wait(r"D.*letter 1")
    s.type("5")
    s.key("Enter")
    s.type("d")
    s.wait(r"D.*letter 4")
    s.type("$")
    t.wait_for(lambda: subjects(thurn.messages(user)) == ["letter 0", "letter 2", "letter 3"], 20, "what is left")
    s.wait("INBOX .3 messages")
    assert subjects(thurn.messages(user, "Projects")) == ["letter 1"]
    assert subjects(thurn.messages(user, "Trash")) == ["letter 4"]
    assert "Projects" in mailboxes(thurn, user)


def test_idle_shows_new_mail_and_what_others_did(thurn, user, neomutt, tmp_path):
    s = neomutt
    thurn.deliver(user, message("news"))
    s.wait(r"6 .*news")
    change(thurn, user, 2, "+FLAGS", "(\\Deleted)")
    s.wait_gone("letter 1")
    change(thurn, user, 1, "+FLAGS", "(\\Flagged)")
    s.wait("!.*letter 0")
    thurn.deliver(user, message("more news"))
    s.wait(r"6 .*more news")
    said = (tmp_path / "log0").read_text()
    assert re.search(r"> a\d+ IDLE", said) and "NOOP" not in said


def test_a_draft_is_kept_and_sent_later(thurn, user, neomutt):
    s = neomutt
    s.type("m")
    answer(s, "To:", "bert@sandbox.test")
    answer(s, "Subject:", "later " + user)
    s.wait("y:Send")
    s.type("P")
    s.wait_gone("y:Send")
    t.wait_for(lambda: subjects(thurn.messages(user, "Drafts")) == ["later " + user], 20, "the draft")
    s.type("m")
    s.wait("Recall postponed")
    s.type("y")
    s.wait("y:Send")
    s.type("y")
    wait_for_subject(thurn, "bert", "later " + user)
    t.wait_for(lambda: not thurn.messages(user, "Drafts"), 20, "no draft")
    s.wait("INBOX")
