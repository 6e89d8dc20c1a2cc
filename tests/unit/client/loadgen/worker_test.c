/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/worker in closed loops, against servers that misbehave.
 */
#include "tests/unit/client/loadgen/worker_rig.h"

static void all_answered(enum manner manner)
{
    struct rig *rig = rig_make(manner, WORKLOAD_get, 0, 1);
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_int_equal(rig->worker.counts.hits, REQUESTS);
    assert_int_equal(rig->worker.counts.errors, 0);
    assert_int_equal(rig->worker.in_flight, 0);
    rig_close(rig);
    assert_int_equal(rig_received(rig), REQUESTS);
    free(rig);
}

static void in_order(void **state)
{
    (void)state;
    all_answered(IN_ORDER);
}

static void out_of_order(void **state)
{
    (void)state;
    all_answered(REVERSED);
}

static void in_pieces(void **state)
{
    (void)state;
    all_answered(IN_PIECES);
}

static void errors_are_counted(void **state)
{
    (void)state;
    struct rig *rig = rig_make(ERRORS, WORKLOAD_set, 0, 1);
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_NONE);
    assert_int_equal(rig_answered(rig) + rig->worker.counts.errors, REQUESTS);
    assert_in_range(rig->worker.counts.errors, REQUESTS / 2 - 3, REQUESTS / 2 + 3);
    assert_string_equal(rig->worker.first_error, "BUSY");
    rig_close(rig);
    free(rig);
}

static void misses_are_counted(void **state)
{
    (void)state;
    struct rig *rig = rig_make(MISSES, WORKLOAD_get, 0, 1);
    rig_run(rig);
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_int_equal(rig->worker.counts.hits + rig->worker.counts.misses, REQUESTS);
    assert_in_range(rig->worker.counts.misses, REQUESTS / 2 - 3, REQUESTS / 2 + 3);
    rig_close(rig);
    free(rig);
}

static void fails(enum manner manner, enum failure_kind kind)
{
    struct rig *rig = rig_make(manner, WORKLOAD_get, 0, 1);
    rig->phase.timeout_ns = 2000000000;
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, kind);
    assert_true(rig->worker.failure.text[0] != 0);
    assert_true(rig_answered(rig) < REQUESTS);
    rig_close(rig);
    free(rig);
}

static void bad_servers(void **state)
{
    (void)state;
    fails(STRANGE_ID, FAILURE_REPLY);
    fails(TWICE, FAILURE_REPLY);
    fails(GARBAGE, FAILURE_REPLY);
    fails(CUT, FAILURE_CLOSED);
    fails(SILENT, FAILURE_SILENT);
}

/* Requests larger than the socket takes at once, read slowly. */
static void partial_sends(void **state)
{
    (void)state;
    struct rig *rig = rig_make(SLOW_READER, WORKLOAD_set, 0, 1);
    phase_deinit(&rig->phase);
    rig->plan.value_bytes = rig->plan.value_min = 300000;
    rig->plan.requests = 30;
    assert_int_equal(phase_init_measure(&rig->phase, &rig->plan, &workload_table[WORKLOAD_set]), 0);
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), 30);
    rig_close(rig);
    assert_int_equal(rig_received(rig), 30);
    free(rig);
}

static void stops_when_told(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_get, 0, 1);
    rig->phase.requests = UINT64_MAX;
    atomic_store(&rig->stop, true);
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_NONE);
    assert_int_equal(rig->worker.in_flight, 0);
    rig_close(rig);
    assert_int_equal(rig_received(rig), rig_answered(rig));
    free(rig);
}

static void duration_ends(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_get, 0, 1);
    rig->phase.requests = UINT64_MAX;
    rig->phase.duration_ns = 100000000;
    uint64_t start = clock_mono_ns();
    rig_run(rig);
    assert_in_range(clock_mono_ns() - start, 90000000, 60000000000);
    assert_int_equal(rig->worker.in_flight, 0);
    assert_true(rig_answered(rig) > 0);
    rig_close(rig);
    free(rig);
}

