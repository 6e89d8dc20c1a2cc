/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes the reading of a log: a valid one is made of the input, then spoilt, and in half of the
 * cases all checksums are put right again, so that what lies behind them is reached too. Or the
 * input is the entries of a segment.
 *
 * Checked: an answer or a refusal that says why; LSNs told without a hole, bodies within the file;
 * while no checksum was put right, only what was written is told, and behind what was found the log
 * goes on and is found again. Each segment by itself can be inspected, whatever it holds, and where
 * recovery succeeds inspection finds at least the entries that it has read.
 */
#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"
#include "server/wal/inspect.h"
#include "server/wal/little.h"
#include "server/wal/replay.h"
#include "tests/lib/logwriter.h"
#include "tests/lib/simfs.h"

#include <libdeflate.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT = 8192, BODY_MAX = 700, SPOILT_MAX = 8 };

static const struct store_id store = {"fuzz"};

struct world {
    const uint8_t *at, *end; /* decisions left */
    struct simfs *fs;
    bool forged;       /* what is told need not be what was written */
    uint64_t appended; /* LSNs that were written */
    uint64_t last;     /* told */
    unsigned sum;      /* of bytes told, so that all are read */
};

static unsigned choose(struct world *w, unsigned n)
{
    return w->at < w->end ? *w->at++ % n : 0;
}

static uint32_t choose_word(struct world *w)
{
    return choose(w, 256) | choose(w, 256) << 8 | choose(w, 256) << 16 |
           (uint32_t)choose(w, 256) << 24;
}

/* ---- a valid log ---- */

static struct bytes body_of(uint64_t lsn)
{
    static uint8_t body[BODY_MAX + 8];
    struct rng rng = {lsn};
    size_t size = (size_t)rng_below(&rng, BODY_MAX);
    for (size_t i = 0; i < size; i += 8)
        little_write_u64(body + i, rng_next(&rng));
    return (struct bytes){body, size};
}

static struct logwriter *open_log(struct world *w, const struct wal_end *end,
                                  const struct wal_end *proved)
{
    struct logwriter *writer = NULL;
    struct logwriter_options options = {
        .dir = simfs_dir(w->fs), .store = store, .segment_bytes = SEGMENT, .salt = 99};
    REQUIRE(logwriter_open(&options, end, proved, &writer) == 0);
    return writer;
}

static void append(struct world *w, struct logwriter *writer)
{
    (void)logwriter_append(writer, ENTRY_PUT, body_of(w->appended + 1));
    w->appended++;
}

static void make_log(struct world *w)
{
    static const struct wal_end nothing;
    struct logwriter *writer = open_log(w, &nothing, &nothing);
    for (unsigned n = choose(w, 64); n > 0; n--) {
        append(w, writer);
        unsigned then = choose(w, 4);
        if (then == 0)
            (void)logwriter_append(writer, ENTRY_WATERMARK, BYTES_NONE);
        if (then <= 1)
            REQUIRE(logwriter_sync(writer) == 0);
    }
    REQUIRE(logwriter_close(writer, choose(w, 2) == 0) == 0);
}

/* ---- spoiling it ---- */

static const char *choose_segment(struct world *w)
{
    unsigned n = 0;
    while (simfs_name(w->fs, n) != NULL)
        n++;
    return simfs_name(w->fs, choose(w, n));
}

static void spoil_bytes(struct world *w, uint8_t *data, size_t size)
{
    size_t at = choose_word(w) % size;
    uint32_t word = choose_word(w);
    switch (choose(w, 4)) {
    case 0:
        data[at] ^= (uint8_t)(1 << word % 8);
        break;
    case 1:
        memset(data + at, 0, word % (size - at) + 1);
        break;
    case 2:
        memcpy(data + at, &word, size - at < 4 ? size - at : 4);
        break;
    default:
        memmove(data + at, data + word % size, (size - (at > word % size ? at : word % size)) / 2);
        break;
    }
}

/* Make every checksum from the front fit, as far as there are frames. */
static void repair(uint8_t *data, size_t size)
{
    struct segment_header header;
    uint8_t again[SEGMENT_HEADER_BYTES];
    if (size < SEGMENT_HEADER_BYTES)
        return;
    little_write_u32(data + SEGMENT_HEADER_BYTES - 4,
                     libdeflate_crc32(0, data, SEGMENT_HEADER_BYTES - 4));
    if (segment_decode_header(data, &header) != 0)
        return;
    segment_encode_header(&header, again);
    memcpy(data, again, sizeof again);
    uint32_t crc = header.salt;
    for (size_t at = SEGMENT_HEADER_BYTES; size - at >= ENTRY_OVERHEAD;
         at += entry_size(data + at)) {
        uint32_t length = little_read_u32(data + at);
        if (length < ENTRY_LENGTH_MIN || length > size - at - 4)
            return;
        crc = entry_seal(data + at, little_read_u64(data + at + ENTRY_AT_SYNCED), crc);
    }
}

