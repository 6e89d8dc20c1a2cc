# SPDX-License-Identifier: BSD-3-Clause
"""What the suites measure besides a load on a running cairnd: loads at shares of the highest rate,
memory of records, time to serve after kill -9. Each is a function

    step(run, path, args) -> (document, problem)

of a run of bench/suites.json that names it as "step", as suite.run_once: the document is one of
loadgen --json, whose results may have members of their own; path is where files of the run go.
"beside" in a result holds what Debian's redis-server came to, where it is installed."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time

import servers

LIMIT_S = 3600
SETTLE_S = 2.5
DOCUMENT = ("version", "tool", "tool_version", "timestamp", "time_ms", "git_commit", "git_branch",
            "command", "seed", "durability", "target", "environment", "config")
QUIET = {"snapshot.wal_bytes": "1TiB", "snapshot.on_shutdown": "false"}
REDIS_OF = {"log": ["--appendonly", "yes", "--appendfsync", "everysec", "--aof-use-rdb-preamble",
                    "no", "--auto-aof-rewrite-percentage", "0"], "snapshot": []}


def has_redis():
    """Is there a server to measure beside?"""
    return shutil.which("redis-server") is not None


def loadgen(args, server, *words, environment=None):
    """The document of a run of loadgen, and what it complained of; SystemExit if there is none."""
    scheme = "redis" if server.protocol == "resp" else "cairn"
    command = [args.loadgen, "-u", f"{scheme}://{servers.HOST}:{server.port}", "--json",
               *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False,
                          env=environment)
    try:
        return json.loads(done.stdout), done.stderr.strip() if done.returncode else ""
    except ValueError:
        raise SystemExit(done.stderr.strip() or f"{command} said nothing") from None


def fill(args, server, records, size):
    """Write so many records of a 16-byte key once; the document."""
    document, problem = loadgen(args, server, "-r", records, "-d", size, "--preload", "-t", "get",
                                "-n", 1, "-P", 64)
    if problem:
        raise SystemExit(problem)
    return document


def begin(document):
    """A document without results, as of this one of loadgen."""
    return {**{name: document[name] for name in DOCUMENT if name in document}, "results": {}}


def keep(path, document):
    """Write a document as suite.run_once does."""
    with open(path + ".json", "w", encoding="utf-8") as file:
        json.dump(document, file)


@contextlib.contextmanager
def folder_of(args):
    """A directory for data, on the disk that is measured."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=args.data or None) as folder:
        yield folder


def words_of(settings):
    """Settings as words of the command line."""
    return [f"{name}={value}" for name, value in settings.items()]


def cairnd(args, settings, folder=None, loops=1):
    """A cairnd that is asked by RESP, as Redis is."""
    settings = {**settings, **({"data.dir": os.path.join(folder, "data")} if folder else {})}
    return servers.cairnd(args.cairnd, loops=loops, protocol="resp", settings=words_of(settings))


# ---- shares of the highest rate ----

def rates(run, path, args):
    """The load of a run as fast as it goes, and then at shares of that rate, open loop."""
    words = [*shlex.split(run["loadgen"]), "--duration", f"{1000 * args.seconds:.0f}ms",
             "--warmup", f"{100 * args.seconds:.0f}ms"]
    with folder_of(args) as folder:
        settings = dict(run.get("set", {}))
        if run.get("data"):
            settings["data.dir"] = os.path.join(folder, "data")
        with servers.cairnd(args.cairnd, loops=run.get("loops", 1),
                            settings=words_of(settings)) as server:
            words += ["--server-pid", server.pid]
            document, problem = loadgen(args, server, *words)
            if problem:
                return None, problem
            ((name, most),) = list(document["results"].items())
            for share in run["rates"]:
                rate = max(1, round(most["ops_per_sec"] * share / 100))
                one, problem = loadgen(args, server, *words, "--rate", rate)
                if problem:
                    return None, problem
                (result,) = one["results"].values()
                document["results"][at_share(name, share)] = result
    keep(path, document)
    return document, ""


def at_share(name, share):
    """The name of a result at a share of the highest rate: the same whatever the rate was."""
    head, durability = name.rsplit("/", 1)
    return f"{head}/at{share}/{durability}"


# ---- memory ----

def growth(server, args, records, size, settle_s):
    """(bytes of resident memory a record, the document of the load)."""
    time.sleep(settle_s)
    before = server.rss_kib()
    document = fill(args, server, records, size)
    time.sleep(settle_s)
    return 1024 * (server.rss_kib() - before) / records, document


def memory(run, path, args):
    """Bytes of resident memory a record takes, its key and value included, by size of the value."""
    settle_s, out = min(SETTLE_S, args.seconds / 2), None
    for size in run["sizes"]:
        records = max(100, min(args.records, run["most_bytes"] // size))
        with cairnd(args, {"durability.mode": "memory"}) as server:
            ours, document = growth(server, args, records, size, settle_s)
        out = out or begin(document)
        result = {"test": "record", "title": f"record of {size} bytes", "bytes_per_record": ours,
                  "records": records, "value_bytes": size, "warnings": []}
        if has_redis():
            with servers.redis() as server:
                result["beside"] = growth(server, args, records, size, settle_s)[0]
        out["results"][f"record/d{size}/memory"] = result
    keep(path, out)
    return out, ""


# ---- recovery ----

def serve_s(start, records):
    """Seconds from the start of a server until it answers and has all records."""
    with start() as server:
        begun = time.monotonic()
        while True:
            try:
                found = server.resp("DBSIZE")
                break
            except SystemExit:  # Redis says that it is loading
                time.sleep(0.0005)
        seconds = server.start_ms / 1e3 + time.monotonic() - begun
        if found != records:
            raise SystemExit(f"{server.kind} came back with {found} of {records} records")
        server.kill()
        return seconds


def snapshot(server):
    """Wait for one snapshot."""
    server.resp("BGSAVE")
    while b"rdb_bgsave_in_progress:1" in server.resp("INFO", "persistence"):
        time.sleep(0.01)


def recover(args, start, source, records, size):
    """(seconds to serve after kill -9, the document of the load)."""
    with start() as server:
        document = fill(args, server, records, size)
        if source == "snapshot":
            snapshot(server)
        else:
            time.sleep(min(1.5, args.seconds))  # Redis: everysec
        server.kill()
    return serve_s(start, records), document


def recovery(run, path, args):
    """Time to serve after kill -9, from a log or a snapshot, by number of records."""
    out, size, source = None, run["size"], run["from"]
    for share in run["shares"]:
        records = max(100, int(args.records * share))
        with folder_of(args) as folder:
            seconds, document = recover(
                args, lambda: cairnd(args, {"durability.mode": "buffered", **QUIET}, folder,
                                     run.get("loops", 1)), source, records, size)
        out = out or begin(document)
        result = {"test": "start", "title": f"start with {records} records",
                  "median_ns": round(1e9 * seconds), "ops_per_sec": records / seconds,
                  "records": records, "value_bytes": size, "warnings": []}
        if has_redis():
            with folder_of(args) as folder:
                options = ["--dir", folder, *REDIS_OF[source]]
                beside, _ = recover(args, lambda: servers.redis(settings=options), source, records,
                                    size)
            result["beside"] = round(1e9 * beside)
        out["results"][f"start/{source}/n{records}/d{size}/buffered"] = result
    keep(path, out)
    return out, ""


STEPS = {"rates": rates, "memory": memory, "recovery": recovery}
BESIDE = ("memory", "recovery")  # their figures stand beside those of Redis
