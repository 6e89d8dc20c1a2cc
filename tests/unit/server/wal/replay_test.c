/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading the log back: each row of the table in replay.c, what is told and reported, failing files
 * and memory; and by name the faults that other systems had (lost, hidden, invented or refused).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/err.h"
#include "common/mem.h"
#include "server/wal/little.h"
#include "server/wal/replay.h"
#include "tests/lib/logwriter.h"
#include "tests/lib/simfs.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>

enum { SEGMENT = SEGMENT_BYTES_MIN, BODY = 100, FRAME = BODY + ENTRY_OVERHEAD };

static const struct store_id store = {"the store"};

/* Bodies are as long as BODY and begin with the LSN. */
struct fixture {
    struct simfs *fs;
    struct logwriter *writer;
    struct replay_report report;
    uint64_t after_lsn, until_lsn, told, progress, all;
    int stop_at; /* LSN at which the entry callback fails */
    bool any_first;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    f->fs = simfs_create();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->writer != NULL)
        logwriter_abandon(f->writer);
    simfs_destroy(f->fs);
    free(f);
    return 0;
}

static int on_entry(void *context, const struct entry *entry)
{
    struct fixture *f = context;
    assert_int_equal(entry->lsn, (f->told == 0 ? f->after_lsn : f->told) + 1);
    assert_int_equal(entry->body.size, BODY);
    assert_int_equal(little_read_u64(entry->body.data), entry->lsn);
    f->told = entry->lsn;
    return f->stop_at != 0 && entry->lsn == (uint64_t)f->stop_at ? -77 : 0;
}

static void on_progress(void *context, uint64_t done, uint64_t all)
{
    struct fixture *f = context;
    assert_true(done >= f->progress && done <= all);
    f->progress = done;
    f->all = all;
}

static int replay(struct fixture *f)
{
    struct replay_options options = {.dir = simfs_dir(f->fs),
                                     .store = &store,
                                     .after_lsn = f->after_lsn,
                                     .until_lsn = f->until_lsn,
                                     .any_first = f->any_first,
                                     .entry = on_entry,
                                     .progress = on_progress,
                                     .context = f};
    f->told = f->progress = 0;
    uint64_t digest = simfs_digest(f->fs);
    int err = replay_run(&options, &f->report);
    assert_int_equal(simfs_digest(f->fs), digest); /* nothing is changed */
    return err;
}

/* Replay is to find a log up to this LSN. */
static void expect(struct fixture *f, uint64_t last)
{
    int err = replay(f);
    if (err != 0)
        print_message("%s\n", f->report.problem);
    assert_int_equal(err, 0);
    assert_int_equal(f->report.end.last_lsn, last);
    assert_int_equal(f->told, last > f->after_lsn ? last : 0);
}

/* Replay is to refuse, naming the file, and all that a person needs. */
static void expect_refusal(struct fixture *f, const char *file, uint64_t offset, const char *word)
{
    char text[40];
    assert_int_equal(replay(f), ERR_DATA_DAMAGED);
    (void)snprintf(text, sizeof text, "offset %llu", (unsigned long long)offset);
    assert_non_null(strstr(f->report.problem, file));
    assert_non_null(strstr(f->report.problem, text));
    assert_non_null(strstr(f->report.problem, "LSN"));
    assert_non_null(strstr(f->report.problem, word));
    assert_non_null(strstr(f->report.problem, "cairnd check"));
    assert_non_null(strstr(f->report.problem, "--accept-loss"));
    assert_string_equal(f->report.file, file);
    assert_int_equal(f->report.offset, offset);
}

/* ---- making logs ---- */

static void open_log(struct fixture *f)
{
    struct logwriter_options options = {
        .dir = simfs_dir(f->fs), .store = store, .segment_bytes = SEGMENT, .salt = 7};
    assert_int_equal(replay(f), 0);
    assert_int_equal(logwriter_open(&options, &f->report.end, &f->report.proved, &f->writer), 0);
}

static void append(struct fixture *f, unsigned n)
{
    for (; n > 0; n--) {
        uint8_t body[BODY] = {0};
        little_write_u64(body, logwriter_appended_lsn(f->writer) + 1);
        (void)logwriter_append(f->writer, ENTRY_PUT, (struct bytes){body, BODY});
    }
}

static void append_synced(struct fixture *f, unsigned n)
{
    for (; n > 0; n--) {
        append(f, 1);
        assert_int_equal(logwriter_sync(f->writer), 0);
    }
}

