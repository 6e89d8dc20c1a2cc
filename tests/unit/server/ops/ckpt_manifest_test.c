/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/ops/ckpt_manifest: bytes as docs/formats.md says, parts of all sizes and back. What is
 * refused is in ckpt_state_test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rng.h"
#include "server/ops/ckpt_manifest.h"

#include <stdlib.h>

static const struct bytes hash = {(const uint8_t *)"0123456789abcdef", CKPT_HASH_BYTES};
static const struct bytes base = {(const uint8_t *)"ghijklmnopqrstuv", CKPT_HASH_BYTES};

static void test_bytes(void **state)
{
    static const char expected[] = "\1\3\xb2\2"
                                   "ghijklmnopqrstuv"
                                   "\xc2\2\x0a"
                                   "\x14hello"
                                   "\xc1\6"
                                   "0123456789abcdef"
                                   "\x36\x81\1";
    const struct ckpt_part parts[] = {
        {.type = CKPT_PART_RANGE, .size = 80, .skip = 10},
        {.type = CKPT_PART_BYTES, .size = 5, .bytes = bytes_of("hello")},
        {.type = CKPT_PART_PIECE, .size = 208, .bytes = hash},
        {.type = CKPT_PART_RANGE, .size = 13, .skip = 129},
    };
    struct buf out;
    (void)state;
    buf_init(&out);
    assert_int_equal(ckpt_manifest_begin(&out, 3, 80 + 5 + 208 + 13, base), 0);
    for (size_t i = 0; i < LENGTH_OF(parts); i++)
        assert_int_equal(ckpt_manifest_add(&out, &parts[i]), 0);
    assert_int_equal(out.size, sizeof expected - 1);
    assert_memory_equal(out.data, expected, out.size);
    buf_deinit(&out);
}

/* Parts of random sizes up to the largest: written, read, the same. */
static void test_back(void **state)
{
    enum { PARTS = 200 };
    struct ckpt_part parts[PARTS], part;
    struct rng rng = {1};
    struct ckpt_manifest manifest;
    struct buf out;
    uint64_t size = 0;
    static uint8_t data[1 << 16];
    (void)state;
    for (size_t i = 0; i < PARTS; i++) {
        uint64_t bits = rng_below(&rng, 23);
        parts[i] = (struct ckpt_part){.type = (enum ckpt_part_type)rng_below(&rng, 3),
                                      .size = 1 + rng_below(&rng, 1ull << bits)};
        if (parts[i].type == CKPT_PART_BYTES)
            parts[i].size = parts[i].size < sizeof data ? parts[i].size : sizeof data;
        if (parts[i].type == CKPT_PART_BYTES)
            parts[i].bytes = (struct bytes){data, (size_t)parts[i].size};
        if (parts[i].type == CKPT_PART_PIECE)
            parts[i].bytes = hash;
        if (parts[i].type == CKPT_PART_RANGE)
            parts[i].skip = rng_below(&rng, CKPT_SIZE_MAX);
        size += parts[i].size;
    }
    assert_true(size <= CKPT_SIZE_MAX);
    buf_init(&out);
    assert_int_equal(ckpt_manifest_begin(&out, CKPT_DEPTH_MAX, size, base), 0);
    for (size_t i = 0; i < PARTS; i++)
        assert_int_equal(ckpt_manifest_add(&out, &parts[i]), 0);
    assert_int_equal(ckpt_manifest_open(buf_bytes(&out), &manifest), 0);
    assert_int_equal(manifest.depth, CKPT_DEPTH_MAX);
    assert_int_equal(manifest.size, size);
    assert_true(bytes_equal(manifest.base, base));
    for (size_t i = 0; i < PARTS; i++) {
        assert_int_equal(ckpt_manifest_next(&manifest, &part), 1);
        assert_int_equal(part.type, parts[i].type);
        assert_int_equal(part.size, parts[i].size);
        assert_int_equal(part.skip, parts[i].skip);
        assert_true(bytes_equal(part.bytes, parts[i].bytes));
    }
    assert_int_equal(ckpt_manifest_next(&manifest, &part), 0);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
