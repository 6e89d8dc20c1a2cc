/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Torn or damaged: what is a witness and what only looks like one, at every offset; and the bound
 * on the work that hostile values can make.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rng.h"
#include "server/wal/little.h"
#include "server/wal/replay_tail.h"

#include <stdlib.h>

enum { SIZE = 64 * 1024, END = 5000, LAST = 100 };

static uint8_t data[SIZE];

static struct tail_finding examine(void)
{
    struct tail tail = {{data, SIZE}, END, LAST, 1234};
    struct tail_finding finding;
    tail_examine(&tail, &finding);
    return finding;
}

/* An entry at `at`, its seed before it. */
static void put(uint64_t at, uint8_t type, uint64_t lsn, uint64_t synced, size_t body_size)
{
    little_write_u32(data + at - 4, 77);
    entry_write_head(data + at, type, lsn, body_size);
    (void)entry_seal(data + at, synced, 77);
}

static bool is_damaged_with(uint64_t at, uint8_t type, uint64_t lsn, uint64_t synced, size_t size)
{
    memset(data, 0, SIZE);
    put(at, type, lsn, synced, size);
    return examine().damaged;
}

static void test_witness(void **state)
{
    (void)state;
    assert_true(is_damaged_with(6000, ENTRY_PUT, LAST + 2, END + 1, 10));
    assert_int_equal(examine().witness, 6000);
    assert_int_equal(examine().witness_lsn, LAST + 2);
    assert_true(is_damaged_with(6000, ENTRY_PUT, LAST + 2, 6000, 10));
    assert_true(is_damaged_with(6000, ENTRY_WATERMARK, LAST, 6000, 0));
    assert_false(is_damaged_with(6000, ENTRY_PUT, LAST + 2, END, 10));
    assert_false(is_damaged_with(6000, ENTRY_PUT, LAST + 2, 6001, 10));
    assert_false(is_damaged_with(6000, ENTRY_PUT, LAST - 1, 6000, 10));
    assert_false(is_damaged_with(6000, ENTRY_PUT, LAST + 2 + 1000 / ENTRY_OVERHEAD, 6000, 10));
}

static void test_every_offset(void **state)
{
    (void)state;
    for (uint64_t at = END + 4; at < END + 3000; at++)
        assert_true(is_damaged_with(at, ENTRY_PUT, LAST + 1, at, 30));
    for (uint64_t at = SIZE - ENTRY_OVERHEAD - 100; at <= SIZE - ENTRY_OVERHEAD; at++)
        assert_true(is_damaged_with(at, ENTRY_SHUTDOWN, LAST + 1, at, 0));
}

/* No single byte of a witness with a body may be wrong; but in the seed of what has none. */
static void test_spoilt_witness(void **state)
{
    (void)state;
    for (uint64_t i = 6000 - 4; i < 6000 + ENTRY_OVERHEAD + 20; i++) {
        memset(data, 0, SIZE);
        put(6000, ENTRY_PUT, LAST + 2, END + 1, 20);
        data[i] ^= 0x10;
        assert_false(examine().damaged);
    }
    memset(data, 0, SIZE);
    put(6000, ENTRY_WATERMARK, LAST + 2, END + 1, 0);
    data[5998] ^= 1;
    assert_true(examine().damaged);
}

static void test_torn_bytes(void **state)
{
    (void)state;
    memset(data, 0, SIZE);
    memset(data, 1, END);
    assert_int_equal(examine().torn_bytes, 0);
    data[END + 99] = 1;
    assert_int_equal(examine().torn_bytes, 100);
    data[SIZE - 1] = 1;
    assert_int_equal(examine().torn_bytes, SIZE - END);
}

/* Garbage proves nothing, nor does the garbage of small numbers. */
static void test_garbage(void **state)
{
    (void)state;
    struct rng rng = {1};
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned j = END; j < SIZE; j++) {
            uint8_t byte = (uint8_t)rng_next(&rng);
            data[j] = i % 2 == 0 ? byte : byte % 3;
        }
        assert_false(examine().damaged);
    }
}

/* A value full of heads that each promise a long entry: the work ends, on the safe side. */
static void test_hostile_value(void **state)
{
    (void)state;
    memset(data, 0, SIZE);
    for (uint64_t at = END + 10; at + 30000 < SIZE; at += 22) {
        entry_write_head(data + at, ENTRY_PUT, LAST + 1, 30000 - ENTRY_OVERHEAD);
        little_write_u64(data + at + ENTRY_AT_SYNCED, END + 1);
    }
    assert_true(examine().damaged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_witness),        cmocka_unit_test(test_every_offset),
        cmocka_unit_test(test_spoilt_witness), cmocka_unit_test(test_torn_bytes),
        cmocka_unit_test(test_garbage),        cmocka_unit_test(test_hostile_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
