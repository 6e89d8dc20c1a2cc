#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints against lib/ckpt_oracle.py: seeded random operations, by several clients at once, and
by one with restarts, snapshots and kill -9 in between. What was not answered before a kill may have
happened or not: each possibility is a world, and what is seen later decides among them.

    ckpt_model_test.py --seed 7 --steps 20000 --mode strict"""

import argparse
import concurrent.futures
import os
import random
import shutil
import sys
import tempfile
import time

from lib import RpcError, Server, until
from lib.ckpt_oracle import World, raw, seen

SESSIONS = ["thread-1", "thread-2", b"\x00*", "\u00e9"]
NAMESPACES = ["", "", "child", b"\xff|n"]
IDS = ["1", "10", "2", "a", "ab", b"*", b"\x00", b"\xff\xff", "i" * 255]
TASKS = ["task-a", "task-b", b"\x00"]
CHANNELS = ["messages", "count", "", "__error__"]
VERSIONS = [1, 2, 3, "00000000000000000000000000000001.0.5", "1", 2.5]
RUN_IDS = [f"run-{i}" for i in range(20)]
SOURCES = ["input", "loop", "update"]
CLIENTS = 3
YEARS_MS = 10 ** 11
MADE_S = 120  # how far clocks may be apart


class Model:
    """A server, the worlds it may be in, and a client."""

    def __init__(self, seed, mode, folder, server=None):
        """server: one that others use, too; what is done here is done in a run of its own."""
        self.rng = random.Random(seed)
        self.shared = server is not None
        self.run_name = f"model-{seed}"
        self.options = {"data.dir": os.path.join(folder, "data"), "durability.mode": mode,
                        "durability.any_file_system": "true", "server.loops": 2,
                        "snapshot.wal_bytes": "64KiB", "durability.segment_bytes": "256KiB"}
        self.worlds = [World()]
        self.top_seq = 0
        self.counts = {}
        self.focus = "thread-1", "", "1"
        self.step = 0
        self.server = server
        self.start()

    def start(self):
        if not self.shared:
            self.server = Server(self.options, expect_log="were cut off")
        self.client = self.server.connect()
        self.client.call("run.use", self.run_name)

    def one_in(self, n):
        return self.rng.randrange(n) == 0

    def pick(self, things):
        return self.rng.choice(things)

    def call(self, verb, *params, **options):
        self.counts[verb] = self.counts.get(verb, 0) + 1
        return self.client.call("ckpt." + verb, *params, **options)

    def keep(self, test, what):
        """Only the worlds that agree are left; there must be one."""
        left = [world for world in self.worlds if test(world)]
        assert left, f"step {self.step}: {what}"
        self.worlds = left

    def keep_agreeing(self, items):
        """The worlds in which all these checkpoints are as they were sent."""
        for entry in items:
            wrong = self.worlds[0].differences(entry)
            self.keep(lambda world, entry=entry: world.agrees(entry),
                      f"{entry['session']} {entry['ns']} {entry['id']}: {wrong}")

    # ---- chance ----

    def place(self):
        """A session, a namespace and an id: for a while mostly the same, so that things meet."""
        if self.one_in(25):
            self.focus = self.pick(SESSIONS), self.pick(NAMESPACES), self.pick(IDS)
        return self.focus if self.one_in(2) else \
            (self.pick(SESSIONS), self.pick(NAMESPACES), self.pick(IDS))

    def text(self):
        """Kilobytes that resemble those of other steps."""
        lines = [f"{i}: what was said at step {i}, at some length" for i in range(self.step % 200)]
        lines[len(lines) // 2:len(lines) // 2 + 1] = [f"something new {self.step}"]
        return "\n".join(lines)

    def value(self):
        if self.one_in(3):
            return {"messages": self.text().split("\n"), "step": self.step}
        return self.pick([None, self.step, "text", b"\x00\xff", ["list", {"of": self.step}],
                          {"counter": self.step, "big": "x" * self.rng.choice([0, 10, 5000])}])

    def blob(self, channel, version):
        return [channel, version, self.pick(["json", "bytes"]), self.pick(
            [b"", b"%d/" % self.step, b"%d/" % self.step, self.text().encode()])]

    def metadata(self):
        return {"source": self.pick(SOURCES), "step": self.rng.randrange(-1, 5),
                "n": {"score": self.pick([1, 1.0, 2.5, None])}, "labels": self.pick([[], ["x"]]),
                "run_id": self.pick(RUN_IDS)}

    def some_filter(self):
        return self.pick([
            {}, {"source": self.pick(SOURCES)}, {"source": "loop", "step": 1},
            {"step": {"$gte": 2}}, {"n.score": 1}, {"n.score": {"$exists": True, "$ne": None}},
            {"labels": {"$contains": "x"}}, {"labels": []}, {"none": {"$exists": False}},
            {"$or": [{"step": {"$in": [0, 3]}}, {"$not": {"source": "input"}}]}])

    def save_arguments(self, with_id):
        session, ns, id_ = self.place()
        channels = self.rng.sample(CHANNELS, self.rng.randrange(4))
        versions = [[channel, self.pick(VERSIONS)] for channel in channels]
        options = {"blobs": [self.blob(*one) for one in versions if self.one_in(2)]}
        if versions or self.one_in(2):
            options["channel_versions"] = versions
        if self.one_in(4):
            options["blobs"].append(self.blob(self.pick(CHANNELS), 9))  # no one names it
        if self.one_in(2):
            options["metadata"] = self.metadata()
        for name, make in (("parent", lambda: self.pick(IDS)), ("message", lambda: "why"),
                           ("tags", lambda: self.rng.sample(["good", "bad", b"\xff"], 2)),
                           ("trigger", lambda: self.pick(["manual", "step"])),
                           ("checkpoint", lambda: ["json", b"{}"])):
            if self.one_in(3):
                options[name] = make()
        if ns or self.one_in(2):
            options["ns"] = ns
        if with_id:
            options["id"] = id_
        return (session, self.value()), options

    def many_arguments(self):
        session = self.place()[0]
        entries = []
        for _ in range(self.rng.randrange(1, 4)):
            (_, state), options = self.save_arguments(with_id=True)
            entries.append({"state": state, **options})
        return session, entries

    def writes_arguments(self):
        session, ns, id_ = self.place()
        indexes = self.rng.sample([0, 1, 2, 300, -1, -4], self.rng.randrange(4))
        items = [[index, *self.blob(self.pick(CHANNELS), 0)] for index in indexes]
        items = [[index, channel, kind, data] for index, channel, _, kind, data in items]
        params = (session, ns, id_, self.pick(TASKS), items)
        return params, {"overwrite": True} if self.one_in(3) else {}

    # ---- steps ----

    def save(self, arguments=None):
        params, options = arguments or self.save_arguments(with_id=not self.one_in(6))
        before = time.time()
        reply = self.call("save", *params, **options)
        key = (raw(params[0]), raw(options.get("ns", "")), raw(reply["id"]))
        assert "id" not in options or key[2] == raw(options["id"]), reply
        old = [world.checkpoints.get(key) for world in self.worlds]
        for world in self.worlds:
            world.save(*params, reply, **options)
        self.see_number(reply["seq"])
        made = self.get_key(key)["created_at"] / 1000
        assert before - MADE_S < made < time.time() + MADE_S, (before, made)

    def see_number(self, seq):
        assert seq > self.top_seq, f"step {self.step}: number {seq} after {self.top_seq}"
        self.top_seq = seq

    def save_many(self):
        """Several at once; at times one of them is wrong, and none is saved."""
        session, entries = self.many_arguments()
        if self.one_in(3):
            entries.insert(self.rng.randrange(len(entries) + 1), {"state": 1, "tags": "no array"})
            self.fails("BAD_ARGUMENT", "save_many", session, entries)
            return
        replies = self.call("save_many", session, entries)
        for world in self.worlds:
            world.save_many(session, entries, replies)
        for reply in replies:
            self.see_number(reply["seq"])

    def fails(self, code, verb, *params, **options):
        try:
            result = self.call(verb, *params, **options)
        except RpcError as error:
            assert error.code in code.split("|"), error
        else:
            raise AssertionError(f"step {self.step}: {verb} {params} answered {result}")

    def delete(self):
        session, ns, id_ = self.place()
        result = self.call("delete", session, id_, ns=ns)
        self.keep(lambda world: world.delete(session, id_, ns) == result, f"delete is {result}")

    def tag(self):
        session, ns, id_ = self.place()
        verb = self.pick(["tag", "untag"])
        tags = [self.pick(["good", "bad", b"\xff"]) for _ in range(self.rng.randrange(3))]
        if not any(world.tag(session, id_, [], ns) is not None for world in self.worlds):
            self.fails("NOT_FOUND", verb, session, id_, tags, ns=ns)
            return
        result = raw(self.call(verb, session, id_, tags, ns=ns))
        self.keep(lambda world: getattr(world, verb)(session, id_, tags, ns) == result,
                  f"{verb} {tags} is {result}")

    def delete_runs(self):
        run_ids = [self.pick(RUN_IDS)]
        result = self.call("delete_runs", run_ids)
        self.keep(lambda world: world.delete_runs(run_ids) == result, f"delete_runs is {result}")

    def note(self):
        """Restore a checkpoint or annotate it, and see its notes."""
        session, ns, id_ = self.place()
        key = (raw(session), raw(ns), raw(id_))
        if not any(key in world.checkpoints for world in self.worlds):
            self.fails("NOT_FOUND", "restore", session, id_, ns=ns)
            self.fails("NOT_FOUND", "annotate", session, id_, "nobody", ns=ns)
            return
        if self.one_in(2):
            state = raw(self.call("restore", session, id_, ns=ns))
            self.keep(lambda world: world.note(session, id_, "restored", None, None, ns) and
                      world.checkpoints[key]["state"] == state, f"restored {key}: {state!r}")
        else:
            severity = self.pick(["info", "warning"])
            self.call("annotate", session, id_, f"at {self.step}", severity=severity, ns=ns)
            self.keep(lambda world: world.note(session, id_, "annotation", severity,
                                               f"at {self.step}", ns), f"annotated {key}")
        found = [[raw(one[name]) for name in ("type", "severity", "note")]
                 for one in self.call("notes", session, ns=ns, id=id_)["items"]]
        self.keep(lambda world: world.notes[key] == found, f"notes of {key} are {found}")

    def clear(self):
        """Delete all that is in a session, one by one: it has no bytes then."""
        session = self.place()[0]
        if not self.one_in(4) or len(self.worlds) > 1 or \
                raw(session) not in self.worlds[0].sessions:
            return
        world = self.worlds[0]
        for ns in set(key[1] for table in (world.blobs, world.writes) for key in table
                      if key[0] == raw(session)):
            for id_ in world.writes_without_checkpoint(session, ns):
                self.save(((session, None), {"ns": ns, "id": id_}))
            self.save(((session, None), {"ns": ns, "id": "clear", "channel_versions":
                                         world.blobs_without_checkpoint(session, ns)}))
        for key in [key for key in world.checkpoints if key[0] == raw(session)]:
            assert self.call("delete", session, key[2], ns=key[1])
            world.delete(session, key[2], key[1])
        known = self.call("session_get", session)
        assert known["bytes"] == known["checkpoints"] == 0, f"step {self.step}: {known}"

    def compact(self):
        if not self.one_in(4):
            return
        session, ns, _ = self.place()
        options = {"keep_recent": self.rng.randrange(4)}
        for name, value in (("ns", ns), ("per_ns", True), ("keep_tags", ["good"])):
            if self.one_in(2):
                options[name] = value
        result = self.call("compact", session, **options)
        self.keep(lambda world: world.compact(session, **options) ==
                  (result["deleted"], result["kept"]), f"compact {options} is {result}")

    def fork(self):
        session, ns, id_ = self.place()
        new = self.pick([other for other in SESSIONS if other != session])
        if not any(world.copy().fork(session, id_, new, ns) for world in self.worlds):
            self.fails("CONFLICT|NOT_FOUND", "fork", session, id_, new, ns=ns)
            return
        result = self.call("fork", session, id_, new, ns=ns)["checkpoints"]
        self.keep(lambda world: world.fork(session, id_, new, ns) == result, f"fork is {result}")
        self.everything()

    def history(self):
        session, ns, id_ = self.place()
        limit, items, cursor = self.pick([1, 2, 100]), [], None
        while True:
            page = self.call("history", session, ns=ns, id=id_, limit=limit,
                             **({"cursor": cursor} if cursor else {}))
            items += [seen(item) for item in page["items"]]
            cursor = page["cursor"]
            if cursor is None:
                break
        ids = [item["id"] for item in items]
        self.keep(lambda world: world.chain(session, ns, id_) == ids, f"history is {ids}")
        self.keep_agreeing(items)

    def sums(self):
        """What is told of all, and of each session."""
        def agreeing():  # what has just expired may be counted for a tick of the clock
            sums = self.call("metrics")
            return [world for world in self.worlds
                    if (len(world.sessions), len(world.checkpoints)) ==
                    (sums["sessions"], sums["checkpoints"])]
        self.worlds = until(agreeing, f"step {self.step}: metrics as in {len(self.worlds)} worlds")
        result = self.call("validate")
        assert result["invalid"] == 0, result
        self.keep(lambda world: len(world.checkpoints) == result["valid"], f"{result} are valid")
        for session in SESSIONS:
            known = self.call("session_get", session)
            count = known and known["checkpoints"]
            self.keep(lambda world: count == (sum(key[0] == raw(session) for key in
                                                  world.checkpoints)
                                              if raw(session) in world.sessions else None),
                      f"session {session!r} is {known}")

    def put_writes(self):
        params, options = self.writes_arguments()
        self.call("put_writes", *params, **options)
        for world in self.worlds:
            world.put_writes(*params, **options)

    def session_create(self, session):
        """One that is not there; at times one that stores what states have in common once."""
        if any(raw(session) in world.sessions for world in self.worlds):
            return
        self.call("session_create", session, delta=self.one_in(2))
        for world in self.worlds:
            world.sessions.add(raw(session))

    def session_delete(self):
        if not self.one_in(4):
            return
        session = self.place()[0]
        self.call("session_delete", session)
        for world in self.worlds:
            world.session_delete(session)
        if not self.one_in(3):
            self.session_create(session)

    def expire(self):
        """A session expires: it is gone as if it had been deleted. Others will, in years."""
        session = self.place()[0]
        if not any(raw(session) in world.sessions for world in self.worlds):
            return
        if not self.one_in(8):
            ttl = self.pick([0, YEARS_MS])
            self.call("session_create", session, ttl_ms=ttl)
            for world in self.worlds:
                world.sessions.add(raw(session))
            known = self.call("session_get", session)
            assert known["ttl_ms"] == ttl and (known["expires_at"] or 0) >= ttl, known
            return
        self.call("session_create", session, ttl_ms=1)
        until(lambda: self.call("session_get", session) is None, f"{session!r} expires")
        for world in self.worlds:
            world.session_delete(session)

    def throttle(self):
        """Where a session saves once in years, what is there is answered, and stays."""
        (session, state), options = self.save_arguments(with_id=True)
        options["trigger"] = "step"
        if not all(raw(session) in world.sessions for world in self.worlds):
            return
        self.call("auto", session, YEARS_MS)
        latest = self.call("get", session, ns=options.get("ns", ""))
        if latest is None:
            self.save(((session, state), options))
        else:
            reply = self.call("save", session, state, **options)
            assert reply == {**{name: latest[name] for name in ("id", "seq", "version")},
                             "throttled": True}, f"step {self.step}: {reply}, not {latest}"
            self.keep_agreeing([seen(latest)])
        self.save(((session, state), {**options, "trigger": "manual"}))
        self.call("auto", session, 0)
        self.save(((session, state), options))

    def get_key(self, key):
        item = self.call("get", key[0], ns=key[1], id=key[2])
        if item is None:
            self.keep(lambda world: key not in world.checkpoints, f"{key} is missing")
        else:
            self.keep_agreeing([seen(item)])
        return item

    def get(self):
        session, ns, id_ = self.place()
        if self.one_in(2):
            self.get_key((raw(session), raw(ns), raw(id_)))
            return
        item = self.call("get", session, **({"ns": ns} if ns or self.one_in(2) else {}))
        latest = raw(item["id"]) if item else None
        self.keep(lambda world: world.latest(session, ns) == latest,
                  f"the latest of {session!r} {ns!r} is {latest!r}")
        if item:
            self.keep_agreeing([seen(item)])

    def list_options(self):
        options = {}
        for name, make in (("session", lambda: self.pick(SESSIONS)),
                           ("ns", lambda: self.pick(NAMESPACES)),
                           ("before", lambda: self.pick(IDS)), ("after", lambda: self.pick(IDS)),
                           ("tag", lambda: self.pick(["good", b"\xff"])),
                           ("trigger", lambda: "step"), ("filter", self.some_filter),
                           ("from_seq", lambda: self.rng.randrange(self.top_seq + 2)),
                           ("to_seq", lambda: self.rng.randrange(self.top_seq + 2))):
            if self.one_in(2 if name in ("session", "ns") else 6):
                options[name] = make()
        return options

    def pages(self, options, **how):
        """All items, page by page."""
        items, cursor = [], None
        while True:
            page = self.call("list", **options, **how, **({"cursor": cursor} if cursor else {}))
            assert len(page["items"]) <= how.get("limit", 100), len(page["items"])
            items += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return items

    def list(self, options=None, with_state=None):
        options = self.list_options() if options is None else options
        how = {"limit": self.pick([1, 2, 3, 100])} if self.one_in(2) else {}
        with_state = self.one_in(2) if with_state is None else with_state
        entries = [seen(item) for item in
                   self.pages(options, **how, **({"with_state": True} if with_state else {}))]
        keys = [(entry["session"], entry["ns"], entry["id"]) for entry in entries]
        assert len(set(keys)) == len(keys), f"list {options}: twice in {keys}"
        order = [entry["id"] if "session" in options and "ns" in options else entry["seq"]
                 for entry in entries]
        assert order == sorted(order, reverse=True), f"list {options}: not newest first"
        for entry in entries:
            assert with_state == ("state" in entry) == ("writes" in entry), entry
        self.keep(lambda world: not options or
                  sorted(world.matching(**options)) == sorted(keys), f"list {options} is {keys}")
        self.keep_agreeing(entries)
        self.keep(lambda world: sorted(world.matching(**options)) == sorted(keys),
                  f"list {options} is {keys}")

    def round_trip(self):
        """Exported and imported elsewhere, page by page, a session is what it was."""
        session, items, cursor = self.pick(SESSIONS), [], None
        while True:
            page = self.call("export", session, limit=self.pick([1, 3, 100]),
                             **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                break
        step = self.pick([1, 2, 50])
        for at in range(0, len(items), step):
            self.call("import", items[at:at + step], mode=self.pick(["overwrite", "skip"]),
                      run="elsewhere")
        here, there = ({(entry["ns"], entry["id"]): entry for entry in
                        self.pages({"session": session}, with_state=True, **run)}
                       for run in ({}, {"run": "elsewhere"}))
        for entries in (here, there):
            for entry in entries.values():
                del entry["seq"], entry["version"]
        assert here == there, (session, here, there)
        notes = [[{name: value for name, value in note.items() if name != "seq"}
                  for note in self.call("notes", session, limit=1000, **run)["items"]
                  if (note["ns"], note["id"]) in here]
                 for run in ({}, {"run": "elsewhere"})]
        assert notes[0] == notes[1], (session, notes)
        valid = self.call("validate", run="elsewhere")
        assert valid == {"valid": len(here), "invalid": 0, "ids": []}, valid
        self.client.call("run.drop", "elsewhere")

    def everything(self):
        """See all, and with it the numbers that were not seen yet."""
        self.list({}, True)
        self.top_seq = max([self.top_seq] + [entry["seq"] for world in self.worlds
                                             for entry in world.checkpoints.values()])

    def restart(self):
        self.client.close()
        self.server.stop()
        self.start()
        self.everything()
        self.sums()

    def some_change(self):
        kind = self.pick(["save", "save", "save_many", "put_writes", "session_delete", "delete"])
        session, ns, id_ = self.place()
        params, options = {"save": lambda: self.save_arguments(with_id=True),
                           "save_many": lambda: (self.many_arguments(), {}),
                           "put_writes": self.writes_arguments,
                           "delete": lambda: ((session, id_), {"ns": ns}),
                           "session_delete": lambda: ((session,), {})}[kind]()
        return kind, params, options

    def kill(self):
        """Some requests are on their way when the server dies; of n, the first 0 to n are done."""
        self.server.check_log()
        worlds = self.worlds
        changes = [self.some_change() for _ in range(self.rng.randrange(6))]
        if self.one_in(3):  # the last, as others would overtake it
            session, ns, id_ = self.place()
            changes.append(("fork", (session, id_, b"forked%d" % self.step), {"ns": ns}))
        for kind, params, options in changes:
            self.client.post("ckpt." + kind, *params, **options)
            worlds = [world.copy() for world in worlds]
            for world in worlds:
                getattr(world, kind)(*params, **options)
            self.worlds = self.worlds + worlds
        time.sleep(self.pick([0, 0.0005, 0.002]))
        self.server.kill()
        self.client.close()
        self.start()
        self.everything()
        self.forget_equal_worlds()

    def forget_equal_worlds(self):
        left = []
        for world in self.worlds:
            if not any(vars(world) == vars(other) for other in left):
                left.append(world)
        self.worlds = left

    def run(self, steps):
        often = [self.save, self.save, self.save, self.put_writes, self.get, self.get, self.list,
                 self.save_many, self.tag, self.delete, self.compact, self.history,
                 self.fork, self.session_delete, self.delete_runs,
                 self.note, self.clear, self.expire, self.throttle]
        often += [] if self.shared else [self.round_trip]
        rare = [self.restart, self.kill, self.kill, self.sums]
        for session in SESSIONS:
            self.session_create(session)
        for self.step in range(steps):
            if self.one_in(80):
                self.pick([self.sums] if self.shared else rare)()
            else:
                self.pick(often)()
        self.everything()
        self.sums()
        if not self.shared:
            self.restart()


def alone(args, folder):
    """One client, and a server that is killed and started again."""
    model = Model(args.seed, args.mode, folder)
    try:
        model.run(args.steps)
        model.server.stop()
    except BaseException:
        print(f"step {model.step}, the files are in {folder}\n{model.server.log()}")
        model.server.kill()
        raise
    print(model.counts)


def together(args, folder):
    """Several clients at once, on a server that lives."""
    options = {"data.dir": os.path.join(folder, "together"), "durability.mode": args.mode,
               "durability.any_file_system": "true", "server.loops": 2,
               "snapshot.wal_bytes": "64KiB"}
    with Server(options) as server:
        models = [Model(args.seed + i, args.mode, folder, server) for i in range(CLIENTS)]
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(model.run, args.steps // CLIENTS) for model in models]:
                done.result()


def main():
    """Run as a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CAIRN_SEED", "1")))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--mode", choices=("buffered", "strict"), default="buffered")
    args = parser.parse_args()
    print(f"CAIRN_SEED={args.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="cairn-ckpt-")
    alone(args, folder)
    together(args, folder)
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
