/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Collections in a transaction, and what else the handlers of vec.* share: see vec.h.
 *
 * Invariants
 *   1. The partition of the collection is locked from vec_open to the commit.
 *   2. Vectors are read as their records were checked when they were made (vec_read_vector).
 *
 * Threads: the loop of the request. Failures: memory, before anything has changed.
 */
#include "server/ops/vec.h"

#include "common/err.h"
#include "common/mem.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>

int vec_wrong(struct op_ctx *ctx, int err, const char *arg, long index, const char *format, ...)
{
    char what[sizeof ctx->problem->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (index >= 0)
        return problem_set(ctx->problem, err, "%s: element %ld of '%s': %.100s",
                           ctx->request->op->name, index, arg, what);
    return problem_set(ctx->problem, err, "%s: '%s' %.120s", ctx->request->op->name, arg, what);
}

/* ---- collections ---- */

int vec_check_name(struct op_ctx *ctx, struct bytes name)
{
    if (name.size <= VEC_NAME_MAX)
        return 0;
    return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, "collection", -1, "has more than %d bytes",
                     VEC_NAME_MAX);
}

int vec_read(struct op_ctx *ctx, struct bytes name, struct vec *v)
{
    *v = (struct vec){.ctx = ctx, .key = {run_id(ctx->run), KIND_collection, name}};
    v->hash = store_hash(ctx->store, &v->key);
    v->record = txn_find(ctx->txn, &v->key, v->hash);
    if (v->record == NULL)
        return 0;
    if (!vec_read_collection(record_value(v->record), &v->collection))
        return problem_set(ctx->problem, ERR_DATA_DAMAGED,
                           "%s: the record of the collection cannot be read",
                           ctx->request->op->name);
    v->group = (struct group){v->key.run, KIND_collection, name, v->collection.generation};
    v->prefix_size = group_write_prefix(&v->group, v->prefix);
    return 0;
}

/* There is no such collection. Is there a value, where keys have types? */
static int vec_check_type(const struct vec *v)
{
    struct op_ctx *ctx = v->ctx;
    struct record_key key = {v->key.run, KIND_kv, v->key.bytes};
    if (ctx->session == NULL || !ctx->session->typed_keys ||
        txn_find(ctx->txn, &key, store_hash(ctx->store, &key)) == NULL)
        return 0;
    return problem_set(ctx->problem, ERR_WRONG_TYPE, "%s: the key is a value, no collection",
                       ctx->request->op->name);
}

int vec_open(struct op_ctx *ctx, struct bytes name, struct vec *v)
{
    struct record_key key = {run_id(ctx->run), KIND_collection, name};
    int err = vec_check_name(ctx, name);
    if (err == 0)
        err = txn_lock(ctx->txn, ctx->run, store_hash(ctx->store, &key), 0);
    if (err != 0)
        return err;
    ctx->txn->many = true; /* all is prepared before anything changes */
    err = vec_read(ctx, name, v);
    return err == 0 && v->record == NULL ? vec_check_type(v) : err;
}

int vec_absent(struct op_ctx *ctx)
{
    return problem_set(ctx->problem, ERR_NOT_FOUND,
                       "%s: there is no such collection; vec.create makes one",
                       ctx->request->op->name);
}

int vec_open_existing(struct op_ctx *ctx, struct bytes name, struct vec *v)
{
    int err = vec_open(ctx, name, v);
    return err == 0 && v->record == NULL ? vec_absent(ctx) : err;
}

int vec_plan_drop(struct vec *v)
{
    int err = txn_orphan(v->ctx->txn, &v->group, v->hash);
    return err != 0 ? err : txn_del(v->ctx->txn, &v->key, v->hash);
}

const struct partition *vec_partition(const struct vec *v)
{
    return txn_partition_at(v->ctx->txn, v->hash);
}

