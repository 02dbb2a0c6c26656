import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import private  # noqa: E402


@pytest.fixture
def master():
    """A factory: master(services, settings) makes and starts one."""
    made = []

    def make(services, settings=None, start=True):
        m = private.Master(services, settings)
        made.append(m)
        return m.start() if start else m

    yield make
    for m in made:
        m.close()


@pytest.fixture
def one():
    """A service on a port of its own: one(min_workers=2) is its section."""

    def make(**rows):
        port = private.free_port()
        return {"program": "smtpd", "listen": "127.0.0.1:%d" % port, "user": "smtpd", **rows}, port

    return make
