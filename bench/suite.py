#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the suites of bench/suites.json against a cairnd and keeps what they came to.

    out/run_DATE_TIME_COMMIT/  TIER/NAME-N.json, .html          each run of loadgen
                               TIER/NAME.md                     the table of a script
                               result.json                      all results, for loadgen compare
                               SUMMARY.md, comparison.md        for people
    out/baselines/NAME.json    what --save-baseline kept
    out/INDEX.md               a line for each run, the newest last

scripts/bench_runner.sh builds what it needs. Exit status: 0 done, 1 a regression against the
baseline or a gate was missed, 2 wrong usage, 3 a run failed or nothing could be judged."""

import argparse
import contextlib
import copy
import datetime
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

import rounds
import servers
import steps

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_S = 3600
WORST = (0, 2, 1, 3)  # of two exit codes, the one further right is told
COLUMNS = ("ops_per_sec", "median_ns", "p99_ns", "p999_ns", "max_ns")
KEPT = ("ops_per_sec", "median_ns", "p95_ns", "p99_ns", "p999_ns", "client", "server",
        "recall", "bytes_per_record", "beside")


def git(*words):
    """What git says, or "" where this is no repository."""
    done = subprocess.run(["git", "-C", HERE, *words], capture_output=True, text=True, timeout=30,
                          check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit():
    """Short name of what is measured; with + if files differ from it."""
    name = git("rev-parse", "--short=10", "HEAD") or "unknown"
    return name + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


@contextlib.contextmanager
def server_of(run, args):
    """The cairnd that a run asks for, with a directory of its own if it wants one."""
    with contextlib.ExitStack() as stack:
        settings = dict(run.get("set", {}))
        if run.get("data"):
            parent = args.data or tempfile.gettempdir()
            settings["data.dir"] = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="bench-", dir=parent))
        yield stack.enter_context(servers.cairnd(
            args.cairnd, loops=run.get("loops", 1),
            settings=[f"{name}={value}" for name, value in settings.items()]))


def run_once(run, path, args):
    """Run loadgen once; (document or None, what went wrong)."""
    if run.get("step"):
        try:
            return steps.STEPS[run["step"]](run, path, args)
        except SystemExit as why:
            return None, str(why).strip().splitlines()[-1]
    length = ["--duration", f"{1000 * args.seconds:.0f}ms",
              "--warmup", f"{100 * args.seconds:.0f}ms"]
    environment = dict(os.environ, CAIRN_GIT_COMMIT=commit(),
                       CAIRN_GIT_BRANCH=git("rev-parse", "--abbrev-ref", "HEAD"))
    try:
        with server_of(run, args) as server:
            done = subprocess.run(
                [args.loadgen, "-p", str(server.port), "--server-pid", str(server.pid), "--json",
                 "--html", path + ".html", *length, *shlex.split(run["loadgen"])],
                capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment)
    except SystemExit as why:
        return None, str(why).strip().splitlines()[-1]
    with open(path + ".json", "w", encoding="utf-8") as file:
        file.write(done.stdout)
    try:
        return json.loads(done.stdout), done.stderr.strip() if done.returncode else ""
    except ValueError:
        return None, (done.stderr.strip() or "no result").splitlines()[-1]


def run_script(run, path, args):
    """Run a script of this folder, which prints a table and ends with 1 if a bar is missed;
    (exit code, what went wrong)."""
    command = [os.path.join(HERE, run["script"]), "--cairnd", args.cairnd, "--loadgen",
               args.loadgen, "--rounds", str(args.runs), "--check", "--dir",
               args.data or tempfile.gettempdir(), *(["--quick"] if args.quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    with open(path, "w", encoding="utf-8") as file:
        file.write(done.stdout)
    if done.returncode == 0 or done.returncode == 1 and done.stdout:
        return done.returncode, ""
    return 3, (done.stderr.strip() or "no result").splitlines()[-1]


def merge(documents):
    """One document of several runs: of each result the run of median throughput, with what
    loadgen compare needs of all of them in `runs`."""
    middle = copy.deepcopy(documents[0])
    for key in middle["results"]:
        each = sorted((document["results"][key] for document in documents),
                      key=lambda result: result.get("ops_per_sec", result.get("bytes_per_record")))
        middle["results"][key] = dict(each[len(each) // 2])
        middle["results"][key]["runs"] = [{name: result[name] for name in KEPT if name in result}
                                          for result in each]
    return middle


def run_all(run, folder, args):
    """Run as often as asked, each time with a server of its own; (document or None, problem)."""
    documents = []
    for number in range(args.runs):
        path = os.path.join(folder, f"{run['name']}-{number + 1}")
        document, problem = run_once(run, path, args)
        if problem or document is None:
            return document, problem
        documents.append(document)
    return merge(documents), ""


def duration(ns):
    """Nanoseconds for people."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns} ns"


