"""Postfix as the host that we relay to."""
import re

import pytest
import thurn as thurn_module
from peers import Postfix


@pytest.mark.skipif(not Postfix.is_installed(), reason="no Postfix")
def test_out_to_postfix(instance):
    with Postfix(transport="discard:", settings={"smtputf8_enable": "yes"}) as p:
        t = instance(settings={"smtp.smart_host": "127.0.0.1:%d" % p.port, "smtp.routes": "x.test=127.0.0.1:%d" % p.port})
        with t.submission("anna") as s:
            for i in range(20):
                s.sendmail("anna@sandbox.test", ["u%d@out.test" % k for k in range(i + 1)] + ["v@x.test"],
                           b"Subject: x\r\n\r\n.\r\n..\r\nbody %d\r\n" % i)
        thurn_module.wait_for(lambda: p.log().count("status=sent") == sum(range(1, 21)) + 20, 30, "all recipients")
        # CONNECT alone: whoever looked whether it was up.
        assert not re.search("improper|reject:|lost connection after (?!CONNECT)", p.log())
