/* SPDX-License-Identifier: BSD-3-Clause
 *
 * batch: several calls in one request.
 *
 * Not atomic: each call is dispatched on its own, one after the other. Atomic: one transaction
 * locks what all calls and conditions touch, every call plans into it, and one commit applies all
 * of it:
 *
 *   collect partitions -> lock, make room -> conditions -> call 0, 1, 2 ... (plan) -> commit
 *   -> versions filled in
 *
 * Replies to writes hold the version of the transaction, which is known only after the commit;
 * their places are remembered and filled in then.
 *
 * Invariants
 *   1. After any failure of an atomic batch nothing has been applied and the reply is one error,
 *      which says which call or condition it was. With the option partial that holds for
 *      conditions; a call that fails is answered alone if it has planned nothing, and fails the
 *      batch if it has planned a part (a list of keys that is too much for one transaction), which
 *      cannot be taken back.
 *   2. Only operations with the flag BATCH run in an atomic one: they lock by key and nothing else.
 *
 * Threads: any loop.
 */
#include "common/err.h"
#include "proto/rpc.h"
#include "server/ops/dispatch.h"
#include "server/ops/op_kv.h"
#include "server/ops/vec.h"

static int batch_wrong(struct op_ctx *ctx, uint32_t index, const char *what)
{
    char text[sizeof ctx->problem->text];
    int err = ctx->problem->err;
    (void)snprintf(text, sizeof text, "%.*s", (int)sizeof text - 40, ctx->problem->text);
    bool has_actual = ctx->problem->has_actual;
    uint64_t actual = ctx->problem->actual;
    (void)problem_set(ctx->problem, err, "%s %u: %s", what, index, text);
    ctx->problem->has_index = true;
    ctx->problem->index = index;
    ctx->problem->has_actual = has_actual;
    ctx->problem->actual = actual;
    return err;
}

/* The context of one call inside the batch. */
static struct op_ctx batch_ctx(const struct op_ctx *ctx, const struct request *request,
                               struct txn *txn, struct reply *reply)
{
    struct op_ctx inner = *ctx;
    inner.request = request;
    inner.txn = txn;
    inner.reply = reply;
    inner.job = NULL;
    inner.no_job = true;
    return inner;
}

static void batch_reply_begin(const struct op_ctx *ctx, struct reply *reply)
{
    size_t used = reply_size(ctx->reply), limit = ctx->reply->limit;
    reply_begin(reply, ctx->reply->out, REPLY_NESTED, 0, limit > used ? limit - used : 0);
    reply->error_maps = ctx->reply->error_maps;
}

/* A call inherits the options of the batch that it does not give itself. */
static void batch_inherit(const struct op_ctx *ctx, struct request *request)
{
    if (!request->all.run.present)
        request->all.run = ctx->request->all.run;
    if (!request->all.durability.present)
        request->all.durability = ctx->request->all.durability;
}

/* ---- not atomic ---- */

static int batch_run_one(struct op_ctx *ctx, const struct request *request, struct reply *reply)
{
    struct txn txn;
    int err;
    if (request->op->flags & (OP_SLOW | OP_LOGIN))
        return problem_set(ctx->problem, ERR_UNSUPPORTED, "%s cannot be part of a batch",
                           request->op->name);
    do {
        struct op_ctx inner = batch_ctx(ctx, request, &txn, reply);
        batch_reply_begin(ctx, reply);
        txn_init(&txn, ctx->store, ctx->env->now_ms);
        err = dispatch_call(&inner);
        txn_deinit(&txn);
        if (err == TXN_RETRY)
            reply->out->size = reply->start;
    } while (err == TXN_RETRY);
    return err;
}

static int batch_run_all(struct op_ctx *ctx, const struct args_batch *a)
{
    struct mp_reader reader = mp_reader_of(a->calls.bytes);
    reply_array(ctx->reply, a->calls.count);
    for (uint32_t i = 0; i < a->calls.count && ctx->reply->failed == 0; i++) {
        struct request request;
        struct reply reply;
        struct mp pair;
        REQUIRE(mp_read(&reader, &pair) == 0);
        batch_reply_begin(ctx, &reply);
        int err = rpc_decode_call(&reader, ctx->env->limits, &request, ctx->problem);
        if (err == 0) {
            batch_inherit(ctx, &request);
            reply.out->size = reply.start;
            err = batch_run_one(ctx, &request, &reply);
        }
        if (err != 0)
            reply_error(&reply, ctx->problem);
        if (reply_end(&reply) != 0)
            ctx->reply->failed = ERR_OUT_OF_MEMORY;
    }
    return 0;
}

/* ---- atomic ---- */

/* Decode call i and check that it may take part. */
static int batch_decode(struct op_ctx *ctx, struct mp_reader *reader, struct request *request)
{
    struct mp pair;
    REQUIRE(mp_read(reader, &pair) == 0);
    int err = rpc_decode_call(reader, ctx->env->limits, request, ctx->problem);
    if (err == 0 && !(request->op->flags & OP_BATCH))
        err = problem_set(ctx->problem, ERR_UNSUPPORTED, "%s cannot be part of an atomic batch",
                          request->op->name);
    if (err == 0)
        batch_inherit(ctx, request);
    return err;
}

