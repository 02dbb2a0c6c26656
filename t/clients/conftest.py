"""Mail programs that people use, each on an instance of ours."""
import os
import sys

import pytest

T = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(T, d) for d in ("clients", "system", "smtpd", "smtp")]
pytest.register_assert_rewrite("programs")


@pytest.fixture
def user(thurn):
    """A fresh one, with an empty mailbox."""
    name = "user%d" % len(thurn.passwords)
    thurn.add_user(name)
    return name
