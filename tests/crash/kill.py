#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 with an oracle on the client's side: clients write, cairnd is killed at a random moment
and started again in the same directory, and everything that was acknowledged must be there.

    kill.py --kills 500 --seed 7 --mode strict

oracle.py says what each client knows and what is compared. The process dies, the system does not:
this proves nothing about syncs (explore.c and ext4.py do). Prints counts; the exit status is 1 if
anything was lost."""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import Server  # noqa: E402
from oracle import Crowd, snapshots_of  # noqa: E402


def options_of(args, folder, rng):
    return {"durability.mode": args.mode, "data.dir": os.path.join(folder, "data"),
            "durability.any_file_system": "true", "durability.segment_bytes": "256KiB",
            "server.loops": 2, **snapshots_of(rng, args.snapshots)}


def start(args, folder, crowd, rng):
    """The next server, which has everything; was there a snapshot?"""
    server = Server(options_of(args, folder, rng), expect_log="were cut off")
    try:
        _, report = crowd.check(server)
        return server, report["snapshot"] is not None
    except BaseException:
        server.kill()
        raise


def run(args, folder):
    rng = random.Random(args.seed)
    crowd = Crowd(args.seed, readers=1)
    started = time.monotonic()
    loaded = 0
    for kill in range(1, args.kills + 1):
        server, snapshot = start(args, folder, crowd, rng)
        loaded += snapshot
        crowd.start(server)
        time.sleep(rng.uniform(0.001, args.longest))
        server.check_log()
        server.kill()
        crowd.join()
        if kill % 50 == 0:
            print(f"{kill} kills", flush=True)
    start(args, folder, crowd, rng)[0].stop()
    print(f"kills: {args.kills}, mode {args.mode}, seed {args.seed}, acknowledged writes: "
          f"{crowd.acks}, starts from a snapshot: {loaded}, lost: 0, "
          f"{time.monotonic() - started:.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--mode", choices=("buffered", "strict"), default="buffered")
    parser.add_argument("--snapshots", default="128KiB", help="of log between two; 0: none")
    parser.add_argument("--longest", type=float, default=0.2, help="seconds until a kill, at most")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="cairn-kill-")
    try:
        run(args, folder)
    except AssertionError as error:
        print(f"LOST: {error}; seed {args.seed}; the files are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
