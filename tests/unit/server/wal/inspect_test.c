/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inspection of single segments: what is found in whole ones, up to a limit and behind damage of
 * any byte; what is told; files and memory that fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/wal/inspect.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/wal/little.h"
#include "tests/lib/logwriter.h"
#include "tests/lib/simfs.h"

#include <errno.h>
#include <stdlib.h>

enum { SEGMENT = 8192, BODY = 100, FRAME = BODY + ENTRY_OVERHEAD, ENTRIES = 70 };

static const struct store_id store = {"the store"};

struct fixture {
    struct simfs *fs;
    uint64_t *lsns;
    size_t n;
    uint64_t told, stop_at;
};

/* Three segments of entries whose bodies begin with their LSN, and a clean end. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct wal_end nothing = {0};
    struct logwriter *writer;
    uint8_t body[BODY] = {0};
    assert_non_null(f);
    f->fs = simfs_create();
    struct logwriter_options options = {
        .dir = simfs_dir(f->fs), .store = store, .segment_bytes = SEGMENT, .salt = 5};
    assert_int_equal(logwriter_open(&options, &nothing, &nothing, &writer), 0);
    for (uint64_t lsn = 1; lsn <= ENTRIES; lsn++) {
        little_write_u64(body, lsn);
        assert_int_equal(logwriter_append(writer, ENTRY_PUT, (struct bytes){body, BODY}), lsn);
        assert_int_equal(logwriter_sync(writer), 0);
    }
    assert_int_equal(logwriter_close(writer, true), 0);
    assert_int_equal(inspect_list(simfs_dir(f->fs), &f->lsns, &f->n), 0);
    assert_int_equal(f->n, 3);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(simfs_open_files(f->fs), 0);
    simfs_destroy(f->fs);
    mem_free(f->lsns);
    free(f);
    return 0;
}

static int on_entry(void *context, const struct inspection *found, const struct entry *entry)
{
    struct fixture *f = context;
    assert_true(found->end >= SEGMENT_HEADER_BYTES);
    if (!entry_type_counts(entry->type))
        return 0;
    assert_int_equal(entry->lsn, found->last_lsn + 1);
    assert_int_equal(little_read_u64(entry->body.data), entry->lsn);
    if (entry->lsn == f->stop_at)
        return 77;
    f->told = entry->lsn;
    return 0;
}

static int inspect(struct fixture *f, size_t i, uint64_t limit, struct inspection *out)
{
    struct inspect_options options = {.dir = simfs_dir(f->fs),
                                      .name_lsn = f->lsns[i],
                                      .limit = limit,
                                      .entry = on_entry,
                                      .context = f};
    char text[256] = "";
    f->told = 0;
    int err = inspect_segment(&options, out, text);
    assert_true((err == ERR_IO || err == ERR_OUT_OF_MEMORY) == (text[0] != '\0'));
    return err;
}

static void whole(void **state)
{
    struct fixture *f = *state;
    struct inspection found, next;
    uint64_t total = 0;
    for (size_t i = 0; i < f->n; i++) {
        assert_int_equal(inspect(f, i, 0, &found), 0);
        assert_int_equal(found.header_err, 0);
        assert_int_equal(found.header.number, i + 1);
        assert_int_equal(found.bytes, SEGMENT);
        assert_int_equal(found.first_lsn, f->lsns[i]);
        assert_int_equal(found.last_lsn, f->told);
        assert_int_equal(found.tail.torn_bytes, 0);
        assert_int_equal(found.clean, i + 1 == f->n);
        total += found.entries;
        if (i + 1 == f->n)
            break;
        assert_int_equal(inspect(f, i + 1, 0, &next), 0);
        assert_int_equal(next.header.last_lsn, found.last_lsn);
        assert_int_equal(next.header.end_offset, found.end);
        assert_int_equal(next.header.end_crc, found.crc);
    }
    assert_int_equal(total, ENTRIES);
    assert_int_equal(f->told, ENTRIES);
}

static void limits(void **state)
{
    struct fixture *f = *state;
    struct inspection found;
    assert_int_equal(inspect(f, 0, SEGMENT_HEADER_BYTES, &found), 0);
    assert_int_equal(found.header.number, 1);
    assert_int_equal(found.bytes, SEGMENT);
    assert_int_equal(found.entries, 0);
    assert_int_equal(inspect(f, 0, SEGMENT_HEADER_BYTES + 3 * FRAME, &found), 0);
    assert_int_equal(found.entries, 3);
    assert_int_equal(found.end, SEGMENT_HEADER_BYTES + 3 * FRAME);
    assert_int_equal(inspect(f, 0, SEGMENT_HEADER_BYTES + 3 * FRAME - 1, &found), 0);
    assert_int_equal(found.entries, 2);
    assert_int_equal(inspect(f, 0, 1, &found), 0); /* what a header may say that is forged */
    assert_int_equal(found.header_err, ERR_DATA_DAMAGED);
    f->stop_at = 2;
    assert_int_equal(inspect(f, 0, 0, &found), 77);
    assert_int_equal(found.end, SEGMENT_HEADER_BYTES + FRAME);
    assert_int_equal(found.last_lsn, 1);
}

