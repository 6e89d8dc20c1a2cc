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

enum { STREAM_FACTOR = 6700417 }; /* a prime below 2^23 */

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
        .writes = 1,
        .each = 1,
        .pattern = STREAM_UNIFORM,
        .spread = stream_coprime(keys),
        .hot_keys = keys,
        .hot = 1,
        .hot_each = 1,
    };
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

void stream_set_hotspot(struct stream *stream, double keys_share, double requests_share)
{
    uint64_t hot = (uint64_t)((double)stream->keys * keys_share + 0.5);
    stream->pattern = STREAM_HOTSPOT;
    stream->hot_keys = hot < 1 ? 1 : hot > stream->keys ? stream->keys : hot;
    stream->hot_each = UINT64_C(1) << 32;
    stream->hot = (uint64_t)((double)stream->hot_each * requests_share + 0.5);
}
