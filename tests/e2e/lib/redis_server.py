#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Debian's redis-server as a fixture: the judge of what is spoken on the RESP port."""

import os
import shutil
import socket
import subprocess
import tempfile

from lib.server import until

PROGRAM = shutil.which("redis-server")
START_S = 120


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RedisServer:
    """A redis-server that keeps nothing; address is the path of its Unix socket, or with tcp=True
    (host, port)."""

    def __init__(self, *options, tcp=False):
        self.folder = tempfile.mkdtemp(prefix="cairn-e2e-")
        path = os.path.join(self.folder, "redis.sock")
        port = free_port() if tcp else 0
        self.address = ("127.0.0.1", port) if tcp else path
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        self.process = subprocess.Popen(
            [PROGRAM, "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", path, "--save",
             "", "--appendonly", "no", "--dir", self.folder, *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            until(self._ready, "redis-server is ready", START_S)
        except BaseException:
            self.stop()
            raise

    def _ready(self):
        with open(self.log.name, "rb") as log:
            text = log.read()
        if self.process.poll() is not None:
            raise AssertionError(f"redis-server ended:\n{text.decode('utf-8', 'replace')}")
        # It says so once for its port and once for its Unix socket, which comes last.
        return b"now ready to accept connections at" in text

    def stop(self):
        """End it and remove its files; again is harmless."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
