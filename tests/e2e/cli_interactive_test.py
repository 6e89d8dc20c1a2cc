#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cairn on a terminal: prompt, tables, help, completion, history, Ctrl-C, end, a server that goes
away and comes back, and garbage."""

import os
import random
import re
import signal
import stat
import sys
import tempfile
import unittest

from lib.server import Server, run_cairnd, sanitized, until
from lib.terminal import Terminal

CAIRN = os.environ.get("CAIRN")
DONE, ANSWERED_ERROR, USAGE, UNREACHABLE, ABSENT = range(5)
PROMPT = r"^cairn [^>]*> \Z"


class InteractiveTest(unittest.TestCase):
    """Each test has a run of its own, named like it, and a history of its own."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    def setUp(self):
        self.state = os.path.join(self.folder.name, self._testMethodName)
        self.history = os.path.join(self.state, "cairn", "history")

    def start(self, *flags, columns=80, wait=True):
        """cairn on a terminal, at its prompt."""
        flags = flags or ("-p", str(self.server.address[1]), "--run", self._testMethodName)
        env = dict(os.environ, XDG_STATE_HOME=self.state, HOME=self.folder.name)
        terminal = Terminal([CAIRN, *flags], env=env, columns=columns)
        self.addCleanup(terminal.close)
        if wait:
            terminal.expect(PROMPT)
        return terminal

    def enter(self, terminal, line):
        """Type a line and return what is shown until the next prompt."""
        begin = terminal.seen
        terminal.type(line + "\r")
        terminal.expect(r"\n(?s:.*)" + PROMPT)
        shown = terminal.screen.text()[begin:terminal.seen]
        return shown[shown.index("\n") + 1:shown.rindex("\n") + 1]

    def finish(self, terminal):
        terminal.type("\x04")
        self.assertEqual(terminal.end(), DONE)
        self.assertNotIn("Sanitizer", terminal.screen.text())

    def test_commands(self):
        terminal = self.start()
        self.assertIn(f"cairn 127.0.0.1:{self.server.address[1]}/test_commands> ",
                      terminal.screen.text())
        self.assertRegex(self.enter(terminal, "kv put greeting 'hello world' --ttl 1h"), r"^\d+\n$")
        self.assertEqual(self.enter(terminal, "kv get greeting"), '"hello world"\n')
        self.assertEqual(self.enter(terminal, "cairn kv.get greeting --raw"), "hello world\n")
        self.assertIn("there is no such key", self.enter(terminal, "kv get nope"))
        self.assertIn("did you mean 'cairn kv get'?", self.enter(terminal, "kv ge nope"))
        self.assertIn("quote ' is not closed", self.enter(terminal, "kv get 'nope"))
        self.assertIn("'-' cannot be read here", self.enter(terminal, "kv put k -"))
        self.assertEqual(self.enter(terminal, "# nothing"), "")
        self.assertEqual(self.enter(terminal, ""), "")
        self.assertEqual(self.enter(terminal, "kv count"), "1\n")
        terminal.type("quit\r")
        self.assertEqual(terminal.end(), DONE)

    def test_prompt_follows_run(self):
        terminal = self.start()
        self.enter(terminal, "run use other")
        self.assertTrue(terminal.screen.text().endswith("/other> "))
        self.enter(terminal, "call run.use '[\"third\"]'")
        self.assertTrue(terminal.screen.text().endswith("/third> "))
        self.enter(terminal, "hello --run fourth")
        self.assertTrue(terminal.screen.text().endswith("/fourth> "))
        self.enter(terminal, "run use \"a\x16\x1b[31mb\"")
        self.assertTrue(terminal.screen.text().endswith("/a?[31mb> "))
        self.finish(terminal)

    def test_tables(self):
        terminal = self.start(columns=60)
        self.enter(terminal, "kv mput a 1 b 'two words' c '{\"x\": \"" + 80 * "y" + "\"}' "
                             "'d\x16\x1b[1m' 5 e '\"7\"' f äö😀")
        table = self.enter(terminal, "kv scan")
        lines = table.splitlines()
        self.assertEqual(lines[0], "key           value")
        self.assertEqual(lines[2:4], ["a             1", "b             two words"])
        self.assertTrue(lines[4].endswith("yyy…") and len(lines[4]) == 60, lines[4])
        self.assertIn('"d\\u001b[1m"  5', table)
        self.assertIn('e             "7"\n', table)
        self.assertIn("f             äö😀", table)
        self.assertNotIn(b"d\x1b[1m", terminal.raw.split(b"kv scan")[-1])
        self.assertIn("ttl_ms", self.enter(terminal, "kv scan --with-version").splitlines()[0])
        self.assertEqual(self.enter(terminal, "kv scan --keys-only --limit 2").splitlines()[:2],
                         ["a", "b"])
        self.assertRegex(self.enter(terminal, "kv scan --all --limit 1"),
                         r"^key +value\n-+  -+\na +1\nb +two words\n")
        self.assertIn('{"items": [["a", 1]], ', self.enter(terminal, "kv scan --json --limit 1"))
        self.assertRegex(self.enter(terminal, "run list"),
                         r"^run +records\n-+  -+\n(?s:.*)test_tables +6\n")
        stats = self.enter(terminal, "server stats")
        # Eight columns do not fit into 60: each row is a block.
        self.assertRegex(stats, r"^operations:\nname +kv\.[a-z]+\ncount +\d+\nerrors +0\n")
        self.assertRegex(stats, r"\ncounters:\nuptime_seconds +\d+\n")
        self.assertTrue(all(len(line) <= 60 for line in stats.splitlines()), stats)
        self.assertRegex(self.enter(terminal, "server info --section memory"),
                         r"^memory:\nused_bytes +\d+\n")
        self.finish(terminal)

    def test_stats(self):
        terminal = self.start(columns=120)  # room for any time, or each row is a block
        self.enter(terminal, "kv put k v")
        self.assertRegex(self.enter(terminal, "server stats"),
                         r"^operations:\nname +count +errors +mean_us(?s:.*)\nkv\.put +\d+ +0 ")
        self.finish(terminal)

    def test_narrow(self):
        terminal = self.start(columns=20)
        self.enter(terminal, "kv put k v")
        self.assertRegex(self.enter(terminal, "kv scan --with-version"),
                         r"key +k\nvalue +v\nversion +\d+\nttl_ms +null\n")
        self.finish(terminal)

    def test_help(self):
        terminal = self.start()
        self.assertIn("Get the value of a key.", self.enter(terminal, "help"))
        for line in ("help kv.put", "help kv put", "kv put --help"):
            self.assertIn("Usage: cairn kv put KEY VALUE", self.enter(terminal, line))
        self.assertIn("Usage: cairn kv VERB", self.enter(terminal, "help kv"))
        self.assertIn("unknown command 'nope'", self.enter(terminal, "help nope"))
        self.finish(terminal)

    def test_completion(self):
        terminal = self.start()
        for typed, shown in (
                ("kv g\t", "kv get "), ("serv\t", "server "), ("help r\tdr\t", "help run drop "),
                ("kv put k v --tt\t", "kv put k v --ttl "), ("q\t", "quit "),
                ("kv put k v --if-absent --if-a\t", "kv put k v --if-absent --if-a"),
                ("kv.cl\t", "kv.clear "), ("call kv.str\t", "call kv.strlen "),
                ("kv 'pers\t", "kv 'persist' "), ("kv put k v --j\t", "kv put k v --json")):
            terminal.type(typed)
            terminal.expect(re.escape(shown) + r"\Z")
            terminal.type("\x03")
            terminal.expect(r"\^C\n" + PROMPT)
        terminal.type("kv m\t")
        terminal.expect(r"kv m\nmget +mput +mdel *\ncairn .*> kv m")
        terminal.type("\x03")
        terminal.expect(PROMPT)
        self.finish(terminal)

    def test_completion_in_the_middle(self):
        terminal = self.start()
        terminal.type("kv ge k\x1b[D\x1b[D\t")  # the cursor stands behind "ge"
        terminal.expect("kv get  k")
        terminal.type("\r")
        terminal.expect("no such key\n" + PROMPT)
        self.finish(terminal)

    def test_interrupt(self):
        terminal = self.start()
        terminal.type("kv put not done")
        terminal.expect("not done")
        terminal.type("\x03")
        terminal.expect(r"\^C\n" + PROMPT)
        self.assertEqual(self.enter(terminal, "kv exists not"), "false\n")
        self.finish(terminal)

    def test_interrupt_a_wait(self):
        with Server() as server:
            terminal = self.start("-p", str(server.address[1]))
            server.signal(signal.SIGSTOP)
            until(lambda: stopped(server.pid), "the server has stopped")
            terminal.type("kv clear\r")
            terminal.expect(r"kv clear\n")
            terminal.type("\x03")
            terminal.expect("TIMEOUT interrupted; the server may still do it\n")
            server.signal(signal.SIGCONT)
            terminal.expect(PROMPT)
            self.assertIn("connected to 127.0.0.1:", self.enter(terminal, "ping"))
            self.finish(terminal)

    def test_history(self):
        terminal = self.start()
        self.enter(terminal, "kv put k 1")
        self.enter(terminal, "kv get k")
        self.enter(terminal, "kv typo k")
        for line in ("auth sesame", "server auth sesame", "hello --auth sesame",
                     "call server.auth '[\"sesame\"]'", "cairn auth sesame", "atuh sesame",
                     "batch '[[\"server.auth\", [\"sesame\"]]]'"):
            self.enter(terminal, line)
        terminal.type("\x1b[A")
        terminal.expect("batch ")
        terminal.type("\x03")
        terminal.expect(PROMPT)
        self.finish(terminal)
        self.assertEqual(stat.S_IMODE(os.stat(self.history).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.history)).st_mode), 0o700)
        with open(self.history, encoding="utf-8") as file:
            self.assertEqual(file.read(), "kv put k 1\nkv get k\n")
        terminal = self.start()
        terminal.type("\x1b[A\x1b[A\r")
        terminal.expect(r"kv put k 1\n\d+\n")
        terminal.expect(PROMPT)
        terminal.type("\x12get")
        terminal.expect("kv get k")
        terminal.type("\r")
        terminal.expect(r"\n1\n" + PROMPT)
        self.finish(terminal)

    def test_history_is_bounded(self):
        os.makedirs(os.path.dirname(self.history))
        with open(self.history, "w", encoding="utf-8") as file:
            file.writelines(f"kv get {i}\n" for i in range(2500))
        terminal = self.start()
        terminal.type("\x1b[A")
        terminal.expect("kv get 2499")
        terminal.type("\r")
        terminal.expect(PROMPT)
        self.finish(terminal)
        with open(self.history, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual((len(lines), lines[0], lines[-1]), (1001, "kv get 1500", "kv get 2499"))

    def test_history_without_a_place(self):
        """A file where the folder should be, and a history full of anything."""
        with open(self.state, "w", encoding="utf-8") as file:
            file.write("no folder")
        terminal = self.start()
        self.assertEqual(self.enter(terminal, "ping"), '"pong"\n')
        self.finish(terminal)
        os.unlink(self.state)
        os.makedirs(os.path.dirname(self.history))
        with open(self.history, "wb") as file:
            file.write(random.Random(7).randbytes(100_000) + b"\n\0\nkv get k\n")
        terminal = self.start()
        terminal.type("\x1b[A")
        terminal.expect("kv get k")
        terminal.type("\x1b[A" * 30 + "\x03")
        terminal.expect(PROMPT)
        self.finish(terminal)

    def test_reconnect(self):
        path = os.path.join(self.folder.name, "again.sock")
        server = Server(listen=path)
        terminal = self.start("-s", path, "--run", "mine")
        self.enter(terminal, "run use yours")
        server.stop()
        shown = self.enter(terminal, "kv get k")
        self.assertIn("CANNOT_CONNECT", shown)
        self.assertIn(f"is cairnd running at {path}?", shown)
        self.assertTrue(terminal.screen.text().endswith("/yours (not connected)> "))
        with Server(listen=path):
            shown = self.enter(terminal, "kv put k 1")
            self.assertIn(f"the connection was lost; connected to {path} again\n", shown)
            self.assertTrue(terminal.screen.text().endswith("/yours> "))
            self.assertRegex(self.enter(terminal, "run list"), r"\nyours +1\n")
            self.finish(terminal)

    def test_login_comes_back(self):
        path = os.path.join(self.folder.name, "auth.sock")
        tokens = os.path.join(self.folder.name, "tokens")
        with open(tokens, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(hashed("sesame-sesame-sesame"))
        options = {"auth.file": tokens}
        with Server(options, listen=path):
            terminal = self.start("-s", path)
            self.assertIn("NOAUTH", self.enter(terminal, "kv count"))
            self.assertIn("true", self.enter(terminal, "auth sesame-sesame-sesame"))
            self.assertEqual(self.enter(terminal, "kv count"), "0\n")
        with Server(options, listen=path):
            self.assertRegex(self.enter(terminal, "kv count"), r"again\n0\n$")
            self.finish(terminal)

    def test_no_server(self):
        terminal = self.start("-s", os.path.join(self.folder.name, "none"), wait=False)
        self.assertEqual(terminal.end(), UNREACHABLE)
        self.assertIn("is cairnd running at", terminal.screen.text())

    def test_signals(self):
        terminal = self.start()
        terminal.type("kv get " + 60 * "k")
        terminal.expect("k" * 30)
        terminal.resize(40)
        os.kill(terminal.pid, signal.SIGWINCH)
        terminal.type("\x03")
        terminal.expect(PROMPT)
        os.kill(terminal.pid, signal.SIGTERM)
        self.assertEqual(terminal.end(), DONE)

    def test_stopped(self):
        """Ctrl-Z gives the shell its terminal; back again, the line is edited as before."""
        env = dict(os.environ, XDG_STATE_HOME=self.state, PS1="shell$ ")
        shell = Terminal(["/bin/bash", "--norc", "--noprofile", "-i"], env=env)
        self.addCleanup(shell.close)
        shell.expect(r"shell\$ \Z")
        shell.type(f"{CAIRN} -p {self.server.address[1]}\r")
        shell.expect(PROMPT)
        shell.type("kv cou")
        shell.expect(r"kv cou\Z")
        shell.type("\x1a")
        shell.expect(r"Stopped(?s:.*)shell\$ \Z")
        shell.type("fg\r")
        shell.expect(r"> kv cou\Z")
        shell.type("x\x7f\t\r")
        shell.expect(r"nt \n\d+\n" + PROMPT)
        shell.type("quit\r")
        shell.expect(r"shell\$ \Z")
        shell.type("exit\r")
        self.assertEqual(shell.end(), DONE)

    def test_garbage(self):
        """Whatever is typed, it lives, or ends as asked (Ctrl-D)."""
        rounds = 6 if sanitized() else 20
        for seed in range(rounds):
            numbers = random.Random(seed)
            terminal = self.start()
            data = bytes(numbers.choice((numbers.randrange(256), numbers.randrange(32, 127),
                                         numbers.choice(b"\r\t\x1b\"'\\[\x7f\x12\x10")))
                         for _ in range(1500))
            try:
                # No keys that end or stop it: Ctrl-D, Ctrl-Z, Ctrl-\, Ctrl-S.
                terminal.type(re.sub(rb"[\x04\x1a\x1c\x13]", b"", data) + b"\x1b\r\x03\x03")
                terminal.type("\rping\r")
                terminal.expect('"pong"')
            finally:
                terminal.close()
            self.assertNotIn("Sanitizer", terminal.screen.text(), f"seed {seed}")


def stopped(pid):
    """Do all threads of the process stand still?"""
    folder = f"/proc/{pid}/task"
    states = []
    for task in os.listdir(folder):
        with open(f"{folder}/{task}/stat", encoding="ascii") as file:
            states.append(file.read().rpartition(")")[2].split()[0])
    return all(state in "Tt" for state in states)


def hashed(token):
    """A line for auth.file."""
    return run_cairnd("--hash-token", stdin=token + "\n").stdout


if __name__ == "__main__":
    if not CAIRN:
        print("CAIRN must name the program", file=sys.stderr)
        sys.exit(77)
    unittest.main()
