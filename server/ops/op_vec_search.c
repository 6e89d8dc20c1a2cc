/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vec.search and vec.search_many.
 *
 *   handler   lock, collection -> index (a reference), vector of `key`, unlock
 *     cheap     enter, search, write the reply, leave
 *     else      a job: workers enter, search, write the reply into the job's memory, leave; the
 *               last of them resumes the job, whose reply is that
 *
 * Of many searches each worker has a part, a range, whose replies stand behind those of the part
 * before. It does VINDEX_TOGETHER of them, which share a pass if they look at all rows, then lines
 * up behind what others have asked for meanwhile. A reply that grows too large ends all parts.
 *
 * What is searched is the collection as it is when the search begins; nothing that was acknowledged
 * before is missed, and nothing that was deleted before is found. If it is dropped meanwhile, the
 * index goes when the last search has ended.
 *
 * Threads: any loop, then any worker. Failures: memory.
 */
#include "common/err.h"
#include "common/mem.h"
#include "server/ops/vec.h"
#include "server/store/searchers.h"
#include "server/store/workers.h"

enum {
    SEARCH_INLINE_NS = 50000, /* longer ones are for the workers; */
    SEARCH_ALONE_NS = 200000, /* or these, if the loop has no other connection to hold up */
    SEARCH_K = 10,
    SEARCH_MANY_MAX = 1000,
    SEARCH_HITS_MAX = 1000000, /* of all searches of one request */
    SEARCH_PART_MIN = 4,       /* searches that are worth another worker */
};

/* Searches from..to-1 of a request, for one worker. */
struct search_part {
    struct task task;
    struct search *search;
    uint32_t from, to;
    struct buf out; /* the encoded results */
};

struct search {
    struct job job;
    struct store *store;
    struct vindex *vindex; /* with a reference */
    uint32_t dim, n;       /* n: searches */
    bool many, with_vectors, with_metadata;
    size_t limit;                 /* of the reply */
    struct vindex_query query;    /* what all have in common */
    struct vindex_query *queries; /* n, one block with: */
    struct vindex_result *results;
    float *vectors;  /* n * dim */
    struct buf copy; /* of the filter, which views it */
    struct filter *filter;
    bool searched;
    unsigned n_parts;
    _Atomic unsigned parts_left; /* not yet done */
    _Atomic size_t out_bytes;    /* of all parts */
    atomic_int failed;           /* enum err: of the first part that did */
    struct search_part *parts;
};

static void search_destroy(struct job *job)
{
    struct search *self = (struct search *)job;
    if (self->vindex != NULL)
        vindex_unref(self->vindex);
    for (unsigned i = 0; i < self->n_parts; i++)
        buf_deinit(&self->parts[i].out);
    mem_free(self->parts);
    mem_free(self->queries);
    mem_free(self->filter);
    buf_deinit(&self->copy);
    mem_free(self);
}

/* ---- what is asked ---- */

/* The options both operations have. */
struct search_args {
    const struct arg *collection, *k, *ef, *filter, *exact, *min_score, *with_vectors,
        *with_metadata;
};

static int search_number(struct op_ctx *ctx, const struct arg *arg, const char *name, uint64_t max,
                         const char *limit, size_t *out)
{
    if (!arg->present)
        return 0;
    if (arg->uint == 0)
        return vec_wrong(ctx, ERR_BAD_ARGUMENT, name, -1, "must be at least 1");
    if (arg->uint > max)
        return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, name, -1, "exceeds %s%llu%s", limit,
                         (unsigned long long)max, limit[0] != 0 ? ")" : "");
    *out = (size_t)arg->uint;
    return 0;
}

static int search_options(struct op_ctx *ctx, const struct search_args *a, struct search *self)
{
    struct vindex_query *query = &self->query;
    query->k = SEARCH_K;
    query->exact = vec_is_set(a->exact);
    query->has_min_score = a->min_score->present;
    query->min_score = a->min_score->present ? a->min_score->real : 0;
    self->with_vectors = vec_is_set(a->with_vectors);
    self->with_metadata = vec_is_set(a->with_metadata);
    self->limit = ctx->env->limits->reply_bytes;
    int err = search_number(ctx, a->k, "k", ctx->env->limits->page_items, "limits.page_items (",
                            &query->k);
    if (err == 0)
        err = search_number(ctx, a->ef, "ef", HNSW_EF_MAX, "", &query->ef);
    if (err == 0 && a->filter->present)
        err = buf_append(&self->copy, a->filter->bytes.data, a->filter->bytes.size);
    if (err == 0)
        err = vec_filter(buf_bytes(&self->copy), ctx->problem, &self->filter);
    query->filter = self->filter;
    return err;
}

