/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vec.upsert, vec.upsert_many, vec.delete, vec.set_metadata.
 *
 *   request --> rows: | value size, key size, text | key | value |, one behind the other
 *           --> lock, check all of them against the collection, plan them, commit
 *
 * Writers faster than the index would make its tail long, and with it every search; or its memory
 * large, if they replace what is there. So one that meets an index that is behind waits, as a job:
 * a worker does a part of what is to be done, then the write is tried again. A call in a batch
 * cannot wait: it is BUSY if the tail is long.
 *
 * Threads: any loop; helping: a worker. Failures: nothing is changed.
 */
#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"
#include "server/ops/vec.h"
#include "server/store/workers.h"

struct write_row {
    uint32_t value_size;
    uint16_t key_size;
    uint16_t text;
};

/* What is to be written. */
struct write {
    struct bytes name; /* of the collection */
    struct bytes rows;
    bool many, if_absent, keep_metadata, return_added;
    bool name_text; /* the name came as str */
    struct vec_creation creation;
};

/* What came of it. */
struct write_done {
    uint64_t version;
    bool added; /* the last of the keys was not there */
};

/* ---- rows from a request ---- */

/* Encoded metadata: a map, or nil for none, which *out is then. */
static int write_metadata(struct op_ctx *ctx, struct bytes encoded, const char *arg, long index,
                          struct bytes *out)
{
    struct mp_reader reader = mp_reader_of(encoded);
    struct mp mp = {.kind = MP_NIL};
    *out = BYTES_NONE;
    if (encoded.size > 0 && mp_read(&reader, &mp) != 0)
        mp.kind = MP_EXT;
    if (mp.kind == MP_MAP)
        *out = encoded;
    if (mp.kind == MP_MAP || mp.kind == MP_NIL)
        return 0;
    return vec_wrong(ctx, ERR_BAD_ARGUMENT, arg, index, "%smust be a map or nil",
                     index < 0 ? "" : "metadata ");
}

static int write_check_size(struct op_ctx *ctx, uint64_t size, const char *arg, long index)
{
    uint64_t max = ctx->env->limits->value_bytes;
    if (size <= max)
        return 0;
    return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, arg, index,
                     "vector and metadata together exceed limits.value_bytes (%llu)",
                     (unsigned long long)max);
}

static int write_add_row(struct op_ctx *ctx, struct buf *rows, const struct arg *key,
                         const struct vec_input *input, struct bytes metadata, const char *arg,
                         long index)
{
    size_t size = VEC_HEAD_BYTES + input->dim * sizeof(float) + metadata.size;
    int err = write_check_size(ctx, size, arg, index);
    if (err == 0)
        err = buf_reserve(rows, sizeof(struct write_row) + key->bytes.size + size);
    if (err != 0)
        return err;
    struct write_row row = {(uint32_t)size, (uint16_t)key->bytes.size,
                            key->text && mp_utf8_valid(key->bytes)};
    (void)((err = buf_append(rows, &row, sizeof row)) == 0 &&
           (err = buf_append(rows, key->bytes.data, key->bytes.size)) == 0 &&
           (err = vec_write_vector(rows, input->dim, input->form, input->elements, metadata)) == 0);
    return err;
}

/* The next row of *rest. False: there is none. */
static bool write_next_row(struct bytes *rest, struct write_row *out_row, struct bytes *out_key,
                           struct bytes *out_value)
{
    if (rest->size == 0)
        return false;
    memcpy(out_row, rest->data, sizeof *out_row);
    *out_key = (struct bytes){rest->data + sizeof *out_row, out_row->key_size};
    *out_value = (struct bytes){out_key->data + out_key->size, out_row->value_size};
    size_t size = sizeof *out_row + out_key->size + out_value->size;
    *rest = (struct bytes){rest->data + size, rest->size - size};
    return true;
}

/* ---- writing ---- */

/* Room for all of it, in a collection of this configuration. */
static int write_admit(struct vec *v, const struct write *write, const struct vec_config *config)
{
    struct bytes rest = write->rows, key, value;
    struct write_row row;
    uint64_t need = 2 * write->rows.size; /* the log's copy, too */
    while (write_next_row(&rest, &row, &key, &value))
        need += vec_row_bytes(config);
    if (v->record == NULL)
        need += v->key.bytes.size + VEC_COLLECTION_BYTES_MAX + VEC_OVERHEAD;
    return need == 0 ? 0 : vec_admit(v, need);
}

