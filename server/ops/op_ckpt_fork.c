/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ckpt.fork and ckpt.copy: a job that copies a checkpoint and its ancestors, or all checkpoints,
 * into a new session.
 *
 *   chain    which: from the one given back to the first, or from the newest to the oldest
 *   copy     the last of these first, a few at a time, under a generation that no session has:
 *            nobody sees them
 *   show     the record of the new session, with that generation: all is there at once
 *
 * If it does not come to the end (no memory, a crash, a session that was made meanwhile) what was
 * copied has no owner and is reaped (server/store/group.h).
 *
 * Threads: the loop of the request. Failures: an error; the new session is not there.
 */
#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"
#include "server/ops/ckpt_sliced.h"
#include "server/ops/ckpt_walk.h"

enum { FORK_OVERHEAD = 512, FORK_CHAIN_AT_ONCE = 256 };

enum fork_phase { FORK_CHAIN, FORK_COPY, FORK_SHOW, FORK_END };

struct fork_job {
    struct ckpt_sliced base;
    enum fork_phase phase;
    uint8_t names[3][CKPT_ID_MAX]; /* session, new session, namespace */
    struct bytes from, to, ns;
    bool to_text;
    bool all; /* of the session, from `below` on down */
    bool begun;
    uint64_t below;
    struct buf chain;         /* namespaces and ids, each behind its size byte; the newest first */
    struct buf starts;        /* of size_t: where each begins */
    struct ckpt_session made; /* the new one, as far as it is */
    struct reap *reap;        /* of what was copied, should it come to nothing */
    uint64_t steps, copied, version;
};

static void fork_destroy(struct job *job)
{
    struct fork_job *self = (struct fork_job *)job;
    buf_deinit(&self->chain);
    buf_deinit(&self->starts);
    reap_destroy(self->reap);
    ckpt_sliced_deinit(&self->base);
    mem_free(self);
}

static int fork_gone(struct fork_job *self)
{
    return problem_set(&self->base.problem, ERR_NOT_FOUND,
                       "%s: there is no such checkpoint in the session", self->base.op->name);
}

/* ---- the chain ---- */

static int fork_add(struct fork_job *self, struct bytes ns, struct bytes id)
{
    uint8_t ns_size = (uint8_t)ns.size, id_size = (uint8_t)id.size;
    size_t start = self->chain.size;
    int err = buf_append(&self->starts, &start, sizeof start);
    if (err == 0)
        err = buf_append(&self->chain, &ns_size, 1);
    if (err == 0 && ns.size > 0)
        err = buf_append(&self->chain, ns.data, ns.size);
    if (err == 0)
        err = buf_append(&self->chain, &id_size, 1);
    return err != 0 ? err : buf_append(&self->chain, id.data, id.size);
}

static size_t fork_links(const struct fork_job *self)
{
    return self->starts.size / sizeof(size_t);
}

/* The id of link i, and its namespace. */
static struct bytes fork_link(const struct fork_job *self, size_t i, struct bytes *out_ns)
{
    size_t start;
    memcpy(&start, self->starts.data + i * sizeof start, sizeof start);
    const uint8_t *at = self->chain.data + start;
    *out_ns = (struct bytes){at + 1, at[0]};
    at += 1 + out_ns->size;
    return (struct bytes){at + 1, at[0]};
}

/* Add the parent of the last one. *out_end: it has none that exists. */
static int fork_follow(struct fork_job *self, struct ckpt_session *s, bool *out_end)
{
    struct ckpt_value value;
    struct bytes parent, ns;
    struct ckpt_key key;
    bool text;
    struct bytes last = fork_link(self, fork_links(self) - 1, &ns);
    ckpt_key(s, ns, last, &key);
    const struct record *record = ckpt_find(s, &key);
    *out_end = true;
    if (record == NULL || ckpt_decode(record_value(record), &value) != 0)
        return fork_links(self) == 1 ? fork_gone(self) : 0;
    struct mp_reader reader = mp_reader_of(value.parent);
    if (mp_read_bytes(&reader, &parent, &text) != 0 || parent.size > CKPT_ID_MAX ||
        fork_links(self) >= s->checkpoints)
        return 0;
    ckpt_key(s, self->ns, parent, &key);
    if (ckpt_find(s, &key) == NULL)
        return 0;
    *out_end = false;
    return fork_add(self, self->ns, parent);
}

