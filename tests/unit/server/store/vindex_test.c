/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Indexes of collections against plain arrays: seeded random upserts, changes of metadata and
 * deletes, and after every few an exact search, with and without a filter, that must find what is
 * there and nothing else; with each metric, flat and graph, quantized and not, with workers and
 * without; among them searches by other threads, a drop, and failing memory.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/vindex.h"

#include "proto/filter.h"
#include "tests/unit/server/store/collection.h"

#include <pthread.h>

enum { STEPS = 1500, SEARCHERS = 2 };

static uint64_t seed;

/* {"t": tag} */
static void compile(struct filter *filter, uint8_t text[static 4], unsigned tag)
{
    struct problem problem;
    memcpy(text, "\x81\xa1t", 3);
    text[3] = (uint8_t)tag;
    assert_int_equal(filter_compile(filter, (struct bytes){text, 4}, &problem), 0);
}

/* Of a search that nobody disturbs. */
static void check_hits(const struct collection *c, const struct vindex_result *result,
                       const float *query, unsigned tag, bool exact)
{
    double kth;
    size_t n = collection_best(c, query, tag, COLLECTION_K, &kth);
    assert_int_equal(result->count, n);
    for (size_t i = 0; i < n; i++) {
        unsigned key = collection_number(result->hits[i].record);
        double score = collection_score(c, key, query);
        assert_true(key < COLLECTION_KEYS && c->there[key]);
        assert_true(tag == 4 || c->tags[key] == tag);
        assert_true(fabs(score - result->hits[i].score) < 1e-4);
        assert_true(!exact || score > kth - 1e-4);
        assert_true(i == 0 || result->hits[i - 1].score >= result->hits[i].score);
        for (size_t j = 0; j < i; j++)
            assert_true(result->hits[j].record != result->hits[i].record);
    }
}

static void check_search(struct collection *c, struct vindex_searcher *searcher, bool exact)
{
    static struct filter filter;
    unsigned tag = (unsigned)rng_below(&c->rng, 5);
    uint8_t text[4];
    float vector[COLLECTION_DIM];
    struct vindex_query query = {.vector = vector, .k = COLLECTION_K, .exact = exact, .ef = 100};
    struct vindex_result result;
    struct vindex *vindex = collection_index(c);
    collection_random_vector(&c->rng, vector);
    if (tag < 4) {
        compile(&filter, text, tag);
        query.filter = &filter;
    }
    vindex_enter(vindex);
    assert_int_equal(vindex_search(vindex, searcher, &query, 1, &result), 0);
    check_hits(c, &result, vector, tag, result.exact);
    assert_true(!exact || result.exact);
    vindex_leave(vindex);
    vindex_unref(vindex);
}

static void check_figures(const struct collection *c)
{
    struct vindex_figures figures;
    struct vindex *vindex = collection_index(c);
    size_t n = 0;
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        n += c->there[key];
    vindex_figures(vindex, &figures);
    assert_int_equal(figures.count, n);
    vindex_unref(vindex);
}

struct looker {
    struct collection *c;
    atomic_bool stop;
    _Atomic uint64_t searches;
};

/* While others write: no key twice, none that is not like its collection. */
static void *look(void *context)
{
    struct looker *looker = context;
    struct vindex *vindex = collection_index(looker->c);
    struct vindex_searcher *searcher = vindex_searcher_create();
    struct rng rng = {seed ^ (uintptr_t)context};
    while (!atomic_load(&looker->stop)) {
        float vector[COLLECTION_DIM];
        struct vindex_query query = {
            .vector = vector, .k = COLLECTION_K, .exact = rng_below(&rng, 2) == 0};
        struct vindex_result result;
        collection_random_vector(&rng, vector);
        vindex_enter(vindex);
        assert_int_equal(vindex_search(vindex, searcher, &query, 1, &result), 0);
        for (size_t i = 0; i < result.count; i++) {
            unsigned key = collection_number(result.hits[i].record);
            assert_true(key < COLLECTION_KEYS);
            for (size_t j = 0; j < i; j++)
                assert_true(collection_number(result.hits[j].record) != key);
        }
        vindex_leave(vindex);
        looker->searches++;
    }
    vindex_searcher_destroy(searcher);
    vindex_unref(vindex);
    return NULL;
}

