"""A reload drops no connection: new ones are served by a new generation. A bad configuration changes nothing."""
import signal
import socket

import pytest

import private
from private import wait_for


def test_old_connection_lives_on_and_new_ones_get_the_new_generation(master, one):
    rows, port = one(min_workers=2, max_workers=2)
    m = master({"one": rows})
    old = m.client(port)
    old_pid = old.pid()
    assert old.ask("hostname") == "hostname first.test"
    m.hostname = "second.test"
    m.write()
    m.reload()
    wait_for(lambda: len(m.workers("one")) == 2 and len(m.workers("one", "retiring")) >= 1)
    # The old one may take a connection more before it hears of its retirement.
    wait_for(lambda: m.client(port).ask("hostname") == "hostname second.test")
    wait_for(lambda: m.client(port).pid() != old_pid)
    assert old.ask("hostname") == "hostname first.test"
    assert old.pid() == old_pid
    assert {w["generation"] for w in m.workers("one")} == {2}
    for c in m.clients:
        c.close()
    wait_for(lambda: not private.is_alive(old_pid))
    assert m.service("one")["restarts"] == 0


def test_slots_are_not_shared_between_generations(master, one):
    rows, port = one()
    m = master({"one": rows})
    old = m.client(port)
    assert "worker 0" in old.ask("who")
    m.signal(signal.SIGHUP)
    wait_for(lambda: m.status()["generation"] == 2 and m.workers("one", "retiring"))
    wait_for(lambda: "worker 1" in m.client(port).ask("who"))


def test_single_reads_the_configuration_in_place(master):
    m = master({"queue": {"program": "qmgr", "listen": "unix:queue", "user": "queue"}})
    c = m.client(m.unix("queue"))
    pid = c.pid()
    m.hostname = "second.test"
    m.write()
    m.reload()
    wait_for(lambda: c.ask("hostname") == "hostname second.test")
    assert c.pid() == pid
    assert m.workers("queue")[0]["generation"] == 2


def test_listeners_come_and_go(master, one):
    rows, port = one()
    m = master({"one": rows})
    more = private.free_port()
    m.services["one"] = {**rows, "listen": "127.0.0.1:%d unix:extra" % more}
    m.services["two"], two_port = one()
    m.write()
    m.reload()
    wait_for(lambda: m.status()["ready"])
    assert m.client(more).ask("x") == "echo x"
    assert m.client(m.unix("extra")).ask("x") == "echo x"
    assert m.client(two_port).ask("x") == "echo x"

    def is_refused():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) != 0
    wait_for(is_refused)  # the last old worker closes its copy
    del m.services["two"]
    m.write()
    m.reload()
    wait_for(lambda: "two" not in m.status()["services"] or m.workers("two", "retiring"))


@pytest.mark.parametrize("spoil, sentence", [
    (lambda m: m.services["one"].update(no_such_name="1"), "no_such_name"),
    (lambda m: m.services["one"].update(max_workers="many"), "max_workers"),
    (lambda m: m.services["one"].update(program="nothing"), "nothing"),
    (lambda m: m.services["one"].update(user="stranger"), "stranger"),
    (lambda m: m.services["one"].update(listen="unix:../up"), "../up"),
    (lambda m: m.services.update(two=m.services["one"]), "listens on"),
])
def test_bad_configuration_keeps_the_old_one(master, one, spoil, sentence):
    rows, port = one()
    m = master({"one": rows})
    pid = m.client(port).pid()
    spoil(m)
    m.write()
    with pytest.raises(private.Refused, match=sentence):
        m.reload()
    assert m.status()["generation"] == 1
    assert m.client(port).pid() == pid
    assert "The configuration stays as it was" in m.log()


def test_taken_port_keeps_the_old_configuration(master, one):
    rows, port = one()
    m = master({"one": rows})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        fresh = private.free_port()
        m.services["one"] = {**rows, "listen": "127.0.0.1:%d 127.0.0.1:%d" % (
            fresh, taken.getsockname()[1])}
        m.write()
        with pytest.raises(private.Refused):
            m.reload()
    assert m.client(port).ask("x") == "echo x"
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", fresh)) != 0
