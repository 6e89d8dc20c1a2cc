#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The man pages of docs/man against the programs: what --help names, the page explains.

Pages printed from tables are compared by tools/docs. Environment: CAIRND, CAIRN and LOADGEN are the
programs to test."""

import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = os.path.join(ROOT, "docs", "man")
PROGRAMS = {"cairnd.8": "CAIRND", "cairn.1": "CAIRN", "loadgen.1": "LOADGEN"}
# A line of --help that begins with options: "  -c, --config FILE  text".
OPTIONS = re.compile(r"^ +((?:--?[A-Za-z][\w-]*(?:, )?)+)", re.M)


def help_of(program):
    """What PROGRAM --help prints."""
    return subprocess.run([os.environ[program], "--help"], stdout=subprocess.PIPE, text=True,
                          timeout=30, check=True).stdout


def items_of(page):
    """The lines of the page that say which item of a list is explained next, unescaped."""
    with open(os.path.join(PAGES, page), encoding="utf-8") as file:
        return [line.replace("\\-", "-") for line in file if line.startswith(".It ")]


def options_of(page):
    """The options the page explains: "-c" for "Fl c", "--config" for "Fl -config"."""
    return {"-" + name for line in items_of(page) for name in re.findall(r"\bFl ([\w-]+)", line)}


class ManTest(unittest.TestCase):

    def test_every_option_is_explained(self):
        for page, program in PROGRAMS.items():
            with self.subTest(page=page):
                lists = OPTIONS.findall(help_of(program))
                named = {name for text in lists for name in text.split(", ")}
                self.assertGreater(len(named), 5, "no options found in --help")
                missing = named - options_of(page)
                self.assertFalse(missing, f"in --help, but no .It Fl in docs/man/{page}")

    def test_every_load_is_explained(self):
        tests = help_of("LOADGEN").split("\nTests\n")[1].split("\n\n")[0]
        names = re.findall(r"^  (\w+)", tests, re.M)
        self.assertGreater(len(names), 2, tests)
        explained = {name for line in items_of("loadgen.1") for name in line.split()}
        self.assertFalse(set(names) - explained, "in --help, but no .It Cm in docs/man/loadgen.1")

    def test_every_page_is_installed(self):
        with open(os.path.join(PAGES, "meson.build"), encoding="utf-8") as file:
            named = set(re.findall(r"'([\w.-]+\.[1-8])'", file.read()))
        self.assertEqual({os.path.basename(path) for path in glob.glob(PAGES + "/*.[1-8]")}, named)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_form(self):
        pages = sorted(glob.glob(PAGES + "/*.[1-8]"))
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *pages], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        self.assertEqual(done.stdout, "")

    @unittest.skipUnless(shutil.which("man") and shutil.which("groff"), "no man-db and groff here")
    def test_terminal(self):
        """Each page is shown in 80 columns, without a complaint."""
        env = dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8", MANPAGER="cat")
        for path in glob.glob(PAGES + "/*.[1-8]"):
            with self.subTest(page=os.path.basename(path)):
                done = subprocess.run(["man", "--warnings", "-l", path], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, timeout=60, env=env,
                                      check=True)
                self.assertEqual(done.stderr, "")
                text = re.sub(".\b", "", done.stdout)
                self.assertFalse([line for line in text.split("\n") if len(line) > 80])
                self.assertGreater(len(text), 1000, "nothing is shown")

    def test_pages_refer_to_each_other(self):
        """Every reference to a page of ours is to one that there is."""
        ours = {os.path.basename(path) for path in glob.glob(PAGES + "/*.[1-8]")}
        for page in ours:
            with open(os.path.join(PAGES, page), encoding="utf-8") as file:
                text = file.read().replace("\\-", "-")
            for name, section in re.findall(r"^\.Xr ((?:cairn|loadgen)[\w.-]*) (\d)", text, re.M):
                self.assertIn(f"{name}.{section}", ours, page)


if __name__ == "__main__":
    sys.exit(unittest.main())
