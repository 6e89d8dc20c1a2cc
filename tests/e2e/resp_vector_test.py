#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Vector sets on the RESP port: what VADD, VSIM and their kin promise in RESP2 and RESP3, every
refusal, and that they and MessagePack-RPC see the same vectors."""

import json
import os
import random
import shutil
import subprocess
import threading
import unittest

from lib import TestCase, until
from lib.resp import Resp
from lib.stored import Stored
from lib.vec import NEAR, pack, random_vector, score

try:
    import redis
except ImportError:
    redis = None

SEED = int(os.environ.get("CAIRN_SEED", random.randrange(2 ** 32)))
OPTIONS = {"listen.resp": "127.0.0.1:0"}


class VectorSetTest(TestCase):
    """Vector sets are collections of the run default, which tests take turns with."""

    OPTIONS = OPTIONS

    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self._testMethodName}")
        self.address = self.server.address_of(0, "resp")
        self.rpc = self.connect()
        self.resp = self.speak()
        self.addCleanup(self.drop_all)

    def drop_all(self):
        with self.server.connect() as client:
            for item in client.call("vec.list", limit=100)["items"]:
                client.call("vec.drop", item["collection"])

    def speak(self, version=2):
        resp = Resp(self.address)
        self.addCleanup(resp.close)
        if version == 3:
            resp.call("HELLO", 3)
        return resp

    def says(self, expected, *command, resp=None):
        self.assertEqual((resp or self.resp).call(*command).raw, expected)

    def refuses(self, text, *command):
        reply = self.resp.call(*command)
        self.assertTrue(reply.is_error, reply)
        self.assertIn(text, reply.value.decode())

    def add(self, key, element, vector, *options, resp=None):
        return (resp or self.resp).call("VADD", key, "VALUES", len(vector), *vector, element,
                                        *options)


class AddTest(VectorSetTest):
    def test_new_and_updated(self):
        self.says(b":1\r\n", "VADD", "s", "VALUES", 2, 1, 0, "a")
        self.says(b":0\r\n", "vadd", "s", "values", "2", "0", "1e0", "a")
        self.says(b":1\r\n", "VADD", "s", "FP32", pack([1, 1]), "b")
        self.says(b":2\r\n", "VCARD", "s")
        self.says(b":2\r\n", "VDIM", "s")
        info = self.rpc.call("vec.info", "s")
        self.assertEqual((info["metric"], info["index"], info["m"], info["quantization"]),
                         ("cosine", "auto", 16, "none"))
        self.assertEqual(self.rpc.call("vec.get", "s", "a")["vector"], pack([0, 1]))

    def test_replies_of_3(self):
        resp = self.speak(3)
        self.says(b"#t\r\n", "VADD", "s", "VALUES", 1, 1, "a", resp=resp)
        self.says(b"#f\r\n", "VADD", "s", "VALUES", 1, 2, "a", resp=resp)
        self.says(b"#t\r\n", "VISMEMBER", "s", "a", resp=resp)
        self.says(b"#t\r\n", "VREM", "s", "a", resp=resp)
        self.says(b"#f\r\n", "VREM", "s", "a", resp=resp)
        self.says(b"#f\r\n", "VISMEMBER", "s", "a", resp=resp)
        self.says(b"_\r\n", "VEMB", "s", "a", resp=resp)

    def test_options_make_the_collection(self):
        self.add("s", "a", [1, 2], "CAS", "Q8", "EF", 300, "M", 8)
        info = self.rpc.call("vec.info", "s")
        self.assertEqual((info["m"], info["quantization"]), (8, "int8_only"))
        self.assertEqual(self.add("s", "b", [1, 2], "Q8", "M", 8).value, 1)
        self.assertEqual(self.add("s", "c", [1, 2]).value, 1)  # not given: as it is
        self.refuses("quantization is int8_only, not none", "VADD", "s", "VALUES", 2, 1, 2, "d",
                     "NOQUANT")
        self.refuses("m is 8, not 9", "VADD", "s", "VALUES", 2, 1, 2, "d", "M", 9)
        self.says(b":3\r\n", "VCARD", "s")

    def test_refused(self):
        self.add("s", "a", [1, 2])
        for text, *args in (
                ("invalid vector specification", "VALUES", 3, 1, 2),
                ("invalid vector specification", "VALUES", 0, "x"),
                ("invalid vector specification", "VALUES", 8193, "x"),
                ("invalid vector specification", "VALUES", 2, 1, "x", "b"),
                ("invalid vector specification", "VALUES", 2, 1, "nan", "b"),
                ("invalid vector specification", "FP32", b"12345", "b"),
                ("invalid vector specification", "FP32", b"", "b"),
                ("invalid vector specification", "FP64", b"12345678", "b"),
                ("wrong number of arguments", "VALUES", 1, 1),
                ("vectors of this collection have 2", "VALUES", 3, 1, 2, 3, "b"),
                ("all elements are zero", "VALUES", 2, 0, 0, "b"),
                ("REDUCE is not supported", "REDUCE", 1, "VALUES", 2, 1, 2, "b"),
                ("BIN is not supported", "VALUES", 2, 1, 2, "b", "BIN"),
                ("invalid option after element", "VALUES", 2, 1, 2, "b", "NX"),
                ("invalid EF", "VALUES", 2, 1, 2, "b", "EF", 0),
                ("invalid EF", "VALUES", 2, 1, 2, "b", "EF"),
                ("invalid M", "VALUES", 2, 1, 2, "b", "M", "x"),
                ("a key must not be empty", "VALUES", 2, 1, 2, ""),
                ("1024 bytes", "VALUES", 2, 1, 2, "b" * 1025)):
            with self.subTest(args=args):
                self.refuses(text, "VADD", "s", *args)
        self.refuses("must be from 2 to 128", "VADD", "t", "VALUES", 2, 1, 2, "b", "M", 1)
        self.refuses("must not be empty", "VADD", "", "VALUES", 2, 1, 2, "b")
        self.refuses("limits.name_bytes", "VADD", "s" * 300, "VALUES", 2, 1, 2, "b")
        self.says(b":1\r\n", "VCARD", "s")
        self.assertIsNone(self.rpc.call("vec.info", "t"))  # what was refused has made nothing

    def test_first_by_many_at_once(self):
        """All of the same dimension succeed; of two dimensions one wins, and stays."""
        for round_ in range(20):
            name, replies = f"first{round_}", {}
            ready = threading.Barrier(6)

            def one(i, name=name, replies=replies, ready=ready):
                resp = self.speak()
                ready.wait()
                replies[i] = self.add(name, f"e{i}", [1] * (2 + i % 2), resp=resp)
            threads = [threading.Thread(target=one, args=(i,)) for i in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            dim = self.resp.call("VDIM", name).value
            for i, reply in replies.items():
                self.assertEqual(reply.is_error, 2 + i % 2 != dim, (i, reply))
            self.says(b":3\r\n", "VCARD", name)

    def test_large(self):
        vector = random_vector(self.random, 8192)
        self.assertEqual(self.add("s", "a", [f"{x:.9g}" for x in vector]).value, 1)
        self.assertEqual(self.rpc.call("vec.get", "s", "a")["vector"],
                         pack([float(f"{x:.9g}") for x in vector]))
        self.assertEqual(self.resp.call("VADD", "s", "FP32", pack(vector), "b").value, 1)
        for dim in (1, 2, 63, 64, 65):
            vector = [self.random.randrange(1, 10) for _ in range(dim)]  # as short as can be
            self.add(f"d{dim}", "a", vector)
            self.assertEqual(self.rpc.call("vec.get", f"d{dim}", "a")["vector"], pack(vector))

    def test_in_a_transaction(self):
        self.resp.call("MULTI")
        self.refuses("not possible inside MULTI", "VADD", "s", "VALUES", 1, 1, "a")


class ReadTest(VectorSetTest):
    def test_absent(self):
        for resp, nil, nil_array, no in ((self.resp, b"$-1\r\n", b"*-1\r\n", b":0\r\n"),
                                         (self.speak(3), b"_\r\n", b"_\r\n", b"#f\r\n")):
            self.says(b":0\r\n", "VCARD", "no", resp=resp)
            self.says(b"-ERR key does not exist\r\n", "VDIM", "no", resp=resp)
            self.says(no, "VREM", "no", "a", resp=resp)
            self.says(no, "VISMEMBER", "no", "a", resp=resp)
            self.says(nil, "VEMB", "no", "a", resp=resp)
            self.says(nil_array, "VINFO", "no", resp=resp)
            self.says(b"*0\r\n", "VSIM", "no", "ELE", "a", resp=resp)
            self.says(b"*0\r\n", "VSIM", "no", "VALUES", 1, 1, "WITHSCORES", resp=resp)

    def test_vectors_come_back(self):
        self.add("s", "a", [0.5, -3, 1e-9])
        self.rpc.call("vec.upsert", "s", "b", [1, 2, 3])
        self.assertEqual(self.resp.call("VEMB", "s", "b").plain(), [b"1", b"2", b"3"])
        back = [float(x) for x in self.resp.call("VEMB", "s", "a").plain()]
        self.assertEqual(pack(back), pack([0.5, -3, 1e-9]))
        reply = self.speak(3).call("VEMB", "s", "a")
        self.assertEqual([r.kind for r in reply.value], [b","] * 3)
        self.says(b"$-1\r\n", "VEMB", "s", "c")
        self.refuses("VEMB RAW is not supported", "VEMB", "s", "a", "RAW")
        self.refuses("invalid option", "VEMB", "s", "a", "WHAT")

    def test_members(self):
        self.add("s", "a", [1])
        self.says(b":1\r\n", "VISMEMBER", "s", "a")
        self.says(b":0\r\n", "VISMEMBER", "s", "b")
        self.says(b":1\r\n", "VREM", "s", "a")
        self.says(b":0\r\n", "VREM", "s", "a")
        self.says(b":0\r\n", "VCARD", "s")
        self.refuses("1024 bytes", "VREM", "s", "x" * 1025)

    def test_info(self):
        self.add("s", "a", [1, 2], "Q8", "M", 7)
        for resp, kind in ((self.resp, b"*"), (self.speak(3), b"%")):
            reply = resp.call("VINFO", "s")
            self.assertEqual(reply.kind, kind)
            info = {name: value.value for name, value in reply.pairs().items()}
            self.assertEqual({name: info[name] for name in (
                b"quant-type", b"hnsw-m", b"vector-dim", b"projection-input-dim", b"size")},
                {b"quant-type": b"int8_only", b"hnsw-m": 7, b"vector-dim": 2,
                 b"projection-input-dim": 0, b"size": 1})
            self.assertEqual(info[b"metric"], b"cosine")
        self.add("t", "a", [1], "NOQUANT")
        self.assertEqual(self.resp.call("VINFO", "t").pairs()[b"quant-type"].value, b"f32")

    def test_random_members(self):
        for resp, nil in ((self.resp, b"$-1\r\n"), (self.speak(3), b"_\r\n")):
            self.says(nil, "VRANDMEMBER", "no", resp=resp)
            self.says(b"*0\r\n", "VRANDMEMBER", "no", 3, resp=resp)
            self.says(b"*0\r\n", "VRANDMEMBER", "no", -3, resp=resp)
        names = [b"e%d" % i for i in range(200)]
        for name in names:
            self.add("s", name, [1, 2])
            self.add("beside", name + b"x", [1, 2])
        self.assertIn(self.resp.call("VRANDMEMBER", "s").value, names)
        self.says(b"*0\r\n", "VRANDMEMBER", "s", 0)
        for count in (1, 2, 20, 199, 200, 201, 10 ** 9):
            found = self.resp.call("VRANDMEMBER", "s", count).plain()
            self.assertEqual(len(found), min(count, 200))
            self.assertEqual(len(set(found)), len(found))
            self.assertLessEqual(set(found), set(names))
        found = self.resp.call("VRANDMEMBER", "s", -1000).plain()
        self.assertEqual(len(found), 1000)
        self.assertLessEqual(set(found), set(names))
        # one of 200 is missed by 40 draws of 100 with a probability of 2^-40, by 9000 of one with
        # 0.995^9000, which is less
        drawn = {name for _ in range(40) for name in self.resp.call(
            "VRANDMEMBER", "s", 100).plain()}
        self.assertEqual(drawn, set(names))
        drawn = {name for _ in range(9) for name in self.resp.call(
            "VRANDMEMBER", "s", -1000).plain()}
        self.assertEqual(drawn, set(names))
        self.refuses("limits.page_items", "VRANDMEMBER", "s", -10 ** 9)
        self.refuses("not an integer", "VRANDMEMBER", "s", "x")
        self.refuses("syntax error", "VRANDMEMBER", "s", 1, 2)
        self.refuses("syntax error", "VRANDMEMBER", "s", -2 ** 63)

    def test_range(self):
        names = sorted([b"a", b"a\0", b"ab", b"b", b"ba", b"c", b"\xff", b"x" * 1024]
                       + [b"n%04d" % i for i in range(700)])  # of several pages
        for name in names:
            self.add("s", name, [1, 2])
        self.says(b"*0\r\n", "VRANGE", "no", "-", "+")

        def wanted(start, end):
            return [n for n in names
                    if (start == b"-" or (start[:1] == b"[" and n >= start[1:]) or
                        (start[:1] == b"(" and n > start[1:])) and
                    (end == b"+" or (end[:1] == b"[" and n <= end[1:]) or
                     (end[:1] == b"(" and n < end[1:]))]
        bounds = [sign + b for sign in (b"[", b"(")
                  for b in (b"", b"a", b"aa", b"b", b"n03", b"n0599", b"x" * 1024, b"\xff",
                            b"\xff0")]
        for start in [b"-", b"+", *bounds]:
            for end in [b"-", b"+", *bounds]:
                expected = wanted(start, end)
                for count in ((), (-1,), (0,), (1,), (513,)):
                    n = len(expected) if not count or count[0] < 0 else count[0]
                    self.assertEqual(self.resp.call("VRANGE", "s", start, end, *count).plain(),
                                     expected[:n], (start, end, count))
        found, start = [], "-"  # as its documentation goes through a set
        while page := self.resp.call("VRANGE", "s", start, "+", 100).plain():
            found += page
            start = b"(" + page[-1]
        self.assertEqual(found, names)
        for text, *args in (("invalid range", "a", "+"), ("invalid range", "-", "b"),
                            ("invalid range", "", "+"), ("invalid range", "-", ""),
                            ("invalid range", "--", "+"), ("not an integer", "-", "+", "x"),
                            ("syntax error", "-", "+", 1, 2)):
            self.refuses(text, "VRANGE", "s", *args)
        self.refuses("must not be empty", "VRANGE", "", "-", "+")
        self.refuses("limits.name_bytes", "VRANGE", "s" * 256, "-", "+")
        self.resp.call("SET", "k", "v")
        self.addCleanup(self.rpc.call, "kv.del", "k")
        self.refuses("WRONGTYPE", "VRANGE", "k", "-", "+")

    def test_links(self):
        for resp, nil in ((self.resp, b"$-1\r\n"), (self.speak(3), b"_\r\n")):
            self.says(nil, "VLINKS", "no", "a", resp=resp)
            self.add("s", "a", [1, 2])
            self.says(nil, "VLINKS", "s", "b", "WITHSCORES", resp=resp)
            self.says(b"*1\r\n*0\r\n", "VLINKS", "s", "a", resp=resp)  # there is no graph
        self.refuses("syntax error", "VLINKS", "s", "a", "WHAT")
        self.rpc.call("vec.create", "graph", 4, index="hnsw", m=4)
        vectors = {f"e{i}".encode(): random_vector(self.random, 4) for i in range(200)}
        self.rpc.call("vec.upsert_many", "graph", [[k, pack(v)] for k, v in vectors.items()])
        until(lambda: self.rpc.call("vec.info", "graph")["state"] == "graph",
              "the graph is built", 60)
        levels, three = 0, self.speak(3)
        for element, vector in vectors.items():
            reply = self.resp.call("VLINKS", "graph", element).plain()
            levels = max(levels, len(reply))
            for level, links in enumerate(reversed(reply)):
                self.assertLessEqual(len(links), 8 if level == 0 else 4)
                self.assertLess(set(links), set(vectors) - {element})
            self.assertGreater(len(reply[-1]), 0)
            for resp, kind in ((self.resp, b"*"), (three, b"%")):
                for level in resp.call("VLINKS", "graph", element, "WITHSCORES").value:
                    self.assertEqual(level.kind, kind)
                    for link, near in level.pairs().items():
                        wanted = (1 + score("cosine", vector, vectors[link])) / 2
                        self.assertAlmostEqual(float(near.value), wanted, delta=NEAR)
        self.assertGreater(levels, 1)
        self.assertIsNone(self.rpc.call("vec.links", "graph", "no"))


class KeyTest(VectorSetTest):
    """A vector set is a key among others."""

    def tearDown(self):
        self.resp.call("FLUSHALL")
        super().tearDown()

    def test_type_and_existence(self):
        self.add("s", "a", [1, 2])
        self.resp.call("SET", "k", "v")
        self.says(b"+vectorset\r\n", "TYPE", "s")
        self.says(b"+string\r\n", "TYPE", "k")
        self.says(b"+none\r\n", "TYPE", "no")
        for name in ("EXISTS", "TOUCH"):
            self.says(b":1\r\n", name, "s")
            self.says(b":3\r\n", name, "s", "k", "no", "s")
        self.says(b":2\r\n", "DBSIZE")
        self.says(b":-1\r\n", "TTL", "s")
        self.says(b":0\r\n", "PERSIST", "s")
        self.assertEqual([self.rpc.call("kv.type", k) for k in ("s", "k", "no")],
                         ["collection", "kv", None])

    def test_deleted(self):
        for names in (["s"], ["s", "k"], ["no", "s", "s"]):
            for command in ("DEL", "UNLINK"):
                self.add("s", "a", [1, 2])
                self.resp.call("SET", "k", "v")
                self.says(b":%d\r\n" % len(set(names) - {"no"}), command, *names)
                self.says(b":0\r\n", "EXISTS", "s")
                self.says(b":0\r\n", "VCARD", "s")
        self.add("s", "a", [1, 2, 3])  # of another dimension: it is a new one
        self.says(b":1\r\n", "VCARD", "s")

    def test_empty_is_gone(self):
        self.add("s", "a", [1, 2])
        self.add("s", "b", [1, 2])
        self.says(b":1\r\n", "VREM", "s", "a")
        self.says(b":0\r\n", "VREM", "s", "a")
        self.says(b":1\r\n", "EXISTS", "s")
        self.says(b":1\r\n", "VREM", "s", "b")
        self.says(b":0\r\n", "EXISTS", "s")
        self.assertEqual(self.add("s", "a", [1, 2, 3]).value, 1)
        self.rpc.call("vec.delete", "s", ["a"])  # which leaves it, empty
        self.says(b":3\r\n", "VDIM", "s")
        self.says(b":0\r\n", "VREM", "s", "a")
        self.says(b":1\r\n", "EXISTS", "s")

    def test_wrong_type(self):
        wrong = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
        self.add("s", "a", [1, 2])
        self.resp.call("SET", "k", "v")
        for command in (("GET", "s"), ("GETDEL", "s"), ("GETEX", "s", "EX", 9),
                        ("GETEX", "s", "PERSIST"), ("SET", "s", "v", "GET"), ("GETSET", "s", "v"),
                        ("STRLEN", "s"), ("APPEND", "s", "v"), ("EXPIRE", "s", 9),
                        ("VADD", "k", "VALUES", 1, 1, "a"), ("VREM", "k", "a"), ("VCARD", "k"),
                        ("VDIM", "k"), ("VINFO", "k"), ("VEMB", "k", "a"),
                        ("VSIM", "k", "ELE", "a"), ("VISMEMBER", "k", "a"), ("VGETATTR", "k", "a"),
                        ("VSETATTR", "k", "a", "{}")):
            with self.subTest(command=command):
                self.says(wrong, *command)
        for command in (("INCR", "s"), ("INCRBYFLOAT", "s", 1)):
            self.assertTrue(self.resp.call(*command).is_error)
        self.says(b"*2\r\n$1\r\nv\r\n$-1\r\n", "MGET", "k", "s")
        self.says(b":1\r\n", "VCARD", "s")
        self.says(b"$1\r\nv\r\n", "GET", "k")

    def test_replaced(self):
        for command in (("SET", "s", "v"), ("SET", "s", "v", "XX"), ("SETEX", "s", 100, "v"),
                        ("MSET", "k", "v", "s", "v")):
            self.add("s", "a", [1, 2])
            self.says(b"+OK\r\n", *command)
            self.says(b"+string\r\n", "TYPE", "s")
            self.assertIsNone(self.rpc.call("vec.info", "s"))
            self.says(b":1\r\n", "DEL", "s")
        self.add("s", "a", [1, 2])
        self.says(b":0\r\n", "SETNX", "s", "v")
        self.says(b"$-1\r\n", "SET", "s", "v", "NX")
        self.says(b":0\r\n", "MSETNX", "k2", "v", "s", "v")
        self.says(b"+vectorset\r\n", "TYPE", "s")
        self.says(b":1\r\n", "VCARD", "s")

    def test_of_two_types(self):
        """Over MessagePack-RPC a name can be both; a key is then a string."""
        self.rpc.call("kv.put", "s", b"v")
        self.rpc.call("vec.create", "s", 2)
        self.says(b"+string\r\n", "TYPE", "s")
        self.says(b"$1\r\nv\r\n", "GET", "s")
        self.assertEqual(self.add("s", "a", [1, 2]).value, 1)
        self.says(b":1\r\n", "EXISTS", "s")
        self.assertTrue(self.rpc.call("kv.del", "s"))  # of keys without types: the value alone
        self.says(b"+vectorset\r\n", "TYPE", "s")
        self.rpc.call("kv.put", "s", b"v")
        self.says(b":1\r\n", "DEL", "s")
        self.says(b"+none\r\n", "TYPE", "s")

    def scanned(self, *options):
        found, cursor = set(), b"0"
        while True:
            page = self.resp.call("SCAN", cursor, *options).value
            cursor = page[0].value
            found.update(key.value for key in page[1].value)
            if cursor == b"0":
                return found

    def test_listed(self):
        sets = {b"s%d" % i for i in range(30)}
        keys = {b"k%d" % i for i in range(30)}
        for name in sets:
            self.add(name, "a", [1, 2])
        for name in keys:
            self.resp.call("SET", name, "v")
        self.assertEqual(self.scanned(), sets | keys)
        self.assertEqual(self.scanned("TYPE", "vectorset"), sets)
        self.assertEqual(self.scanned("TYPE", "string", "COUNT", 7), keys)
        self.assertEqual(self.scanned("TYPE", "list"), set())
        self.assertEqual(self.scanned("MATCH", "*1?"), {k for k in sets | keys if k[1:2] == b"1"
                                                         and len(k) == 3})
        self.assertEqual(sorted(self.resp.call("KEYS", "*").plain()), sorted(sets | keys))
        self.assertEqual(sorted(self.resp.call("KEYS", "s*").plain()), sorted(sets))
        self.assertEqual(self.resp.call("KEYS", "k1").plain(), [b"k1"])
        self.says(b":60\r\n", "DBSIZE")
        self.says(b"+OK\r\n", "FLUSHDB")
        self.says(b":0\r\n", "DBSIZE")
        self.assertEqual(self.scanned(), set())
        self.assertEqual(self.rpc.call("vec.list")["items"], [])

    def test_flush_leaves_other_runs(self):
        self.add("s", "a", [1, 2])
        self.rpc.call("vec.create", "s", 2, run="other")
        self.addCleanup(self.rpc.call, "run.drop", "other")
        self.says(b"+OK\r\n", "FLUSHALL", "ASYNC")
        self.says(b":0\r\n", "EXISTS", "s")
        self.assertIsNotNone(self.rpc.call("vec.info", "s", run="other"))

    def test_in_a_transaction(self):
        self.add("s", "a", [1, 2])
        self.resp.call("SET", "k", "v")
        for command in (("MULTI",), ("TYPE", "s"), ("DEL", "s"), ("DEL", "k", "s"), ("TYPE", "s"),
                        ("SET", "s", "v"), ("TYPE", "s")):
            self.resp.call(*command)
        self.assertEqual(self.resp.call("EXEC").plain(),
                         [b"vectorset", 1, 1, b"none", b"OK", b"string"])
        self.assertIsNone(self.rpc.call("vec.info", "s"))

    def test_watched(self):
        self.add("s", "a", [1, 2])
        for change, expected in (((), [b"v"]), (("DEL", "s"), None)):
            self.resp.call("WATCH", "s")
            if change:
                self.speak().call(*change)
            self.resp.call("MULTI")
            self.resp.call("ECHO", "v")
            reply = self.resp.call("EXEC")
            self.assertEqual(reply.value and reply.plain(), expected)

    def test_dropped_in_a_refused_batch(self):
        """What a batch would have dropped, and has not, is all there."""
        self.add("s", "a", [1, 2])
        self.resp.call("WATCH", "k")
        self.speak().call("SET", "k", "v")
        self.resp.call("MULTI")
        self.resp.call("DEL", "s")
        self.assertIsNone(self.resp.call("EXEC").value)
        self.says(b":1\r\n", "VISMEMBER", "s", "a")


class SimTest(VectorSetTest):
    def setUp(self):
        super().setUp()
        for element, vector in {"east": [1, 0], "north": [0, 1], "west": [-1, 0],
                                "northeast": [2, 2]}.items():
            self.add("s", element, vector)

    def test_order(self):
        self.assertEqual(self.resp.call("VSIM", "s", "VALUES", 2, 1, 0.1).plain(),
                         [b"east", b"northeast", b"north", b"west"])
        self.assertEqual(self.resp.call("VSIM", "s", "FP32", pack([0.1, 1]), "COUNT", 2,
                                        "NOTHREAD").plain(), [b"north", b"northeast"])
        self.assertEqual(self.resp.call("VSIM", "s", "ELE", "west", "TRUTH", "EF", 50).plain()[0],
                         b"west")

    def test_scores(self):
        expected = {b"east": 1, b"northeast": (1 + 0.5 ** 0.5) / 2, b"north": 0.5, b"west": 0}
        flat = self.resp.call("VSIM", "s", "ELE", "east", "WITHSCORES")
        self.assertEqual(flat.kind, b"*")
        reply = self.speak(3).call("VSIM", "s", "ELE", "east", "WITHSCORES")
        self.assertEqual(reply.kind, b"%")
        for pairs in (flat.pairs(), reply.pairs()):
            self.assertEqual(list(pairs), list(expected))
            for element, score in expected.items():
                self.assertAlmostEqual(float(pairs[element].value), score, delta=NEAR)
        self.assertEqual({r.kind for r in reply.value[1::2]}, {b","})

    def test_epsilon(self):
        def within(epsilon):
            return self.resp.call("VSIM", "s", "ELE", "east", "EPSILON", epsilon).plain()
        self.assertEqual(within(0.01), [b"east"])
        self.assertEqual(within(0.2), [b"east", b"northeast"])
        self.assertEqual(within(0.6), [b"east", b"northeast", b"north"])
        self.assertEqual(len(within(1.1)), 4)

    def test_refused(self):
        for text, *args in (
                ("element not found in set", "ELE", "nobody"),
                ("invalid vector specification", "VALUES", 2, 1),
                ("invalid vector specification", "WHAT", 2),
                ("vectors of this collection have 2", "VALUES", 3, 1, 2, 3),
                ("invalid COUNT", "ELE", "east", "COUNT", 0),
                ("invalid COUNT", "ELE", "east", "COUNT"),
                ("limits.page_items", "ELE", "east", "COUNT", 10 ** 9),
                ("invalid EF", "ELE", "east", "EF", -1),
                ("invalid EPSILON", "ELE", "east", "EPSILON", 0),
                ("invalid EPSILON", "ELE", "east", "EPSILON", "x"),
                ("invalid FILTER-EF", "ELE", "east", "FILTER-EF", 0),
                ("syntax error in VSIM command", "ELE", "east", "WITHVECTORS")):
            with self.subTest(args=args):
                self.refuses(text, "VSIM", "s", *args)

    def test_many(self):
        """Searches that go to workers come back in the shape they were asked for, in order."""
        vectors = {f"e{i}": random_vector(self.random, 16) for i in range(3000)}
        self.rpc.call("vec.create", "many", 16)
        self.rpc.call("vec.upsert_many", "many", [[k, pack(v)] for k, v in vectors.items()])
        self.speak()  # a loop with others to serve gives long searches to workers
        for version in (2, 3):
            resp = self.speak(version)
            for element in list(vectors)[:20]:
                reply = resp.call("VSIM", "many", "ELE", element, "WITHSCORES", "COUNT", 5,
                                  "TRUTH")
                self.assertEqual((reply.kind, len(reply.value)),
                                 (b"%" if version == 3 else b"*", 10))
                self.assertEqual(reply.value[0].value, element.encode())
                keys = resp.call("VSIM", "many", "ELE", element, "COUNT", 5, "TRUTH").plain()
                self.assertEqual(keys, [r.value for r in reply.value[::2]])


class AttributesTest(VectorSetTest):
    def test_set_and_get(self):
        self.add("s", "a", [1, 2], "SETATTR",
                 '{"year":1984,"tags":["x"],"big":18446744073709551615}')
        text = '{"year": 1984, "tags": ["x"], "big": 18446744073709551615}'
        self.assertEqual(self.resp.call("VGETATTR", "s", "a").value.decode(), text)
        self.assertEqual(self.rpc.call("vec.get", "s", "a")["metadata"],
                         {"year": 1984, "tags": ["x"], "big": 2 ** 64 - 1})
        self.assertEqual(self.add("s", "a", [3, 4]).value, 0)  # they stay with another vector
        self.assertEqual(self.resp.call("VGETATTR", "s", "a").value.decode(), text)
        self.assertEqual(self.rpc.call("vec.get", "s", "a")["vector"], pack([3, 4]))
        self.says(b":1\r\n", "VSETATTR", "s", "a", '{"n": null}')
        self.says(b'$11\r\n{"n": null}\r\n', "VGETATTR", "s", "a")
        self.add("s", "a", [3, 4], "SETATTR", "{}")
        self.says(b"$2\r\n{}\r\n", "VGETATTR", "s", "a")
        self.says(b":1\r\n", "VSETATTR", "s", "a", "")
        self.says(b"$-1\r\n", "VGETATTR", "s", "a")
        self.add("s", "b", [1, 2], "SETATTR", '{"x": 1}')
        self.add("s", "b", [1, 2], "SETATTR", "")
        self.says(b"$-1\r\n", "VGETATTR", "s", "b")

    def test_absent(self):
        for key in ("no", "s"):
            self.says(b":0\r\n", "VSETATTR", key, "no", "{}")
            self.says(b"$-1\r\n", "VGETATTR", key, "no")
            self.add("s", "a", [1])
        resp = self.speak(3)
        self.says(b"#t\r\n", "VSETATTR", "s", "a", "{}", resp=resp)
        self.says(b"#f\r\n", "VSETATTR", "s", "b", "{}", resp=resp)
        self.says(b"_\r\n", "VGETATTR", "s", "b", resp=resp)

    def test_refused(self):
        self.add("s", "a", [1], "SETATTR", '{"x": 1}')
        for text, attributes in (("a JSON object is expected", "[1]"), ("byte 6", '{"a":}'),
                                 ("not UTF-8", b'{"a":"\xff"}'),
                                 ("nested too deeply", '{"a":' * 40 + "1" + "}" * 40)):
            with self.subTest(attributes=attributes):
                self.refuses(text, "VSETATTR", "s", "a", attributes)
                self.refuses(text, "VADD", "s", "VALUES", 1, 2, "a", "SETATTR", attributes)
        self.says(b'$8\r\n{"x": 1}\r\n', "VGETATTR", "s", "a")
        self.assertEqual(self.resp.call("VEMB", "s", "a").plain(), [b"1"])


class FilterTest(VectorSetTest):
    def setUp(self):
        super().setUp()
        for i in range(20):
            about = {"n": i, "even": i % 2 == 0, "tags": [f"t{i % 3}"]}
            self.add("s", f"e{i}", [1, i], "SETATTR", json.dumps(about))
        self.add("s", "bare", [1, 0])

    def found(self, expression, *options):
        return self.resp.call("VSIM", "s", "VALUES", 2, 1, 0, "COUNT", 30, "FILTER", expression,
                              *options).plain()

    def test_expressions(self):
        for expression, accept in (
                (".n >= 5 and .n < 9", lambda i: 5 <= i < 9),
                (".even", lambda i: i % 2 == 0),
                (".even == 1 || .n == 3", lambda i: i % 2 == 0 or i == 3),
                ("not .even && .n != 3", lambda i: i % 2 == 1 and i != 3),
                ("'t1' in .tags", lambda i: i % 3 == 1),
                (".n in [1, 2, 99]", lambda i: i in (1, 2)),
                ("!(.n > 2)", lambda i: i <= 2),
                (".missing or .n > 2", lambda i: False)):
            with self.subTest(expression=expression):
                self.assertEqual(self.found(expression),
                                 [f"e{i}".encode() for i in range(20) if accept(i)])
        self.assertEqual(self.found(".n > 17", "FILTER-EF", 500, "TRUTH"), [b"e18", b"e19"])

    def test_refused(self):
        for text, expression in (("arithmetic (*) is not supported", ".n * 2 > 3"),
                                 ("byte 7", ".n == "), ("byte 1", ""),
                                 ("nested too deeply", "(" * 100 + ".n" + ")" * 100)):
            with self.subTest(expression=expression):
                self.refuses(text, "VSIM", "s", "ELE", "e1", "FILTER", expression)
        self.refuses("syntax error in VSIM command", "VSIM", "s", "ELE", "e1", "FILTER")
        many = " and ".join(f".n != {i}" for i in range(1000))
        self.refuses("filter", "VSIM", "s", "ELE", "e1", "FILTER", many)

    def test_with_attributes(self):
        args = ("VSIM", "s", "ELE", "e0", "COUNT", 2)
        e0 = b'{"n": 0, "even": true, "tags": ["t0"]}'
        self.assertEqual(self.resp.call(*args, "WITHATTRIBS").plain(), [b"bare", None, b"e0", e0])
        flat = self.resp.call(*args, "WITHATTRIBS", "WITHSCORES").plain()
        self.assertEqual(flat[0::3] + flat[2::3], [b"bare", b"e0", None, e0])
        for score in flat[1::3]:
            self.assertAlmostEqual(float(score), 1, delta=NEAR)
        resp = self.speak(3)
        reply = resp.call(*args, "WITHATTRIBS")
        self.assertEqual((reply.kind, reply.plain()), (b"%", [b"bare", None, b"e0", e0]))
        reply = resp.call(*args, "WITHSCORES", "WITHATTRIBS")
        self.assertEqual(reply.kind, b"%")
        self.assertEqual([(r.kind, r.value[0].kind) for r in reply.value[1::2]],
                         [(b"*", b",")] * 2)
        self.assertEqual([r.value[1].value for r in reply.value[1::2]], [None, e0])


class ToolsTest(VectorSetTest):
    @unittest.skipIf(redis is None, "python3-redis is missing: scripts/packages.sh test")
    def test_redis_py(self):
        r = redis.Redis(host=self.address[0], port=self.address[1])
        self.addCleanup(r.connection_pool.disconnect)
        self.assertEqual(r.execute_command("VADD", "s", "VALUES", 2, 0.5, 1, "a"), 1)
        self.assertEqual(r.execute_command("VADD", "s", "FP32", pack([1, 1]), "b"), 1)
        self.assertEqual(r.execute_command("VSIM", "s", "ELE", "b"), [b"b", b"a"])
        self.assertEqual(r.execute_command("VCARD", "s"), 2)
        with self.assertRaisesRegex(redis.ResponseError, "element not found"):
            r.execute_command("VSIM", "s", "ELE", "c")

    @unittest.skipIf(shutil.which("redis-cli") is None, "redis-cli is missing")
    def test_redis_cli(self):
        def cli(*args):
            done = subprocess.run(["redis-cli", "-h", self.address[0], "-p", str(self.address[1]),
                                   *args], capture_output=True, text=True, timeout=60, check=True)
            return done.stdout.split()
        self.assertEqual(cli("VADD", "s", "VALUES", "2", "0.5", "1", "a"), ["1"])
        element, score = cli("VSIM", "s", "ELE", "a", "WITHSCORES")
        self.assertEqual(element, "a")
        self.assertAlmostEqual(float(score), 1, delta=NEAR)
        self.assertEqual(cli("VINFO", "s")[:4], ["quant-type", "f32", "hnsw-m", "16"])


class StoredVectorSetTest(Stored):
    def test_survives(self):
        server = self.start(resp=True)
        resp = Resp(server.address_of(0, "resp"))
        for i in range(50):
            self.assertEqual(resp.call("VADD", "s", "VALUES", 2, i, 1, f"e{i}", "M", 8,
                                       "Q8", "SETATTR", f'{{"n": {i}}}').value, 1)
        resp.call("VREM", "s", "e7")
        search = ("VSIM", "s", "VALUES", 2, 9, 1, "WITHSCORES", "WITHATTRIBS", "COUNT", 60,
                  "FILTER", ".n > 3")
        before = resp.call(*search).raw
        resp.close()
        self.kill(server)
        server = self.start(resp=True)
        resp = Resp(server.address_of(0, "resp"))
        self.assertEqual(resp.call("VCARD", "s").value, 49)
        self.assertEqual(resp.call(*search).raw, before)
        self.assertEqual(resp.call("VINFO", "s").pairs()[b"hnsw-m"].value, 8)
        resp.close()

    def test_deleted_keys_stay_deleted(self):
        server = self.start(resp=True)
        resp = Resp(server.address_of(0, "resp"))
        for name in ("del", "batch", "rem", "set", "stays"):
            resp.call("VADD", name, "VALUES", 2, 1, 1, "a")
        resp.call("DEL", "del")
        resp.call("VREM", "rem", "a")
        resp.call("SET", "set", "v")
        for command in (("MULTI",), ("DEL", "batch"), ("EXEC",)):
            resp.call(*command)
        resp.close()
        self.kill(server)
        server = self.start(resp=True)
        resp = Resp(server.address_of(0, "resp"))
        self.assertEqual([resp.call("TYPE", name).value for name in (
            "del", "batch", "rem", "set", "stays")],
            [b"none", b"none", b"none", b"string", b"vectorset"])
        self.assertEqual(resp.call("VSIM", "stays", "ELE", "a").plain(), [b"a"])
        self.assertEqual(resp.call("VADD", "del", "VALUES", 3, 1, 1, 1, "a").value, 1)
        resp.close()


if __name__ == "__main__":
    print(f"CAIRN_SEED={SEED}")
    unittest.main(verbosity=2)
