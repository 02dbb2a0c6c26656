"""A machine of its own to install into: this system's files, with every change in memory
(overlayfs); processes, network, host name and mounts of its own. Nothing that happens there
reaches the system, and it all ends with the object. Run as a program this is the machine's
first process."""
import array
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys

HOST, DOMAIN = "post", "machine.test"
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
       "DEBIAN_FRONTEND": "noninteractive"}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class Failed(Exception):
    pass


class Machine:
    def __init__(self, folder):
        self.init = subprocess.Popen(
            ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child",
             sys.executable, __file__, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.init.stdout.readline() != "ready\n":
            raise Failed(self.init.communicate()[1].strip() or "unshare failed")
        with open("/proc/%d/task/%d/children" % (self.init.pid, self.init.pid)) as f:
            self.pid = f.read().split()[0]

    def run(self, command, input="", check=True, timeout=60):
        """A shell command, with a text or a file for its input: what it wrote."""
        given = {"input": input} if isinstance(input, str) else {"stdin": input}
        done = subprocess.run(
            ["nsenter", "-t", self.pid, "-m", "-n", "-u", "-i", "-p", "-r", "-w", "sh", "-c", command],
            **given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV,
            timeout=timeout)
        if check and done.returncode != 0:
            raise Failed("%s: status %d: %s" % (command, done.returncode, done.stdout))
        return done.stdout

    def status(self, command):
        return int(self.run("{ %s\n} >/dev/null 2>&1; echo $?" % command))

    def put(self, path, text, mode=0o644):
        self.run("cat >'%s' && chmod %o '%s'" % (path, mode, path), input=text)

    def close(self):
        self.init.stdin.close()  # its first process ends, and all others with it
        self.init.wait(10)
        self.init.stdout.close()
        self.init.stderr.close()


# --- in the machine ---

def mount(kind, target, *options):
    subprocess.run(["mount", "-t", kind, *options, kind, target], check=True)


def make_root(folder):
    mount("tmpfs", folder, "-o", "size=2g,mode=755")
    root, upper, work = (os.path.join(folder, name) for name in ("root", "upper", "work"))
    for path in (root, upper, work):
        os.mkdir(path, 0o755)
    mount("overlay", root, "-o", "lowerdir=/,upperdir=%s,workdir=%s" % (upper, work))
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


def main(folder):
    root = make_root(folder)
    os.chroot(root)
    os.chdir("/")
    set_names()
    loopback_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are ours
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    print("ready", flush=True)
    log_until_end(log)


if __name__ == "__main__":
    main(sys.argv[1])
