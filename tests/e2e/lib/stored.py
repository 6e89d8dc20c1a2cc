# SPDX-License-Identifier: BSD-3-Clause
"""For tests of what outlives a server."""

import os
import shutil
import tempfile
import unittest

from . import Server, run_cairnd


class Stored(unittest.TestCase):
    """A data directory for servers that come and go."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cairn-data-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.data = os.path.join(self.folder, "data")

    def options(self, mode, **more):
        return {"durability.mode": mode, "data.dir": self.data, "server.loops": 2,
                "durability.any_file_system": "true", "durability.segment_bytes": "256KiB",
                **{name if "." in name else "durability." + name: value
                   for name, value in more.items()}}

    def start(self, mode="buffered", expect_log=None, resp=False, **more):
        options = self.options(mode, **more)
        if resp:
            options["listen.resp"] = "127.0.0.1:0"
        server = Server(options, expect_log=expect_log)
        self.addCleanup(server.kill)
        return server

    def kill(self, server):
        server.check_log()
        server.kill()

    def refused(self, status, pattern, mode="buffered", args=(), **more):
        """It does not start, says why, and has changed nothing."""
        before = self.content()
        options = {**self.options(mode, **more), "listen.rpc": "127.0.0.1:0", "listen.resp": "",
                   "listen.http": ""}
        done = run_cairnd(*args, *[x for name, value in options.items()
                                   for x in ("--set", f"{name}={value}")])
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(self.content(), before)

    def content(self):
        found = {}
        for root, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(root, name)
                with open(path, "rb") as file:
                    found[path] = file.read()
        return found

    def snapshots(self):
        return sorted(name for name in os.listdir(self.data) if name.endswith(".snap"))

    def spoil(self, name, at=0.5):
        """Change a byte of a file."""
        path = os.path.join(self.data, name)
        with open(path, "r+b") as file:
            file.seek(int(os.path.getsize(path) * at))
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))

    def segments(self):
        return sorted(name for name in os.listdir(self.data) if name.endswith(".log"))
