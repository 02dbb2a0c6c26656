"""Other people's servers as peers for tests and benchmarks: private instances of Debian's Postfix and Dovecot,
on loopback, in a folder of their own, stopped by pid. Never the system's own instance."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from ports import free_port


def wait_for_port(port, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"nothing answers on port {port}")


def pids_below(pid):
    """pid and all its descendants."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        parent = int(stat[stat.rindex(")") + 2:].split()[1])
        children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def wait_gone(pids, seconds=10):
    end = time.monotonic() + seconds
    while any(os.path.exists(f"/proc/{p}") for p in pids):
        if time.monotonic() > end:
            for p in pids:
                try:
                    os.kill(p, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return
        time.sleep(0.02)


class Peer:
    """A folder with mode 0755 (the servers run as users of their own), a pid file, a stop."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="thurn-peer-", dir="/tmp"))
        self.dir.chmod(0o755)

    def master_pid(self):
        raise NotImplementedError

    def start(self, command):
        # The daemons keep what they inherit: a pipe would never end, so their output goes to a file.
        with open(self.dir / "start.log", "w") as log:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=120)
        if done.returncode:
            said = (self.dir / "start.log").read_text()
            self.stop()
            raise RuntimeError(f"{command[0]} did not start: {said}")

    def stop(self):
        try:
            pid = self.master_pid()
        except (OSError, ValueError):
            pid = None
        if pid:
            pids = pids_below(pid)
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            wait_gone(pids)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class Postfix(Peer):
    """smtpd on .port. settings: further main.cf lines as a dict. Everything it accepts goes where transport says."""

    @staticmethod
    def is_installed():
        return os.path.exists("/usr/sbin/postfix") and os.geteuid() == 0

    def __init__(self, port=None, settings=None, transport=None):
        super().__init__()
        self.port = port or free_port()
        etc, queue, data = self.dir / "etc", self.dir / "queue", self.dir / "data"
        for d in (etc, queue, data):
            d.mkdir()
        shutil.chown(data, "postfix")
        main = {
            "compatibility_level": "3.6",
            "queue_directory": queue,
            "data_directory": data,
            "myhostname": "postfix.test",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtp_host_lookup": "native",
            "smtp_dns_support_level": "disabled",
            "maillog_file": self.dir / "postfix.log",
            "maillog_file_prefixes": "/tmp",
            "alias_maps": "",
            "alias_database": "",
            "smtputf8_enable": "no",
            "smtpd_recipient_restrictions": "permit_mynetworks,reject",
            "queue_run_delay": "5s",
            "minimal_backoff_time": "5s",
        }
        if transport:
            main["default_transport"] = main["relay_transport"] = transport
            main["relay_domains"] = "static:ALL"
        main.update(settings or {})
        (etc / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in main.items()))
        (etc / "master.cf").write_text(
            f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
            "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\n"
            "qmgr unix n - n 300 1 qmgr\ntlsmgr unix - - n 1000? 1 tlsmgr\n"
            "rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n"
            "defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n"
            "verify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\n"
            "proxymap unix - - n - - proxymap\nsmtp unix - - n - - smtp\n"
            "relay unix - - n - - smtp\nshowq unix n - n - - showq\n"
            "error unix - - n - - error\nretry unix - - n - - error\n"
            "discard unix - - n - - discard\nlocal unix - n n - - local\n"
            "virtual unix - n n - - virtual\nlmtp unix - - n - - lmtp\n"
            "anvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n"
            "postlog unix-dgram n - n - 1 postlogd\n")
        self.start(["/usr/sbin/postfix", "-c", str(etc), "start"])
        wait_for_port(self.port)

    def master_pid(self):
        return int((self.dir / "queue/pid/master.pid").read_text())

    def log(self):
        path = self.dir / "postfix.log"
        return path.read_text() if path.exists() else ""

    def queued(self):
        count = 0
        for name in ("maildrop", "incoming", "active", "deferred"):
            for _, _, files in os.walk(self.dir / "queue" / name):
                count += len(files)
        return count


class Dovecot(Peer):
    """IMAP, POP3 and LMTP with users u0..u9 (password "pw") and any other name as a mailbox for LMTP; with the paths of a
    certificate and its key also IMAP under TLS."""

    @staticmethod
    def is_installed():
        return os.path.exists("/usr/sbin/dovecot") and os.geteuid() == 0

    def __init__(self, mail="mdbox:~/mdbox", login_fast=True, settings="", certificate=None):
        super().__init__()
        self.imap, self.pop3, self.lmtp = free_port(), free_port(), free_port()
        self.imaps = free_port() if certificate else 0
        ssl = "ssl = yes\nssl_cert = <%s\nssl_key = <%s" % certificate if certificate else "ssl = no"
        mails = self.dir / "mail"
        mails.mkdir()
        shutil.chown(mails, "dovecot", "dovecot")
        service_count = 0 if login_fast else 1
        conf = f"""
base_dir = {self.dir}/run
state_dir = {self.dir}/state
log_path = {self.dir}/dovecot.log
protocols = imap pop3 lmtp
listen = 127.0.0.1
{ssl}
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = {mail}
first_valid_uid = 1
mail_uid = dovecot
mail_gid = dovecot
passdb {{
  driver = static
  args = password=pw
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home={mails}/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {self.imap}
  }}
  inet_listener imaps {{
    port = {self.imaps}
  }}
  service_count = {service_count}
  process_min_avail = 2
  client_limit = 10000
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {self.pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  service_count = {service_count}
}}
service imap {{
  process_limit = 10000
}}
service anvil {{
  client_limit = 20000
}}
service auth {{
  client_limit = 20000
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp}
  }}
  process_min_avail = 4
}}
service stats {{
  client_limit = 20000
}}
namespace inbox {{
  inbox = yes
}}
{settings}
"""
        (self.dir / "dovecot.conf").write_text(conf)
        self.start(["/usr/sbin/dovecot", "-c", str(self.dir / "dovecot.conf")])
        for port in (self.imap, self.pop3, self.lmtp):
            wait_for_port(port)

    def master_pid(self):
        return int((self.dir / "run/master.pid").read_text())
