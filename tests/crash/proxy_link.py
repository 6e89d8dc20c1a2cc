# SPDX-License-Identifier: BSD-3-Clause
"""One TCP connection led through a proxy that does it harm.

    client --- Link.address ---> Link ---> server

    pass        nothing
    trickle     both directions one byte at a time, one packet each
    delay       each piece later, in both directions
    cut         after `at` bytes from the client both sides are closed
    reset       the same, with RST
    half        after `at` bytes the server sees the end of the requests; replies still pass
    deaf        after `at` bytes of replies both sides are closed
    deaf_reset  the same, with RST
    double      what the client sends goes to the server on a second connection, too, whose replies
                nobody gets
    hole        after `at` bytes nothing passes any more in either direction, and nothing is closed
                before the client gives up; then the server is left waiting, until it hangs up or
                hole_s is over

`delivered`: bytes that the server was sent, on each connection."""

import select
import socket
import struct
import threading
import time

KINDS = ("pass", "trickle", "delay", "cut", "reset", "half", "deaf", "deaf_reset", "double", "hole")
# These come through whole.
WHOLE = ("pass", "trickle", "delay", "double")


def reset(sock):
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Link(threading.Thread):
    """Usable once, for one connection."""

    def __init__(self, server, kind, at, hole_s, delay_s=0.002):
        super().__init__(daemon=True)
        self.kind, self.at, self.hole_s, self.delay_s = kind, at, hole_s, delay_s
        self.server = server
        self.delivered = self.answered = 0
        self.server_hung_up = False  # on a client that said no more
        self.ended = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.start()

    # ---- the thread ----

    def run(self):
        self.listener.settimeout(30)
        client = None
        servers = []
        try:
            client, _ = self.listener.accept()
            servers = [socket.create_connection(self.server)
                       for _ in range(2 if self.kind == "double" else 1)]
            for one in [client] + servers:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pump(client, servers)
        except OSError:
            pass  # one side is gone: so is the other
        finally:
            self.listener.close()
            for one in [client] + servers:
                if one is not None:
                    (reset if "reset" in self.kind else socket.socket.close)(one)
            self.ended = True

    def pump(self, client, servers):
        """Until a side closes or the harm is done."""
        while not self.ended:
            readable, _, _ = select.select([client] + servers, [], [])
            for one in readable:
                data = one.recv(1 << 16)
                if one is not client:
                    self.ended |= not data or self.backward(client, one is servers[0], data)
                elif not self.forward(client, servers, data):
                    return

    def forward(self, client, servers, data):
        """Requests. False: all is over."""
        if not data:
            for one in servers:
                one.shutdown(socket.SHUT_WR)
            self.drain(client, servers)
            self.server_hung_up = True
            return False
        limited = self.kind in ("cut", "reset", "half", "hole")
        room = self.at - self.delivered if limited else len(data)
        for one in servers:
            self.pass_on(one, data[:room])
        self.delivered += min(room, len(data))
        if room > len(data):
            return True
        if self.kind == "half":
            servers[0].shutdown(socket.SHUT_WR)
            self.drain(client, servers)
        if self.kind == "hole":
            self.swallow(client, servers[0])
        return not limited

    def backward(self, client, wanted, data):
        """Replies. True: all is over."""
        deaf = self.kind in ("deaf", "deaf_reset")
        if deaf:
            data = data[:self.at - self.answered]
        self.answered += len(data)
        if wanted:
            self.pass_on(client, data)
        return deaf and self.answered >= self.at

    def drain(self, client, servers):
        """Only replies come now, until the servers have closed."""
        for one in reversed(servers):
            while data := one.recv(1 << 16):
                if one is servers[0] and self.backward(client, True, data):
                    return

    def pass_on(self, to, data):
        if self.kind == "delay":
            time.sleep(self.delay_s)
        step = 1 if self.kind == "trickle" else len(data) or 1
        for i in range(0, len(data), step):
            to.sendall(data[i:i + step])

    def swallow(self, client, server):
        """Neither side is told anything. The client gives up first, by its timeout."""
        while client.recv(1 << 16):
            pass
        server.settimeout(self.hole_s)
        try:
            while server.recv(1 << 16):
                pass
            self.server_hung_up = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            self.server_hung_up = True