static void fork_chained(struct fork_job *self, const struct ckpt_session *s)
{
    self->steps = fork_links(self);
    self->phase = FORK_COPY;
    self->made.delta = s->delta;
}

/* All there are, a slice at a time. */
static int fork_chain_all(struct fork_job *self, struct op_ctx *ctx)
{
    struct ckpt_walk walk; /* large: not cleared */
    const struct record *record;
    struct bytes ns, id;
    int err = ckpt_walk_begin_session(&walk, ctx, self->from, NULL);
    if (!self->begun) /* nothing that is saved from now on */
        self->below = atomic_load(&ctx->store->number) + 1;
    self->begun = true;
    walk.to = self->below;
    for (int i = 0; i < CKPT_WALK_SLICE && err == 0; i++) {
        err = ckpt_walk_next(&walk, &record);
        if (err != 0 || record == NULL)
            break;
        if (ckpt_key_parts(record_key_bytes(record), &ns, &id))
            err = fork_add(self, ns, id);
    }
    self->below = walk.to;
    if (err == 0 && walk.ended) {
        err = fork_links(self) == 0 ? fork_gone(self) : 0;
        if (err == 0)
            fork_chained(self, &walk.s);
    }
    ckpt_walk_end(&walk);
    return err;
}

static int fork_chain(struct fork_job *self, struct op_ctx *ctx)
{
    struct arg from = {.present = true, .bytes = self->from};
    struct ckpt_session s;
    bool end = false;
    int err = ckpt_open(ctx, &from, 0, &s);
    if (err == 0 && s.record == NULL)
        err = fork_gone(self);
    for (int i = 0; i < FORK_CHAIN_AT_ONCE && err == 0 && !end; i++)
        err = fork_follow(self, &s, &end);
    if (err == 0 && end)
        fork_chained(self, &s);
    return err;
}

/* ---- copies ---- */

/* All writes or notes of a checkpoint, under their keys in the new session. */
static int fork_copy_range(struct ckpt_session *s, struct ckpt_session *made, enum record_kind kind,
                           struct bytes ns, struct bytes id)
{
    const struct partition *partition = txn_partition_at(s->ctx->txn, s->hash);
    const struct record *record;
    struct omap_iter iter;
    struct ckpt_key key;
    int err = 0;
    ckpt_of_key(s, kind, ns, id, &key);
    omap_seek(&partition->order, &key.key, &iter);
    while (err == 0 && (record = omap_next(&iter)) != NULL && record_run(record) == key.key.run &&
           record_kind_of(record) == kind &&
           bytes_start_with(record_key_bytes(record), key.key.bytes)) {
        struct ckpt_key copy;
        struct bytes bytes = record_key_bytes(record);
        struct bytes rest = {bytes.data + s->prefix_size, bytes.size - s->prefix_size};
        ckpt_raw_key(made, kind, rest, &copy);
        err = ckpt_put(made, &copy, record_is_text(record), record_value(record));
    }
    return err;
}

/* The blobs a checkpoint names, as far as there are any and the new session has them not. */
static int fork_copy_blobs(struct ckpt_session *s, struct ckpt_session *made, struct bytes ns,
                           struct bytes versions, struct buf *blobs)
{
    uint8_t version[CKPT_VERSION_MAX];
    struct ckpt_key key;
    struct bytes channel;
    uint32_t count, n = 0;
    size_t size;
    struct mp_reader reader = ckpt_array(versions, &count);
    struct mp mp;
    int err = 0;
    (void)made;
    blobs->size = 0;
    struct buf rows = {0};
    while (err == 0 && count-- > 0 && mp_read(&reader, &mp) == 0 &&
           ckpt_read_version(&reader, &channel, version, &size)) {
        ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
        const struct record *record = ckpt_find(s, &key);
        if (record == NULL || record_value(record).size <= RECORD_COUNT_BYTES)
            continue;
        err = ckpt_read_blob(s, record, &rows);
        n++;
    }
    if (err == 0)
        err = pack_array(blobs, n);
    if (err == 0)
        err = buf_append(blobs, rows.data, rows.size);
    buf_deinit(&rows);
    return err;
}

