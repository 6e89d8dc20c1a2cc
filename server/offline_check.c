/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairnd check: the proof that a data directory is whole, or what is not.
 *
 *   1  survey     every byte of every snapshot and segment that a checksum covers (server/survey.h)
 *   2  recovery   what a start would do, said by the code that would do it: replay behind the
 *                 newest good snapshot, with entries decoded and thrown away
 *   3  report     a line for each file, then the verdict and the recovery
 *
 * Whole means: every file is good, a start loses nothing but a tail that nobody was promised, and
 * what has a checksum of its own was as good when it was written.
 * Exit status 0, or EX_DATAERR.
 *
 * Threads: one. Failures: see offline.c.
 */
#include "server/offline_impl.h"

#include "common/err.h"
#include "server/storage_id.h"
#include "server/wal/replay.h"

#include <inttypes.h>
#include <sysexits.h>
#include <time.h>

struct check {
    const struct offline *offline;
    struct survey *survey;
    struct replay_report replay;
    unsigned bad;      /* files */
    bool starts;       /* recovery succeeds */
    char problem[512]; /* why not */
};

/* ---- recovery ---- */

static int check_on_entry(void *context, const struct entry *entry)
{
    struct check *check = context;
    int err = survey_check_entry(entry);
    if (err != 0)
        (void)snprintf(check->problem, sizeof check->problem,
                       "the entry with LSN %" PRIu64
                       " is whole, but says what no build has written",
                       entry->lsn);
    return err;
}

/* As storage_recover_all: a snapshot of a later version ends it, a damaged one does not. */
static bool check_snapshots(struct check *check)
{
    const struct survey *survey = check->survey;
    for (size_t i = 0; i < survey->n_snapshots; i++) {
        const struct survey_snapshot *snapshot = &survey->snapshots[i];
        if (snapshot == survey->base)
            return true;
        if (snapshot->verdict.state != SURVEY_FORMAT)
            continue;
        (void)snprintf(check->problem, sizeof check->problem, "%s", snapshot->verdict.what);
        return false;
    }
    return true;
}

/* What a refused start advises besides is to run this command. */
static void check_cut_advice(char *problem)
{
    char *advice = strstr(problem, ". Nothing was changed");
    if (advice != NULL)
        *advice = '\0';
}

/* 0 whatever recovery would say. */
static int check_recovery(struct check *check)
{
    const struct survey *survey = check->survey;
    uint64_t newest_lsn = survey->n_snapshots == 0 ? 0 : survey->snapshots[0].lsn;
    struct replay_options options = {.dir = survey->dir,
                                     .store = &survey->id,
                                     .after_lsn = survey->base_lsn,
                                     .entry = check_on_entry,
                                     .context = check};
    if (!check_snapshots(check))
        return 0;
    int err = replay_run(&options, &check->replay);
    if (err == 0 && check->replay.end.last_lsn < newest_lsn)
        (void)snprintf(check->problem, sizeof check->problem,
                       "the log ends at LSN %" PRIu64 ", but there is a snapshot of LSN %" PRIu64
                       ": files of the log are missing",
                       check->replay.end.last_lsn, newest_lsn);
    else if (err == 0 && survey->dims.differ)
        (void)snprintf(check->problem, sizeof check->problem,
                       "a vector has not as many elements as its collection says, or is stored "
                       "as another");
    else if (err != 0 && check->problem[0] == '\0')
        (void)snprintf(check->problem, sizeof check->problem, "%s", check->replay.problem);
    check_cut_advice(check->problem);
    check->starts = err == 0 && check->problem[0] == '\0';
    return err == ERR_IO || err == ERR_OUT_OF_MEMORY ? err : 0;
}

static void check_count(struct check *check)
{
    const struct survey *survey = check->survey;
    for (size_t i = 0; i < survey->n_snapshots; i++)
        check->bad += survey_is_bad(survey->snapshots[i].verdict.state);
    for (size_t i = 0; i < survey->n_segments; i++)
        check->bad += survey_is_bad(survey->segments[i].verdict.state);
}

static bool check_is_whole(const struct check *check)
{
    return check->starts && check->bad == 0 && check->survey->spoilt == 0;
}

static const struct inspection *check_last(const struct survey *survey)
{
    return survey->n_segments == 0 ? NULL : &survey->segments[survey->n_segments - 1].found;
}

/* ---- as text ---- */

