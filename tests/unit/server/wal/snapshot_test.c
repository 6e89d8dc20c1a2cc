/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Snapshot files: what is written is read again, by any number of threads; a file with any damage
 * is refused; an error at any operation leaves what was there before.
 */
#include "common/err.h"
#include "common/mem.h"
#include "server/wal/snapshot_format.h"

#include "tests/unit/server/wal/wal_fixture.h"

#include <lz4.h>
#include <pthread.h>

enum {
    LSN = 0x1234,
    CREATED_US = 1700000000,
    RECORDS = 77,
    CHUNKS_MAX = 300, /* of a section */
    CHUNK_BYTES_MAX = 100000,
};

static const struct store_id store = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* ---- contents that can be made again ---- */

struct contents {
    unsigned chunks[SNAPSHOT_SECTIONS_MAX]; /* of each section */
    uint32_t size_max;                      /* of what follows the number, and one more */
    bool compress;
};

static const struct contents small = {{1, 3, 0}, 60, true};

/* Chunk `number` of a section: its number, then noise or, every second time, repetition. */
static struct bytes chunk_make(const struct contents *contents, unsigned section, uint32_t number,
                               uint8_t to[static CHUNK_BYTES_MAX])
{
    uint32_t noise = number * 2654435761u + section;
    size_t size = sizeof number + noise % contents->size_max;
    memcpy(to, &number, sizeof number);
    for (size_t i = sizeof number; i < size; i++) {
        noise = number % 2 ? noise * 1664525 + 1013904223 : noise;
        to[i] = (uint8_t)(noise >> 24);
    }
    return (struct bytes){to, size};
}

static int section_put(struct snapshot_writer *writer, const struct contents *contents,
                       unsigned section)
{
    uint8_t chunk[CHUNK_BYTES_MAX];
    int err = snapshot_begin_section(writer, section);
    for (uint32_t i = 0; i < contents->chunks[section - 1] && err == 0; i++)
        err = snapshot_put_chunk(writer, chunk_make(contents, section, i, chunk));
    return err;
}

static int snapshot_write(struct dir *dir, const struct contents *contents, uint64_t lsn)
{
    struct snapshot_options options = {
        .dir = dir, .store = store, .created_us = CREATED_US, .compress = contents->compress};
    struct snapshot_writer *writer;
    int err = snapshot_create(&options, &writer);
    if (err != 0)
        return err;
    unsigned last = contents->chunks[SNAPSHOT_GRAPHS - 1] > 0 ? SNAPSHOT_GRAPHS : SNAPSHOT_EFFECTS;
    for (unsigned section = 1; section <= last && err == 0; section++)
        err = section_put(writer, contents, section);
    if (err == 0)
        return snapshot_commit(writer, lsn, RECORDS);
    snapshot_abandon(writer);
    return err;
}

/* What a reader was told, and what was wrong with it. */
struct told {
    const struct contents *contents;
    pthread_mutex_t lock;
    bool seen[SNAPSHOT_SECTIONS_MAX][CHUNKS_MAX];
    unsigned chunks, wrong, active, threads;
    enum snapshot_section section;
    uint64_t done_bytes;
};

static void told_begin(struct told *told, unsigned thread, enum snapshot_section section)
{
    (void)pthread_mutex_lock(&told->lock);
    if (section != told->section)
        told->wrong += told->active != 0 || section < told->section;
    told->section = section;
    told->active++;
    told->chunks++;
    told->threads |= 1u << thread;
    (void)pthread_mutex_unlock(&told->lock);
}

static void told_end(struct told *told, unsigned section, uint32_t number, bool right)
{
    (void)pthread_mutex_lock(&told->lock);
    right = right && !told->seen[section - 1][number];
    if (right)
        told->seen[section - 1][number] = true;
    told->wrong += !right;
    told->active--;
    (void)pthread_mutex_unlock(&told->lock);
}

