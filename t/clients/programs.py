"""What the tests of mail programs share: running them, and looking at the other side with clients of our own."""
import email
import email.policy
import re
import shlex
import subprocess

from mail import needs

import thurn as t

ENV = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm"}


def run(program, *argv, home, input=b"", status=0, env=None):
    """A program with a home of its own: its result, which has the given status."""
    done = subprocess.run([needs(program), *map(str, argv)], input=input, capture_output=True, timeout=90 * t.SLOW,
                          cwd=home, env={**ENV, "HOME": str(home), **(env or {})})
    assert done.returncode == status, done
    return done


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def unix(data):
    return data.replace(b"\r\n", b"\n")


def parsed(message):
    """Its fields, its text with newlines, and its attachments' bytes by file name."""
    m = email.message_from_bytes(message, policy=email.policy.default)
    body = m.get_body(("plain",))
    return m, body.get_content().replace("\r\n", "\n"), {a.get_filename(): a.get_payload(decode=True)
                                                         for a in m.iter_attachments()}


def flags(thurn, user, mailbox="INBOX"):
    """Of each message, in the order of their UIDs; Recent is nobody's business."""
    with thurn.imaps(user) as c:
        if int(c.select(mailbox, readonly=True)[1][0]) == 0:
            return []
        rows = c.fetch("1:*", "(FLAGS)")[1]
    return [set(re.search(rb"FLAGS \((.*?)\)", r)[1].decode().split()) - {"\\Recent"} for r in rows]


def mailboxes(thurn, user):
    with thurn.imaps(user) as c:
        return {re.match(rb'\(.*?\) "/" "?(.*?)"?$', row)[1].decode() for row in c.list()[1]}


def change(thurn, user, number, how, value=None, mailbox="INBOX"):
    """Another client's change of one message: how is a STORE item, or COPY or MOVE with a mailbox for its value."""
    with thurn.imaps(user) as c:
        c.select(mailbox)
        if how == "MOVE":
            done = c.xatom("MOVE", str(number), value)
        elif how == "COPY":
            done = c.copy(str(number), value)
        else:
            done = c.store(str(number), how, value)
        assert done[0] == "OK", done
        c.expunge()


class Screen:
    """A program in a terminal of tmux, with a server of its own.

	with Screen(tmp_path, "neomutt -F rc") as s:
	    s.wait("inbox")
	    s.type("m")
	"""

    def __init__(self, home, command, env=None, width=110, height=40):
        self.home, self.socket = home, home / "tmux"
        env = {**ENV, "HOME": str(home), **(env or {})}
        words = " ".join("%s=%s" % (k, shlex.quote(v)) for k, v in env.items() if k != "TERM")
        self.command = "env -i %s TERM=$TERM %s 2>%s" % (words, command, shlex.quote(str(home / "stderr")))
        self.size = ["-x", str(width), "-y", str(height)]

    def tmux(self, *argv, check=True):
        done = subprocess.run([needs("tmux"), "-S", str(self.socket), "-f", "/dev/null", *argv], env=ENV, check=check,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=30 * t.SLOW, cwd=self.home)
        return done.stdout.decode()

    def __enter__(self):
        # The shell keeps the terminal, and what was last seen there, when the program has ended.
        self.tmux("new-session", "-d", *self.size, "sh", "-c", self.command + "; echo ended: $?; exec sleep 1000")
        return self

    def __exit__(self, kind, *exc):
        if kind:
            print(self.text().rstrip(), (self.home / "stderr").read_text(), sep="\n")
        self.tmux("kill-server", check=False)

    def text(self):
        return self.tmux("capture-pane", "-p", check=False)

    def wait(self, pattern, timeout=20):
        """Until the screen shows it: the match."""
        try:
            return t.wait_for(lambda: re.search(pattern, self.text()), timeout, "%r" % pattern)
        except AssertionError:
            raise AssertionError("%r is not on the screen:\n%s" % (pattern, self.text())) from None

    def wait_gone(self, pattern, timeout=20):
        t.wait_for(lambda: not re.search(pattern, self.text()), timeout, "%r to go" % pattern)

    def type(self, text):
        self.tmux("send-keys", "-l", "--", re.sub(";$", r"\\;", text))  # a last one is tmux's own

    def key(self, *names):
        """By tmux's names: Enter, C-x, Escape."""
        self.tmux("send-keys", *names)

    def wait_end(self, status=0, timeout=20):
        assert self.wait(r"ended: (\d+)", timeout)[1] == str(status), self.text()
