"""Whole instances, as users and other hosts see them."""
import os
import sys

import pytest

T = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(T, "system"), os.path.join(T, "smtp"), os.path.join(T, "smtpd")]
pytest.register_assert_rewrite("a_peer")


@pytest.fixture
def instance(instance):
    """As in t/conftest.py; traffic of a test that failed must not go to the next one's ports."""
    made = []

    def make(*args, **kwargs):
        made.append(instance(*args, **kwargs))
        return made[-1]

    yield make
    for t in made:
        if hasattr(t, "traffic"):
            t.traffic.over = True
            for thread in t.traffic.threads:
                thread.join()
