/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Survey against recovery: logs with a snapshot of some LSN are spoilt at random, and then
 *
 *   - where replay succeeds, the survey reaches the same LSN
 *   - where replay refuses, the survey finds a bad file
 *   - what it tells is what was written, without a gap, from the snapshot to what it reaches
 *   - no LSN that was written is above what it has seen
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/survey.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"
#include "server/store/codec.h"
#include "server/wal/replay.h"
#include "tests/lib/logwriter.h"
#include "tests/lib/simfs.h"
#include "tests/unit/common/seed.h"

#include <errno.h>
#include <stdlib.h>

enum { ROUNDS = 3000, SEGMENT = 8192 };

static const struct store_id store = {"the store"};

struct world {
    struct rng rng;
    struct simfs *fs;
    uint64_t last_lsn, snapshot_lsn, told;
};

/* The body of this LSN: a put whose value follows from it. */
static struct bytes body_of(uint64_t lsn)
{
    static uint8_t body[512];
    uint8_t value[300];
    memset(value, (int)(lsn % 251), sizeof value);
    struct effect effect = {
        .type = EFFECT_PUT,
        .spec = {.key = {1, KIND_kv, {(const uint8_t *)"key", 3}},
                 .value = {value, lsn * 7 % sizeof value}},
    };
    codec_write(body, &effect, 1);
    return (struct bytes){body, codec_size(&effect, 1)};
}

static void make_log(struct world *w)
{
    struct wal_end nothing = {0};
    struct logwriter *writer;
    struct logwriter_options options = {
        .dir = simfs_dir(w->fs), .store = store, .segment_bytes = SEGMENT, .salt = 7};
    assert_int_equal(logwriter_open(&options, &nothing, &nothing, &writer), 0);
    w->last_lsn = rng_below(&w->rng, 150);
    for (uint64_t lsn = 1; lsn <= w->last_lsn; lsn++) {
        assert_int_equal(logwriter_append(writer, ENTRY_PUT, body_of(lsn)), lsn);
        if (rng_below(&w->rng, 3) == 0)
            assert_int_equal(logwriter_sync(writer), 0);
        if (rng_below(&w->rng, 8) == 0)
            (void)logwriter_append(writer, ENTRY_WATERMARK, BYTES_NONE);
    }
    assert_int_equal(logwriter_close(writer, rng_below(&w->rng, 2) == 0), 0);
}

static void make_snapshot(struct world *w, uint64_t lsn)
{
    struct snapshot_options options = {.dir = simfs_dir(w->fs), .store = store, .created_us = 1};
    struct snapshot_writer *writer;
    uint8_t record[512];
    struct record_spec spec = {.key = {1, KIND_kv, {(const uint8_t *)"key", 3}}};
    assert_int_equal(snapshot_create(&options, &writer), 0);
    assert_int_equal(snapshot_begin_section(writer, SNAPSHOT_RECORDS), 0);
    codec_write_record(record, &spec, lsn);
    struct bytes chunk = {record, codec_record_size(&spec)};
    assert_int_equal(snapshot_put_chunk(writer, chunk), 0);
    assert_int_equal(snapshot_commit(writer, lsn, 1), 0);
}

static void make_snapshots(struct world *w)
{
    for (int n = 0; n < 2 && w->last_lsn > 0; n++)
        if (rng_below(&w->rng, 2) == 0)
            make_snapshot(w, 1 + rng_below(&w->rng, w->last_lsn));
}

static const char *some_name(struct world *w)
{
    unsigned n = 0;
    while (simfs_name(w->fs, n) != NULL)
        n++;
    return simfs_name(w->fs, (unsigned)rng_below(&w->rng, n));
}

static void spoil(struct world *w)
{
    char name[FILE_NAME_MAX + 1], other[FILE_NAME_MAX + 1];
    uint8_t copy[2 * SEGMENT];
    (void)snprintf(name, sizeof name, "%s", some_name(w));
    (void)snprintf(other, sizeof other, "%s", some_name(w));
    struct bytes content = simfs_content(w->fs, name);
    size_t size = content.size < sizeof copy ? content.size : sizeof copy;
    memcpy(copy, content.data, size);
    switch (rng_below(&w->rng, 6)) {
    case 0:
        simfs_drop(w->fs, name);
        return;
    case 1:
        size = (size_t)rng_below(&w->rng, size + 1);
        break;
    case 2:
        (void)snprintf(name, sizeof name, "%s", other); /* one in place of another */
        break;
    default:
        if (size > 0)
            copy[rng_below(&w->rng, size)] ^= (uint8_t)(1 << rng_below(&w->rng, 8));
    }
    simfs_put(w->fs, name, (struct bytes){copy, size});
}

