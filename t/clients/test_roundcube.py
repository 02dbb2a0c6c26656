"""Roundcube, as Debian has it, in PHP's own web server: a browser's requests by hand."""
import html
import http.cookiejar
import json
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest
from programs import ENV, flags, mailboxes, parsed, write
from mail import message, needs, subjects, wait_for_subject
from peers import free_port, wait_for_port

import thurn as t

HOME = "/var/lib/roundcube"
CONFIG = """<?php
$config = array(
	'db_dsnw' => 'sqlite:///{dir}/db?mode=0640',
	'imap_host' => '{imap}',
	'smtp_host' => '{smtp}',
	'imap_conn_options' => array('ssl' => array('verify_peer' => true, 'verify_peer_name' => true, 'cafile' => '{cert}')),
	'smtp_conn_options' => array('ssl' => array('verify_peer' => true, 'verify_peer_name' => true, 'cafile' => '{cert}')),
	'smtp_user' => '%u', 'smtp_pass' => '%p',
	'des_key' => 'abcdefghijklmnopqrstuvwx', 'plugins' => array(), 'skin' => 'elastic', 'language' => 'en_US',
	'log_dir' => '{dir}/logs', 'temp_dir' => '{dir}/temp', 'log_driver' => 'file', 'enable_spellcheck' => false,
	'create_default_folders' => true, 'flag_for_deletion' => false, 'mime_types' => '/etc/mime.types',
);
"""
WAYS = {"tls": ("ssl://localhost:%d", "imaps", "submissions"), "starttls": ("tls://localhost:%d", "imap", "submission")}


class Web:
    """A browser with cookies. Pages and what scripts would ask for."""

    def __init__(self, port):
        self.base = "http://127.0.0.1:%d/" % port
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.token = ""

    def open(self, query, data=None, headers=None):
        if isinstance(data, dict):
            data = urllib.parse.urlencode(data).encode()
        request = urllib.request.Request(self.base + "?" + urllib.parse.urlencode(query), data, headers or {})
        with self.opener.open(request, timeout=60 * t.SLOW) as answer:
            self.url = answer.url
            return answer.read().decode()

    def page(self, query, data=None):
        page = self.open(query, data)
        self.token = re.search(r'"request_token":"(\w+)"', page)[1]
        return page

    def ajax(self, action, post=True, headers=None, **more):
        """What the server wants to be executed, and the variables that it sets."""
        task = more.pop("_task", "mail")
        query = {"_task": task, "_action": action, "_remote": 1}
        headers = {"X-Requested-With": "XMLHttpRequest", "X-Roundcube-Request": self.token, **(headers or {})}
        answer = json.loads(self.open(query, more, headers) if post else self.open({**query, **more}, None, headers))
        assert '"error"' not in answer.get("exec", ""), answer
        return answer.get("exec", ""), answer.get("env", {})

    def log_in(self, user, password):
        self.page({"_task": "login"})
        page = self.page({"_task": "login"}, {"_task": "login", "_action": "login", "_token": self.token, "_user": user,
                                              "_pass": password, "_url": ""})
        assert "_task=mail" in self.url, page

    def compose(self, **query):
        """The form's fields, ready to be sent."""
        page = self.page({"_task": "mail", "_action": "compose", **query})
        id = re.search(r'"compose_id":"(\w+)"', page)[1]
        sender = re.search(r'<select name="_from".*?<option value="(\d+)"', page, re.S)[1]
        field = {n: html.unescape((re.search(r'<textarea name="%s".*?>(.*?)</textarea>' % n, page, re.S) or [0, ""])[1])
                 for n in ("_to", "_message")}
        subject = html.unescape((re.search(r'name="_subject"[^>]*value="(.*?)"', page) or [0, ""])[1])
        return {"_id": id, "_from": sender, "_subject": subject, "_store_target": "Sent", "_is_html": 0, "_attachments": "",
                **field}

    def attach(self, id, name, data):
        body = (b"--x\r\nContent-Disposition: form-data; name=\"_token\"\r\n\r\n%s\r\n--x\r\nContent-Disposition: form-data; "
                b"name=\"_attachments[]\"; filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n%s\r\n--x--\r\n"
                % (self.token.encode(), name.encode(), data))
        page = self.open({"_task": "mail", "_action": "upload", "_id": id, "_uploadid": "1", "_from": "compose",
                          "_remote": 1}, body,
                         {"Content-Type": "multipart/form-data; boundary=x", "X-Roundcube-Request": self.token})
        return re.search(r'add2attachment_list\(\\?"rcmfile(\w+)', page)[1]

    def send(self, form, **more):
        page = self.open({"_task": "mail", "_action": "send"}, {**form, "_token": self.token, "_task": "mail",
                                                                "_action": "send", **more})
        assert "sent_successfully" in page or "save_draft" in page or "set_draft_id" in page, page
        return page


def listed(answer):
    """Subjects of the rows of a list by UID."""
    rows = re.findall(r'add_message_row\((\d+),(\{.*?\}),\{', answer)
    return {int(uid): re.sub("<.*?>", "", json.loads(row)["subject"]) for uid, row in rows}