/* Plan the copy of one checkpoint: it is saved again, with the time it was saved at. */
static int fork_copy_one(struct fork_job *self, struct ckpt_session *s, struct bytes ns,
                         struct bytes id)
{
    struct buf state = {0}, blobs = {0};
    struct ckpt_value value;
    struct ckpt_key key;
    ckpt_key(s, ns, id, &key);
    const struct record *record = ckpt_find(s, &key);
    if (record == NULL) /* deleted meanwhile */
        return self->all ? 0 : fork_gone(self);
    if (ckpt_decode(record_value(record), &value) != 0)
        return ckpt_damaged(s->ctx, "a checkpoint");
    int err = ckpt_read_state(s, &value, &state);
    if (err == 0)
        err = fork_copy_blobs(s, &self->made, ns, value.versions, &blobs);
    value.state = buf_bytes(&state);
    value.manifest = BYTES_NONE;
    value.number = store_next_number(s->ctx->store, 1);
    struct ckpt_id to = {id, record_is_text(record)};
    if (err == 0)
        err = ckpt_plan(&self->made, (struct ckpt_id){ns, value.ns_text}, to, &value,
                        buf_bytes(&blobs));
    if (err == 0)
        err = fork_copy_range(s, &self->made, KIND_write, ns, id);
    if (err == 0)
        err = fork_copy_range(s, &self->made, KIND_note, ns, id);
    buf_deinit(&state);
    buf_deinit(&blobs);
    return err;
}

/* Lock both sessions. */
static int fork_lock(struct fork_job *self, struct op_ctx *ctx, struct ckpt_session *s)
{
    struct record_key from = {run_id(ctx->run), KIND_session, self->from};
    struct record_key to = {run_id(ctx->run), KIND_session, self->to};
    struct txn_set set = {0};
    txn_set_add(&set, ctx->store, store_hash(ctx->store, &from));
    txn_set_add(&set, ctx->store, store_hash(ctx->store, &to));
    int err = txn_lock_set(ctx->txn, ctx->run, &set, FORK_OVERHEAD);
    ctx->txn->many = true;
    if (err == 0)
        err = ckpt_read_session(ctx, self->from, s);
    if (err == 0 && s->record == NULL)
        err = fork_gone(self);
    return err;
}

static int fork_copy(struct fork_job *self, struct op_ctx *ctx)
{
    struct ckpt_session s, there;
    struct bytes ns, id;
    int err = fork_lock(self, ctx, &s);
    if (err == 0)
        err = ckpt_read_session(ctx, self->to, &there);
    if (err == 0 && there.record != NULL)
        err = problem_conflict(&self->base.problem, record_version(there.record),
                               "%s: there is a session of the new name", self->base.op->name);
    if (err != 0)
        return err;
    if (self->copied == 0) { /* the session it will be */
        bool delta = self->made.delta;
        there.text = self->to_text;
        self->made = there;
        self->made.ctx = ctx;
        err = ckpt_begin_session(&self->made);
        self->made.delta = delta;
        if (err == 0)
            self->reap = reap_create(&self->made.group); /* when memory is short it is too late */
        if (err == 0 && self->reap == NULL)
            err = ERR_OUT_OF_MEMORY;
    }
    self->made.ctx = ctx;
    self->made.key.bytes = self->made.group.name = self->to;
    if (err == 0) {
        id = fork_link(self, self->steps - 1, &ns);
        err = fork_copy_one(self, &s, ns, id);
    }
    if (err != 0)
        return err;
    self->steps--;
    self->copied++;
    if (self->steps > 0) {
        (void)txn_commit(ctx->txn);
        return 0;
    }
    err = ckpt_close(&self->made);
    if (err == 0)
        self->version = txn_commit(ctx->txn);
    self->phase = FORK_END;
    return err;
}

/* ---- the job ---- */

