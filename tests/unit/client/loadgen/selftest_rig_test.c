/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/selftest_rig: a figure that is off is excused by what the machine took away, and
 * by no more; and the witness sees what that was.
 */
#include "client/loadgen/selftest_rig.h"

#include "client/loadgen/arrivals.h"
#include "client/loadgen/selftest_witness.h"
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static struct selftest_rig rig;

/* A test of a second, of which so much was lost. */
static void lost(uint64_t ns)
{
    memset(&rig, 0, sizeof rig);
    rig.test = "test";
    rig.spent_ns = 1000 * MS;
    rig.lost_ns = ns;
}

static bool excused(void)
{
    const struct selftest_finding *last = &rig.findings[rig.n_findings - 1];
    return !selftest_finding_good(last) && selftest_finding_excused(&rig, last);
}

static void times(void **state)
{
    (void)state;
    lost(5 * MS);
    selftest_expect(&rig, "p99", "ms", 1, 2, 6.9);
    assert_true(excused());
    selftest_expect(&rig, "p99", "ms", 1, 2, 7.1);
    assert_false(excused());
    selftest_expect(&rig, "p99", "ms", 10, 20, 4.9);
    assert_false(excused());
    selftest_expect_near(&rig, "mean", "ms", 10, 0.1, 15.9);
    assert_true(excused());
    lost(0);
    selftest_expect(&rig, "p99", "ms", 1, 2, 2.1);
    assert_false(excused());
}

static void rates(void **state)
{
    (void)state;
    lost(10 * MS); /* 1 % */
    selftest_expect_near(&rig, "requests/s", "", 1000, 0.01, 965);
    assert_true(excused());
    selftest_expect_near(&rig, "requests/s", "", 1000, 0.01, 950);
    assert_false(excused());
}

static void what_is_exact_is_never_excused(void **state)
{
    (void)state;
    lost(900 * MS);
    selftest_expect(&rig, "requests", "", 10, 10, 9);
    assert_false(excused());
    selftest_expect(&rig, "warning", "", 1, 1, 0);
    assert_false(excused());
}

static void bursts(void **state)
{
    (void)state;
    lost(9 * MS);
    selftest_expect(&rig, "dispersion", "", 0, 0.2, 0.3);
    assert_false(excused());
    lost(11 * MS);
    selftest_expect(&rig, "dispersion", "", 0, 0.2, 0.3);
    assert_true(excused());
    selftest_expect(&rig, "repetition", "", 0, 0.05, 1);
    selftest_allow(&rig, 5, 0);
    assert_false(excused());
}

/* Even arrivals, 2,000 a second for half a second, but for two pauses near each other. */
static double two_pauses(uint64_t pause_ns)
{
    enum { N = 1000, GAP = 500000, FIRST = 300, SECOND = 320 };
    static uint64_t at[N];
    uint64_t now = 0;
    for (unsigned i = 0; i < N; i++) {
        if (i == FIRST || i == SECOND)
            now += pause_ns;
        at[i] = now > i * (uint64_t)GAP ? now : i * (uint64_t)GAP;
        now = at[i];
    }
    return arrivals_periodicity(at, N, 32);
}

/* Pauses excuse what they do to gaps, and no more. */
static void pauses(void **state)
{
    (void)state;
    const double allowed = 2000 / (4 * 0.5), measured = two_pauses(80 * MS);
    assert_true(measured > 10);
    rig.spent_ns = 2000 * MS;
    rig.lost_ns = 160 * MS;
    selftest_expect(&rig, "repetition of gaps", "", -1, 0.05, measured);
    selftest_allow(&rig, 5, allowed);
    assert_true(excused());
    rig.lost_ns = 80 * MS;
    assert_false(excused());
    selftest_expect(&rig, "repetition of gaps", "", -1, 0.05, 9); /* bursts of ten */
    selftest_allow(&rig, 5, allowed);
    assert_false(excused());
}

/* What a witness loses is no more than the time that has passed. */
static void witness_sees(void **state)
{
    (void)state;
    struct witness witness;
    uint64_t begun = clock_mono_ns();
    witness_start(&witness);
    while (clock_mono_ns() - begun < 30 * MS)
        ;
    uint64_t seen = witness_stop(&witness);
    assert_true(seen <= clock_mono_ns() - begun);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(rates),
        cmocka_unit_test(what_is_exact_is_never_excused),
        cmocka_unit_test(bursts),
        cmocka_unit_test(pauses),
        cmocka_unit_test(witness_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
