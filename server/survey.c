/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Surveys a data directory: see survey.h.
 *
 *   snapshots   each read whole, every record and entry decoded
 *   segments    each inspected up to where the next header says that it ends
 *   together    headers against their neighbours, as in the table of server/wal/replay.c
 *   provable    from the newest good snapshot through the segments that follow each other
 *
 * Invariant: where recovery succeeds, the base and the LSN reached are those of recovery.
 *
 * Threads: any one. Failures: of reading and of memory end it; damage is a finding.
 */
#include "server/survey.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/ops/ckpt.h"
#include "server/store/codec.h"
#include "server/store/recover.h"
#include "server/store/vindex_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* A name may say anything: LSNs that nobody can have reached are not believed. */
#define SURVEY_LSN_MAX ((uint64_t)1 << 62)

const char *survey_state_name(enum survey_state state)
{
    static const char *const names[] = {
        [SURVEY_GOOD] = "good",       [SURVEY_UNNEEDED] = "unneeded", [SURVEY_DAMAGED] = "damaged",
        [SURVEY_FOREIGN] = "foreign", [SURVEY_FORMAT] = "unknown",
    };
    return names[state];
}

PRINTF_LIKE(5, 6)
static void survey_blame(struct survey_verdict *verdict, enum survey_state state, uint64_t offset,
                         uint64_t lsn, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(verdict->what, sizeof verdict->what, format, args);
    va_end(args);
    verdict->state = state;
    verdict->offset = offset;
    verdict->lsn = lsn;
}

static void survey_tell_progress(struct survey *survey, uint64_t done)
{
    if (survey->progress != NULL)
        survey->progress(survey->context, survey->done_bytes + done, survey->all_bytes);
}

/* ---- what is inside ---- */

/* A record that a file has. */
static void survey_see_put(struct survey *survey, const struct record_spec *spec)
{
    survey_dims_see(&survey->dims, spec);
    survey->spoilt += !ckpt_record_holds(spec);
}

/* As survey_check_entry; `survey` sees what is in it, if not NULL. */
static int survey_see_entry(struct survey *survey, const struct entry *entry)
{
    struct codec_reader reader;
    struct effect effect;
    bool more = true;
    if (!entry_type_counts(entry->type))
        return entry->type == ENTRY_MARKER || entry->body.size == 0 ? 0 : ERR_DATA_DAMAGED;
    int err = codec_open(&reader, entry->type, entry->body);
    while (err == 0 && more) {
        err = codec_next(&reader, &effect, &more);
        if (err == 0 && more && !recover_takes_effect(&effect))
            err = ERR_DATA_DAMAGED;
        if (err == 0 && more && effect.type == EFFECT_PUT && survey != NULL)
            survey_see_put(survey, &effect.spec);
    }
    return err;
}

int survey_check_entry(const struct entry *entry)
{
    return survey_see_entry(NULL, entry);
}

static int survey_see_records(struct survey *survey, struct bytes data,
                              bool (*takes)(const struct record_spec *spec), uint64_t *count)
{
    const uint8_t *at = data.data, *end = data.data + data.size;
    struct record_spec spec;
    uint64_t version;
    int err = 0;
    for (; at < end && err == 0; ++*count) {
        err = codec_read_record(&at, end, &spec, &version);
        if (err == 0 && !takes(&spec))
            err = ERR_DATA_DAMAGED;
        if (err == 0)
            survey_see_put(survey, &spec);
    }
    return err;
}

static int survey_see_effects(struct survey *survey, struct bytes data, uint64_t *count)
{
    const uint8_t *at = data.data, *end = data.data + data.size;
    struct entry entry;
    int err = 0;
    for (; at < end && err == 0; ++*count) {
        err = codec_read_entry(&at, end, &entry);
        if (err == 0)
            err = survey_see_entry(survey, &entry);
    }
    return err;
}

/* ---- snapshots ---- */

/* A survey and the snapshot it reads. */
struct survey_reading {
    struct survey *survey;
    struct survey_snapshot *snapshot;
};

