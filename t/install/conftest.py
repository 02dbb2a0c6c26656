"""Machines to install into."""
import os
import re
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import thurn as t  # noqa: E402
from machine import Failed, Machine  # noqa: E402


def need(*programs):
    if os.getuid() != 0:
        pytest.skip("only root can install")
    if t.SAN:
        pytest.skip("the ordinary build is what gets installed")
    for name in programs:
        if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            pytest.skip("%s is not installed" % name)


def copy_build(m):
    """What make install needs, in /root/src."""
    with subprocess.Popen(["tar", "-c", "-C", str(t.ROOT), "etc", "admin/sendmail/sendmail.1", "-C",
                           str(t.BIN.parent), "bin", "man"], stdout=subprocess.PIPE) as tar:
        m.run("mkdir /root/src && tar -xC /root/src", input=tar.stdout)


@pytest.fixture(scope="session")
def pages():
    need()
    t.run("thurn", "generate", "man", t.BIN.parent / "man")


@pytest.fixture(scope="module")
def new_machine(tmp_path_factory):
    """A factory: this system as if a System V init had started it, or as systemd does; without
    settings of mail."""
    made = []

    def make(systemd=False, lower="/"):
        need("unshare", "nsenter")
        if systemd:
            need("systemctl", "setpriv")
        folder = tmp_path_factory.mktemp("machine")
        try:
            made.append(Machine(folder, systemd, lower))
        except Failed as e:
            if re.search("overlay|unshare|cgroup", str(e)):
                pytest.skip("there is no overlay file system, or no namespace: %s" % e)
            raise
        m = made[-1]
        m.run("rm -f /usr/sbin/policy-rc.d /sbin/runlevel /var/lib/man-db/auto-update "
              "/etc/aliases /etc/mailname")
        if systemd:
            m.run("systemctl is-system-running --wait", check=False)
        else:
            m.put("/sbin/runlevel", "#!/bin/sh\necho N 2\n", 0o755)
        return m

    yield make
    for m in made:
        m.close()


@pytest.fixture(scope="module")
def package(pages, tmp_path_factory):
    need("dpkg-shlibdeps", "dpkg-deb", "apt-get")
    # A folder of its own for what is made on the way, and no time for compression.
    out = tmp_path_factory.mktemp("package")
    for name in ("bin", "man"):
        (out / name).symlink_to(t.BIN.parent / name)
    subprocess.run([str(t.ROOT / "debian/build"), str(out)], check=True, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, env={**os.environ, "DPKG_DEB_COMPRESSOR_TYPE": "none"})
    [deb] = out.glob("*.deb")
    return deb
