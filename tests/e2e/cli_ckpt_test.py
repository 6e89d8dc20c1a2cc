#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cairn ckpt: export and import of files, and checkpoints by hand."""

import hashlib
import json
import os
import random
import re
import select
import socket
import subprocess
import tempfile
import threading
import unittest

import msgpack

from lib.client import encode
from lib.server import TestCase, environment

CAIRN = os.environ.get("CAIRN")
DONE, ANSWERED_ERROR, USAGE, UNREACHABLE, ABSENT = range(5)
EVERY_BYTE = bytes(range(256))[:255]
IDS = [b"\0", b"*", b"a\0b", b"\xff" * 255, EVERY_BYTE, "é", "\x7f", b"plain", "\1"]
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden",
                      "checkpoints-1")
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))


class Before:
    """A port that leads to a server, and does something before a request of this name goes on."""

    def __init__(self, address, name, do):
        self.address, self.name, self.do = address, name, do
        self.listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.thread.join()
        self.listener.close()

    def run(self):
        client, _ = self.listener.accept()
        with client, socket.create_connection(self.address) as server:
            while True:
                for readable in select.select([client, server], [], [])[0]:
                    data = readable.recv(65536)
                    if not data:
                        return
                    if readable is client and self.do and self.name in data:
                        self.do()
                        self.do = None
                    (server if readable is client else client).sendall(data)


