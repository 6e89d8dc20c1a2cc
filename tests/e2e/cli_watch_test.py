#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cairn --stat and cairn --latency: lines, headers, --count, Ctrl-C, a server that comes back."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

from lib.server import Server, environment
from lib.terminal import Terminal

CAIRN = os.environ.get("CAIRN")
DONE, ANSWERED_ERROR, USAGE, UNREACHABLE, ABSENT = range(5)
HEAD = ["requests/s", "errors/s", "hits", "in", "B/s", "out", "B/s", "clients", "records", "memory",
        "B"]
SUMMARY = (r"min [\d.]+ [mu]?s, avg [\d.]+ [mu]?s, p50 [\d.]+ [mu]?s, p99 [\d.]+ [mu]?s, "
           r"max [\d.]+ [mu]?s, (\d+) samples")


class WatchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def flags(self, *flags):
        return [CAIRN, "-p", str(self.server.address[1]), *flags]

    def lines(self, *flags):
        done = subprocess.run(self.flags(*flags), capture_output=True, timeout=60, check=True,
                              text=True, env=environment())
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_stat(self):
        stop = threading.Event()
        with self.server.connect() as client:
            client.call("kv.put", "k", "v")

            def work():
                while not stop.is_set():
                    client.call("kv.get", "k")
            worker = threading.Thread(target=work)
            worker.start()
            try:
                lines = self.lines("--stat", "1s", "--count", "3")
            finally:
                stop.set()
                worker.join()
        self.assertEqual(lines[0].split(), HEAD)
        self.assertEqual(len(lines), 4)
        self.assertEqual(len({len(line) for line in lines}), 1)
        for line in lines[1:]:
            requests, errors, hits, received, sent, clients, records, memory = line.split()
            self.assertRegex(requests, r"k$|^\d\d")  # 10 or more
            self.assertEqual((errors, hits, clients, records), ("0", "100%", "2", "1"))
            self.assertTrue(all(cell != "0" for cell in (received, sent, memory)), line)

    def test_stat_repeats_its_head(self):
        lines = self.lines("--stat", "100ms", "--count", "21")
        heads = [i for i, line in enumerate(lines) if line.split() == HEAD]
        self.assertEqual((heads, len(lines)), ([0, 21], 23))
        self.assertEqual(lines[1].split()[2], "-")

    def test_stat_comes_back(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "cairn.sock")
            server = Server(listen=path)
            with subprocess.Popen([CAIRN, "-s", path, "--stat", "100ms"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env=environment()) as process:
                try:
                    self.assertEqual(process.stdout.readline().split(), HEAD)
                    process.stdout.readline()
                    server.stop()
                    self.assertIn("CANNOT_CONNECT", process.stderr.readline())
                    with Server(listen=path):
                        for line in process.stderr:
                            if "the connection was lost; connected to" in line:
                                break
                        # No rate across two servers: it would be nonsense.
                        self.assertTrue(all(re.match(r"^ +\d+ +0 ", process.stdout.readline())
                                            for _ in range(2)))
                        process.send_signal(signal.SIGINT)
                        process.wait(60)
                finally:
                    process.kill()

    def test_stat_of_another_server(self):
        """A server that was restarted within an interval begins anew: no rate out of both."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "cairn.sock")
            server = Server(listen=path)
            with subprocess.Popen([CAIRN, "-s", path, "--stat", "1s", "--count", "2"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env=environment()) as process:
                process.stdout.readline()
                process.stdout.readline()
                process.send_signal(signal.SIGSTOP)
                server.stop()
                with Server(listen=path) as other, other.connect() as client:
                    client.pipeline([("ping",)] * 20_000)
                    process.send_signal(signal.SIGCONT)
                    out, error = process.communicate(timeout=60)
            self.assertIn("the connection was lost; connected to", error)
            self.assertRegex(out, r"^ +[01] +0 ")

    def test_no_server(self):
        for flag in ("--stat", "--latency"):
            done = subprocess.run([CAIRN, "-p", "1", flag], capture_output=True, timeout=60,
                                  check=False, text=True)
            self.assertEqual((done.returncode, done.stdout), (UNREACHABLE, ""))
            self.assertIn("is cairnd running at 127.0.0.1:1?", done.stderr)

    def test_output_is_gone(self):
        for flag in ("--stat", "--latency"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(self.flags(flag, "100ms"), stdout=full, timeout=60,
                                      stderr=subprocess.PIPE, check=False, text=True)
            self.assertEqual(done.returncode, UNREACHABLE)
            self.assertEqual(done.stderr, "cairn: the output could not be written\n")

    def test_latency_on_a_pipe(self):
        lines = self.lines("--latency", "200ms", "--count", "3")
        self.assertEqual(len(lines), 4)
        counts = [int(re.fullmatch(SUMMARY, line)[1]) for line in lines[:3]]
        self.assertTrue(all(count > 0 for count in counts), lines)
        found = re.fullmatch("in all: " + SUMMARY, lines[3])
        self.assertEqual(int(found[1]), sum(counts))

    def test_latency_interrupted(self):
        with subprocess.Popen(self.flags("--latency", "100ms"), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment()) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=60)
        self.assertEqual((process.returncode, error), (DONE, ""))
        self.assertRegex(out.splitlines()[-1], "^in all: " + SUMMARY + "$")

    def await_unread(self, port):
        """Until a connection to this port of ours has bytes that nobody has read."""
        while True:
            with open("/proc/net/tcp", encoding="ascii") as table:
                for row in list(table)[1:]:
                    _, local, _, state, queues, *_ = row.split()
                    if (int(local.split(":")[1], 16) == port and state == "01"
                            and int(queues.split(":")[1], 16) > 0):
                        return

    def test_latency_interrupted_within_a_ping(self):
        with Server() as server, subprocess.Popen(
                [CAIRN, "-p", str(server.address[1]), "--latency", "100ms"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=environment()) as process:
            process.stdout.readline()
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                self.await_unread(server.address[1])
                process.send_signal(signal.SIGINT)
                out, error = process.communicate(timeout=60)
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
        self.assertEqual((process.returncode, error), (DONE, ""))
        self.assertRegex(out.splitlines()[-1], "^in all: " + SUMMARY + "$")

    def test_latency_on_a_terminal(self):
        """One line that is renewed in place."""
        terminal = Terminal(self.flags("--latency", "100ms"), env=environment(), columns=120)
        self.addCleanup(terminal.close)
        terminal.expect("^" + SUMMARY)
        terminal.until(lambda: terminal.raw.count(b"\r") >= 3)
        terminal.type("\x03")
        self.assertEqual(terminal.end(), DONE)
        self.assertRegex(terminal.screen.text(), r"samples(\^C)?\nin all: " + SUMMARY + r"\n$")
        self.assertEqual(terminal.screen.text().count("samples"), 2)


if __name__ == "__main__":
    if not CAIRN:
        print("CAIRN must name the program", file=sys.stderr)
        sys.exit(77)
    unittest.main()
