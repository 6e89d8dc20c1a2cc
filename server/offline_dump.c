/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairnd waldump: the entries of the log, a line each.
 *
 *   LSN  FILE:OFFSET                    TYPE   BYTES  SYNCED  EFFECTS
 *   7    wal-0000000000000001.log:4096  batch    120    4096  put run=1 kv key=3B value=9B; del ...
 *
 * Bytes are all those of the entry; synced is its watermark. Keys are shown where that is asked
 * for, those of groups in their parts; values never, but for numbers in them: those of runs, in
 * records of kind run, and sequence numbers.
 *
 * It prints up to the first damage and says what that is. Entries behind it, in later segments, can
 * be seen with --from.
 *
 * Threads: one. Failures: see offline.c.
 */
#include "server/offline_impl.h"

#include "common/err.h"
#include "server/store/codec.h"
#include "server/store/group.h"
#include "server/store/run.h"
#include "server/wal/little.h"

#include <inttypes.h>
#include <sysexits.h>

enum {
    DUMP_EFFECTS = 16, /* of one entry, as text */
    DUMP_FULL = 1,     /* a callback's word for: no more */
};

struct dump {
    const struct offline *offline;
    uint64_t shown;
    uint64_t next_lsn; /* where to go on; 0: it was all */
};

/* ---- an entry ---- */

static const char *dump_type(uint8_t type)
{
    switch (type) {
    case ENTRY_BATCH:
        return "batch";
    case ENTRY_WATERMARK:
        return "watermark";
    case ENTRY_MARKER:
        return "marker";
    case ENTRY_SHUTDOWN:
        return "shutdown";
    case ENTRY_PUT:
        return "put";
    case ENTRY_DEL:
        return "del";
    default:
        return "unknown";
    }
}

/* NULL: a kind that this version does not know. */
static const char *dump_kind(uint8_t kind)
{
    return kind <= KIND_MAX ? record_kinds[kind].name : NULL;
}

static const char *dump_operation(const struct effect *effect)
{
    return effect->type == EFFECT_PUT ? "put" : "del";
}

/* A run comes into being: its number is the value. */
static bool dump_is_run(const struct effect *effect)
{
    return effect->type == EFFECT_PUT && effect->spec.key.kind == KIND_run;
}

static bool dump_is_numbered(const struct effect *effect)
{
    return effect->type == EFFECT_PUT &&
           record_kinds[effect->spec.key.kind].flags & RECORD_NUMBERED;
}

static uint64_t dump_marked_lsn(const struct entry *entry)
{
    return entry->body.size == 8 ? little_read_u64(entry->body.data) : 0;
}

/* ---- as text ---- */

static void text_key(FILE *out, const struct record_key *key)
{
    struct group group;
    struct bytes rest = key->bytes;
    bool grouped = group_read(key, &group, &rest);
    if (grouped) {
        (void)fprintf(out, " %s=", record_kinds[group.owner].name);
        offline_quote(out, group.name);
        (void)fprintf(out, " generation=%" PRIu64, group.generation);
    }
    (void)fputs(grouped ? " rest=" : " key=", out);
    offline_quote(out, rest);
}

static void text_effect(FILE *out, const struct effect *effect, bool keys)
{
    const struct record_spec *spec = &effect->spec;
    const char *kind = dump_kind(spec->key.kind);
    (void)fprintf(out, "%s run=%" PRIu32, dump_operation(effect), spec->key.run);
    if (kind != NULL)
        (void)fprintf(out, " %s", kind);
    else
        (void)fprintf(out, " kind=%u", spec->key.kind);
    if (keys)
        text_key(out, &spec->key);
    else
        (void)fprintf(out, " key=%zuB", spec->key.bytes.size);
    if (dump_is_numbered(effect))
        (void)fprintf(out, " sequence=%" PRIu64, record_number_of(spec->value));
    if (dump_is_run(effect))
        (void)fprintf(out, " number=%" PRIu32, run_read_value(spec->value));
    else if (effect->type == EFFECT_PUT)
        (void)fprintf(out, " value=%zuB", spec->value.size);
    if (spec->expires_at_ms != 0)
        (void)fprintf(out, " expires_at_ms=%" PRId64, spec->expires_at_ms);
}

