"""A graceful stop: clients between messages hear 421, a message under way is still taken."""
import threading

from dialogue import Dialogue


def test_stop(instance):
    t = instance()
    with Dialogue(t.ports["smtp"]) as idle, Dialogue(t.ports["smtp"]) as busy, Dialogue(t.ports["submission"]) as secret:
        idle.hello()
        secret.hello()
        secret.start_tls(t.tls())
        secret.hello()
        busy.hello()
        busy("MAIL FROM:<a@elsewhere.test>", 250)
        busy("RCPT TO:<anna@sandbox.test>", 250)
        busy("DATA", 354)
        busy.send("Subject: half\r\n")
        stopping = threading.Thread(target=t.stop)
        stopping.start()
        idle.expect("421 4.3.2")
        idle.expect(None)
        secret.expect("421 4.3.2")
        busy.send("\r\nrest\r\n.\r\n")
        busy.expect("250 2.0.0")
        busy.expect("421 4.3.2")
        busy.expect(None)
        stopping.join()
    t.start()
    assert t.wait_for_mail("anna")[0].endswith(b"Subject: half\r\n\r\nrest\r\n")


def test_reload(instance):
    t = instance()
    with Dialogue(t.ports["smtp"]) as busy:
        busy.hello()
        busy("MAIL FROM:<a@elsewhere.test>", 250)
        t.thurn("reload")
        busy("RCPT TO:<anna@sandbox.test>", 250)
        busy("DATA", 354)
        busy("Subject: x\r\n\r\ny\r\n.", "250 2.0.0")
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        d.message()
    t.wait_for_mail("anna", 2)
