#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What checkpoints cost: each bar that was set for them, over TCP, and whether it is met.

Saves beside SETs of as many bytes on redis-server with appendfsync everysec; long sessions beside
short ones; CPU time of the server; compaction and deletion, and what others notice of them; bytes
that shared states take beside full copies; starts after a crash. Prints a Markdown table. Exit
status: 0, or 1 with --check if a bar is missed.

Each line has the durability mode it was taken in. Data goes to a folder below --dir, which must be
on the disk in question, and is removed again. --quick shows that all of it runs: its figures mean
nothing."""

import argparse
import collections
import gc
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

import rounds
import rpc
import servers
from rounds import spread

STATE, BLOB, SMALL = 4096, 1024, 100
CONNECTIONS, SESSIONS = 50, 1000
PAGE, EXPORT_PAGE, KEPT, WRITES = 100, 1000, 10, 10
STATE_BYTES, CHANGED = 100 * 1024, 0.01
REDIS = ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0",
         "--aof-use-rdb-preamble", "no"]
QUIET = ["snapshot.wal_bytes=1TiB", "snapshot.on_shutdown=false"]
BUFFERED = "buffered"

# So many of each thing; with --quick.
Sizes = collections.namedtuple("Sizes", "rounds requests deep shallow long short compact steps "
                                        "window_s")
FULL = Sizes(5, 30000, 10000, 10, 100000, 200, 1000, 1000, 0.5)
QUICK = Sizes(1, 1000, 1000, 10, 5000, 200, 1000, 200, 0.2)

COLUMNS = {"figure": "---", "durability": "---", "cairnd": "--:", "beside it": "--:",
           "judged by": "--:", "spread": "---", "bar": "--:", "verdict": "---"}


class Bench:
    """Servers with data of their own, and the lines of the table."""

    def __init__(self, args, folder):
        self.args, self.folder, self.lines = args, folder, []
        self.cpus = os.sched_getaffinity(0)
        self.sizes = QUICK if args.quick else FULL
        if args.rounds:
            self.sizes = self.sizes._replace(rounds=args.rounds)

    def data(self, name, keep=False):
        """A folder for data, empty unless kept."""
        path = os.path.join(self.folder, name)
        if not keep:
            shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path, exist_ok=True)
        return path

    def cairnd(self, mode=BUFFERED, keep=False, loops=1, cpu=True):
        """A cairnd in this mode."""
        settings = [f"durability.mode={mode}", *QUIET]
        if mode != "memory":
            settings.append(f"data.dir={self.data('cairnd', keep)}")
        return servers.cairnd(self.args.cairnd, self.args.server_cpu if cpu else None, loops,
                              "rpc", settings)

    def redis(self):
        """A redis-server that syncs every second."""
        return servers.redis(self.args.server_cpu, ["--dir", self.data("redis"), *REDIS])

    def add(self, figure, ours, beside, value, bar=None, at_least=False, spread="", mode=BUFFERED):
        """A line of the table."""
        self.lines.append(rounds.Line(figure, mode, ours, beside, None, value, spread, bar,
                                      at_least))
        print(f"{figure}: {ours} beside {beside or '-'}", file=sys.stderr)

    def add_note(self, figure, what):
        """A line for what was not measured."""
        self.lines.append(rounds.Line(figure, "-", what, "", None, None, "", None, False))

    def command(self, server, *options):
        """The command line of loadgen for one test."""
        scheme = "redis" if server.protocol == "resp" else "cairn"
        return [self.args.loadgen, "-u", f"{scheme}://{servers.HOST}:{server.port}", "--json",
                *map(str, options)]

    def loadgen(self, server, *options, cpu=True):
        """Run loadgen for one test; its result."""
        text = rounds.run(self.command(server, *options), self.args.client_cpu if cpu else None)
        (result,) = json.loads(text)["results"].values()
        return result

    def cpu_us(self, server, requests, *options):
        """Microseconds of server CPU for each request of loadgen."""
        before = server.cpu_ns()
        self.loadgen(server, "-n", requests, "-c", CONNECTIONS, *options)
        return (server.cpu_ns() - before) / 1e3 / requests


def entries(count, size, first=0):
    """Checkpoints of states of so many bytes, as ckpt.save_many takes them, with sorted ids."""
    return [{"id": f"c{i:09}", "state": os.urandom(size // 2).hex().encode(), "tags": ["step"]}
            for i in range(first, first + count)]


def fill(client, session, count, size=SMALL):
    """Save so many checkpoints."""
    batch = 1000
    client.calls((("ckpt.save_many", [session, entries(min(batch, count - first), size, first)])
                  for first in range(0, count, batch)), 2)


# ---- saves ----

def save_figures(bench, start, test):
    """(requests a second, us of server CPU for each) on a new server, as its data only grows."""
    with start() as server:
        before = server.cpu_ns()
        rate = bench.loadgen(server, "-t", test, "-n", bench.sizes.requests, "-c", CONNECTIONS,
                             "-r", SESSIONS, "-d", STATE)["ops_per_sec"]
        return rate, (server.cpu_ns() - before) / 1e3 / bench.sizes.requests


def saves(bench):
    """States of 4 KiB with 50 connections, beside SETs on Redis: of new keys, so that both store as
    much, and of keys that are there."""
    cases = {"ours": (bench.cairnd, "ckpt_save"), "new keys": (bench.redis, "insert"),
             f"{SESSIONS:,} keys": (bench.redis, "set")}
    each = collections.defaultdict(list)
    for number in range(bench.sizes.rounds + 1):
        names = list(cases)
        for name in names if number % 2 == 0 else names[::-1]:
            each[name].append(save_figures(bench, *cases[name]))
    for column, what, bar in ((0, "per second", 1.0), (1, "us of server CPU", None)):
        found = {name: [row[column] for row in rows[1:]] for name, rows in each.items()}
        ours = found.pop("ours")
        for name, theirs in found.items():
            ratios = [a / b for a, b in zip(ours, theirs)]
            bench.add(f"saves of 4 KiB, {CONNECTIONS} connections, beside SET of {name}: {what}",
                      f"{statistics.median(ours):,.1f}",
                      f"{statistics.median(theirs):,.1f} (everysec)", statistics.median(ratios),
                      bar, True, spread(ratios))


def writers(bench):
    """One session for each of 1, 2, 4 and 8 writers, with two loops."""
    rates = collections.defaultdict(list)
    counts = (1, 2, 4, 8)
    for _ in range(bench.sizes.rounds):
        for count in counts:
            with bench.cairnd(loops=2, cpu=False) as server:
                result = bench.loadgen(server, "-t", "ckpt_save", "-n", bench.sizes.requests, "-c",
                                       count, "--threads", min(count, 2), "-r", count,
                                       "--key-pattern", "partitioned", "-d", BLOB, cpu=False)
                rates[count].append(result["ops_per_sec"])
    one = statistics.median(rates[1])
    for count in counts[1:]:
        rate = statistics.median(rates[count])
        ratios = [a / b for a, b in zip(rates[count], rates[1])]
        bench.add(f"{count} writers of 1 KiB to one: saves per second", f"{rate:,.0f}",
                  f"{one:,.0f} (one)", statistics.median(ratios), 1.0, True, spread(ratios))


# ---- reads ----

def compared(bench, server, figure, words, names):
    """CPU time of a request on one session beside that on another, interleaved."""
    each = []
    for number in range(bench.sizes.rounds + 1):
        took = {name: bench.cpu_us(server, bench.sizes.requests, *words(name))
                for name in (names if number % 2 == 0 else names[::-1])}
        each.append([took[name] for name in names])
    ratios = [a / b for a, b in each[1:]]
    a, b = (statistics.median(column) for column in zip(*each[1:]))
    bench.add(figure, f"{a:.2f}", f"{b:.2f} ({names[1]})", statistics.median(ratios), 1.1, False,
              spread(ratios))


def gets(bench):
    """The latest of a session: a deep one beside a shallow one; and what it costs."""
    with bench.cairnd() as server, rpc.Client(server) as client:
        sizes = bench.sizes
        for name, count in (("deep", sizes.deep), ("shallow", sizes.shallow)):
            fill(client, name, count, BLOB)
        compared(bench, server, f"get latest of {sizes.deep:,} checkpoints, beside "
                 f"{sizes.shallow}: us of server CPU", lambda name: ["ckpt.get", name],
                 ["deep", "shallow"])
        client.call("ckpt.save", "blob", None, blobs=[["channel", 1, "bytes", os.urandom(BLOB)]])
        took = [bench.cpu_us(server, sizes.requests, "ckpt.get", "blob")
                for _ in range(sizes.rounds)]
        bench.add("get latest, a blob of 1 KiB: us of server CPU",
                  f"{statistics.median(took):.2f}", "", statistics.median(took), 20, False,
                  spread(took))


def put_writes(bench):
    """Ten writes of 1 KiB for a checkpoint that is to come, each time another."""
    write = [word for i in range(WRITES) for word in ("[", i, f"ch{i}", "bytes", "__data__", "]")]
    took = collections.defaultdict(list)
    for _ in range(bench.sizes.rounds):
        for mode in (BUFFERED, "memory"):
            with bench.cairnd(mode) as server:
                took[mode].append(bench.cpu_us(
                    server, bench.sizes.requests // 3, "-d", BLOB, "-r", 10 ** 9, "--key-pattern",
                    "sequential", "ckpt.put_writes", "session", "", "step:__rand_int__", "task",
                    "[", *write, "]"))
    for mode, each in took.items():
        middle = statistics.median(each)
        bench.add("put_writes of 10 writes of 1 KiB: us of server CPU", f"{middle:.2f}", "", middle,
                  20, False, spread(each), mode)


def lists(bench):
    """Pages of 100 summaries."""
    with bench.cairnd() as server, rpc.Client(server) as client:
        sizes = bench.sizes
        for name, count in (("long", sizes.long), ("short", sizes.short)):
            fill(client, name, count)
        bench.loadgen(server, "-n", sizes.requests // 10, "-c", 1, "ckpt.list", "{", "session",
                      "short", "limit", PAGE, "}")
        row = client.call("server.stats", op="ckpt.list")["operations"]["ckpt.list"]
        bench.add("list of 100 summaries: us in the server, mean", f"{row['mean_us']:.1f}",
                  f"p99 {row['p99_us']:.1f}", row["mean_us"], 200)
        sizes = sizes._replace(requests=max(sizes.requests // 10, 100))
        small = argparse.Namespace(sizes=sizes, cpu_us=bench.cpu_us, add=bench.add)
        compared(small, server, f"newest 100 of {sizes.long:,} checkpoints, beside "
                 f"{sizes.short}: us of server CPU",
                 lambda name: ["ckpt.list", "{", "session", name, "limit", PAGE, "}"],
                 ["long", "short"])


# ---- what others notice ----

def worst_ms(bench, server, client, requests):
    """The worst latency another client sees, in ms, from the time these requests are sent until
    they are answered and what they left to do in the background should be done."""
    worst, end = 0, time.monotonic() + bench.sizes.window_s
    with rpc.Client(server) as other:
        gc.disable()
        client.send(requests)
        while time.monotonic() < end:
            begun = time.perf_counter()
            other.call("kv.get", "key")
            worst = max(worst, time.perf_counter() - begun)
        results = client.results(len(requests))
        gc.enable()
    return 1e3 * worst, results


def beside(bench, figure, prepare, requests, check):
    """Worst latency of another client during these requests beside that without, in turn, each
    time after `prepare` made what they work on."""
    calm, during = [], []
    os.sched_setaffinity(0, {bench.args.client_cpu})
    for number in range(bench.sizes.rounds):
        with bench.cairnd() as server, rpc.Client(server) as client:
            prepare(client)
            steps = [(calm, []), (during, requests)]
            for found, what in steps if number % 2 == 0 else steps[::-1]:
                worst, results = worst_ms(bench, server, client, what)
                found.append(worst)
                for result in results:
                    check(result)
    os.sched_setaffinity(0, bench.cpus)
    bench.add(f"{figure}: worst latency of another client, ms", f"{statistics.median(during):.2f}",
              f"{statistics.median(calm):.2f} (calm, {spread(calm)})", statistics.median(during),
              1.0, False, spread(during))


def compactions(bench):
    """From 100, 500 and 1,000 to 10 checkpoints, timed by the caller; and what others notice of
    the largest."""
    most, each = bench.sizes.compact, 10

    def check(result, count=most):
        if result["kept"] != KEPT or result["deleted"] != count - KEPT:
            raise SystemExit(f"ckpt.compact: {result}")

    def prepare(client):
        for number in range(each):
            fill(client, f"s{number}", most, BLOB)
    with bench.cairnd() as server, rpc.Client(server) as client:
        for count in (most // 10, most // 2, most):
            took = []
            for number in range(each * bench.sizes.rounds):
                fill(client, f"t{count}-{number}", count, BLOB)
                begun = time.monotonic()
                check(client.call("ckpt.compact", f"t{count}-{number}", keep_recent=KEPT), count)
                took.append(1e3 * (time.monotonic() - begun))
            bench.add(f"compaction of {count:,} of 1 KiB to {KEPT}: ms",
                      f"{statistics.median(took):.2f}", "", statistics.median(took),
                      5 if count == most else None, False, spread(took))
    beside(bench, f"{each} compactions of {most:,} to {KEPT}", prepare,
           [("ckpt.compact", [f"s{number}", {"keep_recent": KEPT}]) for number in range(each)],
           check)


def deletion(bench):
    """A session of 100,000 checkpoints goes."""
    count = bench.sizes.long

    def check(result):
        if result != count:
            raise SystemExit(f"ckpt.session_delete: {result}, not {count}")
    beside(bench, f"delete of a session of {count:,}", lambda client: fill(client, "s", count),
           [("ckpt.session_delete", ["s"])], check)


# ---- bytes ----

def taken(client):
    """(bytes of memory for records, bytes of log) so far, once all is written."""
    while True:
        counters = client.call("server.stats", op="server.ping")["counters"]
        if counters["wal_written_lsn"] == counters["wal_appended_lsn"]:
            return counters["memory_used_bytes"], counters["wal_bytes"]
        time.sleep(0.01)


def map_of_parts(step, state):
    """One of 100 values under a key of its own is another."""
    parts = dict(state) if state else {f"k{i:02}": os.urandom(STATE_BYTES // 200).hex()
                                       for i in range(100)}
    parts[f"k{step % 100:02}"] = os.urandom(STATE_BYTES // 200).hex()
    return parts


def one_long_text(step, state):
    """A hundredth of the only value is another."""
    size = int(STATE_BYTES * CHANGED)
    text = state["text"] if state else os.urandom(STATE_BYTES // 2).hex()
    at = step * 7919 % (STATE_BYTES - size)
    return {"text": text[:at] + os.urandom(size // 2).hex() + text[at + size:]}


def growth(client, session, make, steps):
    """(memory, log) that the steps of a state take; all read back as they were saved."""
    before, state, states = taken(client), None, []
    for step in range(steps):
        state = make(step, state)
        client.call("ckpt.save", session, state, id=f"c{step:09}")
        states.append(state)
    for step in range(0, steps, 97):
        if client.call("ckpt.get", session, id=f"c{step:09}")["state"] != states[step]:
            raise SystemExit(f"step {step} did not come back as it was saved")
    return [now - then for now, then in zip(taken(client), before)]


def shared(bench):
    """1,000 states of 100 KiB of which 1 % changes, with delta beside full copies."""
    steps = bench.sizes.steps
    for make, what in ((map_of_parts, "100 keys"), (one_long_text, "one text")):
        with bench.cairnd() as server, rpc.Client(server) as client:
            client.call("ckpt.session_create", "delta", delta=True)
            delta = growth(client, "delta", make, steps)
            full = growth(client, "full", make, steps)
        for a, b, where in zip(delta, full, ("memory", "log")):
            bench.add(f"{steps:,} states of 100 KiB ({what}), 1 % changed: MiB of {where}",
                      f"{a / 2 ** 20:.2f}", f"{b / 2 ** 20:.2f} (full copies)", a / b, 0.05)


def small(bench):
    """Bytes of each of many small ones."""
    count = bench.sizes.long
    with bench.cairnd() as server, rpc.Client(server) as client:
        before = taken(client)
        resident = server.rss_kib()
        fill(client, "s", count)
        memory, log = (now - then for now, then in zip(taken(client), before))
        resident = (server.rss_kib() - resident) * 1024
    bench.add(f"{count:,} checkpoints of {SMALL} B: bytes of memory for each",
              f"{memory / count:.0f}", f"{resident / count:.0f} (resident)", memory / count)
    bench.add("the same: bytes of log for each", f"{log / count:.0f}", "", log / count)


# ---- whole stores ----

def export_all(client, **session):
    """Take all pages of an export, of one session or all; the number of items."""
    cursor, count = None, 0
    while True:
        client.send([("ckpt.export", [{**session, "limit": EXPORT_PAGE, "cursor": cursor}])])
        found, cursor = client.page()
        count += found
        if cursor is None:
            return count


def export(bench):
    """All pages of an export of 100 B each, to a client that does not look at the items."""
    figure, count = f"export of checkpoints of {SMALL} B: per second", bench.sizes.long
    with bench.cairnd() as server, rpc.Client(server) as client:
        fill(client, "s", count)
        rates = []
        for _ in range(bench.sizes.rounds):
            begun = time.monotonic()
            try:
                found = export_all(client, session="s")
            except rpc.Refused as why:
                if why.code != "UNKNOWN_METHOD":
                    raise
                bench.add_note(figure, "not measured: this server has no ckpt.export")
                return
            rates.append(count / (time.monotonic() - begun))
            if found != 1 + count:  # the first item is the session
                raise SystemExit(f"ckpt.export: {found} items")
        row = client.call("server.stats", op="ckpt.export")["operations"]["ckpt.export"]
    busy = row["mean_us"] * row["count"] / bench.sizes.rounds / count
    bench.add(figure, f"{statistics.median(rates):,.0f}", f"{busy:.2f} us each in the server",
              statistics.median(rates), 100000, True, spread(rates, ",.0f"))


def export_sessions(bench):
    """The same of a whole store of few checkpoints in each of many sessions."""
    each, done = 20, 0
    with bench.cairnd() as server, rpc.Client(server) as client:
        for sessions in (10, 100, 500):
            for number in range(done, sessions):
                fill(client, f"s{number:03}", each, BLOB)
            done, took = sessions, []
            for _ in range(bench.sizes.rounds):
                begun = time.monotonic()
                found = export_all(client)
                took.append(1e3 * (time.monotonic() - begun))
                if found != sessions * (1 + each):
                    raise SystemExit(f"ckpt.export: {found} items")
            bench.add(f"export of {sessions} sessions of {each} of 1 KiB: ms",
                      f"{statistics.median(took):.1f}", "", statistics.median(took), None, False,
                      spread(took, ".1f"))


def starts(bench):
    """After kill -9 with 100,000 checkpoints: from a log, and from a snapshot."""
    count = bench.sizes.long
    for what in ("log", "snapshot"):
        with bench.cairnd(loops=2, cpu=False) as server, rpc.Client(server) as client:
            fill(client, "s", count, BLOB)
            if what == "snapshot":
                client.call("server.snapshot")
                while client.call("server.snapshots")["running"]:
                    time.sleep(0.01)
            taken(client)
            server.kill()
        took = []
        for _ in range(bench.sizes.rounds):
            with bench.cairnd(keep=True, loops=2, cpu=False) as server, \
                    rpc.Client(server) as client:
                found = client.call("ckpt.session_get", "s")["checkpoints"]
                if found != count:
                    raise SystemExit(f"came back with {found} checkpoints")
                took.append(server.start_ms)
                server.kill()
        bench.add(f"start after kill -9 with {count:,} of 1 KiB, from a {what}: ms to the first "
                  "reply", f"{statistics.median(took):.0f}", "", statistics.median(took), None,
                  False, spread(took, ".0f"))


PARTS = {"saves": saves, "writers": writers, "gets": gets, "put_writes": put_writes,
         "lists": lists, "compactions": compactions, "deletion": deletion, "shared": shared,
         "small": small, "export": export, "export_sessions": export_sessions,
         "starts": starts}


def main():
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    rounds.add_cpu_options(parser)
    parser.add_argument("--rounds", type=int, help="interleaved rounds (5; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="small sizes: see that all of it runs")
    parser.add_argument("--dir", help="where data goes (the build folder)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS) + " (all)")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    servers.resolve_paths(args, "cairnd", "loadgen")
    rounds.end_politely()
    parent = os.path.abspath(args.dir or args.build)
    with tempfile.TemporaryDirectory(prefix="checkpoints-", dir=parent) as folder:
        bench = Bench(args, folder)
        for name in args.parts or PARTS:
            PARTS[name](bench)
    good = rounds.table(bench.lines, COLUMNS)
    return 1 if args.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
