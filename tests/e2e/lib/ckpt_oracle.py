# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints in dictionaries: what the operations ckpt.* must answer, said as simply as possible.

Sessions, namespaces, ids, channels and tasks are bytes here, whatever they were sent as; options
that were not given are None. A World is one state the server may be in. What only the server can
know (seq, version, created_at) is None until it was seen, and must stay as it was seen from then
on."""

import ast
import copy
import os
import sys

from lib.client import encode

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "model"))
from filter_model import Map, condition  # noqa: E402  pylint: disable=wrong-import-position

GIVEN = ("parent", "message", "tags", "trigger", "metadata", "checkpoint")  # back as they came
KNOWN_BY_SERVER = ("seq", "version", "created_at")


def raw(value):
    """str and bin are the same; bytes stand for both."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (list, tuple)):
        return [raw(item) for item in value]
    if isinstance(value, dict):
        return {raw(key): raw(item) for key, item in value.items()}
    return value


def frozen(value):
    """Something that can be a key and sorted."""
    return repr(raw(value))


def as_map(value):
    """For the oracle of filters."""
    if isinstance(value, dict):
        return Map([(key, as_map(item)) for key, item in value.items()])
    return [as_map(item) for item in value] if isinstance(value, list) else value


class World:
    """Checkpoints by (session, ns, id), blobs and writes by their full keys; which sessions there
    are."""

    def __init__(self):
        self.checkpoints, self.blobs, self.writes, self.notes = {}, {}, {}, {}
        self.sessions = set()

    def copy(self):
        return copy.deepcopy(self)

    # ---- what changes it; named as the operations ----

    def save(self, session, state, reply=None, ns="", id=None, channel_versions=None, blobs=(),
             **options):
        """reply: what the server answered; None if nobody knows whether it did it."""
        session, ns = raw(session), raw(ns)
        key = (session, ns, raw(reply["id"] if id is None else id))
        if channel_versions is None:
            channel_versions = [blob[:2] for blob in blobs]
        for channel, version, kind, data in blobs:
            self.blobs.setdefault((session, ns, raw(channel), frozen(version)),
                                  [raw(kind), raw(data)])
        entry = {name: raw(options.get(name)) or None for name in GIVEN}
        entry.update({name: None for name in KNOWN_BY_SERVER})
        entry.update(state=raw(state), bytes=len(encode(state)), channel_versions=[
            [raw(channel), raw(version)] for channel, version in channel_versions],
                     plain_metadata=options.get("metadata"))
        if reply:
            entry.update(seq=reply["seq"], version=reply["version"])
        old = self.checkpoints.get(key)
        self.checkpoints[key] = entry
        self.sessions.add(session)
        if old:
            self.release(key, old)

    def release(self, key, entry):
        """A checkpoint is no more: blobs that no other of the namespace names go, too."""
        named = {(channel, frozen(version)) for other, kept in self.checkpoints.items()
                 if other[:2] == key[:2] for channel, version in kept["channel_versions"]}
        for channel, version in entry["channel_versions"]:
            if (channel, frozen(version)) not in named:
                self.blobs.pop((*key[:2], channel, frozen(version)), None)

    def save_many(self, session, entries, replies=None):
        for number, entry in enumerate(entries):
            options = {name: value for name, value in entry.items() if name != "state"}
            self.save(session, entry["state"], replies and replies[number], **options)

    def delete(self, session, id, ns=""):
        key = (raw(session), raw(ns), raw(id))
        entry = self.checkpoints.pop(key, None)
        if entry is None:
            return False
        for at in [at for at in self.writes if at[:3] == key]:
            del self.writes[at]
        self.notes.pop(key, None)
        self.release(key, entry)
        return True

    def delete_runs(self, run_ids):
        gone = [key for key, entry in self.checkpoints.items()
                if (entry["plain_metadata"] or {}).get("run_id") in run_ids]
        for session, ns, id_ in gone:
            self.delete(session, id_, ns)
        return len(gone)

    def note(self, session, id, kind, severity, note, ns=""):
        """False if there is no such checkpoint."""
        key = (raw(session), raw(ns), raw(id))
        if key in self.checkpoints:
            self.notes.setdefault(key, []).append([raw(kind), raw(severity), raw(note)])
        return key in self.checkpoints

    def tag(self, session, id, tags, ns=""):
        """The tags it has then; None if there is no such checkpoint."""
        entry = self.checkpoints.get((raw(session), raw(ns), raw(id)))
        if entry is None:
            return None
        entry["tags"] = list(dict.fromkeys((entry["tags"] or []) + raw(tags))) or None
        entry["version"] = None
        return entry["tags"] or []

    def untag(self, session, id, tags, ns=""):
        entry = self.checkpoints.get((raw(session), raw(ns), raw(id)))
        if entry is None:
            return None
        entry["tags"] = [tag for tag in entry["tags"] or [] if tag not in raw(tags)] or None
        entry["version"] = None
        return entry["tags"] or []

    def compact(self, session, ns=None, keep_recent=0, per_ns=False, keep_tags=()):
        """How many were deleted and kept."""
        keys = sorted((key for key in self.checkpoints if key[0] == raw(session) and
                       (ns is None or key[1] == raw(ns))),
                      key=lambda key: self.checkpoints[key]["seq"], reverse=True)
        kept = set()
        for number, key in enumerate(keys):
            before = sum(other[1] == key[1] and other[2] > key[2] for other in keys) \
                if per_ns or ns is not None else number
            tags = self.checkpoints[key]["tags"] or []
            if before < keep_recent or any(tag in tags for tag in raw(keep_tags)):
                kept |= {key} | self.needed(key)
        for key in keys:
            if key not in kept:
                self.delete(key[0], key[2], key[1])
        return len([key for key in keys if key not in kept]), len(kept & set(keys))

    def needed(self, key):
        """The ancestors that it needs for each channel it names and has no blob of."""
        found = set()
        for channel, _ in self.checkpoints[key]["channel_versions"]:
            if not self.has_blob(key, channel):
                found |= self.ancestors_with(key, channel)
        return found

    def has_blob(self, key, channel):
        named = (version for name, version in self.checkpoints[key]["channel_versions"]
                 if name == channel)
        return (*key[:2], channel, frozen(next(named, None))) in self.blobs

    def ancestors_with(self, key, channel):
        """Up to the next that has a blob of it; if none has, up to the last that has a write."""
        passed, written = [], 0
        while True:
            key = (*key[:2], self.checkpoints[key]["parent"])
            if key not in self.checkpoints or key in passed:
                return set(passed[:written])
            passed.append(key)
            if self.has_blob(key, channel):
                return set(passed)
            if any(at[:3] == key and write[0] == channel for at, write in self.writes.items()):
                written = len(passed)

    def fork(self, session, id, new_session, ns=""):
        """How many were copied; None if there is nothing to copy, or somewhere it cannot go."""
        old, new, ns = raw(session), raw(new_session), raw(ns)
        ids = set(self.chain(old, ns, id))
        if not ids or new in self.sessions:
            return None
        self.sessions.add(new)
        for one in ids:
            entry = dict(self.checkpoints[old, ns, one], **{name: None for name in KNOWN_BY_SERVER})
            self.checkpoints[new, ns, one] = entry
            for channel, version in entry["channel_versions"]:
                blob = self.blobs.get((old, ns, channel, frozen(version)))
                if blob:
                    self.blobs[new, ns, channel, frozen(version)] = blob
        for table in (self.writes, self.notes):
            table.update({(new, *key[1:]): copy.deepcopy(value) for key, value in table.items()
                          if key[:2] == (old, ns) and key[2] in ids})
        return len(ids)

    def put_writes(self, session, ns, id, task, items, overwrite=False):
        if items:
            self.sessions.add(raw(session))
        for index, channel, kind, data in items:
            key = (raw(session), raw(ns), raw(id), raw(task), index)
            if overwrite or key not in self.writes:
                self.writes[key] = [raw(channel), raw(kind), raw(data)]

    def session_delete(self, session):
        session = raw(session)
        self.sessions.discard(session)
        for table in (self.checkpoints, self.blobs, self.writes, self.notes):
            for key in [key for key in table if key[0] == session]:
                del table[key]

    # ---- what it answers ----

    def chain(self, session, ns, id):
        """The ids of a checkpoint, its parent and so on; in a circle no more than there are."""
        found, key = [], (raw(session), raw(ns), raw(id))
        most = sum(other[0] == key[0] for other in self.checkpoints)
        while key in self.checkpoints and len(found) < most:
            found.append(key[2])
            key = (*key[:2], self.checkpoints[key]["parent"])
        return found

    def writes_without_checkpoint(self, session, ns):
        """Ids that have writes and were never saved."""
        return {key[2] for key in self.writes
                if key[:2] == (raw(session), ns) and key[:3] not in self.checkpoints}

    def blobs_without_checkpoint(self, session, ns):
        """[channel, version] of blobs that none names."""
        named = {(channel, frozen(version)) for key, entry in self.checkpoints.items()
                 if key[:2] == (raw(session), ns) for channel, version in entry["channel_versions"]}
        return [[key[2], ast.literal_eval(key[3])] for key in self.blobs
                if key[:2] == (raw(session), ns) and key[2:] not in named]

    def latest(self, session, ns):
        """The id that get without an id is about, or None."""
        return max((key[2] for key in self.checkpoints if key[:2] == (raw(session), raw(ns))),
                   default=None)

    def full(self, key):
        """A checkpoint as get returns it, in the form of `seen`."""
        entry = dict(self.checkpoints[key], session=key[0], ns=key[1], id=key[2])
        del entry["plain_metadata"]
        entry["blobs"] = sorted(
            [channel, version, *self.blobs[(*key[:2], channel, frozen(version))]]
            for channel, version in entry["channel_versions"]
            if (*key[:2], channel, frozen(version)) in self.blobs)
        entry["writes"] = [[at[3], at[4], *self.writes[at]] for at in sorted(self.writes)
                           if at[:3] == key]
        return entry

    def matching(self, session=None, ns=None, before=None, after=None, tag=None, trigger=None,
                 filter=None, from_seq=None, to_seq=None):
        """The keys that list returns; seqs are known."""
        found = []
        for key, entry in self.checkpoints.items():
            if (session is None or key[0] == raw(session)) and (ns is None or key[1] == raw(ns)) \
                    and (before is None or key[2] < raw(before)) \
                    and (after is None or key[2] > raw(after)) \
                    and (tag is None or raw(tag) in (entry["tags"] or [])) \
                    and (trigger is None or raw(trigger) == entry["trigger"]) \
                    and (filter is None or condition(as_map(filter),
                                                     as_map(entry["plain_metadata"]), None)) \
                    and (from_seq is None or entry["seq"] >= from_seq) \
                    and (to_seq is None or entry["seq"] <= to_seq):
                found.append(key)
        return found

    def differences(self, entry):
        """What is not as it should be in a checkpoint in the form of `seen`, perhaps a summary.
        What only the server knows is learnt from the first sight of it."""
        key = (entry["session"], entry["ns"], entry["id"])
        if key not in self.checkpoints:
            return {"it": "should not be there"}
        for name in KNOWN_BY_SERVER:
            if self.checkpoints[key][name] is None:
                self.checkpoints[key][name] = entry[name]
        full = self.full(key)
        return {name: f"is {value!r}, should be {full[name]!r}" for name, value in entry.items()
                if full[name] != value}

    def agrees(self, entry):
        return not self.differences(entry)


def seen(item):
    """A checkpoint as the server sent it, comparable. What is empty counts as not given."""
    entry = {name: raw(value) for name, value in item.items()}
    for name in GIVEN:
        entry[name] = entry[name] or None
    if "blobs" in entry:
        entry["blobs"] = sorted(entry["blobs"])
    return entry
