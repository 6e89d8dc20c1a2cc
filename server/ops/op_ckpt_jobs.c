/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ckpt.compact, ckpt.delete_runs and ckpt.validate: jobs over many checkpoints, from new to old.
 *
 *   compact      mark: which numbers stay, with the ancestors these need
 *                                            then    sweep: delete those that do not
 *   delete_runs                                      sweep: delete those whose run_id is named
 *   validate                                         sweep: prove those that are met
 *
 * They work in slices (ckpt_sliced.h) and in transactions of at most JOBS_AT_ONCE checkpoints, so
 * that neither a loop nor a lock is held for long. What is saved meanwhile has a higher number and
 * is left alone.
 *
 * Threads: the loop of the request. Failures: memory or damage ends the job; what was deleted stays
 * deleted, and the reply is the error.
 */
#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"
#include "server/ops/ckpt_args.h"
#include "server/ops/ckpt_needed.h"
#include "server/ops/ckpt_sliced.h"
#include "server/ops/ckpt_walk.h"

#include <stdlib.h>

enum { JOBS_AT_ONCE = 16, JOBS_IDS_MAX = 100, JOBS_WANTED = 64 * 1024 };

/* What a transaction deletes. */
struct jobs_gone {
    uint64_t checkpoints, bytes;
};

struct ckpt_job {
    struct ckpt_sliced base;
    struct buf text; /* copies of what the request said; the views below are of it */
    struct bytes session, ns, tags, run_ids;
    bool of_session, of_ns, recent, aged, bounded, tagged, per_ns; /* what was given */
    uint64_t keep_recent, older_than_ms, max_bytes;
    /* the walk */
    uint64_t to, from;           /* from: where it began */
    bool begun, marking, marked; /* marked: what the rules keep; not yet what that needs */
    /* marking */
    struct ckpt_needed needed;
    struct buf keep; /* of uint64_t: numbers that stay, sorted once all are marked */
    uint64_t seen, seen_bytes;
    /* what came of it */
    uint64_t matched, deleted, freed, valid, invalid;
    struct buf ids; /* encoded [session, ns, id] of those that are not valid */
    uint64_t n_ids;
};

/* ---- life ---- */

static void jobs_destroy(struct job *job)
{
    struct ckpt_job *self = (struct ckpt_job *)job;
    buf_deinit(&self->text);
    buf_deinit(&self->keep);
    buf_deinit(&self->ids);
    ckpt_needed_deinit(&self->needed);
    ckpt_sliced_deinit(&self->base);
    mem_free(self);
}

static int jobs_start(struct op_ctx *ctx, struct ckpt_job *self,
                      void (*finish)(struct job *job, struct reply *reply))
{
    self->to = UINT64_MAX;
    self->base.job = (struct job){.finish = finish, .destroy = jobs_destroy};
    ckpt_sliced_start(&self->base, ctx);
    return 0;
}

/* Copy an argument; the view holds once all have been copied (jobs_views). */
static int jobs_copy(struct ckpt_job *self, const struct arg *arg, struct bytes *out)
{
    *out = (struct bytes){NULL, arg->present ? arg->bytes.size : 0};
    return arg->present ? buf_append(&self->text, arg->bytes.data, arg->bytes.size) : 0;
}

static void jobs_views(struct ckpt_job *self)
{
    const uint8_t *at = self->text.data;
    struct bytes *views[] = {&self->session, &self->ns, &self->tags, &self->run_ids};
    for (size_t i = 0; i < LENGTH_OF(views); i++)
        if (views[i]->size > 0) {
            views[i]->data = at;
            at += views[i]->size;
        }
}

static struct ckpt_job *jobs_create(const struct arg *session, const struct arg *ns,
                                    const struct arg *tags, const struct arg *run_ids)
{
    struct ckpt_job *self = mem_calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    int err = jobs_copy(self, session, &self->session);
    if (err == 0)
        err = jobs_copy(self, ns, &self->ns);
    if (err == 0)
        err = jobs_copy(self, tags, &self->tags);
    if (err == 0)
        err = jobs_copy(self, run_ids, &self->run_ids);
    if (err != 0) {
        jobs_destroy(&self->base.job);
        return NULL;
    }
    jobs_views(self);
    self->of_session = session->present;
    self->of_ns = ns->present;
    self->tagged = tags->present;
    return self;
}

