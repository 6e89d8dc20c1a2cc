#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A small MessagePack-RPC client over python3-msgpack, and sockets for tests that misbehave."""

import atexit
import os
import re
import socket
import struct
import sys

import msgpack

# After this an answer does not come at all. Several sanitized daemons on one busy CPU stretch what
# takes a millisecond to seconds: no test is about how long this is.
TIMEOUT_S = 120
# What servers answered: (operation, code of the error or ""). At the end of a whole test file it is
# kept in this folder, for coverage_test.py.
CALLS = set()
CALLS_FOLDER = os.environ.get("CAIRN_E2E_CALLS")


class RpcError(Exception):
    """An error reply. code is its first word, or that of the map."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error
        if isinstance(error, dict):
            self.code, self.text = error["code"], error["message"]
        else:
            self.code, _, self.text = error.partition(" ")


def encode(value):
    return msgpack.packb(value, use_bin_type=True)


def request(msgid, method, params):
    return encode([0, msgid, method, params])


def spoilt(rng, good, count):
    """So many inputs: one of three is noise, the others have up to four places in which bytes are
    changed, missing or too many."""
    for i in range(count):
        data = bytearray(good if i % 3 else rng.randbytes(rng.randint(1, 2000)))
        for _ in range(rng.randint(1, 4) if i % 3 else 0):
            at = rng.randrange(len(data))
            if rng.random() < 0.5:
                data[at] = rng.randrange(256)
            elif rng.random() < 0.5:
                del data[at:at + rng.randint(1, 9)]
            else:
                data[at:at] = rng.randbytes(rng.randint(1, 9))
        yield bytes(data)


def note_call(method, error):
    """Remember that an operation answered: its name, and the code if it was an error."""
    name = method.decode("utf-8", "replace") if isinstance(method, bytes) else method
    if isinstance(name, str) and re.fullmatch(r"[\w.]+", name):
        code = "" if error is None else error["code"] if isinstance(error, dict) else error
        CALLS.add((name, code.split(" ")[0]))


def keep_calls():
    os.makedirs(CALLS_FOLDER, exist_ok=True)
    path = os.path.join(CALLS_FOLDER, os.path.basename(sys.argv[0]))
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.writelines(f"{name} {code}\n" for name, code in sorted(CALLS))
    os.replace(path + ".new", path)


if CALLS_FOLDER and len(sys.argv) == 1:
    atexit.register(keep_calls)


class Raw:
    """A socket that sends what it is told and reads MessagePack or bytes."""

    def __init__(self, address, timeout=TIMEOUT_S, receive_buffer=None):
        self.socket = socket.socket(
            socket.AF_UNIX if isinstance(address, str) else
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=0)
        self.received = 0
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise

    def send(self, data):
        self.socket.sendall(data)

    def read_bytes(self, size=65536):
        """What comes next; b"" if the server has closed or reset the connection."""
        try:
            return self.socket.recv(size)
        except (ConnectionResetError, BrokenPipeError):
            return b""

    def read_all(self):
        """All bytes until the server closes."""
        parts = []
        while True:
            data = self.read_bytes()
            if not data:
                return b"".join(parts)
            parts.append(data)

    def message(self):
        """The next message, or None if the server has closed."""
        while True:
            try:
                return next(self.unpacker)
            except StopIteration:
                data = self.read_bytes()
                if not data:
                    return None
                self.received += len(data)
                self.unpacker.feed(data)

    def messages(self):
        """All messages until the server closes."""
        found = []
        while (message := self.message()) is not None:
            found.append(message)
        return found

    def shutdown(self):
        """Half close: nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Close so that the server sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client(Raw):
    """Calls by name: client.call("kv.put", "key", 1, ttl_ms=5)."""

    def __init__(self, address, **how):
        super().__init__(address, **how)
        self.last_id = 0
        self.waiting = {}  # msgid: method
        self.replies = {}  # msgid: (error, result)
        self.notified = []  # what came while replies were awaited

    def post(self, method, /, *params, **options):
        """Send a request and return its msgid; options become a map behind the params."""
        self.send(self.prepare(method, list(params) + ([options] if options else [])))
        return self.last_id

    def prepare(self, method, params):
        self.last_id += 1
        self.waiting[self.last_id] = method
        return request(self.last_id, method, params)

    def wait(self, msgid):
        """The result of the request; replies to others and notifications are kept."""
        while msgid not in self.replies:
            message = self.message()
            if message is None:
                raise ConnectionError("the server closed the connection")
            if message[0] == 2:
                self.notified.append(message)
                continue
            kind, other, error, result = message
            assert kind == 1, message
            assert error is None or result is None, message
            note_call(self.waiting.pop(other), error)
            self.replies[other] = (error, result)
        error, result = self.replies.pop(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, method, /, *params, **options):
        return self.wait(self.post(method, *params, **options))

    def call_params(self, method, params):
        """With params as they are: a list, or a map of all arguments."""
        self.send(self.prepare(method, params))
        return self.wait(self.last_id)

    def notify(self, method, *params):
        self.send(encode([2, method, list(params)]))

    def pipeline(self, calls):
        """All requests in one go, then all results: values, or RpcError objects."""
        data, ids = [], []
        for method, *params in calls:
            data.append(self.prepare(method, params))
            ids.append(self.last_id)
        self.send(b"".join(data))
        results = []
        for msgid in ids:
            try:
                results.append(self.wait(msgid))
            except RpcError as error:
                results.append(error)
        return results
