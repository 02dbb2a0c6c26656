"""Debian's Postfix relays to us, and we relay to it."""
import peers
import pytest
from a_peer import *  # noqa: F401, F403: its tests

pytestmark = pytest.mark.skipif(not peers.Postfix.is_installed(), reason="Postfix is not installed, or we are not root")


class Postfix(peers.Postfix):
    """As guests.Guest: what is for us comes to us, all else goes to the sink."""

    name, speaks_utf8, sends_bdat, serves_tls = "postfix.test", True, False, True
    CLIENT = {None: "none", "may": "may", "verify": "secure"}

    def __init__(self, port, to_us, sink, tls, cert, ca):
        settings = {
            "transport_maps": "inline:{sandbox.test=smtp:[localhost]:%d}" % to_us,
            "relay_domains": "static:ALL",
            "smtpd_recipient_restrictions":
                "check_recipient_access inline:{unknown@far.test=REJECT},permit_mynetworks,reject",
            "default_transport": "relay:[127.0.0.1]:%d" % sink,
            "relay_transport": "relay:[127.0.0.1]:%d" % sink,
            "smtputf8_enable": "yes",
            "smtp_tls_security_level": self.CLIENT[tls],
            "smtp_tls_CAfile": ca,
            "smtp_tls_secure_cert_match": "hostname",
            "smtp_tls_policy_maps": "inline:{[127.0.0.1]:%d=none}" % sink,
        }
        if tls:
            settings.update({"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": cert / "cert.pem",
                             "smtpd_tls_key_file": cert / "key.pem"})
        super().__init__(port=port, settings=settings)


PEER = Postfix
