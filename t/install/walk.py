"""Runs as root in the machine of test_each_program_has_its_rights: looks at every process of the server, and tries out
what each of its users could do; prints JSON. What it can't name it prints as it is."""
import grp
import imaplib
import json
import os
import poplib
import pwd
import re
import smtplib
import socket
import ssl
import stat
import struct
import sys
import time

PLACES = ("/etc/thurn", "/etc/aliases", "/etc/passwd", "/etc/shadow", "/var/spool/thurn", "/var/lib/thurn",
          "/var/log", "/run", "/usr/lib/thurn", "/usr/share/thurn", "/usr/sbin", "/usr/bin/mailq",
          "/usr/bin/newaliases", "/usr/lib/sendmail")
USERS = ("smtpd", "smtp", "login", "dir", "queue", "store", "drop", "admin")
DOORS = ("directory", "directory-auth", "directory-admin", "queue", "queue-agent", "queue-admin", "imapd",
         "pop3d", "lmtp", "submit", "master")


LOGS = ("/dev/log", "/run/systemd/journal/dev-log", "/run/systemd/journal/stdout")
EVERYBODYS = ("/run/lock",)


def read(path):
    with open(path) as f:
        return f.read()


# --- sockets by inode ---

def tcp_sockets():
    found = {}
    for name in ("tcp", "tcp6"):
        for line in read("/proc/net/" + name).splitlines()[1:]:
            words = line.split()
            port = int(words[1].rpartition(":")[2], 16)
            found[words[9]] = "listen tcp:%d" % port if words[3] == "0A" else "tcp"
    return found


def unix_names():
    """Inode -> (name, listens)."""
    rows = [line.split() for line in read("/proc/net/unix").splitlines()[1:]]
    return {r[6]: (r[7] if len(r) > 7 else "", int(r[3], 16) & 0x10000) for r in rows}


def unix_peers():
    """Inode -> the peer's, from the kernel's socket diagnosis."""
    peers = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as s:  # NETLINK_SOCK_DIAG
        s.send(struct.pack("=IHHII BBHIIIII", 40, 20, 0x301, 1, 0, socket.AF_UNIX, 0, 0, 0xffffffff,
                           0, 4, 0xffffffff, 0xffffffff))  # all states, UDIAG_SHOW_PEER
        while True:
            data = s.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind != 20:
                    assert kind == 3, "netlink answered %d" % kind
                    return peers
                inode = struct.unpack_from("=I", data, 20)[0]
                at = 32
                while at + 4 <= length:
                    n, attribute = struct.unpack_from("=HH", data, at)
                    if attribute == 2:
                        peers[str(inode)] = str(struct.unpack_from("=I", data, at + 4)[0])
                    at += (n + 3) & ~3
                data = data[(length + 3) & ~3:]


class Sockets:
    def __init__(self, holders):
        self.tcp, self.unix, self.peers = tcp_sockets(), unix_names(), unix_peers()
        self.holders = holders  # inode -> pids

    def name(self, inode, pid, master):
        if inode in self.tcp:
            return self.tcp[inode]
        own, listens = self.unix.get(inode, ("?", 0))
        peer = self.peers.get(inode, "")
        there = self.unix.get(peer, ("", 0))[0]
        if listens:
            return "listen unix:" + own.rpartition("/")[2]
        if there in LOGS:
            return "log"
        if own.startswith("/run/thurn/"):
            return "accepted at " + own.rpartition("/")[2]
        if there.startswith("/run/thurn/"):
            return "connected to " + there.rpartition("/")[2]
        others = self.holders.get(peer, set())
        if others == {master} or (pid == master and others):
            return "line"
        if others == {pid}:
            return "line within"
        return "pair with " + " ".join(sorted({service(p) or str(p) for p in others}))


# --- processes ---

def descriptors(pid):
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            yield os.readlink("/proc/%d/fd/%s" % (pid, fd))
        except FileNotFoundError:
            pass


def plain(path):
    """A file's name without what differs from run to run."""
    path = re.sub(r"\s\(deleted\)$", "", path)
    path = re.sub(r"^/memfd:(\S+)", r"memory \1", path)
    return re.sub(r"^anon_inode:\[?(\w+)\]?", r"\1", path)


def service(pid):
    args = read("/proc/%d/cmdline" % pid).rstrip("\0").split("\0")
    return args[args.index("-S") + 1] if "-S" in args else ""


