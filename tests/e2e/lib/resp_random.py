#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random commands from a weighted grammar over few keys, so that they meet each other.

What expires does so in the far future or at once: no reply depends on when it is asked for, but for
those that tell how long something has to live. DBSIZE is not among the commands: Redis counts a key
that was set into the past until it has cleaned up.
"""

import random
import time

KEYS = [b"a", b"b", b"c", b"key:1", b"key:2", b"\x00\r\n"]
INTEGERS = [b"0", b"1", b"-1", b"7", b"10", b"-13", b"100", b"9223372036854775807",
            b"-9223372036854775808", b"9223372036854775800"]
FLOATS = [b"0.1", b"-0.25", b"3.0e3", b"1e-7", b"1e20", b"123456.789"]
# INCRBYFLOAT has keys of its own, and eighths: these a double counts as exactly as what Redis has.
FLOAT_KEYS, EIGHTHS = [b"f", b"g"], 2**20
TEXTS = [b"", b"x", b"hello", b"007", b" 1", b"1 ", b"-0", b"\x00\xff\r\n", b"1.50", b"x" * 200]
WRONG = [b"", b"abc", b"1.5", b"9223372036854775808", b" 1", b"0x1"]
# Times from now, in seconds: far away and passed. As an instant in milliseconds BEYOND is none yet.
FAR, PAST, BEYOND = (1000, 1000000), (-1000, 0), b"9223372036854775807"

# Not inside MULTI, where cairnd refuses them (resp_differences.py); what leaves nothing to meet.
ALONE, RARE = ("keys", "flushall"), ("flushall",)


class Grammar:
    """next(connection) makes the next commands of a connection, each a list of bytes. Nothing may
    come between them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now = int(time.time())
        self.in_multi = {}
        self.rules = [(name.split("_")[1], getattr(self, name)) for name in dir(self)
                      if name.startswith("make_")]

    def next(self, connection):
        chance = self.random.random()
        if self.in_multi.get(connection):
            if chance < 0.15:
                self.in_multi[connection] = False
                return [[self.random.choice([b"EXEC", b"EXEC", b"EXEC", b"DISCARD"])]]
        elif chance < 0.05:
            self.in_multi[connection] = True
            return [[b"MULTI"]]
        while True:
            name, make = self.random.choice(self.rules)
            if not (name in ALONE and self.in_multi.get(connection) or
                    name in RARE and self.random.random() < 0.9):
                break
        command = [name.upper().encode(), *make()]
        if self.random.random() < 0.02:
            self._spoil(command)
        if name == "watch":  # keys that exist: resp_differences.py tells why
            return [[b"SETNX", key, b"watched"] for key in command[1:]] + [command]
        return [command]

    def _spoil(self, command):
        """One argument more, less, or another."""
        what = self.random.randrange(3)
        if what == 0:
            command.append(b"abc")
        elif len(command) > 1 and what == 1:
            command.pop()
        elif len(command) > 1:
            command[-1] = b"1.5"

    # Parts of commands.

    def key(self):
        return self.random.choice(KEYS)

    def keys(self):
        return [self.key() for _ in range(self.random.randint(1, 4))]

    def value(self):
        return self.random.choice(self.random.choice([INTEGERS, INTEGERS, FLOATS, TEXTS]))

    def integer(self):
        if self.random.random() < 0.05:
            return self.random.choice(WRONG)
        if self.random.random() < 0.2:
            return self.random.choice(INTEGERS)
        return b"%d" % self.random.randint(-1000, 1000)

    def float(self):
        if self.random.random() < 0.1:
            return self.random.choice([b"", b"abc", b"1e", b" 1", b"0", b"3.0e3", b"-0.5", b".5"])
        return b"%.3f" % (self.random.randint(-EIGHTHS, EIGHTHS) / 8)

    def moment(self, absolute, scale):
        """A time: mostly far in the future."""
        kind = self.random.random()
        if kind < 0.03:
            return self.random.choice(WRONG)
        if kind < 0.05:
            return WRONG[3] if absolute and scale == 1000 else BEYOND
        number = self.random.randint(*(PAST if kind < 0.15 else FAR))
        return b"%d" % ((number + (self.now if absolute else 0)) * scale)

    def expiry(self):
        """An option of SET or GETEX."""
        word = self.random.choice([b"EX", b"PX", b"EXAT", b"PXAT"])
        return [word, self.moment(word.endswith(b"AT"), 1000 if word.startswith(b"P") else 1)]

    def some(self, chance, *words):
        return [self.random.choice(words)] if self.random.random() < chance else []

    # Commands: make_<name> makes the arguments; make_<name>_<more> makes others of the same.

    def make_set(self):
        options = self.some(0.3, b"NX", b"XX") + self.some(0.2, b"GET")
        options += self.expiry() if self.random.random() < 0.3 else self.some(0.1, b"KEEPTTL")
        return [self.key(), self.value(), *options]

    make_set_again = make_set

    def make_get(self):
        return [self.key()]

    make_getdel = make_ttl = make_pttl = make_expiretime = make_pexpiretime = make_get
    make_strlen = make_incr = make_decr = make_type = make_persist = make_get_again = make_get

    def make_getex(self):
        return [self.key()] + (self.some(0.4, b"PERSIST") or
                               (self.expiry() if self.random.random() < 0.6 else []))

    def make_setnx(self):
        return [self.key(), self.value()]

    make_append = make_getset = make_setnx

    def make_setex(self):
        return [self.key(), self.moment(False, 1), self.value()]

    def make_psetex(self):
        return [self.key(), self.moment(False, 1000), self.value()]

    def make_mget(self):
        return self.keys()

    make_del = make_unlink = make_exists = make_touch = make_mget

    def make_mset(self):
        return [x for key in self.keys() for x in (key, self.value())]

    make_msetnx = make_mset

    def make_incrby(self):
        return [self.key(), self.integer()]

    make_decrby = make_incrby

    def make_incrbyfloat(self):
        return [self.random.choice(FLOAT_KEYS), self.float()]

    make_incrbyfloat_again = make_incrbyfloat

    def make_mset_float(self):
        return [x for key in FLOAT_KEYS for x in (key, self.float())]

    def make_mget_float(self):
        return FLOAT_KEYS

    def make_expire(self, absolute=False, scale=1):
        options = self.some(0.5, b"NX", b"XX", b"GT", b"LT") + self.some(0.1, b"NX", b"XX", b"LT")
        return [self.key(), self.moment(absolute, scale), *options]

    def make_pexpire(self):
        return self.make_expire(False, 1000)

    def make_expireat(self):
        return self.make_expire(True, 1)

    def make_pexpireat(self):
        return self.make_expire(True, 1000)

    def make_watch(self):
        return self.keys()[:2]

    make_watch_again = make_watch

    def make_keys(self):
        return [self.random.choice([b"*", b"key:*", b"[a-b]", b"?", b"[^a]", b"none"])]

    def make_ping(self):
        return []

    make_unwatch = make_flushall = make_ping

    def make_echo(self):
        return [self.value()]
