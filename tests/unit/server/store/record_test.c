/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records: every width of sizes, overwriting in place, alignment, order.
 *
 * Sizes are crossed with each other; contents are patterns, so that a byte in a wrong place shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/record.h"

#include <stdlib.h>

enum { LARGEST = 70000 };

static const size_t key_sizes[] = {1, 2, 255, 256, 257, 65535};
static const size_t value_sizes[] = {0, 1, 255, 256, 257, 70000};

static uint8_t key_pattern[LARGEST], value_pattern[LARGEST], other_pattern[LARGEST];

static int make_patterns(void **state)
{
    (void)state;
    for (size_t i = 0; i < LARGEST; i++) {
        key_pattern[i] = (uint8_t)(i * 7 + 1);
        value_pattern[i] = (uint8_t)(i * 11 + 3);
        other_pattern[i] = (uint8_t)(i * 13 + 5);
    }
    return 0;
}

static struct record_spec spec_of(size_t key_size, size_t value_size, int64_t expires_at_ms)
{
    return (struct record_spec){.key = {7, KIND_kv, {key_pattern, key_size}},
                                .text = key_size % 2 == 0,
                                .value = {value_pattern, value_size},
                                .expires_at_ms = expires_at_ms};
}

/* Not inlined: gcc 12 would take the node in front for an offset into the block. */
static __attribute__((noinline)) struct record *create(const struct record_spec *spec)
{
    struct record *record = record_create(spec);
    assert_non_null(record);
    return record;
}

static void assert_record(const struct record *record, const struct record_spec *spec,
                          uint64_t version)
{
    assert_int_equal((uintptr_t)record % 8, 0);
    assert_true(bytes_equal(record_key_bytes(record), spec->key.bytes));
    assert_true(bytes_equal(record_value(record), spec->value));
    assert_int_equal(record_run(record), spec->key.run);
    assert_int_equal(record_kind_of(record), spec->key.kind);
    assert_int_equal(record_is_text(record), spec->text);
    assert_true(record_version(record) == version);
    assert_true(record_equal(record, &spec->key));
    assert_int_equal(record_compare(&spec->key, record), 0);
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t k = 0; k < LENGTH_OF(key_sizes); k++) {
        for (size_t v = 0; v < 2 * LENGTH_OF(value_sizes); v++) {
            int64_t at = v % 2 == 0 ? 0 : 12345;
            struct record_spec spec = spec_of(key_sizes[k], value_sizes[v / 2], at);
            struct record *record = create(&spec);
            assert_record(record, &spec, 0);
            assert_true(record_expires_at_ms(record) == at);
            record_set_version(record, ((uint64_t)1 << 53) - 1);
            assert_record(record, &spec, ((uint64_t)1 << 53) - 1);
            assert_true(record_memory(record) >= spec.key.bytes.size + spec.value.size + 14);
            record_destroy(record);
        }
    }
    record_destroy(NULL);
}

/* Give a record other content; if it fits, everything about it is as if it were made anew. */
static bool overwrite(size_t key_size, size_t from, size_t to, int64_t at)
{
    struct record_spec spec = spec_of(key_size, from, at);
    struct record *record = create(&spec);
    record_set_version(record, 77);
    record_touch(record);
    spec.value = (struct bytes){other_pattern, to};
    spec.text = !spec.text;
    bool fits = record_fits(record, &spec);
    if (fits) {
        size_t memory = record_memory(record);
        record_overwrite(record, &spec);
        assert_record(record, &spec, 0);
        assert_int_equal(record_memory(record), memory);
        assert_true(record_expires_at_ms(record) == at);
        assert_true(record_untouch(record)); /* the mark survives */
    }
    record_destroy(record);
    return fits;
}

static void test_overwrite(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 200, 252, 253, 254, 255, 256, 257, 300, 500};
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
        for (size_t j = 0; j < LENGTH_OF(sizes); j++) {
            bool fits = overwrite(16, sizes[i], sizes[j], 0);
            (void)overwrite(16, sizes[i], sizes[j], 99);
            (void)overwrite(300, sizes[i], sizes[j], 99);
            if (sizes[i] == sizes[j])
                assert_true(fits);
            if (sizes[j] > sizes[i] + 64 || (sizes[j] + 64) * 2 < sizes[i])
                assert_false(fits);
        }
    }
    assert_true(
        overwrite(16, 300, 200, 0)); /* the size of the value gets narrower: the key moves */
}

