/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vec.get, vec.get_many, vec.count, vec.keys, vec.sample, vec.links.
 *
 * With a filter vec.count and vec.keys may have to look at every vector: they go on as jobs. A page
 * is not one instant; what exists throughout is in it exactly once.
 *
 * Threads: any loop; the lock is held for a slice at a time. Failures: a collection that is dropped
 * meanwhile is NOT_FOUND.
 */
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"
#include "server/ops/vec.h"

enum { READ_STEP_NS = 200000 };

/* ---- get ---- */

/* Open the collection and find this key in it; *out_record is NULL if it is not there. */
static int read_open(struct op_ctx *ctx, const struct arg *collection, const struct arg *key,
                     struct vec *v, const struct record **out_record)
{
    struct vec_key found;
    int err = vec_check_key(ctx, key->bytes, "key", -1);
    if (err == 0)
        err = vec_open_existing(ctx, collection->bytes, v);
    if (err == 0)
        *out_record = vec_find(v, key->bytes, &found);
    return err;
}

int op_vec_get(struct op_ctx *ctx, const struct args_vec_get *a)
{
    const struct record *record;
    struct vec v;
    int err = read_open(ctx, &a->collection, &a->key, &v, &record);
    if (err != 0)
        return err;
    if (record == NULL)
        reply_nil(ctx->reply);
    else
        vec_reply_record(ctx->reply, record, true);
    txn_unlock(ctx->txn);
    return 0;
}

int op_vec_get_many(struct op_ctx *ctx, const struct args_vec_get_many *a)
{
    struct mp_reader reader = mp_reader_of(a->keys.bytes);
    bool with_vectors = !a->with_vectors.present || a->with_vectors.boolean;
    struct vec v;
    int err = vec_open_existing(ctx, a->collection.bytes, &v);
    if (err != 0)
        return err;
    reply_array(ctx->reply, a->keys.count);
    for (uint32_t i = 0; i < a->keys.count && err == 0 && ctx->reply->failed == 0; i++) {
        struct bytes bytes = BYTES_NONE;
        struct vec_key key;
        bool text;
        REQUIRE(mp_read_bytes(&reader, &bytes, &text) == 0);
        err = vec_check_key(ctx, bytes, "keys", i);
        const struct record *record = err == 0 ? vec_find(&v, bytes, &key) : NULL;
        if (record == NULL)
            reply_nil(ctx->reply);
        else
            vec_reply_record(ctx->reply, record, with_vectors);
    }
    txn_unlock(ctx->txn);
    return err;
}

/* ---- pages and counts ---- */

/* What is being written, or counted. */
struct read_page {
    const struct limits *limits;
    struct reply *reply; /* NULL: only count */
    bool keys_only, with_vectors;
    uint64_t items, limit;
};

static bool page_visit(void *context, const struct record *record)
{
    struct read_page *page = context;
    struct reply *reply = page->reply;
    page->items++;
    if (reply == NULL)
        return true;
    if (page->keys_only)
        reply_bytes(reply, vec_key_of(record), record_is_text(record));
    else
        vec_reply_record(reply, record, page->with_vectors);
    return page->items < page->limit && reply->failed == 0 &&
           reply_size(reply) < page->limits->page_bytes;
}

static void page_reply(struct reply *reply, size_t mark, const struct read_page *page,
                       const struct vec_walk *walk)
{
    reply_array_close(reply, mark, page->items);
    reply_key(reply, "cursor");
    if (walk->ended)
        reply_nil(reply);
    else /* the last key looked at, without the zero that stands for what is behind it */
        reply_bytes(reply, (struct bytes){walk->at, walk->at_size - 1}, false);
}

/* ---- as a job ---- */

struct read_job {
    struct job job;
    struct run *run;
    const struct op *op;
    struct buf text; /* name, prefix and filter */
    struct filter *filter;
    struct vec_walk walk;
    struct read_page page;
    struct reply reply; /* of the page, in `out` */
    struct buf out;
    size_t mark;
    struct problem problem;
};

static void read_destroy(struct job *job)
{
    struct read_job *self = (struct read_job *)job;
    buf_deinit(&self->text);
    buf_deinit(&self->out);
    mem_free(self->filter);
    run_unref(self->run);
    mem_free(self);
}

static bool read_step(struct job *job, struct op_env *env)
{
    struct read_job *self = (struct read_job *)job;
    uint64_t until = clock_mono_ns() + READ_STEP_NS;
    struct request request = {.op = self->op};
    struct op_ctx ctx = {.env = env,
                         .store = env->store,
                         .request = &request,
                         .run = self->run,
                         .problem = &self->problem};
    bool more = true;
    int err = 0;
    do
        err = vec_walk_slice(&self->walk, &ctx, page_visit, &self->page, &more);
    while (err == 0 && more && clock_mono_ns() < until);
    if (err == TXN_RETRY)
        (void)problem_set(&self->problem, ERR_NOT_FOUND, "%s: the run was dropped meanwhile",
                          self->op->name);
    else if (err != 0 && self->problem.err == 0)
        (void)problem_set(&self->problem, err, NULL);
    return err != 0 || !more;
}

