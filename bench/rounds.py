# SPDX-License-Identifier: BSD-3-Clause
"""What the comparisons share: running clients on their CPU, the CPU time of a server meanwhile,
redis-benchmark and its reports, interleaved rounds and their medians."""

import collections
import contextlib
import csv
import signal
import statistics
import subprocess
import sys

import servers

CONNECTIONS, VALUE_BYTES, KEYS = 50, 64, 100000
REQUESTS = {1: 200000, 16: 1000000, 64: 2000000}  # of a run, at this pipeline
TARGETS = {1: 0.90, 16: 0.45, 64: 0.35}  # CPU time of SET, GET: cairnd / Redis, at this pipeline
CLIENT_LIMIT_S = 300
FILL_PIPELINE, FILL_WRITES = 64, 20  # random writes a key: 20 leave out two keys in a billion

# One run: us of server CPU per operation, requests per second, latencies in ms.
Figures = collections.namedtuple("Figures", "cpu_us rps p50_ms p99_ms")


def run(command, cpu, accept=(0,), limit=CLIENT_LIMIT_S):
    """Standard output of a client that ends with one of these statuses, within `limit` seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False,
                              preexec_fn=servers.on_cpu(cpu))
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{' '.join(command)}\ntook longer than {limit} s") from None
    if done.returncode not in accept:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def client_options(server, test, pipeline, requests):
    """Options that redis-benchmark and loadgen have in common."""
    return ["-h", servers.HOST, "-p", str(server.port), "-c", str(CONNECTIONS),
            "-d", str(VALUE_BYTES), "-r", str(KEYS), "-P", str(pipeline), "-n", str(requests),
            "-t", test]


def redis_benchmark(server, test, pipeline, requests):
    """The command of a run, whose output redis_figures reads."""
    return ["redis-benchmark", *client_options(server, test, pipeline, requests), "--csv"]


def redis_row(text):
    """The only row of its report."""
    rows = list(csv.DictReader(text[text.index('"test"'):].splitlines()))
    if len(rows) != 1:
        raise SystemExit(f"redis-benchmark: expected one row, got\n{text}")
    return rows[0]


def redis_figures(text):
    """(requests per second, p50 in ms, p99 in ms) out of its report."""
    row = redis_row(text)
    return tuple(float(row[name]) for name in ("rps", "p50_latency_ms", "p99_latency_ms"))


def measure(server, command, requests, cpu, read_figures=redis_figures):
    """The Figures of one run of a client."""
    before = server.cpu_ns()
    text = run(command, cpu)
    spent = server.cpu_ns() - before
    return Figures(spent / 1e3 / requests, *read_figures(text))


def fill(server, cpu, writes=FILL_WRITES):
    """All keys exist afterwards. redis-benchmark cannot preload."""
    run(redis_benchmark(server, "set", FILL_PIPELINE, int(writes * KEYS)), cpu)


def interleave(pair, cases, rounds, measure_one):
    """{(kind, *case): [Figures of each round]}. Which server goes first alternates.

    measure_one(server, *case) -> Figures"""
    results = {}
    for number in range(rounds):
        order = pair if number % 2 == 0 else pair[::-1]
        for case in cases:
            for server in order:
                results.setdefault((server.kind, *case), []).append(measure_one(server, *case))
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return results


def medians(rows):
    """The Figures whose every column is the median of this column."""
    return Figures(*(statistics.median(column) for column in zip(*rows)))


def ratios(ours, theirs, column):
    """(ratio of the medians, lowest and highest ratio of a round) of cairnd to Redis."""
    each = sorted(getattr(a, column) / getattr(b, column) for a, b in zip(ours, theirs))
    middle = getattr(medians(ours), column) / getattr(medians(theirs), column)
    return middle, each[0], each[-1]


def end_politely():
    """Let SIGTERM unwind the stack, so that the servers are stopped."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def add_cpu_options(parser):
    """--server-cpu and --client-cpu."""
    parser.add_argument("--server-cpu", type=int, default=0, help="CPU of the servers (0)")
    parser.add_argument("--client-cpu", type=int, default=1, help="CPU of the clients (1)")


# ---- figures held against bars ----

# One line of a table: what was found, in which durability mode, what stands beside it, recall of
# searches. `value` is held against `bar`: at least, or at most, that; None: no bar.
Line = collections.namedtuple("Line", "figure mode ours beside recall value spread bar at_least")

NOT_DONE = "**not done**"  # in place of a figure: counts as missed


def spread(values, form=".2f"):
    """The lowest and the highest."""
    return f"{min(values):{form}}-{max(values):{form}}"


def verdict(line):
    """What the last column says."""
    if line.ours == NOT_DONE:
        return NOT_DONE
    if line.bar is None:
        return "-"
    met = line.value >= line.bar if line.at_least else line.value <= line.bar
    return "met" if met else "**missed**"


def cells(line, form):
    """{column: text} of a line."""
    return {"figure": line.figure, "durability": line.mode, "cairnd": line.ours,
            "beside it": line.beside or "-",
            "recall": "-" if line.recall is None else f"{line.recall:.4f}",
            "judged by": "" if line.value is None else form(line.value), "spread": line.spread,
            "bar": "" if line.bar is None else f"{'>=' if line.at_least else '<='} {line.bar:,}",
            "verdict": verdict(line)}


def table(lines, columns, form="{:,.2f}".format):
    """Print a Markdown table of {column: how it is aligned}; whether every bar is met."""
    print("| " + " | ".join(columns) + " |")
    print("|" + "|".join(columns.values()) + "|")
    for line in lines:
        found = cells(line, form)
        print("| " + " | ".join(found[column] for column in columns) + " |")
    return all(verdict(line) in ("met", "-") for line in lines)


# ---- bounded time ----

class TimeUp(Exception):
    """What was to be done took longer than it may."""


@contextlib.contextmanager
def within(seconds):
    """Raise TimeUp in the middle of what is done, once so many seconds are over."""
    def end(*_):
        raise TimeUp
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
