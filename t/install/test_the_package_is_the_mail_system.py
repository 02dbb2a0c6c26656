"""The Debian package, installed by apt on a machine of its own: it takes the place of another mail
system, serves at once, and leaves the mail when it goes. The tests are steps of one story, in
this order."""
import re
import time

import pytest

import thurn as t

USER = "root@post.machine.test"
pytestmark = pytest.mark.limit(240)  # packages come and go; the usual is some seconds a test
APT = "apt-get -y -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io "
MANY = "--force-depends --force-unsafe-io"  # mail programs may depend on some mail system
READ = """
import imaplib, ssl, sys
tls = ssl.create_default_context(cafile="/etc/thurn/tls/cert.pem")
c = imaplib.IMAP4_SSL("localhost", ssl_context=tls)
c.login("%s", "secret")
c.select(readonly=True)
for n in c.search(None, "ALL")[1][0].split():
    sys.stdout.write(c.fetch(n, "(BODY.PEEK[])")[1][0][1].decode().replace("\\r\\n", "\\n"))
""" % USER


@pytest.fixture(scope="module")
def machine(new_machine, package):
    m = new_machine()
    with package.open("rb") as f:
        m.run("cat >/root/thurn.deb", input=f)
    m.said = m.run(APT + "install /root/thurn.deb", timeout=110)
    return m


def sends(machine, subject, text):
    """As cron would, with bsd-mailx if it is there."""
    if machine.status("command -v mail") == 0:
        machine.run("mail -s '%s' root" % subject, input=text)
    else:
        machine.run("sendmail root", input="Subject: %s\n\n%s" % (subject, text))


def read_mail(machine):
    return machine.run("python3 -", input=READ)


def wait_for_mail(machine, subject):
    end = time.monotonic() + 60 * t.SLOW
    while "Subject: %s\n" % subject not in read_mail(machine):
        assert time.monotonic() < end, machine.run("cat /var/log/mail.log")
        time.sleep(0.2)


def test_it_installs_in_the_place_of_another(machine):
    assert machine.run("dpkg-query -W -f '${db:Status-Status}' thurn") == "installed"
    other = "dpkg-query -W -f '${db:Status-Status}' postfix | grep -qx installed"
    assert machine.status(other) != 0
    assert "thurn" in machine.run("dpkg -S /usr/sbin/sendmail /usr/bin/mailq")
    assert machine.run("dpkg --verify thurn") == ""


def test_it_serves_at_once(machine):
    assert "Starting" in machine.said or "Restarting" in machine.said
    assert re.search(r"^ready: +yes", machine.run("thurn status"), re.M)
    assert "running" in machine.run("service thurn status || /etc/init.d/thurn status")


def test_owners_and_modes(machine):
    assert machine.run("stat -c '%U:%G %a %n' /usr/sbin/sendmail /usr/lib/thurn/master "
                       "/var/spool/thurn/drop /var/lib/thurn/store /var/lib/thurn/directory "
                       "/etc/thurn/tls/key.pem /etc/thurn/thurn.conf").splitlines() == [
        "root:thurn-drop 2755 /usr/sbin/sendmail",
        "root:root 755 /usr/lib/thurn/master",
        "thurn-drop:thurn-drop 3770 /var/spool/thurn/drop",
        "thurn-store:thurn 700 /var/lib/thurn/store",
        "thurn-dir:thurn 700 /var/lib/thurn/directory",
        "root:root 600 /etc/thurn/tls/key.pem",
        "root:root 644 /etc/thurn/thurn.conf"]


def test_the_programs_run_as_their_users(machine):
    lines = [line.split() for line in machine.run("ps -eo user:20,args").splitlines()]
    users = {words[1]: words[0] for words in lines if "-S" in words}
    assert users == {"smtpd": "thurn-smtpd", "smtp": "thurn-smtp", "directoryd": "thurn-dir",
                     "imap_login": "thurn-login", "pop3_login": "thurn-login",
                     "imapd": "thurn-store", "pop3d": "thurn-store", "local": "thurn-store",
                     "qmgr": "thurn-queue", "bounce": "thurn-queue", "pickup": "thurn-drop"}


