/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/ops/ckpt_hasher: the first half of SHA-256 (FIPS 180-4 examples), one after the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/ops/ckpt_hasher.h"

static void assert_hash(struct ckpt_hasher *hasher, const char *text,
                        const uint8_t expected[static CKPT_HASH_BYTES])
{
    uint8_t hash[CKPT_HASH_BYTES];
    assert_int_equal(ckpt_hasher_make(hasher, bytes_of(text), hash), 0);
    assert_memory_equal(hash, expected, sizeof hash);
}

static void test_hashes(void **state)
{
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                  0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23};
    static const uint8_t empty[] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
                                    0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24};
    struct ckpt_hasher hasher;
    (void)state;
    assert_int_equal(ckpt_hasher_init(&hasher), 0);
    assert_hash(&hasher, "abc", abc);
    assert_hash(&hasher, "", empty);
    assert_hash(&hasher, "abc", abc);
    ckpt_hasher_deinit(&hasher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hashes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
