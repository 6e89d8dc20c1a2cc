#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Where cairnd answers otherwise than Redis on purpose: the one list, with the reason of each.

Every row has an example, which the tests send: it must still differ, and in no other way than the
row says. So no row outlives its difference, and none hides another.
"""

import collections
import re

# command: a regular expression for the whole command, arguments joined by spaces, in any case; None
#   if the difference is that of the example alone.
# example: lines as in tests/e2e/resp/*.txt, divided by semicolons; the last one differs.
# accepts: (reply of Redis, reply of cairnd, arguments) -> is this the difference that is meant?
Difference = collections.namedtuple("Difference", "command example reason accepts")

ABSENT = ("LPUSH|RPUSH|LPOP|RPOP|LRANGE|LLEN|SADD|SPOP|SMEMBERS|SCARD|HSET|HGET|HGETALL|ZADD|"
          "ZPOPMIN|ZRANGE|XADD|XREAD|PUBLISH|SUBSCRIBE|PSUBSCRIBE|EVAL|EVALSHA|SCRIPT|FUNCTION|"
          "FCALL")
LAST_MS = 2**53 - 1  # the farthest expiry
NO_FLOAT = b"-ERR value is not a valid float\r\n"


def unknown_command(args):
    """What Redis says to a command that it does not have."""
    text = b""
    for part in args[1:]:
        if len(text) >= 128:
            break
        text += b"'" + part[:128 - len(text)] + b"' "
    line = b"ERR unknown command '" + args[0][:128] + b"', with args beginning with: " + text
    return b"-" + re.sub(rb"[\r\n]", b" ", line) + b"\r\n"


def near(theirs, ours):
    """Two texts of numbers that are the same but for the last digits a double has."""
    if not theirs.kind == ours.kind == b"$":
        return False
    a, b = float(theirs.value), float(ours.value)
    return abs(a - b) <= max(1e-17, 4e-16 * max(abs(a), abs(b)))


def clamped(theirs, ours, args):
    """The farthest expiry, in milliseconds or rounded to seconds."""
    last = LAST_MS if args[0].upper().startswith(b"P") else (LAST_MS + 500) // 1000
    return theirs.kind == ours.kind == b":" and theirs.value > last == ours.value


def same_start(theirs, ours, _):
    """Errors that differ behind " - " alone."""
    return theirs.is_error and theirs.value.split(b" - ")[0] == ours.value.split(b" - ")[0]


DIFFERENCES = [
    # What is not there.
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
        r"CONFIG RESETSTAT", "CONFIG RESETSTAT",
        "counters only grow, as those who compute rates rely on it",
        lambda theirs, ours, args: theirs.raw == b"+OK\r\n" and ours.is_error),
    # What Redis has since 7.2, and clients of today send.
    Difference(
        r"CLIENT SETINFO LIB-(NAME|VER) \S+", "CLIENT SETINFO LIB-NAME me",
        "Redis has it since 7.2",
        lambda theirs, ours, args: theirs.is_error and ours.raw == b"+OK\r\n"),
    Difference(
        r"CLIENT NO-TOUCH (ON|OFF)", "CLIENT NO-TOUCH on",
        "Redis has it since 7.2",
        lambda theirs, ours, args: theirs.is_error and ours.raw == b"+OK\r\n"),
    # What cairnd refuses, because it is a mistake or cannot be kept.
    Difference(
        r".+", 'GET ""',
        "keys have 1 to limits.key_bytes bytes",
        lambda theirs, ours, args: (b"" in args or max(map(len, args)) > 4096) and
        ours.raw.startswith(b"-ERR a key ")),
    Difference(
        r"SET \S+ \S+ EX 10 EX 10", "SET k v EX 10 EX 10",
        "the same option twice is a mistake",
        lambda theirs, ours, args: ours.raw == b"-ERR syntax error\r\n"),
    Difference(
        r"GETEX .*", "GETEX none EX 0",
        "arguments are checked before the key is looked for",
        lambda theirs, ours, args: theirs.value is None and not theirs.is_error and ours.raw in (
            b"-ERR invalid expire time in 'getex' command\r\n",
            b"-ERR value is not an integer or out of range\r\n")),
    Difference(
        r"SCAN (|-.*)", 'SCAN ""',
        "a cursor is a number that an earlier reply gave",
        lambda theirs, ours, args: ours.raw == b"-ERR invalid cursor\r\n"),
    Difference(
        r"INCRBYFLOAT \S+ 0X.*", "INCRBYFLOAT f 0x10",
        "numbers are decimal, as everywhere in cairnd",
        lambda theirs, ours, args: ours.raw == NO_FLOAT),
    Difference(
        r"INCRBYFLOAT .*", "SET f inf;INCRBYFLOAT f 1",
        "infinity is no number to count with, neither as the value nor as the increment",
        lambda theirs, ours, args: ours.raw == NO_FLOAT and
        theirs.raw == b"-ERR increment would produce NaN or Infinity\r\n"),
    # What cairnd keeps or words in its own way.
    Difference(
        r"P?EXPIRETIME \S+", "SET k v PXAT 9223372036854775807;PEXPIRETIME k",
        "integers on the wire stay below 2^53, so the farthest expiry is in the year 287396",
        clamped),
    Difference(
        r"INCRBYFLOAT .*", "SET f 3200;INCRBYFLOAT f 1e-5",
        "cairnd counts with doubles, the same on every processor, and writes the shortest text "
        "that reads as the same double; Redis with the widest type there is and 17 decimals",
        lambda theirs, ours, args: near(theirs, ours)),
    Difference(
        r"CONFIG SET .*", "CONFIG SET maxmemory abc",
        "the text says which option of cairnd it is, and what it accepts",
        same_start),
    # What happens in a certain order alone.
    Difference(
        None, "HELLO 3 SETNAME me FOO;CLIENT GETNAME",
        "a HELLO that fails changes nothing; in Redis what stands before the mistake stays",
        lambda theirs, ours, args: theirs.value == b"me" and ours.value is None),
    Difference(
        None, "WATCH a;b SET a 1;b DEL a;MULTI;PING;EXEC",
        "WATCH compares versions: a key that was absent and is absent has not changed",
        lambda theirs, ours, args: theirs.value is None and ours.raw == b"*1\r\n+PONG\r\n"),
]


def accepted(args, theirs, ours):
    """The row that allows these two replies to differ, or None."""
    text = b" ".join(args).decode("latin-1")
    for row in DIFFERENCES:
        if row.command and re.fullmatch(row.command, text, re.I | re.S) and (
                row.accepts(theirs, ours, args)):
            return row
    return None
