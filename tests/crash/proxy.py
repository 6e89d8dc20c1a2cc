#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Connections harmed on the way (proxy_link.py): what does cairnd do, and what do its clients?

    proxy.py --connections 2000 --seed 7

Each connection has keys of its own, and does some of: count; count on two keys in one atomic batch;
count and write a value in one. So from the counter follows everything else that must be there.
Clients: MessagePack-RPC, RESP (atomic batches by MULTI), redis-py, and the command line (libcairn).

  * What was acknowledged is there; nothing is there twice, or in part; a request of which a byte is
    missing was not done. What passed whole was done whole, and so were all requests before a half
    close, each of them answered.
  * A client that is cut off says so, by the error that is made for it.
  * The server hangs up on who began a request and does not go on (limits.frame_ms). At the end it
    lives, has no connection and no descriptor left over, has given back the memory of clients,
    and its log holds no error.

Prints counts; the exit status is 1 if something was wrong. With --lie every request that is said to
pass is sent twice, and it is an error if that is not noticed."""

import argparse
import collections
import os
import random
import re
import subprocess
import sys
import threading
import time

import redis

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
from lib import Client, Server, memory_slack, until  # noqa: E402
from lib.resp import BadReply, Resp, encode as resp_encode  # noqa: E402
from proxy_link import KINDS, WHOLE, Link  # noqa: E402

CAIRN = os.environ.get("CAIRN", "cairn")
WORKERS = 12
FRAME_MS = 3000  # whoever sends byte by byte on a busy machine must be quicker
HANGS_UP_S = 50  # in which it must have closed who began a frame
UNREACHABLE = 3  # exit status of cairn, and what it says
CUT_OFF = re.compile(r"cairn: (DISCONNECTED|TIMEOUT) \w+")
SIZES = (0, 10, 10, 200, 3000, 120000)
COUNT, BOTH, WRITE = range(3)


class Job:
    """What one connection does, and what came of it. does: COUNT, BOTH or WRITE for each request;
    ends: where each ends in the bytes sent, if that is known; frames: where those of the protocol
    do."""

    def __init__(self, number, rng, lie=False):
        self.number, self.rng, self.lie = number, rng, lie
        self.kind = rng.choice(KINDS)
        self.does = [rng.randrange(3) for _ in range(rng.choice((1, 2, 5, 20)))]
        self.size = rng.choice(SIZES if self.kind != "trickle" else SIZES[:-1])
        self.ends = self.frames = None
        self.acked = 0
        self.link = None
        self.wrong = None

    def keys(self):
        return [f"{name}-{self.number}" for name in ("count", "both", "last")]

    def value(self, i):
        return f"{i}:" + "v" * self.size

    def __repr__(self):
        return (f"connection {self.number}: {self.kind} at {self.link.at}, {len(self.does)} "
                f"requests, acknowledged {self.acked}, delivered {self.link.delivered} bytes")


# ---- clients: each does the job, and counts what was acknowledged ----

def with_harm(job, server, protocol, all_bytes):
    """A way to the server; the place of the harm is anywhere in these bytes, or now and then at the
    end of a request, which is the beginning of the next."""
    at = job.rng.randrange(1, all_bytes + 1)
    if job.ends is not None and job.rng.random() < 0.3:
        at = job.rng.choice(job.ends)
    if job.kind in ("deaf", "deaf_reset"):
        at = job.rng.randrange(1, 40 * len(job.does))
    kind = "double" if job.lie and job.kind == "pass" else job.kind
    begun = job.frames is not None and at not in job.frames
    job.link = Link(server.address_of(0, protocol), kind, at, HANGS_UP_S if begun else 0.5)
    return job.link.address


def patience(job):
    """Seconds."""
    return 0.2 if job.kind == "hole" else 30


def exchange(job, frames, connect, receive):
    """Send, in one go or one by one, and count the answers. Cut off: that is how it goes."""
    together = job.rng.random() < 0.6
    try:
        with connect() as client:
            if together:
                client.send(b"".join(frames))
            for frame in frames:
                if not together:
                    client.send(frame)
                if not receive(client):
                    return
                job.acked += 1
    except (OSError, BadReply):
        return


def by_rpc(job, server):
    count, both, last = job.keys()
    maker = Client.__new__(Client)
    maker.last_id, maker.waiting = 0, {}
    frames = []
    for i, what in enumerate(job.does):
        calls = [["kv.incr", [count]], ["kv.incr", [both]] if what == BOTH else
                 ["kv.put", [last, job.value(i)]]]
        frames.append(maker.prepare("kv.incr", [count]) if what == COUNT else
                      maker.prepare("batch", [calls, {"atomic": True}]))
    job.ends = job.frames = ends_of(frames)
    address = with_harm(job, server, "rpc", job.ends[-1])

    def receive(client):
        message = client.message()
        assert message is None or message[2] is None, message
        return message is not None

    exchange(job, frames, lambda: Client(address, timeout=patience(job)), receive)


def by_resp(job, server):
    count, both, last = job.keys()
    frames, n_replies, commands_all = [], [], []
    for i, what in enumerate(job.does):
        commands = [["INCR", count]]
        if what != COUNT:
            second = ["INCR", both] if what == BOTH else ["SET", last, job.value(i)]
            commands = [["MULTI"], *commands, second, ["EXEC"]]
        commands_all += [resp_encode(*command) for command in commands]
        frames.append(b"".join(commands_all[-len(commands):]))
        n_replies.append(len(commands))
    job.ends, job.frames = ends_of(frames), ends_of(commands_all)
    address = with_harm(job, server, "resp", job.ends[-1])
    left = iter(n_replies)

    def receive(client):
        for _ in range(next(left)):
            reply = client.read()
            assert reply is None or not reply.is_error, reply
            if reply is None:
                return False
        return True

    exchange(job, frames, lambda: Resp(address, timeout=patience(job)), receive)


def ends_of(frames):
    ends, at = [], 0
    for frame in frames:
        at += len(frame)
        ends.append(at)
    return ends


def by_redis_py(job, server):
    count, both, last = job.keys()
    host, port = with_harm(job, server, "resp", 60 * len(job.does))
    retries = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    client = redis.Redis(host, port, socket_timeout=patience(job), retry=retries)
    try:
        for i, what in enumerate(job.does):
            pipe = client.pipeline(transaction=what != COUNT)
            pipe.incr(count)
            if what == BOTH:
                pipe.incr(both)
            elif what == WRITE:
                pipe.set(last, job.value(i))
            pipe.execute()
            job.acked += 1
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
        assert job.kind not in WHOLE, f"{job}: {error}"
        assert str(error), "an error without a word"
    finally:
        client.close()


def by_cairn(job, server):
    job.does = [COUNT]
    host, port = with_harm(job, server, "rpc", 60)
    done = subprocess.run([CAIRN, "-h", host, "-p", str(port), "--timeout",
                           f"{int(patience(job) * 1000)}ms", "kv.incr", job.keys()[0]],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
                          encoding="utf-8")
    job.acked = int(done.returncode == 0)
    if done.returncode == 0:
        assert done.stdout.strip() in ("1", "2"), f"{job}: {done}"
        return
    assert job.kind not in WHOLE, f"{job}: {done}"
    assert done.returncode == UNREACHABLE and CUT_OFF.match(done.stderr), f"{job}: {done}"


CLIENTS = (by_rpc, by_rpc, by_rpc, by_resp, by_resp, by_resp, by_redis_py, by_cairn)


# ---- what came of it ----

def explains(job, ways, count, both, last):
    """Are these the counters after so many requests on each of the connections?"""
    n_both = sum(job.does[:n].count(BOTH) for n in ways)
    written = {[i for i, what in enumerate(job.does[:n]) if what == WRITE][-1]
               for n in ways if WRITE in job.does[:n]}
    return count == sum(ways) and both == n_both and (last in written or not written) and \
        (last is None) == (not written)


def check(job, client):
    """The keys of this connection hold what they may hold."""
    if job.wrong is not None:
        raise job.wrong
    count, both, last = client.call("kv.mget", job.keys())
    number = None if last is None else int(last.split(":" if isinstance(last, str) else b":")[0])
    if number is not None:
        text = last if isinstance(last, str) else last.decode()
        assert text == job.value(number), f"{job}: a value in part"
    count, both = int(count or 0), int(both or 0)
    n = len(job.does)
    whole = job.kind in WHOLE
    most = n if job.ends is None else sum(end <= job.link.delivered for end in job.ends)
    if job.kind == "double":
        ways = [(i, j) for i in range(n + 1) for j in range(n + 1)]
    else:
        ways = [(i,) for i in range(n + 1)]
    assert any(explains(job, way, count, both, number) for way in ways), \
        f"{job}: counted {count}, both {both}, last {number}"
    copies = 2 if job.kind == "double" else 1
    assert job.acked <= count <= copies * most, f"{job}: counted {count}, delivered whole {most}"
    assert not whole or job.acked == n == count / copies, f"{job}: counted {count} of {n}"
    if job.kind == "half" and job.ends is not None:
        assert job.acked == count == most, f"{job}: counted {count}, delivered whole {most}"
    if job.kind == "hole" and job.ends is not None:
        begun = job.link.delivered not in job.frames
        assert not begun or job.link.server_hung_up, f"{job}: the server waits for ever"
    client.call("kv.mdel", job.keys())


class Worker(threading.Thread):
    """Does jobs until there are none."""

    def __init__(self, server, jobs, done):
        super().__init__(daemon=True)
        self.server, self.jobs, self.done = server, jobs, done

    def run(self):
        for job in self.jobs:
            try:
                job.rng.choice(CLIENTS)(job, self.server)
            except AssertionError as wrong:
                job.wrong = wrong
            if job.link is not None:
                job.link.join(60)
            self.done.append(job)


def figures(client):
    return client.call("server.stats")["counters"]


def run_jobs(server, jobs):
    """Do them all at once, and look at each when the server has let go of it."""
    done, shared = [], iter(jobs)
    lock = threading.Lock()

    def take():
        while True:
            with lock:
                job = next(shared, None)
            if job is None:
                return
            yield job

    workers = [Worker(server, take(), done) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with server.connect() as client:
        until(lambda: figures(client)["connections"] == 1, "connections to go")
        for job in done:
            check(job, client)
    assert len(done) == len(jobs)


def run(args):
    started = time.monotonic()
    jobs = [Job(i, random.Random(f"{args.seed}/{i}"), args.lie) for i in range(args.connections)]
    options = {"durability.mode": "buffered", "data.dir": "{folder}/data", "server.loops": 2,
               "durability.any_file_system": "true", "listen.resp": "127.0.0.1:0",
               "limits.frame_ms": FRAME_MS}
    with Server(options) as server:
        run_jobs(server, [Job(-1 - i, random.Random(i)) for i in range(30)])  # to warm up
        descriptors, resident = server.descriptors(), server.resident_bytes()
        for i in range(0, len(jobs), 500):
            run_jobs(server, jobs[i:i + 500])
            if len(jobs) > 500:
                print(f"{min(i + 500, len(jobs))} connections", flush=True)
        with server.connect() as client:
            until(lambda: figures(client)["memory_clients_bytes"] < 1 << 16, "memory of clients")
            assert figures(client)["records"] == 0
        until(lambda: server.descriptors() <= descriptors, "descriptors to be closed")
        grown = server.resident_bytes() - resident
        assert grown < (32 << 20) * memory_slack(), f"{grown} bytes more"
    kinds = collections.Counter(job.kind for job in jobs)
    print(f"connections: {len(jobs)}, seed {args.seed}, "
          + ", ".join(f"{kind} {kinds[kind]}" for kind in KINDS)
          + f"; requests: {sum(len(job.does) for job in jobs)}, acknowledged: "
          f"{sum(job.acked for job in jobs)}, done twice or in part: 0, "
          f"{time.monotonic() - started:.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--connections", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--lie", action="store_true", help="the proof that the rig notices")
    args = parser.parse_args()
    for attempt in range(10 if args.lie else 1):  # a lie may do no harm
        args.seed += attempt
        print(f"seed {args.seed}", flush=True)
        try:
            run(args)
        except AssertionError as error:
            print(f"{re.sub('v{20,}', 'v...', str(error))}\nseed {args.seed}")
            return not (args.lie and "counted" in str(error))
    return args.lie


if __name__ == "__main__":
    sys.exit(main())
