#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The programs in docs/examples do what they say: they run, and killed at any of their calls they
go on, and no tool is called twice; what is remembered is found. Without a server they say so. The
one for node needs npm, and is skipped without it."""

import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from lib.npm import NODE, install
from lib.server import ROOT, TestCase

EXAMPLES = os.path.join(ROOT, "docs", "examples")
CITIES = ["Oslo", "Lima", "Pune"]
CALLS = 1 + 1 + 2 * len(CITIES)  # get, save, and for each city put_writes and save
RUN_S = 120


class Cut(threading.Thread):
    """Passes one connection on, and closes it in place of reply number `count`."""

    def __init__(self, server, count):
        super().__init__(daemon=True)
        self.server, self.left = server, count
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.start()

    def run(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(self.server)
        ways = {client: server, server: client}
        with self.listener, client, server, selectors.DefaultSelector() as selector:
            for one in ways:
                selector.register(one, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(65536)  # one reply at a time: the client waits for it
                    self.left -= key.fileobj is server
                    if not data or self.left == 0:
                        return
                    ways[key.fileobj].sendall(data)


class ExamplesTest(TestCase):
    npm = None  # a folder with the packages

    def run_program(self, command, address, session, folder=None):
        """All it printed, and whether it ended well."""
        done = subprocess.run([*command, f"{address[0]}:{address[1]}", session], cwd=folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=RUN_S,
                              stderr=subprocess.STDOUT, check=False, encoding="utf-8")
        return done.stdout, done.returncode == 0

    def check_program(self, command, folder=None):
        name = os.path.basename(command[-1])
        out, well = self.run_program(command, self.server.address, f"{name} whole", folder)
        self.assertTrue(well, out)
        last = out.replace(" ", "").replace('"', "'").splitlines()[-4:]
        self.assertEqual(last, ["report:Oslo8,Lima8,Pune8", "step3endedwithPune",
                                "step2endedwithLima", "atfirst:{'step':0,'report':[]}"])
        for count in range(1, CALLS + 1):
            cut = Cut(self.server.address, count)
            session = f"{name} {count}"
            first, well = self.run_program(command, cut.address, session, folder)
            self.assertFalse(well, first)
            second, well = self.run_program(command, self.server.address, session, folder)
            self.assertTrue(well, second)
            self.assertEqual("going on" in second, count > 1, second)
            for city in CITIES:
                self.assertEqual((first + second).count(f"asking for the weather in {city}"), 1,
                                 f"{first}---\n{second}")

    def check_alone(self, command, folder=None):
        """Without a server there is one line that asks for it."""
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            address = nobody.getsockname()
        out, well = self.run_program(command, address, "x", folder)
        self.assertFalse(well, out)
        self.assertEqual(len(out.splitlines()), 1, out)
        self.assertIn("is cairnd running?", out)

    def test_python(self):
        command = ["/usr/bin/python3", os.path.join(EXAMPLES, "checkpoints.py")]
        self.check_program(command)
        self.check_alone(command)

    def test_vectors(self):
        """What is remembered is found, again after a restart of the program."""
        command = ["/usr/bin/python3", os.path.join(EXAMPLES, "vectors.py")]
        self.check_alone(command)
        found = ["What was that about the database and its disk?", "mail-1 (2021)",
                 "note-1 (2022)", "And what do my notes say since 2023?", "note-3 (2024)",
                 "note-2 (2023)", "What else is like note-2?", "mail-2", "left: 4"]
        for new in (5, 1):
            out, well = self.run_program(command, self.server.address, "memory test")
            self.assertTrue(well, out)
            lines = out.splitlines()
            self.assertEqual(lines[0], f"remembered {new} documents")
            self.assertEqual(len(lines), 1 + len(found), out)
            for line, part in zip(lines[1:], found):
                self.assertIn(part, line)

    def test_node(self):
        reason = install(EXAMPLES, self.npm)
        if reason:
            self.skipTest(reason)
        self.check_program([NODE, "checkpoints.mjs"], self.npm)
        self.check_alone([NODE, "checkpoints.mjs"], self.npm)


def main():
    """Run as a program."""
    with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as scratch:
        ExamplesTest.npm = os.path.join(os.environ.get("CAIRN_E2E_NPM") or scratch, "examples")
        return 0 if unittest.main(exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
