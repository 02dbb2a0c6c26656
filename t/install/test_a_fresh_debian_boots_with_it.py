"""The package in a Debian of its own that systemd boots: the unit's sandbox holds and lets the programs work, and the server
outlives reloads, upgrades, crashes, a restart of the machine, another mail system and its own removal. The tests are steps of
one story, in this order."""
import contextlib
import imaplib
import json
import pathlib
import poplib
import re
import smtplib
import ssl
import subprocess

import pytest

from conftest import APT, EXPOSURE_MOST, if_asked_for

USER = "root@post.machine.test"
DROP_IN = "/etc/systemd/system/thurn.service.d/test.conf"
IDENTIFIERS = {"thurn/" + name for name in (
    "master", "smtp/smtpd", "submission/smtpd", "sendmail/smtpd", "imap/imap_login", "imapd", "pop3/pop3_login", "pop3d",
    "directory/directoryd", "queue/qmgr")}

# A network that takes a while to come up, and looks who still works when it goes.
NETWORK = """[Unit]
Before=network.target network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sleep 2
ExecStop=sh -c 'systemctl is-active thurn >/root/at-the-end; true'
[Install]
WantedBy=network-online.target
"""

# Also while it starts: more often than systemd would go along with, if the unit did not say so.
KILLS = """
old=0
for n in 1 2 3 4 5 6 7 8; do
	for try in $(seq 300); do
		pid=$(systemctl show thurn --value -p MainPID)
		[ $pid = 0 ] || [ $pid = $old ] || break
		sleep 0.02
	done
	kill -9 $pid
	old=$pid
done"""

pytestmark = [pytest.mark.limit(200), if_asked_for]


@pytest.fixture(scope="module")
def machine(debian, new_machine, package):
    m = new_machine(systemd="multi-user.target", lower=debian)
    with package.open("rb") as f:
        m.run("cat >/root/thurn.deb", input=f)
    m.run(APT + "install /root/thurn.deb bsd-mailx", timeout=200)
    m.put("/etc/cron.d/test", "* * * * * root echo the job has run\n")  # a minute from now
    yield m
    print(m.run("journalctl --no-pager --lines 60", check=False))


def trust(machine):
    return ssl.create_default_context(cadata=machine.run("cat /etc/thurn/tls/cert.pem"))


@pytest.fixture
def tls(machine):
    return trust(machine)


def client(kind, machine, port):
    """One of Python's clients, in the machine's network."""
    class Client(kind):
        def _create_socket(self, timeout=None):
            return machine.connect(port)

        def _get_socket(self, host, port, timeout):
            return machine.connect(port)

    return Client("localhost", port)


def imap(machine, tls, password="secret"):
    c = client(imaplib.IMAP4, machine, 143)
    c.starttls(tls)
    c.login(USER, password)
    return c


def messages(machine, tls, part="BODY.PEEK[]"):
    c = imap(machine, tls)
    count = int(c.select(readonly=True)[1][0])
    found = c.fetch("1:*", "(%s)" % part)[1] if count else []
    c.logout()
    return [literal[1].decode().replace("\r\n", "\n") for literal in found if isinstance(literal, tuple)]