static int survey_on_chunk(void *context, unsigned thread, enum snapshot_section section,
                           struct bytes data)
{
    struct survey_snapshot *snapshot = ((struct survey_reading *)context)->snapshot;
    struct survey *survey = ((struct survey_reading *)context)->survey;
    uint64_t runs = 0, nodes = 0;
    (void)thread;
    if (section == SNAPSHOT_EFFECTS)
        return survey_see_effects(survey, data, &snapshot->entries);
    if (section == SNAPSHOT_GRAPHS)
        return vindex_check_part(data, &nodes) ? 0 : ERR_DATA_DAMAGED;
    if (section == SNAPSHOT_RUNS)
        return survey_see_records(survey, data, recover_takes_told, &runs);
    return survey_see_records(survey, data, recover_takes_record, &snapshot->records);
}

static void survey_on_progress(void *context, uint64_t done, uint64_t all)
{
    (void)all;
    survey_tell_progress(((struct survey_reading *)context)->survey, done);
}

static void survey_judge_snapshot(const struct survey *survey, struct survey_snapshot *snapshot)
{
    const struct snapshot_info *info = &snapshot->info;
    if (memcmp(&info->store, &survey->id, sizeof survey->id) != 0)
        survey_blame(&snapshot->verdict, SURVEY_FOREIGN, 0, 0, "%s belongs to another store",
                     info->name);
    else if (info->records != snapshot->records)
        survey_blame(&snapshot->verdict, SURVEY_DAMAGED, 0, 0,
                     "%s has another number of records than it says", info->name);
}

/* 0 whatever state it is in. */
static int survey_snapshot(struct survey *survey, struct survey_snapshot *snapshot)
{
    struct survey_reading reading = {survey, snapshot};
    struct snapshot_load load = {.dir = survey->dir,
                                 .n_threads = 1,
                                 .chunk = survey_on_chunk,
                                 .progress = survey_on_progress,
                                 .context = &reading};
    char text[512];
    int err = snapshot_read(&load, snapshot->lsn, &snapshot->info, text);
    survey->done_bytes += snapshot->info.bytes;
    if (err == 0)
        survey_judge_snapshot(survey, snapshot);
    else if (err == ERR_DATA_DAMAGED)
        survey_blame(&snapshot->verdict, SURVEY_DAMAGED, 0, 0, "%s", text);
    else if (err == ERR_DATA_FORMAT)
        survey_blame(&snapshot->verdict, SURVEY_FORMAT, 0, 0, "%s", text);
    else
        (void)snprintf(survey->problem, sizeof survey->problem, "%.255s", text);
    return err == ERR_DATA_DAMAGED || err == ERR_DATA_FORMAT ? 0 : err;
}

static int survey_list_fails(struct survey *survey, int err)
{
    (void)snprintf(survey->problem, sizeof survey->problem, "%.120s: cannot be listed: %s",
                   survey->dir->path, strerrordesc_np(-err));
    return err == -ENOMEM ? ERR_OUT_OF_MEMORY : ERR_IO;
}

static int survey_snapshots(struct survey *survey)
{
    int err = 0;
    for (size_t i = 0; i < survey->n_snapshots && err == 0; i++) {
        struct survey_snapshot *snapshot = &survey->snapshots[i];
        err = survey_snapshot(survey, snapshot);
        if (err == 0 && survey->base == NULL && snapshot->verdict.state == SURVEY_GOOD)
            survey->base = snapshot;
    }
    survey->base_lsn = survey->base == NULL ? 0 : survey->base->lsn;
    return err;
}

/* ---- segments ---- */

struct survey_visit {
    struct survey *survey;
    inspect_fn entry;
    void *context;
    bool refused; /* by us */
};

static int survey_on_entry(void *context, const struct inspection *found, const struct entry *entry)
{
    struct survey_visit *visit = context;
    visit->refused = survey_see_entry(visit->survey, entry) != 0;
    if (visit->refused)
        return ERR_DATA_DAMAGED;
    return visit->entry == NULL ? 0 : visit->entry(visit->context, found, entry);
}

/* `limit` as in struct inspect_options; the rest as survey_segment. */
static int survey_inspect(struct survey *survey, struct survey_segment *segment, uint64_t limit,
                          struct survey_visit *visit)
{
    struct inspect_options options = {.dir = survey->dir,
                                      .name_lsn = segment->found.name_lsn,
                                      .limit = limit,
                                      .entry = survey_on_entry,
                                      .context = visit};
    int err = inspect_segment(&options, &segment->found, survey->problem);
    survey->done_bytes += segment->found.bytes;
    survey_tell_progress(survey, 0);
    if (!visit->refused)
        return err;
    survey_blame(&segment->verdict, SURVEY_DAMAGED, segment->found.end, segment->found.last_lsn + 1,
                 "the entry is whole, but says what no build has written");
    return 0;
}