static void model(const struct vec_config *config, unsigned n_workers, bool others)
{
    struct store *store = fixture_open(4, 4);
    struct vindex_searcher *searcher = vindex_searcher_create();
    struct looker lookers[SEARCHERS];
    pthread_t threads[SEARCHERS];
    struct collection c;
    if (n_workers > 0)
        assert_int_equal(workers_start(n_workers, &store->workers), 0);
    collection_open(&c, store, config, seed);
    for (unsigned i = 0; others && i < SEARCHERS; i++) {
        lookers[i] = (struct looker){.c = &c};
        assert_int_equal(pthread_create(&threads[i], NULL, look, &lookers[i]), 0);
    }
    for (unsigned step = 0; step < STEPS; step++) {
        collection_step(&c);
        if (step % 16 == 0)
            check_search(&c, searcher, step % 32 == 0);
        if (step % 100 == 0)
            vindex_sweep_locked(collection_partition(&c));
    }
    check_figures(&c);
    if (n_workers > 0)
        collection_settle(&c);
    for (int i = 0; i < 20; i++)
        check_search(&c, searcher, i % 2 == 0);
    for (unsigned i = 0; others && i < SEARCHERS; i++) {
        atomic_store(&lookers[i].stop, true);
        pthread_join(threads[i], NULL);
        assert_true(lookers[i].searches > 0);
    }
    workers_stop(store->workers);
    store->workers = NULL;
    vindex_searcher_destroy(searcher);
    store_destroy(store);
}

static void each_metric(void **state)
{
    (void)state;
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++) {
        struct vec_config config = {
            .metric = (enum metric)metric, .index = VEC_FLAT, .m = 8, .ef_construction = 50};
        model(&config, 0, false);
        config.index = VEC_HNSW;
        model(&config, 2, false);
        config.quantization = VEC_INT8;
        model(&config, 2, false);
    }
}

static void with_others(void **state)
{
    struct vec_config config = {.index = VEC_FLAT, .m = 8, .ef_construction = 50};
    (void)state;
    model(&config, 2, true);
    config.index = VEC_HNSW;
    model(&config, 2, true);
}

/* ---- drop ---- */

/* The keys that a search finds, nearest first, for one of two ways to search. */
static size_t found_keys(struct vindex *vindex, bool exact, unsigned out[static COLLECTION_K])
{
    struct vindex_searcher *searcher = vindex_searcher_create();
    float vector[COLLECTION_DIM] = {1, 2};
    struct vindex_query query = {
        .vector = vector, .k = COLLECTION_K, .ef = COLLECTION_KEYS / 4, .exact = exact};
    struct vindex_result result;
    vindex_enter(vindex);
    assert_int_equal(vindex_search(vindex, searcher, &query, 1, &result), 0);
    for (size_t i = 0; i < result.count; i++)
        out[i] = collection_number(result.hits[i].record);
    vindex_leave(vindex);
    vindex_searcher_destroy(searcher);
    return result.count;
}

/* A search that was asked for before a drop finds what was there, however late it begins. */
static void drop_before_search(void **state)
{
    struct vec_config config = {.m = 8, .ef_construction = 50};
    unsigned before[2][COLLECTION_K], after[2][COLLECTION_K];
    struct collection c;
    (void)state;
    for (int workers = 0; workers < 2; workers++) {
        struct store *store = fixture_open(4, 4);
        config.index = workers > 0 ? VEC_HNSW : VEC_FLAT;
        if (workers > 0)
            assert_int_equal(workers_start(2, &store->workers), 0);
        collection_open(&c, store, &config, seed);
        for (unsigned key = 0; key < COLLECTION_KEYS; key++)
            collection_upsert(&c, key);
        if (workers > 0)
            collection_settle(&c);
        struct vindex *vindex = collection_index(&c);
        for (int i = 0; i < 2; i++)
            assert_int_equal(found_keys(vindex, i > 0, before[i]), COLLECTION_K);
        struct record_key key = collection_own_key(&c);
        collection_change(&c, &key, BYTES_NONE);
        for (unsigned k = 0; k < COLLECTION_KEYS; k++) /* as they go behind it */
            collection_delete(&c, k);
        vindex_sweep_locked(collection_partition(&c));
        for (int i = 0; i < 2; i++)
            assert_int_equal(found_keys(vindex, i > 0, after[i]), COLLECTION_K);
        assert_memory_equal(after, before, sizeof before);
        vindex_unref(vindex);
        workers_stop(store->workers);
        store->workers = NULL;
        store_destroy(store);
    }
}

static void drop_among_searches(void **state)
{
    struct store *store = fixture_open(4, 4);
    struct vec_config config = {.index = VEC_HNSW, .m = 8, .ef_construction = 50};
    struct collection c;
    struct looker looker = {.c = &c};
    pthread_t thread;
    (void)state;
    assert_int_equal(workers_start(2, &store->workers), 0);
    collection_open(&c, store, &config, seed);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(&c, key);
    assert_int_equal(pthread_create(&thread, NULL, look, &looker), 0);
    while (atomic_load(&looker.searches) == 0)
        (void)sched_yield();
    struct record_key key = collection_own_key(&c);
    struct vindex *vindex = collection_index(&c); /* a search that has begun */
    collection_change(&c, &key, BYTES_NONE);
    struct partition *partition = collection_partition(&c);
    partition_lock(partition);
    assert_null(vindex_find(partition, c.generation));
    partition_unlock(partition);
    for (unsigned k = 0; k < COLLECTION_KEYS; k++)
        collection_delete(&c, k);
    for (int i = 0; i < 10; i++)
        vindex_sweep_locked(partition);
    vindex_unref(vindex);
    atomic_store(&looker.stop, true);
    pthread_join(thread, NULL);
    while (hmap_count(&partition->vindexes) > 0)
        vindex_sweep_locked(partition);
    assert_int_equal(partition->vindex_bytes, 0);
    workers_stop(store->workers);
    store->workers = NULL;
    store_destroy(store);
}

/* A task that takes as long as the test wants. */
struct gate {
    struct task task;
    pthread_mutex_t shut;
};

static void gate_wait(struct task *task, unsigned worker)
{
    struct gate *gate = (struct gate *)task;
    (void)worker;
    pthread_mutex_lock(&gate->shut);
    pthread_mutex_unlock(&gate->shut);
}

/* Many small ones: whoever drops them frees none, and asks once for all. */
static void drop_many(void **state)
{
    enum { SETS = 300, ROWS = 20, HELD = 10 };
    struct store *store = fixture_open(4, 4);
    struct vec_config config = {.index = VEC_FLAT, .m = 8, .ef_construction = 50};
    struct gate gate = {.task.run = gate_wait, .shut = PTHREAD_MUTEX_INITIALIZER};
    struct vindex *held[HELD];
    struct collection c;
    size_t waiting = 0;
    (void)state;
    assert_int_equal(workers_start(1, &store->workers), 0);
    pthread_mutex_lock(&gate.shut);
    workers_submit(store->workers, &gate.task, WORK_NOW);
    while (workers_waiting(store->workers) > 0)
        (void)sched_yield();
    for (unsigned i = 0; i < SETS; i++) {
        collection_open(&c, store, &config, seed);
        for (unsigned key = 0; key < ROWS; key++)
            collection_upsert(&c, key);
        if (i < HELD)
            held[i] = collection_index(&c); /* a search that has begun */
        struct record_key key = collection_own_key(&c);
        collection_change(&c, &key, BYTES_NONE);
    }
    struct partition *partition = collection_partition(&c);
    vindex_sweep_locked(partition);
    assert_int_equal(hmap_count(&partition->vindexes), HELD);
    for (unsigned i = 0; i < HELD; i++)
        vindex_unref(held[i]);
    vindex_sweep_locked(partition); /* the rest of the table, and its beginning */
    vindex_sweep_locked(partition);
    assert_int_equal(hmap_count(&partition->vindexes), 0);
    assert_int_equal(partition->vindex_bytes, 0);
    waiting = 0;
    for (const struct vindex *next = atomic_load(&store->dropped); next != NULL; next = next->next)
        waiting++;
    assert_int_equal(waiting, SETS);
    assert_int_equal(workers_waiting(store->workers), 1);
    pthread_mutex_unlock(&gate.shut);
    workers_stop(store->workers);
    store->workers = NULL;
    assert_null(atomic_load(&store->dropped));
    store_destroy(store);
}

/* ---- memory ---- */

static int try_upsert(struct collection *c, unsigned key)
{
    uint8_t bytes[GROUP_PREFIX_MAX + 2];
    struct record_key record_key = collection_key(c, key, bytes);
    struct buf value = {0};
    float vector[COLLECTION_DIM];
    struct txn txn;
    collection_random_vector(&c->rng, vector);
    assert_int_equal(vec_write_vector(&value, COLLECTION_DIM, VEC_BIN, vector, BYTES_NONE), 0);
    struct record_spec spec = {.key = record_key, .value = buf_bytes(&value)};
    uint64_t hash = store_hash(c->store, &record_key);
    txn_init(&txn, c->store, FIXTURE_NOW_MS);
    assert_int_equal(txn_lock(&txn, c->store->default_run, hash, 0), 0);
    mem_fail_after(1 + (unsigned long)rng_below(&c->rng, 6), 0);
    int err = txn_put(&txn, &spec, hash);
    mem_fail_after(0, 0);
    if (err == 0)
        (void)txn_commit(&txn);
    txn_deinit(&txn);
    if (err == 0) {
        memcpy(c->vectors[key], vector, sizeof vector);
        c->tags[key] = 4;
        c->there[key] = true;
    }
    buf_deinit(&value);
    return err;
}

