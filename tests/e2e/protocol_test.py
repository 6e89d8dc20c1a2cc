#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The rules of MessagePack-RPC as Cairn speaks it: hello, ids, order, errors, notifications."""

import os
import re
import socket
import stat
import unittest

import msgpack

from lib import Client, Raw, RpcError, Server, TestCase, encode, request, until

CODE = re.compile(r"^[A-Z]+(_[A-Z]+)* \S")


class HelloTest(TestCase):
    def test_reply(self):
        hello = self.c.call("hello", client="test", version="1")
        self.assertEqual(sorted(hello), ["durability", "features", "id", "limits", "protocol",
                                         "role", "server", "version"])
        self.assertEqual((hello["server"], hello["protocol"], hello["durability"], hello["role"]),
                         ("cairn", 1, "memory", "primary"))
        self.assertEqual(hello["limits"]["key_bytes"], 4096)
        self.assertLessEqual({"kv", "batch", "run"}, set(hello["features"]))
        self.assertEqual(self.c.call("server.hello")["id"], hello["id"])
        self.assertNotEqual(self.connect().call("hello")["id"], hello["id"])

    def test_limits_are_those_of_info(self):
        self.assertEqual(self.c.call("hello")["limits"],
                         self.c.call("server.info", section="limits")["limits"])

    def test_errors_as_maps(self):
        client = self.connect()
        self.assertIs(type(self.fails("UNKNOWN_METHOD", "x", on=client).error), str)
        client.call("hello", errors="map")
        error = self.fails("UNKNOWN_METHOD", "x", on=client).error
        self.assertEqual(sorted(error), ["code", "data", "message", "retryable"])
        self.assertEqual((error["retryable"], error["data"]), (False, None))
        client.call("hello")  # what is not given stays
        self.assertIs(type(self.fails("UNKNOWN_METHOD", "x", on=client).error), dict)
        client.call("hello", errors=b"string")
        self.assertIs(type(self.fails("UNKNOWN_METHOD", "x", on=client).error), str)

    def test_bad_options(self):
        for options in ({"errors": "json"}, {"ordered": 1}, {"nope": 1}, {"client": 5}, {"run": 1}):
            self.fails("BAD_ARGUMENT", "hello", **options)
        self.fails("UNSUPPORTED", "hello", durability="strict")
        self.fails("UNSUPPORTED", "hello", durability="buffered")
        self.c.call("hello", durability="memory")

    def test_a_refused_hello_changes_nothing(self):
        client = self.connect()
        for options in ({"errors": "map", "durability": "strict", "run": "elsewhere"},
                        {"errors": "map", "run": "elsewhere", "ordered": 5}):
            with self.assertRaises(RpcError):
                client.call("hello", **options)
        self.assertIs(type(self.fails("UNKNOWN_METHOD", "x", on=client).error), str)
        client.call("kv.put", "hello-k", 1)
        self.assertEqual(self.c.call("kv.get", "hello-k", run="default"), 1)
        client.call("kv.del", "hello-k")


