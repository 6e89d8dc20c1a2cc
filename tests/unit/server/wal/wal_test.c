/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/wal/wal: one write and one sync for all that wait, watermarks, intervals, back-pressure,
 * many threads, rotation, entries larger than a segment, trimming, and starting again.
 */
#include "tests/unit/server/wal/harness.h"

#include "common/mem.h"
#include "server/wal/wal_impl.h"
#include "tests/unit/common/seed.h"

#include <sys/mman.h>

/* ---- commits ---- */

/* A commit is one write and one sync, however many wait for it; each is told of once. */
static void strict_counts(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    harness_open(&h);
    for (unsigned round = 1, entries = 1; round <= 5; round++, entries *= 4) {
        uint64_t lsn = 0;
        for (unsigned i = 0; i < entries; i++)
            lsn = harness_fill(h.wal, 20);
        assert_true(wal_durable_lsn(h.wal) < lsn && wal_written_lsn(h.wal) < lsn);
        wal_want_sync(h.wal, lsn);
        wal_step(h.wal);
        assert_int_equal(h.watch->writes, round);
        assert_int_equal(h.watch->syncs, round);
        assert_int_equal(h.durable, round);
        assert_int_equal(wal_durable_lsn(h.wal), lsn);
        assert_int_equal(wal_written_lsn(h.wal), lsn);
    }
    struct wal_figures figures;
    wal_figures(h.wal, &figures);
    assert_int_equal(figures.entries, 1 + 4 + 16 + 64 + 256);
    assert_int_equal(figures.bytes, figures.entries * (20 + ENTRY_OVERHEAD));
    assert_int_equal(figures.staged_bytes, 0);
    assert_int_equal(figures.appended_lsn, figures.entries);
    struct hist writes, syncs;
    hist_init(&writes);
    hist_init(&syncs);
    wal_histograms(h.wal, &writes, &syncs);
    assert_int_equal(writes.count, figures.writes);
    assert_int_equal(syncs.count, figures.syncs);
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

/* When nothing is going on, one watermark proves the last sync, and then there is silence. */
static void idle_watermark(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    harness_open(&h);
    wal_step(h.wal);
    assert_int_equal(h.watch->writes, 0); /* nothing to prove */
    assert_true(wal_wait_durable(h.wal, harness_fill(h.wal, 10)));
    assert_int_equal(h.watch->writes, 1);
    for (int i = 0; i < 3; i++)
        wal_step(h.wal);
    assert_int_equal(h.watch->writes, 2);
    assert_int_equal(h.watch->syncs, 2);
    struct reading r = {.number = 0};
    reading_durable(&r, h.watch);
    assert_int_equal(r.watermarks, 1);
    assert_int_equal(r.lsn, 1);
    assert_int_equal(wal_close(h.wal), 0);
    assert_true(harness_read(&h).clean);
    harness_deinit(&h);
}

/* The thread does it by itself, and only once. */
static void idle_watermark_by_thread(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.no_thread = false;
    harness_open(&h);
    struct wal_figures figures;
    assert_true(wal_wait_durable(h.wal, harness_fill(h.wal, 10)));
    do
        wal_figures(h.wal, &figures);
    while (figures.syncs < 2);
    assert_int_equal(figures.entries, 2);
    assert_int_equal(wal_close(h.wal), 0);
    struct reading r = harness_read(&h);
    assert_int_equal(r.watermarks, 1);
    assert_int_equal(r.entries, 1);
    harness_deinit(&h);
}

/* Buffered: written by who wants it, with one write; synced later. */
static void buffered_counts(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.strict = false;
    harness_open(&h);
    uint64_t first = harness_fill(h.wal, 10), last = 0;
    for (int i = 0; i < 10; i++)
        last = harness_fill(h.wal, 10);
    assert_true(wal_write(h.wal, first));
    assert_int_equal(wal_written_lsn(h.wal), last); /* all that was staged */
    assert_true(wal_write(h.wal, last));
    assert_int_equal(h.watch->writes, 1);
    assert_int_equal(h.watch->syncs, 0);
    assert_int_equal(wal_durable_lsn(h.wal), 0);
    assert_int_equal(h.durable, 0);
    wal_step(h.wal);
    assert_int_equal(h.watch->writes, 1);
    assert_int_equal(h.watch->syncs, 1);
    assert_int_equal(wal_durable_lsn(h.wal), last);
    assert_int_equal(h.durable, 1);
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

/* The thread syncs when the interval is over, though nobody writes or asks. */
static void buffered_interval(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.strict = h.options.no_thread = false;
    h.options.sync_interval_ms = 5;
    harness_open(&h);
    for (unsigned i = 1; i <= 3; i++) {
        uint64_t lsn = harness_fill(h.wal, 10);
        HARNESS_AWAIT(wal_durable_lsn(h.wal) >= lsn);
        struct wal_figures figures = {.entries = 0};
        HARNESS_AWAIT((wal_figures(h.wal, &figures), figures.syncs == 2 * i)); /* all is proved */
    }
    HARNESS_AWAIT(h.durable >= 3);
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

/* It syncs when there are too many, long before the interval is over; or when asked. */
static void buffered_entries(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.strict = h.options.no_thread = false;
    h.options.sync_entries = 10;
    harness_open(&h);
    for (uint64_t done = 0; done < 50; done += 10) { /* the thread has gone to sleep in between */
        for (int i = 0; i < 9; i++)
            assert_true(wal_write(h.wal, harness_fill(h.wal, 10)));
        assert_int_equal(wal_durable_lsn(h.wal), done);
        assert_true(wal_write(h.wal, harness_fill(h.wal, 10)));
        HARNESS_AWAIT(wal_durable_lsn(h.wal) == done + 10);
    }
    assert_true(wal_wait_durable(h.wal, harness_fill(h.wal, 10)));
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

/* ---- back-pressure ---- */

static void behind_by_bytes(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.staging_bytes = 1000;
    harness_open(&h);
    while (!wal_is_behind(h.wal))
        harness_fill(h.wal, 100);
    struct wal_figures figures;
    wal_figures(h.wal, &figures);
    assert_true(figures.staged_bytes > 1000 && figures.staged_bytes < 1200);
    assert_true(wal_write(h.wal, figures.appended_lsn));
    assert_false(wal_is_behind(h.wal));
    wal_step(h.wal);
    assert_true(h.durable > 0); /* who waited is told */
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

/* Who was told to wait is told when it is over, even if no sync is due for long. */
static void behind_no_more(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.strict = h.options.no_thread = false;
    h.options.staging_bytes = 1000;
    harness_open(&h);
    uint64_t lsn = 0;
    while (!wal_is_behind(h.wal))
        lsn = harness_fill(h.wal, 100);
    assert_true(wal_write(h.wal, lsn));
    assert_false(wal_is_behind(h.wal));
    HARNESS_AWAIT(h.durable > 0);
    assert_int_equal(wal_durable_lsn(h.wal), 0);
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

/* A disk that does not answer stops the writers after twice the interval. */
static void behind_by_age(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.strict = h.options.no_thread = false;
    h.options.sync_interval_ms = 20;
    harness_open(&h);
    assert_true(wal_wait_durable(h.wal, harness_fill(h.wal, 10)));
    pthread_mutex_lock(&h.watch->lock); /* every write and sync waits for it */
    unsigned told = h.durable;
    harness_fill(h.wal, 10);
    HARNESS_AWAIT(wal_is_behind(h.wal));
    pthread_mutex_unlock(&h.watch->lock);
    HARNESS_AWAIT(!wal_is_behind(h.wal));
    HARNESS_AWAIT(h.durable > told);
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

static size_t in_memory(const struct staging_half *half)
{
    static unsigned char in[4096]; /* of as many pages */
    size_t count = 0;
    assert_int_equal(mincore(half->base, LENGTH_OF(in) * 4096, in), 0);
    for (size_t i = 0; i < LENGTH_OF(in); i++)
        count += in[i] & 1;
    return count * 4096;
}

/* Staged bytes may be many times a segment, and pages of a burst are given back. */
static void burst(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.staging_bytes = 32 << 20;
    harness_open(&h);
    for (int i = 0; i < 400; i++)
        harness_fill(h.wal, 40000);
    const struct staging_half *half = staging_filling(&h.wal->staging);
    assert_true(in_memory(half) > 15000000);
    wal_step(h.wal);
    assert_int_equal(wal_durable_lsn(h.wal), 400);
    assert_int_equal(in_memory(half), STAGING_KEPT);
    assert_int_equal(wal_close(h.wal), 0);
    assert_int_equal(harness_read(&h).entries, 400);
    harness_deinit(&h);
}

/* ---- many threads ---- */

enum { THREADS = 4, EACH = 1500, SIZE_MAX_OF_BODY = 700 };

struct writer {
    struct harness *h;
    unsigned id;
    struct rng rng;
    uint64_t lsns[EACH];
};

/* Body: thread u32, sequence u32, then bytes that follow from both. */
static void writer_put(struct writer *w, uint32_t seq)
{
    uint8_t body[8 + SIZE_MAX_OF_BODY];
    size_t size = 8 + rng_below(&w->rng, SIZE_MAX_OF_BODY);
    memcpy(body, &w->id, 4);
    memcpy(body + 4, &seq, 4);
    memset(body + 8, (int)(w->id * 31 + seq) % 256, size - 8);
    w->lsns[seq] = harness_put(w->h->wal, body, size);
}

static void *writer_run(void *arg)
{
    struct writer *w = arg;
    struct wal *wal = w->h->wal;
    for (uint32_t seq = 0; seq < EACH; seq++) {
        writer_put(w, seq);
        uint64_t lsn = w->lsns[seq];
        switch (rng_below(&w->rng, 16)) {
        case 0:
            assert_true(wal_wait_durable(wal, lsn));
            assert_true(wal_durable_lsn(wal) >= lsn);
            break;
        case 1:
        case 2:
        case 3:
            assert_true(wal_write(wal, lsn));
            assert_true(wal_written_lsn(wal) >= lsn);
            break;
        case 4:
            wal_want_sync(wal, lsn);
            break;
        case 5:
            (void)wal_is_behind(wal);
            struct wal_figures figures;
            wal_figures(wal, &figures);
            assert_true(figures.appended_lsn >= figures.written_lsn);
            assert_true(figures.written_lsn >= figures.durable_lsn);
            break;
        default:
            break;
        }
    }
    return NULL;
}

struct expected {
    struct writer *writers;
    uint32_t next[THREADS];
};

static void check_body(struct reading *reading, const struct entry *entry)
{
    struct expected *e = reading->context;
    uint32_t id, seq;
    assert_true(entry->body.size >= 8);
    memcpy(&id, entry->body.data, 4);
    memcpy(&seq, entry->body.data + 4, 4);
    assert_true(id < THREADS);
    assert_int_equal(seq, e->next[id]++);
    assert_int_equal(entry->lsn, e->writers[id].lsns[seq]);
    for (size_t i = 8; i < entry->body.size; i++)
        assert_int_equal(entry->body.data[i], (id * 31 + seq) % 256);
}

static void many_threads(bool strict)
{
    struct harness h;
    struct writer *writers = calloc(THREADS, sizeof *writers);
    pthread_t threads[THREADS];
    struct rng rng = seed_rng();
    harness_init(&h);
    h.options.no_thread = false;
    h.options.strict = strict;
    h.options.n_threads = THREADS;
    h.options.sync_interval_ms = 2;
    h.options.sync_entries = 100;
    harness_open(&h);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.h = &h, .id = i, .rng = {rng_next(&rng)}};
        assert_int_equal(pthread_create(&threads[i], NULL, writer_run, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wal_close(h.wal), 0);
    assert_int_equal(h.failed, 0);
    struct expected expected = {.writers = writers};
    struct reading r = {.visit = check_body, .context = &expected};
    reading_live(&r, h.watch);
    assert_int_equal(r.entries, THREADS * EACH);
    assert_true(r.segments > 10 && r.clean);
    struct reading safe = {.number = 0};
    reading_durable(&safe, h.watch);
    assert_int_equal(safe.lsn, r.lsn);
    harness_deinit(&h);
    free(writers);
}

static void many_threads_strict(void **state)
{
    (void)state;
    many_threads(true);
}

static void many_threads_buffered(void **state)
{
    (void)state;
    many_threads(false);
}

/* ---- segments ---- */

/* An entry goes whole into one segment; the spare is used if there is one. */
static void rotation(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    harness_open(&h);
    for (int i = 0; i < 50; i++) {
        harness_fill(h.wal, 9000);
        wal_step(h.wal);
    }
    assert_int_equal(h.watch->hasty, 0);
    for (int i = 0; i < 50; i++)
        harness_fill(h.wal, 9000);
    wal_step(h.wal);
    assert_true(h.watch->hasty > 0);
    struct wal_figures figures;
    wal_figures(h.wal, &figures);
    assert_int_equal(figures.durable_lsn, 100);
    assert_int_equal(figures.segments, 17); /* six go into one */
    assert_int_equal(figures.live_bytes, 17 * SEGMENT_BYTES_MIN);
    assert_int_equal(wal_close(h.wal), 0);
    struct reading r = harness_read(&h);
    assert_int_equal(r.entries, 100);
    assert_int_equal(r.segments, 17);
    harness_deinit(&h);
}

static void oversize(void **state)
{
    static const size_t sizes[] = {SEGMENT_BYTES_MIN - SEGMENT_HEADER_BYTES - ENTRY_OVERHEAD + 1,
                                   SEGMENT_BYTES_MIN - SEGMENT_HEADER_BYTES - ENTRY_OVERHEAD,
                                   SEGMENT_BYTES_MIN,
                                   3000000,
                                   0,
                                   1};
    struct harness h;
    (void)state;
    harness_init(&h);
    harness_open(&h);
    uint64_t n = 0;
    for (size_t i = 0; i < LENGTH_OF(sizes); i++)
        for (size_t j = 0; j < LENGTH_OF(sizes); j++, n += 2) {
            harness_fill(h.wal, sizes[i]);
            harness_fill(h.wal, sizes[j]);
            wal_step(h.wal);
        }
    assert_int_equal(wal_durable_lsn(h.wal), n);
    struct wal_figures figures;
    wal_figures(h.wal, &figures);
    assert_int_equal(wal_close(h.wal), 0);
    struct reading r = harness_read(&h);
    assert_int_equal(r.entries, n);
    assert_int_equal(r.segments, figures.segments);
    assert_int_equal(r.bytes, figures.live_bytes); /* none has grown */
    harness_deinit(&h);
}

static void trim(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    harness_open(&h);
    for (int i = 0; i < 60; i++) /* segments begin with 1, 7, 13, ... 55 */
        harness_fill(h.wal, 9000);
    wal_step(h.wal);
    static const struct {
        uint64_t keep, first;
    } steps[] = {{0, 1}, {5, 1}, {6, 7}, {17, 13}, {18, 19}, {1000, 55}, {1000, 55}};
    for (size_t i = 0; i < LENGTH_OF(steps); i++) {
        assert_int_equal(wal_trim(h.wal, 60, steps[i].keep), 0);
        struct reading r = harness_read(&h), safe = {.number = 0};
        assert_int_equal(r.first_lsn, steps[i].first);
        assert_int_equal(r.markers, i + 1);
        struct wal_figures figures;
        wal_figures(h.wal, &figures);
        assert_int_equal(figures.segments, r.segments);
        reading_durable(&safe, h.watch);
        assert_int_equal(safe.first_lsn, steps[i].first); /* removed for good */
    }
    assert_int_equal(wal_close(h.wal), 0);
    assert_int_equal(harness_read(&h).lsn, 60);
    harness_deinit(&h);
}

/* Every start begins a segment behind the end of the last one, and its header says so. */
static void start_again(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    for (unsigned run = 1; run <= 5; run++) {
        harness_open(&h);
        for (int i = 0; i < 10; i++)
            harness_fill(h.wal, 100);
        assert_int_equal(wal_close(h.wal), 0);
        struct reading r = harness_read(&h);
        assert_true(r.clean);
        assert_int_equal(r.lsn, 10 * run);
        assert_int_equal(r.segments, run);
    }
    harness_deinit(&h);
}

/* A segment without an entry gives its name and number to the next. */
static void start_without_entries(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    for (unsigned run = 1; run <= 8; run++) {
        harness_open(&h);
        if (run == 4)
            harness_fill(h.wal, 100);
        if (run == 6)
            assert_int_equal(wal_trim(h.wal, 1, 0), 0);
        struct wal_figures figures;
        wal_figures(h.wal, &figures);
        assert_int_equal(figures.segments, run <= 4 ? 1 : 2);
        assert_int_equal(figures.live_bytes, figures.segments * SEGMENT_BYTES_MIN);
        assert_int_equal(wal_close(h.wal), 0);
        struct reading r = harness_read(&h);
        assert_int_equal(r.lsn, run >= 4);
        assert_int_equal(r.segments, run <= 4 ? 1 : 2);
        assert_int_equal(r.number, r.segments);
    }
    harness_deinit(&h);
}

/* Notes alone may fill a segment, too. */
static void notes_only(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    harness_open(&h);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(wal_trim(h.wal, 0, 0), 0);
    wal_step(h.wal);
    assert_int_equal(wal_close(h.wal), 0);
    struct reading r = harness_read(&h);
    assert_int_equal(r.segments, 1);
    assert_int_equal(r.lsn, 0);
    harness_deinit(&h);
}

/* What a crash left of a spare is no obstacle. */
static void leftovers(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    struct dir *inner = h.watch->inner;
    inner->ops->close(inner, inner->ops->open(inner, SEGMENT_SPARE, FILE_WRITE | FILE_CREATE));
    inner->ops->close(inner, inner->ops->open(inner, SEGMENT_NEXT, FILE_WRITE | FILE_CREATE));
    harness_open(&h);
    for (int i = 0; i < 20; i++)
        harness_fill(h.wal, 9000);
    wal_step(h.wal);
    assert_int_equal(wal_durable_lsn(h.wal), 20);
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

/* An allocation that fails makes the start fail, or delays a spare; no more. */
static void without_memory(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (unsigned long n = 1; n <= 12; n++) {
        struct harness h;
        harness_init(&h);
        mem_fail_after(n, 0);
        int err = harness_try_open(&h);
        refused += err != 0;
        for (int i = 0; err == 0 && i < 20; i++) {
            harness_fill(h.wal, 9000);
            wal_step(h.wal);
            (void)!wal_trim(h.wal, 0, 0);
        }
        mem_fail_after(0, 0);
        if (err == 0) {
            wal_step(h.wal);
            assert_int_equal(wal_durable_lsn(h.wal), 20);
            assert_int_equal(wal_close(h.wal), 0);
        }
        harness_deinit(&h);
    }
#ifdef CAIRN_FAULTS
    assert_true(refused > 0 && refused < 12);
#else
    assert_int_equal(refused, 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_counts),
        cmocka_unit_test(idle_watermark),
        cmocka_unit_test(idle_watermark_by_thread),
        cmocka_unit_test(buffered_counts),
        cmocka_unit_test(buffered_interval),
        cmocka_unit_test(buffered_entries),
        cmocka_unit_test(behind_by_bytes),
        cmocka_unit_test(behind_no_more),
        cmocka_unit_test(behind_by_age),
        cmocka_unit_test(burst),
        cmocka_unit_test(many_threads_strict),
        cmocka_unit_test(many_threads_buffered),
        cmocka_unit_test(rotation),
        cmocka_unit_test(oversize),
        cmocka_unit_test(trim),
        cmocka_unit_test(start_again),
        cmocka_unit_test(start_without_entries),
        cmocka_unit_test(notes_only),
        cmocka_unit_test(leftovers),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
