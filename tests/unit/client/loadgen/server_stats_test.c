/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/server_stats: what servers say is read as far as it goes, and what loadgen itself
 * caused by asking is no part of a test.
 */
#include "client/loadgen/server_stats.h"

#include "proto/pack.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct server_state before, after;
static struct server_change change;

static void read_info(struct server_state *out, const char *info)
{
    memset(out, 0, sizeof *out);
    server_stats_from_resp(info, out);
}

static const char info_before[] = "$999\r\n# Server\r\nredis_version:7.0.15\r\naof_enabled:1\r\n"
                                  "used_memory:1000\r\nused_memory_rss:5000\r\n"
                                  "total_commands_processed:17\r\nevicted_keys:1\r\n"
                                  "cmdstat_ping:calls=4,usec=8,usec_per_call=2.00\r\n"
                                  "cmdstat_set:calls=10,usec=100,usec_per_call=10.00,"
                                  "rejected_calls=0,failed_calls=2\r\n"
                                  "cmdstat_info:calls=3,usec=90,usec_per_call=30.00\r\n";
static const char info_after[] = "$999\r\n# Server\r\nredis_version:7.0.15\r\naof_enabled:1\r\n"
                                 "used_memory:4000\r\nused_memory_rss:9000\r\n"
                                 "total_commands_processed:79\r\nevicted_keys:8\r\n"
                                 "cmdstat_ping:calls=5,usec=9,usec_per_call=2.00\r\n"
                                 "cmdstat_set:calls=50,usec=300,usec_per_call=6.00,"
                                 "rejected_calls=0,failed_calls=5\r\n"
                                 "cmdstat_get:calls=20,usec=40,usec_per_call=2.00\r\n"
                                 "cmdstat_info:calls=4,usec=120,usec_per_call=30.00\r\n"
                                 "latency_percentiles_usec_get:p50=1.5,p99=3.25,p99.9=9\r\n"
                                 "latency_percentiles_usec_set:p50=2.5,p99=7.25,p99.9=9\r\n";

static const char info_polled[] = "$999\r\n# Server\r\ntotal_commands_processed:83\r\n"
                                  "cmdstat_ping:calls=26,usec=9\r\n"
                                  "cmdstat_set:calls=50,usec=300\r\n"
                                  "cmdstat_info:calls=7,usec=120\r\n";

static void redis(void **state)
{
    (void)state;
    read_info(&before, info_before);
    read_info(&after, info_after);
    server_stats_change(&before, &after, &change);
    assert_true(change.known);
    assert_string_equal(change.durability, "buffered");
    assert_int_equal(change.requests, 60); /* of 62, as one is a ping and one INFO */
    assert_int_equal(change.n_ops, 2);
    assert_string_equal(server_stats_main(&change)->name, "set");
    assert_int_equal(server_stats_main(&change)->calls, 40);
    assert_int_equal(server_stats_main(&change)->failed, 3);
    assert_true(server_stats_main(&change)->p99_us == 7.25);
    assert_true(change.ops[1].p50_us == 1.5);
    assert_true(!change.exact[0] && change.exact[1]); /* get was new */
    assert_true(fabs(server_stats_mean_us(&change) - 240.0 / 60) < 1e-9);
    assert_int_equal(change.used_before, 1000);
    assert_int_equal(change.used_after, 4000);
    assert_int_equal(change.resident_after, 9000);
    assert_int_equal(change.evicted, 7);
    /* Of three more INFO on a connection that had asked there is no greeting. */
    read_info(&after, info_polled);
    after.ungreeted = 3;
    server_stats_change(&before, &after, &change);
    assert_int_equal(change.requests, 61); /* 40 sets, and all pings but one */
    assert_int_equal(server_stats_main(&change)->calls, 40);
}

static void runs_add_up(void **state)
{
    (void)state;
    struct server_change all;
    read_info(&before, info_before);
    read_info(&after, info_after);
    server_stats_change(&before, &after, &change);
    all = change;
    change.used_after = 7000;
    server_stats_add(&all, &change);
    assert_int_equal(all.requests, 120);
    assert_int_equal(all.evicted, 14);
    assert_int_equal(all.ops[0].calls, 80);
    assert_int_equal(all.used_before, 1000);
    assert_int_equal(all.used_after, 7000);
    change.known = false;
    server_stats_add(&all, &change);
    assert_false(all.known);
}