int vec_admit(struct vec *v, uint64_t need)
{
    struct op_ctx *ctx = v->ctx;
    if (ctx->txn->deferred)
        return 0;
    struct partition *partition = (struct partition *)(uintptr_t)vec_partition(v);
    int err = store_admit(ctx->store, partition, need);
    return err != 0 ? err : vec_read(ctx, v->key.bytes, v);
}

size_t vec_row_bytes(const struct vec_config *config)
{
    return GROUP_PREFIX_MAX + VEC_OVERHEAD + vindex_row_bytes(config) + config->dim * sizeof(float);
}

int vec_index(const struct vec *v, struct vindex **out_vindex)
{
    *out_vindex = vindex_find(vec_partition(v), v->collection.generation);
    if (*out_vindex != NULL)
        return 0;
    return problem_set(v->ctx->problem, ERR_INTERNAL, "%s: the collection has no index",
                       v->ctx->request->op->name);
}

uint64_t vec_count(const struct vec *v)
{
    const struct omap *order = &vec_partition(v)->order;
    uint8_t after[GROUP_PREFIX_MAX];
    struct group next = v->group;
    next.generation++;
    struct record_key low = {v->key.run, KIND_vector, {v->prefix, v->prefix_size}};
    struct record_key high = {v->key.run, KIND_vector, {after, group_write_prefix(&next, after)}};
    return omap_rank(order, &high) - omap_rank(order, &low);
}

uint64_t vec_rank(const struct vec *v)
{
    struct record_key low = {v->key.run, KIND_vector, {v->prefix, v->prefix_size}};
    return omap_rank(&vec_partition(v)->order, &low);
}

/* ---- keys ---- */

int vec_check_key(struct op_ctx *ctx, struct bytes key, const char *arg, long index)
{
    if (key.size == 0)
        return vec_wrong(ctx, ERR_BAD_ARGUMENT, arg, index, "a key has at least 1 byte");
    if (key.size > VEC_KEY_MAX)
        return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, arg, index, "exceeds the %d bytes a key may have",
                         VEC_KEY_MAX);
    return 0;
}

void vec_key(const struct vec *v, struct bytes key, struct vec_key *out)
{
    REQUIRE(key.size <= VEC_KEY_MAX);
    memcpy(out->bytes, v->prefix, v->prefix_size);
    if (key.size > 0)
        memcpy(out->bytes + v->prefix_size, key.data, key.size);
    out->key =
        (struct record_key){v->key.run, KIND_vector, {out->bytes, v->prefix_size + key.size}};
    out->hash = store_hash_owned(v->ctx->store, &out->key, v->hash);
}

struct bytes vec_key_of(const struct record *record)
{
    struct bytes key = record_key_bytes(record);
    size_t prefix = group_prefix_size(key);
    return (struct bytes){key.data + prefix, key.size - prefix};
}

const struct record *vec_find(struct vec *v, struct bytes key, struct vec_key *out_key)
{
    vec_key(v, key, out_key);
    return txn_find(v->ctx->txn, &out_key->key, out_key->hash);
}

/* ---- vectors as they come ---- */

static int take_array(struct op_ctx *ctx, struct mp_reader *reader, uint32_t dim, const char *arg,
                      long index, float *room)
{
    for (uint32_t i = 0; i < dim; i++) {
        struct mp mp;
        if (mp_read(reader, &mp) != 0 ||
            (mp.kind != MP_UINT && mp.kind != MP_SINT && mp.kind != MP_FLOAT))
            return vec_wrong(ctx, ERR_BAD_ARGUMENT, arg, index, "element %u is no number", i);
        room[i] = mp.kind == MP_FLOAT  ? (float)mp.real
                  : mp.kind == MP_SINT ? (float)mp.sint
                                       : (float)mp.uint;
    }
    return 0;
}

