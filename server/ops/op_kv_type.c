/* SPDX-License-Identifier: BSD-3-Clause
 *
 * kv.type, and keys that have types: see op_kv.h.
 *
 * Invariants
 *   1. The partition of a key is that of the collection of this name (kinds.def).
 *   2. A name that is a value and a collection, as MessagePack-RPC can make it, counts as a value;
 *      to delete it deletes both.
 *
 * Threads: any loop; the transaction holds the lock. Failures: memory, before anything has changed.
 */
#include "common/err.h"
#include "server/ops/op_kv.h"
#include "server/ops/vec.h"

const struct record *kv_find_collection(struct op_ctx *ctx, struct bytes key)
{
    struct record_key of = {run_id(ctx->run), KIND_collection, key};
    return txn_find(ctx->txn, &of, store_hash(ctx->store, &of));
}

int kv_absent(struct op_ctx *ctx, struct bytes key)
{
    if (kv_collection(ctx, key) == NULL)
        return 0;
    return problem_set(ctx->problem, ERR_WRONG_TYPE, "%s: the key is a collection of vectors",
                       ctx->request->op->name);
}

int kv_drop_found(struct op_ctx *ctx, struct bytes key, bool *existed)
{
    struct vec v;
    int err = vec_read(ctx, key, &v);
    if (err != 0 || v.record == NULL)
        return err;
    *existed = true;
    ctx->txn->many = true;
    return vec_plan_drop(&v);
}

int op_kv_type(struct op_ctx *ctx, const struct args_kv_type *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    int err = txn_lock(ctx->txn, ctx->run, place.hash, 0);
    if (err != 0)
        return err;
    if (kv_find(ctx, &place) != NULL)
        reply_text(ctx->reply, record_kinds[KIND_kv].name);
    else if (kv_find_collection(ctx, place.key.bytes) != NULL)
        reply_text(ctx->reply, record_kinds[KIND_collection].name);
    else
        reply_nil(ctx->reply);
    txn_unlock(ctx->txn);
    return 0;
}
