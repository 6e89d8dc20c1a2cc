#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the seeds and dictionaries of the fuzz targets ckpt, ckpt_file, mp, filter, rpc_decode,
dispatch, resp, snapshot, vec_file, vector_table and waldump.

Usage: make_corpus.py [FOLDER]   (corpus/ beside this file)

Seeds are corpus/<target>/<name>. The dictionary of rpc_decode holds every name of proto/ops.def as
a MessagePack str, that of filter the operators, that of resp every name of proto/resp.def as a bulk
string. The same every time, so that a difference after a run is a change of the tables or of this
script; inputs of fixed bugs that were put beside the seeds stay."""

import hashlib
import json
import os
import random
import re
import struct
import sys
import zlib

import msgpack

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "..", "..", "proto")
GOLDEN = os.path.join(HERE, "..", "golden")


def nested(depth):
    """A value of so many arrays."""
    value = None
    for _ in range(depth):
        value = [value]
    return value


def mp_seeds():
    """Values of every kind, whole, cut and wrong."""
    pack = msgpack.packb
    return {
        "scalars": pack([None, True, False, 0, 127, 128, 65536, 2**64 - 1, -1, -33, -2**63]),
        "reals": pack([1.5, -0.0, float("inf")]) + pack(1.5, use_single_float=True),
        "overlong": b"\x96\xcc\x05\xcd\x00\x05\xce\0\0\0\x05\xd3\0\0\0\0\0\0\0\x05\xd0\x05\xd1\0\5",
        "strings": pack(["", "x" * 31, "x" * 32, "x" * 300, "caf\u00e9 \U0001f600"]),
        "bins": pack([b"", b"\0" * 10, b"\xff" * 300]),
        "exts": pack([msgpack.ExtType(1, b"x" * n) for n in (0, 1, 2, 3, 4, 8, 16, 17, 300)]),
        "maps": pack({"a": 1, 2: {"b": [3, {}]}, b"c": None}),
        "arrays": pack([[], [1], list(range(20)), list(range(70000))[:40]]),
        "array32": b"\xdd\0\0\0\2\xdc\0\1\xdf\0\0\0\1\1\2\xde\0\0",
        "nested": pack(nested(32)),
        "too_deep": pack(nested(33)),
        "cut": pack(["body", b"body", [1, 2, 3]])[:-2],
        "huge_count": b"\x92\xdd\xff\xff\xff\xff\x01",
        "huge_body": b"\x92\x01\xc6\xff\xff\xff\xffbody",
        "reserved": b"\x93\x01\xc1\x02",
    }


def filter_seeds():
    """A filter, and metadata behind it."""
    cases = {
        "plain": ({"kind": "note", "n": 1.0}, {"n": 1, "kind": b"note"}),
        "orders": ({"y": {"$gte": 2020, "$lt": 2.5e3}, "s": {"$gt": "a", "$lte": b"b"}},
                   {"y": 2021, "s": "ab"}),
        "sets": ({"a": {"$in": [1, "x", None]}, "b": {"$nin": []}, "c": {"$contains": [1]},
                  "d": {"$exists": False}}, {"a": "x", "b": 1, "c": [[1], 2]}),
        "logic": ({"$or": [{"a": 1}, {"$not": {"b": {"$ne": 2}}}],
                   "$and": [{}, {"c": {"$or": [1, {"$lt": 0}]}}]}, {"a": 1, "b": 2, "c": -1}),
        "paths": ({"a.b.0.c": 1, "a.b": {"$exists": True}, ".": {"$ne": 1}},
                  {"a.b": [{"c": 1}], "a": {"b": 1}, "": {"": 1}}),
        "maps": ({"m": {"x": {"y": 1}, "z": [2, {"p": 1, "q": 2}]}},
                 {"m": {"z": [2, {"q": 2, "p": 1}], "x": {"y": 1.0}}}),
        "numbers": ({"$or": [{"n": 2**64 - 1}, {"n": -2**63}, {"n": {"$lt": float("nan")}}]},
                    {"n": 2.0**64}),
        "unknown": ({"a": {"$regex": "b"}}, {"a": "b"}),
        "inside": ({"a": {"b": {"$gt": 1}}}, {"a": 1}),
    }
    packed = {name: msgpack.packb(one) + msgpack.packb(two) for name, (one, two) in cases.items()}
    packed["cut_metadata"] = packed["maps"][:-3]
    packed["cut_filter"] = packed["maps"][:9]
    return packed


def ckpt_number(number):
    """A number of a manifest: LEB128."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def ckpt_manifest(depth, size, *parts, base=b""):
    """A manifest; parts are (type, size, what stands behind it)."""
    out = bytes([1, depth]) + ckpt_number(size) + base.ljust(16 if base else 0, b"\0")
    return out + b"".join(ckpt_number(size * 4 + kind) + rest for kind, size, rest in parts)


