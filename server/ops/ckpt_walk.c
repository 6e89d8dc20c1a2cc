/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Walks from new to old, or from old to new: see ckpt_walk.h.
 *
 *   slice   lock, seek behind the last record, up to CKPT_WALK_SLICE records, unlock
 *
 * An index by run is merged from all partitions: of their newest records the one with the greatest
 * number is next. Cursors say where the walk was, not what it saw: 'n', the number and, of a
 * session, its id; or 'i' and the id.
 *
 * Threads: the loop of the request. Failures: locking; a damaged session.
 */
#include "server/ops/ckpt_walk.h"

#include "common/err.h"

#include <endian.h>

enum { WALK_SLICE_BYTES = 256 * 1024 };

static void walk_init(struct ckpt_walk *walk, struct op_ctx *ctx)
{
    walk->ctx = ctx;
    walk->by_id = walk->up = walk->of_session = false;
    walk->begun = walk->more = walk->ended = walk->locked = false;
    walk->session = walk->ns = walk->low = BYTES_NONE;
    walk->to = UINT64_MAX;
    walk->number = 0;
    walk->left = 0;
    walk->id_size = 0;
    walk->n_heads = 0;
}

static int walk_bad_cursor(struct op_ctx *ctx)
{
    return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                       "%s: 'cursor' is not of a page with the same options",
                       ctx->request->op->name);
}

static void walk_set_id(struct ckpt_walk *walk, struct bytes id)
{
    memcpy(walk->id, id.data, id.size);
    walk->id_size = id.size;
    walk->begun = true;
}

static int walk_number_cursor(struct ckpt_walk *walk, const struct arg *cursor)
{
    if (cursor == NULL || !cursor->present)
        return 0;
    size_t head = 1 + sizeof walk->to;
    if (cursor->bytes.size < head || cursor->bytes.size > head + CKPT_ID_MAX ||
        cursor->bytes.data[0] != 'n')
        return walk_bad_cursor(walk->ctx);
    memcpy(&walk->to, cursor->bytes.data + 1, sizeof walk->to);
    walk->to = be64toh(walk->to);
    walk_set_id(walk, (struct bytes){cursor->bytes.data + head, cursor->bytes.size - head});
    return 0;
}

int ckpt_walk_begin_run(struct ckpt_walk *walk, struct op_ctx *ctx, enum index_id index,
                        const struct arg *cursor)
{
    walk_init(walk, ctx);
    walk->index = index;
    return walk_number_cursor(walk, cursor);
}

int ckpt_walk_begin_session(struct ckpt_walk *walk, struct op_ctx *ctx, struct bytes session,
                            const struct arg *cursor)
{
    walk_init(walk, ctx);
    walk->index = INDEX_ckpt_of_session;
    walk->of_session = true;
    walk->session = session;
    return walk_number_cursor(walk, cursor);
}

void ckpt_walk_begin_session_up(struct ckpt_walk *walk, struct op_ctx *ctx, struct bytes session,
                                uint64_t number)
{
    walk_init(walk, ctx);
    walk->index = INDEX_ckpt_of_session;
    walk->of_session = walk->up = true;
    walk->session = session;
    walk->to = number;
}

int ckpt_walk_begin_ns(struct ckpt_walk *walk, struct op_ctx *ctx, struct bytes session,
                       struct bytes ns, struct bytes after, struct bytes before,
                       const struct arg *cursor)
{
    walk_init(walk, ctx);
    walk->by_id = walk->of_session = true;
    walk->session = session;
    walk->ns = ns;
    walk->low = after;
    struct bytes bound = before;
    if (cursor->present) {
        if (cursor->bytes.size < 2 || cursor->bytes.size > 1 + CKPT_ID_MAX ||
            cursor->bytes.data[0] != 'i')
            return walk_bad_cursor(ctx);
        struct bytes at = {cursor->bytes.data + 1, cursor->bytes.size - 1};
        if (bound.size == 0 || bytes_compare(at, bound) < 0)
            bound = at;
    }
    if (bound.size > CKPT_ID_MAX)
        bound.size = CKPT_ID_MAX; /* no id is between */
    if (bound.size > 0)
        walk_set_id(walk, bound);
    return 0;
}

void ckpt_walk_limit(struct ckpt_walk *walk, uint64_t number)
{
    if (number >= walk->to)
        return;
    walk->to = number + 1;
    walk->id_size = 0;
}

/* ---- a slice ---- */

static struct index_key walk_index_key(const struct ckpt_walk *walk)
{
    return (struct index_key){.run = run_id(walk->ctx->run),
                              .owner = walk->of_session
                                           ? (struct bytes){walk->s.prefix, walk->s.prefix_size}
                                           : BYTES_NONE,
                              .number = walk->to,
                              .key = {walk->id, walk->id_size}};
}

/* Move a head to the next record. False: there is none. */
static bool walk_step(struct ckpt_walk *walk, unsigned head)
{
    struct omap_iter *iter = &walk->heads[head].iter;
    const struct record *record = walk->up ? omap_next(iter) : omap_previous(iter);
    walk->heads[head].record = record;
    if (record == NULL)
        return false;
    if (!walk->by_id) {
        struct index_key key = walk_index_key(walk);
        walk->heads[head].number = record_number_of(record_value(record));
        return index_within(walk->index, record, &key);
    }
    struct ckpt_key prefix;
    struct bytes ns, id;
    ckpt_ns_key(&walk->s, walk->ns, &prefix);
    return record_run(record) == prefix.key.run && record_kind_of(record) == KIND_ckpt &&
           bytes_start_with(record_key_bytes(record), prefix.key.bytes) &&
           ckpt_key_parts(record_key_bytes(record), &ns, &id) && bytes_compare(id, walk->low) > 0;
}