@pytest.fixture(params=["tls"])
def web(request, thurn, user, tmp_path):
    """Somebody has logged in; there are five new letters."""
    needs("php")
    if not os.path.exists(HOME):
        pytest.skip("Roundcube is not installed")
    with thurn.imaps(user) as c:
        for n in range(5):
            c.append("INBOX", None, None, message("letter %d" % n, "Body %d, needle%d.\r\n" % (n, n), "bert@sandbox.test",
                                                  t.address(user)))
    for name in ("logs", "temp"):
        (tmp_path / name).mkdir()
    for name in ("defaults.inc.php", "mimetypes.php"):
        shutil.copy("/etc/roundcube/" + name, tmp_path)
    url, imap, smtp = WAYS[request.param]
    write(tmp_path / "config.inc.php", CONFIG.format(dir=tmp_path, cert=thurn.dir / "etc/cert.pem",
                                                     imap=url % thurn.ports[imap], smtp=url % thurn.ports[smtp]))
    port = free_port()
    with open(tmp_path / "php.log", "w") as log:
        php = subprocess.Popen([needs("php"), "-d", "opcache.enable_cli=1", "-S", "127.0.0.1:%d" % port, "-t", HOME],
                               env={**ENV, "HOME": str(tmp_path), "ROUNDCUBE_CONFIG_DIR": str(tmp_path)},
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for_port(port)
        made = Web(port)
        made.log_in(t.address(user), thurn.password(user))
        yield made
        made.open({"_task": "logout", "_token": made.token})
    finally:
        php.terminate()
        php.wait(20)
        print((tmp_path / "php.log").read_text(), *[p.read_text() for p in (tmp_path / "logs").iterdir()])
    assert not (tmp_path / "logs/errors.log").exists(), (tmp_path / "logs/errors.log").read_text()


@pytest.mark.parametrize("web", WAYS, indirect=True)
def test_it_reads_and_answers_with_an_attachment(thurn, user, web):
    rows = listed(web.ajax("list", post=False, _mbox="INBOX")[0])
    assert rows == {n + 1: "letter %d" % n for n in range(5)}
    assert "Body 0, needle0." in web.page({"_task": "mail", "_action": "show", "_uid": 1, "_mbox": "INBOX"})
    form = web.compose(_reply_uid=1, _mbox="INBOX")
    assert form["_subject"] == "Re: letter 0" and "> Body 0" in form["_message"] and "bert@sandbox.test" in form["_to"]
    data = bytes(range(256)) * 40
    file = web.attach(form["_id"], "picture.bin", data)
    web.send({**form, "_message": "Written by hand, mit Gruß.\n.\n" + form["_message"], "_attachments": file})
    fields, text, files = parsed(wait_for_subject(thurn, "bert", "Re: letter 0"))
    assert fields["in-reply-to"] == "<letter.0@elsewhere.test>"
    assert text.startswith("Written by hand, mit Gruß.\n.\n") and "> Body 0, needle0." in text
    assert files == {"picture.bin": data}
    assert subjects(thurn.messages(user, "Sent")) == ["Re: letter 0"]
    assert flags(thurn, user)[0] == {"\\Seen", "\\Answered"}


def test_it_searches_files_and_throws_away(thurn, user, web):
    web.ajax("list", post=False, _mbox="INBOX")
    found = web.ajax("search", post=False, _q="needle3", _headers="subject,text", _mbox="INBOX", _scope="base", _filter="ALL")
    assert listed(found[0]) == {4: "letter 3"}
    web.ajax("mark", _uid="4", _flag="flagged", _mbox="INBOX")
    web.page({"_task": "settings", "_action": "folders"})
    web.open({"_task": "settings", "_action": "save-folder"}, {"_token": web.token, "_name": "Projekte & Gärten", "_parent": "",
                                                               "_framed": 1})
    assert "Projekte &- G&AOQ-rten" in mailboxes(thurn, user)
    web.ajax("move", _uid="2", _mbox="INBOX", _target_mbox="Projekte &- G&AOQ-rten", _from="list")
    web.ajax("move", _uid="5", _mbox="INBOX", _target_mbox="Trash", _from="list")
    web.ajax("copy", _uid="1", _mbox="INBOX", _target_mbox="Archive", _from="list")
    assert subjects(thurn.messages(user)) == ["letter 0", "letter 2", "letter 3"]
    assert flags(thurn, user) == [set(), set(), {"\\Flagged"}]
    assert subjects(thurn.messages(user, '"Projekte &- G&AOQ-rten"')) == ["letter 1"]
    assert subjects(thurn.messages(user, "Trash")) == ["letter 4"]
    assert subjects(thurn.messages(user, "Archive")) == ["letter 0"]
    web.ajax("delete", _uid="1", _mbox="Trash", _from="list")
    assert thurn.messages(user, "Trash") == []


def test_it_sees_new_mail(thurn, user, web):
    web.ajax("list", post=False, _mbox="INBOX")
    thurn.deliver(user, message("news"))
    thurn.wait_for_mail(user, 6)
    answer = web.ajax("refresh", _mbox="INBOX", _list=1, _folderlist=1, _last=1)[0]
    assert "news" in listed(answer).values()


def test_a_draft_is_kept_and_sent_later(thurn, user, web):
    web.send({**web.compose(), "_to": "bert@sandbox.test", "_subject": "later " + user, "_message": "Not yet."},
             _draft=1, _store_target="Drafts")
    assert subjects(thurn.messages(user, "Drafts")) == ["later " + user]
    form = web.compose(_draft_uid=1, _mbox="Drafts")
    assert form["_message"].strip() == "Not yet." and form["_to"].startswith("bert@")
    web.send(form, _draft_saveid=1)
    wait_for_subject(thurn, "bert", "later " + user)
    assert thurn.messages(user, "Drafts") == []