def subjects(machine, tls):
    return [header[len("Subject: "):].strip() for header in messages(machine, tls, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")]


def show(machine, name, unit="thurn.service"):
    return machine.run("systemctl show %s --value -p %s" % (unit, name)).strip()


def journal(machine, what=""):
    return machine.run("journalctl --no-pager --output=cat " + what)


def entries(machine, what):
    return [json.loads(line) for line in machine.run("journalctl --no-pager --output=json " + what).splitlines()]


def drop_in(machine, *lines):
    """What the unit says in addition from now on; nothing: no more than what came with it."""
    if lines:
        machine.run("mkdir -p " + DROP_IN.rpartition("/")[0])
        machine.put(DROP_IN, "[Service]\n%s\n" % "\n".join(lines))
    else:
        machine.run("rm -r " + DROP_IN.rpartition("/")[0])
    machine.run("systemctl daemon-reload && systemctl restart thurn")


@pytest.fixture
def sends(machine, wait_until):
    def send(subject, text="hi\n", how="mail -s '%s' root"):
        machine.run(how % subject, input=text)
        wait_until(lambda: subject in subjects(machine, trust(machine)), lambda: journal(machine, "-n 30"))

    return send


# --- installed ---

def test_it_runs_after_installation(machine):
    assert machine.run("systemctl is-active thurn; systemctl is-enabled thurn").split() == ["active", "enabled"]
    assert show(machine, "NRestarts") == "0"


def test_the_first_mail_makes_roots_account(machine):
    machine.run("echo hello | mail -s first root")
    machine.run("until thurn user passwd %s --password secret; do sleep 0.1; done" % USER)


def test_systemd_understands_all_of_its_unit(machine):
    said = entries(machine, "_PID=1 -p warning")
    assert [e["MESSAGE"] for e in said if "thurn" in e["MESSAGE"] or e.get("UNIT") == "thurn.service"] == []
    said = machine.run("systemd-analyze security --no-pager thurn.service")
    exposure = re.search(r"exposure level for thurn.service: ([0-9.]+)", said).group(1)
    assert float(exposure) <= EXPOSURE_MOST


def test_each_directive_holds(machine, tmp_path):
    """The same deeds by a unit without directives, and by one with all of those that ours has."""
    source = pathlib.Path(__file__).with_name("probe.c")
    subprocess.run(["cc", "-std=c17", "-O1", "-D_GNU_SOURCE", "-o", tmp_path / "probe", source], check=True)
    with open(tmp_path / "probe", "rb") as f:
        machine.run("cat >/usr/local/bin/probe && chmod 755 /usr/local/bin/probe", input=f)
    machine.run("mkdir -p /usr/lib/modules && touch /tmp/of-others /var/tmp/of-others /dev/of-others /usr/lib/modules/of-others")
    unit = machine.run("cat /usr/lib/systemd/system/thurn.service")
    ours = unit[unit.index("[Service]"):unit.index("[Install]")]
    ours = re.sub(r"(?m)^(Exec|Type|Standard|Watchdog|NotifyAccess|Restart).*\n", "", ours)
    found = {}
    for name, directives in (("free", "[Service]\n"), ("bound", ours)):
        machine.put("/etc/systemd/system/%s.service" % name, directives + "Type=oneshot\nStandardOutput=file:/var/%s\n"
                    "ExecStart=/usr/local/bin/probe %s\n" % (name, machine.run("readlink /proc/1/ns/mnt").strip()))
        machine.run("systemctl daemon-reload; systemctl start %s" % name)
        lines = [line.rsplit(" ", 1) for line in machine.run("cat /var/" + name).splitlines()]
        found[name] = {deed for deed, how in lines if how == "done"}
    assert found["bound"] == set()
    # These may be refused to the machine itself, by who runs it.
    possible = {deed.split()[0] for deed in found["free"]} | {"RestrictRealtime", "ProtectKernelTunables"}
    assert possible == {line.split()[0] for line in machine.run("cat /var/free").splitlines()}
    machine.run("rm /tmp/of-others /etc/systemd/system/free.service /etc/systemd/system/bound.service; systemctl daemon-reload")


def test_all_of_it_is_in_one_group_of_the_unit(machine):
    group = "/sys/fs/cgroup/system.slice/thurn.service/cgroup.procs"
    pids = set(machine.run("cat " + group).split())
    assert set(machine.run("cat /run/thurn/master.pid; pgrep -P $(cat /run/thurn/master.pid)").split()) == pids


# --- mail ---

def test_what_mail_sends_is_read_by_imap(machine, tls, sends):
    sends("test")
    [text] = [m for m in messages(machine, tls) if "Subject: test\n" in m]
    assert text.endswith("\n\nhi\n")
    sends("from nobody", how="setpriv --reuid 65534 --regid 65534 --clear-groups mail -s '%s' root")


def traffic(machine, tls, subject):
    """Some of everything, so that each program has done its ordinary work."""
    s = client(smtplib.SMTP, machine, 25)
    s.starttls(context=tls)
    with contextlib.suppress(smtplib.SMTPException):
        s.sendmail("a@b.test", ["nobody.is.this@post.machine.test"], "Subject: x")
    s.sendmail("a@b.test", [USER], "Subject: %s\r\n\r\n%s" % (subject, "0123456789\r\n" * 50000))
    s.quit()
    s = client(smtplib.SMTP, machine, 587)
    s.starttls(context=tls)
    s.login(USER, "secret")
    s.sendmail(USER, [USER, "a@[192.0.2.1]"], "Subject: submitted\r\n\r\nhi\r\n")
    s.quit()
    c = imap(machine, tls)
    c.select()
    c.append("Drafts", None, None, b"Subject: draft\r\n\r\nhi\r\n")
    c.store("1", "+FLAGS", "\\Flagged")
    c.copy("1", "Sent")
    c.fetch("1:*", "(ENVELOPE BODYSTRUCTURE BODY.PEEK[TEXT])")
    c.search(None, "TEXT", "hi")
    c.logout()
    p = client(poplib.POP3, machine, 110)
    p.stls(tls)
    p.user(USER)
    p.pass_("secret")
    p.retr(1)
    p.quit()
    with contextlib.suppress(imaplib.IMAP4.error):
        imap(machine, tls, "wrong")


def test_no_program_needs_a_system_call_that_the_unit_refuses(machine, tls, sends):
    """They would be killed for it here, and master counts."""
    drop_in(machine, "SystemCallErrorNumber=kill")
    traffic(machine, tls, "killing")
    machine.run("systemctl reload thurn && thurn upgrade")
    traffic(machine, tls, "killing again")
    sends("nobody was killed")
    status = json.loads(machine.run("thurn status --json"))
    assert [s["name"] for s in status["services"] if s["restarts"]] == []
    assert show(machine, "NRestarts") == "0" and "signal" not in journal(machine, "-u thurn -p warning")
    drop_in(machine)


# --- the journal ---

def test_the_journal_has_each_line_with_its_program_and_priority(machine, tls, sends):
    machine.run("systemctl restart systemd-journald")  # no descriptor of ours goes stale
    machine.run("date +%s.%N >/root/since")
    since = "--since=@$(cat /root/since) -u thurn "
    traffic(machine, tls, "logged")
    machine.run("kill -9 $(pgrep -f '^smtpd .* lmtp$')")
    sends("the last line")
    lines = [e for e in entries(machine, since) if e["_PID"] != "1"]
    assert {e["SYSLOG_FACILITY"] for e in lines} == {"2"}
    assert IDENTIFIERS <= {e["SYSLOG_IDENTIFIER"] for e in lines}
    assert {e["_PID"] == e["SYSLOG_PID"] for e in lines} == {True}
    [accepted] = [e for e in lines if "accepted from=a@b.test" in e["MESSAGE"]]
    assert (accepted["PRIORITY"], accepted["_COMM"], accepted["_CAP_EFFECTIVE"]) == ("6", "smtpd", "0")
    [killed] = [e for e in lines if int(e["PRIORITY"]) < 6]
    assert (killed["PRIORITY"], killed["SYSLOG_IDENTIFIER"]) == ("4", "thurn/master")
    trace = re.search(r"trace=(\w+)", accepted["MESSAGE"]).group(1)
    assert "Delivered to the mailbox" in machine.run("thurn trace " + trace)


def test_the_journal_drops_no_line_of_a_busy_server(machine, sends):
    machine.run("mkdir /etc/systemd/journald.conf.d")
    machine.put("/etc/systemd/journald.conf.d/few.conf", "[Journal]\nRateLimitIntervalSec=1h\nRateLimitBurst=1\n")
    machine.run("systemctl restart systemd-journald")
    machine.run("for i in 1 2 3 4 5 6 7 8 9 10; do echo hi | mail -s many root; done")
    sends("one more")
    said = journal(machine, "-u thurn")
    machine.run("rm -r /etc/systemd/journald.conf.d; systemctl restart systemd-journald")
    assert len(re.findall("^removed from the queue", said[said.rindex("\nready "):], re.M)) >= 11


def test_why_it_does_not_reload_or_start_is_an_error_in_the_journal(machine):
    pid = show(machine, "MainPID")
    machine.run("cp /etc/thurn/thurn.conf /root/conf; echo 'nonsense = 1' >>/etc/thurn/thurn.conf")
    assert machine.status("systemctl reload thurn") != 0
    assert (show(machine, "MainPID"), show(machine, "ActiveState")) == (pid, "active")
    assert machine.status("systemctl restart thurn") != 0
    machine.run("mv /root/conf /etc/thurn/thurn.conf")
    said = [(e["SYSLOG_IDENTIFIER"], e["SYSLOG_FACILITY"]) for e in entries(machine, "-u thurn -p err") if "nonsense" in e["MESSAGE"]]
    assert {("thurn", "2"), ("master", "2")} <= set(said)
    machine.run("systemctl reset-failed thurn; systemctl start thurn")


def test_logrotate_does_its_work_from_its_own_unit(machine, sends):
    machine.run("cp /etc/thurn/thurn.conf /root/conf; cp /etc/logrotate.d/thurn /root/rotate; "
                "sed -i '1i log = /var/log/thurn/thurn.log' /etc/thurn/thurn.conf; "
                "sed -i 's/weekly/size 1/' /etc/logrotate.d/thurn; systemctl restart thurn")
    sends("before")
    assert machine.run("stat -c '%U:%G %a' /var/log/thurn /var/log/thurn/*").split("\n")[:2] == ["root:adm 2750", "root:adm 640"]
    machine.run("systemctl start logrotate")
    sends("after")
    assert "subject" not in machine.run("cat /var/log/thurn/thurn.log.1 /var/log/thurn/thurn.log")
    for name, count in (("thurn.log.1", 1), ("thurn.log", 1)):
        assert machine.run("grep -c ' delivery to=root@' /var/log/thurn/" + name) == "%d\n" % count
    assert machine.run("stat -c '%U:%G %a' /var/log/thurn/*") == 2 * "root:adm 640\n"
    machine.run("mv /root/conf /etc/thurn/thurn.conf; mv /root/rotate /etc/logrotate.d/thurn; systemctl restart thurn")


# --- what happens to a server ---

class Held:
    """A session of each kind, in the middle of something."""

    def __init__(self, machine, tls):
        self.smtp = client(smtplib.SMTP, machine, 25)
        self.smtp.ehlo()
        self.smtp.docmd("MAIL", "FROM:<a@b.test>")
        self.smtp.docmd("RCPT", "TO:<%s>" % USER)
        self.smtp.docmd("DATA")
        self.smtp.send("Subject: held\r\n")
        self.pop = client(poplib.POP3, machine, 110)
        self.pop.stls(tls)
        self.pop.user(USER)
        self.pop.pass_("secret")
        self.imap = imap(machine, tls)
        self.had = int(self.imap.select()[1][0])
        self.imap.send(b"x IDLE\r\n")
        assert self.imap.readline().startswith(b"+")

    def goes_on(self):
        self.smtp.send("\r\nhi\r\n.\r\n")
        assert self.smtp.getreply()[0] == 250
        self.smtp.quit()
        while self.imap.readline().strip() != b"* %d EXISTS" % (self.had + 1):
            pass
        self.imap.send(b"DONE\r\n")
        while not self.imap.readline().startswith(b"x OK"):
            pass
        self.imap.logout()
        assert self.pop.stat()[0] == self.had
        self.pop.quit()


def test_a_reload_drops_nothing(machine, tls):
    held, pid = Held(machine, tls), show(machine, "MainPID")
    machine.run("systemctl reload thurn")
    held.goes_on()
    assert (show(machine, "MainPID"), show(machine, "ActiveState")) == (pid, "active")


def test_an_upgrade_of_the_package_drops_nothing(machine, tls):
    machine.run("cd /root && dpkg-deb -R thurn.deb next && sed -i 's/^Version: .*/Version: 99/' next/DEBIAN/control && "
                "dpkg-deb -Znone -b next next.deb")
    held, pid = Held(machine, tls), show(machine, "MainPID")
    machine.run(APT + "install /root/next.deb")
    held.goes_on()
    assert (show(machine, "MainPID"), show(machine, "ActiveState"), show(machine, "NRestarts")) == (pid, "active", "0")
    assert machine.run("dpkg-query -W -f '${Version}' thurn") == "99"
    machine.run("test /proc/%s/exe -ef /usr/lib/thurn/master" % pid)


def test_a_restart_takes_a_moment(machine, sends):
    pid = show(machine, "MainPID")
    machine.run("systemctl restart thurn")
    assert show(machine, "MainPID") != pid and show(machine, "Result") == "success"
    sends("restarted")


def test_it_comes_back_however_often_master_is_killed(machine, sends, wait_until):
    def kill(signal):
        old = show(machine, "MainPID")
        machine.run("kill -%s %s" % (signal, old))
        state = r"MainPID=(?!0$|%s$)\d+\nActiveState=active\n" % old
        wait_until(lambda: re.search(state, machine.run("systemctl show -p MainPID,ActiveState thurn"), re.M),
                   lambda: machine.run("systemctl status thurn || :"))

    kill("KILL")
    sends("killed once")
    drop_in(machine, "RestartSec=100ms", "WatchdogSec=6s")
    machine.run(KILLS)
    wait_until(lambda: show(machine, "ActiveState") == "active", lambda: machine.run("systemctl status thurn || :"))
    assert int(show(machine, "NRestarts")) >= 8
    sends("killed often")
    machine.run("thurn upgrade")
    fed = show(machine, "WatchdogTimestampMonotonic")
    wait_until(lambda: show(machine, "WatchdogTimestampMonotonic") != fed, lambda: machine.run("systemctl status thurn || :"))
    kill("STOP")  # the watchdog sees it
    assert "Watchdog timeout" in machine.run("journalctl --no-pager _PID=1 -n 100")
    sends("hung")
    drop_in(machine)


def test_the_machine_starts_again(machine, tls, sends):
    machine.put("/etc/systemd/system/slow-network.service", NETWORK)
    machine.run("systemctl enable --now slow-network")
    had = subjects(machine, tls)
    machine.run("date +%s.%N >/root/since")
    machine.reboot()
    assert machine.run("systemctl is-active thurn").strip() == "active"
    assert machine.run("cat /root/at-the-end").strip() == "inactive"
    up, started = (int(show(machine, name, unit)) for name, unit in (
        ("ActiveEnterTimestampMonotonic", "slow-network"), ("ExecMainStartTimestampMonotonic", "thurn")))
    assert 0 < up < started
    assert subjects(machine, tls) == had
    assert journal(machine, "-u thurn -p warning --since=@$(cat /root/since)") == ""
    sends("of the next day")


def test_cron_has_written_to_root(machine, tls, wait_until):
    wait_until(lambda: "\n\nthe job has run\n" in "\n".join(messages(machine, tls)),
               lambda: machine.run("journalctl --no-pager -u cron"), seconds=100)
    machine.run("rm /etc/cron.d/test")


# --- other packages ---

def test_postfix_takes_its_place_and_gives_it_back(machine, tls, sends, wait_until):
    had = subjects(machine, tls)
    machine.run(APT + "install postfix", timeout=200)
    assert machine.run("systemctl is-active thurn postfix || :").split() == ["inactive", "active"]
    assert show(machine, "Result") == "success"
    assert machine.run("dpkg-query -W -f '${db:Status-Status}' thurn") == "config-files"
    assert machine.run("ps --no-headers -eo user:20,args | grep -e ^thurn -e '[/]usr/lib/thurn/' || :") == ""
    machine.run("echo hi | mail -s other root")
    wait_until(lambda: machine.status("grep -q '^Subject: other' /var/mail/root") == 0,
               lambda: journal(machine, "-n 30"))
    machine.run(APT + "install /root/thurn.deb", timeout=200)
    assert machine.run("systemctl is-active thurn postfix; systemctl is-enabled thurn").split() == ["active", "inactive", "enabled"]
    assert subjects(machine, tls) == had
    sends("back again")


# --- the end ---

def rights(machine):
    return machine.run("stat -c '%U:%G %a %n' /usr/sbin/sendmail /var/spool/thurn/* /var/lib/thurn/* /var/log/thurn /etc/thurn/tls/*")


RIGHTS = """root:thurn-drop 2755 /usr/sbin/sendmail
thurn-queue:thurn 700 /var/spool/thurn/db
thurn-drop:thurn-drop 3770 /var/spool/thurn/drop
thurn-queue:thurn 700 /var/spool/thurn/segments
root:root 600 /var/spool/thurn/segments.next
thurn-dir:thurn 700 /var/lib/thurn/directory
thurn-store:thurn 700 /var/lib/thurn/store
root:adm 2750 /var/log/thurn
root:root 644 /etc/thurn/tls/cert.pem
root:root 600 /etc/thurn/tls/key.pem
"""


def test_rights_are_those_of_the_beginning(machine):
    assert rights(machine) == RIGHTS
    for folder, owner in (("/var/lib/thurn/directory", "thurn-dir"), ("/var/lib/thurn/store", "thurn-store"),
                          ("/var/spool/thurn/db", "thurn-queue")):
        assert machine.run("find %s ! -user %s" % (folder, owner)) == ""
    assert machine.run("find /var/lib/thurn /var/spool/thurn -nouser -o -nogroup -o -perm /o+rwx ! -path /var/lib/thurn "
                       "! -path /var/spool/thurn") == ""
    workers = [line.split() for line in machine.run("ps --no-headers -o user:20,comm --ppid %s" % show(machine, "MainPID")).splitlines()]
    assert {user for user, _ in workers} == {"thurn-" + name for name in ("smtpd", "smtp", "dir", "login", "store", "queue", "drop")}


@pytest.mark.parametrize("how", ["remove", "purge"])
def test_removal_leaves_the_mail(machine, tls, sends, how):
    had = subjects(machine, tls)
    machine.run("dpkg --%s --force-depends thurn" % how)
    assert machine.run("ps --no-headers -eo user:20,args | grep -e ^thurn -e '[/]usr/lib/thurn/' || :") == ""
    assert machine.status("test -e /etc/thurn/thurn.conf") == (0 if how == "remove" else 1)
    left = "find /etc /run /usr /var/log /var/lib/systemd -name '*thurn*'"
    assert how == "remove" or machine.run(left) == ""
    machine.run("dpkg --install --force-unsafe-io /root/thurn.deb")
    assert rights(machine) == RIGHTS
    assert subjects(machine, trust(machine)) == had
    sends("after " + how)
