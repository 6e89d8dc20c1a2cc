# SPDX-License-Identifier: BSD-3-Clause
"""A small MessagePack-RPC client for the benchmarks: one call at a time, or many in flight."""

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
        params = [*params, *([options] if options else [])]
        self.sock.sendall(msgpack.packb([0, 1, method, params]))
        for _, _, error, result in self._replies(1):
            if error is not None:
                raise Refused(error)
        return result

    def calls(self, requests, window=32):
        """Many calls (method, params), so many in flight; their number."""
        count, waiting = 0, []
        for method, params in requests:
            waiting.append(msgpack.packb([0, count, method, params]))
            count += 1
            if len(waiting) == window:
                self._exchange(waiting)
                waiting = []
        self._exchange(waiting)
        return count

    def _exchange(self, waiting):
        self.sock.sendall(b"".join(waiting))
        for _, _, error, _ in self._replies(len(waiting)):
            if error is not None:
                raise Refused(error)