/* What the header says by itself. */
static void survey_judge_header(const struct survey *survey, struct survey_segment *segment)
{
    const struct inspection *found = &segment->found;
    const struct segment_header *header = &found->header;
    struct survey_verdict *verdict = &segment->verdict;
    uint64_t lsn = found->name_lsn;
    if (found->header_err == ERR_DATA_FORMAT)
        survey_blame(verdict, SURVEY_FORMAT, 0, lsn, "written in a format unknown here");
    else if (found->bytes == 0)
        survey_blame(verdict, SURVEY_DAMAGED, 0, lsn, "the file is empty");
    else if (found->header_err != 0)
        survey_blame(verdict, SURVEY_DAMAGED, 0, lsn, "the header is damaged");
    else if (!survey->any_store && memcmp(&header->store, &survey->id, sizeof survey->id) != 0)
        survey_blame(verdict, SURVEY_FOREIGN, 0, lsn, "belongs to another store");
    else if (header->first_lsn != lsn || header->last_lsn != lsn - 1 || lsn == 0 ||
             header->number == 0)
        survey_blame(verdict, SURVEY_DAMAGED, 0, lsn,
                     "the header belongs under another name; was the file renamed?");
    segment->ours = verdict->state == SURVEY_GOOD;
}

/* Where its entries end, by what the next one says (NULL: it is the last), or its own tail. */
static void survey_judge_end(struct survey_segment *segment, const struct segment_header *next)
{
    const struct inspection *found = &segment->found;
    const struct tail_finding *tail = &found->tail;
    struct survey_verdict *verdict = &segment->verdict;
    uint64_t lsn = found->last_lsn + 1;
    if (found->bytes < found->header.bytes)
        survey_blame(verdict, SURVEY_DAMAGED, found->bytes, lsn,
                     "the file was cut short: it had %" PRIu64 " bytes", found->header.bytes);
    else if (next == NULL && tail->damaged)
        survey_blame(verdict, SURVEY_DAMAGED, found->end, lsn,
                     "damaged: the entry at offset %" PRIu64 ", LSN %" PRIu64
                     " was written when this had been synced",
                     tail->witness, tail->witness_lsn);
    else if (next != NULL && found->end < next->end_offset)
        survey_blame(verdict, SURVEY_DAMAGED, found->end, lsn,
                     "damaged: entries up to LSN %" PRIu64 " and offset %" PRIu64
                     " were synced here",
                     next->last_lsn, next->end_offset);
    else if (next != NULL && (found->crc != next->end_crc || found->last_lsn != next->last_lsn))
        survey_blame(verdict, SURVEY_DAMAGED, found->end, found->last_lsn,
                     "these are not the entries that the next segment follows: it was begun behind "
                     "LSN %" PRIu64,
                     next->last_lsn);
}

/* The header behind segment `i`, if that tells where it ends. */
static const struct segment_header *survey_next_header(const struct survey *survey, size_t i)
{
    const struct survey_segment *next = &survey->segments[i + 1];
    if (i + 1 == survey->n_segments || !next->ours ||
        next->found.header.end_offset < SEGMENT_HEADER_BYTES ||
        next->found.header.number != survey->segments[i].found.header.number + 1)
        return NULL;
    return &next->found.header;
}

/* What cannot be read may have held an entry in every ENTRY_OVERHEAD bytes. */
static uint64_t survey_seen(const struct survey_segment *segment, const struct segment_header *next)
{
    const struct inspection *found = &segment->found;
    uint64_t bytes = found->bytes > found->header.bytes ? found->bytes : found->header.bytes;
    if (segment->verdict.state == SURVEY_FOREIGN || found->name_lsn > SURVEY_LSN_MAX)
        return 0;
    if (!segment->ours)
        return found->name_lsn + bytes / ENTRY_OVERHEAD;
    if (next != NULL)
        return next->last_lsn;
    if (segment->verdict.state == SURVEY_GOOD)
        return found->last_lsn;
    return found->last_lsn + (bytes - found->end) / ENTRY_OVERHEAD;
}

