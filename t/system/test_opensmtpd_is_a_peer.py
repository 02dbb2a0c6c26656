"""Debian's OpenSMTPD relays to us, and we relay to it."""
import guests
import pytest
from a_peer import *  # noqa: F401, F403: its tests

PEER = guests.OpenSMTPD
pytestmark = pytest.mark.skipif(guests.missing(PEER.package) is not None, reason=str(guests.missing(PEER.package)))


def test_what_must_be_private_waits(instance, cert, sink):
    """Its TLS is broken: a message that may go without does; one that must not stays."""
    ports = t.PortBase()
    port = ports.base + 26
    thurn = instance(settings={"smtp.smart_host": "[localhost]:%d" % port, "smtp.tls": "require",
                               "tls_ca": cert / "cert.pem"})
    with PEER(port=port, to_us=thurn.ports["smtp"], sink=sink.port, tls="may", cert=cert,
              ca=thurn.dir / "etc/cert.pem"):
        to_us(thurn, ["someone@far.test"], message("private"))
        thurn.wait_for_log(r"to=someone@far\.test .*dsn=4\.7\.\d status=deferred", 30)
        assert not any(b"Subject: private" in m for m in sink.messages)
    ports.free()