/* What all servers have got from so many workers, one after the other. */
static uint64_t digest_of(unsigned threads, unsigned *out_received)
{
    uint64_t digest = 0;
    *out_received = 0;
    for (unsigned thread = 0; thread < threads; thread++) {
        struct rig *rig = rig_make(IN_ORDER, WORKLOAD_mixed, thread, threads);
        rig_run(rig);
        rig_close(rig);
        for (unsigned i = 0; i < CONNECTIONS; i++)
            digest += rig->servers[i].digest;
        *out_received += rig_received(rig);
        free(rig);
    }
    return digest;
}

static void same_requests_on_the_wire(void **state)
{
    (void)state;
    unsigned received, other;
    uint64_t one = digest_of(1, &received);
    assert_int_equal(received, REQUESTS);
    assert_true(digest_of(2, &other) == one && other == REQUESTS);
    assert_true(digest_of(8, &other) == one && other == REQUESTS);
}

/* A request that updates is two on the wire and one in the figures. */
static void updates(void **state)
{
    (void)state;
    static const enum manner manners[] = {IN_ORDER, REVERSED, IN_PIECES, MISSES};
    for (size_t i = 0; i < LENGTH_OF(manners); i++) {
        struct rig *rig = rig_make(manners[i], WORKLOAD_rmw, 0, 1);
        rig_run(rig);
        assert_string_equal(rig->worker.failure.text, "");
        assert_int_equal(rig_answered(rig), REQUESTS);
        assert_int_equal(rig->worker.counts.hits + rig->worker.counts.misses, REQUESTS);
        assert_int_equal(rig->worker.in_flight, 0);
        for (unsigned step = 1; step <= 2; step++) { /* behind the sequence itself */
            assert_int_equal(rig->worker.latency[step].count, REQUESTS);
            assert_true(rig->worker.latency[step].max <= rig->worker.latency[0].max);
        }
        rig_close(rig);
        assert_int_equal(rig_received(rig), 2 * REQUESTS);
        free(rig);
    }
}

/* In an open loop as well, where the time between them is in both figures. */
static void updates_open(void **state)
{
    (void)state;
    struct rig *rig = rig_make(STALLS, WORKLOAD_rmw, 0, 1);
    rig->phase.law.rate = 5000;
    rig->phase.drain_ns = 60000000000u;
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_int_equal(rig->worker.times[0].service.count, REQUESTS);
    assert_true(rig->worker.times[0].service.max >= STALL_MS * UINT64_C(1000000));
    rig_close(rig);
    assert_int_equal(rig_received(rig), 2 * REQUESTS);
    free(rig);
}

/* Nothing above the horizon is read: what a thread knows of all is below what any has to do. */
static void marks(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_insert_get, 0, 1);
    rig_run(rig);
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_in_range(rig->worker.horizon, 1, REQUESTS);
    assert_true(atomic_load(&rig->phase.marks[0].below) == UINT64_MAX);
    rig_close(rig);
    free(rig);
}

/* Two phases on the same connections; the second counts from zero. */
static void phases_follow(void **state)
{
    (void)state;
    struct rig *rig = rig_make(REVERSED, WORKLOAD_mixed, 0, 1);
    rig_run(rig);
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_NONE);
    assert_int_equal(rig_answered(rig), REQUESTS);
    rig_close(rig);
    assert_int_equal(rig_received(rig), 2 * REQUESTS);
    free(rig);
}

/* A batch is sent when all replies to the one before have come, one by one: so each time a server
 * reads, it gets a whole one. */
static void batches(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_PIECES, WORKLOAD_get, 0, 1);
    rig->phase.batch = true;
    rig_run(rig);
    assert_int_equal(rig_answered(rig), REQUESTS);
    rig_close(rig);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_int_equal(rig->servers[i].requests, rig->servers[i].turns * WINDOW);
    free(rig);
}

int main(void)
{
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(out_of_order),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(errors_are_counted),
        cmocka_unit_test(misses_are_counted),
        cmocka_unit_test(bad_servers),
        cmocka_unit_test(partial_sends),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(duration_ends),
        cmocka_unit_test(same_requests_on_the_wire),
        cmocka_unit_test(updates),
        cmocka_unit_test(updates_open),
        cmocka_unit_test(marks),
        cmocka_unit_test(phases_follow),
        cmocka_unit_test(batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