/* All of them, before anything is planned: a call of a batch that fails has planned nothing. */
static int write_check_rows(const struct vec *v, const struct write *write)
{
    struct bytes rest = write->rows, key, value;
    struct write_row row;
    int err = 0;
    for (long i = 0; err == 0 && write_next_row(&rest, &row, &key, &value); i++) {
        struct vec_vector vector = vec_read_vector(value);
        err = vec_suits(v, vector.stored.data, vector.dim, write->many ? "vectors" : "vector",
                        write->many ? i : -1);
    }
    return err;
}

/* The collection as it is to be written to: there, or to be made. */
static int write_open(struct op_ctx *ctx, const struct write *write, struct vec *v)
{
    int err = vec_open(ctx, write->name, v);
    if (err == 0 && v->record == NULL && !write->creation.wanted)
        err = vec_absent(ctx);
    if (err == 0 && v->record == NULL && ctx->batch != NULL)
        err = problem_set(ctx->problem, ERR_UNSUPPORTED,
                          "%s: there is no such collection, and an atomic batch makes none; "
                          "vec.create makes one",
                          ctx->request->op->name);
    if (err == 0 && v->record != NULL && write->creation.wanted)
        err = vec_creation_compare(v, &write->creation);
    return err;
}

/* As the collection stores it, if that is not as it is in the row: in *coded. */
static int write_code(const struct vec *v, struct buf *coded, struct bytes *value)
{
    struct vec_vector vector = vec_read_vector(*value);
    if (vec_belongs(&v->collection.config, &vector))
        return 0;
    coded->size = 0;
    int err = vec_write_coded(coded, vector.dim, vector.form, vector.stored.data, vector.metadata);
    *value = buf_bytes(coded);
    return err;
}

/* The metadata that are there stay with a vector that comes without. */
static int write_put_kept(struct vec *v, struct record_spec *spec, uint64_t hash,
                          const struct record *there)
{
    struct vec_vector vector = vec_read_vector(spec->value);
    struct buf value = {0};
    vector.metadata = vec_read_vector(record_value(there)).metadata;
    int err = write_check_size(v->ctx, spec->value.size + vector.metadata.size, "vector", -1);
    if (err == 0)
        err = vec_write_stored(&value, &vector);
    spec->value = buf_bytes(&value);
    if (err == 0)
        err = txn_put(v->ctx->txn, spec, hash); /* which copies it */
    buf_deinit(&value);
    return err;
}

static int write_plan_row(struct vec *v, const struct write *write, const struct write_row *row,
                          struct bytes bytes, struct bytes value, struct buf *coded,
                          bool *out_added)
{
    struct vec_key key;
    int err = write_code(v, coded, &value);
    if (err != 0)
        return err;
    const struct record *there = vec_find(v, bytes, &key);
    if (there != NULL && write->if_absent)
        return problem_set(v->ctx->problem, ERR_ALREADY_EXISTS,
                           "%s: the key exists, with version %llu", v->ctx->request->op->name,
                           (unsigned long long)record_version(there));
    struct record_spec spec = {.key = key.key, .text = row->text != 0, .value = value};
    *out_added = there == NULL;
    if (there != NULL && write->keep_metadata && vec_read_vector(value).metadata.size == 0)
        return write_put_kept(v, &spec, key.hash, there);
    return txn_put(v->ctx->txn, &spec, key.hash);
}

/* Should this write wait? A call that cannot does not for room alone, which is for later calls. */
static bool write_should_wait(const struct op_ctx *ctx, const struct vindex *vindex,
                              const struct write *write)
{
    struct bytes rest = write->rows, key, value;
    struct write_row row;
    size_t n = 0;
    if (vindex_is_behind(vindex))
        return true;
    while (!ctx->no_job && write_next_row(&rest, &row, &key, &value))
        n++;
    return !ctx->no_job && vindex_is_crowded(vindex, n);
}