static struct search *search_create(struct op_ctx *ctx)
{
    struct search *self = mem_calloc(1, sizeof *self);
    if (self != NULL)
        self->store = ctx->store;
    return self;
}

/* Room for n searches of so many elements. */
static int search_reserve(struct op_ctx *ctx, struct search *self, uint32_t n, uint32_t dim)
{
    size_t queries = n * sizeof *self->queries, results = n * sizeof *self->results;
    if (n * (uint64_t)self->query.k > SEARCH_HITS_MAX)
        return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, "k", -1,
                         "times the number of searches exceeds %d", SEARCH_HITS_MAX);
    uint8_t *block =
        mem_calloc(1, queries + results + (size_t)n * dim * sizeof(float) + sizeof(float));
    if (block == NULL)
        return ERR_OUT_OF_MEMORY;
    self->queries = (void *)block;
    self->results = (void *)(block + queries);
    self->vectors = (void *)(block + queries + results);
    self->n = n;
    self->dim = dim;
    return 0;
}

/* The next of the vectors to search for. */
static void search_add(struct search *self, uint32_t i, const void *elements)
{
    float *vector = self->vectors + (size_t)i * self->dim;
    memcpy(vector, elements, self->dim * sizeof *vector);
    self->queries[i] = self->query;
    self->queries[i].vector = vector;
}

/* ---- the reply ---- */

static void search_reply_hit(const struct search *self, const struct vindex_hit *hit,
                             struct reply *reply)
{
    struct vec_vector vector;
    if (self->with_vectors || self->with_metadata)
        vector = vec_read_vector(record_value(hit->record));
    reply_map(reply, 2 + self->with_vectors + self->with_metadata);
    reply_key(reply, "key");
    reply_bytes(reply, vec_key_of(hit->record), record_is_text(hit->record));
    reply_key(reply, "score");
    reply_real(reply, hit->score);
    if (self->with_metadata) {
        reply_key(reply, "metadata");
        vec_reply_metadata(reply, &vector);
    }
    if (self->with_vectors) {
        reply_key(reply, "vector");
        vec_reply_vector(reply, &vector);
    }
}

static void search_reply_result(const struct search *self, const struct vindex_result *result,
                                struct reply *reply)
{
    reply_map(reply, 3);
    reply_key(reply, "items");
    reply_array(reply, result->count);
    for (size_t i = 0; i < result->count && reply->failed == 0; i++)
        search_reply_hit(self, &result->hits[i], reply);
    reply_key(reply, "scanned");
    reply_uint(reply, result->scanned);
    reply_key(reply, "exact");
    reply_bool(reply, result->exact);
}

/* Do searches from..to-1 and write the results. The caller has entered the index. */
static int search_run(struct search *self, uint32_t from, uint32_t to, struct reply *reply)
{
    struct vindex_searcher *searcher = searchers_take(self->store->searchers);
    if (searcher == NULL)
        return ERR_OUT_OF_MEMORY;
    int err = vindex_search(self->vindex, searcher, self->queries + from, to - from,
                            self->results + from);
    for (uint32_t i = from; i < to && err == 0 && reply->failed == 0; i++)
        search_reply_result(self, &self->results[i], reply);
    searchers_give(self->store->searchers, searcher);
    return err;
}

/* ---- as a job ---- */

/* The next few searches of a part. */
static int part_run(struct search_part *part)
{
    struct search *self = part->search;
    uint32_t n = part->to - part->from, next = n < VINDEX_TOGETHER ? n : VINDEX_TOGETHER;
    size_t before = part->out.size;
    size_t others = atomic_load(&self->out_bytes);
    struct reply reply;
    reply_begin(&reply, &part->out, REPLY_PLAIN, 0,
                self->limit > others ? self->limit - others : 0);
    vindex_enter(self->vindex);
    int err = search_run(self, part->from, part->from + next, &reply);
    vindex_leave(self->vindex);
    part->from += next;
    if (err == 0)
        err = reply_end(&reply);
    (void)atomic_fetch_add(&self->out_bytes, part->out.size - before);
    return err;
}

