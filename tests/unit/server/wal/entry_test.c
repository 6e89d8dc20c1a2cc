/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/wal/entry: what is sealed is read back; nothing else is.
 */
#include "server/wal/entry.h"

#include "common/err.h"
#include "server/wal/little.h"
#include "tests/unit/common/seed.h"
#include "tests/unit/golden.h"

#include <libdeflate.h>

static size_t make(uint8_t *to, uint8_t type, uint64_t lsn, const char *body, size_t size)
{
    entry_write_head(to, type, lsn, size);
    memcpy(to + ENTRY_HEAD_BYTES, body, size);
    return size + ENTRY_OVERHEAD;
}

static int read_at(const uint8_t *data, size_t size, uint32_t seed, struct entry *out, size_t *took,
                   uint32_t *crc)
{
    return entry_read((struct bytes){data, size}, seed, out, took, crc);
}

static void chain(void **state)
{
    static const struct {
        uint8_t type;
        const char *body;
    } entries[] = {{ENTRY_PUT, "one"}, {ENTRY_WATERMARK, ""}, {ENTRY_BATCH, "three is longer"}};
    uint8_t data[256];
    size_t end = 0, at = 0, took;
    uint32_t crc = 77, seed = 77;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t size =
            make(data + end, entries[i].type, 10 + i, entries[i].body, strlen(entries[i].body));
        assert_int_equal(entry_size(data + end), size);
        assert_int_equal(entry_type_at(data + end), entries[i].type);
        assert_int_equal(entry_lsn_at(data + end), 10 + i);
        crc = entry_seal(data + end, 4096 + i, crc);
        end += size;
    }
    for (size_t i = 0; i < 3; i++, at += took) {
        struct entry entry;
        assert_int_equal(read_at(data + at, end - at, seed, &entry, &took, &seed), 0);
        assert_int_equal(entry.type, entries[i].type);
        assert_int_equal(entry.lsn, 10 + i);
        assert_int_equal(entry.synced, 4096 + i);
        assert_int_equal(entry.body.size, strlen(entries[i].body));
        assert_memory_equal(entry.body.data, entries[i].body, entry.body.size);
    }
    assert_int_equal(at, end);
    assert_int_equal(seed, crc);
}

/* One bit, one byte less, another seed: refused. */
static void damage(void **state)
{
    uint8_t data[64];
    struct entry entry;
    size_t took;
    uint32_t crc;
    (void)state;
    size_t size = make(data, ENTRY_PUT, 5, "some body", 9);
    (void)entry_seal(data, 4096, 1);
    assert_int_equal(read_at(data, size, 1, &entry, &took, &crc), 0);
    assert_int_equal(took, size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(read_at(data, size, 1, &entry, &took, &crc), ERR_DATA_DAMAGED);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t less = 0; less < size; less++)
        assert_int_equal(read_at(data, less, 1, &entry, &took, &crc), ERR_DATA_DAMAGED);
    for (uint32_t seed = 2; seed < 100; seed++)
        assert_int_equal(read_at(data, size, seed, &entry, &took, &crc), ERR_DATA_DAMAGED);
    memset(data, 0, sizeof data);
    assert_int_equal(read_at(data, sizeof data, 0, &entry, &took, &crc), ERR_DATA_DAMAGED);
}

/* Lengths that would lead outside, with a CRC that fits as far as it goes. */
static void lengths(void **state)
{
    static const uint32_t wrong[] = {0,
                                     1,
                                     ENTRY_LENGTH_MIN - 1,
                                     61,
                                     1 << 20,
                                     ENTRY_BODY_MAX + ENTRY_LENGTH_MIN + 1,
                                     INT32_MAX,
                                     UINT32_MAX - 3,
                                     UINT32_MAX};
    uint8_t data[64] = {0};
    struct entry entry;
    size_t took;
    uint32_t crc;
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(wrong); i++) {
        size_t size = make(data, ENTRY_PUT, 5, "0123456789012345678901234567890123", 34);
        assert_int_equal(size, 60);
        (void)entry_seal(data, 4096, 1);
        little_write_u32(data, wrong[i]);
        if (wrong[i] >= 4 && wrong[i] < 60)
            little_write_u32(data + wrong[i], libdeflate_crc32(1, data + 4, wrong[i] - 4));
        assert_int_equal(read_at(data, sizeof data, 1, &entry, &took, &crc), ERR_DATA_DAMAGED);
    }
}

/* Random bytes are read without harm. */
static void noise(void **state)
{
    struct rng rng = seed_rng();
    (void)state;
    for (int i = 0; i < 100000; i++) {
        size_t size = rng_below(&rng, 80);
        uint8_t *data = malloc(size); /* exactly as long, so that the sanitizer sees */
        for (size_t j = 0; j < size; j++)
            data[j] = (uint8_t)rng_next(&rng);
        if (size > 4 && i % 2)
            little_write_u32(data, (uint32_t)rng_below(&rng, 90));
        struct entry entry;
        size_t took;
        uint32_t crc;
        assert_int_equal(read_at(data, size, 0, &entry, &took, &crc), ERR_DATA_DAMAGED);
        free(data);
    }
}

static void largest(void **state)
{
    size_t size = (size_t)ENTRY_BODY_MAX + ENTRY_OVERHEAD, took;
    uint8_t *data = calloc(1, size);
    struct entry entry;
    uint32_t crc;
    (void)state;
    assert_non_null(data);
    entry_write_head(data, ENTRY_BATCH, 1, ENTRY_BODY_MAX);
    (void)entry_seal(data, 4096, 3);
    assert_int_equal(read_at(data, size, 3, &entry, &took, &crc), 0);
    assert_int_equal(took, size);
    assert_int_equal(entry.body.size, ENTRY_BODY_MAX);
    free(data);
}

static void counting(void **state)
{
    (void)state;
    assert_true(entry_type_counts(ENTRY_BATCH) && entry_type_counts(ENTRY_PUT) &&
                entry_type_counts(ENTRY_DEL));
    assert_false(entry_type_counts(ENTRY_WATERMARK) || entry_type_counts(ENTRY_MARKER) ||
                 entry_type_counts(ENTRY_SHUTDOWN));
}

static void golden(void **state)
{
    uint8_t data[64];
    struct entry entry;
    size_t took;
    uint32_t crc;
    (void)state;
    size_t size = make(data, ENTRY_PUT, 0x0102030405060708, "golden", 6);
    (void)entry_seal(data, 0x1112131415161718, 0xdeadbeef);
    golden_same("wal_entry.bin", data, size);
    size = golden_read("wal_entry.bin", data, sizeof data);
    assert_int_equal(read_at(data, size, 0xdeadbeef, &entry, &took, &crc), 0);
    assert_int_equal(entry.lsn, 0x0102030405060708);
    assert_int_equal(entry.synced, 0x1112131415161718);
    assert_memory_equal(entry.body.data, "golden", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain),  cmocka_unit_test(damage),  cmocka_unit_test(lengths),
        cmocka_unit_test(noise),  cmocka_unit_test(largest), cmocka_unit_test(counting),
        cmocka_unit_test(golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
