#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What durability costs: cairnd beside redis-server on the same disk in the same run.

Strict against appendfsync always, buffered against everysec, snapshots against SAVE, starts against
the load of an RDB and of an AOF; and of cairnd alone, what snapshots and strict writes do to those
who read. Prints a Markdown table. Exit status: 0, or 1 with --check if a bar is missed.

Data goes to a folder below --dir, which must be on the disk in question, and is removed again."""

import argparse
import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import rounds
import servers

VALUE_BYTES, KEYS, RECORDS = 64, 100000, 1000000
STARTS = 3
WINDOW_S = 5
REDIS = ["--auto-aof-rewrite-percentage", "0", "--aof-use-rdb-preamble", "no"]
ALWAYS = [*REDIS, "--appendonly", "yes", "--appendfsync", "always"]
EVERYSEC = [*REDIS, "--appendonly", "yes", "--appendfsync", "everysec"]
QUIET = ["snapshot.wal_bytes=1TiB", "snapshot.on_shutdown=false"]

# One line of the table. `value` is held against `bar`: at least, or at most, that.
Line = collections.namedtuple("Line", "figure ours theirs value at_least bar spread")


class Bench:
    """Servers with data of their own, and the lines of the table."""

    def __init__(self, args, folder):
        self.args, self.folder, self.lines = args, folder, []

    def data(self, name, keep=False):
        """A folder for data, empty unless kept."""
        path = os.path.join(self.folder, name)
        if not keep:
            shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path, exist_ok=True)
        return path

    def cairnd(self, mode, name="cairnd", keep=False, loops=1, cpu=True):
        """A cairnd in this mode that listens for RESP."""
        settings = [f"durability.mode={mode}", *QUIET]
        if mode != "memory":
            settings.append(f"data.dir={self.data(name, keep)}")
        return servers.cairnd(self.args.cairnd, self.args.server_cpu if cpu else None, loops,
                              "resp", settings)

    def redis(self, options, name="redis", keep=False, cpu=True):
        """A redis-server with these options."""
        return servers.redis(self.args.server_cpu if cpu else None,
                             ["--dir", self.data(name, keep), *options])

    def add(self, figure, ours, theirs, value, bar, at_least=False, spread=""):
        """A line of the table."""
        self.lines.append(Line(figure, ours, theirs, value, at_least, bar, spread))
        print(f"{figure}: {value:.2f}", file=sys.stderr)

    def loadgen(self, server, *options, cpu=True):
        """Run loadgen for one test; its result."""
        command = [self.args.loadgen, "-u", f"redis://{servers.HOST}:{server.port}", "--json",
                   "-d", str(VALUE_BYTES), *options]
        return only_result(rounds.run(command, self.args.client_cpu if cpu else None))

    def loadgen_begin(self, server, *options):
        """Start loadgen for one test; loadgen_end gives its result."""
        command = [self.args.loadgen, "-u", f"redis://{servers.HOST}:{server.port}", "--json",
                   "-d", str(VALUE_BYTES), *options]
        report = tempfile.TemporaryFile("w+", dir=self.folder)  # larger than a pipe
        process = subprocess.Popen(command, stdout=report,
                                   preexec_fn=servers.on_cpu(self.args.client_cpu))
        return process, report


def only_result(text):
    """The result in a report of one."""
    (result,) = json.loads(text)["results"].values()
    return result


def loadgen_end(begun):
    """The result of a loadgen that was begun."""
    process, report = begun
    process.wait(timeout=rounds.CLIENT_LIMIT_S)
    with report:
        report.seek(0)
        return only_result(report.read())


# ---- writes ----

def wal_counts(server):
    """(writes, syncs) of the log so far."""
    text = server.resp("INFO", "persistence").decode()
    info = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
    return int(info["cairn_wal_writes"]), int(info["cairn_wal_syncs"])


def by_redis_benchmark(bench, server, requests, connections, pipeline):
    """(requests a second, us of server CPU a request)."""
    command = ["redis-benchmark", "-h", servers.HOST, "-p", str(server.port), "-t", "set",
               "-n", str(requests), "-c", str(connections), "-P", str(pipeline),
               "-d", str(VALUE_BYTES), "-r", str(KEYS), "--csv"]
    figures = rounds.measure(server, command, requests, bench.args.client_cpu)
    return figures.rps, figures.cpu_us


def by_loadgen(bench, server, requests, connections, pipeline):
    """The same under loadgen."""
    before = server.cpu_ns()
    result = bench.loadgen(server, "-t", "set", "-n", str(requests), "-c", str(connections),
                           "-P", str(pipeline), "-r", str(KEYS))
    return result["ops_per_sec"], (server.cpu_ns() - before) / 1e3 / requests


def pairs(bench, ours, theirs, drive, *load):
    """[(figures of cairnd, of Redis)] of interleaved rounds; a first one does not count."""
    each = []
    for number in range(bench.args.rounds + 1):
        order = (ours, theirs) if number % 2 == 0 else (theirs, ours)
        figures = {server.kind: drive(bench, server, *load) for server in order}
        each.append((figures["cairnd"], figures["redis"]))
    return each[1:]


def ratio(each, column):
    """(median of ours, of theirs, of the ratios, text of the lowest and highest)."""
    ratios = sorted(a[column] / b[column] for a, b in each)
    middles = [statistics.median(pair[i][column] for pair in each) for i in (0, 1)]
    return (*middles, statistics.median(ratios), f"{ratios[0]:.2f}-{ratios[-1]:.2f}")


def strict(bench):
    """appendfsync always."""
    with bench.cairnd("strict") as ours, bench.redis(ALWAYS) as theirs:
        before = wal_counts(ours)
        alone = pairs(bench, ours, theirs, by_redis_benchmark, 3000, 1, 1)
        requests = 3000 * (bench.args.rounds + 1)
        writes, syncs = (now - then for now, then in zip(wal_counts(ours), before))
        a, b, value, spread = ratio(alone, 0)
        bench.add("strict, 1 client, SET/s", f"{a:,.0f}", f"{b:,.0f}", value, 0.95, True, spread)
        bench.add("strict, 1 client, writes + syncs of the log per SET",
                  f"{writes / requests:.3f} + {syncs / requests:.3f}", "-",
                  max(writes, syncs) / requests, 1.01)
        many = pairs(bench, ours, theirs, by_redis_benchmark, 60000, 64, 1)
        one = a
        a, b, value, spread = ratio(many, 0)
        bench.add("strict, 64 clients (redis-benchmark), SET/s", f"{a:,.0f}", f"{b:,.0f}", value,
                  1.25, True, spread)
        bench.add("strict, 64 clients to 1", f"{a:,.0f}", f"{one:,.0f} (cairnd)", a / one, 10, True)
        many = pairs(bench, ours, theirs, by_loadgen, 60000, 64, 1)
        a, b, value, spread = ratio(many, 0)
        bench.add("strict, 64 clients (loadgen), SET/s", f"{a:,.0f}", f"{b:,.0f}", value, 1.5, True,
                  spread)


def buffered(bench):
    """appendfsync everysec."""
    with bench.cairnd("buffered") as ours, bench.redis(EVERYSEC) as theirs:
        each = pairs(bench, ours, theirs, by_redis_benchmark, 1000000, 50, 16)
        a, b, value, spread = ratio(each, 1)
        bench.add("buffered, pipeline 16, us of CPU per SET", f"{a:.3f}", f"{b:.3f}", value, 0.5,
                  False, spread)
        each = pairs(bench, ours, theirs, by_redis_benchmark, 150000, 50, 1)
        a, b, value, spread = ratio(each, 1)
        bench.add("buffered, pipeline 1, us of CPU per SET", f"{a:.3f}", f"{b:.3f}", value, 1.0,
                  False, spread)


# ---- what readers notice ----

def fill(bench, server, records):
    """Write every record once."""
    bench.loadgen(server, "-t", "get", "-n", "1", "-P", "64", "-r", str(records), "--preload")


def read_p99(bench, mode):
    """p99 of reads, in us, among strict writes of other keys: 9,000 and 1,000 a second."""
    with bench.cairnd(mode) as server:
        fill(bench, server, KEYS)
        duration = ["--duration", str(WINDOW_S), "-r", str(KEYS)]
        writer = bench.loadgen_begin(server, "--rate", "1000", "-c", "16", *duration, "SET",
                                     "other:__rand_int__", "__data__")
        reads = bench.loadgen(server, "-t", "get", "--rate", "9000", "-c", "16", *duration)
        loadgen_end(writer)
        return reads["p99_ns"] / 1e3


def readers(bench):
    """Reads beside strict writes."""
    each = [(read_p99(bench, "strict"), read_p99(bench, "memory"))
            for _ in range(bench.args.rounds)]
    ratios = sorted(a / b for a, b in each)
    a, b = (statistics.median(column) for column in zip(*each))
    bench.add("strict, 90 % reads: p99 of reads, us", f"{a:.0f}", f"{b:.0f} (memory)",
              statistics.median(ratios), 2, False, f"{ratios[0]:.2f}-{ratios[-1]:.2f}")


# ---- snapshots ----

def snapshot_s(server, poll_s=0.001, meanwhile=lambda: None):
    """Seconds of one snapshot."""
    with server.resp_session() as call:
        begun = time.monotonic()
        call("BGSAVE")
        while b"rdb_bgsave_in_progress:1" in call("INFO", "persistence"):
            meanwhile()
            time.sleep(poll_s)
        return time.monotonic() - begun


def save_s(server):
    """Seconds of SAVE, which stops Redis meanwhile."""
    begun = time.monotonic()
    server.resp("SAVE")
    return time.monotonic() - begun


def snapshots(bench):
    """Time, and what it does to readers and memory."""
    with bench.cairnd("buffered", loops=2, cpu=False) as ours, \
            bench.redis(["--appendonly", "no"], cpu=False) as theirs:
        fill(bench, ours, RECORDS)
        fill(bench, theirs, RECORDS)
        each = [((snapshot_s(ours),), (save_s(theirs),)) for _ in range(bench.args.rounds)]
        a, b, value, spread = ratio(each, 0)
        bench.add("snapshot of 1,000,000 records, s", f"{a:.3f}", f"{b:.3f} (SAVE)", value, 0.5,
                  False, spread)
    with bench.cairnd("buffered") as server:
        fill(bench, server, RECORDS)
        tails(bench, server)
        memory(bench, server)


def tails(bench, server):
    """p99.9 of GETs at half of the highest rate, with one snapshot after the other and without."""
    keys = ["-t", "get", "-c", "50", "-r", str(RECORDS), "--duration", str(WINDOW_S)]
    half = bench.loadgen(server, *keys)["ops_per_sec"] / 2
    each = []
    for _ in range(bench.args.rounds):
        calm = bench.loadgen(server, *keys, "--rate", f"{half:.0f}")["p999_ns"] / 1e3
        reader = bench.loadgen_begin(server, *keys, "--rate", f"{half:.0f}")
        while reader[0].poll() is None and snapshot_s(server, 0.02):
            pass
        each.append(((loadgen_end(reader)["p999_ns"] / 1e3,), (calm,)))
    a, b, value, spread = ratio(each, 0)
    bench.add(f"GET at {half:,.0f}/s among snapshots: p99.9, us", f"{a:.0f}", f"{b:.0f} (without)",
              value, 1.5, False, spread)


def memory(bench, server):
    """Resident memory while every key is overwritten, during a snapshot."""
    writes = ["-t", "set", "-n", str(2 * RECORDS), "-r", str(RECORDS), "-P", "16",
              "--key-pattern", "sequential"]
    bench.loadgen(server, *writes)
    resident = [server.rss_kib()]
    writer = bench.loadgen_begin(server, *writes)
    while writer[0].poll() is None:
        snapshot_s(server, 0.001, lambda: resident.append(server.rss_kib()))
    loadgen_end(writer)
    bench.add("resident memory while a snapshot is made and all keys are overwritten, KiB",
              f"{max(resident):,}", f"{resident[0]:,} (before)", max(resident) / resident[0], 1.05)


# ---- starts ----

def start_s(start):
    """Seconds until a server that is started answers, and has its records."""
    server = start()
    try:
        begun = time.monotonic()
        while True:
            try:
                records = server.resp("DBSIZE")
                break
            except SystemExit:  # Redis: it is loading
                time.sleep(0.0005)
        seconds = server.start_ms / 1e3 + time.monotonic() - begun
        if records != RECORDS:
            raise SystemExit(f"{server.kind} came back with {records} records")
        return seconds
    finally:
        server.kill()
        server.stop()


def starts(bench):
    """From a snapshot against an RDB; from a log against an AOF."""
    for what, options, bar in (("load of a snapshot", ["--appendonly", "no"], 0.4),
                               ("replay of a log", EVERYSEC, 0.3)):
        snapshot = bar == 0.4
        with bench.cairnd("buffered", loops=2, cpu=False) as ours, \
                bench.redis(options, cpu=False) as theirs:
            fill(bench, ours, RECORDS)
            fill(bench, theirs, RECORDS)
            if snapshot:
                snapshot_s(ours)
                save_s(theirs)
            time.sleep(1.5)  # everysec
            ours.kill()
            theirs.kill()
        each = []
        for _ in range(max(STARTS, bench.args.rounds)):
            theirs = start_s(lambda: bench.redis(options, keep=True, cpu=False))
            ours = start_s(lambda: bench.cairnd("buffered", keep=True, loops=2, cpu=False))
            each.append(((ours,), (theirs,)))
        a, b, value, spread = ratio(each, 0)
        bench.add(f"{what}, 1,000,000 records, to the first reply, s", f"{a:.3f}", f"{b:.3f}",
                  value, bar, False, spread)


PARTS = {"strict": strict, "buffered": buffered, "readers": readers, "snapshots": snapshots,
         "starts": starts}


def table(lines):
    """The Markdown table, and whether every bar is met."""
    print("| figure | cairnd | Redis, or beside it | ratio | spread | bar | verdict |")
    print("|---|--:|--:|--:|---|--:|---|")
    good = True
    for line in lines:
        met = line.value >= line.bar if line.at_least else line.value <= line.bar
        good = good and met
        print(f"| {line.figure} | {line.ours} | {line.theirs} | {line.value:.2f} | {line.spread} | "
              f"{'>=' if line.at_least else '<='} {line.bar} | {'met' if met else '**missed**'} |")
    return good


def main():
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    rounds.add_cpu_options(parser)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--dir", help="where data goes (the build folder)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS) + " (all)")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    servers.resolve_paths(args, "cairnd", "loadgen")
    rounds.end_politely()
    with tempfile.TemporaryDirectory(prefix="durability-", dir=args.dir or args.build) as folder:
        bench = Bench(args, folder)
        for name in args.parts or PARTS:
            PARTS[name](bench)
    good = table(bench.lines)
    return 1 if args.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