static void part_work(struct task *task, unsigned worker)
{
    struct search_part *part =
        (struct search_part *)((char *)task - offsetof(struct search_part, task));
    struct search *self = part->search;
    int none = 0, err = part_run(part);
    (void)worker;
    if (err != 0)
        (void)atomic_compare_exchange_strong(&self->failed, &none, err);
    if (part->from < part->to && atomic_load(&self->failed) == 0)
        workers_submit(self->store->workers, task, WORK_NOW);
    else if (atomic_fetch_sub(&self->parts_left, 1) == 1)
        self->job.resume(&self->job);
}

static bool search_step(struct job *job, struct op_env *env)
{
    struct search *self = (struct search *)job;
    if (self->searched)
        return true;
    self->searched = true;
    job->waits = true;
    atomic_store(&self->parts_left, self->n_parts);
    for (unsigned i = 0, n = self->n_parts; i < n; i++)
        workers_submit(env->store->workers, &self->parts[i].task, WORK_NOW);
    return false;
}

static void search_finish(struct job *job, struct reply *reply)
{
    struct search *self = (struct search *)job;
    reply->failed = atomic_load(&self->failed);
    if (reply->failed == 0 && self->many)
        reply_array(reply, self->n);
    for (unsigned i = 0; i < self->n_parts && reply->failed == 0; i++)
        reply_value(reply, buf_bytes(&self->parts[i].out));
}

/* Have workers search; takes *self if it succeeds. */
static int search_start_job(struct op_ctx *ctx, struct search *self)
{
    uint32_t worth = (self->n + SEARCH_PART_MIN - 1) / SEARCH_PART_MIN;
    unsigned workers = workers_count(self->store->workers);
    unsigned n_parts = worth == 0 ? 1 : worth < workers ? worth : workers;
    self->parts = mem_calloc(n_parts, sizeof *self->parts);
    if (self->parts == NULL)
        return ERR_OUT_OF_MEMORY;
    self->n_parts = n_parts;
    for (unsigned i = 0; i < n_parts; i++)
        self->parts[i] =
            (struct search_part){.task = {.run = part_work},
                                 .search = self,
                                 .from = (uint32_t)((uint64_t)self->n * i / n_parts),
                                 .to = (uint32_t)((uint64_t)self->n * (i + 1) / n_parts)};
    self->job =
        (struct job){.step = search_step, .finish = search_finish, .destroy = search_destroy};
    ctx->job = &self->job;
    return 0;
}

static bool search_is_cheap(const struct search *self, const struct op_env *env)
{
    bool others = env->connections == NULL ||
                  atomic_load_explicit(env->connections, memory_order_relaxed) > 1;
    uint64_t ns = 0, limit = others ? SEARCH_INLINE_NS : SEARCH_ALONE_NS;
    for (uint32_t i = 0; i < self->n && ns <= limit; i++)
        ns += vindex_cost_ns(self->vindex, &self->queries[i]);
    return ns <= limit;
}

/* Search, here or elsewhere; takes *self. */
static int search_start(struct op_ctx *ctx, struct search *self)
{
    bool alone = ctx->store->workers == NULL;
    bool here = alone || search_is_cheap(self, ctx->env);
    int err = 0;
    if (alone)
        vindex_enter(self->vindex);
    else
        here = here && vindex_try_enter(self->vindex);
    if (here && self->many)
        reply_array(ctx->reply, self->n);
    if (here) {
        err = search_run(self, 0, self->n, ctx->reply);
        vindex_leave(self->vindex);
    } else {
        err = search_start_job(ctx, self);
    }
    if (here || err != 0)
        search_destroy(&self->job);
    return err;
}

/* ---- vec.search ---- */