/* Is this about vectors? Their operations begin with the name of the collection. */
static bool batch_is_of_collection(const struct request *request)
{
    return request->op->args[0].type == ARG_NAME;
}

static void batch_add_key(struct op_ctx *ctx, struct txn_set *set, enum record_kind kind,
                          struct bytes key)
{
    struct record_key record_key = {run_id(ctx->run), (uint8_t)kind, key};
    txn_set_add(set, ctx->store, store_hash(ctx->store, &record_key));
}

/* The partitions a call will touch: those of its key, keys or pairs, or of its collection. */
static void batch_add_keys(struct op_ctx *ctx, struct txn_set *set, const struct request *request)
{
    const struct arg *first = &request->args[0];
    struct mp_reader reader = mp_reader_of(first->bytes);
    enum arg_type type = request->op->args[0].type;
    struct bytes key = BYTES_NONE;
    struct mp pair;
    bool text;
    if (type == ARG_KEY || batch_is_of_collection(request)) {
        batch_add_key(ctx, set, type == ARG_KEY ? KIND_kv : KIND_collection, first->bytes);
        return;
    }
    for (uint32_t i = 0; i < first->count; i++) {
        if (type == ARG_PAIRS)
            REQUIRE(mp_read(&reader, &pair) == 0);
        REQUIRE(mp_read_bytes(&reader, &key, &text) == 0);
        batch_add_key(ctx, set, KIND_kv, key);
        if (type == ARG_PAIRS)
            REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == 0);
    }
}

/* First pass: all partitions. All calls of an atomic batch work in the run of the batch. */
static int batch_collect(struct op_ctx *ctx, const struct args_batch *a, struct txn_set *set,
                         uint64_t *out_need)
{
    struct mp_reader reader = mp_reader_of(a->calls.bytes);
    const struct arg *run = &ctx->request->all.run;
    for (uint32_t i = 0; i < a->calls.count; i++) {
        struct request request;
        int err = batch_decode(ctx, &reader, &request);
        if (err == 0 && request.all.run.present &&
            !(run->present && bytes_equal(run->bytes, request.all.run.bytes)))
            err = problem_set(ctx->problem, ERR_UNSUPPORTED,
                              "an atomic batch works in one run: give 'run' to the batch");
        if (err != 0)
            return batch_wrong(ctx, i, "call");
        batch_add_keys(ctx, set, &request);
        if (request.op->flags & OP_GROWS)
            *out_need = 2 * a->calls.bytes.size + 128 * (uint64_t)a->calls.count;
    }
    return 0;
}

/* How many vectors a call may add. */
static uint32_t batch_vectors(const struct request *request)
{
    struct mp_reader reader = mp_reader_of(request->args[1].bytes);
    struct mp mp;
    if (request->op->args[1].type != ARG_ARRAY)
        return 1;
    return mp_read(&reader, &mp) == 0 ? mp.count : 0;
}

/* Make room for what calls about vectors add besides their bytes, which collections tell: before
 * anything is planned, as it may evict. */
static int batch_admit_vectors(struct op_ctx *ctx, const struct args_batch *a, uint64_t need)
{
    struct mp_reader reader = mp_reader_of(a->calls.bytes);
    struct partition *partition = NULL; /* of one of them */
    for (uint32_t i = 0; i < a->calls.count; i++) {
        struct request request;
        struct vec v;
        if (batch_decode(ctx, &reader, &request) != 0)
            return batch_wrong(ctx, i, "call");
        if (!(request.op->flags & OP_GROWS) || !batch_is_of_collection(&request))
            continue;
        if (vec_read(ctx, request.args[0].bytes, &v) != 0)
            return batch_wrong(ctx, i, "call");
        if (v.record == NULL)
            continue;
        need += (uint64_t)batch_vectors(&request) * vec_row_bytes(&v.collection.config);
        partition = &ctx->store->partitions[store_partition_index(ctx->store, v.hash)];
    }
    return partition == NULL ? 0 : store_admit(ctx->store, partition, need);
}

/* The next [kind, key, version] of the list, which the decoder has checked. */
static int batch_next_condition(struct op_ctx *ctx, struct mp_reader *reader,
                                struct record_key *out_key, uint64_t *out_version)
{
    struct bytes kind = BYTES_NONE;
    struct mp mp;
    bool text;
    REQUIRE(mp_read(reader, &mp) == 0);
    REQUIRE(mp_read_bytes(reader, &kind, &text) == 0);
    REQUIRE(mp_read_bytes(reader, &out_key->bytes, &text) == 0);
    REQUIRE(mp_read(reader, &mp) == 0);
    out_key->run = run_id(ctx->run);
    out_key->kind = (uint8_t)record_kind_find(kind);
    *out_version = mp.uint;
    if (out_key->kind == KIND_kv || out_key->kind == KIND_session)
        return 0;
    return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                       "a condition is about a record of kind kv or session");
}