/* Do it; *out_behind is the index to wait for instead, with a reference, or NULL. */
static int write_try(struct op_ctx *ctx, const struct write *write, bool wait,
                     struct vindex **out_behind, bool *out_added)
{
    struct bytes rest = write->rows, key, value;
    struct write_row row;
    struct vindex *vindex = NULL;
    struct buf coded = {0};
    struct vec v;
    *out_behind = NULL;
    int err = write_open(ctx, write, &v);
    bool fresh = err == 0 && v.record == NULL;
    if (err == 0 && !fresh)
        err = vec_index(&v, &vindex);
    if (vindex != NULL && wait && write_should_wait(ctx, vindex, write)) {
        txn_unlock(ctx->txn);
        *out_behind = vindex;
        return 0;
    }
    if (vindex != NULL)
        vindex_unref(vindex);
    if (err == 0)
        err = write_admit(&v, write, fresh ? &write->creation.config : &v.collection.config);
    if (err == 0 && fresh)
        err = vec_creation_plan(&v, &write->creation, write->name_text);
    if (err == 0)
        err = write_check_rows(&v, write);
    while (err == 0 && write_next_row(&rest, &row, &key, &value))
        err = write_plan_row(&v, write, &row, key, value, &coded, out_added);
    buf_deinit(&coded);
    return err;
}

/* ---- waiting ---- */

struct write_job {
    struct job job;
    struct task task;
    struct run *run;
    const struct op *op;
    struct buf copy; /* of name and rows */
    struct write write;
    struct vindex *behind; /* what a worker helps with */
    struct write_done done;
    struct problem problem;
};

static void write_destroy(struct job *job)
{
    struct write_job *self = (struct write_job *)job;
    if (self->behind != NULL)
        vindex_unref(self->behind);
    buf_deinit(&self->copy);
    run_unref(self->run);
    mem_free(self);
}

static void write_help(struct task *task, unsigned worker)
{
    struct write_job *self = (struct write_job *)((char *)task - offsetof(struct write_job, task));
    vindex_help(self->behind, worker);
    self->job.resume(&self->job);
}

/* Let a worker help. */
static void write_wait(struct write_job *self, struct op_env *env)
{
    self->task = (struct task){.run = write_help};
    self->job.waits = true;
    workers_submit(env->store->workers, &self->task, WORK_LATER);
}

static bool write_step(struct job *job, struct op_env *env)
{
    struct write_job *self = (struct write_job *)job;
    struct request request = {.op = self->op};
    struct txn txn;
    struct op_ctx ctx = {.env = env,
                         .store = env->store,
                         .request = &request,
                         .run = self->run,
                         .txn = &txn,
                         .problem = &self->problem};
    if (self->behind != NULL)
        vindex_unref(self->behind);
    txn_init(&txn, env->store, env->now_ms);
    int err = write_try(&ctx, &self->write, true, &self->behind, &self->done.added);
    if (err == 0 && self->behind == NULL)
        self->done.version = txn_commit(&txn);
    txn_deinit(&txn);
    if (err == 0 && self->behind != NULL) {
        write_wait(self, env);
        return false;
    }
    if (err == TXN_RETRY)
        err = problem_set(&self->problem, ERR_NOT_FOUND, "%s: the run was dropped meanwhile",
                          self->op->name);
    if (err != 0 && self->problem.err == 0)
        (void)problem_set(&self->problem, err, NULL);
    return true;
}

static void write_finish(struct job *job, struct reply *reply)
{
    struct write_job *self = (struct write_job *)job;
    if (self->problem.err != 0) {
        reply_error(reply, &self->problem);
        return;
    }
    if (self->write.return_added)
        reply_array(reply, 2);
    reply_uint(reply, self->done.version);
    if (self->write.return_added)
        reply_bool(reply, self->done.added);
}

static int write_start(struct op_ctx *ctx, const struct write *write)
{
    struct write_job *self = mem_calloc(1, sizeof *self);
    if (self == NULL)
        return ERR_OUT_OF_MEMORY;
    self->job = (struct job){.step = write_step, .finish = write_finish, .destroy = write_destroy};
    self->op = ctx->request->op;
    int err = buf_reserve(&self->copy, write->name.size + write->rows.size);
    (void)(err == 0 && (err = buf_append(&self->copy, write->name.data, write->name.size)) == 0 &&
           (err = buf_append(&self->copy, write->rows.data, write->rows.size)) == 0);
    if (err != 0) {
        write_destroy(&self->job);
        return err;
    }
    self->write = *write;
    self->write.name.data = self->copy.data;
    self->write.rows.data = self->copy.data + write->name.size;
    self->run = run_ref(ctx->run);
    ctx->job = &self->job;
    return 0;
}

