"""Private instances for the system tests.

	def test_something(thurn):                  # a started instance with anna and bert (conftest.py)
	    thurn.deliver("anna", b"Subject: hello\\r\\n\\r\\nhi\\r\\n")
	    assert len(thurn.wait_for_mail("anna")) == 1

	def test_other(instance):                   # a factory, for other settings
	    t = instance(settings={"smtpd.recipients_max": 100, "smtp:min_workers": 1})

Every instance has a folder of its own under /tmp, ports of its own, and is stopped at the end, by pid. What the
sanitizers or an impossible state wrote to its log fails the test.
"""
import imaplib
import json
import os
import pathlib
import poplib
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
import tempfile
import time

from ports import PortBase

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("THURN_BIN", ROOT / "build/bin"))
SAN = BIN.parent.name == "san"
SLOW = 5 if SAN else 1  # factor of time limits
DOMAIN = "sandbox.test"
BAD_LINES = re.compile(r"ERROR: (Address|Leak|Undefined)\w*Sanitizer|runtime error:|\] panic ")


class CommandFailed(Exception):
    def __init__(self, done):
        super().__init__("%s: status %d: %s%s" % (" ".join(map(str, done.args)), done.returncode,
                                                  done.stdout, done.stderr))
        self.done = done


def run(*argv, check=True, input=None, timeout=90, env=None):
    """A program of ours by name, or any by path: the CompletedProcess, with text."""
    argv = [str(a) for a in argv]
    if "/" not in argv[0]:
        argv[0] = str(BIN / argv[0])
    done = subprocess.run(argv, input=input if input is not None else "", capture_output=True,
                          text=True, timeout=timeout, env=env)
    if check and done.returncode != 0:
        raise CommandFailed(done)
    return done


def of_a_report(lines):
    """A checker's report: what is not the log's own, which begins with the time."""
    return [line for line in lines[:200] if not re.match(r"\d{4}-\d\d-\d\dT", line)][:60]


