#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of operations as `cairnd --print-commands` prints it, so that tests see every row."""

import re
import subprocess

from lib.server import CAIRND

ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|")


def operations():
    """{method: [(argument, type, "required" | "" | "by name")...]} of the server under test."""
    text = subprocess.run([CAIRND, "--print-commands"], stdout=subprocess.PIPE, check=True,
                          timeout=60, encoding="utf-8").stdout
    found = {}
    method = None
    for line in text.splitlines():
        if line.startswith("### "):
            method = line[4:].strip()
            found[method] = []
        elif line.startswith("## "):
            method = None
        row = ROW.match(line)
        if row and method is not None:
            found[method].append((row.group(1), row.group(2), row.group(3).strip()))
    return found
