/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stream of operations: what request number i is, as a pure function of seed and i. Threads
 * take interleaved numbers (thread t of T: t, t + T, t + 2T ...), so that a run consists of the
 * same requests however many threads there are.
 */
#pragma once

#include "client/loadgen/zipf.h"

#include <stdbool.h>

enum stream_pattern {
    STREAM_UNIFORM,     /* each key as often as any other */
    STREAM_SEQUENTIAL,  /* one after the other, and again from the first */
    STREAM_ZIPF,        /* few keys often, most rarely */
    STREAM_HOTSPOT,     /* a share of the requests goes to a share of the keys */
    STREAM_LATEST,      /* the newer a key, the more often */
    STREAM_GAUSSIAN,    /* those around one key often, those far from it rarely */
    STREAM_PARTITIONED, /* each connection has keys of its own, which it takes in turn */
    STREAM_SINGLE,      /* the first key alone */
};

enum { STREAM_SHAPES = 16 };

struct stream {
    uint64_t seed;
    uint64_t first;               /* number of key 0 */
    uint64_t keys;                /* keys are 0 .. keys-1; at least 1 */
    unsigned shapes;              /* kinds of requests, at least 1 */
    uint64_t upto[STREAM_SHAPES]; /* of `each` requests so many are of this shape or one before */
    uint64_t each;                /* above 0 */
    enum stream_pattern pattern;
    uint64_t spread; /* rank r is key r * spread modulo keys: coprime to keys, at least 1 */
    struct zipf zipf;
    uint64_t hot_keys;        /* ranks below are hot; 1 .. keys */
    uint64_t hot, hot_each;   /* `hot` of `hot_each` requests go there; hot_each > 0 */
    double median, deviation; /* Gaussian: a key, and keys */
    bool grows;               /* requests of the first shape write a new key each ... */
    uint64_t first_insert;    /* ... from this one on */
    uint64_t parts;           /* partitioned: connections, at most as many as keys */
};

/* A request, and the state from which its keys are drawn. */
struct stream_op {
    unsigned shape; /* index into workload->shapes */
    uint64_t index;
    uint64_t drawn;      /* keys so far */
    uint64_t horizon;    /* requests below it are answered: their keys exist */
    uint64_t part, turn; /* partitioned: number of the connection, and of its request */
    struct rng rng;
};

/* A stream of one shape with uniform keys. */
void stream_init(struct stream *stream, uint64_t seed, uint64_t keys);

/* Let it be of n shapes (1 to STREAM_SHAPES) with these weights, of which one is above 0. */
void stream_set_weights(struct stream *stream, const uint32_t *weights, unsigned n);

/* Change the pattern. s: exponent of Zipf. */
void stream_set_zipf(struct stream *stream, double s);
void stream_set_hotspot(struct stream *stream, double keys_share, double requests_share);
void stream_set_latest(struct stream *stream, double s); /* Zipf, the newest key first */
void stream_set_gaussian(struct stream *stream, double median, double deviation); /* above 0 */

/* A key of the normal distribution. */
uint64_t stream_gaussian_key(const struct stream *stream, struct rng *rng);

/* Key of a rank: neighbours in frequency are not neighbours in order. One to one. */
static inline uint64_t stream_spread(const struct stream *stream, uint64_t rank)
{
    return rank * stream->spread % stream->keys; /* below 2^40 * 2^23 */
}

/* The place of a request among the `each` of its block, of which the first upto[0] insert: another
 * one in each block, so that all threads insert. */
static inline uint64_t stream_place(const struct stream *stream, uint64_t index)
{
    return (index + index / stream->each * 7) % stream->each;
}

/* Request number `index`. Any thread. */
static inline struct stream_op stream_at(const struct stream *stream, uint64_t index)
{
    struct rng rng = {rng_mix(stream->seed + index * 0x9e3779b97f4a7c15u)};
    uint64_t inserts = stream->grows ? stream->upto[0] : 0;
    unsigned shape = 0, others = inserts > 0 ? 1 : 0; /* the first that is drawn */
    if (inserts == 0 || stream_place(stream, index) >= inserts)
        shape = others;
    if (shape == others && stream->shapes - others > 1) {
        uint64_t at = inserts + rng_below(&rng, stream->each - inserts);
        while (at >= stream->upto[shape])
            shape++;
    }
    return (struct stream_op){.shape = shape, .index = index, .rng = rng};
}

/* The key that an insert writes. */
static inline uint64_t stream_new_key(const struct stream *stream, uint64_t index)
{
    return stream->first_insert + index / stream->each * stream->upto[0] +
           stream_place(stream, index);
}

/* A key that exists, the newest one the most often. */
static inline uint64_t stream_latest_key(const struct stream *stream, struct stream_op *op)
{
    uint64_t inserted = stream->grows ? op->horizon / stream->each * stream->upto[0] : 0;
    uint64_t at = stream->keys + inserted - 1 - zipf_draw(&stream->zipf, &op->rng);
    return at < stream->keys ? at : stream->first_insert + (at - stream->keys);
}

/* One of those that belong to a connection. */
static inline uint64_t stream_part_key(const struct stream *stream, struct stream_op *op,
                                       unsigned count)
{
    uint64_t from = stream->keys * op->part / stream->parts; /* below 2^40 * 2^16 */
    uint64_t size = stream->keys * (op->part + 1) / stream->parts - from;
    return from + (op->turn * count + op->drawn++) % size;
}

/* Which of the keys comes next, of `count` the request takes in all. */
static inline uint64_t stream_draw(const struct stream *stream, struct stream_op *op,
                                   unsigned count)
{
    if (stream->grows && op->shape == 0)
        return stream_new_key(stream, op->index);
    switch (stream->pattern) {
    case STREAM_SEQUENTIAL:
        return (op->index * count + op->drawn++) % stream->keys;
    case STREAM_ZIPF:
        return stream_spread(stream, zipf_draw(&stream->zipf, &op->rng));
    case STREAM_HOTSPOT: {
        bool hot = rng_below(&op->rng, stream->hot_each) < stream->hot;
        uint64_t cold_keys = stream->keys - stream->hot_keys;
        if (hot || cold_keys == 0)
            return stream_spread(stream, rng_below(&op->rng, stream->hot_keys));
        return stream_spread(stream, stream->hot_keys + rng_below(&op->rng, cold_keys));
    }
    case STREAM_LATEST:
        return stream_latest_key(stream, op);
    case STREAM_GAUSSIAN:
        return stream_gaussian_key(stream, &op->rng);
    case STREAM_PARTITIONED:
        return stream_part_key(stream, op, count);
    case STREAM_SINGLE:
        return 0;
    case STREAM_UNIFORM:
        break;
    }
    return rng_below(&op->rng, stream->keys);
}

/* Its number. */
static inline uint64_t stream_key(const struct stream *stream, struct stream_op *op, unsigned count)
{
    return stream->first + stream_draw(stream, op, count);
}
