/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The slow log: the newest requests that took at least slowlog.threshold_us to execute.
 *
 * It says which operation, when, how long, how large, on which connection and in which run: enough
 * to find the program that asked. It holds no keys, values or other arguments: who may look at the
 * server need not be who may read the data, and what looks harmless in an argument may be a token.
 */
#pragma once

#include "server/ops/session_list.h"

#include <stdatomic.h>

/* One request. The texts are cut like those of struct session_view. */
struct slow_request {
    uint64_t id;   /* given by slowlog_add: from 1 on, never again */
    int64_t at_ms; /* wall clock, at the turn of the loop that answered it */
    uint64_t ns;   /* of execution */
    enum op_id op;
    unsigned loop;
    uint64_t connection;
    uint64_t request_bytes, reply_bytes;
    char address[SESSION_ADDRESS_SIZE];
    char client_name[SESSION_CLIENT_MAX + 1];
    uint8_t run[SESSION_RUN_SHOWN];
    size_t run_size;
};

struct slowlog {
    _Atomic uint64_t threshold_ns; /* UINT64_MAX: nothing is slow */
    pthread_mutex_t lock;          /* of what follows */
    uint64_t last_id;
    size_t count, capacity;
    struct slow_request *ring; /* that with id i is at (i - 1) % capacity */
};

/* Room for so many requests; the threshold is slowlog_set_threshold's. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int slowlog_init(struct slowlog *log, size_t capacity);
void slowlog_deinit(struct slowlog *log); /* all zero is fine */

/* As the option: microseconds; 0 is every request, -1 none. Any thread. */
void slowlog_set_threshold(struct slowlog *log, int64_t threshold_us);

/* Is this slow? */
static inline bool slowlog_wants(const struct slowlog *log, uint64_t ns)
{
    return ns >= atomic_load_explicit(&log->threshold_ns, memory_order_relaxed);
}

/* Keep a copy, and forget the oldest if there is no room. Any thread. */
void slowlog_add(struct slowlog *log, const struct slow_request *request);

/* Copy up to `max` requests with ids below `before`, newest first; returns how many. *out_held: how
 * many there are in all. reset: at the same instant, forget them all. Any thread. */
size_t slowlog_read(struct slowlog *log, uint64_t before, size_t max, bool reset,
                    struct slow_request *out_requests, size_t *out_held);
