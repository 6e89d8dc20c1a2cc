# SPDX-License-Identifier: BSD-3-Clause
"""For tests of vectors: vec.* by short names, and what a search must come to, computed simply."""

import math
import struct

from . import TestCase

NEAR = 2e-5  # of scores: the server computes with 32 bits,
NEAR_CODED = 2e-4  # and with int8_only queries have 15


def pack(vector):
    return struct.pack(f"<{len(vector)}f", *vector)


def unpack(data):
    return struct.unpack(f"<{len(data) // 4}f", data)


def rounded(vector):
    """As 32-bit floats."""
    return list(unpack(pack(vector)))


def coded(vector):
    """As quantization int8_only keeps it: bytes from -127 to 127, times a 32-bit float."""
    largest = max(map(abs, vector))
    step, = rounded([largest / 127])
    return rounded([round(element * (127 / largest)) * step for element in vector])


# What each quantization makes of a vector.
STORED = {"none": list, "int8": list, "int8_only": coded}


def random_vector(random, dim):
    return [random.uniform(-1, 1) for _ in range(dim)]


def score(metric, a, b):
    dot = sum(x * y for x, y in zip(a, b))
    if metric == "dot":
        return dot
    if metric == "l2":
        return 1 / (1 + math.dist(a, b))
    return dot / (math.hypot(*a) * math.hypot(*b))


class Oracle:
    """A collection as a dictionary: {key: (vector, metadata)}. The vectors are STORED."""

    def __init__(self, metric, rows=None, quantization="none"):
        self.metric, self.rows = metric, dict(rows or {})
        self.stored = STORED[quantization]
        self.near = NEAR_CODED if quantization == "int8_only" else NEAR

    def search(self, vector, k, accept=None, min_score=None):
        """[(key, score)...], the best first."""
        found = [(key, score(self.metric, vector, row)) for key, (row, metadata)
                 in self.rows.items() if accept is None or accept(metadata)]
        found = [one for one in found if min_score is None or one[1] >= min_score]
        return sorted(found, key=lambda one: (-one[1], one[0].encode()))[:k]

    def check(self, test, reply, vector, k, accept=None, min_recall=1.0):
        """The reply has as many as there are, with their scores, in order; if it says it is exact,
        or min_recall is 1, they are the best. Returns the recall."""
        wanted = self.search(vector, k, accept)
        items = reply["items"]
        test.assertEqual(len(items), len(wanted), reply)
        order = [(-item["score"], item["key"].encode()) for item in items]
        test.assertEqual(order, sorted(order))
        test.assertEqual(len({item["key"] for item in items}), len(items), "a key twice")
        for item in items:
            row, metadata = self.rows[item["key"]]
            test.assertTrue(accept is None or accept(metadata), item)
            test.assertAlmostEqual(item["score"], score(self.metric, vector, row),
                                   delta=self.near * max(1, abs(item["score"])))
        hits = sum(item["score"] >= wanted[-1][1] - self.near * max(1, abs(wanted[-1][1]))
                   for item in items)
        recall = hits / len(wanted) if wanted else 1.0
        test.assertGreaterEqual(recall, 1.0 if reply["exact"] else min_recall, (reply, wanted))
        return recall


class VecTest(TestCase):
    def call(self, method, *params, **options):
        return self.c.call(f"vec.{method}", *params, **options)

    def refuses(self, code, text, method, *params, **options):
        error = self.fails(code, f"vec.{method}", *params, **options)
        self.assertIn(text, error.text)
        return error

    def keys(self, collection, **options):
        """Keys over all pages."""
        found, cursor = [], None
        while True:
            page = self.call("keys", collection, cursor=cursor, **options)
            found += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return found

    def fill(self, random, name, count, dim, metric="cosine", metadata=None, **options):
        """A collection with `count` random vectors, and its oracle."""
        self.call("create", name, dim, metric=metric, **options)
        oracle = Oracle(metric, quantization=options.get("quantization", "none"))
        rows = []
        for i in range(count):
            vector = rounded(random_vector(random, dim))
            about = metadata(i) if metadata else None
            oracle.rows[f"k{i}"] = (oracle.stored(vector), about)
            rows.append([f"k{i}", pack(vector) if i % 2 else vector, about])
        for at in range(0, count, 500):
            self.call("upsert_many", name, rows[at:at + 500])
        return oracle
