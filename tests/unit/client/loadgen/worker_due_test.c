/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/worker where requests are due at a time: in open loops, and after users thought.
 * What is sent late, or never, is in the figures as it should be.
 */
#include "tests/unit/client/loadgen/worker_rig.h"

#define MS UINT64_C(1000000)

/* ---- think time ---- */

/* Users think before each of their batches for as long as is drawn, and no time before the end of
 * that counts: a request that is sent late was due then. */
static void thinks(void **state)
{
    (void)state;
    enum { FEW = 300 };
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_get, 0, 1);
    rig->phase.requests = FEW;
    rig->phase.batch = true;
    rig->phase.window = 2;
    assert_int_equal(think_parse("1ms-4ms", &rig->phase.think), 0);
    rig_run(rig);
    uint64_t elapsed = clock_ticks_to_ns(rig->worker.last_reply - rig->worker.started);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), FEW);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        const struct conn *conn = &rig->worker.conns[i];
        uint64_t thought = 0;
        for (uint64_t turn = 0; turn < conn->turn; turn += 2)
            thought += think_ns(&rig->phase.think, rig->phase.arrival_seed, conn->number, turn);
        assert_true(conn->turn > 2 && conn->turn == conn->done);
        assert_true(thought <= elapsed + 1000000);
    }
    /* What is late is so for both requests of a batch, and in the latency of both. */
    assert_int_equal(rig->worker.times[0].slip.count, FEW);
    assert_true(rig->worker.latency[0].max >= rig->worker.times[0].slip.max);
    rig_close(rig);
    assert_int_equal(rig_received(rig), FEW);
    free(rig);
}

/* Nothing is in flight for longer than --timeout while all think: that is no silence. */
static void thought_is_no_silence(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_get, 0, 1);
    rig->worker.n_conns = 1;
    rig->phase.requests = 2;
    rig->phase.batch = true;
    rig->phase.window = 1;
    rig->phase.timeout_ns = 1000000000;
    assert_int_equal(think_parse("1200ms", &rig->phase.think), 0);
    rig_run(rig);
    rig->worker.n_conns = CONNECTIONS;
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), 2);
    rig_close(rig);
    free(rig);
}

/* The end comes while all think: nobody is waited for, and nothing is sent any more. */
static void thinks_until_the_end(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_ORDER, WORKLOAD_get, 0, 1);
    rig->phase.requests = UINT64_MAX;
    rig->phase.duration_ns = 100000000;
    rig->phase.batch = true;
    assert_int_equal(think_parse("24h", &rig->phase.think), 0);
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), 0);
    /* And again, on the same connections. */
    assert_int_equal(think_parse("1ms", &rig->phase.think), 0);
    rig->phase.requests = 50;
    rig->phase.duration_ns = 0;
    rig_run(rig);
    assert_int_equal(rig_answered(rig), 50);
    rig_close(rig);
    free(rig);
}

/* ---- open loop ---- */

/* Run a phase of an open loop with a window of 1. */
static struct rig *open_rig(enum manner manner, double rate, uint64_t requests,
                            uint64_t duration_ns)
{
    struct rig *rig = rig_make(manner, WORKLOAD_get, 0, 1);
    rig->phase.law.rate = rate;
    rig->phase.requests = requests;
    rig->phase.duration_ns = duration_ns;
    rig->phase.drain_ns = 60000000000u;
    rig->phase.window = 1;
    return rig;
}

static void open_sends_all(void **state)
{
    (void)state;
    struct rig *rig = open_rig(IN_ORDER, 20000, REQUESTS, 0);
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), REQUESTS);
    assert_int_equal(rig->worker.times[0].service.count, REQUESTS);
    assert_true(rig->worker.times[0].slip.count <= REQUESTS);
    assert_true(rig->worker.latency[0].sum + rig->worker.latency[1].sum >=
                rig->worker.times[0].service.sum);
    rig_close(rig);
    assert_int_equal(rig_received(rig), REQUESTS);
    free(rig);
}

