"""make install on a system, and thurn.service there: what the unit takes away, the server does
without. Where no systemd runs, setpriv and mount do what the unit says."""
import re
import time

import pytest

from conftest import EXPOSURE_MOST, copy_build, need


@pytest.fixture(scope="module")
def machine(new_machine, pages):
    m = new_machine()
    copy_build(m)
    # As where there is no systemd at all: the users come from useradd.
    m.run("mv /usr/bin/systemd-sysusers /usr/bin/not-systemd-sysusers || :")
    m.run("/root/src/etc/install /root/src '' /usr")
    return m


@pytest.fixture(scope="module")
def unit(machine):
    """Directive -> all of its values."""
    values = {}
    text = machine.run("cat /usr/lib/systemd/system/thurn.service")
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.M):
        values.setdefault(name, []).extend(value.split())
    return values


def test_make_install_makes_all_that_is_needed(machine):
    assert machine.run("stat -c '%U:%G %a' /usr/sbin/sendmail /var/spool/thurn/drop") == \
        "root:thurn-drop 2755\nthurn-drop:thurn-drop 3770\n"
    assert machine.run("id -gn thurn-smtpd; id -gn thurn-drop") == "thurn\nthurn-drop\n"
    settings = "sha256sum /etc/thurn/*.conf /etc/thurn/tls/* /etc/aliases /etc/passwd"
    before = machine.run(settings)
    machine.run("/root/src/etc/install /root/src '' /usr")
    assert machine.run(settings) == before


def test_the_server_does_with_what_the_unit_leaves(machine, unit):
    need("setpriv")
    assert unit["ProtectSystem"] == ["strict"] and unit["NoNewPrivileges"] == ["yes"]
    caps = ",".join("+" + c[len("CAP_"):].lower() for c in unit["CapabilityBoundingSet"])
    runtime = "/run/" + unit["RuntimeDirectory"][0]
    writable = " ".join([path.lstrip("-") for path in unit["ReadWritePaths"]] + [runtime, "/tmp", "/dev"])
    machine.put("/root/as-the-unit", """set -e
mkdir -p /run/thurn
for path in %s; do mount --rbind $path $path; done
mount -o remount,bind,ro /
! touch /etc/writable 2>/dev/null
exec setpriv --no-new-privs --bounding-set=-all,%s /usr/lib/thurn/master -b -C /etc/thurn
""" % (writable, caps))
    machine.run("unshare -m sh /root/as-the-unit")
    machine.run("until thurn status | grep -qx 'ready: yes'; do sleep 0.1; done", timeout=90)
    [pid] = machine.run("cat /run/thurn/master.pid").split()
    assert re.search(r"^NoNewPrivs:\s+1$", machine.run("cat /proc/%s/status" % pid), re.M)
    machine.run("sendmail -bi && sendmail root", input="Subject: tight\n\nhi\n")
    end = time.monotonic() + 60
    has_come = "thurn mailbox list root@post.machine.test | grep -q '^INBOX .* 1 .* 1 '"
    while machine.status(has_come) != 0:
        assert time.monotonic() < end, machine.run("cat /var/log/mail.log")
        time.sleep(0.1)
    machine.run("thurn reload && thurn stop")
    log = machine.run("cat /var/log/mail.log")
    assert "Operation not permitted" not in log and "Read-only" not in log and "stopped" in log


def test_systemd_finds_the_unit_tight(machine):
    need("systemd-analyze")
    path = "/usr/lib/systemd/system/thurn.service"
    said = machine.run("systemd-analyze verify --man=no %s" % path)
    assert [line for line in said.splitlines() if "thurn.service" in line] == []
    said = machine.run("systemd-analyze security --offline=true --no-pager " + path)
    exposure = re.search(r"exposure level for thurn.service: ([0-9.]+)", said).group(1)
    assert float(exposure) <= EXPOSURE_MOST
