#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Operations and options that RESP needs, as a user of python3-msgpack calls them."""

import unittest

from lib import TestCase


class OptionsTest(TestCase):
    def test_incr_real(self):
        self.assertEqual(self.c.call("kv.incr_real", "r", 0.1), 0.1)
        self.assertEqual(self.c.call("kv.incr_real", "r", 0.2), 0.3)
        self.assertEqual(self.c.call("kv.incr_real", "r", 0.7), 1)
        self.assertEqual(self.c.call("kv.incr", "r"), 2)
        self.c.call("kv.put", "r", b"5.0e3", ttl_ms=60000)
        self.assertEqual(self.c.call("kv.incr_real", "r", -200), 4800)
        self.assertGreater(self.c.call("kv.ttl", "r"), 50000)
        self.c.call("kv.put", "r", 1.7e308)
        self.fails("OVERFLOW", "kv.incr_real", "r", 1.7e308)
        self.c.call("kv.put", "r", "one")
        self.fails("WRONG_TYPE", "kv.incr_real", "r", 1)
        self.fails("BAD_ARGUMENT", "kv.incr_real", "r", float("inf"))
        self.fails("BAD_ARGUMENT", "kv.incr_real", "r", "1")

    def test_versions(self):
        first, second = self.c.call("kv.put", "a", 1), self.c.call("kv.put", "b", 2)
        self.assertEqual(self.c.call("kv.versions", ["a", "none", "b", "a"]),
                         [first, 0, second, first])
        self.assertEqual(self.c.call("kv.versions", []), [])
        self.fails("BAD_ARGUMENT", "kv.versions", [1])

    def test_values_that_go_or_stay_are_returned(self):
        self.c.call("kv.put", "a", "old")
        self.assertEqual(self.c.call("kv.put", "a", "new", if_absent=True, return_old=True),
                         [None, "old"])
        self.assertEqual(self.c.call("kv.put", "none", 1, if_exists=True, return_old=True),
                         [None, None])
        self.assertFalse(self.c.call("kv.exists", "none"))
        self.assertEqual(self.c.call("kv.expire", "a", 60000, return_value=True), "old")
        self.assertEqual(self.c.call("kv.persist", "a", return_value=True), "old")
        self.assertEqual(self.c.call("kv.ttl", "a"), -1)
        self.assertEqual(self.c.call("kv.del", "a", return_old=True), "old")
        self.assertIsNone(self.c.call("kv.del", "a", return_old=True))
        self.assertIsNone(self.c.call("kv.expire", "a", 60000, return_value=True))

    def test_conditions_of_an_expiry(self):
        self.c.call("kv.put", "a", 1)
        self.assertFalse(self.c.call("kv.expire", "a", 50000, if_some=True))
        self.assertFalse(self.c.call("kv.expire", "a", 50000, if_later=True))
        self.assertTrue(self.c.call("kv.expire", "a", 50000, if_none=True))
        self.assertFalse(self.c.call("kv.expire", "a", 60000, if_none=True))
        self.assertFalse(self.c.call("kv.expire", "a", 60000, if_sooner=True))
        self.assertTrue(self.c.call("kv.expire", "a", 90000, if_later=True))
        self.assertTrue(self.c.call("kv.expire", "a", 40000, if_sooner=True, if_some=True))
        self.assertLess(self.c.call("kv.ttl", "a"), 40001)

    def test_walk(self):
        keys = {f"walk:{i}" for i in range(500)}
        self.c.call("kv.mput", [[key, 1] for key in sorted(keys)])
        seen, cursor, pages = set(), 0, 0
        while pages == 0 or cursor != 0:
            page = self.c.call("kv.walk", cursor, limit=50, match="walk:*")
            self.assertLessEqual(len(page["items"]), 50)
            seen.update(page["items"])
            cursor, pages = page["cursor"], pages + 1
        self.assertEqual(seen, keys)
        self.assertEqual(self.c.call("kv.walk", match="walk:[x]", limit=10000),
                         {"items": [], "cursor": 0})
        self.fails("BAD_ARGUMENT", "kv.walk", -1)
        self.fails("LIMIT_EXCEEDED", "kv.walk", 0, limit=1000000)

    def test_partial_batch(self):
        self.c.call("kv.put", "s", "text")
        done = self.c.call("batch", [["kv.put", ["p", 1]], ["kv.incr", ["s"]], ["kv.incr", ["p"]]],
                           atomic=True, partial=True)
        self.assertIsNone(done[0][0])
        self.assertIn("WRONG_TYPE", str(done[1][0]))
        self.assertEqual(done[2], [None, 2])
        self.fails("CONFLICT", "batch", [["kv.put", ["p", 9]]], partial=True,
                   conditions=[["kv", "p", 0]])
        self.assertEqual(self.c.call("kv.get", "p"), 2)


class LogTest(TestCase):
    OPTIONS = {"data.dir": "{folder}/data"}

    def test_a_call_is_planned_whole_or_not_at_all(self):
        """A list of keys in a partial batch that is too much for one transaction half way."""
        value = bytes(16_000_000)
        for key in "abc":
            self.c.call("kv.put", key, value)
        seen = self.c.call("kv.versions", ["a", "b", "c"])
        first = [*[["kv.expire", [key, 600000]] for key in "abc"], ["kv.put", ["e", 1]]]
        for key in ("x", "e"):  # new to the transaction, and planned before
            call = ["kv.mput", [[[key, 2], ["y", value]]]]
            error = self.fails("LIMIT_EXCEEDED", "batch", [*first, call], atomic=True,
                               partial=True)
            self.assertIn("call 4: one transaction writes at most", error.text)
        self.assertEqual(self.c.call("kv.versions", ["a", "b", "c"]), seen)
        self.assertEqual(self.c.call("kv.mget", ["e", "x", "y"]), [None] * 3)
        # One that cannot even begin is answered alone.
        done = self.c.call("batch", [*first, ["kv.put", ["y", value]], ["kv.put", ["x", 1]]],
                           atomic=True, partial=True)
        self.assertEqual([i for i, (error, _) in enumerate(done) if error is not None], [4])
        self.assertEqual(self.c.call("kv.mget", ["e", "x", "y"]), [1, 1, None])


if __name__ == "__main__":
    unittest.main()
