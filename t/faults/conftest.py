"""Faults that whole instances survive. Helpers are those of the system tests."""
import os
import sys

T = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(T, name) for name in ("faults", "system", "smtp", "smtpd", "directoryd")]


def full():
    """Whether the full size was asked for: make check T=t/faults THURN_FULL=1."""
    return bool(os.environ.get("THURN_FULL"))