static uint64_t survey_data_end(const struct survey_segment *segment,
                                const struct segment_header *next)
{
    const struct inspection *found = &segment->found;
    uint64_t end = found->end + found->tail.torn_bytes;
    if (next != NULL)
        end = next->end_offset;
    return segment->ours && end < found->bytes ? end : found->bytes;
}

static void survey_judge_number(struct survey *survey, size_t i)
{
    struct survey_segment *segment = &survey->segments[i], *before = segment - 1;
    uint64_t number = segment->found.header.number;
    if (i == 0 || segment->verdict.state != SURVEY_GOOD || !before->ours ||
        segment->found.header.end_offset == 0 || number == before->found.header.number + 1)
        return;
    survey_blame(&segment->verdict, SURVEY_DAMAGED, 0, segment->found.name_lsn,
                 "this is segment %" PRIu64 " but the one before is %" PRIu64
                 ": a file is missing in between",
                 number, before->found.header.number);
}

int survey_segment(struct survey *survey, size_t i, inspect_fn entry, void *context)
{
    struct survey_segment *segment = &survey->segments[i];
    struct survey_visit visit = {survey, entry, context, false};
    const struct segment_header *next = NULL;
    if (segment->ours) {
        next = survey_next_header(survey, i);
        int err = survey_inspect(survey, segment, next == NULL ? 0 : next->end_offset, &visit);
        if (err != 0)
            return err;
        if (segment->verdict.state == SURVEY_GOOD)
            survey_judge_end(segment, next);
        survey_judge_number(survey, i);
    }
    segment->data_end = survey_data_end(segment, next);
    segment->seen_lsn = survey_seen(segment, next);
    return 0;
}

/* Headers come first: a segment is inspected up to where the next one says that it ends. */
static int survey_headers(struct survey *survey)
{
    int err = 0;
    for (size_t i = 0; i < survey->n_segments && err == 0; i++) {
        struct survey_segment *segment = &survey->segments[i];
        struct inspect_options options = {
            .dir = survey->dir, .name_lsn = segment->found.name_lsn, .limit = SEGMENT_HEADER_BYTES};
        err = inspect_segment(&options, &segment->found, survey->problem);
        survey_judge_header(survey, segment);
        survey->all_bytes += segment->found.bytes;
    }
    return err;
}

/* Those before one that follows nothing are not read by recovery, whatever they are. */
static void survey_note_unneeded(struct survey *survey)
{
    size_t first = 0;
    for (size_t i = 0; i < survey->n_segments; i++)
        if (survey->segments[i].ours && survey->segments[i].found.header.end_offset == 0)
            first = i;
    for (size_t i = 0; i < first; i++)
        survey->segments[i].verdict.state = SURVEY_UNNEEDED;
}

static int survey_segments(struct survey *survey)
{
    int err = 0;
    for (size_t i = 0; i < survey->n_segments && err == 0; i++)
        err = survey_segment(survey, i, NULL, NULL);
    survey_note_unneeded(survey);
    return err;
}

/* ---- together ---- */

/* Does segment `i` go on where the one before it ends well? */
static bool survey_goes_on(const struct survey *survey, size_t i)
{
    const struct survey_segment *before = &survey->segments[i - 1], *segment = before + 1;
    return segment->ours && before->verdict.state == SURVEY_GOOD &&
           survey_next_header(survey, i - 1) != NULL;
}

/* The segments that the base can be followed by, and how far they lead. */
static void survey_reach(struct survey *survey)
{
    size_t n = survey->n_segments;
    survey->from = n;
    for (size_t i = 0; i < n; i++)
        if (survey->segments[i].ours && survey->segments[i].found.name_lsn <= survey->base_lsn + 1)
            survey->from = i;
    survey->to = survey->from;
    survey->reached_lsn = survey->base_lsn;
    while (survey->to < n && (survey->to == survey->from || survey_goes_on(survey, survey->to))) {
        uint64_t last_lsn = survey->segments[survey->to++].found.last_lsn;
        if (last_lsn > survey->reached_lsn)
            survey->reached_lsn = last_lsn;
    }
}

static void survey_see(struct survey *survey, uint64_t lsn)
{
    if (lsn > survey->seen_lsn && lsn <= SURVEY_LSN_MAX)
        survey->seen_lsn = lsn;
}

