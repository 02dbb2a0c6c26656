"""A machine of its own to install into: this system's files, with every change in memory
(overlayfs); processes, network, host name and mounts of its own. Nothing that happens there
reaches the system, and it all ends with the object. Run as a program this is the machine's
first process."""
import array
import ctypes
import fcntl
import os
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import sys

HOST, DOMAIN = "post", "machine.test"
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
       "DEBIAN_FRONTEND": "noninteractive"}
MASKED = ("udevd", "udev-trigger", "sysctl", "modules-load", "random-seed", "timesyncd", "binfmt",
          "hwdb-update", "firstboot")
KERNELS = ",".join("-" + capability for capability in (
    "sys_time", "sys_module", "sys_boot", "sys_rawio", "mknod", "syslog"))
REMOVE_CGROUP = """mount -t cgroup2 cgroup2 "$1" || exit 0; cd "$1"
for try in 1 2 3 4 5 6 7 8 9; do
	find "$2" -depth -type d -exec rmdir {} + 2>/dev/null; [ ! -d "$2" ] && exit 0; sleep 0.2
done; exit 1"""
HIDDEN = ("etc/thurn", "var/lib/thurn", "var/spool/thurn", "usr/lib/thurn")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class Failed(Exception):
    pass


class Machine:
    """With systemd that is the first process, as in a container; else a stand-in. lower: whose files."""

    def __init__(self, folder, systemd=False, lower="/"):
        self.folder, self.systemd = str(folder), systemd
        self.init = subprocess.Popen(
            ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child",
             sys.executable, __file__, self.folder, str(lower), *["systemd"] * systemd],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.init.stdout.readline() != "ready\n":
            why = self.init.stderr.read().strip()
            self.close()
            raise Failed(why or "unshare failed")
        with open("/proc/%d/task/%d/children" % (self.init.pid, self.init.pid)) as f:
            self.pid = f.read().split()[0]

    def run(self, command, input="", check=True, timeout=60):
        """A shell command, with a text or a file for its input: what it wrote."""
        given = {"input": input} if isinstance(input, str) else {"stdin": input}
        done = subprocess.run(
            ["nsenter", "-t", self.pid, "-m", "-n", "-u", "-i", "-p", "-r", "-w",
             "sh", "-c", command], **given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env=ENV, timeout=timeout, start_new_session=True)
        if check and done.returncode != 0:
            raise Failed("%s: status %d: %s" % (command, done.returncode, done.stdout))
        return done.stdout

    def status(self, command):
        return int(self.run("{ %s\n} >/dev/null 2>&1; echo $?" % command))

    def put(self, path, text, mode=0o644):
        self.run("cat >'%s' && chmod %o '%s'" % (path, mode, path), input=text)

    def close(self):
        self.init.kill()  # its first process ends, and all others with it
        self.init.wait(10)
        for pipe in (self.init.stdin, self.init.stdout, self.init.stderr):
            pipe.close()
        if self.systemd:
            subprocess.run(["unshare", "--mount", "sh", "-c", REMOVE_CGROUP, "sh", self.folder,
                            cgroup_name(self.folder)], check=True)


def cgroup_name(folder):
    return "thurn-test-" + re.sub(r"\W+", "-", folder)


# --- in the machine ---

def mount(kind, target, *options):
    subprocess.run(["mount", "-t", kind, *options, kind, target], check=True)


def hide(upper):
    """What an installation or another test has on the system, or will have: a device 0:0 stands
    for nothing."""
    for name in HIDDEN:
        path = os.path.join(upper, name)
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.mknod(path, stat.S_IFCHR, 0)