/* Whatever byte of the middle segment changes, nothing behind it is believed, and all before it. */
static void flipped(void **state)
{
    struct fixture *f = *state;
    struct inspection good, found;
    assert_int_equal(inspect(f, 1, 0, &good), 0);
    char name[FILE_NAME_MAX + 1];
    memcpy(name, good.name, sizeof name);
    struct bytes content = simfs_content(f->fs, name);
    uint8_t *copy = malloc(content.size);
    assert_non_null(copy);
    memcpy(copy, content.data, content.size);
    for (size_t at = 0; at < good.end; at++) {
        copy[at] ^= (uint8_t)(1 << at % 8);
        simfs_put(f->fs, name, (struct bytes){copy, SEGMENT});
        assert_int_equal(inspect(f, 1, 0, &found), 0);
        if (at < SEGMENT_HEADER_BYTES) {
            assert_int_not_equal(found.header_err, 0);
            assert_int_equal(found.entries, 0);
        } else {
            uint64_t before = (at - SEGMENT_HEADER_BYTES) / FRAME;
            assert_int_equal(found.entries, before);
            assert_int_equal(found.end, SEGMENT_HEADER_BYTES + before * FRAME);
            assert_true(found.tail.damaged || before + 1 == good.entries);
        }
        copy[at] ^= (uint8_t)(1 << at % 8);
    }
    free(copy);
}

static void cut(void **state)
{
    struct fixture *f = *state;
    struct inspection found;
    struct bytes content = simfs_content(f->fs, "wal-0000000000000001.log");
    uint8_t copy[SEGMENT];
    memcpy(copy, content.data, SEGMENT);
    for (size_t size = 0; size < SEGMENT; size += 61) {
        simfs_put(f->fs, "wal-0000000000000001.log", (struct bytes){copy, size});
        assert_int_equal(inspect(f, 0, 0, &found), 0);
        assert_int_equal(found.bytes, size);
        assert_int_equal(found.header_err, size < SEGMENT_HEADER_BYTES ? ERR_DATA_DAMAGED : 0);
        assert_true(found.end <= size);
        assert_true(size < SEGMENT_HEADER_BYTES ||
                    found.entries == (size - SEGMENT_HEADER_BYTES) / FRAME ||
                    found.end + FRAME > SEGMENT);
    }
}

static void failing(void **state)
{
    struct fixture *f = *state;
    struct inspection found;
    for (uint64_t i = 1; i <= 3; i++) { /* open, size, read */
        simfs_fail(f->fs, i, EIO, false);
        assert_int_equal(inspect(f, 0, 0, &found), ERR_IO);
        assert_int_equal(simfs_open_files(f->fs), 0);
    }
    simfs_fail(f->fs, 0, 0, false);
    simfs_drop(f->fs, "wal-0000000000000001.log");
    assert_int_equal(inspect(f, 0, 0, &found), ERR_IO);
#ifdef CAIRN_FAULTS
    mem_fail_after(1, 0);
    assert_int_equal(inspect(f, 1, 0, &found), ERR_OUT_OF_MEMORY);
    mem_fail_after(0, 0);
#endif
    assert_int_equal(inspect(f, 1, 0, &found), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole), TEST(limits), TEST(flipped), TEST(cut), TEST(failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
