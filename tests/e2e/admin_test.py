#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon as an administrator meets it: flags, files, login, reload, limits, stopping."""

import os
import re
import signal
import socket
import tempfile
import unittest

from lib import Client, Raw, RpcError, Server, TestCase, request, run_cairnd, until

EX_USAGE, EX_DATAERR, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG = 64, 65, 69, 75, 78
TOKEN = "correct-horse-battery-staple-42"


class Folder(unittest.TestCase):
    """Tests that write files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cairn-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, text, name="cairn.yaml", mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", mode)
        os.replace(path + ".new", path)  # nobody sees half of it
        return path

    def write_tokens(self, *tokens, mode=0o600):
        lines = [run_cairnd("--hash-token", stdin=token + "\n").stdout for token in tokens]
        return self.write("# tokens\n\n" + "".join(lines), "tokens", mode)

    def refused(self, status, pattern, *args):
        """cairnd with these arguments must end with this status and say this."""
        done = run_cairnd("--set", "listen.http=", "--set", "listen.resp=", *args)
        self.assertEqual(done.returncode, status, (args, done.stdout, done.stderr))
        self.assertRegex(done.stderr, pattern)
        self.assertNotIn("Sanitizer", done.stderr)
        return done


class CommandLineTest(Folder):
    def test_check_config(self):
        path = self.write("listen:\n  rpc: 127.0.0.1:0\n"
                          "limits:\n  items: 20\n  frame_bytes: 2MiB\n")
        done = run_cairnd("--check-config", "--config", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("good", done.stdout)
        self.assertEqual(run_cairnd("--check-config").returncode, 0)
        self.assertEqual(run_cairnd("--check-config", "-c", path, "-s", "limits.items=30")
                         .returncode, 0)

    def test_bad_files(self):
        for text, line, word in (("limits:\n  itemz: 5\n", 2, "itemz"),
                                 ("limits:\n  items: 5\n", 2, "items"),
                                 ("limits:\n  items: many\n", 2, "items"),
                                 ("\n\nlimit:\n  items: 500\n", 3, "limit"),
                                 ("limits:\n  items: 50\n  items: 60\n", 3, "items"),
                                 ("limits: [1]\n", 1, "limits"),
                                 ("limits:\n\titems: 5\n", 2, "YAML"),
                                 ("server:\n  loops: 1.5\n", 2, "loops"),
                                 ("memory:\n  policy: sometimes\n", 2, "policy"),
                                 ("listen:\n  unix_mode: 999\n", 2, "unix_mode"), ("", 1, "")):
            path = self.write(text)
            for flags in (("--check-config",), ()):
                done = self.refused(EX_CONFIG, re.escape(f"{path}:{line}:") + ".*" + word, *flags,
                                    "--config", path)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.refused(EX_CONFIG, "nothing.yaml", "--config", self.folder + "/nothing.yaml")
        self.refused(EX_CONFIG, re.escape(self.folder), "--config", self.folder)

    def test_set(self):
        done = run_cairnd("--set", "limits.items=77", "-s", "log.level=warn", "-sserver.loops=3",
                          "--print-config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for line in ("items: 77", "level: warn", "loops: 3"):
            self.assertRegex(done.stdout, rf"(?m)^  {line}$")
        path = self.write("limits:\n  items: 20\n  runs: 30\n")
        done = run_cairnd("-c", path, "-s", "limits.items=77", "--print-config")
        self.assertRegex(done.stdout, r"(?m)^  items: 77$")
        self.assertRegex(done.stdout, r"(?m)^  runs: 30$")
        for bad in ("limits.items", "limits.items=", "limits.items=5", "limits.items=x", "nope=1",
                    "limits.nope=1", "=1", "", "limits.items=99999999999999999999"):
            self.refused(EX_CONFIG, r"^cairnd: \S", "--set", bad, "--check-config")

    def test_print_config_can_be_read_again(self):
        text = run_cairnd("--set", "limits.items=77", "--set", "auth.file=/x y", "--print-config")
        path = self.write(text.stdout)
        again = run_cairnd("--config", path, "--print-config")
        self.assertEqual((again.returncode, again.stdout), (0, text.stdout))

    def test_pages(self):
        for flag, words in (("--print-config-doc", "limits.items"), ("--print-commands", "kv.put"),
                            ("--print-errors", "CONFLICT"), ("--print-metrics", "connections"),
                            ("--print-resp", "GETDEL"),
                            ("--help", "--check-config"), ("-h", "usage:"), ("-V", "cairnd "),
                            ("--version", "cairnd ")):
            done = run_cairnd(flag)
            self.assertEqual((done.returncode, done.stderr), (0, ""), flag)
            self.assertIn(words, done.stdout)

    def test_usage(self):
        for args in (("--nope",), ("-x",), ("--config",), ("--set",), ("stray",),
                     ("--check-config", "stray"), ("--check-config=yes",)):
            self.refused(EX_USAGE, "--help", *args)
        self.refused(EX_USAGE, "'stray'", "stray", "--set", "limits.items=20")

    def test_hash_token(self):
        done = run_cairnd("--hash-token", stdin=TOKEN + "\n")
        self.assertRegex(done.stdout, r"\A\w+ sha256:[0-9a-f]{64}\n\Z")
        self.assertEqual(run_cairnd("--hash-token", stdin=TOKEN).stdout, done.stdout)
        self.assertNotIn(TOKEN, done.stdout)
        for bad in ("", "short\n"):
            done = run_cairnd("--hash-token", stdin=bad)
            self.assertEqual((done.returncode, done.stdout), (EX_DATAERR, ""))

    def test_what_does_not_go_together(self):
        self.refused(EX_CONFIG, "durability.mode", "--set", "durability.mode=strict")
        self.refused(EX_CONFIG, "durability.mode", "--set", "durability.mode=buffered")
        self.refused(EX_CONFIG, "data.dir", "--set", "data.dir=" + self.folder,
                     "--set", "durability.mode=memory")
        self.refused(EX_CONFIG, "memory.limit", "--set", "memory.policy=evict")

    def test_listen(self):
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        self.refused(EX_UNAVAILABLE, f"cannot listen on 127.0.0.1:{port}: .*in use", "--set",
                     f"listen.rpc=127.0.0.1:{port}")
        self.refused(EX_UNAVAILABLE, f"cannot listen on 127.0.0.1:{port}", "--set",
                     f"listen.rpc=127.0.0.1:0,127.0.0.1:{port}")
        self.refused(EX_UNAVAILABLE, "cannot listen on /", "--set",
                     f"listen.rpc={self.folder}/none/x.sock")
        file = self.write("precious", "file")
        self.refused(EX_UNAVAILABLE, "cannot listen on /", "--set", f"listen.rpc={file}")
        with open(file, encoding="utf-8") as kept:
            self.assertEqual(kept.read(), "precious")
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0", "127.0.0.1:0,0.0.0.0:0"):
            self.refused(EX_CONFIG, "auth.file", "--set", "listen.rpc=" + address)
        for address in ("127.0.0.1", "127.0.0.1:65536", "127.0.0.1:-1", "example:1", "[::1]", ",",
                        "127.0.0.1:0,", "x", "relative/path", "/" + "x" * 108):
            self.refused(EX_CONFIG, "is not an address", "--set", "listen.rpc=" + address)

    def test_a_socket_in_use_is_not_taken_over(self):
        with Server(listen="{folder}/x.sock") as server:
            self.refused(EX_UNAVAILABLE, "in use", "--set", "listen.rpc=" + server.address)
            with server.connect() as client:
                self.assertEqual(client.call("ping"), "pong")


class AuthTest(Folder):
    def start(self, *tokens, **options):
        server = Server({"auth.file": self.write_tokens(*tokens), **options}, listen="127.0.0.1:0")
        self.addCleanup(server.stop)
        return server

    def connect(self, server):
        client = server.connect()
        self.addCleanup(client.close)
        return client

    def test_login(self):
        server = self.start(TOKEN, "another-token-of-24-bytes!")
        client = self.connect(server)
        self.assertEqual(client.call("ping"), "pong")
        self.assertEqual(client.call("hello")["server"], "cairn")
        for call in (("kv.get", "k"), ("kv.put", "k", 1), ("server.info",), ("server.stats",),
                     ("server.config_get",), ("server.config_set", "limits.items", 20),
                     ("run.use", "r"), ("run.drop", "default"), ("server.sync",), ("kv.clear",),
                     ("batch", [["kv.put", ["k", 1]]])):
            result = client.pipeline([call])[0]
            self.assertIsInstance(result, RpcError, call)
            self.assertEqual(result.code, "NOAUTH", call)
        for wrong in ("", "x", TOKEN + "x", TOKEN[:-1], TOKEN.upper(), b"\xff" * 40):
            for call in (("auth", wrong), ("hello", {"auth": wrong})):
                self.assertEqual(client.pipeline([call])[0].code, "AUTH_FAILED")
        self.assertEqual(client.pipeline([("kv.get", "k")])[0].code, "NOAUTH")
        self.assertEqual(client.call("server.auth", TOKEN), True)
        self.assertEqual(client.call("kv.get", "k"), None)
        self.assertEqual(client.pipeline([("auth", "wrong")])[0].code, "AUTH_FAILED")
        second = self.connect(server)
        second.call("hello", auth=b"another-token-of-24-bytes!", errors="map")
        self.assertGreater(second.call("kv.put", "k", 1), 0)
        self.assertNotIn(TOKEN, server.log())

    def test_pipelined_login(self):
        server = self.start(TOKEN)
        client = self.connect(server)
        results = client.pipeline([("kv.get", "a"), ("auth", TOKEN), ("kv.put", "a", 1),
                                   ("kv.get", "a")])
        self.assertEqual(results[0].code, "NOAUTH")
        self.assertEqual((results[1], results[3]), (True, 1))

    def test_login_limits(self):
        server = self.start(TOKEN, **{"limits.login_ms": "1h", "limits.login_frame_bytes": 1024})
        slow = self.connect(server)
        self.assertEqual(slow.call("ping", "x" * 900), "x" * 900)
        large = self.connect(server)
        large.send(request(1, "ping", ["x" * 1100]))
        self.assertIn("login_frame_bytes", large.message()[2])
        self.assertEqual(large.message(), None)
        inside = self.connect(server)
        inside.call("auth", TOKEN)
        inside.call("server.config_set", "limits.login_ms", 300)
        self.assertEqual(slow.message(), None)
        self.assertEqual(inside.call("ping", "x" * 1100), "x" * 1100)
        server.wait_log(r"closed: limits.login_ms")
        self.assertEqual(inside.call("kv.get", "k"), None)

    def test_files(self):
        good = run_cairnd("--hash-token", stdin=TOKEN).stdout
        for mode in (0o604, 0o640, 0o644, 0o602, 0o610):
            path = self.write(good, "tokens", mode)
            self.refused(EX_CONFIG, "chmod 600", "--set", "auth.file=" + path, "--set",
                         "listen.rpc=127.0.0.1:0")
        for text, line in (("", 1), ("# none\n", 1), (good + "token\n", 2),
                           ("token sha256:12\n", 1), (good.replace("sha256", "md5"), 1),
                           (good + "\n" + good[:-2] + "x\n", 3), (good[:-1] + "0\n", 1)):
            path = self.write(text, "tokens")
            self.refused(EX_CONFIG, re.escape(f"{path}:{line}:"), "--set", "auth.file=" + path,
                         "--set", "listen.rpc=127.0.0.1:0")
        self.refused(EX_CONFIG, "none", "--set", f"auth.file={self.folder}/none", "--set",
                     "listen.rpc=127.0.0.1:0")

    def test_without_credentials_everybody_is_in(self):
        with Server() as server, server.connect() as client:
            self.assertEqual(client.call("auth", "anything"), True)
            self.assertEqual(client.call("kv.get", "k"), None)


class ReloadTest(Folder):
    def test_reload(self):
        path = self.write("limits:\n  items: 20\nserver:\n  loops: 1\n")
        with Server({"limits.runs": 40}, args=("--config", path)) as server, \
                server.connect() as client:
            def items():
                return client.call("hello")["limits"]["items"]

            self.assertEqual(items(), 20)
            self.write("limits:\n  items: 30\n  runs: 50\nserver:\n  loops: 2\n")
            server.signal(signal.SIGHUP)
            server.wait_log("configuration reloaded")
            until(lambda: items() == 30, "the new limit holds")
            self.assertEqual(client.call("server.config_get", prefix="limits.runs"),
                             {"limits.runs": "40"})  # --set is over the file
            server.wait_log(r"limits\.items has changed")
            server.wait_log(r"server\.loops has changed in the file; that needs a restart")
            with self.assertRaises(RpcError):
                client.call("kv.mget", ["x"] * 31)
            client.call("server.config_set", "limits.items", 25)
            until(lambda: items() == 25, "config_set holds")
            self.write("limits:\n  items: 35\n")
            server.signal(signal.SIGHUP)
            until(lambda: items() == 35, "the file is back in force")

    def test_a_bad_file_changes_nothing(self):
        path = self.write("limits:\n  items: 20\n")
        with Server(args=("--config", path), expect_log="reload failed") as server, \
                server.connect() as client:
            for i, text in enumerate(("limits:\n  items: 30\n  nope: 1\n",
                                      "limits:\n  items: 3\n", "{", "memory:\n  policy: evict\n",
                                      "limits:\n  items: 40\nlisten:\n  rpc: 0.0.0.0:1\n"
                                      "durability:\n  mode: strict\n")):
                self.write(text)
                server.signal(signal.SIGHUP)
                server.wait_log(r"reload failed, nothing has changed: \S", i + 1)
                self.assertEqual(client.call("server.config_get", prefix="limits.items"),
                                 {"limits.items": "20"})
            os.unlink(path)
            server.signal(signal.SIGHUP)
            server.wait_log("reload failed", 6)
            self.write("limits:\n  items: 50\n")
            server.signal(signal.SIGHUP)
            server.wait_log("configuration reloaded")
            self.assertEqual(client.call("server.config_get", prefix="limits.items"),
                             {"limits.items": "50"})

    def test_without_a_file(self):
        with Server({"limits.items": 20}) as server, server.connect() as client:
            client.call("server.config_set", "limits.items", 30)
            server.signal(signal.SIGHUP)
            server.wait_log("configuration reloaded")
            self.assertEqual(client.call("server.config_get", prefix="limits.items"),
                             {"limits.items": "20"})

    def test_reload_in_a_storm(self):
        path = self.write("limits:\n  items: 20\n")
        with Server(args=("--config", path)) as server, server.connect() as client:
            for i in range(50):
                self.write(f"limits:\n  items: {21 + i}\n")
                server.signal(signal.SIGHUP)
                client.pipeline([("kv.put", f"k{j}", j) for j in range(100)])
            until(lambda: client.call("hello")["limits"]["items"] == 70, "the last file holds")


class InspectionTest(TestCase):
    def test_info(self):
        info = self.c.call("server.info")
        self.assertEqual(sorted(info), ["clients", "keyspace", "limits", "memory", "server"])
        self.assertEqual(info["server"]["pid"], self.server.pid)
        self.assertEqual(sorted(info["server"]), ["cpu_us", "durability", "loops", "partitions",
                                                  "pid", "uptime_seconds", "version"])
        self.assertGreater(info["server"]["cpu_us"], 0)
        self.assertEqual(sorted(info["memory"]), ["limit_bytes", "policy", "resident_bytes",
                                                  "used_bytes"])
        self.assertEqual(sorted(info["keyspace"]), ["evicted", "expired", "kinds", "records",
                                                    "version"])
        self.assertEqual(sum(info["keyspace"]["kinds"].values()), info["keyspace"]["records"])
        self.assertGreaterEqual(info["clients"]["connections"], 1)
        for section in info:
            self.assertEqual(list(self.c.call("server.info", section=section)), [section])
        self.fails("NOT_FOUND", "server.info", section="nope")
        self.fails("BAD_ARGUMENT", "server.info", section="")
        before = info["memory"]["used_bytes"]
        self.c.call("kv.put", "k", b"x" * 100000)
        after = self.c.call("server.info")
        self.assertGreaterEqual(after["memory"]["used_bytes"], before + 100000)
        self.assertEqual(after["keyspace"]["records"], info["keyspace"]["records"] + 1)
        kinds = dict(info["keyspace"]["kinds"], kv=info["keyspace"]["kinds"]["kv"] + 1)
        self.assertEqual(after["keyspace"]["kinds"], kinds)
        self.assertGreater(after["memory"]["resident_bytes"], 10**6)

    def test_stats(self):
        before = self.c.call("server.stats", op="kv.incr")["operations"]["kv.incr"]["count"]
        self.c.pipeline([("kv.incr", "n")] * 100 + [("kv.incr", "n", 2**63 - 1)])
        stats = self.c.call("server.stats")
        row = stats["operations"]["kv.incr"]
        self.assertEqual(sorted(row), ["count", "errors", "max_us", "mean_us", "p50_us", "p999_us",
                                       "p99_us"])
        self.assertEqual(row["count"], before + 101)
        self.assertGreaterEqual(row["errors"], 1)
        self.assertLessEqual(row["p50_us"], row["max_us"] * 1.1)
        self.assertTrue(all(type(v) is int for v in stats["counters"].values()))
        self.assertGreater(stats["counters"]["requests"], 100)
        self.assertEqual(list(self.c.call("server.stats", op="ping")["operations"]),
                         ["server.ping"])
        self.fails("NOT_FOUND", "server.stats", op="nope")

    def test_how_long_a_loop_was_held(self):
        def held(**options):
            return self.c.call("server.stats", **options)["counters"]["loop_held_max_us"]
        self.c.call("batch", [["kv.put", ["held:%d" % i, i]] for i in range(10000)])
        most = held()
        self.assertGreater(most, 10)  # nobody writes 1,000 records in a microsecond
        self.assertGreaterEqual(held(reset=True), most)
        until(lambda: held(reset=True) < most, "nothing but turns with little to do")

    def test_sync_is_not_promised(self):
        self.assertIn("memory", self.fails("UNSUPPORTED", "server.sync").text)

    def test_config(self):
        config = self.c.call("server.config_get")
        self.assertEqual(config["listen.rpc"], "127.0.0.1:0")
        self.assertEqual(self.c.call("server.config_get", prefix="log."), {"log.level": "notice"})
        self.assertEqual(self.c.call("server.config_get", prefix="nope"), {})
        for option, value, text in (("limits.items", 20, "20"), ("limits.items", "10000", "10000"),
                                    ("limits.idle_ms", "1h", "1h"), ("limits.idle_ms", 0, "0"),
                                    ("log.level", b"warn", "warn"),
                                    ("log.level", "notice", "notice"),
                                    ("limits.page_bytes", "4MiB", "4MiB")):
            self.assertEqual(self.c.call("server.config_set", option, value), True)
            found = self.c.call("server.config_get", prefix=option)[option]
            self.assertEqual(re.sub("^0ms$", "0", found), text)
        for option, value, code in (("limits.items", 5, "BAD_ARGUMENT"), ("nope", 1, None),
                                    ("limits.items", "x", "BAD_ARGUMENT"),
                                    ("limits.items", -1, "BAD_ARGUMENT"),
                                    ("limits.items", 2**64 - 1, "BAD_ARGUMENT"),
                                    ("limits.items", [1], "BAD_ARGUMENT"),
                                    ("limits.items", None, "BAD_ARGUMENT"),
                                    ("limits.items", "9" * 5000, "BAD_ARGUMENT"),
                                    ("limits.items", "20\0", "BAD_ARGUMENT"),
                                    ("limits.items\0", 20, "BAD_ARGUMENT"),
                                    ("x" * 255, 20, None), ("log.level", "loud", "BAD_ARGUMENT"),
                                    ("listen.rpc", "127.0.0.1:1", "UNSUPPORTED"),
                                    ("auth.file", "", "UNSUPPORTED"),
                                    ("durability.mode", "strict", "UNSUPPORTED"),
                                    ("memory.policy", "evict", "BAD_ARGUMENT")):
            result = self.c.pipeline([("server.config_set", option, value)])[0]
            self.assertIsInstance(result, RpcError, (option, value))
            if code:
                self.assertEqual(result.code, code, (option, value))
        self.assertEqual(self.c.call("server.config_get"), config)

    def test_log_level(self):
        self.c.call("server.config_set", "log.level", "debug")
        self.c.call("server.config_set", "log.level", "notice")


class MemoryTest(unittest.TestCase):
    LIMIT = 4 * 2**20

    def test_refuse(self):
        with Server({"memory.limit": self.LIMIT}) as server, server.connect() as client:
            value = b"x" * 10000
            results = client.pipeline([("kv.put", f"k{i}", value) for i in range(1000)])
            refused = [r.code for r in results if isinstance(r, RpcError)]
            self.assertEqual(set(refused), {"OUT_OF_MEMORY"})
            stored = 1000 - len(refused)
            self.assertTrue(200 < stored < 500, stored)
            value = b"x" * 100000
            for call in (("kv.put", "new", value), ("kv.append", "new", value),
                         ("kv.mput", [["a", value], ["b", value]]), ("kv.cas", "new", 0, value),
                         ("batch", [["kv.put", ["a", value]]], {"atomic": True})):
                self.assertEqual(getattr(client.pipeline([call])[0], "code", None), "OUT_OF_MEMORY",
                                 call[0])
            self.assertEqual(client.call("kv.strlen", "k0"), 10000)
            self.assertEqual(client.call("kv.count"), stored)
            client.call("hello", errors="map")
            error = client.pipeline([("kv.put", "new", value)])[0].error
            self.assertEqual((error["code"], error["retryable"]), ("OUT_OF_MEMORY", True))
            self.assertLessEqual(client.call("server.info")["memory"]["used_bytes"],
                                 self.LIMIT + 2**20)
            self.assertEqual(client.call("kv.mdel", [f"k{i}" for i in range(100)]), 100)
            client.call("kv.put", "new", value)
            client.call("server.config_set", "memory.limit", 2 * self.LIMIT)
            results = client.pipeline([("kv.put", f"more{i}", value) for i in range(30)])
            self.assertEqual([r for r in results if isinstance(r, RpcError)], [])

    def test_evict(self):
        with Server({"memory.limit": self.LIMIT, "memory.policy": "evict"}) as server, \
                server.connect() as client:
            self.fill(client)
            self.assertEqual(client.call("server.info")["memory"]["policy"], "evict")

    def test_policy_can_be_changed(self):
        with Server({"memory.limit": self.LIMIT}) as server, server.connect() as client:
            client.call("server.config_set", "memory.policy", "evict")
            self.fill(client)
            client.call("server.config_set", "memory.policy", "refuse")
            results = client.pipeline([("kv.put", f"x{i}", b"x" * 10000) for i in range(500)])
            self.assertEqual({r.code for r in results if isinstance(r, RpcError)},
                             {"OUT_OF_MEMORY"})

    def fill(self, client):
        """Three times the limit: the oldest go, what is read stays."""
        for i in range(1200):
            client.call("kv.put", f"k{i}", b"x" * 10000)
            client.call("kv.get", "k0")
        info = client.call("server.info")
        self.assertGreater(info["keyspace"]["evicted"], 500)
        self.assertLessEqual(info["memory"]["used_bytes"], self.LIMIT + 2**20)
        self.assertEqual(client.call("kv.count"), info["keyspace"]["records"])
        self.assertTrue(client.call("kv.exists", "k1199"))
        self.assertTrue(client.call("kv.exists", "k0"))


class StopTest(unittest.TestCase):
    def fill(self, client, parts=4):
        for part in range(parts):
            client.call("kv.mput", [[f"k{part}.{i}", i] for i in range(10000)], run="full")

    def stop_while(self, server, clients):
        """SIGTERM, then all messages of each client until the end of its connection."""
        server.signal(signal.SIGTERM)
        return [client.messages() for client in clients]

    def test_idle_connections_are_closed(self):
        with Server() as server:
            clients = [server.connect() for _ in range(50)]
            self.assertEqual(self.stop_while(server, clients), [[]] * 50)
            for client in clients:
                client.close()
            self.assertEqual(server.wait(), 0)

    def test_sigint_stops_too(self):
        with Server() as server:
            server.signal(signal.SIGINT)
            self.assertEqual(server.wait(), 0)

    def test_what_was_received_is_answered(self):
        for ordered in (False, True):
            with Server() as server, server.connect() as client:
                self.fill(client)
                client.call("hello", ordered=ordered)
                client.send(request(0, "kv.clear", [{"run": "full"}]) +
                            b"".join(request(i, "kv.incr", ["n"]) for i in range(1, 1001)))
                found = self.stop_while(server, [client])[0]
                self.assertEqual(sorted(m[1] for m in found), list(range(1001)))
                self.assertEqual({m[2] for m in found}, {None})
                self.assertEqual(max(m[3] for m in found if m[1] == 0), 40000)

    def test_all_that_the_system_has_received_is_answered(self):
        # More than one read takes: it waits in the socket while an ordered clear is under way.
        requests = b"".join(request(i, "kv.incr", ["n"]) for i in range(1, 20001))
        with Server() as server, server.connect() as client, server.connect() as other:
            self.fill(other)
            client.call("hello", ordered=True)
            client.send(request(0, "kv.clear", [{"run": "full"}]) + requests)
            until(lambda: other.call("kv.count", run="full") < 40000, "the clear has begun")
            found = self.stop_while(server, [client])[0]
            self.assertEqual(len(found), 20001)
            self.assertEqual(sorted(m[1] for m in found), list(range(20001)))

    def test_what_arrives_with_the_signal_is_answered(self):
        requests = b"".join(request(i, "kv.incr", ["n"]) for i in range(20000))
        with Server() as server, server.connect() as client:
            client.call("ping")
            server.signal(signal.SIGSTOP)  # so that both are there when it looks
            try:
                client.send(requests)
            finally:
                server.signal(signal.SIGTERM)
                server.signal(signal.SIGCONT)
            found = client.messages()
            self.assertEqual([m[1:] for m in found], [[i, None, i + 1] for i in range(len(found))])
            self.assertEqual(len(found), 20000)

    def test_replies_that_wait_for_the_client(self):
        value = b"x" * 2**20
        with Server() as server, server.connect(receive_buffer=4096) as client:
            client.call("kv.put", "k", value)
            client.send(b"".join(request(i, "kv.get", ["k"]) for i in range(30)))
            first = client.message()
            self.assertEqual(first, [1, 0, None, value])
            found = [first] + self.stop_while(server, [client])[0]
            self.assertEqual([m[1] for m in found], list(range(30)))

    def test_new_connections_are_refused(self):
        with Server() as server, server.connect(receive_buffer=4096) as client:
            client.call("kv.put", "k", b"x" * 2**20)
            client.send(b"".join(request(i, "kv.get", ["k"]) for i in range(30)))
            client.message()
            server.signal(signal.SIGTERM)
            server.wait_log("stopping")

            def refused():
                try:
                    Raw(server.address).close()
                except OSError:
                    return True
                return False

            until(refused, "connections are refused")
            client.messages()

    def test_drain_ms_bounds_the_wait(self):
        with Server({"server.drain_ms": 300, "limits.stall_ms": "1h"}) as server, \
                server.connect(receive_buffer=4096) as client:
            client.call("kv.put", "k", b"x" * 2**20)
            client.send(b"".join(request(i, "kv.get", ["k"]) for i in range(30)))
            client.message()
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)

    def test_second_signal_ends_at_once(self):
        server = Server({"server.drain_ms": "10m", "limits.stall_ms": "1h"})
        self.addCleanup(server.kill)
        with server.connect(receive_buffer=4096) as client:
            client.call("kv.put", "k", b"x" * 2**20)
            client.send(b"".join(request(i, "kv.get", ["k"]) for i in range(30)))
            client.message()  # the rest stays unread
            server.signal(signal.SIGTERM)
            server.wait_log("stopping")
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(), EX_TEMPFAIL)
        server.check_log()

    def test_stop_with_jobs_whose_clients_have_gone(self):
        with Server() as server:
            with server.connect() as client:
                self.fill(client)
                client.send(request(0, "kv.clear", [{"run": "full"}]) * 20 +
                            request(0, "run.drop", ["full"]))
            self.assertEqual(server.process.poll(), None)

    def test_restart_on_the_same_port(self):
        with Server() as first, first.connect() as client:
            client.call("ping")
            address = first.address
            first.signal(signal.SIGTERM)
            first.wait()
        with Server(listen="%s:%d" % address) as second, Client(second.address) as client:
            self.assertEqual(client.call("ping"), "pong")


if __name__ == "__main__":
    unittest.main()
