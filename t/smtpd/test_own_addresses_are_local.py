"""A domain literal that is one of this machine's addresses means the default domain (RFC 5321 4.1.3): such mail goes no round."""
from dialogue import Dialogue


def test_they_are_local(instance):
    t = instance(settings={"networks": "192.0.2.0/24"})
    with Dialogue(t.ports["smtp"]) as d:
        d.hello()
        d("MAIL FROM:<a@elsewhere.test>", 250)
        for domain in ("[127.0.0.1]", "[127.1.2.3]", "[IPv6:::1]", "[ipv6:::ffff:127.0.0.1]", "[0.0.0.0]"):
            d("RCPT TO:<anna@%s>" % domain, "250 2.1.5")
            d("RCPT TO:<nobody@%s>" % domain, "550 5.1.1")
            d("RCPT TO:<postmaster@%s>" % domain, "250 2.1.5")
        for domain in ("[198.51.100.7]", "[IPv6:2001:db8::7]", "[224.0.0.1]"):
            d("RCPT TO:<anna@%s>" % domain, "550 5.7.1 Relaying denied")


def test_mail_to_them_arrives_after_one_hop(instance):
    t = instance()
    with t.submissions("anna") as s:
        s.sendmail("anna@[127.0.0.1]", ["bert@[127.0.0.1]"], "Subject: round\r\n\r\nhi\r\n")
    (text,) = t.wait_for_mail("bert")
    assert text.count(b"\nReceived: ") + text.startswith(b"Received: ") == 1, text
