# SPDX-License-Identifier: BSD-3-Clause
"""The checker of linear.py judged by histories of which the truth is known: those of a toy store
that is right, and of one that goes wrong once, each in a way of its own, at the end of a random
concurrent history."""

import random

from linear_check import NOTHING, Checker, Conflict, Op, Violation


def some_steps(rng, n_keys, number):
    """Steps on an object with so many keys; `number` is like no other."""
    key = rng.randrange(n_keys)
    value = number * 1000
    if n_keys == 1 or rng.random() < 0.5:
        return rng.choice([
            [("get", key)], [("get", key)], [("put", key, value)], [("put", key, value)],
            [("add", key, rng.randint(1, 9))], [("del", key)], [("get", key), ("put", key, value)]])
    return rng.choice([
        [("get", 0), ("get", 1)], [("put", 0, value), ("put", 1, value + 1)],
        [("add", 0, -3), ("add", 1, 3)], [("get", key), ("put", 1 - key, value)],
        [("del", key), ("put", 1 - key, value)]])


class Toy:
    """A store that is right, and the history of those who use it."""

    N_KEYS = 2

    def __init__(self, rng):
        self.rng = rng
        self.keys = [(None, 0)] * self.N_KEYS
        self.version = self.now = self.number = 0
        self.ops = []
        self.checker = Checker("toy", self.N_KEYS)

    # ---- the store ----

    def do(self, steps, need=None):
        """Take effect; what is told."""
        if need is not None and self.keys[need[0]][1] != need[1]:
            return Conflict(self.keys[need[0]][1])
        if any(step[0] != "get" for step in steps):
            self.version += 1
        told = []
        for step in steps:
            value, version = self.keys[step[1]]
            if step[0] == "get":
                told.append((value, version))
            elif step[0] == "put":
                self.keys[step[1]] = (step[2], self.version)
                told.append(self.version)
            elif step[0] == "add":
                self.keys[step[1]] = ((value or 0) + step[2], self.version)
                told.append(self.keys[step[1]][0])
            else:
                self.keys[step[1]] = (None, 0)
                told.append(value is not None)
        return told

    # ---- histories ----

    def tick(self):
        self.now += 1
        return self.now

    def call(self, steps, need=None):
        """By the only client."""
        begin = self.tick()
        return self.note(steps, need, self.do(steps, need), begin)

    def note(self, steps, need, told, begin=None):
        op = Op("client", steps, need, told, begin=begin or self.tick(), end=self.tick())
        self.ops.append(op)
        return op

    def among_others(self, n_ops, n_clients=6):
        """Random concurrent operations, some with an outcome that nobody knows."""
        plans, free = [], [self.now] * n_clients
        for _ in range(n_ops):
            client = self.rng.randrange(n_clients)
            begin = free[client] + 1 + self.rng.random() * 10
            instant = begin + self.rng.random() * 30
            free[client] = instant + self.rng.random() * 30
            plans.append((instant, begin, free[client], client))
        self.now = int(max(free)) + 1
        for instant, begin, end, client in sorted(plans):
            self.number += 1
            steps = some_steps(self.rng, self.N_KEYS, self.number)
            need = self.rng.choice((None, None, (0, self.keys[0][1]), (1, 0)))
            if self.rng.random() < 0.03:
                if self.rng.random() < 0.5:
                    self.do(steps, need)
                self.ops.append(Op(client, steps, need, begin=begin))
                continue
            self.ops.append(Op(client, steps, need, self.do(steps, need), begin=begin, end=end))

    def crash(self):
        self.tick()
        for op in self.ops:
            op.end = op.end or self.now
        self.checker.epoch(self.ops)
        self.ops = []

    def look(self):
        self.call([("get", 0), ("get", 1)])
        self.crash()


# What a store may do wrong. Each is the end of a history.

def stale_read(toy):
    old = toy.keys[0]
    toy.call([("put", 0, 7)])
    toy.note([("get", 0)], None, [old])


def stale_version(toy):
    old = toy.call([("put", 0, 7)]).told[0]
    toy.call([("put", 0, 8)])
    toy.note([("get", 0)], None, [(8, old)])


def lost_update(toy):
    before = list(toy.keys)
    toy.call([("put", 1, 7)])
    toy.keys = before


