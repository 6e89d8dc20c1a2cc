/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A log in a watched directory, with its callbacks counted; and a reader of what is on the disk
 * that is as simple as can be, and checks numbers, chain and LSNs on its way.
 */
#pragma once

#include "common/err.h"
#include "server/wal/wal.h"
#include "tests/unit/server/wal/watch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

struct harness {
    struct watch *watch;
    struct wal *wal;
    struct wal_options options;
    struct wal_end end; /* for the next open */
    atomic_uint durable, failed, changed;
    atomic_int state; /* as told */
    char text[256];
};

static inline void harness_on_durable(void *context)
{
    atomic_fetch_add(&((struct harness *)context)->durable, 1);
}

static inline void harness_on_failed(void *context, const char *text)
{
    struct harness *h = context;
    (void)snprintf(h->text, sizeof h->text, "%s", text);
    atomic_fetch_add(&h->failed, 1);
}

static inline void harness_on_changed(void *context, enum wal_state state)
{
    struct harness *h = context;
    atomic_store(&h->state, (int)state);
    atomic_fetch_add(&h->changed, 1);
}

/* Strict, without threads, segments as small as can be; change `options` before harness_open. */
static inline void harness_init(struct harness *h)
{
    *h = (struct harness){.watch = watch_create()};
    h->options = (struct wal_options){
        .dir = &h->watch->dir,
        .store = {{1, 2, 3}},
        .segment_bytes = SEGMENT_BYTES_MIN,
        .staging_bytes = 1 << 20,
        .n_threads = 1,
        .strict = true,
        .sync_interval_ms = 3600000,
        .sync_entries = 1000000000,
        .no_thread = true,
        .durable = harness_on_durable,
        .failed = harness_on_failed,
        .changed = harness_on_changed,
        .context = h,
    };
}

static inline int harness_try_open(struct harness *h)
{
    char text[256] = "";
    int err = wal_open(&h->options, &h->end, &h->wal, text);
    assert_true((err == 0) == (text[0] == 0)); /* an error is explained */
    return err;
}

/* Open, and let it make its spare; what is counted begins after that. */
static inline void harness_open(struct harness *h)
{
    assert_int_equal(harness_try_open(h), 0);
    if (h->options.no_thread)
        wal_step(h->wal);
    pthread_mutex_lock(&h->watch->lock);
    h->watch->writes = h->watch->syncs = h->watch->hasty = 0;
    pthread_mutex_unlock(&h->watch->lock);
}

static inline void harness_deinit(struct harness *h)
{
    watch_destroy(h->watch);
}

static inline uint64_t harness_put(struct wal *wal, const void *data, size_t size)
{
    uint64_t lsn;
    memcpy(wal_begin(wal, ENTRY_BATCH, size, &lsn), data, size);
    wal_end(wal);
    return lsn;
}

/* One entry whose bytes follow from its LSN. */
static inline uint64_t harness_fill(struct wal *wal, size_t size)
{
    uint64_t lsn;
    uint8_t *to = wal_begin(wal, ENTRY_PUT, size, &lsn);
    memset(to, (int)(lsn * 7 % 256), size);
    wal_end(wal);
    return lsn;
}

/* ---- reading back ---- */

struct reading {
    uint64_t number, lsn, end;
    uint32_t crc;
    uint64_t first_lsn, segments, bytes, entries, watermarks, markers;
    bool clean;
    void (*visit)(struct reading *reading, const struct entry *entry);
    void *context;
};

static inline void reading_note(struct reading *r, const struct entry *entry)
{
    r->clean = entry->type == ENTRY_SHUTDOWN;
    r->watermarks += entry->type == ENTRY_WATERMARK;
    r->markers += entry->type == ENTRY_MARKER;
    r->lsn += entry_type_counts(entry->type);
    assert_int_equal(entry->lsn, r->lsn);
    if (!entry_type_counts(entry->type))
        return;
    r->entries++;
    if (r->visit != NULL)
        r->visit(r, entry);
    if (entry->type == ENTRY_PUT)
        for (size_t i = 0; i < entry->body.size; i += 1 + entry->body.size / 16)
            assert_int_equal(entry->body.data[i], entry->lsn * 7 % 256);
}