static void text_line(const struct check *check, const char *name,
                      const struct survey_verdict *verdict, const char *facts)
{
    FILE *out = check->offline->out;
    bool bad = survey_is_bad(verdict->state);
    (void)fprintf(out, "  %-26s  %-8s  %s\n", name, survey_state_name(verdict->state), facts);
    if (bad && verdict->lsn != 0)
        (void)fprintf(out, "      offset %" PRIu64 ", LSN %" PRIu64 ": %s\n", verdict->offset,
                      verdict->lsn, verdict->what);
    else if (bad)
        (void)fprintf(out, "      %s\n", verdict->what);
}

static void text_snapshot(const struct check *check, const struct survey_snapshot *snapshot)
{
    char facts[256], when[64] = "";
    time_t created = (time_t)(snapshot->info.created_us / 1000000);
    struct tm utc;
    if (created != 0 && gmtime_r(&created, &utc) != NULL)
        (void)strftime(when, sizeof when, ", %Y-%m-%d %H:%M:%S UTC", &utc);
    (void)snprintf(facts, sizeof facts,
                   "LSN %" PRIu64 ", %" PRIu64 " records, %" PRIu64 " entries, %" PRIu64 " bytes%s",
                   snapshot->lsn, snapshot->records, snapshot->entries, snapshot->info.bytes, when);
    text_line(check, snapshot->info.name, &snapshot->verdict, facts);
}

static void text_segment(const struct check *check, const struct survey_segment *segment)
{
    const struct inspection *found = &segment->found;
    char facts[256], range[64] = "no entries";
    if (found->entries > 0)
        (void)snprintf(range, sizeof range, "LSN %" PRIu64 " to %" PRIu64, found->first_lsn,
                       found->last_lsn);
    (void)snprintf(facts, sizeof facts,
                   "%s, %" PRIu64 " entries up to offset %" PRIu64 ", %" PRIu64 " bytes%s", range,
                   found->entries, found->end, found->bytes, found->clean ? ", clean end" : "");
    text_line(check, found->name, &segment->verdict, facts);
}

static void text_plan(const struct check *check)
{
    const struct survey *survey = check->survey;
    const struct inspection *last = check_last(survey);
    FILE *out = check->offline->out;
    if (survey->base != NULL)
        (void)fprintf(out, "recovery: loads %s", survey->base->info.name);
    else
        (void)fputs("recovery: begins with an empty store", out);
    if (check->replay.end.last_lsn > survey->base_lsn)
        (void)fprintf(out, ", then replays the log from LSN %" PRIu64 " to %" PRIu64,
                      survey->base_lsn + 1, check->replay.end.last_lsn);
    if (check->replay.cut_bytes > 0)
        (void)fprintf(out,
                      ", and cuts off %" PRIu64 " bytes behind offset %" PRIu64
                      " of %s, which were torn by a crash and promised to nobody",
                      check->replay.cut_bytes, last->end, last->name);
    (void)fputc('\n', out);
}

/* What an administrator can do. */
static void text_advice(const struct check *check)
{
    const struct survey *survey = check->survey;
    FILE *out = check->offline->out;
    (void)fprintf(out, "recovery: refuses to start: %s\n", check->problem);
    if (survey->reached_lsn == 0)
        (void)fputs("what to do: put the files back from a copy; nothing can be proved without "
                    "them\n",
                    out);
    else if (survey->dims.differ)
        (void)fputs(
            "what to do: put the files back from a copy; --accept-loss does not help, as it "
            "gives up what is not whole, and these entries are\n",
            out);
    else if (survey->seen_lsn > survey->reached_lsn)
        (void)fprintf(out,
                      "what to do: put the files back from a copy; or start once with "
                      "--accept-loss, which keeps the store as of LSN %" PRIu64
                      " and gives up LSN %" PRIu64 " to at most %" PRIu64 "\n",
                      survey->reached_lsn, survey->reached_lsn + 1, survey->seen_lsn);
    else
        (void)fprintf(out,
                      "what to do: put the files back from a copy; or start once with "
                      "--accept-loss, which keeps the store as of LSN %" PRIu64 ", and no "
                      "transaction is known behind that\n",
                      survey->reached_lsn);
}

static void text_report(const struct check *check)
{
    const struct survey *survey = check->survey;
    FILE *out = check->offline->out;
    char id[STORAGE_ID_HEX];
    storage_id_format(&survey->id, id);
    (void)fprintf(out, "%s: store %s\n", survey->dir->path, id);
    for (size_t i = 0; i < survey->n_snapshots; i++)
        text_snapshot(check, &survey->snapshots[i]);
    for (size_t i = 0; i < survey->n_segments; i++)
        text_segment(check, &survey->segments[i]);
    if (survey->spoilt > 0)
        (void)fprintf(out,
                      "%" PRIu64 " records of checkpoints were damaged before they were written: "
                      "ckpt.validate names the checkpoints, as far as they are still there\n",
                      survey->spoilt);
    if (check_is_whole(check))
        (void)fputs("verdict: whole\n", out);
    else if (check->starts && check->bad == 0)
        (void)fputs("verdict: every file is as it was written, but not every record\n", out);
    else if (check->starts)
        (void)fprintf(out,
                      "verdict: %u files are damaged, but nothing is lost: a start does without "
                      "them\n",
                      check->bad);
    else
        (void)fputs("verdict: damaged\n", out);
    (check->starts ? text_plan : text_advice)(check);
}

