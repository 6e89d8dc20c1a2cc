#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Vectors over MessagePack-RPC: what every operation of vec.* promises, but for searching, case by
case, and every refusal. Searches are in vec_search_test.py, restarts in vec_stored_test.py."""

import random
import struct
import unittest

from lib import RpcError, Server
from lib.resp import Resp
from lib.vec import VecTest, pack, random_vector
from lib.watcher import Watcher

NAN, INF = float("nan"), float("inf")
INFO = {"collection", "count", "dim", "metric", "index", "m", "ef_construction", "quantization",
        "created_at", "version", "state", "linked", "tail", "tombstones", "bytes", "searches",
        "scanned"}


class CollectionTest(VecTest):
    def test_create(self):
        made = self.call("create", "c", 3)
        self.assertTrue(made["created"])
        self.assertEqual(self.call("create", "c", 3),
                         {"created": False, "version": made["version"]})
        self.assertEqual(self.call("create", "c", 3, metric="cosine", index="auto", m=16,
                                   ef_construction=200, quantization="none")["created"], False)

    def test_create_differently(self):
        self.call("create", "c", 3)
        for options, text in (({"dim": 4}, "dim is 3, not 4"),
                              ({"metric": "l2"}, "metric is cosine, not l2"),
                              ({"index": "flat"}, "index is auto, not flat"),
                              ({"m": 8}, "m is 16, not 8"),
                              ({"ef_construction": 9}, "ef_construction is 200, not 9"),
                              ({"quantization": "int8"}, "quantization is none, not int8")):
            options = {"dim": 3, **options}
            with self.subTest(options=options):
                error = self.refuses("ALREADY_EXISTS", text, "create", "c", options.pop("dim"),
                                     **options)
                self.assertEqual(error.text.count(" not "), 1)
        error = self.refuses("ALREADY_EXISTS", "metric is cosine, not dot", "create", "c", 5,
                             metric="dot")
        self.assertIn("dim is 3, not 5", error.text)

    def test_configurations(self):
        for metric in ("cosine", "l2", "dot"):
            for index in ("flat", "hnsw", "auto"):
                for quantization in ("none", "int8", "int8_only"):
                    name = f"{metric}-{index}-{quantization}"
                    self.call("create", name, 8192, metric=metric, index=index, m=2,
                              ef_construction=8, quantization=quantization)
                    info = self.call("info", name)
                    self.assertEqual((info["metric"], info["index"], info["quantization"],
                                      info["dim"], info["m"], info["ef_construction"]),
                                     (metric, index, quantization, 8192, 2, 8))

    def test_create_refused(self):
        for code, text, params, options in (
                ("BAD_ARGUMENT", "1 to 8192", ["c", 0], {}),
                ("LIMIT_EXCEEDED", "1 to 8192", ["c", 8193], {}),
                ("BAD_ARGUMENT", "2 to 128", ["c", 3], {"m": 1}),
                ("LIMIT_EXCEEDED", "2 to 128", ["c", 3], {"m": 129}),
                ("BAD_ARGUMENT", "8 to 2000", ["c", 3], {"ef_construction": 7}),
                ("LIMIT_EXCEEDED", "8 to 2000", ["c", 3], {"ef_construction": 2001}),
                ("BAD_ARGUMENT", "cosine, l2 or dot", ["c", 3], {"metric": "cos"}),
                ("BAD_ARGUMENT", "flat, hnsw or auto", ["c", 3], {"index": "ivf"}),
                ("BAD_ARGUMENT", "none, int8 or int8_only", ["c", 3], {"quantization": "int4"}),
                ("LIMIT_EXCEEDED", "255", ["c" * 256, 3], {}),
                ("BAD_ARGUMENT", "collection", ["", 3], {}),
                ("BAD_ARGUMENT", "dim", ["c"], {}), ("BAD_ARGUMENT", "dim", ["c", -1], {})):
            with self.subTest(params=params, options=options):
                self.refuses(code, text, "create", *params, **options)
        self.assertEqual(self.call("list"), {"items": [], "cursor": None})

    def test_info(self):
        self.assertIsNone(self.call("info", "c"))
        self.refuses("LIMIT_EXCEEDED", "255", "info", "c" * 256)
        version = self.call("create", "c", 2, index="flat")["version"]
        info = self.call("info", "c")
        self.assertEqual(set(info), INFO)
        self.assertEqual((info["collection"], info["count"], info["state"], info["version"]),
                         ("c", 0, "flat", version))
        for i in range(20):
            self.call("upsert", "c", f"k{i}", [1, i])
        self.call("upsert", "c", "k1", [1, 100])
        self.call("delete", "c", ["k0"])
        self.call("search", "c", [1, 1])
        info = self.call("info", "c")
        self.assertEqual((info["count"], info["searches"], info["scanned"]), (19, 1, 19))
        self.assertGreater(info["bytes"], 0)

    def test_list(self):
        names = sorted([f"c{i:02}" for i in range(25)] + ["d", "d2"])
        for name in reversed(names):
            self.call("create", name, 1 + len(name))
        page = self.call("list")
        self.assertEqual([item["collection"] for item in page["items"]], names)
        self.assertEqual(page["items"][3], self.call("info", names[3]))
        found, cursor = [], None
        while True:
            page = self.call("list", limit=4, prefix="c", cursor=cursor)
            self.assertLessEqual(len(page["items"]), 4)
            found += [item["collection"] for item in page["items"]]
            cursor = page["cursor"]
            if cursor is None:
                break
        self.assertEqual(found, names[:25])
        self.refuses("BAD_ARGUMENT", "limit", "list", limit=0)
        self.refuses("LIMIT_EXCEEDED", "limits.page_items", "list", limit=10001)

    def test_drop(self):
        self.call("create", "c", 2)
        self.call("upsert", "c", "k", [1, 2])
        self.assertIs(self.call("drop", "c"), True)
        self.assertIs(self.call("drop", "c"), False)
        self.assertIsNone(self.call("info", "c"))
        self.refuses("NOT_FOUND", "no such collection", "get", "c", "k")
        self.assertTrue(self.call("create", "c", 3, metric="l2")["created"])
        self.assertEqual(self.call("count", "c"), 0)
        self.assertIsNone(self.call("get", "c", "k"))
        self.assertEqual(self.call("search", "c", [1, 2, 3])["items"], [])
        self.refuses("LIMIT_EXCEEDED", "255", "drop", "c" * 256)

    def test_names(self):
        for name in ("c" * 255, b"\xff\0", "é", b"\0"):
            self.call("create", name, 1)
            self.call("upsert", name, "k", [1])
            self.assertEqual(self.call("info", name)["collection"], name)
            self.assertEqual(self.call("keys", name)["items"], ["k"])
        self.assertEqual(len(self.call("list")["items"]), 4)

    def test_not_found(self):
        """Whatever needs a collection says that there is none."""
        for method, *params in (("upsert", "k", [1]), ("upsert_many", []), ("get", "k"),
                                ("get_many", ["k"]), ("delete", ["k"]),
                                ("set_metadata", "k", {}), ("count",), ("keys",),
                                ("search", [1]), ("search_many", [[1]])):
            with self.subTest(method=method):
                self.refuses("NOT_FOUND", "no such collection", method, "none", *params)
                self.fails("NOT_FOUND", f"vec.{method}", "none", *params, run="no such run")
        self.refuses("NOT_FOUND", "no such collection", "count", "none", filter={"a": 1})
        self.refuses("NOT_FOUND", "no such collection", "keys", "none", filter={"a": 1})

    def test_runs_are_apart(self):
        name = self._testMethodName + "-2"
        self.addCleanup(self.c.call, "run.drop", name)
        self.call("create", "c", 2)
        self.call("create", "c", 3, run=name)
        self.call("upsert", "c", "k", [1, 2])
        self.call("upsert", "c", "other", [1, 2, 3], run=name)
        self.assertEqual(self.call("keys", "c")["items"], ["k"])
        self.assertEqual(self.call("keys", "c", run=name)["items"], ["other"])
        found = self.call("search", "c", [1, 2, 3], run=name)["items"]
        self.assertEqual([item["key"] for item in found], ["other"])
        self.c.call("run.drop", name)
        self.refuses("NOT_FOUND", "no such collection", "count", "c", run=name)
        self.assertEqual(self.call("count", "c"), 1)


class WriteTest(VecTest):
    def setUp(self):
        super().setUp()
        self.call("create", "c", 3)

    def test_as_it_went_in(self):
        for key, vector, back in (("array", [1, 0.5, -2], [1.0, 0.5, -2.0]),
                                  ("ints", [1, -2, 2 ** 40], [1.0, -2.0, 2.0 ** 40]),
                                  (b"bin\xff", pack([1, 0.5, -2]), pack([1, 0.5, -2])),
                                  ("rounded", [0.1, 0, 0], [struct.unpack(
                                      "f", struct.pack("f", 0.1))[0], 0.0, 0.0])):
            version = self.call("upsert", "c", key, vector)
            self.assertEqual(self.call("get", "c", key), {
                "key": key, "vector": back, "metadata": None, "version": version})

    def test_metadata(self):
        for metadata in ({}, {"a": [1, {"b": None}]}, {b"bin": b"\xff", 5: 1.5}):
            self.call("upsert", "c", "k", [1, 2, 3], metadata=metadata)
            self.assertEqual(self.call("get", "c", "k")["metadata"], metadata)
        self.call("upsert", "c", "k", [1, 2, 3])
        self.assertIsNone(self.call("get", "c", "k")["metadata"])

    def test_replace(self):
        first = self.call("upsert", "c", "k", [1, 2, 3], metadata={"a": 1})
        second = self.call("upsert", "c", "k", pack([3, 2, 1]))
        self.assertGreater(second, first)
        self.assertEqual(self.call("get", "c", "k"), {
            "key": "k", "vector": pack([3, 2, 1]), "metadata": None, "version": second})
        self.assertEqual(self.call("count", "c"), 1)
        self.refuses("ALREADY_EXISTS", str(second), "upsert", "c", "k", [1, 2, 3], if_absent=True)
        self.call("upsert", "c", "other", [1, 2, 3], if_absent=True)

    def test_upsert_creates(self):
        version, added = self.call("upsert", "new", "a", [1, 2], create=True, return_added=True,
                                   metric="l2", index="flat", m=4, ef_construction=9,
                                   quantization="int8")
        self.assertTrue(added)
        info = self.call("info", "new")
        self.assertEqual((info["count"], info["dim"], info["metric"], info["index"], info["m"],
                          info["ef_construction"], info["quantization"], info["version"]),
                         (1, 2, "l2", "flat", 4, 9, "int8", version))
        self.assertEqual(self.call("search", "new", [1, 2])["items"],
                         [{"key": "a", "score": 1.0}])
        self.assertFalse(self.call("upsert", "new", "a", [3, 4], create=True,
                                   return_added=True)[1])
        self.refuses("ALREADY_EXISTS", "metric is l2, not dot", "upsert", "new", "b", [1, 2],
                     create=True, metric="dot")
        self.refuses("BAD_ARGUMENT", "vectors of this collection have 2", "upsert", "new", "b",
                     [1, 2, 3], create=True)
        self.refuses("BAD_ARGUMENT", "'metric' must be", "upsert", "other", "b", [1], create=True,
                     metric="what")
        self.refuses("BAD_ARGUMENT", "that 'create' makes", "upsert", "new", "b", [1, 2], m=4)
        self.refuses("BAD_ARGUMENT", "all elements are zero", "upsert", "other", "b", [0, 0],
                     create=True)
        self.assertIsNone(self.call("info", "other"))

    def test_upsert_keeps_metadata(self):
        self.call("create", "kept", 2)
        self.call("upsert", "kept", "a", [1, 2], metadata={"x": 1}, keep_metadata=True)
        self.call("upsert", "kept", "a", [3, 4], keep_metadata=True)
        self.assertEqual(self.call("get", "kept", "a")["metadata"], {"x": 1})
        self.assertEqual(self.call("get", "kept", "a")["vector"], [3, 4])
        self.call("upsert", "kept", "a", [3, 4], metadata={"y": 1}, keep_metadata=True)
        self.assertEqual(self.call("get", "kept", "a")["metadata"], {"y": 1})
        self.call("upsert", "kept", "a", [3, 4])
        self.assertIsNone(self.call("get", "kept", "a")["metadata"])

    def test_drop_empty(self):
        self.call("upsert_many", "c", [["a", [1, 1, 1]], ["b", [1, 1, 1]]])
        self.assertEqual(self.call("delete", "c", ["a", "a"], drop_empty=True), 1)
        self.assertEqual(self.call("delete", "c", ["a", "no"], drop_empty=True), 0)
        self.assertEqual(self.call("count", "c"), 1)
        self.assertEqual(self.call("delete", "c", ["no", "b", "b"], drop_empty=True), 1)
        self.assertIsNone(self.call("info", "c"))

    def test_range(self):
        names = [f"k{i:02}" for i in range(60)]
        self.call("upsert_many", "c", [[name, [1, 2, 3], {"even": i % 2 == 0}]
                                       for i, name in enumerate(names)])
        for options in ({}, {"filter": {"even": True}}):
            for start, end, prefix in ((5, 50, "k"), (5, 50, "k3"), (7, 7, "k"), (9, 3, ""),
                                       (0, 60, "k0")):
                found, cursor = [], {}
                while True:
                    page = self.call("keys", "c", prefix=prefix, limit=7, **options, **cursor,
                                     **{"from": f"k{start:02}", "to": f"k{end:02}"})
                    found += page["items"]
                    if page["cursor"] is None:
                        break
                    cursor = {"cursor": page["cursor"]}
                self.assertEqual(found, [n for n in names[start:end] if n.startswith(prefix) and
                                         (not options or int(n[1:]) % 2 == 0)])
        self.assertEqual(self.call("keys", "c", limit=100, to="")["items"], names)
        self.fails("LIMIT_EXCEEDED", "vec.keys", "c", **{"from": "k" * 1026})

    def test_sample(self):
        self.assertEqual(self.call("sample", "c"), [])
        self.assertEqual(self.call("sample", "c", 5, repeat=True), [])
        self.call("upsert_many", "c", [[f"k{i}", [1, 2, 3]] for i in range(10)])
        self.assertEqual(len(self.call("sample", "c")), 1)
        self.assertEqual(sorted(self.call("sample", "c", 10 ** 6)), [f"k{i}" for i in range(10)])
        self.assertEqual(len(set(self.call("sample", "c", 7))), 7)
        self.assertEqual(len(self.call("sample", "c", 70, repeat=True)), 70)
        self.fails("LIMIT_EXCEEDED", "vec.sample", "c", 10 ** 6, repeat=True)
        self.fails("NOT_FOUND", "vec.sample", "none")
        self.fails("BAD_ARGUMENT", "vec.sample", "c", -1)

    def test_links(self):
        self.call("upsert", "c", "k", [1, 2, 3])
        self.assertEqual(self.call("links", "c", "k"), [[]])
        self.assertIsNone(self.call("links", "c", "no"))
        self.fails("NOT_FOUND", "vec.links", "none", "k")
        self.fails("BAD_ARGUMENT", "vec.links", "c", "")

    def test_names(self):
        """Names alone, in order, and names among keys."""
        names = [f"n{i:02}" for i in range(25)]
        for name in names:
            self.call("create", name, 2)
        found, cursor = [], None
        while True:
            page = self.call("list", prefix="n", names_only=True, limit=10,
                             **({} if cursor is None else {"cursor": cursor}))
            found += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                break
        self.assertEqual(found, names)
        self.c.call("kv.put", "n00", 1)
        self.c.call("kv.put", "n99", 1)
        for kind, expected in (("kv", ["n00", "n99"]), ("collection", names),
                               ("any", ["n00", *names, "n99"])):
            page = self.c.call("kv.walk", kind=kind, match="n??", limit=1000)
            self.assertEqual((sorted(page["items"]), page["cursor"]), (expected, 0))
        self.fails("BAD_ARGUMENT", "kv.walk", kind="session")
        self.assertEqual([self.c.call("kv.type", name) for name in ("n00", "n01", "n99", "none")],
                         ["kv", "collection", "kv", None])
        self.fails("BAD_ARGUMENT", "kv.type", "")

    def test_keys(self):
        for key in ("k" * 1024, b"\0", b"\xff" * 1024, "é"):
            self.call("upsert", "c", key, [1, 2, 3])
            self.assertEqual(self.call("get", "c", key)["key"], key)
        for key, code in (("", "BAD_ARGUMENT"), ("k" * 1025, "LIMIT_EXCEEDED")):
            for method, *rest in (("upsert", [1, 2, 3]), ("get",), ("set_metadata", {})):
                self.fails(code, f"vec.{method}", "c", key, *rest)
            self.fails(code, "vec.delete", "c", ["k" * 1024, key])
            self.fails(code, "vec.get_many", "c", [key])
            self.fails(code, "vec.upsert_many", "c", [[key, [1, 2, 3]]])
            self.fails(code, "vec.search", "c", key=key)
        self.refuses("LIMIT_EXCEEDED", "vec.get: 'key' exceeds the 1024 bytes a key may have",
                     "get", "c", "k" * 1025)
        self.refuses("LIMIT_EXCEEDED", "element 0 of 'keys': exceeds the 1024 bytes",
                     "delete", "c", ["k" * 1025])
        self.refuses("BAD_ARGUMENT", "vec.set_metadata: 'metadata' must be a map or nil",
                     "set_metadata", "c", "k", 5)
        self.refuses("BAD_ARGUMENT", "element 0 of 'vectors': metadata must be a map or nil",
                     "upsert_many", "c", [["k", [1, 2, 3], 5]])
        self.assertEqual(self.call("count", "c"), 4)

    VECTORS = (
        ("3", [1, 2]), ("3", [1, 2, 3, 4]), ("3", pack([1, 2])), ("8192", []), ("8192", b""),
        ("8192", [1] * 8193), ("32-bit", b"12345"), ("element 1 is no number", [1, "2", 3]),
        ("element 2 is no number", [1, 2, None]), ("element 0 is no number", [True, 2, 3]),
        ("element 1 is not a finite", [1, NAN, 3]), ("element 2 is not a finite", [1, 2, INF]),
        ("element 0 is not a finite", pack([-INF, 2, 3])),
        ("element 1 is not a finite", [1, 1e39, 3]), ("zero", [0, 0, 0]),
        ("zero", pack([0, 0, -0.])),
        ("more than", [3e38, 0, 0]), ("less than", [1e-30, 0, 0]))

    def test_vectors_refused(self):
        for text, vector in self.VECTORS:
            with self.subTest(vector=vector[:4]):
                self.refuses("BAD_ARGUMENT", text, "upsert", "c", "k", vector)
                error = self.refuses("BAD_ARGUMENT", text, "upsert_many", "c",
                                     [["good", [1, 2, 3]], ["k", vector]])
                self.assertIn("element 1 of 'vectors'", error.text)
                self.refuses("BAD_ARGUMENT", text, "search", "c", vector)
                self.refuses("BAD_ARGUMENT", text, "search_many", "c", [[1, 2, 3], vector])
        self.assertEqual(self.call("count", "c"), 0)
        self.call("create", "l2", 3, metric="l2")
        self.call("upsert", "l2", "zero", [0, 0, 0])
        self.assertEqual(self.call("search", "l2", [0, 0, 0])["items"],
                         [{"key": "zero", "score": 1.0}])

    def test_metadata_refused(self):
        for metadata in (1, "text", [], True):
            self.refuses("BAD_ARGUMENT", "metadata", "upsert", "c", "k", [1, 2, 3],
                         metadata=metadata)
            self.refuses("BAD_ARGUMENT", "map or nil", "upsert_many", "c",
                         [["k", [1, 2, 3], metadata]])
        deep = {}
        for _ in range(25):
            deep = {"a": deep}
        self.refuses("LIMIT_EXCEEDED", "limits.nesting", "upsert", "c", "k", [1, 2, 3],
                     metadata=deep)

    def test_many(self):
        version = self.call("upsert_many", "c", [["a", [1, 2, 3]], ["b", pack([3, 2, 1]), {"x": 1}],
                                                 ["n", [1, 1, 1], None], ["a", [5, 6, 7], {}]])
        self.assertEqual(self.call("get_many", "c", ["a", "b", "none", "n"]), [
            {"key": "a", "vector": [5.0, 6.0, 7.0], "metadata": {}, "version": version},
            {"key": "b", "vector": pack([3, 2, 1]), "metadata": {"x": 1}, "version": version}, None,
            {"key": "n", "vector": [1.0, 1.0, 1.0], "metadata": None, "version": version}])
        self.assertEqual(self.call("get_many", "c", ["b"], with_vectors=False),
                         [{"key": "b", "metadata": {"x": 1}, "version": version}])
        self.call("upsert_many", "c", [])
        self.assertEqual(self.call("count", "c"), 3)
        for wrong in (5, [], ["k"], ["k", [1, 2, 3], {}, 1], {"key": "k"}, [1, [1, 2, 3]],
                      ["k", "abc"], ["k", {}], ["k", 5]):
            self.refuses("BAD_ARGUMENT", "element 0 of 'vectors'", "upsert_many", "c", [wrong])

    def test_delete(self):
        self.call("upsert_many", "c", [[f"k{i}", [1, i, 0]] for i in range(10)])
        self.assertEqual(self.call("delete", "c", ["k1", "k2", "none", "k1"]), 2)
        self.assertEqual(self.call("delete", "c", []), 0)
        self.assertEqual(self.call("count", "c"), 8)
        self.assertIsNone(self.call("get", "c", "k1"))
        self.assertNotIn("k1", [item["key"] for item in
                                self.call("search", "c", [1, 1, 0], k=100)["items"]])
        self.assertEqual(self.call("delete", "c", [f"k{i}" for i in range(10)]), 8)
        self.assertEqual(self.call("search", "c", [1, 1, 0])["items"], [])

    def test_set_metadata(self):
        self.assertIsNone(self.call("set_metadata", "c", "k", {"a": 1}))
        self.call("upsert", "c", "k", pack([1, 2, 3]), metadata={"a": 1, "b": 2})
        version = self.call("set_metadata", "c", "k", {"b": 5})
        self.assertEqual(self.call("get", "c", "k"), {
            "key": "k", "vector": pack([1, 2, 3]), "metadata": {"b": 5}, "version": version})
        for patch, result in (({"a": 1}, {"b": 5, "a": 1}), ({"b": None}, {"a": 1}),
                              ({}, {"a": 1}), (None, {"a": 1}),
                              ({"a": {"deep": [1]}, b"bin": 2}, {"a": {"deep": [1]}, b"bin": 2}),
                              ({"a": None, "bin": None}, {}), ({"x": 1}, {"x": 1})):
            self.call("set_metadata", "c", "k", patch, merge=True)
            self.assertEqual(self.call("get", "c", "k")["metadata"], result)
        self.call("set_metadata", "c", "k", None)
        self.assertIsNone(self.call("get", "c", "k")["metadata"])
        self.call("set_metadata", "c", "k", {"x": 1, "n": None}, merge=True)
        self.assertEqual(self.call("get", "c", "k")["metadata"], {"x": 1})
        found = self.call("search", "c", [1, 2, 3], filter={"x": 1}, with_metadata=True)["items"]
        self.assertEqual([item["metadata"] for item in found], [{"x": 1}])
        self.refuses("BAD_ARGUMENT", "map or nil", "set_metadata", "c", "k", [1])
        self.call("set_metadata", "c", "k", {str(i): i for i in range(1000)})
        self.refuses("LIMIT_EXCEEDED", "100000", "set_metadata", "c", "k",
                     {str(i): i for i in range(101)}, merge=True)
        self.call("set_metadata", "c", "k", {str(i): None for i in range(100)}, merge=True)
        self.assertEqual(len(self.call("get", "c", "k")["metadata"]), 900)

    def test_metadata_stay_beside_codes(self):
        """keep_metadata of a collection that keeps bytes alone."""
        self.call("upsert", "bytes", "k", [127, 2.4], metadata={"n": 1}, create=True,
                  quantization="int8_only")
        self.call("upsert", "bytes", "k", [254, -3], keep_metadata=True)
        found = self.call("get", "bytes", "k")
        self.assertEqual((found["vector"], found["metadata"]), ([254, -4], {"n": 1}))
        self.call("set_metadata", "bytes", "k", {"n": 2})
        found = self.call("get", "bytes", "k")
        self.assertEqual((found["vector"], found["metadata"]), ([254, -4], {"n": 2}))
        self.assertEqual(self.call("search", "bytes", [1, 0], filter={"n": 2})["items"][0]["key"],
                         "k")

    def test_batch(self):
        """Writes and reads may be part of a batch; searches of none."""
        out = self.c.call("batch", [["vec.upsert", ["c", "k", [1, 2, 3]]],
                                    ["kv.put", ["document", "text"]], ["vec.get", ["c", "k"]],
                                    ["vec.search", ["c", [1, 2, 3]]]])
        self.assertEqual([error for error, _ in out[:3]], [None] * 3)
        self.assertEqual(out[2][1]["key"], "k")
        self.assertTrue(out[3][0].startswith("UNSUPPORTED"), out[3])
        self.fails("UNSUPPORTED", "batch", [["vec.create", ["d", 3]]], atomic=True)

    def test_atomic(self):
        """All calls of an atomic batch at one instant, each seeing what those before it did."""
        self.call("upsert_many", "c", [[f"k{i}", [i, 1, 1], {"n": i}] for i in range(5)])
        out = self.c.call("batch", [
            ["kv.put", ["document", "text"]],
            ["vec.upsert", ["c", "new", [9, 9, 9], {"metadata": {"of": "document"}}]],
            ["vec.set_metadata", ["c", "new", {"more": 1}, {"merge": True}]],
            ["vec.upsert", ["c", "brief", [1, 1, 1]]],
            ["vec.delete", ["c", ["brief", "brief", "k0", "none"]]],
            ["vec.upsert", ["c", "k0", [7, 7, 7], {"if_absent": True}]],
            ["vec.delete", ["c", ["k1"]]],
            ["vec.set_metadata", ["c", "k1", {}]],
            ["vec.upsert_many", ["c", [["k2", [2, 2, 2]], ["k2", [3, 3, 3]], ["k9", [1, 2, 3]]]]],
            ["vec.delete", ["c", ["k9"]]]], atomic=True)
        self.assertEqual([error for error, _ in out], [None] * 10)
        replies = [reply for _, reply in out]
        version = replies[0]
        self.assertEqual(replies, [version, version, version, version, 2, version, 1, None, version,
                                   1])
        found = {item["key"]: item for item in self.c.call(
            "vec.keys", "c", with_vectors=True)["items"]}
        self.assertEqual(sorted(found), ["k0", "k2", "k3", "k4", "new"])
        self.assertEqual(found["new"], {"key": "new", "vector": [9, 9, 9], "version": version,
                                        "metadata": {"of": "document", "more": 1}})
        self.assertEqual((found["k0"]["vector"], found["k0"]["version"]), ([7, 7, 7], version))
        self.assertEqual((found["k2"]["vector"], found["k2"]["metadata"]), ([3, 3, 3], None))
        self.assertEqual({item["key"] for item in self.call("search", "c", [1, 1, 1])["items"]},
                         set(found))
        self.assertEqual(self.call("count", "c"), 5)

    def test_atomic_fails(self):
        """One fails: none is done, and the error names it."""
        self.call("upsert_many", "c", [[f"k{i}", [i, 1, 1], {"n": i}] for i in range(5)])
        before = self.call("keys", "c", with_vectors=True), self.call("search", "c", [1, 2, 3])
        calls = [["kv.put", ["document", 1]], ["vec.upsert", ["c", "k0", [5, 5, 5]]],
                 ["vec.upsert", ["c", "new", [5, 5, 5]]], ["vec.delete", ["c", ["new", "k1"]]],
                 ["vec.set_metadata", ["c", "k2", {"n": 9}]],
                 ["vec.upsert_many", ["c", [["k3", [0, 0, 1]], ["more", [0, 1, 0]]]]]]
        bad = ((["vec.upsert", ["c", "x", [1, 2]]], "BAD_ARGUMENT", "has 2 elements"),
               (["vec.upsert", ["c", "k0", [1, 2, 3], {"if_absent": True}]], "ALREADY_EXISTS", ""),
               (["vec.upsert", ["none", "x", [1, 2, 3]]], "NOT_FOUND", "no such collection"),
               (["vec.upsert_many", ["c", [["x", [1, 2, 3]], ["y", [1]]]]], "BAD_ARGUMENT",
                "element 1"),
               (["vec.delete", ["c", ["k2", "x" * 1025]]], "LIMIT_EXCEEDED", "element 1"),
               (["vec.delete", ["none", ["k2"]]], "NOT_FOUND", "no such collection"),
               (["vec.delete", ["c", ["k2"], {"drop_empty": True}]], "UNSUPPORTED", "drop_empty"),
               (["vec.set_metadata", ["c", "k2", [1]]], "BAD_ARGUMENT", "map or nil"),
               (["kv.cas", ["document", 77, 1]], "CONFLICT", ""))
        for call, code, text in bad:
            with self.subTest(call=call):
                error = self.fails(code, "batch", [*calls, call], atomic=True)
                self.assertIn("call 6", error.text)
                self.assertIn(text, error.text)
        self.fails("CONFLICT", "batch", calls, conditions=[["kv", "document", 1]])
        self.fails("UNSUPPORTED", "batch", [*calls, [
            "vec.upsert", {"collection": "new", "key": "k", "vector": [1], "create": True}]],
                   atomic=True)
        self.assertIsNone(self.call("info", "new"))
        self.fails("LIMIT_EXCEEDED", "batch",
                   [*calls, ["vec.upsert", ["c" * 256, "x", [1, 2, 3]]]], atomic=True)
        self.assertFalse(self.c.call("kv.exists", "document"))
        self.assertEqual((self.call("keys", "c", with_vectors=True),
                          self.call("search", "c", [1, 2, 3])), before)
        for call, code, text in bad:
            out = self.c.call("batch", [call, ["vec.upsert", ["c", "good", [1, 1, 1]]]],
                              atomic=True, partial=True)
            self.assertTrue(out[0][0].startswith(code), out)
            self.assertIsNone(out[1][0])
            self.assertEqual(self.call("delete", "c", ["good"]), 1)
        self.assertEqual((self.call("keys", "c", with_vectors=True),
                          self.call("search", "c", [1, 2, 3])), before)

    def test_other_keyspaces(self):
        """What keys and counts of kv.* say has nothing to do with vectors."""
        self.call("upsert", "c", "k", [1, 2, 3])
        self.assertEqual(self.c.call("kv.count"), 0)
        self.assertEqual(self.c.call("kv.scan")["items"], [])
        self.assertIsNone(self.c.call("kv.get", "c"))


class ReadTest(VecTest):
    def setUp(self):
        super().setUp()
        self.call("create", "c", 2)
        self.names = sorted([f"a{i}" for i in range(300)] + [f"b{i}" for i in range(300)])
        self.call("upsert_many", "c", [[name, [1, i], {"i": i, "odd": bool(i % 2)}]
                                       for i, name in enumerate(self.names)])
        self.call("create", "next", 2)
        self.call("upsert", "next", "a0", [1, 2])

    def test_keys(self):
        self.assertEqual(self.call("keys", "c", limit=1000), {"items": self.names, "cursor": None})
        self.assertEqual(len(self.call("keys", "c")["items"]), 100)
        self.assertEqual(self.keys("c", limit=7), self.names)
        self.assertEqual(self.keys("c", limit=300, prefix="b"), self.names[300:])
        self.assertEqual(self.call("keys", "c", limit=300, prefix="a")["cursor"], None)
        self.assertEqual(self.keys("c", prefix="x"), [])
        self.assertEqual(self.keys("c", prefix="a29"),
                         [name for name in self.names if name.startswith("a29")])
        odd = self.names[1::2]
        self.assertEqual(self.keys("c", limit=9, filter={"odd": True}), odd)
        self.assertEqual(self.keys("c", prefix="b", filter={"odd": True}), odd[150:])
        self.assertEqual(self.keys("c", filter={"i": -1}), [])

    def test_items(self):
        plain = self.call("keys", "c", limit=1, with_metadata=True)["items"]
        got = self.call("get", "c", "a0")
        self.assertEqual(plain, [{key: got[key] for key in ("key", "metadata", "version")}])
        for options in ({}, {"filter": {"i": 0}}, {"with_metadata": True}):
            self.assertEqual(
                self.call("keys", "c", limit=1, with_vectors=True, **options)["items"], [got])

    def test_cursor(self):
        """Deleting what it names does it no harm; what is none is refused."""
        cursor = self.call("keys", "c", limit=10)["cursor"]
        self.assertEqual(cursor, self.names[9].encode())
        self.call("delete", "c", self.names[5:15])
        self.assertEqual(self.call("keys", "c", limit=5, cursor=cursor)["items"],
                         self.names[15:20])
        self.assertEqual(self.call("keys", "c", cursor="zzz"), {"items": [], "cursor": None})
        self.refuses("BAD_ARGUMENT", "cursor", "keys", "c", cursor="k" * 1025)
        self.refuses("LIMIT_EXCEEDED", "1024", "keys", "c", prefix="k" * 1025)
        self.refuses("BAD_ARGUMENT", "limit", "keys", "c", limit=0)
        self.refuses("LIMIT_EXCEEDED", "limits.page_items", "keys", "c", limit=10001)
        self.refuses("BAD_ARGUMENT", "filter at", "keys", "c", filter={"$x": 1})

    def test_count(self):
        self.assertEqual(self.call("count", "c"), 600)
        for found, filter_ in ((600, {}), (300, {"odd": True}), (1, {"i": 77}), (0, {"none": 1}),
                               (600, {"none": {"$exists": False}}), (10, {"i": {"$lt": 10}}),
                               (590, {"i": {"$gte": 10}}), (2, {"i": {"$in": [1, 2, -1]}})):
            self.assertEqual(self.call("count", "c", filter=filter_), found, filter_)
        self.refuses("BAD_ARGUMENT", "filter at", "count", "c", filter={"i": {"$near": 1}})
        deep = {"i": 1}
        for _ in range(20):
            deep = {"$not": deep}
        self.refuses("LIMIT_EXCEEDED", "16", "count", "c", filter=deep)
        self.refuses("BAD_ARGUMENT", "filter", "count", "c", filter=[])


class WatchTest(VecTest):
    def test_events(self):
        watcher = Watcher(self.server.address)
        self.addCleanup(watcher.close)
        run = self._testMethodName
        watcher.call("run.use", run)
        vectors = watcher.open("c", kind="vector", exact=True)
        collections = watcher.open(kind="collection")
        versions = [self.call("create", "c", 2)["version"]]
        self.call("create", "c2", 2)
        self.call("upsert", "c2", "not told", [1, 2])
        versions.append(self.call("upsert", "c", "k", [1, 2]))
        versions.append(self.call("upsert_many", "c", [[b"\xff", [1, 2]], ["k2", [2, 1]]]))
        versions.append(self.call("set_metadata", "c", "k", {"a": 1}))
        self.call("delete", "c", ["k"])
        self.call("drop", "c")

        def told(watch, count):
            return [(event["type"], event["kind"], event["key"], event["run"])
                    for event in watcher.take(watch, count)]
        self.assertEqual(told(vectors, 5), [
            ("put", "vector", ["c", "k"], run), ("put", "vector", ["c", b"\xff"], run),
            ("put", "vector", ["c", "k2"], run), ("put", "vector", ["c", "k"], run),
            ("del", "vector", ["c", "k"], run)])
        self.assertEqual(told(vectors, 1), [("del", "collection", "c", run)])
        self.assertEqual(told(collections, 3), [
            ("put", "collection", "c", run), ("put", "collection", "c2", run),
            ("del", "collection", "c", run)])
        self.assertTrue(watcher.nothing(vectors))
        self.fails("BAD_ARGUMENT", "watch.open", "c", kind="vector", values=True)


class LimitTest(VecTest):
    OPTIONS = {"limits.value_bytes": 4096, "limits.reply_bytes": 65536, "limits.page_bytes": 4096,
               "limits.page_items": 500, "listen.resp": "127.0.0.1:0"}

    def test_value_bytes(self):
        self.call("create", "c", 1000)
        self.call("upsert", "c", "k", pack([1] * 1000), metadata={"k": b"x" * 80})
        self.refuses("LIMIT_EXCEEDED", "limits.value_bytes (4096)", "upsert", "c", "k",
                     pack([1] * 1000), metadata={"k": b"x" * 90})
        self.refuses("LIMIT_EXCEEDED", "limits.value_bytes (4096)", "set_metadata", "c", "k",
                     {"k": b"x" * 90})
        self.call("create", "large", 1023)
        self.refuses("LIMIT_EXCEEDED", "limits.value_bytes (4096)", "upsert", "large", "k",
                     pack([1] * 1023))

    def test_replies(self):
        self.call("create", "c", 100)
        for i in range(300):
            self.call("upsert", "c", f"k{i:03}", pack([1, *[0] * 98, i]))
        query = pack([1] * 100)
        self.assertEqual(len(self.call("search", "c", query, k=300)["items"]), 300)
        self.refuses("LIMIT_EXCEEDED", "limits.reply_bytes", "search", "c", query, k=300,
                     with_vectors=True)
        for _ in range(2):  # the first by the loop, the second by a worker
            self.refuses("LIMIT_EXCEEDED", "limits.reply_bytes", "search_many", "c", [query] * 9,
                         k=300)
        self.refuses("LIMIT_EXCEEDED", "limits.page_items (500)", "search", "c", query, k=501)
        page = self.call("keys", "c", limit=300, with_vectors=True)
        self.assertLess(len(page["items"]), 12)
        self.assertEqual([item["key"] for item in self.keys("c", limit=300, with_vectors=True)],
                         [f"k{i:03}" for i in range(300)])
        self.assertEqual([item["key"] for item in self.keys("c", limit=300, with_vectors=True,
                                                            filter={})],
                         [f"k{i:03}" for i in range(300)])

    def test_resp(self):
        """To the other port a collection is a key; keys of vectors are none."""
        with Resp(self.server.address_of(0, "resp")) as resp:
            before = resp.call("DBSIZE").value
            self.call("create", "c", 2, run="default")
            self.call("upsert", "c", "k", [1, 2], run="default")
            self.assertEqual(resp.call("SET", "k", "v").value, b"OK")
            self.assertEqual(resp.call("GET", "k").value, b"v")
            self.assertEqual(resp.call("DBSIZE").value, before + 2)
            self.assertEqual(resp.call("DEL", "k").value, 1)
        self.assertIs(self.call("drop", "c", run="default"), True)


class BehindTest(VecTest):
    OPTIONS = {"server.loops": 2, "server.workers": 1}
    TAIL_MAX = 8192

    def test_writers_wait(self):
        """Writers that are faster than the index wait for it; a batch, which cannot, is told so;
        deletes and searches go on."""
        self.call("create", "c", 16, index="hnsw", m=64, ef_construction=1000)
        source, n, batch = random.Random(1), 0, 500
        while self.call("info", "c")["tail"] < self.TAIL_MAX:
            self.call("upsert_many", "c", [[f"k{n + i}", pack(random_vector(source, 16))]
                                           for i in range(batch)])
            n += batch
        # The index is at work meanwhile: more than it may have taken up comes at once.
        errors, calls = [], 0
        while not errors and calls < 100000:
            batch = [["vec.upsert", ["c", f"b{calls + i}", pack(random_vector(source, 16))]]
                     for i in range(100)]
            errors = [error for error, _ in self.c.call("batch", batch) if error is not None]
            calls += len(batch)
            n += len(batch) - len(errors)
        self.assertEqual({error.split(" ")[0] for error in errors}, {"BUSY"})
        calls = [("vec.upsert_many", ["c", [[f"{i}", [1, *[0] * 15]]]]) for i in range(20)]
        calls += [("vec.upsert", ["c", "waits", [1] * 16]), ("vec.delete", ["c", ["k0", "k1"]])]
        first = self.c.last_id + 1
        self.c.send(b"".join(self.c.prepare(*call) for call in calls))
        *posted, waits, deletes = range(first, first + len(calls))
        self.assertEqual(self.c.wait(deletes), 2)
        self.assertEqual(len(self.call("search", "c", [1] * 16)["items"]), 10)
        self.assertNotIn(waits, self.c.replies, "it did not wait")
        for msgid in (*posted, waits):
            self.assertGreater(self.c.wait(msgid), 0)
        self.assertLess(self.call("info", "c")["tail"], self.TAIL_MAX + 4)
        self.assertEqual(self.call("count", "c"), n - 2 + len(posted) + 1)
        self.assertEqual(self.call("search", "c", [1] * 16, k=1)["items"][0]["key"], "waits")
        last = self.c.post("vec.upsert", "c", "gone before", [1] * 16)
        self.assertIs(self.call("drop", "c"), True)
        try:
            self.c.wait(last)
        except RpcError as error:
            self.assertEqual(error.code, "NOT_FOUND")


class MemoryTest(unittest.TestCase):
    def test_limit(self):
        """At the limit upserts are refused, deletes and searches go on, and room comes back."""
        with Server({"memory.limit": "24MiB", "server.loops": 2}) as server, \
                server.connect() as client:
            client.call("vec.create", "c", 256, index="flat")
            vector, n = pack([1] * 256), 0
            while n < 40000:
                out = client.pipeline([("vec.upsert", "c", f"k{n + i}", vector)
                                       for i in range(500)])
                done = sum(isinstance(one, int) for one in out)
                n += done
                if done < 500:
                    break
            self.assertLess(n, 24 * 1024, "never refused")
            self.assertGreater(n, 4000)
            refused = [one for one in out if not isinstance(one, int)]
            self.assertEqual({one.code for one in refused}, {"OUT_OF_MEMORY"})
            self.assertEqual(len(client.call("vec.search", "c", vector, k=3)["items"]), 3)
            self.assertEqual(client.call("vec.count", "c"), n)
            client.call("vec.delete", "c", [f"k{i}" for i in range(4000)])
            client.call("vec.upsert", "c", "again", vector)
            self.assertIs(client.call("vec.drop", "c"), True)

    def test_limit_of_a_batch(self):
        """Room is made for each vector of a batch, not for each call."""
        with Server({"memory.limit": "24MiB"}) as server, server.connect() as client:
            client.call("vec.create", "c", 1, index="hnsw", m=128)
            rows = [[f"k{i}", [1]] for i in range(9000)]  # over 1 KiB of links each
            with self.assertRaises(RpcError) as caught:
                client.call("batch", [["vec.upsert_many", ["c", rows]]] * 4, atomic=True)
            self.assertEqual(caught.exception.code, "OUT_OF_MEMORY")
            self.assertEqual(client.call("vec.count", "c"), 0)
            client.call("batch", [["vec.upsert_many", ["c", rows[:1000]]]], atomic=True)
            self.assertEqual(client.call("vec.count", "c"), 1000)


if __name__ == "__main__":
    unittest.main()
