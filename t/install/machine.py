"""A machine of its own to install into: this system's files, or those of another root, with every
change in memory (overlayfs); processes, network, host name, control groups and mounts of its own.
Nothing that happens there reaches the system. Run as a program this is the machine's keeper: it has
the mounts, starts the machine's first process, and when its input ends, however that comes about, all
of it goes."""
import array
import contextlib
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
import threading
import time

HOST, DOMAIN = "post", "machine.test"
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
       "DEBIAN_FRONTEND": "noninteractive"}
MASKED = ("udevd", "udev-trigger", "sysctl", "modules-load", "random-seed", "timesyncd", "binfmt",
          "hwdb-update", "firstboot")
KERNELS = ",".join("-" + capability for capability in (
    "sys_time", "sys_module", "sys_boot", "sys_rawio", "mknod", "syslog"))
HIDDEN = ("etc/thurn", "var/lib/thurn", "var/spool/thurn", "usr/lib/thurn")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
MNT_DETACH = 2
CLONE_NEWCGROUP, CLONE_NEWNET = 0x02000000, 0x40000000
GONE_S = 60  # until the last of its processes must have ended


class Failed(Exception):
    pass


def enter(kind, path=None):
    """One more namespace for this thread: a new one, or that of a file below /proc."""
    libc = ctypes.CDLL(None, use_errno=True)
    if path is None:
        status = libc.unshare(kind)
    else:
        with open(path) as f:
            status = libc.setns(f.fileno(), kind)
    if status != 0:
        raise OSError(ctypes.get_errno(), "a namespace can't be had")


class Machine:
    """lower: whose files. systemd: the unit that systemd, the first process as in a container, is to
    reach; without it there is a stand-in."""

    def __init__(self, folder, systemd="", lower="/"):
        self.systemd, self.pid = systemd, ""
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", sys.executable, __file__, "keep", str(folder), str(lower)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True)  # so that it outlives us when our session is killed, and tidies up
        try:
            self.boot()
        except Failed:
            self.close()
            raise

    def ask(self, *words):
        try:
            self.keeper.stdin.write(" ".join(words) + "\n")
            self.keeper.stdin.flush()
            answer = self.keeper.stdout.readline().split(" ", 1)
        except BrokenPipeError:
            answer = [""]
        if answer[0] != "ready":
            raise Failed(" ".join(answer).strip() or self.keeper.stderr.read().strip() or "unshare failed")
        return answer[1].strip()

    def boot(self):
        self.pid = self.ask("boot", self.systemd)
        if self.systemd:
            self.run("while ! [ -S /run/systemd/private ]; do sleep 0.05; done; "
                     "systemctl is-system-running --wait", check=False)

    def reboot(self):
        """In order: whatever runs is asked to end, and the next first process finds the files."""
        self.run("systemctl poweroff")
        self.ask("wait")
        self.boot()

    def run(self, command, input="", check=True, timeout=120):
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

    def connect(self, port, timeout=60):
        """A connection to a port of the machine, for a client of ours."""
        got = []

        def work():  # a socket stays in the network that it was made in
            enter(CLONE_NEWNET, "/proc/%s/ns/net" % self.pid)
            with contextlib.suppress(ConnectionRefusedError):
                got.append(socket.create_connection(("127.0.0.1", port), timeout))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if not got:
            raise Failed("nothing answers at port %d" % port)
        return got[0]

    def close(self):
        self.keeper.stdin.close()
        status = self.keeper.wait(2 * GONE_S)
        why = self.keeper.stderr.read().strip()
        self.keeper.stdout.close()
        self.keeper.stderr.close()
        if status != 0 and self.pid:
            raise Failed("the machine did not go: " + why)


# --- the keeper ---