static int batch_collect_conditions(struct op_ctx *ctx, const struct arg *list, struct txn_set *set)
{
    struct mp_reader reader = mp_reader_of(list->present ? list->bytes : BYTES_NONE);
    struct record_key key;
    uint64_t version;
    for (uint32_t i = 0; list->present && i < list->count; i++) {
        if (batch_next_condition(ctx, &reader, &key, &version) != 0)
            return batch_wrong(ctx, i, "condition");
        txn_set_add(set, ctx->store, store_hash(ctx->store, &key));
    }
    return 0;
}

static int batch_check_conditions(struct op_ctx *ctx, const struct arg *list)
{
    struct mp_reader reader = mp_reader_of(list->present ? list->bytes : BYTES_NONE);
    struct record_key key;
    uint64_t version;
    for (uint32_t i = 0; list->present && i < list->count; i++) {
        REQUIRE(batch_next_condition(ctx, &reader, &key, &version) == 0);
        const struct record *record = txn_find(ctx->txn, &key, store_hash(ctx->store, &key));
        if (record == NULL && key.kind == KIND_kv)
            record = kv_collection(ctx, key.bytes);
        uint64_t actual = record == NULL ? 0 : record_version(record);
        if (actual == version)
            continue;
        (void)problem_conflict(ctx->problem, actual, "version is %llu, expected %llu",
                               (unsigned long long)actual, (unsigned long long)version);
        return batch_wrong(ctx, i, "condition");
    }
    return 0;
}

/* A call failed, before which so much was planned. May it be answered alone (option partial)? */
static bool batch_may_go_on(const struct op_ctx *ctx, const struct args_batch *a, int err,
                            uint64_t plans)
{
    return a->partial.present && a->partial.boolean && err != TXN_RETRY &&
           err != ERR_OUT_OF_MEMORY && ctx->txn->plans == plans;
}

/* The reply to call i has no room. It may have planned, so nothing of the batch is done. */
static int batch_too_large(struct op_ctx *ctx, int err, uint32_t i)
{
    if (err == ERR_LIMIT_EXCEEDED)
        (void)problem_set(ctx->problem, err,
                          "the replies exceed limits.reply_bytes (%llu); ask for less",
                          (unsigned long long)ctx->env->limits->reply_bytes);
    else
        (void)problem_set(ctx->problem, err, NULL);
    return batch_wrong(ctx, i, "call");
}

/* Second pass: every call plans into the one transaction. */
static int batch_plan(struct op_ctx *ctx, const struct args_batch *a, struct op_batch *batch)
{
    struct mp_reader reader = mp_reader_of(a->calls.bytes);
    ctx->txn->many = true;
    ctx->txn->deferred = true;
    reply_array(ctx->reply, a->calls.count);
    for (uint32_t i = 0; i < a->calls.count; i++) {
        struct request request;
        struct reply reply;
        struct op_ctx inner;
        size_t places = batch->places.size;
        uint64_t plans = ctx->txn->plans;
        int err = batch_decode(ctx, &reader, &request);
        batch_reply_begin(ctx, &reply);
        inner = batch_ctx(ctx, &request, ctx->txn, &reply);
        inner.batch = batch;
        if (err == 0)
            err = dispatch_call(&inner);
        if (err == 0 && reply.failed != 0)
            return batch_too_large(ctx, reply.failed, i);
        if (err != 0 && batch_may_go_on(ctx, a, err, plans)) {
            batch->places.size = places;
            reply_error(&reply, ctx->problem);
            ctx->problem->err = 0;
        } else if (err != 0)
            return err == TXN_RETRY ? err : batch_wrong(ctx, i, "call");
    }
    return 0;
}

static void batch_fill_versions(struct op_ctx *ctx, const struct op_batch *batch, uint64_t version)
{
    size_t place;
    for (size_t i = 0; i < batch->places.size; i += sizeof place) {
        memcpy(&place, batch->places.data + i, sizeof place);
        reply_uint_now(ctx->reply, place, version);
    }
}

static int batch_atomic(struct op_ctx *ctx, const struct args_batch *a)
{
    struct op_batch batch = {{0}};
    struct txn_set set = {0};
    uint64_t need = 0; /* if all of them delete or read */
    int err = batch_collect(ctx, a, &set, &need);
    if (err == 0)
        err = batch_collect_conditions(ctx, &a->conditions, &set);
    if (err == 0)
        err = txn_lock_set(ctx->txn, ctx->run, &set, need);
    if (err == 0 && need > 0)
        err = batch_admit_vectors(ctx, a, need);
    if (err == 0)
        err = batch_check_conditions(ctx, &a->conditions);
    if (err == 0)
        err = batch_plan(ctx, a, &batch);
    if (err == 0)
        batch_fill_versions(ctx, &batch, txn_commit_deferred(ctx->txn));
    buf_deinit(&batch.places);
    return err;
}

int op_batch(struct op_ctx *ctx, const struct args_batch *a)
{
    if (a->conditions.present || (a->atomic.present && a->atomic.boolean))
        return batch_atomic(ctx, a);
    return batch_run_all(ctx, a);
}
