/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/stream and zipf: keys come as often as their distribution says, and are the same
 * for the same request, whoever asks and in whatever order.
 */
#include "client/loadgen/stream.h"

#include "common/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 1000, DRAWS = 1000000 };

static uint64_t key_of(const struct stream *stream, uint64_t index)
{
    struct stream_op op = stream_at(stream, index);
    return stream_key(stream, &op, 1);
}

static void count(const struct stream *stream, unsigned *counts)
{
    memset(counts, 0, KEYS * sizeof *counts);
    for (uint64_t i = 0; i < DRAWS; i++) {
        uint64_t key = key_of(stream, i);
        assert_true(key < KEYS);
        counts[key]++;
    }
}

/* Chi-square of counts against expected shares; about `KEYS` with a deviation of sqrt(2 KEYS). */
static double chi_square(const unsigned *counts, const double *shares)
{
    double sum = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        double expected = shares[i] * DRAWS, off = counts[i] - expected;
        sum += off * off / expected;
    }
    return sum;
}

static void assert_fits(const unsigned *counts, const double *shares)
{
    for (unsigned i = 0; i < KEYS; i++) {
        double expected = shares[i] * DRAWS, off = fabs(counts[i] - expected);
        if (off > 6 * sqrt(expected))
            fail_msg("key %u came %u times, expected %.0f", i, counts[i], expected);
    }
    double chi = chi_square(counts, shares);
    if (chi > KEYS + 5 * sqrt(2.0 * KEYS))
        fail_msg("chi-square %.0f of %d degrees of freedom", chi, KEYS - 1);
}

static void uniform(void **state)
{
    (void)state;
    static unsigned counts[KEYS];
    static double shares[KEYS];
    struct stream stream;
    stream_init(&stream, 1, KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        shares[i] = 1.0 / KEYS;
    count(&stream, counts);
    assert_fits(counts, shares);
}

static void zipf_of(double s)
{
    static unsigned counts[KEYS];
    static double shares[KEYS];
    struct stream stream;
    double sum = 0;
    stream_init(&stream, 2, KEYS);
    stream_set_zipf(&stream, s);
    for (unsigned rank = 0; rank < KEYS; rank++)
        sum += pow(rank + 1, -s);
    for (unsigned rank = 0; rank < KEYS; rank++)
        shares[stream_spread(&stream, rank)] = pow(rank + 1, -s) / sum;
    count(&stream, counts);
    assert_fits(counts, shares);
}

static void zipf(void **state)
{
    (void)state;
    zipf_of(0.5);
    zipf_of(0.99);
    zipf_of(1);
    zipf_of(1.2);
}

/* Extremes stay in range. */
static void zipf_bounds(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 1000000000000};
    static const double exponents[] = {0.001, 1, 10};
    for (size_t i = 0; i < LENGTH_OF(sizes) * LENGTH_OF(exponents); i++) {
        struct zipf z;
        struct rng rng = {i};
        zipf_init(&z, sizes[i / 3], exponents[i % 3]);
        for (unsigned j = 0; j < 10000; j++)
            assert_true(zipf_draw(&z, &rng) < sizes[i / 3]);
    }
}

static void hotspot(void **state)
{
    (void)state;
    static unsigned counts[KEYS];
    static double shares[KEYS];
    struct stream stream;
    stream_init(&stream, 3, KEYS);
    stream_set_hotspot(&stream, 0.2, 0.8);
    for (unsigned rank = 0; rank < KEYS; rank++)
        shares[stream_spread(&stream, rank)] =
            rank < KEYS / 5 ? 0.8 / (KEYS / 5.0) : 0.2 / (KEYS * 4 / 5.0);
    count(&stream, counts);
    assert_fits(counts, shares);
}

/* Ranks and keys are one to one, also where the factor has a divisor in common with the number. */
static void spread_is_one_to_one(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 1000, 6700417, 2 * 6700417};
    for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
        struct stream stream;
        stream_init(&stream, 1, sizes[i]);
        bool *seen = calloc(sizes[i], sizeof *seen);
        for (uint64_t rank = 0; rank < sizes[i]; rank++) {
            uint64_t key = stream_spread(&stream, rank);
            assert_true(key < sizes[i] && !seen[key]);
            seen[key] = true;
        }
        free(seen);
    }
}

static void sequential(void **state)
{
    (void)state;
    struct stream stream;
    stream_init(&stream, 1, 10);
    stream.pattern = STREAM_SEQUENTIAL;
    for (uint64_t i = 0; i < 25; i++) {
        struct stream_op op = stream_at(&stream, i);
        assert_int_equal(stream_key(&stream, &op, 2), 2 * i % 10);
        assert_int_equal(stream_key(&stream, &op, 2), (2 * i + 1) % 10);
    }
}

/* Each connection takes its own keys in turn, and all keys belong to one. */
static void partitioned(void **state)
{
    (void)state;
    enum { PARTS = 7 };
    struct stream stream;
    static unsigned counts[KEYS];
    memset(counts, 0, sizeof counts);
    stream_init(&stream, 1, KEYS);
    stream.pattern = STREAM_PARTITIONED;
    stream.parts = PARTS;
    for (unsigned part = 0; part < PARTS; part++) {
        uint64_t from = (uint64_t)KEYS * part / PARTS, to = (uint64_t)KEYS * (part + 1) / PARTS;
        for (unsigned turn = 0; turn < 2 * (to - from); turn++) {
            struct stream_op op = stream_at(&stream, 1000 * turn + part);
            op.part = part;
            op.turn = turn;
            uint64_t key = stream_key(&stream, &op, 1);
            assert_int_equal(key, from + turn % (to - from));
            counts[key]++;
        }
    }
    for (unsigned key = 0; key < KEYS; key++)
        assert_int_equal(counts[key], 2);
}