def make_root(folder, lower):
    mount("tmpfs", folder, "-o", "size=2g,mode=755")
    root, upper, work = (os.path.join(folder, name) for name in ("root", "upper", "work"))
    for path in (root, upper, work):
        os.mkdir(path, 0o755)
    hide(upper)
    mount("overlay", root, "-o", "lowerdir=%s,upperdir=%s,workdir=%s" % (lower, upper, work))
    for name in ("dev", "run", "tmp"):
        mode = "1777" if name == "tmp" else "755"
        mount("tmpfs", os.path.join(root, name), "-o", "mode=" + mode)
    mount("proc", os.path.join(root, "proc"))
    for name in DEVICES:
        path = os.path.join(root, "dev", name)
        open(path, "w").close()
        subprocess.run(["mount", "--bind", "/dev/" + name, path], check=True)
    os.symlink("/proc/self/fd", os.path.join(root, "dev/fd"))
    return root


def set_names():
    socket.sethostname(HOST)
    hosts = "127.0.0.1 localhost\n127.0.1.1 %s.%s %s\n" % (HOST, DOMAIN, HOST)
    for path, text in (("/etc/hostname", HOST + "\n"), ("/etc/hosts", hosts),
                       ("/etc/resolv.conf", "")):
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "w") as f:
            f.write(text)


def loopback_up():
    with socket.socket() as s:
        request = array.array("B", struct.pack("16sh14x", b"lo", 0x41))  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(s, 0x8914, request)  # SIOCSIFFLAGS


def log_until_end(log):
    """What syslogd would do, until our standard input ends."""
    with open("/var/log/mail.log", "w") as out:
        while True:
            ready, _, _ = select.select([log, 0], [], [])
            if log in ready:
                line = log.recv(65536).decode(errors="replace").rstrip("\0\n")
                line = re.sub(r"^<\d+>(\w{3} [ \d]\d [\d:]{8}) ", r"\1 %s " % HOST, line)
                out.write(line + "\n")
                out.flush()
            elif not os.read(0, 1):
                return


def prepare_for_systemd(folder, root):
    """Control groups of its own; nothing of the kernel that others share can be changed."""
    group = os.path.join(root, "sys/fs/cgroup")
    mount("sysfs", os.path.join(root, "sys"), "-o", "ro")
    mount("cgroup2", group)
    name = os.path.join(group, cgroup_name(folder))
    os.mkdir(name)
    with open(os.path.join(name, "cgroup.procs"), "w") as f:
        f.write("0")
    if ctypes.CDLL(None, use_errno=True).unshare(0x02000000) != 0:  # CLONE_NEWCGROUP
        raise OSError(ctypes.get_errno(), "there is no cgroup namespace")
    subprocess.run(["umount", group], check=True)
    mount("cgroup2", group)
    sys_ctl = os.path.join(root, "proc/sys")
    subprocess.run(["mount", "--bind", sys_ctl, sys_ctl], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", sys_ctl], check=True)
    for name in ("shm", "pts"):
        os.mkdir(os.path.join(root, "dev", name))
    mount("devpts", os.path.join(root, "dev/pts"), "-o", "newinstance,ptmxmode=666")
    os.symlink("pts/ptmx", os.path.join(root, "dev/ptmx"))
    for name in MASKED:
        path = os.path.join(root, "etc/systemd/system/systemd-%s.service" % name)
        subprocess.run(["ln", "-sf", "/dev/null", path], check=True)
    for path, text in (("etc/machine-id", ""), ("etc/fstab", "")):
        with open(os.path.join(root, path), "w") as f:
            f.write(text)


def become_systemd():
    null = os.open("/dev/null", os.O_RDWR)
    print("ready", flush=True)
    for fd in range(3):
        os.dup2(null, fd)
    os.execvpe("setpriv", ["setpriv", "--bounding-set=" + KERNELS, "/lib/systemd/systemd",
                           "--unit=basic.target", "--log-target=null"],
               {"PATH": ENV["PATH"], "container": "thurn-test"})


def main(folder, lower, first=None):
    root = make_root(folder, lower)
    if first == "systemd":
        prepare_for_systemd(folder, root)
    os.chroot(root)
    os.chdir("/")
    set_names()
    loopback_up()
    if first == "systemd":
        become_systemd()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are ours
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    print("ready", flush=True)
    log_until_end(log)


if __name__ == "__main__":
    main(*sys.argv[1:])