def cell(column, result):
    """A figure of a result for people."""
    if column not in result:
        return "-"
    return f"{result[column]:,.0f}" if column == "ops_per_sec" else duration(result[column])


def rows_of(tier, name, kind, document):
    """Lines of the summary for the results of loads; `kind` is that of the file they link to."""
    for key, result in document["results"].items():
        cells = [cell(column, result) for column in COLUMNS]
        server = result.get("server", {}).get("us_per_op")
        recall = result.get("recall", {}).get("mean")
        flags = ", ".join(warning["name"] for warning in result["warnings"]) or "-"
        yield (f"| [{tier}/{name}]({tier}/{name}-1.{kind}) | `{key}` | " + " | ".join(cells) +
               f" | {f'{recall:.4f}' if recall is not None else '-'}"
               f" | {f'{server:.2f}' if server else '-'} | {flags} |")


def beside_rows_of(tier, name, document):
    """The same of figures that stand beside those of Redis: lower is better."""
    for key, result in document["results"].items():
        each = result.get("runs") or [result]
        ours, theirs = (statistics.median(run[what] for run in each) if what in each[0] else None
                        for what in (figure_of(result), "beside"))
        shown = [f"{value:.1f} bytes" if figure_of(result) == "bytes_per_record"
                 else duration(value) for value in (ours, theirs) if value is not None]
        ratio = f"{ours / theirs:.2f}" if theirs else "-"
        yield (f"| [{tier}/{name}]({tier}/{name}-1.json) | `{key}` | {shown[0]} | "
               f"{shown[1] if theirs else '-'} | {ratio} |")


def figure_of(result):
    """Which member of such a result is compared."""
    return "bytes_per_record" if "bytes_per_record" in result else "median_ns"


class Record:
    """What one call of this program writes."""

    def __init__(self, args):
        now = datetime.datetime.now(datetime.timezone.utc)
        self.name = f"run_{now:%Y-%m-%d_%H-%M-%S}_{commit()}"
        self.args, self.folder = args, os.path.join(args.out, self.name)
        self.rows, self.beside, self.failed, self.document = [], [], [], None
        self.tables, self.worst = [], 0  # of scripts
        os.makedirs(self.folder)

    def add(self, tier, run, document, problem):
        """Take the outcome of a run."""
        if problem:
            self.failed.append(f"{tier}/{run['name']}: {problem}")
        if document is None:
            return
        if run.get("step") in steps.BESIDE:
            self.beside += beside_rows_of(tier, run["name"], document)
        else:
            kind = "json" if run.get("step") else "html"
            self.rows += rows_of(tier, run["name"], kind, document)
        if self.document is None:
            self.document = {**document, "results": {}}
            self.document.pop("validity", None)  # of one run; results have their warnings
        for key, result in document["results"].items():
            self.document["results"][f"{tier}/{run['name']}/{key}"] = result

    def add_script(self, tier, run):
        """Run a script and keep its table."""
        name = f"{tier}/{run['name']}"
        code, problem = run_script(run, self.path(name + ".md"), self.args)
        self.worst = max(self.worst, code, key=WORST.index)
        self.tables.append(f"[{name}]({name}.md): " +
                           {0: "every bar is met", 1: "a bar is missed"}.get(code, "not valid"))
        if problem:
            self.failed.append(f"{name}: {problem}")

    def path(self, name):
        """A file of this record."""
        return os.path.join(self.folder, name)

    def judge(self):
        """Compare with the baseline and the gates. The exit code of loadgen compare."""
        words = ["--gates", self.args.gates]
        if self.args.baseline:
            words.append(self.args.baseline)
        done = subprocess.run([self.args.loadgen, "compare", *words, self.path("result.json")],
                              capture_output=True, text=True, timeout=600, check=False)
        with open(self.path("comparison.md"), "w", encoding="utf-8") as file:
            print(f"# {self.name}\n\n```text\n{done.stdout + done.stderr}```", file=file)
        print(done.stdout + done.stderr)
        return done.returncode

    def summarize(self):
        """SUMMARY.md."""
        with open(self.path("SUMMARY.md"), "w", encoding="utf-8") as file:
            print(f"# {self.name}\n", file=file)
            if self.document:
                machine = self.document["environment"]
                print("; ".join(f"{key}: {value}" for key, value in machine.items()) + "\n",
                      file=file)
            if self.rows:
                print("| run | result | requests/s | p50 | p99 | p99.9 | max | recall | "
                      "server us | warnings |\n|---|---|--:|--:|--:|--:|--:|--:|--:|---|",
                      *self.rows, sep="\n", file=file)
            if self.beside:
                print("\n| run | result | cairnd | Redis | ratio |\n|---|---|--:|--:|--:|",
                      *self.beside, sep="\n", file=file)
            for line in self.tables:
                print(f"\n{line}", file=file)
            for problem in self.failed:
                print(f"\nNot done: {problem}", file=file)
            if self.document:
                print("\nComparison and gates: [comparison.md](comparison.md)", file=file)

    def index(self, tiers, code):
        """A line of INDEX.md."""
        path = os.path.join(self.args.out, "INDEX.md")
        new = not os.path.exists(path)
        with open(path, "a", encoding="utf-8") as file:
            if new:
                print("# Runs\n\n| run | what | results | not done | verdict |\n"
                      "|---|---|--:|--:|---|", file=file)
            verdict = {0: "good", 1: "worse, or a gate missed", 3: "not valid"}.get(code, "wrong")
            results = len(self.rows) + len(self.beside)
            print(f"| [{self.name}]({self.name}/SUMMARY.md) | {', '.join(tiers)} | {results} | "
                  f"{len(self.failed)} | {verdict} |", file=file)

    def save(self, name):
        """Keep the results as a baseline."""
        folder = os.path.join(self.args.out, "baselines")
        os.makedirs(folder, exist_ok=True)
        shutil.copyfile(self.path("result.json"), os.path.join(folder, name + ".json"))

    def close(self, tiers):
        """Write everything. The exit code."""
        code = self.worst if self.tables else 3
        if self.document:
            with open(self.path("result.json"), "w", encoding="utf-8") as file:
                json.dump(self.document, file)
            code = max(self.judge(), self.worst, 3 if self.failed else 0, key=WORST.index)
            if self.args.save_baseline:
                self.save(self.args.save_baseline)
        self.summarize()
        self.index(tiers, code)
        print(self.path("SUMMARY.md"))
        return code


