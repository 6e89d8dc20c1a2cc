#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every file operation of the daemon fails once, and then every one from there on: for each kind of
operation the first, the second, ... until a run needs no more of them. A run starts on a store with
a log and snapshots, writes, takes a snapshot, goes from one segment to the next, and stops.

    io_errors.py --mode strict [--calls sync,rename] [--every 7]

Whatever fails, the daemon goes on and says what did not work, or ends with 74 and says why; and a
start without faults finds everything that was acknowledged (oracle.py). KILL in place of an error
ends the process there. Needs a daemon built with -Dfaults=true; else prints what was SKIPped, and
ends with 77. Prints counts; the exit status is 1 if anything was wrong."""

import argparse
import collections
import copy
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import CAIRND, NotReady, Server  # noqa: E402
from oracle import GONE, Crowd  # noqa: E402

SKIPPED = 77
# What can come of each operation of server/wal/file.h.
CALLS = {
    "open": ("EIO", "EMFILE"),
    "write": ("EIO", "ENOSPC", "KILL"),
    "read": ("EIO",),
    "size": ("EIO",),
    "allocate": ("EIO", "ENOSPC"),
    "sync": ("EIO", "ENOSPC", "KILL"),
    "rename": ("EIO", "ENOSPC", "KILL"),
    "remove": ("EIO", "KILL"),
    "sync_names": ("EIO", "KILL"),
    "list": ("EIO",),
}
# Tried again a moment later, without a word: what only makes the next segment, or looks at a file
# that is about to go.
MAY_BE_SILENT = ("open:EMFILE", "allocate:ENOSPC")
ROUNDS = 6
SIZES = (0, 50, 300, 300, 5000)
LOUD = re.compile(r" (warn|error) (?!fault)")
READY = re.compile(r" ready: \d+ loops")
FIRED = re.compile(r" fault: ")


class Rig:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.crowd = Crowd(args.seed, owners=2, refusals=("DISK_FULL",), sizes=SIZES)
        self.counts = collections.Counter()

    def server(self, name, fault=None):
        """On the data directory of this name."""
        options = {"durability.mode": self.args.mode, "data.dir": os.path.join(self.folder, name),
                   "durability.segment_bytes": "64KiB", "durability.any_file_system": "true",
                   "server.loops": 2, "snapshot.wal_bytes": "0"}
        return Server(options, env={"CAIRN_FAULT_FILE": fault} if fault else None,
                      expect_log="" if fault else "were cut off")

    def work(self, server, crowd, count, patience_s):
        """Write, take a snapshot, write. False: it has ended meanwhile, or waits for room."""
        crowd.start(server, count)
        try:
            with server.connect(timeout=patience_s) as client:
                time.sleep(0.01)
                client.call("server.snapshot")
                while client.call("server.snapshots")["running"]:
                    time.sleep(0.005)
        except GONE:
            pass
        return crowd.ends_in(patience_s)

    def make(self):
        """The store that all runs begin with: two snapshots, log behind them, and no clean end."""
        for _ in range(2):
            server = self.server("template")
            assert self.work(server, self.crowd, ROUNDS, 120)
            server.check_log()
            server.kill()
            self.crowd.join()

    def faulty(self, fault):
        """A run in which something fails. Returns what the daemon made of it, its log, and what the
        clients know."""
        shutil.copytree(os.path.join(self.folder, "template"), os.path.join(self.folder, "data"))
        crowd = copy.deepcopy(self.crowd)
        try:
            server = self.server("data", fault)
        except NotReady as error:
            return error.status, str(error), crowd
        try:
            self.work(server, crowd, ROUNDS, 2)
            if server.process.poll() is None:
                server.signal(signal.SIGTERM)
            status = server.wait()
            crowd.join()
        except BaseException:
            server.kill()
            raise
        return status, server.log(), crowd

    def judge(self, fault, status, log):
        started = READY.search(log)
        expected = (0, os.EX_IOERR) if started else (os.EX_NOINPUT, os.EX_CANTCREAT, os.EX_IOERR)
        assert status in expected, f"exit status {status}:\n{log}"
        call, _, error = fault.split(":")
        silent = not LOUD.search(log)
        assert not silent or (status == 0 and f"{call}:{error}" in MAY_BE_SILENT), \
            f"nobody is told, exit status {status}:\n{log}"
        self.counts["went on in silence"] += silent
        assert "Sanitizer" not in log and "requirement failed" not in log, log
        self.counts["went on" if status == 0 else "ended" if started else "did not start"] += 1

    def again(self, crowd):
        """A start without faults, and a clean end."""
        server = self.server("data")
        try:
            _, report = crowd.check(server)
            assert report["snapshots_refused"] == 0, "a snapshot has its name but is damaged"
        except BaseException:
            server.kill()
            raise
        server.stop()
        left = [name for name in os.listdir(os.path.join(self.folder, "data"))
                if name.endswith((".tmp", ".damaged"))]
        assert not left, f"left behind: {left}"
        shutil.rmtree(os.path.join(self.folder, "data"))

    def one(self, fault):
        """False: there was nothing left to fail."""
        try:
            status, log, crowd = self.faulty(fault)
            killed = fault.endswith("KILL") and status == -signal.SIGKILL
            fired = killed or FIRED.search(log) is not None
            self.counts["faults"] += fired
            self.counts["killed"] += killed
            if fired and not killed:
                self.judge(fault, status, log)
            assert fired or status == 0, f"exit status {status} without a fault:\n{log}"
            self.again(crowd)
        except AssertionError as error:
            raise AssertionError(f"{fault}: {error}") from error
        return fired

    def run(self):
        self.make()
        rng = random.Random(self.args.seed)
        for call in self.args.calls.split(","):
            before = self.counts["faults"]
            for error in CALLS[call]:
                forms = ("{0}:{1}:{2}", "{0}:{1}-:{2}")  # that one; or from it on
                for form in forms[:1] if error == "KILL" else forms:
                    n = 1 + rng.randrange(self.args.every)
                    while self.one(form.format(call, n, error)):
                        n += self.args.every
            print(f"{call}: {self.counts['faults'] - before} runs", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--mode", choices=("buffered", "strict"), default="buffered")
    parser.add_argument("--calls", default=",".join(CALLS), help="the operations that fail")
    parser.add_argument("--every", type=int, default=1, help="try every so manieth only")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with open(CAIRND, "rb") as program:
        if b"CAIRN_FAULT_FILE" not in program.read():
            print("SKIP: all I/O errors not tried: the daemon is built without -Dfaults=true")
            return SKIPPED
    folder = tempfile.mkdtemp(prefix="cairn-io-errors-")
    started, status = time.monotonic(), 0
    rig = Rig(args, folder)
    try:
        rig.run()
    except AssertionError as error:
        print(f"WRONG: {error}; seed {args.seed}")
        status = 1
    finally:
        shutil.rmtree(folder)
    counts = ", ".join(f"{name}: {count}" for name, count in rig.counts.items())
    print(f"mode {args.mode}, seed {args.seed}, {counts}, {time.monotonic() - started:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