/* ---- walking ---- */

/* Go on where the last step ended. */
static int jobs_walk_begin(struct ckpt_job *self, struct op_ctx *ctx, struct ckpt_walk *walk)
{
    int err = self->of_session ? ckpt_walk_begin_session(walk, ctx, self->session, NULL)
                               : ckpt_walk_begin_run(walk, ctx, INDEX_ckpt_of_run, NULL);
    if (!self->begun) /* nothing that is saved from now on */
        self->to = self->from = atomic_load(&ctx->store->number) + 1;
    self->begun = true;
    walk->to = self->to;
    return err;
}

/* ---- compact: what stays ---- */

static bool jobs_has_tag(const struct ckpt_job *self, const struct ckpt_value *value)
{
    uint32_t count;
    struct mp_reader reader = ckpt_array(self->tags, &count);
    struct bytes tag;
    bool text;
    while (self->tagged && count-- > 0 && mp_read_bytes(&reader, &tag, &text) == 0)
        if (ckpt_has(value->tags, tag))
            return true;
    return false;
}

/* Is it one of the newest? Order is that of ckpt.list: of one namespace by id, so that what
 * ckpt.get gives stays, of several by number, as they are met. */
static bool jobs_is_recent(const struct ckpt_job *self, const struct ckpt_session *s,
                           const struct record *record)
{
    if (!self->recent)
        return false;
    return (self->of_ns || self->per_ns ? ckpt_newer(s, record) : self->seen) < self->keep_recent;
}

static bool jobs_keeps(struct ckpt_job *self, const struct ckpt_session *s,
                       const struct record *record, const struct ckpt_value *value)
{
    uint64_t now = (uint64_t)s->ctx->env->now_ms;
    bool recent = jobs_is_recent(self, s, record);
    self->seen++;
    self->seen_bytes += record_value(record).size;
    return recent || jobs_has_tag(self, value) ||
           (self->aged &&
            (value->created_at >= now || now - value->created_at <= self->older_than_ms)) ||
           (self->bounded && self->seen_bytes <= self->max_bytes);
}

static int jobs_keep(struct ckpt_job *self, uint64_t number)
{
    return buf_append(&self->keep, &number, sizeof number);
}

static int jobs_mark_one(struct ckpt_job *self, struct ckpt_walk *walk, const struct record *record)
{
    struct ckpt_session *s = &walk->s;
    struct ckpt_value value;
    struct bytes ns, id;
    if (!ckpt_key_parts(record_key_bytes(record), &ns, &id) ||
        ckpt_decode(record_value(record), &value) != 0)
        return ckpt_damaged(&walk->inner, "a checkpoint");
    if (self->of_ns && !bytes_equal(ns, self->ns))
        return 0;
    self->matched++;
    if (!jobs_keeps(self, s, record, &value))
        return 0;
    int err = jobs_keep(self, value.number);
    return err != 0 ? err : ckpt_needed_want(&self->needed, s, ns, &value);
}

static int jobs_mark(struct ckpt_job *self, struct op_ctx *ctx, bool *out_done)
{
    struct ckpt_walk walk; /* large: not cleared */
    const struct record *record;
    int err = jobs_walk_begin(self, ctx, &walk);
    for (int i = 0; i < CKPT_WALK_SLICE && self->needed.wanted.size < JOBS_WANTED && err == 0;
         i++) {
        err = ckpt_walk_next(&walk, &record);
        if (err != 0 || record == NULL)
            break;
        err = jobs_mark_one(self, &walk, record);
    }
    self->to = walk.to;
    *out_done = walk.ended;
    ckpt_walk_end(&walk);
    return err;
}

