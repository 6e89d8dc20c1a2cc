#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Are the answers of cairnd linearizable, also across kill -9?

    linear.py --rounds 200 --seed 7 --mode strict

Concurrent clients, some by RPC, some by RESP, read, write, count and delete a few keys, alone and
in atomic batches over two, with and without conditions, several requests in flight on a connection;
a few hang up without waiting. Each notes when it called, when it was answered, and what. Then
cairnd is killed, and started again in the same directory: a round. The history of each key, or pair
of keys, must be one that linear_check.py can explain, from the states it may have been left in by
the round before: an operation without an answer took effect before the kill or never.

kill -9 loses nothing in modes strict and buffered. With --mode memory everything is lost, and it is
an error if that is not noticed; --self-test judges the checker. A history that is refused is
printed with the seed; the exit status is then 1."""

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
from lib import Server  # noqa: E402
from lib.resp import BadReply, Resp, encode as resp_encode  # noqa: E402
from linear_check import Checker, Conflict, Op, Violation  # noqa: E402
from linear_selftest import self_test, some_steps  # noqa: E402

CLIENTS = 8
SINGLES, PAIRS = 3, 2
OBJECTS = [(f"key-{i}",) for i in range(SINGLES)] + [(f"left-{i}", f"right-{i}")
                                                     for i in range(PAIRS)]
VERSION = re.compile(r"version(?: is)? ([0-9]+)")


def number(value):
    """The number in a value, however the front-ends wrote it."""
    return None if value is None else int(value)


class Rpc:
    """Operations as MessagePack-RPC."""

    def __init__(self, server, rng):
        self.client = server.connect()
        self.rng = rng
        self.waiting = {}

    def may_need(self, _steps):
        return True

    def single(self, step, keys, need):
        verb, key, argument = step[0], keys[step[1]], list(step[2:])
        options = {}
        if need is not None:
            absent = verb == "put" and need[1] == 0 and self.rng.random() < 0.5
            options = {"if_absent": True} if absent else {"if_version": need[1]}
        if verb == "get":
            options["with_version"] = True
        name = {"get": "kv.get", "put": "kv.put", "add": "kv.incr", "del": "kv.del"}[verb]
        return [name, [key] + argument + ([options] if options else [])]

    def call(self, op, keys):
        """Method and parameters of an operation."""
        verbs = {step[0] for step in op.steps}
        simple = op.need is None or (op.need[0] == op.steps[0][1] and verbs <= {"put", "del"})
        if len(op.steps) == 1 and simple:
            return self.single(op.steps[0], keys, op.need)
        named = [keys[step[1]] for step in op.steps]
        if op.need is None and verbs == {"get"} and self.rng.random() < 0.5:
            return ["kv.mget", [named, {"with_version": True}]]
        options = {"atomic": True}
        if op.need is not None:
            options["conditions"] = [["kv", keys[op.need[0]], op.need[1]]]
        return ["batch", [[self.single(step, keys, None) for step in op.steps], options]]

    def send(self, ops):
        """All of them in one go: [(op, keys)]."""
        frames = []
        for op, keys in ops:
            method, params = self.call(op, keys)
            frames.append(self.client.prepare(method, params))
            self.waiting[self.client.last_id] = (op, method)
        self.client.send(b"".join(frames))

    def receive(self):
        """The next answer: the operation, and what it was told."""
        message = self.client.message()
        if message is None:
            raise EOFError
        op, method = self.waiting.pop(message[1])
        error, result = message[2:]
        if error is not None:
            if error.startswith("CONFLICT"):
                return op, Conflict(int(VERSION.search(error).group(1)))
            raise Violation(f"{op}: {error}")
        if method == "batch":
            result = [one for _, one in result]
        elif method != "kv.mget":
            result = [result]
        return op, [self.told(step, one) for step, one in zip(op.steps, result)]

    def told(self, step, result):
        if step[0] != "get":
            return result
        return (None, 0) if result is None else (number(result[0]), result[1])

    def close(self):
        self.client.close()


class Redis:
    """Operations as RESP."""

    def __init__(self, server, rng):
        self.client = Resp(server.address_of(0, "resp"))
        self.rng = rng
        self.waiting = []

    def may_need(self, steps):
        """SET NX is the only one with a condition on the key."""
        return False if len(steps) > 1 else steps[0][0] == "put"

    def words(self, step, keys, need=None):
        key, rest = keys[step[1]], step[2:]
        name = {"get": "GET", "put": "SET", "add": "INCRBY", "del": "DEL"}[step[0]]
        return [name, key, *rest] + (["NX"] if need is not None else [])

    def call(self, op, keys):
        """Commands of an operation, the last of which answers it, and how."""
        steps = op.steps
        verbs = [step[0] for step in steps]
        if len(steps) == 1:
            return [self.words(steps[0], keys, op.need)], "one"
        if verbs == ["get", "put"] and steps[0][1] == steps[1][1]:
            return [self.words(steps[1], keys) + ["GET"]], "old"
        if set(verbs) == {"get"} and self.rng.random() < 0.5:
            return [["MGET"] + [keys[step[1]] for step in steps]], "many"
        if set(verbs) == {"put"} and self.rng.random() < 0.5:
            return [["MSET"] + [word for s in steps for word in (keys[s[1]], s[2])]], "ok"
        return [["MULTI"]] + [self.words(step, keys) for step in steps] + [["EXEC"]], "many"

    def send(self, ops):
        frames = []
        for op, keys in ops:
            commands, how = self.call(op, keys)
            frames += [resp_encode(*command) for command in commands]
            self.waiting.append((op, len(commands), how))
        self.client.send(b"".join(frames))

    def receive(self):
        op, n_replies, how = self.waiting.pop(0)
        for _ in range(n_replies):
            reply = self.client.read()
            if reply is None:
                raise EOFError
            if reply.is_error:
                raise Violation(f"{op}: {reply}")
        result = reply.plain()
        if op.need is not None and result is None:
            return op, Conflict(None)
        if how == "ok":
            return op, [None] * len(op.steps)
        if how == "old":
            return op, [(number(result), None), None]
        results = result if how == "many" else [result]
        return op, [self.told(step, one) for step, one in zip(op.steps, results)]

    def told(self, step, result):
        if step[0] == "get":
            return (number(result), None)
        return {"put": None, "add": result, "del": result == 1}[step[0]]

    def close(self):
        self.client.close()


class Client(threading.Thread):
    """One that calls until the server is gone; `history`: [(object, operation)]."""

    def __init__(self, name, front, server, rng, numbers):
        super().__init__(daemon=True)
        self.owner, self.front, self.server, self.rng = name, front, server, rng
        self.numbers = numbers  # iterator, shared: values are like no other
        self.seen = {}  # (object, key): version
        self.history = []
        self.wrong = None

    def run(self):
        try:
            while True:
                connection = self.front(self.server, self.rng)
                try:
                    while self.round_trip(connection):
                        pass
                finally:
                    connection.close()
        except (OSError, EOFError, BadReply):
            return  # killed
        except Violation as wrong:
            self.wrong = wrong

    def some_op(self, connection, previous):
        which = self.rng.randrange(len(OBJECTS))
        keys = OBJECTS[which]
        steps = some_steps(self.rng, len(keys), next(self.numbers))
        need = None
        if self.rng.random() < 0.3 and connection.may_need(steps):
            absent = connection.front_end == "resp" or self.rng.random() < 0.3
            key = steps[0][1]
            need = (key, 0 if absent else self.seen.get((which, key), 0))
        op = Op(self.owner, steps, need, after=previous.get(which))
        previous[which] = op
        return which, op

    def round_trip(self, connection):
        """Some calls in flight at once. False: hung up."""
        previous = {}
        batch = [self.some_op(connection, previous)
                 for _ in range(self.rng.choice((1, 1, 1, 2, 4)))]
        begin = time.monotonic_ns()
        for _, op in batch:
            op.begin = begin
        self.history += batch
        connection.send([(op, OBJECTS[which]) for which, op in batch])
        if self.rng.random() < 0.005:
            return False
        objects = {id(op): which for which, op in batch}
        for _ in batch:
            op, told = connection.receive()
            op.end, op.told = time.monotonic_ns(), told
            self.remember(objects[id(op)], op)
        return True

    def remember(self, which, op):
        """Versions, for the conditions of later operations."""
        if isinstance(op.told, Conflict):
            if op.told.version is not None:
                self.seen[which, op.need[0]] = op.told.version
            return
        for step, told in zip(op.steps, op.told):
            version = told[1] if step[0] == "get" else told if step[0] == "put" else None
            if version is not None:
                self.seen[which, step[1]] = version


Rpc.front_end, Redis.front_end = "rpc", "resp"


def options_of(args, folder):
    options = {"durability.mode": args.mode, "server.loops": 2, "listen.resp": "127.0.0.1:0"}
    if args.mode != "memory":
        options.update({"data.dir": os.path.join(folder, "data"),
                        "durability.any_file_system": "true",
                        "durability.segment_bytes": "256KiB", "snapshot.wal_bytes": "128KiB"})
    return options


def look(server, checkers):
    """What a restart left, read by one client alone."""
    with server.connect() as client:
        for checker, keys in zip(checkers, OBJECTS):
            op = Op("after the start", [("get", i) for i in range(len(keys))],
                    begin=time.monotonic_ns())
            items = client.call("kv.mget", list(keys), with_version=True)
            op.told = [(None, 0) if item is None else (number(item[0]), item[1])
                       for item in items]
            op.end = time.monotonic_ns()
            checker.epoch([op])


def judge(clients, checkers, died):
    """The history of a round: what was under way when the process died ended then."""
    histories = [[] for _ in OBJECTS]
    for client in clients:
        if client.wrong is not None:
            raise client.wrong
        for which, op in client.history:
            if op.begin < died:
                op.end = died if op.end is None else min(op.end, died)
                histories[which].append(op)
    for checker, ops in zip(checkers, histories):
        checker.epoch(ops)
    return sum(op.told is None for ops in histories for op in ops)


def run_round(args, rng, server, checkers, numbers):
    clients = [Client(f"{front.front_end} {i}", front, server, random.Random(rng.random()), numbers)
               for i, front in enumerate((Rpc, Redis) * (CLIENTS // 2))]
    for client in clients:
        client.start()
    time.sleep(rng.uniform(0.01, args.longest))
    server.check_log()
    assert server.process.poll() is None, "cairnd ended by itself:\n" + server.log()
    server.process.kill()
    server.process.wait()
    died = time.monotonic_ns()
    for client in clients:
        client.join()
    return judge(clients, checkers, died)


def run(args, folder):
    rng = random.Random(args.seed)
    checkers = [Checker(" and ".join(keys), len(keys)) for keys in OBJECTS]
    numbers = iter(range(1, 1 << 40))
    started, unknown = time.monotonic(), 0
    for i in range(args.rounds + 1):
        server = Server(options_of(args, folder), expect_log="were cut off")
        try:
            look(server, checkers)
            if i < args.rounds:
                unknown += run_round(args, rng, server, checkers, numbers)
            else:
                server.stop()
        finally:
            server.kill()
        if (i + 1) % 50 == 0:
            print(f"{i + 1} rounds", flush=True)
    print(f"rounds: {args.rounds}, mode {args.mode}, seed {args.seed}, operations: "
          f"{sum(c.ops for c in checkers)}, of unknown outcome: {unknown}, configurations: "
          f"{sum(c.configurations for c in checkers)}, not linearizable: 0, "
          f"{time.monotonic() - started:.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--mode", choices=("buffered", "strict", "memory"), default="buffered")
    parser.add_argument("--longest", type=float, default=0.2, help="seconds until a kill, at most")
    parser.add_argument("--self-test", action="store_true", help="judge the checker, then end")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    if args.self_test:
        self_test(args.seed)
        return 0
    folder = tempfile.mkdtemp(prefix="cairn-linear-")
    lies = args.mode == "memory"
    try:
        run(args, folder)
    except AssertionError as error:
        print(f"{error}\nseed {args.seed}; the files are in {folder}")
        if lies:
            shutil.rmtree(folder)
        return not (lies and isinstance(error, Violation))
    shutil.rmtree(folder)
    return lies


if __name__ == "__main__":
    sys.exit(main())
