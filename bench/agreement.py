#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does loadgen measure what redis-benchmark measures, and what does each cost?

One redis-server, in memory, on one CPU; both clients on another, in turn, which goes first
alternates; closed loop, the same connections, keys, values, batches and number of requests. Of
throughput and of CPU time of the client per request the median of the ratios of the pairs stands
with its 95 % confidence interval. redis-benchmark takes its latencies from sending to the first
byte of the reply and keeps them in steps of 8 us: those of loadgen (ttfb) are put on the same
steps. Prints a Markdown table. Exit status: 0 they agree, 1 they do not: the interval of the
throughput does not hold 1 though neither client was the bottleneck, or a percentile is off by more
than a step."""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

import rounds
import servers

TESTS = ("set", "get")
PIPELINES = (1, 16)
STEP_US = 8
RESAMPLES, SEED = 10000, 20240
BUSY = 0.9  # a client that was on its CPU for so much of the time is the bottleneck
PERCENTILES = {"p50_latency_ms": "median_ns", "p95_latency_ms": "p95_ns",
               "p99_latency_ms": "p99_ns"}
QUICK = {"pairs": 2, "requests": 2000}


def run(command, cpu):
    """(standard output, CPU time in us) of a client."""
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL,
                                 stdin=subprocess.DEVNULL, preexec_fn=servers.on_cpu(cpu))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{text}")
    return text, 1e6 * (usage.ru_utime + usage.ru_stime)


def on_grid(us):
    """The upper end of the step in which a latency lies, in us, as redis-benchmark tells it."""
    return int(us // STEP_US) * STEP_US + STEP_US - 1


def efficiency(args, rate, cpu_us):
    """Throughput, CPU time a request, share of the CPU while requests were sent."""
    return {"rps": rate, "cpu_us": cpu_us / args.requests,
            "busy": cpu_us * rate / args.requests / 1e6}


def redis_benchmark(server, args, test, pipeline):
    """One run: what it cost, and latencies in us."""
    text, cpu_us = run(rounds.redis_benchmark(server, test, pipeline, args.requests),
                       args.client_cpu)
    row = rounds.redis_row(text)
    rate = float(row["rps"])
    return {**efficiency(args, rate, cpu_us),
            **{name: round(1000 * float(row[name])) for name in PERCENTILES}}


def loadgen(server, args, test, pipeline):
    """The same of loadgen."""
    options = rounds.client_options(server, test, pipeline, args.requests)
    text, cpu_us = run([args.loadgen, *options, "--protocol", "resp2", "--pipeline-mode", "batch",
                        "--json"], args.client_cpu)
    (result,) = json.loads(text)["results"].values()
    rate = result["ops_per_sec"]
    return {**efficiency(args, rate, cpu_us),
            **{name: on_grid(result["ttfb"][key] / 1000) for name, key in PERCENTILES.items()}}


def interval(values):
    """(median, low, high): the percentile bootstrap of the median."""
    dice = random.Random(SEED)
    drawn = sorted(statistics.median(dice.choices(values, k=len(values)))
                   for _ in range(RESAMPLES))
    tail = RESAMPLES // 40
    return statistics.median(values), drawn[tail], drawn[-1 - tail]


def judge(pairs):
    """(what differs, the columns of the table) of [(redis-benchmark, loadgen)]."""
    ratios = {name: interval([ours[name] / theirs[name] for theirs, ours in pairs])
              for name in ("rps", "cpu_us")}
    middle = [{name: statistics.median(one[side][name] for one in pairs) for name in pairs[0][0]}
              for side in (0, 1)]
    limited = max(one["busy"] for one in middle) > BUSY
    wrong = []
    if not ratios["rps"][1] <= 1 <= ratios["rps"][2] and not limited:
        wrong.append("throughput")
    steps = {name: (middle[1][name] - middle[0][name]) / STEP_US for name in PERCENTILES}
    wrong += [name[:3] for name, off in steps.items() if abs(off) > 1]
    cells = [f"{one['rps']:,.0f}" for one in middle]
    cells += ["{:.3f} ({:.3f}-{:.3f})".format(*ratios["rps"])]
    cells += [f"{one['cpu_us']:.2f}" for one in middle]
    cells += ["{:.2f} ({:.2f}-{:.2f})".format(*ratios["cpu_us"])]
    cells += [f"{middle[0][name]:.0f} / {middle[1][name]:.0f}" for name in PERCENTILES]
    verdict = "differ: " + ", ".join(wrong) if wrong else "agree"
    return wrong, cells + [verdict + (" (a client is the bottleneck)" if limited else "")]


def measure(server, args, test, pipeline):
    """[(redis-benchmark, loadgen)] of all pairs; one before is discarded."""
    pairs = []
    for number in range(args.pairs + 1):
        tools = (redis_benchmark, loadgen) if number % 2 == 0 else (loadgen, redis_benchmark)
        seen = {tool: tool(server, args, test, pipeline) for tool in tools}
        pairs.append((seen[redis_benchmark], seen[loadgen]))
        print(f"{test} at pipeline {pipeline}: pair {number} of {args.pairs} done",
              file=sys.stderr)
    return pairs[1:]


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "loadgen")
    rounds.add_cpu_options(parser)
    parser.add_argument("--pairs", type=int, default=12, help="runs of each (12)")
    parser.add_argument("--requests", type=int, default=5000000,
                        help="of each run (5,000,000: redis-benchmark takes its time in ms)")
    parser.add_argument("--quick", action="store_true", help="to see that it works")
    args = parser.parse_args()
    if args.quick:
        vars(args).update(QUICK)
    if args.pairs < 1 or args.requests < 1:
        parser.error("--pairs and --requests must be positive")
    servers.resolve_paths(args, "loadgen")
    return args


def main():
    """Run as a program."""
    args = parse_args()
    rounds.end_politely()
    wrong = []
    print("| test | pipeline | redis-benchmark req/s | loadgen req/s | ratio | redis-benchmark CPU "
          "us/req | loadgen CPU us/req | ratio | p50 us | p95 us | p99 us | verdict |")
    print("|---|--:|--:|--:|---|--:|--:|---|--:|--:|--:|---|")
    with servers.redis(args.server_cpu) as server:
        rounds.fill(server, args.client_cpu)
        for pipeline in PIPELINES:
            for test in TESTS:
                differs, cells = judge(measure(server, args, test, pipeline))
                print("| " + " | ".join([test.upper(), str(pipeline), *cells]) + " |", flush=True)
                wrong += differs
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
