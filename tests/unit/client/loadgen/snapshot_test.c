/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/snapshot: CPU time of intervals, of a thread that runs and one that has ended, and
 * what is written of it.
 */
#include "client/loadgen/snapshot.h"

#include "client/loadgen/selftest_rig.h"
#include "common/clock.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static struct snapshot_cpu before, now;

static void used(void **state)
{
    (void)state;
    memset(&before, 0, sizeof before);
    before.thread_ns[0] = 5 * MS;
    before.server_ns = 100 * MS;
    now = before;
    now.thread_ns[0] += 10 * MS;
    now.thread_ns[SNAPSHOT_THREADS - 1] += 30 * MS;
    now.server_ns += 70 * MS;
    struct snapshot_used unknown = snapshot_used(&before, &now);
    assert_int_equal(unknown.client_ns, 40 * MS);
    assert_int_equal(unknown.busiest_ns, 30 * MS);
    assert_false(unknown.has_server);
    assert_int_equal(unknown.server_ns, 0);
    before.has_server = now.has_server = true;
    struct snapshot_used known = snapshot_used(&before, &now), sum = known;
    assert_int_equal(known.server_ns, 70 * MS);
    snapshot_used_add(&sum, &known);
    assert_int_equal(sum.client_ns, 80 * MS);
    assert_int_equal(sum.busiest_ns, 60 * MS);
    assert_int_equal(sum.server_ns, 140 * MS);
    assert_true(sum.has_server);
    snapshot_used_add(&sum, &unknown);
    assert_false(sum.has_server);
    now.server_ns = 0; /* threads of it have ended */
    assert_int_equal(snapshot_used(&before, &now).server_ns, 0);
}

static void saturated(void **state)
{
    (void)state;
    const struct snapshot_used idle = {.client_ns = 3000 * MS, .busiest_ns = 900 * MS},
                               busy = {.client_ns = 3000 * MS, .busiest_ns = 901 * MS};
    assert_false(snapshot_saturated(&idle, 1000 * MS));
    assert_true(snapshot_saturated(&busy, 1000 * MS));
    assert_false(snapshot_saturated(&busy, 0));
}

/* Of an interval of 100 ms and four threads. */
static json_t *written(const struct snapshot_used *what, uint64_t requests)
{
    char *text = NULL;
    size_t size;
    struct writer json;
    FILE *out = open_memstream(&text, &size);
    writer_init_line(&json, out);
    writer_open(&json, NULL, '{');
    snapshot_write(&json, what, 100 * MS, 4, requests);
    writer_close(&json, '}');
    fclose(out);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    free(text);
    return object;
}

static double number(const json_t *object, const char *key)
{
    assert_non_null(json_object_get(object, key));
    return json_number_value(json_object_get(object, key));
}

static void members(void **state)
{
    (void)state;
    struct snapshot_used what = {
        .client_ns = 200 * MS, .busiest_ns = 80 * MS, .server_ns = 50 * MS};
    json_t *object = written(&what, 100);
    assert_true(number(object, "client_cpu_ns") == 200e6);
    assert_true(number(object, "client_share") == 0.5);
    assert_true(number(object, "client_busy") == 0.8);
    assert_true(number(object, "client_us_per_op") == 2000);
    assert_null(json_object_get(object, "server_cpu_ns"));
    json_decref(object);
    what.has_server = true;
    object = written(&what, 0);
    assert_true(number(object, "server_cpu_ns") == 50e6);
    assert_null(json_object_get(object, "client_us_per_op")); /* of no request */
    assert_null(json_object_get(object, "server_us_per_op"));
    json_decref(object);
}

/* The intervals of a run have all that its threads used, also what they used last. */
static void clock_of_a_worker(void **state)
{
    (void)state;
    static struct selftest_rig rig;
    const struct fake_law law = {.delay_ns = 0};
    const struct selftest_load load = {.workload = WORKLOAD_get, .threads = 2, .requests = 20000};
    rig.driver = &driver_resp2;
    assert_true(selftest_measure(&rig, &law, &load));
    const struct series *series = &rig.result.series;
    uint64_t sum = 0, threads = 0;
    for (unsigned i = 0; i < series->n; i++)
        sum += series->row[i].used.client_ns;
    for (unsigned i = 0; i < 2; i++)
        threads += rig.result.threads[i].user_ns + rig.result.threads[i].system_ns;
    /* The same by another clock, which is read before the one begins and before the other ends. */
    assert_in_range(sum, threads - threads / 10, threads + threads / 10 + 5 * MS);
    assert_false(series->row[0].used.has_server);
    assert_int_equal(series->row[0].slip.count, 0);
    selftest_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(used),
        cmocka_unit_test(saturated),
        cmocka_unit_test(members),
        cmocka_unit_test(clock_of_a_worker),
    };
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
