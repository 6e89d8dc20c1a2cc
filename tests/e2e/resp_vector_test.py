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

from lib import TestCase
from lib.resp import Resp
from lib.stored import Stored
from lib.vec import NEAR, pack, random_vector

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


    def test_not_served(self):
        for name, *args in (("VLINKS", "a"), ("VRANDMEMBER",), ("VRANGE", "-", "+")):
            self.refuses(f"ERR {name} is refused", name, "s", *args)


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


if __name__ == "__main__":
    print(f"CAIRN_SEED={SEED}")
    unittest.main(verbosity=2)