/* Content that is the record's own, as kv.expire gives it. */
static void test_overwrite_itself(void **state)
{
    (void)state;
    for (size_t v = 0; v < LENGTH_OF(value_sizes); v++) {
        struct record_spec spec = spec_of(10, value_sizes[v], 5), own = spec;
        struct record *record = create(&spec);
        own.key.bytes = record_key_bytes(record);
        own.value = record_value(record);
        assert_true(record_fits(record, &own));
        record_overwrite(record, &own);
        assert_record(record, &spec, 0);
        record_destroy(record);
    }
}

static void test_expiry(void **state)
{
    struct record_spec never = spec_of(3, 3, 0), some = spec_of(3, 3, 100);
    struct record *a = create(&never), *b = create(&some);
    (void)state;
    assert_false(record_fits(a, &some)); /* the node is there or it is not */
    assert_false(record_fits(b, &never));
    assert_null(record_wheel_node(a));
    assert_ptr_equal(record_of_wheel_node(record_wheel_node(b)), b);
    assert_false(record_expired(a, INT64_MAX));
    assert_false(record_expired(b, 99));
    assert_true(record_expired(b, 100));
    record_destroy(a);
    record_destroy(b);
}

/* The count in front of a value is changed, and nothing else; values without room for one have
 * none. */
static void test_count(void **state)
{
    (void)state;
    for (size_t v = 0; v < LENGTH_OF(value_sizes); v++) {
        uint8_t copy[1 << 17];
        struct record_spec spec = spec_of(10, value_sizes[v], 5);
        struct record *record = create(&spec);
        if (value_sizes[v] >= RECORD_COUNT_BYTES && value_sizes[v] <= sizeof copy) {
            memcpy(copy, spec.value.data, spec.value.size);
            memcpy(copy, "\x04\x03\x02\x01", RECORD_COUNT_BYTES);
            spec.value.data = copy;
            record_set_count(record, 0x01020304);
            assert_int_equal(record_count(record), 0x01020304);
        } else if (value_sizes[v] < RECORD_COUNT_BYTES) {
            record_set_count(record, 7);
            assert_int_equal(record_count(record), 0);
        }
        assert_record(record, &spec, 0);
        record_destroy(record);
    }
}

static void test_touch(void **state)
{
    struct record_spec spec = spec_of(3, 3, 0);
    struct record *record = create(&spec);
    (void)state;
    assert_false(record_untouch(record));
    record_touch(record);
    record_touch(record);
    assert_record(record, &spec, 0);
    assert_true(record_untouch(record));
    assert_false(record_untouch(record));
    record_destroy(record);
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* Run, then kind, then bytes; a prefix comes first. */
static void test_order(void **state)
{
    static const struct record_key keys[] = {
        {1, 1, {(const uint8_t *)"z", 1}},        {1, 2, {(const uint8_t *)"a", 1}},
        {2, 1, {(const uint8_t *)"\0", 1}},       {2, 1, {(const uint8_t *)"a", 1}},
        {2, 1, {(const uint8_t *)"a\0", 2}},      {2, 1, {(const uint8_t *)"aa", 2}},
        {2, 1, {(const uint8_t *)"b", 1}},        {2, 1, {(const uint8_t *)"\x7f", 1}},
        {2, 1, {(const uint8_t *)"\x80", 1}},     {2, 1, {(const uint8_t *)"\xff", 1}},
        {2, 1, {(const uint8_t *)"\xff\xff", 2}}, {256, 1, {(const uint8_t *)"a", 1}},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(keys); i++) {
        struct record_spec spec = {.key = keys[i]};
        struct record *record = create(&spec);
        for (size_t j = 0; j < LENGTH_OF(keys); j++) {
            assert_int_equal(sign(record_compare(&keys[j], record)), (j > i) - (j < i));
            assert_int_equal(record_equal(record, &keys[j]), i == j);
        }
        record_destroy(record);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(record_kind_find(bytes_of("kv")), KIND_kv);
    assert_int_equal(record_kind_find(bytes_of("k")), KIND_NONE);
    assert_int_equal(record_kind_find(BYTES_NONE), KIND_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_overwrite),
        cmocka_unit_test(test_expiry), cmocka_unit_test(test_overwrite_itself),
        cmocka_unit_test(test_count),  cmocka_unit_test(test_touch),
        cmocka_unit_test(test_order),  cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, make_patterns, NULL);
}
