/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vec.create, vec.drop, vec.list, vec.info: collections of vectors.
 *
 * Dropping one deletes one record: its vectors have no owner then (server/store/group.h).
 *
 * Threads: any loop. Failures: nothing is changed.
 */
#include "common/err.h"
#include "server/ops/vec.h"
#include "server/store/scan.h"

enum { VEC_M = 16, VEC_EF_CONSTRUCTION = 200 };

/* ---- create ---- */

static int create_range(struct op_ctx *ctx, const struct arg *arg, const char *name, uint32_t min,
                        uint32_t max, uint32_t *out)
{
    if (!arg->present)
        return 0;
    if (arg->uint < min || arg->uint > max)
        return vec_wrong(ctx, arg->uint < min ? ERR_BAD_ARGUMENT : ERR_LIMIT_EXCEEDED, name, -1,
                         "must be from %u to %u", min, max);
    *out = (uint32_t)arg->uint;
    return 0;
}

/* Which of the words it is; -1: the error has been set. */
static int create_word(struct op_ctx *ctx, const struct arg *arg, const char *name,
                       const char *const *words, unsigned n, unsigned otherwise)
{
    char all[64] = "";
    if (!arg->present)
        return (int)otherwise;
    for (unsigned i = 0; i < n; i++)
        if (bytes_equal(arg->bytes, bytes_of(words[i])))
            return (int)i;
    for (unsigned i = 0; i < n; i++) {
        size_t size = strlen(all);
        (void)snprintf(all + size, sizeof all - size, "%s%s",
                       i == 0       ? ""
                       : i + 1 == n ? " or "
                                    : ", ",
                       words[i]);
    }
    (void)vec_wrong(ctx, ERR_BAD_ARGUMENT, name, -1, "must be %s", all);
    return -1;
}

static int create_words(struct op_ctx *ctx, const struct args_vec_create *a,
                        struct vec_creation *out)
{
    int metric =
        create_word(ctx, &a->metric, "metric", vec_metric_names, METRIC_COUNT, METRIC_COSINE);
    int index = create_word(ctx, &a->index, "index", vec_index_names, VEC_INDEX_COUNT, VEC_AUTO);
    int quantization = create_word(ctx, &a->quantization, "quantization", vec_quantization_names,
                                   VEC_QUANTIZATION_COUNT, VEC_NONE);
    if (metric < 0 || index < 0 || quantization < 0)
        return ctx->problem->err;
    out->config.metric = (enum metric)metric;
    out->config.index = (enum vec_index)index;
    out->config.quantization = (enum vec_quantization)quantization;
    return 0;
}

int vec_creation_read(struct op_ctx *ctx, const struct args_vec_create *a, struct vec_creation *out)
{
    *out = (struct vec_creation){.wanted = true,
                                 .config = {.m = VEC_M, .ef_construction = VEC_EF_CONSTRUCTION},
                                 .metric_given = a->metric.present,
                                 .index_given = a->index.present,
                                 .m_given = a->m.present,
                                 .ef_construction_given = a->ef_construction.present,
                                 .quantization_given = a->quantization.present};
    int err = create_range(ctx, &a->dim, "dim", 1, ROWS_DIM_MAX, &out->config.dim);
    if (err == 0)
        err = create_range(ctx, &a->m, "m", HNSW_M_MIN, HNSW_M_MAX, &out->config.m);
    if (err == 0)
        err = create_range(ctx, &a->ef_construction, "ef_construction", VEC_EF_CONSTRUCTION_MIN,
                           VEC_EF_CONSTRUCTION_MAX, &out->config.ef_construction);
    return err != 0 ? err : create_words(ctx, a, out);
}

static void create_differ(char *text, size_t size, const char *name, const char *has,
                          const char *wanted)
{
    size_t used = strlen(text);
    if (strcmp(has, wanted) != 0)
        (void)snprintf(text + used, size - used, "%s%s is %s, not %s", used > 0 ? ", " : "", name,
                       has, wanted);
}

