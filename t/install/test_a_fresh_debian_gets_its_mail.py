"""The package in a Debian of its own that System V's scripts start: cron's mail and that of bsd-mailx ends in root's mailbox,
and removal leaves it. The tests are steps of one story, in this order."""
import re
import time

import pytest

from conftest import APT, if_asked_for

USER = "root@post.machine.test"
# cron looks for work once a minute.
pytestmark = [pytest.mark.limit(280), if_asked_for]


@pytest.fixture(scope="module")
def machine(debian, new_machine, package):
    m = new_machine(lower=debian)
    with package.open("rb") as f:
        m.run("cat >/root/thurn.deb", input=f)
    m.run(APT + "install /root/thurn.deb bsd-mailx", timeout=200)
    return m


def wait_for_mail(machine, text):
    """In root's mailbox: one account's log and the packs are all there is."""
    end = time.monotonic() + 100
    while machine.status("grep -rqaE '%s' /var/lib/thurn/store/p0/packs" % text) != 0:
        assert time.monotonic() < end, machine.run("tail -20 /var/log/mail.log")
        time.sleep(0.5)


def count(machine):
    found = re.search(r"^INBOX +\S+ +(\d+) ", machine.run("thurn mailbox list " + USER), re.M)
    return int(found.group(1))


def test_the_command_line_of_root(machine):
    assert re.search(r"^ready: +yes", machine.run("thurn status"), re.M)
    assert machine.run("newaliases") == "/etc/aliases: 1 aliases\n"
    assert machine.status("mailq") == 0
    assert machine.run("thurn config get hostname") == "post.machine.test\n"


def test_what_mail_sends_ends_in_roots_mailbox(machine):
    machine.run("echo hi | mail -s test root")
    wait_for_mail(machine, "^Subject: test")
    machine.run("until thurn mailbox list %s | grep -q INBOX; do sleep 0.1; done" % USER)
    assert count(machine) == 1


def test_so_does_what_a_job_of_cron_says(machine):
    machine.put("/etc/cron.d/test", "* * * * * root echo the job has run\n")
    machine.run("service cron start")
    wait_for_mail(machine, "^the job has run")
    machine.run("service cron stop; rm /etc/cron.d/test")
    assert count(machine) >= 2


def test_settings_survive_an_upgrade(machine):
    machine.run("echo '# mine' | tee -a /etc/thurn/services.conf >>/etc/logcheck/ignore.d.server/thurn")
    before = machine.run("sha256sum /etc/thurn/* /etc/logcheck/ignore.d.server/thurn || :")
    machine.run("dpkg -i /root/thurn.deb")
    assert machine.run("sha256sum /etc/thurn/* /etc/logcheck/ignore.d.server/thurn || :") == before
    assert machine.run("find /etc -name '*.dpkg-*' | grep thurn || :") == ""


def test_logrotate_takes_the_snippet(machine):
    assert "error" not in machine.run("logrotate --debug /etc/logrotate.d/thurn")


@pytest.mark.parametrize("how", ["-r", "-P"])
def test_removal_leaves_the_mail(machine, how):
    had = count(machine)
    machine.run("dpkg %s --force-depends thurn" % how)
    assert machine.run("ps -e -o args | grep -c '[/]usr/lib/thurn/' || :") == "0\n"
    assert machine.status("test -e /etc/thurn/thurn.conf") == (0 if how == "-r" else 1)
    assert machine.status("test -d /var/log/thurn") == (0 if how == "-r" else 1)
    assert machine.run("ls /var/lib/thurn/store/p0/packs") != ""
    machine.run("dpkg -i /root/thurn.deb")
    assert count(machine) == had
