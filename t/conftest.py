"""Fixtures of the system tests; t/thurn.py tells what an instance can do."""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import thurn as thurn_module  # noqa: E402

TEST_LIMIT = 120  # seconds; @pytest.mark.limit(n) changes it


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): time limit of one test")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("limit")
    limit = (marker.args[0] if marker else TEST_LIMIT) * thurn_module.SLOW

    def expired(signo, frame):
        raise TimeoutError("the test took longer than %d s" % limit)

    old = signal.signal(signal.SIGALRM, expired)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


def close_all(made):
    errors = []
    for t in made:
        try:
            t.close()
        except BaseException as e:  # the others have to be closed, too
            errors.append(e)
    if errors:
        raise errors[0]


@pytest.fixture
def instance():
    """A factory: instance(settings={...}, users=(...)) for one test."""
    made = []

    def make(*args, **kwargs):
        made.append(thurn_module.Instance(*args, **kwargs))
        return made[-1]

    yield make
    close_all(made)


@pytest.fixture(scope="module")
def thurn():
    """One instance with the users anna and bert for all tests of a file."""
    t = thurn_module.Instance()
    yield t
    t.close()