static void close_log(struct fixture *f, bool clean)
{
    assert_int_equal(logwriter_close(f->writer, clean), 0);
    f->writer = NULL;
}

/* A log of so many entries, each synced, ended without a word. */
static void make(struct fixture *f, unsigned n)
{
    open_log(f);
    append_synced(f, n);
    close_log(f, false);
}

/* Entries of a full segment of such logs. */
enum { FULL = (SEGMENT - SEGMENT_HEADER_BYTES) / FRAME };

static uint64_t at(unsigned entry)
{
    return SEGMENT_HEADER_BYTES + (uint64_t)(entry - 1) * FRAME;
}

#define FIRST "wal-0000000000000001.log"

static char *name_of(uint64_t lsn)
{
    static char name[FILE_NAME_MAX + 1];
    segment_name(lsn, name);
    return name;
}

/* Change bytes of a file. */
static void spoil(struct fixture *f, const char *name, uint64_t offset, size_t size, int c)
{
    struct bytes content = simfs_content(f->fs, name);
    uint8_t *copy = malloc(content.size);
    assert_non_null(copy);
    memcpy(copy, content.data, content.size);
    for (size_t i = 0; i < size; i++)
        copy[offset + i] = c < 0 ? (uint8_t)~copy[offset + i] : (uint8_t)c;
    simfs_put(f->fs, name, (struct bytes){copy, content.size});
    free(copy);
}

static void cut(struct fixture *f, const char *name, size_t size)
{
    struct bytes content = simfs_content(f->fs, name);
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, content.data, size);
    simfs_put(f->fs, name, (struct bytes){copy, size});
    free(copy);
}

/* ---- what is told ---- */

static void test_nothing(void **state)
{
    struct fixture *f = *state;
    simfs_put(f->fs, SEGMENT_SPARE, bytes_of("anything"));
    simfs_put(f->fs, SEGMENT_NEXT, bytes_of("anything"));
    simfs_put(f->fs, "wal-1.log", bytes_of("no name of a segment"));
    expect(f, 0);
    assert_int_equal(f->report.segments + f->report.entries + f->report.end.segment_number, 0);
    assert_false(f->report.clean);
}

static void test_report(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 10);
    expect(f, FULL + 10);
    assert_int_equal(f->report.segments, 2);
    assert_int_equal(f->report.entries, FULL + 10);
    assert_int_equal(f->report.first_lsn, 1);
    assert_int_equal(f->report.last_lsn, FULL + 10);
    assert_int_equal(f->report.synced_lsn, FULL + 9); /* the last one had none behind it */
    assert_int_equal(f->report.end.segment_number, 2);
    assert_int_equal(f->report.end.end_offset, at(11));
    assert_int_equal(f->report.proved.segment_number, 2);
    assert_int_equal(f->report.proved.end_offset, at(10));
    assert_int_equal(f->report.cut_bytes, 0);
    assert_int_equal(f->report.bytes, at(FULL + 1) + at(11));
    assert_int_equal(f->progress, f->report.bytes);
    assert_int_equal(f->all, 2 * SEGMENT);
    assert_false(f->report.clean);
}

static void test_after_snapshot(void **state)
{
    struct fixture *f = *state;
    make(f, 20);
    f->after_lsn = 13;
    expect(f, 20);
    f->after_lsn = 20;
    expect(f, 20);
    f->after_lsn = 1000; /* a snapshot that is ahead of the log */
    expect(f, 20);
    assert_int_equal(f->report.entries, 20);
}

/* A segment whose entries are all in the snapshot is not read, so damage in it is no matter. */
static void test_covered(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 10);
    f->after_lsn = FULL - 1;
    expect(f, FULL + 10);
    assert_int_equal(f->report.covered, 0);
    assert_int_equal(f->report.segments, 2);
    f->after_lsn = FULL;
    expect(f, FULL + 10);
    assert_int_equal(f->report.covered, 1);
    assert_int_equal(f->report.segments, 1);
    assert_int_equal(f->report.entries, 10);
    assert_int_equal(f->all, SEGMENT);
    assert_int_equal(f->report.end.last_lsn, FULL + 10);
}

static void test_entry_ends_it(void **state)
{
    struct fixture *f = *state;
    make(f, 20);
    f->stop_at = 5;
    assert_int_equal(replay(f), -77);
    assert_int_equal(f->told, 5);
}