static void text_effects(FILE *out, const struct entry *entry, bool keys)
{
    struct codec_reader reader;
    struct effect effect;
    bool more = true;
    uint64_t n = 0;
    int err = codec_open(&reader, entry->type, entry->body);
    while (err == 0 && (err = codec_next(&reader, &effect, &more)) == 0 && more) {
        if (n < DUMP_EFFECTS) {
            (void)fputs(n == 0 ? "  " : "; ", out);
            text_effect(out, &effect, keys);
        }
        n++;
    }
    if (n > DUMP_EFFECTS)
        (void)fprintf(out, "; and %" PRIu64 " more (--json has them)", n - DUMP_EFFECTS);
    if (err != 0)
        (void)fputs("  (not what the store writes)", out);
}

static void text_head(FILE *out)
{
    (void)fprintf(out, "%-10s  %-37s  %-9s  %9s  %9s  %s\n", "LSN", "FILE:OFFSET", "TYPE", "BYTES",
                  "SYNCED", "EFFECTS");
}

void dump_text(FILE *out, const char *file, uint64_t offset, const struct entry *entry, bool keys)
{
    char place[FILE_NAME_MAX + 32];
    (void)snprintf(place, sizeof place, "%s:%" PRIu64, file, offset);
    (void)fprintf(out, "%-10" PRIu64 "  %-37s  %-9s  %9zu  %9" PRIu64, entry->lsn, place,
                  dump_type(entry->type), entry->body.size + ENTRY_OVERHEAD, entry->synced);
    if (entry->type == ENTRY_MARKER)
        (void)fprintf(out, "  snapshot of LSN %" PRIu64, dump_marked_lsn(entry));
    else if (entry_type_counts(entry->type))
        text_effects(out, entry, keys);
    (void)fputc('\n', out);
}

/* ---- as JSON ---- */

/* All of it, and if it is that of a group, its parts. */
static void json_record_key(struct offline_json *json, const struct record_key *key)
{
    struct group group;
    struct bytes rest;
    json_bytes(json, "key", "key_hex", key->bytes);
    if (!group_read(key, &group, &rest))
        return;
    json_bytes(json, "owner", "owner_hex", group.name);
    json_uint(json, "generation", group.generation);
    json_bytes(json, "rest", "rest_hex", rest);
}

static void json_effect(struct offline_json *json, const struct effect *effect, bool keys)
{
    const struct record_spec *spec = &effect->spec;
    json_open(json, NULL, '{');
    json_text(json, "op", dump_operation(effect));
    json_uint(json, "run", spec->key.run);
    json_uint(json, "kind", spec->key.kind);
    json_text(json, "kind_name", dump_kind(spec->key.kind));
    json_uint(json, "key_bytes", spec->key.bytes.size);
    if (keys)
        json_record_key(json, &spec->key);
    if (dump_is_numbered(effect))
        json_uint(json, "sequence", record_number_of(spec->value));
    if (dump_is_run(effect))
        json_uint(json, "number", run_read_value(spec->value));
    else if (effect->type == EFFECT_PUT)
        json_uint(json, "value_bytes", spec->value.size);
    if (spec->expires_at_ms != 0)
        json_int(json, "expires_at_ms", spec->expires_at_ms);
    json_close(json, '}');
}

static void json_effects(struct offline_json *json, const struct entry *entry, bool keys)
{
    struct codec_reader reader;
    struct effect effect;
    bool more = true;
    int err = codec_open(&reader, entry->type, entry->body);
    json_open(json, "effects", '[');
    while (err == 0 && (err = codec_next(&reader, &effect, &more)) == 0 && more)
        json_effect(json, &effect, keys);
    json_close(json, ']');
    if (err != 0)
        json_bool(json, "damaged", true);
}