/* The next segment. False: it is not one. */
static inline bool reading_segment(struct reading *r, const uint8_t *data, size_t size)
{
    struct segment_header header;
    if (size < SEGMENT_HEADER_BYTES || segment_decode_header(data, &header) != 0)
        return false;
    if (r->segments++ > 0) {
        assert_int_equal(header.number, r->number + 1);
        assert_int_equal(header.last_lsn, r->lsn);
        assert_int_equal(header.end_offset, r->end);
        assert_int_equal(header.end_crc, r->crc);
    } else {
        r->lsn = header.last_lsn;
        r->first_lsn = header.first_lsn;
    }
    assert_int_equal(header.first_lsn, header.last_lsn + 1);
    r->number = header.number;
    r->bytes += size;
    r->crc = header.salt;
    r->end = SEGMENT_HEADER_BYTES;
    struct entry entry;
    size_t took;
    while (entry_read((struct bytes){data + r->end, size - r->end}, r->crc, &entry, &took,
                      &r->crc) == 0) {
        assert_true(entry.synced <= r->end);
        r->end += took;
        reading_note(r, &entry);
    }
    return true;
}

struct reading_names {
    char names[WATCH_FILES][FILE_NAME_MAX + 1];
    size_t n;
};

static inline bool reading_name(void *context, const char *name)
{
    struct reading_names *names = context;
    uint64_t lsn;
    if (segment_parse_name(name, &lsn))
        (void)snprintf(names->names[names->n++], FILE_NAME_MAX + 1, "%s", name);
    return true;
}

static inline int reading_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All that is in the directory. */
static inline void reading_live(struct reading *r, struct watch *w)
{
    struct reading_names names = {.n = 0};
    assert_int_equal(w->inner->ops->list(w->inner, reading_name, &names), 0);
    qsort(names.names, names.n, sizeof names.names[0], reading_order);
    for (size_t i = 0; i < names.n; i++) {
        int file = w->inner->ops->open(w->inner, names.names[i], FILE_READ);
        int64_t size = w->inner->ops->size(w->inner, file);
        uint8_t *data = malloc((size_t)size + 1);
        assert_int_equal(w->inner->ops->read(w->inner, file, 0, data, (size_t)size), size);
        w->inner->ops->close(w->inner, file);
        assert_true(reading_segment(r, data, (size_t)size));
        free(data);
    }
}

static inline int reading_durable_order(const void *a, const void *b)
{
    return strcmp((*(struct watch_file *const *)a)->durable,
                  (*(struct watch_file *const *)b)->durable);
}

/* All that a power failure would leave. */
static inline void reading_durable(struct reading *r, struct watch *w)
{
    struct watch_file *files[WATCH_FILES];
    size_t n = 0;
    for (int i = 0; i < w->n_files; i++)
        if (strncmp(w->files[i].durable, "wal-0", 5) == 0)
            files[n++] = &w->files[i];
    qsort(files, n, sizeof files[0], reading_durable_order);
    for (size_t i = 0; i < n; i++)
        assert_true(reading_segment(r, files[i]->synced, files[i]->n_synced));
}

/* Read back, and remember the end for the next open. */
static inline struct reading harness_read(struct harness *h)
{
    struct reading r = {.number = 0};
    reading_live(&r, h->watch);
    h->end = (struct wal_end){r.lsn, r.number, r.end, r.crc};
    return r;
}

/* Wait until the condition holds, at most ten seconds. */
#define HARNESS_AWAIT(condition)                                                                   \
    do {                                                                                           \
        for (int left_ = 60000; !(condition) && left_ > 0; left_--)                                \
            nanosleep(&(struct timespec){0, 1000000}, NULL);                                       \
        assert_true(condition);                                                                    \
    } while (0)
