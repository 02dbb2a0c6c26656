"""Power cuts: a recorded run, and what is left of it when the disk forgets."""
import os
import sys

T = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(T, d) for d in ("powercut", "system", "smtp", "smtpd")]