static void read_finish(struct job *job, struct reply *reply)
{
    struct read_job *self = (struct read_job *)job;
    if (self->problem.err != 0) {
        reply_error(reply, &self->problem);
        return;
    }
    if (self->page.reply == NULL) {
        reply_uint(reply, self->page.items);
        return;
    }
    page_reply(&self->reply, self->mark, &self->page, &self->walk);
    reply->failed = self->reply.failed;
    if (reply->failed == 0)
        reply_value(reply, buf_bytes(&self->out));
}

/* Copies of what the request said. */
static int read_copy(struct read_job *self, const struct arg *collection, struct vec_range range,
                     struct bytes filter, struct problem *problem)
{
    struct buf *text = &self->text;
    int err =
        buf_reserve(text, collection->bytes.size + range.prefix.size + range.to.size + filter.size);
    (void)(err == 0 &&
           (err = buf_append(text, collection->bytes.data, collection->bytes.size)) == 0 &&
           (err = buf_append(text, range.prefix.data, range.prefix.size)) == 0 &&
           (err = buf_append(text, range.to.data, range.to.size)) == 0 &&
           (err = buf_append(text, filter.data, filter.size)) == 0);
    if (err != 0)
        return err;
    struct bytes name = {text->data, collection->bytes.size};
    range.prefix.data = name.data + name.size;
    range.to.data = range.prefix.data + range.prefix.size;
    filter.data = range.to.data + range.to.size;
    err = vec_filter(filter, problem, &self->filter);
    vec_walk_init(&self->walk, name, &range, self->filter);
    return err;
}

static int read_start(struct op_ctx *ctx, const struct arg *collection,
                      const struct vec_range *range, struct bytes filter,
                      const struct read_page *page)
{
    struct read_job *self = mem_calloc(1, sizeof *self);
    if (self == NULL)
        return ERR_OUT_OF_MEMORY;
    self->job = (struct job){.step = read_step, .finish = read_finish, .destroy = read_destroy};
    self->op = ctx->request->op;
    self->page = *page;
    int err = read_copy(self, collection, *range, filter, ctx->problem);
    if (err != 0) {
        read_destroy(&self->job);
        return err;
    }
    if (page->reply != NULL) {
        self->page.reply = &self->reply;
        reply_begin(&self->reply, &self->out, REPLY_PLAIN, 0, ctx->env->limits->reply_bytes);
        reply_map(&self->reply, 2);
        reply_key(&self->reply, "items");
        self->mark = reply_array_open(&self->reply);
    }
    self->run = ctx->run != NULL ? run_ref(ctx->run) : NULL;
    ctx->job = &self->job;
    return 0;
}

/* ---- count ---- */

int op_vec_count(struct op_ctx *ctx, const struct args_vec_count *a)
{
    struct vec v;
    int err = vec_open_existing(ctx, a->collection.bytes, &v);
    if (err != 0)
        return err;
    uint64_t count = vec_count(&v);
    txn_unlock(ctx->txn);
    if (!a->filter.present) {
        reply_uint(ctx->reply, count);
        return 0;
    }
    struct read_page page = {.limits = ctx->env->limits};
    return read_start(ctx, &a->collection, &(struct vec_range){0}, a->filter.bytes, &page);
}

/* ---- keys ---- */

static int keys_check(struct op_ctx *ctx, const struct args_vec_keys *a)
{
    if (vec_bytes(&a->prefix).size > VEC_KEY_MAX)
        return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, "prefix", -1, "has more than %d bytes",
                         VEC_KEY_MAX);
    if (vec_bytes(&a->cursor).size > VEC_KEY_MAX)
        return vec_wrong(ctx, ERR_BAD_ARGUMENT, "cursor", -1, "is none of its own");
    if (vec_bytes(&a->from).size > VEC_KEY_MAX + 1) /* a key and a zero: what is behind it */
        return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, "from", -1, "has more than %d bytes",
                         VEC_KEY_MAX + 1);
    return vec_check_name(ctx, a->collection.bytes);
}

int op_vec_keys(struct op_ctx *ctx, const struct args_vec_keys *a)
{
    struct read_page page = {.limits = ctx->env->limits,
                             .reply = ctx->reply,
                             .with_vectors = vec_is_set(&a->with_vectors)};
    struct vec_range range = {vec_bytes(&a->prefix), vec_bytes(&a->from), vec_bytes(&a->to),
                              vec_bytes(&a->cursor)};
    struct vec_walk walk;
    bool more = true;
    int err = op_page_limit(ctx, &a->limit, &page.limit);
    if (err == 0)
        err = keys_check(ctx, a);
    page.keys_only = !page.with_vectors && !vec_is_set(&a->with_metadata);
    if (err != 0)
        return err;
    if (a->filter.present)
        return read_start(ctx, &a->collection, &range, a->filter.bytes, &page);
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    size_t mark = reply_array_open(ctx->reply);
    vec_walk_init(&walk, a->collection.bytes, &range, NULL);
    while (err == 0 && more)
        err = vec_walk_slice(&walk, ctx, page_visit, &page, &more);
    if (err == 0)
        page_reply(ctx->reply, mark, &page, &walk);
    return err;
}

