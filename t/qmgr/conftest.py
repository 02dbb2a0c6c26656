"""Instances whose remote mail goes to a sink, with short pauses."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from sink import Sink  # noqa: E402


@pytest.fixture
def relay(instance):
    """relay(answer, settings) -> (instance, sink): mail for elsewhere.test goes to the sink."""
    sinks = []

    def make(answer=None, settings=None, **more):
        sink = Sink(answer)
        sinks.append(sink)
        values = {
            "smtp.routes": "elsewhere.test=127.0.0.1:%d" % sink.port,
            "networks": "127.0.0.0/8",
            "smtp.loopback": "yes",
            "smtp.tls": "no",
            "qmgr.retry_first": "1s",
            "qmgr.retry_most": "2s",
            "qmgr.scan_interval": "1s",
        }
        values.update(settings or {})
        return instance(settings=values, **more), sink

    yield make
    for sink in sinks:
        sink.close()
