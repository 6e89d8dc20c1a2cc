#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-benchmark against cairnd and against redis-server: the same client, the same bytes.

Both servers run all the time, in memory, on one CPU; the client runs on another. Rounds are
interleaved, and which server goes first alternates; a figure is the median of its rounds, a ratio
stands with the lowest and highest of a round. Prints a Markdown table, and writes it with --out
PREFIX to PREFIX.md, and all figures to PREFIX.json. scripts/compare-redis.sh installs and builds
what it needs. Exit status: 0 done, 1 --check was given and a target missed."""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys

import rounds
import servers

TESTS = {  # as redis-benchmark calls them: (title, part of the requests, for it has more keys)
    "set": ("SET", 1), "get": ("GET", 1), "incr": ("INCR", 1), "mset": ("MSET, 10 keys", 0.2),
    "ping_mbulk": ("PING", 1),
}
WITH_TARGET = ("set", "get")
RPS_TARGETS = {64: 2.2}  # requests per second: cairnd / Redis, at this pipeline, at least
WARM_UP = 0.1  # of the requests of a run
QUICK = {"rounds": 1, "scale": 0.005, "fill": 0.1}


def measure(server, args, test, pipeline, scale=1):
    """The Figures of one run."""
    requests = int(rounds.REQUESTS[pipeline] * TESTS[test][1] * args.scale * scale)
    command = rounds.redis_benchmark(server, test, pipeline, requests)
    return rounds.measure(server, command, requests, args.client_cpu)


def first_line(*command):
    """What a program says to --version."""
    return subprocess.run(command, capture_output=True, text=True, timeout=30,
                          check=True).stdout.split("\n")[0]


def field(path, pattern):
    """What a pattern finds in a file, or "unknown"."""
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read(), re.M)
    return found[1] if found else "unknown"


def circumstances(args):
    """Everything but the figures that a reader must know."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": field("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "system": field("/etc/os-release", r'^PRETTY_NAME="?(.*?)"?$'),
        "cairnd": first_line(args.cairnd, "--version"),
        "redis": first_line("redis-server", "--version"),
        "client": first_line("redis-benchmark", "--version"),
        "server_cpu": args.server_cpu, "client_cpu": args.client_cpu,
        "connections": rounds.CONNECTIONS, "value_bytes": rounds.VALUE_BYTES, "keys": rounds.KEYS,
        "rounds": args.rounds,
        "requests": {p: int(n * args.scale) for p, n in rounds.REQUESTS.items()},
    }


def row(results, test, pipeline):
    """One row of the table, with all it was made from."""
    ours, theirs = results["cairnd", test, pipeline], results["redis", test, pipeline]
    found = {"test": TESTS[test][0], "pipeline": pipeline}
    for name, runs in (("cairnd", ours), ("redis", theirs)):
        found[name] = {"median": rounds.medians(runs)._asdict(),
                       "rounds": [figures._asdict() for figures in runs]}
    for column in ("cpu_us", "rps"):
        middle, low, high = rounds.ratios(ours, theirs, column)
        found[column + "_ratio"] = {"median": middle, "low": low, "high": high}
    if test in WITH_TARGET:
        found["targets"] = {"cpu_us_ratio_at_most": rounds.TARGETS[pipeline]}
        if pipeline in RPS_TARGETS:
            found["targets"]["rps_ratio_at_least"] = RPS_TARGETS[pipeline]
    return found


def misses(rows):
    """A sentence for each target that was missed."""
    for one in rows:
        title = f"{one['test']} at pipeline {one['pipeline']}"
        targets = one.get("targets", {})
        cpu, rps = one["cpu_us_ratio"]["median"], one["rps_ratio"]["median"]
        if cpu > targets.get("cpu_us_ratio_at_most", cpu):
            yield f"{title}: CPU ratio {cpu:.2f}, above {targets['cpu_us_ratio_at_most']}"
        if rps < targets.get("rps_ratio_at_least", rps):
            yield f"{title}: throughput ratio {rps:.2f}, below {targets['rps_ratio_at_least']}"