/* {counters: {...}, operations: {kv.put: {...}}} */
static void pack_stats(struct buf *out, uint64_t requests, uint64_t puts)
{
    const struct {
        const char *name;
        double value;
    } figures[] = {{"mean_us", 0.5}, {"p50_us", 0.25}, {"p99_us", 4}, {"word", 0}};
    int err = pack_map(out, 3);
    err |= pack_str(out, bytes_of("counters")) | pack_map(out, 3);
    err |= pack_str(out, bytes_of("requests")) | pack_uint(out, requests);
    err |= pack_str(out, bytes_of("wal_syncs")) | pack_uint(out, requests / 2);
    err |= pack_str(out, bytes_of("memory_used_bytes")) | pack_str(out, bytes_of("much"));
    err |= pack_str(out, bytes_of("later")) | pack_array(out, 0);
    err |= pack_str(out, bytes_of("operations")) | pack_map(out, 2);
    err |= pack_str(out, bytes_of("server.info")) | pack_nil(out);
    err |= pack_str(out, bytes_of("kv.put")) | pack_map(out, 1 + LENGTH_OF(figures));
    err |= pack_str(out, bytes_of("count")) | pack_uint(out, puts);
    for (size_t i = 0; i < LENGTH_OF(figures); i++)
        err |= pack_str(out, bytes_of(figures[i].name)) | pack_real(out, figures[i].value);
    assert_int_equal(err, 0);
}

static void cairnd(void **state)
{
    (void)state;
    struct buf stats[2];
    struct server_state *states[] = {&before, &after};
    for (unsigned i = 0; i < 2; i++) {
        buf_init(&stats[i]);
        pack_stats(&stats[i], 100 * i, 90 * i);
        memset(states[i], 0, sizeof **states);
        server_stats_from_stats(buf_bytes(&stats[i]), states[i]);
    }
    server_stats_change(&before, &after, &change);
    assert_true(change.known);
    assert_int_equal(change.requests, 100);
    assert_int_equal(change.log_syncs, 50);
    assert_int_equal(change.used_after, 0);
    assert_int_equal(server_stats_main(&change)->calls, 90);
    assert_true(fabs(server_stats_mean_us(&change) - 0.5) < 1e-9);
    assert_true(server_stats_main(&change)->p99_us == 4 && change.exact[0]);
    /* Cut anywhere and with any byte changed it is read without harm. */
    for (size_t size = 0; size < stats[1].size; size++) {
        uint8_t *cut = malloc(size + 1); /* of its own, so that a sanitizer sees its end */
        memcpy(cut, stats[1].data, size + 1);
        server_stats_from_stats((struct bytes){cut, size}, &after);
        cut[size] ^= 0xff;
        server_stats_from_stats((struct bytes){cut, size + 1}, &after);
        free(cut);
    }
    buf_deinit(&stats[0]);
    buf_deinit(&stats[1]);
}

static void nonsense(void **state)
{
    (void)state;
    read_info(&before, "");
    assert_false(before.known);
    server_stats_change(&before, &after, &change);
    assert_false(change.known);
    assert_null(server_stats_main(&change));
    assert_true(server_stats_mean_us(&change) == 0);
    read_info(&after,
              ":\r\ncmdstat_:calls=1\r\ncmdstat_x:calls=,usec=-5,calls\r\nused_memory:-1\r\n"
              "used_memory_rss:1e300\r\ncmdstat_y:calls=99999999999999999999999\r\n");
    assert_true(after.known && after.memory_used == 0 && after.memory_resident == 0);
    for (unsigned i = 0; i < after.n_ops; i++)
        assert_true(after.ops[i].calls == 0 && !(after.ops[i].spent_us < 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis),
        cmocka_unit_test(runs_add_up),
        cmocka_unit_test(cairnd),
        cmocka_unit_test(nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
