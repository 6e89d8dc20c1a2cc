#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""kv of one key, and run, as a user of python3-msgpack calls them: every option, every error."""

import time
import unittest

import msgpack

from lib import RpcError, TestCase, until

FUTURE_MS = 4102444800000  # the year 2100
INT_MIN, INT_MAX = -2**63, 2**63 - 1


class ValueTest(TestCase):
    def test_values_come_back(self):
        values = [None, True, False, 0, 1, -1, 127, 128, -32, -33, 255, 256, -128, -129, 32767,
                  -32768, 65535, 65536, 2**31 - 1, -2**31, 2**32 - 1, 2**32, 2**53, INT_MAX,
                  INT_MIN, 2**64 - 1, 0.0, 1.5, -1e300, float("inf"), "", "a", "ünï ☃", "x" * 31,
                  "x" * 32, "x" * 255, "x" * 256, "x" * 65535, "x" * 65536, b"", b"\x00\xff",
                  b"x" * 256, b"x" * 65536, [], [1, [2, [3]]], {}, {"a": {"b": [None, {"c": 1}]}},
                  {1: 2, "k": b"v"}, list(range(16)), list(range(70000)),
                  msgpack.ExtType(5, b"four"), msgpack.ExtType(127, b"\0" * 8),
                  msgpack.ExtType(7, b"x" * 300)]
        for value in values:
            self.c.call("kv.put", "k", value)
            self.assertEqual(self.c.call("kv.get", "k"), value)
            self.assertIs(type(self.c.call("kv.get", "k")), type(value))

    def test_values_keep_their_encoding(self):
        for encoded in [b"\xcf" + b"\0" * 7 + b"\x05", b"\xd3" + b"\0" * 7 + b"\x05",
                        b"\xca\x3f\x80\0\0", b"\xcb\x3f\xf0" + b"\0" * 6, b"\xd9\x01a",
                        b"\xdb\0\0\0\x01a", b"\xdc\0\x01\x01", b"\xdf\0\0\0\x01\x01\x02",
                        b"\xc7\x01\x05x", b"\xd4\x05x", b"\xcb\x7f\xf8" + b"\0" * 6]:
            self.c.send(b"\x94\x00\x00\xa6kv.put\x92\xa1k" + encoded)
            self.assertEqual(self.c.message()[:3], [1, 0, None])
            self.c.send(b"\x94\x00\x00\xa6kv.get\x91\xa1k")
            self.assertEqual(self.c.read_bytes(), b"\x94\x01\x00\xc0" + encoded)

    def test_str_that_is_not_utf8_comes_back_as_bin(self):
        for body in [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"x" * 40 + b"\x80"]:
            raw = msgpack.packb(body, use_bin_type=False)  # a str
            self.c.send(b"\x94\x00\x00\xa6kv.put\x92\xa1k" + raw)
            self.assertEqual(self.c.message()[2], None)
            self.assertEqual(self.c.call("kv.get", "k"), body)
            self.c.send(b"\x94\x00\x00\xa6kv.put\x92" + raw + b"\x01")
            self.assertEqual(self.c.message()[2], None)
            self.assertEqual(self.c.call("kv.scan", prefix=body, keys_only=True)["items"], [body])
            self.assertEqual(self.c.call("kv.mget", [body]), [1])

    def test_keys_are_bytes_and_come_back_as_they_came(self):
        self.c.call("kv.put", "s", 1)
        self.c.call("kv.put", b"b", 2)
        self.assertEqual([self.c.call("kv.get", k) for k in ("s", b"s", "b", b"b")], [1, 1, 2, 2])
        self.assertEqual(self.c.call("kv.scan")["items"], [[b"b", 2], ["s", 1]])
        for key in [b"\0", b"\0\0", b"a\0b", "☃", "x" * 31, "x" * 32, "x" * 255, b"x" * 4096]:
            self.c.call("kv.put", key, key)
            self.assertEqual(self.c.call("kv.get", key), key)
        self.fails("BAD_ARGUMENT", "kv.put", "", 1)
        self.fails("LIMIT_EXCEEDED", "kv.put", "x" * 4097, 1)

    def test_ways_to_pass_arguments(self):
        call = self.c.call_params
        self.assertIs(type(call("kv.put", ["a", 1])), int)
        self.assertIs(type(call("kv.put", {"key": "b", "value": 2})), int)
        self.assertIs(type(call("kv.put", [{"key": "c", "value": 3, "if_absent": True}])), int)
        self.assertIs(type(call(b"kv.put", [b"d", 4, {b"if_absent": True}])), int)
        self.assertIs(type(call("kv.put", ["e", {"ttl_ms": 5}])), int)  # a map value, no options
        self.assertIs(type(call("kv.put", ["f", 6, {}])), int)
        self.assertIs(type(call("kv.put", ["g", {}, {"if_absent": True}])), int)
        self.assertEqual(call("kv.mget", [["a", "b", "c", "d", "e", "f", "g"]]),
                         [1, 2, 3, 4, {"ttl_ms": 5}, 6, {}])
        self.assertEqual(call("kv.incr", ["n"]), 1)
        self.assertEqual(call("kv.incr", ["n", 5]), 6)
        self.assertEqual(call("kv.incr", ["n", {"delta": 5}]), 11)
        self.assertEqual(call("kv.incr", ["n", None]), 12)
        self.assertEqual(call("kv.incr", {"key": "n", "delta": None}), 13)
        for bad in (["a"], [], {}, {"key": "a"}, ["a", 1, {"nope": 1}], ["a", 1, 2],
                    ["a", 1, {}, {}],
                    ["a", 1, {1: 2}], {"key": "a", "value": 1, "nope": 1}):
            with self.assertRaises(RpcError) as caught:
                call("kv.put", bad)
            self.assertEqual(caught.exception.code, "BAD_ARGUMENT", bad)
        self.assertIn("value", self.fails("BAD_ARGUMENT", "kv.put", "a").text)
        self.assertIn("nope", self.fails("BAD_ARGUMENT", "kv.put", "a", 1, nope=1).text)

    def test_nil_options_are_not_given(self):
        options = {name: None for name in ("ttl_ms", "expires_at_ms", "keep_ttl", "if_version",
                                           "if_absent", "if_exists", "return_old", "run",
                                           "durability")}
        self.assertIs(type(self.c.call("kv.put", "k", 1, **options)), int)
        self.assertEqual(self.c.call("kv.get", "k", with_version=None, run=None), 1)
        self.fails("CONFLICT", "kv.put", "k", 1, if_value=None)  # nil is a value
        self.c.call("kv.put", "k", None)
        self.c.call("kv.put", "k", 2, if_value=None)
        self.fails("BAD_ARGUMENT", "kv.put", None, 1)

    def test_types_of_options(self):
        for options in ({"if_absent": 1}, {"if_absent": "true"}, {"ttl_ms": "5"}, {"ttl_ms": 1.0},
                        {"ttl_ms": -1}, {"ttl_ms": 2**53}, {"if_version": True}, {"run": 1},
                        {"run": ""}, {"durability": "eventual"}):
            self.fails("BAD_ARGUMENT", "kv.put", "k", 1, **options)
        self.fails("LIMIT_EXCEEDED", "kv.put", "k", 1, run="x" * 256)
        self.fails("UNSUPPORTED", "kv.put", "k", 1, durability="strict")
        self.fails("UNSUPPORTED", "kv.put", "k", 1, durability="buffered")
        self.assertFalse(self.c.call("kv.exists", "k"))
        self.c.call("kv.put", "k", 1, durability="memory")


