#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What an administrator sees of clients, and does to them: server.clients and server.kill."""

import os
import socket
import tempfile
import unittest

from lib import Client, Server, TestCase, encode, request, run_cairnd, until

TOKEN = "correct-horse-battery-staple-42"


def pages(client, method, **options):
    """All items of a list, a page at a time, and the sizes of the pages."""
    items, sizes, cursor = [], [], {}
    while True:
        page = client.call(method, **options, **cursor)
        items += page["items"]
        sizes.append(len(page["items"]))
        if page["cursor"] is None:
            return items, sizes
        cursor = {"cursor": page["cursor"]}


def own_id(client):
    return client.call("hello")["id"]


def find(client, number):
    """The connection with this id as `client` sees it, or None."""
    found = client.call("server.clients", limit=1, cursor=number - 1)["items"]
    return found[0] if found and found[0]["id"] == number else None


class ClientsTest(TestCase):
    OPTIONS = {"server.loops": 3}

    def test_what_is_said(self):
        client = self.connect()
        number = own_id(client)
        item = find(self.c, number)
        self.assertTrue(0 <= item.pop("idle_s") <= item.pop("age_s") < 60)
        self.assertEqual(item, {"id": number, "address": "%s:%d" % client.socket.getsockname(),
                                "protocol": "rpc", "name": None, "run": "default", "requests": 1,
                                "last": "server.hello", "loop": item["loop"], "logged_in": True})
        self.assertIn(item["loop"], (0, 1, 2))
        client.call("hello", client="tests")
        client.pipeline([("run.use", "elsewhere")] + [("kv.get", "k")] * 10)
        item = find(self.c, number)
        self.assertEqual((item["name"], item["run"]), ("tests", "elsewhere"))
        self.assertEqual((item["requests"], item["last"]), (13, "kv.get"))
        own = find(self.c, own_id(self.c))
        self.assertEqual((own["last"], own["run"]), ("server.clients", "test_what_is_said"))

    def test_names_of_clients(self):
        client = self.connect()
        number = own_id(client)
        for given, shown in (("redis-py 5.0", "redis-py 5.0"), ("x" * 64, "x" * 64),
                             ("y" * 65, "y" * 64), ("z" * 100000, "z" * 64),
                             ("a\r\nb\0c\x7f\u00e9", "a??b?c???"), (b"\xff\xfe", "??"),
                             ("", None), ("again", "again")):
            client.call("hello", client=given)
            self.assertEqual(find(self.c, number)["name"], shown, given)
        client.pipeline([("hello", {"client": "refused", "errors": "nope"})])
        self.assertEqual(find(self.c, number)["name"], "again")

    def test_names_of_runs(self):
        client = self.connect()
        number = own_id(client)
        for run in ("caf\u00e9", b"\xff\x00", "r" * 255):
            client.call("run.use", run)
            self.assertEqual(find(self.c, number)["run"], run)

    def test_paging(self):
        numbers = [own_id(self.c)] + [own_id(self.connect()) for _ in range(250)]
        self.assertEqual(numbers, sorted(numbers))
        for limit in (1, 7, 100, 125, 251, 10000):
            items, sizes = pages(self.c, "server.clients", limit=limit)
            found = [item["id"] for item in items]
            self.assertEqual(found, sorted(set(found)))
            self.assertEqual([n for n in found if n in set(numbers)], numbers, limit)
            self.assertEqual(set(sizes[:-1]) | {limit}, {limit})
        self.assertEqual({item["loop"] for item in items}, {0, 1, 2})
        self.assertEqual(len(self.c.call("server.clients")["items"]), 100)
        last = self.c.call("server.clients", cursor=numbers[-1])
        self.assertEqual(last, {"items": [], "cursor": None})

    def test_a_page_ends_at_its_bytes(self):
        with Server({"limits.page_bytes": 4096}) as server:
            clients = [server.connect() for _ in range(60)]
            numbers = [own_id(client) for client in clients]
            items, sizes = pages(clients[0], "server.clients")
            self.assertEqual([item["id"] for item in items], numbers)
            self.assertGreater(len(sizes), 1)
            for client in clients:
                client.close()

    def test_paging_while_clients_come_and_go(self):
        stay = [own_id(self.connect()) for _ in range(30)]
        found, cursor = [], 0
        while cursor is not None:
            with self.server.connect() as passing:
                passing.call("ping")
                page = self.c.call("server.clients", limit=3, cursor=cursor)
            found += [item["id"] for item in page["items"]]
            cursor = page["cursor"] if not page["items"] or found[-1] < stay[-1] else None
        self.assertEqual([n for n in found if n in set(stay)], stay)

    def test_bad_arguments(self):
        self.fails("BAD_ARGUMENT", "server.clients", limit=0)
        self.fails("LIMIT_EXCEEDED", "server.clients", limit=10001)
        self.fails("BAD_ARGUMENT", "server.clients", cursor=-1)
        self.fails("BAD_ARGUMENT", "server.clients", cursor=b"1")
        for bad in ("1", -1, None, 1.5, 2**53, [1]):
            self.fails("BAD_ARGUMENT", "server.kill", bad)
        self.fails("BAD_ARGUMENT", "server.kill")

    def test_addresses(self):
        with Server(listen="{folder}/x.sock") as server, server.connect() as client:
            self.assertEqual(client.call("server.clients")["items"][0]["address"], "unix")
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                self.skipTest("no IPv6 here")
        with Server(listen="[::1]:0") as server, server.connect() as client:
            self.assertEqual(client.call("server.clients")["items"][0]["address"],
                             "[::1]:%d" % client.socket.getsockname()[1])


