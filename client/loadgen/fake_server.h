/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server whose behaviour is known: it speaks RESP and MessagePack-RPC on a port of 127.0.0.1,
 * takes as long for a reply as it was told, and notes when each request arrived. What loadgen
 * reports is held against that by loadgen selftest and by tests.
 *
 * PING is answered at once and not counted. SET keeps a value, GET returns it or nil (as do
 * server.ping, kv.put, kv.get); a key is told by its last digits, so there may be FAKE_SERVER_KEYS.
 * Everything else is answered with OK.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAKE_SERVER_KEYS = 4096 };

/* What becomes of requests, which are numbered from 1. All zero: a reply at once. */
struct fake_law {
    uint64_t delay_ns; /* from the arrival of a request to its reply */
    uint64_t read_ns;  /* of one that reads a value, instead; 0: the same */
    uint64_t tail_ns;  /* only the first byte of a reply comes then, the rest so much later; not for
                          several requests in flight on a connection */
    unsigned slow_each;
    uint64_t slow_ns; /* of every slow_each-th request, instead; 0: of none */
    bool serial;      /* one at a time: the delay begins when the request before is answered */
    uint64_t stall_at_ns, stall_ns; /* reads nothing for stall_ns, so long after the first request;
                                       0: never */
    unsigned corrupt_each;          /* a byte in the middle of such a value is wrong */
    unsigned error_each;            /* such a request is refused */
    uint64_t silent_from;           /* not answered from this one on */
    uint64_t close_at;              /* the connection is closed instead */
};

/* What the server has seen: times of clock_mono_ns. */
struct fake_log {
    uint64_t *arrival;      /* of the first `capacity` requests */
    size_t count, capacity; /* count: of all requests */
    uint64_t stall_begin, stall_end;
    uint64_t waiting_ns; /* the server's thread was ready to run, but another one did */
};

struct fake_server;

/* Listen and serve in a thread of its own; the log holds so many arrivals. 0, ERR_IO or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int fake_server_start(const struct fake_law *law, size_t log_capacity,
                               struct fake_server **out_server);

/* Where it listens. */
int fake_server_port(const struct fake_server *server);

/* Close all connections and end the thread. The log is then complete. */
void fake_server_stop(struct fake_server *server);

/* Only after fake_server_stop; valid until destroy. */
const struct fake_log *fake_server_log(const struct fake_server *server);

/* Stops it, if that has not been done. NULL is allowed. */
void fake_server_destroy(struct fake_server *server);
