#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The server that RESP tests judge: cairnd, or what RESP_SUBJECT names.

RESP_SUBJECT=redis puts a second redis-server in its place: then the tests test themselves.
RESP_SUBJECT=HOST:PORT judges a server that runs already.
"""

import os

from lib.redis_server import RedisServer
from lib.server import Server

NAME = os.environ.get("RESP_SUBJECT", "cairnd")
IS_CAIRND = NAME != "redis"


class Running:
    """A server that was started by somebody else."""

    def __init__(self, address):
        self.address = address

    def stop(self):
        """It goes on."""


class Subject:
    """address is (host, port) of its RESP port."""

    def __init__(self, options=None, password=None):
        """options: those of cairnd, as lib.Server has them; password: what they mean for Redis."""
        if NAME == "redis":
            self.server = RedisServer(*(["--requirepass", password] if password else []), tcp=True)
            self.address = self.server.address
        elif NAME == "cairnd":
            self.server = Server({"listen.resp": "127.0.0.1:0", **(options or {})})
            self.address = self.server.address_of(0, "resp")
        else:
            host, port = NAME.rsplit(":", 1)
            self.address = host, int(port)
            self.server = Running(self.address)

    def stop(self):
        self.server.stop()

    def __enter__(self):
        return self

    def __exit__(self, *how):
        if hasattr(self.server, "__exit__"):
            self.server.__exit__(*how)
