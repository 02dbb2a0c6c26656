"""Machines to install into."""
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import thurn as t  # noqa: E402
from machine import Failed, Machine  # noqa: E402


EXPOSURE_MOST = 3.0  # of systemd-analyze security

# A Debian of its own takes a minute to make and a mirror: when asked for, in the build's folder or in the one named.
WISH = os.environ.get("DEBOOTSTRAP", "")
MIRROR = os.environ.get("DEBOOTSTRAP_MIRROR", "http://deb.debian.org/debian")
if_asked_for = pytest.mark.skipif(not WISH, reason="DEBOOTSTRAP=1 asks for it: a Debian of its own, made in a minute "
                                  "or more with the help of a mirror")
# What the package and those that come later need, so that nothing has to be fetched then.
INCLUDE = ("systemd,systemd-sysv,dbus,cron,init-system-helpers,sysvinit-utils,libssl3,libdb5.3,libjansson4,libc-ares2,"
           "libseccomp2,libsasl2-2,libsasl2-modules,zlib1g,libbsd0,liblockfile1,logrotate,procps")
LATER = "bsd-mailx postfix"
APT = "apt-get -y -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io --no-install-recommends "


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

    def make(systemd="", lower="/"):
        need("unshare", "nsenter")
        if systemd and lower == "/":
            need("systemctl", "setpriv")
        folder = tmp_path_factory.mktemp("machine")
        try:
            made.append(Machine(folder, systemd, lower))
        except Failed as e:
            if re.search("overlay|unshare|cgroup|pivot_root", str(e)):
                pytest.skip("there is no overlay file system, or no namespace: %s" % e)
            raise
        m = made[-1]
        m.run("rm -f /usr/sbin/policy-rc.d /sbin/runlevel /var/lib/man-db/auto-update "
              "/etc/aliases /etc/mailname")
        if not systemd:
            m.put("/sbin/runlevel", "#!/bin/sh\necho N 2\n", 0o755)
        return m

    yield make
    for m in made:
        m.close()


def make_debian(root):
    """In namespaces, so that neither a mount nor a process of it stays when this is stopped."""
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    new = root.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    for argv in (["debootstrap", "--variant=minbase", "--include=" + INCLUDE, "bookworm", new, MIRROR],
                 ["chroot", new, *APT.split(), "--download-only", "install", *LATER.split()]):
        done = subprocess.run(apart + argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, timeout=900)
        if done.returncode != 0:
            pytest.fail("%s: %s" % (argv[0], done.stdout[-2000:]))
    new.rename(root)


@pytest.fixture(scope="session")
def debian():
    """The root of a fresh Debian: made once, for all tests and the next time."""
    need("debootstrap", "unshare", "nsenter")
    recipe = hashlib.sha256(" ".join((INCLUDE, LATER)).encode()).hexdigest()[:8]
    folder = pathlib.Path(WISH) if "/" in WISH else t.BIN.parent / "debian"
    folder.mkdir(exist_ok=True)
    root = folder.resolve() / recipe
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            make_debian(root)
    return root


@pytest.fixture(scope="session")
def wait_until():
    def wait(condition, what, seconds=60):
        end = time.monotonic() + seconds * t.SLOW
        while not condition():
            assert time.monotonic() < end, what()
            time.sleep(0.1)

    return wait


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
