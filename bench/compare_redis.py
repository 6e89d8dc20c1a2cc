#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --vs: cairnd against redis-server, the same client, the same bytes, and redis-benchmark
as a second witness.

Both servers run all the time, in memory, on one CPU; the client runs on another. For each test and
pipeline loadgen measures Redis (A) and cairnd (B) in turn: the ratio of a figure is the median of
those of the pairs, with its 95 % confidence interval and a verdict. Then redis-benchmark does the
same in interleaved rounds, and its ratios stand beside. Prints a Markdown table, and writes it with
--out PREFIX to PREFIX.md, and all figures to PREFIX.json. scripts/compare-redis.sh installs and
builds what it needs. Exit status: 0 done, 1 --check was given and a target missed."""

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
QUICK = {"rounds": 1, "witness": 1, "scale": 0.005, "fill": 0.1}
# Columns of rounds.Figures, and what loadgen calls them.
METRICS = {"cpu_us": "server.us_per_op", "rps": "ops_per_sec", "p50_ms": "median_ns",
           "p99_ms": "p99_ns"}
STATUSES = (0, 1, 3)  # of loadgen: cairnd is not worse, worse, too few rounds to tell


def requests_of(args, test, pipeline, scale=1):
    """How many requests a run has."""
    return int(rounds.REQUESTS[pipeline] * TESTS[test][1] * args.scale * scale)


def versus(ours, theirs, args, test, pipeline):
    """{column: what loadgen says about it} of Redis (a) and cairnd (b)."""
    options = rounds.client_options(theirs, test, pipeline, requests_of(args, test, pipeline))
    command = [args.loadgen, *options, "--protocol", "resp2", "--pipeline-mode", "batch",
               "--vs", f"redis://{servers.HOST}:{ours.port}", "--pairs", str(args.rounds),
               "--json"]
    document = json.loads(rounds.run(command, args.client_cpu, accept=STATUSES))
    failures = {result["failure"] for result in document["results"].values()
                if "failure" in result}
    if failures or any(result["errors"] for result in document["results"].values()):
        raise SystemExit(f"loadgen: {test} at pipeline {pipeline}: {failures or 'errors'}")
    figures = {row["metric"]: row for row in document["versus"]["figures"]}
    return {column: figures[metric] for column, metric in METRICS.items()}


def measure(server, args, test, pipeline, scale=1):
    """The Figures of one run of redis-benchmark."""
    requests = requests_of(args, test, pipeline, scale)
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
        "client": first_line(args.loadgen, "--version"),
        "witness": first_line("redis-benchmark", "--version"),
        "server_cpu": args.server_cpu, "client_cpu": args.client_cpu,
        "connections": rounds.CONNECTIONS, "value_bytes": rounds.VALUE_BYTES, "keys": rounds.KEYS,
        "rounds": args.rounds, "witness_rounds": args.witness,
        "requests": {p: int(n * args.scale) for p, n in rounds.REQUESTS.items()},
    }


def witness_row(results, test, pipeline):
    """What redis-benchmark says."""
    ours, theirs = results["cairnd", test, pipeline], results["redis", test, pipeline]
    found = {}
    for name, runs in (("cairnd", ours), ("redis", theirs)):
        found[name] = {"median": rounds.medians(runs)._asdict(),
                       "rounds": [figures._asdict() for figures in runs]}
    for column in ("cpu_us", "rps"):
        middle, low, high = rounds.ratios(ours, theirs, column)
        found[column + "_ratio"] = {"median": middle, "low": low, "high": high}
    return found


def row(compared, results, test, pipeline):
    """One row of the table, with all it was made from."""
    figures = compared[test, pipeline]
    found = {"test": TESTS[test][0], "pipeline": pipeline, "versus": figures}
    for name, side in (("redis", "a"), ("cairnd", "b")):
        found[name] = {"median": {column: figures[column][side] for column in METRICS}}
    for column in ("cpu_us", "rps"):
        found[column + "_ratio"] = {"median": figures[column]["ratio"],
                                    **{key: figures[column][key] for key in ("low", "high")}}
    if results:
        found["witness"] = witness_row(results, test, pipeline)
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


def ratio_cell(ratio, verdict=""):
    """A ratio with its interval."""
    text = "{median:.2f} ({low:.2f}-{high:.2f})".format(**ratio)
    return f"{text} {verdict}" if verdict in ("better", "worse") else text


def markdown(about, rows):
    """The report for people."""
    one_cpu = about["server_cpu"] == about["client_cpu"]
    lines = [
        f"`loadgen --vs`: `cairnd` against `redis-server`, both by RESP, {about['date']}: "
        f"{about['connections']} connections, {about['value_bytes']}-byte values, "
        f"{about['keys']:,} keys, in memory, one event loop; medians of {about['rounds']} "
        "interleaved rounds. A ratio is cairnd / Redis with its 95 % confidence interval, and a "
        "verdict where there is one: of CPU time lower is better, of throughput higher. "
        f"redis-benchmark: its ratios in {about['witness_rounds']} rounds, with the lowest and "
        "highest.", "",
        f"* {about['cpu']}, {about['cpus']} CPUs, Linux {about['kernel']}, {about['system']}",
        ("* **server and client share the one CPU of this machine: throughput and latency say "
         "little**" if one_cpu else
         f"* server on CPU {about['server_cpu']}, client on CPU {about['client_cpu']}"),
        f"* {about['cairnd']}; {about['redis'].split(' sha=')[0]}; {about['client']}; "
        f"{about['witness']}", "",
        "| test | pipeline | cairnd CPU us/op | Redis CPU us/op | ratio | cairnd req/s "
        "| Redis req/s | ratio | cairnd p50 / p99 ms | Redis p50 / p99 ms "
        "| redis-benchmark: CPU | throughput |",
        "|---|--:|--:|--:|---|--:|--:|---|--:|--:|---|---|"]
    for one in rows:
        a, b = (rounds.Figures(**one[name]["median"]) for name in ("cairnd", "redis"))
        cpu, rps = (ratio_cell(one[column + "_ratio"], one["versus"][column]["verdict"])
                    for column in ("cpu_us", "rps"))
        seen = [ratio_cell(one["witness"][column + "_ratio"]) if "witness" in one else "-"
                for column in ("cpu_us", "rps")]
        lines.append(f"| {one['test']} | {one['pipeline']} | {a.cpu_us:.3f} | {b.cpu_us:.3f} "
                     f"| {cpu} | {a.rps:,.0f} | {b.rps:,.0f} | {rps} "
                     f"| {a.p50_ms:.3f} / {a.p99_ms:.3f} | {b.p50_ms:.3f} / {b.p99_ms:.3f} "
                     f"| {seen[0]} | {seen[1]} |")
    return "\n".join(lines) + "\n"


def witness(servers_of_both, args, cases):
    """The results of redis-benchmark; none if it is not asked."""
    if args.witness == 0:
        return {}
    for server in servers_of_both:
        for case in cases:
            measure(server, args, *case, scale=WARM_UP)
    return rounds.interleave(servers_of_both, cases, args.witness,
                             lambda server, *case: measure(server, args, *case))


def compare(args):
    """Start both servers, measure, and return what loadgen and redis-benchmark say."""
    cases = [(test, pipeline) for test in TESTS for pipeline in rounds.REQUESTS]
    cpu, compared = args.server_cpu, {}
    with servers.cairnd(args.cairnd, cpu, protocol="resp") as ours, servers.redis(cpu) as theirs:
        for server in (ours, theirs):
            rounds.fill(server, args.client_cpu, args.fill)
        for case in cases:
            compared[case] = versus(ours, theirs, args, *case)
            print(f"{case[0]} at pipeline {case[1]} done", file=sys.stderr)
        return compared, witness((ours, theirs), args, cases)


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    rounds.add_cpu_options(parser)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs of loadgen (5)")
    parser.add_argument("--witness", type=int, default=3, metavar="ROUNDS",
                        help="rounds of redis-benchmark (3); 0: it is not asked")
    parser.add_argument("--scale", type=float, default=1, help="times as many requests (1)")
    parser.add_argument("--quick", action="store_true",
                        help="one round of few requests, to see that it works")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--out", metavar="PREFIX", help="write PREFIX.md and PREFIX.json")
    parser.set_defaults(fill=rounds.FILL_WRITES)
    args = parser.parse_args()
    servers.resolve_paths(args, "cairnd", "loadgen")
    if args.quick:
        vars(args).update(QUICK)
    if args.rounds < 1 or args.witness < 0 or args.scale <= 0:
        parser.error("--rounds and --scale must be positive, --witness not negative")
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
    about, (compared, results) = circumstances(args), compare(args)
    rows = [row(compared, results, *case) for case in compared]
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
