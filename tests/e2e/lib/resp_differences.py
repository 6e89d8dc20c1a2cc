#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Where cairnd answers otherwise than Redis on purpose: the one list, with the reason of each.

A row has an example, which the tests send: it must still differ, and in no other way than the row
says. So no row outlives its difference, and none hides another.
"""

import collections
import re

# command: a regular expression for the whole command, arguments joined by spaces, in any case.
# accepts: (reply of Redis, reply of cairnd, arguments) -> is this the difference that is meant?
Difference = collections.namedtuple("Difference", "command example reason accepts")

ABSENT = ("LPUSH|RPUSH|LPOP|RPOP|LRANGE|LLEN|SADD|SPOP|SMEMBERS|SCARD|HSET|HGET|HGETALL|ZADD|"
          "ZPOPMIN|ZRANGE|XADD|XREAD|PUBLISH|SUBSCRIBE|PSUBSCRIBE|EVAL|EVALSHA|SCRIPT|FUNCTION|"
          "FCALL")


def unknown_command(args):
    """What Redis says to a command that it does not have."""
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    text = b""
    for part in parts[1:]:
        if len(text) >= 128:
            break
        text += b"'" + part[:128 - len(text)] + b"' "
    line = b"ERR unknown command '" + parts[0][:128] + b"', with args beginning with: " + text
    return b"-" + re.sub(rb"[\r\n]", b" ", line) + b"\r\n"


DIFFERENCES = [
    Difference(
        rf"({ABSENT})( .*)?", "LPUSH list a b",
        "cairnd has strings alone: no lists, sets, hashes, streams, channels and scripts",
        lambda theirs, ours, args: ours.raw == unknown_command(args)),
    Difference(
        r"SELECT ([1-9]|1[0-5])", "SELECT 1",
        "cairnd has one database; its namespaces are runs",
        lambda theirs, ours, args: ours.raw == b"-ERR DB index is out of range\r\n"),
    Difference(
        r"(DBSIZE|KEYS .*|SCAN .*|FLUSHALL.*|FLUSHDB.*)", "MULTI;DBSIZE",
        "a transaction locks the partitions of its keys, not all there are",
        lambda theirs, ours, args: theirs.raw == b"+QUEUED\r\n" and ours.is_error),
    Difference(
        r"CLIENT SETINFO LIB-(NAME|VER) \S+", "CLIENT SETINFO LIB-NAME me",
        "clients of today send it; Redis has it since 7.2",
        lambda theirs, ours, args: theirs.is_error and ours.raw == b"+OK\r\n"),
    Difference(
        r"CLIENT NO-TOUCH (ON|OFF)", "CLIENT NO-TOUCH on",
        "Redis has it since 7.2",
        lambda theirs, ours, args: theirs.is_error and ours.raw == b"+OK\r\n"),
]


def accepted(args, theirs, ours):
    """The row that allows these two replies to differ, or None."""
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    text = b" ".join(parts).decode("latin-1")
    for row in DIFFERENCES:
        if re.fullmatch(row.command, text, re.I | re.S) and row.accepts(theirs, ours, args):
            return row
    return None