int vec_take(struct op_ctx *ctx, struct bytes encoded, const char *arg, long index, float *room,
             struct vec_input *out)
{
    struct mp_reader reader = mp_reader_of(encoded);
    struct mp mp;
    int err = 0;
    if (mp_read(&reader, &mp) != 0 || (mp.kind != MP_BIN && mp.kind != MP_ARRAY) ||
        (mp.kind == MP_BIN && mp.bytes.size % sizeof(float) != 0))
        return vec_wrong(ctx, ERR_BAD_ARGUMENT, arg, index, "a vector is %s",
                         arg_type_table[ARG_VECTOR].text);
    size_t dim = mp.kind == MP_ARRAY ? mp.count : mp.bytes.size / sizeof(float);
    if (dim == 0 || dim > ROWS_DIM_MAX)
        return vec_wrong(ctx, ERR_BAD_ARGUMENT, arg, index, "a vector has 1 to %d elements",
                         ROWS_DIM_MAX);
    *out = (struct vec_input){room, (uint32_t)dim, mp.kind == MP_BIN ? VEC_BIN : VEC_ARRAY};
    if (mp.kind == MP_BIN)
        out->elements = mp.bytes.data;
    else
        err = take_array(ctx, &reader, out->dim, arg, index, room);
    return err;
}

int vec_suits(const struct vec *v, const void *elements, uint32_t dim, const char *arg, long index)
{
    char text[VEC_TEXT_BYTES];
    if (dim != v->collection.config.dim)
        return vec_wrong(v->ctx, ERR_BAD_ARGUMENT, arg, index,
                         "has %u elements; vectors of this collection have %u", dim,
                         v->collection.config.dim);
    if (!vec_check_elements(v->collection.config.metric, elements, dim, text))
        return vec_wrong(v->ctx, ERR_BAD_ARGUMENT, arg, index, "cannot be used: %s", text);
    return 0;
}

/* ---- replies ---- */

static void reply_floats(struct reply *reply, const uint8_t *from, uint32_t dim)
{
    enum { AT_ONCE = 64, FLOAT32 = 0xca, SIZE = 1 + sizeof(float) };
    uint8_t out[AT_ONCE * SIZE];
    reply_array(reply, dim);
    for (uint32_t done = 0; done < dim;) {
        uint32_t n = dim - done < AT_ONCE ? dim - done : AT_ONCE;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t element;
            memcpy(&element, from + (size_t)(done + i) * sizeof element, sizeof element);
            element = htobe32(le32toh(element));
            out[i * SIZE] = FLOAT32;
            memcpy(out + i * SIZE + 1, &element, sizeof element);
        }
        reply_value(reply, (struct bytes){out, n * SIZE});
        done += n;
    }
}

void vec_reply_vector(struct reply *reply, const struct vec_vector *vector)
{
    float room[ROWS_DIM_MAX];
    const uint8_t *elements = vec_elements(vector, room);
    if (vector->form == VEC_ARRAY)
        reply_floats(reply, elements, vector->dim);
    else
        reply_bytes(reply, (struct bytes){elements, vector->dim * sizeof(float)}, false);
}

void vec_reply_metadata(struct reply *reply, const struct vec_vector *vector)
{
    if (vector->metadata.size == 0)
        reply_nil(reply);
    else
        reply_value(reply, vector->metadata);
}

void vec_reply_record(struct reply *reply, const struct record *record, bool with_vector)
{
    struct vec_vector vector = vec_read_vector(record_value(record));
    reply_map(reply, with_vector ? 4 : 3);
    reply_key(reply, "key");
    reply_bytes(reply, vec_key_of(record), record_is_text(record));
    if (with_vector) {
        reply_key(reply, "vector");
        vec_reply_vector(reply, &vector);
    }
    reply_key(reply, "metadata");
    vec_reply_metadata(reply, &vector);
    reply_key(reply, "version");
    reply_uint(reply, record_version(record));
}

int vec_filter(struct bytes encoded, struct problem *problem, struct filter **out)
{
    struct filter *filter = NULL;
    int err = 0;
    if (encoded.size > 0) {
        filter = mem_alloc(sizeof *filter);
        err = filter == NULL ? ERR_OUT_OF_MEMORY : filter_compile(filter, encoded, problem);
    }
    if (err != 0) {
        mem_free(filter);
        filter = NULL;
    }
    *out = filter;
    return err;
}

