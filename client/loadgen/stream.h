/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stream of operations: what request number i is, as a pure function of seed and i. Threads
 * take interleaved numbers (thread t of T: t, t + T, t + 2T ...), so that a run consists of the
 * same requests however many threads there are.
 */
#pragma once

#include "common/rng.h"

#include <stdbool.h>

struct stream {
    uint64_t seed;
    uint64_t keys;         /* keys are 0 .. keys-1; at least 1 */
    uint64_t writes, each; /* `writes` of `each` requests use the writing shape; each > 0 */
    bool in_order;         /* request i has key i modulo keys, instead of a random one */
};

struct stream_op {
    unsigned shape; /* index into workload->shapes: 0 writes, 1 reads */
    uint64_t key;
};

/* Two steps of the generator: each request draws two numbers. */
#define STREAM_STRIDE (2 * UINT64_C(0x9e3779b97f4a7c15))

/* Request number `index`. Any thread. */
static inline struct stream_op stream_at(const struct stream *stream, uint64_t index)
{
    struct rng rng = {stream->seed + index * STREAM_STRIDE};
    uint64_t random_key = rng_below(&rng, stream->keys);
    uint64_t dice = rng_below(&rng, stream->each);
    return (struct stream_op){
        .shape = dice < stream->writes ? 0 : 1,
        .key = stream->in_order ? index % stream->keys : random_key,
    };
}