class WriteTest(TestCase):
    def test_versions_grow(self):
        seen = [self.c.call("kv.put", f"k{i % 3}", i) for i in range(20)]
        self.assertEqual(seen, sorted(set(seen)))
        self.assertTrue(0 < seen[0] and seen[-1] < 2**53)
        self.assertEqual(self.c.call("kv.get", "k1", with_version=True), [19, seen[19], None])
        self.assertEqual(self.c.call("kv.get", "none", with_version=True), None)
        self.assertEqual(self.c.call("kv.mget", ["k1", "none"], with_version=True),
                         [[19, seen[19], None], None])
        before = self.c.call("kv.get", "k1", with_version=True)[1]
        self.c.call("kv.del", "k1")
        self.assertGreater(self.c.call("kv.put", "k1", 1), before)  # never used again

    def test_conditions(self):
        put = self.c.call("kv.put", "k", "v")
        for options in ({"if_version": put + 1}, {"if_version": 0}, {"if_absent": True},
                        {"if_value": "w"}, {"if_value": 0}):
            self.assertIn(str(put), self.fails("CONFLICT", "kv.put", "k", 2, **options).text)
        self.assertEqual(self.c.call("kv.get", "k", with_version=True), ["v", put, None])
        two = self.c.call("kv.put", "k", "v", if_version=put, if_value=b"v", if_exists=True,
                          if_absent=False)
        self.assertGreater(two, put)
        self.fails("CONFLICT", "kv.put", "new", 1, if_exists=True)
        self.fails("CONFLICT", "kv.put", "new", 1, if_version=1)
        self.fails("CONFLICT", "kv.put", "new", 1, if_value=None)
        self.c.call("kv.put", "new", 1, if_version=0, if_absent=True)
        self.c.call("kv.put", "m", {"a": [1, 2.5], "b": None})
        self.fails("CONFLICT", "kv.put", "m", 1, if_value={"a": [1, 2.5]})
        self.c.call("kv.put", "m", 1, if_value={"a": [1, 2.5], "b": None})
        self.fails("CONFLICT", "kv.put", "m", 2, if_value=1.0)  # an integer equals no float

    def test_put_return_old(self):
        version, old = self.c.call("kv.put", "k", [1], return_old=True)
        self.assertEqual(old, None)
        second, old = self.c.call("kv.put", "k", 2, return_old=True)
        self.assertEqual(old, [1])
        self.assertGreater(second, version)
        self.assertIs(type(self.c.call("kv.put", "k", 3, return_old=False)), int)

    def test_del_and_exists(self):
        self.assertFalse(self.c.call("kv.del", "k"))
        version = self.c.call("kv.put", "k", 1)
        self.assertTrue(self.c.call("kv.exists", "k"))
        self.fails("CONFLICT", "kv.del", "k", if_version=version + 1)
        self.fails("CONFLICT", "kv.del", "k", if_value=2)
        self.assertTrue(self.c.call("kv.exists", b"k"))
        self.assertTrue(self.c.call("kv.del", "k", if_version=version, if_value=1))
        self.assertFalse(self.c.call("kv.exists", "k"))
        self.fails("CONFLICT", "kv.del", "k", if_version=version)
        self.assertFalse(self.c.call("kv.del", "k", if_version=0))

    def test_bad_keys(self):
        for method in ("kv.get", "kv.exists", "kv.del", "kv.ttl", "kv.persist", "kv.strlen"):
            for key in (1, None, True, [], "", 1.5):
                self.fails("BAD_ARGUMENT", method, key)
            self.fails("LIMIT_EXCEEDED", method, "x" * 4097)

    def test_cas(self):
        version = self.c.call("kv.cas", "k", 0, "a")
        error = self.fails("CONFLICT", "kv.cas", "k", 0, "b")
        self.assertIn(str(version), error.text)
        second = self.c.call("kv.cas", "k", version, "b", ttl_ms=60000)
        self.assertGreater(second, version)
        self.c.call("kv.cas", "k", second, "c")
        self.assertGreater(self.c.call("kv.ttl", "k"), 50000)  # kept
        self.assertEqual(self.c.call("kv.get", "k"), "c")
        self.fails("CONFLICT", "kv.cas", "none", 1, "x")
        maps = self.connect()
        maps.call("hello", errors="map", run=self._testMethodName)
        error = self.fails("CONFLICT", "kv.cas", "none", 5, "x", on=maps).error
        self.assertEqual((error["data"], error["retryable"]), ({"actual": 0}, False))

    def test_cas_races_have_one_winner(self):
        clients = [self.connect() for _ in range(8)]
        for round_number in range(20):
            key = f"k{round_number}"
            ids = [c.post("kv.cas", key, 0, i, run=self._testMethodName)
                   for i, c in enumerate(clients)]
            won = []
            for i, (client, msgid) in enumerate(zip(clients, ids)):
                try:
                    client.wait(msgid)
                    won.append(i)
                except RpcError as error:
                    self.assertEqual(error.code, "CONFLICT")
            self.assertEqual([self.c.call("kv.get", key)], won)

    def test_incr(self):
        self.assertEqual(self.c.call("kv.incr", "n"), 1)
        self.assertEqual(self.c.call("kv.incr", "n", -3), -2)
        self.assertEqual(self.c.call("kv.get", "n"), -2)
        self.c.call("kv.put", "n", INT_MAX - 1)
        self.assertEqual(self.c.call("kv.incr", "n"), INT_MAX)
        self.fails("OVERFLOW", "kv.incr", "n")
        self.fails("OVERFLOW", "kv.incr", "n", INT_MAX)
        self.assertEqual(self.c.call("kv.get", "n"), INT_MAX)
        self.c.call("kv.put", "n", INT_MIN)
        self.fails("OVERFLOW", "kv.incr", "n", -1)
        self.fails("OVERFLOW", "kv.incr", "n", INT_MIN)
        self.assertEqual(self.c.call("kv.incr", "n", INT_MAX), -1)
        self.c.call("kv.put", "n", 5)
        self.fails("OVERFLOW", "kv.incr", "n", 2, max=6)
        self.fails("OVERFLOW", "kv.incr", "n", -2, min=4)
        self.assertEqual(self.c.call("kv.incr", "n", 1, max=6, min=6), 6)
        self.assertEqual(self.c.call("kv.incr", "n", 0), 6)
        self.fails("OVERFLOW", "kv.incr", "fresh", 1, max=0)
        self.assertFalse(self.c.call("kv.exists", "fresh"))
        for text, sum_ in (("41", 42), (b"-1", 0), ("9223372036854775806", INT_MAX),
                           ("-9223372036854775808", INT_MIN + 1)):
            self.c.call("kv.put", "t", text)
            self.assertEqual(self.c.call("kv.incr", "t"), sum_)
            self.assertEqual(self.c.call("kv.get", "t"), sum_)
        for value in ("", "-", " 1", "1 ", "+1", "0x1", "1.0", "9223372036854775808", 1.0, True,
                      None, [1], {}, 2**63):
            self.c.call("kv.put", "t", value)
            self.fails("WRONG_TYPE", "kv.incr", "t")
            self.assertEqual(self.c.call("kv.get", "t"), value)
        self.fails("BAD_ARGUMENT", "kv.incr", "n", 1.5)
        self.fails("BAD_ARGUMENT", "kv.incr", "n", 2**63)

    def test_incr_ttl_holds_only_for_a_new_key(self):
        self.c.call("kv.incr", "n", 1, ttl_ms=60000)
        self.assertGreater(self.c.call("kv.ttl", "n"), 50000)
        self.c.call("kv.incr", "n", 1, ttl_ms=5)
        self.assertGreater(self.c.call("kv.ttl", "n"), 50000)
        self.c.call("kv.put", "n", 1)
        self.c.call("kv.incr", "n", 1, ttl_ms=5)
        self.assertEqual(self.c.call("kv.ttl", "n"), -1)

    def test_append_and_strlen(self):
        self.assertEqual(self.c.call("kv.strlen", "k"), 0)
        self.assertEqual(self.c.call("kv.append", "k", "ab"), 2)
        self.assertEqual(self.c.call("kv.append", "k", "ü"), 4)
        self.assertEqual(self.c.call("kv.get", "k"), "abü")
        self.assertEqual(self.c.call("kv.append", "k", b"c"), 5)
        self.assertEqual(self.c.call("kv.append", "k", b"\xff"), 6)
        self.assertEqual(self.c.call("kv.get", "k"), b"ab\xc3\xbcc\xff")
        self.assertEqual(self.c.call("kv.strlen", "k"), 6)
        self.assertEqual(self.c.call("kv.append", "b", b"x"), 1)
        self.assertEqual(self.c.call("kv.get", "b"), b"x")
        self.assertEqual(self.c.call("kv.append", "b", ""), 1)
        self.c.call("kv.put", "e", "x", ttl_ms=60000)
        self.c.call("kv.append", "e", "y" * 1000)
        self.assertGreater(self.c.call("kv.ttl", "e"), 50000)
        for number, text in ((12, "12"), (-7, "-7"), (1.5, "1.5"), (2.0, "2")):
            self.c.call("kv.put", "w", number)
            self.assertEqual(self.c.call("kv.strlen", "w"), len(text))
            self.assertEqual(self.c.call("kv.append", "w", "0"), len(text) + 1)
            self.assertEqual(self.c.call("kv.get", "w"), text + "0")
        for value in (None, [], {}, True):
            self.c.call("kv.put", "w", value)
            self.fails("WRONG_TYPE", "kv.append", "w", "x")
            self.fails("WRONG_TYPE", "kv.strlen", "w")
            self.assertEqual(self.c.call("kv.get", "w"), value)
        self.fails("BAD_ARGUMENT", "kv.append", "k", 1)


