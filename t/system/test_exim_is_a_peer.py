"""Debian's Exim relays to us, and we relay to it."""
import guests
import pytest
from a_peer import *  # noqa: F401, F403: its tests

PEER = guests.Exim
pytestmark = pytest.mark.skipif(guests.missing(PEER.package) is not None, reason=str(guests.missing(PEER.package)))