class Instance:
    def __init__(self, settings=None, users=("anna", "bert"), start=True):
        self.port_base = PortBase()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="thurn-test-", dir="/tmp"))
        self.dir.chmod(0o755)
        self.settings = dict(settings or {})
        self.passwords = {}
        self.ports = {}
        self.log_seen = 0
        if not start:
            return
        try:
            self.start()
            for user in users:
                self.add_user(user)
        except BaseException:
            self.close()  # whoever called us gets no instance that could be closed
            raise

    # --- life ---

    def start(self, **settings):
        """Starts it, with what settings change; returns the ports."""
        argv = ["sandbox", "start", self.dir, "--base-port", self.port_base.base]
        for name, value in {**self.settings, **settings}.items():
            argv += ["--set", "%s=%s" % (name, value)]
        self.ports = json.loads(run("thurn", *argv, timeout=70 * SLOW).stdout)
        return self.ports

    def stop(self):
        run("thurn", "sandbox", "stop", self.dir, timeout=70 * SLOW)

    def kill(self):
        """kill -9 of everything, as a crash would."""
        run("thurn", "sandbox", "stop", self.dir, "--kill", timeout=70)

    def restart(self, **settings):
        self.stop()
        self.start(**settings)

    def processes(self):
        """Pids of the living processes of this instance: those that have its folder on the command line."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                args = pathlib.Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
                state = pathlib.Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if bytes(self.dir / "etc") in args and state not in "ZX":
                found.append(int(pid))
        return found

    def close(self):
        """For the fixture: stops, removes, and complains about what is left and what the log says."""
        try:
            if (self.dir / "etc/thurn.conf").exists():
                self.stop()
        finally:
            left = self.processes()
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            log = self.log().splitlines()
            bad = [at for at, line in enumerate(log) if BAD_LINES.search(line)]
            if (bad or left) and "KEEP" not in os.environ:
                print(self.log()[-20000:])
            if "KEEP" not in os.environ:
                shutil.rmtree(self.dir, ignore_errors=True)
            self.port_base.free()
        assert not left, "processes were left behind: %s" % left
        assert not bad, "the log says: " + "\n".join([log[bad[0]]] + of_a_report(log[bad[0] + 1:]))

    def log(self):
        try:
            return (self.dir / "log/thurn.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_for_log(self, pattern, timeout=30):
        """The match of the pattern in the log."""
        return wait_for(lambda: re.search(pattern, self.log()), timeout, "%r in the log" % pattern)

    # --- administration ---

    def thurn(self, *argv, check=True, input=None):
        return run("thurn", "-C", self.dir / "etc", *argv, check=check, input=input,
                   timeout=90 * SLOW)

    def json(self, *argv, **more):
        return json.loads(self.thurn("--json", *argv, **more).stdout)

    def add_user(self, name, password=None, *options):
        password = password or "secret-of-" + name.split("@")[0]
        self.thurn("user", "add", address(name), "--password", password, *options)
        self.passwords[address(name)] = password

    def status(self):
        return self.json("status")

    def pids(self, service):
        """Pids of a service's workers."""
        return next(s["pids"] for s in self.status()["services"] if s["service"] == service)

    # --- clients ---

    def tls(self):
        """A context that trusts the instance's certificate."""
        return ssl.create_default_context(cafile=str(self.dir / "etc/cert.pem"))

    def password(self, user):
        return self.passwords[address(user)]

    def smtp(self):
        return smtplib.SMTP("127.0.0.1", self.ports["smtp"], timeout=30 * SLOW)

    def submission(self, user=None):
        """On 587, with STARTTLS and a login."""
        s = smtplib.SMTP("localhost", self.ports["submission"], timeout=30 * SLOW)
        s.starttls(context=self.tls())
        if user:
            s.login(address(user), self.password(user))
        return s

    def submissions(self, user=None):
        s = smtplib.SMTP_SSL("localhost", self.ports["submissions"], timeout=30 * SLOW,
                             context=self.tls())
        if user:
            s.login(address(user), self.password(user))
        return s

    def lmtp(self):
        return smtplib.LMTP("127.0.0.1", self.ports["lmtp"], timeout=30 * SLOW)

    def imap(self, user=None, starttls=True):
        c = imaplib.IMAP4("localhost", self.ports["imap"], timeout=30 * SLOW)
        if starttls:
            c.starttls(self.tls())
        if user:
            c.login(address(user), self.password(user))
        return c

    def imaps(self, user=None):
        c = imaplib.IMAP4_SSL("localhost", self.ports["imaps"], ssl_context=self.tls(),
                              timeout=30 * SLOW)
        if user:
            c.login(address(user), self.password(user))
        return c

    def pop3(self, user=None, starttls=True):
        c = poplib.POP3("localhost", self.ports["pop3"], timeout=30 * SLOW)
        if starttls:
            c.stls(self.tls())
        if user:
            c.user(address(user))
            c.pass_(self.password(user))
        return c

    def pop3s(self, user=None):
        c = poplib.POP3_SSL("localhost", self.ports["pop3s"], context=self.tls(),
                            timeout=30 * SLOW)
        if user:
            c.user(address(user))
            c.pass_(self.password(user))
        return c

    # --- mail ---

    def deliver(self, to, message, sender="sender@elsewhere.test"):
        """By SMTP on port 25; message: bytes as they go over the wire (CRLF), or text."""
        if isinstance(message, str):
            message = message.replace("\n", "\r\n").encode()
        with self.smtp() as s:
            s.sendmail(sender, [address(t) for t in ([to] if isinstance(to, str) else to)], message)

    def messages(self, user, mailbox="INBOX"):
        """All messages of a mailbox as bytes, in the order of their UIDs."""
        with self.imaps(user) as c:
            ok, (count,) = c.select(mailbox, readonly=True)
            if ok != "OK" or int(count) == 0:
                return []
            _, parts = c.fetch("1:*", "(UID BODY.PEEK[])")
            return [p[1] for p in parts if isinstance(p, tuple)]

    def wait_for_mail(self, user, count=1, mailbox="INBOX", timeout=40):
        """The messages, once there are at least count."""
        return wait_for(lambda: (lambda m: m if len(m) >= count else None)(self.messages(user, mailbox)),
                        timeout, "%d messages for %s" % (count, user))


def address(user):
    return user if "@" in user else "%s@%s" % (user, DOMAIN)


def wait_for(condition, timeout, what):
    """The first true value of condition(); an assertion after timeout seconds."""
    end = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)
