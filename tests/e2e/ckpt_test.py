#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints over MessagePack-RPC: what every operation of ckpt.* promises, case by case. What
random operations and restarts come to is in ckpt_model_test.py."""

import functools
import time
import unittest

from lib import until
from lib.ckpt import CkptTest
from lib.watcher import Watcher

EVERY_BYTE = bytes(range(256))[:255]
# Ids that are easy to get wrong; none is a pattern, none ends early.
IDS = [b"\0", b"*", b"a\0b", b"\xff" * 255, EVERY_BYTE, b"?[a]", "é".encode(), b" ", b"\0\xff",
       b"\0\0"]


class SaveTest(CkptTest):
    def test_shape(self):
        saved = self.call("save", "s", {"a": 1}, ns="n", id="c1", parent="c0", message="first",
                          tags=["x", b"y"], trigger="manual", metadata={"step": 1},
                          checkpoint=["json", b"{}"],
                          blobs=[["ch", 1, "json", b"1"], ["other", "v2", "bytes", b"\0"]],
                          channel_versions=[["ch", 1], ["missing", 7]])
        self.assertEqual(set(saved), {"id", "seq", "version"})
        self.assertEqual(saved["id"], "c1")
        got = self.call("get", "s", ns="n")
        self.assertEqual({**got, "created_at": 0}, {
            "session": "s", "ns": "n", "id": "c1", "seq": saved["seq"],
            "version": saved["version"], "parent": "c0", "created_at": 0, "message": "first",
            "bytes": 4,
            "tags": ["x", b"y"], "trigger": "manual", "metadata": {"step": 1},
            "state": {"a": 1}, "checkpoint": ["json", b"{}"],
            "channel_versions": [["ch", 1], ["missing", 7]],
            "blobs": [["ch", 1, "json", b"1"]], "writes": []})
        item, = self.call("list", session="s")["items"]
        self.assertEqual(item, {k: v for k, v in got.items()
                                if k not in ("state", "blobs", "writes")})
        item, = self.call("list", session="s", with_state=True)["items"]
        self.assertEqual(item, got)

    def test_defaults(self):
        saved = self.call("save", "s", None)
        got = self.call("get", "s")
        self.assertEqual(got["id"], saved["id"])
        self.assertRegex(saved["id"], "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                      "[0-9a-f]{12}$")
        self.assertEqual((got["ns"], got["parent"], got["message"], got["trigger"]),
                         ("", None, None, None))
        self.assertEqual((got["tags"], got["metadata"], got["channel_versions"], got["blobs"]),
                         ([], {}, [], []))
        self.assertIsNone(got["state"])

    def test_made_ids_sort_as_they_were_made(self):
        made = [self.call("save", "s", i)["id"] for i in range(300)]
        self.assertEqual(made, sorted(made))
        self.assertEqual(self.ids(session="s", ns=""), made[::-1])
        self.assertEqual(self.ids(session="s", limit=7), made[::-1])

    def test_numbers_follow_each_other(self):
        seqs = [self.call("save", session, i)["seq"] for i in range(5) for session in "ab"]
        self.assertEqual(seqs, list(range(seqs[0], seqs[0] + 10)))

    def test_same_id_replaces(self):
        first = self.call("save", "s", 1, id="c", blobs=[["a", 1, "t", b"1"]])
        self.call("put_writes", "s", "", "c", "task", [[0, "w", "t", b"w"]])
        second = self.call("save", "s", 2, id="c", blobs=[["b", 1, "t", b"2"]])
        self.assertGreater(second["seq"], first["seq"])
        got = self.call("get", "s", id="c")
        self.assertEqual((got["state"], got["blobs"]), (2, [["b", 1, "t", b"2"]]))
        self.assertEqual(got["writes"], [["task", 0, "w", "t", b"w"]])
        self.assertEqual(len(self.ids(session="s")), 1)
        self.assertEqual(self.call("session_get", "s")["checkpoints"], 1)

    def test_blob_versions_are_kept(self):
        self.call("save", "s", 0, id="1", blobs=[["a", 1, "t", b"first"]])
        self.call("save", "s", 0, id="2", blobs=[["a", 1, "t", b"second"], ["a", 2, "t", b"new"]],
                  channel_versions=[["a", 1]])
        self.assertEqual(self.call("get", "s", id="2")["blobs"], [["a", 1, "t", b"first"]])
        self.call("save", "s", 0, id="3", channel_versions=[["a", 2]])
        self.assertEqual(self.call("get", "s", id="3")["blobs"], [["a", 2, "t", b"new"]])

    def test_versions_are_opaque(self):
        versions = [0, 1, -1, 2 ** 63, 1.5, "00000000000000000000000000000001.0", b"\0\xff", 2.0]
        for i, version in enumerate(versions):
            self.call("save", "s", i, id=f"c{i}", blobs=[["a", version, "t", b"%d" % i]])
        for i, version in enumerate(versions):
            self.assertEqual(self.call("get", "s", id=f"c{i}")["blobs"],
                             [["a", version, "t", b"%d" % i]])

    def test_a_blob_comes_later(self):
        self.call("save", "s", 0, id="1", channel_versions=[["a", 5]])
        self.assertEqual(self.call("get", "s", id="1")["blobs"], [])
        self.call("save", "s", 0, id="2", blobs=[["a", 5, "t", b"x"]])
        self.assertEqual(self.call("get", "s", id="1")["blobs"], [["a", 5, "t", b"x"]])
        self.assertTrue(self.call("delete", "s", "2"))
        self.assertEqual(self.call("get", "s", id="1")["blobs"], [["a", 5, "t", b"x"]])

    def test_every_id(self):
        for i, name in enumerate(IDS):
            self.call("save", name, i, ns=name, id=name, parent=name)
            self.call("put_writes", name, name, name, name, [[i, name[:3], "t", name]])
        for i, name in enumerate(IDS):
            got = self.call("get", name, ns=name, id=name)
            self.assertEqual((got["session"], got["ns"], got["id"], got["parent"], got["state"]),
                             (name, name, name, name, i))
            self.assertEqual(got["writes"], [[name, i, name[:3], "t", name]])
            self.assertIsNone(self.call("get", name, ns=b"", id=name))
            self.assertEqual(len(self.ids(session=name)), 1)
        self.assertEqual(len(self.ids()), len(IDS))

    def test_str_and_bin_are_one(self):
        self.call("save", b"s", 1, ns=b"n", id=b"c")
        got = self.call("get", "s", ns="n", id="c")
        self.assertEqual((got["session"], got["ns"], got["id"]), (b"s", b"n", b"c"))

    def test_states_come_back_byte_for_byte(self):
        for state in [0, -1, 1.5, "text", b"\0", [1, [2, {"a": None}]], {}, True,
                      {"k": ["x" * 70000]}]:
            saved = self.call("save", "s", state)
            self.assertEqual(self.call("get", "s", id=saved["id"])["state"], state)
            self.assertEqual(self.call("restore", "s", saved["id"]), state)

    def test_parents_need_not_exist(self):
        self.call("save", "s", 1, id="a", parent="nobody")
        self.assertEqual([c["id"] for c in self.call("history", "s", "", "a")["items"]], ["a"])

    def test_many(self):
        saved = self.call("save_many", "s", [{"state": i, "id": f"{i:03}", "tags": ["t"]}
                                             for i in range(100)])
        self.assertEqual([one["id"] for one in saved], [f"{i:03}" for i in range(100)])
        self.assertEqual(len({one["version"] for one in saved}), 1)
        self.assertEqual(self.call("session_get", "s")["checkpoints"], 100)
        self.assertEqual(self.call("save_many", "s", []), [])
        # the same id twice: the last one holds
        self.call("save_many", "t", [{"state": 1, "id": "x", "blobs": [["a", 1, "t", b"1"]]},
                                     {"state": 2, "id": "x", "blobs": [["a", 2, "t", b"2"]]}])
        self.assertEqual(self.call("get", "t")["state"], 2)
        self.assertEqual(self.call("session_get", "t")["checkpoints"], 1)

    def test_many_or_none(self):
        self.refuses("BAD_ARGUMENT", "save_many", "s", [{"state": 1}, {"id": "x"}])
        self.refuses("BAD_ARGUMENT", "save_many", "s", [{"state": 1}, 5])
        self.refuses("BAD_ARGUMENT", "save_many", "s", [{"state": 1, "session": "t"}])
        self.refuses("BAD_ARGUMENT", "save_many", "s", [{"state": 1, "nonsense": 1}])
        self.refuses("BAD_ARGUMENT", "save_many", "s", 7)
        self.assertIsNone(self.call("session_get", "s"))

    def test_refused(self):
        long = "x" * 256
        for session, options, code in [
                ("", {}, "BAD_ARGUMENT"), (7, {}, "BAD_ARGUMENT"), (long, {}, "LIMIT_EXCEEDED"),
                ("s", {"id": ""}, "BAD_ARGUMENT"), ("s", {"id": long}, "LIMIT_EXCEEDED"),
                ("s", {"ns": long}, "LIMIT_EXCEEDED"), ("s", {"parent": long}, "LIMIT_EXCEEDED"),
                ("s", {"tags": "t"}, "BAD_ARGUMENT"), ("s", {"tags": [""]}, "BAD_ARGUMENT"),
                ("s", {"tags": [1]}, "BAD_ARGUMENT"), ("s", {"tags": ["t"] * 65}, "LIMIT_EXCEEDED"),
                ("s", {"metadata": [1]}, "BAD_ARGUMENT"), ("s", {"blobs": [["a"]]}, "BAD_ARGUMENT"),
                ("s", {"blobs": [["a", None, "t", b""]]}, "BAD_ARGUMENT"),
                ("s", {"blobs": [["a", 1, "t", 5]]}, "BAD_ARGUMENT"),
                ("s", {"blobs": [[long, 1, "t", b""]]}, "BAD_ARGUMENT"),
                ("s", {"channel_versions": {"a": 1}}, "BAD_ARGUMENT"),
                ("s", {"channel_versions": [["a", [1]]]}, "BAD_ARGUMENT"),
                ("s", {"channel_versions": [["a", ""]]}, "BAD_ARGUMENT"),
                ("s", {"channel_versions": [["a", long]]}, "BAD_ARGUMENT"),
                ("s", {"metadata": functools.reduce(
                    lambda value, _: {"a": value}, range(25), 1)}, "LIMIT_EXCEEDED"),
                ("s", {"ttl_ms": -1}, "BAD_ARGUMENT")]:
            with self.subTest(session=session, options=options):
                self.refuses(code, "save", session, 1, **options)
        self.assertEqual(self.call("metrics"), {"sessions": 0, "checkpoints": 0, "bytes": 0})

    def test_auto(self):
        self.call("auto", "s", 3600000)
        first = self.call("save", "s", 1, trigger="code_modified")
        again = self.call("save", "s", 2, trigger="code_modified")
        self.assertEqual(again, {**first, "throttled": True})
        self.assertNotIn("throttled", self.call("save", "s", 3, trigger="manual"))
        self.assertNotIn("throttled", self.call("save", "s", 4))
        self.assertNotIn("throttled", self.call("save", "s", 5, ns="other", trigger="x"))
        self.call("auto", "s", 0)
        self.assertNotIn("throttled", self.call("save", "s", 6, trigger="code_modified"))

    def test_auto_after_one_of_the_future(self):
        """Clocks differ, between servers and a little between loops."""
        self.call("auto", "s", 3600000)
        for id_, ahead_s, throttled in (("a", 1800, True), ("b", 360000, None)):
            self.call("import", [{"session": "s", "id": id_, "state": 1,
                                  "created_at": int(1000 * (time.time() + ahead_s))}])
            reply = self.call("save", "s", 2, id=id_ + "2", trigger="step")
            self.assertEqual(reply.get("throttled"), throttled)


class WritesTest(CkptTest):
    def test_before_the_checkpoint(self):
        self.assertEqual(self.call("put_writes", "s", "", "c", "task", [[0, "ch", "json", b"1"]]),
                         1)
        self.assertIsNone(self.call("get", "s", id="c"))
        self.call("save", "s", 1, id="c")
        self.assertEqual(self.call("get", "s", id="c")["writes"], [["task", 0, "ch", "json", b"1"]])

    def test_twice_changes_nothing(self):
        writes = [[0, "a", "t", b"0"], [1, "b", "t", b"1"]]
        self.call("save", "s", 1, id="c")
        self.assertEqual(self.call("put_writes", "s", "", "c", "t", writes), 2)
        self.assertEqual(self.call("put_writes", "s", "", "c", "t",
                                   [[0, "a", "t", b"other"], [2, "c", "t", b"2"]]), 1)
        self.assertEqual([w[4] for w in self.call("get", "s")["writes"]], [b"0", b"1", b"2"])
        self.assertEqual(self.call("put_writes", "s", "", "c", "t", [[0, "a", "t", b"new"]],
                                   overwrite=True), 1)
        self.assertEqual([w[4] for w in self.call("get", "s")["writes"]], [b"new", b"1", b"2"])

    def test_order(self):
        self.call("save", "s", 1, id="c")
        tasks = [b"", b"\0", b"\0\0", b"\0\xff", b"a", b"a\0", b"a\0b", b"aa", b"b", b"\xff"][1:]
        expected = []
        for task in reversed(tasks):
            self.call("put_writes", "s", "", "c", task,
                      [[idx, "c", "t", b""] for idx in (5, -4, 0, 2 ** 31 - 1, -2 ** 31)])
        for task in tasks:
            expected += [[task, idx] for idx in (-2 ** 31, -4, 0, 5, 2 ** 31 - 1)]
        self.assertEqual([w[:2] for w in self.call("get", "s")["writes"]], expected)

    def test_refused(self):
        for writes in [5, [[0, "c", "t"]], [["0", "c", "t", b""]], [[2 ** 31, "c", "t", b""]],
                       [[0, "c", "t", 5]], [[0, "c" * 256, "t", b""]]]:
            with self.subTest(writes=writes):
                self.refuses("BAD_ARGUMENT", "put_writes", "s", "", "c", "t", writes)
        self.assertEqual(self.call("put_writes", "s", "", "c", "t", []), 0)
        self.assertIsNone(self.call("session_get", "s"))


class ListTest(CkptTest):
    def setUp(self):
        super().setUp()
        self.saved = []
        for i in range(60):
            saved = self.call("save", f"s{i % 3}", i, ns=("", "sub")[i % 2], id=f"{i:03}",
                              tags=["even"] if i % 2 == 0 else ["odd", f"t{i % 5}"],
                              trigger="manual" if i % 4 else "timer",
                              metadata={"step": i, "source": "loop" if i % 3 else "input"})
            self.saved.append({"i": i, **saved})

    def expect(self, condition, **options):
        expected = [f"{i:03}" for i in reversed(range(60)) if condition(i)]
        for limit in (1000, 7, 1):
            with self.subTest(limit=limit, options=options):
                self.assertEqual(self.ids(limit=limit, **options), expected)

    def test_filters(self):
        self.expect(lambda i: True)
        self.expect(lambda i: i % 3 == 1, session="s1")
        self.expect(lambda i: i % 3 == 1 and i % 2 == 0, session="s1", ns="")
        self.expect(lambda i: i % 2 == 1, ns="sub")
        self.expect(lambda i: i % 2 == 0, tag="even")
        self.expect(lambda i: i % 4 == 0, trigger="timer")
        self.expect(lambda i: i < 30, before="030")
        self.expect(lambda i: 10 < i < 30, before="030", after="010")
        self.expect(lambda i: 10 < i < 30 and i % 6 == 0, before="030", after="010", session="s0",
                    ns="")
        self.expect(lambda i: i % 3 == 0, filter={"source": "input"})
        self.expect(lambda i: i >= 50, filter={"step": {"$gte": 50}})
        self.expect(lambda i: i == 8, filter={"step": 8, "source": "loop"})
        self.expect(lambda i: True, filter={})
        self.expect(lambda i: False, session="nobody")
        self.expect(lambda i: False, session="nobody", ns="")

    def test_numbers(self):
        low, high = self.saved[20]["seq"], self.saved[40]["seq"]
        self.expect(lambda i: 20 <= i <= 40, from_seq=low, to_seq=high)
        self.expect(lambda i: 20 <= i <= 40 and i % 3 == 0, from_seq=low, to_seq=high, session="s0")
        self.expect(lambda i: 20 <= i <= 40 and i % 6 == 0, from_seq=low, to_seq=high, session="s0",
                    ns="")

    def test_times(self):
        times = {item["id"]: item["created_at"] for item in self.call("list", limit=1000)["items"]}
        first, middle, last = min(times.values()), times["030"], max(times.values())
        self.expect(lambda i: times[f"{i:03}"] >= middle, from_time=middle)
        self.expect(lambda i: times[f"{i:03}"] <= middle, to_time=middle)
        self.expect(lambda i: True, from_time=first, to_time=last)
        self.assertEqual(self.ids(from_time=last + 1), [])
        self.assertEqual(self.ids(to_time=first - 1), [])

    def test_refused(self):
        self.refuses("BAD_ARGUMENT", "list", filter={"$nonsense": 1})
        self.refuses("BAD_ARGUMENT", "list", limit=0)
        self.refuses("LIMIT_EXCEEDED", "list", limit=10 ** 9)
        self.refuses("BAD_ARGUMENT", "list", cursor="x")
        self.refuses("BAD_ARGUMENT", "list", cursor=b"n12345678", session="s0", ns="")

    def test_latest_is_the_greatest_id(self):
        self.call("save", "late", 1, id="b")
        self.call("save", "late", 2, id="a")
        self.assertEqual(self.call("get", "late")["id"], "b")
        self.assertEqual(self.ids(session="late", ns=""), ["b", "a"])
        self.assertEqual(self.ids(session="late"), ["a", "b"])


class EditTest(CkptTest):
    def setUp(self):
        super().setUp()
        self.call("save", "s", {"a": 1}, id="c", tags=["x"])

    def test_restore(self):
        self.assertEqual(self.call("restore", "s", "c"), {"a": 1})
        note, = self.call("notes", "s")["items"]
        self.assertEqual((note["id"], note["type"]), ("c", "restored"))
        self.refuses("NOT_FOUND", "restore", "s", "d")
        self.refuses("NOT_FOUND", "restore", "t", "c")
        self.call("save", "t", 2, id="d")
        self.refuses("NOT_FOUND", "restore", "s", "d")

    def test_tags(self):
        self.assertEqual(self.call("tag", "s", "c", ["y", "x"]), ["x", "y"])
        self.assertEqual(self.call("get", "s")["tags"], ["x", "y"])
        self.assertEqual(self.ids(tag="y"), ["c"])
        self.assertEqual(self.call("untag", "s", "c", ["x", "z"]), ["y"])
        self.assertEqual(self.ids(tag="x"), [])
        self.assertEqual(self.call("validate")["valid"], 1)
        self.refuses("NOT_FOUND", "tag", "s", "d", ["y"])
        self.refuses("NOT_FOUND", "untag", "t", "c", ["y"])
        self.refuses("LIMIT_EXCEEDED", "tag", "s", "c", [f"{i}" for i in range(64)])

    def test_notes(self):
        for i in range(5):
            self.call("annotate", "s", "c", f"note {i}", severity=["info", "critical"][i % 2])
        self.call("save", "s", 1, id="d")
        self.call("annotate", "s", "d", b"\xff")
        for options in ({"id": "c"}, {"id": "c", "ns": ""}):
            items, cursor = [], None
            while True:
                page = self.call("notes", "s", limit=2, cursor=cursor, **options)
                items += page["items"]
                cursor = page["cursor"]
                if cursor is None:
                    break
            self.assertEqual([n["note"] for n in items], [f"note {i}" for i in range(5)])
        self.assertEqual([n["severity"] for n in items][:2], ["info", "critical"])
        self.assertEqual(len(self.call("notes", "s")["items"]), 6)
        self.assertEqual(self.call("notes", "s", id="d")["items"][0]["note"], b"\xff")
        self.assertEqual(self.call("notes", "nobody"), {"items": [], "cursor": None})
        self.refuses("NOT_FOUND", "annotate", "s", "nothing", "n")
        self.refuses("BAD_ARGUMENT", "annotate", "s", "c", "n", severity="loud")

    def test_delete(self):
        self.call("save", "s", 2, id="d", blobs=[["a", 1, "t", b"shared"], ["b", 1, "t", b"own"]])
        self.call("save", "s", 3, id="e", channel_versions=[["a", 1]])
        self.call("put_writes", "s", "", "d", "t", [[0, "c", "t", b""]])
        self.call("annotate", "s", "d", "n")
        self.assertTrue(self.call("delete", "s", "d"))
        self.assertFalse(self.call("delete", "s", "d"))
        self.assertFalse(self.call("delete", "nobody", "d"))
        self.assertEqual(self.call("get", "s", id="e")["blobs"], [["a", 1, "t", b"shared"]])
        self.call("save", "s", 4, id="d", channel_versions=[["b", 1]])
        got = self.call("get", "s", id="d")
        self.assertEqual((got["blobs"], got["writes"]), ([], []))
        self.assertEqual(self.call("notes", "s")["items"], [])

    def test_bytes_come_back_to_what_they_were(self):
        before = self.call("session_get", "s")["bytes"]
        self.call("save", "s", "x" * 1000, id="d", blobs=[["a", 1, "t", b"y" * 1000]])
        self.call("put_writes", "s", "", "d", "t", [[0, "c", "t", b"z" * 1000]])
        self.call("annotate", "s", "d", "n")
        self.assertGreater(self.call("session_get", "s")["bytes"], before + 3000)
        self.call("delete", "s", "d")
        self.assertEqual(self.call("session_get", "s")["bytes"], before)


class RefusedTest(CkptTest):
    """Every operation refuses what it cannot mean."""

    def test_ids(self):
        for method, params in [
                ("session_create", []), ("session_get", []), ("session_delete", []), ("save", [0]),
                ("save_many", [[]]), ("put_writes", ["", "c", "t", []]), ("get", []),
                ("history", []), ("restore", ["c"]), ("tag", ["c", []]), ("untag", ["c", []]),
                ("annotate", ["c", "note"]), ("notes", []), ("delete", ["c"]), ("auto", [0])]:
            with self.subTest(method=method):
                self.refuses("BAD_ARGUMENT", method, "", *params)
                self.refuses("BAD_ARGUMENT", method, None, *params)
                self.refuses("LIMIT_EXCEEDED", method, "x" * 256, *params)
        for method in ("compact", "fork", "validate", "subscribe", "export"):
            with self.subTest(method=method):
                self.refuses("BAD_ARGUMENT", method, session=7)
        self.refuses("BAD_ARGUMENT", "session_list", limit=0)
        self.refuses("BAD_ARGUMENT", "metrics", 1)
        self.refuses("BAD_ARGUMENT", "notes", "s", cursor=5)
        self.call("save", "s", 1, id="c")
        self.refuses("BAD_ARGUMENT", "history", "s", "", "c", cursor="x")
        self.refuses("BAD_ARGUMENT", "get", "s", id="")

    def test_ids_of_others(self):
        """An id of another session, or of another namespace, is none."""
        self.call("save", "s", 1, id="c", ns="n")
        self.call("save", "t", 1, id="t")
        for session, ns in (("t", "n"), ("s", ""), ("nobody", "")):
            for method, params in (("restore", []), ("tag", [["x"]]), ("untag", [["x"]]),
                                   ("annotate", ["note"]), ("fork", ["new"])):
                with self.subTest(method=method, session=session, ns=ns):
                    self.refuses("NOT_FOUND", method, session, "c", *params, ns=ns)
            self.assertIsNone(self.call("get", session, id="c", ns=ns))
            self.assertFalse(self.call("delete", session, "c", ns=ns))
            for method in ("history", "notes"):
                self.assertEqual(self.call(method, session, id="c", ns=ns)["items"], [])
        self.assertEqual(self.call("metrics")["sessions"], 2)
        self.refuses("NOT_FOUND", "copy", "nobody", "new")
        self.assertEqual(self.call("get", "s", ns="n")["tags"], [])


class SubscribeTest(CkptTest):
    def setUp(self):
        super().setUp()
        self.watcher = Watcher(self.server.address)
        self.addCleanup(self.watcher.close)
        self.watcher.call("run.use", self._testMethodName)

    def told(self, watch, count):
        return [(event["type"], event["kind"], event["key"])
                for event in self.watcher.take(watch, count)]

    def test_events(self):
        watch = self.watcher.call("ckpt.subscribe", "s")["watch"]
        everything = self.watcher.call("ckpt.subscribe")["watch"]
        self.call("save", "s2", 0, id="of another")
        self.call("save", "s", 1, ns="n", id="c")
        self.call("save", "s", 2, ns="n", id="c")
        self.call("restore", "s", "c", ns="n")
        self.call("tag", "s", "c", ["t"], ns="n")
        self.call("put_writes", "s", "n", "c", "t", [[0, "c", "t", b""]])
        self.call("save_many", "s", [{"state": 1, "id": "d"}, {"state": 2, "id": "e"}])
        self.call("delete", "s", "d")
        self.call("compact", "s", keep_recent=1)
        self.call("session_delete", "s")
        expected = [("created", "ckpt", ["s", "n", "c"]), ("put", "ckpt", ["s", "n", "c"]),
                    ("restored", "ckpt", ["s", "n", "c"]), ("put", "ckpt", ["s", "n", "c"]),
                    ("created", "ckpt", ["s", "", "d"]), ("created", "ckpt", ["s", "", "e"]),
                    ("del", "ckpt", ["s", "", "d"]), ("del", "ckpt", ["s", "n", "c"]),
                    ("compacted", "session", "s"), ("del", "session", "s")]
        self.assertEqual(self.told(watch, len(expected)), expected)
        self.assertTrue(self.watcher.nothing(watch))
        self.assertEqual(self.told(everything, len(expected) + 1),
                         [("created", "ckpt", ["s2", "", "of another"])] + expected)

    def test_resume(self):
        opened = self.watcher.call("ckpt.subscribe", "s")
        version = self.call("save", "s", 1, id="a")["version"]
        self.call("save", "s", 1, id="b")
        again = self.watcher.call("ckpt.subscribe", "s", from_version=version,
                                  history=opened["history"])["watch"]
        self.assertEqual(self.told(again, 1), [("created", "ckpt", ["s", "", "b"])])

    def test_expiry(self):
        watch = self.watcher.call("ckpt.subscribe", "s")["watch"]
        self.call("save", "s", 1, id="a", ttl_ms=20)
        self.assertEqual(self.told(watch, 2), [("created", "ckpt", ["s", "", "a"]),
                                               ("expired", "session", "s")])

    def test_sessions(self):
        watch = self.watcher.open(kind="session", prefix="s")
        self.call("session_create", "s1")
        self.call("session_delete", "s1")
        self.assertEqual(self.told(watch, 2), [("put", "session", "s1"), ("del", "session", "s1")])

    def test_refused(self):
        self.fails("BAD_ARGUMENT", "watch.open", kind="blob")
        self.fails("BAD_ARGUMENT", "watch.open", kind="ckpt", values=True)


class SessionsTest(CkptTest):
    def test_create(self):
        self.assertTrue(self.call("session_create", "s", name="n", meta={"k": 1})["created"])
        self.assertFalse(self.call("session_create", "s", ttl_ms=3600000)["created"])
        got = self.call("session_get", "s")
        self.assertEqual((got["name"], got["meta"], got["ttl_ms"], got["checkpoints"]),
                         ("n", {"k": 1}, 3600000, 0))
        self.assertGreater(got["expires_at"], got["created_at"])
        self.assertIsNone(self.call("session_get", "t"))
        self.refuses("LIMIT_EXCEEDED", "session_create", "s", name="x" * 4097)
        self.refuses("BAD_ARGUMENT", "session_create", "s", meta=5)
        self.refuses("CONFLICT", "session_create", "s", delta=True)

    def test_list(self):
        for i in range(25):
            self.call("save", f"s{i:02}", i)
        self.call("put_writes", "s03", "", "x", "t", [[0, "c", "t", b""]])
        order = [f"s{i:02}" for i in range(25)]
        for limit in (100, 4):
            for newest, expected in ((False, order),
                                     (True, order[:-1:-1] + order[::-1])):
                found, cursor = [], None
                while True:
                    page = self.call("session_list", limit=limit, cursor=cursor, newest=newest)
                    found += [item["session"] for item in page["items"]]
                    cursor = page["cursor"]
                    if cursor is None:
                        break
                self.assertEqual(sorted(found), order)
                if not newest:
                    self.assertEqual(found, order)
                else:
                    self.assertEqual(set(found[:2]), {"s03", "s24"})
                    self.assertEqual(found[2:], [s for s in order[::-1] if s not in found[:2]])
        self.assertEqual(len(self.call("session_list", prefix="s1")["items"]), 10)
        self.assertEqual(len(self.call("session_list", prefix="s1", newest=True)["items"]), 10)

    def test_delete(self):
        for i in range(10):
            self.call("save", "s", i, id=f"{i}", blobs=[["a", i, "t", b"x"]])
        self.call("put_writes", "s", "", "0", "t", [[0, "c", "t", b""]])
        self.call("save", "other", 1)
        self.assertEqual(self.call("session_delete", "s"), 10)
        self.assertEqual(self.call("session_delete", "s"), 0)
        self.assertIsNone(self.call("get", "s"))
        self.assertEqual(len(self.ids()), 1)
        self.call("save", "s", "new", id="0", channel_versions=[["a", 0]])
        got = self.call("get", "s")
        self.assertEqual((got["blobs"], got["writes"]), ([], []))
        until(lambda: self.c.call("run.list", prefix=self._testMethodName)["items"][0]["records"] <
              8, "the memory is given back")

    def test_expiry(self):
        self.call("save", "s", 1, id="c", ttl_ms=60)
        self.call("save", "t", 1)
        until(lambda: self.call("get", "s") is None, "the session expires")
        self.assertEqual(len(self.ids()), 1)
        self.call("save", "s", 2, id="d")
        self.assertEqual(self.ids(session="s"), ["d"])
        self.assertIsNone(self.call("session_get", "s")["expires_at"])

    def test_metrics(self):
        self.call("save", "s", 1)
        self.call("save", "t", 1)
        self.call("save", "t", 1)
        metrics = self.call("metrics")
        self.assertEqual((metrics["sessions"], metrics["checkpoints"]), (2, 3))
        self.assertEqual(metrics["bytes"], sum(self.call("session_get", s)["bytes"] for s in "st"))
        self.assertEqual(self.call("metrics", run="other"),
                         {"sessions": 0, "checkpoints": 0, "bytes": 0})
        self.call("session_delete", "t")
        self.call("session_create", "s", ttl_ms=100)
        self.call("save", "u", 1, run="other")
        until(lambda: self.call("get", "s") is None, "the session expires")
        until(lambda: self.call("metrics") == {"sessions": 0, "checkpoints": 0, "bytes": 0},
              "nothing is left")
        self.assertEqual(self.call("metrics", run="other")["checkpoints"], 1)


class JobsTest(CkptTest):
    def setUp(self):
        super().setUp()
        for i in range(200):
            self.call("save", "s", {"i": i, "pad": "x" * 100}, ns=("", "sub")[i % 2],
                      id=f"{i:03}", tags=["keep"] if i % 50 == 0 else [],
                      metadata={"run_id": f"r{i % 4}"}, blobs=[["a", i, "t", b"%d" % i]])

    def kept(self, **rules):
        before = self.call("session_get", "s")["bytes"]
        done = self.call("compact", "s", **rules)
        left = self.ids(session="s")
        self.assertEqual(done["deleted"], 200 - len(left))
        self.assertEqual(before - self.call("session_get", "s")["bytes"], done["bytes_freed"])
        for name in left:
            ns = ("", "sub")[int(name) % 2]
            self.assertEqual(self.call("get", "s", ns=ns, id=name)["blobs"],
                             [["a", int(name), "t", b"%d" % int(name)]])
        return [int(name) for name in left[::-1]], done

    def test_recent(self):
        left, done = self.kept(keep_recent=10)
        self.assertEqual(left, list(range(190, 200)))
        self.assertEqual(done["kept"], 10)

    def test_recent_per_ns(self):
        left, _ = self.kept(keep_recent=1, per_ns=True)
        self.assertEqual(left, [198, 199])

    def test_recent_of_a_namespace_is_by_id(self):
        """What get gives as the latest is the last to go, whatever was saved after it."""
        for rules in ({"per_ns": True}, {"ns": ""}):
            for name in ("b", "c", "a"):
                self.call("save", "t", name, id=name)
            self.call("compact", "t", keep_recent=2, **rules)
            self.assertEqual(self.ids(session="t", ns=""), ["c", "b"])
            self.call("compact", "t", keep_recent=1, **rules)
            self.assertEqual(self.call("get", "t")["id"], "c")
            self.call("session_delete", "t")

    def test_one_ns(self):
        left, done = self.kept(keep_recent=0, ns="sub")
        self.assertEqual(left, list(range(0, 200, 2)))
        self.assertEqual(done["kept"], 0)

    def test_tags(self):
        self.assertEqual(self.kept(keep_tags=["keep"])[0], [0, 50, 100, 150])

    def test_union(self):
        self.assertEqual(self.kept(keep_tags=["keep", "x"], keep_recent=2)[0],
                         [0, 50, 100, 150, 198, 199])

    def test_age_and_bytes(self):
        self.assertEqual(len(self.kept(older_than_ms=3600000)[0]), 200)
        left, _ = self.kept(max_bytes=3000)
        self.assertEqual(left, list(range(200 - len(left), 200)))
        self.assertTrue(3 < len(left) < 30, left)

    def test_needed_ancestors_stay(self):
        self.call("save", "d", 0, id="0", blobs=[["delta", 1, "t", b"seed"]])
        for i in range(1, 6):
            self.call("save", "d", i, id=f"{i}", parent=f"{i - 1}",
                      channel_versions=[["delta", i + 1]])
        self.call("save", "d", 9, id="9", parent="0", blobs=[["delta", 50, "t", b"x"]])
        self.call("delete", "d", "9")
        self.call("compact", "d", keep_recent=1)
        self.assertEqual(self.ids(session="d"), ["5", "4", "3", "2", "1", "0"])

    def chain(self, session, steps, written=(), seeds=()):
        """Each names another version of a channel. Some have a write of it, some a blob."""
        for i in range(steps):
            self.call("save", session, i, id=f"{i:05}", channel_versions=[["delta", i]],
                      blobs=[["delta", i, "t", b"seed"]] if i in seeds else [],
                      **({"parent": f"{i - 1:05}"} if i else {}))
            if i in written:
                self.call("put_writes", session, "", f"{i:05}", "t", [[0, "delta", "t", b"%d" % i]])

    def left_ids(self, session, **rules):
        self.call("compact", session, **rules)
        return self.ids(session=session)

    def left(self, session, **rules):
        return [int(id) for id in self.left_ids(session, **rules)[::-1]]

    def test_writes_without_a_blob_are_needed(self):
        """A channel that was never stored whole is all of its writes."""
        self.chain("d", 9, written=[2, 3, 6])
        self.assertEqual(self.left("d", keep_recent=1), [2, 3, 4, 5, 6, 7, 8])
        self.chain("e", 9, written=[2, 3, 6], seeds=[4])
        self.assertEqual(self.left("e", keep_recent=1), [4, 5, 6, 7, 8])
        self.chain("f", 9)
        self.assertEqual(self.left("f", keep_recent=1), [8])
        self.chain("g", 9, written=[8])
        self.assertEqual(self.left("g", keep_recent=1), [8])

    def test_needed_by_branches(self):
        """What one needs another meets: whichever was first, each keeps what it needs."""
        for branch_first in (False, True):
            self.chain("d", 9, written=[2])
            for i in (20, 21):
                self.call("save", "d", i, id=f"{i:05}", parent=f"{5 if i == 20 else 20:05}",
                          channel_versions=[["delta", i]])
            if branch_first:
                self.call("save", "d", 8, id="00008", parent="00007",
                          channel_versions=[["delta", 8]])
            self.assertEqual(set(self.left("d", keep_recent=2)),
                             {2, 3, 4, 5, 20, 21} | ({6, 7, 8} if branch_first else set()))
            self.call("session_delete", "d")

    def test_long_chains_are_walked_once(self):
        """2,000 kept ones with 20,000 ancestors took half a minute when each walked all of them."""
        entries = [{"state": i, "id": f"{i:05}", "parent": f"{i - 1:05}",
                    "channel_versions": [["delta", i]]} for i in range(20000)]
        for at in range(0, len(entries), 5000):
            self.call("save_many", "long", entries[at:at + 5000])
        self.call("put_writes", "long", "", "00100", "t", [[0, "delta", "t", b""]])
        self.assertEqual(self.call("compact", "long", keep_recent=2000)["deleted"], 100)

    def test_refused(self):
        self.refuses("BAD_ARGUMENT", "compact", "s")
        self.refuses("BAD_ARGUMENT", "compact", "s", keep_tags="x")
        self.assertEqual(self.call("compact", "nobody", keep_recent=1),
                         {"deleted": 0, "kept": 0, "bytes_freed": 0})

    def test_delete_runs(self):
        self.call("save", "t", 1, metadata={"run_id": "r1"})
        self.assertEqual(self.call("delete_runs", ["r1", "r3", "none"]), 101)
        self.assertEqual({int(i) % 2 for i in self.ids()}, {0})
        self.assertEqual(self.call("delete_runs", []), 0)
        self.refuses("BAD_ARGUMENT", "delete_runs", "r1")

    def test_validate(self):
        self.assertEqual(self.call("validate"), {"valid": 200, "invalid": 0, "ids": []})
        self.assertEqual(self.call("validate", session="s")["valid"], 200)
        self.assertEqual(self.call("validate", session="t")["valid"], 0)

    def test_history(self):
        for i in range(50):
            self.call("save", "h", i, id=f"{i:02}", parent=f"{i - 1:02}",
                      blobs=[["a", i, "t", b""], ["b", i, "t", b""]])
            self.call("put_writes", "h", "", f"{i:02}", "t",
                      [[0, "a", "t", b""], [1, "b", "t", b""]])
        found, cursor = [], None
        while True:
            page = self.call("history", "h", "", "40", ["b"], limit=7, cursor=cursor)
            found += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                break
        self.assertEqual([c["id"] for c in found], [f"{i:02}" for i in range(40, -1, -1)])
        self.assertEqual(found[0]["blobs"], [["b", 40, "t", b""]])
        self.assertEqual(found[0]["writes"], [["t", 1, "b", "t", b""]])
        self.assertEqual(len(self.call("history", "h")["items"]), 50)
        self.assertEqual(self.call("history", "nobody"), {"items": [], "cursor": None})

    def test_circles_end(self):
        self.call("save", "c", 1, id="a", parent="b")
        self.call("save", "c", 1, id="b", parent="a")
        self.call("save", "c", 1, id="self", parent="self")
        items, cursor = [], None
        while True:
            page = self.call("history", "c", "", "a", limit=1, cursor=cursor)
            items += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                break
        self.assertLessEqual(len(items), 3)
        self.assertEqual(self.call("fork", "c", "self", "copy")["checkpoints"], 1)
        for id in ("a", "b"):
            self.call("save", "c", 1, id=id, parent="ab".strip(id), channel_versions=[["d", id]])
        self.call("put_writes", "c", "", "a", "t", [[0, "d", "t", b""]])
        self.assertEqual(self.left_ids("c", keep_recent=1), ["b", "a"])

    def test_copy(self):
        self.call("put_writes", "s", "sub", "199", "t", [[0, "a", "t", b"w"]])
        self.call("annotate", "s", "000", "note")
        self.assertEqual(self.call("copy", "s", "copy")["checkpoints"], 200)
        self.assertEqual(self.ids(session="copy"), self.ids(session="s"))
        for ns, name in (("", "000"), ("", "198"), ("sub", "001"), ("sub", "199")):
            left = self.call("get", "s", ns=ns, id=name)
            right = self.call("get", "copy", ns=ns, id=name)
            for field in ("session", "seq", "version"):
                left.pop(field), right.pop(field)
            self.assertEqual(left, right)
        self.assertEqual(len(self.call("notes", "copy")["items"]), 1)
        self.refuses("CONFLICT", "copy", "s", "copy")
        self.refuses("NOT_FOUND", "copy", "nobody", "other")
        self.refuses("BAD_ARGUMENT", "copy", "s", "s")

    def test_fork(self):
        for i in range(20):
            self.call("save", "h", {"i": i}, id=f"{i:02}", parent=f"{i - 1:02}" if i else None,
                      tags=["t"], metadata={"i": i}, blobs=[["a", i // 2, "t", b"%d" % i]])
            self.call("put_writes", "h", "", f"{i:02}", "t", [[0, "a", "t", b"%d" % i]])
            self.call("annotate", "h", f"{i:02}", "note")
        done = self.call("fork", "h", "09", "copy")
        self.assertEqual(done["checkpoints"], 10)
        self.assertEqual(self.ids(session="copy"), [f"{i:02}" for i in range(9, -1, -1)])
        for i in range(10):
            left = self.call("get", "h", id=f"{i:02}")
            right = self.call("get", "copy", id=f"{i:02}")
            for field in ("session", "seq", "version"):
                left.pop(field), right.pop(field)
            self.assertEqual(left, right)
        self.assertEqual(len(self.call("notes", "copy")["items"]), 10)
        self.refuses("CONFLICT", "fork", "h", "09", "copy")
        self.refuses("NOT_FOUND", "fork", "h", "99", "other")
        self.refuses("NOT_FOUND", "fork", "nobody", "09", "other")
        self.refuses("BAD_ARGUMENT", "fork", "h", "09", "h")
        self.assertIsNone(self.call("session_get", "other"))
        self.call("session_delete", "h")
        self.assertEqual(self.call("get", "copy")["state"], {"i": 9})


del CkptTest
if __name__ == "__main__":
    unittest.main()