class LoginTest(unittest.TestCase):
    def test_who_has_not_logged_in(self):
        with tempfile.NamedTemporaryFile("w", prefix="cairn-e2e-") as file:
            file.write(run_cairnd("--hash-token", stdin=TOKEN).stdout)
            file.flush()
            os.chmod(file.name, 0o600)
            with Server({"auth.file": file.name}) as server, server.connect() as inside, \
                    server.connect() as outside:
                outside.call("hello", client="outside")
                for call in (("server.clients",), ("server.kill", 1)):
                    self.assertEqual(outside.pipeline([call])[0].code, "NOAUTH")
                inside.call("auth", TOKEN)
                found = [(c["name"], c["logged_in"], c["last"])
                         for c in inside.call("server.clients")["items"]]
                self.assertEqual(found, [(None, True, "server.clients"),
                                         ("outside", False, "server.kill")])


class KillTest(TestCase):
    OPTIONS = {"server.loops": 2}

    def killed(self):
        return self.c.call("server.stats", op="ping")["counters"]["connections_killed"]

    def test_another(self):
        before = self.killed()
        others = [self.connect() for _ in range(6)]  # on both loops
        numbers = [own_id(client) for client in others]
        for i in (1, 4):
            self.assertIs(self.c.call("server.kill", numbers[i]), True)
            self.assertEqual(others[i].message(), None)
        for i in (0, 2, 3, 5):
            self.assertEqual(others[i].call("ping"), "pong")
        until(lambda: [find(self.c, n) is not None for n in numbers] ==
              [True, False, True, True, False, True], "two are gone")
        self.assertEqual(self.killed(), before + 2)
        self.server.wait_log(rf"connection {numbers[4]} closed: server.kill")

    def test_unknown_and_twice(self):
        gone = self.connect()
        number = own_id(gone)
        self.assertEqual([self.c.call("server.kill", n) for n in (0, number + 1000, 2**53 - 1)],
                         [False] * 3)
        answers = self.c.pipeline([("server.kill", number)] * 5)
        self.assertEqual(answers, [True] + [False] * 4)
        self.assertEqual(gone.message(), None)
        self.assertIs(self.c.call("server.kill", number), False)

    def test_one_that_has_gone_by_itself(self):
        gone = self.connect()
        number = own_id(gone)
        gone.close()
        until(lambda: find(self.c, number) is None, "the connection is gone")
        self.assertIs(self.c.call("server.kill", number), False)

    def test_oneself(self):
        client = self.connect()
        number = own_id(client)
        client.call("run.use", self._testMethodName)
        client.send(request(1, "kv.incr", ["n"]) + request(2, "server.kill", [number]) +
                    request(3, "kv.incr", ["n"]))
        self.assertEqual(client.messages(), [[1, 1, None, 1], [1, 2, None, True]])
        self.assertEqual(self.c.call("kv.get", "n"), 1)
        self.assertIs(self.c.call("server.kill", number), False)

    def test_oneself_in_a_batch_or_a_notification(self):
        client = self.connect()
        calls = [["server.kill", [own_id(client)]], ["kv.get", ["k"]], ["server.kill", [0]]]
        self.assertEqual(client.call("batch", calls),
                         [[None, True], [None, None], [None, False]])
        self.assertEqual(client.message(), None)
        client = self.connect()
        client.send(encode([2, "server.kill", [own_id(client)]]))
        self.assertEqual(client.messages(), [])

    def test_oneself_with_much_to_read(self):
        """All replies before it still arrive."""
        client = self.connect(receive_buffer=4096)
        self.c.call("kv.put", "large", b"x" * 200000, run="default")
        number = own_id(client)
        client.send(b"".join(request(i, "kv.get", ["large"]) for i in range(4)) +
                    request(4, "server.kill", [number]))
        self.assertEqual([m[1] for m in client.messages()], list(range(5)))
        self.c.call("kv.del", "large", run="default")

    def test_one_that_does_not_read(self):
        client = self.connect(receive_buffer=4096)
        self.c.call("kv.put", "large", b"x" * 2**20, run="default")
        number = own_id(client)
        client.send(b"".join(request(i, "kv.get", ["large"]) for i in range(40)))
        until(lambda: find(self.c, number)["requests"] > 1, "its requests run")
        self.assertIs(self.c.call("server.kill", number), True)
        until(lambda: find(self.c, number) is None, "the connection is gone")
        self.c.call("kv.del", "large", run="default")

    def test_while_a_job_runs(self):
        for oneself in (False, True):
            for part in range(10):
                self.c.call("kv.mput", [[f"{part}.{i}", i] for i in range(10000)], run="full")
            client = self.connect()
            number = own_id(client)
            client.send(request(1, "kv.clear", [{"run": "full"}]) +
                        (request(2, "server.kill", [number]) if oneself else b""))
            if oneself:  # it is answered before it goes
                self.assertEqual(sorted(client.messages(), key=lambda m: m[1]),
                                 [[1, 1, None, 100000], [1, 2, None, True]])
            else:
                until(lambda: self.c.call("kv.count", run="full") < 100000, "the clear has begun")
                self.assertIs(self.c.call("server.kill", number), True)
                self.assertIn(client.messages(), ([], [[1, 1, None, 100000]]))
            until(lambda: self.c.call("kv.count", run="full") == 0, "what had begun is finished")

    def test_many_kill_the_same(self):
        """Of all who kill a connection, one is told that it was there."""
        killers = [self.connect() for _ in range(8)]
        for _ in range(20):
            with self.server.connect() as victim:
                number = own_id(victim)
                ids = [killer.post("server.kill", number) for killer in killers]
                answers = [killer.wait(i) for killer, i in zip(killers, ids)]
                self.assertEqual(sorted(answers), [False] * 7 + [True])
                self.assertEqual(victim.message(), None)

    def test_kill_in_a_storm(self):
        """Clients come, call and are killed while others list them."""
        for _ in range(30):
            clients = [Client(self.server.address) for _ in range(5)]
            numbers = [own_id(client) for client in clients]
            for client in clients:
                client.send(request(9, "kv.incr", ["n"]) * 50)
            listing = self.c.pipeline([("server.clients",)] +
                                      [("server.kill", n) for n in numbers])
            self.assertEqual(listing[1:], [True] * 5)
            for client in clients:
                client.messages()
                client.close()
        until(lambda: len(self.c.call("server.clients")["items"]) < 10, "all are gone")


if __name__ == "__main__":
    unittest.main()
