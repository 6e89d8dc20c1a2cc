#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The RESP port against the real redis-server: the same bytes in, the same bytes out.

resp/*.txt say what is sent, lib/resp_differences.py where answers may differ and why.
RESP_SUBJECT=redis puts Redis in the place of cairnd: then the cases themselves are tested.
"""

import os
import shutil
import tempfile
import unittest

from lib.redis_server import PROGRAM, RedisServer
from lib.resp import Resp, encode
from lib.resp_compare import Pair, lines_of, load, split
from lib.resp_differences import DIFFERENCES
from lib.resp_raw import CLOSED, DIFFERENT, OPEN, STRICTER
from lib.resp_subject import IS_CAIRND, NAME, Subject
from lib.server import run_cairnd

MARKER = b"the marker of the end"


@unittest.skipIf(PROGRAM is None, "redis-server is missing: scripts/packages.sh test")
class DiffCase(unittest.TestCase):
    """Redis and the subject, both empty at the start of each test."""

    @classmethod
    def setUpClass(cls):
        cls.redis = RedisServer()
        cls.addClassCleanup(cls.redis.stop)
        cls.subject = Subject()
        cls.addClassCleanup(cls.subject.stop)

    def flush(self):
        for address in (self.redis.address, self.subject.address):
            with Resp(address) as connection:
                self.assertEqual(connection.call("FLUSHALL").raw, b"+OK\r\n")

    def pair(self, protocol=2):
        self.flush()
        return Pair(self.redis.address, self.subject.address, protocol)

    def no_differences(self, found):
        if found:
            self.fail(f"{len(found)} replies differ:\n" + "\n".join(found))


class CommandsTest(DiffCase):
    def run_file(self, name, protocols=(2, 3)):
        for protocol in protocols:
            for case, lines in load(name).items():
                with self.subTest(case, protocol=protocol), self.pair(protocol) as pair:
                    self.no_differences(pair.run(lines))

    def test_strings(self):
        self.run_file("strings")

    def test_numbers(self):
        self.run_file("numbers")

    def test_keys(self):
        self.run_file("keys")

    def test_transactions(self):
        self.run_file("transactions")

    def test_connection(self):
        self.run_file("connection")

    def test_changes_of_protocol(self):
        self.run_file("protocols", [2])

    def test_pipelined(self):
        """The same commands in one go are answered the same, in the same order."""
        commands = [split(line) for line in (
            "SET k v", "GET k", "NOPE", "INCR k", "MULTI", "SET n 1", "INCR n", "EXEC", "GET",
            "MGET k n none", "MULTI", "GET", "EXEC", "ECHO hi", "DEL k n none", "DBSIZE")] * 200
        with self.pair() as pair:
            for i, (theirs, ours) in enumerate(pair.pipeline(commands)):
                self.assertEqual(theirs, ours, commands[i])

    @unittest.skipUnless(IS_CAIRND, "Redis does not differ from itself")
    def test_accepted_differences_are_still_there(self):
        for row in DIFFERENCES:
            with self.subTest(row.example), self.pair() as pair:
                for line in lines_of(row.example):
                    theirs, ours = pair.call(*line.args, second=line.second)
                self.assertNotEqual(theirs, ours, "they are the same now: remove the row")
                self.assertTrue(row.accepts(theirs, ours, line.args), (theirs, ours))


class ShapesTest(DiffCase):
    """Replies whose content is the server's own, and must have Redis' form."""

    def hello(self, protocol):
        with self.pair() as pair:
            theirs, ours = pair.call("HELLO", protocol)
        self.assertEqual(theirs.kind, ours.kind)
        theirs, ours = theirs.pairs(), ours.pairs()
        self.assertEqual(list(theirs), list(ours))
        for key, value in theirs.items():
            self.assertEqual(value.kind, ours[key].kind, key)
        for key in (b"proto", b"mode", b"role", b"modules"):
            self.assertEqual(theirs[key], ours[key])
        self.assertRegex(ours[b"version"].value, rb"^\d+\.\d+\.\d+$")

    def test_hello(self):
        self.hello(2)
        self.hello(3)

    def test_client_info(self):
        for protocol in (2, 3):
            with self.pair(protocol) as pair:
                pair.call("CLIENT", "SETNAME", "me")
                identity = pair.call("CLIENT", "ID")
                for what in (["INFO"], ["LIST"], ["LIST", "ID", 0]):
                    theirs, ours = pair.call("CLIENT", *what)
                    self.assertEqual(theirs.kind, ours.kind, what)
                texts = pair.call("CLIENT", "INFO")
            for number, text in zip(identity, texts):
                fields = dict(field.split(b"=", 1) for field in
                              text.value.removeprefix(b"txt:").split())
                self.assertEqual(fields[b"id"], b"%d" % number.value)
                self.assertEqual(fields[b"name"], b"me")
                self.assertEqual(fields[b"db"], b"0")
                for name in (b"addr", b"age", b"idle", b"flags", b"cmd", b"resp"):
                    self.assertIn(name, fields)

    def test_client_list_has_a_line_for_each(self):
        with self.pair() as pair, self.pair() as other:
            other.call("CLIENT", "SETNAME", "other")
            pair.call("CLIENT", "SETNAME", "me")
            for reply in pair.call("CLIENT", "LIST"):
                lines = reply.value.split(b"\n")
                self.assertEqual(lines[-1], b"")
                for name in (b"name=me", b"name=other"):
                    self.assertEqual(sum(b" " + name + b" " in line for line in lines), 1)

    def test_info(self):
        """What exporters and clients look for."""
        wanted = (b"redis_version tcp_port uptime_in_seconds connected_clients blocked_clients "
                  b"used_memory used_memory_rss used_memory_peak maxmemory "
                  b"mem_fragmentation_ratio loading total_connections_received "
                  b"total_commands_processed rejected_connections total_net_input_bytes "
                  b"total_net_output_bytes expired_keys evicted_keys keyspace_hits "
                  b"keyspace_misses used_cpu_sys used_cpu_user role db0").split()
        for protocol in (2, 3):
            with self.pair(protocol) as pair:
                pair.call("SET", "k", "v")
                pair.call("SETEX", "e", 100, "v")
                for sections in ([], ["ALL"], ["everything"], ["default"]):
                    theirs, ours = pair.call("INFO", *sections)
                    self.assertEqual(theirs.kind, ours.kind)
                    for reply in (theirs, ours):
                        lines = reply.value.removeprefix(b"txt:").split(b"\r\n")
                        fields = dict(line.split(b":", 1) for line in lines if b":" in line)
                        self.assertEqual([w for w in wanted if w not in fields], [])
                        self.assertRegex(fields[b"db0"], rb"^keys=2,expires=1,avg_ttl=\d+$")
                        self.assertEqual(fields[b"loading"], b"0")
                theirs, ours = pair.call("INFO", "nosuchsection")
                self.assertEqual(theirs, ours)
                for reply in pair.call("INFO", "server"):
                    self.assertIn(b"# Server\r\n", reply.value)
                    self.assertIn(b"\nredis_version:", reply.value)
                    self.assertNotIn(b"# Memory", reply.value)

    def test_command_info(self):
        """Names, arities and places of keys of what both have are the same."""
        for protocol in (2, 3):
            with self.pair(protocol) as pair:
                for name in ("get", "SET", "mget", "mset", "del", "incr", "exec", "ping", "scan"):
                    theirs, ours = pair.call("COMMAND", "INFO", name)
                    with self.subTest(name, protocol=protocol):
                        theirs, ours = theirs.value[0].value, ours.value[0].value
                        self.assertEqual(len(theirs), len(ours))
                        for i in (0, 1, 3, 4, 5):
                            self.assertEqual(theirs[i], ours[i], f"field {i}")
                        for i in (2, 6, 7, 8, 9):
                            self.assertEqual(theirs[i].kind, ours[i].kind, f"field {i}")

    def test_command_lists(self):
        """COMMAND has as many rows as COMMAND COUNT says; COMMAND DOCS is a map, maybe empty."""
        for protocol in (2, 3):
            with self.pair(protocol) as pair:
                counts = pair.call("COMMAND", "COUNT")
                for count, rows in zip(counts, pair.call("COMMAND")):
                    self.assertEqual(len(rows.value), count.value)
                for docs in (("DOCS",), ("DOCS", "get"), ("DOCS", "nosuchcommand")):
                    theirs, ours = pair.call("COMMAND", *docs)
                    self.assertEqual(theirs.kind, ours.kind)
                self.assertEqual(theirs, ours)

    def test_waitaof(self):
        """Redis 7.2 has it: two numbers, of this server and of replicas."""
        if not IS_CAIRND:
            self.skipTest("redis-server 7.0 does not have WAITAOF")
        with Resp(self.subject.address) as c:
            for args in ((0, 0, 0), (0, 0, 10), (0, 1, 10)):
                reply = c.call("WAITAOF", *args)
                self.assertEqual(reply.raw, b"*2\r\n:0\r\n:0\r\n", args)
            reply = c.call("WAITAOF", 1, 0, 0)
            self.assertRegex(reply.raw, rb"^-ERR .*")  # no log, so nothing can be waited for
            for args in ((), (0, 0), ("a", 0, 0), (0, "a", 0), (0, 0, "a"), (0, 0, -1), (2, 0, 0)):
                self.assertRegex(c.call("WAITAOF", *args).raw, rb"^-ERR .*", args)

    def test_monitor(self):
        if not IS_CAIRND:
            self.skipTest("redis-server has MONITOR")
        with Resp(self.subject.address) as c:
            reply = c.call("MONITOR")
            self.assertTrue(reply.is_error)
            self.assertRegex(reply.value, rb"(?i)^ERR .*monitor")
            self.assertEqual(c.call("PING").raw, b"+PONG\r\n")


class ScanTest(DiffCase):
    def scan(self, connection, *options):
        """All keys of an iteration from cursor 0 to 0, each at least once, as a set."""
        cursor, keys = b"0", []
        for _ in range(100000):
            reply = connection.call("SCAN", cursor, *options)
            self.assertEqual([r.kind for r in reply.value], [b"$", b"*"])
            cursor = reply.value[0].value
            self.assertRegex(cursor, rb"^\d+$")
            keys += reply.value[1].plain()
            if cursor == b"0":
                return set(keys)
        return self.fail("the iteration does not end")

    def test_iterations(self):
        with self.pair() as pair:
            for start in range(0, 3000, 100):
                pair.call("MSET", *(x for i in range(start, start + 100) for x in (f"key:{i}", i)))
            pair.call("SETEX", "other", 100, "x")
            pair.call("SET", "gone", "x", "PX", 1)
            pair.wait_gone("gone")
            for options in ([], ["COUNT", 1], ["COUNT", 7], ["COUNT", 100], ["COUNT", 100000],
                            ["MATCH", "*"], ["MATCH", "key:1*"], ["MATCH", "*9", "COUNT", 50],
                            ["MATCH", "other"], ["MATCH", "none"], ["MATCH", "key:[12]?"],
                            ["TYPE", "string"], ["TYPE", "list"], ["TYPE", "nosuchtype"],
                            ["COUNT", 500, "MATCH", "key:*", "TYPE", "STRING"],
                            ["MATCH", "a*", "MATCH", "other"]):
                with self.subTest(options):
                    theirs, ours = [self.scan(c, *options) for c in pair.connections[False]]
                    self.assertEqual(theirs, ours)

    def test_while_keys_come_and_go(self):
        """A key that is there all the time is found, whatever happens to the others."""
        with self.pair() as pair:
            stay = {b"stay:%d" % i for i in range(500)}
            pair.call("MSET", *(x for key in stay for x in (key, 1)))
            for connection in pair.connections[False]:
                cursor, found, turn = b"0", set(), 0
                while cursor != b"0" or not turn:
                    turn += 1
                    connection.call("MSET", *(x for i in range(50) for x in (f"a{turn}:{i}", 1)))
                    cursor, keys = connection.call("SCAN", cursor, "COUNT", 200).plain()
                    connection.call("DEL", *(f"a{turn}:{i}" for i in range(50)))
                    found |= set(keys)
                    self.assertLess(turn, 1000)
                self.assertEqual(stay - found, set())


class RawTest(DiffCase):
    """Bytes as they come, well-formed or not."""

    def outcome(self, address, data, closes, size):
        """(all bytes of the answer, does the server close?)"""
        with Resp(address, timeout=20) as c:
            try:
                for start in range(0, len(data), size):
                    c.send(data[start:start + size])
                if closes:
                    return c.read_all(), True
                c.send(encode("ECHO", MARKER))
            except (BrokenPipeError, ConnectionResetError):
                pass
            return c.read_until(MARKER + b"\r\n")

    def compare(self, cases, closes, size):
        for name, data in cases.items():
            with self.subTest(name):
                self.flush()
                theirs = self.outcome(self.redis.address, data, closes, size)
                try:
                    ours = self.outcome(self.subject.address, data, closes, size)
                except TimeoutError:
                    ours = ("no answer, or not closed", None)
                if IS_CAIRND and name in DIFFERENT:
                    self.assertNotEqual(theirs, ours, "they are the same now: remove the row")
                    theirs = (DIFFERENT[name][0], closes)
                self.assertEqual(theirs, ours)

    def test_open(self):
        self.compare(OPEN, False, 1 << 20)

    def test_closed(self):
        self.compare(CLOSED, True, 1 << 20)

    @unittest.skipUnless(IS_CAIRND, "Redis lets these pass")
    def test_stricter(self):
        for name, (data, answer) in STRICTER.items():
            for size in (1, 1 << 20):
                with self.subTest(name, size=size):
                    self.assertEqual(self.outcome(self.subject.address, data, True, size),
                                     (answer, True))

    def test_in_small_pieces(self):
        short = {name: data for name, data in OPEN.items() if len(data) < 500}
        self.compare(short, False, 1)
        self.compare(short, False, 3)

    def test_closed_in_small_pieces(self):
        """Only what is wrong at its very end: the rest of others may meet a closed socket."""
        self.compare({name: CLOSED[name] for name in (
            "quit", "unbalanced double", "array count: letters", "bulk length: letters",
            "bulk length: negative", "second bulk", "array count: huge")}, True, 1)


@unittest.skipIf(PROGRAM is None, "redis-server is missing: scripts/packages.sh test")
@unittest.skipUnless(NAME in ("cairnd", "redis"), "a server that runs already has its own password")
class LoginTest(unittest.TestCase):
    """Servers that want a password. Redis is told no names of users, so there is default alone."""

    TOKEN = "sesame-and-more-of-24-bytes"  # as in resp/login.txt

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="cairn-e2e-")
        cls.addClassCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "tokens")
        with open(path, "w", encoding="ascii", opener=lambda *how: os.open(*how, 0o600)) as file:
            file.write(run_cairnd("--hash-token", stdin=cls.TOKEN).stdout if IS_CAIRND else "")
        cls.redis = RedisServer("--requirepass", cls.TOKEN)
        cls.addClassCleanup(cls.redis.stop)
        cls.subject = Subject({"auth.file": path}, password=cls.TOKEN)
        cls.addClassCleanup(cls.subject.stop)

    def test_commands(self):
        for case, lines in load("login").items():
            with self.subTest(case), Pair(self.redis.address, self.subject.address) as pair:
                found = pair.run(lines)
                self.assertFalse(found, "\n".join(found))

    def test_little_is_read_before_login(self):
        """Redis bounds an argument to 16 KiB, cairnd the command to limits.login_frame_bytes."""
        for address in (self.redis.address, self.subject.address):
            with Resp(address, timeout=20) as c:
                c.send(b"*1\r\n$16385\r\n")
                self.assertRegex(c.read_all(), rb"^-ERR Protocol error: [^\r]+\r\n$")


if __name__ == "__main__":
    unittest.main()