static int told_chunk(void *context, unsigned thread, enum snapshot_section section,
                      struct bytes data)
{
    struct told *told = context;
    uint8_t expected[CHUNK_BYTES_MAX];
    uint32_t number = 0;
    told_begin(told, thread, section);
    memcpy(&number, data.data, data.size < sizeof number ? data.size : sizeof number);
    bool right = number < told->contents->chunks[section - 1] &&
                 bytes_equal(data, chunk_make(told->contents, section, number, expected));
    told_end(told, section, right ? number : 0, right);
    return 0;
}

static void told_progress(void *context, uint64_t done_bytes, uint64_t all_bytes)
{
    struct told *told = context;
    (void)pthread_mutex_lock(&told->lock);
    told->wrong += done_bytes <= told->done_bytes || done_bytes > all_bytes;
    told->done_bytes = done_bytes;
    (void)pthread_mutex_unlock(&told->lock);
}

static int snapshot_load(struct dir *dir, struct told *told, unsigned n_threads, uint64_t lsn,
                         struct snapshot_info *out_info, char out_text[static 512])
{
    struct snapshot_load load = {dir, n_threads, NULL, told_chunk, told_progress, told};
    return snapshot_read(&load, lsn, out_info, out_text);
}

/* Everything of `contents` is read, once. */
static void assert_reads(struct dir *dir, const struct contents *contents, unsigned n_threads,
                         uint64_t lsn)
{
    struct told told = {.contents = contents, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct snapshot_info info;
    char text[512], name[FILE_NAME_MAX + 1];
    if (snapshot_load(dir, &told, n_threads, lsn, &info, text) != 0)
        fail_msg("%s", text);
    assert_int_equal(told.wrong, 0);
    assert_int_equal(told.chunks, contents->chunks[0] + contents->chunks[1] + contents->chunks[2]);
    assert_true(told.threads >> n_threads == 0);
    snapshot_name(lsn, name);
    assert_string_equal(info.name, name);
    assert_memory_equal(&info.store, &store, sizeof store);
    assert_int_equal(info.created_us, CREATED_US);
    assert_int_equal(info.final_lsn, lsn);
    assert_int_equal(info.records, RECORDS);
    assert_int_equal(info.format, SNAPSHOT_FORMAT);
}

/* It is refused with this error, and a text that names the file, the place and what to do. */
static void assert_refused(struct dir *dir, const struct contents *contents, unsigned n_threads,
                           int error)
{
    struct told told = {.contents = contents, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct snapshot_info info = {.bytes = 1};
    char text[512], name[FILE_NAME_MAX + 1];
    assert_int_equal(snapshot_load(dir, &told, n_threads, LSN, &info, text), error);
    snapshot_name(LSN, name);
    assert_int_equal(strncmp(text, name, strlen(name)), 0);
    assert_non_null(strstr(text, ", offset "));
    assert_non_null(strstr(text, "; "));
    assert_non_null(strstr(text, dir->path));
    assert_int_equal(told.wrong, 0); /* what was told before was right */
    assert_int_equal(info.bytes, 1);
}

/* ---- round trips ---- */

static void round_trips(void **state)
{
    static const struct contents all[] = {
        {{0, 0, 0}, 1, true},         {{1, 1, 1}, 1, true},       {{0, 300, 0}, 30000, true},
        {{20, 300, 200}, 9000, true}, {{5, 300, 9}, 9000, false},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < LENGTH_OF(all); i++) {
        assert_int_equal(snapshot_write(&fixture->fault.dir, &all[i], LSN + i), 0);
        for (unsigned n_threads = 1; n_threads <= 4; n_threads *= 2)
            assert_reads(&fixture->fault.dir, &all[i], n_threads, LSN + i);
    }
    assert_int_equal(fixture->fault.open, 0);
}

struct large {
    size_t size;
    uint32_t crc;
};

static int large_chunk(void *context, unsigned thread, enum snapshot_section section,
                       struct bytes data)
{
    struct large *large = context;
    (void)thread;
    (void)section;
    large->size = data.size;
    large->crc = libdeflate_crc32(0, data.data, data.size);
    return 0;
}

/* One chunk, alone in its snapshot; returns the bytes of the file. */
static uint64_t large_trip(struct dir *dir, struct bytes chunk)
{
    struct snapshot_options options = {.dir = dir, .compress = true};
    struct snapshot_writer *writer;
    struct large large = {0, 0};
    struct snapshot_load load = {dir, 2, NULL, large_chunk, NULL, &large};
    struct snapshot_info info;
    char text[512];
    assert_int_equal(snapshot_create(&options, &writer), 0);
    assert_int_equal(snapshot_begin_section(writer, SNAPSHOT_RECORDS), 0);
    assert_int_equal(snapshot_put_chunk(writer, BYTES_NONE), 0);
    assert_int_equal(snapshot_put_chunk(writer, chunk), 0);
    uint64_t bytes = snapshot_bytes(writer);
    assert_int_equal(snapshot_commit(writer, LSN, 1), 0);
    if (snapshot_read(&load, LSN, &info, text) != 0)
        fail_msg("%s", text);
    assert_int_equal(large.size, chunk.size);
    assert_int_equal(large.crc, libdeflate_crc32(0, chunk.data, chunk.size));
    assert_int_equal(info.bytes, bytes + SNAPSHOT_TRAILER_BYTES);
    return bytes;
}

/* The largest chunk compresses as far as LZ4 can, which must not look like an attack; noise of
 * several writes is stored as it is. */
static void large_chunks(void **state)
{
    struct fixture *fixture = *state;
    struct dir *dir = &fixture->fault.dir;
    size_t size = 5 << 20;
    uint32_t noise = 1;
    uint8_t *data = calloc(1, SNAPSHOT_CHUNK_MAX);
    assert_non_null(data);
    assert_in_range(large_trip(dir, (struct bytes){data, SNAPSHOT_CHUNK_MAX}), 100,
                    SNAPSHOT_CHUNK_MAX / 200);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
    fault_begin(&fixture->fault, 0, false);
    assert_int_equal(large_trip(dir, (struct bytes){data, size}),
                     SNAPSHOT_HEADER_BYTES + SNAPSHOT_SECTION_HEAD_BYTES +
                         SNAPSHOT_CHUNK_HEAD_BYTES + size);
    assert_int_equal(strncmp(fixture->fault.trace, "dowwwwwwwwsomn", 14), 0);
    free(data);
}

/* A chunk that LZ4 packs into as many bytes as it has is stored as it is: equal lengths mean so. */
static void not_smaller(void **state)
{
    static const char chunk[] = "abcdefghijklabcd01234567";
    struct fixture *fixture = *state;
    char packed[LZ4_COMPRESSBOUND(sizeof chunk)];
    int size = (int)strlen(chunk);
    assert_int_equal(LZ4_compress_default(chunk, packed, size, sizeof packed), size);
    (void)large_trip(&fixture->fault.dir, bytes_of(chunk));
}

/* The order that makes a snapshot whole, durable and only then visible; syncs on the way. */
static void order_of_operations(void **state)
{
    struct fixture *fixture = *state;
    struct fault_dir *fault = &fixture->fault;
    struct snapshot_options options = {.dir = &fault->dir, .sync_bytes = 2 << 20};
    struct snapshot_writer *writer;
    static const uint8_t chunk[SNAPSHOT_CHUNK_BYTES];
    file_set(fixture->dir, SNAPSHOT_TEMPORARY, bytes_of("of a writer that was interrupted"));
    assert_int_equal(snapshot_create(&options, &writer), 0);
    assert_int_equal(snapshot_begin_section(writer, SNAPSHOT_RUNS), 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(snapshot_put_chunk(writer, (struct bytes){chunk, sizeof chunk}), 0);
    assert_int_equal(snapshot_commit(writer, LSN, 1), 0);
    /* Chunks; the trailer; header and head of the section; synced, then named. */
    assert_string_equal(fault->trace, "dowwswwsw"
                                      "w"
                                      "ww"
                                      "somn");
}

/* ---- damage ---- */

/* The bytes of the snapshot of `small`, which is removed. */
static struct buf small_bytes(struct fixture *fixture)
{
    char name[FILE_NAME_MAX + 1];
    assert_int_equal(snapshot_write(&fixture->fault.dir, &small, LSN), 0);
    snapshot_name(LSN, name);
    return file_get(fixture->dir, name);
}

static void small_set(struct fixture *fixture, const uint8_t *data, size_t size)
{
    char name[FILE_NAME_MAX + 1];
    snapshot_name(LSN, name);
    file_set(fixture->dir, name, (struct bytes){data, size});
}

/* Every byte, each bit of it and some together. */
static void flipped_bytes(void **state)
{
    static const uint8_t flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 7, 255};
    struct fixture *fixture = *state;
    struct buf data = small_bytes(fixture);
    for (size_t at = 0; at < data.size; at++) {
        for (unsigned i = 0; i < LENGTH_OF(flips); i++) {
            data.data[at] ^= flips[i];
            bool later = little_read_u32(data.data + SNAPSHOT_AT_FORMAT) > SNAPSHOT_FORMAT;
            small_set(fixture, data.data, data.size);
            data.data[at] ^= flips[i];
            assert_refused(fixture->dir, &small, 1 + i % 2,
                           later ? ERR_DATA_FORMAT : ERR_DATA_DAMAGED);
        }
    }
    small_set(fixture, data.data, data.size);
    assert_reads(fixture->dir, &small, 1, LSN);
    buf_deinit(&data);
}

static void wrong_sizes(void **state)
{
    struct fixture *fixture = *state;
    struct buf data = small_bytes(fixture);
    for (size_t size = 0; size < data.size; size++) {
        small_set(fixture, data.data, size);
        assert_refused(fixture->dir, &small, 1 + size % 2, ERR_DATA_DAMAGED);
    }
    assert_int_equal(buf_append(&data, "", 1), 0);
    small_set(fixture, data.data, data.size);
    assert_refused(fixture->dir, &small, 1, ERR_DATA_DAMAGED);
    buf_deinit(&data);
}

/* Good chunks in the wrong places, and a good snapshot under the name of another. */
static void swapped(void **state)
{
    static const struct contents two = {{0, 2, 0}, 1, false};
    enum { CHUNK = SNAPSHOT_CHUNK_HEAD_BYTES + 4 };
    struct fixture *fixture = *state;
    char name[FILE_NAME_MAX + 1];
    uint8_t first[CHUNK];
    assert_int_equal(snapshot_write(&fixture->fault.dir, &two, LSN), 0);
    snapshot_name(LSN, name);
    struct buf data = file_get(fixture->dir, name);
    uint8_t *at = data.data + SNAPSHOT_HEADER_BYTES + 2 * SNAPSHOT_SECTION_HEAD_BYTES;
    memcpy(first, at, CHUNK);
    memcpy(at, at + CHUNK, CHUNK);
    memcpy(at + CHUNK, first, CHUNK);
    small_set(fixture, data.data, data.size);
    assert_refused(fixture->dir, &two, 1, ERR_DATA_DAMAGED);
    buf_deinit(&data);

    assert_int_equal(snapshot_write(&fixture->fault.dir, &small, LSN + 1), 0);
    snapshot_name(LSN + 1, name);
    data = file_get(fixture->dir, name);
    small_set(fixture, data.data, data.size);
    assert_refused(fixture->dir, &small, 1, ERR_DATA_DAMAGED);
    assert_reads(fixture->dir, &small, 1, LSN + 1);
    buf_deinit(&data);
}

/* The bytes of a snapshot of one chunk of four bytes, in the last section. */
static struct buf one_bytes(struct fixture *fixture)
{
    static const struct contents one = {{0, 0, 0, 1}, 1, false};
    char name[FILE_NAME_MAX + 1];
    assert_int_equal(snapshot_write(&fixture->fault.dir, &one, LSN), 0);
    snapshot_name(LSN, name);
    return file_get(fixture->dir, name);
}

enum { ONE_AT_CHUNK = SNAPSHOT_HEADER_BYTES + SNAPSHOT_SECTIONS_MAX * SNAPSHOT_SECTION_HEAD_BYTES };

static void assert_refused_as(struct fixture *fixture, const char *expected)
{
    struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER}; /* nothing must be told */
    struct snapshot_info info;
    char text[512];
    assert_int_equal(snapshot_load(fixture->dir, &told, 1, LSN, &info, text), ERR_DATA_DAMAGED);
    if (strstr(text, expected) == NULL)
        fail_msg("%s: not \"%s\"", text, expected);
}

/* Lengths that lie, where the CRC of the chunk is right. */
static void lies(void **state)
{
    static const struct {
        uint32_t raw, stored;
        const char *text;
    } all[] = {
        {0, 0, "an empty chunk"},
        {4, 0, "too large"},
        {4 * 255 + 1, 4, "too large"},
        {SNAPSHOT_CHUNK_MAX + 1, 4, "too large"},
        {UINT32_MAX, 4, "too large"},
        {3, 4, "wrong length"},
        {UINT32_MAX, UINT32_MAX, "wrong length"},
        {5, 5, "wrong length"},
        {4 * 255, 4, "cannot be decompressed"},
    };
    struct fixture *fixture = *state;
    struct buf data = one_bytes(fixture);
    uint8_t *head = data.data + ONE_AT_CHUNK;
    for (size_t i = 0; i < LENGTH_OF(all); i++) {
        uint32_t inside = all[i].stored < 4 ? all[i].stored : 4;
        little_write_u32(head, all[i].raw);
        little_write_u32(head + 4, all[i].stored);
        little_write_u32(head + 8, libdeflate_crc32(0, head + SNAPSHOT_CHUNK_HEAD_BYTES, inside));
        small_set(fixture, data.data, data.size);
        assert_refused_as(fixture, all[i].text);
    }
    little_write_u64(head - 8, SNAPSHOT_CHUNK_HEAD_BYTES - 1);
    small_set(fixture, data.data, data.size - 5);
    assert_refused_as(fixture, "no room for a chunk");
    data.data[SNAPSHOT_AT_SECTIONS] = SNAPSHOT_SECTIONS_MAX + 1;
    small_set(fixture, data.data, data.size);
    assert_refused_as(fixture, "too many sections");
    buf_deinit(&data);
}

/* A chunk above the limit with as many stored bytes as it would need. */
static void too_large(void **state)
{
    enum { MORE = SNAPSHOT_CHUNK_MAX / SNAPSHOT_RATIO_MAX };
    static const uint8_t more[MORE];
    struct fixture *fixture = *state;
    struct buf data = one_bytes(fixture);
    assert_int_equal(buf_append(&data, more, MORE), 0);
    uint8_t *head = data.data + ONE_AT_CHUNK;
    little_write_u64(head - 8, SNAPSHOT_CHUNK_HEAD_BYTES + 4 + MORE);
    little_write_u32(head, SNAPSHOT_CHUNK_MAX + 1);
    little_write_u32(head + 4, 4 + MORE);
    small_set(fixture, data.data, data.size);
    assert_refused_as(fixture, "too large");
    buf_deinit(&data);
}

/* ---- errors ---- */

/* At whichever operation the writer fails, the snapshots that were there remain, and no other. */
static void failing_writer(void **state)
{
    static const struct contents old = {{1, 2, 1}, 100, true};
    static const struct contents large = {{2, 90, 7}, 90000, false};
    struct fixture *fixture = *state;
    struct fault_dir *fault = &fixture->fault;
    unsigned n = 0;
    assert_int_equal(snapshot_write(&fault->dir, &old, LSN - 1), 0);
    for (int err = -EIO; err != 0;) {
        fault_begin(fault, ++n, false);
        err = snapshot_write(&fault->dir, &large, LSN);
        assert_true(err == 0 || err == -EIO);
        assert_int_equal(fault->open, 0);
        if (err != 0)
            assert_names(fixture, 1, "snap-0000000000001233.snap");
    }
    assert_int_equal(n, strlen(fault->trace) + 1); /* every operation has failed once */
    assert_reads(fixture->dir, &old, 1, LSN - 1);
    assert_reads(fixture->dir, &large, 1, LSN);
}

/* The first error of several writes is the one that counts, and it stays. */
static void first_error(void **state)
{
    struct fixture *fixture = *state;
    struct snapshot_options options = {.dir = &fixture->fault.dir};
    struct snapshot_writer *writer;
    struct bytes chunk = {calloc(1, 5 << 20), 5 << 20};
    assert_int_equal(snapshot_create(&options, &writer), 0);
    fault_begin(&fixture->fault, 2, false);
    assert_int_equal(snapshot_begin_section(writer, SNAPSHOT_RUNS), 0);
    assert_int_equal(snapshot_put_chunk(writer, chunk), -EIO);
    assert_int_equal(snapshot_put_chunk(writer, chunk), -EIO);
    assert_int_equal(snapshot_begin_section(writer, SNAPSHOT_RECORDS), -EIO);
    assert_int_equal(snapshot_commit(writer, LSN, 1), -EIO);
    assert_string_equal(fixture->fault.trace, "wwd");
    assert_names(fixture, 0, "");
    free((void *)(uintptr_t)chunk.data);
}

/* As failing_writer, where a snapshot of this LSN is there already: one of the two is, whole. */
static void failing_replacement(void **state)
{
    struct fixture *fixture = *state;
    struct fault_dir *fault = &fixture->fault;
    assert_int_equal(snapshot_write(&fault->dir, &small, LSN), 0);
    for (unsigned n = 1, err = 1; err != 0; n++) {
        fault_begin(fault, n, false);
        err = snapshot_write(&fault->dir, &small, LSN) != 0;
        assert_names(fixture, 1, "snap-0000000000001234.snap");
        assert_reads(fixture->dir, &small, 1, LSN);
    }
}

/* Where nothing works any more after the first error, not even removing: trimming does it later,
 * and what has the name of a snapshot is one. */
static void dying_disk(void **state)
{
    struct fixture *fixture = *state;
    struct fault_dir *fault = &fixture->fault;
    for (unsigned n = 1, err = 1; err != 0; n++) {
        uint64_t lsn;
        fault_begin(fault, n, true);
        err = snapshot_write(&fault->dir, &small, LSN) != 0;
        int found = snapshot_list(fixture->dir, &lsn, 1);
        if (found == 1)
            assert_reads(fixture->dir, &small, 1, LSN);
        fault_begin(fault, 0, false);
        assert_int_equal(snapshot_trim(&fault->dir, 1), 0);
        assert_names(fixture, found, "snap-0000000000001234.snap");
        assert_int_equal(snapshot_trim(&fault->dir, 0), 0);
        assert_names(fixture, 0, "");
    }
}

static void failing_reader(void **state)
{
    static const struct contents contents = {{1, 20, 3}, 2000, true};
    struct fixture *fixture = *state;
    struct fault_dir *fault = &fixture->fault;
    assert_int_equal(snapshot_write(&fault->dir, &contents, LSN), 0);
    for (unsigned n_threads = 1; n_threads <= 4; n_threads += 3) {
        fault_begin(fault, 0, false);
        assert_reads(&fault->dir, &contents, n_threads, LSN);
        unsigned count = fault->count;
        for (unsigned n = 1; n <= count; n++) {
            fault_begin(fault, n, false);
            assert_refused(&fault->dir, &contents, n_threads, ERR_IO);
            assert_int_equal(fault->open, 0);
        }
    }
    fault_begin(fault, 0, false);
    assert_int_equal(snapshot_trim(&fault->dir, 0), 0);
    assert_refused(&fault->dir, &contents, 1, ERR_IO); /* there is none */
}

#ifdef CAIRN_FAULTS
static void failing_memory(void **state)
{
    static const struct contents contents = {{1, 20, 3}, 2000, true};
    struct fixture *fixture = *state;
    struct dir *dir = &fixture->fault.dir;
    struct snapshot_info info;
    char text[512];
    unsigned n = 0;
    for (int err = -ENOMEM; err != 0; n++) {
        mem_fail_after(n + 1, 0);
        err = snapshot_write(dir, &contents, LSN);
        mem_fail_after(0, 0);
        assert_names(fixture, err == 0, "snap-0000000000001234.snap");
    }
    assert_true(n > 3);
    n = 0;
    for (int err = ERR_OUT_OF_MEMORY; err != 0; n++) {
        struct told told = {.contents = &contents, .lock = PTHREAD_MUTEX_INITIALIZER};
        mem_fail_after(n + 1, 0);
        err = snapshot_load(dir, &told, 1, LSN, &info, text);
        mem_fail_after(0, 0);
        assert_true(err == 0 || (err == ERR_OUT_OF_MEMORY && strstr(text, "memory") != NULL));
    }
    assert_true(n > 3);
}
#endif

static int refuse_chunk(void *context, unsigned thread, enum snapshot_section section,
                        struct bytes data)
{
    (void)thread;
    (void)section;
    (void)data;
    return atomic_fetch_sub((atomic_int *)context, 1) == 1 ? ERR_OVERFLOW : 0;
}

static void refusing_callback(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(snapshot_write(&fixture->fault.dir, &small, LSN), 0);
    for (unsigned n_threads = 1; n_threads <= 3; n_threads++) {
        for (int i = 1; i <= 4; i++) {
            atomic_int left = i;
            struct snapshot_load load = {fixture->dir, n_threads, NULL, refuse_chunk, NULL, &left};
            struct snapshot_info info;
            char text[512];
            assert_int_equal(snapshot_read(&load, LSN, &info, text), ERR_OVERFLOW);
            assert_non_null(strstr(text, "refused"));
        }
    }
}

/* ---- the format ---- */

/* Every byte of a snapshot without compression, from the drawing in snapshot.h. */
static void format(void **state)
{
    static const uint8_t expected[] =
        "CAIRN_SNAP\1\0\0\0\0\xf1\x53\x65\0\0\0\0\x34\x12\0\0\0\0\0\0\x4d\0\0\0\0\0\0\0\3"
        "\1\0\0\0\0\0\0\0\0"
        "\2\x20\0\0\0\0\0\0\0\4\0\0\0\4\0\0\0\x1c\xdf\x44\x21\0\0\0\0"
        "\4\0\0\0\4\0\0\0\x79\xb8\xf8\x99\1\0\0\0"
        "\3\0\0\0\0\0\0\0\0"
        "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10"
        "\x03\xaa\x81\x45";
    static const struct contents two = {{0, 2, 0}, 1, true};
    struct fixture *fixture = *state;
    char name[FILE_NAME_MAX + 1];
    assert_int_equal(snapshot_write(&fixture->fault.dir, &two, LSN), 0);
    snapshot_name(LSN, name);
    struct buf data = file_get(fixture->dir, name);
    assert_int_equal(data.size, sizeof expected - 1);
    assert_memory_equal(data.data, expected, sizeof expected - 1);
    buf_deinit(&data);
}

/* What the first version wrote, for ever: tests/golden/snapshot-1.snap. */
static void golden(void **state)
{
    static const struct contents contents = {{1, 4, 0}, 300, true};
    struct fixture *fixture = *state;
    struct dir *dir;
    char name[FILE_NAME_MAX + 1];
    assert_int_equal(dir_open(GOLDEN, &dir), 0);
    struct buf data = file_get(dir, "snapshot-1.snap");
    dir_close(dir);
    snapshot_name(LSN, name);
    file_set(fixture->dir, name, buf_bytes(&data));
    assert_reads(fixture->dir, &contents, 2, LSN);
    buf_deinit(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(round_trips),       TEST(large_chunks),   TEST(not_smaller), TEST(order_of_operations),
        TEST(flipped_bytes),     TEST(wrong_sizes),    TEST(swapped),     TEST(lies),
        TEST(too_large),         TEST(failing_writer), TEST(first_error), TEST(failing_replacement),
        TEST(dying_disk),        TEST(failing_reader),
#ifdef CAIRN_FAULTS
        TEST(failing_memory),
#endif
        TEST(refusing_callback), TEST(format),         TEST(golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