def ckpt_seeds():
    """Pieces and manifests of them, whole and wrong."""
    def record(kind, name, content):
        return kind + name + struct.pack("<H", len(content)) + content

    def piece(size):
        return 1, size, b"p".ljust(16, b"\0")

    text = b"0123456789abcdef" * 80
    head = record(b"p", b"p", text)
    full = record(b"m", b"a", ckpt_manifest(0, 1280, piece(1280)))
    twice = record(b"m", b"a", ckpt_manifest(0, 2563, piece(1280), (0, 3, b"and"), piece(1280)))
    chain = full
    for depth in range(1, 65):
        chain += record(b"m", bytes([depth]), ckpt_manifest(
            depth, 1280, (2, 10 * depth, b"\0"), (0, 4, b"more"),
            (2, 1276 - 10 * depth, b"\4"), base=b"a" if depth == 1 else bytes([depth - 1])))
    return {
        "full": head + full,
        "twice": head + twice,
        "bytes": record(b"m", b"b", ckpt_manifest(0, 1280, (0, 1280, text))),
        "chain": head + chain,
        "ranges": head + full + record(b"m", b"r", ckpt_manifest(
            1, 300, (2, 100, b"\x05"), (2, 100, b"\x80\x01"), (2, 100, b"\0"), base=b"a")),
        "behind": head + full + record(b"m", b"r", ckpt_manifest(
            1, 100, (2, 100, ckpt_number(1200)), base=b"a")),
        "own_base": record(b"m", b"r", ckpt_manifest(1, 4, (2, 4, b"\0"), base=b"r")),
        "missing": full,
        "short": head + record(b"m", b"a", ckpt_manifest(0, 1281, piece(1280))),
        "huge": record(b"m", b"a", ckpt_manifest(0, 1 << 30, (0, 1 << 30, b"x"))),
        "cut": (head + full)[:-5],
    }


def rpc_seeds():
    """A byte of limits, then requests (and a response) in all their forms."""
    calls = [["kv.put", ["a", 1]], ["kv.get", {"key": "a"}], ["nope", []]]
    conditions = [["kv", "a", 0], ["kv", b"b", 7]]
    messages = {
        "get": [0, 1, "kv.get", ["key"]],
        "get_named": [0, 128, "kv.get", [{"key": b"key", "with_version": True}]],
        "get_map": [0, 2**32 - 1, "kv.get", {"key": "key", "run": "r1"}],
        "put": [0, 2, "kv.put", ["key", {"a": [1, None]}, {"ttl_ms": 1000, "if_absent": True}]],
        "put_if": [0, 3, "kv.put", {"key": "k", "value": "v", "if_value": None, "keep_ttl": None}],
        "mget": [0, 4, "kv.mget", [["a", b"b"]]],
        "mput": [0, 5, "kv.mput", [[["a", 1], ["b", b"x"]], {"if_absent": False}]],
        "incr": [0, 6, "kv.incr", ["n", -5, {"min": -2**63, "max": 2**63 - 1}]],
        "scan": [0, 7, "kv.scan", {"prefix": "a", "limit": 10, "reverse": True, "cursor": b"a1"}],
        "batch": [0, 8, "batch", [calls, {"atomic": True, "conditions": conditions}]],
        "hello": [0, 9, "hello", {"client": "seed", "auth": "token", "errors": "map"}],
        "ping": [0, 10, "ping", [{"any": "value"}]],
        "notification": [2, "kv.del", ["key"]],
        "unknown": [0, 11, "kv.nope", [1, [2], {"three": 3}]],
        "unknown_option": [0, 12, "kv.get", ["key", {"nope": 1}]],
        "response": [1, 13, None, ["result", 1]],
    }
    packed = {name: b"\x00" + msgpack.packb(message) for name, message in messages.items()}
    packed["small_limits"] = b"\x10" + msgpack.packb([0, 1, "kv.put", ["k" * 17, "v" * 65]])
    packed["too_deep"] = b"\x01" + msgpack.packb([0, 1, "kv.put", ["k", nested(20)]])
    packed["option_with_nul"] = b"\x00" + msgpack.packb([0, 1, "kv.get", ["k", {"run\0": "r"}]])
    packed["two"] = packed["get"] + packed["ping"][1:]
    return packed


