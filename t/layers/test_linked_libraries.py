"""Each program is linked to the libraries that it has use for, and to no others: a libcrypto that nobody calls is
half a megabyte of relocated tables in each process, and more for a hijacked one to jump to."""
import re
import subprocess

import pytest
from thurn import BIN, SAN

TLS = {"ssl", "crypto"}
DATABASE = {"db-5.3"}
SANDBOX = {"seccomp"}
STORE = {"nettle"}
PROGRAMS = {
    "bounce": SANDBOX,
    "directoryd": SANDBOX | DATABASE | {"crypt", "crypto", "sasl2"},
    "imap_login": SANDBOX | TLS,
    "imapd": SANDBOX | STORE,
    "local": SANDBOX | STORE,
    "master": set(),
    "pickup": SANDBOX,
    "pop3_login": SANDBOX | TLS,
    "pop3d": SANDBOX | STORE,
    "qmgr": SANDBOX | DATABASE,
    "sendmail": set(),
    "smtp": SANDBOX | TLS | {"cares"},
    "smtpd": SANDBOX | TLS | {"cares"},
    "thurn": STORE | {"crypto", "jansson"},
}
COMPILERS = {"c", "m", "pthread", "gcc_s"}


@pytest.mark.skipif(SAN, reason="the sanitizers stand in for functions of libraries, which are linked all the same")
@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_program_is_linked_to_what_it_uses(program):
    table = subprocess.run(["readelf", "-d", str(BIN / program)], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[lib([^]]+)\.so", table))
    assert needed - COMPILERS == PROGRAMS[program]


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_no_program_keeps_its_tables_writable(program):
    """RELRO and all symbols bound at the start; a program that can be loaded anywhere."""
    shown = subprocess.run(["readelf", "-hldW", str(BIN / program)], capture_output=True, text=True, check=True).stdout
    assert "GNU_RELRO" in shown and re.search(r"\(FLAGS_1\).*NOW.*PIE", shown)


def test_every_program_is_in_the_table():
    assert sorted(p.name for p in BIN.iterdir()) == sorted(PROGRAMS)