static void spoil(struct world *w, bool repaired)
{
    const char *name = choose_segment(w);
    struct bytes content = simfs_content(w->fs, name);
    size_t size = content.size;
    uint8_t *copy = malloc(size + 1);
    REQUIRE(copy != NULL);
    memcpy(copy, content.data, size);
    if (size > 0 && choose(w, 16) > 0)
        spoil_bytes(w, copy, size);
    else if (size > 0)
        size = choose_word(w) % size;
    if (repaired)
        repair(copy, size);
    if (choose(w, 40) == 1)
        simfs_drop(w->fs, name);
    else
        simfs_put(w->fs, name, (struct bytes){copy, size});
    free(copy);
}

/* The input as entries behind a good header. */
static void make_raw(struct world *w)
{
    struct segment_header header = {
        .store = store, .number = 1, .first_lsn = 1, .salt = choose_word(w)};
    size_t size = SEGMENT_HEADER_BYTES + (size_t)(w->end - w->at);
    uint8_t *data = malloc(size);
    REQUIRE(data != NULL);
    segment_encode_header(&header, data);
    if (w->at < w->end)
        memcpy(data + SEGMENT_HEADER_BYTES, w->at, (size_t)(w->end - w->at));
    repair(data, size);
    simfs_put(w->fs, "wal-0000000000000001.log", (struct bytes){data, size});
    free(data);
}

/* ---- reading it ---- */

static int on_entry(void *context, const struct entry *entry)
{
    struct world *w = context;
    REQUIRE(entry->lsn == w->last + 1);
    for (size_t i = 0; i < entry->body.size; i++)
        w->sum += entry->body.data[i];
    if (!w->forged) {
        REQUIRE(entry->lsn <= w->appended && entry->type == ENTRY_PUT);
        REQUIRE(bytes_equal(entry->body, body_of(entry->lsn)));
    }
    w->last = entry->lsn;
    return 0;
}

static int replay(struct world *w, struct replay_report *report)
{
    struct replay_options options = {
        .dir = simfs_dir(w->fs), .store = &store, .entry = on_entry, .context = w};
    w->last = 0;
    int err = replay_run(&options, report);
    REQUIRE(err == 0 || err == ERR_DATA_DAMAGED || err == ERR_DATA_FORMAT);
    REQUIRE((err != 0) == (report->problem[0] != 0));
    REQUIRE(err != 0 || report->end.last_lsn == w->last);
    REQUIRE(err != 0 || report->synced_lsn <= w->last);
    REQUIRE(simfs_open_files(w->fs) == 0);
    return err;
}

static int on_inspected(void *context, const struct inspection *found, const struct entry *entry)
{
    struct world *w = context;
    REQUIRE(found->end >= SEGMENT_HEADER_BYTES && found->end < found->bytes);
    for (size_t i = 0; i < entry->body.size; i++)
        w->sum += entry->body.data[i];
    return 0;
}

static void inspect(struct world *w, uint64_t least_entries)
{
    uint64_t *lsns, entries = 0;
    size_t n;
    char text[256];
    REQUIRE(inspect_list(simfs_dir(w->fs), &lsns, &n) == 0);
    for (size_t i = 0; i < n; i++) {
        struct inspection found;
        struct inspect_options options = {
            .dir = simfs_dir(w->fs), .name_lsn = lsns[i], .entry = on_inspected, .context = w};
        REQUIRE(inspect_segment(&options, &found, text) == 0);
        REQUIRE(found.end <= found.bytes || found.header_err != 0);
        entries += found.entries;
    }
    REQUIRE(entries >= least_entries);
    mem_free(lsns);
    REQUIRE(simfs_open_files(w->fs) == 0);
}

static void go_on(struct world *w, const struct replay_report *before)
{
    struct replay_report report;
    struct logwriter *writer = open_log(w, &before->end, &before->proved);
    w->appended = before->end.last_lsn;
    append(w, writer);
    append(w, writer);
    REQUIRE(logwriter_close(writer, false) == 0);
    REQUIRE(replay(w, &report) == 0 && w->last == w->appended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.at = data, .end = data + size, .fs = simfs_create()};
    struct replay_report report;
    unsigned mode = choose(&w, 3);
    w.forged = mode != 0;
    if (mode == 2)
        make_raw(&w);
    else
        make_log(&w);
    for (unsigned i = 0; mode != 2 && i < SPOILT_MAX && w.at < w.end && simfs_name(w.fs, 0); i++)
        spoil(&w, w.forged);
    int err = replay(&w, &report);
    inspect(&w, err == 0 ? report.entries : 0);
    if (err == 0 && !w.forged)
        go_on(&w, &report);
    simfs_destroy(w.fs);
    return 0;
}