class ExpiryTest(TestCase):
    def gone(self, key):
        until(lambda: self.c.call("kv.get", key) is None, f"{key} expires")

    def test_ttl(self):
        self.c.call("kv.put", "k", 1, ttl_ms=40)
        self.assertTrue(0 < (self.c.call("kv.ttl", "k") or 1) <= 40)
        self.gone("k")
        for method, answer in (("kv.exists", False), ("kv.ttl", None), ("kv.del", False),
                               ("kv.persist", False), ("kv.strlen", 0)):
            self.assertEqual(self.c.call(method, "k"), answer, method)
        self.assertEqual(self.c.call("kv.expire", "k", 100), False)
        self.c.call("kv.put", "k", 2, if_version=0, if_absent=True)
        self.assertEqual(self.c.call("kv.ttl", "k"), -1)

    def test_no_key_goes_early_or_stays(self):
        started = time.monotonic()
        self.c.pipeline([("kv.put", f"k{i}", i, {"ttl_ms": 100 + i}) for i in range(200)])
        until(lambda: self.c.call("kv.count") == 0, "all expire")
        self.assertGreaterEqual(time.monotonic() - started, 0.29)
        self.assertEqual(self.c.call("kv.scan")["items"], [])

    def test_expires_at_ms(self):
        self.c.call("kv.put", "k", 1, expires_at_ms=FUTURE_MS)
        left = FUTURE_MS - time.time() * 1000
        self.assertAlmostEqual(self.c.call("kv.ttl", "k"), left, delta=60000)
        self.c.call("kv.put", "past", 1, expires_at_ms=1)
        self.assertEqual(self.c.call("kv.get", "past"), None)
        self.c.call("kv.put", "far", 1, ttl_ms=2**53 - 1)
        self.assertEqual(self.c.call("kv.get", "far"), 1)
        self.assertGreater(self.c.call("kv.ttl", "far"), 2**52)
        for options in ({"ttl_ms": 0}, {"expires_at_ms": 0}, {"ttl_ms": 5, "expires_at_ms": 5},
                        {"ttl_ms": 5, "keep_ttl": True}, {"expires_at_ms": 5, "keep_ttl": True}):
            self.fails("BAD_ARGUMENT", "kv.put", "k", 2, **options)

    def test_what_a_write_does_to_the_expiry(self):
        self.c.call("kv.put", "k", 1, ttl_ms=60000)
        self.c.call("kv.put", "k", 2, keep_ttl=True)
        self.assertGreater(self.c.call("kv.ttl", "k"), 50000)
        value, _, ttl = self.c.call("kv.get", "k", with_version=True)
        self.assertTrue(value == 2 and 50000 < ttl <= 60000)
        self.c.call("kv.put", "k", 3)
        self.assertEqual(self.c.call("kv.ttl", "k"), -1)
        self.c.call("kv.put", "new", 1, keep_ttl=True)
        self.assertEqual(self.c.call("kv.ttl", "new"), -1)

    def test_expire_and_persist(self):
        self.assertEqual(self.c.call("kv.expire", "none", 10), False)
        self.assertEqual(self.c.call("kv.persist", "none"), False)
        self.c.call("kv.put", "k", {"a": 1})
        self.assertEqual(self.c.call("kv.persist", "k"), False)
        self.assertEqual(self.c.call("kv.expire", "k", 60000), True)
        self.assertGreater(self.c.call("kv.ttl", "k"), 50000)
        self.assertEqual(self.c.call("kv.expire", "k", expires_at_ms=FUTURE_MS), True)
        self.assertGreater(self.c.call("kv.ttl", "k"), 10**9)
        self.assertEqual(self.c.call("kv.persist", "k"), True)
        self.assertEqual(self.c.call("kv.ttl", "k"), -1)
        self.assertEqual(self.c.call("kv.get", "k"), {"a": 1})
        self.fails("BAD_ARGUMENT", "kv.expire", "k")
        self.fails("BAD_ARGUMENT", "kv.expire", "k", 0)
        self.fails("BAD_ARGUMENT", "kv.expire", "k", 5, expires_at_ms=5)
        self.c.call("kv.expire", "k", 1)
        self.gone("k")


