# SPDX-License-Identifier: BSD-3-Clause
"""A client that is told of changes."""

from .client import Client


class Watcher(Client):
    """A client that takes notifications apart while it waits for replies or events."""

    def __init__(self, address, **how):
        super().__init__(address, **how)
        self.events = {}  # watch id: [event...]
        self.notifications = []

    def message(self):
        while True:
            message = super().message()
            if message is None or message[0] != 2:
                return message
            self.note(message)

    def note(self, message):
        kind, method, params = message
        assert (kind, method) == (2, "watch.event"), message
        watch, *events = params
        assert events, message
        self.notifications.append(params)
        self.events.setdefault(watch, []).extend(events)

    def open(self, *params, **options):
        reply = self.call("watch.open", *params, **options)
        assert sorted(reply) == ["history", "version", "watch"], reply
        return reply["watch"]

    def take(self, watch, count):
        """The next `count` events of a watch."""
        while len(self.events.get(watch, [])) < count:
            message = super().message()
            if message is None:
                raise ConnectionError("the server closed the connection")
            assert message[0] == 2, message
            self.note(message)
        events = self.events.setdefault(watch, [])
        taken, self.events[watch] = events[:count], events[count:]
        return taken

    def account(self, watch, last):
        """Events up to this version, of a watch of everything: each version is told, or is in a
        range that was lost. Returns the versions and how often some were lost."""
        seen, losses = [], 0
        while not seen or seen[-1] < last:
            event = self.take(watch, 1)[0]
            if event["type"] == "lagged":
                assert not seen or event["from_version"] == seen[-1] + 1, (event, seen[-1])
                seen += range(event["from_version"], event["version"] + 1)
                losses += 1
            else:
                seen.append(event["version"])
        assert seen == list(range(seen[0], last + 1)), seen
        return seen, losses

    def nothing(self, watch):
        """All that happened before has been told, and it was nothing (more)."""
        self.call("watch.list")
        self.call("ping")
        return not self.events.get(watch)
