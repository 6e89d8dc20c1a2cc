#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --ack-log and loadgen verify: a cairnd that is killed while it is written to holds, when
it is back, what it has acknowledged; and where it does not, verify sees it."""

import json
import os
import subprocess
import tempfile
import unittest

from lib.server import Server, environment, until

LOADGEN = os.environ.get("LOADGEN", "loadgen")


class CrashTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = os.path.join(folder.name, "data")
        self.acks = os.path.join(folder.name, "acks")

    def start(self, mode):
        server = Server({"data.dir": self.data, "durability.mode": mode,
                         "listen.resp": "127.0.0.1:0"})
        self.addCleanup(server.kill)
        self.uri = "cairn://{}:{}".format(*server.address)
        self.resp = "redis://{}:{}".format(*server.address_of(0, "resp"))
        return server

    def loadgen(self, *args, uri=None):
        return subprocess.Popen([LOADGEN, *map(str, args), "-u", uri or self.uri, "--ack-log",
                                 self.acks], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, encoding="utf-8", env=environment())

    def finish(self, *args, status, uri=None):
        process = self.loadgen(*args, uri=uri)
        out, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, status, out + err)
        return out, err

    def verify(self, status=0, uri=None):
        out, err = self.finish("verify", "--json", status=status, uri=uri)
        return json.loads(out), err

    def killed(self, mode, threads):
        server = self.start(mode)
        process = self.loadgen("--workload", "crash", "-r", 500, "--threads", threads)
        until(lambda: os.path.exists(self.acks) and os.path.getsize(self.acks) > 150000,
              "acknowledgements")
        server.kill()
        out, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 3, out + err)
        self.assertIn("incomplete", out, err)
        server = self.start(mode)
        found, _ = self.verify()
        self.assertGreater(found["acknowledged"], 2000)
        self.assertEqual(found["keys"], 500)
        self.assertEqual(found["holds"] + found["unanswered"], 500)
        server.stop()

    def test_killed_strict(self):
        self.killed("strict", 1)

    def test_killed_buffered(self):
        self.killed("buffered", 2)

    def test_seen(self):
        """A lost key, an older write, a damaged value, and one that nobody has acknowledged."""
        server = self.start("buffered")
        for tests in ("set", "rmw", "mixed", "insert"):
            self.finish("-t", tests, "-r", 100, "-n", 400, "--preload", "--verify", "-c", 3,
                        "--warmup", "100ms", status=0)
            self.assertTrue(self.verify()[0]["good"], tests)
            self.assertTrue(self.verify(uri=self.resp)[0]["good"], tests)
        # One connection: every write of a key is certainly later than the one before.
        self.finish("-t", "set", "-r", 10, "-n", 10, "--key-pattern", "sequential", "--verify",
                    "-c", 1, status=0)
        client = server.connect()
        old = client.call("kv.get", b"key:000000000001")
        self.finish("-t", "set", "-r", 10, "-n", 100, "--key-pattern", "sequential", "--verify",
                    "-c", 1, status=0)
        value = client.call("kv.get", b"key:000000000002")
        client.call("kv.del", b"key:000000000000")
        client.call("kv.put", b"key:000000000001", old)
        client.call("kv.put", b"key:000000000002", value[:60] + b"~" + value[61:])
        client.call("kv.put", b"key:000000000003", b"mine")
        for uri in (self.uri, self.resp):
            found, err = self.verify(status=3, uri=uri)
            self.assertEqual((found["lost"], found["stale"], found["damaged"]), (1, 1, 2))
            self.assertEqual((found["holds"], found["good"]), (6, False))
            self.assertIn("key 000000000000: lost", err)
            self.assertIn("key 000000000001: stale, it is write 1", err)
            self.assertIn("key 000000000002: damaged from byte 60 of 64 on", err)
        out, _ = self.finish("verify", status=3)
        self.assertIn("does not hold what it has acknowledged", out)
        client.close()
        server.stop()

    def test_usage(self):
        server = self.start("strict")
        _, err = self.finish("verify", status=2)
        self.assertIn("cannot read", err)
        _, err = self.finish("-t", "set", "-n", 10, status=2)
        self.assertIn("--verify", err)
        self.finish("-t", "set", "-n", 10, "--verify", status=0)
        server.stop()
        _, err = self.finish("verify", status=3)
        self.assertIn("Connection refused", err)


if __name__ == "__main__":
    unittest.main()
