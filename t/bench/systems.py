"""What is measured: private instances of Thurn and of its peers, with the same handles for the rows."""
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import peers  # noqa: E402
import thurn as thurn_module  # noqa: E402

USERS = 10
PASSWORD = "pw"
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """Seconds that the process and all below it have used, those that have ended included."""
    total = 0
    for p in peers.pids_below(pid):
        try:
            fields = pathlib.Path("/proc/%d/stat" % p).read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))  # utime stime cutime cstime
    return total / TICK


def pss_of(pid):
    """Bytes of memory of the process and all below it, shared pages divided among those that share them."""
    total = 0
    for p in peers.pids_below(pid):
        try:
            for line in pathlib.Path("/proc/%d/smaps_rollup" % p).read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


class System:
    """masters: pids whose trees are the system."""

    def cpu(self):
        return sum(cpu_of(pid) for pid in self.masters())

    def pss(self):
        return sum(pss_of(pid) for pid in self.masters())


class Thurn(System):
    name = "Thurn"

    def __init__(self, **settings):
        self.t = thurn_module.Instance(settings={"networks": "127.0.0.0/8", "imap_login.plain_without_tls": "yes",
                                                 "pop3_login.plain_without_tls": "yes", **settings}, users=())
        for n in range(USERS):
            self.t.add_user("u%d" % n, PASSWORD)
        self.pid = self.t.status()["pid"]
        self.smtp, self.imap, self.imaps, self.pop3 = (self.t.ports[p] for p in ("smtp", "imap", "imaps", "pop3"))
        self.certificate = self.t.dir / "etc/cert.pem", self.t.dir / "etc/key.pem"
        self.log = open(self.t.dir / "log/thurn.log")
        self.removed = 0

    def masters(self):
        return [self.pid]

    @staticmethod
    def user(n):
        return "u%d@%s" % (n, thurn_module.DOMAIN)

    def done(self):
        """How many messages have left the queue since the last forget()."""
        self.removed += self.log.read().count(" removed from the queue ")
        return self.removed

    def forget(self):
        self.t.thurn("queue", "remove", "--all")
        time.sleep(0.2)
        self.log.read()
        self.removed = 0

    def restart(self):
        """Seconds from nothing to the first accepted message."""
        self.t.stop()
        start = time.monotonic()
        self.t.start()
        self.t.deliver(self.user(0), b"Subject: first\r\n\r\nx\r\n")
        seconds = time.monotonic() - start
        self.pid = self.t.status()["pid"]
        return seconds

    def close(self):
        self.t.close()


class Postfix(System):
    """By itself, or with Dovecot's LMTP and mailboxes behind it."""

    def __init__(self, hold=False, dovecot=False, relay_to=None):
        self.name = "Postfix + Dovecot" if dovecot else "Postfix"
        self.dovecot = peers.Dovecot() if dovecot else None
        transport = "lmtp:[127.0.0.1]:%d" % self.dovecot.lmtp if dovecot else "smtp:[127.0.0.1]:%d" % (relay_to or 1)
        more = {}
        if hold:
            more["smtpd_recipient_restrictions"] = "check_recipient_access static:HOLD,permit_mynetworks,reject"
        try:
            self.p = peers.Postfix(transport=transport, settings=more)
        except BaseException:
            if self.dovecot:
                self.dovecot.stop()
            raise
        self.smtp = self.p.port
        if dovecot:
            self.imap, self.pop3 = self.dovecot.imap, self.dovecot.pop3
        self.sent = 0

    def masters(self):
        return [self.p.master_pid()] + ([self.dovecot.master_pid()] if self.dovecot else [])

    user = staticmethod(Thurn.user)

    def done(self):
        return self.sent if self.p.queued() == 0 else 0

    def forget(self):
        subprocess.run(["/usr/sbin/postsuper", "-c", str(self.p.dir / "etc"), "-d", "ALL"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        self.p.stop()
        if self.dovecot:
            self.dovecot.stop()


class Dovecot(System):
    name = "Dovecot"

    def __init__(self, certificate):
        # Its high-performance mode: processes are used again.
        self.d = peers.Dovecot(settings="mail_max_userip_connections = 0\nservice imap {\n  service_count = 1000\n"
                                        "  process_min_avail = 8\n}\n", certificate=certificate)
        self.imap, self.imaps, self.pop3 = self.d.imap, self.d.imaps, self.d.pop3

    def masters(self):
        return [self.d.master_pid()]

    user = staticmethod(Thurn.user)

    def close(self):
        self.d.stop()


class Sink:
    """smtp-sink of the postfix package."""

    def __init__(self):
        self.port = peers.free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.child = subprocess.Popen(["/usr/sbin/smtp-sink", *user, "127.0.0.1:%d" % self.port, "1000"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            peers.wait_for_port(self.port)
        except BaseException:
            self.close()
            raise

    def close(self):
        self.child.terminate()
        self.child.wait()
