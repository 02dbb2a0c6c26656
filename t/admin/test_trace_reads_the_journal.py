"""With log = syslog and no file of a syslog daemon the story is in the journal."""
import os
import pathlib

import pytest
import thurn as t

ID = "0ABCDEFGHJK12345"  # made in 1970 or so
FILES = ["/var/log/mail.log.1", "/var/log/mail.log", "/var/log/maillog.1", "/var/log/maillog"]
JOURNAL = """#!/bin/sh
echo "$@" >"$0.args"
cat <<END
2026-01-01T00:00:00+0000 host thurn[1]: info accepted trace=%(id)s
2026-01-01T00:00:00+0000 host thurn[1]: info accepted trace=%(id)sX
2026-01-01T00:00:01+0000 host other[2]: info nothing of ours
2026-01-01T00:00:02+0000 host thurn[3]: info delivery trace=%(id)s
END
exit %(status)d
"""


def trace(tmp_path, status, *, there=True):
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "thurn.conf").write_text("root = ..\nlog = syslog\nprivilege = none\n")
    (etc / "services.conf").write_text("")
    folder = tmp_path / "bin"
    folder.mkdir()
    if there:
        (folder / "journalctl").write_text(JOURNAL % {"id": ID, "status": status})
        (folder / "journalctl").chmod(0o755)
    path = "%s:/usr/bin:/bin" % folder if there else str(folder)
    return t.run("thurn", "-C", etc, "--json", "trace", ID, check=False, env={**os.environ, "PATH": path})


def test_the_story(tmp_path):
    done = trace(tmp_path, 0)
    assert done.returncode == 0, done
    assert done.stdout.count("trace=" + ID) == 2 and "nothing of ours" not in done.stdout and ID + "X" not in done.stdout
    args = (tmp_path / "bin/journalctl.args").read_text().split()
    assert "SYSLOG_FACILITY=2" in args and any(a.startswith("--since=@") and a[9:].isdigit() for a in args)


@pytest.mark.skipif(any(pathlib.Path(f).exists() for f in FILES), reason="there is a log that can be read")
def test_no_journal(tmp_path):
    done = trace(tmp_path, 0, there=False)
    assert done.returncode == 1 and "The log (syslog) can't be read." in done.stderr
