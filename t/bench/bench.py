"""make bench: Thurn beside Postfix and Dovecot, side by side in one run.

	bench.py --bin DIR [--quick] [ROW...]      rows whose name has one of the words

Each pair is measured alternately (A B A B ...), the figures are medians; both have their default durability, and on both the
clients share the processors with the servers: read the ratios, not the figures. Without a peer its column is empty.
"""
import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--bin", required=True)
parser.add_argument("--quick", action="store_true")
parser.add_argument("rows", nargs="*")
args = parser.parse_args()
os.environ["THURN_BIN"] = os.path.abspath(args.bin)

import clients  # noqa: E402  after THURN_BIN
import systems  # noqa: E402
from systems import peers  # noqa: E402

QUICK = args.quick
HAS_POSTFIX, HAS_DOVECOT = peers.Postfix.is_installed(), peers.Dovecot.is_installed()
HAS_SOURCE = os.path.exists("/usr/sbin/smtp-source")
FORK = multiprocessing.get_context("fork")


# --- output ---

def human(value, unit):
    if value is None:
        return "-"
    if unit == "/s":
        return "%.0f/s" % value
    for limit, factor, name in {"s": ((1, 1, "s"), (1e-3, 1e3, "ms"), (0, 1e6, "us")),
                                "B": ((1e6, 1e-6, "MB"), (-1e9, 1e-3, "kB"))}[unit]:
        if value >= limit:
            return "%.3g %s" % (value * factor, name)


def say(row, unit, ours, peer, peer_name="", times=None, most=None):
    """Ratio: how many times better ours is, whatever better is for the unit; the target is that, or a value that ours must
    not pass."""
    a, b = (statistics.median(v) if v else None for v in (ours, peer))
    ratio = (a / b if unit == "/s" else b / a) if a and b and a > 0 else None
    target = ">= %dx" % times if times else "<= " + human(most, unit) if most else ""
    short = (times and ratio and ratio < times) or (most and a and a > most)
    print("%-62s %10s %10s  %7s  %-9s %-5s %s" % (row, human(a, unit), human(b, unit), "%.2gx" % ratio if ratio else "", target,
                                                 "SHORT" if short else "", peer_name), flush=True)


def wanted(*names):
    return not args.rows or any(word in name for word in args.rows for name in names)


def alternate(pair, measure, times):
    """[[results of ours], [of the peer]]; a measure may return a tuple, and then the lists hold tuples."""
    results = [[], []]
    for _ in range(times):
        for at, system in enumerate(pair):
            if system:
                results[at].append(measure(system))
    return results


def columns(results, n):
    return [r[n] for r in results[0]], [r[n] for r in results[1]]


# --- SMTP ---

def source(system, sessions, count, size, keep=True, to=None):
    argv = ["/usr/sbin/smtp-source", "-s", str(sessions), "-m", str(count), "-l", str(size), "-f", "sender@example.com",
            "-t", to or system.user(0)]
    if keep:
        argv.append("-d")
    return subprocess.Popen(argv + ["127.0.0.1:%d" % system.smtp], stdout=subprocess.DEVNULL)


def wait(children):
    for child in children:
        if child.wait():
            raise RuntimeError("smtp-source failed")


def accepted(sessions, count, size, keep):
    def measure(system):
        cpu, start = system.cpu(), time.monotonic()
        wait([source(system, sessions, count, size, keep)])
        seconds = time.monotonic() - start
        time.sleep(0.3)  # what is done behind 250
        result = count / seconds, (system.cpu() - cpu) / count
        system.forget()
        return result
    return measure


def bench_accept():
    pair = systems.Thurn(**{"local-agent:enabled": "no"}), systems.Postfix(hold=True) if HAS_POSTFIX else None
    times = 3
    try:
        for system in pair:
            if system:
                accepted(10, 200, 4096, True)(system)  # warm
        for sessions in 1, 10, 50:
            for size in 4096, 65536:
                for keep in (True, False):
                    if QUICK and (not keep or (size > 4096 and sessions != 10)):
                        continue
                    name = "accepted, %d sessions, %d KiB, %s" % (sessions, size // 1024,
                                                                 "connection kept" if keep else "new connections")
                    if not wanted(name):
                        continue
                    count = (400 if sessions == 1 else 1000) * (1 if size > 4096 else 2) // (2 if QUICK else 1)
                    results = alternate(pair, accepted(sessions, count, size, keep), times)
                    say(name, "/s", *columns(results, 0), "Postfix", 4 if (sessions, size) == (10, 4096) else 3)
                    say("    CPU per message", "s", *columns(results, 1), "Postfix", 5)
    finally:
        close(pair)


