"""Every #include points down: the table of the design, section 3."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Lowest first; a module uses itself and what stands in lower rows, and in its own row what stands before it.
LAYERS = [
    ["base"],
    ["os"],
    ["json", "io", "conf", "params"],
    ["mail", "tls"],
    ["ipc", "kv"],
    ["directory", "queue", "store", "route"],
    ["smtp", "imap", "pop3"],
    ["auth", "submit"],
    ["service", "agent", "login"],
]
ORDER = [m for row in LAYERS for m in row]
PURE = {"base", "mail", "smtp", "imap", "pop3"}  # no I/O: nothing of os, io or ipc
PROGRAMS = ["master", "smtpd", "imapd", "pop3d", "qmgr", "local", "admin"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


MODULES = [ROOT / "lib" / m for m in ORDER] + [ROOT / p for p in PROGRAMS]


def module_id(folder):
    return str(folder.relative_to(ROOT))


def sources(folder):
    return sorted(folder.rglob("*.[ch]"))


def complain(faults):
    assert not faults, "\n".join(faults)


def may_use(module, target):
    if module in PURE:
        return target == module or (target in ("base", "mail") and
                                    ORDER.index(target) < ORDER.index(module))
    return ORDER.index(target) <= ORDER.index(module)


def fault_of(folder, name):
    """What is wrong with an #include "name" in a file of the folder; None: nothing."""
    top = name.split("/")[0]
    is_library = folder.parent.name == "lib"
    if "/" not in name:
        return "carries no layer"
    if (ROOT / "lib" / name).exists():
        return "points up" if is_library and not may_use(folder.name, top) else None
    if is_library:
        return "is not in lib"
    if top != folder.name:
        return "is another program's"
    return None if (ROOT / name).exists() else "does not exist"


@pytest.mark.parametrize("folder", MODULES, ids=module_id)
def test_includes_point_down(folder):
    complain(["%s: %s %s" % (path.relative_to(ROOT), name, fault_of(folder, name))
              for path in sources(folder) for name in INCLUDE.findall(path.read_text())
              if fault_of(folder, name)])


def test_every_library_has_a_layer():
    assert sorted(p.name for p in (ROOT / "lib").iterdir() if p.is_dir()) == sorted(ORDER)


@pytest.mark.parametrize("folder", MODULES, ids=module_id)
def test_conditional_compilation_is_in_os_only(folder):
    if folder.name == "os":
        return
    faults = []
    for path in sources(folder):
        guards = 0
        for line in path.read_text().splitlines():
            if re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line):
                guards += 1
                if path.suffix != ".h" or guards > 1 or not re.match(r"#ifndef \w+_H$", line):
                    faults.append("%s: %s" % (path.relative_to(ROOT), line))
    complain(faults)


BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|alloca|gets|strncpy|strncat|"
                    r"gmtime|localtime|asctime|ctime|strsignal|ttyname|inet_ntoa|gethostby(name|addr)|getservbyname|rand)"
                    r"\s*\(")


@pytest.mark.parametrize("folder", MODULES, ids=module_id)
def test_no_unsafe_functions(folder):
    faults = []
    for path in sources(folder):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        faults += ["%s: %s" % (path.relative_to(ROOT), m.group(1)) for m in BANNED.finditer(text)]
    complain(faults)


# The table has to be able to fail.
@pytest.mark.parametrize("folder, name, fault", [
    ("lib/base", "os/os.h", "points up"),
    ("lib/mail", "io/io.h", "points up"),
    ("lib/smtp", "os/os.h", "points up"),
    ("lib/io", "base/str.h", None),
    ("lib/service", "ipc/ipc.h", None),
    ("lib/conf", "admin/op.h", "is not in lib"),
    ("admin", "master/master.h", "is another program's"),
    ("admin", "admin/op.h", None),
    ("admin", "op.h", "carries no layer"),
])
def test_the_table_tells_faults(folder, name, fault):
    assert fault_of(ROOT / folder, name) == fault