/* One kind of three of each four: what was recorded of a kind is as many as were sent of it. */
static void kinds_are_told_apart(void **state)
{
    (void)state;
    struct rig *rig = rig_make(IN_PIECES, WORKLOAD_mixed, 0, 1);
    unsigned sent[2] = {0, 0};
    rig->phase.law.rate = 20000;
    rig->phase.drain_ns = 60000000000u;
    for (uint64_t i = 0; i < REQUESTS; i++)
        sent[stream_at(&rig->phase.stream, i).shape]++;
    assert_true(sent[1] > 2 * sent[0]);
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    for (unsigned kind = 0; kind < 2; kind++) {
        const struct worker_times *times = &rig->worker.times[kind];
        const struct hist *response = &rig->worker.latency[kind];
        assert_int_equal(response->count, sent[kind]);
        assert_int_equal(times->service.count, sent[kind]);
        assert_int_equal(times->first_byte.count, sent[kind]);
        assert_true(times->slip.count <= sent[kind]); /* the others had to wait */
        assert_true(response->sum >= times->service.sum);
        assert_true(times->service.sum >= times->first_byte.sum); /* all at once: the same */
    }
    rig_close(rig);
    assert_int_equal(rig_received(rig), REQUESTS);
    free(rig);
}

/* A request for each millisecond, for 200 ms: 200, however long they take. */
static void open_duration(void **state)
{
    (void)state;
    struct rig *rig = open_rig(IN_PIECES, 1000, UINT64_MAX, 200000000);
    uint64_t start = clock_mono_ns();
    rig_run(rig);
    assert_true(clock_mono_ns() - start >= 198000000);
    assert_int_equal(rig_answered(rig), 200);
    assert_int_equal(rig->worker.counts.unsent, 0);
    rig_close(rig);
    assert_int_equal(rig_received(rig), 200);
    free(rig);
}

/* The time after the last burst in which nothing is due belongs to the test. */
static void bursts_end_with_their_cycle(void **state)
{
    (void)state;
    struct rig *rig = open_rig(IN_ORDER, 200, UINT64_MAX, 1000000000);
    assert_int_equal(schedule_read_burst("100ms:900ms", &rig->phase.law), 0);
    rig_run(rig);
    assert_int_equal(rig_answered(rig), 200);
    assert_true(clock_ticks_to_ns(rig->worker.last_reply - rig->worker.started) >= 999000000);
    rig_close(rig);
    free(rig);
}

static uint64_t count_above(const struct hist *hist, uint64_t ns)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        count += hist_bucket_top(i) > ns ? hist->bucket[i] : 0;
    return count;
}

/* The only connection stalls at its 100th request, due at 99 ms, for a second. What becomes due
 * meanwhile waits, though it is not sent: 800 requests for over 200 ms. */
static void stall_is_not_omitted(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 1000, 900, 0);
    rig->worker.n_conns = 1;
    rig_run(rig);
    rig->worker.n_conns = CONNECTIONS;
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), 900);
    const struct hist *response = &rig->worker.latency[0], *service = &rig->worker.times[0].service;
    assert_true(response->count == 900 && service->count == 900);
    assert_true(count_above(response, 200000000) >= 795);
    assert_true(response->max >= STALL_MS * MS && service->max >= STALL_MS * MS);
    /* The service time shows next to nothing of it. */
    assert_in_range(count_above(service, 100000000), 1, 39);
    /* Nor is it loadgen that was late. */
    assert_true(rig->worker.times[0].slip.count <= 900 - 100);
    rig_close(rig);
    free(rig);
}

/* More is due than is sent in time: what is left counts with its age. */
static void backlog_is_given_up(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 100000, 30000, 0);
    rig->phase.drain_ns = 0;
    rig_run(rig);
    const struct worker *worker = &rig->worker;
    assert_int_equal(worker->failure.kind, FAILURE_NONE);
    assert_true(worker->counts.unsent > 0);
    assert_int_equal(worker->latency[0].count, 30000);
    assert_int_equal(worker->times[0].service.count, 30000 - worker->counts.unsent);
    rig_close(rig);
    assert_int_equal(rig_received(rig), worker->times[0].service.count);
    free(rig);
}

/* Who is slow was served slowly, as a request for each connection is by the stall, or was sent late
 * by loadgen; a machine that is busy does both. Nobody has waited long for a connection. */