class MessageTest(TestCase):
    def test_first_byte_and_nils(self):
        for msgid in (0, 1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32 - 1):
            self.c.send(request(msgid, "ping", []))
            data = self.c.read_bytes()
            self.assertEqual(data[0], 0x94)
            self.assertEqual(msgpack.unpackb(data), [1, msgid, None, "pong"])
            self.c.send(request(msgid, "nope", []))
            data = self.c.read_bytes()
            self.assertEqual(data[0], 0x94)
            kind, other, error, result = msgpack.unpackb(data)
            self.assertEqual((kind, other, result), (1, msgid, None))
            self.assertRegex(error, r"^UNKNOWN_METHOD .*nope")

    def test_integers_of_any_width(self):
        for msgid in (b"\xcc\x07", b"\xcd\x00\x07", b"\xce\0\0\0\x07",
                      b"\xcf" + b"\0" * 7 + b"\x07",
                      b"\xd0\x07", b"\xd3" + b"\0" * 7 + b"\x07"):
            self.c.send(b"\xdc\x00\x04\xcc\x00" + msgid + b"\xda\x00\x04ping\xdd\0\0\0\0")
            self.assertEqual(self.c.message(), [1, 7, None, "pong"])

    def test_method_names(self):
        for method in ("ping", b"ping", "server.ping", b"server.ping"):
            self.assertEqual(self.c.call(method), "pong")
        for method in ("", "pin", "pingg", "PING", "ping\0", "kv.", "x" * 5000, b"\xff", "é"):
            self.fails("UNKNOWN_METHOD", method)
        error = self.fails("UNKNOWN_METHOD", "a\r\nb\x1b[31m")
        self.assertTrue(error.error.isprintable(), error.error)
        self.assertEqual(self.c.call("ping"), "pong")

    def test_ping_echoes(self):
        for value in (None, 1, "x", b"\xff", [1, {"a": 2}], 1.5):
            self.assertEqual(self.c.call("ping", value), value)
        self.assertEqual(self.c.call_params("ping", {"payload": 5}), 5)

    def test_errors_begin_with_a_code(self):
        self.c.call("kv.put", "text", "x")
        for call in (("kv.get",), ("kv.get", 1), ("kv.get", "x" * 5000), ("nope",),
                     ("kv.cas", "k", 5, 1), ("kv.incr", "text"), ("server.sync",),
                     ("server.info", {"section": "nope"}), ("kv.incr", "n", 2**63),
                     ("server.stats", {"op": "nope"}), ("server.config_set", "nope", 1)):
            result = self.c.pipeline([call])[0]
            self.assertIsInstance(result, RpcError, call)
            self.assertRegex(result.error, CODE)
            self.assertTrue(result.error.isprintable())

    def test_params_must_be_a_list_or_a_map(self):
        for params in (None, 1, "x", b"x", True, 1.5):
            with self.assertRaises(RpcError) as caught:
                self.c.call_params("ping", params)
            self.assertEqual(caught.exception.code, "BAD_REQUEST")
        self.assertEqual(self.c.call_params("ping", {}), "pong")

    def test_method_must_be_text(self):
        for method in (1, None, [], {"a": 1}):
            with self.assertRaises(RpcError) as caught:
                self.c.call_params(method, [])
            self.assertEqual(caught.exception.code, "BAD_REQUEST")
        self.assertEqual(self.c.call("ping"), "pong")

    def test_map_keys_are_str(self):
        def keys(value):
            if isinstance(value, dict):
                for key, inner in value.items():
                    yield key
                    yield from keys(inner)
            elif isinstance(value, list):
                for inner in value:
                    yield from keys(inner)

        self.c.call("hello", errors="map")
        self.c.call("kv.put", b"k", b"v")
        for call in (("hello",), ("server.info",), ("server.stats",), ("server.config_get",),
                     ("kv.scan",), ("run.list",), ("nope",), ("kv.cas", "k", 99, 1)):
            result = self.c.pipeline([call])[0]
            value = result.error if isinstance(result, RpcError) else result
            found = list(keys(value))
            self.assertTrue(found and all(type(k) is str for k in found), call)

    def test_nesting_at_the_limit(self):
        def nested(levels):
            value = 1
            for _ in range(levels):
                value = [value]
            return value

        limit = self.c.call("hello")["limits"]["nesting"] - 8  # room for what stands around a value
        self.c.call("kv.put", "k", nested(limit))
        self.assertEqual(self.c.call("kv.get", "k"), nested(limit))
        self.assertEqual(self.c.call("batch", [["kv.mget", [["k"]]]]), [[None, [nested(limit)]]])
        self.c.call_params("kv.put", {"key": "k", "value": nested(limit)})
        self.c.call("kv.put", "k", nested(limit), if_value=nested(limit))
        self.c.call("kv.mput", [["k", nested(limit)]])
        self.c.call("batch", [["kv.mput", {"pairs": [["k", nested(limit)]]}]], atomic=True)
        self.fails("LIMIT_EXCEEDED", "kv.put", "k", nested(limit + 1))
        self.fails("LIMIT_EXCEEDED", "kv.mput", [["k", nested(limit + 1)]])
        self.fails("LIMIT_EXCEEDED", "kv.put", "k", 1, if_value=nested(limit + 1))
        self.fails("LIMIT_EXCEEDED", "batch", [["kv.put", ["k", nested(limit + 1)]]], atomic=True)
        self.assertEqual(self.c.call("ping"), "pong")