/* What was copied is nobody's. */
static void fork_give_up(struct fork_job *self, struct op_ctx *ctx)
{
    struct record_key key = {run_id(ctx->run), KIND_session, self->to};
    uint64_t hash = store_hash(ctx->store, &key);
    struct txn txn;
    txn_init(&txn, ctx->store, ctx->env->now_ms);
    if (self->copied > 0 && txn_lock(&txn, ctx->run, hash, 0) == 0) {
        group_orphan((struct partition *)(uintptr_t)txn_partition_at(&txn, hash), self->reap);
        self->reap = NULL;
    } /* or the run is gone, and it with that */
    txn_deinit(&txn);
}

static int fork_step(struct ckpt_sliced *base, struct op_ctx *ctx, bool *out_done)
{
    struct fork_job *self = (struct fork_job *)base;
    struct txn txn;
    int err;
    ctx->txn = &txn;
    txn_init(&txn, ctx->store, ctx->env->now_ms);
    if (self->phase == FORK_CHAIN)
        err = self->all ? fork_chain_all(self, ctx) : fork_chain(self, ctx);
    else
        err = fork_copy(self, ctx);
    txn_deinit(&txn);
    if (err == TXN_RETRY)
        err = fork_gone(self); /* the run was dropped */
    if (err != 0)
        fork_give_up(self, ctx);
    *out_done = self->phase == FORK_END;
    return err;
}

static void fork_finish(struct job *job, struct reply *reply)
{
    struct fork_job *self = (struct fork_job *)job;
    if (self->base.problem.err != 0) {
        reply_error(reply, &self->base.problem);
        return;
    }
    reply_map(reply, 2);
    reply_key(reply, "checkpoints");
    reply_uint(reply, self->made.checkpoints); /* in a circle some are met again */
    reply_key(reply, "version");
    reply_uint(reply, self->version);
}

static struct bytes fork_keep(uint8_t to[static CKPT_ID_MAX], struct bytes name)
{
    if (name.size > 0)
        memcpy(to, name.data, name.size);
    return (struct bytes){to, name.size};
}

/* Begin with this checkpoint; id NULL: with all of them. */
static int fork_start(struct op_ctx *ctx, const struct arg *session, const struct arg *new_session,
                      const struct arg *ns_arg, const struct arg *id_arg)
{
    struct ckpt_id from, to, ns = {BYTES_NONE, true}, id = {BYTES_NONE, true};
    int err = ckpt_id_arg(ctx, session, "session", &from);
    if (err == 0)
        err = ckpt_id_arg(ctx, new_session, "new_session", &to);
    if (err == 0 && id_arg != NULL)
        err = ckpt_id_arg(ctx, ns_arg, "ns", &ns);
    if (err == 0 && id_arg != NULL)
        err = ckpt_id_arg(ctx, id_arg, "id", &id);
    if (err == 0 && bytes_equal(from.bytes, to.bytes))
        err = problem_set(ctx->problem, ERR_BAD_ARGUMENT, "%s: 'new_session' must be another one",
                          ctx->request->op->name);
    struct fork_job *self = err == 0 ? mem_calloc(1, sizeof *self) : NULL;
    if (self == NULL)
        return err != 0 ? err : ERR_OUT_OF_MEMORY;
    self->from = fork_keep(self->names[0], from.bytes);
    self->to = fork_keep(self->names[1], to.bytes);
    self->ns = fork_keep(self->names[2], ns.bytes);
    self->to_text = to.text;
    self->all = id_arg == NULL;
    self->base.step = fork_step;
    self->base.job = (struct job){.finish = fork_finish, .destroy = fork_destroy};
    err = self->all ? 0 : fork_add(self, self->ns, id.bytes);
    if (err != 0) {
        fork_destroy(&self->base.job);
        return err;
    }
    ckpt_sliced_start(&self->base, ctx);
    return 0;
}

int op_ckpt_fork(struct op_ctx *ctx, const struct args_ckpt_fork *a)
{
    return fork_start(ctx, &a->session, &a->new_session, &a->ns, &a->id);
}

int op_ckpt_copy(struct op_ctx *ctx, const struct args_ckpt_copy *a)
{
    return fork_start(ctx, &a->session, &a->new_session, NULL, NULL);
}