def markdown(about, rows):
    """The report for people."""
    one_cpu = about["server_cpu"] == about["client_cpu"]
    lines = [
        f"`redis-benchmark` against `cairnd` and `redis-server`, {about['date']}: "
        f"{about['connections']} connections, {about['value_bytes']}-byte values, "
        f"{about['keys']:,} keys, in memory, one event loop; medians of {about['rounds']} "
        "interleaved rounds. A ratio is cairnd / Redis, with the lowest and highest of a round: "
        "of CPU time lower is better, of throughput higher.", "",
        f"* {about['cpu']}, {about['cpus']} CPUs, Linux {about['kernel']}, {about['system']}",
        ("* **server and client share the one CPU of this machine: throughput and latency say "
         "little**" if one_cpu else
         f"* server on CPU {about['server_cpu']}, client on CPU {about['client_cpu']}"),
        f"* {about['cairnd']}; {about['redis'].split(' sha=')[0]}; {about['client']}", "",
        "| test | pipeline | cairnd CPU us/op | Redis CPU us/op | ratio | cairnd req/s "
        "| Redis req/s | ratio | cairnd p50 / p99 ms | Redis p50 / p99 ms |",
        "|---|--:|--:|--:|---|--:|--:|---|--:|--:|"]
    for one in rows:
        a, b = (rounds.Figures(**one[name]["median"]) for name in ("cairnd", "redis"))
        cpu, rps = ("{median:.2f} ({low:.2f}-{high:.2f})".format(**one[name])
                    for name in ("cpu_us_ratio", "rps_ratio"))
        lines.append(f"| {one['test']} | {one['pipeline']} | {a.cpu_us:.3f} | {b.cpu_us:.3f} "
                     f"| {cpu} | {a.rps:,.0f} | {b.rps:,.0f} | {rps} "
                     f"| {a.p50_ms:.3f} / {a.p99_ms:.3f} | {b.p50_ms:.3f} / {b.p99_ms:.3f} |")
    return "\n".join(lines) + "\n"


def compare(args):
    """Start both servers, run all rounds, and return the results."""
    cases = [(test, pipeline) for test in TESTS for pipeline in rounds.REQUESTS]
    cpu = args.server_cpu
    with servers.cairnd(args.cairnd, cpu, protocol="resp") as ours, servers.redis(cpu) as theirs:
        for server in (ours, theirs):
            rounds.fill(server, args.client_cpu, args.fill)
            for case in cases:
                measure(server, args, *case, scale=WARM_UP)
        return rounds.interleave((ours, theirs), cases, args.rounds,
                                 lambda server, *case: measure(server, args, *case))


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd")
    rounds.add_cpu_options(parser)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of both servers (5)")
    parser.add_argument("--scale", type=float, default=1, help="times as many requests (1)")
    parser.add_argument("--quick", action="store_true",
                        help="one round of few requests, to see that it works")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--out", metavar="PREFIX", help="write PREFIX.md and PREFIX.json")
    parser.set_defaults(fill=rounds.FILL_WRITES)
    args = parser.parse_args()
    servers.resolve_paths(args, "cairnd")
    if args.quick:
        vars(args).update(QUICK)
    if args.rounds < 1 or args.scale <= 0:
        parser.error("--rounds and --scale must be positive")
    fit_cpus(args, parser)
    return args


def fit_cpus(args, parser):
    """Check the CPUs; on a machine with one, share it and say so."""
    there = os.sched_getaffinity(0)
    if len(there) == 1:
        args.server_cpu = args.client_cpu = min(there)
        print("one CPU: the client takes time from the server it measures", file=sys.stderr)
    if not {args.server_cpu, args.client_cpu} <= there:
        parser.error(f"these CPUs are not there (they are {sorted(there)}); see --server-cpu and "
                     "--client-cpu")


def main():
    """Run as a program."""
    args = parse_args()
    rounds.end_politely()
    about, results = circumstances(args), compare(args)
    rows = [row(results, test, pipeline) for test in TESTS for pipeline in rounds.REQUESTS]
    report = markdown(about, rows)
    print(report, end="")
    if args.out:
        with open(args.out + ".md", "w", encoding="utf-8") as file:
            file.write(report)
        with open(args.out + ".json", "w", encoding="utf-8") as file:
            json.dump({**about, "rows": rows}, file, indent=2)
            file.write("\n")
    missed = list(misses(rows)) if args.check else []
    print("".join(f"missed: {text}\n" for text in missed), end="", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