void dump_json(FILE *out, const char *file, uint64_t offset, const struct entry *entry, bool keys)
{
    struct offline_json json = {.out = out};
    json_open(&json, NULL, '{');
    json_uint(&json, "lsn", entry->lsn);
    json_text(&json, "file", file);
    json_uint(&json, "offset", offset);
    json_text(&json, "type", dump_type(entry->type));
    json_uint(&json, "bytes", entry->body.size + ENTRY_OVERHEAD);
    json_uint(&json, "synced", entry->synced);
    if (entry->type == ENTRY_MARKER)
        json_uint(&json, "snapshot_lsn", dump_marked_lsn(entry));
    else if (entry_type_counts(entry->type))
        json_effects(&json, entry, keys);
    json_close(&json, '}');
    (void)fputc('\n', out);
}

/* ---- the log ---- */

static int dump_on_entry(void *context, const struct inspection *found, const struct entry *entry)
{
    struct dump *dump = context;
    const struct offline *offline = dump->offline;
    if (entry->lsn < offline->from_lsn || entry->lsn > offline->to_lsn)
        return 0;
    if (dump->shown >= offline->limit && entry_type_counts(entry->type)) {
        dump->next_lsn = entry->lsn;
        return DUMP_FULL;
    }
    dump->shown++;
    (offline->json ? dump_json : dump_text)(offline->out, found->name, found->end, entry,
                                            offline->keys);
    return 0;
}

static bool dump_wants(const struct offline *offline, const struct survey *survey, size_t i)
{
    bool last = i + 1 == survey->n_segments;
    return survey->segments[i].found.name_lsn <= offline->to_lsn &&
           (last || survey->segments[i + 1].found.name_lsn > offline->from_lsn);
}

static int dump_tell_damage(const struct offline *offline, const struct survey *survey, size_t i)
{
    const struct survey_segment *segment = &survey->segments[i];
    const struct survey_verdict *verdict = &segment->verdict;
    int status = offline_fail(offline, EX_DATAERR,
                              "%s/%s, offset %" PRIu64 ", LSN %" PRIu64 ": %s. 'cairnd check' says "
                              "what to do",
                              offline->path, segment->found.name, verdict->offset, verdict->lsn,
                              verdict->what);
    if (i + 1 < survey->n_segments)
        (void)offline_fail(offline, 0, "what is behind it can be seen with --from %" PRIu64,
                           survey->segments[i + 1].found.name_lsn);
    return status;
}

static int dump_segments(struct dump *dump, struct survey *survey)
{
    const struct offline *offline = dump->offline;
    for (size_t i = 0; i < survey->n_segments; i++) {
        const struct survey_segment *segment = &survey->segments[i];
        if (!dump_wants(offline, survey, i))
            continue;
        int err = survey_segment(survey, i, dump_on_entry, dump);
        if (err == DUMP_FULL)
            return 0;
        if (err != 0)
            return offline_fail(offline, offline_status(err), "%s", survey->problem);
        if (survey_is_bad(segment->verdict.state))
            return dump_tell_damage(offline, survey, i);
        if (segment->found.tail.torn_bytes > 0)
            (void)offline_fail(offline, 0,
                               "%s: behind offset %" PRIu64 " %" PRIu64 " bytes were torn by a "
                               "crash; nobody was promised them, a start cuts them off",
                               segment->found.name, segment->found.end,
                               segment->found.tail.torn_bytes);
    }
    return 0;
}

int offline_dump(struct offline *offline)
{
    struct survey survey = {.dir = offline->dir, .id = offline->id, .any_store = !offline->has_id};
    struct dump dump = {.offline = offline};
    int err = survey_open(&survey), status = 0;
    if (err != 0)
        status = offline_fail(offline, offline_status(err), "%s", survey.problem);
    else if (survey.n_segments == 0)
        status = offline_fail(offline, EX_NOINPUT, "%s has no files of a log", offline->path);
    else if (!offline->json)
        text_head(offline->out);
    if (status == 0)
        status = dump_segments(&dump, &survey);
    if (dump.next_lsn != 0)
        (void)offline_fail(offline, 0,
                           "there is more: go on with --from %" PRIu64 ", or raise --limit",
                           dump.next_lsn);
    survey_deinit(&survey);
    return status;
}
