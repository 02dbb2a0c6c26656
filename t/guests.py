"""Mail systems that can't be installed beside Postfix, as peers for tests: Debian's Exim and OpenSMTPD, unpacked into
build/peers and run among mounts of their own, where their fixed paths and users are."""

import os
import pathlib
import shutil
import signal
import subprocess

from peers import Peer, free_port, wait_for_port

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIRST_UID = 64900
STARTED = {}  # package: why it can't be used, or None; asked once in a process

# Over /usr and /etc what the package and the test bring; what it writes goes into the peer's folder.
ENTER = """set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$2/etc:/etc" /etc
for d in run var/spool var/lib var/log; do mount --bind "$2/$d" "/$d"; done
shift 2
"$@" &
wait"""


def missing(package):
    """Why it can't be used, or None."""
    if package not in STARTED:
        STARTED[package] = "only root can mount" if os.geteuid() else unpack(package)
    return STARTED[package]


def unpack(package):
    done = subprocess.run([ROOT / "t/peers-extract", ROOT / "build/peers" / package, package], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=280)
    if done.returncode:
        return (done.stdout or done.stderr).strip().splitlines()[-1]
    usr = ROOT / "build/peers" / package / "root/usr"
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "mount", "-t", "overlay", "overlay", "-o",
                           "lowerdir=%s:/usr" % usr, "/usr"], capture_output=True, text=True, timeout=30)
    return done.stderr.strip().splitlines()[0] if done.returncode else None


class Guest(Peer):
    """A server on .port of 127.0.0.1 that relays: mail for sandbox.test to the port to_us, all other to the port sink, without
    TLS. tls: None; may, with any certificate; or verify: both what it offers, and what it wants from us. cert is the path of a
    certificate with its key that it shows, ca of the one that it trusts. unknown@far.test it refuses."""

    name = package = users = None

    def __init__(self, port=None, to_us=None, sink=None, tls=None, cert=None, ca=None):
        super().__init__()
        self.port = port or free_port()
        for d in ("etc", "run", "var/spool", "var/lib", "var/log"):
            (self.dir / d).mkdir(parents=True)
        self.make_users()
        (self.dir / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (self.dir / "etc/resolv.conf").write_text("lookup file\nnameserver 127.0.0.1\n")
        if cert:
            for name in ("cert", "key"):
                path = shutil.copy(cert / (name + ".pem"), self.dir / "etc" / ("peer." + name))
                os.chmod(path, 0o600)
            shutil.copy(ca, self.dir / "etc/ca.pem")
        command = self.configure(to_us, sink, tls)
        with open(self.dir / "start.log", "w") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh",
                 ROOT / "build/peers" / self.package / "root", self.dir, *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for_port(self.port)
        except TimeoutError:
            said = self.log()
            self.stop()
            raise RuntimeError("%s did not start: %s" % (command[0], said)) from None

    def configure(self, to_us, sink, tls):
        """Writes the settings: the command to start it with."""
        raise NotImplementedError

    def make_users(self):
        self.ids = {name: FIRST_UID + n for n, name in enumerate(self.users)}
        for file, line in (("passwd", "%s:x:%d:%d::/var/lib/%s/empty:/usr/sbin/nologin\n"), ("group", "%s:x:%d:\n")):
            old = pathlib.Path("/etc", file).read_text()
            new = "".join(line % ((n, i, i, n) if file == "passwd" else (n, i)) for n, i in self.ids.items())
            (self.dir / "etc" / file).write_text(old + new)

    def folder(self, path, user=None, mode=0o755):
        made = self.dir / path
        made.mkdir(parents=True)
        made.chmod(mode)
        os.chown(made, self.ids.get(user, 0), self.ids.get(user, 0))

    def log(self):
        return "".join(p.read_text(errors="replace") for p in [self.dir / "start.log", *self.dir.glob("var/log/exim4/*log")])

    def stop(self):
        self.process.send_signal(signal.SIGKILL)  # its first process ends, and all others with it
        self.process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)