class NotificationTest(TestCase):
    def test_no_reply(self):
        self.c.notify("kv.put", "k", 1, {"run": self._testMethodName})
        self.c.notify("ping")
        self.c.notify("nope")
        self.c.notify("kv.get")
        self.c.notify("kv.get", 5)
        self.c.notify("kv.incr", "k", "x")
        self.c.notify("kv.clear", {"prefix": "none"})
        self.c.notify("batch", [["kv.put", ["b", 1]]])
        self.c.send(encode([2, b"kv.incr", ["k", 5]]))
        self.c.send(encode([2, "kv.incr", {"key": "k"}]))
        msgid = self.c.post("kv.get", "k")
        self.assertEqual(self.c.message(), [1, msgid, None, 7])
        self.assertEqual(self.c.call("kv.get", "b"), 1)

    def test_many(self):
        self.c.send(b"".join(encode([2, "kv.incr", ["n"]]) for _ in range(20000)))
        self.assertEqual(self.c.call("kv.get", "n"), 20000)


class PipelineTest(TestCase):
    def test_10000_requests(self):
        puts = b"".join(request(i, "kv.put", [f"k{i}", i]) for i in range(10000))
        self.c.send(puts)
        seen = [self.c.message() for _ in range(10000)]
        self.assertEqual([m[1] for m in seen], list(range(10000)))
        self.assertEqual({m[2] for m in seen}, {None})
        self.c.send(b"".join(request(2**32 - 1 - i, "kv.get", [f"k{i}"]) for i in range(10000)))
        self.assertEqual([self.c.message() for _ in range(10000)],
                         [[1, 2**32 - 1 - i, None, i] for i in range(10000)])

    def test_errors_between(self):
        self.c.call("kv.put", "t", "x")
        calls = [("kv.incr", "n"), ("nope",), ("kv.incr", "t"), ("kv.get", 1)] * 500
        results = self.c.pipeline(calls)
        self.assertEqual(results[::4], list(range(1, 501)))
        self.assertTrue(all(isinstance(r, RpcError) for i, r in enumerate(results) if i % 4))

    def test_the_run_changes_between(self):
        """The run of a request is that of its turn, not of the time when it was read."""
        own, other = self._testMethodName, self._testMethodName + ".other"
        self.addCleanup(self.c.call, "run.drop", other)
        for _ in range(3):
            calls = []
            for name in (own, other):
                calls += [("run.use", name), *(("kv.put", f"k{i}", name) for i in range(5))]
            for result in self.c.pipeline(calls):
                self.assertNotIsInstance(result, RpcError)
        for name in (own, other):
            self.c.call("run.use", name)
            self.assertEqual(self.c.call("kv.count"), 5)
            self.assertEqual({self.c.call("kv.get", f"k{i}") for i in range(5)}, {name})
            self.assertEqual(len(self.c.call("kv.scan")["items"]), 5)

    def test_equal_ids(self):
        self.c.send(request(5, "ping", [1]) + request(5, "ping", [2]))
        self.assertEqual([self.c.message(), self.c.message()], [[1, 5, None, 1], [1, 5, None, 2]])

    def fill(self, name):
        for part in range(4):
            self.c.call("kv.mput", [[f"k{part}.{i}", i] for i in range(10000)], run=name)

    def test_slow_requests_do_not_hold_back_others(self):
        self.fill("slow")
        data = [request(1, "kv.clear", [{"run": "slow"}])]
        data += [request(2 + i, "ping", [i]) for i in range(100)]
        data.append(request(102, "kv.count", [{"run": "none"}]))
        self.c.send(b"".join(data))
        seen = [self.c.message() for _ in range(102)]
        self.assertEqual(sorted(m[1] for m in seen), list(range(1, 103)))
        for _, msgid, error, result in seen:
            self.assertEqual(error, None)
            self.assertEqual(result, 40000 if msgid == 1 else 0 if msgid == 102 else msgid - 2)
        self.assertNotEqual(seen[0][1], 1)

    def test_ordered(self):
        self.c.call("hello", ordered=True)
        self.fill("ordered")
        data = []
        for i in range(50):
            data.append(request(3 * i, "kv.clear", [{"run": "ordered", "prefix": f"k{i % 4}"}]))
            data.append(request(3 * i + 1, "nope", []))
            data.append(request(3 * i + 2, "kv.count", [{"run": "ordered"}]))
        self.c.send(b"".join(data))
        seen = [self.c.message() for _ in range(150)]
        self.assertEqual([m[1] for m in seen], list(range(150)))
        self.assertEqual([m[3] for m in seen[:12:3]], [10000] * 4)
        self.assertEqual([m[3] for m in seen[2::3]], [30000, 20000, 10000] + [0] * 47)
        self.c.call("hello", ordered=False)

    def test_many_slow_requests(self):
        self.fill("many")
        self.c.send(b"".join(request(i, "kv.clear", [{"run": "many"}]) for i in range(3000)))
        seen = [self.c.message() for _ in range(3000)]
        self.assertEqual(sorted(m[1] for m in seen), list(range(3000)))
        self.assertEqual(sum(m[3] for m in seen), 40000)

    def test_half_close_is_answered(self):
        for ordered in (False, True):
            client = self.connect()
            client.call("hello", ordered=ordered)
            self.fill("half")
            client.send(request(1, "kv.clear", [{"run": "half"}]) +
                        b"".join(request(2 + i, "ping", ["x" * 100]) for i in range(3000)))
            client.shutdown()
            self.assertEqual(sorted(m[1] for m in client.messages()), list(range(1, 3002)))

    def test_large_messages(self):
        value = bytes(range(256)) * 4096  # 1 MiB
        clients = [self.connect() for _ in range(4)]
        ids = [(c, c.post("kv.put", f"k{i}", value, run=self._testMethodName))
               for i, c in enumerate(clients)]
        for client, msgid in ids:
            client.wait(msgid)
        for result in self.c.pipeline([("kv.get", f"k{i % 4}") for i in range(40)]):
            self.assertEqual(result, value)
        self.assertEqual(self.c.call("kv.mget", ["k0", "k1"]), [value, value])


