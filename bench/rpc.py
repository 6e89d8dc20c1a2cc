# SPDX-License-Identifier: BSD-3-Clause
"""A small MessagePack-RPC client for the benchmarks: one call at a time, or many in flight."""

import itertools

import msgpack

READ = 1 << 20


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, error):
        self.code = error["code"] if isinstance(error, dict) else str(error).partition(" ")[0]
        super().__init__(str(error))


class Client:
    """A connection to a server of servers.py that speaks rpc."""

    def __init__(self, server):
        self.sock = server.connect()
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=0)

    def close(self):
        """Close it."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _replies(self, count):
        """The next replies, in the order they come."""
        while count > 0:
            for reply in self.unpacker:
                count -= 1
                yield reply
            if count > 0:
                data = self.sock.recv(READ)
                if not data:
                    raise SystemExit("the server closed a connection")
                self.unpacker.feed(data)

    def call(self, method, *params, **options):
        """One call; its result."""
        self.send([(method, [*params, *([options] if options else [])])])
        (result,) = self.results(1)
        return result

    def send(self, requests):
        """Send calls (method, params), which results() must follow."""
        self.sock.sendall(b"".join(msgpack.packb([0, number, method, params])
                                   for number, (method, params) in enumerate(requests)))

    def results(self, count):
        """What so many calls came to."""
        found = []
        for _, _, error, result in self._replies(count):
            if error is not None:
                raise Refused(error)
            found.append(result)
        return found

    def page(self):
        """The result of one call that is {items, cursor}, without looking at the items: their
        number, and the cursor."""
        data = bytearray()
        while True:
            piece = self.sock.recv(READ)
            if not piece:
                raise SystemExit("the server closed a connection")
            data += piece
            try:
                return self._read_page(data)
            except msgpack.OutOfData:
                pass

    @staticmethod
    def _read_page(data):
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=0)
        unpacker.feed(data)
        unpacker.read_array_header()
        unpacker.skip()
        unpacker.skip()
        error = unpacker.unpack()
        if error is not None:
            raise Refused(error)
        count, cursor = 0, None
        for _ in range(unpacker.read_map_header()):
            if unpacker.unpack() == "cursor":
                cursor = unpacker.unpack()
                continue
            count = unpacker.read_array_header()
            for _ in range(count):
                unpacker.skip()
        return count, cursor

    def calls(self, requests, window=32):
        """Many calls (method, params), so many in flight."""
        requests = iter(requests)
        while part := list(itertools.islice(requests, window)):
            self.send(part)
            self.results(len(part))
