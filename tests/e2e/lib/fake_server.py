#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A RESP server that does as it is told, in a thread: to see how a client takes it.

It answers PING, and everything else with what `answer(request, number)` returns: bytes to send, or
None to close the connection. Requests are lists of bytes, numbered from 0 over all connections."""

import selectors
import socket
import threading


def split(data):
    """The whole commands at the front of the data, and what is left of it."""
    commands = []
    while True:
        words, rest = take(data)
        if words is None:
            return commands, data
        commands.append(words)
        data = rest


def take(data):
    head, newline, rest = data.partition(b"\r\n")
    if not newline:
        return None, data
    if not head.startswith(b"*"):
        return head.split(), rest
    words = []
    for _ in range(int(head[1:])):
        size, newline, rest = rest.partition(b"\r\n")
        if not newline or len(rest) < int(size[1:]) + 2:
            return None, data
        words.append(rest[:int(size[1:])])
        rest = rest[int(size[1:]) + 2:]
    return words, rest


class Nobody:
    """A port of 127.0.0.1 that is taken, and at which nobody listens."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class FakeServer:
    """Listens on 127.0.0.1:port. As a context manager it ends with the block."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.uri = f"redis://127.0.0.1:{self.port}"
        self.accepted = 0  # connections, so far
        self.wake, self.stop = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.wake:
                    return
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    self.accepted += 1
                    self.selector.register(connection, selectors.EVENT_READ, [b""])
                else:
                    self._read(key.fileobj, key.data)

    def _read(self, connection, kept):
        try:
            data = connection.recv(1 << 16)
            commands, kept[0] = split(kept[0] + data)
            replies = [self._reply(words) for words in commands]
            connection.sendall(b"".join(reply for reply in replies if reply is not None))
        except OSError:
            data, replies = b"", []
        if not data or None in replies:
            self.selector.unregister(connection)
            connection.close()

    def _reply(self, words):
        if words[0] == b"PING":
            return b"+PONG\r\n"
        self.requests.append(words)
        return self.answer(words, len(self.requests) - 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.send(b"x")
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
        self.stop.close()
