#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What who comes from another tool, or to a server that is not there, gets to see: an option is
taken or answered with what to write instead, and every file that was asked for says why there are
no figures."""

import json
import os
import socket
import subprocess
import tempfile
import unittest

from lib.fake_server import FakeServer
from lib.server import Server, environment

LOADGEN = os.environ.get("LOADGEN", "loadgen")

# The long options of memtier_benchmark 2.4, redis-benchmark 7.0 and valkey-benchmark 8 and 9; the
# value is one that they take ("": none).
MEMTIER = {
    "host": "127.0.0.1", "server": "127.0.0.1", "port": "1", "unix-socket": "/s", "ipv4": "",
    "ipv6": "", "protocol": "redis", "authenticate": "a:b", "uri": "redis://h", "tls": "",
    "cert": "f", "key": "f", "cacert": "f", "tls-skip-verify": "", "tls-protocols": "TLSv1.2",
    "sni": "h", "run-count": "2", "debug": "", "cluster-mode": "", "transaction": "",
    "out-file": "f", "json-out-file": "f", "client-stats": "f", "hdr-file-prefix": "f",
    "show-config": "", "hide-histogram": "", "print-percentiles": "50,99", "print-all-runs": "",
    "realtime-latencies": "", "command-stats-breakdown": "line", "command-miss-tracking": "off",
    "miss-rate-threshold": "1", "statsd-host": "h", "statsd-port": "1", "statsd-prefix": "p",
    "statsd-run-label": "l", "graphite-port": "1", "prometheus-port": "1",
    "prometheus-bind-addr": "h", "prometheus-run-label": "a=b", "prometheus-latency-buckets": "1",
    "requests": "10", "rate-limiting": "10", "clients": "5", "threads": "1", "test-time": "1",
    "ratio": "1:10", "pipeline": "2", "reconnect-interval": "10", "reconnect-on-error": "",
    "max-reconnect-attempts": "1", "reconnect-backoff-factor": "1", "retry-on-error": "",
    "max-retries": "1", "retry-backoff-ms": "1", "retry-backoff-factor": "1", "retry-on": "BUSY",
    "max-retry-queue": "1", "failed-keys-file": "f", "connection-timeout": "1",
    "connection-stage-timeout": "1", "thread-conn-start-min-jitter-micros": "1",
    "thread-conn-start-max-jitter-micros": "1", "multi-key-get": "3", "select-db": "1",
    "distinct-client-seed": "", "randomize": "", "command-key-pattern": "R",
    "monitor-input": "f", "monitor-pattern": "S", "scan-incremental-iteration": "",
    "scan-incremental-max-iterations": "1", "command-is-read": "", "read-preference": "primary",
    "read-server": "h:1", "replica-clients": "1", "replicas-per-shard": "1",
    "read-preference-fallback": "error", "data-size": "32", "data-offset": "1", "random-data": "",
    "data-size-range": "1-9", "data-size-list": "1:1,9:1", "data-size-pattern": "S",
    "expiry-range": "1-9", "data-import": "f", "data-verify": "", "verify-only": "",
    "generate-keys": "", "no-expiry": "", "key-prefix": "p", "key-minimum": "0",
    "key-maximum": "9", "key-pattern": "R:R", "key-stddev": "1", "key-median": "1",
    "key-zipf-exp": "1", "wait-ratio": "1:1", "num-slaves": "1", "wait-timeout": "1",
    "version": "", "help": "",
}
BENCHMARK = {
    "user": "u", "dbnum": "1", "threads": "1", "cluster": "", "enable-tracking": "",
    "precision": "3", "csv": "", "tls": "", "sni": "h", "cacert": "f", "cacertdir": "d",
    "insecure": "", "cert": "f", "key": "f", "tls-ciphers": "c", "tls-ciphersuites": "c",
    "help": "", "version": "", "rfr": "no", "num-functions": "1", "mptcp": "", "rdma": "",
    "rps": "10", "seed": "1", "duration": "1", "warmup": "1", "sequential": "",
}


def loadgen(*args):
    return subprocess.run([LOADGEN, *map(str, args)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          env=environment(), timeout=100, check=False)


def content(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


class OptionsTest(unittest.TestCase):
    def test_options_of_others(self):
        for name, value in {**MEMTIER, **BENCHMARK}.items():
            with self.subTest(option=name):
                words = [f"--{name}", *([value] if value else [])]
                done = loadgen("--dry-run", *words)
                self.assertNotIn("unknown option", done.stderr)
                if done.returncode != 0:
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertRegex(done.stderr, r"^loadgen: (there is no --|--|an? )")

    def test_version(self):
        self.assertEqual(loadgen("-v").stdout, loadgen("--version").stdout)

    def test_encrypted(self):
        for scheme in "rediss", "valkeys":
            done = loadgen("-u", f"{scheme}://127.0.0.1:1")
            self.assertEqual(done.returncode, 2)
            self.assertIn("connections are not encrypted", done.stderr)


class NoServerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def check(self, *args, why, status=3):
        """Nothing is measured, and standard error and --json say why in the same words."""
        done = loadgen(*args, "--json")
        self.assertEqual(done.returncode, status, done.stderr)
        document = json.loads(done.stdout)
        self.assertEqual(document["results"], {})
        self.assertRegex(document["failure"], why)
        self.assertIn(document["failure"], done.stderr)
        return document

    def test_every_file(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # and does not listen
            port = nobody.getsockname()[1]
            files = {kind: self.path(kind) for kind in ("json-file", "ndjson", "markdown", "html")}
            words = [word for kind, path in files.items() for word in (f"--{kind}", path)]
            done = loadgen("-p", port, *words)
        why = f"cannot connect to 127.0.0.1:{port}: Connection refused"
        self.assertEqual(done.returncode, 3)
        self.assertIn(why, done.stderr)
        document = json.loads(content(files["json-file"]))
        self.assertEqual(document["results"], {})
        self.assertEqual(document["target"], {"address": f"127.0.0.1:{port}"})
        self.assertIn(why, document["failure"])
        self.assertEqual(json.loads(content(files["ndjson"]))["type"], "config")
        self.assertIn(f"Nothing was measured: {why}", content(files["markdown"]))
        page = content(files["html"])
        self.assertIn(f"Nothing was measured: {why}", page)
        self.assertNotIn("Nothing speaks against", page)

    def test_no_such_host(self):
        document = self.check("-h", "nosuch.invalid", why=r"cannot resolve 'nosuch\.invalid'")
        self.assertEqual(document["target"]["address"], "nosuch.invalid:7420")
        document = self.check("-s", self.path("nobody"), why="cannot connect to .*nobody")
        self.assertEqual(document["target"]["address"], self.path("nobody"))

    def test_refused(self):
        with FakeServer(lambda request, number: b"-NOAUTH Authentication required.\r\n") as server:
            self.check("-u", f"redis://127.0.0.1:{server.port}", "-a", "secret",
                       why="refuses: NOAUTH")

    def test_another_protocol(self):
        with FakeServer(lambda request, number: b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
            self.check("-u", f"redis://127.0.0.1:{server.port}", "-a", "secret",
                       why="answers in another protocol")
        with FakeServer(lambda request, number: None) as server:
            self.check("-u", f"redis://127.0.0.1:{server.port}", "-a", "secret",
                       why="closes connections when it is spoken to")

    def test_second_server(self):
        with FakeServer(lambda request, number: b"+OK\r\n") as server:
            a = f"redis://127.0.0.1:{server.port}"
            document = self.check("-u", a, "--vs", "redis://nosuch.invalid:1", why="cannot resolve")
        self.assertEqual(document["target"]["protocol"], "resp2")
        self.assertEqual(document["target_b"]["address"], "nosuch.invalid:1")

    def test_not_its_tests(self):
        with Server() as server:
            uri = "cairn://{}:{}".format(*server.address)
            self.check("-u", uri, "-t", "lpush", status=2, why="protocol msgpack: lpush")

    def test_preload(self):
        """Writes that are refused before anything is measured."""
        def answer(request, number):
            return b"-READONLY no\r\n" if request[0].upper() == b"SET" else b"+OK\r\n"

        with FakeServer(answer) as server:
            self.check("-u", f"redis://127.0.0.1:{server.port}", "-t", "get", "-r", 10, "-c", 1,
                       "--preload", why="preload: the server refused requests: READONLY no")


if __name__ == "__main__":
    unittest.main()
