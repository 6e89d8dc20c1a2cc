#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""CPU time of the server per operation: cairnd with loadgen against Redis with redis-benchmark.

Each server has CPU 0 to itself while it is measured, its client CPU 1; 50 connections, 64-byte
values, 100,000 keys, all of which exist. The two are interleaved, and which goes first alternates;
every figure is the median of the rounds. Prints a Markdown table. Exit status: 0 all targets met,
1 one missed."""

import argparse
import json
import os
import sys

import rounds
import servers

TESTS = ("set", "get")


def loadgen_figures(text):
    """(requests per second, p50 in ms, p99 in ms) out of a report of loadgen."""
    (result,) = json.loads(text)["results"].values()
    if result["errors"] or result["misses"]:
        raise SystemExit(f"loadgen: {result['errors']} errors, {result['misses']} misses")
    return result["ops_per_sec"], result["median_ns"] / 1e6, result["p99_ns"] / 1e6


def measure(server, args, test, pipeline):
    """The Figures of one run of this server's client."""
    requests = int(rounds.REQUESTS[pipeline] * args.scale)
    if server.kind == "redis":
        return rounds.measure(server, rounds.redis_benchmark(server, test, pipeline, requests),
                              requests, args.client_cpu)
    command = [args.loadgen, *rounds.client_options(server, test, pipeline, requests), "--json"]
    return rounds.measure(server, command, requests, args.client_cpu, loadgen_figures)


def fill(server, args):
    """All keys exist afterwards."""
    if server.kind == "redis":
        rounds.fill(server, args.client_cpu)
        return
    rounds.run([args.loadgen, "-p", str(server.port), "-d", str(rounds.VALUE_BYTES),
                "-r", str(rounds.KEYS), "--preload", "-t", "get", "-n", "1000", "-q"],
               args.client_cpu)


def print_table(results, args):
    """Markdown; returns the number of targets missed."""
    missed = 0
    print("Server CPU time (user and system) per operation, in us: "
          f"{rounds.CONNECTIONS} connections, {rounds.VALUE_BYTES}-byte values, "
          f"{rounds.KEYS:,} keys, one event loop, "
          f"medians of {args.rounds} interleaved rounds.\n")
    print("| test | pipeline | cairnd us | Redis us | ratio | spread | target | verdict "
          "| cairnd req/s | Redis req/s | cairnd p50 / p99 ms | Redis p50 / p99 ms |")
    print("|---|--:|--:|--:|--:|---|--:|---|--:|--:|--:|--:|")
    for pipeline, target in rounds.TARGETS.items():
        for test in TESTS:
            ours, theirs = results["cairnd", test, pipeline], results["redis", test, pipeline]
            a, b = rounds.medians(ours), rounds.medians(theirs)
            ratio, low, high = rounds.ratios(ours, theirs, "cpu_us")
            missed += ratio > target
            print(f"| {test.upper()} | {pipeline} | {a.cpu_us:.3f} | {b.cpu_us:.3f} | {ratio:.2f} "
                  f"| {low:.2f}-{high:.2f} "
                  f"| {target:.2f} | {servers.verdict(ratio, target)} "
                  f"| {a.rps:,.0f} | {b.rps:,.0f} "
                  f"| {a.p50_ms:.3f} / {a.p99_ms:.3f} | {b.p50_ms:.3f} / {b.p99_ms:.3f} |")
    return missed


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both servers (3)")
    parser.add_argument("--scale", type=float, default=1, help="times as many requests (1)")
    rounds.add_cpu_options(parser)
    args = parser.parse_args()
    servers.resolve_paths(args, "cairnd", "loadgen")
    if not {args.server_cpu, args.client_cpu} <= os.sched_getaffinity(0):
        parser.error("these CPUs are not there; see --server-cpu and --client-cpu")
    return args


def main():
    """Run as a program."""
    args = parse_args()
    rounds.end_politely()
    cpu = args.server_cpu
    with servers.cairnd(args.cairnd, cpu) as ours, servers.redis(cpu) as theirs:
        for server in (ours, theirs):
            fill(server, args)
        cases = [(test, pipeline) for pipeline in rounds.REQUESTS for test in TESTS]
        results = rounds.interleave((ours, theirs), cases, args.rounds,
                                    lambda server, *case: measure(server, args, *case))
    return 1 if print_table(results, args) else 0


if __name__ == "__main__":
    sys.exit(main())
