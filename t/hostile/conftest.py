"""Hostile clients, at every door of a whole instance."""
import os
import resource
import sys

T = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(T, d) for d in ("hostile", "system", "smtp", "smtpd", "directoryd")]


def pytest_configure(config):
    """Ten thousand connections have ten thousand descriptors on our side, too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
