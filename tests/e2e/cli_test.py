#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cairn, the command line, against a real cairnd: values there and back, lists, exit codes, help.

Environment: CAIRND and CAIRN are the programs to test."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest

CAIRND = os.environ.get("CAIRND")
CAIRN = os.environ.get("CAIRN")

DONE, ANSWERED_ERROR, USAGE, UNREACHABLE, ABSENT = range(5)


class Server:
    """A cairnd on a Unix socket and on a free port of the loopback."""

    def __init__(self, folder):
        self.socket = os.path.join(folder, "cairn.sock")
        self.process = subprocess.Popen(
            [CAIRND, "--set", "listen.http=", "--set", "listen.resp=", "--set",
             f"listen.rpc={self.socket},127.0.0.1:0"],
            stderr=subprocess.PIPE, text=True)
        self.port = None
        for line in self.process.stderr:
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
            if " ready" in line:
                break
        if self.port is None:
            self.process.kill()
            raise RuntimeError("cairnd did not start")

    def stop(self):
        """End it and wait."""
        self.process.terminate()
        self.process.wait(60)
        self.process.stderr.close()


class CliTest(unittest.TestCase):
    """Each test works in a run of its own, named like it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.server = Server(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    def cairn(self, *words, stdin=b"", code=DONE, env=None, flags=None):
        """Run cairn; returns (stdout, stderr) once the exit code was as expected."""
        if flags is None:
            flags = ["-s", self.server.socket, "--run", self._testMethodName]
        done = subprocess.run([CAIRN, *flags, *words], input=stdin, capture_output=True,
                              timeout=60, check=False, env=env)
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout!r} {error}")
        return done.stdout, error

    def value(self, *words, **options):
        """As cairn, but the JSON on stdout."""
        return json.loads(self.cairn(*words, **options)[0])

    def test_put_get(self):
        version = self.value("kv", "put", "k", "hello", "--ttl", "1h")
        self.assertGreater(version, 0)
        self.assertEqual(self.cairn("kv", "get", "k"), (b'"hello"\n', ""))
        self.assertEqual(self.cairn("kv", "get", "k", "--raw")[0], b"hello")
        self.assertEqual(self.cairn("kv.get", "k")[0], b'"hello"\n')
        value, found, ttl_ms = self.value("kv", "get", "k", "--with-version")
        self.assertEqual((value, found), ("hello", version))
        self.assertTrue(3_500_000 < ttl_ms <= 3_600_000)
        self.assertGreater(self.value("kv", "cas", "k", str(version), "bye"), version)
        self.assertEqual(self.value("kv", "get", "k"), "bye")
        self.assertIs(self.value("kv", "expire", "k", "5m"), True)
        self.assertTrue(290_000 < self.value("kv", "ttl", "k") <= 300_000)

    def test_json_round_trip(self):
        for text in ('{"name": "Ada", "tags": ["a", "b"], "n": null}', "9007199254740993",
                     "-9223372036854775808", "18446744073709551615", "1.0", "0.1", "true",
                     '"5"', '"a\\u0000b\\u001b"', '{"$bin": "/w=="}', '{"$ext": [5, "AAE="]}',
                     '{"$map": [[1, "x"]]}', '[{"$float": "nan"}]', "[]", "{}"):
            self.cairn("kv", "put", "k", text)
            self.assertEqual(self.cairn("kv", "get", "k", "--json")[0].decode(), text + "\n")
        self.cairn("kv", "put", "k", "007")
        self.assertEqual(self.value("kv", "get", "k"), "007")
        self.cairn("kv", "put", "k", "7", "--string")
        self.assertEqual(self.value("kv", "get", "k"), "7")

    def test_bytes(self):
        data = bytes(range(256)) * 300
        path = os.path.join(self.folder.name, "data")
        with open(path, "wb") as file:
            file.write(data)
        self.cairn("kv", "put", "k", "@" + path)
        self.assertEqual(self.cairn("--raw", "kv", "get", "k")[0], data)
        self.cairn("kv", "put", "k2", "-", stdin=data)
        self.assertEqual(self.cairn("--raw", "kv", "get", "k2")[0], data)
        self.cairn("kv", "put", "k3", "-", "--json-in", stdin=self.cairn("kv", "get", "k")[0])
        self.assertEqual(self.cairn("--raw", "kv", "get", "k3")[0], data)
        self.assertEqual(self.value("kv", "append", "k3", "-", stdin=b"\xff"), len(data) + 1)
        self.cairn("kv", "put", b"bad\xff", "1")
        self.assertEqual(self.cairn("kv", "scan", "--prefix", "bad")[0],
                         b'{"$bin": "YmFk/w=="}\t1\n')
        self.assertEqual(self.value("kv", "get", '{"$bin": "YmFk/w=="}'), 1)

    def test_many(self):
        self.cairn("kv", "mput", "a", "1", "b", "[2]", "c", "x")
        self.assertEqual(self.value("kv", "mget", "a", "nope", "b", "c"), [1, None, [2], "x"])
        self.assertEqual(self.value("kv", "mdel", "a", "nope", "b"), 2)
        self.assertEqual(self.value("kv", "incr", "n", "-5"), -5)
        self.assertEqual(self.value("kv", "incr", "n"), -4)
        self.assertEqual(self.value("kv", "count"), 2)

    def test_scan(self):
        keys = [f"user:{i:03}" for i in range(250)]
        self.cairn("kv", "mput", *[word for key in keys for word in (key, "1")])
        out, error = self.cairn("kv", "scan", "--prefix", "user:", "--limit", "2")
        self.assertEqual(out, b"user:000\t1\nuser:001\t1\n")
        self.assertIn("--all", error)
        cursor = re.search(r"--cursor='([^']*)'", error)[1]
        out, _ = self.cairn("kv", "scan", "--limit", "1", f"--cursor={cursor}")
        self.assertEqual(out, b"user:002\t1\n")
        out, error = self.cairn("kv", "scan", "--all", "--limit", "7", "--keys-only")
        self.assertEqual(out.decode().split(), keys)
        self.assertEqual(error, "")
        page = self.value("kv", "scan", "--all", "--json")
        self.assertEqual(page, {"items": [[key, 1] for key in keys], "cursor": None})
        page = self.value("kv", "scan", "--json", "--limit", "3", "--reverse")
        self.assertEqual([key for key, _ in page["items"]], keys[:-4:-1])
        self.assertIsNotNone(page["cursor"])
        self.assertEqual(self.value("kv", "clear"), 250)
        self.assertEqual(self.cairn("kv", "scan"), (b"", ""))

    def test_cursor_is_a_number(self):
        """A list whose cursor is no text: server.clients goes on behind an id."""
        sockets = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(4)]
        try:
            out, error = self.cairn("server", "clients", "--limit", "2")
            self.assertEqual(len(out.splitlines()), 2)
            cursor = re.search(r"add --all, or --cursor='(\d+)'", error)[1]
            self.assertEqual(json.loads(out.splitlines()[1])["id"], int(cursor))
            page = self.value("server", "clients", f"--cursor={cursor}", "--json")
            self.assertGreater(page["items"][0]["id"], int(cursor))
            page = self.value("server", "clients", "--all", "--limit", "1", "--json")
            self.assertGreaterEqual(len({row["id"] for row in page["items"]}), 5)
        finally:
            for each in sockets:
                each.close()

    def test_batch(self):
        calls = '[["kv.put", ["a", {"x": 1}]], ["kv.incr", ["a"]]]'
        results = self.value("batch", calls, code=ANSWERED_ERROR)
        self.assertIsNone(results[0][0])
        self.assertIn("WRONG_TYPE", json.dumps(results[1][0]))
        _, error = self.cairn("batch", calls, "--atomic", code=ANSWERED_ERROR)
        self.assertTrue(error.startswith("cairn: WRONG_TYPE "))
        self.value("batch", "-", "--atomic", stdin=b'[["kv.put", ["b", 1]]]')
        self.assertEqual(self.value("kv", "get", "b"), 1)
        self.cairn("batch", "[]", "--conditions", '[["kv", "nope", 5]]', code=ANSWERED_ERROR)

    def test_exit_codes(self):
        self.cairn("kv", "put", "k", "1")
        out, error = self.cairn("kv", "get", "nope", code=ABSENT)
        self.assertEqual((out, error), (b"", "cairn: there is no such key\n"))
        self.assertEqual(self.cairn("kv", "get", "nope", "--json", code=ABSENT)[0], b"null\n")
        for verb in ("del", "exists", "ttl"):
            self.cairn("kv", verb, "nope", code=ABSENT)
        self.cairn("kv", "put", "no", "false")
        self.assertEqual(self.cairn("kv", "get", "no")[0], b"false\n")
        _, error = self.cairn("kv", "cas", "k", "999999999", "x", code=ANSWERED_ERROR)
        self.assertRegex(error, r"^cairn: CONFLICT version is \d+, expected 999999999\n$")
        self.cairn("call", "no.such", code=ANSWERED_ERROR)
        self.cairn("kv", "get", "k", flags=["-s", self.folder.name + "/none"], code=UNREACHABLE)
        self.cairn("kv", "get", "k", flags=["-p", "1"], code=UNREACHABLE)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CAIRN, "-s", self.server.socket, "ping"], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, UNREACHABLE)

    def test_usage(self):
        for words, hint in (
                (["kv", "ptu", "a", "1"], "did you mean 'cairn kv put'?"),
                (["vk"], "did you mean 'kv'?"),
                (["put", "a", "1"], "did you mean 'cairn kv put'?"),
                (["kv", "put", "a", "1", "--tl", "5s"], "did you mean --ttl?"),
                (["kv", "put", "a"], "'value' is missing"),
                (["kv", "put", "a", "1", "2"], "unexpected argument '2'"),
                (["kv", "get", "a", "--all"], "--all is for lists"),
                (["kv", "put", "a", "@/none"], "cannot open"),
                (["call", "kv.get", "{"], "not JSON"),
                (["call", "kv.get", "5"], "params"),
                (["--jsno"], "did you mean --json?"),
                (["kv"], "Verbs:"),
                (["put", "--string", "--json-in"], "did you mean 'cairn kv put'?"),
                (["kv", "put", "a", "1", "--string", "--json-in"], "not both"),
                (["--stat", "0"], "at least 100ms"),
                (["--stat", "ping"], "instead of a command"),
                (["--stat", "--latency"], "not both"),
                (["--count", "5", "ping"], "--count is for --stat and --latency"),
                (["--latency", "--count", "0"], "not a number above 0"),
                (["--keep-going=yes"], "takes no value")):
            out, error = self.cairn(*words, code=USAGE)
            self.assertEqual(out, b"")
            self.assertIn(hint, error)
        self.cairn("ping", flags=["-s", "/x", "-u", "y"], code=USAGE)

    def test_help(self):
        main = self.cairn("--help", flags=[])[0].decode()
        for line in ("Exit status:", "  4  the key is absent", "kv put", "--timeout DURATION"):
            self.assertIn(line, main)
        self.assertIn("mput", self.cairn("kv", "--help", flags=[])[0].decode())
        for words in (["kv", "put", "--help"], ["help", "kv", "put"], ["--help", "kv", "put"]):
            text = self.cairn(*words, flags=[])[0].decode()
            for line in ("Usage: cairn kv put KEY VALUE [OPTIONS]", "--ttl DURATION",
                         "--if-absent ", "Examples:"):
                self.assertIn(line, text)
        self.assertRegex(self.cairn("--version", flags=[])[0], rb"^cairn \d+\.\d+\.\d+\n$")
        commands = re.findall(r"^  ((?:kv|run|server) [a-z-]+) ", main, flags=re.M)
        self.assertGreater(len(commands), 20)
        for command in commands:
            text = self.cairn(*command.split(), "--help", flags=[])[0].decode()
            self.assertTrue(all(len(line) <= 80 for line in text.split("\n")), text)

    def test_addresses(self):
        for flags in (["-h", "127.0.0.1", "-p", str(self.server.port)],
                      ["-p", str(self.server.port)],
                      ["--uri", f"127.0.0.1:{self.server.port}"],
                      ["-u", self.server.socket],
                      [f"--uri=unix:{self.server.socket}"]):
            self.assertEqual(self.value("ping", flags=flags), "pong")
        env = dict(os.environ, CAIRN_URI=f"cairn://127.0.0.1:{self.server.port}/other%20run")
        self.cairn("kv", "put", "k", "1", flags=[], env=env)
        self.assertIn(b'{"run": "other run", "records": 1}\n',
                      self.cairn("run", "list", flags=[], env=env)[0])
        self.assertEqual(self.value("kv", "get", "k", flags=[], env=env), 1)
        self.cairn("kv", "get", "k", code=ABSENT)

    def test_timeout(self):
        """A server that is stopped answers nobody."""
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder)
            try:
                os.kill(server.process.pid, 19)  # SIGSTOP
                begun = time.monotonic()
                _, error = self.cairn("--timeout", "300ms", "ping", code=UNREACHABLE,
                                      flags=["-s", server.socket])
                self.assertTrue(0.25 < time.monotonic() - begun < 10)
                self.assertIn("TIMEOUT", error)
            finally:
                os.kill(server.process.pid, 18)  # SIGCONT
                server.stop()

    def test_server(self):
        self.assertIn("server", self.value("server", "info"))
        self.assertEqual(self.value("server", "config-get", "--prefix", "listen.unix_mode"),
                         {"listen.unix_mode": "0660"})
        self.assertIn("kv.put", self.value("server", "stats", "--op", "kv.put")["operations"])


if __name__ == "__main__":
    if not CAIRND or not CAIRN:
        print("CAIRND and CAIRN must name the programs", file=sys.stderr)
        sys.exit(77)
    unittest.main()
