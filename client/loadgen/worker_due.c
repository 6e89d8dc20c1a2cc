/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sends requests when they are due.
 *
 * How: a request keeps the time at which it was due, however late it is sent, so that what a
 * stalled server makes all others wait is in the latencies (no coordinated omission). The backlog
 * is no queue: the schedule is a function of the number of the request, and is worked out when
 * there is room for it.
 *
 * Invariants: requests are sent in the order in which they are due; each is sent, dropped or
 * unsent.
 * Threads: that of the worker. Failures: kept in worker->failure.
 */
#include "client/loadgen/worker_due.h"

#include "client/loadgen/worker_send.h"
#include "common/clock.h"

/* Work out when the next request is due. One that is due after the end is none. */
void worker_schedule(struct worker *worker)
{
    const struct phase *phase = worker->phase;
    if (worker->next_index >= worker->end_index)
        return;
    worker->due_ns = schedule_next_ns(&worker->schedule, worker->next_index);
    worker->late = false;
    if (phase->duration_ns > 0 && worker->due_ns >= phase->duration_ns)
        worker->end_index = 0;
}

uint64_t worker_due(const struct worker *worker)
{
    return worker->started + (uint64_t)((double)worker->due_ns * worker->ticks_per_ns);
}

/* A connection for the next request: one with as few requests in flight as the average, in turn;
 * else any that has room; NULL: there is none. */
static struct conn *worker_pick(struct worker *worker)
{
    uint64_t average = worker->in_flight / worker->n_used;
    struct conn *any = NULL;
    if (average >= worker->phase->window)
        return NULL;
    for (unsigned i = 0; i < worker->n_used; i++) {
        struct conn *conn = &worker->conns[worker->next_conn];
        worker->next_conn = worker->next_conn + 1 < worker->n_used ? worker->next_conn + 1 : 0;
        if (!worker_has_room(worker, conn))
            continue;
        if (conn->in_flight <= average)
            return conn;
        any = conn;
    }
    return any;
}

/* --overload abort: a request is due, but no connection is free. */
static int worker_overloaded(struct worker *worker, uint64_t now)
{
    return failure_set(&worker->failure, FAILURE_OVERLOAD,
                       "after %.3f s a request was due when all connections were busy (--overload "
                       "abort): the server does not keep the rate, or it takes more -c or -P",
                       (double)clock_ticks_to_ns(now - worker->started) / 1e9);
}

/* May the request that is due go on waiting for a connection, after so many ticks? */
static bool worker_may_wait(const struct worker *worker, uint64_t ticks)
{
    const struct phase *phase = worker->phase;
    return phase->overload == PLAN_OVERLOAD_QUEUE || clock_ticks_to_ns(ticks) < phase->patience_ns;
}

/* No connection is free for a request, or was until now. From when that began it is not loadgen
 * that makes the requests wait which are due by now. */
static void worker_full(struct worker *worker, uint64_t due, uint64_t now)
{
    if (due > worker->full_until)
        worker->full_since = now;
    worker->full_until = now;
}

/* Build all requests that are due, as far as connections have room. */
static int worker_build_due(struct worker *worker, uint64_t now)
{
    while (worker->next_index < worker->end_index && worker_due(worker) <= now) {
        uint64_t due = worker_due(worker);
        struct conn *conn = worker_pick(worker);
        if (conn == NULL || worker->late)
            worker_full(worker, due, now);
        if (conn == NULL && worker_may_wait(worker, now - due)) {
            worker->late = true;
            return 0;
        }
        if (conn == NULL && worker->phase->overload == PLAN_OVERLOAD_ABORT)
            return worker_overloaded(worker, now);
        if (conn == NULL) {
            worker_count(&worker->counts.dropped, 1);
            worker->next_index += worker->phase->threads;
            worker_schedule(worker);
            continue;
        }
        if (worker->in_flight == 0)
            worker->quiet_since = now;
        unsigned kind = worker_build(worker, conn, due);
        uint64_t ready = due > worker->full_until ? now : worker->full_since;
        if (ready >= due) /* else it never waited for loadgen */
            hist_add(&worker->times[kind].slip, clock_ticks_to_ns(ready - due));
        if (!conn->queued)
            worker->queue[worker->n_queue++] = conn;
        conn->queued = true;
        worker_schedule(worker);
    }
    return 0;
}

/* Send what is due: one send for each connection that has got some. */
int worker_send_due(struct worker *worker)
{
    int err = worker_build_due(worker, clock_ticks());
    for (unsigned i = 0; i < worker->n_queue; i++) {
        struct conn *conn = worker->queue[i];
        conn->queued = false;
        if (err == 0)
            err = worker_flush(worker, conn, clock_ticks());
    }
    worker->n_queue = 0;
    return err;
}

/* The backlog has had its time: what is due but not sent counts with its age. */
void worker_give_up(struct worker *worker, uint64_t now)
{
    while (worker->next_index < worker->end_index && worker_due(worker) <= now) {
        uint64_t age = clock_ticks_to_ns(now - worker_due(worker));
        unsigned shape = stream_at(&worker->phase->stream, worker->next_index).shape;
        hist_add(&worker->latency[shape], age);
        worker_count(&worker->counts.unsent, 1);
        worker->next_index += worker->phase->threads;
        worker_schedule(worker);
    }
    worker->end_index = 0;
}

/* When the last request is due, in ns since the beginning. */
uint64_t worker_schedule_end(const struct worker *worker)
{
    const struct phase *phase = worker->phase;
    return phase->duration_ns > 0
               ? phase->duration_ns
               : (uint64_t)schedule_time_ns(&phase->law, (double)phase->requests);
}
