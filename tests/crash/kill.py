#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 with an oracle on the client's side: clients write, cairnd is killed at a random moment
and started again in the same directory, and everything that was acknowledged must be there.

    kill.py --kills 500 --seed 7 --mode strict

Each client has keys of its own and remembers of each what it sent last and what was acknowledged
last. After a restart a key holds the acknowledged value or one sent after it, whole; two keys
written by one atomic batch agree; a counter lies between what was acknowledged and what was sent; a
key deleted is gone or was written again. What was found is the beginning of the next round, so that
damage of one crash is found by any later one. The process dies, the system does not: this proves
nothing about syncs (see explore.c for those). Prints counts; the exit status is 1 if anything was
lost."""

import argparse
import hashlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import Server  # noqa: E402

KEYS, CLIENTS = 40, 4
SIZES = (0, 1, 50, 50, 50, 300, 5000, 200000)


def body(owner, number, size):
    """A value that says what it is, and whether all of it is there."""
    seed = f"{owner}/{number}".encode()
    return [number, hashlib.sha256(seed).digest() * (size // 32) + hashlib.sha256(seed).digest()]


def body_number(owner, value):
    """The number in a value; an AssertionError if it is torn."""
    number, data = value
    assert data == hashlib.sha256(f"{owner}/{number}".encode()).digest() * (len(data) // 32), \
        f"the value of {owner} is torn"
    return number


class Client(threading.Thread):
    """One that writes until the server is gone. For each key: the number acknowledged last, and all
    sent since; number 0 is absence."""

    def __init__(self, name, rng):
        super().__init__(daemon=True)
        self.owner = name
        self.rng = rng
        self.number = 0
        self.acked = {}
        self.sent = {}
        self.counter_acked = self.counter_sent = self.acks = 0
        self.server = None

    def again(self, server):
        fresh = Client(self.owner, self.rng)
        fresh.__dict__.update({name: getattr(self, name) for name in (
            "number", "acked", "sent", "counter_acked", "counter_sent", "acks")})
        fresh.server = server
        return fresh

    def run(self):
        try:
            with self.server.connect() as client:
                while True:
                    self.work(client)
        except (OSError, EOFError):
            return  # killed

    def calls(self):
        """Some calls, and what they do: [(key, number)]."""
        calls, does = [], []
        for _ in range(self.rng.choice((1, 1, 5, 30))):
            self.number += 1
            key = f"{self.owner}-{self.rng.randrange(KEYS)}"
            kind = self.rng.randrange(10)
            if kind == 0:
                calls.append(("kv.del", key))
                does.append([(key, 0)])
            elif kind == 1:
                pair = [f"{self.owner}-pair-{i}" for i in (0, 1)]
                value = body(self.owner, self.number, 50)
                calls.append(("batch", [["kv.put", [k, value]] for k in pair], {"atomic": True}))
                does.append([(k, self.number) for k in pair])
            elif kind == 2:
                calls.append(("kv.incr", f"{self.owner}-counter"))
                does.append("counter")
            else:
                value = body(self.owner, self.number, self.rng.choice(SIZES))
                calls.append(("kv.put", key, value))
                does.append([(key, self.number)])
        return calls, does

    def work(self, client):
        calls, does = self.calls()
        for did in does:
            if did == "counter":
                self.counter_sent += 1
            else:
                for key, number in did:
                    self.sent.setdefault(key, []).append(number)
        frames, waiting = [], {}
        for call, did in zip(calls, does):
            frames.append(client.prepare(call[0], list(call[1:])))
            waiting[client.last_id] = did
        client.send(b"".join(frames))
        while waiting:
            message = client.message()
            if message is None:
                raise EOFError
            assert message[2] is None, message
            self.note(waiting.pop(message[1]))

    def note(self, did):
        """It was acknowledged."""
        self.acks += 1
        if did == "counter":
            self.counter_acked += 1
            return
        for key, number in did:
            self.acked[key] = number
            if number != 0:
                while self.sent[key] and self.sent[key][0] != number:
                    self.sent[key].pop(0)
            if self.sent[key]:
                self.sent[key].pop(0)

    def check(self, client):
        """What is there now is what may be there; it is what is known from now on."""
        pair = []
        for key in sorted(set(self.sent) | set(self.acked)):
            value = client.call("kv.get", key)
            number = 0 if value is None else body_number(self.owner, value)
            allowed = [self.acked.get(key, 0)] + self.sent.get(key, [])
            assert number in allowed, f"{key} has {number}, not one of {allowed}"
            self.acked[key], self.sent[key] = number, []
            if "pair" in key:
                pair.append(number)
        assert len(set(pair)) <= 1, f"half of a batch: {pair}"
        counter = client.call("kv.get", f"{self.owner}-counter") or 0
        assert self.counter_acked <= counter <= self.counter_sent, \
            f"counter {counter}, acknowledged {self.counter_acked}, sent {self.counter_sent}"
        self.counter_acked = self.counter_sent = counter


def options_of(args, folder):
    return {"durability.mode": args.mode, "data.dir": os.path.join(folder, "data"),
            "durability.any_file_system": "true", "durability.segment_bytes": "256KiB",
            "server.loops": 2, "snapshot.wal_bytes": args.snapshots}


def run(args, folder):
    rng = random.Random(args.seed)
    clients = [Client(f"c{i}", random.Random(args.seed * 1000 + i)) for i in range(CLIENTS)]
    started = time.monotonic()
    loaded = 0
    for kill in range(args.kills + 1):
        server = Server(options_of(args, folder), expect_log="were cut off")
        try:
            with server.connect() as client:
                loaded += client.call("server.recovery_report")["snapshot"] is not None
                for one in clients:
                    one.check(client)
        except BaseException:
            server.kill()
            raise
        if kill == args.kills:
            server.stop()
            break
        clients = [one.again(server) for one in clients]
        for one in clients:
            one.start()
        time.sleep(rng.uniform(0.001, args.longest))
        server.check_log()
        server.kill()
        for one in clients:
            one.join()
        if (kill + 1) % 50 == 0:
            print(f"{kill + 1} kills", flush=True)
    acks = sum(one.acks for one in clients)
    print(f"kills: {args.kills}, mode {args.mode}, seed {args.seed}, acknowledged writes: {acks}, "
          f"starts from a snapshot: {loaded}, lost: 0, {time.monotonic() - started:.0f} s")


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
