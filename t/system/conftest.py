"""Whole instances, as users and other hosts see them."""
import os
import sys

T = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(T, "system"), os.path.join(T, "smtp"), os.path.join(T, "smtpd")]