class Keeper:
    def __init__(self, folder):
        self.folder, self.init = folder, None
        self.groups = os.path.join(folder, "groups")
        self.group = os.path.join(self.groups, "thurn-test-" + re.sub(r"\W+", "-", folder))

    def boot(self, systemd=""):
        if systemd and not os.path.ismount(self.groups):
            os.mkdir(self.groups)
            mount("cgroup2", self.groups)
            os.mkdir(self.group)
        self.init = subprocess.Popen(
            ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child",
             sys.executable, __file__, "begin", os.path.join(self.folder, "root"), self.group, systemd],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.init.stdout.readline() != "ready\n":
            raise Failed(self.init.stderr.read().strip() or "unshare failed")
        with open("/proc/%d/task/%d/children" % (self.init.pid, self.init.pid)) as f:
            return f.read().split()[0]

    def wait(self):
        return str(self.init.wait(GONE_S))

    def end(self):
        """Its first process is killed, and all others with it."""
        if self.init:
            self.init.kill()
            self.init.wait()
        deadline = time.monotonic() + GONE_S
        while os.path.isdir(self.group):
            subprocess.run(["find", self.group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"],
                           stderr=subprocess.DEVNULL, check=False)
            if time.monotonic() > deadline:
                raise Failed("%s stays" % self.group)
            time.sleep(0.05)


def keep(folder, lower):
    keeper = Keeper(folder)
    try:
        make_root(folder, lower)
        for line in sys.stdin:
            words = line.split()
            print("ready", getattr(keeper, words[0])(*words[1:]), flush=True)
    except (Failed, OSError, subprocess.SubprocessError) as e:
        sys.exit(str(e))
    finally:
        keeper.end()


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
    if lower == "/":
        hide(upper)
    mount("overlay", root, "-o", "lowerdir=%s,upperdir=%s,workdir=%s" % (lower, upper, work))
    set_names(root)


def set_names(root):
    hosts = "127.0.0.1 localhost\n127.0.1.1 %s.%s %s\n" % (HOST, DOMAIN, HOST)
    for path, text in (("etc/hostname", HOST + "\n"), ("etc/hosts", hosts), ("etc/resolv.conf", ""),
                       ("etc/machine-id", ""), ("etc/fstab", "")):
        path = os.path.join(root, path)
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "w") as f:
            f.write(text)


# --- in the machine ---

def mount_what_is_new(root):
    for name in ("dev", "run", "tmp"):
        mode = "1777" if name == "tmp" else "755"
        mount("tmpfs", os.path.join(root, name), "-o", "mode=" + mode)
    mount("proc", os.path.join(root, "proc"))
    for name in DEVICES:
        path = os.path.join(root, "dev", name)
        open(path, "w").close()
        subprocess.run(["mount", "--bind", "/dev/" + name, path], check=True)
    os.symlink("/proc/self/fd", os.path.join(root, "dev/fd"))


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


def prepare_for_systemd(root, group):
    """Control groups of its own; nothing of the kernel that others share can be changed."""
    with open(os.path.join(group, "cgroup.procs"), "w") as f:
        f.write("0")
    enter(CLONE_NEWCGROUP)
    mount("sysfs", os.path.join(root, "sys"), "-o", "ro")
    mount("cgroup2", os.path.join(root, "sys/fs/cgroup"))
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


def become_systemd(unit):
    null = os.open("/dev/null", os.O_RDWR)
    print("ready", flush=True)
    for fd in range(3):
        os.dup2(null, fd)
    os.execvpe("setpriv", ["setpriv", "--bounding-set=" + KERNELS, "/lib/systemd/systemd",
                           "--unit=" + unit, "--log-target=journal"],
               {"PATH": ENV["PATH"], "container": "thurn-test"})


def begin(root, group, systemd):
    socket.sethostname(HOST)
    loopback_up()
    mount_what_is_new(root)
    if systemd:
        prepare_for_systemd(root, group)
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "."], check=True)  # of this process, too; the old one lies on top
    if ctypes.CDLL(None).umount2(b".", MNT_DETACH) != 0:
        raise OSError("the old root stays")
    os.chdir("/")
    if systemd:
        become_systemd(systemd)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are ours
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    print("ready", flush=True)
    log_until_end(log)


if __name__ == "__main__":
    {"keep": keep, "begin": begin}[sys.argv[1]](*sys.argv[2:])