static int on_entry(void *context, const struct entry *entry)
{
    struct world *w = context;
    assert_int_equal(entry->lsn, w->told + 1);
    assert_true(bytes_equal(entry->body, body_of(entry->lsn)));
    w->told = entry->lsn;
    return 0;
}

static unsigned count_bad(const struct survey *survey)
{
    unsigned bad = 0;
    for (size_t i = 0; i < survey->n_snapshots; i++)
        bad += survey_is_bad(survey->snapshots[i].verdict.state);
    for (size_t i = 0; i < survey->n_segments; i++) {
        const struct survey_verdict *verdict = &survey->segments[i].verdict;
        assert_int_equal(survey_is_bad(verdict->state), verdict->what[0] != '\0');
        bad += survey_is_bad(verdict->state);
    }
    return bad;
}

static void compare(struct world *w, struct survey *survey)
{
    struct replay_report report;
    struct replay_options options = {
        .dir = survey->dir, .store = &store, .after_lsn = survey->base_lsn};
    int err = replay_run(&options, &report);
    unsigned bad = count_bad(survey);
    if (err == 0 && report.end.last_lsn >= survey->base_lsn)
        assert_int_equal(survey->reached_lsn, report.end.last_lsn);
    if (err != 0 &&
        !(survey->n_segments > 0 && survey->segments[0].found.name_lsn > survey->base_lsn + 1))
        assert_true(bad > 0);
    assert_true(survey->base_lsn <= survey->reached_lsn);
    assert_true(survey->reached_lsn <= survey->seen_lsn);
    w->told = survey->base_lsn;
    assert_int_equal(survey_tell(survey, survey->base_lsn, on_entry, w), 0);
    assert_int_equal(w->told, survey->reached_lsn);
}

static void one_round(struct world *w, uint64_t seed)
{
    *w = (struct world){.rng = {seed}, .fs = simfs_create()};
    make_log(w);
    make_snapshots(w);
    struct survey survey = {.dir = simfs_dir(w->fs), .id = store};
    assert_int_equal(survey_run(&survey), 0);
    assert_int_equal(count_bad(&survey), 0);
    assert_int_equal(survey.reached_lsn, w->last_lsn);
    assert_int_equal(survey.seen_lsn, w->last_lsn);
    compare(w, &survey);
    survey_deinit(&survey);
    uint64_t digest = simfs_digest(w->fs);
    for (uint64_t n = 1 + rng_below(&w->rng, 2); n > 0 && simfs_name(w->fs, 0) != NULL; n--)
        spoil(w);
    survey = (struct survey){.dir = simfs_dir(w->fs), .id = store};
    assert_true(simfs_digest(w->fs) != 0 || digest != 0);
    digest = simfs_digest(w->fs);
    assert_int_equal(survey_run(&survey), 0);
    compare(w, &survey);
    assert_true(simfs_digest(w->fs) == digest); /* nothing was changed */
    survey_deinit(&survey);
    assert_int_equal(simfs_open_files(w->fs), 0);
    simfs_destroy(w->fs);
}

static void against_recovery(void **state)
{
    struct world w;
    uint64_t seed = seed_rng().state;
    (void)state;
    for (uint64_t i = 0; i < ROUNDS; i++)
        one_round(&w, seed + i);
}

/* No LSN that was in a file is above what is seen, wherever it was damaged. */
static void seen(void **state)
{
    struct world w = {.rng = {1}, .fs = simfs_create()};
    (void)state;
    while (w.last_lsn < 100) {
        simfs_destroy(w.fs);
        w.fs = simfs_create();
        make_log(&w);
    }
    struct survey survey = {.dir = simfs_dir(w.fs), .id = store};
    assert_int_equal(survey_open(&survey), 0);
    const struct survey_segment *last = &survey.segments[survey.n_segments - 1];
    char name[FILE_NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "%s", last->found.name);
    survey_deinit(&survey);
    uint8_t copy[SEGMENT];
    struct bytes content = simfs_content(w.fs, name);
    memcpy(copy, content.data, SEGMENT);
    for (size_t at = 0; at < SEGMENT; at += 13) {
        copy[at] ^= 1;
        simfs_put(w.fs, name, (struct bytes){copy, SEGMENT});
        copy[at] ^= 1;
        survey = (struct survey){.dir = simfs_dir(w.fs), .id = store};
        assert_int_equal(survey_run(&survey), 0);
        if (count_bad(&survey) > 0)
            assert_true(survey.seen_lsn >= w.last_lsn);
        survey_deinit(&survey);
    }
    simfs_destroy(w.fs);
}

