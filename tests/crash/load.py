#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 under the load of loadgen, which keeps what was acknowledged and asks for it afterwards.

    load.py --kills 200 --seed 7 --mode strict

Each round a loadgen, of one protocol, test, pipeline and number of threads or another, writes
values that tell what they are, with --ack-log. At a random moment cairnd is killed, started again
in the same directory, and asked by loadgen verify; then killed and started once more without a
load, as recovery must not lose what it has recovered, and asked by the other protocol. Nothing may
be lost, stale, damaged or foreign. Where kill.py has few clients that know everything, here are
many connections that know little.

Modes: buffered, strict, and mixed: a buffered server, of which some requests ask to be strict. With
--mode memory, which promises nothing, it is an error if verify does not notice that all is lost.
Needs CAIRND and LOADGEN. Prints the seed and counts; the exit status is 1 if anything was lost."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import Server  # noqa: E402
from lib.server import environment, until  # noqa: E402
from oracle import snapshots_of  # noqa: E402

LOADGEN = os.environ.get("LOADGEN", "loadgen")
PROTOCOLS = ("rpc", "resp")
TESTS = {"buffered": ("set", "insert", "rmw", "mixed"), "strict": ("set", "insert", "rmw", "mixed"),
         "memory": ("set",), "mixed": ("set_buffered", "set_strict")}
LIMIT_S = 200


class Rig:
    """A directory, the server in it, and what was found."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.rng = random.Random(args.seed)
        self.acks = os.path.join(folder, "acks")
        self.acknowledged = self.unanswered = 0

    def start(self):
        """A server, and {protocol: its address}."""
        mode = "buffered" if self.args.mode == "mixed" else self.args.mode
        options = {"durability.mode": mode, "listen.resp": "127.0.0.1:0", "server.loops": 2}
        if mode != "memory":
            options |= {"data.dir": os.path.join(self.folder, "data"),
                        "durability.any_file_system": "true",
                        "durability.segment_bytes": "256KiB", **snapshots_of(self.rng)}
        server = Server(options, expect_log="were cut off")
        return server, {"rpc": "cairn://{}:{}".format(*server.address),
                        "resp": "redis://{}:{}".format(*server.address_of(0, "resp"))}

    def load(self, addresses, protocol):
        """A loadgen that has begun."""
        rng = self.rng
        words = ["-u", addresses[protocol], "-t", rng.choice(TESTS[self.args.mode]), "--verify",
                 "--ack-log", self.acks, "--duration", "1h", "--seed", rng.randrange(1 << 30),
                 "-r", rng.choice((1, 50, 2000)), "-d", rng.choice(("64", "34-1000", "1KiB-64KiB")),
                 "-c", rng.choice((1, 8, 50)), "-P", rng.choice((1, 1, 4, 16)),
                 "--threads", rng.choice((1, 2)), "--preload", "--interval", "100ms"]
        print("loadgen", *words, file=self.log)
        self.log.flush()
        return subprocess.Popen([LOADGEN, *map(str, words)], stdin=subprocess.DEVNULL,
                                stdout=self.log, stderr=self.log, env=environment())

    def verify(self, address):
        """What loadgen verify finds."""
        done = subprocess.run([LOADGEN, "verify", "--json", "--ack-log", self.acks, "-u", address],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8", timeout=LIMIT_S,
                              env=environment(), check=False)
        assert done.returncode in (0, 3) and done.stdout, done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert found["good"] == (done.returncode == 0), done.stdout
        return found, done.stderr

    def check(self, address):
        """Everything must be there; or, of mode memory, missed."""
        found, told = self.verify(address)
        if self.args.mode != "memory":
            assert found["good"], f"{found}\n{told}"
        elif found["acknowledged"] > 0:
            assert not found["good"], f"a server in memory came back with everything: {found}"
        return found

    def kill_under_load(self):
        """One load until the server dies."""
        rng = self.rng
        protocol = "rpc" if self.args.mode == "mixed" else rng.choice(PROTOCOLS)
        server, addresses = self.start()
        try:
            with server.connect() as client:
                client.call("kv.clear")  # what a load before wrote is foreign to this one
            if os.path.exists(self.acks):
                os.remove(self.acks)
            load = self.load(addresses, protocol)
            until(lambda: load.poll() is not None or
                  (os.path.exists(self.acks) and os.path.getsize(self.acks) > 100),
                  "acknowledgements", LIMIT_S)
            assert load.poll() is None, "loadgen ended before the server did"
            time.sleep(rng.uniform(0, self.args.longest))
            server.check_log()
        finally:
            server.kill()
        status = load.wait(LIMIT_S)
        assert status == 3, f"loadgen ended with {status}, not 3"
        return protocol

    def round(self):
        """Kill, look; kill again, look again."""
        protocol = self.kill_under_load()
        for name in (protocol, *(other for other in PROTOCOLS if other != protocol)):
            server, addresses = self.start()
            try:
                found = self.check(addresses[name])
                server.check_log()
            finally:
                server.kill()
        self.acknowledged += found["acknowledged"]
        self.unanswered += found["unanswered"]

    def run(self):
        """All rounds; the lines that tell of them."""
        started = time.monotonic()
        with open(os.path.join(self.folder, "loadgen.log"), "w", encoding="utf-8") as self.log:
            for number in range(1, self.args.kills + 1):
                self.round()
                if number % 20 == 0:
                    print(f"{number} kills", flush=True)
        assert self.acknowledged > 0, "nothing was ever acknowledged"
        print(f"kills: {2 * self.args.kills}, mode {self.args.mode}, seed {self.args.seed}, "
              f"acknowledged writes: {self.acknowledged}, keys with one that was not answered: "
              f"{self.unanswered}, {'all' if self.args.mode == 'memory' else 'none'} lost, "
              f"{time.monotonic() - started:.0f} s")


def main():
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=6, help="under load; as many without one")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--mode", choices=tuple(TESTS), default="buffered")
    parser.add_argument("--longest", type=float, default=0.4,
                        help="seconds from the first acknowledgement to the kill, at most")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="cairn-load-")
    try:
        Rig(args, folder).run()
    except AssertionError as error:
        print(f"LOST: {error}; seed {args.seed}; the files are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
