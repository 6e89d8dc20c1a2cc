#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon as a service manager runs it: units, notifications, watchdog, inherited sockets, the
system call filter, the journal."""

import importlib.util
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from lib import CAIRND, Client, Raw, RpcError, Server, environment, run_cairnd, until
from lib.server import PATIENCE_S
from lib.service import (PYTHON, Hang, Manager, inherit, journal, syscalls_of, thread_of,
                         unit_filter, unit_values)

BUILD_ROOT = os.environ.get("BUILD_ROOT", os.path.dirname(os.path.dirname(CAIRND)))
UNIT = os.path.join(BUILD_ROOT, "systemd", "cairnd.service")
EX_UNAVAILABLE, EX_CONFIG = 69, 78
# The other protocols off: their ports may be taken.
ALONE = ["--set", "listen.http=", "--set", "listen.resp="]
TOKEN = "correct-horse-battery-staple-42"
needs_systemd = unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cairn-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, text, name="cairn.yaml"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), 0o600)
        return self.path(name)


# ---- units ----

@needs_systemd
class UnitTest(unittest.TestCase):
    """`meson install` into a folder that has systemd's own units beside ours."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cairn-e2e-")
        cls.root = cls.folder.name
        system = "usr/lib/systemd/system"
        shutil.copytree("/" + system, os.path.join(cls.root, system), symlinks=True)
        cls.run_tool("meson", "install", "-C", BUILD_ROOT, "--no-rebuild", "--destdir", cls.root)
        options = json.loads(cls.run_tool("meson", "introspect", "--buildoptions", BUILD_ROOT))
        cls.where = {option["name"]: option["value"] for option in options}
        os.makedirs(os.path.join(cls.root, "usr/bin"), exist_ok=True)
        shutil.copy("/usr/bin/env", os.path.join(cls.root, "usr/bin/kill"))  # that there is one

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @staticmethod
    def run_tool(*command):
        """What it prints, errors first; it must succeed."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              encoding="utf-8", check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stderr + done.stdout

    def installed(self, *parts):
        """A path below the prefix, in the folder."""
        return self.root + os.path.join(self.where["prefix"], *parts)

    def unit(self, name="cairnd.service"):
        return self.installed("lib/systemd/system", name)

    def test_where_things_are(self):
        for path in (self.unit(), self.unit("cairnd.socket"),
                     self.installed("lib/sysusers.d/cairnd.conf"),
                     self.installed(self.where["sysconfdir"], "cairn/cairn.yaml")):
            self.assertTrue(os.path.isfile(path), path)
        self.assertTrue(os.access(self.installed(self.where["sbindir"], "cairnd"), os.X_OK))

    def test_what_the_unit_runs_is_installed(self):
        for key in ("ExecStartPre", "ExecStart"):
            program, flag, config, *_ = unit_values(self.unit(), key)[0].split()
            self.assertTrue(os.path.isfile(self.root + program), program)
            self.assertEqual(flag, "--config")
            self.assertEqual(run_cairnd(flag, self.root + config, "--check-config").returncode, 0)

    def test_verify(self):
        names = ["cairnd.service", "cairnd.socket"]
        tool = ["systemd-analyze", "verify", "--man=no", "--root=" + self.root]
        self.assertEqual(self.run_tool(*tool, *names), "")
        with open(self.unit("broken.service"), "w", encoding="utf-8") as broken:
            broken.write("[Service]\nExecStart=/usr/bin/kill\nNoSuchKey=1\n")
        self.assertIn("NoSuchKey", self.run_tool(*tool, "broken.service"))

    def test_security(self):
        text = self.run_tool("systemd-analyze", "security", "--no-pager", "--offline=true",
                             self.unit())
        score = re.search(r"Overall exposure level for cairnd.service: ([\d.]+)", text)
        self.assertTrue(score, text)
        self.assertLessEqual(float(score[1]), 0.9, text)

    def test_user(self):
        text = self.run_tool("systemd-sysusers", "--dry-run", "--root=" + self.root, "cairnd.conf")
        self.assertIn("Creating user 'cairnd'", text)
        self.assertEqual(unit_values(self.unit(), "User"), ["cairnd"])

    def test_times(self):
        """The patience of systemd is longer than ours."""
        drain = run_cairnd("--print-config").stdout
        drain_s = int(re.search(r"^  drain_ms: (\d+)s$", drain, re.M)[1])
        self.assertGreater(int(unit_values(self.unit(), "TimeoutStopSec")[0]), 2 * drain_s)


# ---- notifications ----

class NotifyTest(Folder):
    def manager(self, address=None, **how):
        manager = Manager(address or self.path("notify"), **how)
        self.addCleanup(manager.close)
        return manager

    def check_life(self, manager):
        with Server(env=manager.env, listen="127.0.0.1:0,{folder}/x.sock") as server:
            ready = manager.read()
            self.assertEqual(ready["READY"], "1")
            found = re.fullmatch(r"Serving 127\.0\.0\.1:(\d+) \(rpc\), (/\S+) \(rpc\)",
                                 ready["STATUS"])
            self.assertTrue(found, ready)
            for address in (("127.0.0.1", int(found[1])), found[2]):
                with Client(address) as client:
                    self.assertEqual(client.call("ping"), "pong")
            server.signal(signal.SIGTERM)
            stopping = manager.read()
            self.assertEqual(stopping["STOPPING"], "1")
            self.assertEqual(stopping["STATUS"],
                             "Stopping: clients have 5.0 s to take their replies")
        self.assertEqual(manager.drain(), [])

    def test_path(self):
        self.check_life(self.manager())

    def test_abstract(self):
        self.check_life(self.manager(f"@cairn-e2e-{os.getpid()}"))

    def test_not_ready_before_all_listen(self):
        manager = self.manager()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = run_cairnd(*ALONE, "--set", f"listen.rpc=127.0.0.1:0,127.0.0.1:{port}",
                              env=manager.env)
        self.assertEqual(done.returncode, EX_UNAVAILABLE, done.stderr)
        self.assertIn("listening on", done.stderr)
        self.assertEqual([m for m in manager.drain() if "READY" in m], [])

    def test_nothing_to_serve(self):
        manager = self.manager()
        with Server(env=manager.env, listen=""):
            self.assertEqual(manager.wait("READY")["STATUS"],
                             "Serving nobody: no address is set")

    def reload(self, manager, server):
        """SIGHUP, and the message that ends it."""
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.signal(signal.SIGHUP)
        begin = manager.read()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.assertEqual((begin["RELOADING"], begin["STATUS"]), ("1", "Reloading"))
        self.assertTrue(before <= int(begin["MONOTONIC_USEC"]) <= after, begin)
        end = manager.read()
        self.assertEqual(end["READY"], "1")
        return end["STATUS"]

    def test_reload(self):
        manager = self.manager()
        file = self.write("limits:\n  items: 20\n")
        with Server(env=manager.env, args=["--config", file],
                    expect_log="error server: reload failed") as server:
            serving = manager.wait("READY")["STATUS"]
            self.write("limits:\n  items: 21\n")
            self.assertEqual(self.reload(manager, server), serving)
            self.write("limits:\n  items: many\n")
            status = self.reload(manager, server)
            self.assertRegex(status, r"^Reload failed, nothing has changed: .*cairn.yaml:2.*items")
            with server.connect() as client:
                self.assertEqual(client.call("hello")["limits"]["items"], 21)
            self.write("limits:\n  items: 22\n")
            self.assertEqual(self.reload(manager, server), serving)

    def test_nobody_listens_any_more(self):
        manager = self.manager()
        with Server(env=manager.env) as server:
            manager.wait("READY")
            manager.close()
            server.signal(signal.SIGHUP)

            def told():
                # The thread sanitizer can hold a signal back until its thread has something to do.
                with server.connect() as client:
                    self.assertEqual(client.call("ping"), "pong")
                return "warn notify: the service manager cannot be told" in server.log()
            until(told, "the log says so")


class WatchdogTest(Folder):
    WATCHDOG_S = 2

    def start(self, **how):
        manager = Manager(self.path("notify"), watchdog_s=self.WATCHDOG_S)
        self.addCleanup(manager.close)
        options = {"server.loops": 2, "server.drain_ms": "1m"}
        return manager, Server(options, env=manager.env, **how)

    def hang(self, thread):
        hang = Hang(thread)
        try:
            hang.__enter__()
        except PermissionError as error:
            self.skipTest(f"threads cannot be stopped here: {error}")
        return hang

    def test_fed_in_time(self):
        manager, server = self.start()
        with server:
            manager.wait("READY")
            for _ in range(3):
                manager.wait("WATCHDOG", self.WATCHDOG_S)

    def test_fed_without_descriptors(self):
        """Connections have used up all descriptors; the watchdog must not need one."""
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

        manager, server = self.start(preexec=limit)
        with server:
            manager.wait("READY")
            clients = [Raw(server.address) for _ in range(60)]
            server.wait_log("out of file descriptors")
            manager.drain()
            manager.wait("WATCHDOG", self.WATCHDOG_S)
            for client in clients:
                client.close()

    def test_not_fed_while_a_loop_hangs(self):
        manager, server = self.start(expect_log="error watchdog: loop 1 hangs")
        with server:
            manager.wait("WATCHDOG")
            hang = self.hang(thread_of(server.pid, "cairn-loop-1"))
            try:
                server.wait_log(r"error watchdog: loop 1 hangs: it last came round \d+\.\d s ago")
                manager.drain()
                server.wait_log("loop 1 hangs", count=2)
                self.assertEqual(manager.drain(), [])
                self.assertNotIn("loop 0 hangs", server.log())
            finally:
                hang.__exit__()
            manager.wait("WATCHDOG")

    def test_not_fed_while_the_main_thread_hangs(self):
        manager, server = self.start()
        with server:
            manager.wait("WATCHDOG")
            hang = self.hang(server.pid)
            try:
                manager.drain()
                self.assertIsNone(manager.read(self.WATCHDOG_S))
            finally:
                hang.__exit__()
            manager.wait("WATCHDOG")

    def test_not_fed_for_another_process(self):
        manager = Manager(self.path("notify"), watchdog_s=0.2)
        self.addCleanup(manager.close)
        with Server(env={**manager.env, "WATCHDOG_PID": "1"}):
            manager.wait("READY")
            self.assertIsNone(manager.read(1))

    def test_fed_while_stopping(self):
        """Loops end one by one; the ones that have are not missed."""
        manager, server = self.start()
        with server, server.connect() as client:
            for i in range(100):
                client.call("kv.put", f"k{i}", b"x" * 10**6)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(b"".join(client.prepare("kv.get", [f"k{i}"]) for i in range(100)))
            server.signal(signal.SIGTERM)
            manager.wait("STOPPING")
            manager.drain()
            manager.wait("WATCHDOG", self.WATCHDOG_S)
            manager.wait("WATCHDOG", self.WATCHDOG_S)


# ---- inherited sockets ----

class ActivationTest(Folder):
    def listen(self, where=("127.0.0.1", 0)):
        sock = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
        self.addCleanup(sock.close)
        sock.bind(where)
        sock.listen(16)
        return sock

    def test_one(self):
        """Its address stands in for listen.rpc; clients wait while the server restarts."""
        path = self.path("x.sock")
        sock = self.listen(path)
        with socket.socket() as taken:  # would end the start if it were tried
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            option = f"127.0.0.1:{taken.getsockname()[1]}"
            with Server(listen=option, **inherit([sock], "rpc")) as server:
                self.assertEqual(server.addresses, [path])
                server.wait_log(re.escape(f"listening on {path} (rpc), inherited"))
                with Client(path) as client:
                    self.assertEqual(client.call("ping"), "pong")
        self.assertTrue(os.path.exists(path))
        with Client(path) as waiting:
            waiting.post("ping")
            with Server(**inherit([sock], "rpc")):
                self.assertEqual(waiting.wait(1), "pong")
        self.assertTrue(os.path.exists(path))

    def test_two(self):
        socks = [self.listen(self.path("x.sock")), self.listen()]
        with Server(listen="127.0.0.1:0", **inherit(socks, "rpc:rpc")) as server:
            self.assertEqual(len(server.addresses), 2)
            for sock in socks:
                with Client(sock.getsockname()) as client:
                    self.assertEqual(client.call("ping"), "pong")

    def test_http(self):
        """Each protocol takes its own; the option of the other still holds."""
        socks = [self.listen()]
        with Server({"listen.http": "127.0.0.1:1"}, **inherit(socks, "http")) as server:
            port = socks[0].getsockname()[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=30) as reply:
                self.assertEqual(reply.read(), b"ready\n")
            self.assertEqual(server.listening("http"), [f"127.0.0.1:{port}"])
            with server.connect() as client:
                self.assertEqual(client.call("ping"), "pong")

    def test_abstract(self):
        socks = [self.listen(f"\0cairn-e2e-{os.getpid()}")]
        with Server(**inherit(socks, "rpc")) as server:
            self.assertEqual(server.addresses, [f"@cairn-e2e-{os.getpid()}"])
            with Client(socks[0].getsockname().decode()) as client:
                self.assertEqual(client.call("ping"), "pong")

    def refused(self, pattern, socks, names, *args):
        how = inherit(socks, names)
        done = run_cairnd(*ALONE, "--set", "listen.rpc=127.0.0.1:0", *args, **how)
        self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
        self.assertRegex(done.stderr, pattern)
        self.assertNotIn("ready", done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)

    def test_refused(self):
        good = self.listen()
        self.refused(r"socket 3 \('web'\) has no name that cairnd knows; set FileDescriptorName=.*"
                     r"\(.*rpc.*\)", [good], "web")
        self.refused("socket 4 .*'cairnd.socket'", [good, good], "rpc:cairnd.socket")
        self.refused(r"socket 3 \(''\) has no name", [good], None)
        self.refused("1 names for the 2 sockets", [good, good], "rpc")
        self.refused(r"socket 4 \('rpc'\) is not open", [good, None], "rpc:rpc")
        self.refused("socket 3 .* is not open", [None], "rpc")
        with socket.socket() as idle, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            idle.bind(("127.0.0.1", 0))
            self.refused("socket 4 .* is not listening; .*Accept=no", [good, idle], "rpc:rpc")
            self.refused("socket 3 .* is not a stream", [datagram, good], "rpc:rpc")
        self.refused("at most 16", [good] * 17, ":".join(["rpc"] * 17))

    def test_others_need_credentials(self):
        sock = self.listen(("0.0.0.0", 0))
        self.refused(r"0\.0\.0\.0:\d+ \(rpc\) can be reached from other machines.*auth.file",
                     [sock], "rpc")
        tokens = self.write(run_cairnd("--hash-token", stdin=TOKEN + "\n").stdout, "tokens")
        with Server({"auth.file": tokens}, **inherit([sock], "rpc")) as server:
            with Client(("127.0.0.1", sock.getsockname()[1])) as client:
                with self.assertRaises(RpcError):
                    client.call("kv.get", "k")
                client.call("auth", TOKEN)
                client.call("kv.put", "k", 1)
            self.assertEqual(len(server.addresses), 1)

    def test_sockets_of_another_process_are_not_ours(self):
        with Server(env={"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}) as server:
            with server.connect() as client:
                self.assertEqual(client.call("ping"), "pong")

    @unittest.skipUnless(shutil.which("systemd-socket-activate"), "systemd is not installed")
    def test_as_systemd_does_it(self):
        path = self.path("x.sock")
        env = environment()
        keep = [f"--setenv={name}" for name in env if name.endswith("SAN_OPTIONS")]
        process = subprocess.Popen(
            ["systemd-socket-activate", f"--listen={path}", "--fdname=rpc", *keep, CAIRND, *ALONE],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        until(lambda: os.path.exists(path), "systemd-socket-activate listens")
        with until(lambda: self.try_connect(path), "it accepts") as client:
            self.assertEqual(client.call("ping"), "pong")
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read().decode()
        self.assertEqual(process.wait(PATIENCE_S), 0, log)
        self.assertIn(f"listening on {path} (rpc), inherited", log)

    @staticmethod
    def try_connect(path):
        try:
            return Client(path)
        except ConnectionRefusedError:
            return None

    def test_only_its_own_file_is_removed(self):
        path = self.path("x.sock")
        with Server(listen=path):
            self.assertTrue(os.path.exists(path))
        self.assertFalse(os.path.exists(path))
        with Server(listen=path):
            os.rename(path, self.path("moved"))
            self.listen(path)
        self.assertTrue(os.path.exists(path))


# ---- the system call filter ----

@needs_systemd
@unittest.skipUnless(importlib.util.find_spec("seccomp"), "python3-seccomp is not installed")
class FilterTest(Folder):
    """A sanitizer looks for leaks with ptrace when the process ends, which no service may: that
    alone is switched off."""

    def options(self):
        tokens = self.write(run_cairnd("--hash-token", stdin=TOKEN + "\n").stdout, "tokens")
        return {"auth.file": tokens, "server.loops": 2, "memory.limit": "64MiB",
                "listen.http": "127.0.0.1:0", "durability.mode": "strict",
                "data.dir": self.path("data"), "durability.segment_bytes": "64KiB",
                "durability.any_file_system": "true"}

    def live(self, kill):
        """Start, requests of all kinds, too many clients, reload, stop."""
        self.live_once(kill, "first")
        self.live_once(kill, "second")  # now with something to recover

    def live_once(self, kill, name):
        manager = Manager(self.path(name), watchdog_s=2)
        self.addCleanup(manager.close)
        file = self.write("limits:\n  connections: 5\n")
        leaks = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "detect_leaks=0"]))
        with Server(self.options(), args=["--config", file], env={
                        **manager.env, "ASAN_OPTIONS": leaks},
                    listen="127.0.0.1:0,[::1]:0,{folder}/x.sock",
                    preexec=unit_filter(UNIT, kill)) as server:
            manager.wait("READY")
            for i in range(3):
                with Client(server.address_of(i)) as client:
                    self.requests(client)
            for page in ("metrics", "health", "nothing"):
                self.get(server, page)
            manager.wait("WATCHDOG")
            clients = [Raw(server.address) for _ in range(10)]
            server.wait_log("limits.connections")
            for client in clients:
                client.close()
            server.signal(signal.SIGHUP)
            server.wait_log("configuration reloaded")
            lines = [line for line in server.lines if " notice " not in line and
                     "limits.connections" not in line and "may not reach a disk" not in line]
            self.assertEqual(lines, [])

    @staticmethod
    def get(server, page):
        host, port = server.address_of(0, "http")
        try:
            with urllib.request.urlopen(f"http://{host}:{port}/{page}", timeout=30) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            return error.read()

    def requests(self, client):
        client.call("hello", auth=TOKEN)
        for i in range(20):
            client.call("kv.mput", [[f"k{i}.{j}", os.urandom(1000)] for j in range(100)])
        client.call("kv.put", "soon", 1, ttl_ms=1)
        client.call("batch", [["kv.get", ["k1.1"]], ["kv.incr", ["n"]]], atomic=True)
        client.call("kv.scan", prefix="k1")
        client.call("server.info")
        client.call("server.stats")
        client.call("server.config_set", "limits.items", 1000)
        client.call("kv.clear")

    def test_nothing_is_called_outside(self):
        self.live(kill=True)

    def test_nothing_fails_inside(self):
        self.live(kill=False)

    def test_the_filter_works(self):
        """What it must not allow: the tests above could not fail otherwise."""
        self.assertTrue({"read", "epoll_wait", "io_uring_enter"} < syscalls_of(UNIT))
        for code, wanted in (("os.nice(1)", ""), ("os.chroot('/')", ""),
                             ("socket.socket(socket.AF_NETLINK)", "PermissionError"),
                             ("mmap.mmap(-1, 4096, prot=7)", "PermissionError"),
                             ("os.stat('/')", None)):
            for kill in (True, False):
                done = subprocess.run([PYTHON, "-c", "import mmap, os, socket; " + code],
                                      preexec_fn=unit_filter(UNIT, kill), timeout=30, check=False,
                                      stderr=subprocess.PIPE, encoding="utf-8")
                if wanted is None:
                    self.assertEqual(done.returncode, 0, done.stderr)
                else:
                    self.assertEqual(done.returncode, -signal.SIGSYS if kill else 1, code)
                    self.assertTrue(kill or "PermissionError" in done.stderr, done.stderr)


# ---- the journal ----

class JournalTest(Folder):
    SECRET = "quite-a-secret"

    def test_priorities_and_no_data(self):
        """Every line has a priority, and none a key, a value or a token, whatever went wrong."""
        tokens = self.write(run_cairnd("--hash-token", stdin=self.SECRET * 2 + "\n").stdout,
                            "tokens")
        file = self.write("log:\n  level: debug\nlimits:\n  value_bytes: 1MiB\n")
        with Server({"auth.file": tokens}, args=["--config", file], wrapper=journal,
                    expect_log="reload failed") as server:
            with server.connect() as client:
                self.misuse(client)
            for garbage in (self.SECRET.encode(), b"\xc1" + self.SECRET.encode(),
                            b"\xdf\xff\xff\xff\xff" + self.SECRET.encode()):
                with Raw(server.address) as raw:
                    raw.send(garbage)
                    raw.shutdown()
                    raw.read_all()
            server.signal(signal.SIGHUP)
            server.wait_log("^<5>server: configuration reloaded")
            self.write("limits:\n  items: many\n")
            server.signal(signal.SIGHUP)
            server.wait_log("^<3>server: reload failed")
            server.signal(signal.SIGTERM)
            server.wait()
            for line in server.lines:
                self.assertRegex(line, r"^<[3-7]>[a-z]+: \S")
                self.assertNotIn(self.SECRET, line)
            self.assertIn("<5>server: listening on", server.log())

    def misuse(self, client):
        secret = self.SECRET
        client.pipeline([("kv.put", secret, secret)])  # before login
        client.pipeline([("auth", secret)])
        client.call("auth", secret * 2)
        client.call("kv.put", secret, secret)
        client.pipeline([("kv.get", secret, secret), (secret,), ("kv.incr", secret),
                         ("kv.put", secret * 1000, secret), ("run.use", secret * 100),
                         ("kv.cas", secret, 0, secret), ("kv.put", secret, b"x" * 2**20 + b"x"),
                         ("server.config_set", secret, secret),
                         ("server.config_set", "log.level", secret)])


if __name__ == "__main__":
    unittest.main()
