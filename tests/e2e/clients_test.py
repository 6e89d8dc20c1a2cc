#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""MessagePack-RPC clients of others, as Debian ships them: pynvim and Neovim."""

import os
import shutil
import subprocess
import tempfile
import unittest

from lib import Server

try:
    import pynvim
    from pynvim import msgpack_rpc
except ImportError:
    pynvim = None

NVIM = shutil.which("nvim")


def vim_text(text):
    return "'" + text.replace("'", "''") + "'"


@unittest.skipIf(pynvim is None, "python3-pynvim is missing: scripts/packages.sh test")
class PynvimTest(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def session(self):
        host, port = self.server.address
        session = msgpack_rpc.tcp_session(host, port)
        session.error_wrapper = pynvim.NvimError  # what pynvim.Nvim sets for its own sessions
        self.addCleanup(session.close)
        return session

    def test_requests(self):
        session = self.session()  # it has announced itself by nvim_set_client_info, a bin
        version = session.request("kv.put", "k", {"a": [1, None, True]})
        self.assertGreater(version, 0)
        self.assertEqual(session.request("kv.get", "k"), {"a": [1, None, True]})
        self.assertEqual(session.request(b"kv.get", b"k"), {"a": [1, None, True]})
        self.assertEqual(session.request("kv.incr", "n", 5, {"max": 9}), 5)
        self.assertEqual([session.request("kv.incr", "many") for _ in range(1000)],
                         list(range(1, 1001)))
        self.assertEqual(session.request("kv.scan", {"keys_only": True})["items"],
                         ["k", "many", "n"])
        self.assertEqual(session.request("hello", {"client": "pynvim"})["server"], "cairn")
        large = "x" * 2**20
        session.request("kv.put", "large", large)
        self.assertEqual(session.request("kv.get", "large"), large)

    def test_errors(self):
        session = self.session()
        with self.assertRaises(pynvim.NvimError) as caught:
            session.request("kv.cas", "k", 5, 1)
        self.assertTrue(str(caught.exception).startswith("CONFLICT "), caught.exception)
        with self.assertRaises(pynvim.NvimError):
            session.request("nvim_buf_get_lines", 0)
        self.assertEqual(session.request("ping"), "pong")

    def test_notifications(self):
        session = self.session()
        session.request("kv.put", "k", 7, async_=True)
        session.request("nope", async_=True)
        self.assertEqual(session.request("kv.get", "k"), 7)

    def test_unix_socket(self):
        with Server(listen="{folder}/cairn.sock") as server:
            session = msgpack_rpc.socket_session(server.address)
            self.assertEqual(session.request("kv.put", "k", 1) > 0, True)
            self.assertEqual(session.request("kv.get", "k"), 1)
            session.close()


@unittest.skipIf(NVIM is None, "neovim is missing: scripts/packages.sh test")
class NeovimTest(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def run_script(self, lines, address=None):
        """Run Vim script that calls Out(value); the values as JSON texts."""
        with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
            address = address or self.server.address
            unix = isinstance(address, str)
            target = address if unix else f"{address[0]}:{address[1]}"
            script, output = folder + "/script.vim", folder + "/output"
            with open(script, "w", encoding="utf-8") as file:
                file.write("\n".join([
                    f"let g:output = {vim_text(output)}",
                    "function! Out(value)",
                    "  call writefile([json_encode(a:value)], g:output, 'a')",
                    "endfunction",
                    "try",
                    f"  let g:c = sockconnect('{'pipe' if unix else 'tcp'}', {vim_text(target)}, "
                    "{'rpc': v:true})",
                    *lines,
                    "catch",
                    "  call Out('FAILED ' .. v:exception)",
                    "endtry",
                    "qall!", ""]))
            env = dict(os.environ, HOME=folder, XDG_STATE_HOME=folder, XDG_CONFIG_HOME=folder,
                       XDG_DATA_HOME=folder)
            env.pop("NVIM", None)
            done = subprocess.run([NVIM, "--headless", "-u", "NONE", "-i", "NONE", "-n",
                                   "-c", "source " + script], env=env, timeout=30, check=False,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, encoding="utf-8")
            self.assertEqual(done.returncode, 0, done.stdout)
            if not os.path.exists(output):
                return []
            with open(output, encoding="utf-8") as file:
                return file.read().splitlines()

    def test_requests(self):
        out = self.run_script([
            "  call Out(rpcrequest(g:c, 'kv.put', 'k', {'a': [1, v:null]}) > 0)",
            "  call Out(rpcrequest(g:c, 'kv.get', 'k'))",
            "  call Out(rpcrequest(g:c, 'kv.incr', 'n', 5, {'max': 9}))",
            "  call Out(rpcrequest(g:c, 'kv.get', 'none'))",
            "  call Out(map(range(100), {_, i -> rpcrequest(g:c, 'kv.incr', 'm')})[99])",
            "  call Out(rpcrequest(g:c, 'kv.scan', {'keys_only': v:true}).items)",
            "  call Out(len(rpcrequest(g:c, 'ping', repeat('x', 1000000))))",
        ])
        self.assertEqual(out, ["1", '{"a": [1, null]}', "5", "null", "100", '["k", "m", "n"]',
                               "1000000"])

    def test_errors(self):
        out = self.run_script([
            "  try",
            "    call rpcrequest(g:c, 'kv.cas', 'k', 5, 1)",
            "  catch",
            "    call Out(v:exception)",
            "  endtry",
            "  try",
            "    call rpcrequest(g:c, 'nope')",
            "  catch",
            "    call Out(v:exception)",
            "  endtry",
            "  call Out(rpcrequest(g:c, 'ping'))",
        ])
        self.assertEqual(len(out), 3, out)
        self.assertIn("CONFLICT version is 0, expected 5", out[0])
        self.assertIn("UNKNOWN_METHOD", out[1])
        self.assertEqual(out[2], '"pong"')

    def test_notifications(self):
        out = self.run_script([
            "  call rpcnotify(g:c, 'kv.put', 'k', 'notified')",
            "  call Out(rpcrequest(g:c, 'kv.get', 'k'))",
            "  call chanclose(g:c)",
        ])
        self.assertEqual(out, ['"notified"'])

    def test_unix_socket(self):
        with Server(listen="{folder}/cairn.sock") as server:
            out = self.run_script(["  call Out(rpcrequest(g:c, 'ping'))"], server.address)
        self.assertEqual(out, ['"pong"'])


if __name__ == "__main__":
    unittest.main()