static void create_differ_number(char *text, size_t size, const char *name, uint32_t has,
                                 uint32_t wanted)
{
    char a[12], b[12];
    (void)snprintf(a, sizeof a, "%u", has);
    (void)snprintf(b, sizeof b, "%u", wanted);
    create_differ(text, size, name, a, b);
}

/* It exists: is it the same? */
static int create_compare(const struct vec *v, const struct vec_config *wanted)
{
    const struct vec_config *has = &v->collection.config;
    char text[160] = "";
    create_differ_number(text, sizeof text, "dim", has->dim, wanted->dim);
    create_differ(text, sizeof text, "metric", vec_metric_names[has->metric],
                  vec_metric_names[wanted->metric]);
    create_differ(text, sizeof text, "index", vec_index_names[has->index],
                  vec_index_names[wanted->index]);
    create_differ_number(text, sizeof text, "m", has->m, wanted->m);
    create_differ_number(text, sizeof text, "ef_construction", has->ef_construction,
                         wanted->ef_construction);
    create_differ(text, sizeof text, "quantization", vec_quantization_names[has->quantization],
                  vec_quantization_names[wanted->quantization]);
    if (text[0] == 0)
        return 0;
    return problem_set(v->ctx->problem, ERR_ALREADY_EXISTS, "%s: the collection exists: %s",
                       v->ctx->request->op->name, text);
}

int vec_creation_compare(const struct vec *v, const struct vec_creation *creation)
{
    const struct vec_config *config = &creation->config;
    struct vec_config wanted = v->collection.config;
    wanted.metric = creation->metric_given ? config->metric : wanted.metric;
    wanted.index = creation->index_given ? config->index : wanted.index;
    wanted.m = creation->m_given ? config->m : wanted.m;
    wanted.ef_construction =
        creation->ef_construction_given ? config->ef_construction : wanted.ef_construction;
    wanted.quantization = creation->quantization_given ? config->quantization : wanted.quantization;
    return create_compare(v, &wanted);
}

int vec_creation_plan(struct vec *v, const struct vec_creation *creation, bool text)
{
    struct op_ctx *ctx = v->ctx;
    uint8_t value[VEC_COLLECTION_BYTES_MAX];
    struct vec_collection collection = {.config = creation->config,
                                        .created_at_ms = ctx->env->now_ms};
    collection.number = collection.generation = store_next_number(ctx->store, 1);
    struct record_spec spec = {
        .key = v->key, .text = text, .value = {value, vec_write_collection(&collection, value)}};
    int err = txn_put(ctx->txn, &spec, v->hash);
    return err != 0 ? err : vec_read(ctx, v->key.bytes, v);
}

static int create_put(struct vec *v, const struct vec_creation *creation, const struct arg *name)
{
    int err = vec_admit(v, v->key.bytes.size + VEC_COLLECTION_BYTES_MAX + VEC_OVERHEAD);
    return err != 0 ? err
                    : vec_creation_plan(v, creation, name->text && mp_utf8_valid(name->bytes));
}

int op_vec_create(struct op_ctx *ctx, const struct args_vec_create *a)
{
    struct vec_creation creation;
    struct vec v;
    int err = vec_creation_read(ctx, a, &creation);
    if (err == 0)
        err = vec_open(ctx, a->collection.bytes, &v);
    if (err != 0)
        return err;
    bool created = v.record == NULL;
    err =
        created ? create_put(&v, &creation, &a->collection) : create_compare(&v, &creation.config);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "created");
    reply_bool(ctx->reply, created);
    reply_key(ctx->reply, "version");
    uint64_t version = created ? 0 : record_version(v.record);
    reply_uint(ctx->reply, created ? txn_commit(ctx->txn) : version);
    return 0;
}

/* ---- drop ---- */

int op_vec_drop(struct op_ctx *ctx, const struct args_vec_drop *a)
{
    struct vec v;
    int err = vec_open(ctx, a->collection.bytes, &v);
    if (err != 0)
        return err;
    reply_bool(ctx->reply, v.record != NULL);
    if (v.record == NULL)
        return 0;
    err = vec_plan_drop(&v);
    if (err == 0)
        (void)txn_commit(ctx->txn);
    return err;
}

/* ---- info ---- */

