#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a request costs the server, counted instead of timed, so that a busy machine can tell, too.

Instructions outside of the kernel by callgrind (package valgrind), which knows no SHA instructions:
a save shows more than it takes. Page faults by the kernel. With --beside PROGRAM another cairnd is
counted as well. Prints a Markdown table."""

import argparse
import os
import re
import subprocess
import sys
import tempfile

import rounds
import servers

WRITES = [word for i in range(10) for word in ("[", i, f"ch{i}", "bytes", "__data__", "]")]
REQUESTS = {
    "kv.get of 64 B": ["-t", "get", "-d", 64, "-r", 1000],
    "kv.set of 64 B": ["-t", "set", "-d", 64, "-r", 1000],
    "ckpt.save of 4 KiB": ["-t", "ckpt_save", "-d", 4096, "-r", 1000],
    "ckpt.put_writes of 10 x 1 KiB": ["-d", 1024, "-r", 10 ** 9, "--key-pattern", "sequential",
                                      "ckpt.put_writes", "session", "", "PART:__rand_int__",
                                      "task", "[", *WRITES, "]"],
}
FAULTS = 7  # in /proc/PID/stat, behind the name
START_S = 60


def load(args, server, words, part):
    """Send the requests; keys of a part are not those of another."""
    words = [str(word).replace("PART", part) for word in words]
    rounds.run([args.loadgen, "-u", f"cairn://{servers.HOST}:{server.port}", "--json", "-c", "50",
                "-n", str(args.requests), *words], None)


def settings(mode, folder):
    """Of a server that does nothing but serve."""
    found = [f"durability.mode={mode}", "snapshot.wal_bytes=1TiB", "snapshot.on_shutdown=false"]
    return found + ([] if mode == "memory" else [f"data.dir={tempfile.mkdtemp(dir=folder)}"])


def faults(args, program, mode, words, folder):
    """Page faults of a request."""
    with servers.cairnd(program, settings=settings(mode, folder)) as server:
        load(args, server, words, "before")
        seen = []
        for part in ("a", "b"):
            with open(f"/proc/{server.pid}/stat", encoding="ascii") as file:
                seen.append(int(file.read().rpartition(")")[2].split()[FAULTS]))
            if part == "a":
                load(args, server, words, part)
        return (seen[1] - seen[0]) / args.requests


def instructions(args, program, mode, words, folder):
    """Instructions of a request, outside of the kernel."""
    out = os.path.join(tempfile.mkdtemp(dir=folder), "out")
    wrapper = os.path.join(os.path.dirname(out), "cairnd")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec valgrind --tool=callgrind --instr-atstart=no '
                   f'--callgrind-out-file={out} {os.path.abspath(program)} "$@"\n')
    os.chmod(wrapper, 0o755)
    with servers.cairnd(wrapper, settings=settings(mode, folder)) as server:
        load(args, server, words, "before")
        for what in ("-i on", "", "-i off", "-d"):
            if what:
                subprocess.run(["callgrind_control", *what.split(), str(server.pid)], check=True,
                               capture_output=True, timeout=START_S)
            else:
                load(args, server, words, "counted")
        with open(f"{out}.1", encoding="utf-8", errors="replace") as file:
            return int(re.search(r"^totals: (\d+)", file.read(), re.M)[1]) / args.requests


def main():
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    servers.add_path_options(parser, "cairnd", "loadgen")
    parser.add_argument("--beside", metavar="PROGRAM", help="another cairnd")
    parser.add_argument("--requests", type=int, default=3000, help="of each kind (3000)")
    args = parser.parse_args()
    servers.resolve_paths(args, "cairnd", "loadgen")
    servers.START_LIMIT_S = START_S
    programs = [args.cairnd] + ([args.beside] if args.beside else [])
    print("| request | durability | program | instructions | page faults |\n"
          "|---|---|---|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="instructions-", dir=args.build) as folder:
        for name, words in REQUESTS.items():
            for mode in ("memory", "buffered"):
                for program in programs:
                    count = instructions(args, program, mode, words, folder)
                    touched = faults(args, program, mode, words, folder)
                    print(f"| {name} | {mode} | {program} | {count:,.0f} | {touched:.2f} |",
                          flush=True)


if __name__ == "__main__":
    rounds.end_politely()
    sys.exit(main())
