"""Thunderbird without a screen, driven by Marionette: it reads, searches, files, throws away, and sends; IDLE shows it new mail.
One profile for all tests, which are steps of one story, in this order."""
import json
import signal
import socket
import subprocess

import pytest
from programs import ENV, change, flags, mailboxes, parsed
from mail import message, needs, subjects, wait_for_subject
from peers import free_port, wait_gone, pids_below

import thurn as t

STARTTLS, TLS = 2, 3
PREFS = {
    "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1",
    "mail.accountmanager.accounts": "account1,account2", "mail.accountmanager.defaultaccount": "account1",
    "mail.server.server1.type": "imap", "mail.server.server1.hostname": "localhost", "mail.server.server1.authMethod": 3,
    "mail.server.server1.check_new_mail": False, "mail.server.server1.login_at_startup": False,
    "mail.server.server1.delete_model": 1, "mail.server.server1.offline_download": False,
    "mail.server.server1.autosync_offline_stores": False,
    "mail.account.account2.server": "server2", "mail.server.server2.type": "pop3", "mail.server.server2.hostname": "localhost",
    "mail.server.server2.authMethod": 3, "mail.server.server2.check_new_mail": False,
    "mail.server.server2.leave_on_server": False, "mail.server.server2.socketType": STARTTLS,
    "mail.smtpservers": "smtp1", "mail.smtp.defaultserver": "smtp1", "mail.smtpserver.smtp1.hostname": "localhost",
    "mail.smtpserver.smtp1.authMethod": 3, "mail.identity.id1.smtpServer": "smtp1", "mail.identity.id1.fullName": "User",
    "mail.identity.id1.valid": True, "mail.identity.id1.doFcc": True, "mail.identity.id1.compose_html": False,
    "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True, "mail.rights.version": 1,
    "mailnews.start_page.enabled": False, "mail.shell.checkDefaultClient": False, "app.update.enabled": False,
    "app.donation.eoy.version.viewed": 999, "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True, "toolkit.telemetry.enabled": False,
    "app.normandy.enabled": False, "extensions.update.enabled": False, "extensions.systemAddon.update.enabled": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "network.dns.disableIPv6": True, "services.settings.server": "data:,", "browser.safebrowsing.provider.mozilla.updateURL": "",
    "mailnews.database.global.indexer.enabled": False, "calendar.timezone.local": "UTC", "mail.chat.enabled": False,
}

# What all scripts below share. `done` ends them.
COMMON = """
const done = arguments[arguments.length - 1];
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.allServers.find(s => s.type == "imap");
const root = server.rootFolder;
const named = name => root.descendants.find(f => f.name.toLowerCase() == name.toLowerCase());
const inbox = () => named("Inbox");
const rows = f => [...f.messages];
const pick = subject => rows(inbox()).find(h => h.mime2DecodedSubject == subject);
const until = async (what, ms = 20000) => {
  for (const end = Date.now() + ms; ;) {
    const value = await what();
    if (value) return value;
    if (Date.now() > end) throw new Error("waited in vain: " + what);
    await new Promise(r => setTimeout(r, 20));
  }
};
const listened = run => new Promise((resolve, reject) => run({
  QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
  OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { status ? reject(new Error("status " + status)) : resolve(); },
  onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return ""; },
  onStopCopy(status) { status ? reject(new Error("status " + status)) : resolve(); },
}));
const update = f => listened(l => f.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, l));
(async () => { %s })().then(value => done([true, value]), error => done([false, String(error) + error.stack]));
"""


class Marionette:
    """The protocol: "length:[type, id, command, parameters]" there, and [type, id, error, result] back."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 120 * t.SLOW)
        self.file = self.sock.makefile("rb")
        self.id = 0
        self.receive()
        self.call("WebDriver:NewSession")
        self.call("WebDriver:SetTimeouts", script=100000 * t.SLOW)
        self.call("Marionette:SetContext", value="chrome")

    def receive(self):
        length = b""
        while (byte := self.file.read(1)) != b":":
            assert byte, "Thunderbird has closed the connection"
            length += byte
        return json.loads(self.file.read(int(length)))

    def call(self, command, **parameters):
        self.id += 1
        data = json.dumps([0, self.id, command, parameters]).encode()
        self.sock.sendall(b"%d:%s" % (len(data), data))
        _, id, error, result = self.receive()
        assert id == self.id and not error, error
        return result

    def run(self, script, *args):
        """A body of an asynchronous function: what it returns."""
        ok, value = self.call("WebDriver:ExecuteAsyncScript", script=COMMON % script, args=list(args), sandbox=None,
                              newSandbox=False)["value"]
        assert ok, value
        return value

    def close(self):
        self.file.close()
        self.sock.close()


def prefs(thurn, user, other, port):
    """IMAP within TLS, submission and the other user's POP3 with STARTTLS."""
    address = t.address(user)
    return {**PREFS, "marionette.port": port,
            "mail.server.server1.userName": address, "mail.server.server1.port": thurn.ports["imaps"],
            "mail.server.server1.socketType": TLS, "mail.smtpserver.smtp1.port": thurn.ports["submission"],
            "mail.smtpserver.smtp1.try_ssl": STARTTLS, "mail.smtpserver.smtp1.username": address,
            "mail.server.server2.userName": t.address(other), "mail.server.server2.port": thurn.ports["pop3"],
            "mail.identity.id1.useremail": address,
            "mail.identity.id1.fcc_folder": "imap://%s@localhost/Sent" % address.replace("@", "%40")}