/* Keep the ancestors that those which were marked need, some of them. */
static int jobs_keep_needed(struct ckpt_job *self, struct op_ctx *ctx)
{
    struct arg session = {.present = true, .text = true, .bytes = self->session};
    struct ckpt_session s;
    struct txn txn;
    ctx->txn = &txn;
    txn_init(&txn, ctx->store, ctx->env->now_ms);
    int err = ckpt_open(ctx, &session, 0, &s);
    if (err == 0 && s.record == NULL)
        ckpt_needed_deinit(&self->needed);
    else if (err == 0)
        err = ckpt_needed_go(&self->needed, &s, CKPT_WALK_SLICE, &self->keep);
    txn_deinit(&txn);
    return err;
}

static int jobs_order(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static bool jobs_is_kept(const struct ckpt_job *self, uint64_t number)
{
    return self->keep.size > 0 && bsearch(&number, self->keep.data, self->keep.size / sizeof number,
                                          sizeof number, jobs_order) != NULL;
}

/* ---- sweeping ---- */

/* Does this checkpoint go? */
static bool jobs_goes(const struct ckpt_job *self, const struct record *record)
{
    struct ckpt_value value;
    struct bytes ns, id;
    if (!ckpt_key_parts(record_key_bytes(record), &ns, &id) ||
        ckpt_decode(record_value(record), &value) != 0)
        return false;
    if (self->of_session)
        return (!self->of_ns || bytes_equal(ns, self->ns)) && !jobs_is_kept(self, value.number);
    struct mp_reader reader = mp_reader_of(value.metadata);
    struct bytes key, wanted;
    struct mp mp;
    bool text;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < mp.count; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0)
            return false;
        if (bytes_equal(key, bytes_of("run_id")))
            return mp_read_bytes(&reader, &wanted, &text) == 0 && ckpt_has(self->run_ids, wanted);
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return false;
    }
    return false;
}

/* Plan the deletion of one, and count what goes. */
static int jobs_delete_one(struct ckpt_session *s, const struct record *record,
                           struct jobs_gone *gone)
{
    uint64_t bytes = s->bytes, checkpoints = s->checkpoints;
    int err = ckpt_plan_delete(s, record);
    gone->bytes += bytes > s->bytes ? bytes - s->bytes : 0;
    gone->checkpoints += checkpoints > s->checkpoints;
    return err;
}

/* Those of the session of the walk, whose record changes once for all of them. */
static int jobs_delete_of_session(struct ckpt_walk *walk, const struct record *const *records,
                                  size_t n, struct jobs_gone *gone)
{
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++)
        err = jobs_delete_one(&walk->s, records[i], gone);
    return err != 0 ? err : ckpt_commit(&walk->s, NULL);
}

static int jobs_delete_of_run(struct ckpt_walk *walk, const struct record *const *records, size_t n,
                              struct jobs_gone *gone)
{
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++) {
        struct ckpt_session s;
        if (ckpt_walk_session(walk, records[i], &s) != 0)
            continue;
        err = jobs_delete_one(&s, records[i], gone);
        if (err == 0)
            err = ckpt_close(&s);
    }
    if (err == 0)
        (void)txn_commit(&walk->txn);
    return err;
}

/* Delete these, which stand, in the transaction of the walk. */
static int jobs_delete(struct ckpt_job *self, struct ckpt_walk *walk,
                       const struct record *const *records, size_t n)
{
    struct jobs_gone gone = {0};
    walk->txn.many = true;
    int err = self->of_session ? jobs_delete_of_session(walk, records, n, &gone)
                               : jobs_delete_of_run(walk, records, n, &gone);
    if (err != 0)
        return err;
    self->deleted += gone.checkpoints;
    self->freed += gone.bytes;
    return 0;
}

static int jobs_sweep(struct ckpt_sliced *base, struct op_ctx *ctx, bool *out_done)
{
    struct ckpt_job *self = (struct ckpt_job *)base;
    const struct record *records[JOBS_AT_ONCE], *record = NULL;
    struct ckpt_walk walk; /* large: not cleared */
    size_t n = 0;
    int err = jobs_walk_begin(self, ctx, &walk);
    for (int i = 0; i < CKPT_WALK_SLICE && n < JOBS_AT_ONCE && err == 0; i++) {
        err = ckpt_walk_next(&walk, &record);
        if (err != 0 || record == NULL)
            break;
        if (jobs_goes(self, record))
            records[n++] = record;
    }
    self->to = walk.to;
    *out_done = walk.ended;
    if (err == 0 && n > 0)
        err = jobs_delete(self, &walk, records, n);
    ckpt_walk_end(&walk);
    return err;
}

