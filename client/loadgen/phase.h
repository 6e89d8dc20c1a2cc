/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One phase of a run: preload, warm-up or measurement of one test. Made before the workers start,
 * only read while they run.
 */
#pragma once

#include "client/loadgen/driver.h"
#include "client/loadgen/plan.h"
#include "client/loadgen/steady.h"
#include "client/loadgen/stream.h"

#include <stdatomic.h>

/* How far a thread of a phase has come whose requests write new keys. */
struct phase_mark {
    _Alignas(64) atomic_uint_least64_t below; /* its requests below this one are answered */
};

struct phase {
    const struct driver *driver;
    const struct workload *workload;
    struct frame frames[WORKLOAD_SHAPES]; /* one for each shape of the workload */
    struct frame update;                  /* what follows a request whose shape updates */
    size_t frame_bytes;                   /* the most a request can have */
    struct stream stream;
    struct value_source values;
    uint64_t requests;    /* UINT64_MAX: until duration_ns is over */
    uint64_t duration_ns; /* 0: until `requests` are done */
    uint64_t timeout_ns;
    size_t value_bytes; /* of the largest */
    unsigned window;    /* requests in flight on a connection; at most phase_window_max */
    unsigned threads;
    double rate; /* requests a second, open loop; 0: closed loop */
    bool poisson;
    bool drop;      /* open loop: do not send later what finds no connection */
    bool batch;     /* send only when nothing is in flight on the connection */
    bool reconnect; /* and open a new one before that */
    uint64_t drain_ns;
    uint64_t arrival_seed;
    bool digest;              /* add up phase_digest of all requests */
    struct steady_rules end;  /* what ends it earlier */
    const struct acks *acks;  /* where acknowledgements are kept; NULL: nowhere */
    struct phase_mark *marks; /* one for each thread, if the stream grows; else NULL */
};

/* What is to be done; the frames are prepared. 0, ERR_OUT_OF_MEMORY or ERR_BAD_ARGUMENT (a request
 * with too many words, keys or values); nothing to free then. */
MUST_USE int phase_init_measure(struct phase *phase, const struct plan *plan,
                                const struct workload *workload);
MUST_USE int phase_init_warmup(struct phase *phase, const struct plan *plan,
                               const struct workload *workload);
MUST_USE int phase_init_preload(struct phase *phase, const struct plan *plan);

void phase_deinit(struct phase *phase);

/* The largest window of any phase of this plan. */
unsigned phase_window_max(const struct plan *plan);

/* A number that depends on request number `index`, which was emitted as these bytes, but not on the
 * id it was given. */
uint64_t phase_digest(const struct phase *phase, uint64_t index, unsigned shape,
                      struct bytes request);

/* What a worker must know of a request it has built. */
struct phase_request {
    unsigned shape;
    uint64_t key; /* the first; 0 if there is none */
};

/* Append request number `index` with this id to `out`, which has room for frame_bytes. Requests
 * below the horizon are answered: what they wrote may be read. */
static inline struct phase_request phase_emit(const struct phase *phase, uint64_t index,
                                              uint64_t horizon, uint32_t id, struct buf *out)
{
    struct stream_op op = stream_at(&phase->stream, index);
    op.horizon = horizon;
    const struct frame *frame = &phase->frames[op.shape];
    struct frame_fill fill;
    fill.id = id;
    fill.keys[0] = 0;
    for (unsigned i = 0; i < frame->keys; i++)
        fill.keys[i] = stream_key(&phase->stream, &op, frame->keys);
    if (frame->values > 0) {
        fill.write = index;
        fill.source = &phase->values;
        for (unsigned i = 0; i < frame->values; i++)
            fill.sizes[i] = value_size(&phase->values, rng_next(&op.rng));
    }
    frame_emit(frame, &fill, out);
    return (struct phase_request){op.shape, fill.keys[0]};
}

/* The same for what follows a request with this index and key. */
void phase_emit_update(const struct phase *phase, uint64_t index, uint64_t key, uint32_t id,
                       struct buf *out);
