"""The package where systemd is in charge: the unit's whole sandbox is in force, and mail flows. The
tests are steps of one story, in this order."""
import re
import time

import pytest

import thurn as t

USER = "root@post.machine.test"
pytestmark = pytest.mark.limit(240)  # packages come and go; the usual is some seconds a test
APT = "apt-get -y -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io "


@pytest.fixture(scope="module")
def machine(new_machine, package):
    m = new_machine(systemd="basic.target")
    with package.open("rb") as f:
        m.run("cat >/root/thurn.deb", input=f)
    m.run(APT + "install /root/thurn.deb", timeout=110)
    return m


def show(machine, name):
    return machine.run("systemctl show thurn.service --value -p " + name).strip()


def wait_until(condition, what):
    end = time.monotonic() + 60 * t.SLOW
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


def deliver(machine, count):
    """One more message, until there are so many."""
    machine.run("sendmail root", input="Subject: test\n\nhi\n")
    has_come = "thurn mailbox list %s | grep -q '^INBOX  *1  *%d '" % (USER, count)
    wait_until(lambda: machine.status(has_come) == 0,
               lambda: machine.run("journalctl --no-pager -n 30"))


def test_it_runs_after_installation_and_each_boot(machine):
    assert machine.run("systemctl is-active thurn").strip() == "active"
    assert machine.run("systemctl is-enabled thurn").strip() == "enabled"
    assert re.search(r"^ready: +yes", machine.run("thurn status"), re.M)
    assert show(machine, "NRestarts") == "0"


def test_the_sandbox_is_in_force(machine):
    status = machine.run("cat /proc/%s/status" % show(machine, "MainPID"))
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    assert re.search(r"^Seccomp:\s+2$", status, re.M)
    bits = int(re.search(r"^CapBnd:\s+(\w+)$", status, re.M).group(1), 16)
    assert bin(bits).count("1") == 9


def test_mail_flows_and_a_reload_goes_through(machine):
    assert "postmaster@post.machine.test" in machine.run("thurn alias list")
    deliver(machine, 1)
    pid = show(machine, "MainPID")
    machine.run("systemctl reload thurn")
    deliver(machine, 2)
    assert show(machine, "MainPID") == pid


def test_it_comes_back_when_master_is_killed(machine):
    old = show(machine, "MainPID")
    assert int(old) > 1
    machine.run("kill -9 " + old)
    wait_until(lambda: show(machine, "MainPID") not in (old, "0") and show(machine, "ActiveState") == "active",
               lambda: machine.run("systemctl status thurn || :"))
    deliver(machine, 3)


def test_an_upgrade_in_place_is_what_systemd_watches_on(machine):
    old = show(machine, "MainPID")
    said = machine.run("dpkg -i --force-unsafe-io /root/thurn.deb")
    assert (show(machine, "MainPID"), show(machine, "ActiveState")) == (old, "active"), said
    assert "upgrade binary=" in machine.run("journalctl --no-pager -u thurn -n 60")
    machine.run("test /proc/%s/exe -ef /usr/lib/thurn/master" % old)
    deliver(machine, 4)
    machine.run("echo '# of before' >>/usr/lib/systemd/system/thurn.service && "
                "dpkg -i --force-unsafe-io /root/thurn.deb")
    assert show(machine, "MainPID") != old and show(machine, "ActiveState") == "active"
    deliver(machine, 5)


def test_removal_stops_it_and_leaves_the_mail(machine):
    machine.run("dpkg -r --force-depends --force-unsafe-io thurn")
    assert machine.run("systemctl is-active thurn || :").strip() == "inactive"
    assert machine.run("ps -e -o args | grep -c '[/]etc/thurn' || :") == "0\n"
    machine.run("dpkg -i --force-unsafe-io /root/thurn.deb")
    deliver(machine, 6)