def double_apply(toy):
    toy.call([("add", 0, 5)])
    toy.do([("add", 0, 5)])


def double_apply_unknown(toy):
    toy.call([("put", 0, 100)])
    toy.ops.append(Op("client", [("add", 0, 5)], begin=toy.tick()))
    toy.do([("add", 0, 5)])
    toy.do([("add", 0, 5)])


def torn_batch(toy):
    toy.call([("put", 0, 1), ("put", 1, 1)])
    toy.note([("put", 0, 7), ("put", 1, 8)], None, toy.do([("put", 0, 7)]) * 2)


def torn_read(toy):
    toy.call([("put", 0, 1), ("put", 1, 1)])
    toy.call([("put", 0, 7), ("put", 1, 8)])
    toy.note([("get", 0), ("get", 1)], None, [(7, None), (1, None)])


def lost_at_crash(toy):
    before = list(toy.keys)
    toy.call([("put", 0, 7)])
    toy.crash()
    toy.keys = before


def half_lost_at_crash(toy):
    """Part of a batch that may be lost whole."""
    toy.call([("put", 0, 1), ("put", 1, 1)])
    toy.ops.append(Op("client", [("put", 0, 7), ("put", 1, 8)], begin=toy.tick()))
    toy.crash()
    toy.do([("put", 1, 8)])


def applied_after_crash(toy):
    """It was under way when the process died, and took effect after a restart had shown that it had
    not."""
    toy.call([("put", 0, 1)])
    toy.ops.append(Op("client", [("put", 0, 7)], begin=toy.tick()))
    toy.crash()
    toy.call([("get", 0)])
    toy.do([("put", 0, 7)])


def back_from_the_dead(toy):
    toy.call([("put", 0, 7)])
    before = list(toy.keys)
    toy.call([("del", 0)])
    toy.crash()
    toy.keys = before


def version_again(toy):
    toy.call([("put", 0, 7)])
    toy.crash()
    toy.version -= 1
    toy.call([("put", 0, 8)])


def conflict_applied(toy):
    actual = toy.call([("put", 0, 7)]).told[0]
    toy.note([("put", 0, 8)], (0, actual + 5), Conflict(actual))
    toy.do([("put", 0, 8)])


def condition_ignored(toy):
    actual = toy.call([("put", 0, 7)]).told[0]
    toy.note([("put", 0, 8)], (0, actual + 5), toy.do([("put", 0, 8)]))


def wrong_conflict(toy):
    actual = toy.call([("put", 0, 7)]).told[0]
    toy.note([("put", 0, 8)], (0, actual), Conflict(actual))


def pipeline_turned_round(toy):
    begin, version = toy.tick(), toy.version + 2
    first = Op("client", [("put", 0, 7)], None, [version], begin=begin, end=begin + 2)
    second = Op("client", [("put", 0, 8)], None, [version - 1], begin=begin, end=begin + 2,
                after=first)
    toy.ops += [first, second]
    toy.now = begin + 2
    toy.version = version
    toy.keys[0] = (7, version)


WRONGS = (stale_read, stale_version, lost_update, double_apply, double_apply_unknown, torn_batch,
          torn_read, lost_at_crash, half_lost_at_crash, applied_after_crash, back_from_the_dead,
          version_again, conflict_applied, condition_ignored, wrong_conflict,
          pipeline_turned_round)


def is_refused(seed, wrong):
    toy = Toy(random.Random(seed))
    for _ in range(toy.rng.randint(0, 2)):
        toy.among_others(60)
        toy.crash()
    toy.among_others(toy.rng.choice((0, 40)))
    toy.look()
    if wrong is None:
        toy.among_others(60)
        toy.look()
        return False
    try:
        wrong(toy)
        toy.look()
    except Violation:
        return True
    return False


def self_test(seed, histories=20):
    """Raises AssertionError, or Violation where a right store is refused."""
    assert NOTHING[0] is None
    for i in range(histories):
        is_refused(seed + i, None)
        for wrong in WRONGS:
            assert is_refused(seed + i, wrong), f"seed {seed + i}: {wrong.__name__} was not noticed"
    print(f"seed {seed}: {histories} right histories accepted, {histories * len(WRONGS)} of "
          f"{len(WRONGS)} kinds of wrong ones refused")