static void without_memory(void **state)
{
    struct store *store = fixture_open(4, 4);
    struct vec_config config = {.index = VEC_FLAT, .m = 8, .ef_construction = 50};
    struct vindex_searcher *searcher = vindex_searcher_create();
    struct collection c;
    unsigned failed = 0;
    (void)state;
    collection_open(&c, store, &config, seed);
    for (int i = 0; i < 3000; i++)
        failed += try_upsert(&c, (unsigned)rng_below(&c.rng, COLLECTION_KEYS)) != 0;
    check_figures(&c);
    for (int i = 0; i < 20; i++) {
        check_search(&c, searcher, true);
    }
#ifdef CAIRN_FAULTS
    assert_true(failed > 0);
#endif
    vindex_searcher_destroy(searcher);
    store_destroy(store);
}

/* One effect of a transaction: a put of this vector, or a del with the key kept by the transaction.
 */
static int plan_one(struct collection *c, struct txn *txn, unsigned key, const float *vector)
{
    uint8_t bytes[GROUP_PREFIX_MAX + 2];
    struct record_key record_key = collection_key(c, key, bytes);
    uint64_t hash = store_hash(c->store, &record_key);
    struct buf value = {0};
    int err;
    if (vector == NULL) {
        err = txn_keep(txn, record_key.bytes, &record_key.bytes);
        return err != 0 ? err : txn_del(txn, &record_key, hash);
    }
    err = vec_write_vector(&value, COLLECTION_DIM, VEC_BIN, vector, BYTES_NONE);
    struct record_spec spec = {.key = record_key, .value = buf_bytes(&value)};
    if (err == 0)
        err = txn_put(txn, &spec, hash);
    buf_deinit(&value);
    return err;
}

/* As atomic batches plan: vectors that are new, replaced, replaced again, taken back and deleted,
 * in one transaction, without the n-th allocation. */
static int try_batch(struct collection *c, unsigned long n)
{
    enum { NEW = 100, TAKEN_BACK = 101, OLD = 1, GONE = 2 };
    float vector[COLLECTION_DIM] = {1}, last[COLLECTION_DIM] = {0, 1};
    struct record_key own = collection_own_key(c);
    const struct {
        unsigned key;
        const float *vector;
    } plan[] = {{NEW, vector}, {TAKEN_BACK, vector}, {OLD, vector}, {TAKEN_BACK, NULL},
                {OLD, last},   {GONE, NULL},         {NEW, last}};
    struct txn txn;
    int err = 0;
    txn_init(&txn, c->store, FIXTURE_NOW_MS);
    assert_int_equal(txn_lock(&txn, c->store->default_run, store_hash(c->store, &own), 0), 0);
    txn.many = true;
    mem_fail_after(n, 0);
    for (size_t i = 0; i < LENGTH_OF(plan) && err == 0; i++)
        err = plan_one(c, &txn, plan[i].key, plan[i].vector);
    if (err == 0)
        (void)txn_commit(&txn);
    mem_fail_after(0, 0);
    txn_deinit(&txn);
    if (err == 0) {
        c->there[NEW] = true;
        c->there[GONE] = false;
        memcpy(c->vectors[NEW], last, sizeof last);
        memcpy(c->vectors[OLD], last, sizeof last);
        c->tags[NEW] = c->tags[OLD] = 4;
    }
    return err;
}

static void batch_without_memory(void **state)
{
    struct store *store = fixture_open(4, 4);
    struct vec_config config = {.index = VEC_FLAT, .m = 8, .ef_construction = 50};
    struct vindex_searcher *searcher = vindex_searcher_create();
    struct collection c;
    unsigned long n = 1;
    (void)state;
    collection_open(&c, store, &config, seed);
    for (unsigned key = 0; key < 50; key++)
        collection_upsert(&c, key);
    for (; try_batch(&c, n) != 0; n++) {
        check_figures(&c);
        check_search(&c, searcher, true);
    }
    check_figures(&c);
    for (int i = 0; i < 20; i++)
        check_search(&c, searcher, true);
#ifdef CAIRN_FAULTS
    assert_true(n > 7); /* each effect takes memory */
#endif
    vindex_searcher_destroy(searcher);
    store_destroy(store);
}

int main(void)
{
    seed = collection_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_metric),
        cmocka_unit_test(with_others),
        cmocka_unit_test(drop_among_searches),
        cmocka_unit_test(drop_before_search),
        cmocka_unit_test(drop_many),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(batch_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
