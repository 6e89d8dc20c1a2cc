#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Memory of cairnd beside Redis, and three figures of cairnd alone.

Records: growth of resident memory by 1,000,000 records of a 16-byte key and a 64-byte value.
Connections: the same by 2,000 connections that have sent one request and are idle. Scan: server CPU
time of a kv.scan of 1,000 keys by prefix out of those records. Start: from fork to the first
answered ping. Exit status: 0 all targets met, 1 one missed."""

import argparse
import resource
import statistics
import subprocess
import sys
import time

import msgpack

import servers

RECORDS, VALUE_BYTES = 1000000, 64
CONNECTIONS = 2000
SCANS, SCAN_KEYS = 300, 1000
STARTS = 11
SETTLE_S = 2.5


def fill_cairnd(server, args):
    """Write every record once."""
    command = [args.loadgen, "-p", str(server.port), "-r", str(RECORDS), "-d", str(VALUE_BYTES),
               "--preload", "-t", "ping", "-n", "1", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def fill_redis(server):
    """Write every record once, 1,000 requests at a time."""
    request = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n"
    value = b"$%d\r\n%s\r\n" % (VALUE_BYTES, b"v" * VALUE_BYTES)
    ok = b"+OK\r\n"
    with server.connect() as sock:
        for first in range(0, RECORDS, 1000):
            sock.sendall(b"".join(request % i + value for i in range(first, first + 1000)))
            if servers.read_exactly(sock, 1000 * len(ok)) != 1000 * ok:
                raise SystemExit("redis refused a SET")


def growth_kib(server, action):
    """How much resident memory an action adds, and what it returned."""
    time.sleep(SETTLE_S)
    before = server.rss_kib()
    result = action()
    time.sleep(SETTLE_S)
    return server.rss_kib() - before, result


def open_idle(server):
    """Connections that have been served once each."""
    socks = []
    ping, pong = servers.PING[server.protocol], servers.PONG[server.protocol]
    for _ in range(CONNECTIONS):
        sock = server.connect()
        sock.sendall(ping)
        if servers.read_exactly(sock, len(pong)) != pong:
            raise SystemExit(f"{server.kind}: a connection was refused")
        socks.append(sock)
    return socks


def connection_bytes(server):
    """Resident memory of one idle connection."""
    kib, socks = growth_kib(server, lambda: open_idle(server))
    for sock in socks:
        sock.close()
    return kib * 1024 / CONNECTIONS


def call(sock, unpacker, method, params):
    """One MessagePack-RPC call; its result."""
    sock.sendall(msgpack.packb([0, 1, method, params]))
    while True:
        unpacker.feed(sock.recv(1 << 20))
        for kind, _, error, result in unpacker:
            if kind != 1 or error is not None:
                raise SystemExit(f"{method}: {error}")
            return result


def scan_us(server, keys_only):
    """Server CPU time of one scan."""
    options = {"limit": SCAN_KEYS, "keys_only": keys_only}
    with server.connect() as sock:
        unpacker = msgpack.Unpacker(raw=False)
        spent = 0
        for number in range(-10, SCANS):
            prefix = b"key:%09d" % (number * 7919 % (RECORDS // SCAN_KEYS))
            before = server.cpu_ns()
            result = call(sock, unpacker, "kv.scan", [{**options, "prefix": prefix}])
            if number >= 0:  # the first ones warm up
                spent += server.cpu_ns() - before
            if len(result["items"]) != SCAN_KEYS:
                raise SystemExit(f"kv.scan: {len(result['items'])} keys, not {SCAN_KEYS}")
    return spent / 1e3 / SCANS


def start_ms(args):
    """Median time from fork to the first answered ping."""
    found = []
    for _ in range(STARTS):
        with servers.cairnd(args.cairnd) as server:
            found.append(server.start_ms)
    return statistics.median(found)


def measure(args):
    """[(what, cairnd, Redis, figure that has a target, target)], all as text but the last two."""
    rows = []
    with servers.cairnd(args.cairnd) as ours, servers.redis() as theirs:
        a, b = connection_bytes(ours), connection_bytes(theirs)
        rows.append(("idle connection, bytes", f"{a:,.0f}", f"{b:,.0f}", a, 4096))
    with servers.cairnd(args.cairnd) as ours, servers.redis() as theirs:
        a, _ = growth_kib(ours, lambda: fill_cairnd(ours, args))
        b, _ = growth_kib(theirs, lambda: fill_redis(theirs))
        rows.insert(0, (f"{RECORDS:,} records, KiB", f"{a:,}", f"{b:,}", a / b, 0.75))
        for keys_only, what in ((True, "keys"), (False, "keys and values")):
            us = scan_us(ours, keys_only)
            rows.append((f"kv.scan of {SCAN_KEYS:,} {what}, us of CPU", f"{us:.1f}", "-", us, 100))
    ms = start_ms(args)
    rows.append(("start to first reply, ms", f"{ms:.1f}", "-", ms, 50))
    return rows


def main():
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    args = parser.parse_args()
    servers.resolve_paths(args, "cairnd", "loadgen")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = measure(args)
    print("| figure | cairnd | Redis | judged by | target | verdict |")
    print("|---|--:|--:|--:|--:|---|")
    for what, ours, theirs, figure, target in rows:
        judged = f"{figure:.2f}" if figure < 10 else f"{figure:,.0f}"
        verdict = servers.verdict(figure, target)
        print(f"| {what} | {ours} | {theirs} | {judged} | {target:,} | {verdict} |")
    return 1 if any(figure > target for _, _, _, figure, target in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