/* Kinds come as often as their weights say, also beside one that inserts. */
static void weights(void **state)
{
    (void)state;
    static const uint32_t parts[] = {5, 70, 20, 4, 1};
    struct stream stream;
    stream_init(&stream, 6, KEYS);
    stream_set_weights(&stream, parts, LENGTH_OF(parts));
    for (unsigned grows = 0; grows < 2; grows++) {
        unsigned counts[LENGTH_OF(parts)] = {0};
        stream.grows = grows == 1;
        for (uint64_t i = 0; i < DRAWS; i++)
            counts[stream_at(&stream, i).shape]++;
        for (unsigned i = 0; i < LENGTH_OF(parts); i++) {
            double expected = parts[i] / 100.0 * DRAWS;
            assert_true(fabs(counts[i] - expected) < 5 * sqrt(expected));
        }
        if (stream.grows)
            assert_int_equal(counts[0], DRAWS / 20);
    }
}

/* The shares are those of the normal distribution, cut off at the ends. */
static void gaussian(void **state)
{
    (void)state;
    static unsigned counts[KEYS];
    static double shares[KEYS];
    struct stream stream;
    const double median = 300, deviation = 200;
    stream_init(&stream, 4, KEYS);
    stream_set_gaussian(&stream, median, deviation);
    double all = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        double from = (key - median) / (deviation * sqrt(2)), to = from + 1 / (deviation * sqrt(2));
        shares[key] = erf(to) - erf(from);
        all += shares[key];
    }
    for (unsigned key = 0; key < KEYS; key++)
        shares[key] /= all;
    count(&stream, counts);
    assert_fits(counts, shares);
    stream_set_gaussian(&stream, 1e12, 1);
    assert_int_equal(key_of(&stream, 0), KEYS - 1);
}

/* Inserts write each new key once, whatever the proportion; reads find none that is not there. */
static void grows(void **state)
{
    (void)state;
    static const uint32_t parts[][2] = {{1, 1}, {1, 2}, {5, 100}, {99, 100}};
    static bool seen[DRAWS];
    for (size_t i = 0; i < LENGTH_OF(parts); i++) {
        struct stream stream;
        uint64_t inserts = 0, blocks = 10000 / parts[i][1];
        stream_init(&stream, 1, KEYS);
        stream_set_latest(&stream, 0.99);
        stream.grows = true;
        stream.first_insert = KEYS;
        stream_set_weights(&stream, (const uint32_t[]){parts[i][0], parts[i][1] - parts[i][0]}, 2);
        memset(seen, 0, sizeof seen);
        for (uint64_t index = 0; index < blocks * stream.each; index++) {
            struct stream_op op = stream_at(&stream, index);
            if (op.shape != 0)
                continue;
            uint64_t key = stream_key(&stream, &op, 1);
            assert_true(key >= KEYS && key < KEYS + blocks * stream.upto[0]);
            assert_false(seen[key]);
            seen[key] = true;
            inserts++;
        }
        assert_int_equal(inserts, blocks * stream.upto[0]);
    }
}

/* The newest key comes first; those above the horizon never. */
static void latest(void **state)
{
    (void)state;
    struct stream stream;
    static unsigned counts[KEYS];
    const uint64_t horizon = 2000; /* a hundred inserts */
    stream_init(&stream, 1, KEYS);
    stream_set_latest(&stream, 0.99);
    stream.grows = true;
    stream.first_insert = 10 * KEYS;
    stream_set_weights(&stream, (const uint32_t[]){5, 95}, 2);
    memset(counts, 0, sizeof counts);
    for (uint64_t index = 0; index < 100000; index++) {
        struct stream_op op = stream_at(&stream, index);
        if (op.shape == 0)
            continue;
        op.horizon = horizon;
        uint64_t key = stream_key(&stream, &op, 1);
        assert_true(key < KEYS || (key >= 10 * KEYS && key < 10 * KEYS + 100));
        assert_true(key >= 100); /* as many as have come have become too old */
        counts[key < KEYS ? key : key - 10 * KEYS]++;
    }
    assert_true(counts[99] > 10000 && counts[99] > counts[98] && counts[98] > counts[0]);
    assert_true(counts[0] > counts[KEYS - 1] && counts[KEYS - 1] > counts[100]);
}

/* Forwards and backwards, the requests are the same; the keys of one request differ. */
static void pure(void **state)
{
    (void)state;
    struct stream stream;
    static uint64_t keys[1000];
    unsigned equal = 0;
    stream_init(&stream, 5, 1000000);
    stream_set_zipf(&stream, 0.7);
    for (uint64_t i = 0; i < 1000; i++)
        keys[i] = key_of(&stream, i);
    for (uint64_t i = 1000; i-- > 0;) {
        struct stream_op op = stream_at(&stream, i);
        assert_true(stream_key(&stream, &op, 2) == keys[i]);
        equal += stream_key(&stream, &op, 2) == keys[i];
    }
    assert_true(equal < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform),
        cmocka_unit_test(zipf),
        cmocka_unit_test(zipf_bounds),
        cmocka_unit_test(hotspot),
        cmocka_unit_test(spread_is_one_to_one),
        cmocka_unit_test(sequential),
        cmocka_unit_test(pure),
        cmocka_unit_test(gaussian),
        cmocka_unit_test(partitioned),
        cmocka_unit_test(weights),
        cmocka_unit_test(grows),
        cmocka_unit_test(latest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
