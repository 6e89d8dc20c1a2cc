#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A small, strict RESP2 and RESP3 client that keeps the exact bytes of every reply.

A reply that is not canonical RESP (a length with a leading zero, a line that does not end with
CRLF, a boolean that is neither t nor f) raises BadReply: tests see what lenient clients forgive.
"""

import re
import socket

from lib.client import TIMEOUT_S

INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)\Z")
DOUBLE = re.compile(rb"(-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|-?inf|nan)\Z")
NULLS = (b"$-1\r\n", b"*-1\r\n", b"_\r\n")
# What follows the first byte: text up to CRLF; so many bytes; so many replies for each counted one.
LINES, BLOBS, GROUPS = b"+-:,(#_", b"$=!", {b"*": 1, b"~": 1, b">": 1, b"%": 2}


class BadReply(Exception):
    """The server sent what is not RESP."""


class Reply:
    """kind: the first byte; value: bytes, int, None, or a list of replies (keys and values of a map
    in turn); raw: the exact bytes. Two replies are equal if their bytes are."""

    def __init__(self, kind, value, raw):
        self.kind, self.value, self.raw = kind, value, raw

    def __eq__(self, other):
        return isinstance(other, Reply) and self.raw == other.raw

    def __hash__(self):
        return hash(self.raw)

    def __repr__(self):
        return repr(self.raw if len(self.raw) <= 600 else self.raw[:600] + b"...")

    @property
    def is_error(self):
        return self.kind in (b"-", b"!")

    def plain(self):
        """Without types: bytes, int, None, and lists of these; what a test usually asks for."""
        return [r.plain() for r in self.value] if isinstance(self.value, list) else self.value

    def pairs(self):
        """{key: reply} of a map, or of the flat array that stands for it in RESP2."""
        return {key.value: value for key, value in zip(self.value[::2], self.value[1::2])}


def encode(*args):
    """A command as every client sends it: an array of bulk strings."""
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def integer(text):
    if not INTEGER.match(text) or text == b"-0":
        raise BadReply(f"not a canonical integer: {text!r}")
    return int(text)


def check_line(kind, text):
    """The value of a reply that is one line."""
    if b"\n" in text or b"\r" in text:
        raise BadReply(f"a line end inside a line: {text!r}")
    if kind == b":":
        return integer(text)
    if (kind == b"_" and text) or (kind == b"#" and text not in (b"t", b"f")) or (
            kind == b"," and not DOUBLE.match(text)) or (kind == b"(" and not INTEGER.match(text)):
        raise BadReply(f"bad {kind!r}: {text!r}")
    return None if kind == b"_" else text


class Resp:
    """A connection. reply = call("SET", "k", b"v"); or send(bytes) and read()."""

    def __init__(self, address, timeout=TIMEOUT_S):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(timeout)
        self.data = bytearray()
        self.used = 0  # bytes of data that were returned already
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise

    def send(self, data):
        self.socket.sendall(data)

    def call(self, *args):
        self.send(encode(*args))
        return self.read()

    def pipeline(self, commands):
        """All commands in one go, then all replies."""
        self.send(b"".join(encode(*command) for command in commands))
        return [self.read() for _ in commands]

    def read(self):
        """The next reply; None if the server has closed at the end of one."""
        if self.used == len(self.data) and not self._receive():
            return None
        reply = self._parse()
        if self.used > 1 << 20 or self.used == len(self.data):
            del self.data[:self.used]
            self.used = 0
        return reply

    def read_all(self):
        """All bytes until the server closes."""
        while self._receive():
            pass
        return self.taken()

    def read_until(self, marker):
        """(bytes up to and with marker, False), or (all bytes until the server closed, True)."""
        while marker not in self.data[self.used:]:
            if not self._receive():
                return self.taken(), True
        return self.taken(), False

    def taken(self):
        data = bytes(self.data[self.used:])
        del self.data[:]
        self.used = 0
        return data

    def _receive(self):
        try:
            data = self.socket.recv(1 << 16)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        self.data += data
        return len(data)

    def _need(self, size):
        """So many bytes, taken."""
        while len(self.data) - self.used < size:
            if not self._receive():
                raise BadReply(f"closed inside a reply: {bytes(self.data[self.used:])!r}")
        self.used += size
        return bytes(self.data[self.used - size:self.used])

    def _line(self):
        while True:
            end = self.data.find(b"\n", self.used)
            if end >= 0:
                break
            if not self._receive():
                raise BadReply(f"closed inside a line: {bytes(self.data[self.used:])!r}")
        line = self._need(end + 1 - self.used)
        if not line.endswith(b"\r\n"):
            raise BadReply(f"a line without CR: {line!r}")
        return line[:-2]

    def _parse(self):
        begin = self.used
        kind = self._need(1)
        if kind in LINES:
            value = check_line(kind, self._line())
        elif kind in BLOBS:
            value = self._blob(kind)
        elif kind in GROUPS:
            count = integer(self._line())
            if count < 0 and (count, kind) != (-1, b"*"):
                raise BadReply(f"a negative count: {kind!r}{count}")
            value = None if count < 0 else [self._parse() for _ in range(count * GROUPS[kind])]
        else:
            raise BadReply(f"no such type: {kind + bytes(self.data[self.used:self.used + 99])!r}")
        return Reply(kind, value, bytes(self.data[begin:self.used]))

    def _blob(self, kind):
        size = integer(self._line())
        if size < 0:
            if (size, kind) != (-1, b"$"):
                raise BadReply(f"a negative length: {kind!r}{size}")
            return None
        data = self._need(size)
        if self._need(2) != b"\r\n":
            raise BadReply(f"no CRLF behind {size} bytes of {kind!r}")
        if kind == b"=" and data[3:4] != b":":
            raise BadReply(f"a verbatim string without a format: {data[:9]!r}")
        return data

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