static void test_clean_shutdown(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append(f, 5);
    close_log(f, true);
    expect(f, 5);
    assert_true(f->report.clean);
    assert_int_equal(f->report.synced_lsn, 5);
    assert_int_equal(f->report.end.end_offset, at(6) + ENTRY_OVERHEAD);
    make(f, 1);
    expect(f, 6);
    assert_false(f->report.clean);
}

/* A segment without an entry of its own is replaced by the next. */
static void test_empty_last_segment(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_synced(f, 3);
    close_log(f, true);
    for (unsigned i = 0; i < 3; i++) {
        open_log(f);
        close_log(f, i != 1);
        expect(f, 3);
        assert_int_equal(f->report.segments, 2);
        assert_int_equal(f->report.end.segment_number, 1);
        assert_int_equal(f->report.end.end_offset, at(4));
        assert_int_equal(f->report.clean, i != 1);
    }
    make(f, 1);
    expect(f, 4);
    assert_int_equal(f->report.end.segment_number, 2);
}

static void test_trimmed(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_synced(f, 2 * FULL + 5);
    assert_int_equal(logwriter_trim(f->writer, FULL + 3), 0);
    close_log(f, false);
    f->after_lsn = FULL + 3;
    expect(f, 2 * FULL + 5);
    assert_int_equal(f->report.segments, 2);
    f->after_lsn = FULL;
    expect(f, 2 * FULL + 5);
    f->after_lsn = FULL - 1;
    expect_refusal(f, name_of(FULL + 1), 0, "missing");
    f->any_first = true;
    f->after_lsn = FULL;
    expect(f, 2 * FULL + 5);
}

/* A snapshot that is ahead of the log: it begins anew behind it. */
static void test_begun_anew(void **state)
{
    struct fixture *f = *state;
    make(f, 5);
    struct logwriter_options options = {
        .dir = simfs_dir(f->fs), .store = store, .segment_bytes = SEGMENT, .salt = 7};
    struct wal_end behind = {.last_lsn = 50, .segment_number = 1};
    assert_int_equal(logwriter_open(&options, &behind, &behind, &f->writer), 0);
    append_synced(f, 3);
    close_log(f, false);
    f->after_lsn = 50;
    expect(f, 53);
    f->after_lsn = 51;
    expect(f, 53);
    f->after_lsn = 49; /* an older snapshot will not do */
    expect_refusal(f, name_of(51), 0, "missing before");
}

/* Of a log in use, up to what has been written: nothing else is read or judged. */
static void test_until(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_synced(f, 3 * FULL + 5);
    f->after_lsn = FULL + 3;
    for (f->until_lsn = FULL + 4; f->until_lsn <= 3 * FULL + 5; f->until_lsn++) {
        assert_int_equal(replay(f), 0);
        assert_int_equal(f->told, f->until_lsn);
        assert_int_equal(f->report.first_lsn, FULL + 1);
        assert_int_equal(f->report.segments, (f->until_lsn - 1) / FULL);
    }
    f->until_lsn = 3 * FULL + 6;
    expect_refusal(f, name_of(3 * FULL + 1), at(6), "were written here");
    f->until_lsn = 2 * FULL + 3;
    spoil(f, FIRST, at(3), 1, -1);
    spoil(f, name_of(2 * FULL + 1), at(4), 1, -1); /* being written */
    spoil(f, name_of(3 * FULL + 1), 0, SEGMENT_HEADER_BYTES, -1);
    assert_int_equal(replay(f), 0);
    assert_int_equal(f->told, f->until_lsn);
    f->until_lsn++;
    expect_refusal(f, name_of(2 * FULL + 1), at(4), "were written here");
    close_log(f, false);
}

/* ---- torn tails ---- */

static void test_torn_tail(void **state)
{
    struct fixture *f = *state;
    make(f, 5);
    spoil(f, FIRST, at(5) + FRAME - 1, 1, -1);
    expect(f, 4);
    assert_int_equal(f->report.cut_bytes, FRAME);
    spoil(f, FIRST, at(5), FRAME, 0);
    expect(f, 4);
    assert_int_equal(f->report.cut_bytes, 0);
    spoil(f, FIRST, at(5), 2000, 0xa5);
    expect(f, 4);
    assert_int_equal(f->report.cut_bytes, 2000);
}