/* Write, or have it written, and answer. */
static int write_all(struct op_ctx *ctx, const struct write *write)
{
    bool added = false;
    struct vindex *behind;
    int err = write_try(ctx, write, ctx->store->workers != NULL, &behind, &added);
    if (err == 0 && behind != NULL) {
        if (!ctx->no_job) {
            vindex_unref(behind);
            return write_start(ctx, write);
        }
        vindex_unref(behind);
        return problem_set(ctx->problem, ERR_BUSY,
                           "%s: the index of the collection is behind; a call that is in no batch "
                           "waits for it",
                           ctx->request->op->name);
    }
    if (err != 0)
        return err;
    if (write->return_added)
        reply_array(ctx->reply, 2);
    op_reply_version(ctx, txn_commit(ctx->txn));
    if (write->return_added)
        reply_bool(ctx->reply, added);
    return 0;
}

/* ---- upsert ---- */

/* The options of vec.create that came with this vector; without 'create' none may. */
static int upsert_creation(struct op_ctx *ctx, const struct args_vec_upsert *a, uint32_t dim,
                           struct vec_creation *out)
{
    const struct args_vec_create create = {.dim = {.present = true, .uint = dim},
                                           .metric = a->metric,
                                           .index = a->index,
                                           .m = a->m,
                                           .ef_construction = a->ef_construction,
                                           .quantization = a->quantization};
    *out = (struct vec_creation){0};
    if (vec_is_set(&a->create))
        return vec_creation_read(ctx, &create, out);
    if (a->metric.present || a->index.present || a->m.present || a->ef_construction.present ||
        a->quantization.present)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "%s: metric, index, m, ef_construction and quantization are for a "
                           "collection that 'create' makes",
                           ctx->request->op->name);
    return 0;
}

int op_vec_upsert(struct op_ctx *ctx, const struct args_vec_upsert *a)
{
    float room[ROWS_DIM_MAX];
    struct buf *rows = &ctx->env->scratch;
    struct vec_input input;
    struct bytes metadata;
    rows->size = 0;
    int err = vec_check_key(ctx, a->key.bytes, "key", -1);
    if (err == 0)
        err = vec_take(ctx, a->vector.bytes, "vector", -1, room, &input);
    if (err == 0)
        err = write_metadata(ctx, vec_bytes(&a->metadata), "metadata", -1, &metadata);
    if (err == 0)
        err = write_add_row(ctx, rows, &a->key, &input, metadata, "vector", -1);
    if (err != 0)
        return err;
    struct write write = {.name = a->collection.bytes,
                          .rows = buf_bytes(rows),
                          .if_absent = vec_is_set(&a->if_absent),
                          .keep_metadata = vec_is_set(&a->keep_metadata) && !a->metadata.present,
                          .return_added = vec_is_set(&a->return_added),
                          .name_text = a->collection.text && mp_utf8_valid(a->collection.bytes)};
    err = upsert_creation(ctx, a, input.dim, &write.creation);
    return err != 0 ? err : write_all(ctx, &write);
}

/* One encoded element: [key, vector] or [key, vector, metadata]. */
static int many_take(struct op_ctx *ctx, struct mp_reader *reader, long index, float *room,
                     struct buf *rows)
{
    struct arg key = {.present = true};
    struct vec_input input;
    struct bytes encoded[2] = {{0}}, metadata; /* vector and metadata */
    struct mp mp;
    if (mp_read(reader, &mp) != 0 || mp.kind != MP_ARRAY || mp.count < 2 || mp.count > 3 ||
        mp_read_bytes(reader, &key.bytes, &key.text) != 0)
        return vec_wrong(ctx, ERR_BAD_ARGUMENT, "vectors", index,
                         "must be [key, vector] or [key, vector, metadata]");
    for (uint32_t i = 0; i + 1 < mp.count; i++) {
        encoded[i].data = reader->at;
        REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0); /* the decoder has checked all of it */
        encoded[i].size = (size_t)(reader->at - encoded[i].data);
    }
    int err = vec_check_key(ctx, key.bytes, "vectors", index);
    if (err == 0)
        err = vec_take(ctx, encoded[0], "vectors", index, room, &input);
    if (err == 0)
        err = write_metadata(ctx, encoded[1], "vectors", index, &metadata);
    return err != 0 ? err : write_add_row(ctx, rows, &key, &input, metadata, "vectors", index);
}

