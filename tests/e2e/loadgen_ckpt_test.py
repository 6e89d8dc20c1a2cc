#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The workloads of loadgen that save, list and restore checkpoints: what the server has done and
holds afterwards is what they say. Seeds are fixed."""

import collections
import unittest

from lib.loadgen import RunCase, results_of, run

PUT_WRITES = 10


class CkptTest(RunCase):
    def load(self, *args):
        results = results_of(run("-u", self.rpc, "--json", *args))
        self.assertEqual({result["errors"] for result in results.values()}, {0})
        return results

    def items(self, **options):
        """Of all pages of ckpt.list."""
        found, cursor = [], None
        while True:
            page = self.c.call("ckpt.list", cursor=cursor, **options)
            found += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return found

    def test_save(self):
        self.load("-t", "ckpt-save,ckpt_save_tags", "-n", 200, "-r", 10, "-d", 100)
        items = self.items(with_state=True)
        self.assertEqual(len({(item["session"], item["id"]) for item in items}), 400)
        self.assertEqual({len(item["state"]) for item in items}, {100})
        self.assertEqual({item["session"] for item in items},
                         {f"key:{i:012}" for i in range(10)})
        self.assertEqual(collections.Counter(tuple(item["tags"]) for item in items),
                         {(): 200, ("one", "two", "three"): 200})

    def test_save_of_many_sizes(self):
        self.load("-t", "ckpt_save", "-n", 300, "-d", "1-2000")
        sizes = {len(item["state"]) for item in self.items(with_state=True)}
        self.assertGreater(len(sizes), 150)
        self.assertLessEqual(max(sizes), 2000)

    def test_sessions_follow_the_pattern(self):
        self.load("-t", "ckpt_save", "-n", 2000, "-r", 100, "--key-pattern", "zipf")
        counts = [count for _, count in collections.Counter(
            item["session"] for item in self.items()).most_common()]
        self.assertGreater(counts[0], 5 * counts[len(counts) // 2])

    def test_save_many(self):
        results = self.load("-t", "ckpt-save-many", "-n", 4, "-c", 2, "-d", 50)
        self.assertEqual(set(results), {"ckpt_save_10", "ckpt_save_100", "ckpt_save_1000"})
        self.assertEqual(self.c.call("ckpt.session_get", "key:000000000000")["checkpoints"], 4440)
        item, = self.c.call("ckpt.list", limit=1, with_state=True)["items"]
        self.assertEqual((len(item["state"]), item["tags"]), (50, ["one", "two", "three"]))

    def test_preload(self):
        """Each session has one checkpoint, which replacing does not change."""
        self.load("-t", "ckpt_replace", "-n", 100, "-r", 20, "--preload")
        self.assertEqual({(item["session"], item["id"]) for item in self.items()},
                         {(f"key:{i:012}", "00-first") for i in range(20)})
        self.assertEqual(self.c.call("kv.count"), 0)
        self.load("-t", "ckpt_get,get", "-n", 100, "-r", 20, "--preload")
        self.assertEqual(self.c.call("kv.count"), 20)

    def test_put_writes(self):
        self.load("-t", "ckpt_put_writes", "-n", 50, "-r", 5, "-d", 70, "--preload")
        for i in range(5):
            writes = self.c.call("ckpt.get", f"key:{i:012}")["writes"]
            self.assertEqual(len(writes), PUT_WRITES)
            self.assertEqual([(task, idx) for task, idx, *_ in writes],
                             [("task", idx) for idx in range(PUT_WRITES)])
            self.assertEqual({len(write[4]) for write in writes}, {70})

    def test_get(self):
        result = self.load("-t", "ckpt-get", "-n", 100, "-r", 10)["ckpt_get"]
        self.assertEqual((result["hits"], result["misses"]), (0, 100))
        result = self.load("-t", "ckpt-get", "-n", 100, "-r", 10, "-d", 1000, "--preload",
                           "--keys-check")["ckpt_get"]
        self.assertEqual((result["hits"], result["misses"]), (100, 0))
        self.assertGreater(result["bytes_in"], 100 * 1000)
        self.refused((("-u", self.rpc, "-t", "ckpt_get", "-r", 11, "--keys-check"),
                      "10 of 11 keys are there"), status=3)

    def test_restore(self):
        before = self.calls()
        self.load("-t", "ckpt-restore", "-n", 30, "-r", 3, "--preload")
        self.assertEqual((self.calls() - before)["ckpt.restore"], 30)
        notes = [note for i in range(3)
                 for note in self.c.call("ckpt.notes", f"key:{i:012}")["items"]]
        self.assertEqual({note["type"] for note in notes}, {"restored"})

    def test_list(self):
        """Of 600, so that the range of the test, which begins at 1, is full on a new server."""
        self.setUpClass()
        self.setUp()
        self.load("-t", "ckpt_save_100", "-n", 6, "-r", 2, "--key-pattern", "sequential")
        before = self.calls()
        results = self.load("-t", "ckpt-lists", "-n", 20, "-r", 2)
        self.assertEqual((self.calls() - before)["ckpt.list"], 80)
        for name in ("ckpt_list", "ckpt_list_session", "ckpt_list_tag", "ckpt_list_seq"):
            self.assertGreater(results[name]["bytes_in"], 20 * 100 * 50, name)

    def test_agent(self):
        """The writes of a step belong to the checkpoint it has saved."""
        before = self.calls()
        result = self.load("-t", "agent", "-n", 200, "-r", 4, "-d", 30, "-P", 3)["agent"]
        done = self.calls() - before
        self.assertEqual([done[name] for name in ("ckpt.save", "ckpt.put_writes", "ckpt.get")],
                         [200, 200, 200])
        self.assertEqual((result["count"], result["hits"]), (200, 200))
        items = self.items(with_state=True)
        self.assertEqual(len(items), 200)
        for item in items:
            self.assertEqual([write[:3] for write in item["writes"]],
                             [["task", 0, "messages"], ["task", 1, "branch"]])
            self.assertEqual(item["metadata"]["source"], "loop")

    def test_script(self):
        """Words of a script can do the same."""
        path = self.file("script", '3 ckpt.get __key__\n'
                         'step=1 ckpt.save __key__ [ __repeat:5__ x ]\n'
                         'then ckpt.put_writes __key__ "" __reply:id__ t [ [ 0 c t __data__ ] ] '
                         '{ overwrite true }\n')
        result, = self.load("--script", path, "-n", 200, "-r", 4, "--preload").values()
        steps = result["by_request"]["step"]["count"]
        items = [item for item in self.items(with_state=True) if item["id"] != "00-first"]
        self.assertEqual(len(items), steps)
        for item in items:
            self.assertEqual((item["state"], len(item["writes"])), (["x"] * 5, 1))
        self.assertEqual(self.c.call("kv.count"), 0)

    def test_refused(self):
        self.refused(
            (("-u", self.resp, "-t", "ckpt-save,agent"), "in protocol resp2: ckpt_save, agent;"),
            (("-u", self.rpc, "-t", "ckpt_get", "--verify"), "give no --verify"),
            (("-u", self.rpc, "-t", "ckpt_save_100", "-d", "10-20", "-n", 1), "loadgen: "))


if __name__ == "__main__":
    unittest.main()
