/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/kinds: what was recorded comes back by kind and interval, also when intervals were
 * joined, and quantiles are as exact as they are said to be.
 */
#include "client/loadgen/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static struct kinds kinds, other;

/* A look at this time, with so much CPU time used by one thread and the server. */
static const struct snapshot *at(uint64_t now, uint64_t used_ns)
{
    static struct snapshot seen;
    seen.now_ns = now;
    seen.cpu.thread_ns[0] = used_ns;
    seen.cpu.has_server = true;
    seen.cpu.server_ns = 2 * used_ns;
    return &seen;
}

/* Another second of two kinds, of which the first has `n` requests of 1 ms more, the second one. */
static void second(struct kinds *into, struct hist all[2], uint64_t now, unsigned n)
{
    hist_add_n(&all[0], 1000000, n);
    hist_add_n(&all[1], 5000000, 1);
    assert_true(kinds_due(into, now));
    kinds_next(into, at(now, now / 10), false);
    for (unsigned kind = 0; kind < 2; kind++)
        kinds_fill(into, kind, &all[kind]);
}

static void begin(struct kinds *into, struct hist all[2])
{
    kinds_init(into, at(7 * SECOND, 7 * SECOND / 10));
    hist_init(&all[0]);
    hist_init(&all[1]);
    assert_false(kinds_due(into, 8 * SECOND - 1));
}

static void by_kind(void **state)
{
    (void)state;
    struct hist all[2];
    begin(&kinds, all);
    for (unsigned i = 0; i < 3; i++)
        second(&kinds, all, (8 + i) * SECOND, 10 * (i + 1));
    assert_int_equal(kinds.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(kinds.span[i].start_ns, i * SECOND);
        assert_int_equal(kinds.row[0][i].count, 10 * (i + 1));
        assert_int_equal(kinds.row[1][i].count, 1);
        assert_int_equal((int)kinds_rate(&kinds, 0, i), 10 * (i + 1));
        assert_int_equal(cells_quantile(&kinds.row[0][i], 0.99), 1000000);
        assert_int_equal(kinds.row[1][i].max_ns, 5000000);
        assert_int_equal(kinds_requests(&kinds, i), 10 * (i + 1) + 1);
        assert_int_equal(kinds.span[i].used.client_ns, SECOND / 10);
        assert_int_equal(kinds.span[i].used.server_ns, SECOND / 5);
    }
}

/* A short rest belongs to the row before. */
static void rest(void **state)
{
    (void)state;
    struct hist all[2];
    begin(&kinds, all);
    second(&kinds, all, 8 * SECOND, 10);
    hist_add_n(&all[0], 1000000, 4);
    kinds_next(&kinds, at(8 * SECOND + 400000000, SECOND), true);
    kinds_fill(&kinds, 0, &all[0]);
    assert_int_equal(kinds.n, 1);
    assert_int_equal(kinds.span[0].length_ns, 1400000000);
    assert_int_equal(kinds.span[0].used.client_ns, 3 * SECOND / 10);
    assert_int_equal(kinds.row[0][0].count, 14);
    assert_int_equal((int)(kinds_rate(&kinds, 0, 0) + 0.5), 10);
}

/* A long phase has rows that are joined; nothing is lost. */
static void joined(void **state)
{
    (void)state;
    struct hist all[2];
    uint64_t sum = 0, length = 0;
    begin(&kinds, all);
    for (uint64_t now = 8 * SECOND; now < 1008 * SECOND; now += SECOND)
        if (kinds_due(&kinds, now))
            second(&kinds, all, now, 3);
    assert_true(kinds.n <= KINDS_ROWS && kinds.n >= KINDS_ROWS / 2);
    for (unsigned i = 0; i < kinds.n; i++) {
        assert_int_equal(kinds.span[i].start_ns, length);
        length += kinds.span[i].length_ns;
        sum += kinds.row[0][i].count;
    }
    assert_int_equal(sum, all[0].count);
}

static void appended(void **state)
{
    (void)state;
    struct hist all[2];
    begin(&kinds, all);
    second(&kinds, all, 8 * SECOND, 10);
    begin(&other, all);
    second(&other, all, 8 * SECOND, 20);
    kinds_append(&kinds, &other);
    assert_int_equal(kinds.n, 2);
    assert_int_equal(kinds.span[1].start_ns, SECOND);
    assert_int_equal(kinds.row[0][1].count, 20);
}

static void quantiles(void **state)
{
    (void)state;
    struct hist all;
    hist_init(&all);
    for (uint64_t us = 1; us <= 10000; us++)
        hist_add(&all, us * 1000);
    kinds_init(&kinds, at(0, 0));
    kinds_next(&kinds, at(SECOND, 0), false);
    kinds_fill(&kinds, 0, &all);
    for (double q = 0.01; q < 1; q += 0.01) {
        double truth = q * 1e7, got = (double)cells_quantile(&kinds.row[0][0], q);
        assert_true(got >= truth * 0.999 && got <= truth * 1.0633);
    }
    assert_int_equal(cells_quantile(&kinds.row[0][0], 1), 10000000);
    assert_int_equal(cells_quantile(&kinds.row[1][0], 0.5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_kind),  cmocka_unit_test(rest),      cmocka_unit_test(joined),
        cmocka_unit_test(appended), cmocka_unit_test(quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
