#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""kv.mput, kv.mget and kv.mdel, pages of kv.scan, kv.clear, and batch, as a user of python3-msgpack
calls them."""

import random
import unittest

from lib import TestCase, until

INT_MAX = 2**63 - 1


class ManyTest(TestCase):
    def test_mput_mget_mdel(self):
        version = self.c.call("kv.mput", [["a", 1], [b"b", {"x": 2}], ["a", 3]])
        self.assertEqual(self.c.call("kv.mget", ["a", "b", "none", "a"]), [3, {"x": 2}, None, 3])
        self.assertEqual(self.c.call("kv.get", "b", with_version=True)[1], version)
        self.assertEqual(self.c.call("kv.get", "a", with_version=True)[1], version)
        self.assertEqual(self.c.call("kv.mget", []), [])
        self.assertEqual(self.c.call("kv.mdel", []), 0)
        self.assertIs(type(self.c.call("kv.mput", [])), int)
        self.assertEqual(self.c.call("kv.mdel", ["a", "none", "b", "a"]), 2)
        self.assertEqual(self.c.call("kv.count"), 0)

    def test_mput_options(self):
        self.c.call("kv.mput", [["a", 1], ["b", 2]], ttl_ms=60000)
        self.assertGreater(self.c.call("kv.ttl", "b"), 50000)
        self.fails("CONFLICT", "kv.mput", [["c", 3], ["b", 4]], if_absent=True)
        self.assertEqual(self.c.call("kv.mget", ["b", "c"]), [2, None])
        self.c.call("kv.mput", [["c", 3], ["d", 4], ["c", 5]], if_absent=True)
        self.assertEqual(self.c.call("kv.mget", ["c", "d"]), [5, 4])
        self.fails("BAD_ARGUMENT", "kv.mput", [["x", 3]], ttl_ms=0)
        for bad in (["a"], [["a"]], [["a", 1, 2]], [[1, 2]], [["", 1]], {"a": 1}, "a", None, 1):
            pairs = [["ok", 1], *bad] if isinstance(bad, list) else bad
            self.fails("BAD_ARGUMENT", "kv.mput", pairs)
        self.assertFalse(self.c.call("kv.exists", "ok"))
        self.fails("BAD_ARGUMENT", "kv.mget", "a")
        self.fails("BAD_ARGUMENT", "kv.mget", ["a", 1])
        self.fails("BAD_ARGUMENT", "kv.mdel", ["a", ""])
        self.fails("LIMIT_EXCEEDED", "kv.mget", ["a"] * 10001)
        self.fails("LIMIT_EXCEEDED", "kv.mdel", ["x" * 4097])

    def test_mput_over_expired_keys(self):
        rng = random.Random(20)
        for round_number in range(30):
            keys = [f"k{round_number}.{i}" for i in range(8)]
            old = rng.sample(keys, 4)
            self.c.pipeline([("kv.put", k, "old", {"expires_at_ms": 1}) for k in old] +
                            [("kv.mput", [[k, k] for k in keys], {"if_absent": True})])
            self.assertEqual(self.c.call("kv.mget", keys), keys)
        self.assertEqual(self.c.call("kv.count"), 30 * 8)

    def test_mput_is_seen_whole(self):
        keys = [f"k{i}" for i in range(16)]
        writer = self.connect()
        writer.call("run.use", self._testMethodName)
        ids = [writer.post("kv.mput", [[k, n] for k in keys]) for n in range(300)]
        for _ in range(300):
            self.assertEqual(len(set(self.c.call("kv.mget", keys))), 1)
        for msgid in ids:
            writer.wait(msgid)

    def test_largest_lists(self):
        pairs = [[f"k{i:05}", i] for i in range(10000)]
        self.c.call("kv.mput", pairs)
        self.assertEqual(self.c.call("kv.mget", [k for k, _ in pairs]), list(range(10000)))
        self.assertEqual(self.c.call("kv.mdel", [k for k, _ in pairs]), 10000)


class ScanTest(TestCase):
    def fill(self, count=250):
        keys = [f"k{i:03}" for i in range(count)]
        self.c.call("kv.mput", [[k, i] for i, k in enumerate(keys)])
        return keys

    def scan(self, **options):
        """All pages: items, and the number of pages."""
        items, pages, cursor = [], 0, None
        while True:
            page = self.c.call("kv.scan", cursor=cursor, **options)
            self.assertEqual(sorted(page), ["cursor", "items"])
            self.assertLessEqual(len(page["items"]), options.get("limit", 100))
            items += page["items"]
            pages += 1
            cursor = page["cursor"]
            if cursor is None:
                return items, pages
            self.assertIs(type(cursor), bytes)

    def test_pages(self):
        keys = self.fill()
        self.assertEqual(self.scan(keys_only=True), (keys, 3))
        self.assertEqual(self.scan(keys_only=True, limit=250), (keys, 1))
        self.assertEqual(self.scan(keys_only=True, limit=249), (keys, 2))
        self.assertEqual(self.scan(keys_only=True, limit=7), (keys, 36))
        self.assertEqual(self.scan(keys_only=True, limit=1, prefix="k00")[0], keys[:10])
        self.assertEqual(self.scan(keys_only=True, reverse=True, limit=33)[0], keys[::-1])
        self.assertEqual(self.scan()[0], [[k, i] for i, k in enumerate(keys)])

    def test_bounds(self):
        keys = self.fill()
        for options, wanted in (
                ({"prefix": "k1"}, keys[100:200]), ({"prefix": ""}, keys), ({"prefix": "z"}, []),
                ({"prefix": "k012x"}, []), ({"prefix": "k012"}, keys[12:13]),
                ({"from": "k100"}, keys[100:]), ({"to": "k100"}, keys[:100]),
                ({"from": "k050", "to": "k060"}, keys[50:60]), ({"from": "k06", "to": "k05"}, []),
                ({"prefix": "k1", "from": "k150"}, keys[150:200]),
                ({"prefix": "k1", "to": "k150"}, keys[100:150]),
                ({"prefix": "k1", "from": "a", "to": "z"}, keys[100:200]),
                ({"from": b"k1"}, keys[100:]), ({"from": "k100\0"}, keys[101:])):
            self.assertEqual(self.scan(keys_only=True, limit=9, **options)[0], wanted, options)
            self.assertEqual(self.scan(keys_only=True, limit=9, reverse=True, **options)[0],
                             wanted[::-1], options)
            self.assertEqual(self.c.call("kv.count", **options), len(wanted), options)

    def test_order_is_that_of_bytes(self):
        keys = [b"\0", b"\0\0", b"\x01", b"a", b"a\0", b"a\xff", b"aa", b"b", b"\x7f", b"\x80",
                b"\xff", b"\xff\xff", b"\xff\xff\xff"]
        self.c.call("kv.mput", [[k, None] for k in reversed(keys)])
        self.assertEqual(self.scan(keys_only=True, limit=2)[0], sorted(keys))
        self.assertEqual(self.scan(keys_only=True, reverse=True, limit=2)[0], sorted(keys)[::-1])
        self.assertEqual(self.scan(keys_only=True, prefix=b"\xff")[0], sorted(keys)[-3:])
        self.assertEqual(self.c.call("kv.count", prefix=b"\xff\xff"), 2)

    def test_against_an_oracle(self):
        seed = 4711
        print(f"seed {seed}")
        rng = random.Random(seed)
        alphabet = (b"\0", b"a", b"b", b"\xff")

        def word(low, high):
            return b"".join(rng.choices(alphabet, k=rng.randint(low, high)))

        oracle = {word(1, 5): i for i in range(400)}
        self.c.call("kv.mput", [[k, v] for k, v in oracle.items()])
        for _ in range(150):
            options = {name: word(0, 4) for name in ("prefix", "from", "to") if rng.random() < 0.5}
            wanted = sorted(k for k in oracle if k.startswith(options.get("prefix", b"")) and
                            k >= options.get("from", b"") and
                            ("to" not in options or k < options["to"]))
            if options.get("to") == b"":
                wanted = None  # both readings of an empty bound are possible
            reverse = rng.random() < 0.5
            found = self.scan(keys_only=True, limit=rng.randint(1, 40), reverse=reverse, **options)
            if wanted is not None:
                self.assertEqual(found[0], wanted[::-1] if reverse else wanted, options)
            self.assertEqual(self.c.call("kv.count", **options), len(found[0]), options)

    def test_while_others_write(self):
        keys = self.fill()
        seen, cursor = [], None
        while True:
            page = self.c.call("kv.scan", keys_only=True, limit=10, cursor=cursor)
            seen += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                break
            self.c.call("kv.mput", [[f"{k}x", 0] for k in seen[-3:]])  # around the cursor
            self.c.call("kv.put", seen[0], "again")
        self.assertEqual([k for k in seen if not k.endswith("x")], keys)
        self.assertEqual(len(seen), len(set(seen)))
        page = self.c.call("kv.scan", keys_only=True, limit=10, prefix="k")
        self.c.call("kv.mdel", page["items"])  # the cursor's own key is gone
        rest = self.c.call("kv.scan", keys_only=True, limit=1, cursor=page["cursor"])
        self.assertGreater(rest["items"][0], page["items"][-1])

    def test_with_version_and_errors(self):
        version = self.c.call("kv.mput", [["a", 1], ["b", 2]])
        self.c.call("kv.expire", "b", 60000)
        items = self.scan(with_version=True)[0]
        self.assertEqual(items[0], ["a", 1, version, None])
        self.assertTrue(50000 < items[1][3] <= 60000)
        self.fails("BAD_ARGUMENT", "kv.scan", limit=0)
        self.fails("LIMIT_EXCEEDED", "kv.scan", limit=10001)
        self.fails("BAD_ARGUMENT", "kv.scan", with_version=True, keys_only=True)
        self.fails("BAD_ARGUMENT", "kv.scan", "a")
        self.fails("BAD_ARGUMENT", "kv.scan", prefix=1)
        self.fails("LIMIT_EXCEEDED", "kv.count", prefix="x" * 4097)
        self.c.call("kv.scan", limit=10000)

    def test_pages_end_early_by_bytes(self):
        for i in range(6):
            self.c.call("kv.put", f"k{i}", b"x" * 2**21)
        page = self.c.call("kv.scan")
        self.assertTrue(1 <= len(page["items"]) < 6)
        self.assertNotEqual(page["cursor"], None)
        self.assertEqual([k for k, _ in self.scan()[0]], [f"k{i}" for i in range(6)])

    def test_clear(self):
        self.fill()
        self.assertEqual(self.c.call("kv.clear", prefix="k1"), 100)
        self.assertEqual(self.c.call("kv.count"), 150)
        self.assertEqual(self.c.call("kv.clear", prefix="nothing"), 0)
        self.assertEqual(self.c.call("kv.clear"), 150)
        self.assertEqual(self.c.call("kv.clear"), 0)
        self.assertEqual(self.c.call("kv.count"), 0)
        self.assertEqual(self.c.call("kv.clear", run="none"), 0)

    def test_clear_leaves_what_is_written_meanwhile(self):
        for i in range(4):
            self.c.call("kv.mput", [[f"k{i}.{j}", j] for j in range(10000)])
        other = self.connect()
        msgid = self.c.post("kv.clear")
        until(lambda: other.call("kv.count", run=self._testMethodName) < 40000, "it has begun")
        versions = [other.call("kv.put", f"k{i}.{i}", "new", run=self._testMethodName)
                    for i in range(4)]
        self.assertLessEqual(self.c.wait(msgid), 40000)
        self.assertEqual(self.c.call("kv.scan", with_version=True)["items"],
                         [[f"k{i}.{i}", "new", versions[i], None] for i in range(4)])


class BatchTest(TestCase):
    def test_not_atomic(self):
        out = self.c.call("batch", [["kv.put", ["a", 1]], ["kv.get", ["a"]],
                                    ["kv.incr", ["a", "x"]], ["nope", []],
                                    ["kv.cas", ["a", 99, 1]], [b"kv.incr", {"key": "a"}],
                                    ["kv.clear", []], ["batch", [[]]], ["kv.get", []]])
        self.assertIs(type(out[0][1]), int)
        self.assertEqual(out[1], [None, 1])
        self.assertEqual([(e or "").split(" ")[0] for e, _ in out[2:]],
                         ["BAD_ARGUMENT", "UNKNOWN_METHOD", "CONFLICT", "", "UNSUPPORTED",
                          "UNSUPPORTED", "BAD_ARGUMENT"])
        self.assertEqual(out[5], [None, 2])
        self.assertEqual(self.c.call("batch", []), [])
        self.assertEqual(self.c.call("batch", [], atomic=True), [])

    def test_not_atomic_uses_all_operations(self):
        out = self.c.call("batch", [["kv.mput", [[["x", 1], ["y", 2]]]], ["kv.mget", [["x", "y"]]],
                                    ["kv.scan", [{"keys_only": True}]], ["kv.count", {}],
                                    ["kv.put", ["x", 5, {"run": "other"}]],
                                    ["kv.get", ["x", {"run": "other"}]], ["kv.get", ["x"]],
                                    ["kv.mdel", [["x", "y"]]]])
        self.c.call("run.drop", "other")
        self.assertEqual([e for e, _ in out], [None] * 8)
        self.assertEqual([r for _, r in out[1:4]],
                         [[1, 2], {"items": ["x", "y"], "cursor": None}, 2])
        self.assertEqual([r for _, r in out[5:]], [5, 1, 2])

    def test_errors_as_maps(self):
        maps = self.connect()
        maps.call("hello", errors="map", run=self._testMethodName)
        out = maps.call("batch", [["kv.cas", ["a", 9, 1]]])
        self.assertEqual((out[0][0]["code"], out[0][0]["data"]), ("CONFLICT", {"actual": 0}))
        error = self.fails("CONFLICT", "batch", [["kv.put", ["a", 1]], ["kv.cas", ["b", 9, 1]]],
                           on=maps, atomic=True).error
        self.assertEqual(error["data"], {"actual": 0, "index": 1})
        self.assertFalse(maps.call("kv.exists", "a"))

    def test_atomic(self):
        self.c.call("kv.mput", [["a", 1], ["gone", 1], ["t", "x"], ["e", 1]])
        out = self.c.call("batch", [
            ["kv.get", ["a"]], ["kv.mput", [[["b", 2], ["c", 3]]]], ["kv.get", ["b"]],
            ["kv.incr", ["a", 10]], ["kv.get", ["a"]], ["kv.del", ["gone"]],
            ["kv.exists", ["gone"]], ["kv.append", ["t", "y"]], ["kv.strlen", ["t"]],
            ["kv.expire", ["e", 60000]], ["kv.ttl", ["e"]], ["kv.persist", ["e"]],
            ["kv.ttl", ["e"]], ["kv.put", ["a", 5, {"return_old": True}]],
            ["kv.mget", [["a", "b", "gone"]]], ["kv.mdel", [["b", "none"]]], ["kv.get", ["b"]],
            ["kv.cas", ["new", 0, "n"]], ["kv.get", ["new", {"with_version": True}]]], atomic=True)
        self.assertEqual([e for e, _ in out], [None] * 19)
        results = [r for _, r in out]
        version = results[1]
        self.assertEqual(results[0], 1)
        self.assertEqual(results[2:10], [2, 11, 11, True, False, 2, 2, True])
        self.assertGreater(results[10], 50000)
        self.assertEqual(results[11:13], [True, -1])
        self.assertEqual(results[13:], [[version, 11], [5, 2, None], 1, None, version,
                                        ["n", version, None]])
        self.assertEqual(self.c.call("kv.scan")["items"],
                         [["a", 5], ["c", 3], ["e", 1], ["new", "n"], ["t", "xy"]])
        self.assertEqual(self.c.call("kv.get", "c", with_version=True)[1], version)

    def test_atomic_is_all_or_nothing(self):
        self.c.call("kv.put", "a", 1)
        self.c.call("kv.put", "t", "text")
        before = self.c.call("kv.scan", with_version=True)
        for last, code in ((["kv.incr", ["t"]], "WRONG_TYPE"),
                           (["kv.cas", ["a", 0, 1]], "CONFLICT"),
                           (["kv.incr", ["a", INT_MAX]], "OVERFLOW"),
                           (["nope", []], "UNKNOWN_METHOD"),
                           (["kv.get", []], "BAD_ARGUMENT"), (["kv.scan", []], "UNSUPPORTED"),
                           (["kv.clear", []], "UNSUPPORTED"), (["server.ping", []], "UNSUPPORTED"),
                           (["kv.put", ["a", 1, {"run": "elsewhere"}]], "UNSUPPORTED"),
                           (["kv.put", ["a", 1, {"durability": "strict"}]], "UNSUPPORTED"),
                           (["kv.put", ["x" * 5000, 1]], "LIMIT_EXCEEDED")):
            error = self.fails(code, "batch", [["kv.put", ["a", 2]], ["kv.del", ["t"]],
                                               ["kv.put", ["t", 7]], ["kv.put", ["n", 7]],
                                               ["kv.put", ["t", "text"]], last], atomic=True)
            self.assertIn("call 5", error.text)
        self.assertEqual(self.c.call("kv.scan", with_version=True), before)

    def test_conditions(self):
        version = self.c.call("kv.put", "a", 1)
        calls = [["kv.put", ["b", 2]]]
        for conditions in ([["kv", "a", version + 1]], [["kv", "a", 0]], [["kv", "none", 1]],
                           [["kv", "a", version], ["kv", "a", 0]]):
            error = self.fails("CONFLICT", "batch", calls, conditions=conditions)
            self.assertIn(f"condition {len(conditions) - 1}", error.text)
        self.fails("BAD_ARGUMENT", "batch", calls, conditions=[["nope", "a", 0]])
        for bad in ([["kv", "a"]], [["kv", "a", -1]], [["kv", "", 0]], [[1, "a", 0]], "x", [1],
                    [["kv", "a", "0"]]):
            self.fails("BAD_ARGUMENT", "batch", calls, conditions=bad)
        self.assertFalse(self.c.call("kv.exists", "b"))
        out = self.c.call("batch", calls, conditions=[["kv", "a", version], [b"kv", b"b", 0]])
        self.assertEqual(self.c.call("kv.get", "b", with_version=True), [2, out[0][1], None])
        self.assertEqual(self.c.call("batch", [], conditions=[["kv", "a", version]]), [])

    def test_shape_of_calls(self):
        for bad in (1, "x", None, {}, [1], [["kv.get"]], [["kv.get", ["a"], 1]], [[1, []]]):
            self.fails("BAD_ARGUMENT", "batch", bad)
            self.fails("BAD_ARGUMENT", "batch", bad, atomic=True)
        self.fails("LIMIT_EXCEEDED", "batch", [["kv.get", ["a"]]] * 10001)
        self.assertEqual(self.c.call("batch", [["kv.get", ["a"]]] * 10000), [[None, None]] * 10000)
        out = self.c.call("batch", [["kv.get", 5]])  # a bad call fails alone
        self.assertTrue(out[0][0].startswith("BAD_REQUEST "), out)

    def test_inherits_its_run(self):
        self.c.call("batch", [["kv.put", ["a", 1]]], run="inherited")
        self.c.call("batch", [["kv.put", ["b", 2]]], run="inherited", atomic=True)
        self.assertEqual(self.c.call("kv.count", run="inherited"), 2)
        self.assertEqual(self.c.call("kv.count"), 0)
        self.assertEqual(self.c.call("run.drop", "inherited"), 2)

    def test_atomic_against_an_oracle(self):
        seed = 815
        print(f"seed {seed}")
        rng = random.Random(seed)
        keys = [f"k{i}" for i in range(12)]
        oracle = {}

        def step(state):
            key = rng.choice(keys)
            kind = rng.choice(["put", "get", "del", "mput", "mdel", "mget", "incr", "exists"])
            if kind == "put":
                state[key] = rng.randrange(100)
                return ["kv.put", [key, state[key]]], None
            if kind == "get":
                return ["kv.get", [key]], (state.get(key),)
            if kind == "exists":
                return ["kv.exists", [key]], (key in state,)
            if kind == "del":
                return ["kv.del", [key]], (state.pop(key, None) is not None,)
            if kind == "incr":
                state[key] = state.get(key, 0) + 1
                return ["kv.incr", [key]], (state[key],)
            several = rng.sample(keys, rng.randint(1, 5))
            if kind == "mget":
                return ["kv.mget", [several]], ([state.get(k) for k in several],)
            if kind == "mdel":
                return ["kv.mdel", [several]], (sum(state.pop(k, None) is not None
                                                    for k in several),)
            pairs = [[k, rng.randrange(100)] for k in several]
            state.update(pairs)
            return ["kv.mput", [pairs]], None

        for _ in range(300):
            state = dict(oracle)
            steps = [step(state) for _ in range(rng.randint(1, 40))]
            calls = [call for call, _ in steps]
            if rng.random() < 0.2:
                self.fails("CONFLICT", "batch", calls + [["kv.cas", ["never", 1, 1]]], atomic=True)
            else:
                out = self.c.call("batch", calls, atomic=True)
                for (call, wanted), (error, result) in zip(steps, out):
                    self.assertEqual(error, None)
                    if wanted is not None:
                        self.assertEqual(result, wanted[0], (call, calls))
                oracle = state
            self.assertEqual(dict(self.c.call("kv.scan")["items"]), oracle)
            self.assertEqual(self.c.call("kv.count"), len(oracle))


if __name__ == "__main__":
    unittest.main()
