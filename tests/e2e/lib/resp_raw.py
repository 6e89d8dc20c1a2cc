#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bytes that are sent to both servers as they are: after those in OPEN the connection must go on,
after those in CLOSED the server must close it. DIFFERENT says where cairnd's answer is another on
purpose: what it is, and why. STRICTER is what Redis lets pass and cairnd does not."""

OPEN = {
    "inline": b"PING\r\n",
    "inline, LF alone": b"PING\nPING a\n",
    "inline, spaces": b"  PING   hello  \r\n",
    "inline, tabs": b"\tPING\thello\t\r\n",
    "inline, nothing": b"\r\n\r\n\n   \r\nPING\r\n",
    "inline, double quotes": b'SET k "a b"\r\nGET k\r\nGET "k"\r\n"GET" k\r\n',
    "inline, empty quotes": b"SET k \"\"\r\nGET k\r\nSET k ''\r\nGET k\r\n",
    "inline, single quotes": b"SET k 'a \\\" \\n b'\r\nGET k\r\nSET k 'it\\'s'\r\nGET k\r\n",
    "inline, escapes": b'SET k "\\x41\\xfF\\n\\r\\t\\a\\b\\\\\\"\\q\\xzz"\r\nGET k\r\n',
    "inline, quote inside": b"SET k a\"b c\"\r\nGET k\r\n",
    "inline, unknown": b"NOPE a b\r\nFOO\r\n",
    "inline, case": b"set K v\r\nget K\r\nGeT k\r\n",
    "inline, many arguments": b"DEL " + b"k " * 2000 + b"\r\n",
    "inline, long argument": b"ECHO " + b"x" * 60000 + b"\r\n",
    "inline, binary": b"SET k \xff\xfe\x01\r\nGET k\r\n",
    "empty array": b"*0\r\n",
    "negative array": b"*-1\r\n*-10\r\n",
    "empty arrays, then a command": b"*0\r\n*0\r\n\r\n*1\r\n$4\r\nPING\r\n",
    "array and inline": b"*1\r\n$4\r\nPING\r\nPING a\r\n*2\r\n$4\r\nECHO\r\n$1\r\nb\r\n",
    "empty command": b"*1\r\n$0\r\n\r\n",
    "empty command with arguments": b"*2\r\n$0\r\n\r\n$1\r\na\r\n",
    "line ends inside": b"*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n",
    "command that looks like an error": b"*1\r\n$9\r\n-ERR\r\n+OK\r\n",
    "many commands": b"*1\r\n$4\r\nPING\r\n" * 5000,
    "quit is not the word": b"QUITE\r\n",
}

CLOSED = {
    "quit": b"QUIT\r\n",
    "quit, case": b"*1\r\n$4\r\nqUiT\r\n",
    "quit with arguments": b"QUIT now\r\n",
    "quit, then more": b"SET k v\r\nQUIT\r\nPING\r\nSET k w\r\n",
    "quit in multi": b"MULTI\r\nSET k v\r\nQUIT\r\n",
    "unbalanced double": b'SET k "a b\r\n',
    "unbalanced single": b"SET k 'a b\r\n",
    "text behind a quote": b'SET k "a"b\r\n',
    "text behind a single quote": b"SET k 'a'b\r\n",
    "unbalanced, after a command": b'PING\r\nSET k "a b\r\n',
    "inline too long": b"x" * 65537,
    "array count: letters": b"*a\r\n",
    "array count: none": b"*\r\n",
    "array count: plus": b"*+1\r\n",
    "array count: zero first": b"*01\r\n",
    "array count: space": b"* 1\r\n",
    "array count: space behind": b"*1 \r\n",
    "array count: float": b"*1.0\r\n",
    "array count: huge": b"*2147483648\r\n",
    "array count: overflow": b"*99999999999999999999999\r\n",
    "array count: too long": b"*" + b"1" * 65540,
    "no bulk: inline": b"*1\r\nPING\r\n",
    "no bulk: integer": b"*1\r\n:1\r\n",
    "no bulk: array": b"*1\r\n*1\r\n$4\r\nPING\r\n",
    "no bulk: empty line": b"*1\r\n\r\n",
    "no bulk: LF": b"*1\r\n\n\r\n",
    "no bulk: high byte": b"*1\r\n\xff\r\n",
    "bulk length: letters": b"*1\r\n$a\r\n",
    "bulk length: none": b"*1\r\n$\r\n",
    "bulk length: negative": b"*1\r\n$-1\r\n",
    "bulk length: plus": b"*1\r\n$+4\r\n",
    "bulk length: zero first": b"*1\r\n$04\r\n",
    "bulk length: space": b"*1\r\n$ 4\r\n",
    "bulk length: huge": b"*1\r\n$536870913\r\n",
    "bulk length: overflow": b"*1\r\n$99999999999999999999999\r\n",
    "bulk length: too long": b"*1\r\n$" + b"1" * 65540,
    "second bulk": b"*2\r\n$3\r\nGET\r\n$x\r\n",
    "after good commands": b"PING\r\n*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n",
    "post": b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}

UNPRINTABLE = "what cannot be printed reads as ?, and breaks no log"
DIFFERENT = {
    "array count: too long":
        (b"-ERR Protocol error: invalid multibulk length\r\n", "found before the line ends"),
    "bulk length: too long":
        (b"-ERR Protocol error: invalid bulk length\r\n", "found before the line ends"),
    "no bulk: empty line": (b"-ERR Protocol error: expected '$', got '?'\r\n", UNPRINTABLE),
    "no bulk: LF": (b"-ERR Protocol error: expected '$', got '?'\r\n", UNPRINTABLE),
    "no bulk: high byte": (b"-ERR Protocol error: expected '$', got '?'\r\n", UNPRINTABLE),
    "post": (b"-ERR Protocol error: this port speaks RESP; HTTP is at listen.http\r\n",
             "says what to do; Redis closes without a word"),
}

NO_END = b"-ERR Protocol error: a bulk string must end with CR LF\r\n"
NO_ARRAY = b"-ERR Protocol error: invalid multibulk length\r\n"
NO_BULK = b"-ERR Protocol error: invalid bulk length\r\n"
# Redis skips two bytes wherever a line must end, whatever they are: a client that counts wrongly
# writes garbage there. {name: (bytes, what cairnd says before it closes)}
STRICTER = {
    "bulk without an end": (b"*1\r\n$4\r\nPINGab*1\r\n$4\r\nPING\r\n", NO_END),
    "bulk that ends with LF": (b"*1\r\n$4\r\nPING\n\n", NO_END),
    "bulk that is longer": (b"*2\r\n$4\r\nECHO\r\n$2\r\nabcd\r\n", NO_END),
    "count that ends with CR": (b"*1\rx$4\r\nPING\r\n", NO_ARRAY),
    "length that ends with CR": (b"*1\r\n$4\rxPING\r\n", NO_BULK),
}
