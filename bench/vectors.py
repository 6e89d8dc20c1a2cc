#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What vectors cost: each bar that was set for them, over TCP, and whether it is met; recall beside
every speed.

Vectors are those loadgen makes up, a mixture of Gaussians of low intrinsic dimension, or rows of
--dataset; recall is against its own exact search. Searches are taken at the smallest of several ef
whose recall@k is at least 0.95, on one connection: what the network and the protocol add to a
search is what is left when the time the server says it took is taken off. Prints a Markdown table.
Exit status: 0, or 1 with --check if a bar is missed.

Data goes to a folder below --dir and is removed again. --quick shows that all of it runs: its
figures mean nothing."""

import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import rounds
import rpc
import servers

RECALL = 0.95
EFS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400)
SHARES = (0.0001, 0.001, 0.01, 0.1, 0.5, 1)
DIMS, KS = (3, 128, 768, 1536), (1, 10, 100)
M, LINK, FLOAT = 16, 4, 4
CHURNS = 10
NAME = "loadgen"  # of the collection
BUILD_LIMIT = "20m"

# So many of each thing; with --quick.
Sizes = collections.namedtuple("Sizes", "rounds requests small medium large wide calls "
                                        "storm_ms churn churns")
FULL = Sizes(5, 10000, 1000, 10000, 100000, 10000, 500, 5000, 20000, CHURNS)
QUICK = Sizes(1, 200, 200, 500, 2000, 300, 20, 500, 500, 2)

# One line of the table. `value` is held against `bar`: at least, or at most, that; None: no bar.
Line = collections.namedtuple("Line", "figure ours beside recall value bar at_least")


class Bench:
    """Servers with data of their own, and the lines of the table."""

    def __init__(self, args, folder):
        self.args, self.folder, self.lines = args, folder, []
        self.sizes = QUICK if args.quick else FULL

    def cairnd(self, data=None, loops=1):
        """A cairnd on all CPUs, as its workers need them; in memory unless it has a folder."""
        settings = ["durability.mode=memory"] if data is None else [
            "durability.mode=buffered", f"data.dir={data}", "snapshot.on_shutdown=false"]
        return servers.cairnd(self.args.cairnd, None, loops, "rpc", settings)

    def add(self, figure, ours, beside="", recall=None, value=None, bar=None, at_least=False):
        """A line of the table."""
        self.lines.append(Line(figure, ours, beside, recall, value, bar, at_least))
        known = "" if recall is None else f", recall {recall:.4f}"
        print(f"{figure}: {ours} beside {beside or '-'}{known}", file=sys.stderr)

    def command(self, server, *options):
        """The command line of loadgen."""
        return [self.args.loadgen, "-u", f"cairn://{servers.HOST}:{server.port}", "--json",
                *map(str, options)]

    def document(self, server, *options):
        """What loadgen says of a run."""
        return json.loads(rounds.run(self.command(server, *options), None))

    def one(self, server, *options):
        """The only result of a run on one connection."""
        (result,) = self.document(server, "-c", 1, *options)["results"].values()
        return result

    def source(self, count, dim=128):
        """Options that say which vectors: those of the dataset only where they are of this
        dimension."""
        if self.args.dataset and dim == 128:
            return ["--dataset", self.args.dataset, "--vectors", count]
        return ["--vectors", count, "--dim", dim]

    def store(self, server, count, dim=128, *options):
        """Store vectors and wait for the index; what loadgen says of the collection."""
        return self.document(server, "-t", "vec_get", "-n", 1, "-c", 2, "--preload",
                             "--build-timeout", BUILD_LIMIT, *self.source(count, dim),
                             *options)["collection"]

    def at_recall(self, server, source, *options, requests=None):
        """The result at the smallest ef that finds enough, or at the largest."""
        results = self.document(
            server, "-t", "vec_search", "-c", 1, "-n", requests or self.sizes.requests, *source,
            "--ef", ",".join(map(str, EFS)), *options)["results"].values()
        good = [result for result in results if result["recall"]["mean"] >= RECALL]
        return good[0] if good else list(results)[-1]


def us(result, key="median_ns"):
    """A time of a result in us."""
    return result[key] / 1e3


def in_server(result, operation):
    """What the server says one took, in us, on average."""
    return result["server"]["operations"][operation]["mean_ns"] / 1e3


def timed(bench, figure, result, operation, bar, stretch):
    """A line for requests one after the other: judged by the median over TCP."""
    bench.add(f"{figure}: us, median over TCP", f"{us(result):.1f}",
              f"{in_server(result, operation):.2f} in the server; p99 {us(result, 'p99_ns'):.1f}; "
              f"stretch {stretch:,}", value=us(result), bar=bar)


# ---- requests one by one ----

def writes(bench):
    """Creating collections, inserting, getting."""
    n, sizes = bench.sizes.medium, bench.sizes
    with bench.cairnd() as server:
        ping = bench.one(server, "-t", "ping", "-n", sizes.requests)
        bench.add("ping: us, median over TCP", f"{us(ping):.1f}", value=us(ping))
        timed(bench, "create a collection",
              bench.one(server, "-n", sizes.calls, "-r", sizes.calls, "--key-pattern",
                        "sequential", "vec.create", "c:__rand_int__", 128), "vec.create", 1000, 500)
        for index in ("flat", "hnsw"):
            each = ["--collection", index, "--index", index, *bench.source(n)]
            timed(bench, f"insert one, 128 d, {index}",
                  bench.one(server, "-t", "vec_upsert", "-n", n, "--key-pattern", "sequential",
                            *each), "vec.upsert", 50, 20)
            each[1] = f"{index}-batches"
            timed(bench, f"insert a batch of 100, 128 d, {index}",
                  bench.one(server, "-t", "vec_upsert_many", "-n", max(n // 100, 5), *each),
                  "vec.upsert_many", 2000, 1000)
        got = bench.one(server, "-t", "vec_get", "-n", n, "--collection", "flat", "--index", "flat",
                        *bench.source(n))
        inside = in_server(got, "vec.get")  # over TCP not even a ping can be as fast as its bar
        bench.add("get, 128 d: us in the server", f"{inside:.2f}",
                  f"{us(got):.1f} over TCP, {us(got) - us(ping):.1f} more than a ping; stretch 5",
                  value=inside, bar=10)


# ---- searches ----

def search_line(bench, figure, result, bar=None):
    """A line for searches: judged by the median over TCP."""
    where = result["vector"]
    bench.add(f"{figure}, k {where['k']}, ef {where['ef']}: us, median over TCP",
              f"{us(result):.1f}",
              f"p99 {us(result, 'p99_ns'):.1f}; {result['ops_per_sec']:,.0f} per second",
              result["recall"]["mean"], us(result), bar)
    bench.add(f"{figure}: recall", f"{result['recall']['mean']:.4f}",
              f"5 % below {result['recall']['p5']:.2f}", None, result["recall"]["mean"], RECALL,
              True)


def searches(bench):
    """Ten of ten thousand and of a hundred thousand; what TCP adds."""
    sizes = bench.sizes
    for count, bar in ((sizes.medium, 1000), (sizes.large, 10000)):
        with bench.cairnd() as server:
            built = bench.store(server, count, 128, "--index", "hnsw")
            bench.add(f"build of {count:,} x 128 d: vectors per second",
                      f"{built['build_per_sec']:,.0f}", value=built["build_per_sec"])
            source = [*bench.source(count), "--index", "hnsw"]
            found = bench.at_recall(server, source)
            search_line(bench, f"search {count:,} x 128 d", found, bar)
            added = []
            for _ in range(sizes.rounds):
                again = bench.one(server, "-t", "vec_search", "-n", sizes.requests, *source, "--ef",
                                  found["vector"]["ef"], "--recall", "off")
                added.append(us(again, "mean_ns") - in_server(again, "vec.search"))
            bench.add(f"the same: us that TCP adds, mean, median of {sizes.rounds} runs",
                      f"{statistics.median(added):.1f}",
                      f"{min(added):.1f}-{max(added):.1f}; beside bench/vectors_inprocess: its "
                      "searches of the same size", None, statistics.median(added), 60)


def shapes(bench):
    """Dimensions, k and sizes, without bars."""
    sizes = bench.sizes
    for dim in DIMS:
        with bench.cairnd() as server:
            bench.store(server, sizes.wide, dim, "--index", "hnsw")
            for k in KS if dim == 128 else (10,):
                found = bench.at_recall(server, [*bench.source(sizes.wide, dim), "--index", "hnsw"],
                                        "--k", k, requests=sizes.requests // 5)
                search_line(bench, f"search {sizes.wide:,} x {dim} d", found)
    with bench.cairnd() as server:
        bench.store(server, sizes.small, 128)
        found = bench.at_recall(server, bench.source(sizes.small), requests=sizes.requests // 5)
        search_line(bench, f"search {sizes.small:,} x 128 d", found)


def filters(bench):
    """Filters that match few or many: beside a search that looks at all, and one without."""
    sizes, count = bench.sizes, bench.sizes.large
    with bench.cairnd() as server:
        bench.store(server, count, 128, "--index", "hnsw")
        source = [*bench.source(count), "--index", "hnsw"]
        ef = bench.at_recall(server, source)["vector"]["ef"]
        plain = bench.one(server, "-t", "vec_search", "-n", sizes.requests, *source, "--ef", ef)
        for share in SHARES:
            options = [*source, "--ef", ef, "--filter-selectivity", share]
            few = max(sizes.requests // 10, 50)
            found = bench.one(server, "-t", "vec_search", "-n", few, *options)
            exact = bench.one(server, "-t", "vec_search", "-n", max(few // 10, 20), *options,
                              "--exact", "--recall", "off")
            bar = us(exact) + 2 * us(plain)
            recall = found["recall"]
            name = f"filter of {100 * share:g} %, {count:,} x 128 d"
            bench.add(f"{name}: us, median", f"{us(found):.1f}",
                      f"{us(exact):.1f} exact, {us(plain):.1f} unfiltered", recall["mean"],
                      us(found), round(bar, 1))
            bench.add(f"{name}: recall", f"{recall['mean']:.4f}", "", None, recall["mean"], RECALL,
                      True)
            bench.add(f"{name}: searches that found fewer than match, of {recall['scored']:,}",
                      f"{recall['few']}", f"{recall['wrong']} wrong results", None,
                      recall["few"] + recall["wrong"], 0)


# ---- memory ----

def memory(bench):
    """Bytes of vectors and index, beside those of vectors and links alone. Vectors lie in their
    records, once; of int8 it is the codes and links that searches walk."""
    count = bench.sizes.large
    for dim, n in ((128, count), (768, count // 10)):
        wanted = n * (dim * FLOAT + (2 * M + M / 16) * LINK)
        for quantization, bar in (("none", 1.1), ("int8", 0.35)):
            with bench.cairnd() as server:
                before = server.rss_kib()
                built = bench.store(server, n, dim, "--index", "hnsw", "--hnsw-m", M,
                                    "--quantization", quantization)
                resident = (server.rss_kib() - before) * 1024
                found = bench.at_recall(server, [*bench.source(n, dim), "--index", "hnsw",
                                                 "--hnsw-m", M, "--quantization", quantization],
                                        requests=bench.sizes.requests // 5)
            walked = built["bytes"] + (n * dim * FLOAT if quantization == "none" else 0)
            bench.add(f"{n:,} x {dim} d, {quantization}: bytes that searches walk, of each vector",
                      f"{walked / n:.0f}",
                      f"{wanted / n:.0f} of float vectors and links alone; resident with records "
                      f"{resident / n:.0f}; search {us(found):.1f} us at ef "
                      f"{found['vector']['ef']}", found["recall"]["mean"], walked / wanted, bar)


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
    count = bench.sizes.churn
    source = [*bench.source(count), "--index", "hnsw"]
    ef = EFS[5]
    recalls, sizes = [], []
    with bench.cairnd() as server, rpc.Client(server) as client:
        bench.store(server, count, 128, "--index", "hnsw")
        for number in range(bench.sizes.churns + 1):
            if number > 0:
                keys = [f"key:{i:012}" for i in range(count) if (i // 7 + number) % 2]
                client.calls((("vec.delete", [NAME, keys[at:at + 500]])
                              for at in range(0, len(keys), 500)), 2)
                bench.store(server, count, 128, "--index", "hnsw")
            waited(client, count)
            found = bench.one(server, "-t", "vec_search", "-n", bench.sizes.requests // 5, *source,
                              "--ef", ef)
            recalls.append(found["recall"]["mean"])
            sizes.append(client.call("vec.info", NAME)["bytes"])
    name = f"half of {count:,} deleted, all stored again, {bench.sizes.churns} times"
    bench.add(f"{name}: recall at ef {ef} at the end, less that at the begin",
              f"{recalls[-1]:.4f}", f"{recalls[0]:.4f} at the begin, at least {min(recalls):.4f}",
              recalls[-1], recalls[-1] - recalls[0], -0.01, True)
    bench.add(f"{name}: bytes of index at the end to those at the begin", f"{sizes[-1]:,}",
              f"{sizes[0]:,}", None, sizes[-1] / sizes[0], 1.1)


# ---- whole servers ----

def starts(bench):
    """After kill -9 with a snapshot: the graph is there, not built again."""
    count = bench.sizes.large
    data = os.path.join(bench.folder, "restart")
    os.makedirs(data)
    with bench.cairnd(data) as server, rpc.Client(server) as client:
        built = bench.store(server, count, 128, "--index", "hnsw")
        client.call("server.snapshot")
        while client.call("server.snapshots")["running"]:
            time.sleep(0.01)
        server.kill()
    took, ready, linked = [], [], []
    for _ in range(bench.sizes.rounds):
        with bench.cairnd(data) as server, rpc.Client(server) as client:
            linked.append(client.call("vec.info", NAME)["linked"])
            begun = time.monotonic()
            waited(client, count)
            took.append(server.start_ms)
            ready.append(server.start_ms + 1e3 * (time.monotonic() - begun))
            found = bench.one(server, "-t", "vec_search", "-n", bench.sizes.calls,
                              *bench.source(count), "--index", "hnsw")
            server.kill()
    bench.add(f"start after kill -9 with a snapshot of {count:,} x 128 d: ms to the first reply",
              f"{statistics.median(took):.0f}",
              f"{statistics.median(ready):.0f} until all is in the graph; the build took "
              f"{built['build_ns'] / 1e6:,.0f}", found["recall"]["mean"], statistics.median(took))
    bench.add("the same: vectors in the graph at the first reply", f"{min(linked):,}", f"{count:,}",
              None, min(linked) / count, 1.0, True)


def probe(bench, server):
    """p99 of kv.get at an easy rate on connections of its own, in us."""
    result = bench.document(server, "-t", "get", "-c", 4, "--rate", 2000, "--duration",
                            f"{bench.sizes.storm_ms}ms", "-r", 1000, "--preload")["results"]
    (figures,) = result.values()
    return us(figures, "p99_ns")


def awaited_searches(client):
    """The storm makes its vectors before it asks: wait until it does."""
    before = client.call("vec.info", NAME)["searches"]
    while client.call("vec.info", NAME)["searches"] < before + 100:
        time.sleep(0.01)


def storm(bench):
    """What others notice of searches as fast as they can be asked, on 16 connections."""
    count = bench.sizes.large
    calm, during, rates = [], [], []
    with bench.cairnd() as server, rpc.Client(server) as client:
        bench.store(server, count, 128, "--index", "hnsw")
        command = bench.command(server, "-t", "vec_search", "-c", 16, "--duration",
                                f"{2 * bench.sizes.storm_ms + 2000}ms", "--recall", "off",
                                *bench.source(count), "--index", "hnsw")
        for _ in range(bench.sizes.rounds):
            calm.append(probe(bench, server))
            searching = subprocess.Popen(command, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL, text=True)
            try:
                awaited_searches(client)
                during.append(probe(bench, server))
                out, _ = searching.communicate(timeout=rounds.CLIENT_LIMIT_S)
                (result,) = json.loads(out)["results"].values()
                rates.append(result["ops_per_sec"])
            finally:
                searching.kill()
                searching.wait()
    bench.add(f"kv.get while 16 connections search {count:,} x 128 d: p99, us",
              f"{statistics.median(during):.0f}",
              f"{statistics.median(calm):.0f} without; {statistics.median(rates):,.0f} searches "
              "per second", None,
              statistics.median(a / b for a, b in zip(during, calm)), 2)


PARTS = {"writes": writes, "searches": searches, "shapes": shapes, "filters": filters,
         "memory": memory, "churn": churn, "starts": starts, "storm": storm}


def verdict(line):
    """What the last column says."""
    if line.bar is None:
        return "-"
    met = line.value >= line.bar if line.at_least else line.value <= line.bar
    return "met" if met else "**missed**"


def table(lines):
    """The Markdown table, and whether every bar is met."""
    print("| figure | cairnd | beside it | recall | judged by | bar | verdict |")
    print("|---|--:|---|--:|--:|--:|---|")
    for line in lines:
        recall = "-" if line.recall is None else f"{line.recall:.4f}"
        value = "" if line.value is None else f"{line.value:,.4g}"
        bar = "" if line.bar is None else f"{'>=' if line.at_least else '<='} {line.bar:,}"
        print(f"| {line.figure} | {line.ours} | {line.beside or '-'} | {recall} | {value} | {bar} "
              f"| {verdict(line)} |")
    return all(verdict(line) != "**missed**" for line in lines)


def main():
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    parser.add_argument("--dataset", help="vectors of this file (.npy, .fvecs) where 128 d are")
    parser.add_argument("--quick", action="store_true", help="small sizes: see that all of it runs")
    parser.add_argument("--dir", help="where data goes (the build folder)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS) + " (all)")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    servers.resolve_paths(args, "cairnd", "loadgen")
    rounds.end_politely()
    parent = os.path.abspath(args.dir or args.build)
    with tempfile.TemporaryDirectory(prefix="vectors-", dir=parent) as folder:
        bench = Bench(args, folder)
        for name in args.parts or PARTS:
            PARTS[name](bench)
    good = table(bench.lines)
    return 1 if args.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
