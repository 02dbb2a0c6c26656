"""What RCPT is told of a user who was added or removed a moment ago, on a connection that asked before."""
import struct

import pytest
from calls import blob, Door
from dialogue import Dialogue

ADD, REMOVE, ALIAS_ADD, ALIAS_REMOVE = 17, 18, 21, 22
ROUNDS = 8  # who asked for a change may be answered before another has the notice, or after it


@pytest.fixture
def admin(thurn):
    with Door(thurn, "directory-admin") as door:
        yield door


@pytest.fixture
def rcpt(thurn):
    with Dialogue(thurn.ports["smtp"]) as d:
        d.hello()

        def ask(name, want):
            d("MAIL FROM:<a@elsewhere.test>", 250)
            for _ in range(2 if want.startswith("250") else 1):  # the second is answered from memory
                d("RCPT TO:<%s@sandbox.test>" % name, want)
            d("RSET", 250)
        yield ask


def add_user(admin, name):
    admin.call(ADD, blob(name + "@sandbox.test") + blob("") + blob("") + struct.pack("<QQ", 0, 0))


def test_users(admin, rcpt):
    for _ in range(ROUNDS):
        add_user(admin, "zoe")
        rcpt("zoe", "250 2.1.5")
        admin.call(REMOVE, blob("zoe@sandbox.test"))
        rcpt("zoe", "550 5.1.1")


def test_aliases(admin, rcpt):
    for _ in range(ROUNDS):
        admin.call(ALIAS_ADD, blob("yan@sandbox.test") + b"\1" + blob("anna@sandbox.test"))
        rcpt("yan", "250 2.1.5")
        admin.call(ALIAS_REMOVE, blob("yan@sandbox.test") + b"\0")
        rcpt("yan", "550 5.1.1")
