#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Each mutant of common/mutants.def must be caught by a rig, and by the one named here.

    mutants.py [--seed N] [--only NAME]

Needs CAIRND and EXPLORE of a build with -Dmutants=true and -Dfaults=true. Where a rig cannot run
(ext4.py and disk_full.py need root) its mutants are counted as SKIPped. Prints a table; the exit
status is 1 if a mutant was not caught, or a row is missing."""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
EXPLORE = os.environ.get("EXPLORE", "explore")
ROWS = re.compile(r"^MUTANT_ROW\((\w+), \"(.*)\"\)", re.MULTILINE)
SKIPPED = 77
# Mutant: the rig that has to catch it, and how long it may look.
RIGS = {
    "acknowledge_unwritten": "kill.py --kills 60",
    "acknowledge_unsynced": "explore --writer wal --states 60000",
    "show_unsynced": "ext4.py --crashes 60 --mode strict",
    "segment_name_unsynced": "explore --writer wal --states 60000",
    "sync_error_ignored": "io_errors.py --calls sync",
    "snapshot_unsynced": "ext4.py --crashes 60",
    "snapshot_skips_effects": "kill.py --kills 120 --longest 0.6",
    "snapshot_leaves_file": "disk_full.py --cycles 4",
    "recovery_skips_deletes": "kill.py --kills 60",
    "recovery_reuses_version": "kill.py --kills 60",
    "full_stays_full": "disk_full.py --cycles 8",
}


def command(rig, seed):
    program, *args = rig.split()
    program = EXPLORE if program == "explore" else os.path.join(HERE, program)
    return [program, *args, "--seed", str(seed)]


def run(rig, mutant, seed):
    """What became of it: "caught", "NOT CAUGHT", "SKIP" or what else; and what the rig found."""
    with tempfile.TemporaryDirectory(prefix="cairn-mutant-") as folder:
        env = dict(os.environ, CAIRN_MUTANT=mutant, TMPDIR=folder)
        done = subprocess.run(command(rig, seed), env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
                              timeout=300, check=False)
    found = re.search(r"(?:LOST|WRONG|FOUND): (.*)", done.stdout)
    if done.returncode == SKIPPED:
        return "SKIP", done.stdout.strip().split("\n")[-1]
    if done.returncode == 0:
        return "NOT CAUGHT", done.stdout.strip().split("\n")[-1]
    if found:
        return "caught", found[1]
    return f"exit status {done.returncode}", done.stdout[-2000:]


def rows():
    with open(os.path.join(HERE, "..", "..", "common", "mutants.def"), encoding="utf-8") as table:
        found = dict(ROWS.findall(table.read()))
    if set(found) != set(RIGS):
        sys.exit(f"mutants.def and mutants.py differ: {sorted(set(found) ^ set(RIGS))}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--only", help="this one")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    results = []
    for mutant, text in rows().items():
        if args.only not in (None, mutant):
            continue
        started = time.monotonic()
        result, found = run(RIGS[mutant], mutant, args.seed)
        results.append(result)
        print(f"{mutant:<24} {RIGS[mutant].split()[0]:<13} {result}, "
              f"{time.monotonic() - started:.1f} s\n    {text}\n    {found[:300]}", flush=True)
    caught, skipped = results.count("caught"), results.count("SKIP")
    print(f"mutants: {len(results)}, caught: {caught}, SKIPped: {skipped}, "
          f"not caught: {len(results) - caught - skipped}")
    return caught + skipped != len(results)


if __name__ == "__main__":
    sys.exit(main())
