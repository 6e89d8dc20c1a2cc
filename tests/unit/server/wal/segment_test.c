/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/wal/segment: names, headers and files of zeros.
 */
#include "server/wal/segment.h"

#include "common/err.h"
#include "tests/unit/golden.h"
#include "tests/unit/server/wal/watch.h"

static const struct segment_header sample = {
    .store = {"0123456789abcdef"},
    .number = 3,
    .first_lsn = 0x1122334455667788,
    .salt = 0xcafebabe,
    .last_lsn = 0x1122334455667787,
    .end_offset = 123456789,
    .end_crc = 0x01020304,
};

static void names(void **state)
{
    static const uint64_t lsns[] = {0, 1, 0xabcdef, UINT64_MAX};
    static const char *const wrong[] = {
        "",
        "wal-",
        "wal-spare",
        "wal-next",
        "wal-0000000000000001.logs",
        "wal-000000000000001.log",
        "wal-00000000000000001.log",
        "wal-000000000000000A.log",
        "wal-+000000000000001.log",
        "wal- 000000000000001.log",
        "wal-0x00000000000001.log",
        "wal-0000000000000001.lo",
        "snap-0000000000000001.log",
        "xwal-0000000000000001.log",
    };
    char name[FILE_NAME_MAX + 1];
    uint64_t lsn = 7;
    (void)state;
    segment_name(0x1f, name);
    assert_string_equal(name, "wal-000000000000001f.log");
    for (size_t i = 0; i < LENGTH_OF(lsns); i++) {
        segment_name(lsns[i], name);
        assert_true(segment_parse_name(name, &lsn));
        assert_int_equal(lsn, lsns[i]);
    }
    lsn = 7;
    for (size_t i = 0; i < LENGTH_OF(wrong); i++)
        assert_false(segment_parse_name(wrong[i], &lsn));
    assert_int_equal(lsn, 7);
}

static void assert_sample(const struct segment_header *header)
{
    assert_memory_equal(header->store.bytes, sample.store.bytes, sizeof sample.store.bytes);
    assert_int_equal(header->number, sample.number);
    assert_int_equal(header->first_lsn, sample.first_lsn);
    assert_int_equal(header->salt, sample.salt);
    assert_int_equal(header->last_lsn, sample.last_lsn);
    assert_int_equal(header->end_offset, sample.end_offset);
    assert_int_equal(header->end_crc, sample.end_crc);
}

/* Any bit of the block, the zeros too. */
static void header(void **state)
{
    uint8_t data[SEGMENT_HEADER_BYTES];
    struct segment_header out;
    (void)state;
    segment_encode_header(&sample, data);
    assert_int_equal(segment_decode_header(data, &out), 0);
    assert_sample(&out);
    for (size_t at = 0; at < sizeof data; at += at < 128 ? 1 : 61)
        for (int bit = 0; bit < 8; bit++) {
            data[at] ^= (uint8_t)(1 << bit);
            assert_int_equal(segment_decode_header(data, &out), ERR_DATA_DAMAGED);
            data[at] ^= (uint8_t)(1 << bit);
        }
    memset(data, 0, sizeof data);
    assert_int_equal(segment_decode_header(data, &out), ERR_DATA_DAMAGED);
}

static void golden(void **state)
{
    uint8_t data[SEGMENT_HEADER_BYTES + 1];
    struct segment_header out;
    (void)state;
    segment_encode_header(&sample, data);
    golden_same("wal_segment_header.bin", data, SEGMENT_HEADER_BYTES);
    assert_int_equal(golden_read("wal_segment_header.bin", data, sizeof data),
                     SEGMENT_HEADER_BYTES);
    assert_int_equal(segment_decode_header(data, &out), 0);
    assert_sample(&out);
}

/* All zeros, of the right size, synced under a durable name, written or reserved. */
static void zeros(void **state)
{
    static const uint64_t sizes[] = {1, 4096, 256 * 1024, 256 * 1024 + 1, 1000000};
    struct watch *w = watch_create();
    (void)state;
    for (size_t i = 0; i < 2 * LENGTH_OF(sizes); i++) {
        uint64_t bytes = sizes[i / 2];
        assert_int_equal(segment_zero(&w->dir, "z", bytes, i % 2 == 0), 0);
        const struct watch_file *file = watch_find(w, "z");
        assert_string_equal(file->durable, "z");
        assert_int_equal(file->n_synced, bytes);
        for (size_t j = 0; j < bytes; j++)
            if (file->synced[j] != 0)
                fail_msg("byte %zu", j);
        assert_int_equal(segment_zero(&w->dir, "z", 1, true), -EEXIST);
        assert_int_equal(watch_find(w, "z")->n_synced, bytes); /* as it was */
        assert_int_equal(w->dir.ops->remove(&w->dir, "z"), 0);
    }
    watch_destroy(w);
}

static void count_sync(void *context)
{
    ++*(unsigned *)context;
}

/* A large one is synced in parts, so that a commit has not to wait for all of it. */
static void zeros_in_parts(void **state)
{
    struct watch *w = watch_create();
    unsigned syncs = 0;
    (void)state;
    w->synced = count_sync;
    w->context = &syncs;
    assert_int_equal(segment_zero(&w->dir, "z", 16 << 20, true), 0);
    assert_int_equal(syncs, 4 + 1); /* and that of the name */
    assert_int_equal(watch_find(w, "z")->n_synced, 16 << 20);
    watch_destroy(w);
}

/* Calls that may fail; whichever does, nothing is left. */
static unsigned long calls_of(uint64_t bytes, bool written)
{
    for (unsigned long at = 1;; at++) {
        struct watch *w = watch_create();
        w->fail_at = at;
        w->fail_err = -ENOSPC;
        int err = segment_zero(&w->dir, "z", bytes, written);
        bool failed = w->failed_at != 0;
        assert_int_equal(err, failed ? -ENOSPC : 0);
        int file = w->inner->ops->open(w->inner, "z", FILE_READ);
        assert_true((file < 0) == failed);
        if (file >= 0)
            w->inner->ops->close(w->inner, file);
        watch_destroy(w);
        if (!failed)
            return at - 1;
    }
}

static void zeros_fail(void **state)
{
    (void)state;
    assert_int_equal(calls_of(600000, true), 7);  /* open, allocate, 3 writes, sync, sync of name */
    assert_int_equal(calls_of(600000, false), 4); /* nothing is written */
}

/* Where nothing can be reserved, zeros are written in any case. */
static void zeros_unreserved(void **state)
{
    (void)state;
    for (int written = 0; written < 2; written++) {
        struct watch *w = watch_create();
        w->fail_at = 2;
        w->fail_err = -EOPNOTSUPP;
        assert_int_equal(segment_zero(&w->dir, "z", 600000, written), 0);
        assert_string_equal(w->failed, "allocate");
        assert_int_equal(w->calls, 7);
        assert_int_equal(watch_find(w, "z")->n_synced, 600000);
        watch_destroy(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(header),
        cmocka_unit_test(golden),
        cmocka_unit_test(zeros),
        cmocka_unit_test(zeros_in_parts),
        cmocka_unit_test(zeros_fail),
        cmocka_unit_test(zeros_unreserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
