#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --ack-log and loadgen verify: a cairnd that is killed while it is written to holds, when
it is back, what it has acknowledged; and where it does not, verify sees it."""

import json
import os
import unittest

from lib.loadgen import Case, ended
from lib.server import Server, until


class CrashTest(Case):
    def setUp(self):
        self.data = self.path("data")
        self.acks = self.path("acks")

    def serve(self, mode):
        server = Server({"data.dir": self.data, "durability.mode": mode,
                         "listen.resp": "127.0.0.1:0"})
        self.addCleanup(server.kill)
        self.uri = server.uri()
        self.resp = server.uri("resp")
        return server

    def loadgen(self, *args, uri=None):
        return self.start(*args, "-u", uri or self.uri, "--ack-log", self.acks)

    def finish(self, *args, status, uri=None):
        done = ended(self.loadgen(*args, uri=uri), status)
        return done.stdout, done.stderr

    def verify(self, status=0, uri=None):
        out, err = self.finish("verify", "--json", status=status, uri=uri)
        return json.loads(out), err

    def killed(self, mode, threads):
        server = self.serve(mode)
        process = self.loadgen("--workload", "crash", "-r", 500, "--threads", threads)
        until(lambda: os.path.exists(self.acks) and os.path.getsize(self.acks) > 150000,
              "acknowledgements")
        server.kill()
        self.assertIn("incomplete", ended(process, 3).stdout)
        server = self.serve(mode)
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
        server = self.serve("buffered")
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
        server = self.serve("strict")
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
