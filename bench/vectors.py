#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What vectors cost: each bar that was set for them, over TCP, and whether it is met; recall beside
every speed.

Vectors are made up, a mixture of Gaussians of low intrinsic dimension, or real: --real takes what
bench/embeddings.py wrote. Recall is against an exact search by the client. Searches are taken at
the smallest of several ef whose recall@k is at least 0.95, on one connection: what the network and
the protocol add to a search is what is left when the time the server says it took is taken off;
part `peers` holds it against the same graph in process, beside hnswlib and faiss.

Prints what was measured on which machine, and Markdown tables. A figure is the median of its
rounds, whose lowest and highest stand beside it; a part takes fewer rounds where its time is short,
and is ended after the seconds that PARTS gives it. Exit status: 0; 1 with --check if a bar is
missed; 3 if a part was not done.

Data goes to a folder below --dir and is removed again. --quick shows that all of it runs: its
figures mean nothing."""

import argparse
import collections
import contextlib
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import rounds
import rpc
import servers
import suite

RECALL = 0.95
EFS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400)
PEER_EFS = (10, 20, 40, 80, 160, 320)
SHARES = (0.0001, 0.001, 0.01, 0.1, 0.5, 1)
DIM, DIMS, KS = 128, (3, 128, 768, 1536), (1, 10, 100)
M, EF_CONSTRUCTION, LINK, FLOAT = 16, 200, 4, 4
QUERIES = 10000
STORM_CONNECTIONS, PROBE_CONNECTIONS, PROBE_RATE = 16, 4, 2000
NAME = "loadgen"  # of the collection
BUILD_LIMIT = "20m"
HNSW = ("--index", "hnsw")
PEERS_PROGRAM = "bench/vectors/vectors_inprocess"

COLUMNS = {"figure": "---", "durability": "---", "cairnd": "--:", "beside it": "---",
           "recall": "--:", "judged by": "--:", "spread": "---", "bar": "--:", "verdict": "---"}

# So many of each thing; with --quick.
Sizes = collections.namedtuple("Sizes", "rounds requests small medium large wide calls "
                                        "storm_ms churn churns")
FULL = Sizes(5, 10000, 1000, 10000, 100000, 10000, 500, 5000, 20000, 10)
QUICK = Sizes(1, 200, 200, 500, 2000, 300, 20, 500, 500, 2)


def number(value):
    """A figure for people."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def shape_of(path):
    """(rows, elements) of a .fvecs file."""
    with open(path, "rb") as file:
        dim = int.from_bytes(file.read(4), sys.byteorder)
    return os.path.getsize(path) // (4 + FLOAT * dim), dim


