#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random commands, pipelined in random chunks over two connections, to Redis and to the RESP port:
the same replies, and at the end the same keys, values and expiries.

RESP_SEED=N repeats a run, RESP_COMMANDS=N says how many commands it has.
"""

import collections
import os
import random
import unittest

from lib.redis_server import PROGRAM, RedisServer
from lib.resp_compare import Line, Pair, same
from lib.resp_random import Grammar
from lib.resp_subject import Subject

SEED = int(os.environ.get("RESP_SEED") or random.SystemRandom().randrange(10**9))
COMMANDS = int(os.environ.get("RESP_COMMANDS") or 10000)
APPROXIMATE = (b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME")
REMEMBERED = 40


def line_of(args):
    """The command with the mark that says how to compare its replies."""
    name = args[0].upper()
    mark = "~" if name in APPROXIMATE else "*" if name == b"KEYS" else None
    return Line(repr(args), False, mark, args)


def same_exec(queued, theirs, ours):
    """Is each reply inside that of EXEC the same?"""
    if theirs.kind != b"*" or ours.kind != b"*" or theirs.value is None or ours.value is None:
        return theirs == ours
    return len(queued) == len(theirs.value) == len(ours.value) and all(
        same(line_of(args), a, b) for args, a, b in zip(queued, theirs.value, ours.value))


@unittest.skipIf(PROGRAM is None, "redis-server is missing: scripts/packages.sh test")
class RandomTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.redis = RedisServer()
        cls.addClassCleanup(cls.redis.stop)
        cls.subject = Subject()
        cls.addClassCleanup(cls.subject.stop)

    def compare(self, queued, args, theirs, ours):
        """Compare two replies; queued: what was queued on this connection since MULTI."""
        if args[0] == b"EXEC":
            equal = same_exec(queued, theirs, ours)
        else:
            equal = same(line_of(args), theirs, ours)
        if not equal:
            self.fail(f"{args}\n    redis: {theirs}\n    cairn: {ours}\n    "
                      f"queued: {queued}\nRESP_SEED={self.seed}, the last commands:\n" +
                      "\n".join(f"{second:d} {command}" for second, command in self.history))
        if args[0] == b"MULTI" and theirs.value == b"OK":
            queued.clear()
        if theirs.value == b"QUEUED":
            queued.append(args)

    def drive(self, pair, seed):
        grammar, dice = Grammar(seed), random.Random(seed + 1)
        queued = {False: [], True: []}
        sent = 0
        while sent < COMMANDS:
            second = dice.random() < 0.3
            commands = [command for _ in range(dice.choice([1, 1, 2, 5, 30, 100]))
                        for command in grammar.next(second)]
            for args, (theirs, ours) in zip(commands, pair.pipeline(commands, second)):
                self.history.append((second, args))
                self.compare(queued[second], args, theirs, ours)
            sent += len(commands)
        for second in queued:
            pair.call("RESET", second=second)

    def contents(self, pair):
        """Compare all keys, values and expiries."""
        theirs, ours = pair.call("KEYS", "*")
        self.assertEqual(sorted(theirs.plain()), sorted(ours.plain()))
        for key in theirs.plain():
            for command in (b"GET", b"TYPE", b"TTL", b"PTTL", b"PEXPIRETIME"):
                args = [command, key]
                self.history.append((False, args))
                self.compare([], args, *pair.call(*args))

    def run_seed(self, seed, protocol):
        self.seed, self.history = seed, collections.deque(maxlen=REMEMBERED)
        print(f"RESP_SEED={seed}, RESP{protocol}", flush=True)
        with Pair(self.redis.address, self.subject.address, protocol) as pair:
            pair.call("FLUSHALL")
            self.drive(pair, seed)
            self.contents(pair)

    def test_resp2(self):
        self.run_seed(SEED, 2)

    def test_resp3(self):
        self.run_seed(SEED, 3)

    def test_commands_meet(self):
        """The grammar must reach what it is for: few errors, many hits, some transactions."""
        counts = collections.Counter()
        with Pair(self.redis.address, self.redis.address) as pair:
            pair.call("FLUSHALL")
            grammar = Grammar(SEED)
            for args in [args for _ in range(3000) for args in grammar.next(False)]:
                reply = pair.connections[False][0].call(*args)
                counts["errors"] += reply.is_error
                counts["hits"] += args[0] == b"GET" and reply.value is not None
                counts["transactions"] += args[0] == b"EXEC" and reply.kind == b"*" and (
                    bool(reply.value))
        self.assertLess(counts["errors"], 1200, counts)
        self.assertGreater(counts["hits"], 20, counts)
        self.assertGreater(counts["transactions"], 10, counts)


if __name__ == "__main__":
    unittest.main()