/* Tell who watches that it is done. */
static int jobs_compacted(struct ckpt_job *self, struct op_ctx *ctx)
{
    struct arg session = {.present = true, .text = true, .bytes = self->session};
    struct ckpt_session s;
    struct txn txn;
    ctx->txn = &txn;
    txn_init(&txn, ctx->store, ctx->env->now_ms);
    int err = ckpt_open(ctx, &session, 0, &s);
    if (err == 0 && s.record != NULL) {
        err = ckpt_close(&s);
        if (err == 0)
            err = ckpt_note(&s, &s.key, s.text, EVENT_compacted);
        if (err == 0)
            (void)txn_commit(&txn);
    }
    txn_deinit(&txn);
    return err;
}

static int jobs_compact(struct ckpt_sliced *base, struct op_ctx *ctx, bool *out_done)
{
    struct ckpt_job *self = (struct ckpt_job *)base;
    if (!self->marking) {
        int err = jobs_sweep(base, ctx, out_done);
        return err == 0 && *out_done && self->deleted > 0 ? jobs_compacted(self, ctx) : err;
    }
    if (!self->marked || ckpt_needed_pending(&self->needed))
        return ckpt_needed_pending(&self->needed) ? jobs_keep_needed(self, ctx)
                                                  : jobs_mark(self, ctx, &self->marked);
    if (self->keep.size > 0)
        qsort(self->keep.data, self->keep.size / sizeof(uint64_t), sizeof(uint64_t), jobs_order);
    self->marking = false;
    self->to = self->from;
    return 0;
}

static void compact_finish(struct job *job, struct reply *reply)
{
    struct ckpt_job *self = (struct ckpt_job *)job;
    if (self->base.problem.err != 0) {
        reply_error(reply, &self->base.problem);
        return;
    }
    reply_map(reply, 3);
    reply_key(reply, "deleted");
    reply_uint(reply, self->deleted);
    reply_key(reply, "kept");
    reply_uint(reply, self->matched > self->deleted ? self->matched - self->deleted : 0);
    reply_key(reply, "bytes_freed");
    reply_uint(reply, self->freed);
}

int op_ckpt_compact(struct op_ctx *ctx, const struct args_ckpt_compact *a)
{
    static const struct arg none;
    struct ckpt_id id;
    int err = ckpt_id_arg(ctx, &a->session, "session", &id);
    if (err == 0)
        err = ckpt_check_ids(ctx, &a->keep_tags, "keep_tags", ctx->env->limits->items);
    if (err == 0 && !a->keep_recent.present && !a->keep_tags.present && !a->older_than_ms.present &&
        !a->max_bytes.present)
        err = problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                          "ckpt.compact: give 'keep_recent', 'keep_tags', 'older_than_ms' or "
                          "'max_bytes'; ckpt.session_delete deletes all");
    if (err != 0)
        return err;
    struct ckpt_job *self = jobs_create(&a->session, &a->ns, &a->keep_tags, &none);
    if (self == NULL)
        return ERR_OUT_OF_MEMORY;
    self->recent = a->keep_recent.present;
    self->keep_recent = a->keep_recent.uint;
    self->aged = a->older_than_ms.present;
    self->older_than_ms = a->older_than_ms.uint;
    self->bounded = a->max_bytes.present;
    self->max_bytes = a->max_bytes.uint;
    self->per_ns = a->per_ns.present && a->per_ns.boolean;
    self->marking = true;
    self->base.step = jobs_compact;
    return jobs_start(ctx, self, compact_finish);
}

static void delete_runs_finish(struct job *job, struct reply *reply)
{
    struct ckpt_job *self = (struct ckpt_job *)job;
    if (self->base.problem.err != 0)
        reply_error(reply, &self->base.problem);
    else
        reply_uint(reply, self->deleted);
}