class CliCkptTest(TestCase):
    """Each test works in a run of its own, named like it; imports go to another."""

    @classmethod
    def setUpClass(cls):
        print("SEED", SEED)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.into = self._testMethodName + "-copy"
        self.addCleanup(lambda: self.c.call("run.drop", self.into))

    def call(self, method, *params, **options):
        return self.c.call(f"ckpt.{method}", *params, **options)

    def cairn(self, *args, code=DONE, data=b"", run=None, env=None):
        """Run cairn; (stdout, stderr) if its exit code is as expected."""
        done = subprocess.run([CAIRN, "-p", str(self.server.address[1]), "--run",
                               run or self._testMethodName, *args], input=data,
                              capture_output=True, timeout=60, check=False,
                              env={**environment(), **(env or {})})
        error = done.stderr.decode("utf-8", "replace")
        self.assertEqual(done.returncode, code, f"{done.stdout[:500]!r} {error}")
        return done.stdout, error

    def export(self, *args, **how):
        out, error = self.cairn("ckpt", "export", *args, **how)
        self.assertEqual(error, "")
        return out

    def refuses(self, data, why, *args, code=USAGE):
        """Nothing of it is imported, and the reason is told."""
        out, error = self.cairn("ckpt", "import", *args, code=code, data=data, run=self.into)
        self.assertEqual(out, b"")
        self.assertIn("nothing was imported", error)
        self.assertRegex(error, why)
        self.assertEqual(self.call("metrics", run=self.into)["sessions"], 0)

    def content(self, run):
        """All that is stored in a run, but for what an import gives anew."""
        items, cursor = [], None
        while True:
            page = self.call("export", cursor=cursor, run=run)
            items += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return [{k: v for k, v in item.items() if k not in ("seq", "version")}
                        for item in items]

    def fill(self):
        self.call("session_create", "s", name=b"\xff", meta={"m": b"\0"}, delta=True,
                  ttl_ms=10 ** 9)
        states = [{"k": b"bin"}, {"k": "str"}, b"text", "\0\x7f\x9f\"\\", {1: {b"a": 2, "": None}},
                  {"$bin": "x"}, {"$map": 1}, {"$str": []}, {"a\0b": 1}, 2 ** 64 - 1, -2 ** 63, 1.5,
                  float("inf"), {"u": [2 ** 63, 2 ** 63 - 1]}, msgpack.ExtType(3, b"e"), [[]], {},
                  ["x" * 5000] * 3, True, None, 1e300, 5e-324, {"b": b"\xff", "n": float("-inf")}]
        for i, state in enumerate(states):
            self.call("save", "s", state, id=f"c{i:02}", parent=f"c{i - 1:02}", message=f"m {i}",
                      tags=["t", b"\0"], metadata={"i": i}, checkpoint=["t", b"\1"],
                      blobs=[["a", i // 3, "t", b"\0\xff" * i], [b"\xff", "v", "", b""]])
        self.call("put_writes", "s", "", "c01", b"\xfe", [[-1, "c", "t", b"w"]])
        self.call("annotate", "s", "c01", b"\xff note", severity="warning")
        for i, name in enumerate(IDS):
            self.call("save", name, i, ns=name, id=name, parent=name)
        return self.content(self._testMethodName)


class FileTest(CliCkptTest):
    def test_round_trip(self):
        content = self.fill()
        for form in ([], ["--json"]):
            with self.subTest(form=form):
                data = self.export(*form)
                out, error = self.cairn("ckpt", "import", data=data, run=self.into)
                self.assertEqual(json.loads(out), {"imported": 23 + len(IDS), "skipped": 0,
                                                   "overwritten": 0})
                self.assertEqual(error, "")
                self.assertEqual(self.content(self.into), content)
                self.c.call("run.drop", self.into)

    def test_forms(self):
        self.fill()
        packed = self.export()
        self.assertEqual(self.export(), packed)
        lines = self.export("--json").splitlines(keepends=True)
        values = list(self.unpack(packed))
        self.assertEqual(values[0], {"format": "cairn-checkpoints", "version": 2})
        self.assertEqual(json.loads(lines[0]), values[0])
        self.assertEqual(len(values), len(lines))
        self.assertEqual(values[-1]["count"], len(lines) - 2)
        end = packed.rindex(b"\x82\xa6sha256")
        self.assertEqual(values[-1]["sha256"], hashlib.sha256(packed[:end]).hexdigest())
        self.assertEqual(json.loads(lines[-1])["sha256"],
                         hashlib.sha256(b"".join(lines[:-1])).hexdigest())
        self.assertTrue(all(json.loads(line) for line in lines))

    def unpack(self, data):
        unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=0)
        unpacker.feed(data)
        return unpacker

    def test_one_session(self):
        self.call("save", "a", 1)
        self.call("save", "b", 2)
        values = list(self.unpack(self.export("b")))
        self.assertEqual([v.get("session") for v in values], [None, "b", "b", None])
        nothing, error = self.cairn("ckpt", "export", "nope", code=ABSENT)
        self.assertEqual((len(list(self.unpack(nothing))), error),
                         (2, "cairn: there is no such session\n"))
        out, _ = self.cairn("ckpt", "import", data=nothing, run=self.into)
        self.assertEqual(json.loads(out)["imported"], 0)

    def test_many(self):
        """More than a page, and more than one call of an import."""
        self.call("save_many", "s", [{"id": f"c{i:05}", "state": "x" * 100} for i in range(5000)])
        content = self.content(self._testMethodName)
        for form in ([], ["--json"]):
            self.cairn("ckpt", "import", "--mode", "overwrite", data=self.export(*form),
                       run=self.into)
            self.assertEqual(self.content(self.into), content)

    def test_large_item(self):
        self.call("save", "s", b"x" * (16 * 1024 * 1024 - 5))
        data = self.export()
        self.cairn("ckpt", "import", data=data, run=self.into)
        self.assertEqual(self.content(self.into), self.content(self._testMethodName))
        self.c.call("run.drop", self.into)
        self.c.call("server.config_set", "limits.frame_bytes", 2 ** 20)
        try:
            self.refuses(data, r"item 2 has 167\d+ bytes, .* limits.frame_bytes")
        finally:
            self.c.call("server.config_set", "limits.frame_bytes", 17825792)

    def test_modes(self):
        for i in range(3):
            self.call("save", "s", i, id=f"c{i}")
        data = self.export()
        for run in (self.into, self.into):
            out, _ = self.cairn("ckpt", "import", data=data, run=run)
        self.assertEqual(json.loads(out), {"imported": 0, "skipped": 3, "overwritten": 0})
        out, _ = self.cairn("ckpt", "import", "--mode=overwrite", data=data, run=self.into)
        self.assertEqual(json.loads(out), {"imported": 0, "skipped": 0, "overwritten": 3})
        for args in (("--mode", "fail"), ("--mode", "fail", "--run", self.into)):
            out, error = self.cairn("ckpt", "import", *args, data=data, code=ANSWERED_ERROR,
                                    run=self.into if len(args) == 2 else "elsewhere")
            self.assertIn("there is a session of item 1", error)
        out, error = self.cairn("ckpt", "import", "--mode", "?", data=data, code=ANSWERED_ERROR,
                                run=self.into)
        self.assertIn("BAD_ARGUMENT", error)
        self.c.call("run.drop", self.into)
        out, _ = self.cairn("ckpt", "import", "--mode", "fail", data=data, run=self.into)
        self.assertEqual(json.loads(out)["imported"], 3)

    def test_inputs(self):
        self.call("save", "s", 1, id="c")
        data = self.export()
        path = os.path.join(self.server.folder, "export")
        with open(path, "wb") as file:
            file.write(data)
        for args in (["@" + path], ["-"], []):
            self.cairn("ckpt", "import", *args, data=data if args != ["@" + path] else b"",
                       run=self.into)
            self.assertEqual(self.c.call("run.drop", self.into), 2)
        # The operation itself: items as typed.
        self.cairn("ckpt", "import", '[{"session": "s", "id": "c", "state": 1}]', run=self.into)
        self.c.call("run.drop", self.into)
        self.refuses(b"", "cannot open", "@/no/such/file")
        # Where commands come from standard input, an import cannot.
        _, error = self.cairn(data=b"ckpt import\n", code=USAGE)
        self.assertIn("commands come from standard input", error)
        self.cairn(data=f"ckpt import @{path}\n".encode(), run=self.into)
        self.assertEqual(self.call("get", "s", run=self.into)["state"], 1)

    def test_foreign(self):
        for data, why in [(b"", "it is empty"), (b"{}\n", "byte 0: it is no export"),
                          (b"\0", "byte 0: it is no export"),
                          (encode({"a": 1}), "byte 0: it is no"),
                          (b"session,id\ns,c\n", "byte 0"), (os.urandom(1000), "byte 0"),
                          (b'{"format": "cairn-checkpoints", "version": 3}\n', "a version that"),
                          (b'{"format": "cairn-checkpoints", "version": 20}\n', "a version that"),
                          (encode({"format": "cairn-checkpoints", "version": 3}), "a version that"),
                          (b'{"format": "other", "version": 1}\n', "byte 0")]:
            with self.subTest(data=data[:40]):
                self.refuses(data, why)

    def made(self, values, form=encode, count=None, version=2):
        """A file that cairn did not write, with a checksum that is right."""
        head = {"format": "cairn-checkpoints", "version": version}
        data = b"".join(form(v) for v in [head, *values])
        return data + form({"sha256": hashlib.sha256(data).hexdigest(),
                            "count": len(values) if count is None else count})

    def test_made_by_others(self):
        good = {"session": "s", "id": "c", "state": 1}
        lines = lambda v: json.dumps(v).encode() + b"\n"
        for form in (encode, lines):
            self.cairn("ckpt", "import", data=self.made([good], form), run=self.into)
            self.assertEqual(self.c.call("run.drop", self.into), 2)
            for item in (1, None, [], {}, {"id": "c"}, {"session": ""}, {"session": 5}):
                with self.subTest(item=item):
                    self.refuses(self.made([good, item, good], form),
                                 "(item 2|line 3).*: neither a session nor a checkpoint")
            self.refuses(self.made([good], form, 2), "1 items, and should have 2")
            self.refuses(self.made([good], form) + b"x", "stands behind its end")
            self.refuses(self.made([good], form) + self.made([good], form), "behind its end")
        # What only the server knows to be wrong is refused by it, all of the part.
        data = self.made([good, {"session": "s", "id": "d"}])
        _, error = self.cairn("ckpt", "import", data=data, run=self.into, code=ANSWERED_ERROR)
        self.assertIn("'state' is missing", error)
        self.assertEqual(self.call("metrics", run=self.into)["sessions"], 0)

    def shared(self, n, size=5000):
        """Checkpoints that share blobs, some of which come and go."""
        big = [bytes([i]) * size for i in range(3)]
        for i in range(n):
            self.call("save", f"s{i % 2}", {"i": i}, id=f"c{i:03}", ns=f"n{i % 3}",
                      blobs=[["big", 1, "t", big[0]], ["now", i // 4, "t", big[1 + i // 4 % 2]],
                             ["text", "v", "", "\u00e9" * 50], ["small", i, "t", b"%d" % i]],
                      channel_versions=[["big", 1], ["now", i // 4], ["text", "v"], ["small", i],
                                        ["missing", 1]])
        return self.content(self._testMethodName)

    @staticmethod
    def resolved(items):
        """Items as docs/formats.md has them, without references."""
        for item in items:
            for row in item.get("blobs", []):
                if isinstance(row[3], list):
                    there, number = row[3]
                    row[3] = items[there - 1]["blobs"][number][3]
        return items

    def test_a_blob_is_there_once(self):
        content = self.shared(40)
        data = self.export("--limit", "7")
        self.assertEqual(data, self.export())
        self.assertEqual([data.count(bytes([i]) * 5000) for i in range(3)], [1, 1, 1])
        items = self.resolved(list(self.unpack(data))[1:-1])
        self.assertEqual([{k: v for k, v in item.items() if k not in ("seq", "version")}
                          for item in items], content)
        self.assertLess(len(self.export("--json")), 60000)
        for form in ([], ["--json"]):
            for mode in ("fail", "overwrite", "skip"):
                self.cairn("ckpt", "import", "--mode", mode, data=self.export(*form), run=self.into)
                self.assertEqual(self.content(self.into), content)
            self.c.call("run.drop", self.into)

    def test_blobs_of_checkpoints_that_are_there(self):
        """The one that has the bytes is skipped, or overwritten later: others have them still."""
        content = self.shared(12)
        data = self.export()
        for mode, first in (("skip", "other"), ("overwrite", {"i": 0})):
            self.call("save", "s0", "other", ns="n0", id="c000", run=self.into)
            self.cairn("ckpt", "import", "--mode", mode, data=data, run=self.into)
            got = {item["id"]: item for item in self.content(self.into) if "id" in item}
            self.assertEqual(got.pop("c000")["state"], first)
            self.assertEqual(got, {item["id"]: item for item in content
                                   if "id" in item and item["id"] != "c000"})
            self.c.call("run.drop", self.into)

    def test_references(self):
        blob = ["b", 1, "t", b"bytes"]
        good = {"session": "s", "id": "a", "state": 1, "blobs": [blob, ["c", 1, "t", "text"]],
                "channel_versions": [["b", 1], ["c", 1]]}
        lines = lambda v: json.dumps(v, default=lambda b: {"$bin": "Ynl0ZXM="}).encode() + b"\n"

        def with_bytes(*values):
            return {**good, "id": "z", "blobs": [["b", 1, "t", value] for value in values]}

        for form in (encode, lines):
            data = self.made([good, {**good, "id": "d", "blobs": [
                ["b", 2, "t", [1, 0]], ["c", 2, "t", [1, 1]]],
                "channel_versions": [["b", 2], ["c", 2]]}], form)
            self.cairn("ckpt", "import", data=data, run=self.into)
            self.assertEqual(self.call("get", "s", id="d", run=self.into)["blobs"],
                             [["b", 2, "t", b"bytes"], ["c", 2, "t", "text"]])
            self.c.call("run.drop", self.into)
            for bad in ([1, 2], [2, 0], [3, 0], [0, 0], [9, 0], [1, 2 ** 62], [2 ** 62, 0]):
                with self.subTest(bad=bad):
                    self.refuses(self.made([good, with_bytes(bad), good], form),
                                 "(item 2|line 3).*: a blob is said to stand where none does")
            self.refuses(self.made([good, with_bytes([1, 0]), with_bytes([2, 0])], form),
                         "(item 3|line 4).*: a blob is said to stand where none does")
            self.refuses(self.made([{"session": "s"}, with_bytes([1, 0])], form), "where none does")
            for bad in (None, 5, [], [1], [1, 0, 0], {}, [-1, 0], ["1", 0], True):
                with self.subTest(bad=bad):
                    self.refuses(self.made([good, with_bytes(b"", bad)], form),
                                 "(item 2|line 3).*: a blob has no bytes")
            self.refuses(self.made([good, with_bytes([1, 0])], form, version=1), "has no bytes")

    def test_version_1(self):
        """Files of the first version are read for ever."""
        for name in ("packed", "lines"):
            with self.subTest(name=name):
                self.cairn("ckpt", "import", "@" + os.path.join(GOLDEN, name), run=self.into)
                session, *items, empty = self.content(self.into)
                self.assertEqual(session["name"], "A thread")
                self.assertEqual((empty["session"], empty["delta"]), (b"\xff", True))
                big = ["messages", "v1", "bytes", b"\xff" + b"shared " * 20]
                for i, item in enumerate(items):
                    self.assertEqual(item["id"], f"step-{i}")
                    self.assertEqual(item["state"], {"step": i, "n": [None, 1.5, 2 ** 64 - 1]})
                    self.assertEqual(item["blobs"], [big, ["step", i, "", b"%d" % i]])
                    self.assertEqual(item["created_at"], 1790000000000 + i)
                self.assertEqual(items[1]["writes"], [["task", -1, "messages", "json", b"w"]])
                self.assertEqual(items[1]["notes"], [[1790000000005, "annotation", "info", "look"]])
                self.c.call("run.drop", self.into)

    def test_pipes_are_copied(self):
        """To $TMPDIR, where nothing is left; a file needs no copy, also as standard input."""
        content = self.shared(6)
        data = self.export()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "export")
            with open(path, "wb") as file:
                file.write(b"# before\n" + data)
            self.cairn("ckpt", "import", data=data, run=self.into, env={"TMPDIR": folder})
            self.assertEqual(os.listdir(folder), ["export"])
            nowhere = {"TMPDIR": os.path.join(folder, "nowhere")}
            _, error = self.cairn("ckpt", "import", data=data, code=USAGE, env=nowhere)
            self.assertRegex(error, "nothing was imported: cannot make a temporary file in .*no")
            self.c.call("run.drop", self.into)
            with open(path, "rb", buffering=0) as file:
                file.seek(len(b"# before\n"))
                done = subprocess.run([CAIRN, "-p", str(self.server.address[1]), "--run", self.into,
                                       "ckpt", "import"], stdin=file, capture_output=True,
                                      timeout=60, check=False, env={**environment(), **nowhere})
            self.assertEqual(done.returncode, DONE, done.stderr)
            self.assertEqual(self.content(self.into), content)

    def test_changed_while_it_is_read(self):
        """Between the passes, when the server is asked for its limits; also where the times of the
        file do not tell."""
        self.call("save_many", "s", [{"id": f"c{i:05}", "state": "x" * 300} for i in range(3000)])
        data = self.export()
        at = data.index(b"x" * 300) + 5
        late = data.rindex(b"x" * 300) + 5
        path = os.path.join(self.server.folder, "changing")
        for place, hide, why in ((at, False, "nothing was imported: the file was changed"),
                                 (at, True, "nothing was imported: byte .*it was changed while"),
                                 (late, True, "only items 1 to [0-9]+ were imported: .* changed"),
                                 (None, False, "nothing was imported: the file was changed")):
            with self.subTest(place=place, hide=hide):
                with open(path, "wb") as file:
                    file.write(data)
                os.utime(path, (1, 1))  # however coarse the clock of the file system is

                def change():
                    before = os.stat(path)
                    with open(path, "r+b") as file:
                        if place is None:
                            file.truncate(1000)
                        else:
                            file.seek(place)
                            file.write(b"y")
                    if hide:
                        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

                with Before(self.server.address, b"server.info", change) as port:
                    _, error = self.cairn("-p", str(port), "ckpt", "import", "@" + path,
                                          run=self.into, code=USAGE)
                self.assertRegex(error, why)
                if place == late:
                    self.assertNotIn(b"y", [item["state"] for item in self.content(self.into)
                                            if "id" in item])
                    self.c.call("run.drop", self.into)
                self.assertEqual(self.call("metrics", run=self.into)["sessions"], 0)

    def test_cut(self):
        """Cut at any place."""
        for i in range(3):
            self.call("save", "s", {"a": i}, id=f"c{i}", tags=["t"])
        for form in ([], ["--json"]):
            data = self.export(*form)
            version = data.index(b"version")
            for size in sorted({1, 5, 30, *range(version, version + 14), len(data) // 2,
                                len(data) - 1, len(data) - 2, data.index(b"c1"),
                                data.rindex(b"sha256") - 2,
                                *random.Random(SEED).sample(range(1, len(data)), 12)}):
                with self.subTest(form=form, size=size):
                    self.refuses(data[:size], "(cut|empty|damaged)")

    def test_changed(self):
        """One byte changed at any place."""
        for i in range(3):
            self.call("save", "s", {"a": "x" * 20}, id=f"c{i}", tags=["t"])
        draw = random.Random(SEED)
        for form in ([], ["--json"]):
            data = self.export(*form)
            for at in sorted({0, 1, 30, data.index(b"x" * 20) + 5, len(data) - 1, len(data) - 10,
                              data.rindex(b"count") + 5, *draw.sample(range(len(data)), 25)}):
                with self.subTest(form=form, at=at):
                    changed = data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1:]
                    self.refuses(changed, r"(line|bytes?) \d+|should have|empty")
            self.refuses(data[:data.index(b"c1")] + data[data.index(b"c1") + 1:],
                         r"(line|bytes?) \d+")

    def test_an_export_that_fails_is_no_file(self):
        for i in range(3):
            self.call("save", "s", "x" * 1000, id=f"c{i}")
        out, error = self.cairn("ckpt", "export", "--limit", "0", code=ANSWERED_ERROR)
        self.assertIn("BAD_ARGUMENT", error)
        self.refuses(out, "the end with the checksum is missing")

    def test_full_output(self):
        self.call("save", "s", "x" * 100000)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CAIRN, "-p", str(self.server.address[1]), "--run",
                                   self._testMethodName, "ckpt", "export"], stdout=full,
                                  stderr=subprocess.PIPE, timeout=60, check=False,
                                  env=environment())
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn(b"could not be written", done.stderr)

    def test_while_saving(self):
        self.call("save_many", "s", [{"id": f"c{i:04}", "state": i} for i in range(3000)])
        stop, client = threading.Event(), self.server.connect()

        def save():
            i = 0
            while not stop.is_set():
                client.call("ckpt.save", "s", i, id=f"new{i}", run=self._testMethodName)
                i += 1

        thread = threading.Thread(target=save)
        thread.start()
        try:
            data = self.export()
        finally:
            stop.set()
            thread.join()
            client.close()
        self.cairn("ckpt", "import", data=data, run=self.into)
        ids = [item["id"] for item in self.content(self.into) if "id" in item]
        self.assertEqual(ids[:3000], [f"c{i:04}" for i in range(3000)])

    def test_help(self):
        out, _ = self.cairn("ckpt", "import", "--help")
        self.assertIn(b"Usage: cairn ckpt import [ITEMS]", out)
        self.assertIn(b"cairn ckpt import < backup", out)
        out, _ = self.cairn("--complete-words", "ckpt", "export", "--")
        self.assertIn(b"--limit", out)