static void survey_note_seen(struct survey *survey)
{
    survey->seen_lsn = survey->reached_lsn;
    for (size_t i = 0; i < survey->n_snapshots; i++)
        if (survey->snapshots[i].verdict.state != SURVEY_FOREIGN)
            survey_see(survey, survey->snapshots[i].lsn);
    for (size_t i = 0; i < survey->n_segments; i++) {
        const struct survey_segment *segment = &survey->segments[i];
        survey_see(survey, segment->seen_lsn);
        if (segment->ours && segment->found.header.number > survey->last_segment)
            survey->last_segment = segment->found.header.number;
    }
}

/* ---- the whole ---- */

/* Their names, and for progress their sizes. */
static int survey_list_snapshots(struct survey *survey)
{
    struct dir *dir = survey->dir;
    uint64_t lsns[SURVEY_SNAPSHOTS];
    int n = snapshot_list(dir, lsns, SURVEY_SNAPSHOTS);
    if (n < 0)
        return n;
    survey->n_snapshots = (size_t)n;
    for (int i = 0; i < n; i++) {
        struct survey_snapshot *snapshot = &survey->snapshots[i];
        snapshot->lsn = lsns[i];
        (void)snprintf(snapshot->info.name, sizeof snapshot->info.name, "snap-%016" PRIx64 ".snap",
                       lsns[i]);
        int file = dir->ops->open(dir, snapshot->info.name, FILE_READ);
        int64_t bytes = file < 0 ? 0 : dir->ops->size(dir, file);
        if (file >= 0)
            dir->ops->close(dir, file);
        snapshot->info.bytes = bytes < 0 ? 0 : (uint64_t)bytes;
        survey->all_bytes += snapshot->info.bytes;
    }
    return 0;
}

static int survey_list_segments(struct survey *survey)
{
    uint64_t *lsns;
    int err = inspect_list(survey->dir, &lsns, &survey->n_segments);
    if (err != 0)
        return err;
    survey->segments = mem_calloc(survey->n_segments + 1, sizeof *survey->segments);
    for (size_t i = 0; i < survey->n_segments && survey->segments != NULL; i++)
        survey->segments[i].found.name_lsn = lsns[i];
    mem_free(lsns);
    return survey->segments == NULL ? -ENOMEM : 0;
}

int survey_open(struct survey *survey)
{
    int err = survey_list_snapshots(survey);
    if (err == 0)
        err = survey_list_segments(survey);
    return err != 0 ? survey_list_fails(survey, err) : survey_headers(survey);
}

int survey_run(struct survey *survey)
{
    int err = survey_open(survey);
    if (err == 0)
        err = survey_snapshots(survey);
    if (err == 0)
        err = survey_segments(survey);
    if (err == 0 && survey->dims.failed) {
        (void)snprintf(survey->problem, sizeof survey->problem, "out of memory");
        err = ERR_OUT_OF_MEMORY;
    }
    if (err != 0)
        return err;
    survey_reach(survey);
    survey_note_seen(survey);
    return 0;
}

void survey_deinit(struct survey *survey)
{
    survey_dims_deinit(&survey->dims);
    mem_free(survey->segments);
    survey->segments = NULL;
}

/* ---- telling ---- */

struct survey_telling {
    uint64_t after_lsn, until_lsn;
    int (*entry)(void *context, const struct entry *entry);
    void *context;
};

static int survey_pass_on(void *context, const struct inspection *found, const struct entry *entry)
{
    const struct survey_telling *telling = context;
    (void)found;
    if (!entry_type_counts(entry->type) || entry->lsn <= telling->after_lsn ||
        entry->lsn > telling->until_lsn)
        return 0;
    return telling->entry(telling->context, entry);
}

int survey_tell(struct survey *survey, uint64_t after_lsn,
                int (*entry)(void *context, const struct entry *entry), void *context)
{
    struct survey_telling telling = {after_lsn, survey->reached_lsn, entry, context};
    struct inspection again;
    int err = 0;
    for (size_t i = survey->from; i < survey->to && err == 0; i++) {
        struct inspect_options options = {.dir = survey->dir,
                                          .name_lsn = survey->segments[i].found.name_lsn,
                                          .limit = survey->segments[i].found.end,
                                          .entry = survey_pass_on,
                                          .context = &telling};
        err = inspect_segment(&options, &again, survey->problem);
    }
    return err;
}
