#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""ckpt.export and ckpt.import over MessagePack-RPC: round trips, modes, what is refused, and
exports while others save."""

import threading
import unittest

import msgpack

from lib import Raw, TestCase, encode

EVERY_BYTE = bytes(range(256))[:255]
IDS = [b"\0", b"*", b"a\0b", b"\xff" * 255, EVERY_BYTE, "é", "\x7f", b" ", b"\0\xff"]
NEW = ("seq", "version")  # what an import does not keep


class ExportTest(TestCase):
    """Each test works in a run of its own, named like it; imports go to another."""

    def setUp(self):
        super().setUp()
        self.c.call("hello", errors="map", run=self._testMethodName)
        self.addCleanup(lambda: self.c.call("run.drop", self.into))
        self.into = self._testMethodName + " copy"

    def call(self, method, *params, **options):
        return self.c.call(f"ckpt.{method}", *params, **options)

    def refuses(self, code, *params, **options):
        """It is refused; the text and the index of the item."""
        error = self.fails(code, "ckpt.import", *params, **options)
        data = error.error["data"]
        return error.text, data and data.get("index")

    def export(self, **options):
        """All items, over all pages."""
        items, cursor = [], None
        while True:
            page = self.call("export", cursor=cursor, **options)
            items += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return items

    def put_in(self, items, **options):
        return self.call("import", items, run=self.into, **options)

    @staticmethod
    def kept(items):
        """What must come back: everything but numbers."""
        return [{k: v for k, v in item.items() if k not in NEW} for item in items]

    def fill(self, **options):
        """Sessions with all there is to a checkpoint."""
        self.call("session_create", "s", name="A session", meta={"a": [1, b"\0"]}, ttl_ms=10 ** 9,
                  min_interval_ms=5, **options)
        for i in range(5):
            self.call("save", "s", {"step": i, "text": "x" * 3000, "n": [i, None, 1.5, b"\0"]},
                      ns="n" if i % 2 else b"\0n", id=f"c{i}", parent=f"c{i - 1}" if i else None,
                      message=b"\xff" if i == 3 else f"step {i}", tags=["t", b"\0"][:i],
                      trigger="manual", metadata={"i": i}, checkpoint=["json", b"{}"],
                      blobs=[["ch", i, "json", b"%d" % i], ["big", "v1", "", b"z" * 5000]],
                      channel_versions=[["ch", i], ["big", "v1"], ["missing", 1]])
        self.call("put_writes", "s", "n", "c1", b"\0task",
                  [[-1, "ch", "t", b"w"], [2, "", "", b""]])
        self.call("annotate", "s", "c1", "look", severity="critical", ns="n")
        self.call("restore", "s", "c1", ns="n")
        self.call("save", b"\xff", None, id=EVERY_BYTE)

    def test_round_trip(self):
        for delta in (False, True):
            with self.subTest(delta=delta):
                self.into = f"{self._testMethodName} {delta}"
                self.call("session_delete", "s")
                self.fill(delta=delta)
                items = self.export()
                self.assertEqual(self.put_in(items),
                                 {"imported": 6, "skipped": 0, "overwritten": 0})
                copy = self.export(run=self.into)
                self.assertEqual(self.kept(copy), self.kept(items))
                self.assertEqual(self.call("validate", run=self.into)["valid"], 6)
                self.assertEqual([item["delta"] for item in copy if "delta" in item],
                                 [delta, False])
                seqs = [item["seq"] for item in copy if "id" in item]
                self.assertEqual(seqs, sorted(seqs))
                self.assertEqual(
                    [n["type"] for n in self.call("notes", "s", run=self.into)["items"]],
                    ["annotation", "restored"])
                self.assertGreater(self.call("session_get", "s", run=self.into)["expires_at"], 0)

    def test_order_and_shape(self):
        self.call("save", "b", 1, id="z")
        self.call("save", "a", 2, id="y")
        self.call("save", "b", 3, id="a")
        self.call("session_create", "c")
        items = self.export()
        self.assertEqual([(item["session"], item.get("id")) for item in items],
                         [("a", None), ("a", "y"), ("b", None), ("b", "z"), ("b", "a"),
                          ("c", None)])
        self.assertEqual(set(items[0]), {"session", "name", "meta", "created_at", "ttl_ms",
                                         "min_interval_ms", "delta"})
        self.assertEqual(items[3], {**self.call("get", "b", id="z"), "notes": []})
        self.assertEqual(self.export(session="b"), items[2:5])
        self.assertEqual(self.export(session="nope"), [])
        self.assertEqual(self.export(run="no such run"), [])

    def test_pages(self):
        for i in range(200):
            self.call("save", f"s{i % 70:02}", "x" * (i * 7), id=f"c{i}")
        whole = self.export(limit=10000)
        self.assertEqual(len(whole), 270)
        for limit in (1, 2, 7, 100):
            self.assertEqual(self.export(limit=limit), whole)
        self.assertEqual(self.export(limit=1, session="s03"),
                         [item for item in whole if item["session"] == "s03"])

    def test_every_id(self):
        for i, name in enumerate(IDS):
            self.call("save", name, i, ns=name, id=name, parent=name)
            self.call("put_writes", name, name, name, name, [[i, name[:3], "t", b"\0"]])
        items = self.export(limit=2)
        self.put_in(items)
        self.assertEqual(self.kept(self.export(run=self.into, limit=3)), self.kept(items))

    def test_bytes_stay_bytes(self):
        """str and bin, long forms, a key twice: what a reply has can be sent as it is."""
        raw = Raw(self.server.address)
        self.addCleanup(raw.socket.close)

        def ask(method, params):
            """Params and the result as bytes; for results without ids that change."""
            raw.send(b"\x94\0\1" + encode(method) + params)
            reply = b""
            while True:
                reply += raw.read_bytes()
                try:
                    if msgpack.unpackb(reply, raw=True, strict_map_key=False)[2] is None:
                        return reply[4:]
                    self.fail(reply)
                except ValueError:
                    continue

        for state in (b"\x82\xa1a\x01\xa1a\xcf\0\0\0\0\0\0\0\1", b"\xca?\x80\0\0", b"\xc4\1a",
                      b"\xa1\xff", b"\xd4\5\6", b"\xdd\0\0\0\0", b"\xc7\0\1"):
            with self.subTest(state=state):
                into = encode({"run": self.into, "session": "s", "id": "c"})[1:]
                ask("ckpt.save", b"\x84\xa5state" + state + into)
                page = ask("ckpt.export", encode({"run": self.into}))
                self.assertTrue(page.startswith(b"\x82\xa5items\xdd\0\0\0\2"), page)
                items = page[len(b"\x82\xa5items"):-len(b"\xa6cursor\xc0")]
                ask("ckpt.import", b"\x82\xa5items" + items + encode({"run": "bytes"})[1:])
                got = ask("ckpt.export", encode({"run": "bytes"}))
                self.assertIn(b"\xa5state" + state + b"\xa5blobs", got)
                self.c.call("run.drop", "bytes")
                self.c.call("run.drop", self.into)

    def test_modes(self):
        self.call("session_create", "s", name="new", meta={"m": 1})
        for i in range(4):
            self.call("save", "s", i, id=f"c{i}", blobs=[["a", 1, "t", b"new"]])
        self.call("annotate", "s", "c1", "new")
        items = self.export()

        def old():
            self.call("session_delete", "s", run=self.into)
            self.call("session_create", "s", name="old", ttl_ms=10 ** 9, run=self.into)
            for i in (1, 2, 9):
                self.call("save", "s", "old", id=f"c{i}", blobs=[["a", 1, "t", b"old"]],
                          run=self.into)
            self.call("put_writes", "s", "", "c1", "task", [[0, "a", "t", b"old"]], run=self.into)
            self.call("annotate", "s", "c2", "old", run=self.into)

        def get(name):
            return self.call("get", "s", id=name, run=self.into)

        def notes(name):
            return [n["note"] for n in self.call("notes", "s", id=name, run=self.into)["items"]]

        def session():
            got = self.call("session_get", "s", run=self.into)
            return got["name"], got["meta"], got["ttl_ms"], got["checkpoints"]

        for mode in (None, "skip"):
            old()
            self.assertEqual(self.put_in(items, mode=mode),
                             {"imported": 2, "skipped": 2, "overwritten": 0})
            self.assertEqual([get(f"c{i}")["state"] for i in (0, 1, 2, 3, 9)],
                             [0, "old", "old", 3, "old"])
            self.assertEqual(session(), ("old", None, 10 ** 9, 5))
            self.assertEqual(notes("c1") + notes("c2"), ["old"])
        old()
        self.assertEqual(self.put_in(items, mode="overwrite"),
                         {"imported": 2, "skipped": 0, "overwritten": 2})
        self.assertEqual([get(f"c{i}")["state"] for i in (0, 1, 2, 3, 9)], [0, 1, 2, 3, "old"])
        self.assertEqual(get("c1")["writes"], [])
        self.assertEqual((notes("c1"), notes("c2")), (["new"], []))
        self.assertEqual(session(), ("new", {"m": 1}, 0, 5))
        self.assertEqual(self.call("validate", run=self.into)["invalid"], 0)
        old()
        before = self.export(run=self.into)
        self.assertEqual(self.refuses("CONFLICT", items, mode="fail", run=self.into)[1], 0)
        self.assertEqual(self.refuses("CONFLICT", [i for i in items if "id" in i], mode="fail",
                                      run=self.into)[1], 1)
        self.assertEqual(self.export(run=self.into), before)
        self.call("session_delete", "s", run=self.into)
        self.assertEqual(self.put_in(items, mode="fail")["imported"], 4)
        self.assertIn("skip, overwrite or fail",
                      self.refuses("BAD_ARGUMENT", items, mode="?")[0])

    def test_overwrite_shares_what_is_left(self):
        """Pieces and blobs that the overwritten one shared with others are still theirs."""
        self.call("session_create", "s", delta=True)
        state = {f"k{i}": f"{i}" * 100 for i in range(200)}
        for i in range(10):
            state = {**state, "k5": f"now {i}"}
            self.call("save", "s", state, id=f"c{i}", blobs=[["b", i // 5, "t", b"b" * 3000]])
        items = self.export()
        for _ in range(3):
            self.assertEqual(self.call("import", items, mode="overwrite")["overwritten"], 10)
            self.assertEqual(self.call("validate")["valid"], 10)
        self.assertEqual(self.kept(self.export()), self.kept(items))
        self.assertEqual(self.call("import", items + items, mode="overwrite")["overwritten"], 20)
        self.assertEqual(self.call("validate")["valid"], 10)
        self.assertEqual(self.kept(self.export()), self.kept(items))

    def test_all_or_nothing(self):
        good = {"session": "s", "id": "c", "state": 1}
        bad = [({"session": "s", "id": "d"}, "'state' is missing"),
               ({"id": "d", "state": 1}, "needs 'session'"),
               ({**good, "run": "other"}, "needs 'session'"),
               ({**good, "foreign": 1}, "unknown option 'foreign'"),
               ({**good, "id": ""}, "'id' must be"),
               ({**good, "session": b"x" * 256}, "name_bytes"),
               ({**good, "ns": b"x" * 256}, "'ns' has more than 255"),
               ({**good, "created_at": -1}, "'created_at' must be"),
               ({**good, "tags": [1]}, "'tags', element 0"),
               ({**good, "tags": ["x"] * 65}, "more than 64"),
               ({**good, "blobs": [["c", 1, "t"]]}, "'blobs', element 0"),
               ({**good, "channel_versions": [["c", None]]}, "'channel_versions', element 0"),
               ({**good, "writes": [["t", 0, "c", "t"]]}, "'writes', element 0"),
               ({**good, "writes": [["", 0, "c", "t", b""]]}, "'writes', element 0, position 0"),
               ({**good, "writes": [["t", 2 ** 31, "c", "t", b""]]}, "element 0, position 1"),
               ({**good, "notes": [[0, "annotation", "info"]]}, "'notes', element 0"),
               ({**good, "notes": [[-1, "annotation", None, None]]}, "element 0, position 0"),
               ({**good, "metadata": 5}, "'metadata' must be"),
               ({"session": "s", "name": "x" * 4097}, "more than 4096"),
               ({"session": "s", "meta": {"x": "x" * 4097}}, "more than 4096")]
        for item, why in bad:
            with self.subTest(why=why):
                text, index = self.refuses(
                    "LIMIT_EXCEEDED" if "more than" in why or "name_bytes" in why
                    else "BAD_ARGUMENT", [good, {**good, "session": "t"}, item])
                self.assertIn(why, text)
                self.assertEqual(index, 2)
        for items in (1, [1], [[]], [None], {}):
            self.refuses("BAD_ARGUMENT", items)
        self.assertEqual(self.export(), [])
        self.assertEqual(self.call("import", []), {"imported": 0, "skipped": 0, "overwritten": 0})

    def test_small_items(self):
        """What is left out is as ckpt.save would have it."""
        self.call("import", [{"session": "s", "id": "c", "state": None}])
        got = self.call("get", "s")
        self.assertEqual((got["ns"], got["parent"], got["tags"], got["metadata"]),
                         ("", None, [], {}))
        self.assertGreater(got["created_at"], 0)

    def test_sessions_take_turns(self):
        items = [{"session": "ab"[i % 2], "id": f"c{i}", "state": i} for i in range(10)]
        self.assertEqual(self.call("import", items)["imported"], 10)
        self.assertEqual([self.call("session_get", s)["checkpoints"] for s in "ab"], [5, 5])
        self.assertEqual(self.call("validate")["valid"], 10)

    def test_deep_and_large(self):
        """Whatever could be saved can be exported and imported."""
        deep = None
        for _ in range(24):
            deep = [deep]
        self.call("save", "s", deep, id="deep")
        self.call("save", "s", b"x" * (16 * 1024 * 1024 - 5), id="large")
        items = self.export()
        self.assertEqual(self.put_in(items)["imported"], 2)
        self.assertEqual(self.kept(self.export(run=self.into)), self.kept(items))

    def test_cursors(self):
        for session in ("a", "b"):
            self.call("save", session, 1)
        cursor = self.call("export", session="a", limit=1)["cursor"]
        for wrong in (b"", b"x" * 8, b"x" * 264):
            self.fails("BAD_ARGUMENT", "ckpt.export", cursor=wrong)
        self.fails("BAD_ARGUMENT", "ckpt.export", session="b", cursor=cursor)
        self.assertEqual(len(self.call("export", session="a", cursor=cursor)["items"]), 1)
        self.fails("BAD_ARGUMENT", "ckpt.export", limit=0)

    def test_made_again_between_pages(self):
        for i in range(3):
            self.call("save", "s", i, id=f"c{i}")
        page = self.call("export", limit=2)
        self.call("session_delete", "s")
        self.call("save", "s", "new", id="new")
        items = self.call("export", cursor=page["cursor"])["items"]
        self.assertEqual([item.get("id") for item in items], [None, "new"])

    def test_while_saving(self):
        """What exists throughout is there once; and it ends although others go on."""
        for i in range(300):
            self.call("save", "s", i, id=f"c{i:03}")
        stop, client = threading.Event(), self.server.connect()

        def save():
            i = 0
            while not stop.is_set():
                client.call("ckpt.save", "s", i, id=f"new{i}", run=self.run_name())
                client.call("ckpt.tag", "s", f"c{i % 300:03}", ["t"], run=self.run_name())
                i += 1

        thread = threading.Thread(target=save)
        thread.start()
        try:
            ids = [item["id"] for item in self.export(limit=10) if "id" in item]
        finally:
            stop.set()
            thread.join()
            client.close()
        self.assertEqual([i for i in ids if i.startswith("c")], [f"c{i:03}" for i in range(300)])
        self.assertEqual(len(ids), len(set(ids)))

    def run_name(self):
        return self._testMethodName


if __name__ == "__main__":
    unittest.main()