def test_names_and_aliases_have_been_found(machine):
    assert machine.run("thurn config get hostname") == "post.machine.test\n"
    assert machine.run("grep -v '^#' /etc/aliases") == "postmaster: root\n"
    aliases = machine.run("thurn alias list")
    assert re.search(r"^postmaster@post.machine.test +%s" % USER, aliases, re.M)


def test_mail_of_cron_reaches_root(machine):
    sends(machine, "test", "hi\n")
    machine.run("until thurn user passwd %s --password secret; do sleep 0.1; done" % USER)
    wait_for_mail(machine, "test")
    assert "\n\nhi\n" in read_mail(machine)


def test_what_ordinary_users_send_while_it_is_down_waits(machine):
    machine.run("/etc/init.d/thurn stop")
    assert machine.run("ps -e -o args | grep -c '[/]usr/lib/thurn/' || :") == "0\n"
    machine.run("setpriv --reuid 65534 --regid 65534 --clear-groups sendmail postmaster",
                input="Subject: patience\n\nhello\n")
    assert machine.run("ls /var/spool/thurn/drop") != ""
    machine.run("/etc/init.d/thurn start")
    wait_for_mail(machine, "patience")


TRAFFIC = """
import contextlib, imaplib, poplib, smtplib, ssl
tls = ssl.create_default_context(cafile="/etc/thurn/tls/cert.pem")
s = smtplib.SMTP("localhost")
s.starttls(context=tls)
with contextlib.suppress(smtplib.SMTPException):
    s.sendmail("a@b.test", ["nobody.is.this@post.machine.test"], "Subject: x")
with contextlib.suppress(smtplib.SMTPException):
    s.sendmail("a@b.test", ["c@elsewhere.test"], "Subject: x")
s.docmd("MAIL", "FROM:<a@b.test>"); s.docmd("RCPT", "TO:<USER>"); s.docmd("DATA"); s.send(b"half"); s.close()
s = smtplib.SMTP("localhost", 587)
s.starttls(context=tls)
s.login("USER", "secret")
s.sendmail("USER", ["root@[127.0.0.1]", "USER"], "Subject: x\\r\\n\\r\\nx")
s.quit()
for name in "USER", "nobody.is.this@post.machine.test":
    with contextlib.suppress(imaplib.IMAP4.error):
        imaplib.IMAP4_SSL("localhost", ssl_context=tls).login(name, "wrong")
p = poplib.POP3("localhost")
p.stls(tls)
p.user("USER"); p.pass_("secret"); p.retr(1); p.quit()
""".replace("USER", USER)


def test_logcheck_leaves_what_is_worth_a_look(machine):
    """Of all lines so far, that a password was changed."""
    machine.run("python3 -", input=TRAFFIC)
    machine.run("/etc/init.d/thurn reload && thurn upgrade")
    assert machine.status("grep -q 'thurn/.* accepted ' /var/log/mail.log") == 0
    left = machine.run("grep thurn/ /var/log/mail.log | "
                       "grep -vE -f /etc/logcheck/ignore.d.server/thurn")
    assert re.fullmatch(r".* thurn/directory/\S+: password changed user=%s\n" % USER, left)


def test_an_override_of_sendmails_mode_holds(machine):
    machine.run("dpkg-statoverride --add --update root root 0755 /usr/sbin/sendmail && "
                "/usr/lib/thurn/setup")
    assert machine.run("stat -c '%G %a' /usr/sbin/sendmail") == "root 755\n"
    machine.run("dpkg-statoverride --remove /usr/sbin/sendmail && /usr/lib/thurn/setup")
    assert machine.run("stat -c '%G %a' /usr/sbin/sendmail") == "thurn-drop 2755\n"


