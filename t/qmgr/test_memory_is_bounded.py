"""More messages than fit into memory: they wait on disk, and a crowd for one host does not keep others out."""
import time

from thurn import wait_for


def test_a_crowd_for_one_host_waits_on_disk(relay):
    thurn, sink = relay(lambda c, line: time.sleep(0.3) if c == "END" else None,
                        {"qmgr.active_max": 80, "qmgr.destination_concurrency": 5})
    with thurn.smtp() as s:
        for i in range(200):
            s.sendmail("sender@elsewhere.test", ["bob%d@elsewhere.test" % i], "Subject: %d\r\n\r\nx\r\n" % i)
    start = time.monotonic()
    thurn.deliver("anna", "Subject: local\n\nx\n")
    thurn.wait_for_mail("anna", timeout=15)
    assert len(sink.subjects()) < 200, "the crowd was too quick for this test"
    listed = thurn.json("queue", "list")
    assert len([m for m in listed if m["state"] == "active"]) <= 80
    wait_for(lambda: len(sink.subjects()) == 200, 100, "the crowd")
    assert len(set(sink.subjects())) == 200
    wait_for(lambda: thurn.json("queue", "list") == [], 10, "an empty queue")


def test_many_deferred_ones_come_back(relay):
    closed = [True]
    thurn, sink = relay(lambda c, line: "451 4.2.0 not now" if c == "RCPT" and closed[0] else None,
                        {"qmgr.active_max": 20, "qmgr.retry_first": "2s", "qmgr.retry_most": "3s"})
    with thurn.smtp() as s:
        for i in range(120):
            s.sendmail("sender@elsewhere.test", ["bob@elsewhere.test"], "Subject: %d\r\n\r\nx\r\n" % i)
    wait_for(lambda: len(thurn.json("queue", "list", "--state", "deferred")) > 60, 30, "deferrals")
    closed[0] = False
    wait_for(lambda: len(sink.subjects()) == 120, 90, "all")
    assert len(set(sink.subjects())) == 120