int op_ckpt_delete_runs(struct op_ctx *ctx, const struct args_ckpt_delete_runs *a)
{
    static const struct arg none;
    int err = ckpt_check_ids(ctx, &a->run_ids, "run_ids", ctx->env->limits->items);
    if (err != 0)
        return err;
    struct ckpt_job *self = jobs_create(&none, &none, &none, &a->run_ids);
    if (self == NULL)
        return ERR_OUT_OF_MEMORY;
    self->base.step = jobs_sweep;
    return jobs_start(ctx, self, delete_runs_finish);
}

/* ---- validate ---- */

static int validate_tell(struct ckpt_job *self, const struct record *record, struct bytes ns,
                         struct bytes id)
{
    if (self->n_ids == JOBS_IDS_MAX)
        return 0;
    struct bytes name = group_name(record_key_bytes(record));
    int err = pack_array(&self->ids, 3);
    (void)(err == 0 &&
           (err = mp_utf8_valid(name) ? pack_str(&self->ids, name) : pack_bin(&self->ids, name)) ==
               0 &&
           (err = mp_utf8_valid(ns) ? pack_str(&self->ids, ns) : pack_bin(&self->ids, ns)) == 0 &&
           (err = record_is_text(record) ? pack_str(&self->ids, id) : pack_bin(&self->ids, id)) ==
               0);
    self->n_ids += err == 0;
    return err;
}

static int validate_one(struct ckpt_job *self, struct ckpt_walk *walk, const struct record *record)
{
    struct ckpt_session s;
    struct ckpt_value value;
    struct bytes ns = BYTES_NONE, id = BYTES_NONE;
    int err = ckpt_walk_session(walk, record, &s);
    if (err == ERR_NOT_FOUND)
        return 0;
    bool valid = err == 0 && ckpt_key_parts(record_key_bytes(record), &ns, &id) &&
                 ckpt_checksum_holds(record_value(record), ns, id) &&
                 ckpt_decode(record_value(record), &value) == 0 && ckpt_verify(&s, ns, id, &value);
    self->valid += valid;
    self->invalid += !valid;
    return valid ? 0 : validate_tell(self, record, ns, id);
}

static int jobs_validate(struct ckpt_sliced *base, struct op_ctx *ctx, bool *out_done)
{
    struct ckpt_job *self = (struct ckpt_job *)base;
    struct ckpt_walk walk; /* large: not cleared */
    const struct record *record;
    int err = jobs_walk_begin(self, ctx, &walk);
    for (int i = 0; i < JOBS_AT_ONCE && err == 0; i++) {
        err = ckpt_walk_next(&walk, &record);
        if (err != 0 || record == NULL)
            break;
        err = validate_one(self, &walk, record);
    }
    self->to = walk.to;
    *out_done = walk.ended;
    ckpt_walk_end(&walk);
    return err;
}

static void validate_finish(struct job *job, struct reply *reply)
{
    struct ckpt_job *self = (struct ckpt_job *)job;
    if (self->base.problem.err != 0) {
        reply_error(reply, &self->base.problem);
        return;
    }
    reply_map(reply, 3);
    reply_key(reply, "valid");
    reply_uint(reply, self->valid);
    reply_key(reply, "invalid");
    reply_uint(reply, self->invalid);
    reply_key(reply, "ids");
    reply_array(reply, self->n_ids);
    if (self->n_ids > 0)
        reply_value(reply, buf_bytes(&self->ids));
}

int op_ckpt_validate(struct op_ctx *ctx, const struct args_ckpt_validate *a)
{
    static const struct arg none;
    struct ckpt_id id;
    int err = ckpt_id_arg(ctx, &a->session, "session", &id);
    if (err != 0)
        return err;
    struct ckpt_job *self = jobs_create(&a->session, &none, &none, &none);
    if (self == NULL)
        return ERR_OUT_OF_MEMORY;
    self->base.step = jobs_validate;
    return jobs_start(ctx, self, validate_finish);
}
