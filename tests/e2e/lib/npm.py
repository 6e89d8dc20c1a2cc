# SPDX-License-Identifier: BSD-3-Clause
"""Packages from npm, at the versions of a package-lock.json: fetched once into a folder of the
build, or a reason why not. Whoever gets a reason is skipped."""

import os
import shutil
import subprocess

NODE, NPM = shutil.which("node"), shutil.which("npm")
OLDEST_NODE = 20
INSTALL_S = 60
SKIPPED = 77


def reason_to_skip():
    """Why there is no node to run anything with, or None."""
    if NODE is None or NPM is None:
        return "node and npm are not installed"
    version = subprocess.run([NODE, "--version"], stdout=subprocess.PIPE, check=True, timeout=30,
                             encoding="ascii").stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        return f"node is {version.strip()}; the clients want {OLDEST_NODE}"
    return None


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def install(sources, folder):
    """The packages, and all files of sources, in folder; why not, or None. What is there is used
    again."""
    reason = reason_to_skip()
    if reason:
        return reason
    lock = os.path.join(sources, "package-lock.json")
    done = os.path.join(folder, "installed")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(sources):
        shutil.copy(os.path.join(sources, name), folder)
    if os.path.exists(done) and read(done) == read(lock):
        return None
    command = [NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0",
               "--fetch-timeout=15000"]
    try:
        ended = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                               timeout=INSTALL_S, encoding="utf-8", errors="replace")
    except subprocess.TimeoutExpired:
        return f"npm ci did not end in {INSTALL_S} s"
    if ended.returncode != 0:
        return f"npm ci failed, is the registry reachable?\n{ended.stdout[-1000:]}"
    shutil.copy(lock, done)
    return None