static const char *info_state(const struct vindex_figures *figures)
{
    if (figures->tail > 0)
        return "building";
    return figures->graph ? "graph" : "flat";
}

static void info_uint(struct reply *reply, const char *name, uint64_t value)
{
    reply_key(reply, name);
    reply_uint(reply, value);
}

static void info_word(struct reply *reply, const char *name, const char *word)
{
    reply_key(reply, name);
    reply_text(reply, word);
}

static int info_reply(const struct vec *v)
{
    const struct vec_config *config = &v->collection.config;
    struct reply *reply = v->ctx->reply;
    struct vindex_figures figures;
    struct vindex *vindex;
    int err = vec_index(v, &vindex);
    if (err != 0)
        return err;
    vindex_figures(vindex, &figures);
    vindex_unref(vindex);
    reply_map(reply, 17);
    reply_key(reply, "collection");
    reply_bytes(reply, v->key.bytes, record_is_text(v->record));
    info_uint(reply, "count", vec_count(v));
    info_uint(reply, "dim", config->dim);
    info_word(reply, "metric", vec_metric_names[config->metric]);
    info_word(reply, "index", vec_index_names[config->index]);
    info_uint(reply, "m", config->m);
    info_uint(reply, "ef_construction", config->ef_construction);
    info_word(reply, "quantization", vec_quantization_names[config->quantization]);
    info_uint(reply, "created_at", (uint64_t)v->collection.created_at_ms);
    info_uint(reply, "version", record_version(v->record));
    info_word(reply, "state", info_state(&figures));
    info_uint(reply, "linked", figures.linked);
    info_uint(reply, "tail", figures.tail);
    info_uint(reply, "tombstones", figures.tombstones);
    info_uint(reply, "bytes", figures.bytes);
    info_uint(reply, "searches", figures.searches);
    info_uint(reply, "scanned", figures.scanned);
    return 0;
}

int op_vec_info(struct op_ctx *ctx, const struct args_vec_info *a)
{
    struct vec v;
    int err = vec_open(ctx, a->collection.bytes, &v);
    if (err != 0)
        return err;
    if (v.record == NULL)
        reply_nil(ctx->reply);
    else
        err = info_reply(&v);
    txn_unlock(ctx->txn);
    return err;
}

/* ---- list ---- */

struct list_page {
    struct op_ctx *ctx;
    bool names_only;
    uint64_t items;
    int err;
};

/* Under the locks of the scan. */
static bool list_visit(void *context, const struct record *record)
{
    struct list_page *page = context;
    struct op_ctx *ctx = page->ctx, inner = *ctx;
    struct txn txn; /* reads only */
    struct vec v;
    txn_init(&txn, ctx->store, ctx->env->now_ms);
    inner.txn = &txn;
    if (page->names_only)
        reply_bytes(ctx->reply, record_key_bytes(record), record_is_text(record));
    else if ((page->err = vec_read(&inner, record_key_bytes(record), &v)) == 0)
        page->err = info_reply(&v);
    page->items++;
    return page->err == 0 && ctx->reply->failed == 0 &&
           reply_size(ctx->reply) < ctx->env->limits->page_bytes;
}

int op_vec_list(struct op_ctx *ctx, const struct args_vec_list *a)
{
    struct list_page page = {ctx, vec_is_set(&a->names_only), 0, 0};
    struct scan scan;
    bool more = false;
    uint64_t limit;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    size_t mark = reply_array_open(ctx->reply);
    err = scan_init(&scan, ctx->run, KIND_collection, vec_bytes(&a->prefix), BYTES_NONE, BYTES_NONE,
                    vec_bytes(&a->cursor), false);
    if (err == 0)
        err = scan_visit(ctx->store, ctx->run, &scan, ctx->env->now_ms, limit, list_visit, &page,
                         &more);
    reply_array_close(ctx->reply, mark, page.items);
    reply_key(ctx->reply, "cursor");
    if (more)
        reply_bytes(ctx->reply, scan_cursor(&scan), false);
    else
        reply_nil(ctx->reply);
    scan_deinit(&scan);
    return err != 0 ? err : page.err;
}