static void walk_seek(struct ckpt_walk *walk, const struct partition *partition)
{
    struct omap_iter *iter = &walk->heads[walk->n_heads].iter;
    if (walk->by_id) {
        struct ckpt_key key;
        if (walk->begun) {
            ckpt_key(&walk->s, walk->ns, (struct bytes){walk->id, walk->id_size}, &key);
        } else {
            ckpt_ns_key(&walk->s, walk->ns, &key);
            ckpt_key_after(&key);
        }
        omap_seek(&partition->order, &key.key, iter);
    } else {
        struct index_key key = walk_index_key(walk);
        omap_seek(&partition->indexes[walk->index], &key, iter);
    }
    if (walk_step(walk, walk->n_heads))
        walk->n_heads++;
}

static int walk_lock(struct ckpt_walk *walk)
{
    struct op_ctx *ctx = walk->ctx;
    struct txn_set set = {0};
    txn_init(&walk->txn, ctx->store, ctx->env->now_ms);
    walk->inner = *ctx;
    walk->inner.txn = &walk->txn;
    walk->locked = true;
    if (walk->of_session) {
        struct arg session = {.present = true, .text = true, .bytes = walk->session};
        return ckpt_open(&walk->inner, &session, 0, &walk->s);
    }
    txn_set_all(&set, ctx->store);
    return txn_lock_set(&walk->txn, ctx->run, &set, 0);
}

static void walk_unlock(struct ckpt_walk *walk)
{
    if (walk->locked)
        txn_deinit(&walk->txn);
    walk->locked = false;
}

static int walk_slice(struct ckpt_walk *walk)
{
    struct store *store = walk->ctx->store;
    walk_unlock(walk);
    int err = walk_lock(walk);
    walk->n_heads = 0;
    walk->left = CKPT_WALK_SLICE;
    walk->bytes = reply_size(walk->ctx->reply);
    if (err != 0 || (walk->of_session && walk->s.record == NULL))
        return err;
    if (walk->of_session)
        walk_seek(walk, txn_partition_at(&walk->txn, walk->s.hash));
    else
        for (unsigned i = 0; i < store->n_partitions; i++)
            walk_seek(walk, &store->partitions[i]);
    return 0;
}

/* Numbers of sessions may be the same: then the key decides, as in the index. */
static bool walk_is_newer(const struct ckpt_walk *walk, unsigned a, unsigned b)
{
    if (walk->heads[a].number != walk->heads[b].number)
        return walk->heads[a].number > walk->heads[b].number;
    return bytes_compare(record_key_bytes(walk->heads[a].record),
                         record_key_bytes(walk->heads[b].record)) > 0;
}

/* The head with the newest record. */
static unsigned walk_newest(const struct ckpt_walk *walk)
{
    unsigned newest = 0;
    for (unsigned i = 1; i < walk->n_heads; i++)
        if (walk_is_newer(walk, i, newest))
            newest = i;
    return newest;
}

int ckpt_walk_next(struct ckpt_walk *walk, const struct record **out_record)
{
    *out_record = NULL;
    if (walk->ended)
        return 0;
    if (walk->left == 0 || reply_size(walk->ctx->reply) > walk->bytes + WALK_SLICE_BYTES) {
        int err = walk_slice(walk);
        if (err != 0)
            return err;
    }
    if (walk->n_heads == 0) {
        walk->ended = true;
        walk->more = false;
        return 0;
    }
    unsigned head = walk_newest(walk);
    const struct record *record = walk->heads[head].record;
    struct bytes ns, id;
    walk->to = walk->heads[head].number + walk->up;
    if (walk->by_id && ckpt_key_parts(record_key_bytes(record), &ns, &id))
        walk_set_id(walk, id);
    else if (walk->index == INDEX_session_of_run)
        walk_set_id(walk, record_key_bytes(record));
    if (!walk_step(walk, head))
        walk->heads[head] = walk->heads[--walk->n_heads];
    walk->more = walk->n_heads > 0;
    walk->left--;
    *out_record = record;
    return 0;
}

int ckpt_walk_session(struct ckpt_walk *walk, const struct record *record, struct ckpt_session *out)
{
    struct record_key key = {record_run(record), record_kind_of(record), record_key_bytes(record)};
    struct problem untold, *problem = walk->inner.problem;
    struct group group;
    struct bytes rest;
    if (!group_read(&key, &group, &rest))
        return ERR_NOT_FOUND;
    walk->inner.problem = &untold;
    int err = ckpt_read_session(&walk->inner, group.name, out);
    walk->inner.problem = problem;
    if (out->record == NULL || group_generation(record_value(out->record)) != group.generation)
        return ERR_NOT_FOUND;
    return err;
}

void ckpt_walk_reply_cursor(struct ckpt_walk *walk)
{
    uint64_t to = htobe64(walk->to);
    uint8_t cursor[1 + sizeof to + CKPT_ID_MAX];
    size_t size = 1;
    if (!walk->more) {
        reply_nil(walk->ctx->reply);
        return;
    }
    cursor[0] = walk->by_id ? 'i' : 'n';
    if (!walk->by_id) {
        memcpy(cursor + 1, &to, sizeof to);
        size += sizeof to;
    }
    memcpy(cursor + size, walk->id, walk->id_size);
    size += walk->id_size;
    reply_bytes(walk->ctx->reply, (struct bytes){cursor, size}, false);
}

void ckpt_walk_end(struct ckpt_walk *walk)
{
    walk_unlock(walk);
}