/* ---- sample ---- */

/* Is this rank in the set, a table with free places (0)? Else it is put there. */
static bool sample_has(uint64_t *set, size_t mask, uint64_t rank)
{
    size_t i = rng_mix(rank) & mask;
    for (; set[i] != 0; i = (i + 1) & mask)
        if (set[i] == rank + 1)
            return true;
    set[i] = rank + 1;
    return false;
}

static void sample_reply(const struct vec *v, uint64_t rank)
{
    struct omap_iter iter;
    omap_seek_rank(&vec_partition(v)->order, rank, &iter);
    const struct record *record = omap_next(&iter);
    reply_bytes(v->ctx->reply, vec_key_of(record), record_is_text(record));
}

/* `count` different ones of n (Floyd): one of the first n - count + 1 ranks, of the first
 * n - count + 2 and so on; where that has been taken, the last of them, which cannot have been. */
static int sample_distinct(const struct vec *v, struct rng *rng, uint64_t n, uint64_t count)
{
    uint64_t first = vec_rank(v);
    size_t capacity = 2;
    while (capacity < 2 * count)
        capacity *= 2;
    uint64_t *set = mem_calloc(capacity, sizeof *set);
    if (set == NULL)
        return ERR_OUT_OF_MEMORY;
    for (uint64_t last = n - count; last < n && v->ctx->reply->failed == 0; last++) {
        uint64_t rank = rng_below(rng, last + 1);
        if (sample_has(set, capacity - 1, rank))
            (void)sample_has(set, capacity - 1, rank = last);
        sample_reply(v, first + rank);
    }
    mem_free(set);
    return 0;
}

static void sample_repeated(const struct vec *v, struct rng *rng, uint64_t n, uint64_t count)
{
    uint64_t first = vec_rank(v);
    for (uint64_t i = 0; i < count && v->ctx->reply->failed == 0; i++)
        sample_reply(v, first + rng_below(rng, n));
}

int op_vec_sample(struct op_ctx *ctx, const struct args_vec_sample *a)
{
    uint64_t count = a->count.present ? a->count.uint : 1, most = ctx->env->limits->page_items;
    bool repeat = vec_is_set(&a->repeat);
    struct rng rng = {clock_mono_ns()};
    struct vec v;
    int err = vec_open_existing(ctx, a->collection.bytes, &v);
    if (err != 0)
        return err;
    uint64_t n = vec_count(&v);
    if (n == 0 || (!repeat && count > n))
        count = n;
    if (count > most)
        return vec_wrong(ctx, ERR_LIMIT_EXCEEDED, "count", -1, "exceeds limits.page_items (%llu)",
                         (unsigned long long)most);
    reply_array(ctx->reply, count);
    if (repeat)
        sample_repeated(&v, &rng, n, count);
    else if (count > 0)
        err = sample_distinct(&v, &rng, n, count);
    txn_unlock(ctx->txn);
    return err;
}

/* ---- links ---- */

static void links_reply(const struct vec *v, const struct vindex_links *links)
{
    struct reply *reply = v->ctx->reply;
    const struct vindex_link *link = links->links;
    reply_array(reply, links->levels);
    for (unsigned level = links->levels; level-- > 0;) {
        reply_array(reply, links->counts[level]);
        for (unsigned i = 0; i < links->counts[level]; i++, link++) {
            reply_array(reply, 2);
            reply_bytes(reply, vec_key_of(link->record), record_is_text(link->record));
            reply_real(reply, link->score);
        }
    }
}

/* With the collection open. */
static int links_of(const struct vec *v, const struct record *record)
{
    struct vindex_links links;
    struct vindex *vindex;
    int err = vec_index(v, &vindex);
    if (err != 0)
        return err;
    vindex_enter(vindex);
    err = vindex_links(vindex, record_count(record), &links);
    if (err == 0)
        links_reply(v, &links);
    vindex_leave(vindex);
    vindex_unref(vindex);
    mem_free(links.links);
    return err;
}

int op_vec_links(struct op_ctx *ctx, const struct args_vec_links *a)
{
    const struct record *record;
    struct vec v;
    int err = read_open(ctx, &a->collection, &a->key, &v, &record);
    if (err != 0)
        return err;
    if (record == NULL)
        reply_nil(ctx->reply);
    else
        err = links_of(&v, record);
    txn_unlock(ctx->txn);
    return err;
}
