import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../directoryd"))

from worker import Worker  # noqa: E402


@pytest.fixture(scope="module")
def shared_worker():
    w = Worker()
    yield w
    w.close()


@pytest.fixture
def worker(shared_worker):
    """The file's worker; each test has accounts of its own by their names."""
    return shared_worker


@pytest.fixture
def own_worker():
    """A factory: own_worker("append_size_max = 2048")."""
    made = []

    def make(conf="", **more):
        made.append(Worker(conf, **more))
        return made[-1]

    yield make
    for w in reversed(made):
        w.close()


@pytest.fixture
def account(request):
    """A fresh account's name."""
    return "a%x" % (hash(request.node.nodeid) & 0xffffffffff)