/* Unsynced entries that reached the disk out of order: the second without the first. */
static void test_hole_in_unsynced(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_synced(f, 3);
    append(f, 5);
    close_log(f, false);
    for (unsigned i = 4; i <= 8; i++) {
        struct simfs *fs = f->fs;
        f->fs = simfs_crash(fs, SIMFS_POWER_ORDERED, i);
        spoil(f, FIRST, at(i) + 50, 1, -1);
        expect(f, i - 1);
        simfs_destroy(f->fs);
        f->fs = fs;
    }
}

/* Half of a batch at the edge of a sector: new before it, zeros behind. */
static void test_torn_at_sector(void **state)
{
    struct fixture *f = *state;
    make(f, 5); /* the fifth lies across 4608 */
    assert_true(at(5) < 4608 && at(6) > 4608);
    spoil(f, FIRST, 4608, 512, 0);
    expect(f, 4);
}

/* A length of garbage, larger than the file or than any entry, is a torn tail like another. */
static void test_length_of_garbage(void **state)
{
    static const uint32_t lengths[] = {0,       1,          ENTRY_LENGTH_MIN - 1, SEGMENT,
                                       1 << 30, UINT32_MAX, ENTRY_BODY_MAX,       FRAME};
    struct fixture *f = *state;
    make(f, 5);
    for (unsigned i = 0; i < LENGTH_OF(lengths); i++) {
        uint8_t length[4];
        little_write_u32(length, lengths[i]);
        for (unsigned j = 0; j < 4; j++)
            spoil(f, FIRST, at(5) + j, 1, length[j]);
        expect(f, 4);
    }
}

/* Behind a torn header with a long length new entries are written, and must not be swallowed by it
 * in the recovery after that. */
static void test_write_after_recovery(void **state)
{
    struct fixture *f = *state;
    make(f, 5);
    spoil(f, FIRST, at(5) + 1, 1, 4); /* 1024 bytes and more */
    for (unsigned i = 0; i < 3; i++) {
        make(f, 2);
        expect(f, 4 + 2 * (i + 1));
        struct simfs *after = simfs_crash(f->fs, SIMFS_POWER_WEAK, i);
        simfs_destroy(f->fs);
        f->fs = after;
        expect(f, 4 + 2 * (i + 1));
    }
}

/* A copy of a log that is being written opens. */
static void test_live_copy(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append_synced(f, 3);
    append(f, 3);
    assert_int_equal(logwriter_write(f->writer), 0);
    struct simfs *fs = f->fs;
    f->fs = simfs_crash(fs, SIMFS_KILL, 1);
    expect(f, 6);
    assert_int_equal(f->report.synced_lsn, 3);
    simfs_destroy(f->fs);
    f->fs = fs;
}

/* ---- damage ---- */

/* Any byte of what was synced, if anything was written behind it. */
static void test_damage_in_synced(void **state)
{
    struct fixture *f = *state;
    make(f, 6);
    struct simfs *fs = f->fs;
    for (uint64_t i = SEGMENT_HEADER_BYTES; i < at(6) - 4; i++) {
        f->fs = simfs_crash(fs, SIMFS_KILL, 1);
        spoil(f, FIRST, i, 1, -1);
        uint64_t entry = (i - SEGMENT_HEADER_BYTES) / FRAME + 1;
        expect_refusal(f, FIRST, at((unsigned)entry), "damaged");
        assert_int_equal(f->report.end.last_lsn, entry - 1);
        simfs_destroy(f->fs);
    }
    f->fs = fs;
}

/* The CRC of an entry is the seed of the next: the only witness is found all the same. */
static void test_damage_of_crc(void **state)
{
    struct fixture *f = *state;
    make(f, 2);
    spoil(f, FIRST, at(2) - 4, 4, -1);
    expect_refusal(f, FIRST, at(1), "damaged");
}

/* Damage takes an entry with the seed of the watermark behind it. */
static void test_watermark_needs_no_seed(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append(f, 1);
    assert_int_equal(logwriter_sync(f->writer), 0);
    (void)logwriter_append(f->writer, ENTRY_WATERMARK, BYTES_NONE);
    close_log(f, false);
    spoil(f, FIRST, at(1), FRAME, 0);
    expect_refusal(f, FIRST, at(1), "damaged");
}

static void test_damage_before_shutdown(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    append(f, 3); /* one batch, not synced in between */
    close_log(f, true);
    spoil(f, FIRST, at(3), 60, 0);
    expect_refusal(f, FIRST, at(3), "damaged");
}

