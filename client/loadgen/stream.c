/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prepares streams of operations.
 *
 * How: what draws need is worked out once. Ranks become keys by a multiplication modulo the number
 * of keys, with a factor that has no divisor in common with it.
 *
 * Invariants: every key of 0 .. keys-1 belongs to one rank.
 * Threads: a stream is read only once made. Failures: none.
 */
#include "client/loadgen/stream.h"

#include "common/check.h"

#include <math.h>

enum {
    STREAM_FACTOR = 6700417, /* a prime below 2^23 */
    STREAM_TRIES = 100,
};

static uint64_t stream_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The first number from STREAM_FACTOR on that is coprime to the number of keys. */
static uint64_t stream_coprime(uint64_t keys)
{
    uint64_t factor = STREAM_FACTOR;
    while (stream_common_divisor(factor, keys) != 1)
        factor++;
    return factor;
}

void stream_init(struct stream *stream, uint64_t seed, uint64_t keys)
{
    REQUIRE(keys > 0);
    *stream = (struct stream){
        .seed = seed,
        .keys = keys,
        .shapes = 1,
        .upto = {1},
        .each = 1,
        .pattern = STREAM_UNIFORM,
        .spread = stream_coprime(keys),
        .hot_keys = keys,
        .hot = 1,
        .hot_each = 1,
        .parts = 1,
    };
}

void stream_set_weights(struct stream *stream, const uint32_t *weights, unsigned n)
{
    REQUIRE(n >= 1 && n <= STREAM_SHAPES);
    stream->shapes = n;
    stream->each = 0;
    for (unsigned i = 0; i < n; i++)
        stream->upto[i] = stream->each += weights[i];
    REQUIRE(stream->each > 0);
}

void stream_set_zipf(struct stream *stream, double s)
{
    stream->pattern = STREAM_ZIPF;
    zipf_init(&stream->zipf, stream->keys, s);
}

void stream_set_latest(struct stream *stream, double s)
{
    stream_set_zipf(stream, s);
    stream->pattern = STREAM_LATEST;
}

void stream_set_gaussian(struct stream *stream, double median, double deviation)
{
    stream->pattern = STREAM_GAUSSIAN;
    stream->median = median;
    stream->deviation = deviation;
}

static double stream_unit(struct rng *rng)
{
    return ((double)(rng_next(rng) >> 11) + 0.5) * 0x1p-53;
}

/* G. Box, M. Muller, 1958. What falls outside is drawn again, but not for ever: a median far from
 * all keys would have none. */
uint64_t stream_gaussian_key(const struct stream *stream, struct rng *rng)
{
    const double whole_turn = 6.283185307179586, keys = (double)stream->keys;
    double key = 0;
    for (unsigned i = 0; i < STREAM_TRIES; i++) {
        double radius = sqrt(-2 * log(stream_unit(rng)));
        key = stream->median + stream->deviation * radius * cos(whole_turn * stream_unit(rng));
        if (key >= 0 && key < keys)
            return (uint64_t)key;
    }
    return key < 0 ? 0 : stream->keys - 1;
}

void stream_set_hotspot(struct stream *stream, double keys_share, double requests_share)
{
    uint64_t hot = (uint64_t)((double)stream->keys * keys_share + 0.5);
    stream->pattern = STREAM_HOTSPOT;
    stream->hot_keys = hot < 1 ? 1 : hot > stream->keys ? stream->keys : hot;
    stream->hot_each = UINT64_C(1) << 32;
    stream->hot = (uint64_t)((double)stream->hot_each * requests_share + 0.5);
}