class Exim(Guest):
    name, package, users = "exim.test", "exim4-daemon-light", ("Debian-exim",)
    speaks_utf8, sends_bdat, serves_tls = True, True, True

    CONF = """
primary_hostname = exim.test
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
acl_smtp_rcpt = check_rcpt
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
pipelining_advertise_hosts = *
{server}
log_selector = +tls_cipher +smtp_confirmation
begin acl
check_rcpt:
  deny message = No such user there
       recipients = unknown@far.test
  accept
begin routers
ours:
  driver = manualroute
  domains = sandbox.test
  self = send
  transport = to_us
  route_data = localhost byname
others:
  driver = manualroute
  self = send
  transport = to_sink
  route_data = 127.0.0.1 byname
begin transports
to_us:
  driver = smtp
  allow_localhost
  port = {to_us}
  hosts_try_chunking = *
{client}
to_sink:
  driver = smtp
  allow_localhost
  port = {sink}
  hosts_avoid_tls = *
begin retry
* * F,1h,5s
"""
    CLIENT = {
        None: "  hosts_avoid_tls = *",
        "may": "  tls_try_verify_hosts = *",
        "verify": "  hosts_require_tls = *\n  tls_verify_hosts = *\n  tls_verify_certificates = /etc/ca.pem\n"
                  "  tls_verify_cert_hostnames = *",
    }

    def configure(self, to_us, sink, tls):
        for path in ("run/exim4", "var/spool/exim4", "var/log/exim4", "var/lib/exim4"):
            self.folder(path, "Debian-exim", 0o750)
        server = "tls_advertise_hosts ="
        if tls:
            server = "tls_advertise_hosts = *\ntls_certificate = /etc/peer.cert\ntls_privatekey = /etc/peer.key"
            os.chown(self.dir / "etc/peer.key", self.ids["Debian-exim"], -1)
            os.chown(self.dir / "etc/peer.cert", self.ids["Debian-exim"], -1)
        self.folder("etc/exim4")
        (self.dir / "etc/exim4/exim4.conf").write_text(
            self.CONF.format(port=self.port, to_us=to_us, sink=sink, server=server, client=self.CLIENT[tls]))
        return ["/usr/sbin/exim4", "-bdf", "-q5s"]


class OpenSMTPD(Guest):
    name, package, users = "opensmtpd.test", "opensmtpd", ("opensmtpd", "opensmtpq")
    # Debian 12's was built for an older OpenSSL: it offers TLS, and no handshake ever succeeds.
    speaks_utf8, sends_bdat, serves_tls = False, False, False

    CONF = """
{pki}
table unknown {{ "unknown@far.test" }}
listen on 127.0.0.1 port {port} {server} hostname opensmtpd.test
bounce warn-interval 1h
action to_us relay host "{client}:{to_us}"{check}
action to_sink relay host "smtp+notls://localhost:{sink}"
match from any for rcpt-to <unknown> reject
match from any for domain "sandbox.test" action to_us
match from any for any action to_sink
"""
    CLIENT = {None: "smtp+notls://localhost", "may": "smtp://localhost", "verify": "smtp+tls://localhost"}

    def configure(self, to_us, sink, tls):
        self.folder("var/lib/opensmtpd/empty")
        self.folder("var/spool/smtpd", mode=0o711)
        pki = server = ""
        if tls:
            pki = 'pki it cert "/etc/peer.cert"\npki it key "/etc/peer.key"'
            server = "tls pki it"
            self.folder("etc/ssl/certs")
            shutil.copy(self.dir / "etc/ca.pem", self.dir / "etc/ssl/certs/ca-certificates.crt")
        (self.dir / "etc/smtpd.conf").write_text(
            self.CONF.format(port=self.port, to_us=to_us, sink=sink, pki=pki, server=server, client=self.CLIENT[tls],
                             check=" tls" if tls == "verify" else ""))
        return ["/usr/sbin/smtpd", "-d"]
