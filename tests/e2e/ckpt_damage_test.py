#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Damaged records of checkpoints in files whose checksums are right: what memory that lies, or
another program, may have written. Each record of each kind is spoilt in several ways, each in a
session of its own. Whatever is asked is answered, with the truth or with DATA_DAMAGED; what
checksums cover is named by ckpt.validate; the rest of the session, and all other sessions, are as
they were; and all of it can be deleted."""

import json
import os
import random
import shutil
import struct
import unittest
import zlib

import msgpack

from lib import RpcError, formats, run_cairnd, until
from lib.stored import Stored

SEED = int(os.environ.get("CAIRN_SEED", "1"))
STORE = bytes(range(16))
KINDS = {name: number for number, name in formats.KINDS.items()}
HEADS = {"session": 19, "ckpt": 10, "blob": 4, "piece": 4}  # what a start reads or counts itself
IDS = "abc"
COVERED = ("ckpt", "blob", "write", "note", "piece")  # by a checksum
ROWS = {"blob": "blobs", "write": "writes", "note": "notes"}  # where a checkpoint shows them
SEAL = 5  # bytes of the CRC-32 behind a blob, and in front of a write or note


def flip(rng, value, head):
    at = rng.randrange(head, len(value))
    return value[:at] + bytes([value[at] ^ (1 << rng.randrange(8))]) + value[at + 1:]


SPOILT = {
    "empty": lambda rng, value, head: value[:head],
    "cut": lambda rng, value, head: value[:rng.randrange(head, len(value))],
    "one byte less": lambda rng, value, head: value[:-1],
    "flipped": flip, "flipped 2": flip, "flipped 3": flip, "flipped 4": flip, "flipped 5": flip,
    "longer": lambda rng, value, head: value + b"\x01",
    "random": lambda rng, value, head: value[:head] + rng.randbytes(60),
    "deep": lambda rng, value, head: value[:head] + b"\x91" * 5000,
    "huge": lambda rng, value, head: value[:head] + b"\xdd\xff\xff\xff\xff",
    "none": lambda rng, value, head: None,
}


def state(i):
    return {"text": "x" * 2000 + str(i), "list": list(range(300 + i)), "i": i}


class DamageTest(Stored):
    def fill(self, client, session, delta):
        client.call("ckpt.session_create", session, delta=delta, name="n", meta={"m": [1, 2]})
        for i, id_ in enumerate(IDS):
            client.call("ckpt.save", session, state(i), id=id_, parent=IDS[i - 1] if i else None,
                        tags=["t"], metadata={"i": i}, checkpoint=["c", i], message="m",
                        blobs=[["shared", 1, "t", b"s" * 1500], ["own", i, "t", b"%d" % i * 1100]])
            client.call("ckpt.put_writes", session, "", id_, "task", [[0, "c", "t", b"w" * 50],
                                                                     [1, "d", "t", b"v"]])
            client.call("ckpt.annotate", session, id_, "note", severity="critical")

    def stored(self):
        """The newest effect of every record: {(kind, key): effect}."""
        found = {}
        for segment in formats.read_log(self.data).values():
            for entry in segment.entries:
                if entry.type in formats.WITHOUT_LSN:
                    continue
                for effect in formats.read_effects(entry.type, entry.body):
                    found.pop((effect.kind, effect.key), None)
                    if effect.op == "put" and effect.run > 0:
                        found[effect.kind, effect.key] = effect
        return found

    def write(self, effects):
        shutil.rmtree(self.data)
        os.mkdir(self.data, 0o700)
        for name, content in (("LOCK", b""),
                              ("STORE", f"cairn store 1 {STORE.hex()}\n".encode("ascii")),
                              (f"wal-{1:016x}.log", formats.write_segment(STORE, effects))):
            with open(os.path.join(self.data, name), "wb") as file:
                file.write(content)

    @staticmethod
    def of_session(effects, name):
        """Its records by kind, in order."""
        kinds = {}
        for effect in effects.values():
            kind = formats.KINDS[effect.kind]
            owner = effect.key if kind == "session" else formats.read_group(effect.key).name
            if owner == name.encode():
                kinds.setdefault(kind, []).append(effect)
        return kinds

    def try_(self, client, method, *args, **options):
        """The result, or None: the damage was noticed."""
        try:
            return client.call("ckpt." + method, *args, **options)
        except RpcError as error:
            if error.code not in ("DATA_DAMAGED", "NOT_FOUND"):
                raise
            return None

    def everything(self, client, session):
        """Whatever can be asked of a session is answered, if with an error."""
        for method, args in (("session_get", [session]), ("get", [session]), ("notes", [session]),
                             ("history", [session]), ("auto", [session, 0])):
            self.try_(client, method, *args)
        self.try_(client, "list", session=session, with_state=True)
        self.try_(client, "list", session=session, filter={"i": 1}, tag="t")
        cursor = None
        while (page := self.try_(client, "export", session, limit=1, cursor=cursor)) is not None:
            cursor = page["cursor"]
            if cursor is None:
                break
        for id_ in IDS:
            self.try_(client, "restore", session, id_)
            self.try_(client, "tag", session, id_, ["new"])
            self.try_(client, "annotate", session, id_, "new")
            self.try_(client, "untag", session, id_, ["new"])

    @staticmethod
    def known(got):
        """Of what ckpt.get answers, what does not depend on when it was saved."""
        return {name: value for name, value in (got or {}).items()
                if name not in ("session", "seq", "version", "created_at", "tags")}

    def read(self, client, session, id_):
        """What is known of a checkpoint, with its annotations; None: the damage was noticed."""
        got = self.known(self.try_(client, "get", session, id=id_))
        notes = self.try_(client, "notes", session, id=id_)
        if not got or notes is None:
            return None
        return {**got, "notes": [[note[name] for name in ("type", "severity", "note")]
                                 for note in notes["items"]]}

    @staticmethod
    def lacks(kind, got, want):
        """A record that is not there may never have been saved."""
        return kind in ROWS and len(got[ROWS[kind]]) < len(want[ROWS[kind]])

    def judge(self, client, session, kind, want):
        """What can be read is what was saved, or is named by validate."""
        named = self.try_(client, "validate", session=session)
        if named is None:
            self.assertEqual(kind, "session")
            return set(IDS)
        named = {id_ for _, _, id_ in named["ids"]}
        wrong = set()
        for id_ in IDS:
            got = self.read(client, session, id_)
            if got is None or (kind in COVERED and got != want[id_] and
                               not self.lacks(kind, got, want[id_])):
                wrong.add(id_)
        self.assertLessEqual(wrong & self.listed(client, session, kind), named)
        if kind == "ckpt":
            self.assertLessEqual(len(wrong), 1)
        return wrong

    def listed(self, client, session, kind):
        """Which there are; those that cannot be read are named."""
        if kind == "session" and self.try_(client, "list", session=session) is None:
            return set(IDS)
        for options in ({}, {"ns": ""}, {"tag": "none"}, {"with_state": True}):
            items = client.call("ckpt.list", session=session, **options)["items"]
            damaged = [c for c in items if "damaged" in c]
            self.assertEqual(damaged, [{"session": session, "ns": "", "id": c["id"],
                                        "damaged": True} for c in damaged])
        there = {c["id"] for c in items}
        unread = {id_ for id_ in there if self.try_(client, "get", session, id=id_) is None}
        self.assertEqual({c["id"] for c in damaged}, unread)
        return there

    def go_on(self, client, session, kind):
        """It can be worked with, or deleted."""
        if self.try_(client, "save", session, state(7), id="d", parent="b") is not None:
            got = client.call("ckpt.get", session, id="d")
            if got is not None or kind != "session":  # whose ttl_ms may have become short
                self.assertEqual(got["state"], state(7))
        self.try_(client, "fork", session, "c", session + "-fork")
        self.try_(client, "copy", session, session + "-copy")
        self.try_(client, "compact", session, keep_recent=1)
        for id_ in IDS:
            self.try_(client, "delete", session, id_)
        for name in (session, session + "-fork", session + "-copy"):
            client.call("ckpt.session_delete", name)

    def test_every_kind(self):
        rng = random.Random(SEED)
        rows = [(delta, kind, how) for delta in (False, True)
                for kind in ("session", "ckpt", "blob", "write", "note", *["piece"] * delta)
                for how in SPOILT]
        server = self.start()
        with server.connect() as client:
            for i, (delta, _, _) in enumerate(rows):
                self.fill(client, f"s{i}", delta)
            self.fill(client, "whole", True)
            want = {id_: self.read(client, "s0", id_) for id_ in IDS}
        server.stop()
        effects = self.stored()
        for i, (_, kind, how) in enumerate(rows):
            effect = rng.choice(self.of_session(effects, f"s{i}")[kind])
            value = SPOILT[how](rng, effect.value, HEADS.get(kind, 0))
            if value is None:
                del effects[effect.kind, effect.key]
            else:
                effects[effect.kind, effect.key] = effect._replace(value=value)
        self.write([*effects.values()])
        with self.start(expect_log="parts of states are missing") as server, \
                server.connect() as client:
            client.unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=2 ** 28,
                                               unicode_errors="surrogateescape")
            noticed = 0
            all_ = client.call("ckpt.validate")
            self.assertEqual(all_["valid"] + all_["invalid"],
                             3 * (len(rows) + 1) - sum(row[1:] == ("ckpt", "none") or
                                                       row[1:] == ("session", "none") and 3
                                                       for row in rows))
            self.assertGreater(all_["invalid"], 50)
            for i, (delta, kind, how) in enumerate(rows):
                with self.subTest(seed=SEED, session=f"s{i}", delta=delta, kind=kind, how=how):
                    wrong = self.judge(client, f"s{i}", kind, want)
                    noticed += len(wrong) > 0
                    self.everything(client, f"s{i}")
                    self.go_on(client, f"s{i}", kind)
            self.assertGreater(noticed, len(rows) // 3)
            self.assertEqual({id_: self.read(client, "whole", id_) for id_ in IDS}, want)
            self.assertEqual(client.call("ckpt.validate"), {"valid": 3, "invalid": 0, "ids": []})
            client.call("ckpt.session_delete", "whole")
            until(lambda: client.call("server.info")["keyspace"]["records"] == 0, "nothing is left")
            self.assertEqual(client.call("ckpt.metrics"),
                             {"sessions": 0, "checkpoints": 0, "bytes": 0})

    def check(self):
        """How many records were spoilt, as cairnd check says of files that are whole."""
        done = run_cairnd("check", "--json", self.data)
        told = json.loads(done.stdout)
        spoilt = told["spoilt_records"]
        self.assertEqual(done.returncode, os.EX_DATAERR if spoilt else os.EX_OK, done.stderr)
        self.assertEqual(told["whole"], spoilt == 0)
        self.assertTrue(told["recovery"]["starts"])
        told = run_cairnd("check", self.data).stdout
        self.assertEqual(f"{spoilt} records of checkpoints were damaged before" in told, spoilt > 0)
        return spoilt

    def test_check(self):
        """What was damaged before it was written is counted, in logs and in snapshots."""
        server = self.start()
        with server.connect() as client:
            self.fill(client, "s", True)
        server.stop()
        self.assertEqual(self.check(), 0)
        whole = self.stored()
        for kind in COVERED:
            stored = dict(whole)
            effect = self.of_session(stored, "s")[kind][-1]
            spoilt = effect.value[:-1] + bytes([effect.value[-1] ^ 1])
            stored[effect.kind, effect.key] = effect._replace(value=spoilt)
            self.write([*stored.values()])
            with self.subTest(kind=kind):
                self.assertEqual(self.check(), 1)
            if kind == "write":
                with self.start() as server, server.connect() as client:
                    client.call("server.snapshot")
                    until(self.snapshots, "there is a snapshot")
                server.stop()
                self.assertEqual(self.check(), 1 + len(self.snapshots()))

    def test_rows_without_checksum(self):
        """What was saved before blobs, and then writes and notes, had one is read as it was."""
        server = self.start()
        with server.connect() as client:
            for delta in (False, True):
                self.fill(client, f"s{delta}", delta)
            want = [self.read(client, f"s{delta}", id_) for delta in (False, True) for id_ in IDS]
        server.stop()
        stored = self.stored()
        for (kind, key), effect in stored.items():
            if formats.KINDS[kind] in ("write", "note"):
                row = effect.value[SEAL:]
                self.assertEqual(effect.value[:SEAL], struct.pack(">BI", 0xce, zlib.crc32(row)))
                stored[kind, key] = effect._replace(value=row)
            elif formats.KINDS[kind] == "blob":
                stored[kind, key] = effect._replace(value=effect.value[:-SEAL])
        self.write([*stored.values()])
        with self.start() as server, server.connect() as client:
            self.assertEqual([self.read(client, f"s{delta}", id_)
                              for delta in (False, True) for id_ in IDS], want)
            self.assertEqual(client.call("ckpt.validate"), {"valid": 6, "invalid": 0, "ids": []})
            client.call("ckpt.copy", "sTrue", "copy")
            self.assertEqual([self.read(client, "copy", id_) for id_ in IDS], want[len(IDS):])


del Stored
if __name__ == "__main__":
    unittest.main()
