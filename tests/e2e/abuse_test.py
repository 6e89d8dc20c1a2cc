#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What hostile and broken clients do, and that nobody else notices."""

import io
import random
import resource
import socket
import time
import unittest

import msgpack

from lib.client import TIMEOUT_S
from lib import (Client, Raw, RpcError, Server, TestCase, encode, operations, quick, request,
                 sanitized, soon, spoilt, until)

MIB = 2**20
TLS_HELLO = bytes.fromhex("16030100ca010000c60303") + bytes(range(190))
GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "post": b"POST /kv HTTP/1.0\r\n\r\n{}",
    "resp": b"*1\r\n$4\r\nPING\r\n", "resp inline": b"PING\r\n", "tls": TLS_HELLO,
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n", "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "memcached": b"get k\r\n", "zeros": bytes(5000), "ones": b"\xff" * 5000,
    "reserved": b"\xc1", "json": b'[0, 1, "ping", []]', "nil": b"\xc0", "map": b"\x81\xa1a\x01",
    "text": b"\xa4ping", "empty array": b"\x90", "array of one": b"\x91\x00",
    "array of five": encode([0, 1, "ping", [], 5]), "response": encode([1, 1, None, 5]),
    "type 3": encode([3, 1, "ping", []]), "request of three": encode([0, 1, "ping"]),
    "notification of four": encode([2, "ping", [], 1]), "id str": encode([0, "1", "ping", []]),
    "id negative": encode([0, -1, "ping", []]), "id float": encode([0, 1.0, "ping", []]),
    "id too large": encode([0, 2**32, "ping", []]), "id nil": encode([0, None, "ping", []]),
    "type str": encode(["0", 1, "ping", []]), "type bool": encode([False, 1, "ping", []]),
    "reserved inside": b"\x94\x00\x01\xa4ping\x91\xc1",
    "reserved as method": b"\x94\x00\x01\xc1\x90", "reserved in value":
    b"\x94\x00\x01\xa6kv.put\x92\xa1k\x92\x01\xc1",
}
SESSION = [["hello", {"client": "x" * 300}], ["kv.put", "k", {"a": [1, b"\xff" * 300]}],
           ["kv.get", "k"], ["nope"], ["kv.get"], ["kv.incr", "n", 5, {"max": 7}],
           ["kv.incr", "n", 5, {"max": 7}], ["kv.mput", [["a", 1], ["b", "x" * 70000]]],
           ["kv.mget", ["a", "b", "c"]], ["batch", [["kv.get", ["a"]], ["kv.del", ["a"]]]],
           ["kv.scan", {"limit": 2}], ["kv.clear"], ["kv.count"], ["kv.get", 1.5]]


