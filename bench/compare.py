#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""CPU time of the server per operation: cairnd with loadgen against Redis with redis-benchmark.

Each server has CPU 0 to itself while it is measured, its client CPU 1; 50 connections, 64-byte
values, 100,000 keys, all of which exist. The two are interleaved, and which goes first alternates;
every figure is the median of the rounds. Prints a Markdown table. Exit status: 0 all targets met,
1 one missed."""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys

import servers

CONNECTIONS, VALUE_BYTES, KEYS = 50, 64, 100000
TESTS = ("set", "get")
REQUESTS = {1: 200000, 16: 1000000, 64: 2000000}
TARGETS = {1: 0.90, 16: 0.45, 64: 0.35}  # CPU time of cairnd / of Redis, at this pipeline


def run(command, cpu):
    """Standard output of a client."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                          preexec_fn=servers.on_cpu(cpu))
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def load_command(server, args, test, pipeline, requests):
    """The client for this server, and what it needs to be told."""
    common = ["-h", servers.HOST, "-p", str(server.port), "-c", str(CONNECTIONS),
              "-d", str(VALUE_BYTES), "-r", str(KEYS), "-P", str(pipeline), "-n", str(requests),
              "-t", test]
    if server.kind == "cairnd":
        return [args.loadgen, *common, "--json"]
    return ["redis-benchmark", *common, "--csv"]


def figures(kind, text):
    """(requests per second, p50 in ms, p99 in ms) out of a client's report."""
    if kind == "cairnd":
        result = json.loads(text)["results"][0]
        if result["errors"] or result["misses"]:
            raise SystemExit(f"loadgen: {result['errors']} errors, {result['misses']} misses")
        latency = result["latency_ns"]
        return result["requests_per_second"], latency["p50"] / 1e6, latency["p99"] / 1e6
    row = list(csv.DictReader(text.splitlines()))[0]
    return float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"])


def measure(server, args, test, pipeline):
    """(us of server CPU per operation, requests/s, p50, p99) of one run."""
    requests = int(REQUESTS[pipeline] * args.scale)
    before = server.cpu_ns()
    text = run(load_command(server, args, test, pipeline, requests), args.client_cpu)
    spent = server.cpu_ns() - before
    return (spent / 1e3 / requests, *figures(server.kind, text))


def fill(server, args):
    """All keys exist afterwards."""
    common = ["-p", str(server.port), "-d", str(VALUE_BYTES), "-r", str(KEYS)]
    if server.kind == "cairnd":
        command = [args.loadgen, *common, "--preload", "-t", "get", "-n", "1000", "-q"]
    else:  # it has no preload; 20 random writes a key leave out two keys in a billion
        command = ["redis-benchmark", *common, "-P", "64", "-n", str(20 * KEYS), "-t", "set", "-q"]
    run(command, args.client_cpu)


def all_rounds(pair, args):
    """{(kind, test, pipeline): [figures of each round]}"""
    results = {}
    for number in range(args.rounds):
        order = pair if number % 2 == 0 else pair[::-1]
        for pipeline in REQUESTS:
            for test in TESTS:
                for server in order:
                    found = measure(server, args, test, pipeline)
                    results.setdefault((server.kind, test, pipeline), []).append(found)
        print(f"round {number + 1} of {args.rounds} done", file=sys.stderr)
    return results


def medians(results, key):
    """The median of each figure."""
    return [statistics.median(column) for column in zip(*results[key])]


def print_table(results, args):
    """Markdown; returns the number of targets missed."""
    missed = 0
    print("Server CPU time (user and system) per operation, in us: "
          f"{CONNECTIONS} connections, {VALUE_BYTES}-byte values, {KEYS:,} keys, one event loop, "
          f"medians of {args.rounds} interleaved rounds.\n")
    print("| test | pipeline | cairnd us | Redis us | ratio | spread | target | verdict "
          "| cairnd req/s | Redis req/s | cairnd p50 / p99 ms | Redis p50 / p99 ms |")
    print("|---|--:|--:|--:|--:|---|--:|---|--:|--:|--:|--:|")
    for pipeline, target in TARGETS.items():
        for test in TESTS:
            ours, theirs = (("cairnd", test, pipeline), ("redis", test, pipeline))
            a, b = medians(results, ours), medians(results, theirs)
            ratios = sorted(x[0] / y[0] for x, y in zip(results[ours], results[theirs]))
            ratio = a[0] / b[0]
            missed += ratio > target
            print(f"| {test.upper()} | {pipeline} | {a[0]:.3f} | {b[0]:.3f} | {ratio:.2f} "
                  f"| {ratios[0]:.2f}-{ratios[-1]:.2f} "
                  f"| {target:.2f} | {servers.verdict(ratio, target)} "
                  f"| {a[1]:,.0f} | {b[1]:,.0f} "
                  f"| {a[2]:.3f} / {a[3]:.3f} | {b[2]:.3f} / {b[3]:.3f} |")
    return missed


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both servers (3)")
    parser.add_argument("--scale", type=float, default=1, help="times as many requests (1)")
    parser.add_argument("--server-cpu", type=int, default=0, help="CPU of the servers (0)")
    parser.add_argument("--client-cpu", type=int, default=1, help="CPU of the clients (1)")
    args = parser.parse_args()
    servers.resolve_paths(args)
    if not {args.server_cpu, args.client_cpu} <= os.sched_getaffinity(0):
        parser.error("these CPUs are not there; see --server-cpu and --client-cpu")
    return args


def main():
    """Run as a program."""
    args = parse_args()
    cpu = args.server_cpu
    with servers.cairnd(args.cairnd, cpu) as ours, servers.redis(cpu) as theirs:
        for server in (ours, theirs):
            fill(server, args)
        results = all_rounds((ours, theirs), args)
    return 1 if print_table(results, args) else 0


if __name__ == "__main__":
    sys.exit(main())
