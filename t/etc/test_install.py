"""make install puts everything where a system MTA has it."""
import os
import re
import subprocess

import pytest

import thurn as t


def install(dest, prefix):
    done = subprocess.run([str(t.ROOT / "etc/install"), str(t.BIN.parent), str(dest), prefix],
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module", autouse=True)
def pages():
    t.run("thurn", "generate", "man", t.BIN.parent / "man")


def test_a_system_installation(tmp_path):
    install(tmp_path, "/usr")
    for name in ("usr/sbin/sendmail", "usr/sbin/thurn", "usr/lib/thurn/master", "usr/lib/thurn/smtpd",
                 "etc/thurn/thurn.conf", "etc/thurn/services.conf", "usr/share/man/man8/thurn.8",
                 "usr/share/man/man5/thurn.conf.5", "usr/share/man/man1/sendmail.1",
                 "usr/lib/systemd/system/thurn.service", "usr/lib/sysusers.d/thurn.conf"):
        assert (tmp_path / name).is_file(), name
    for name in ("var/spool/thurn", "var/lib/thurn"):
        assert (tmp_path / name).is_dir()
    for link in ("usr/bin/mailq", "usr/bin/newaliases", "usr/lib/sendmail"):
        assert os.path.realpath(tmp_path / link) == str(tmp_path / "usr/sbin/sendmail")
    unit = (tmp_path / "usr/lib/systemd/system/thurn.service").read_text()
    assert "Type=notify" in unit and "ExecStart=/usr/lib/thurn/master -C /etc/thurn" in unit
    assert not re.search(r"@[A-Z]+@", unit)
    assert not (tmp_path / "usr/sbin/master").exists()


def test_the_links_are_the_program_under_other_names(tmp_path):
    install(tmp_path, "/usr")
    done = t.run(tmp_path / "usr/bin/mailq", "-C", tmp_path / "etc/thurn", check=False)
    assert "queue" in done.stdout + done.stderr


def test_another_prefix_has_its_own_configuration(tmp_path):
    install(tmp_path, "/opt/thurn")
    conf = tmp_path / "opt/thurn/etc/thurn"
    assert "\nprogram_dir = /opt/thurn/lib/thurn\n" in (conf / "thurn.conf").read_text()
    shown = t.run("thurn", "-C", conf, "config", "get", "tls_key").stdout
    assert shown == "/opt/thurn/etc/thurn/tls/key.pem\n"


def test_a_configuration_that_is_there_stays(tmp_path):
    install(tmp_path, "/usr")
    conf = tmp_path / "etc/thurn/thurn.conf"
    conf.write_text("hostname = mine.test\n")
    install(tmp_path, "/usr")
    assert conf.read_text() == "hostname = mine.test\n"


def test_users_of_the_installation_are_those_of_the_programs(tmp_path):
    """sysusers.d has each user that services.conf names, and the two groups."""
    sysusers = (t.ROOT / "etc/thurn.sysusers").read_text()
    users = set(re.findall(r"^u thurn-(\w+)", sysusers, re.M))
    wanted = set(re.findall(r"^user = (\w+)", (t.ROOT / "etc/services.conf").read_text(), re.M))
    assert wanted <= users
    assert re.findall(r"^g (\S+)", sysusers, re.M) == ["thurn", "thurn-drop"]
