# SPDX-License-Identifier: BSD-3-Clause
"""What clients know of what they wrote: the judge of everything that may happen to a server.

Each owner has keys of its own and one connection, so what it sends is committed in the order it was
sent. It remembers every call since the last start, whether and when it was acknowledged, and with
which version. After a start

    what is there now  =  what was there then + the first n of its calls

for some n, for all of its keys at once: nothing torn, no half of an atomic batch, no hole. Versions
are places in the log, one order for all owners: of all calls acknowledged, those up to the end of
the log are in, those behind it are not. What is left is how far n may lie behind what was
acknowledged; that depends on what happened (Crowd.check). What was found is the beginning of the
next round, so that damage of one crash is found by any later one."""

import hashlib
import random
import threading
import time

from lib import RpcError

KEYS = 40
SIZES = (0, 1, 50, 50, 50, 300, 5000, 200000)
GONE = (OSError, EOFError)  # what a connection says of a server that is no more


def snapshots_of(rng, wal_bytes="128KiB"):
    """Options: snapshots by the size of the log, from those that take no time to those during which
    much is written."""
    return {"snapshot.wal_bytes": wal_bytes, "snapshot.compression": "false",
            "snapshot.bytes_per_s": rng.choice(("0", "40MiB", "160MiB"))}


def body(owner, number, size):
    """A value that says what it is, and whether all of it is there."""
    digest = hashlib.sha256(f"{owner}/{number}".encode()).digest()
    return [number, digest * (size // 32 + 1)]


def body_number(owner, value):
    """The number in a value, a counter itself, 0 for absence; an AssertionError if it is torn."""
    if value is None or isinstance(value, int):
        return value or 0
    number, data = value
    digest = hashlib.sha256(f"{owner}/{number}".encode()).digest()
    assert data == digest * (len(data) // 32), f"the value of {owner} is torn"
    return number


class Call:
    """One request: its effects are [(key, number)], number None for one more."""

    def __init__(self, effects):
        self.effects = effects
        self.sent_at = self.acked_at = self.version = None


class Owner:
    """A client with keys of its own. `base`: what was there at the last start; `calls`: what it has
    sent since, but for what was refused."""

    def __init__(self, name, rng, refusals, sizes):
        self.name, self.rng, self.refusals, self.sizes = name, rng, refusals, sizes
        self.number = self.acks = self.refused = self.version = 0
        self.base, self.calls = {}, []
        self.stopping = False
        self.problem = None

    def write(self, server, count=None):
        """Until the server is gone, or so many rounds, or told to stop."""
        try:
            with server.connect() as client:
                while not self.stopping and (count is None or count > 0):
                    self._round(client)
                    count = None if count is None else count - 1
        except GONE:
            pass
        except BaseException as problem:  # pylint: disable=broad-except
            self.problem = problem

    def _request(self):
        """Something to ask for: (method, params, effects)."""
        self.number += 1
        key, kind = f"{self.name}-{self.rng.randrange(KEYS)}", self.rng.randrange(10)
        if kind == 0:
            return "kv.del", [key], [(key, 0)]
        if kind == 1:
            pair = [f"{self.name}-pair-{i}" for i in (0, 1)]
            value = body(self.name, self.number, 50)
            return ("batch", [[["kv.put", [k, value]] for k in pair], {"atomic": True}],
                    [(k, self.number) for k in pair])
        if kind == 2:
            return "kv.incr", [f"{self.name}-counter"], [(f"{self.name}-counter", None)]
        return ("kv.put", [key, body(self.name, self.number, self.rng.choice(self.sizes))],
                [(key, self.number)])

    def _round(self, client):
        frames, waiting = [], {}
        for _ in range(self.rng.choice((1, 1, 5, 30))):
            method, params, effects = self._request()
            call = Call(effects)
            frames.append(client.prepare(method, params))
            waiting[client.last_id] = (method, call)
            self.calls.append(call)
            call.sent_at = time.monotonic()
        client.send(b"".join(frames))
        while waiting:
            message = client.message()
            if message is None:
                raise EOFError
            self._note(*waiting.pop(message[1]), message[2], message[3])

    def _note(self, method, call, error, result):
        if error is not None:
            assert RpcError(error).code in self.refusals, error
            self.refused += 1
            self.calls.remove(call)
            return
        self.acks += 1
        call.acked_at = time.monotonic()
        if method in ("kv.put", "batch"):
            call.version = result if method == "kv.put" else result[0][1]
            assert call.version > self.version, \
                f"{self.name}: version {call.version} comes after {self.version}"
            self.version = call.version

    # ---- after a start ----

    def _find(self, client):
        """{key: number} as it is now, and the highest version of them."""
        keys = sorted({key for call in self.calls for key, _ in call.effects} | set(self.base))
        found, highest = {}, 0
        for key in keys:
            value = client.call("kv.get", key, with_version=True)
            found[key] = 0 if value is None else body_number(self.name, value[0])
            highest = max(highest, 0 if value is None else value[1])
        return found, highest

    def _cuts(self, found):
        """All n for which the first n calls lead to what was found."""
        state = {key: self.base.get(key, 0) for key in found}
        wrong = {key for key in found if state[key] != found[key]}
        cuts = [] if wrong else [0]
        for n, call in enumerate(self.calls, 1):
            for key, number in call.effects:
                state[key] = state[key] + 1 if number is None else number
                (wrong.discard if state[key] == found[key] else wrong.add)(key)
            if not wrong:
                cuts.append(n)
        return cuts

    def _refused_unheard(self, found):
        """As _cuts, where calls may have been refused and the server died before it said so: each
        of those that were not answered has been done or not."""
        done = [call for call in self.calls if call.acked_at]
        state = {key: [self.base.get(key, 0)] for key in found}
        for call in self.calls:
            for key, number in call.effects:
                new = state[key][-1] + 1 if number is None else number
                state[key] = [new] if call.acked_at else state[key] + [new]
        pairs = {found[key] for key in found if "-pair-" in key}
        fits = all(found[key] in state[key] for key in found) and len(pairs) <= 1
        return [len(done)] if fits else []

    def check(self, client, end):
        """What is there is what may be there, in a log that ends at the version `end`; it is what
        is known from now on. Returns the calls that were acknowledged and are lost."""
        found, highest = self._find(client)
        assert highest <= end, f"{self.name}: version {highest} is behind the end of the log, {end}"
        cuts = self._cuts(found) or (self._refused_unheard(found) if self.refusals else [])
        assert cuts, f"{self.name}: no beginning of what it sent leads to what is there"
        known = [(n, call.version) for n, call in enumerate(self.calls, 1) if call.version]
        least = max([n for n, version in known if version <= end], default=0)
        most = min([n - 1 for n, version in known if version > end], default=len(self.calls))
        cuts = [n for n in cuts if least <= n <= most]
        assert cuts, f"{self.name}: a hole before the end of the log, {end}"
        lost = [call for call in self.calls[cuts[-1]:] if call.acked_at]
        self.base, self.calls, self.version = found, [], end
        return lost


class Reader:
    """Reads what others write: an answer must not show what may be lost."""

    def __init__(self, owners, rng):
        self.owners, self.rng = owners, rng
        self.shown = self.reads = 0
        self.problem = None

    def read(self, server):
        try:
            with server.connect() as client:
                while True:
                    owner = self.rng.choice(self.owners)
                    key = f"{owner.name}-{self.rng.choice(('counter', 'pair-0', 1))}"
                    value = client.call("kv.get", key, with_version=True)
                    self.reads += 1
                    self.shown = max(self.shown, value[1] if value else 0)
        except GONE:
            pass
        except BaseException as problem:  # pylint: disable=broad-except
            self.problem = problem


class Loss:
    """What a crash took of what was acknowledged."""

    def __init__(self, calls):
        self.count = len(calls)
        self.first = min((call.acked_at for call in calls), default=0)
        # From the first to the last, and not a moment more: both are seen from outside.
        self.span = max((call.sent_at for call in calls), default=0) - self.first


class Crowd:
    """Owners and readers at work on one server after the other."""

    """refusals: errors that may answer a write, which is then not done. sizes: of values."""

    def __init__(self, seed, owners=4, readers=0, refusals=(), sizes=SIZES):
        self.owners = [Owner(f"c{i}", random.Random(seed * 1000 + i), refusals, sizes)
                       for i in range(owners)]
        self.readers = [Reader(self.owners, random.Random(seed * 1000 + 500 + i))
                        for i in range(readers)]
        self.threads = []

    @property
    def acks(self):
        return sum(one.acks for one in self.owners)

    def start(self, server, count=None):
        """Begin to write and read; owners stop after so many rounds."""
        work = [(one.write, (server, count)) for one in self.owners]
        work += [(one.read, (server,)) for one in self.readers]
        self.threads = [threading.Thread(target=what, args=args, daemon=True)
                        for what, args in work]
        for one in self.owners:
            one.stopping = False
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Owners begin no other round."""
        for one in self.owners:
            one.stopping = True

    def ends_in(self, seconds):
        """Have all ended within so many seconds?"""
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self.threads)

    def join(self, seconds=60):
        """Wait for all to end, as they do when the server is gone."""
        assert self.ends_in(seconds), f"a client still waits after {seconds} s"
        self.threads = []
        for one in self.owners + self.readers:
            if one.problem is not None:
                raise one.problem

    def check(self, server, may_lose_s=None):
        """Compare, after a start. may_lose_s: acknowledged calls may be lost, a suffix of them all
        that was sent within so many seconds; None: nothing, and nothing that was shown. Returns the
        Loss, and what the server says of its recovery."""
        try:
            with server.connect() as client:
                return self._compare(client, may_lose_s), client.call("server.recovery_report")
        except GONE as error:
            raise AssertionError(f"it does not answer, {error}:\n{server.log()}") from error

    def _compare(self, client, may_lose_s):
        end = client.call("server.stats")["counters"]["wal_appended_lsn"]
        shown = max((one.shown for one in self.readers), default=0)
        lost = [call for one in self.owners for call in one.check(client, end)]
        loss = Loss(lost)
        if may_lose_s is None:
            assert not lost, f"{loss.count} acknowledged writes"
            assert shown <= end, f"version {shown} was shown, but the log ends at {end}"
        else:
            assert loss.span <= may_lose_s, f"what was written in the course of {loss.span:.3f} s"
        for one in self.readers:
            one.shown = 0
        return loss
