#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A disk that is really full, again and again: a small ext4 or tmpfs of its own, filled by somebody
else and freed again, below a daemon that works.

    disk_full.py --cycles 20 --seed 7 --on ext4

In each cycle the disk is filled while clients write, until writes are answered with DISK_FULL. Then
reads and deletes must go on, and a snapshot must fail, say so, and leave the older ones and no file
of its own. When there is space again, who waited is answered and writes are taken again, without
help, and the next snapshot works. Some cycles stop the daemon while the disk is full, or kill it. A
start then finds what was acknowledged (oracle.py). Needs root and loop devices; else prints what
was SKIPped, and ends with 77. Prints counts; the exit status is 1 if anything was wrong."""

import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import RpcError, Server, until  # noqa: E402
from oracle import Crowd  # noqa: E402
import mounts  # noqa: E402

DISK_MIB, BALLAST = 96, "ballast"
EXPECTED = r"is full: writes are refused|snapshot: failed|No space left"
# Of values. There is a reserve for deletes, but the clients delete, too, and some large values
# are taken before it is known that there is no room for them: now and then it is used up.
SMALL, LARGE = (0, 50, 300, 5000), (0, 50, 300, 5000, 200000)
ENDS = ("go on", "go on", "stop", "kill")


class Rig:
    def __init__(self, args, disk):
        self.args, self.disk = args, disk
        self.rng = random.Random(args.seed)
        self.crowd = Crowd(args.seed, refusals=("DISK_FULL",))
        self.counts = collections.Counter()
        self.data = os.path.join(disk.path, "data")

    def server(self):
        options = {"durability.mode": self.args.mode, "data.dir": self.data,
                   "durability.segment_bytes": "1MiB", "durability.any_file_system": "true",
                   "server.loops": 2, "snapshot.wal_bytes": "4MiB"}
        return Server(options, expect_log=EXPECTED + "|were cut off|where a sync may not",
                      preexec=mounts.die_with_parent)

    def fill(self, left_bytes):
        """Leave only so much free, also of what the daemon has freed since."""
        size = self.disk.free_bytes() - left_bytes
        with open(os.path.join(self.disk.path, BALLAST), "ab", buffering=0) as file:
            while size > 0:
                try:
                    size -= file.write(b"x" * min(size, 1 << 16))
                except OSError:
                    break

    def free(self):
        os.unlink(os.path.join(self.disk.path, BALLAST))

    def files(self):
        return sorted(name for name in os.listdir(self.data) if name.startswith("snap"))

    def idle(self, client):
        until(lambda: not client.call("server.snapshots")["running"], "no snapshot", 30)

    def snapshot(self, client):
        """Take one; why it failed, or None."""
        self.idle(client)
        client.call("server.snapshot")
        self.idle(client)
        return client.call("server.snapshots")["problem"]

    def while_full(self, client):
        """What goes on, and what does not."""
        for key in ("resident", "other"):
            assert client.call("kv.get", key) == key * 100, "what was there can be read"
        try:
            assert client.call("kv.del", "other") is True, "what is there can be deleted"
            self.counts["deletes done"] += 1
        except RpcError as error:
            assert error.code == "DISK_FULL", error
            self.counts["deletes refused"] += 1

    def fails(self, client, left):
        """Does a snapshot fail, and leave everything as it was? One that was under way when the
        disk was filled may have made room."""
        self.idle(client)
        self.fill(left)
        before = self.files()
        problem = self.snapshot(client)
        assert not problem or self.files() == before, f"{before} before, now {self.files()}"
        self.counts["snapshots failed"] += problem is not None
        return problem is not None

    def is_full(self, client):
        return client.call("server.stats")["counters"]["wal_refuses_writes"] == 1

    def refuses(self, server):
        """Is a write refused? One that was taken before that was known is answered later."""
        try:
            with server.connect(timeout=1) as client:
                client.call("kv.put", "probe", "x")
        except RpcError as error:
            assert error.code == "DISK_FULL", error
            return True
        except TimeoutError:
            pass
        return False

    def cycle(self, server):
        sizes = self.rng.choice((SMALL, LARGE))
        for one in self.crowd.owners:
            one.sizes = sizes
        with server.connect() as client:
            for key in ("resident", "other"):
                client.call("kv.put", key, key * 100)
            self.crowd.start(server)
            time.sleep(self.rng.uniform(0, 0.1))
            left = self.rng.choice((0, 0, 4096, 100000, 900000))
            until(lambda: self.fill(left) or self.refuses(server), "a full disk refuses writes")
            self.while_full(client)
            until(lambda: self.fails(client, left), "a snapshot fails on a full disk")
            self.counts["times full"] += 1
            end = self.rng.choice(ENDS)
            self.counts[f"then {end}"] += 1
            if end == "go on":
                self.crowd.stop()  # or it would soon be full again
                self.free()
                self.crowd.join()  # all are answered
                until(lambda: not self.is_full(client), "writes are taken again")
                client.call("kv.put", "resident", "again")
                assert self.snapshot(client) is None, "the next snapshot works"
        return end

    def end(self, server, end):
        if end == "stop":
            server.stop()
        else:
            server.check_log()
            server.kill()
        self.crowd.join()
        if end != "go on":
            self.free()

    def enough(self):
        """Do no more deletes wait for room than are done? How much room the log has left when the
        disk is full is chance (about one delete in four is refused), so a bad first impression is
        given three times the cycles to be put right."""
        full, counts = self.counts["times full"], self.counts
        good = counts["deletes refused"] <= counts["deletes done"]
        return full >= self.args.cycles and (good or full >= 3 * self.args.cycles)

    def run(self):
        while True:
            server = self.server()
            try:
                self.crowd.check(server)
                if self.enough():
                    server.stop()
                    assert self.counts["deletes refused"] <= self.counts["deletes done"], \
                        "deletes go on"
                    break
                self.end(server, self.cycle(server))
            except BaseException:
                print(server.log()[-4000:])
                server.kill()
                raise


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cycles", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--mode", choices=("buffered", "strict"), default="buffered")
    parser.add_argument("--on", choices=("ext4", "tmpfs"), default="ext4")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="cairn-disk-full-")
    started, status = time.monotonic(), 0
    try:
        mounts.enter(f"{args.cycles} full disks", folder)
        kind = mounts.Ext4 if args.on == "ext4" else mounts.Tmpfs
        with kind(folder, DISK_MIB) as disk:
            rig = Rig(args, disk)
            try:
                rig.run()
            except AssertionError as error:
                print(f"WRONG: {error}; seed {args.seed}")
                status = 1
            counts = ", ".join(f"{name}: {count}" for name, count in rig.counts.items())
            print(f"on {args.on}, mode {args.mode}, seed {args.seed}, {counts}, acknowledged "
                  f"writes: {rig.crowd.acks}, refused: "
                  f"{sum(one.refused for one in rig.crowd.owners)}, "
                  f"{time.monotonic() - started:.0f} s")
    finally:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())
