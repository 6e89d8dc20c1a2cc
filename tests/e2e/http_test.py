#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""listen.http: the pages, the metrics as a parser of others reads them, clients that misbehave."""

import ctypes
import http.client
import json
import os
import re
import resource
import signal
import socket
import unittest
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.parser import text_string_to_metric_families

from lib import ROOT, Client, Raw, Server, request, run_cairnd, until

ON = {"listen.http": "127.0.0.1:0"}
IDLE_S = 10  # after which a connection is closed on which nothing moves
CONNECTIONS = 32
TEXT = "text/plain; charset=utf-8"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PTRACE_INTERRUPT, PTRACE_SEIZE, PTRACE_DETACH = 0x4207, 0x4206, 17


def ask(server, path, method="GET", headers=None, body=None):
    """(status, headers, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(*server.address_of(0, "http"), timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def families(server):
    """{name: family} of /metrics, checked for what the parser lets pass."""
    status, headers, text = ask(server, "/metrics")
    assert (status, headers["Content-Type"]) == (200, METRICS_TYPE), (status, headers)
    assert text.endswith("\n")
    heads = re.findall(r"^# (HELP|TYPE) (\S+) \S", text, re.M)
    assert len(set(heads)) == len(heads), "HELP or TYPE twice"
    assert [n for k, n in heads if k == "HELP"] == [n for k, n in heads if k == "TYPE"]
    samples = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line[0] != "#"]
    assert len(set(samples)) == len(samples), "a sample twice"
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in found, family.name + " in two pieces"
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
        found[family.name] = family
    return found


def values(server):
    """{(sample, label values sorted by label...): value}."""
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value
            for family in families(server).values() for s in family.samples}


def described():
    """The names of all metrics of the page that cairnd prints of its table."""
    page = run_cairnd("--print-metrics").stdout
    return set(re.findall(r"^\| `(\w+)`", page, re.M))


class PagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(ON)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_index_lists_the_pages(self):
        status, headers, text = ask(self.server, "/")
        self.assertEqual((status, headers["Content-Type"]), (200, TEXT))
        pages = re.findall(r"^(/\w*) ", text, re.M)
        self.assertEqual(pages, ["/", "/metrics", "/health", "/ready"])
        for page in pages:
            self.assertEqual(ask(self.server, page)[0], 200)

    def test_health_and_ready(self):
        for path, text in (("/health", "ok\n"), ("/ready", "ready\n"), ("/ready?x=1&y", "ready\n")):
            status, headers, body = ask(self.server, path)
            self.assertEqual((status, headers["Content-Type"], body), (200, TEXT, text))
            self.assertEqual(headers["Cache-Control"], "no-store")

    def test_not_found(self):
        for path in ("/nope", "/metrics/", "//metrics", "/%2e%2e/passwd", "/METRICS", "/healthy"):
            status, _, text = ask(self.server, path)
            self.assertEqual(status, 404, path)
            self.assertNotIn("nope", text)

    def test_head(self):
        status, headers, text = ask(self.server, "/metrics", "HEAD")
        self.assertEqual((status, headers["Content-Type"], text), (200, METRICS_TYPE, ""))
        self.assertGreater(int(headers["Content-Length"]), 1000)
        self.assertEqual(ask(self.server, "/nope", "HEAD")[0], 404)

    def test_other_methods(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "X"):
            status, headers, _ = ask(self.server, "/metrics", method)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), method)

    def test_a_body_is_not_read(self):
        for method, status in (("POST", 405), ("GET", 200)):
            with Raw(self.server.address_of(0, "http")) as client:
                client.send(f"{method} /ready HTTP/1.1\r\nHost: x\r\n"
                            "Content-Length: 1000000000000\r\n\r\n".encode())
                self.assertRegex(client.read_all(), rb"\AHTTP/1.1 %d " % status)

    def test_a_connection_is_used_again(self):
        connection = http.client.HTTPConnection(*self.server.address_of(0, "http"), timeout=30)
        self.addCleanup(connection.close)
        connection.connect()
        first = connection.sock
        for _ in range(5):
            for path in ("/metrics", "/health", "/nope"):
                connection.request("GET", path)
                connection.getresponse().read()
                self.assertIs(connection.sock, first)

    def test_requests_in_one_go(self):
        with Raw(self.server.address_of(0, "http")) as client:
            client.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 50 +
                        b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertEqual(client.read_all().count(b"\r\n\r\nok\n"), 51)


class MetricsTest(unittest.TestCase):
    def test_all_and_only_what_is_described(self):
        with Server(ON) as server, server.connect() as client:
            client.call("ping")
            names = {f.name + ("_total" if f.type == "counter" else "")
                     for f in families(server).values()}
            self.assertEqual(names, described())
            self.assertEqual(len(names), len(described()))

    def test_counts(self):
        with Server(ON) as server, server.connect() as client, server.connect() as half:
            for i in range(1000):
                client.call("kv.put", f"k{i}", b"x" * 100)
            client.pipeline([("kv.get", f"k{i}") for i in range(1500)])
            client.pipeline([("kv.incr", "k0")] * 3)  # k0 is no number
            client.call("kv.put", "short", 1, ttl_ms=1)
            client.call("kv.mget", ["k0"])
            half.send(request(0, "kv.put", ["k", b"x" * 10000])[:6000])
            got = until(lambda: (v := values(server))["cairn_expired_total",] == 1 and
                        v["cairn_memory_clients_bytes",] >= 6000 and v, "expiry, half a message")
            stats = client.call("server.stats")
        self.assertEqual(got["cairn_records",], 1000)
        self.assertEqual(got["cairn_connections",], 2)
        self.assertEqual(got["cairn_connections_received_total",], 2)
        self.assertEqual(got["cairn_keyspace_hits_total",], 1001)
        self.assertEqual(got["cairn_keyspace_misses_total",], 500)
        self.assertEqual(got["cairn_errors_total",], 3)
        self.assertGreater(got["cairn_memory_used_bytes",], 100000)
        self.assertGreater(got["cairn_received_bytes_total",], 100000)
        self.assertEqual(got["cairn_build_info", run_cairnd("-V").stdout.split()[1]], 1)
        for cmd, ok, error in (("kv.put", 1001, 0), ("kv.get", 1500, 0), ("kv.incr", 0, 3),
                               ("kv.mget", 1, 0), ("kv.del", 0, 0)):
            self.assertEqual(got["cairn_commands_total", cmd, "ok"], ok, cmd)
            self.assertEqual(got["cairn_commands_total", cmd, "error"], error, cmd)
        for name, value in stats["counters"].items():  # the same under its other name
            full = got.get((f"cairn_{name}",), got.get((f"cairn_{name}_total",)))
            self.assertIsNotNone(full, name)
            if name in ("records", "keyspace_hits", "keyspace_misses", "memory_used_bytes"):
                self.assertEqual(full, value, name)

    def test_histograms(self):
        with Server(ON) as server, server.connect() as client:
            client.pipeline([("kv.put", f"k{i}", i) for i in range(1600)])
            client.pipeline([("kv.scan",)] * 50)
            family = families(server)["cairn_command_duration_seconds"]
            stats = client.call("server.stats")["operations"]
        seen = {}
        for sample in family.samples:
            part = sample.name.rsplit("_", 1)[1]
            seen.setdefault(sample.labels["cmd"], {}).setdefault(part, []).append(
                (sample.labels.get("le"), sample.value))
        self.assertEqual(set(seen), {"kv.put", "kv.scan"})
        self.assertEqual(seen["kv.put"]["count"], [(None, 100)])  # one in 16
        self.assertEqual(seen["kv.scan"]["count"], [(None, 50)])
        for cmd, parts in seen.items():
            bounds = [float(le) for le, _ in parts["bucket"]]
            counts = [n for _, n in parts["bucket"]]
            self.assertEqual(bounds, sorted(set(bounds)))
            self.assertEqual(bounds[-1], float("inf"))
            self.assertLessEqual(bounds[0], 2.6e-7)
            self.assertGreaterEqual(bounds[-2], 1)
            self.assertEqual(counts, sorted(counts))
            self.assertEqual(counts[-1], parts["count"][0][1])
            mean = parts["sum"][0][1] / parts["count"][0][1]
            self.assertAlmostEqual(mean * 1e6, stats[cmd]["mean_us"], delta=stats[cmd]["mean_us"])
            # The median lies in the bucket in which half is reached.
            half = next(i for i, n in enumerate(counts) if n >= counts[-1] / 2)
            self.assertLessEqual(stats[cmd]["p50_us"], bounds[half] * 1.02e6, cmd)

    def test_process(self):
        with Server({**ON, "server.loops": 3}) as server:
            got = values(server)
            with open(f"/proc/{server.pid}/limits", encoding="ascii") as limits:
                self.assertEqual(got["process_max_fds",],
                                 int(re.search(r"Max open files +(\d+)", limits.read())[1]))
            self.assertAlmostEqual(got["process_open_fds",], server.descriptors(), delta=2)
            self.assertAlmostEqual(got["process_resident_memory_bytes",], server.resident_bytes(),
                                   delta=2**22)
            self.assertGreater(got["process_cpu_seconds_total",], 0)
            started = os.stat(f"/proc/{server.pid}").st_ctime
            self.assertAlmostEqual(got["process_start_time_seconds",], started, delta=30)
            self.assertEqual(got["cairn_start_time_seconds",], got["process_start_time_seconds",])
            ages = [got["cairn_loop_heartbeat_age_seconds", str(i)] for i in range(3)]
            self.assertLess(max(ages), 5)
            self.assertNotIn(("cairn_loop_heartbeat_age_seconds", "3"), got)

    def test_nothing_of_what_clients_send(self):
        with Server(ON) as server, server.connect() as client:
            client.call("hello", client="sesame")
            client.call("run.use", "sesame")
            client.call("kv.put", "sesame", "sesame")
            client.send(b"\xc1")
            client.messages()
            with Raw(server.address_of(0, "http")) as web:
                web.send(b"GET /sesame?sesame HTTP/1.1\r\nHost: sesame\r\nsesame: sesame\r\n\r\n" +
                         b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                text = web.read_all()
            self.assertIn(b"cairn_records 1\n", text)
            self.assertNotIn(b"sesame", text)
            self.assertNotIn("sesame", server.log())

    def test_while_clients_work(self):
        """Scrapes beside writers on several loops; the thread sanitizer watches."""
        with Server({**ON, "server.loops": 3}) as server, ThreadPoolExecutor(5) as pool:
            def work(name):
                with server.connect() as client:
                    for i in range(60):
                        client.pipeline([("kv.put", f"{name}{i}.{j}", j, {"ttl_ms": 20})
                                         for j in range(20)] + [("kv.clear",), ("server.stats",)])

            def scrape():
                counts = [values(server)["cairn_requests_total",] for _ in range(20)]
                self.assertEqual(counts, sorted(counts))

            running = [pool.submit(work, name) for name in "abc"]
            for done in running + [pool.submit(scrape) for _ in range(2)]:
                done.result()
            self.assertEqual(values(server)["cairn_commands_total", "kv.put", "ok"], 3600)

    def test_one_loop_without_locks(self):
        with Server({**ON, "server.loops": 1}) as server, server.connect() as client, \
                ThreadPoolExecutor(1) as pool:
            scrapes = pool.submit(lambda: [values(server)["cairn_records",] for _ in range(20)])
            while not scrapes.done():
                client.pipeline([("kv.put", f"k{i}", i) for i in range(500)] + [("kv.clear",)])
            self.assertLessEqual(max(scrapes.result()), 500)


class HealthTest(unittest.TestCase):
    def thread(self, server, wanted):
        """The id of the thread with this name, or None."""
        for task in os.listdir(f"/proc/{server.pid}/task"):
            with open(f"/proc/{server.pid}/task/{task}/comm", encoding="ascii") as name:
                if name.read().strip() == wanted:
                    return int(task)
        return None

    def test_a_stuck_loop(self):
        """A loop is stopped as a debugger stops a thread; the others go on."""
        with Server({**ON, "server.loops": 2}) as server:
            libc = ctypes.CDLL(None, use_errno=True)
            task = until(lambda: self.thread(server, "cairn-loop-1"), "the loop has its name")
            if libc.ptrace(PTRACE_SEIZE, task, None, None) != 0:
                self.skipTest("a thread cannot be stopped here: " + os.strerror(ctypes.get_errno()))
            try:
                libc.ptrace(PTRACE_INTERRUPT, task, None, None)
                os.waitpid(task, 0x40000000)  # __WALL
                status, _, text = until(lambda: (r := ask(server, "/health"))[0] == 503 and r,
                                        "the loop is missed")
                self.assertRegex(text, r"\Aevent loop 1 has not come round for \d+ s\n\Z")
                self.assertGreaterEqual(
                    values(server)["cairn_loop_heartbeat_age_seconds", "1"], 5)
                self.assertLess(values(server)["cairn_loop_heartbeat_age_seconds", "0"], 5)
            finally:
                libc.ptrace(PTRACE_DETACH, task, None, None)
            until(lambda: ask(server, "/health")[0] == 200, "the loop is back")

    def test_ready_ends_when_stopping(self):
        with Server(ON) as server, server.connect(receive_buffer=4096) as client:
            client.call("kv.put", "k", b"x" * 2**20)
            client.send(b"".join(b"\x94\x00" + bytes([i]) + b"\xa6kv.get\x91\xa1k"
                                 for i in range(30)))
            client.message()
            self.assertEqual(ask(server, "/ready")[2], "ready\n")
            server.signal(signal.SIGTERM)
            server.wait_log("stopping")
            self.assertEqual(ask(server, "/ready")[::2], (503, "stopping\n"))
            self.assertEqual(ask(server, "/health")[::2], (200, "ok\n"))
            self.assertEqual(values(server)["cairn_connections",], 1)
            client.messages()

    def test_stop_with_open_connections(self):
        with Server(ON) as server:
            address = server.address_of(0, "http")
            clients = [Raw(address) for _ in range(6)]
            for client, data in zip(clients, (b"", b"GET", b"GET /metrics HTTP/1.1\r\n",
                                              b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")):
                client.send(data)
            clients[3].read_bytes()
            clients[4].send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)  # unread
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)
            for client in clients:
                client.read_all()
                client.close()


class BoundsTest(unittest.TestCase):
    def raw(self, server, data=b""):
        client = Raw(server.address_of(0, "http"))
        self.addCleanup(client.close)
        client.send(data)
        return client

    def test_what_is_not_http(self):
        with Server(ON) as server:
            for data, status in (
                    (b"PING\r\n", None), (b"*1\r\n$4\r\nPING\r\n", None), (b"GET\r\n\r\n", None),
                    (b"GET /ready\r\n\r\n", 400), (b"GET /ready HTTP/1.1\r\n\r\n", 400),
                    (b"GET /ready HTTP/1.1\r\nno colon\r\n\r\n", 400),
                    (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n", 414),
                    (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000, 431),
                    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", None)):
                found = self.raw(server, data).read_all()
                if status is None:
                    self.assertEqual(found, b"", data)
                else:
                    self.assertRegex(found, rb"\AHTTP/1.1 %d " % status)
            self.assertEqual(ask(server, "/health")[0], 200)

    def test_silent_clients_are_closed(self):
        """One that says nothing, one that speaks the other protocol, one that stops half-way, one
        that does not read."""
        with Server(ON) as server:
            before = server.descriptors()
            slow = socket.socket()
            self.addCleanup(slow.close)
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.settimeout(30)
            slow.connect(server.address_of(0, "http"))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
            waiting = [self.raw(server, data) for data in (
                b"", b"\x94\x00\x01\xa4ping\x90", b"GET /health HTTP/1.1\r\nHost:")]
            for client in waiting:
                self.assertEqual(client.read_all(), b"")
            until(lambda: server.descriptors() <= before, "the one that does not read is closed",
                  IDLE_S + 60)
            self.assertEqual(ask(server, "/health")[0], 200)

    def test_the_oldest_makes_room(self):
        """Clients that hold connections cannot keep monitoring out."""
        with Server(ON) as server:
            held = [self.raw(server, b"GET /") for _ in range(CONNECTIONS + 1)]
            self.assertEqual(held[0].read_all(), b"")
            for i in range(1, 10):
                self.assertEqual(ask(server, "/health")[0], 200)
            held[-1].send(b"ready HTTP/1.0\r\n\r\n")  # the youngest is still there
            self.assertIn(b"ready\n", held[-1].read_all())
            # A crowd, larger than what libmicrohttpd itself would take.
            crowd = [self.raw(server) for _ in range(5 * CONNECTIONS)]
            self.assertEqual(ask(server, "/health")[0], 200)
            until(lambda: values(server)["process_open_fds",] < 100, "the crowd was thinned out")
            for client in crowd:
                client.close()

    def test_when_clients_use_up_the_descriptors(self):
        """Some are kept for monitoring, which then has most to tell."""
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        with Server({**ON, "server.loops": 1}, preexec=few) as server:
            clients = [Client(server.address) for _ in range(100)]
            server.wait_log("out of file descriptors")
            self.assertEqual(ask(server, "/health")[0], 200)
            got = until(lambda: (v := values(server))["cairn_connections_received_total",] == 100
                        and v, "all are accepted")
            self.assertGreater(got["cairn_connections_rejected_total",], 50)
            self.assertGreater(got["cairn_connections",], 20)
            self.assertGreater(got["process_open_fds",], 40)
            for client in clients:
                client.close()


class ListenTest(unittest.TestCase):
    def refused(self, status, pattern, *args):
        done = run_cairnd("--set", "listen.rpc=127.0.0.1:0", *args)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr, pattern)

    def test_off(self):
        with Server() as server:
            self.assertEqual(server.listening("http"), [])

    def test_several_addresses(self):
        with Server({"listen.http": "127.0.0.1:0,{folder}/h.sock,[::1]:0"}) as server:
            path = server.address_of(1, "http")
            for i in range(3):
                with Raw(server.address_of(i, "http")) as client:
                    client.send(b"GET /ready HTTP/1.0\r\n\r\n")
                    self.assertIn(b"\r\n\r\nready\n", client.read_all())
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
            server.signal(signal.SIGTERM)
            until(lambda: not os.path.exists(path), "the path is removed")
            server.wait()

    def test_refused(self):
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        self.refused(69, f"cannot listen on 127.0.0.1:{port}: .*in use", "--set",
                     f"listen.http=127.0.0.1:{port}")
        self.refused(69, f"cannot listen on 127.0.0.1:{port}: .*in use", "--set",
                     f"listen.http=127.0.0.1:0,127.0.0.1:{port}")
        self.refused(78, "listen.http: '7422' is not an address", "--set", "listen.http=7422")

    def test_other_machines_may_with_a_warning(self):
        with Server({"listen.http": "0.0.0.0:0"}) as server:
            server.wait_log(r"warn server: listen\.http: 0\.0\.0\.0:\d+ can be reached .* no login")
            self.assertEqual(ask(server, "/ready")[0], 200)


class DocumentsTest(unittest.TestCase):
    """What the dashboard and the page on monitoring name exists."""

    NAME = re.compile(r"\b(?:cairn|process)_[a-z_]+\b")

    def known(self):
        names = described()
        for name in list(names):
            if name.endswith("_duration_seconds"):
                names.update(name + end for end in ("_bucket", "_sum", "_count"))
        return names

    def read(self, name):
        with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as file:
            return file.read()

    def panels(self):
        dashboard = json.loads(self.read("grafana.json"))
        self.assertEqual(dashboard["templating"]["list"][0]["type"], "datasource")
        return [p for p in dashboard["panels"] if p["type"] != "row"]

    def test_dashboard(self):
        named = set()
        panels = self.panels()
        self.assertEqual(len({p["id"] for p in panels}), len(panels))
        for panel in panels:
            self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])
            self.assertGreater(len(panel["targets"]), 0, panel["title"])
            for target in panel["targets"]:
                found = set(self.NAME.findall(target["expr"]))
                self.assertGreater(len(found), 0, target)
                named |= found
        self.assertEqual(named - self.known(), set())
        for wanted in ("cairn_commands_total", "cairn_command_duration_seconds_bucket",
                       "cairn_memory_used_bytes", "cairn_records", "cairn_connections",
                       "cairn_received_bytes_total", "cairn_evicted_total", "cairn_expired_total",
                       "process_cpu_seconds_total"):
            self.assertIn(wanted, named)

    def test_panels_do_not_overlap(self):
        cells = {}
        for panel in json.loads(self.read("grafana.json"))["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), cells, (panel["title"], cells.get((x, y))))
                    cells[x, y] = panel["title"]

    def test_page(self):
        named = set(self.NAME.findall(self.read("monitoring.md")))
        self.assertGreater(len(named), 5)
        self.assertEqual(named - self.known(), set())


if __name__ == "__main__":
    unittest.main()