/* Cut exactly between two entries, by zeros or by the end of the file. */
static void test_cut_between_entries(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 5);
    spoil(f, FIRST, at(FULL - 3), (size_t)(at(FULL + 1) - at(FULL - 3)), 0);
    expect_refusal(f, FIRST, at(FULL - 3), "synced");
    spoil(f, FIRST, at(FULL - 3) + 10, 1, 3);
    expect_refusal(f, FIRST, at(FULL - 3), "synced");
}

static void test_cut_file(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 5);
    struct simfs *fs = f->fs;
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t sizes[] = {0,     1,          SEGMENT_HEADER_BYTES - 1, SEGMENT_HEADER_BYTES,
                                  at(3), SEGMENT - 1};
        const char *name = i == 0 ? FIRST : name_of(FULL + 1);
        for (unsigned j = 0; j < LENGTH_OF(sizes); j++) {
            f->fs = simfs_crash(fs, SIMFS_KILL, 1);
            cut(f, name, (size_t)sizes[j]);
            expect_refusal(f, name, sizes[j] < SEGMENT_HEADER_BYTES ? 0 : sizes[j],
                           sizes[j] < SEGMENT_HEADER_BYTES ? "header" : "cut short");
            simfs_destroy(f->fs);
        }
    }
    f->fs = fs;
}

static void test_header(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 5);
    spoil(f, name_of(FULL + 1), 40, 1, -1);
    expect_refusal(f, name_of(FULL + 1), 0, "header");
    spoil(f, name_of(FULL + 1), 40, 1, -1);
    spoil(f, FIRST, 100, 1, 1);
    expect_refusal(f, FIRST, 0, "header");
}

static void rewrite_header(struct fixture *f, const char *name, void (*change)(uint8_t *header))
{
    struct bytes content = simfs_content(f->fs, name);
    uint8_t *copy = malloc(content.size);
    assert_non_null(copy);
    memcpy(copy, content.data, content.size);
    change(copy);
    simfs_put(f->fs, name, (struct bytes){copy, content.size});
    free(copy);
}

static void change_store(uint8_t *data)
{
    struct segment_header header;
    assert_int_equal(segment_decode_header(data, &header), 0);
    header.store.bytes[0]++;
    segment_encode_header(&header, data);
}

static void change_end(uint8_t *data)
{
    struct segment_header header;
    assert_int_equal(segment_decode_header(data, &header), 0);
    header.end_crc++;
    segment_encode_header(&header, data);
}

static void change_end_to_nowhere(uint8_t *data)
{
    struct segment_header header;
    assert_int_equal(segment_decode_header(data, &header), 0);
    header.end_offset = UINT64_MAX - 5;
    segment_encode_header(&header, data);
}

static void test_foreign(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 5);
    rewrite_header(f, name_of(FULL + 1), change_store);
    expect_refusal(f, name_of(FULL + 1), 0, "another store");
    rewrite_header(f, FIRST, change_store);
    expect_refusal(f, FIRST, 0, "another store");
}

static void test_other_end(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 5);
    rewrite_header(f, name_of(FULL + 1), change_end);
    expect_refusal(f, FIRST, at(FULL + 1), "follows");
    rewrite_header(f, name_of(FULL + 1), change_end_to_nowhere);
    expect_refusal(f, FIRST, SEGMENT, "cut short");
}

static void test_files_missing_swapped_doubled(void **state)
{
    struct fixture *f = *state;
    char second[FILE_NAME_MAX + 1], third[FILE_NAME_MAX + 1];
    make(f, 2 * FULL + 5);
    segment_name(FULL + 1, second);
    segment_name(2 * FULL + 1, third);
    struct simfs *fs = f->fs;
    f->fs = simfs_crash(fs, SIMFS_KILL, 1);
    simfs_drop(f->fs, second);
    expect_refusal(f, third, 0, "missing in between");
    simfs_drop(f->fs, FIRST);
    expect_refusal(f, third, 0, "missing before");
    simfs_destroy(f->fs);
    f->fs = simfs_crash(fs, SIMFS_KILL, 1);
    simfs_put(f->fs, second, simfs_content(fs, third));
    simfs_put(f->fs, third, simfs_content(fs, second));
    expect_refusal(f, second, 0, "renamed");
    simfs_destroy(f->fs);
    f->fs = simfs_crash(fs, SIMFS_KILL, 1);
    simfs_put(f->fs, name_of(2 * FULL + 3), simfs_content(fs, third));
    expect_refusal(f, name_of(2 * FULL + 3), 0, "renamed");
    simfs_destroy(f->fs);
    f->fs = fs;
}

