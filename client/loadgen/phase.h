/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One phase of a run: preload, warm-up or measurement of one test. Made before the workers start,
 * only read while they run.
 */
#pragma once

#include "client/loadgen/driver.h"
#include "client/loadgen/plan.h"
#include "client/loadgen/schedule.h"
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
    struct frame frames[WORKLOAD_ROWS];   /* by row of the workload; of a sequence, what */
    unsigned first_step[WORKLOAD_SHAPES]; /* it begins with; row of its first step */
    size_t frame_bytes;                   /* the most a request can have */
    struct stream stream;
    struct value_source values;
    uint64_t requests;    /* UINT64_MAX: until duration_ns is over */
    uint64_t duration_ns; /* 0: until `requests` are done */
    uint64_t timeout_ns;
    const struct pin *pin; /* CPUs of the threads */
    uint64_t busy_poll_ns; /* look so long for replies before sleeping */
    size_t value_bytes;    /* of the largest */
    unsigned window;       /* requests in flight on a connection; at most phase_window_max */
    unsigned threads;
    struct schedule_law law; /* open loop; of rate 0: closed loop */
    enum plan_overload overload;
    uint64_t patience_ns; /* which takes only what has waited for so long */
    struct stairs stairs; /* connections that are used */
    struct think think;   /* between a reply and the next request; never, in an open loop */
    bool batch;           /* send only when nothing is in flight on the connection */
    bool reconnect;       /* and open a new one before that */
    uint64_t drain_ns;
    const char *key;         /* the word that stands for __key__ */
    const struct keys *list; /* of --key-file; NULL: keys are digits */
    struct keys_span span;   /* or those of different lengths */
    uint64_t arrival_seed;
    uint64_t check_below;    /* of 2^32: this share of the values that are read is checked */
    bool removes;            /* keys may be gone: a request of this phase deletes */
    bool digest;             /* add up phase_digest of all requests */
    struct steady_rules end; /* what ends it earlier */
    const struct vector_plan *vectors; /* NULL: there are none */
    bool scores;                       /* replies to searches are kept, to be looked at */
    const struct acks *acks;           /* where acknowledgements are kept; NULL: nowhere */
    struct phase_mark *marks;          /* one for each thread, if the stream grows; else NULL */
};

/* What is to be done; the frames are prepared. 0, ERR_OUT_OF_MEMORY or ERR_BAD_ARGUMENT (a request
 * with too many words, keys or values); nothing to free then. */
MUST_USE int phase_init_measure(struct phase *phase, const struct plan *plan,
                                const struct workload *workload);
MUST_USE int phase_init_warmup(struct phase *phase, const struct plan *plan,
                               const struct workload *workload);
/* Writes every key once, saves a checkpoint in each session, or stores all vectors. */
MUST_USE int phase_init_preload(struct phase *phase, const struct plan *plan, enum preload what);

/* Reads some keys, or of what else the plan is, for --keys-check. */
MUST_USE int phase_init_sample(struct phase *phase, const struct plan *plan);

void phase_deinit(struct phase *phase);

/* The largest window of any phase of this plan. */
unsigned phase_window_max(const struct plan *plan);

/* A number that depends on request number `index`, which was emitted as these bytes, but not on the
 * id it was given. */
uint64_t phase_digest(const struct phase *phase, uint64_t index, unsigned shape,
                      struct bytes request);

/* Which request is to be built. */
struct phase_slot {
    uint64_t index;   /* in the stream */
    uint64_t horizon; /* requests below it are answered: what they wrote may be read */
    uint64_t part;    /* number of the connection among all */
    uint64_t turn;    /* requests it has had before */
    uint32_t id;
};

/* What a worker must know of a request it has built. */
struct phase_request {
    unsigned shape;
    uint64_t key; /* the first; 0 if there is none */
};

/* What fills the holes of a request besides keys. */
void phase_fill(const struct phase *phase, const struct frame *frame, uint64_t index,
                struct rng *rng, struct frame_fill *fill);

/* Append a request to `out`, which has room for frame_bytes. */
static inline struct phase_request phase_emit(const struct phase *phase,
                                              const struct phase_slot *slot, struct buf *out)
{
    struct stream_op op = stream_at(&phase->stream, slot->index);
    op.horizon = slot->horizon;
    op.part = slot->part;
    op.turn = slot->turn;
    const struct frame *frame = &phase->frames[op.shape];
    struct frame_fill fill;
    fill.id = slot->id;
    fill.keys[0] = 0;
    for (unsigned i = 0; i < frame->keys; i++)
        fill.keys[i] = stream_key(&phase->stream, &op, frame->keys);
    if (frame->n_holes > 0)
        phase_fill(phase, frame, slot->index, &op.rng, &fill);
    frame_emit(frame, &fill, out);
    return (struct phase_request){op.shape, fill.keys[0]};
}

/* What a later step of a sequence needs to be built. */
struct phase_step {
    unsigned shape; /* of the workload */
    unsigned step;  /* above 0 */
    uint64_t index, key;
    uint32_t id;
    struct bytes reply; /* what it takes from that to the step before: phase_take */
};

/* What a step takes from the reply to the step before; points into it. */
struct bytes phase_take(const struct phase *phase, unsigned shape, unsigned step,
                        const struct driver_reply *before);

/* Append it to `out`, which has room for phase_step_bytes. */
void phase_emit_step(const struct phase *phase, const struct phase_step *step, struct buf *out);
size_t phase_step_bytes(const struct phase *phase, const struct phase_step *step);