STAY = """
import os, smtplib, time
s = smtplib.SMTP("localhost")
s.ehlo()
print("here", flush=True)
while not os.path.exists("/root/upgraded"):
    time.sleep(0.1)
print(s.noop()[0])
"""


def test_an_upgrade_drops_no_connection_and_keeps_settings_certificate_and_mail(machine):
    machine.run("echo '# mine' | "
                "tee -a /etc/thurn/thurn.conf /etc/thurn/services.conf /etc/aliases")
    settings = "sha256sum /etc/thurn/*.conf /etc/thurn/tls/* /etc/aliases"
    before, pid = machine.run(settings), machine.run("cat /run/thurn/master.pid")
    workers = machine.run("pgrep smtpd")
    machine.put("/root/stay.py", STAY)
    machine.run("python3 /root/stay.py >/root/stayed 2>&1 & until grep -q here /root/stayed; do sleep 0.1; done")
    said = machine.run("dpkg -i --force-unsafe-io /root/thurn.deb; touch /root/upgraded")
    assert machine.run("until grep -v here /root/stayed; do sleep 0.1; done") == "250\n"
    assert machine.run(settings) == before
    why = said + machine.run("tail -30 /var/log/mail.log")
    assert machine.run("cat /run/thurn/master.pid") == pid and "upgrade binary=" in why, why
    machine.run("test /proc/%s/exe -ef /usr/lib/thurn/master" % pid.strip())
    assert set(workers.split()) != set(machine.run("pgrep smtpd").split())
    wait_for_mail(machine, "patience")


def test_an_upgrade_that_changes_how_it_is_started_restarts_it(machine):
    pid = machine.run("cat /run/thurn/master.pid")
    machine.run("echo '# of before' >>/usr/lib/systemd/system/thurn.service")
    said = machine.run("dpkg -i --force-unsafe-io /root/thurn.deb")
    assert machine.run("cat /run/thurn/master.pid") != pid, \
        said + machine.run("tail -30 /var/log/mail.log")
    wait_for_mail(machine, "patience")


def test_a_rotated_log_is_left_to_its_reader(machine):
    """With log = a file, and what logrotate does."""
    machine.run("echo 'log = /var/log/thurn/thurn.log' >/root/conf && cp /etc/thurn/thurn.conf /root/kept && "
                "cat /root/kept >>/root/conf && cp /root/conf /etc/thurn/thurn.conf && "
                "thurn stop && thurn start")
    rotate = machine.run("sed -n '/postrotate/,/endscript/p' /etc/logrotate.d/thurn | sed '1d;$d'")
    machine.run("cd /var/log/thurn && mv thurn.log thurn.log.1 && install -m 640 -g adm /dev/null thurn.log && "
                + rotate)
    sends(machine, "rotated", "hi\n")
    wait_for_mail(machine, "rotated")
    for program in ("sendmail/smtpd", "queue/qmgr", "imapd"):
        machine.run("until grep -q ' %s\\[' /var/log/thurn/thurn.log; do sleep 0.1; done" % program)
    assert machine.status("grep -q 'accepted' /var/log/thurn/thurn.log.1") != 0
    machine.run("thurn stop && cp /root/kept /etc/thurn/thurn.conf && thurn start")


def test_removal_leaves_the_mail(machine):
    machine.run("dpkg -r %s thurn" % MANY)
    assert machine.run("ps -e -o args | grep -c '[/]usr/lib/thurn/' || :") == "0\n"
    assert machine.status("test -e /usr/sbin/sendmail") != 0
    assert machine.status("test -s /etc/thurn/thurn.conf && test -s /etc/thurn/tls/key.pem") == 0
    machine.run("dpkg -i --force-unsafe-io /root/thurn.deb")
    wait_for_mail(machine, "test")


def test_so_does_a_purge(machine):
    machine.run("dpkg -P %s thurn" % MANY)
    assert machine.status("test -e /etc/thurn -o -e /etc/init.d/thurn") != 0
    machine.run("dpkg -i --force-unsafe-io /root/thurn.deb")
    wait_for_mail(machine, "test")