def parse_args(suites):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    tiers = "; ".join(f"{name}: {suite['text']}" for name, suite in suites.items())
    parser.add_argument("tiers", nargs="*", metavar="TIER", help=f"all if none is named. {tiers}")
    servers.add_path_options(parser, "cairnd", "loadgen")
    parser.add_argument("--seconds", type=float, default=5, help="length of each test (5)")
    parser.add_argument("--runs", type=int, default=5,
                        help="runs of each, each with a new server (5, the fewest to compare)")
    parser.add_argument("--records", type=int, default=1000000,
                        help="most records of the tiers memory and recovery (1,000,000)")
    parser.add_argument("--quick", action="store_true",
                        help="scripts: small sizes, to see that they run")
    parser.add_argument("--only", help="the run of this name alone")
    parser.add_argument("--out", default="out", help="where runs are kept (out)")
    parser.add_argument("--data", help="where servers with a log keep it: the disk to measure")
    parser.add_argument("--gates", default=os.path.join(HERE, "gates.json"), help="bounds to keep")
    parser.add_argument("--baseline", help="file of results, or name of a saved one")
    parser.add_argument("--save-baseline", metavar="NAME", help="keep the results by this name")
    args = parser.parse_args()
    for tier in args.tiers:
        if tier not in suites:
            parser.error(f"no tier '{tier}'; there are {', '.join(suites)}")
    if args.baseline and not os.path.exists(args.baseline):
        args.baseline = os.path.join(args.out, "baselines", args.baseline + ".json")
        if not os.path.exists(args.baseline):
            parser.error(f"no baseline {args.baseline}; make one with --save-baseline")
    servers.resolve_paths(args, "cairnd", "loadgen")
    return args


def main():
    """Run as a program."""
    with open(os.path.join(HERE, "suites.json"), encoding="utf-8") as file:
        suites = json.load(file)
    args = parse_args(suites)
    rounds.end_politely()
    record = Record(args)
    tiers = args.tiers or list(suites)
    for tier in tiers:
        os.makedirs(record.path(tier), exist_ok=True)
        for run in suites[tier]["runs"]:
            if args.only not in (None, run["name"]):
                continue
            print(f"{tier}/{run['name']} ...", file=sys.stderr)
            if "script" in run:
                record.add_script(tier, run)
            else:
                record.add(tier, run, *run_all(run, record.path(tier), args))
    return record.close(tiers)


if __name__ == "__main__":
    sys.exit(main())