/* ---- walking ---- */

void vec_walk_init(struct vec_walk *walk, struct bytes name, const struct vec_range *range,
                   const struct filter *filter)
{
    struct bytes from = range->from, behind = range->behind;
    REQUIRE(behind.size <= VEC_KEY_MAX && range->prefix.size <= VEC_KEY_MAX &&
            from.size <= sizeof walk->at);
    *walk =
        (struct vec_walk){.name = name, .prefix = range->prefix, .to = range->to, .filter = filter};
    if (bytes_compare(range->prefix, from) > 0)
        from = range->prefix;
    bool is_behind = behind.size > 0 && bytes_compare(behind, from) >= 0;
    from = is_behind ? behind : from;
    if (from.size > 0)
        memcpy(walk->at, from.data, from.size);
    walk->at_size = from.size;
    if (is_behind)
        walk->at[walk->at_size++] = 0; /* the first key behind it */
}

static void walk_go_behind(struct vec_walk *walk, const struct record *record)
{
    struct bytes key = vec_key_of(record);
    memcpy(walk->at, key.data, key.size);
    walk->at[key.size] = 0;
    walk->at_size = key.size + 1;
}

static bool walk_takes(const struct vec_walk *walk, const struct record *record)
{
    return walk->filter == NULL ||
           filter_match(walk->filter, vec_read_vector(record_value(record)).metadata);
}

static bool walk_inside(const struct vec_walk *walk, const struct vec *v,
                        const struct record *record)
{
    return record != NULL && record_run(record) == v->key.run &&
           record_kind_of(record) == KIND_vector &&
           bytes_start_with(record_key_bytes(record), (struct bytes){v->prefix, v->prefix_size}) &&
           bytes_start_with(vec_key_of(record), walk->prefix) &&
           (walk->to.size == 0 || bytes_compare(vec_key_of(record), walk->to) < 0);
}

/* With the collection open. */
static bool walk_some(struct vec_walk *walk, const struct vec *v, vec_visit_fn visit, void *context)
{
    uint8_t from[VEC_RECORD_KEY_MAX + 1];
    struct record_key at = {v->key.run, KIND_vector, {from, v->prefix_size + walk->at_size}};
    const struct record *record, *last = NULL;
    struct omap_iter iter;
    bool more = true;
    memcpy(from, v->prefix, v->prefix_size);
    memcpy(from + v->prefix_size, walk->at, walk->at_size);
    omap_seek(&vec_partition(v)->order, &at, &iter);
    record = omap_next(&iter);
    for (unsigned n = 0; n < VEC_WALK_SLICE && more && walk_inside(walk, v, record); n++) {
        more = !walk_takes(walk, record) || visit(context, record);
        last = record;
        record = omap_next(&iter);
    }
    walk->ended = !walk_inside(walk, v, record);
    if (last != NULL)
        walk_go_behind(walk, last);
    return more && !walk->ended;
}

int vec_walk_slice(struct vec_walk *walk, struct op_ctx *ctx, vec_visit_fn visit, void *context,
                   bool *out_more)
{
    struct txn txn;
    struct vec v;
    struct op_ctx inner = *ctx;
    txn_init(&txn, ctx->store, ctx->env->now_ms);
    inner.txn = &txn;
    int err = vec_open_existing(&inner, walk->name, &v);
    if (err == 0 && walk->generation != 0 && walk->generation != v.collection.generation)
        err = problem_set(ctx->problem, ERR_NOT_FOUND, "%s: the collection was dropped meanwhile",
                          ctx->request->op->name);
    if (err == 0) {
        walk->generation = v.collection.generation;
        *out_more = walk_some(walk, &v, visit, context);
    }
    txn_deinit(&txn);
    return err;
}