static void test_later_format(void **state)
{
    struct fixture *f = *state;
    uint8_t header[SEGMENT_HEADER_BYTES] = "CAIRN_WAL";
    header[12] = 2;
    little_write_u32(header + sizeof header - 4, libdeflate_crc32(0, header, sizeof header - 4));
    simfs_put(f->fs, FIRST, (struct bytes){header, sizeof header});
    assert_int_equal(replay(f), ERR_DATA_FORMAT);
    assert_non_null(strstr(f->report.problem, FIRST));
}

/* ---- entries with good CRCs that are wrong ---- */

/* Write the i-th entry anew with this LSN and watermark, and all behind it so that the chain fits.
 */
static void forge(struct fixture *f, unsigned i, unsigned n, uint64_t lsn, uint64_t synced)
{
    struct bytes content = simfs_content(f->fs, FIRST);
    uint8_t *copy = malloc(content.size);
    assert_non_null(copy);
    memcpy(copy, content.data, content.size);
    uint32_t crc = 7;
    for (unsigned j = 1; j <= n; j++) {
        if (j == i)
            little_write_u64(copy + at(j) + ENTRY_AT_LSN, lsn);
        crc = entry_seal(copy + at(j),
                         j == i ? synced : little_read_u64(copy + at(j) + ENTRY_AT_SYNCED), crc);
    }
    simfs_put(f->fs, FIRST, (struct bytes){copy, content.size});
    free(copy);
}

static void test_forged(void **state)
{
    struct fixture *f = *state;
    make(f, 5);
    forge(f, 3, 5, 3, at(3));
    expect(f, 5);
    forge(f, 3, 5, 4, at(3)); /* a hole */
    expect_refusal(f, FIRST, at(3), "damaged");
    forge(f, 3, 5, 2, at(3)); /* twice */
    expect_refusal(f, FIRST, at(3), "damaged");
    forge(f, 5, 5, 5, at(5) + 1); /* more synced than there was */
    forge(f, 3, 5, 3, at(3));
    expect(f, 4);
}

/* ---- failures ---- */

static void test_failing_files(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 5);
    uint64_t before = simfs_calls(f->fs);
    assert_int_equal(replay(f), 0);
    uint64_t calls = simfs_calls(f->fs) - before;
    for (uint64_t i = 1; i <= calls; i++) {
        simfs_fail(f->fs, i, EIO, false);
        assert_int_equal(replay(f), ERR_IO);
        assert_non_null(strstr(f->report.problem, strerror(EIO)));
        assert_int_equal(simfs_open_files(f->fs), 0);
    }
    simfs_fail(f->fs, 0, 0, false);
    expect(f, FULL + 5);
}

static void test_failing_memory(void **state)
{
    struct fixture *f = *state;
    make(f, FULL + 5);
    mem_fail_after(1, 0);
    void *memory = mem_alloc(1);
    bool works = memory == NULL;
    mem_free(memory);
    mem_fail_after(0, 0);
    for (unsigned i = 1; works && i <= 2; i++) {
        mem_fail_after(i, 0);
        int err = replay(f);
        mem_fail_after(0, 0);
        assert_int_equal(err, ERR_OUT_OF_MEMORY);
        assert_non_null(strstr(f->report.problem, "memory"));
    }
    expect(f, FULL + 5);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing),
        TEST(test_report),
        TEST(test_after_snapshot),
        TEST(test_covered),
        TEST(test_entry_ends_it),
        TEST(test_clean_shutdown),
        TEST(test_empty_last_segment),
        TEST(test_trimmed),
        TEST(test_begun_anew),
        TEST(test_until),
        TEST(test_torn_tail),
        TEST(test_hole_in_unsynced),
        TEST(test_torn_at_sector),
        TEST(test_length_of_garbage),
        TEST(test_write_after_recovery),
        TEST(test_live_copy),
        TEST(test_damage_in_synced),
        TEST(test_damage_of_crc),
        TEST(test_watermark_needs_no_seed),
        TEST(test_damage_before_shutdown),
        TEST(test_cut_between_entries),
        TEST(test_cut_file),
        TEST(test_header),
        TEST(test_foreign),
        TEST(test_other_end),
        TEST(test_files_missing_swapped_doubled),
        TEST(test_later_format),
        TEST(test_forged),
        TEST(test_failing_files),
        TEST(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