/* ---- as JSON ---- */

static void json_verdict(struct offline_json *json, const struct survey_verdict *verdict)
{
    json_text(json, "state", survey_state_name(verdict->state));
    json_text(json, "problem", survey_is_bad(verdict->state) ? verdict->what : NULL);
}

static void json_snapshot(struct offline_json *json, const struct survey_snapshot *snapshot)
{
    json_open(json, NULL, '{');
    json_text(json, "file", snapshot->info.name);
    json_verdict(json, &snapshot->verdict);
    json_uint(json, "lsn", snapshot->lsn);
    json_uint(json, "records", snapshot->records);
    json_uint(json, "entries", snapshot->entries);
    json_uint(json, "bytes", snapshot->info.bytes);
    json_uint(json, "created_us", snapshot->info.created_us);
    json_close(json, '}');
}

static void json_segment(struct offline_json *json, const struct survey_segment *segment)
{
    const struct inspection *found = &segment->found;
    json_open(json, NULL, '{');
    json_text(json, "file", found->name);
    json_verdict(json, &segment->verdict);
    json_uint(json, "offset", segment->verdict.offset);
    json_uint(json, "lsn", segment->verdict.lsn);
    json_uint(json, "number", found->header.number);
    json_uint(json, "first_lsn", found->first_lsn);
    json_uint(json, "last_lsn", found->last_lsn);
    json_uint(json, "entries", found->entries);
    json_uint(json, "end", found->end);
    json_uint(json, "bytes", found->bytes);
    json_bool(json, "clean", found->clean);
    json_close(json, '}');
}

static void json_recovery(struct offline_json *json, const struct check *check)
{
    const struct survey *survey = check->survey;
    json_open(json, "recovery", '{');
    json_bool(json, "starts", check->starts);
    json_text(json, "problem", check->starts ? NULL : check->problem);
    json_text(json, "snapshot", survey->base == NULL ? NULL : survey->base->info.name);
    json_uint(json, "snapshot_lsn", survey->base_lsn);
    json_uint(json, "last_lsn", check->replay.end.last_lsn);
    json_uint(json, "cut_bytes", check->replay.cut_bytes);
    json_uint(json, "provable_lsn", survey->reached_lsn);
    json_uint(json, "seen_lsn", survey->seen_lsn);
    json_close(json, '}');
}

static void json_report(const struct check *check)
{
    const struct survey *survey = check->survey;
    struct offline_json json = {.out = check->offline->out};
    char id[STORAGE_ID_HEX];
    storage_id_format(&survey->id, id);
    json_open(&json, NULL, '{');
    json_text(&json, "directory", survey->dir->path);
    json_text(&json, "store", id);
    json_bool(&json, "whole", check_is_whole(check));
    json_open(&json, "snapshots", '[');
    for (size_t i = 0; i < survey->n_snapshots; i++)
        json_snapshot(&json, &survey->snapshots[i]);
    json_close(&json, ']');
    json_open(&json, "segments", '[');
    for (size_t i = 0; i < survey->n_segments; i++)
        json_segment(&json, &survey->segments[i]);
    json_close(&json, ']');
    json_uint(&json, "spoilt_records", survey->spoilt);
    json_recovery(&json, check);
    json_close(&json, '}');
    (void)fputc('\n', json.out);
}

/* ---- the whole ---- */

int offline_check(struct offline *offline)
{
    struct survey survey = {
        .dir = offline->dir, .id = offline->id, .progress = offline_progress, .context = offline};
    struct check check = {.offline = offline, .survey = &survey};
    int err = survey_run(&survey);
    if (err == 0)
        err = check_recovery(&check);
    offline_end_progress(offline);
    if (err == 0) {
        check_count(&check);
        (offline->json ? json_report : text_report)(&check);
    }
    survey_deinit(&survey);
    if (err != 0)
        return offline_fail(offline, offline_status(err), "%s",
                            survey.problem[0] != '\0' ? survey.problem : check.replay.problem);
    return check_is_whole(&check) ? 0 : EX_DATAERR;
}
