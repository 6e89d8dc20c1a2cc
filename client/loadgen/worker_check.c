/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counts reads and checks their values.
 *
 * How: a value says which write it is and what it must be (value.h); the history of the connection
 * says which writes it cannot be any more (history.h). What is read is noted there as well, unless
 * a write of this phase may bring the same value back: which writes those are follows from the
 * stream.
 *
 * Invariants: a server that answers each request at one time between sending and reply is never
 * accused. Threads: that of the worker. Failures: none; what is wrong is counted.
 */
#include "client/loadgen/worker_check.h"

#include <inttypes.h>
#include <stdio.h>

/* Must this read be looked at? A share of all, the same for any number of threads. */
static bool check_samples(const struct phase *phase, uint64_t index)
{
    return phase->values.checked && (rng_mix(index) >> 32) < phase->check_below;
}

/* A value was found that another write of this phase cannot bring back: one of before the phase, or
 * one that this connection alone would write again, and has not. */
static bool check_is_past(const struct phase *phase, const struct conn_request *request,
                          uint64_t write)
{
    const struct stream *stream = &phase->stream;
    if (stream->pattern == STREAM_PARTITIONED)
        return write < request->index;
    if (stream->pattern == STREAM_LATEST || stream->grows)
        return false;
    if (write >= phase->requests)
        return true;
    struct stream_op op = stream_at(stream, write);
    return !shape_has(phase->workload->shapes[op.shape], SHAPE_STORES) ||
           stream_key(stream, &op, phase->frames[op.shape].keys) != request->key;
}

/* Does what was read (write number, or HISTORY_NOTHING) agree with what the connection knows? */
static void check_follow(struct worker *worker, struct conn *conn,
                         const struct conn_request *request, uint64_t write, uint64_t now)
{
    struct worker_counts *counts = &worker->counts;
    bool nothing = write == HISTORY_NOTHING;
    if (nothing && worker->phase->removes)
        return;
    enum history_verdict verdict =
        history_judge(&conn->history, request->key, write, request->sent);
    if (verdict != HISTORY_UNKNOWN)
        worker_count(&counts->followed, 1);
    if (!nothing && check_is_past(worker->phase, request, write))
        history_note(&conn->history, request->key,
                     (struct history_event){write, request->sent, now});
    if (verdict != HISTORY_STALE)
        return;
    if (counts->stale == 0 && nothing)
        (void)snprintf(worker->first_stale, sizeof worker->first_stale,
                       "key %012" PRIu64 " was gone though its write had been answered",
                       request->key);
    else if (counts->stale == 0)
        (void)snprintf(worker->first_stale, sizeof worker->first_stale,
                       "key %012" PRIu64 " had write %" PRIu64
                       " again, though a later one had been answered",
                       request->key, write);
    worker_count(&counts->stale, 1);
}

/* A value was read: can it have been written? */
static bool check_value(struct worker *worker, const struct conn_request *request,
                        struct bytes value)
{
    struct worker_counts *counts = &worker->counts;
    size_t at = value_wrong_at(&worker->phase->values, value, request->key);
    worker_count(&counts->checked, 1);
    if (at == SIZE_MAX)
        return true;
    if (counts->corrupt == 0)
        (void)snprintf(worker->first_corrupt, sizeof worker->first_corrupt,
                       "the value of key %012" PRIu64 " (%zu bytes) is wrong from byte %zu on",
                       request->key, value.size, at);
    worker_count(&counts->corrupt, 1);
    return false;
}

void worker_check_read(struct worker *worker, struct conn *conn, const struct conn_request *request,
                       struct bytes value, bool nothing, uint64_t now)
{
    struct worker_counts *counts = &worker->counts;
    struct worker_kind *kind = &worker->kinds[request->shape];
    worker_count(nothing ? &counts->misses : &counts->hits, 1);
    (*(nothing ? &kind->misses : &kind->hits))++;
    if (!check_samples(worker->phase, request->index))
        return;
    if (nothing)
        check_follow(worker, conn, request, HISTORY_NOTHING, now);
    else if (check_value(worker, request, value))
        check_follow(worker, conn, request, value_write(value), now);
}