class SocketTest(unittest.TestCase):
    def test_unix_socket(self):
        with Server({"listen.unix_mode": "0600"},
                    listen="{folder}/cairn.sock,127.0.0.1:0") as server:
            path = server.address_of(0)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            with Client(path) as one, Client(server.address_of(1)) as two:
                one.call("kv.put", "k", 1)
                self.assertEqual(two.call("kv.get", "k"), 1)
                one.send(b"".join(request(i, "kv.incr", ["n"]) for i in range(10000)))
                self.assertEqual([one.message()[3] for _ in range(10000)], list(range(1, 10001)))
        self.assertFalse(os.path.exists(path))

    def test_unix_socket_left_behind(self):
        with Server(listen="{folder}/cairn.sock") as first:
            left = first.folder + "/left.sock"
            with Raw(first.address):
                pass
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(left)
            stale.close()
            with Server(listen=left) as second, Client(left) as client:
                self.assertEqual(client.call("ping"), "pong")
                self.assertNotEqual(second.pid, first.pid)

    def test_ipv6_and_several(self):
        try:
            server = Server(listen="[::1]:0, 127.0.0.1:0 , localhost:0")
        except AssertionError as error:
            if "[::1]:0" in str(error):
                self.skipTest("no IPv6 loopback")
            raise
        with server:
            self.assertEqual(len(server.addresses), 3)
            for i in range(3):
                with Client(server.address_of(i)) as client:
                    self.assertEqual(client.call("kv.incr", "n"), i + 1)

    def test_several_loops(self):
        for loops in (1, 2, 5):
            with Server({"server.loops": loops}) as server:
                clients = [server.connect() for _ in range(3 * loops)]
                self.assertEqual(clients[0].call("server.info")["server"]["loops"], loops)
                for client in clients:
                    client.send(b"".join(request(i, "kv.incr", ["n"]) for i in range(500)))
                seen = sorted(c.message()[3] for c in clients for _ in range(500))
                self.assertEqual(seen, list(range(1, 500 * len(clients) + 1)))
                for client in clients:
                    client.close()
                with server.connect() as last:
                    until(lambda: last.call("server.info", section="clients")["clients"]
                          ["connections"] == 1, "closed connections are gone")


if __name__ == "__main__":
    unittest.main()