int op_vec_upsert_many(struct op_ctx *ctx, const struct args_vec_upsert_many *a)
{
    float room[ROWS_DIM_MAX];
    struct mp_reader reader = mp_reader_of(a->vectors.bytes);
    struct buf *rows = &ctx->env->scratch;
    struct mp array;
    REQUIRE(mp_read(&reader, &array) == 0);
    rows->size = 0;
    int err = buf_reserve(rows, a->vectors.bytes.size + array.count * VEC_HEAD_BYTES);
    for (uint32_t i = 0; i < array.count && err == 0; i++)
        err = many_take(ctx, &reader, i, room, rows);
    if (err != 0)
        return err;
    struct write write = {.name = a->collection.bytes, .rows = buf_bytes(rows), .many = true};
    return write_all(ctx, &write);
}

/* ---- delete ---- */

static struct bytes delete_next(struct mp_reader *reader)
{
    struct bytes key = BYTES_NONE;
    bool text;
    REQUIRE(mp_read_bytes(reader, &key, &text) == 0);
    return key;
}

static int delete_check(struct op_ctx *ctx, const struct arg *keys)
{
    struct mp_reader reader = mp_reader_of(keys->bytes);
    int err = 0;
    for (uint32_t i = 0; i < keys->count && err == 0; i++)
        err = vec_check_key(ctx, delete_next(&reader), "keys", i);
    return err;
}

static int delete_one(struct vec *v, struct bytes bytes, uint64_t *existed)
{
    struct txn *txn = v->ctx->txn;
    struct vec_key key;
    const struct record *record = vec_find(v, bytes, &key);
    int err = 0;
    if (record == NULL)
        return 0;
    ++*existed;
    if (record_version(record) != 0)
        key.key.bytes = record_key_bytes(record); /* until the commit */
    else                                          /* planned, and now not any more */
        err = txn_keep(txn, key.key.bytes, &key.key.bytes);
    return err != 0 ? err : txn_del(txn, &key.key, key.hash);
}

int op_vec_delete(struct op_ctx *ctx, const struct args_vec_delete *a)
{
    struct mp_reader reader = mp_reader_of(a->keys.bytes);
    uint64_t existed = 0;
    struct vec v;
    int err = delete_check(ctx, &a->keys);
    if (err == 0 && vec_is_set(&a->drop_empty) && ctx->batch != NULL)
        err =
            problem_set(ctx->problem, ERR_UNSUPPORTED,
                        "vec.delete: an atomic batch drops no collection: leave 'drop_empty' out");
    if (err == 0)
        err = vec_open_existing(ctx, a->collection.bytes, &v);
    for (uint32_t i = 0; i < a->keys.count && err == 0; i++)
        err = delete_one(&v, delete_next(&reader), &existed);
    if (err == 0 && vec_is_set(&a->drop_empty) && existed > 0 && existed == vec_count(&v))
        err = vec_plan_drop(&v);
    if (err != 0)
        return err;
    (void)txn_commit(ctx->txn);
    reply_uint(ctx->reply, existed);
    return 0;
}

/* ---- metadata ---- */

enum { MERGE_COMPARISONS = 100000 };

static struct bytes merge_take(struct mp_reader *reader)
{
    struct bytes taken = {reader->at, 0};
    REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0);
    taken.size = (size_t)(reader->at - taken.data);
    return taken;
}

/* A reader behind the header of a map that has been checked; none is an empty one. */
static struct mp_reader merge_open(struct bytes map, uint32_t *out_count)
{
    struct mp_reader reader = mp_reader_of(map);
    struct mp mp = {.count = 0};
    if (map.size > 0)
        REQUIRE(mp_read(&reader, &mp) == 0 && mp.kind == MP_MAP);
    *out_count = mp.count;
    return reader;
}

static bool merge_has(struct bytes map, struct bytes key)
{
    uint32_t count;
    struct mp_reader reader = merge_open(map, &count);
    while (count-- > 0) {
        if (mp_equal(merge_take(&reader), key))
            return true;
        (void)merge_take(&reader);
    }
    return false;
}

