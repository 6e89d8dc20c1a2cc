#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two servers side by side: the same command to both, and whether the replies are the same.

What is sent stands in tests/e2e/resp/*.txt. "== name" begins a case, with empty servers and new
connections. Other lines are commands, [b] [mark] command, whose replies must be the same bytes:

  b        on a second connection
  ~        numbers may differ by what passes between two servers (seconds; milliseconds for P*)
  *        elements may come in any order
  ?        only the types of the reply count
  !        errors, of which only the first word counts
  @gone k  waits until the key has expired

Arguments are divided by spaces; "..." knows \\n, \\xff and the like, '...' nothing. {now+9} is the
time in seconds, {ms+9} in milliseconds, {x*9} nine times x. A line with # is a comment.
"""

import codecs
import collections
import os
import re
import time

from lib.resp import Resp
from lib.resp_differences import accepted
from lib.server import ROOT, until

LINE = re.compile(r"(?:(b) )?(?:([~*?!]) )?(.*)", re.S)
TOKEN = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'|([^\s"\']+)')
FILLER = re.compile(r"\{(now|ms|[a-z]\*)(\+?\d*)\}")
TOLERANCE = {True: 3000, False: 3}  # in milliseconds, of commands whose name begins with P; seconds

Line = collections.namedtuple("Line", "text second mark args")


def fill(text, now):
    """{now+9}, {ms+9} and {x*9} replaced."""
    def one(match):
        what, number = match.group(1), match.group(2)
        if what.endswith("*"):
            return what[0] * int(number)
        return str(int(now * (1000 if what == "ms" else 1)) + int(number or 0))
    return FILLER.sub(one, text)


def split(text):
    """The arguments of a line. Parts that touch are one argument, as in a shell."""
    args, end = [], None
    for match in TOKEN.finditer(text):
        double, single, plain = match.groups()
        part = codecs.escape_decode(double.encode("latin-1"))[0] if double is not None else (
            single if single is not None else plain).encode("latin-1")
        if match.start() == end:
            args[-1] += part
        else:
            args.append(part)
        end = match.end()
    return args


def parse(text, now):
    second, mark, command = LINE.fullmatch(text).groups()
    return Line(text, bool(second), mark, split(fill(command, now)))


def lines_of(text):
    """The lines of a short text, divided by semicolons."""
    return [parse(line, time.time()) for line in text.split(";")]


def load(name):
    """{case: [Line...]} of tests/e2e/resp/<name>.txt; times count from now."""
    cases, now = {}, time.time()
    with open(os.path.join(ROOT, "tests", "e2e", "resp", name + ".txt"), encoding="utf-8") as file:
        for text in map(str.strip, file):
            if text.startswith("== "):
                lines = cases[text[3:]] = []
            elif text and not text.startswith("#"):
                lines.append(parse(text, now))
    return cases


def types(reply):
    """The types in a reply; those of the elements of a list as a set, for lengths may differ."""
    if isinstance(reply.value, list):
        return reply.kind, frozenset(types(r) for r in reply.value)
    if reply.kind == b"$" and reply.value is None:
        return (b"_",)
    return (reply.kind,)


def near(theirs, ours, tolerance):
    """Equal, but numbers that are both positive may be off by so much."""
    if theirs.kind == ours.kind == b":" and theirs.value > 0 and ours.value > 0:
        return abs(theirs.value - ours.value) <= tolerance
    if isinstance(theirs.value, list) and isinstance(ours.value, list):
        return theirs.kind == ours.kind and len(theirs.value) == len(ours.value) and all(
            near(a, b, tolerance) for a, b in zip(theirs.value, ours.value))
    return theirs == ours


def sorted_raw(reply):
    """A list with its elements in order of their bytes."""
    if not isinstance(reply.value, list):
        return reply.raw
    return reply.kind, sorted(r.raw for r in reply.value)


def same(line, theirs, ours):
    """Are the replies to this line the same, as its mark says, or an accepted difference?"""
    if theirs is None or ours is None:
        return theirs is ours
    if line.mark == "~":
        equal = near(theirs, ours, TOLERANCE[line.args[0].upper().startswith(b"P")])
    elif line.mark == "*":
        equal = sorted_raw(theirs) == sorted_raw(ours)
    elif line.mark == "?":
        equal = types(theirs) == types(ours)
    elif line.mark == "!":
        equal = theirs.is_error and ours.is_error and (
            theirs.value.split(b" ")[0] == ours.value.split(b" ")[0])
    else:
        equal = theirs == ours
    return equal or accepted(line.args, theirs, ours) is not None


class Pair:
    """Connections to Redis and to the subject, first and second, that are told the same."""

    def __init__(self, redis, subject, protocol=2):
        self.addresses, self.protocol = (redis, subject), protocol
        self.connections = {}

    def _of(self, second):
        if second not in self.connections:
            self.connections[second] = [Resp(address) for address in self.addresses]
            if self.protocol == 3:
                for connection in self.connections[second]:
                    connection.call("HELLO", 3)
        return self.connections[second]

    def call(self, *args, second=False):
        """(reply of Redis, reply of the subject)"""
        return tuple(c.call(*args) for c in self._of(second))

    def pipeline(self, commands, second=False):
        """[(reply of Redis, reply of the subject)...]"""
        return list(zip(*(c.pipeline(commands) for c in self._of(second))))

    def wait_gone(self, key):
        """Until the key has expired on both."""
        for connection in self._of(True):
            until(lambda c=connection: c.call("EXISTS", key).value == 0, f"{key} expires")

    def run(self, lines):
        """All lines; a list of texts, one for each difference."""
        found = []
        for line in lines:
            if line.args[0] == b"@gone":
                self.wait_gone(line.args[1])
                continue
            theirs, ours = self.call(*line.args, second=line.second)
            if not same(line, theirs, ours):
                found.append(f"{line.text[:200]}\n    redis: {theirs}\n    cairn: {ours}")
        return found

    def close(self):
        for both in self.connections.values():
            for connection in both:
                connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