def look(pid, master, sockets):
    status = dict(line.split(":\t", 1) for line in read("/proc/%d/status" % pid).splitlines() if ":\t" in line)
    held = set()
    for link in descriptors(pid):
        inode = re.fullmatch(r"socket:\[(\d+)\]", link)
        held.add(sockets.name(inode.group(1), pid, master) if inode else plain(link))
    core = re.search(r"^Max core file size\s+(\S+)", read("/proc/%d/limits" % pid), re.M).group(1)
    return {
        "program": read("/proc/%d/cmdline" % pid).split("\0")[0], "service": service(pid),
        "users": sorted({pwd.getpwuid(int(u)).pw_name for u in status["Uid"].split()}),
        "group": sorted({grp.getgrgid(int(g)).gr_name for g in status["Gid"].split()}),
        "groups": status["Groups"].split(), "umask": status["Umask"],
        "root": os.readlink("/proc/%d/root" % pid), "cwd": os.readlink("/proc/%d/cwd" % pid),
        "seccomp": status["Seccomp"], "nnp": status["NoNewPrivs"], "core": core,
        "capabilities": {k: int(status["Cap" + k], 16) for k in ("Inh", "Prm", "Eff", "Bnd", "Amb")},
        "traceable": os.stat("/proc/%d/environ" % pid).st_uid != 0,
        "environment": sorted(e.split("=")[0] for e in read("/proc/%d/environ" % pid).split("\0") if e),
        "held": sorted(held),
    }


def walk():
    master = int(read("/run/thurn/master.pid"))
    pids = [master] + [int(p) for p in read("/proc/%d/task/%d/children" % (master, master)).split()]
    holders = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for link in descriptors(int(pid)):
                if link.startswith("socket:["):
                    holders.setdefault(link[8:-1], set()).add(int(pid))
        except OSError:
            pass
    sockets = Sockets(holders)
    return [look(pid, master, sockets) for pid in pids]


# --- what a user may ---

def all_files():
    for place in PLACES:
        yield place
        for folder, folders, files in os.walk(place):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in EVERYBODYS]
            for name in folders + files:
                yield os.path.join(folder, name)


def may(path, mode, how):
    if stat.S_ISDIR(mode):
        return os.access(path, os.R_OK if how == os.O_RDONLY else os.W_OK)
    try:
        os.close(os.open(path, how | os.O_NONBLOCK | os.O_NOFOLLOW))
        return True
    except OSError:
        return False


def door_is_open(name):
    """Whether the service talks to us at all."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        try:
            s.connect("/run/thurn/" + name)
        except PermissionError:
            return False
        if name in ("lmtp", "submit"):
            return s.recv(4).startswith(b"220")
        try:
            if name in ("imapd", "pop3d"):
                s.settimeout(3)  # they wait for what a login program says; who is none is sent away at once
            else:
                s.sendall(struct.pack("<IHHI", 8, 0x7777, 0, 1))  # nobody knows that, and says so
            return s.recv(1) != b""
        except socket.timeout:
            return name in ("imapd", "pop3d")
        except (ConnectionResetError, BrokenPipeError):
            return False


def become(user):
    entry = pwd.getpwnam("thurn-" + user)
    os.setgroups([])
    os.setresgid(*(entry.pw_gid,) * 3)
    os.setresuid(*(entry.pw_uid,) * 3)


def try_as(user, files):
    out, into = os.pipe()
    if os.fork() == 0:
        become(user)
        found = {
            "writes": [p for p, m in files if not stat.S_ISSOCK(m) and may(p, m, os.O_WRONLY)],
            "reads": [p for p, m in files if stat.S_ISREG(m) and m & 0o004 == 0 and may(p, m, os.O_RDONLY)],
            "doors": [d for d in DOORS if door_is_open(d)],
        }
        with os.fdopen(into, "w") as f:
            json.dump(found, f)
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as f:
        found = json.load(f)
    os.wait()
    return found


# --- clients, so that everybody holds what it holds at work ---

def clients(user, password):
    tls = ssl.create_default_context(cafile="/etc/thurn/tls/cert.pem")
    imap = imaplib.IMAP4_SSL("localhost", ssl_context=tls)
    imap.login(user, password)
    imap.select()
    pop3 = poplib.POP3_SSL("localhost", context=tls)
    pop3.user(user)
    pop3.pass_(password)
    smtp = smtplib.SMTP("localhost")
    smtp.sendmail("a@elsewhere.test", [user], b"Subject: one\r\n\r\nx\r\n")
    smtp.docmd("MAIL", "FROM:<a@elsewhere.test>")
    smtp.docmd("RCPT", "TO:<%s>" % user)
    smtp.docmd("DATA")
    smtp.send(b"Subject: half")
    end = time.monotonic() + 60
    while imap.select()[1] == [b"0"]:
        assert time.monotonic() < end, "no mail came"
        time.sleep(0.1)
    return imap, pop3, smtp


def main():
    held = clients(*sys.argv[1:])
    files = []
    for path in all_files():
        try:
            files.append((path, os.lstat(path).st_mode))
        except FileNotFoundError:
            pass
    files = [(p, m) for p, m in files if not stat.S_ISLNK(m)]
    print(json.dumps({"processes": walk(), "users": {u: try_as(u, files) for u in USERS}}))
    del held


main()