@pytest.fixture(scope="module")
def bird(thurn, tmp_path_factory):
    """Thunderbird with an account that has five new letters, its certificate accepted and its password known."""
    home = tmp_path_factory.mktemp("thunderbird")
    (home / "profile").mkdir()
    thurn.add_user("bird")
    thurn.add_user("egg")
    with thurn.imaps("bird") as c:
        for n in range(5):
            c.append("INBOX", None, None, message("letter %d" % n, "Body %d, needle%d.\r\n" % (n, n), "bert@sandbox.test",
                                                  "bird@sandbox.test"))
    port = free_port()
    (home / "profile/user.js").write_text("".join(
        "user_pref(%s, %s);\n" % (json.dumps(k), json.dumps(v))
        for k, v in prefs(thurn, "bird", "egg", port).items()))
    with open(home / "log", "w") as log:
        process = subprocess.Popen([needs("thunderbird"), "--headless", "--no-remote", "--marionette",
                                    "--remote-allow-system-access", "--profile", home / "profile"],
                                   env={**ENV, "HOME": str(home), "MOZ_HEADLESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1"},
                                   cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for_marionette(process, port)
        made = Marionette(port)
        made.home = home
        pem = (thurn.dir / "etc/cert.pem").read_text()
        made.run(SETUP, "".join(pem.split("-----")[2].split()), [thurn.ports[p] for p in ("imaps", "submission", "pop3")],
                 [["imap", "bird@sandbox.test", thurn.password("bird")], ["smtp", "bird@sandbox.test", thurn.password("bird")],
                  ["mailbox", "egg@sandbox.test", thurn.password("egg")]])
        yield made
        made.close()
    finally:
        pids = pids_below(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10 * t.SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        wait_gone(pids[1:])
        print((home / "log").read_text()[-3000:])


def wait_for_marionette(process, port):
    def answers():
        assert process.poll() is None, "Thunderbird has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False
    t.wait_for(answers, 90, "Marionette")


SETUP = """
const [pem, ports, logins] = arguments;
const cert = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).constructX509FromBase64(pem);
const accepted = Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService);
for (const port of ports) accepted.rememberValidityOverride("localhost", port, {}, cert, true);
for (const [kind, user, password] of logins) {
  const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
  login.init(kind + "://localhost", null, kind + "://localhost", user, password, "", "");
  await Services.logins.addLoginAsync(login);
}
server.performExpand(null);
await until(() => inbox());
await update(inbox());
await until(() => rows(inbox()).length == 5);
"""

BODY = """
const { MsgHdrToMimeMessage } = ChromeUtils.importESModule("resource:///modules/gloda/MimeMessage.sys.mjs");
const header = pick(arguments[0]);
const m = await new Promise(r => MsgHdrToMimeMessage(header, null, (h, m) => r(m), true));
inbox().markMessagesRead([header], true);
return m.coerceBodyToPlaintext(inbox());
"""

SEND = """
const [to, subject, body, file, reference, mode] = arguments;
const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
const identity = MailServices.accounts.defaultAccount.defaultIdentity;
fields.from = identity.email; fields.to = to; fields.subject = subject;
fields.fcc = identity.fccFolder || identity.fccFolderURI;
if (reference) fields.references = reference;
if (file) {
  const a = Cc["@mozilla.org/messengercompose/attachment;1"].createInstance(Ci.nsIMsgAttachment);
  a.url = "file://" + file; a.name = file.split("/").pop(); a.contentType = "application/octet-stream";
  fields.addAttachment(a);
}
const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
await new Promise((resolve, reject) => send.createAndSendMessage(null, identity, "account1", fields, false, false,
  Ci.nsIMsgCompDeliverMode[mode], null, "text/plain", body, null, null, {
    QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener", "nsIMsgCopyServiceListener"]),
    onStartSending() {}, onSendProgress() {}, onSendNotPerformed() { reject(new Error("not performed")); },
    onStatus() {}, onGetDraftFolderURI() {}, onTransportSecurityError(id, status) { reject(new Error("tls " + status)); },
    onStopSending(id, status, text) { if (status) reject(new Error("sending: " + status + text)); },
    onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return ""; },
    onStopCopy(status) { status ? reject(new Error("copying: " + status)) : resolve(); },
  }, "", "", Ci.nsIMsgCompType.New));
"""


def test_it_reads(thurn, bird):
    assert bird.run("return rows(inbox()).map(h => h.mime2DecodedSubject)") == ["letter %d" % n for n in range(5)]
    assert "Body 0, needle0." in bird.run(BODY, "letter 0")
    t.wait_for(lambda: flags(thurn, "bird")[0] >= {"\\Seen"}, 30, "the flag")
    assert not flags(thurn, "bird")[1] & {"\\Seen"}


def test_it_sends_with_an_attachment(thurn, bird):
    (bird.home / "picture.bin").write_bytes(bytes(range(256)) * 40)
    bird.run(SEND, "bert@sandbox.test", "Re: letter 0", "Written by hand, mit Gruß.\n.\nend\n", str(bird.home / "picture.bin"),
             "<letter.0@elsewhere.test>", "Now")
    fields, text, files = parsed(wait_for_subject(thurn, "bert", "Re: letter 0"))
    assert fields["references"] == "<letter.0@elsewhere.test>"
    assert text.startswith("Written by hand, mit Gruß.\n.\nend")
    assert files == {"picture.bin": (bird.home / "picture.bin").read_bytes()}
    assert subjects(thurn.messages("bird", "Sent")) == ["Re: letter 0"]


def test_idle_shows_new_mail_and_what_others_did(thurn, bird):
    before = len(thurn.messages("bird"))
    thurn.deliver("bird", message("news"))
    bird.run("await until(() => pick('news'))")
    change(thurn, "bird", before + 1, "+FLAGS", "(\\Flagged)")
    bird.run("await until(() => pick('news').isFlagged)")
    change(thurn, "bird", before + 1, "+FLAGS", "(\\Deleted)")
    bird.run("await until(() => !pick('news'))")


def test_it_searches_at_the_server(thurn, bird):
    found = bird.run("""
const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox());
const term = session.createTerm(), value = term.value;
value.attrib = term.attrib = Ci.nsMsgSearchAttrib.Body; value.str = arguments[0]; term.value = value;
term.op = Ci.nsMsgSearchOp.Contains; term.booleanAnd = true;
session.appendTerm(term);
const hits = [];
await new Promise(resolve => {
  session.registerListener({ onNewSearch() {}, onSearchDone() { resolve(); },
    onSearchHit(header) { hits.push(header.mime2DecodedSubject); } }, Ci.nsIMsgSearchSession.allNotifications);
  session.search(null);
});
return hits;""", "needle3")
    assert found == ["letter 3"]


def test_it_flags_files_and_throws_away(thurn, bird):
    bird.run("inbox().markMessagesFlagged([pick('letter 3')], true)")
    bird.run("""
root.createSubfolder("Projekte Gärten", null);
await until(() => named("Projekte Gärten"));
const { copy } = MailServices;
await listened(l => copy.copyMessages(inbox(), [pick("letter 1")], named("Projekte Gärten"), true, l, null, false));
await listened(l => copy.copyMessages(inbox(), [pick("letter 2")], named("Archive"), false, l, null, false));
await listened(l => inbox().deleteMessages([pick("letter 4")], null, false, true, l, false));
await update(inbox());
inbox().compact(null, null);
""")
    t.wait_for(lambda: subjects(thurn.messages("bird")) == ["letter 0", "letter 2", "letter 3"], 30, "what is left")
    assert "Projekte G&AOQ-rten" in mailboxes(thurn, "bird")
    assert subjects(thurn.messages("bird", '"Projekte G&AOQ-rten"')) == ["letter 1"]
    assert subjects(thurn.messages("bird", "Archive")) == ["letter 2"]
    assert subjects(thurn.messages("bird", "Trash")) == ["letter 4"]
    t.wait_for(lambda: "\\Flagged" in flags(thurn, "bird")[2], 30, "the flag")


def test_it_fetches_by_pop3(thurn, bird):
    for n in range(3):
        thurn.deliver("egg", message("fetched %d" % n, "Line\r\n.dot\r\n"))
        thurn.wait_for_mail("egg", n + 1)
    assert bird.run("""
const pop = MailServices.accounts.allServers.find(s => s.type == "pop3"), box = pop.rootFolder.getChildNamed("Inbox");
await listened(l => pop.getNewMessages(box, null, l));
await until(() => rows(box).length == 3);
return rows(box).map(h => h.mime2DecodedSubject);""") == ["fetched 0", "fetched 1", "fetched 2"]
    t.wait_for(lambda: not thurn.messages("egg"), 20, "an empty mailbox")
