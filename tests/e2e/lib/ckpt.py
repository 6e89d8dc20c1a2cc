# SPDX-License-Identifier: BSD-3-Clause
"""For tests of checkpoints: ckpt.* by short names."""

from . import TestCase


class CkptTest(TestCase):
    def call(self, method, *params, **options):
        return self.c.call(f"ckpt.{method}", *params, **options)

    def refuses(self, code, method, *params, **options):
        return self.fails(code, f"ckpt.{method}", *params, **options)

    def ids(self, **options):
        """Ids that ckpt.list gives, over all its pages."""
        found, cursor = [], None
        while True:
            page = self.call("list", cursor=cursor, **options)
            found += [item["id"] for item in page["items"]]
            cursor = page["cursor"]
            if cursor is None:
                return found
