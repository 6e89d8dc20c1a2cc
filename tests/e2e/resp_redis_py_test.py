#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-py (Debian's python3-redis 4.3) on the RESP port: what its users write."""

import select
import threading
import time
import unittest

from lib.resp_subject import IS_CAIRND, Subject

try:
    import redis
except ImportError:
    redis = None


@unittest.skipIf(redis is None, "python3-redis is missing: scripts/packages.sh test")
class RedisPyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.subject = Subject()
        cls.addClassCleanup(cls.subject.stop)

    def setUp(self):
        self.r = self.connect()
        self.r.flushall()

    def connect(self, **how):
        host, port = self.subject.address
        client = redis.Redis(host=host, port=port, **how)
        self.addCleanup(client.connection_pool.disconnect)
        return client

    def test_by_url(self):
        host, port = self.subject.address
        client = redis.Redis.from_url(f"redis://{host}:{port}/0")
        self.addCleanup(client.connection_pool.disconnect)
        self.assertTrue(client.ping())

    def test_values(self):
        r = self.r
        self.assertIs(r.set("k", b"\x00\xff"), True)
        self.assertEqual(r.get("k"), b"\x00\xff")
        self.assertIsNone(r.get("none"))
        self.assertIsNone(r.set("k", 1, nx=True))
        self.assertEqual(r.set("k", 2, xx=True, get=True), b"\x00\xff")
        self.assertEqual(r.getset("k", 3), b"2")
        self.assertEqual(r.getdel("k"), b"3")
        self.assertTrue(r.mset({"a": 1, "b": 2.5}))
        self.assertEqual(r.mget("a", "b", "c"), [b"1", b"2.5", None])
        self.assertFalse(r.msetnx({"a": 1, "z": 2}))
        self.assertEqual(r.append("a", "23"), 3)
        self.assertEqual(r.strlen("a"), 3)
        self.assertEqual(r.incr("a"), 124)
        self.assertEqual(r.decr("a", 24), 100)
        self.assertEqual(r.incrbyfloat("b", 0.25), 2.75)
        self.assertEqual(r.exists("a", "b", "c"), 2)
        self.assertEqual(r.touch("a"), 1)
        self.assertEqual(r.type("a"), b"string")
        self.assertEqual(r.type("none"), b"none")
        self.assertEqual(r.unlink("b"), 1)
        self.assertEqual(r.delete("a", "a"), 1)
        self.assertEqual(r.dbsize(), 0)
        large = b"x" * 5000000
        r.set("large", large)
        self.assertEqual(r.get("large"), large)

    def test_dictionary(self):
        self.r["k"] = "v"
        self.assertEqual(self.r["k"], b"v")
        self.assertIn("k", self.r)
        del self.r["k"]
        with self.assertRaises(KeyError):
            print(self.r["k"])

    def test_expiry(self):
        r = self.r
        r.set("k", "v", ex=100)
        self.assertIn(r.ttl("k"), range(95, 101))
        self.assertIn(r.pttl("k"), range(95000, 100001))
        self.assertTrue(r.persist("k"))
        self.assertEqual(r.ttl("k"), -1)
        self.assertEqual(r.ttl("none"), -2)
        self.assertTrue(r.expire("k", 100, nx=True))
        self.assertFalse(r.expire("k", 50, gt=True))
        self.assertTrue(r.expireat("k", int(time.time()) + 500))
        self.assertEqual(r.getex("k", px=1000000), b"v")
        self.assertGreater(r.ttl("k"), 900)
        r.setex("k", 200, "w")
        r.psetex("k", 200000, "w")
        self.assertIn(r.ttl("k"), range(195, 201))
        self.assertAlmostEqual(r.expiretime("k"), r.pexpiretime("k") / 1000, delta=1)

    def test_decode_responses(self):
        r = self.connect(decode_responses=True)
        r.set("schlüssel", "wört")
        self.assertEqual(r.get("schlüssel"), "wört")
        self.assertEqual(r.keys(), ["schlüssel"])
        self.assertEqual(r.config_get("save"), {"save": ""})

    def test_pipelines(self):
        for transaction in (False, True):
            with self.subTest(transaction), self.r.pipeline(transaction=transaction) as pipe:
                self.r.flushall()
                pipe.set("n", 1).incr("n").get("n").mget("n", "none").delete("n", "none")
                self.assertEqual(pipe.execute(), [True, 2, b"2", [b"2", None], 1])
                for i in range(10000):
                    pipe.set(f"key:{i}", i)
                self.assertEqual(pipe.execute(), [True] * 10000)
                self.assertEqual(pipe.execute(), [])

    def test_errors_in_pipelines(self):
        self.r.set("k", "text")
        for transaction in (False, True):
            with self.subTest(transaction), self.r.pipeline(transaction=transaction) as pipe:
                pipe.set("a", 1).incr("k").set("b", 2)
                results = pipe.execute(raise_on_error=False)
                self.assertEqual([results[0], results[2]], [True, True])
                self.assertIsInstance(results[1], redis.ResponseError)
                self.assertIn("value is not an integer", str(results[1]))
                pipe.set("a", 1).incr("k")
                with self.assertRaisesRegex(redis.ResponseError, r"Command # 2 \(INCRBY k 1\) of"):
                    pipe.execute()
                pipe.set("a", 5).execute_command("NOPE")
                with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
                    pipe.execute()
                # A transaction with an error at queue time does nothing at all.
                self.assertEqual(self.r.get("a"), b"1" if transaction else b"5")

    def test_watch_error(self):
        with self.r.pipeline() as pipe:
            pipe.watch("k")
            self.r.set("k", "other")
            pipe.multi()
            pipe.set("k", "mine")
            with self.assertRaises(redis.WatchError):
                pipe.execute()
        self.assertEqual(self.r.get("k"), b"other")

    def test_watch_loops_lose_nothing(self):
        def add(pipe):
            value = int(pipe.get("n") or 0)
            pipe.multi()
            pipe.set("n", value + 1)

        def work():
            for _ in range(40):
                self.r.transaction(add, "n")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.r.get("n"), b"160")

    def test_scan_iter(self):
        keys = {b"key:%d" % i for i in range(2500)}
        self.r.mset({key: 1 for key in keys})
        self.r.set("other", 1)
        self.assertEqual(set(self.r.scan_iter()), keys | {b"other"})
        self.assertEqual(set(self.r.scan_iter(match="key:*", count=100)), keys)
        self.assertEqual(set(self.r.scan_iter(match="o*", _type="string")), {b"other"})
        self.assertEqual(set(self.r.scan_iter(_type="list")), set())
        self.assertEqual(set(self.r.keys("key:*")), keys)

    def test_locks(self):
        """A lock is taken by SET NX PX; releasing it needs a script, and says so where none are."""
        lock = self.r.lock("lock", timeout=100)
        self.assertTrue(lock.acquire(blocking=False))
        self.assertTrue(lock.locked())
        self.assertTrue(lock.owned())
        self.assertFalse(self.r.lock("lock", timeout=100).acquire(blocking=False))
        if IS_CAIRND:
            with self.assertRaisesRegex(redis.ResponseError, "unknown command 'EVALSHA'"):
                lock.release()
        else:
            lock.release()
            self.assertFalse(lock.locked())

    def test_server(self):
        r = self.connect(client_name="me")
        self.assertEqual(r.client_getname(), "me")
        self.assertEqual(r.client_info()["name"], "me")
        self.assertIn("me", [c["name"] for c in r.client_list()])
        self.assertGreater(r.client_id(), 0)
        r.set("k", 1)
        info = r.info()
        self.assertEqual(info["db0"]["keys"], 1)
        r.set("e", 1, ex=60)
        if IS_CAIRND:  # other kinds and runs are no keys
            with self.subject.server.connect() as client:
                client.call("ckpt.save", "s", {"state": 1}, ttl_ms=60000)
                client.call("kv.put", "k", 1, run="other")
        keyspace = r.info("keyspace")["db0"]
        self.assertEqual((keyspace["keys"], keyspace["expires"]), (2, 1))
        self.assertEqual(r.dbsize(), 2)
        self.assertEqual(info["loading"], 0)
        self.assertGreaterEqual(info["connected_clients"], 1)
        self.assertIn("redis_version", r.info("server"))
        self.assertEqual(r.config_get("appendonly"), {"appendonly": "no"})
        self.assertGreater(r.command_count(), 30)
        self.assertIn("get", r.command())
        self.assertEqual(r.echo("hello"), b"hello")
        self.assertEqual(r.wait(0, 0), 0)
        self.assertTrue(r.flushdb(asynchronous=True))
        self.assertEqual(r.select(0), True)

    def test_errors_have_their_classes(self):
        with self.assertRaisesRegex(redis.ResponseError, "unknown command 'NOPE'"):
            self.r.execute_command("NOPE", "a")
        with self.assertRaises(redis.ResponseError):
            self.r.execute_command("GET")
        with self.assertRaises(redis.exceptions.ExecAbortError):
            with self.connect(single_connection_client=True) as r:
                r.execute_command("MULTI")
                with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
                    r.execute_command("NOPE")
                r.execute_command("EXEC")
        with self.assertRaisesRegex(redis.RedisError, "WRONGPASS"):
            self.connect(password="x", username="nobody").ping()

    def test_reconnects(self):
        """A connection that is closed behind its back is replaced."""
        self.r.set("k", 1)
        connection = self.r.connection_pool.get_connection("x")
        connection.send_command("QUIT")
        connection.read_response()
        self.assertTrue(select.select([connection._sock], [], [], 10)[0])  # it is closed now
        self.r.connection_pool.release(connection)
        self.assertEqual(self.r.get("k"), b"1")


if __name__ == "__main__":
    unittest.main()
