#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cairn vec: import and export of files, searches as tables, vectors as numbers."""

import json
import os
import random
import re
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

import msgpack

from lib.server import ROOT, TestCase, environment
from lib.terminal import Terminal

CAIRN = os.environ.get("CAIRN")
DONE, ANSWERED_ERROR, USAGE, UNREACHABLE, ABSENT = range(5)
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))


def floats(*numbers):
    return struct.pack(f"<{len(numbers)}f", *numbers)


def line(**fields):
    return json.dumps(fields).encode() + b"\n"


def fvecs(rows):
    return b"".join(struct.pack("<i", len(row)) + floats(*row) for row in rows)


def npy(rows, descr="<f4", order=False):
    head = repr({"descr": descr, "fortran_order": order,
                 "shape": (len(rows), len(rows[0]))}).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    data = b"".join(struct.pack(f"<{len(row)}{'f' if descr == '<f4' else 'd'}", *row)
                    for row in rows)
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + data


class CliVecTest(TestCase):
    """Each test works in a run of its own, named like it."""

    @classmethod
    def setUpClass(cls):
        print("SEED", SEED)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self._testMethodName}")
        folder = tempfile.TemporaryDirectory(prefix="cairn-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def call(self, method, *params, **options):
        return self.c.call(f"vec.{method}", *params, **options)

    def command(self, *args):
        return [CAIRN, "-p", str(self.server.address[1]), "--run", self._testMethodName, *args]

    def cairn(self, *args, code=DONE, data=b""):
        """Run cairn; (stdout, stderr) if its exit code is as expected."""
        done = subprocess.run(self.command(*args), input=data, capture_output=True, timeout=120,
                              check=False, env=environment())
        error = done.stderr.decode("utf-8", "replace")
        self.assertEqual(done.returncode, code, f"{done.stdout[:500]!r} {error}")
        return done.stdout.decode("utf-8", "replace"), error

    def load(self, data, *args, expect):
        """All of it is imported."""
        out, error = self.cairn("vec", "import", "c", *args, data=data)
        self.assertEqual((json.loads(out), error), ({"imported": expect}, ""))

    def refuses(self, data, why, *args, before=None, code=USAGE):
        """So many vectors are imported before what is wrong; None: nothing was tried."""
        out, error = self.cairn("vec", "import", "c", *args, code=code, data=data)
        self.assertEqual(out, "")
        self.assertRegex(error, why)
        if before is not None:
            self.assertIn(f"{before} vectors were imported", error)
            self.assertEqual(self.call("count", "c"), before)

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def content(self, collection="c"):
        """Key -> vector as bytes, metadata."""
        items, cursor = {}, None
        while True:
            page = self.call("keys", collection, cursor=cursor, with_vectors=True,
                             with_metadata=True)
            for item in page["items"]:
                vector = item["vector"]
                items[item["key"]] = (vector if isinstance(vector, bytes) else floats(*vector),
                                      item["metadata"])
            cursor = page["cursor"]
            if cursor is None:
                return items


class ImportTest(CliVecTest):
    def test_lines(self):
        data = (line(key="a", vector=[1, 0.1]) + b"\n" +
                line(id=7, embedding=[2, 0], metadata={"x": 1})
                + line(id="c", values=[-1, 1e-3], payload=None, text="t") +
                line(key="d", vector=[0, 1], metadata={"x": {"y": [1]}}, kind="k")[:-1])
        self.load(data, "--create", "--metric", "l2", expect=4)
        self.assertEqual(self.content(), {
            "a": (floats(1, 0.1), None), "7": (floats(2, 0), {"x": 1}),
            "c": (floats(-1, 1e-3), {"text": "t"}),
            "d": (floats(0, 1), {"x": {"y": [1]}, "kind": "k"})})
        self.load(data, expect=4)
        self.assertEqual(self.call("info", "c")["metric"], "l2")

    def test_numbers(self):
        rows = [[self.random.uniform(-1, 1) for _ in range(5)] for _ in range(300)]
        expected = {f"r{i}": (floats(*row), None) for i, row in enumerate(rows)}
        for form, data in (("fvecs", fvecs(rows)), ("npy", npy(rows)), ("wide", npy(rows, "<f8"))):
            with self.subTest(form=form):
                self.load(data, "-", "--create", "--key-prefix", "r", expect=300)
                self.assertEqual(self.content(), expected)
                path = self.file(form, data)
                for name in (path, "@" + path):
                    self.load(b"", name, "--key-prefix=r", expect=300)
                self.call("drop", "c")

    def test_keys_without_prefix(self):
        self.load(npy([[1, 2], [3, 4]]), "--create", expect=2)
        self.assertEqual(list(self.content()), ["0", "1"])
        self.refuses(line(vector=[1, 2]), "line 1: no key.*--key-prefix", before=None)
        self.load(line(vector=[1, 2]) + line(key="x", vector=[5, 6]) + line(vector=[3, 4]),
                  "--key-prefix", "p", expect=3)
        self.assertEqual(sorted(self.content()), ["0", "1", "p0", "p2", "x"])

    def test_many(self):
        """More than one request, more than the window; the file need not end in time."""
        n, dim = 6000, 128
        rows = [[self.random.gauss(0, 1) for _ in range(dim)] for _ in range(200)]
        for i in range(n):  # all different
            if i >= 200:
                rows.append(rows[i % 200][:-1] + [float(i)])
        self.load(fvecs(rows), "--create", "--metric", "l2", "--wait", expect=len(rows))
        info = self.call("info", "c")
        self.assertEqual((info["count"], info["tail"]), (len(rows), 0))
        found = self.call("search", "c", vector=rows[-1], k=1, exact=True)
        self.assertEqual(found["items"][0]["key"], str(len(rows) - 1))

    def test_configuration(self):
        self.load(line(id=1, vector=[1, 2, 3]), "--create", "--metric=dot", "--index", "hnsw",
                  "--m", "8", "--ef-construction", "50", "--quantization", "int8", expect=1)
        info = self.call("info", "c")
        self.assertEqual([info[name] for name in
                          ("dim", "metric", "index", "m", "ef_construction", "quantization")],
                         [3, "dot", "hnsw", 8, 50, "int8"])
        self.refuses(line(id=1, vector=[1, 2, 3]), "ALREADY_EXISTS.*metric", "--create",
                     code=ANSWERED_ERROR)
        self.refuses(line(id=1, vector=[1, 2, 3]), "--m is for a new.*--create", "--m", "8")
        self.refuses(line(id=1, vector=[1, 2]), "have 2 elements, those of the collection 3")

    def test_wrong_files(self):
        good = line(id=1, vector=[1, 2]) + line(id=2, vector=[3, 4])
        self.refuses(good, "no such collection; --create", code=ABSENT)
        self.refuses(b"", "no vector in the file", "--create")
        self.refuses(b"nonsense", "nothing was imported: line 1: not JSON", "--create")
        self.refuses(b"", "cannot open /nowhere/x", "/nowhere/x")
        self.refuses(npy([[1, 2]], order=True), "Fortran order.*ascontiguousarray", "--create")
        self.assertEqual(self.call("list")["items"], [])
        self.call("create", "c", 2)
        for wrong, why in ((b"{\"id\": 3, \"vec", "line 3: not JSON"),
                           (line(id=3, vector=[1, 2, 3]), "line 3: a vector of 3 elements"),
                           (line(id=3, vector=[0, 0.0]), "line 3: all elements are 0.*cosine"),
                           (line(id=3), "line 3: no vector"),
                           (line(id=3, vector=[1, 1e39]), "line 3: element 1 is infinite"),
                           (line(vector=[1, 2]), "line 3: no key")):
            with self.subTest(why=why):
                self.refuses(good + wrong, why, before=2)
                self.call("delete", "c", ["1", "2"])
        self.refuses(fvecs([[1, 2], [3, 4]])[:-1], r"row 1 \(byte 12\): the file is cut", before=1)
        cut = npy([[1, 2], [3, 4], [5, 6]])[:-1]
        self.refuses(cut, r"row 2 \(byte 144\): the file is cut", before=2)
        self.call("delete", "c", ["0", "1"])
        self.refuses(b"", "nothing was imported: 23 bytes follow the header", self.file("x", cut))
        self.assertEqual(self.call("count", "c"), 0)
        self.load(b"\n\n", expect=0)

    def test_keys(self):
        """Keys and metadata of the rows of a table come from a file of lines."""
        table = self.file("x.npy", npy([[1, 2], [3, 4], [5, 6]]))
        keys = self.file("x.keys", line(key="a", metadata={"n": 1}) + b"\n" + line(id=7) +
                         line(key="c", kind="k"))
        self.load(b"", table, "--create", "--keys", keys, expect=3)
        self.assertEqual(self.content(), {"a": (floats(1, 2), {"n": 1}), "7": (floats(3, 4), None),
                                          "c": (floats(5, 6), {"kind": "k"})})
        with open(keys, "rb") as file:
            self.load(file.read(), "--keys", "-", table, expect=3)
        self.assertEqual(self.call("count", "c"), 3)
        self.call("drop", "c")
        self.call("create", "c", 2)
        good = line(key="a") + line(key="b")
        for lines, why, before in (
                (good, "row 2: the file of keys has no line for it", 2),
                (good + line(key="c") + line(key="d"), "has more lines than there are rows, 3", 3),
                (good + line(name="c"), "line 3 of the keys: no key", 2),
                (good + b"c\n", "line 3 of the keys: not JSON", 2),
                (good + b"\n7\n", 'line 4 of the keys: not an object such as .*"metadata"', 2),
                (good + line(key="c", vector=[5, 6]), "line 3 of the keys: a vector, though", 2)):
            with self.subTest(why=why):
                self.refuses(b"", why, table, "--keys", self.file("y.keys", lines), before=before)
                self.call("delete", "c", ["a", "b", "c"])
        self.refuses(b"", "cannot open /nowhere/x", table, "--keys", "/nowhere/x")
        self.refuses(b"", "cannot both come from standard input", "-", "--keys", "-")
        self.refuses(good, "keys is for .npy and .fvecs", "--keys", keys)

    def test_refused_by_the_server(self):
        """The lines are told, and what else was imported."""
        data = b"".join(line(id=i, vector=[1, i]) for i in range(3)) + line(id="", vector=[1, 1])
        self.call("create", "c", 2)
        self.refuses(data, "(?s)BAD_ARGUMENT.*key.*that was for lines 1 to 4", before=0,
                     code=ANSWERED_ERROR)
        self.refuses(line(id="k" * 2000, vector=[1, 1]), "LIMIT_EXCEEDED", before=0,
                     code=ANSWERED_ERROR)

    def test_lines_of_commands(self):
        """Standard input holds commands: a file must be named."""
        path = self.file("x.jsonl", line(id=1, vector=[1, 2]))
        out, _ = self.cairn(data=f"vec import c {path} --create\nvec count c\n".encode())
        self.assertEqual(out, '{"imported": 1}\n1\n')
        _, error = self.cairn(data=b"vec import c\n", code=USAGE)
        self.assertIn("name a file", error)

    def test_at_once(self):
        """Two imports into one collection, and a reader."""
        self.call("create", "c", 8, metric="l2")
        paths = [self.file(f"{n}.jsonl", b"".join(
            line(key=f"{n}-{i}", vector=[n, i, 1, 0, 0, 0, 0, 0]) for i in range(1500)))
            for n in range(2)]
        errors = []

        def run(path):
            done = subprocess.run(self.command("vec", "import", "c", path), timeout=120,
                                  capture_output=True, check=False, env=environment())
            if done.returncode != 0:
                errors.append(done.stderr)

        threads = [threading.Thread(target=run, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            found = self.call("search", "c", vector=[0, 5, 1, 0, 0, 0, 0, 0], k=3)
            self.assertLessEqual(len(found["items"]), 3)
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertEqual(self.call("count", "c"), 3000)


class Reversed:
    """A server that answers vec.upsert_many only when nothing more comes, the last one first."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.rows, self.most, self.shared = {}, 0, 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def result(self, method):
        if method == "vec.info":
            return {"dim": 1, "metric": "l2", "tail": 0, "state": "flat"}
        return {"limits": {"items": 3, "frame_bytes": 1 << 20}}

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(0.3)
            self.converse(connection)

    def converse(self, connection):
        unpacker, held = msgpack.Unpacker(), []
        while True:
            try:
                data = connection.recv(1 << 16)
                if not data:
                    return
                unpacker.feed(data)
            except socket.timeout:
                for msgid, vectors in reversed(held):
                    self.rows.update((row[0], row[1]) for row in vectors)
                    connection.sendall(msgpack.packb([1, msgid, None, 1]))
                held = []
            for _, msgid, method, params in unpacker:
                if method != "vec.upsert_many":
                    connection.sendall(msgpack.packb([1, msgid, None, self.result(method)]))
                    continue
                keys = {row[0] for row in params["vectors"]}
                self.shared += any(keys & {row[0] for row in other} for _, other in held)
                held.append((msgid, params["vectors"]))
                self.most = max(self.most, len(held))


class OrderTest(unittest.TestCase):
    def test_keys_that_are_there_twice(self):
        """The last holds, though requests are done in another order than they are sent in."""
        server = Reversed()
        self.addCleanup(server.listener.close)
        keys = [i if i % 10 else 0 for i in range(60)]
        data = b"".join(line(key=f"k{key}", vector=[i]) for i, key in enumerate(keys))
        done = subprocess.run([CAIRN, "-p", str(server.port), "vec", "import", "c"], input=data,
                              capture_output=True, timeout=60, check=False, env=environment())
        self.assertEqual((done.returncode, done.stderr), (DONE, b""))
        self.assertEqual(json.loads(done.stdout), {"imported": 60})
        self.assertEqual(server.rows, {f"k{key}": floats(i) for i, key in enumerate(keys)})
        self.assertEqual(server.shared, 0)
        self.assertGreater(server.most, 2)


class ExportTest(CliVecTest):
    def test_round_trip(self):
        keys = ["a", "é", b"\xff\0", "\x7f", "k" * 1024, b"\0", "7", "\"quoted\"\n"]
        metadata = [None, {}, {"b": b"\xff", "x": [1, 2.5, None, True]}, {1: "int key"},
                    {"$bin": "x"}, {"vector": [0.1], "key": 1}, {"deep": {"er": 2 ** 64 - 1}},
                    {"n": 9007199254740993}]
        self.call("create", "c", 4, metric="dot")
        for key, one in zip(keys, metadata):
            numbers = [struct.unpack("<f", struct.pack("<I", self.random.getrandbits(32)))[0]
                       for _ in range(4)]
            numbers = [n if abs(n) < 1e18 else 1e-45 for n in numbers]  # NaN, too
            self.call("upsert", "c", key, floats(*numbers), metadata=one)
        out, error = self.cairn("vec", "export", "c")
        self.assertEqual(error, "")
        self.assertEqual(len(out.splitlines()), len(keys))
        before = self.content()
        path = self.file("x.jsonl", out.encode())
        self.cairn("vec", "import", "d", path, "--create", "--metric", "dot")
        self.assertEqual(self.content("d"), before)

    def test_npy(self):
        """Vectors as numpy reads them, keys and metadata beside them; all comes back."""
        keys = sorted([b"a", "é".encode(), b"\xff\0", b"k" * 1024, b"7", b"\"quoted\"\n"])
        metadata = [None, {}, {"b": b"\xff", "x": [1, 2.5, None, True]}, {1: "int key"},
                    {"key": 1, "vector": [1]}, {"n": 9007199254740993}]
        rows = [[self.random.gauss(0, 1) for _ in range(3)] for _ in keys]
        self.call("create", "c", 3)
        for i, (key, one) in enumerate(zip(keys, metadata)):
            self.call("upsert", "c", key, floats(*rows[i]) if i % 2 else rows[i], metadata=one)
        path = os.path.join(self.folder, "x.npy")
        self.assertEqual(self.cairn("vec", "export", "c", path, "--format", "npy"), ("", ""))
        with open(path, "rb") as file:
            data = file.read()
        self.assertEqual((data[:8], len(data)), (b"\x93NUMPY\1\0", 128 + 12 * len(keys)))
        self.assertIn(b"'shape': (6, 3), }", data[:128])
        self.assertEqual(data[128:], b"".join(floats(*row) for row in rows))
        before = self.content()
        self.cairn("vec", "import", "d", path, "--keys", path + ".keys", "--create")
        self.assertEqual(self.content("d"), before)
        self.cairn("vec", "export", "c", path, "--format=npy", "--prefix", "none")
        self.load(b"", path, "--keys", path + ".keys", expect=0)
        lines = os.path.join(self.folder, "x.jsonl")
        self.cairn("vec", "export", "d", lines, "--format=json")
        with open(lines, "rb") as file:
            self.assertEqual(file.read().decode(), self.cairn("vec", "export", "d")[0])

    def test_npy_refused(self):
        self.call("create", "c", 3)
        for args, why in ((["--format", "npy"], "writes two files: name the first"),
                          (["-", "--format", "npy"], "writes two files: name the first"),
                          (["x", "--format", "csv"], "--format is json or npy, not 'csv'"),
                          (["/nowhere/x"], "cannot open /nowhere/x"),
                          (["/nowhere/x", "--format=npy"], "cannot open /nowhere/x"),
                          ([os.path.join(self.folder, "pipe"), "--format=npy"], "is no file")):
            with self.subTest(why=why):
                if "pipe" in args[0]:
                    os.symlink("/dev/stdout", args[0])
                out, error = self.cairn("vec", "export", "c", *args, code=USAGE)
                self.assertEqual(out, "")
                self.assertIn(why, error)

    def test_pages(self):
        rows = [[i, 0.1] for i in range(2500)]
        self.load(npy(rows), "--create", "--metric", "l2", expect=2500)
        lines = [json.loads(one) for one in self.cairn("vec", "export", "c")[0].splitlines()]
        self.assertEqual({one["key"]: one["vector"] for one in lines},
                         {str(i): [float(i), 0.1] for i in range(2500)})

    def test_part(self):
        self.load(line(id="a1", vector=[1, 2], x=1) + line(id="a2", vector=[1, 2], x=2) +
                  line(id="b1", vector=[1, 2], x=1), "--create", expect=3)
        out, _ = self.cairn("vec", "export", "c", "--prefix", "a")
        self.assertEqual([json.loads(one)["key"] for one in out.splitlines()], ["a1", "a2"])
        out, _ = self.cairn("vec", "export", "c", "--filter", '{"x": 1}')
        self.assertEqual([json.loads(one)["key"] for one in out.splitlines()], ["a1", "b1"])
        out, error = self.cairn("vec", "export", "nope", code=ABSENT)
        self.assertEqual((out, error), ("", "cairn: there is no such collection\n"))


class LookTest(CliVecTest):
    def setUp(self):
        super().setUp()
        self.load(line(id="a", vector=[1, 0, 0], year=2020) +
                  line(id="b", vector=[0.9, 0.1, 0], year=2023, text="x" * 200) +
                  line(id="c", vector=[0, 0, 1], year=2024), "--create", expect=3)

    def test_numbers(self):
        """Vectors are numbers, whether they went in as bin or as an array."""
        self.call("upsert", "c", "d", [0.1, 0.2, 0.3])
        for key in ("b", "d"):
            got = json.loads(self.cairn("vec", "get", "c", key)[0])
            self.assertEqual(got["vector"], {"b": [0.9, 0.1, 0.0], "d": [0.1, 0.2, 0.3]}[key])
        self.assertEqual(json.loads(self.cairn("vec", "get-many", "c", "d", "z")[0])[0]["vector"],
                         [0.1, 0.2, 0.3])
        out, _ = self.cairn("vec", "keys", "c", "--all", "--with-vectors", "--json")
        self.assertEqual(json.loads(out)["items"][1]["vector"], [0.9, 0.1, 0.0])

    def test_absent(self):
        """What is not there is exit status 4, as with kv get."""
        for args, what in ((("get", "c", "z"), "key"), (("info", "z"), "collection"),
                           (("set-metadata", "c", "z", "{}"), "key")):
            out, error = self.cairn("vec", *args, code=ABSENT)
            self.assertEqual((out, error), ("", f"cairn: there is no such {what}\n"))
        self.assertEqual(self.cairn("vec", "get", "c", "z", "--json", code=ABSENT)[0], "null\n")
        self.assertEqual(self.cairn("vec", "drop", "z", code=ABSENT)[0], "false\n")
        _, error = self.cairn("ckpt", "get", "s", code=ABSENT)
        self.assertEqual(error, "cairn: there is no such checkpoint\n")

    def test_search(self):
        out, error = self.cairn("vec", "search", "c", "--vector", "[1, 0, 0]", "--k", "2")
        found = json.loads(out)
        self.assertEqual([item["key"] for item in found["items"]], ["a", "b"])
        self.assertEqual(set(found["items"][0]), {"key", "score"})
        self.assertEqual(error, "")
        out, _ = self.cairn("vec", "search", "c", "--key", "a", "--filter",
                            '{"year": {"$gt": 2020}}')
        self.assertEqual([item["key"] for item in json.loads(out)["items"]], ["b", "c"])

    def test_files(self):
        for name, data in (("raw", floats(0, 0, 2)), ("npy", npy([[0, 0, 2]])),
                           ("json", b"[0,0,2]\n")):
            with self.subTest(form=name):
                path = "@" + self.file(name, data)
                found = json.loads(self.cairn("vec", "search", "c", "--vector", path, "--k=1")[0])
                self.assertEqual(found["items"], [{"key": "c", "score": 1.0}])
                out, _ = self.cairn("vec", "upsert", "c", name, "-", data=data)
                self.assertGreater(int(out), 0)
        _, error = self.cairn("vec", "search", "c", "--vector", "-", data=b"abc", code=USAGE)
        self.assertIn("3 bytes are no vector", error)

    def test_tables(self):
        out, _ = self.cairn("vec", "search", "c", "--vector", "[1, 0, 0]", "--table")
        rows = out.splitlines()
        self.assertEqual(rows[0].split(), ["rank", "key", "score", "metadata"])
        self.assertEqual(rows[2].split(None, 3), ["1", "a", "1.000000", '{"year": 2020}'])
        self.assertEqual(rows[3].split()[:3], ["2", "b", "0.993884"])
        out, _ = self.cairn("vec", "list", "--table")
        self.assertEqual(out.splitlines()[2].split()[:5], ["c", "3", "3", "cosine", "auto"])
        out, _ = self.cairn("vec", "info", "c", "--table")
        self.assertRegex(out, r"(?m)^metric +cosine$")

    def test_terminal(self):
        """On a terminal: cut to its width, and with how it was found."""
        terminal = Terminal(self.command("vec", "search", "c", "--vector", "[1, 0, 0]"),
                            env=environment(), columns=60)
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.end(), DONE)
        text = terminal.raw.decode()
        rows = [row for row in re.split(r"[\r\n]+", text) if row]
        self.assertEqual(len([row for row in rows if re.match(r" *\d  [abc] ", row)]), 3, rows)
        self.assertTrue(all(len(row) <= 60 for row in rows), rows)
        self.assertNotIn("\x1b", text)
        self.assertRegex(text, r"3 found, 3 distances computed, exact")

    def test_help(self):
        for verb in ("import", "export", "search", "upsert", "create"):
            out, _ = self.cairn("vec", verb, "--help")
            self.assertIn(f"Usage: cairn vec {verb}", out)
            self.assertIn(f"  cairn vec {verb} ", out)
        out, _ = self.cairn("vec", "--help")
        self.assertRegex(out, r"(?m)^  import +Add the vectors of a file")


class DocsTest(CliVecTest):
    """docs/vectors.md says what is true: its table of calls and replies, and its commands."""

    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, "docs", "vectors.md"), encoding="utf-8") as file:
            self.text = file.read()

    def test_calls(self):
        """Versions are whatever they are; "..." stands for anything."""
        rows = re.findall(r"^\| `(vec\.\w+) (\[.*?\])` \| (?:`([^`]*)`)?", self.text, re.M)
        self.assertEqual(len(rows), 19)
        for method, params, expected in rows:
            with self.subTest(method=method):
                reply = self.c.call(method, *json.loads(params))
                pattern = re.escape(expected.replace("nil", "null")).replace(r"\.\.\.", ".*")
                pattern = re.sub(r'"version":\\ \d+', r'"version":\\ \\d+', pattern)
                if re.fullmatch(r"\d+", expected) and "upsert" in method:
                    pattern = r"\d+"
                if re.fullmatch(r"\[\d+, true\]", expected):
                    pattern = r"\[\d+, true\]"
                self.assertRegex(json.dumps(reply), f"^{pattern}" + ("$" if expected else ""))

    def test_what_happens(self):
        """The table of bad input."""
        self.assertIsNone(self.call("info", "c"))
        self.assertFalse(self.call("drop", "c"))
        self.fails("NOT_FOUND", "vec.search", "c", vector=[1, 0])
        self.fails("BAD_ARGUMENT", "vec.create", "c", 0)
        self.fails("LIMIT_EXCEEDED", "vec.create", "c", 8193)
        self.fails("LIMIT_EXCEEDED", "vec.create", "c" * 256, 2)
        self.call("create", "c", 2)
        wrong = [("BAD_ARGUMENT", "a", [1, 2, 3], "3.*2|2.*3"),
                 ("BAD_ARGUMENT", "a", [0, 0], "zero"),
                 ("BAD_ARGUMENT", "a", [1, 1e39], "1"), ("BAD_ARGUMENT", "a", [1, 1e30], "8.5e"),
                 ("BAD_ARGUMENT", "", [1, 1], "key"),
                 ("LIMIT_EXCEEDED", "k" * 1025, [1, 1], "1024")]
        for code, key, vector, why in wrong:
            with self.subTest(vector=vector):
                told = str(self.fails(code, "vec.upsert", "c", key, vector))
                self.assertRegex(told, why)
                self.fails(code, "vec.upsert_many", "c", [["ok", [1, 1]], [key, vector]])
        self.assertEqual(self.call("count", "c"), 0)
        self.fails("BAD_ARGUMENT", "vec.upsert", "c", "a", [1, 1], metadata=[1])
        self.call("upsert_many", "c", [["a", [1, 1]], ["a", [2, 1]]])
        self.assertEqual(self.call("get", "c", "a")["vector"], [2, 1])
        self.assertEqual(len(self.call("search", "c", vector=[1, 0], k=100)["items"]), 1)
        self.fails("BAD_ARGUMENT", "vec.search", "c", vector=[1, 0], k=0)
        self.fails("LIMIT_EXCEEDED", "vec.search", "c", vector=[1, 0], k=10 ** 9)
        self.fails("NOT_FOUND", "vec.search", "c", key="z")
        self.fails("BAD_ARGUMENT", "vec.search", "c", vector=[1, 0], filter={"a": {"$no": 1}})
        for one, n in (({"no.path": 1}, 0), ({"no": {"$exists": False}}, 1),
                       ({"no": {"$ne": 1}}, 1)):
            found = self.call("search", "c", vector=[1, 0], filter=one)
            self.assertEqual(len(found["items"]), n, one)

    def test_commands(self):
        """Those of the beginning, as a shell runs them."""
        commands = re.findall(r"^    cairn (vec (?:create|upsert|search) .*)$", self.text, re.M)
        self.assertEqual(len(commands), 4)
        out, _ = self.cairn(data="\n".join(commands).encode())
        self.assertIn('"key": "b"', out)
        self.assertNotIn('"key": "a"', out)


if __name__ == "__main__":
    unittest.main()
