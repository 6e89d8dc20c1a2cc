# SPDX-License-Identifier: BSD-3-Clause
"""Servers under measurement: started on free loopback ports, looked at through /proc, stopped by
pid. cairnd(...) and redis(...) return a Server; use them with `with`."""

import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST = "127.0.0.1"
START_LIMIT_S = 10
PING = {"rpc": b"\x94\x00\x01\xabserver.ping\x90", "resp": b"PING\r\n"}
PONG = {"rpc": b"\x94\x01\x01\xc0\xa4pong", "resp": b"+PONG\r\n"}
LISTENERS = ("rpc", "resp", "http")
PROGRAMS = {"cairnd": "server/cairnd", "loadgen": "client/loadgen/loadgen"}


def free_port():
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def on_cpu(cpu):
    """For Popen(preexec_fn=): run on this CPU only; None: on any."""
    return (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None


def read_exactly(sock, size):
    """Read so many bytes or fail."""
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise OSError("connection closed")
        data += piece
    return data


def read_reply(replies):
    """One RESP2 reply from a file."""
    line = replies.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"-" or not line:
        raise SystemExit(f"refused: {rest.decode()}" if line else "the server closed a connection")
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return replies.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
    if kind == b"*":
        return [read_reply(replies) for _ in range(int(rest))]
    return rest


class Server:
    """A server process; `kind` is cairnd or redis, `protocol` what its port speaks: rpc or resp."""

    def __init__(self, kind, command, port, cpu, protocol):
        self.kind, self.port, self.protocol = kind, port, protocol
        self.log = tempfile.NamedTemporaryFile(prefix=f"bench-{kind}-")
        begun = time.monotonic()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, preexec_fn=on_cpu(cpu))
        self.pid = self.process.pid
        try:
            self._wait(begun)
        except BaseException:
            self.stop()
            raise
        self.start_ms = 1000 * (time.monotonic() - begun)

    def _wait(self, begun):
        """Until a ping is answered."""
        while not self._pings():
            if self.process.poll() is not None or time.monotonic() - begun > START_LIMIT_S:
                with open(self.log.name, encoding="utf-8", errors="replace") as log:
                    raise SystemExit(f"{self.kind} did not start:\n{log.read()}")
            time.sleep(0.0002)

    def _pings(self):
        try:
            with self.connect() as sock:
                sock.sendall(PING[self.protocol])
                pong = PONG[self.protocol]
                return read_exactly(sock, len(pong)) == pong
        except OSError:
            return False

    def connect(self):
        """A connected socket."""
        return socket.create_connection((HOST, self.port), timeout=30)

    @contextlib.contextmanager
    def resp_session(self):
        """A function that sends a RESP command and returns its reply: bytes, int, or a list."""
        with self.connect() as sock, sock.makefile("rb") as replies:
            def call(*words):
                sock.sendall(b"*%d\r\n" % len(words))
                for word in words:
                    word = str(word).encode()
                    sock.sendall(b"$%d\r\n%s\r\n" % (len(word), word))
                return read_reply(replies)
            yield call

    def resp(self, *words):
        """One RESP command on a connection of its own."""
        with self.resp_session() as call:
            return call(*words)

    def cpu_ns(self):
        """CPU time of all threads so far, user and system."""
        total = 0
        for path in glob.glob(f"/proc/{self.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total

    def rss_kib(self):
        """Resident memory."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])

    def kill(self):
        """End the process as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """End the process, politely first."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def cairnd(path, cpu=None, loops=1, protocol="rpc", settings=()):
    """A cairnd that listens for this protocol alone; settings are further NAME=VALUE."""
    port = free_port()
    listen = {**dict.fromkeys(LISTENERS, ""), protocol: f"{HOST}:{port}"}
    options = [f"server.loops={loops}"]
    options += [f"listen.{name}={address}" for name, address in listen.items()]
    options += settings
    command = [path, *(word for option in options for word in ("--set", option))]
    return Server("cairnd", command, port, cpu, protocol)


def redis(cpu=None, settings=()):
    """Debian's redis-server, in memory unless the settings, further words, say otherwise."""
    port = free_port()
    path = shutil.which("redis-server") or "/usr/bin/redis-server"
    options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no",
               "--maxclients", "10000", "--dir", tempfile.gettempdir(), *settings]
    return Server("redis", [path, *options], port, cpu, "resp")


def add_path_options(parser, *programs):
    """--build, and the paths of programs in it, which are keys of PROGRAMS."""
    parser.add_argument("--build", default="build", help="build folder (build)")
    for name in programs:
        parser.add_argument(f"--{name}", help=f"default: BUILD/{PROGRAMS[name]}")


def resolve_paths(args, *programs):
    """Fill in what add_path_options left open; stop if something is missing."""
    for name in programs:
        path = getattr(args, name) or os.path.join(args.build, PROGRAMS[name])
        if not os.access(path, os.X_OK):
            raise SystemExit(f"{path} is missing; build, or give --build or --{name}")
        setattr(args, name, path)


def verdict(value, target):
    """What the last column of every table says."""
    return "met" if value <= target else "**missed**"
