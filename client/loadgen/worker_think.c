/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lets connections wait, and wakes them when it is time.
 *
 * How: those that wait are a binary heap by the time at which they go on.
 *
 * Invariants: a connection that waits has nothing in flight, and stands in the heap once; no parent
 * goes on later than its children.
 * Threads: that of the worker. Failures: kept in worker->failure.
 */
#include "client/loadgen/worker_think.h"

#include "client/loadgen/worker_send.h"
#include "common/clock.h"

static void worker_swap(struct conn **heap, unsigned a, unsigned b)
{
    struct conn *conn = heap[a];
    heap[a] = heap[b];
    heap[b] = conn;
}

static void worker_think(struct worker *worker, struct conn *conn, uint64_t now)
{
    const struct phase *phase = worker->phase;
    struct conn **heap = worker->thinking;
    uint64_t ns = think_ns(&phase->think, phase->arrival_seed, conn->number, conn->turn);
    conn->thinks = true;
    conn->due = now + (uint64_t)((double)ns * worker->ticks_per_ns);
    unsigned at = worker->n_thinking++;
    heap[at] = conn;
    for (; at > 0 && heap[(at - 1) / 2]->due > conn->due; at = (at - 1) / 2)
        worker_swap(heap, at, (at - 1) / 2);
}

int worker_next(struct worker *worker, struct conn *conn, uint64_t now)
{
    if (worker->phase->think.kind == THINK_NEVER)
        return worker_fill(worker, conn, now, now);
    if (!conn->thinks && conn->in_flight == 0)
        worker_think(worker, conn, now);
    return 0;
}

uint64_t worker_thought(const struct worker *worker)
{
    return worker->n_thinking > 0 ? worker->thinking[0]->due : UINT64_MAX;
}

/* Take the first out of the heap. */
static struct conn *worker_first(struct worker *worker)
{
    struct conn **heap = worker->thinking, *first = heap[0];
    unsigned n = --worker->n_thinking, at = 0;
    heap[0] = heap[n];
    for (unsigned child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && heap[child + 1]->due < heap[child]->due)
            child++;
        if (heap[at]->due <= heap[child]->due)
            break;
        worker_swap(heap, at, child);
        at = child;
    }
    first->thinks = false;
    return first;
}

int worker_wake(struct worker *worker)
{
    uint64_t now = worker->n_thinking > 0 ? clock_ticks() : 0;
    int err = 0;
    while (err == 0 && worker_thought(worker) <= now && worker->next_index < worker->end_index) {
        struct conn *conn = worker_first(worker);
        if (worker->in_flight == 0)
            worker->quiet_since = now;
        err = worker_fill(worker, conn, conn->due, now);
        now = clock_ticks();
    }
    return err;
}