class LookTest(CliCkptTest):
    """list, show, diff and restore."""

    def test_list(self):
        self.call("save", "s", {"a": 1}, ns="n", id="c1", message="first", tags=["x", b"\0"])
        self.call("save", "s2", "x" * 1000, id=b"\xff")
        out, _ = self.cairn("ckpt", "list", "--table")
        head, _, *rows = out.decode().splitlines()
        self.assertEqual(head.split(), ["id", "session", "ns", "age", "tags", "message", "bytes"])
        self.assertRegex(rows[1], r"^c1 +s +n +\ds +x .* first +4$")
        self.assertRegex(rows[0], r'^\{"\$bin": "/w=="\} +s2 +\ds +1003$')
        out, _ = self.cairn("ckpt", "list", "--session", "s2", "--limit", "1")
        self.assertEqual(json.loads(out)["session"], "s2")
        out, _ = self.cairn("ckpt", "list", "--json", "--table")
        self.assertEqual(len(json.loads(out)["items"]), 2)
        out, _ = self.cairn("ckpt", "session-list", "--table")
        self.assertRegex(out.decode(), r"(?m)^session +name +age +last change +checkpoints +bytes$")

    def test_list_pages(self):
        self.call("save_many", "s", [{"id": f"c{i:05}", "state": i} for i in range(2100)])
        out, _ = self.cairn("ckpt", "list", "--table", "--all")
        self.assertEqual(len(re.findall(rb"(?m)^c\d{5} ", out)), 2100)

    def test_show(self):
        self.call("save", "s", {"a": [1, 2]}, id="c1", ns="n")
        self.call("save", "s", {"a": 2}, id="c2", message="newest")
        self.assertEqual(json.loads(self.cairn("ckpt", "show", "s", "--json")[0])["id"], "c2")
        shown = json.loads(self.cairn("ckpt", "show", "s", "c1", "--ns", "n")[0])
        self.assertEqual((shown["id"], shown["state"]), ("c1", {"a": [1, 2]}))
        out, _ = self.cairn("ckpt", "show", "s", "--table")
        self.assertRegex(out.decode(), r"(?m)^message +newest$")
        for args in (["nope"], ["s", "nope"], ["s", "c1"]):
            out, error = self.cairn("ckpt", "show", *args, code=ABSENT)
            self.assertEqual((out, error), (b"", "cairn: there is no such checkpoint\n"))

    def diff(self, a, b, *args):
        for name, state in (("a", a), ("b", b)):
            self.call("save", "s", state, id=name, ns="n")
        return self.cairn("ckpt", "diff", "s", "a", "b", "--ns", "n", *args)[0].decode()

    def test_diff(self):
        for a, b, lines in [
                ({"x": 1, "y": [1, 2]}, {"y": [1, 2], "x": 1}, []),
                (1, 2, ["~\t.\t1\t2"]), (1, [1], ["~\t.\t1\t[1]"]), (1, 1.0, ["~\t.\t1\t1.0"]),
                ("a", b"a", ['~\t.\t"a"\t"a"']),
                ({"x": 1}, {"y": 2}, ["-\t.x\t1", "+\t.y\t2"]),
                ({"m": [{"t": "a"}, 5]}, {"m": [{"t": "b"}, 5, None]},
                 ['~\t.m[0].t\t"a"\t"b"', "+\t.m[2]\tnull"]),
                ([1, 2, 3], [1], ["-\t[1]\t2", "-\t[2]\t3"]),
                ({"a b": 1, 5: 2, "": {}}, {"a b": 2, 5: 3, "": {"\n": 1}},
                 ["~\t[5]\t2\t3", '+\t[""]["\\n"]\t1', '~\t["a b"]\t1\t2'])]:
            with self.subTest(a=a, b=b):
                self.assertEqual(self.diff(a, b).splitlines(), lines)
        self.assertEqual(json.loads(self.diff({"a": 1, "b": 1}, {"b": 2, "c": [3]}, "--json")),
                         {"added": [[".c", [3]]], "removed": [[".a", 1]],
                          "changed": [[".b", 1, 2]]})

    def test_diff_of_random_states(self):
        """What it says, done to the first, gives the second."""
        draw = random.Random(SEED)

        def value(depth):
            kind = draw.randrange(6 if depth else 4)
            if kind < 4:
                return [draw.randrange(3), draw.choice("abc"), None, draw.random() < 0.5][kind]
            if kind == 4:
                return [value(depth - 1) for _ in range(draw.randrange(4))]
            return {draw.choice(["a", "b", "c d", "é"]): value(depth - 1)
                    for _ in range(draw.randrange(4))}

        def steps(path):
            return [json.loads(quoted) if quoted else word or int(number) for word, number, quoted
                    in re.findall(r'\.([\w-]+)|\[(\d+)\]|\[("[^"]*")\]', path)]

        for _ in range(15):
            a, b = value(4), value(4)
            found = json.loads(self.diff(a, b, "--json"))
            root = [json.loads(json.dumps(a))]
            for kind in ("changed", "removed", "added"):
                rows = found[kind][::-1] if kind == "removed" else found[kind]
                for path, *values in rows:
                    at, *rest = [0] + steps(path)
                    holder = root
                    for step in rest:
                        holder, at = holder[at], step
                    if kind == "removed":
                        self.assertEqual(holder.pop(at), values[0])
                    elif kind == "added" and isinstance(holder, list):
                        self.assertEqual(len(holder), at)
                        holder.append(values[0])
                    else:
                        holder[at] = values[-1]
            self.assertEqual(root[0], b, f"{a} {found}")

    def test_diff_of_what_is_not_there(self):
        self.call("save", "s", 1, id="a")
        for args in (["s", "a", "x"], ["s", "x", "a"], ["x", "a", "a"]):
            out, error = self.cairn("ckpt", "diff", *args, code=ABSENT)
            self.assertEqual((out, error), (b"", "cairn: there is no such checkpoint\n"))
        self.cairn("ckpt", "diff", "s", "a", code=USAGE)

    def test_restore(self):
        self.call("save", "s", {"a": [1, "é"]}, id="c")
        self.call("save", "s", b"\0\xff", id="raw")
        out, _ = self.cairn("ckpt", "restore", "s", "c")
        self.assertEqual(json.loads(out), {"a": [1, "é"]})
        self.assertEqual(self.cairn("ckpt", "restore", "s", "raw", "--raw")[0], b"\0\xff")
        self.assertEqual([n["type"] for n in self.call("notes", "s")["items"]], ["restored"] * 2)

    def test_help_and_completion(self):
        out, _ = self.cairn("ckpt", "--help")
        self.assertRegex(out, rb"(?m)^  show +Show a checkpoint")
        out, _ = self.cairn("ckpt", "diff", "--help")
        self.assertIn(b"Usage: cairn ckpt diff SESSION FROM TO [OPTIONS]", out)
        out, _ = self.cairn("--complete-words", "ckpt", "")
        self.assertLessEqual({b"show", b"diff", b"list"}, set(out.split()))
        _, error = self.cairn("ckpt", "shw", code=USAGE)
        self.assertIn("did you mean 'cairn ckpt show'?", error)


if __name__ == "__main__":
    unittest.main()