class Data:
    """Which vectors are measured: made up, or those of two .fvecs files. Without the second one the
    last rows of the first, a tenth at most, are the queries."""

    def __init__(self, base=None, query=None, queries=QUERIES):
        self.base, self.query, self.dim, self.rows, self.queries = base, query, DIM, None, queries
        if base:
            self.rows, self.dim = shape_of(base)
            self.queries = min(queries, shape_of(query)[0] if query else self.rows // 10)
            self.rows -= 0 if query else self.queries

    def held(self, count):
        """So many, or as many as there are."""
        return min(count, self.rows or count)

    def options(self, count, dim=None):
        """Options of loadgen that say which; vectors of another dimension are made up."""
        if self.base is None or dim not in (None, self.dim):
            return ["--vectors", count, "--dim", dim or self.dim]
        query = ["--query-file", self.query] if self.query else []
        return ["--dataset", self.base, *query, "--vectors", self.held(count), "--queries",
                self.queries]

    def __str__(self):
        return f"{self.base}, {self.rows:,} of {self.dim} elements" if self.base else "made up"


class Bench:
    """Servers with data of their own, and the lines of the table."""

    def __init__(self, args, folder, data):
        self.args, self.folder, self.data = args, folder, data
        self.lines, self.tables, self.mode, self.machine, self.hurry = [], [], "memory", None, 0
        self.sizes = QUICK if args.quick else FULL
        if args.rounds:
            self.sizes = self.sizes._replace(rounds=args.rounds)
        if data.rows:
            self.sizes = self.sizes._replace(**{
                name: data.held(getattr(self.sizes, name))
                for name in ("small", "medium", "large", "churn")})

    def cairnd(self, data=None, loops=1):
        """A cairnd on all CPUs, as its workers need them; in memory unless it has a folder."""
        self.mode = "memory" if data is None else "buffered"
        settings = [f"durability.mode={self.mode}"]
        if data is not None:
            settings += [f"data.dir={data}", "snapshot.on_shutdown=false",
                         "snapshot.wal_bytes=1TiB"]
        return servers.cairnd(self.args.cairnd, None, loops, "rpc", settings)

    def rounds(self):
        """Numbers of rounds, fewer if most of the time of the part is over."""
        for round_number in range(self.sizes.rounds):
            if round_number == 0 or time.monotonic() < self.hurry:
                yield round_number

    def add(self, figure, values, beside="", recall=None, bar=None, at_least=False, ours=None):
        """A line of the table, judged by the median of the values."""
        values = values if isinstance(values, list) else [values]
        middle = statistics.median(values)
        spread = f"{number(min(values))}-{number(max(values))} of {len(values)}"
        self.lines.append(rounds.Line(figure, self.mode, ours or number(middle), beside, recall,
                                      middle, spread if len(values) > 1 else "", bar, at_least))
        known = "" if recall is None else f", recall {recall:.4f}"
        print(f"{figure}: {ours or number(middle)} beside {beside or '-'}{known}", file=sys.stderr)

    def add_note(self, figure, what, beside=""):
        """A line for what was not measured."""
        self.lines.append(rounds.Line(figure, "-", what, beside, None, None, "", None, False))
        print(f"{figure}: {what} {beside}", file=sys.stderr)

    def command(self, server, *options):
        """The command line of loadgen."""
        return [self.args.loadgen, "-u", f"cairn://{servers.HOST}:{server.port}", "--json",
                *map(str, options)]

    def document(self, server, *options):
        """What loadgen says of a run."""
        document = json.loads(rounds.run(self.command(server, *options), None))
        self.machine = self.machine or {**document["environment"],
                                        "cairnd": document["target"].get("version", "unknown")}
        return document

    def one(self, server, *options):
        """The only result of a run on one connection."""
        (result,) = self.document(server, "-c", 1, *options)["results"].values()
        return result

    def many(self, server, *options):
        """The same, once in each round."""
        return [self.one(server, *options) for _ in self.rounds()]

    def store(self, server, count, dim=None, *options):
        """Store vectors and wait for the index; what loadgen says of the collection."""
        return self.document(server, "-t", "vec_get", "-n", 1, "-c", 2, "--preload",
                             "--build-timeout", BUILD_LIMIT, *self.data.options(count, dim),
                             *options)["collection"]

    def at_recall(self, server, source, *options, requests=None):
        """The result at the smallest ef that finds enough, or at the largest."""
        results = self.document(
            server, "-t", "vec_search", "-c", 1, "-n", requests or self.sizes.requests, *source,
            "--ef", ",".join(map(str, EFS)), *options)["results"].values()
        good = [result for result in results if result["recall"]["mean"] >= RECALL]
        return good[0] if good else list(results)[-1]

    def named(self, count, dim=None):
        """What the vectors of a line are called."""
        return f"{count:,} x {dim or self.data.dim} d"


def us(result, key="median_ns"):
    """A time of a result in us."""
    return result[key] / 1e3


def in_server(result, operation):
    """What the server says one took, in us, on average."""
    return result["server"]["operations"][operation]["mean_ns"] / 1e3


def middle_of(results, function, *words):
    """The median of a figure of several results."""
    return statistics.median(function(result, *words) for result in results)


def timed(bench, figure, results, operation, bar, stretch):
    """A line for requests one after the other: judged by the median over TCP."""
    bench.add(f"{figure}: us, median over TCP", [us(result) for result in results],
              f"{middle_of(results, in_server, operation):.2f} in the server; p99 "
              f"{middle_of(results, us, 'p99_ns'):.1f}; stretch {stretch:,}", bar=bar)


# ---- requests one by one ----

def writes(bench):
    """Creating collections, inserting, getting. Every round has collections of its own."""
    n, sizes, dim = bench.sizes.medium, bench.sizes, bench.data.dim
    found = collections.defaultdict(list)
    with bench.cairnd() as server:
        for which in bench.rounds():
            found["ping"].append(bench.one(server, "-t", "ping", "-n", sizes.requests))
            found["create"].append(bench.one(
                server, "-n", sizes.calls, "-r", sizes.calls, "--key-pattern", "sequential",
                "vec.create", f"c{which}:__rand_int__", dim))
            for index in ("flat", "hnsw"):
                each = ["--collection", f"{index}{which}", "--index", index,
                        *bench.data.options(n)]
                found[index].append(bench.one(server, "-t", "vec_upsert", "-n", n,
                                              "--key-pattern", "sequential", *each))
                each[1] += "-batches"
                found[index + "-batches"].append(bench.one(
                    server, "-t", "vec_upsert_many", "-n", max(n // 100, 5), *each))
            found["get"].append(bench.one(server, "-t", "vec_get", "-n", n, "--collection",
                                          f"flat{which}", "--index", "flat",
                                          *bench.data.options(n)))
        pings = [us(ping) for ping in found["ping"]]
        bench.add("ping: us, median over TCP", pings)
        timed(bench, "create a collection", found["create"], "vec.create", 1000, 500)
        for index in ("flat", "hnsw"):
            timed(bench, f"insert one, {dim} d, {index}", found[index], "vec.upsert", 50, 20)
            timed(bench, f"insert a batch of 100, {dim} d, {index}", found[index + "-batches"],
                  "vec.upsert_many", 2000, 1000)
        over = middle_of(found["get"], us)  # not even a ping can be as fast as the bar of a get
        bench.add(f"get, {dim} d: us in the server",
                  [in_server(got, "vec.get") for got in found["get"]],
                  f"{over:.1f} over TCP, {over - statistics.median(pings):.1f} more than a ping; "
                  "stretch 5", bar=10)


# ---- searches ----

def search_lines(bench, server, figure, source, *options, bar=None, stretch=None, requests=None):
    """Lines for searches at the ef that finds enough: judged by the median over TCP. The ef and the
    results of the rounds."""
    found = bench.at_recall(server, source, *options, requests=requests)
    k, ef, recall = found["vector"]["k"], found["vector"]["ef"], found["recall"]
    again = bench.many(server, "-t", "vec_search", "-n", requests or bench.sizes.requests, *source,
                       *options, "--ef", ef, "--recall", "off")
    bench.add(f"{figure}, k {k}, ef {ef}: us, median over TCP", [us(one) for one in again],
              f"p99 {middle_of(again, us, 'p99_ns'):.1f}; "
              f"{statistics.median(one['ops_per_sec'] for one in again):,.0f} per second" +
              (f"; stretch {stretch:,}" if stretch else ""), recall["mean"], bar)
    bench.add(f"{figure}, k {k}, ef {ef}: recall", recall["mean"],
              f"5 % below {recall['p5']:.2f}", None, RECALL, True)
    return ef, again


def searches(bench):
    """Ten of ten thousand and of a hundred thousand; what TCP adds."""
    for count, bar, stretch in ((bench.sizes.medium, 1000, 500), (bench.sizes.large, 10000, 5000)):
        with bench.cairnd() as server:
            built = bench.store(server, count, None, *HNSW)
            bench.add(f"build of {bench.named(count)}: vectors per second", built["build_per_sec"])
            _, again = search_lines(bench, server, f"search {bench.named(count)}",
                                    [*bench.data.options(count), *HNSW], bar=bar, stretch=stretch)
            bench.add("the same: us that TCP adds to what the server says it took, mean",
                      [us(one, "mean_ns") - in_server(one, "vec.search") for one in again],
                      f"{middle_of(again, in_server, 'vec.search'):.1f} in the server", bar=60)


def shapes(bench):
    """Dimensions, k and sizes of vectors that are made up, without bars of time."""
    sizes, few = bench.sizes, max(bench.sizes.requests // 5, 100)
    for dim in DIMS:
        with bench.cairnd() as server:
            bench.store(server, sizes.wide, dim, *HNSW)
            for k in KS if dim == DIM else (10,):
                search_lines(bench, server, f"search {bench.named(sizes.wide, dim)}",
                             [*bench.data.options(sizes.wide, dim), *HNSW], "--k", k, requests=few)
    with bench.cairnd() as server:
        bench.store(server, sizes.small)
        search_lines(bench, server, f"search {bench.named(sizes.small)}",
                     bench.data.options(sizes.small), requests=few)


def filters(bench):
    """Filters that match few or many: never slower than to look at all that match and to search
    without a filter twice. The three times are taken in turn."""
    count, few = bench.sizes.large, max(bench.sizes.requests // 20, 50)
    found, plain, recalls = collections.defaultdict(list), [], {}
    with bench.cairnd() as server:
        bench.store(server, count, None, *HNSW)
        source = [*bench.data.options(count), *HNSW]
        ef = bench.at_recall(server, source, requests=few)["vector"]["ef"]
        search = ["-t", "vec_search", *source, "--ef", ef]
        for which in bench.rounds():
            plain.append(us(bench.one(server, *search, "-n", few, "--recall", "off")))
            for share in SHARES:
                options = [*search, "--filter-selectivity", share]
                recall = [] if which == 0 else ["--recall", "off"]
                one = bench.one(server, *options, "-n", few, *recall)
                recalls.setdefault(share, one.get("recall"))
                exact = bench.one(server, *options, "-n", max(few // 10, 20), "--exact",
                                  "--recall", "off")
                found[share].append((us(one), us(exact), plain[-1]))
    for share, times in found.items():
        one, exact, without = (statistics.median(column) for column in zip(*times))
        name, recall = f"filter of {100 * share:g} %, {bench.named(count)}", recalls[share]
        bench.add(f"{name}: us, to those of an exact scan of the matches and two searches "
                  "without a filter", [a / (b + 2 * c) for a, b, c in times],
                  f"{exact:.1f} + 2 x {without:.1f} = {exact + 2 * without:.1f}", recall["mean"], 1,
                  ours=f"{one:.1f}")
        bench.add(f"{name}: recall", recall["mean"], "", None, RECALL, True)
        bench.add(f"{name}: searches that found fewer than match, of {recall['scored']:,}",
                  recall["few"] + recall["wrong"], f"{recall['wrong']} wrong results", bar=0)


# ---- memory ----

def memory(bench):
    """Bytes of vectors and index, beside those of vectors and links alone. Vectors lie in their
    records, once; int8 has codes besides them, int8_only has codes in their place."""
    wide = max(DIMS[2], bench.data.dim)
    for dim, n in ((bench.data.dim, bench.sizes.large), (wide, bench.sizes.large // 10)):
        wanted = n * (dim * FLOAT + (2 * M + M / 16) * LINK)
        for quantization, element, bar in (("none", FLOAT, 1.1), ("int8", FLOAT, None),
                                           ("int8_only", 1, 0.35)):
            kind = [*HNSW, "--hnsw-m", M, "--quantization", quantization]
            with bench.cairnd() as server:
                before = server.rss_kib()
                built = bench.store(server, n, dim, *kind)
                resident = (server.rss_kib() - before) * 1024
                found = bench.at_recall(server, [*bench.data.options(n, dim), *kind],
                                        requests=bench.sizes.requests // 5)
            held = built["bytes"] + n * dim * element
            bench.add(f"{bench.named(n, dim)}, {quantization}: bytes of vectors and index, to "
                      "those of float vectors and links alone", held / wanted,
                      f"{wanted / n:.0f} of each; resident with records {resident / n:.0f}; search "
                      f"{us(found):.1f} us at ef {found['vector']['ef']}", found["recall"]["mean"],
                      bar, ours=f"{held / n:.0f}")


def waited(client, count, patience_s=300):
    """vec.info when all vectors are in the graph."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        info = client.call("vec.info", NAME)
        if info["count"] != count:
            raise SystemExit(f"vec.info: {info['count']} vectors, not {count}")
        if info["tail"] == 0 and info["state"] != "building":
            return info
        time.sleep(0.01)
    raise SystemExit("the index is not built")


def churn(bench):
    """Half of a collection is deleted and stored again, time after time: recall and memory hold."""
    count, ef = bench.sizes.churn, EFS[5]
    search = ["-t", "vec_search", "-n", bench.sizes.requests // 5, *bench.data.options(count),
              *HNSW, "--ef", ef]
    recalls, sizes = [], []
    with bench.cairnd() as server, rpc.Client(server) as client:
        bench.store(server, count, None, *HNSW)
        for which in range(bench.sizes.churns + 1):
            if which > 0:
                keys = [f"key:{i:012}" for i in range(count) if (i // 7 + which) % 2]
                client.calls((("vec.delete", [NAME, keys[at:at + 500]])
                              for at in range(0, len(keys), 500)), 2)
                bench.store(server, count, None, *HNSW)
            waited(client, count)
            recalls.append(bench.one(server, *search)["recall"]["mean"])
            sizes.append(client.call("vec.info", NAME)["bytes"])
    name = (f"half of {bench.named(count)} deleted, all stored again, {bench.sizes.churns} times")
    bench.add(f"{name}: recall at ef {ef} at the end, less that at the begin",
              recalls[-1] - recalls[0],
              f"{recalls[0]:.4f} at the begin, at least {min(recalls):.4f}", recalls[-1], -0.01,
              True, ours=f"{recalls[-1]:.4f}")
    bench.add(f"{name}: bytes of index at the end to those at the begin", sizes[-1] / sizes[0],
              f"{sizes[0]:,}, at most {max(sizes):,}", bar=1.1, ours=f"{sizes[-1]:,}")


# ---- whole servers ----

def snapshot(client):
    """Wait for one snapshot."""
    client.call("server.snapshot")
    while client.call("server.snapshots")["running"]:
        time.sleep(0.01)


def logged(client):
    """Wait until all is in the log."""
    while True:
        counters = client.call("server.stats", op="server.ping")["counters"]
        if counters["wal_written_lsn"] == counters["wal_appended_lsn"]:
            return
        time.sleep(0.01)


def starts(bench):
    """After kill -9: with a graph that is in a snapshot, which is not built again, and with one
    that is in none, which is, while searches are answered."""
    count = bench.sizes.large
    for what in ("snapshot", "log"):
        data = os.path.join(bench.folder, what)
        os.makedirs(data)
        with bench.cairnd(data) as server, rpc.Client(server) as client:
            built = bench.store(server, count, None, *HNSW)
            if what == "snapshot":
                snapshot(client)
            logged(client)
            server.kill()
        took, ready, linked, recall = [], [], [], None
        for _ in bench.rounds():
            with bench.cairnd(data) as server, rpc.Client(server) as client:
                linked.append(client.call("vec.info", NAME)["linked"] / count)
                begun = time.monotonic()
                waited(client, count)
                took.append(server.start_ms)
                ready.append(server.start_ms + 1e3 * (time.monotonic() - begun))
                recall = recall or bench.one(server, "-t", "vec_search", "-n", bench.sizes.calls,
                                             *bench.data.options(count), *HNSW)["recall"]["mean"]
                server.kill()
        shutil.rmtree(data)
        bench.add(f"start after kill -9, {bench.named(count)}, from a {what}: ms to the first "
                  "reply", took, f"{number(statistics.median(ready))} until all is in the graph; "
                  f"the build took {built['build_ns'] / 1e6:,.0f}", recall)
        bench.add("the same: share of the vectors in the graph at the first reply", linked,
                  bar=1 if what == "snapshot" else None, at_least=True)


# ---- what others notice ----

def probe(bench, server):
    """p99 of kv.get at an easy rate on connections of its own, in us."""
    (result,) = bench.document(server, "-t", "get", "-c", PROBE_CONNECTIONS, "--rate", PROBE_RATE,
                               "--duration", f"{bench.sizes.storm_ms}ms", "-r", 1000,
                               "--preload")["results"].values()
    return us(result, "p99_ns")


def searched(client):
    """How many searches there have been."""
    return client.call("vec.info", NAME)["searches"]


@contextlib.contextmanager
def searching(bench, server, client):
    """As many searches as 16 connections can ask for, by a client of their own, which first makes
    its vectors: it begins when there are searches. Yields a list; in the end the rate is in it."""
    command = bench.command(server, "-t", "vec_search", "-c", STORM_CONNECTIONS, "--duration",
                            "10m", "--recall", "off", *bench.data.options(bench.sizes.large), *HNSW)
    before, rate = searched(client), []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as storm:
        try:
            while searched(client) < before + 100:
                if storm.poll() is not None:
                    raise SystemExit(f"{' '.join(command)} ended with {storm.returncode}")
                time.sleep(0.01)
            begun, before = time.monotonic(), searched(client)
            yield rate
            rate.append((searched(client) - before) / (time.monotonic() - begun))
        finally:
            storm.kill()


def storm(bench):
    """What others notice of searches as fast as they can be asked. In turn: nobody searches; a
    server beside it is searched, which takes as much of the machine; it is searched itself."""
    count, found, rates = bench.sizes.large, collections.defaultdict(list), {"own": [], "other": []}
    with bench.cairnd() as server, bench.cairnd() as other, rpc.Client(server) as client, \
            rpc.Client(other) as other_client:
        for each in (server, other):
            bench.store(each, count, None, *HNSW)
        cases = {"calm": None, "other": (other, other_client), "own": (server, client)}
        for which in bench.rounds():
            names = list(cases)
            for name in names[which % 3:] + names[:which % 3]:
                if cases[name] is None:
                    found[name].append(probe(bench, server))
                    continue
                with searching(bench, *cases[name]) as rate:
                    found[name].append(probe(bench, server))
                rates[name] += rate
    calm, beside, own = (statistics.median(found[name]) for name in ("calm", "other", "own"))
    figure = (f"p99 of kv.get, {PROBE_RATE:,} per second, while {STORM_CONNECTIONS} connections "
              f"search {bench.named(count)}")
    for what, value, theirs, bar in (
            ("without", calm, found["calm"], 2),
            ("while they search a cairnd beside it", beside, found["other"], None)):
        bench.add(f"{figure}: us, to those {what}",
                  [a / b for a, b in zip(found["own"], theirs)], f"{value:.0f}; searches per "
                  f"second: {statistics.median(rates['own']):,.0f}, of that beside it "
                  f"{statistics.median(rates['other']):,.0f}", bar=bar, ours=f"{own:.0f}")


# ---- beside hnswlib and faiss ----

def peer_data(bench, program):
    """The vectors to compare with, in files that all can read."""
    if bench.data.query:
        return Data(bench.data.base, bench.data.query, bench.sizes.requests)
    words = ["--base", bench.data.base] if bench.data.base else ["--dim", bench.data.dim]
    rounds.run([program, *map(str, [*words, "--n", bench.sizes.large, "--queries",
                                    bench.sizes.requests, "--write", bench.folder])], None)
    return Data(*(os.path.join(bench.folder, f"{what}.fvecs") for what in ("base", "query")))


def peer_lines(bench, found, name):
    """Lines of the graph in process beside a library."""
    ours, theirs = found["libraries"]["cairn"], found["libraries"][name]
    bar = 1 if name == "hnswlib" else None
    where = f"in process, {bench.named(found['n'], found['dim'])}, beside {name}"
    bench.add(f"{where}: inserts per second",
              [b / a for a, b in zip(ours["built_s"], theirs["built_s"])],
              number(found["n"] / sum(theirs["built_s"])), None, bar, True,
              ours=number(found["n"] / sum(ours["built_s"])))
    for recall, rates in ours["at"].items():
        pairs = list(zip(rates, theirs["at"][recall]))
        if any(a == 0 or b == 0 for a, b in pairs):
            bench.add_note(f"{where}: searches per second", f"recall {recall} not reached")
            continue
        bench.add(f"{where}: searches per second", [a / b for a, b in pairs],
                  number(statistics.median(b for _, b in pairs)), float(recall), bar, True,
                  ours=number(statistics.median(rates)))


def peer_table(found, wire):
    """Recall against speed of all, as Markdown."""
    names = list(found["libraries"])
    lines = [f"{found['n']:,} x {found['dim']} d, cosine, M {M}, ef_construction "
             f"{EF_CONSTRUCTION}, {found['queries']:,} queries, k {found['k']}: "
             "recall and searches per second, over TCP on one connection and in process on one "
             "thread.\n",
             "| ef | cairnd recall | over TCP | " +
             " | ".join(f"{name} recall | in process" for name in names) + " |",
             "|--:|" + "--:|--:|" * (1 + len(names))]
    for i, one in enumerate(wire):
        cells = [f"{one['recall']['mean']:.4f} | {one['ops_per_sec']:,.0f}"]
        cells += [f"{library['recall'][i]:.4f} | {library['per_sec'][i]:,.0f}"
                  for library in found["libraries"].values()]
        lines.append(f"| {found['ef'][i]:.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def peers(bench):
    """The same vectors in the same order over TCP, and in one process by our graph, hnswlib and
    faiss in turn, one thread, in CPU time; and what TCP adds at the same ef."""
    program = os.path.join(bench.args.build, PEERS_PROGRAM)
    if not os.access(program, os.X_OK):
        bench.add_note("beside hnswlib and faiss", "not measured",
                       f"{program} is missing: -Dbench=true, libhnswlib-dev, libfaiss-dev")
        return
    data, efs = peer_data(bench, program), ",".join(map(str, PEER_EFS))
    n = data.held(bench.sizes.large)
    bench.mode = "-"
    found = json.loads(rounds.run(
        [program, "--base", data.base, "--query", data.query, "--n", str(n), "--queries",
         str(data.queries), "--metric", "cosine", "--m", str(M), "--efc", str(EF_CONSTRUCTION),
         "--ef", efs, "--rounds", "1", "--json"], None, limit=PARTS["peers"][1]))
    for name in list(found["libraries"])[1:]:
        peer_lines(bench, found, name)
    source = [*data.options(n), *HNSW, "--hnsw-m", M]
    with bench.cairnd() as server:
        bench.document(server, "-t", "vec_get", "-n", 1, "-c", 2, "--preload", "--build-timeout",
                       BUILD_LIMIT, *source)
        search = ["-t", "vec_search", "-c", 1, "-n", data.queries, *source]
        wire = list(bench.document(server, *search, "--ef", efs, "--recall",
                                   "all")["results"].values())
        bench.tables.append(peer_table(found, wire))
        good = [i for i, one in enumerate(wire) if one["recall"]["mean"] >= RECALL]
        which = good[0] if good else len(wire) - 1
        alone = 1e6 / found["libraries"]["cairn"]["per_sec"][which]
        again = bench.many(server, *search, "--ef", PEER_EFS[which], "--recall", "off")
        over = [us(one, "mean_ns") for one in again]
        bench.add(f"search {bench.named(n, data.dim)}, ef {PEER_EFS[which]}: us over TCP, mean, "
                  "less those in process", [each - alone for each in over],
                  f"{alone:.1f} in process; median over TCP {middle_of(again, us):.1f}",
                  wire[which]["recall"]["mean"], 60, ours=f"{statistics.median(over):.1f}")


# Each part, and the seconds it may take: 36 minutes together.
PARTS = {"writes": (writes, 70), "searches": (searches, 150), "shapes": (shapes, 110),
         "filters": (filters, 170), "memory": (memory, 230), "churn": (churn, 120),
         "starts": (starts, 170), "storm": (storm, 190), "peers": (peers, 900)}
HURRY = 0.6  # of its time, after which a part begins no further round


def measure(bench, name):
    """One part: a line says if it could not be done."""
    part, seconds = PARTS[name]
    bench.hurry = time.monotonic() + HURRY * seconds
    try:
        with rounds.within(seconds):
            part(bench)
    except rounds.TimeUp:
        bench.add_note(name, rounds.NOT_DONE, f"took longer than {seconds} s")
    except SystemExit as why:
        if not isinstance(why.code, str):
            raise
        bench.add_note(name, rounds.NOT_DONE, why.code.strip().splitlines()[-1])


def report(bench):
    """Print all of it; whether every bar is met."""
    now = datetime.datetime.now(datetime.timezone.utc)
    machine = {**(bench.machine or {}), "commit": suite.commit(), "vectors": bench.data,
               "rounds": bench.sizes.rounds, "at": f"{now:%Y-%m-%d %H:%M} UTC"}
    print("; ".join(f"{key}: {value}" for key, value in machine.items()) + "\n")
    good = rounds.table(bench.lines, COLUMNS, number)
    for table in bench.tables:
        print("\n" + table)
    return good


def parse_args():
    """The command line, and the vectors it names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    parser.add_argument("--real", metavar="DIR", help="vectors of DIR/base.fvecs and "
                        "DIR/query.fvecs, as bench/embeddings.py writes them")
    parser.add_argument("--base", metavar="FILE", help="vectors of FILE (.fvecs); its last rows "
                        "are the queries unless there is --query")
    parser.add_argument("--query", metavar="FILE", help="queries of FILE (.fvecs)")
    parser.add_argument("--rounds", type=int, help="at most so many (5; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="small sizes: see that all of it runs")
    parser.add_argument("--dir", help="where data goes (the build folder)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS) + " (all)")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if args.real:
        args.base, args.query = (os.path.join(args.real, f"{what}.fvecs")
                                 for what in ("base", "query"))
    for path in filter(None, (args.base, args.query)):
        if not os.path.isfile(path):
            parser.error(f"{path} is missing; bench/embeddings.py makes such files")
    servers.resolve_paths(args, "cairnd", "loadgen")
    return args, Data(args.base, args.query)


def main():
    """Run the parts asked for."""
    args, data = parse_args()
    rounds.end_politely()
    parent = os.path.abspath(args.dir or args.build)
    with tempfile.TemporaryDirectory(prefix="vectors-", dir=parent) as folder:
        bench = Bench(args, folder, data)
        for name in args.parts or PARTS:
            measure(bench, name)
    good = report(bench)
    if any(line.ours == rounds.NOT_DONE for line in bench.lines):
        return 3
    return 1 if args.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