class RunTest(TestCase):
    def test_runs_are_apart(self):
        self.assertEqual(self.c.call("run.use", "r1"), "r1")
        self.c.call("kv.put", "k", 1)
        self.c.call("kv.put", "k", 2, run="r2")
        self.assertEqual(self.c.call("kv.get", "k"), 1)
        self.assertEqual(self.c.call("kv.get", "k", run="r2"), 2)
        self.assertEqual(self.c.call("kv.get", "k", run=b"r2"), 2)
        self.assertEqual(self.c.call("kv.get", "k", run="default"), None)
        for method, answer in (("kv.get", None), ("kv.exists", False), ("kv.del", False),
                               ("kv.ttl", None), ("kv.strlen", 0), ("kv.persist", False)):
            self.assertEqual(self.c.call(method, "k", run="not yet"), answer)
        self.assertEqual(self.c.call("kv.mget", ["k"], run="not yet"), [None])
        self.assertEqual(self.c.call("kv.scan", run="never"), {"items": [], "cursor": None})
        self.assertEqual(self.c.call("kv.count", run="never"), 0)
        other = self.connect()
        other.call("hello", run="r2")
        self.assertEqual(other.call("kv.get", "k"), 2)
        self.assertEqual(other.call("run.use", b"r1"), b"r1")
        self.assertEqual(other.call("kv.get", "k"), 1)
        self.assertEqual(self.connect().call("kv.get", "k"), None)
        self.assertEqual(self.c.call("run.drop", "r1"), 1)
        self.assertEqual(self.c.call("run.drop", "r2"), 1)
        for bad in ("", 1, None, []):
            self.fails("BAD_ARGUMENT", "run.use", bad)
        self.fails("LIMIT_EXCEEDED", "run.use", "x" * 256)
        self.assertEqual(self.c.call("kv.get", "k"), None)  # r1 as before, dropped

    def test_drop(self):
        self.c.call("run.use", "d")
        other = self.connect()
        other.call("run.use", "d")
        other.call("kv.mput", [[f"k{i}", i] for i in range(5000)])
        self.assertEqual(self.c.call("kv.count"), 5000)
        self.assertEqual(self.c.call("run.drop", "d"), 5000)
        self.assertEqual(self.c.call("run.drop", "d"), 0)
        self.assertEqual(self.c.call("run.drop", "never"), 0)
        self.assertEqual(other.call("kv.get", "k1"), None)
        other.call("kv.put", "k1", "again")
        self.assertEqual(self.c.call("kv.scan")["items"], [["k1", "again"]])
        self.assertEqual(self.c.call("run.drop", "d"), 1)
        fresh = self.connect()
        fresh.call("kv.put", "k", 1)
        self.assertGreaterEqual(fresh.call("run.drop", "default"), 1)
        self.assertEqual(fresh.call("kv.get", "k"), None)
        fresh.call("kv.put", "k", 2)
        self.assertEqual(self.connect().call("kv.get", "k"), 2)
        self.assertEqual(fresh.call("run.drop", "default"), 1)

    def test_drop_while_others_write(self):
        writers = [self.connect() for _ in range(4)]
        for round_number in range(10):
            ids = [(w, w.post("kv.put", f"k{i}.{n}", n, run="busy"))
                   for n in range(50) for i, w in enumerate(writers)]
            self.c.call("run.drop", "busy")
            for writer, msgid in ids:
                writer.wait(msgid)
            left = self.c.call("kv.count", run="busy")
            self.assertEqual(len(self.c.call("kv.scan", run="busy", limit=1000)["items"]), left)
            self.assertEqual(self.c.call("run.drop", "busy"), left)

    def test_list(self):
        names = [f"list{i:02}" for i in range(25)]
        for i, name in enumerate(names):
            self.c.call("kv.mput", [[f"k{j}", j] for j in range(i % 3 + 1)], run=name)
        self.c.call("run.use", "list-empty")
        self.c.call("kv.del", "nothing")
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            page = self.c.call("run.list", prefix="list", limit=10, cursor=cursor)
            self.assertLessEqual(len(page["items"]), 10)
            found += page["items"]
            cursor = page["cursor"]
            pages += 1
        self.assertEqual(found, [{"run": n, "records": i % 3 + 1} for i, n in enumerate(names)])
        self.assertEqual(pages, 3)
        self.assertEqual(self.c.call("run.list", prefix="list07")["items"],
                         [{"run": "list07", "records": 2}])
        self.assertEqual(self.c.call("run.list", prefix="nope"), {"items": [], "cursor": None})
        self.assertEqual(len(self.c.call("run.list", prefix="list", limit=25)["items"]), 25)
        self.fails("BAD_ARGUMENT", "run.list", limit=0)
        self.fails("LIMIT_EXCEEDED", "run.list", limit=10001)
        for name in names:
            self.c.call("run.drop", name)
        self.assertEqual(self.c.call("run.list", prefix="list")["items"], [])

    def test_too_many_runs(self):
        self.c.call("server.config_set", "limits.runs", 3)
        self.addCleanup(self.c.call, "server.config_set", "limits.runs", 1000000)
        made = 0
        with self.assertRaises(RpcError) as caught:
            for made in range(5):
                self.c.call("kv.put", "k", 1, run=f"many{made}")
        self.assertEqual(caught.exception.code, "LIMIT_EXCEEDED")
        self.assertIn("limits.runs", caught.exception.text)
        self.assertEqual(self.c.call("kv.get", "k", run="not there"), None)
        for i in range(made):
            self.c.call("run.drop", f"many{i}")


if __name__ == "__main__":
    unittest.main()
