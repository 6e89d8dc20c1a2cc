#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What load generators say of a server that stalls, beside what is true.

A server is stopped (SIGSTOP) once, for --stall seconds of the --seconds that each tool has, at
--rate requests a second where it can keep a rate. Whoever comes while a server stands still waits
for the rest of the stall, so that the response time at quantile q is

    S - (1 - q) (1 - load) T        S: stall, T: time, load: share of the server's highest rate

A closed loop stops sending meanwhile, and shows hardly any of it. redis-benchmark is always there,
valkey-benchmark and memtier_benchmark where they are installed, loadgen with a rate and without.
Each tool has a new server, so that none is measured with the leftovers of another. Prints a
Markdown table. Exit status: 0 loadgen is within --tolerance of the law, 1 it is not."""

import argparse
import collections
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import rounds
import servers

CONNECTIONS = 10
QUANTILES = (0.5, 0.95, 0.99, 0.999)
CALIBRATE = 20000
LIMIT_S = 600

# name; what it does; its command for a Run; how its output is read: {quantile or "max": seconds}.
Tool = collections.namedtuple("Tool", "name load command read")
# A server and what the tools are to do with it.
Run = collections.namedtuple("Run", "server args rate requests folder")


def target(run):
    """Where the server is, as redis-benchmark has it."""
    return ["-h", servers.HOST, "-p", str(run.server.port)]


# ---- tools ----

def redis_benchmark(run):
    """Closed loop: as many requests as it is expected to manage in the time."""
    return ["redis-benchmark", *target(run), "-t", "set", "-c", str(CONNECTIONS), "-n",
            str(run.requests), "--csv"]


def valkey_benchmark(run):
    """Its --rps is kept over all connections."""
    return ["valkey-benchmark", *target(run), "-t", "set", "-c", str(CONNECTIONS), "-n",
            str(round(run.rate * run.args.seconds)), "--rps", str(round(run.rate)), "--csv"]


def read_csv(run, text):
    """The columns of redis-benchmark --csv."""
    del run
    (row,) = csv.DictReader(text[text.index('"test"'):].splitlines())
    names = {0.5: "p50", 0.95: "p95", 0.99: "p99", "max": "max"}
    return {at: float(row[f"{name}_latency_ms"]) / 1e3 for at, name in names.items()}


def memtier(run):
    """Its rate is that of a connection."""
    return ["memtier_benchmark", "-s", servers.HOST, "-p", str(run.server.port), "-P", "redis",
            "-c", str(CONNECTIONS), "-t", "1", "--ratio", "1:0", "--hide-histogram", "--test-time",
            str(round(run.args.seconds)), "--rate-limiting", str(round(run.rate / CONNECTIONS)),
            "--print-percentiles", "50,95,99,99.9", "--json-out-file", memtier_file(run)]


def memtier_file(run):
    """Where memtier writes."""
    return os.path.join(run.folder, "memtier.json")


def read_memtier(run, text):
    """The totals of its JSON."""
    del text
    with open(memtier_file(run), encoding="utf-8") as file:
        totals = json.load(file)["ALL STATS"]["Totals"]
    found = {round(float(name.lstrip("p")) / 100, 6): value / 1e3
             for name, value in totals.get("Percentile Latencies", {}).items()
             if name.startswith("p")}
    if "Max Latency" in totals:
        found["max"] = totals["Max Latency"] / 1e3
    return found


def loadgen(*words):
    """loadgen with these options."""
    def command(run):
        return [run.args.loadgen, *target(run), "--protocol", "resp2", "-t", "set", "-c",
                str(CONNECTIONS), "--duration", f"{1000 * run.args.seconds:.0f}ms", "--json",
                *(word.format(rate=run.rate) for word in words)]
    return command


def read_loadgen(run, text):
    """The response times of its JSON."""
    del run
    (result,) = json.loads(text)["results"].values()
    names = {0.5: "median_ns", 0.95: "p95_ns", 0.99: "p99_ns", 0.999: "p999_ns", "max": "max_ns"}
    return {at: result[name] / 1e9 for at, name in names.items()}


TOOLS = (
    Tool("redis-benchmark", "closed loop", redis_benchmark, read_csv),
    Tool("valkey-benchmark", "--rps", valkey_benchmark, read_csv),
    Tool("memtier_benchmark", "--rate-limiting", memtier, read_memtier),
    Tool("loadgen", "closed loop", loadgen(), read_loadgen),
    Tool("loadgen", "--rate", loadgen("--rate", "{rate}"), read_loadgen),
)


def installed(tool):
    """Can it be run?"""
    return tool.name == "loadgen" or shutil.which(tool.name) is not None


# ---- the stall ----

def highest_rate(server):
    """Requests a second of a closed loop on this server."""
    text = rounds.run(["redis-benchmark", "-h", servers.HOST, "-p", str(server.port), "-t", "set",
                       "-c", str(CONNECTIONS), "-n", str(CALIBRATE), "--csv"], None)
    return float(rounds.redis_row(text)["rps"])


def stall(server, seconds):
    """Stop a server for so long; how long it was."""
    os.kill(server.pid, signal.SIGSTOP)
    begun = time.monotonic()
    try:
        time.sleep(seconds)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    return time.monotonic() - begun


def measure(tool, args, folder):
    """(what the tool says, what is true of an open loop) of a server of its own."""
    start = {"redis": servers.redis,
             "cairnd": lambda: servers.cairnd(args.cairnd, protocol="resp")}[args.server]
    with start() as server:
        most = highest_rate(server)
        run = Run(server, args, args.rate, round(most * args.seconds), folder)
        with tempfile.TemporaryFile("w+") as out:
            client = subprocess.Popen(tool.command(run), stdout=out, stderr=subprocess.DEVNULL,
                                      stdin=subprocess.DEVNULL)
            try:
                time.sleep(args.seconds / 4)
                stalled = stall(server, args.stall)
                if client.wait(LIMIT_S) not in (0, 1):  # 1: a warning of some
                    raise SystemExit(f"{tool.name} ended with {client.returncode}")
            finally:
                client.kill()
                client.wait()
            out.seek(0)
            found = tool.read(run, out.read())
    truth = {q: max(0, stalled - (1 - q) * (1 - args.rate / most) * args.seconds)
             for q in QUANTILES}
    return found, {**truth, "max": stalled}


# ---- the table ----

COLUMNS = (0.5, 0.95, 0.99, 0.999, "max")


def line(name, load, figures):
    """A row, in ms."""
    cells = (f"{1e3 * figures[at]:,.1f}" if at in figures else "-" for at in COLUMNS)
    return f"| {name} | {load} | " + " | ".join(cells) + " |"


def is_true(found, truth, tolerance):
    """Are the quantiles that the stall decides as the law has them?"""
    return all(abs(found[q] / truth[q] - 1) <= tolerance
               for q in QUANTILES if truth[q] > 0.1 * truth["max"])


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    parser.add_argument("--server", choices=("redis", "cairnd"), default="redis")
    parser.add_argument("--seconds", type=float, default=10, help="of each tool (10)")
    parser.add_argument("--stall", type=float, default=1, help="seconds of that (1)")
    parser.add_argument("--rate", type=float, default=1000, help="requests a second (1000)")
    parser.add_argument("--tolerance", type=float, default=0.05, help="of loadgen --rate (0.05)")
    args = parser.parse_args()
    if args.stall > args.seconds / 2:
        parser.error("--stall must be at most half of --seconds")
    if shutil.which("redis-benchmark") is None or shutil.which("redis-server") is None:
        parser.error("redis-server and redis-benchmark are missing; install redis-tools, "
                     "redis-server")
    servers.resolve_paths(args, "cairnd", "loadgen")
    return args


def main():
    """Run as a program."""
    args = parse_args()
    rounds.end_politely()
    good, rows, truth = True, [], {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for tool in TOOLS:
            if not installed(tool):
                rows.append(f"| {tool.name} | {tool.load} | not installed | | | | |")
                continue
            print(f"{tool.name}, {tool.load} ...", file=sys.stderr)
            found, truth = measure(tool, args, folder)
            rows.append(line(tool.name, tool.load, found))
            if tool == TOOLS[-1]:
                good = is_true(found, truth, args.tolerance)
    print(f"{args.server}, stopped for {args.stall:g} s of {args.seconds:g} s, "
          f"{args.rate:g} requests/s; ms\n")
    print("| tool | load | p50 | p95 | p99 | p99.9 | max |\n|---|---|--:|--:|--:|--:|--:|")
    print(*rows, sep="\n")
    print(line("**true**", f"{args.rate:g}/s", truth))
    if not good:
        print("\nloadgen is not what the law says: is the machine busy?")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