def dispatch_seeds():
    """Decisions: the first byte sets up the store, the rest is chance."""
    setups = [0x00, 0x01, 0x02, 0x04, 0x0c, 0x0d, 0x10, 0x11, 0x14, 0x1c, 0x20, 0x40, 0x50,
              0xe0, 0xf1]
    seeds = {}
    for setup in setups:
        chance = random.Random(setup)
        count = chance.choice((200, 600, 1500))
        seeds[f"setup_{setup:02x}"] = bytes([setup]) + bytes(
            chance.randrange(256) for _ in range(count))
    return seeds


def resp(*words):
    """A command as an array."""
    words = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def resp_seeds():
    """A byte of settings (1: version 3; 2: low limits; 4: decisions), then bytes of a connection or
    decisions."""
    streams = {
        "strings": resp("SET", "k", "v", "EX", "10", "GET") + resp("GET", "k") +
                   resp("getset", "k", b"\xff\r\n") + resp("GETEX", "k", "PERSIST") +
                   resp("APPEND", "k", "x" * 300) + resp("STRLEN", "k") + resp("GETDEL", "k"),
        "numbers": resp("INCR", "n") + resp("DECRBY", "n", "-9223372036854775807") +
                   resp("INCRBYFLOAT", "f", "0.1") + resp("INCRBYFLOAT", "f", "0.2"),
        "many": resp("MSET", "a", "1", "b", "2") + resp("MGET", "a", "b", "c") +
                resp("DEL", "a", "b") + resp("EXISTS", "a", "m1") + resp("MSETNX", "a", "1"),
        "times": resp("EXPIRE", "m1", "10", "NX") + resp("PTTL", "m1") +
                 resp("EXPIREAT", "m1", "1001") + resp("EXPIRETIME", "m1") + resp("PERSIST", "m1"),
        "keys": resp("SCAN", "0", "MATCH", "m*", "COUNT", "3") + resp("DBSIZE") +
                resp("TYPE", "m1") + resp("FLUSHALL", "ASYNC"),
        "sizes": b"".join(resp("SET", "k", "v" * n) + resp("MGET", "k" * n, "", "k")
                          for n in (31, 32, 255, 256)),
        "values": b"".join(resp("GET", f"m{i}") for i in range(9)) + resp("PING") +
                  resp("ECHO", ""),
        "inline": b"PING\r\nset k \"a\\x41\\n\" nx\r\n\r\nget 'it\\'s'\nset \"open\r\n",
        "empty": b"*0\r\n*-1\r\n\r\n" + resp("", "") + resp("PING"),
        "minus_nothing": b"*1\r\n$-0\r\n\r\n",
        "huge_count": b"*1048577\r\n",
        "huge_size": b"*1\r\n$536870912\r\nx",
        "no_dollar": b"*2\r\n$3\r\nGET\r\nfoo\r\n",
        "cut": resp("SET", "key", "value")[:-3],
        "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    }
    seeds = {name: b"\0" + data for name, data in streams.items()}
    seeds["three"] = b"\1" + streams["values"] + streams["times"]
    seeds["low_limits"] = b"\2" + resp("SET", "k" * 17, "v") + resp("SET", "k", "v" * 61)
    for setup in range(4, 8):
        chance = random.Random(setup)
        seeds[f"made_{setup}"] = bytes([setup]) + bytes(
            chance.randrange(256) for _ in range(800))
    return seeds


def snapshot(*sections):
    """A snapshot of sections (type, chunks), without compression."""
    heads = section_heads = body = b""
    for kind, chunks in sections:
        stored = b""
        for chunk in chunks:
            head = struct.pack("<III", len(chunk), len(chunk), zlib.crc32(chunk))
            heads += head
            stored += head + chunk
        section_head = struct.pack("<BQ", kind, len(stored))
        section_heads += section_head
        body += section_head + stored
    header = b"CAIRN_SNAP" + struct.pack("<IQQQB", 1, 1700000000, 5, 3, len(sections))
    store = bytes(range(16))
    crc = zlib.crc32(heads + section_heads + header + store)
    return header + body + store + struct.pack("<I", crc)


def snapshot_seeds():
    """A byte of settings (1: repair; 6: threads), then a file."""
    three = snapshot((1, [b"default"]), (2, [b"record" * 9, b"x", b"y" * 300]), (3, [b"effect"]))
    with open(os.path.join(GOLDEN, "snapshot-1.snap"), "rb") as file:
        golden = file.read()
    return {
        "empty": b"\0" + snapshot(),
        "empty_sections": b"\1" + snapshot((1, []), (3, [])),
        "three": b"\0" + three,
        "threads": b"\7" + three,
        "cut": b"\1" + three[:-7],
        "wrong_order": b"\0" + snapshot((2, []), (1, [])),
        "compressed": b"\1" + golden,
        "compressed_threads": b"\2" + golden,
    }


def waldump_seeds():
    """Type and body of the entries of a log."""
    with open(os.path.join(GOLDEN, "data-1", "wal-0000000000000001.log"), "rb") as file:
        log = file.read()
    seeds, at = {}, 4096
    while at + 26 <= len(log):
        length, = struct.unpack_from("<I", log, at)
        kind, lsn = log[at + 4], log[at + 6]
        seeds[f"lsn_{lsn:02}_type_{kind:02x}"] = bytes([kind]) + log[at + 22:at + length]
        at += length + 4
    return seeds


def table(name):
    """A table of proto without its comments."""
    with open(os.path.join(PROTO, name), encoding="utf-8") as file:
        return re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)


def filter_dictionary():
    """The operators, as MessagePack."""
    with open(os.path.join(PROTO, "filter.c"), encoding="utf-8") as file:
        names = re.findall(r'\{"(\$\w+)", TAKES', file.read())
    lines = ["# Written by make_corpus.py from proto/filter.c."]
    lines += [f'"\\x{0xa0 + len(name):02x}{name}"' for name in names]
    return "\n".join(lines) + "\n"


def rpc_dictionary():
    """Names of operations, aliases and arguments, as MessagePack."""
    text = table("ops.def")
    names = re.findall(r'\bOP\(\w+, "([^"]+)"', text) + re.findall(r'ALIAS\("([^"]+)"', text)
    names += re.findall(r"\b(?:REQ|POS|OPT)\((\w+),", text)
    lines = ["# Written by make_corpus.py from proto/ops.def."]
    for name in dict.fromkeys(names):
        lines.append(f'"\\x{0xa0 + len(name):02x}{name}"')
    return "\n".join(lines) + "\n"


def resp_dictionary():
    """Names of commands and words of their options, as bulk strings, and pieces of headers."""
    names = re.findall(r'\b(?:SPELLING|OWN)\(\w+, "([^"]+)"', table("resp.def"))
    words = ("nx xx get keepttl ex px exat pxat persist gt lt match count type string async sync "
             "0 1 -1 k m1").split()
    lines = ["# Written by make_corpus.py from proto/resp.def."]
    for name in dict.fromkeys(names + words):
        lines.append(f'"${len(name)}\\x0d\\x0a{name}\\x0d\\x0a"')
    lines += [f'"*{n}\\x0d\\x0a"' for n in range(6)]
    return "\n".join(lines) + "\n"


def ckpt_file_seeds():
    """Files of checkpoints of both forms, whole and cut, with what JSON has no words for."""
    def packed(value):
        return msgpack.packb(value, use_bin_type=True)

    def line(value):
        return json.dumps(value).encode() + b"\n"

    def file(form, items, version=2):
        head = {"format": "cairn-checkpoints", "version": version}
        data = form(head) + b"".join(map(form, items))
        return data + form({"sha256": hashlib.sha256(data).hexdigest(), "count": len(items)})

    session = {"session": "s", "name": None, "meta": {"a": 1}, "created_at": 5, "delta": False}
    plain = {"session": "s", "ns": "", "id": "c", "state": {"a": [1, 2.5, None, "text"]}}
    odd = {"session": b"\xff", "id": b"\0",
           "state": {b"k": b"bin", 1: {"$bin": 2}, "": 2 ** 64 - 1},
           "e": msgpack.ExtType(3, b"abcd"), "f": float("inf")}
    special = {"session": {"$bin": "/w=="}, "id": "c", "state": {"$map": [[1, {"$uint": "1"}]]},
               "s": {"$str": "wyg="}, "e": {"$ext": [-3, "AA=="]}, "f": {"$float": "nan"}}
    blobs = [{**plain, "blobs": [["a", 1, "t", value], ["b", 2, "", b"x" * 70]]}
             for value in (b"z" * 70, [1, 0], b"z" * 70, [1, 1], [2, 0], [9, 0])]
    return {"blobs": file(packed, blobs[:3]),
            "places": file(packed, blobs),
            "first": file(packed, [session, plain], 1),
            "packed": file(packed, [session, plain, odd]),
            "lines": file(line, [session, plain, special]),
            "none": file(packed, []),
            "cut": file(packed, [session, plain])[:-40],
            "foreign": file(line, [session, 5])}


def vec_file_seeds():
    """Files of vectors of every form, whole, cut, and with what a vector may not have."""
    def npy(descr, shape, data, order=False, version=1):
        head = repr({"descr": descr, "fortran_order": order, "shape": shape}).encode()
        head += b" " * (-(len(head) + 11) % 64) + b"\n"
        size = struct.pack("<H" if version == 1 else "<I", len(head))
        return b"\x93NUMPY" + bytes([version, 0]) + size + head + data

    rows = struct.pack("<6f", 1, -2.5, 1e30, 0.1, 0, 3)
    fvecs = b"".join(struct.pack("<i", 3) + rows[at:at + 12] for at in (0, 12))
    line = json.dumps({"key": "a", "vector": [1, -2.5, 0.1], "metadata": {"a": {"b": [1]}}})
    other = json.dumps({"id": 7, "values": [1e38, 5e-324, -0.0], "text": "t", "n": None})
    special = json.dumps({"id": {"$bin": "/w=="}, "embedding": {"$bin": "AACAPwAAAEAAAAAA"},
                          "payload": {"$map": [[1, {"$ext": [3, "AA=="]}]]}})
    lines = "\n".join([line, "", other, special, ""]).encode()
    return {"lines": lines, "lines_cut": lines[:-20], "lines_wrong": b'{"vector": [1, "2"]}',
            "fvecs": fvecs, "fvecs_cut": fvecs[:-3], "raw": rows, "array": b"[1, 2.5]",
            "npy": npy("<f4", (2, 3), rows), "npy_one": npy("<f4", (6,), rows),
            "npy_wide": npy("<f8", (1, 3), struct.pack("<3d", 1, 1e300, 2), version=2),
            "npy_cut": npy("<f4", (2, 3), rows[:-1]), "npy_order": npy("<f4", (2, 3), rows, True),
            "npy_half": npy("<f2", (2, 6), rows), "npy_huge": npy("<f4", (2 ** 63, 8192), rows)}


def vector_table_seeds():
    """Three vectors in both forms; .npy that is of other elements, and cut."""
    def npy(kind, data):
        head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (3, 2), }}\n".encode()
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data

    data = struct.pack("<6f", 1, 2.5, -3, 0, 1e-30, 6)
    rows = b"".join(struct.pack("<i", 2) + data[at:at + 8] for at in (0, 8, 16))
    return {"npy": npy("<f4", data), "doubles": npy("<f8", data * 2), "cut": npy("<f4", data)[:-3],
            "fvecs": rows, "other": rows + rows[:5]}


def main():
    """Run as a program."""
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "corpus")
    seeds = {"ckpt": ckpt_seeds(), "ckpt_file": ckpt_file_seeds(),
             "mp": mp_seeds(), "filter": filter_seeds(),
             "rpc_decode": rpc_seeds(),
             "dispatch": dispatch_seeds(), "resp": resp_seeds(), "snapshot": snapshot_seeds(),
             "vec_file": vec_file_seeds(), "vector_table": vector_table_seeds(),
             "waldump": waldump_seeds()}
    for target, files in seeds.items():
        os.makedirs(os.path.join(folder, target), exist_ok=True)
        for name, data in files.items():
            with open(os.path.join(folder, target, name), "wb") as file:
                file.write(data)
    for target, text in (("filter", filter_dictionary()), ("rpc_decode", rpc_dictionary()),
                       ("resp", resp_dictionary())):
        with open(os.path.join(folder, target + ".dict"), "w", encoding="ascii") as file:
            file.write(text)


if __name__ == "__main__":
    main()
