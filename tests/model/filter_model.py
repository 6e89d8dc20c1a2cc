#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random filters on random metadata, against an oracle that says in Python what docs/filters.md
says in words. The keys and values are few, so that about as much matches as does not.

Usage: filter_model.py DRIVER [--filters N] [--seed N]   (the seed: CAIRN_SEED, or 1)"""

import argparse
import os
import random
import re
import struct
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ORDERS = {"$lt": lambda a, b: a < b, "$lte": lambda a, b: a <= b,
          "$gt": lambda a, b: a > b, "$gte": lambda a, b: a >= b}
LISTS = {"$in", "$nin", "$and", "$or"}
COMPARE = sorted(ORDERS) + ["$eq", "$ne", "$in", "$nin", "$contains", "$exists"]
BAD_ARGUMENT_TEXT = re.compile(r"filter( at '.+')?: ")
BATCH, PIECES = 200, 12


class Map:
    """A map whose keys may be anything; str is text, bytes is bin."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __repr__(self):
        return "{" + ", ".join(f"{k!r}: {v!r}" for k, v in self.pairs) + "}"


class Wrong(Exception):
    """The filter must be refused."""


# ---- the oracle ----

def raw(value):
    """The bytes of a str or bin, or None."""
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else None


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(a, b):
    if number(a) and number(b):
        return a == b
    if raw(a) is not None and raw(b) is not None:
        return raw(a) == raw(b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    if isinstance(a, Map) and isinstance(b, Map):
        return len(a.pairs) == len(b.pairs) and all(
            any(equal(k, l) and equal(v, w) for l, w in b.pairs) for k, v in a.pairs)
    return (a is None and b is None) or (isinstance(a, bool) and isinstance(b, bool) and a == b)


def find(value, parts):
    """[what is at the path], or []."""
    if not parts:
        return [value]
    if isinstance(value, Map):
        keys = {raw(k): v for k, v in value.pairs if raw(k) is not None}
        for n in range(len(parts), 0, -1):
            if b".".join(parts[:n]) in keys:
                return find(keys[b".".join(parts[:n])], parts[n:])
    if isinstance(value, list) and re.fullmatch(rb"0|[1-9][0-9]*", parts[0]):
        return find(value[int(parts[0])], parts[1:]) if int(parts[0]) < len(value) else []
    return []


def operator(key):
    return raw(key) is not None and raw(key).startswith(b"$")


def check_plain(value):
    """A value that stands for itself has no operators inside."""
    if isinstance(value, list):
        for item in value:
            check_plain(item)
    if isinstance(value, Map):
        for key, item in value.pairs:
            if operator(key):
                raise Wrong
            check_plain(key)
            check_plain(item)


def compare(name, operand, found):
    """What one operator says of [value] or []."""
    if name in ORDERS:
        if not number(operand) and raw(operand) is None:
            raise Wrong
        if not found:
            return False
        if number(operand) and number(found[0]):
            return ORDERS[name](found[0], operand)
        if raw(operand) is not None and raw(found[0]) is not None:
            return ORDERS[name](raw(found[0]), raw(operand))
        return False
    if name in ("$eq", "$ne"):
        return (name == "$eq") == (bool(found) and equal(operand, found[0]))
    if name in ("$in", "$nin"):
        if not isinstance(operand, list):
            raise Wrong
        return (name == "$in") == (bool(found) and any(equal(x, found[0]) for x in operand))
    if name == "$exists":
        if not isinstance(operand, bool):
            raise Wrong
        return operand == bool(found)
    if name == "$contains":
        if found and isinstance(found[0], list):
            return any(equal(operand, x) for x in found[0])
        return bool(found) and None not in (raw(found[0]), raw(operand)) and \
            raw(operand) in raw(found[0])
    raise Wrong


def condition(wanted, metadata, path):
    """Does it match? All of it is judged, so that what is wrong is seen wherever it stands."""
    if path is not None and not (isinstance(wanted, Map) and wanted.pairs and
                                 operator(wanted.pairs[0][0])):
        check_plain(wanted)
        return compare("$eq", wanted, find(metadata, path))
    if not isinstance(wanted, Map):
        raise Wrong
    return all([pair(key, item, metadata, path) for key, item in wanted.pairs])


def pair(key, item, metadata, path):
    """One path or operator with what stands behind it."""
    if raw(key) is None:
        raise Wrong
    name = raw(key).decode()
    if not name.startswith("$"):
        if path is not None:
            raise Wrong
        return condition(item, metadata, raw(key).split(b"."))
    if name in ("$and", "$or"):
        if not isinstance(item, list):
            raise Wrong
        return (all if name == "$and" else any)([condition(x, metadata, path) for x in item])
    if name == "$not":
        return not condition(item, metadata, path)
    if path is None:
        raise Wrong
    return compare(name, item, find(metadata, path))


# ---- chance ----

KEYS = ["a", "b", "c", "a.b", "b.0", "", "0", b"a", b"c"]
PATHS = ["a", "b", "c", "a.b", "a.b.c", "b.0", "b.1.a", "a.0", "c.a.b", "", "a.", "c", b"b", "c.01"]
INTS = [0, 1, 2, -1, 5, 127, 128, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -2**63,
        -2**53 - 1]
FLOATS = [0.0, 1.0, 0.5, -1.0, 1.5, 2.0**53, 2.0**63, -2.0**63, 2.0**64, float("nan"),
          float("inf"), float("-inf")]
TEXTS = ["", "a", "b", "ab", "abc", "\u00e9", b"", b"a", b"ab", b"\xff"]


class Chance:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seen = []  # lists and maps, to come again in another order

    def one_in(self, n):
        return self.random.randrange(n) == 0

    def pick(self, things):
        return self.random.choice(things)

    def scalar(self):
        kind = self.random.randrange(8)
        if kind < 4:
            return self.pick([0, 1, 2, 1.0, 2.0, "a", "b", b"a"])  # mostly these, so that they meet
        return self.pick([INTS, FLOATS, TEXTS, [None, True, False]][kind - 4])

    def map(self, depth, keys):
        pairs = []
        for _ in range(self.random.randrange(5)):
            key = self.value(1) if self.one_in(12) else self.pick(keys)
            if not any(equal(key, other) for other, _ in pairs):
                pairs.append((key, self.value(depth)))
        return Map(pairs)

    def value(self, depth):
        kind = self.random.randrange(10) if depth > 0 else 9
        if kind > 4:
            return self.scalar()
        if kind == 4 and self.seen:
            return self.shuffled(self.pick(self.seen[-20:]))
        made = self.map(depth - 1, KEYS) if kind > 1 else \
            [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        self.seen.append(made)
        return made

    def shuffled(self, value):
        """An equal value whose maps have another order."""
        if isinstance(value, list):
            return [self.shuffled(item) for item in value]
        if not isinstance(value, Map):
            return value
        pairs = [(self.shuffled(key), self.shuffled(item)) for key, item in value.pairs]
        self.random.shuffle(pairs)
        return Map(pairs)

    def operand(self, name):
        if self.one_in(40):
            return self.value(2)
        if name in ("$in", "$nin"):
            return [self.value(2) for _ in range(self.pick([0, 1, 2, 3, 4, 40]))]
        if name == "$exists":
            return self.one_in(2)
        if name in ORDERS:
            return self.pick([self.pick(INTS), self.pick(FLOATS), self.pick(TEXTS), 1, 2, "a"])
        return self.value(2)

    def conditions(self, depth, behind_path):
        return [self.filter(depth - 1, behind_path) for _ in range(self.random.randrange(4))]

    def logic(self, depth, behind_path):
        """A pair of an operator that combines."""
        name = self.pick(["$and", "$or", "$or", "$not"])
        if name == "$not":
            return name, self.filter(depth - 1, behind_path)
        return name, self.conditions(depth, behind_path)

    def operators(self, depth):
        pairs = []
        for _ in range(self.pick([1, 1, 2])):
            name = self.pick(COMPARE)
            pairs.append((name, self.operand(name)) if depth == 0 or not self.one_in(5)
                         else self.logic(depth, True))
        return Map(pairs)

    def filter(self, depth, behind_path=False):
        if self.one_in(200):
            return self.value(2)
        if behind_path:
            return self.value(2) if self.one_in(3) else self.operators(depth)
        pairs = []
        for _ in range(self.pick([0, 1, 1, 1, 2, 3])):
            if depth > 0 and self.one_in(3):
                pairs.append(self.logic(depth, False))
            else:
                pairs.append((self.pick(PATHS), self.filter(depth, True)))
        if pairs and self.one_in(150):
            pairs.append((self.pick(["$regex", "$gt", "$", 7]), 1))
        return Map(pairs)

    # How values are written: any form that can hold them.

    def integer(self, value):
        forms = []
        for code, fmt, low, high in ((0xcc, ">B", 0, 2**8), (0xcd, ">H", 0, 2**16),
                                     (0xce, ">I", 0, 2**32), (0xcf, ">Q", 0, 2**64),
                                     (0xd0, ">b", -2**7, 2**7), (0xd1, ">h", -2**15, 2**15),
                                     (0xd2, ">i", -2**31, 2**31), (0xd3, ">q", -2**63, 2**63)):
            if low <= value < high:
                forms.append(bytes([code]) + struct.pack(fmt, value))
        if -32 <= value < 128:
            forms += [struct.pack(">b", value)] * 4
        return self.pick(forms)

    def real(self, value):
        if value != value or abs(value) < 2.0**100 or abs(value) == float("inf"):
            if self.one_in(2):
                return b"\xca" + struct.pack(">f", value)
        return b"\xcb" + struct.pack(">d", value)

    def header(self, size, short, limit, codes):
        """The header of a str, bin, array or map."""
        forms = [bytes([short + size])] * 4 if short is not None and size < limit else []
        widths = (">B", ">H", ">I") if len(codes) == 3 else (">H", ">I")
        forms += [bytes([code]) + struct.pack(fmt, size) for code, fmt in zip(codes, widths)
                  if size < 256 or fmt != ">B"]
        return self.pick(forms)

    def pack(self, value):
        if value is None or isinstance(value, bool):
            return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
        if isinstance(value, int):
            return self.integer(value)
        if isinstance(value, float):
            return self.real(value)
        if isinstance(value, str):
            return self.header(len(value.encode()), 0xa0, 32, (0xd9, 0xda, 0xdb)) + value.encode()
        if isinstance(value, bytes):
            return self.header(len(value), None, 0, (0xc4, 0xc5, 0xc6)) + value
        if isinstance(value, list):
            return self.header(len(value), 0x90, 16, (0xdc, 0xdd)) + \
                b"".join(self.pack(item) for item in value)
        return self.header(len(value.pairs), 0x80, 16, (0xde, 0xdf)) + \
            b"".join(self.pack(key) + self.pack(item) for key, item in value.pairs)


# ---- the driver ----

def sized(data):
    return struct.pack("<I", len(data)) + data


def run_batch(driver, chance, batch):
    """What the driver says of [(filter, [metadata])]: [(error, text, [matches])]."""
    message = b""
    for wanted, pieces in batch:
        message += b"\1" + sized(chance.pack(wanted)) + struct.pack("<I", len(pieces))
        message += b"".join(sized(chance.pack(piece)) for piece in pieces)
    done = subprocess.run([driver], input=message, stdout=subprocess.PIPE, check=True, timeout=60)
    answers, at = [], 0
    for _, pieces in batch:
        err, = struct.unpack_from("<i", done.stdout, at)
        text = done.stdout[at + 4:at + 204].split(b"\0")[0].decode()
        at += 204
        answers.append((err, text, [bool(b) for b in done.stdout[at:at + len(pieces)]]))
        at += len(pieces)
    assert at == len(done.stdout)
    return answers


def expected(wanted, pieces):
    """The oracle's answers, or None if the filter is wrong."""
    try:
        return [condition(wanted, piece, None) for piece in pieces]
    except Wrong:
        return None


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def check_page():
    """docs/filters.md has every limit and every operator."""
    page = read("docs", "filters.md")
    limits = re.findall(r"FILTER_\w+ = (\d+),", read("proto", "filter.h"))
    names = re.findall(r'\{"(\$\w+)", TAKES', read("proto", "filter.c"))
    missing = [word for word in limits + names
               if not re.search(rf"(?<!\w){re.escape(word)}\b", page)]
    if missing or not limits or not names:
        sys.exit(f"docs/filters.md does not tell of {missing}")


def main():
    """Run as a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("--filters", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CAIRN_SEED", "1")))
    options = parser.parse_args()
    print(f"CAIRN_SEED={options.seed}", flush=True)
    check_page()
    chance, counts = Chance(options.seed), {True: 0, False: 0, None: 0}
    for _ in range(options.filters // BATCH):
        batch = [(chance.filter(3), [chance.map(3, KEYS) for _ in range(PIECES)])
                 for _ in range(BATCH)]
        for (wanted, pieces), (err, text, got) in zip(batch, run_batch(options.driver, chance,
                                                                       batch)):
            want = expected(wanted, pieces)
            if (want is None) != (err != 0) or (err and not BAD_ARGUMENT_TEXT.match(text)):
                sys.exit(f"{wanted}: error {err} '{text}', the oracle says {want}")
            for piece, answer, right in zip(pieces, got, want or []):
                if answer != right:
                    sys.exit(f"{wanted}\non {piece}\nis {answer}, should be {right}")
            for right in want or [None]:
                counts[right] += 1
    print(f"{counts[True]} match, {counts[False]} do not; {counts[None]} filters are wrong")
    if options.filters >= 1000 and min(counts[True], counts[False], 100 * counts[None]) < \
            (counts[True] + counts[False]) / 10:
        sys.exit("too one-sided to find anything")


if __name__ == "__main__":
    main()