def emptied(size, count, to_users):
    """Ten sessions, until the queue is empty: (per second, CPU per message)."""
    def measure(system):
        system.forget()
        cpu, start = system.cpu(), time.monotonic()
        children = [source(system, 1, count // 10, size, True, system.user(n) if to_users else "u%d@far.example.com" % n)
                    for n in range(10)]
        wait(children)
        system.sent = count
        while system.done() < count:
            if time.monotonic() - start > 120:
                raise RuntimeError("the queue of %s does not empty" % system.name)
            time.sleep(0.005)
        seconds = time.monotonic() - start
        return count / seconds, (system.cpu() - cpu) / count
    return measure


def bench_deliver():
    peer = systems.Postfix(dovecot=True) if HAS_POSTFIX and HAS_DOVECOT else None
    pair = systems.Thurn(), peer
    try:
        for system in pair:
            if system:
                emptied(4096, 100, True)(system)
        for size in (4096, 65536) if not QUICK else (4096,):
            count = 400 if QUICK else 1000 if size > 4096 else 3000
            results = alternate(pair, emptied(size, count, True), 3)
            say("delivered into mailboxes, 10 sessions, %d KiB" % (size // 1024), "/s", *columns(results, 0),
                "Postfix + Dovecot", 6)
            say("    CPU per message", "s", *columns(results, 1), "Postfix + Dovecot", 8)
    finally:
        close(pair)


def bench_relay():
    sink = systems.Sink()
    pair = (systems.Thurn(**{"smtp.smart_host": "[127.0.0.1]:%d" % sink.port}),
            systems.Postfix(relay_to=sink.port) if HAS_POSTFIX else None)
    try:
        for system in pair:
            if system:
                emptied(4096, 100, False)(system)
        results = alternate(pair, emptied(4096, 600 if QUICK else 3000, False), 3)
        say("relayed to smtp-sink, 10 sessions, 4 KiB", "/s", *columns(results, 0), "Postfix", 4)
        say("    CPU per message", "s", *columns(results, 1), "Postfix")
    finally:
        close(pair)
        sink.close()


# --- the instance ---

def bench_instance():
    ours = systems.Thurn()
    try:
        say("start to the first accepted message", "s", [ours.restart() for _ in range(3)], [], most=0.5)
        time.sleep(1)
        idle = [ours.pss()]
    finally:
        ours.close()
    theirs = []
    if HAS_POSTFIX and HAS_DOVECOT:
        peer = systems.Postfix(dovecot=True)
        time.sleep(1)
        theirs = [peer.pss()]
        peer.close()
    say("memory of the idle instance, PSS", "B", idle, theirs, "Postfix + Dovecot", most=30e6)


# --- IMAP and POP3 ---

def in_parallel(n, work, *more):
    """Seconds for n processes to do work(i, *more) from a common start."""
    barrier = FORK.Barrier(n + 1)
    failed = FORK.Event()

    def run(i):
        step = work(i, *more)
        next(step)
        barrier.wait()
        try:
            next(step, None)
        except BaseException as e:
            print(repr(e), file=sys.stderr)
            failed.set()
    children = [FORK.Process(target=run, args=(i,)) for i in range(n)]
    for child in children:
        child.start()
    barrier.wait(60)
    start = time.monotonic()
    for child in children:
        child.join()
    if failed.is_set():
        raise RuntimeError("a client failed")
    return time.monotonic() - start


def logins(count):
    def work(i, system):
        yield
        for _ in range(count // 8):
            c = clients.Imap(system.imap, system.user(i), systems.PASSWORD)
            c.command("LOGOUT")
            c.close()
    return lambda system: count / in_parallel(8, work, system)


def appends(connections, count):
    text = clients.message(8192)

    def work(i, system):
        c = clients.Imap(system.imap, system.user(1), systems.PASSWORD)
        yield
        for _ in range(count // connections):
            c.append("bench", text)
        c.close()
    return lambda system: count / in_parallel(connections, work, system)


def timed(run, count):
    start = time.monotonic()
    run()
    return count / (time.monotonic() - start)


def fetch_one_by_one(count):
    def measure(system):
        c = clients.Imap(system.imap, system.user(1), systems.PASSWORD)
        c.command("SELECT bench")
        rate = timed(lambda: [c.command("FETCH %d BODY.PEEK[]" % n) for n in range(1, count + 1)], count)
        c.close()
        return rate
    return measure


def fetch_at_once(count):
    def measure(system):
        c = clients.Imap(system.imap, system.user(1), systems.PASSWORD)
        c.command("SELECT bench")
        rate = timed(lambda: c.command("FETCH 1:%d BODY.PEEK[]" % count), count)
        c.close()
        return rate
    return measure


def retr(count):
    def measure(system):
        p = clients.Pop3(system.pop3, system.user(2), systems.PASSWORD)
        rate = timed(lambda: [p.retr(n) for n in range(1, count + 1)], count)
        p.command("QUIT")
        p.close()
        return rate
    return measure


def fill(system, user, mailbox, count, size):
    c = clients.Imap(system.imap, system.user(user), systems.PASSWORD)
    if mailbox != "INBOX":
        c.command("CREATE " + mailbox)
    for n in range(0, count, 100):
        c.append(mailbox, clients.message(size, n), min(100, count - n))
    c.close()


def warm(command, count, mailbox="big"):
    """The rate of `count` things in one command; SELECT is counted as one."""
    def measure(system):
        c = clients.Imap(system.imap, system.user(3), systems.PASSWORD)
        if not command.startswith("SELECT"):
            c.command("SELECT " + mailbox)
        c.command("NOOP")
        rate = timed(lambda: c.command(command), count)
        c.close()
        return rate
    return measure


def seconds(results):
    return [[1 / r for r in side] for side in results]


def idle_memory(count, tls):
    def measure(system):
        clients.Imap(system.imap, system.user(4), systems.PASSWORD).close()
        time.sleep(2)  # what only the start needed has gone back
        before = system.pss()
        held = []
        for n in range(count):
            c = clients.Imap(system.imaps if tls else system.imap, system.user(4 + n % 4), systems.PASSWORD, tls)
            c.command("SELECT INBOX")
            c.sock.sendall(b"i IDLE\r\n")
            c.line()
            held.append(c)
        time.sleep(1)
        used = (system.pss() - before) / count
        for c in held:
            c.close()
        time.sleep(1)
        return used
    return measure


def pair_for_access():
    ours = systems.Thurn(**{"imapd:max_workers": "4"})
    return ours, systems.Dovecot(ours.certificate) if HAS_DOVECOT else None


def bench_access():
    pair = pair_for_access()
    small, big, envelopes = (300, 5000, 2000) if QUICK else (1000, 100000, 10000)
    times = 3
    try:
        for system in pair:
            if system:
                fill(system, 1, "bench", 10, 8192)
                fill(system, 2, "INBOX", small, 8192)
                fill(system, 3, "big", big, 1024)
        say("LOGIN+LOGOUT, 8 clients", "/s", *alternate(pair, logins(240 if QUICK else 1600), times), "Dovecot", 1)
        say("APPEND of 8 KiB one by one", "/s", *alternate(pair, appends(1, small), times), "Dovecot", 1)
        say("APPEND of 8 KiB from 8 connections", "/s", *alternate(pair, appends(8, small * 2), times), "Dovecot", 3)
        say("FETCH BODY[] of 8 KiB, a command each", "/s", *alternate(pair, fetch_one_by_one(small), times), "Dovecot", 1)
        say("FETCH BODY[] of 8 KiB, one command", "/s", *alternate(pair, fetch_at_once(small), times), "Dovecot", 1)
        say("POP3 RETR of 8 KiB", "/s", *alternate(pair, retr(small), times), "Dovecot", 1)
        say("SELECT of %d" % big, "s", *seconds(alternate(pair, warm("SELECT big", 1), 5)), "Dovecot", 1)
        say("FETCH 1:* FLAGS of %d, messages" % big, "/s", *alternate(pair, warm("FETCH 1:* FLAGS", big), times),
            "Dovecot", 1)
        first = []
        for n in range(2):  # the first time ever, so each time of a new mailbox
            name = "first%d" % n
            for system in pair:
                if system:
                    fill(system, 3, name, envelopes, 1024)
            first.append(alternate(pair, warm("FETCH 1:* (ENVELOPE BODYSTRUCTURE)", envelopes, name), 1))
        say("FETCH 1:* (ENVELOPE BODYSTRUCTURE) of %d, first time" % envelopes, "/s", *[[f[side][0] for f in first if f[side]] for side in (0, 1)],
            "Dovecot", 5)
    finally:
        close(pair)


def bench_idle():
    count = 100 if QUICK else 1000
    for name, tls in ("plain", False), ("TLS", True):
        pair = pair_for_access()  # anew: Dovecot keeps its processes for the next clients
        try:
            say("memory of an idle IMAP connection, %d in IDLE, %s, PSS" % (count, name), "B",
                *alternate(pair, idle_memory(count, tls), 1), "Dovecot", 10)
        finally:
            close(pair)


# --- all of it ---

def close(pair):
    for system in pair:
        if system:
            system.close()


def main():
    missing = [name for name, there in (("Postfix", HAS_POSTFIX), ("Dovecot", HAS_DOVECOT)) if not there]
    if missing:
        print("Without %s, which `make bench-peers` installs (root runs them)." % " and ".join(missing))
    start = time.monotonic()
    print("%-62s %10s %10s  %7s  %-9s %-5s %s" % ("", "Thurn", "peer", "ratio", "target", "", "peer"))
    if HAS_SOURCE and wanted("accepted"):
        bench_accept()
    if HAS_SOURCE and wanted("delivered"):
        bench_deliver()
    if HAS_SOURCE and wanted("relayed"):
        bench_relay()
    if wanted("instance"):
        bench_instance()
    if wanted("access"):
        bench_access()
    if wanted("idle"):
        bench_idle()
    print("ratio: how many times better Thurn is; %.0f s in all, %d processors, load %.1f" % (
        time.monotonic() - start, os.cpu_count(), os.getloadavg()[0]))


if __name__ == "__main__":
    main()