/* The vector of a key of the collection, which is open. */
static int search_take_stored(struct op_ctx *ctx, struct vec *v, struct bytes bytes, float *room,
                              struct vec_input *out)
{
    struct vec_key key;
    const struct record *record = vec_find(v, bytes, &key);
    if (record == NULL) {
        (void)problem_set(ctx->problem, ERR_NOT_FOUND, "vec.search: there is no such key");
        ctx->problem->inside = true;
        return ERR_NOT_FOUND;
    }
    struct vec_vector vector = vec_read_vector(record_value(record));
    *out = (struct vec_input){vec_elements(&vector, room), vector.dim, vector.form};
    return 0;
}

/* Open the collection, and make of the request what can be searched without the lock. */
static int search_prepare(struct op_ctx *ctx, const struct args_vec_search *a, struct search *self)
{
    float room[ROWS_DIM_MAX];
    struct vec_input input;
    struct vec v;
    int err = 0;
    if (a->vector.present)
        err = vec_take(ctx, a->vector.bytes, "vector", -1, room, &input);
    else
        err = vec_check_key(ctx, a->key.bytes, "key", -1);
    if (err == 0)
        err = vec_open_existing(ctx, a->collection.bytes, &v);
    if (err == 0 && !a->vector.present)
        err = search_take_stored(ctx, &v, a->key.bytes, room, &input);
    if (err == 0)
        err = vec_suits(&v, input.elements, input.dim, "vector", -1);
    if (err == 0)
        err = vec_index(&v, &self->vindex);
    if (err == 0)
        err = search_reserve(ctx, self, 1, input.dim);
    if (err == 0)
        search_add(self, 0, input.elements);
    txn_unlock(ctx->txn);
    return err;
}

int op_vec_search(struct op_ctx *ctx, const struct args_vec_search *a)
{
    const struct search_args args = {
        &a->collection, &a->k,         &a->ef,           &a->filter,
        &a->exact,      &a->min_score, &a->with_vectors, &a->with_metadata};
    if (a->vector.present == a->key.present)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "vec.search: give 'vector' or 'key', one of them");
    struct search *self = search_create(ctx);
    if (self == NULL)
        return ERR_OUT_OF_MEMORY;
    int err = search_options(ctx, &args, self);
    if (err == 0)
        err = search_prepare(ctx, a, self);
    if (err == 0)
        return search_start(ctx, self);
    search_destroy(&self->job);
    return err;
}

/* ---- vec.search_many ---- */

static int many_prepare(struct op_ctx *ctx, const struct args_vec_search_many *a,
                        struct search *self)
{
    float room[ROWS_DIM_MAX];
    struct mp_reader reader = mp_reader_of(a->vectors.bytes);
    struct mp array;
    struct vec v;
    REQUIRE(mp_read(&reader, &array) == 0);
    if (array.count > SEARCH_MANY_MAX)
        return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, "vectors", -1, "has more than %d elements",
                         SEARCH_MANY_MAX);
    int err = vec_open_existing(ctx, a->collection.bytes, &v);
    if (err == 0)
        err = vec_index(&v, &self->vindex);
    txn_unlock(ctx->txn); /* what follows is long, and its own */
    if (err == 0)
        err = search_reserve(ctx, self, array.count, v.collection.config.dim);
    for (uint32_t i = 0; i < array.count && err == 0; i++) {
        struct bytes encoded = {reader.at, 0};
        struct vec_input input;
        REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == 0);
        encoded.size = (size_t)(reader.at - encoded.data);
        err = vec_take(ctx, encoded, "vectors", i, room, &input);
        if (err == 0)
            err = vec_suits(&v, input.elements, input.dim, "vectors", i);
        if (err == 0)
            search_add(self, i, input.elements);
    }
    return err;
}

int op_vec_search_many(struct op_ctx *ctx, const struct args_vec_search_many *a)
{
    const struct search_args args = {
        &a->collection, &a->k,         &a->ef,           &a->filter,
        &a->exact,      &a->min_score, &a->with_vectors, &a->with_metadata};
    struct search *self = search_create(ctx);
    if (self == NULL)
        return ERR_OUT_OF_MEMORY;
    self->many = true;
    int err = search_options(ctx, &args, self);
    if (err == 0)
        err = many_prepare(ctx, a, self);
    if (err == 0)
        return search_start(ctx, self);
    search_destroy(&self->job);
    return err;
}