def raise_descriptors():
    """As many descriptors as we may have; the number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connections(client):
    return client.call("server.info", section="clients")["clients"]["connections"]


class AbuseCase(TestCase):
    """In these tests a second client must be served all the time."""

    def setUp(self):
        super().setUp()
        self.addCleanup(self.served)

    def served(self):
        with self.server.connect() as client:
            self.assertEqual(client.call("ping"), "pong")

    def raw(self, **how):
        raw = Raw(self.server.address, **how)
        self.addCleanup(raw.close)
        return raw


class GarbageTest(AbuseCase):
    def test_kinds(self):
        for name, data in GARBAGE.items():
            with self.subTest(name), self.raw() as raw:
                raw.send(data)
                raw.shutdown()
                told = raw.read_all()
                if told[:1] in (b"-", b"H"):  # who speaks another protocol is told in it
                    self.assertRegex(told, b"^(-ERR this|HTTP/1.1 400 [^\\0]*This) port speaks "
                                           b"MessagePack-RPC; (RESP|HTTP) is at listen")
                    continue
                for message in msgpack.Unpacker(io.BytesIO(told)):
                    self.assertEqual(message[0], 1)
                    self.assertRegex(message[2], "^BAD_REQUEST ")

    def test_it_is_closed_without_waiting_for_more(self):
        for name in GARBAGE:
            if name not in ("reserved in value",):
                with self.subTest(name), self.raw(timeout=20) as raw:
                    raw.send(GARBAGE[name])
                    raw.read_all()

    def test_requests_before_garbage_are_answered(self):
        for name, data in GARBAGE.items():
            with self.subTest(name), self.raw() as raw:
                raw.send(b"".join(request(i, "ping", [i]) for i in range(20)) + data)
                raw.shutdown()
                self.assertEqual(raw.messages()[:20], [[1, i, None, i] for i in range(20)])

    def test_every_first_byte(self):
        for first in range(256):
            with self.raw() as raw:
                raw.send(bytes([first]))
                raw.shutdown()
                self.assertEqual(raw.read_all(), b"")

    def test_random(self):
        seed = 31337
        print(f"seed {seed}")
        rng = random.Random(seed)
        good = b"".join(request(i, c[0], c[1:]) for i, c in enumerate(SESSION[:6] + SESSION[8:]))
        for data in spoilt(rng, good, 300):
            with self.raw() as raw:
                raw.send(data)
                raw.shutdown()
                raw.read_all()

    def test_truncated_everywhere(self):
        data = request(7, "kv.put", ["k", {"a": [1, "x", b"y", 1.5, 2**40]}, {"if_absent": True}])
        for size in range(len(data)):
            with self.raw() as raw:
                raw.send(data[:size])
                raw.shutdown()
                self.assertEqual(raw.read_all(), b"")
            with self.raw() as raw:
                raw.send(data[:size])
        self.assertFalse(self.c.call("kv.exists", "k", run="default"))

    def test_duplicate_and_odd_map_keys(self):
        for params, code in ((b"\x91\x82\xa3key\xa1a\xa3key\xa1b", "BAD_ARGUMENT"),
                             (b"\x82\xa3key\xa1a\xa3key\xa1b", "BAD_ARGUMENT"),
                             (b"\x92\xa1a\x81\xa3key\xa1b", "BAD_ARGUMENT"),
                             (b"\x92\xa1a\x81\x90\xc0", "BAD_ARGUMENT"),
                             (b"\x92\xa1a\x81\xc0\xc0", "BAD_ARGUMENT"),
                             (b"\x92\xa1a\x81\xa0\xc0", "BAD_ARGUMENT"),
                             (b"\x92\xa1a\x81\xacwith_version\x01", "BAD_ARGUMENT"),
                             (b"\x92\xa1a\x81\xd9\xff" + b"x" * 255 + b"\x01", "BAD_ARGUMENT")):
            self.c.send(b"\x94\x00\x07\xa6kv.get" + params)
            self.assertEqual(self.c.message()[2].split(" ")[0], code, params)


class SizeTest(AbuseCase):
    def test_announced_sizes_are_refused_at_once(self):
        head = b"\x94\x00\x07\xa6kv.put\x92\xa1k"
        before = self.server.resident_bytes()
        for tail in (b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x05",
                     b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
                     b"\xc6" + (18 * MIB).to_bytes(4, "big") + b"x" * 100,
                     b"\x92\x01\xdd\xff\xff\xff\xff", b"\x81\xa1a\xdf\xff\xff\xff\xff"):
            with self.subTest(tail[:6]), self.raw() as raw:
                raw.send(head + tail)
                messages = raw.messages()
                self.assertEqual(len(messages), 1)
                self.assertEqual(messages[0][:2], [1, 7])
                self.assertRegex(messages[0][2], "^LIMIT_EXCEEDED .*frame_bytes")
        for data in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdc\xff\xff\x00",
                     b"\x94\xdd\xff\xff\xff\xff", b"\x94\x00\xdd\xff\xff\xff\xff",
                     b"\x94\x00\x07\xdd\xff\xff\xff\xff", b"\x94\x00\x07\xdb\xff\xff\xff\xff",
                     b"\x94\x00\x07\xa4ping\xdd\xff\xff\xff\xff",
                     b"\x94\x00\x07\xa4ping\xdf\xff\xff\xff\xff"):
            with self.subTest(data), self.raw() as raw:
                raw.send(data)
                for message in raw.messages():
                    self.assertRegex(message[2], "^(LIMIT_EXCEEDED|BAD_REQUEST) ")
        self.assertLess(self.server.resident_bytes() - before, 64 * MIB)

    def test_many_announce_what_may_come(self):
        def closed():
            return self.c.call("server.stats")["counters"]["connections_closed_limit"]

        # What is reserved counts against this limit, touched or not.
        self.c.call("server.config_set", "limits.client_bytes", "64MiB")
        self.addCleanup(self.c.call, "server.config_set", "limits.client_bytes", "1GiB")
        before, closed_before = self.server.resident_bytes(), closed()
        crowd = [self.raw() for _ in range(300)]
        for raw in crowd:  # 300 times 16 MiB, if it were believed
            raw.send(b"\x94\x00\x07\xa6kv.put\x92\xa1k\xc6" + (16 * MIB - 5).to_bytes(4, "big") +
                     b"x" * 1000)
        until(lambda: connections(self.c) > 300, "all are there")
        for raw in crowd:
            raw.send(b"x" * 1000)
        for raw in crowd:
            raw.reset()
        until(lambda: connections(self.c) == 1, "all are gone")
        self.assertEqual(closed(), closed_before)
        self.assertLess(self.server.resident_bytes() - before, 200 * MIB)

    def test_nesting_bombs(self):
        head = b"\x94\x00\x07\xa6kv.put\x92\xa1k"
        for bomb in (b"\x91" * 10**6, b"\x81\xa1a" * 10**5, b"\xdc\x00\x01" * 10**5,
                     b"\xde\x00\x01\x01" * 10**5, b"\x92\x01" * 10**5, b"\x81" * 10**5):
            with self.raw() as raw:
                try:
                    raw.send(bomb)
                except OSError:
                    pass
                raw.messages()
            with self.raw() as raw:
                try:
                    raw.send(head + bomb)
                except OSError:
                    pass
                for message in raw.messages():
                    self.assertEqual(message[:2], [1, 7])
                    self.assertRegex(message[2], "^LIMIT_EXCEEDED .*nesting")
        for depth in (33, 200):  # whole messages
            with self.raw() as raw:
                raw.send(head + b"\x91" * depth + b"\x01")
                self.assertRegex(raw.message()[2], "^LIMIT_EXCEEDED .*nesting")

    def test_keys_and_names_at_the_limit(self):
        for size, good in ((1, True), (4095, True), (4096, True), (4097, False), (0, False)):
            for key in ("k" * size, b"\xff" * size):
                calls = [("kv.put", key, 1), ("kv.get", key), ("kv.mput", [[key, 1]]),
                         ("kv.mget", [key]), ("kv.incr", key), ("kv.expire", key, 5 * 10**6),
                         ("kv.del", key), ("kv.cas", key, 0, 1), ("kv.exists", key)]
                results = self.c.pipeline(calls)
                wanted = None if good else "LIMIT_EXCEEDED" if size else "BAD_ARGUMENT"
                for call, result in zip(calls, results):
                    self.assertEqual(getattr(result, "code", None), wanted, (call[0], size))
        for size, code in ((255, None), (256, "LIMIT_EXCEEDED")):
            for call in (("kv.put", "k", 1, {"run": "r" * size}), ("run.drop", "r" * size),
                         ("run.use", "r" * size)):
                self.assertEqual(getattr(self.c.pipeline([call])[0], "code", None), code)

    def test_values_at_the_limit(self):
        largest = 16 * MIB - 5  # as bin 32
        self.c.call("kv.put", "k", b"x" * largest)
        self.assertEqual(self.c.call("kv.strlen", "k"), largest)
        self.assertEqual(len(self.c.call("kv.get", "k")), largest)
        self.fails("LIMIT_EXCEEDED", "kv.append", "k", "x")
        self.assertIn("value_bytes", self.fails("LIMIT_EXCEEDED", "kv.put", "k",
                                                b"x" * (largest + 1)).text)
        self.fails("LIMIT_EXCEEDED", "kv.mput", [["k", b"x" * (largest + 1)]])
        self.assertEqual(self.c.call("kv.strlen", "k"), largest)
        self.fails("LIMIT_EXCEEDED", "kv.mget", ["k"] * 5)  # limits.reply_bytes
        self.assertEqual(len(self.c.call("kv.mget", ["k"] * 3)), 3)
        self.c.call("kv.del", "k")

    def test_frames_at_the_limit(self):
        limit = self.c.call("hello")["limits"]["frame_bytes"]
        head = b"\x94\x00\x07\xa4ping\x91\xc6"
        body = limit - len(head) - 4
        self.c.send(head + body.to_bytes(4, "big") + b"x" * body)
        self.assertIn("limits.value_bytes", self.c.message()[2])  # the frame itself is accepted
        with self.raw() as raw:
            raw.send(head + (body + 1).to_bytes(4, "big"))
            self.assertRegex(raw.message()[2], "^LIMIT_EXCEEDED .*frame_bytes")
            self.assertEqual(raw.message(), None)


class ChunkTest(unittest.TestCase):
    def session(self, chunk):
        """The whole session, sent in chunks; all bytes of the replies."""
        data = b"".join(request(i, c[0], c[1:]) for i, c in enumerate(SESSION))
        with Server({"server.loops": 1}) as server, Raw(server.address) as raw:
            raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.send(request(99, "hello", [{"ordered": True}]))
            at = 0
            while at < len(data):
                size = chunk(at)
                raw.send(data[at:at + size])
                at += size
            raw.shutdown()
            return raw.read_all()

    def test_one_byte_at_a_time(self):
        whole = self.session(lambda at: 10**9)
        self.assertGreater(len(whole), 70000)
        # The 70,000 bytes of one value in larger pieces, to save time; all else byte by byte.
        small = self.session(lambda at: 97 if 2000 < at < 70000 else 1)
        self.assertEqual(small, whole)
        seed = 99
        print(f"seed {seed}")
        rng = random.Random(seed)
        for _ in range(3):
            self.assertEqual(self.session(lambda at: rng.choice((1, 2, 3, 10, 1000, 30000))), whole)


class ReadingTest(AbuseCase):
    """Clients that do not read, or slowly."""

    LISTEN = "127.0.0.1:0,{folder}/cairn.sock"

    def latency(self, count=200):
        with self.server.connect() as client:
            found = []
            for _ in range(count):
                start = time.perf_counter()
                client.call("ping")
                found.append(time.perf_counter() - start)
        return quick(found)

    def test_a_client_that_never_reads(self):
        self.c.call("kv.put", "large", b"x" * MIB)
        before, idle = self.server.resident_bytes(), self.latency()
        stuck = [self.raw(receive_buffer=4096) for _ in range(10)]
        requests = b"".join(request(i, "kv.get", ["large", {"run": self._testMethodName}])
                            for i in range(1000))
        for raw in stuck:
            raw.send(requests)
        until(lambda: self.c.call("server.stats")["counters"]["reads_paused"] >= 10, "all wait")
        grown = self.server.resident_bytes() - before
        self.assertLess(grown, (200 if sanitized() else 100) * MIB)  # and not 10 GiB
        took = self.latency()
        self.assertLess(took, soon(idle))
        print(f"grown by {grown // MIB} MiB; ping {took * 1000:.2f} ms")
        for raw in stuck[:5]:
            raw.reset()
        for raw in stuck[5:]:
            raw.close()
        until(lambda: connections(self.c) == 1, "they are gone")

    def test_nothing_is_dropped_when_it_reads_at_last(self):
        self.c.call("kv.put", "large", b"x" * MIB)
        late = self.connect()
        ids = [late.post("kv.get", "large", run=self._testMethodName) for _ in range(100)]
        self.latency(20)
        for msgid in ids:
            self.assertEqual(len(late.wait(msgid)), MIB)

    def test_a_reader_that_never_catches_up(self):
        # Half a megabyte is always owed, never all sent: what was sent must not be kept.
        self.c.call("kv.put", "k", b"x" * 65536)
        before = self.server.resident_bytes()
        with Client(self.server.address_of(1)) as slow:
            slow.call("run.use", self._testMethodName)
            ids = [slow.post("kv.get", "k") for _ in range(10)]
            for _ in range(4000):
                ids.append(slow.post("kv.get", "k"))
                slow.wait(ids.pop(0))
            grown = self.server.resident_bytes() - before
            print(f"grown by {grown // MIB} MiB")
            self.assertLess(grown, 64 * MIB)

    def test_a_writer_that_never_ends_a_message(self):
        before, idle = self.server.resident_bytes(), self.latency()
        writers = [self.raw() for _ in range(50)]
        for raw in writers:
            raw.send(b"\x94\x00\x07\xa6kv.put\x92\xa1k\xc6" + MIB.to_bytes(4, "big") +
                     b"x" * 100000)
        self.assertLess(self.latency(), soon(idle))
        self.assertLess(self.server.resident_bytes() - before, 100 * MIB)

    def test_many_jobs_at_once(self):
        # A thousand clears at once: each record is counted once, and others are served meanwhile.
        pairs = [[f"job{i}", i] for i in range(10000)]
        self.c.call("kv.mput", pairs)
        idle = self.latency()
        with self.connect() as busy:
            busy.call("run.use", self._testMethodName)
            ids = [busy.post("kv.clear") for _ in range(1000)]
            self.assertLess(self.latency(), soon(idle))
            deleted = sum(busy.wait(msgid) for msgid in ids)
        self.assertEqual(deleted, len(pairs))
        self.assertEqual(self.c.call("kv.count"), 0)


class ArgumentTest(AbuseCase):
    """Every operation with every wrong argument."""

    GOOD = {"key": "k", "bytes": "b", "name": "r", "data": "d", "value": 1, "int": 1, "uint": 1,
            "real": 1.5, "bool": True, "keys": ["k"], "pairs": [["k", 1]], "calls": [],
            "conditions": [], "array": [], "map": {}, "vector": [1, 0.5], "items": []}
    WRONG = {"key": [1, None, True, 1.5, [], {}, ""], "bytes": [1, True, [], {}],
             "name": [1, True, [], {}, ""], "data": [1, True, [], {}],
             "int": ["1", 1.5, True, [], {}, 2**63, 2**64 - 1], "value": [],
             "uint": ["1", 1.5, True, [], {}, -1, 2**53, 2**63, 2**64 - 1],
             "real": ["1", True, [], {}, float("inf"), float("nan")],
             "bool": [0, 1, "true", [], {}, 194],
             "keys": [1, "k", {}, [1], [None], [""], [[]], ["k", {}]],
             "pairs": [1, "k", {}, [1], [["k"]], [["k", 1, 1]], [[1, 1]], [["", 1]], [{}]],
             "calls": [1, "k", {}, [1], [["ping"]], [[1, []]], [["ping", [], 1]], [{}]],
             "array": [1, "k", {}, True], "map": [1, "k", [], True],
             "vector": [1, "k", "", {}, True, [], b"", b"123", b"12345", bytes(4 * 8193),
                        [0] * 8193],
             "items": [1, "k", {}, [1], ["k"], [[]], [{}, 1]],
             "conditions": [1, "k", {}, [1], [["kv", "k"]], [["kv", "k", -1]], [[1, "k", 1]],
                            [["kv", 1, 1]], [["kv", "k", 2**53]], [{}]]}
    NUMBERS = [0, 1, -1, 2**31, 2**32, 2**53 - 1, 2**53, 2**63 - 1, 2**63, -2**63, 2**64 - 1,
               -2**31]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operations = operations()

    def good(self, method):
        return {name: self.GOOD[kind] for name, kind, need in self.operations[method]
                if need == "required"}

    def answer(self, method, params):
        """The error code, or None; the connection must live on."""
        client = self.c
        try:
            client.call_params(method, params)
            return None
        except RpcError as error:
            self.assertRegex(error.error, "^[A-Z_]+ .")
            return error.code

    def test_the_table(self):
        self.assertGreater(len(self.operations), 25)
        self.assertEqual(self.operations["kv.cas"][1], ("expected_version", "uint", "required"))
        kinds = {kind for rows in self.operations.values() for _, kind, _ in rows}
        self.assertLessEqual(kinds, set(self.GOOD), "teach this test the new types")

    def test_types(self):
        for method, rows in self.operations.items():
            for name, kind, _ in rows:
                for wrong in self.WRONG[kind]:
                    params = dict(self.good(method), **{name: wrong})
                    for form in (params, [params]):
                        self.assertEqual(self.answer(method, form), "BAD_ARGUMENT",
                                         (method, name, wrong))

    def test_names_that_begin_like_an_argument(self):
        for method, rows in self.operations.items():
            for name in [name for name, _, _ in rows] + ["run", "durability"]:
                for odd in (name + "\0", name + "\0" * 9, name + "\0\xff", name + "x", name[:-1]):
                    self.assertEqual(self.answer(method, {odd: "x"}), "BAD_ARGUMENT", odd)

    def test_options_of_all(self):
        for method in self.operations:
            for options in ({"run": 1}, {"run": ""}, {"run": []}, {"durability": 5}, {"nope": 1},
                            {"": 1}, {"x" * 300: "x"}):
                self.assertEqual(self.answer(method, dict(self.good(method), **options)),
                                 "BAD_ARGUMENT", (method, options))
            self.assertEqual(self.answer(method, dict(self.good(method), run="r" * 256)),
                             "LIMIT_EXCEEDED")

    def test_arity(self):
        for method, rows in self.operations.items():
            required = [name for name, _, need in rows if need == "required"]
            for missing in required:
                params = self.good(method)
                del params[missing]
                self.assertEqual(self.answer(method, params), "BAD_ARGUMENT", (method, missing))
            self.assertEqual(self.answer(method, list(self.good(method).values()) + [1] * 20),
                             "BAD_ARGUMENT", method)
            self.assertEqual(self.answer(method, 5), "BAD_REQUEST", method)
            self.assertEqual(self.answer(method, None), "BAD_REQUEST", method)

    def test_numbers(self):
        for method, rows in self.operations.items():
            for name, kind, _ in rows:
                for number in self.NUMBERS if kind in ("int", "uint") else ():
                    code = self.answer(method, dict(self.good(method), **{name: number}))
                    fits = (0 <= number < 2**53) if kind == "uint" else -2**63 <= number < 2**63
                    if not fits:
                        self.assertEqual(code, "BAD_ARGUMENT", (method, name, number))
                    else:
                        self.assertIn(code, (None, "BAD_ARGUMENT", "LIMIT_EXCEEDED", "CONFLICT",
                                             "OVERFLOW", "UNSUPPORTED", "NOT_FOUND", "WRONG_TYPE"),
                                      (method, name, number))

    def test_numbers_of_incr(self):
        for start in self.NUMBERS[:-2]:
            for delta in self.NUMBERS[:-2]:
                if start >= 2**63 or delta >= 2**63:
                    continue
                self.c.call("kv.put", "n", start)
                code = self.answer("kv.incr", ["n", delta])
                fits = -2**63 <= start + delta < 2**63
                self.assertEqual(code, None if fits else "OVERFLOW", (start, delta))
                self.assertEqual(self.c.call("kv.get", "n"), start + delta if fits else start)


class ConnectionTest(unittest.TestCase):
    def probe(self, server):
        """A new connection: is it served?"""
        try:
            with Client(server.address) as client:
                return client.call("ping") == "pong"
        except (ConnectionError, BrokenPipeError):
            return False

    def test_too_many(self):
        with Server({"limits.connections": 10}) as server:
            clients = [server.connect() for _ in range(10)]
            for client in clients:
                self.assertEqual(client.call("ping"), "pong")
            for _ in range(20):
                self.assertFalse(self.probe(server))
            for client in clients:
                self.assertEqual(client.call("ping"), "pong")
            self.assertEqual(clients[0].call("server.info")["clients"]["rejected"], 20)
            clients.pop().close()
            until(lambda: connections(clients[0]) == 9, "one is gone")
            self.assertTrue(self.probe(server))
            server.wait_log(r"limits.connections \(10\) is reached")
            for client in clients:
                client.close()

    def test_too_many_at_once(self):
        with Server({"limits.connections": 10}) as server:
            crowd = []
            for _ in range(300):
                raw = socket.socket()
                raw.setblocking(False)
                raw.connect_ex(server.address)
                crowd.append(raw)
            served = 0
            for raw in crowd:
                raw.settimeout(TIMEOUT_S)
                try:
                    raw.sendall(request(1, "ping", []))
                    served += raw.recv(100) != b""
                except OSError:
                    pass
            self.assertEqual(served, 10)
            for raw in crowd:
                raw.close()

    def test_half_open(self):
        count = min(10000, raise_descriptors() - 300)
        if count < 1000:
            self.skipTest(f"only {count + 300} descriptors are allowed")
        options = {"limits.connections": 100000, "limits.frame_ms": "1h"}
        with Server(options) as server, server.connect() as client:
            client.call("kv.put", "k", 1)

            def latency():
                times = []
                for _ in range(200):
                    start = time.perf_counter()
                    self.assertEqual(client.call("kv.get", "k"), 1)
                    times.append(time.perf_counter() - start)
                return quick(times)

            idle, crowd = latency(), []
            for i in range(count):
                raw = Raw(server.address)
                raw.send((b"\x94", b"\x94\x00\x01\xa6kv.g", b"",
                          b"\x94\x00\x01\xa4ping\x91\xc6\0")[i % 4])
                crowd.append(raw)
                if i % 500 == 499 or i == count - 1:  # not more than wait to be accepted
                    until(lambda: connections(client) == len(crowd) + 1, "all are there")
            took = latency()
            self.assertLess(took, soon(idle))
            crowd[2].send(request(5, "ping", []))
            self.assertEqual(crowd[2].message(), [1, 5, None, "pong"])
            self.assertTrue(self.probe(server))
            print(f"{count} connections, {server.resident_bytes() // MIB} MiB, "
                  f"{took * 1000:.2f} ms")
            for i, raw in enumerate(crowd):
                raw.reset() if i % 2 else raw.close()
            until(lambda: connections(client) == 1, "all are gone")
            until(lambda: server.descriptors() < 100, "their descriptors too")

    def test_out_of_descriptors(self):
        few = 64

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))

        with Server({"server.loops": 2}, preexec=limit) as server, server.connect() as client:
            client.call("kv.put", "k", 1)
            crowd, served = [], 0
            for _ in range(3 * few):
                raw = Client(server.address)
                crowd.append(raw)
                try:
                    served += raw.call("ping") == "pong"
                except (ConnectionError, BrokenPipeError):
                    pass
            self.assertTrue(few / 4 < served < few, served)
            self.assertEqual(client.call("kv.get", "k"), 1)
            client.call("server.info")  # reads a file
            server.wait_log("out of file descriptors")
            for raw in crowd:
                raw.close()
            until(lambda: connections(client) == 1, "all are gone")
            self.assertTrue(self.probe(server))
            until(lambda: server.descriptors() < few / 2, "their descriptors too")

    def test_storm_of_resets(self):
        seed = 500
        print(f"seed {seed}")
        rng = random.Random(seed)
        with Server({"limits.output_bytes": 65536}) as server, server.connect() as client:
            client.call("kv.put", "large", b"x" * MIB)
            before = None
            for round_number in range(3):
                for part in range(2):
                    client.call("kv.mput", [[f"k{part}.{i}", i] for i in range(10000)], run="full")
                crowd = []
                for i in range(500):
                    raw = Raw(server.address)
                    crowd.append(raw)
                    what = i % 10
                    if what == 0:
                        raw.send(b"\x94\x00\x01\xa6kv.p")
                    elif what == 1:
                        raw.send(request(1, "kv.get", ["large"]) * 50)
                    elif what == 2:
                        raw.send(request(1, "kv.clear", [{"run": "full"}]) * 5)
                    elif what == 3:
                        raw.send(request(0, "hello", [{"ordered": True}]) +
                                 request(1, "kv.clear", [{"run": "full"}]) +
                                 request(2, "kv.get", ["large"]) * 50)
                    elif what == 4:
                        raw.send(b"\x94\x00\x01\xa6kv.put\x92\xa1z\xc6" + MIB.to_bytes(4, "big") +
                                 b"x" * 100000)
                    elif what == 5:
                        raw.send(request(1, "kv.get", ["large"]) * 20)
                        raw.shutdown()
                    elif what == 6:
                        raw.send(encode([2, "kv.clear", [{"run": "full"}]]) +
                                 encode([2, "kv.incr", ["n"]]) * 100)
                    elif what == 7:
                        raw.send(TLS_HELLO)
                    elif what == 8:
                        raw.send(request(1, "run.drop", ["full"]) + request(2, "batch", [
                            [["kv.put", ["a", 1]], ["kv.get", ["large"]]] * 20]))
                rng.shuffle(crowd)
                for raw in crowd:
                    raw.reset()
                self.assertEqual(client.call("ping"), "pong")
                until(lambda: connections(client) == 1, "all are gone")
                if before is None:
                    before = server.resident_bytes()
            self.assertLess(server.resident_bytes() - before, 100 * MIB)
            self.assertEqual(len(client.call("kv.get", "large")), MIB)

    def test_connects_and_leaves(self):
        with Server() as server, server.connect() as client:
            for i in range(2000):
                raw = Raw(server.address)
                raw.reset() if i % 2 else raw.close()
            until(lambda: connections(client) == 1, "all are gone")


class TimeTest(unittest.TestCase):
    """Limits in time. They are looked at every 250 ms."""

    def test_frame_ms(self):
        with Server({"limits.frame_ms": 2000}) as server, server.connect() as idle, \
                Raw(server.address) as raw, Raw(server.address) as dribble, \
                Raw(server.address) as ends:
            idle.call("ping")
            message = request(7, "ping", ["x" * 10000])
            start = time.monotonic()
            raw.send(message[:100])
            ends.send(message[:100])

            def sent_all():  # one byte at a time does not help
                try:
                    dribble.send(b"\x94" if sent_all.count == 0 else b"\x00\x01\xda\x40\x00"[
                        sent_all.count - 1:sent_all.count] if sent_all.count < 6 else b"x")
                except OSError:
                    return True
                sent_all.count += 1
                return False
            sent_all.count = 0
            ends.send(message[100:])
            self.assertEqual(ends.message()[1], 7)
            until(sent_all, "the dribbler is disconnected")
            self.assertGreaterEqual(time.monotonic() - start, 1.95)
            raw.read_all()
            server.wait_log("closed: limits.frame_ms", 2)
            self.assertEqual(idle.call("ping"), "pong")
            self.assertEqual(ends.unpacker.tell() > 0, True)
            ends.send(request(8, "ping", []))
            self.assertEqual(ends.message(), [1, 8, None, "pong"])

    def test_frame_ms_does_not_count_while_we_make_it_wait(self):
        with Server({"limits.frame_ms": 300}) as server, server.connect() as client, \
                server.connect() as other:
            other.call("kv.put", "k", b"x" * MIB)
            data = b"".join(request(i, "kv.get", ["k"]) for i in range(100))
            client.send(data + request(100, "ping", [])[:3])
            until(lambda: other.call("server.stats")["counters"]["reads_paused"] > 0, "it waits")
            waited = time.monotonic() + 0.8
            until(lambda: time.monotonic() > waited, "longer than frame_ms")
            self.assertNotIn("closed: limits.frame_ms", server.log())
            # The clock of the started request runs again once the server reads again, somewhere
            # in what follows, which may take any time.
            other.call("server.config_set", "limits.frame_ms", "1h")
            for i in range(100):
                self.assertEqual(client.message()[1], i)
            client.send(request(100, "ping", [])[3:])
            self.assertEqual(client.message(), [1, 100, None, "pong"])

    def test_stall_ms(self):
        with Server({"limits.stall_ms": 1500}) as server, \
                server.connect(receive_buffer=4096) as stuck, server.connect() as reader:
            reader.call("kv.put", "k", b"x" * MIB)
            stuck.send(request(1, "kv.get", ["k"]) * 20)
            server.wait_log("closed: limits.stall_ms")
            self.assertLess(len(stuck.read_all()), 20 * MIB)
            for _ in range(20):
                self.assertEqual(len(reader.call("kv.get", "k")), MIB)

    def test_idle_ms(self):
        with Server({"limits.idle_ms": 2000}) as server, server.connect() as idle, \
                server.connect() as busy:
            until(lambda: busy.call("ping") and "closed: limits.idle_ms" in server.log(), "closed")
            self.assertEqual(idle.read_all(), b"")
            self.assertEqual(busy.call("ping"), "pong")

    def test_new_connections_are_not_idle(self):
        # Whatever the moment of the look at the clock, a connection just made is not overdue.
        with Server({"limits.idle_ms": "1h", "server.loops": 2}) as server:
            end = time.monotonic() + 3
            crowd = []
            while time.monotonic() < end:
                crowd.append(Raw(server.address))
                if len(crowd) >= 200:
                    for raw in crowd:
                        raw.close()
                    crowd = []
            for raw in crowd:
                raw.close()
            self.assertNotIn("idle_ms", server.log())


if __name__ == "__main__":
    unittest.main()
