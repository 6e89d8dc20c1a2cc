/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The slow log: one ring for all loops.
 *
 *   ids   ... | last_id - count + 1 ... last_id |      slot of id i: (i - 1) % capacity
 *
 * One ring, not one for each loop, so that it holds exactly the newest requests of the server: a
 * loop with many would else lose its own while others keep those of last week. Its lock is taken
 * only for slow requests and by readers. A threshold of 0 makes it a meeting point of all loops;
 * that is for looking closely, not for every day.
 *
 * Threads: any.
 * Failures: none after the start; the ring is allocated once.
 */
#include "server/ops/slowlog.h"

#include "common/err.h"
#include "common/mem.h"

int slowlog_init(struct slowlog *log, size_t capacity)
{
    *log = (struct slowlog){.threshold_ns = UINT64_MAX, .capacity = capacity};
    log->ring = mem_calloc(capacity, sizeof *log->ring);
    if (log->ring == NULL)
        return ERR_OUT_OF_MEMORY;
    REQUIRE(pthread_mutex_init(&log->lock, NULL) == 0);
    return 0;
}

void slowlog_deinit(struct slowlog *log)
{
    if (log->ring == NULL)
        return;
    pthread_mutex_destroy(&log->lock);
    mem_free(log->ring);
    log->ring = NULL;
}

void slowlog_set_threshold(struct slowlog *log, int64_t threshold_us)
{
    uint64_t ns = threshold_us < 0 ? UINT64_MAX : (uint64_t)threshold_us * 1000;
    atomic_store_explicit(&log->threshold_ns, ns, memory_order_relaxed);
}

static struct slow_request *slowlog_slot(const struct slowlog *log, uint64_t id)
{
    return &log->ring[(id - 1) % log->capacity];
}

void slowlog_add(struct slowlog *log, const struct slow_request *request)
{
    pthread_mutex_lock(&log->lock);
    struct slow_request *slot = slowlog_slot(log, ++log->last_id);
    *slot = *request;
    slot->id = log->last_id;
    if (log->count < log->capacity)
        log->count++;
    pthread_mutex_unlock(&log->lock);
}

size_t slowlog_read(struct slowlog *log, uint64_t before, size_t max, bool reset,
                    struct slow_request *out_requests, size_t *out_held)
{
    size_t n = 0;
    pthread_mutex_lock(&log->lock);
    uint64_t oldest = log->last_id - log->count + 1;
    uint64_t id = before <= log->last_id ? before - (before > 0) : log->last_id;
    for (; id >= oldest && id > 0 && n < max; id--)
        out_requests[n++] = *slowlog_slot(log, id);
    *out_held = log->count;
    if (reset)
        log->count = 0;
    pthread_mutex_unlock(&log->lock);
    return n;
}
