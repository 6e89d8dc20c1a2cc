#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A program on a pseudo terminal: type at it, wait for what it shows.

The screen obeys what line editors send (cursor movements, insert, delete, erase) and never scrolls:
lines are kept from the first to the last."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

ESCAPE = re.compile(r"\x1b(?:\[([0-9;?]*)([A-Za-z@])|[()][A-Z0-9]|[=>78])")


class Screen:
    """Characters in lines; feed() it what a program writes."""

    def __init__(self, columns):
        self.columns = columns
        self.lines = [[]]
        self.row = self.column = 0
        self.inserts = False
        self.wrapped = set()  # rows that go on in the next one
        self.pending = ""

    def text(self):
        """All lines; those that the right margin cut are whole again."""
        last = len(self.lines) - 1
        return "".join("".join(line) + ("" if i in self.wrapped or i == last else "\n")
                       for i, line in enumerate(self.lines))

    def feed(self, text):
        text = self.pending + text
        self.pending = ""
        at = 0
        while at < len(text):
            found = ESCAPE.match(text, at)
            if found:
                self._obey(found[1] or "", found[2])
                at = found.end()
            elif text[at] == "\x1b" and len(text) - at < 16:
                self.pending = text[at:]  # the rest has not come yet
                return
            else:
                self._put(text[at])
                at += 1

    def _line(self):
        while self.row >= len(self.lines):
            self.lines.append([])
        line = self.lines[self.row]
        line.extend(" " * (self.column - len(line)))
        return line

    def _put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            self._line()
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character >= " ":
            if self.column >= self.columns:
                self.wrapped.add(self.row)
                self.row, self.column = self.row + 1, 0
            self._line()[self.column:self.column + (not self.inserts)] = character
            self.column += 1

    def _obey(self, numbers, action):
        count = int(numbers) if numbers.isdigit() else 1
        line = self._line()
        if action == "A":
            self.row = max(0, self.row - count)
        elif action == "B":
            self.row += count
        elif action == "C":
            self.column = min(self.columns - 1, self.column + count)
        elif action == "D":
            self.column = max(0, self.column - count)
        elif action == "G":
            self.column = count - 1
        elif action in ("h", "l") and numbers == "4":
            self.inserts = action == "h"
        elif action == "P":
            del line[self.column:self.column + count]
        elif action == "@":
            line[self.column:self.column] = " " * count
        elif action in ("K", "J"):
            del line[self.column:]
            if action == "J":
                del self.lines[self.row + 1:]


class Terminal:
    """Starts `command` with stdin, stdout and stderr on a terminal of this size."""

    def __init__(self, command, env=None, columns=80):
        self.screen = Screen(columns)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.raw = b""
        self.seen = 0  # where the next expect begins
        self.status = None
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            try:
                os.execve(command[0], command, dict(env or os.environ, TERM="xterm"))
            finally:
                os._exit(127)
        self.resize(columns)

    def resize(self, columns):
        self.screen.columns = columns
        fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        while data:
            self._read(0)  # so that neither side waits for the other
            if select.select([], [self.handle], [], 0.1)[1]:
                data = data[os.write(self.handle, data[:256]):]

    def _read(self, seconds):
        """Read what is there within so many seconds; False at the end."""
        if not select.select([self.handle], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.handle, 65536)
        except OSError:  # EIO: the other side is gone
            data = b""
        self.raw += data
        self.screen.feed(self.decoder.decode(data))
        return bool(data)

    def until(self, condition, seconds=120):
        """Read until condition() is true; returns its value, or the last one at the end."""
        deadline = time.monotonic() + seconds
        more = True
        while not (value := condition()) and more and time.monotonic() < deadline:
            more = self._read(0.2)
        return value

    def expect(self, pattern, seconds=120):
        """Wait for the pattern in what is shown behind the last one; returns the match."""
        wanted = re.compile(pattern, re.M)
        found = self.until(lambda: wanted.search(self.screen.text(), self.seen), seconds)
        if not found:
            raise AssertionError(f"no {pattern!r} in {self.screen.text()[self.seen:]!r}")
        self.seen = found.end()
        return found

    def end(self, seconds=120):
        """Wait until the program ends; its exit status, or minus the signal."""
        deadline = time.monotonic() + seconds
        while self._read(0.1):
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not end: {self.screen.text()[-500:]!r}")
        if self.status is None:
            _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self):
        """Kill it if it still runs."""
        if self.status is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
            self.status = -9
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
