# SPDX-License-Identifier: BSD-3-Clause
"""Is a history linearizable? Could what clients were told have come from operations that took
effect one after the other, each at one instant between its call and its return?

An object is a key, or the keys that batches bind together: objects are checked one by one, which is
enough (locality; Herlihy and Wing 1990, P-compositionality in Horn and Kroening, "Faster
linearizability checking via P-compositionality", FORTE 2015). The search is that of Wing and Gong
("Testing and verifying concurrent objects", JPDC 17, 1993) in the just-in-time form of Lowe
("Testing for linearizability", CCPE 29, 2017): walk along calls and returns with the set of all
configurations (state, pending operations that have taken effect); at a return those in which the
operation has not taken effect are led on by every pending operation until it has. Being a set, it
is the memo of the search, and what is left at the end are all states the object may be in: where
the next epoch, after a crash, begins.

The state of a key is (value, low, exact): a version is `low`, or above it if not `exact`, because
some replies do not tell it. Versions grow, also beyond a deletion; value None is absence.

An operation is steps on the keys of its object, done as one:

    ("get", key)            told (value, version, or None where not told)
    ("put", key, value)     told version or None
    ("add", key, delta)     told the sum
    ("del", key)            told whether there was something

on the condition need = (key, version), 0 for absence; else told Conflict(version or None). An
outcome that is not known (told is None) took effect before `end`, or never. `after` is an operation
that the same connection sent before: it took effect first."""


class Conflict:
    """Refused: the key has this version. None: another than the wanted one."""

    def __init__(self, version):
        self.version = version

    def __repr__(self):
        return f"CONFLICT {self.version}"


class Op:
    """One call. Times are of one clock, in any unit."""

    __slots__ = ("who", "steps", "need", "told", "begin", "end", "after")

    def __init__(self, who, steps, need=None, told=None, *, begin=None, end=None, after=None):
        self.who, self.steps, self.need, self.told = who, steps, need, told
        self.begin, self.end, self.after = begin, end, after

    def __repr__(self):
        need = "" if self.need is None else f" if {self.need[0]} has {self.need[1]}"
        told = "?" if self.told is None else self.told
        return f"[{self.begin} - {self.end}] {self.who}: {self.steps}{need} -> {told}"

    @property
    def writes(self):
        return any(step[0] != "get" for step in self.steps)


class Violation(AssertionError):
    """There is no such order."""


NOTHING = (None, 0, True)


def see(state, version):
    """The state if it has this version (0: absent), else None."""
    value, low, exact = state
    if value is None or version == 0:
        return state if value is None and version == 0 else None
    if exact:
        return state if version == low else None
    return (value, version, True) if version > low else None


def write(state, value, version):
    _, low, exact = state
    if version is None:
        return (value, low, False)
    return (value, version, True) if version > low + (not exact) else None


def take_step(state, step, told):
    """The state after a step that was told this; with told None whatever comes. None: it cannot
    have been told that."""
    verb = step[0]
    value, low, _ = state
    if verb == "get":
        if told is None:
            return state
        if told[0] != value:
            return None
        return state if told[1] is None else see(state, told[1])
    if verb == "put":
        return write(state, step[2], told)
    if verb == "add":
        total = (value or 0) + step[2]
        return (total, low, False) if told in (None, total) else None
    if told not in (None, value is not None):
        return None
    return state if value is None else (None, low, False)


def refuse(states, op):
    key, wanted = op.need
    actual = op.told.version
    if actual is None:
        return states if wanted == 0 and states[key][0] is not None else None
    seen = None if actual == wanted else see(states[key], actual)
    return None if seen is None else states[:key] + (seen,) + states[key + 1:]


def succeed(states, op):
    now = list(states)
    if op.need is not None:
        now[op.need[0]] = see(now[op.need[0]], op.need[1])
        if now[op.need[0]] is None:
            return None
    for i, step in enumerate(op.steps):
        state = take_step(now[step[1]], step, None if op.told is None else op.told[i])
        if state is None:
            return None
        now[step[1]] = state
    return tuple(now)


def take_effect(states, op):
    """All states of the keys that the operation may lead to from here."""
    if isinstance(op.told, Conflict):
        outcomes = [refuse(states, op)]
    else:
        outcomes = [succeed(states, op)]
        if op.told is None and op.need is not None:
            outcomes.append(states)  # refused, and nobody was told
    return [outcome for outcome in outcomes if outcome is not None]


class Checker:
    """Follows one object through its epochs. configurations: looked at so far."""

    def __init__(self, name, n_keys):
        self.name = name
        self.states = {(NOTHING,) * n_keys}
        self.configurations = self.ops = 0

    def epoch(self, ops):
        """All operations between two crashes; those without an end are open until the crash.
        Raises Violation."""
        ops = [op for op in ops if op.told is not None or op.writes]
        last = max((t for op in ops for t in (op.begin, op.end) if t is not None), default=0)
        events = []
        for i, op in enumerate(ops):
            events.append((op.begin, 0, i, op))
            # Of what ends at once the later ones first: what comes after something has to wait.
            events.append((last + 1 if op.end is None else op.end, 1, -i, op))
        self.ops += len(ops)
        configurations = {(states, frozenset()) for states in self.states}
        pending = set()
        for _, is_return, _, op in sorted(events, key=lambda event: event[:3]):
            if not is_return:
                pending.add(op)
                continue
            before, configurations = configurations, self.lead_on(configurations, pending, op)
            pending.remove(op)
            if not configurations:
                self.fail(ops, op, before)
        self.states = {states for states, _ in configurations}

    def lead_on(self, configurations, pending, op):
        """The configurations after the return of `op`."""
        found, seen, stack = set(), set(configurations), list(configurations)
        while stack:
            states, done = stack.pop()
            if op in done:
                found.add((states, done - {op}))
                continue
            if op.told is None:
                found.add((states, done))  # never
            for other in pending - done:
                if other.after in pending and other.after not in done:
                    continue
                for after in take_effect(states, other):
                    following = (after, done | {other})
                    if following not in seen:
                        seen.add(following)
                        stack.append(following)
        self.configurations += len(seen)
        return found

    def fail(self, ops, op, before):
        around = [other for other in ops if other.begin <= op.end and
                  (other.end is None or other.end >= op.begin)]
        earlier = [other for other in ops if other.end is not None and other.end < op.begin]
        lines = [f"{self.name} is not linearizable: nothing explains", f"  {op}", "before it:"]
        lines += [f"  {other}" for other in sorted(earlier, key=lambda o: o.end)[-12:]]
        lines += ["at the same time:"] + [f"  {other}" for other in around if other is not op]
        states = sorted({str(states) for states, _ in before})
        lines += [f"{len(states)} states (value, version, exactly) may be there, among them:"]
        raise Violation("\n".join(lines + [f"  {state}" for state in states[:10]]))