static bool merge_is_nil(struct bytes value)
{
    return value.size == 1 && value.data[0] == 0xc0;
}

/* Add pairs of `from`, without those whose key `except` has; *pairs counts. */
static int merge_add(struct buf *out, struct bytes from, struct bytes except, bool nil_too,
                     uint32_t *pairs)
{
    uint32_t count;
    struct mp_reader reader = merge_open(from, &count);
    int err = 0;
    while (count-- > 0 && err == 0) {
        struct bytes key = merge_take(&reader), value = merge_take(&reader);
        if ((!nil_too && merge_is_nil(value)) || merge_has(except, key))
            continue;
        ++*pairs;
        err = buf_append(out, key.data, key.size);
        if (err == 0)
            err = buf_append(out, value.data, value.size);
    }
    return err;
}

/* The map `there` with the pairs of `patch` set in it. */
static int metadata_merge(struct op_ctx *ctx, struct bytes there, struct bytes patch,
                          struct buf *out)
{
    struct buf body = {0};
    uint32_t pairs = 0, a, b;
    (void)merge_open(there, &a);
    (void)merge_open(patch, &b);
    if ((uint64_t)a * b > MERGE_COMPARISONS)
        return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, "metadata", -1,
                         "has %u keys, too many to set in %u (at most %d in all, multiplied); give "
                         "all of the metadata without 'merge'",
                         b, a, MERGE_COMPARISONS);
    int err = merge_add(&body, there, patch, true, &pairs);
    if (err == 0)
        err = merge_add(&body, patch, BYTES_NONE, false, &pairs);
    if (err == 0)
        err = pack_map(out, pairs);
    if (err == 0)
        err = buf_append(out, body.data, body.size);
    buf_deinit(&body);
    return err;
}

static int metadata_put(struct vec *v, const struct vec_key *key, const struct record *record,
                        struct bytes metadata)
{
    struct op_ctx *ctx = v->ctx;
    struct buf *scratch = &ctx->env->scratch;
    struct vec_vector vector = vec_read_vector(record_value(record));
    scratch->size = 0;
    vector.metadata = metadata;
    int err = write_check_size(ctx, VEC_HEAD_BYTES + vector.dim * sizeof(float) + metadata.size,
                               "metadata", -1);
    if (err == 0)
        err = vec_write_stored(scratch, &vector);
    struct record_spec spec = {
        .key = key->key, .text = record_is_text(record), .value = buf_bytes(scratch)};
    return err != 0 ? err : txn_put(ctx->txn, &spec, key->hash);
}

/* With the collection open. Not there: *out_there is false. */
static int metadata_set(struct vec *v, const struct args_vec_set_metadata *a, struct bytes metadata,
                        bool *out_there)
{
    struct op_ctx *ctx = v->ctx;
    struct buf merged = {0};
    struct vec_key key;
    int err = vec_admit(v, 2 * (uint64_t)ctx->request->size +
                               v->collection.config.dim * sizeof(float) + VEC_OVERHEAD);
    if (err != 0)
        return err;
    const struct record *record = vec_find(v, a->key.bytes, &key);
    *out_there = record != NULL;
    if (record == NULL)
        return 0;
    if (vec_is_set(&a->merge)) {
        err =
            metadata_merge(ctx, vec_read_vector(record_value(record)).metadata, metadata, &merged);
        metadata = buf_bytes(&merged);
    }
    if (err == 0)
        err = metadata_put(v, &key, record, metadata);
    buf_deinit(&merged);
    return err;
}

int op_vec_set_metadata(struct op_ctx *ctx, const struct args_vec_set_metadata *a)
{
    struct bytes metadata;
    bool there = false;
    struct vec v;
    int err = vec_check_key(ctx, a->key.bytes, "key", -1);
    if (err == 0)
        err = write_metadata(ctx, a->metadata.bytes, "metadata", -1, &metadata);
    if (err == 0)
        err = vec_open_existing(ctx, a->collection.bytes, &v);
    if (err == 0)
        err = metadata_set(&v, a, metadata, &there);
    if (err != 0)
        return err;
    if (there)
        op_reply_version(ctx, txn_commit(ctx->txn));
    else
        reply_nil(ctx->reply);
    return 0;
}
