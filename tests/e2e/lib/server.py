#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cairnd as a fixture: started on a port the kernel chooses, stopped by SIGTERM, log checked."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from lib.client import TIMEOUT_S as PATIENCE_S, Client, RpcError

CAIRND = os.environ.get("CAIRND", "cairnd")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
START_S = STOP_S = PATIENCE_S
# What no log may hold: reports of sanitizers and of our own checks, and errors.
BAD_LOG = re.compile(r"Sanitizer|runtime error:|requirement failed|INTERNAL|"
                     r"\b(error|fatal|crit)\b [a-z]+: ")


def until(condition, what, seconds=PATIENCE_S):
    """Poll until `condition()` is true and return its value; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.005)


def quick(times):
    """What the quickest tenth of them kept to. A busy machine delays some, a server that makes its
    clients wait delays all."""
    return sorted(times)[len(times) // 10]


def soon(idle):
    """How long an answer may take of a server with much to do, where that of an idle one takes so
    long: a machine that is slow makes both wait."""
    return max(0.05, 100 * idle)


def environment(more=None):
    """That of the tests and `more`, with sanitizers told to look harder and to keep little memory
    back."""
    env = dict(os.environ, **(more or {}))
    env["ASAN_OPTIONS"] = ":".join(filter(None, [
        env.get("ASAN_OPTIONS"), "detect_stack_use_after_return=1:quarantine_size_mb=8"]))
    env["UBSAN_OPTIONS"] = ":".join(filter(None, [env.get("UBSAN_OPTIONS"), "print_stacktrace=1"]))
    return env


def sanitized():
    """Is the server under test built with sanitizers? Then it is slower and larger."""
    return memory_slack() > 1


def memory_slack():
    """How many times more memory the server under test takes than it asks for: sanitizers add to
    every block, and keep what was freed; that of threads never gives any back."""
    with open(CAIRND, "rb") as program:
        code = program.read()
    return 20 if b"__tsan_init" in code else 2 if b"__asan_init" in code else 1


def run_cairnd(*args, stdin="", timeout=PATIENCE_S, wrapper=(), env=None, **popen):
    """Run cairnd to its end: what subprocess.run returns, texts decoded."""
    return subprocess.run([*wrapper, CAIRND, *args], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
                          timeout=timeout, env=environment(env), check=False, **popen)


class NotReady(AssertionError):
    """cairnd ended, or had to be ended, before it was ready. The text has its log."""

    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


class Server:
    """A running cairnd. As a context manager it is stopped and checked at the end."""

    def __init__(self, options=None, *, args=(), listen="127.0.0.1:0", preexec=None,
                 expect_log=None, env=None, wrapper=(), pass_fds=()):
        """options: {"limits.items": 16}, as --set. expect_log: lines that are not bad. wrapper: a
        command that ends in executing the one behind it."""
        self.folder = tempfile.mkdtemp(prefix="cairn-e2e-")
        self.expect_log = re.compile(expect_log) if expect_log else None
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        command = [*wrapper, CAIRND, *args]
        if listen is not None:
            command += ["--set", "listen.rpc=" + listen.replace("{folder}", self.folder)]
        options = {"listen.http": "", "listen.resp": "", **(options or {})}
        for name, value in options.items():
            command += ["--set", f"{name}={value}".replace("{folder}", self.folder)]
        self.told_to_stop = False
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env=environment(env), preexec_fn=preexec,
                                        pass_fds=pass_fds)
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        try:
            self.wait_log(r"cairnd \S+ ready")
        except AssertionError as error:
            if not self.ended:
                self.process.kill()
            raise NotReady(str(error), self.wait()) from None
        self.addresses = self.listening("rpc")

    def listening(self, protocol):
        """The addresses in the log at which it speaks this protocol."""
        return re.findall(rf"listening on (\S+) \({protocol}\)", self.log())

    def _read_log(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        """Where it listens first: (host, port), or the path of a Unix socket."""
        return self.address_of(0)

    def address_of(self, i, protocol="rpc"):
        text = (self.addresses if protocol == "rpc" else self.listening(protocol))[i]
        if text.startswith("/"):
            return text
        host, port = text.rsplit(":", 1)
        return host.strip("[]"), int(port)

    def uri(self, protocol="rpc"):
        """Where it listens first for this protocol, as loadgen and clients have it."""
        host, port = self.address_of(0, protocol)
        return f"{'cairn' if protocol == 'rpc' else 'redis'}://{host}:{port}"

    def connect(self, **how):
        return Client(self.address, **how)

    def log(self):
        with self.changed:
            return "\n".join(self.lines)

    def wait_log(self, pattern, count=1, seconds=START_S):
        """Wait until the log has `count` lines that match, and return them."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                found = [line for line in self.lines if wanted.search(line)]
                if len(found) >= count:
                    return found
                if self.ended or not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(
                        f"no {count} lines {pattern!r} in the log:\n" + "\n".join(self.lines))

    def signal(self, number):
        self.told_to_stop = self.told_to_stop or number == signal.SIGTERM
        self.process.send_signal(number)

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def wait(self, seconds=STOP_S):
        """Wait for its end; the exit status."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"cairnd did not end in {seconds} s:\n{self.log()}") from None
        self._finish()
        return status

    def _finish(self):
        self.reader.join(STOP_S)
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self._finish()

    def check_log(self):
        bad = [line for line in self.lines if BAD_LOG.search(line) and
               not (self.expect_log and self.expect_log.search(line))]
        if bad:
            raise AssertionError("bad lines in the log:\n" + self.log())

    def stop(self, status=0):
        """SIGTERM, unless sent before (a second ends it at once); then the exit status must be 0
        and nothing bad in the log."""
        if self.process.poll() is None and not self.told_to_stop:
            self.signal(signal.SIGTERM)
        ended = self.wait()
        self.check_log()
        if ended != status:
            raise AssertionError(f"exit status {ended}, expected {status}:\n{self.log()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            self.wait(10)
        except AssertionError:
            pass
        print(f"--- log of cairnd\n{self.log()}\n---")


class TestCase(unittest.TestCase):
    """Tests that share one server with OPTIONS; each has a connection and a run of its own."""

    OPTIONS = {}
    LISTEN = "127.0.0.1:0"

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.OPTIONS, listen=cls.LISTEN)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.c = self.connect()
        self.addCleanup(self.c.call, "run.drop", self._testMethodName)
        self.c.call("run.use", self._testMethodName)

    def connect(self, **how):
        client = self.server.connect(**how)
        self.addCleanup(client.close)
        return client

    def fails(self, code, method, /, *params, on=None, **options):
        """The call must be answered with this error; it is returned."""
        with self.assertRaises(RpcError) as caught:
            (on or self.c).call(method, *params, **options)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception
