# SPDX-License-Identifier: BSD-3-Clause
"""A second reader of the files of a data directory, written from docs/formats.md alone and simple:
what the programs write must be what that page says. Anything that is not raises FormatError. And a
writer of logs, for what no program writes."""

import collections
import math
import os
import struct
import zlib

import msgpack

SEGMENT_HEADER = 4096
ENTRY_TYPES = {0x00: "batch", 0x01: "watermark", 0x02: "marker", 0x03: "shutdown", 0x10: "put",
               0x11: "del"}
WITHOUT_LSN = ("watermark", "marker", "shutdown")
SECTIONS = {1: "runs", 2: "records", 3: "effects"}
KINDS = {1: "kv", 2: "run", 3: "counter", 4: "session", 5: "ckpt", 6: "blob", 7: "write",
         8: "note", 9: "piece", 10: "collection", 11: "vector"}
NUMBERED = ("session", "ckpt")
OWNERS = {**{kind: "session" for kind in ("ckpt", "blob", "write", "note", "piece")},
          "vector": "collection"}
METRICS = ("cosine", "l2", "dot")
INDEXES = ("flat", "hnsw", "auto")
QUANTIZATIONS = ("none", "int8", "int8_only")
NUMBER_MAX = 2 ** 63 - 1

Segment = collections.namedtuple(
    "Segment", "store number first_lsn salt last_lsn end_offset end_crc bytes entries end crc")
Entry = collections.namedtuple("Entry", "offset type lsn synced body")
Effect = collections.namedtuple("Effect", "op run kind text key value expires_at_ms")
Snapshot = collections.namedtuple(
    "Snapshot", "store created_us lsn count number runs records effects")
Record = collections.namedtuple("Record", "version effect")
Group = collections.namedtuple("Group", "name generation rest")
Collection = collections.namedtuple(
    "Collection", "number generation dim m ef_construction metric index quantization created_at")
Vector = collections.namedtuple("Vector", "dim form elements metadata")


class FormatError(Exception):
    """A file is not what docs/formats.md says."""


def need(condition, what):
    if not condition:
        raise FormatError(what)


class Cursor:
    """Takes bytes from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(len(self.data) - self.at >= count, "the bytes end too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def unpack(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def left(self):
        return len(self.data) - self.at


# ---- effects ----

def read_number(value):
    """The sequence number of a value; 0 if it does not begin with one."""
    if len(value) < 10 or value[0] & 0xf0 != 0x90 or value[1] != 0xcf:
        return 0
    return struct.unpack(">Q", value[2:10])[0]


def read_generation(value):
    """That of an owner."""
    if len(value) < 19 or value[10] != 0xcf:
        return 0
    return struct.unpack(">Q", value[11:19])[0]


def read_group(key):
    """The parts of a key of a record with an owner."""
    cursor = Cursor(key)
    size = cursor.take(1)[0]
    need(size > 0, "a group without name")
    name, generation = cursor.take(size), struct.unpack(">Q", cursor.take(8))[0]
    need(generation <= NUMBER_MAX, "a generation that cannot be")
    return Group(name, generation, key[9 + size:])


def write_group(name, generation, rest=b""):
    return bytes([len(name)]) + name + struct.pack(">Q", generation) + rest


def read_collection(value):
    need(len(value) == 39 and value[0] == 0x94 and value[19:21] == b"\xc4\x09" and
         value[1] == value[10] == value[30] == 0xcf, "a collection")
    number, generation = read_number(value), read_generation(value)
    dim, m, ef_construction, metric, index, quantization = struct.unpack("<HHHBBB", value[21:30])
    created_at, = struct.unpack(">Q", value[31:])
    need(1 <= dim <= 8192 and 2 <= m <= 128 and 8 <= ef_construction <= 2000, "a configuration")
    need(metric < len(METRICS) and index < len(INDEXES) and quantization < len(QUANTIZATIONS),
         "a word of a configuration")
    return Collection(number, generation, dim, m, ef_construction, METRICS[metric], INDEXES[index],
                      QUANTIZATIONS[quantization], created_at)


def read_vector(value):
    need(len(value) >= 8, "the head of a vector")
    dim, form, is_coded = struct.unpack("<HBB", value[4:8])
    need(1 <= dim <= 8192 and form <= 1 and is_coded <= 1, "the head of a vector")
    size = 4 + dim if is_coded else 4 * dim
    need(len(value) >= 8 + size, "the elements of a vector")
    metadata = value[8 + size:]
    if is_coded:
        step, *codes = struct.unpack_from(f"<f{dim}b", value, 8)
        need(0 <= step and min(codes) >= -127, "a code")
        elements = tuple(code * step for code in codes)
    else:
        elements = struct.unpack_from(f"<{dim}f", value, 8)
    need(all(map(math.isfinite, elements)), "finite elements")
    if not metadata:
        return Vector(dim, form, elements, None)
    try:
        found = msgpack.unpackb(metadata, raw=False, strict_map_key=False)
    except ValueError as error:
        raise FormatError("metadata that is no MessagePack") from error
    need(isinstance(found, dict), "a map")
    return Vector(dim, form, elements, found)


def write_collection(number, generation, dim=2, quantization="none"):
    return (b"\x94\xcf" + struct.pack(">Q", number) + b"\xcf" + struct.pack(">Q", generation) +
            b"\xc4\x09" + struct.pack("<HHHBBB", dim, 16, 200, 0, 2,
                                       QUANTIZATIONS.index(quantization)) + b"\xcf" + bytes(8))


def write_vector(elements, metadata=b""):
    return (struct.pack("<IHBB", 0, len(elements), 0, 0) +
            struct.pack(f"<{len(elements)}f", *elements) + metadata)


def write_codes(step, codes):
    """A vector of a collection with int8_only."""
    return struct.pack(f"<IHBBf{len(codes)}b", 0, len(codes), 0, 1, step, *codes)


def need_record(effect):
    """It may stand in the log and among the records of a snapshot."""
    kind = KINDS.get(effect.kind)
    need(kind not in (None, "run", "counter"), "a kind that has no records")
    need(effect.run > 0 and effect.key, "a run and a key")
    if kind in NUMBERED:
        need(read_number(effect.value) <= NUMBER_MAX, "a number that cannot be")
    if kind in OWNERS:
        read_group(effect.key)
    if kind in OWNERS.values():
        need(len(effect.key) <= 255, "the name of an owner")
        need(read_generation(effect.value) <= NUMBER_MAX, "a generation that cannot be")
    if kind == "vector":
        need(1 <= len(read_group(effect.key).rest) <= 1024, "the key of a vector")
    if effect.op == "put" and kind == "collection":
        read_collection(effect.value)
    if effect.op == "put" and kind == "vector":
        read_vector(effect.value)


def need_effect(effect):
    """It may stand in the log."""
    if (effect.run, KINDS.get(effect.kind)) == (0, "run"):
        need(effect.key, "the name of a run")
    else:
        need_record(effect)


def read_effect(cursor, op):
    run, kind, flags, key_size = cursor.unpack("IBBI")
    if op == "del":
        need(flags == 0, "a del has no flags")
        return Effect(op, run, kind, False, cursor.take(key_size), b"", 0)
    value_size, = cursor.unpack("I")
    key, value = cursor.take(key_size), cursor.take(value_size)
    need(flags <= 3, "a flag that there is not")
    expires_at_ms = cursor.unpack("q")[0] if flags & 2 else 0
    need((expires_at_ms != 0) == bool(flags & 2), "an expiry of 0")
    return Effect(op, run, kind, bool(flags & 1), key, value, expires_at_ms)


def read_effects(kind, body):
    """Those of the body of an entry."""
    cursor = Cursor(body)
    if kind == "batch":
        count, = cursor.unpack("I")
        effects = [read_effect(cursor, ENTRY_TYPES[cursor.unpack("B")[0]]) for _ in range(count)]
    else:
        effects = [read_effect(cursor, kind)]
    need(cursor.left() == 0, "bytes behind the effects")
    for effect in effects:
        need_effect(effect)
    return effects


def write_effect(effect):
    flags = int(effect.text) | 2 * (effect.expires_at_ms != 0)
    head = struct.pack("<IBBI", effect.run, effect.kind, flags, len(effect.key))
    if effect.op == "del":
        return head + effect.key
    expires = struct.pack("<q", effect.expires_at_ms) if effect.expires_at_ms != 0 else b""
    return head + struct.pack("<I", len(effect.value)) + effect.key + effect.value + expires


# ---- segments ----

def read_entry(data, at, seed):
    """The entry there and its CRC, or None: no entry of this chain stands there."""
    if len(data) - at < 26:
        return None
    length, kind, version, lsn, synced = struct.unpack_from("<IBBQQ", data, at)
    if not 22 <= length <= len(data) - at - 4 or version != 1:
        return None
    crc, = struct.unpack_from("<I", data, at + length)
    if zlib.crc32(data[at + 4:at + length], seed) != crc:
        return None
    return Entry(at, ENTRY_TYPES[kind], lsn, synced, data[at + 22:at + length]), crc


def read_segment(data):
    need(data[:12] == b"CAIRN_WAL\0\0\0", "not a segment")
    need(zlib.crc32(data[:4092]) == struct.unpack_from("<I", data, 4092)[0], "CRC of the header")
    (form, store, number, first_lsn, salt, last_lsn, end_offset, end_crc, size
     ) = struct.unpack_from("<I16sQQIQQIQ", data, 12)
    need(form == 1, "a later format")
    need(not any(data[80:4092]), "zeros in the header")
    need(first_lsn == last_lsn + 1, "first and last LSN")
    entries, at, crc, lsn = [], SEGMENT_HEADER, salt, last_lsn
    while found := read_entry(data, at, crc):
        entry, crc = found
        lsn += entry.type not in WITHOUT_LSN
        need(entry.lsn == lsn and entry.synced <= at, "LSN and watermark")
        entries.append(entry)
        at += len(entry.body) + 26
    return Segment(store, number, first_lsn, salt, last_lsn, end_offset, end_crc, size, entries,
                   at, crc)


def write_segment(store, effects):
    """The first of a log, with an entry for each effect."""
    salt = 7
    data = bytearray(struct.pack("<12sI16sQQIQQIQ", b"CAIRN_WAL", 1, store, 1, 1, salt, 0, 0, 0, 0))
    data += bytes(4092 - len(data))
    data += struct.pack("<I", zlib.crc32(data))
    crc = salt
    for lsn, effect in enumerate(effects, 1):
        entry = struct.pack("<BBQQ", {"put": 0x10, "del": 0x11}[effect.op], 1, lsn, len(data))
        entry += write_effect(effect)
        crc = zlib.crc32(entry, crc)
        data += struct.pack("<I", len(entry) + 4) + entry + struct.pack("<I", crc)
    return bytes(data)


def read_log(path):
    """All segments, each checked against the one before it: {name: Segment}."""
    log, before = {}, None
    for name in sorted(name for name in os.listdir(path) if name.endswith(".log")):
        with open(os.path.join(path, name), "rb") as file:
            segment = read_segment(file.read())
        need(name == f"wal-{segment.first_lsn:016x}.log", "the name")
        if before is not None:
            need((before.number + 1, before.end, before.crc) ==
                 (segment.number, segment.end_offset, segment.end_crc), "the segment before")
        log[name] = before = segment
    return log


# ---- snapshots ----

def unpack_lz4(data, size):
    """A block of LZ4."""
    cursor, out = Cursor(data), bytearray()

    def length(nibble):
        while nibble >= 15:
            more = cursor.take(1)[0]
            nibble += more
            if more != 255:
                break
        return nibble

    while cursor.left():
        token = cursor.take(1)[0]
        out += cursor.take(length(token >> 4))
        if cursor.left() == 0:
            break
        back, = cursor.unpack("H")
        for _ in range(length(token & 15) + 4):
            out.append(out[-back])
    need(len(out) == size, "the size after decompression")
    return bytes(out)


def read_chunks(cursor, heads):
    """What the chunks of a section hold."""
    content = []
    while cursor.left():
        heads.append(cursor.data[cursor.at:cursor.at + 12])
        raw, stored, crc = cursor.unpack("III")
        data = cursor.take(stored)
        need(zlib.crc32(data) == crc, "the CRC of a chunk")
        content.append(data if raw == stored else unpack_lz4(data, raw))
    return content


def read_records(chunk):
    cursor, records = Cursor(chunk), []
    while cursor.left():
        version, = cursor.unpack("Q")
        records.append(Record(version, read_effect(cursor, "put")))
    return records


def read_told(told):
    """(the last sequence number that was given away, records of runs)"""
    number, runs = 0, []
    for i, record in enumerate(told):
        effect = record.effect
        need(effect.run == 0, "a run that is in a run")
        if KINDS.get(effect.kind) == "counter":
            need(i == 0 and effect.key == b"number", "a counter")
            number, = struct.unpack("<Q", effect.value)
            need(0 < number <= NUMBER_MAX, "a number that cannot be")
        else:
            need(KINDS.get(effect.kind) == "run", "neither a run nor a counter")
            runs.append(record)
    return number, runs


def read_entries(chunk):
    cursor, entries = Cursor(chunk), []
    while cursor.left():
        kind, size, lsn = cursor.unpack("BIQ")
        entries.append(Entry(None, ENTRY_TYPES[kind], lsn, None, cursor.take(size)))
    return entries


def read_snapshot(data):
    cursor = Cursor(data)
    header = cursor.data[:39]
    magic, form, created_us, lsn, count, n_sections = cursor.unpack("10sIQQQB")
    need(magic == b"CAIRN_SNAP" and form == 1, "not a snapshot of format 1")
    chunks, heads, found = [], [], {}
    for _ in range(n_sections):
        heads.append(cursor.data[cursor.at:cursor.at + 9])
        kind, size = cursor.unpack("BQ")
        need(kind > max(found, default=0), "the order of sections")
        found[kind] = read_chunks(Cursor(cursor.take(size)), chunks)
    store = cursor.take(16)
    crc, = cursor.unpack("I")
    need(cursor.left() == 0, "bytes behind the end")
    need(zlib.crc32(b"".join([*chunks, *heads, header, store])) == crc, "the CRC of the file")
    runs, records, effects = (
        [one for chunk in found.get(kind, []) for one in read(chunk)]
        for kind, read in ((1, read_records), (2, read_records), (3, read_entries)))
    need(len(records) == count, "the number of records")
    for record in records:
        need_record(record.effect)
    number, runs = read_told(runs)
    return Snapshot(store, created_us, lsn, count, number, runs, records, effects)


# ---- the directory ----

def read_store(path):
    """The id."""
    with open(os.path.join(path, "STORE"), "rb") as file:
        text = file.read()
    need(text.startswith(b"cairn store 1 ") and text.endswith(b"\n") and len(text) == 47, "STORE")
    return bytes.fromhex(text[14:46].decode("ascii"))
