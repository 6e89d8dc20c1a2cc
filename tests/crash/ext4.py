#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Crashes of a real ext4: clients write, the file system below the data directory is shut down at a
random moment with what was not on the disk (EXT4_IOC_SHUTDOWN), mounted again, and cairnd is
started on what is left.

    ext4.py --crashes 300 --seed 7 --mode strict

Judged by oracle.py. strict: nothing that was acknowledged or shown is lost. buffered: what is lost
is a suffix of what all clients wrote, no more than twice the interval between syncs holds. In both
every snapshot that has its name is whole, and the daemon ends with 74 when its disk has gone. Some
crashes come while the daemon starts, and most while it takes snapshots and goes from one segment to
the next. Needs root and loop devices; else prints what was SKIPped, and ends with 77.

Prints counts; the exit status is 1 if anything was lost."""

import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import NotReady, Server  # noqa: E402
from oracle import GONE, Crowd, snapshots_of  # noqa: E402
import mounts  # noqa: E402

IMAGE_MIB, INTERVAL_MS = 192, 250
# What a daemon says of a disk that goes away, and of what it finds after that.
EXPECTED = (r"Input/output error|were cut off|Nothing can be promised|cannot be (read|listed|"
            r"opened|made|written|begun)|(snapshot|wal): .*failed")
START_CRASH_ONE_IN, LOG_FLUSH_ONE_IN = 8, 5


class Rig:
    """One store on one image, through all crashes."""

    def __init__(self, args, disk):
        self.args, self.disk = args, disk
        self.rng = random.Random(args.seed)
        self.crowd = Crowd(args.seed, readers=2)
        self.strict = args.mode == "strict"
        self.counts = collections.Counter()
        self.span = self.age = 0
        self.crashed_at = 0

    def server(self):
        options = {"durability.mode": self.args.mode, "data.dir": os.path.join(self.disk.path, "d"),
                   "durability.segment_bytes": "256KiB", "server.loops": 2,
                   "durability.sync_interval_ms": f"{INTERVAL_MS}ms",
                   **snapshots_of(self.rng)}
        return Server(options, expect_log=EXPECTED, preexec=mounts.die_with_parent)

    def crash(self):
        flush = self.rng.randrange(LOG_FLUSH_ONE_IN) == 0
        names = os.listdir(os.path.join(self.disk.path, "d")) if self.counts["crashes"] else []
        self.counts["crashes"] += 1
        self.counts["with the journal written"] += flush
        self.counts["while a snapshot was written"] += "snap.tmp" in names
        self.disk.shutdown(mounts.LOG_FLUSH if flush else mounts.NO_LOG_FLUSH)
        self.crashed_at = time.monotonic()

    def remount(self):
        self.disk.unmount()
        self.disk.mount()

    def check(self, server):
        """Everything is there that must be."""
        loss, report = self.crowd.check(server, None if self.strict else 2 * INTERVAL_MS / 1000)
        assert report["snapshots_refused"] == 0, "a snapshot has its name but is damaged"
        self.counts["starts from a snapshot"] += report["snapshot"] is not None
        self.counts["acknowledged and lost"] += loss.count
        self.counts["crashes with loss"] += loss.count > 0
        if loss.count:
            self.span = max(self.span, loss.span)
            self.age = max(self.age, self.crashed_at - loss.first)

    def snapshots(self, server):
        """Ask for one after the other."""
        try:
            with server.connect() as client:
                while True:
                    client.call("server.snapshot")
                    time.sleep(0.02)
        except GONE:
            pass

    def crash_in_start(self):
        """Somewhere in it, or just behind it."""
        timer = threading.Timer(self.rng.uniform(0, 0.06), self.crash)
        timer.start()
        try:
            server = self.server()
        except NotReady as error:
            timer.join()
            assert error.status in (os.EX_IOERR, os.EX_NOINPUT, os.EX_CANTCREAT), \
                f"exit status {error.status}: {error}"
            self.counts["while starting"] += 1
            return
        timer.join()
        server.check_log()
        server.kill()

    def crash_in_work(self):
        server = self.server()
        try:
            self.check(server)
            self.crowd.start(server)
            asking = threading.Thread(target=self.snapshots, args=(server,), daemon=True)
            asking.start()
            time.sleep(self.rng.uniform(0.001, self.args.longest))
            self.crash()
            status = server.wait()
            assert status == os.EX_IOERR, f"exit status {status} when the disk has gone"
            server.check_log()
            self.crowd.join()
            asking.join()
        except BaseException:
            server.kill()
            raise

    def run(self):
        while self.counts["crashes"] < self.args.crashes:
            if self.counts["crashes"] and self.rng.randrange(START_CRASH_ONE_IN) == 0:
                self.crash_in_start()
            else:
                self.crash_in_work()
            self.remount()
            if self.counts["crashes"] % 50 == 0:
                print(f"{self.counts['crashes']} crashes", flush=True)
        server = self.server()
        try:
            self.check(server)
        except BaseException:
            server.kill()
            raise
        server.stop()

    def print_counts(self, seconds):
        counts = ", ".join(f"{name}: {count}" for name, count in self.counts.items())
        print(f"mode {self.args.mode}, seed {self.args.seed}, {counts}, acknowledged writes: "
              f"{self.crowd.acks}, reads: {sum(one.reads for one in self.crowd.readers)}, "
              f"longest suffix lost: {self.span * 1000:.0f} ms, from {self.age * 1000:.0f} ms "
              f"before the crash, {seconds:.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--crashes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--mode", choices=("buffered", "strict"), default="buffered")
    parser.add_argument("--longest", type=float, default=1.0, help="seconds until a crash, at most")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="cairn-ext4-")
    started = time.monotonic()
    status = 0
    try:
        mounts.enter(f"{args.crashes} crashes of ext4", folder)
        with mounts.Ext4(folder, IMAGE_MIB) as disk:
            rig = Rig(args, disk)
            try:
                rig.run()
            except AssertionError as error:
                print(f"LOST: {error}; seed {args.seed}, crash {rig.counts['crashes']}")
                status = 1
            rig.print_counts(time.monotonic() - started)
    finally:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())