/* Whole by its checksum, but nothing that the store writes: as good as damaged. */
static void nonsense(void **state)
{
    static const struct effect nameless = {.type = EFFECT_DEL, .spec = {.key = {1, KIND_kv, {0}}}};
    static const struct effect ungrouped = {
        .type = EFFECT_DEL, .spec = {.key = {1, KIND_blob, {(const uint8_t *)"key", 3}}}};
    uint8_t body[64], ungrouped_body[64];
    (void)state;
    codec_write(body, &nameless, 1);
    codec_write(ungrouped_body, &ungrouped, 1);
    const struct entry bodies[] = {
        {.type = ENTRY_PUT, .body = bytes_of("nonsense")},
        {.type = ENTRY_DEL, .body = {body, codec_size(&nameless, 1)}},
        {.type = ENTRY_DEL, .body = {ungrouped_body, codec_size(&ungrouped, 1)}},
        {.type = 0x77, .body = body_of(2)},
    };
    for (size_t i = 0; i < LENGTH_OF(bodies); i++) {
        struct simfs *fs = simfs_create();
        struct wal_end nothing = {0};
        struct logwriter *writer;
        struct logwriter_options options = {
            .dir = simfs_dir(fs), .store = store, .segment_bytes = SEGMENT, .salt = 7};
        assert_int_equal(logwriter_open(&options, &nothing, &nothing, &writer), 0);
        (void)logwriter_append(writer, ENTRY_PUT, body_of(1));
        (void)logwriter_append(writer, bodies[i].type, bodies[i].body);
        assert_int_equal(logwriter_close(writer, true), 0);
        struct survey survey = {.dir = simfs_dir(fs), .id = store};
        assert_int_equal(survey_run(&survey), 0);
        assert_int_equal(survey.segments[0].verdict.state, SURVEY_DAMAGED);
        assert_int_equal(survey.segments[0].verdict.lsn, 2);
        assert_int_equal(survey.reached_lsn, 1);
        assert_true(survey.seen_lsn >= 2);
        survey_deinit(&survey);
        simfs_destroy(fs);
    }
}

/* The same in a snapshot: what recovery does not take there. */
static void nonsense_in_snapshot(void **state)
{
    static const struct {
        enum snapshot_section section;
        struct record_key key;
        bool good;
    } rows[] = {
        {SNAPSHOT_RUNS, {0, KIND_run, {(const uint8_t *)"name", 4}}, true},
        {SNAPSHOT_RUNS, {1, KIND_kv, {(const uint8_t *)"key", 3}}, false},
        {SNAPSHOT_RUNS, {0, KIND_counter, {(const uint8_t *)"number", 6}}, false}, /* no value */
        {SNAPSHOT_RECORDS, {1, KIND_kv, {(const uint8_t *)"key", 3}}, true},
        {SNAPSHOT_RECORDS, {0, KIND_run, {(const uint8_t *)"name", 4}}, false},
        {SNAPSHOT_RECORDS, {1, KIND_ckpt, {(const uint8_t *)"key", 3}}, false},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct world w = {.fs = simfs_create()};
        struct snapshot_options options = {.dir = simfs_dir(w.fs), .store = store};
        struct record_spec spec = {.key = rows[i].key};
        struct snapshot_writer *writer;
        uint8_t record[64];
        assert_int_equal(snapshot_create(&options, &writer), 0);
        assert_int_equal(snapshot_begin_section(writer, rows[i].section), 0);
        codec_write_record(record, &spec, 1);
        assert_int_equal(
            snapshot_put_chunk(writer, (struct bytes){record, codec_record_size(&spec)}), 0);
        assert_int_equal(snapshot_commit(writer, 1, rows[i].section == SNAPSHOT_RECORDS), 0);
        struct survey survey = {.dir = simfs_dir(w.fs), .id = store};
        assert_int_equal(survey_run(&survey), 0);
        assert_int_equal(survey.snapshots[0].verdict.state,
                         rows[i].good ? SURVEY_GOOD : SURVEY_DAMAGED);
        survey_deinit(&survey);
        simfs_destroy(w.fs);
    }
}

/* A file that cannot be read ends it, wherever that happens. */
static void failing(void **state)
{
    struct world w = {.rng = {3}, .fs = simfs_create()};
    bool done = false;
    (void)state;
    make_log(&w);
    make_snapshot(&w, 1);
    for (uint64_t i = 1; !done; i++) {
        struct survey survey = {.dir = simfs_dir(w.fs), .id = store};
        uint64_t before = simfs_calls(w.fs);
        simfs_fail(w.fs, i, EIO, true);
        int err = survey_run(&survey);
        done = simfs_calls(w.fs) - before < i;
        if (err != 0)
            assert_true(err == ERR_IO && survey.problem[0] != '\0');
        else
            assert_true(done);
        survey_deinit(&survey);
        assert_int_equal(simfs_open_files(w.fs), 0);
    }
    simfs_destroy(w.fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_recovery), cmocka_unit_test(seen),
        cmocka_unit_test(nonsense),         cmocka_unit_test(nonsense_in_snapshot),
        cmocka_unit_test(failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
