/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For tests of indexes: a collection of vectors in a store, changed by transactions as handlers do,
 * and beside it what it should hold, as plain arrays.
 */
#pragma once

#include "tests/unit/server/store/saved.h"

#include "common/clock.h"
#include "common/rng.h"
#include "server/store/vindex_impl.h"

#include <math.h>

enum { COLLECTION_KEYS = 600, COLLECTION_DIM = 12, COLLECTION_K = 10 };

struct collection {
    struct store *store;
    struct vec_config config;
    uint64_t generation;
    struct rng rng;
    bool there[COLLECTION_KEYS];
    float vectors[COLLECTION_KEYS][COLLECTION_DIM];
    uint8_t tags[COLLECTION_KEYS]; /* metadata: {"t": tag} */
};

static inline uint64_t collection_seed(void)
{
    const char *text = getenv("CAIRN_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)clock_wall_ms();
    print_message("CAIRN_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static inline struct record_key collection_own_key(const struct collection *c)
{
    return (struct record_key){run_id(c->store->default_run), KIND_collection, bytes_of("things")};
}

/* `key`: a number below 256^2. */
static inline struct record_key collection_key(const struct collection *c, unsigned key,
                                               uint8_t out[static GROUP_PREFIX_MAX + 2])
{
    struct group group = {run_id(c->store->default_run), KIND_collection, bytes_of("things"),
                          c->generation};
    size_t size = group_write_prefix(&group, out);
    out[size] = (uint8_t)(key >> 8);
    out[size + 1] = (uint8_t)key;
    return (struct record_key){group.run, KIND_vector, {out, size + 2}};
}

static inline unsigned collection_number(const struct record *record)
{
    struct bytes key = record_key_bytes(record);
    return (unsigned)key.data[key.size - 2] << 8 | key.data[key.size - 1];
}

/* A put, or a del if the value is none. */
static inline void collection_change(struct collection *c, const struct record_key *key,
                                     struct bytes value)
{
    struct record_spec spec = {.key = *key, .value = value};
    uint64_t hash = store_hash(c->store, key);
    struct txn txn;
    txn_init(&txn, c->store, FIXTURE_NOW_MS);
    assert_int_equal(txn_lock(&txn, c->store->default_run, hash, 0), 0);
    int err = value.size > 0 ? txn_put(&txn, &spec, hash) : txn_del(&txn, key, hash);
    assert_int_equal(err, 0);
    (void)txn_commit(&txn);
    txn_deinit(&txn);
}

static inline void collection_put_own(struct collection *c)
{
    struct vec_collection own = {.number = c->generation,
                                 .generation = c->generation,
                                 .config = c->config,
                                 .created_at_ms = 1};
    uint8_t value[VEC_COLLECTION_BYTES_MAX];
    struct record_key key = collection_own_key(c);
    collection_change(c, &key, (struct bytes){value, vec_write_collection(&own, value)});
}

static inline void collection_open(struct collection *c, struct store *store,
                                   const struct vec_config *config, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    c->store = store;
    c->config = *config;
    c->config.dim = COLLECTION_DIM;
    c->rng.state = seed;
    c->generation = store_next_number(store, 1);
    collection_put_own(c);
}

static inline void collection_write(struct collection *c, unsigned key)
{
    uint8_t bytes[GROUP_PREFIX_MAX + 2], metadata[4] = {0x81, 0xa1, 't', c->tags[key]};
    struct record_key record_key = collection_key(c, key, bytes);
    struct buf value = {0};
    assert_int_equal(vec_write_vector(&value, COLLECTION_DIM, VEC_BIN, c->vectors[key],
                                      (struct bytes){metadata, sizeof metadata}),
                     0);
    collection_change(c, &record_key, buf_bytes(&value));
    buf_deinit(&value);
    c->there[key] = true;
}

static inline void collection_random_vector(struct rng *rng, float *out)
{
    for (unsigned i = 0; i < COLLECTION_DIM; i++)
        out[i] = (float)rng_below(rng, 20001) / 10000 - 1;
    out[0] += 0.00001f; /* never all zeros */
}

static inline void collection_upsert(struct collection *c, unsigned key)
{
    collection_random_vector(&c->rng, c->vectors[key]);
    c->tags[key] = (uint8_t)rng_below(&c->rng, 4);
    collection_write(c, key);
}

static inline void collection_set_metadata(struct collection *c, unsigned key)
{
    c->tags[key] = (uint8_t)rng_below(&c->rng, 4);
    collection_write(c, key);
}

static inline void collection_delete(struct collection *c, unsigned key)
{
    uint8_t bytes[GROUP_PREFIX_MAX + 2];
    struct record_key record_key = collection_key(c, key, bytes);
    collection_change(c, &record_key, BYTES_NONE);
    c->there[key] = false;
}

static inline void collection_step(struct collection *c)
{
    unsigned key = (unsigned)rng_below(&c->rng, COLLECTION_KEYS);
    uint64_t what = rng_below(&c->rng, 10);
    if (!c->there[key] || what < 4)
        collection_upsert(c, key);
    else if (what < 6)
        collection_set_metadata(c, key);
    else
        collection_delete(c, key);
}

static inline struct partition *collection_partition(const struct collection *c)
{
    struct record_key key = collection_own_key(c);
    return &c->store->partitions[store_partition_index(c->store, store_hash(c->store, &key))];
}

/* With a reference. */
static inline struct vindex *collection_index(const struct collection *c)
{
    struct partition *partition = collection_partition(c);
    partition_lock(partition);
    struct vindex *vindex = vindex_find(partition, c->generation);
    partition_unlock(partition);
    return vindex;
}

static inline void vindex_sweep_locked(struct partition *partition)
{
    partition_lock(partition);
    vindex_sweep(partition);
    partition_unlock(partition);
}

static inline double collection_score(const struct collection *c, unsigned key, const float *query)
{
    double dot = 0, aa = 0, bb = 0, l2 = 0;
    for (unsigned i = 0; i < COLLECTION_DIM; i++) {
        double a = c->vectors[key][i], b = query[i];
        dot += a * b;
        aa += a * a;
        bb += b * b;
        l2 += (a - b) * (a - b);
    }
    if (c->config.metric == METRIC_DOT)
        return dot;
    return c->config.metric == METRIC_L2 ? 1 / (1 + sqrt(l2)) : dot / sqrt(aa * bb);
}

/* The score of the k-th best of those with this tag (4: all), and how many there are up to k. */
static inline size_t collection_best(const struct collection *c, const float *query, unsigned tag,
                                     size_t k, double *out_kth)
{
    double best[COLLECTION_KEYS];
    size_t n = 0;
    for (unsigned key = 0; key < COLLECTION_KEYS; key++) {
        if (!c->there[key] || (tag < 4 && c->tags[key] != tag))
            continue;
        double score = collection_score(c, key, query);
        size_t i = n++;
        for (; i > 0 && best[i - 1] < score; i--)
            best[i] = best[i - 1];
        best[i] = score;
    }
    n = n < k ? n : k;
    *out_kth = n == 0 ? 0 : best[n - 1];
    return n;
}

/* Do what workers do, until there is nothing left. */
static inline void collection_settle(struct collection *c)
{
    struct vindex *vindex = collection_index(c);
    struct vindex_figures figures;
    do {
        vindex_schedule(vindex);
        (void)sched_yield();
        vindex_figures(vindex, &figures);
    } while (figures.tail > 0);
    vindex_unref(vindex);
}