static void assert_nobody_waits(const struct worker *worker)
{
    const uint64_t slow = STALL_MS * MS / 2, part = slow * 2 / 5;
    uint64_t served = count_above(&worker->times[0].service, part);
    uint64_t late = count_above(&worker->times[0].slip, part);
    assert_true(served > 0);
    assert_true(count_above(&worker->latency[0], slow) <= served + late);
}

/* What finds no connection is not sent, and what was sent has not waited for one. */
static void overload_is_dropped(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 10000, 15000, 0);
    rig->phase.overload = PLAN_OVERLOAD_DROP;
    rig_run(rig);
    const struct worker *worker = &rig->worker;
    assert_string_equal(worker->failure.text, "");
    assert_true(worker->counts.dropped > 100);
    assert_int_equal(rig_answered(rig) + worker->counts.dropped, 15000);
    assert_int_equal(worker->times[0].service.count, rig_answered(rig));
    assert_nobody_waits(worker);
    rig_close(rig);
    assert_int_equal(rig_received(rig), worker->times[0].service.count);
    free(rig);
}

/* The same after 100 ms: the server stalls for longer, so that some are dropped, but all others
 * have waited for no longer than that. */
static void backlog_is_bounded(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 10000, 15000, 0);
    rig->phase.overload = PLAN_OVERLOAD_DROP;
    rig->phase.patience_ns = 100 * MS;
    rig_run(rig);
    const struct worker *worker = &rig->worker;
    assert_string_equal(worker->failure.text, "");
    assert_true(worker->counts.dropped > 100);
    assert_int_equal(rig_answered(rig) + worker->counts.dropped, 15000);
    assert_true(count_above(&worker->latency[0], 90 * MS) > 2 * CONNECTIONS);
    assert_nobody_waits(worker);
    rig_close(rig);
    assert_int_equal(rig_received(rig), worker->times[0].service.count);
    free(rig);
}

/* The first that finds no connection ends the test. */
static void overload_aborts(void **state)
{
    (void)state;
    struct rig *rig = open_rig(STALLS, 10000, 6000, 0);
    rig->phase.overload = PLAN_OVERLOAD_ABORT;
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_OVERLOAD);
    assert_non_null(strstr(rig->worker.failure.text, "--overload abort"));
    assert_true(rig_answered(rig) < 5000);
    rig_close(rig);
    free(rig);
}

/* What was never answered is in the latencies with its age. */
static void unanswered_are_counted(void **state)
{
    (void)state;
    struct rig *rig = open_rig(SILENT, 10000, REQUESTS, 0);
    rig->phase.timeout_ns = 2000 * MS;
    rig_run(rig);
    assert_int_equal(rig->worker.failure.kind, FAILURE_SILENT);
    assert_int_equal(rig->worker.counts.unanswered, CONNECTIONS);
    assert_int_equal(rig->worker.times[0].service.count, 99 * CONNECTIONS);
    assert_int_equal(rig_answered(rig), 100 * CONNECTIONS);
    assert_true(count_above(&rig->worker.latency[0], 1900 * MS) >= CONNECTIONS);
    rig_close(rig);
    free(rig);
}

/* Nothing in flight is no silence. */
static void idle_is_no_silence(void **state)
{
    (void)state;
    struct rig *rig = open_rig(IN_ORDER, 0.8, 2, 0);
    rig->phase.timeout_ns = 1000 * MS;
    rig_run(rig);
    assert_string_equal(rig->worker.failure.text, "");
    assert_int_equal(rig_answered(rig), 2);
    rig_close(rig);
    free(rig);
}

int main(void)
{
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thinks),
        cmocka_unit_test(thought_is_no_silence),
        cmocka_unit_test(thinks_until_the_end),
        cmocka_unit_test(open_sends_all),
        cmocka_unit_test(bursts_end_with_their_cycle),
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(open_duration),
        cmocka_unit_test(stall_is_not_omitted),
        cmocka_unit_test(backlog_is_given_up),
        cmocka_unit_test(overload_is_dropped),
        cmocka_unit_test(backlog_is_bounded),
        cmocka_unit_test(overload_aborts),
        cmocka_unit_test(unanswered_are_counted),
        cmocka_unit_test(idle_is_no_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
