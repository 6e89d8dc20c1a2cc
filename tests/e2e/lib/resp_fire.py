#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""For tests that ill-treat the RESP port: a client that sends any bytes, and a case that looks at
the server afterwards."""

from lib.client import Raw
from lib.server import TestCase


def command(*args):
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class Resp(Raw):
    """Raw, and replies: bytes of a string, int, None, list; an error is its line as str."""

    data = b""

    def take(self, size):
        parts, have = [self.data], len(self.data)
        while have < size:
            more = self.read_bytes(2**20)
            if not more:
                raise ConnectionError("closed inside a reply")
            parts.append(more)
            have += len(more)
        whole = b"".join(parts)
        self.data = whole[size:]
        return whole[:size]

    def line(self):
        """The next line without its end, or None if the server has closed."""
        while b"\r\n" not in self.data:
            more = self.read_bytes()
            if not more:
                assert not self.data, self.data
                return None
            self.data += more
        line, _, self.data = self.data.partition(b"\r\n")
        assert b"\n" not in line and b"\r" not in line, line
        return line

    def reply(self):
        line = self.line()
        if line is None:
            raise ConnectionError("closed")
        kind, text = line[:1], line[1:]
        if kind == b"-":
            return text.decode("latin-1")
        if kind == b"+":
            return text
        if kind in b":$*":
            number = int(text)
            if kind == b":" or number < 0:
                return number if kind == b":" else None
            return self.take(number + 2)[:-2] if kind == b"$" else [
                self.reply() for _ in range(number)]
        raise AssertionError(f"no reply: {line!r}")

    def call(self, *args):
        self.send(command(*args))
        return self.reply()

    def pipeline(self, commands):
        self.send(b"".join(command(*c) for c in commands))
        return [self.reply() for _ in commands]

    def try_send(self, data):
        """Send, unless the server closes meanwhile."""
        try:
            self.send(data)
        except OSError:
            pass


def counter(client, name):
    return client.call("server.stats")["counters"][name]


def connections(client):
    return client.call("server.info", section="clients")["clients"]["connections"]


class RespCase(TestCase):
    """A server with a RESP port; at the end both ports must serve."""

    OPTIONS = {"listen.resp": "127.0.0.1:0"}

    def setUp(self):
        super().setUp()
        self.addCleanup(self.served)

    def served(self):
        with self.resp() as raw:
            self.assertEqual(raw.call("FLUSHALL"), b"OK")
            self.assertEqual(raw.call("PING"), b"PONG")
        self.assertEqual(self.c.call("ping"), "pong")

    def resp(self, **how):
        raw = Resp(self.server.address_of(0, "resp"), **how)
        self.addCleanup(raw.close)
        return raw

    def ask(self, *args):
        """One command on a connection of its own."""
        with self.resp() as raw:
            return raw.call(*args)

    def set_limit(self, name, value):
        """For this test alone."""
        before = self.c.call("server.config_get", prefix="limits." + name)["limits." + name]
        self.c.call("server.config_set", "limits." + name, str(value))
        self.addCleanup(self.c.call, "server.config_set", "limits." + name, str(before))

    def refused(self, call, pattern, raw=None):
        """The command is answered with such an error and the connection goes on."""
        raw = raw or self.resp()
        self.assertRegex(str(raw.call(*call)), "^ERR .*" + pattern)
        self.assertEqual(raw.call("PING"), b"PONG")
