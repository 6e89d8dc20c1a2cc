/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A small world for tests of the graph: items with vectors, rows over them, a graph, and the exact
 * answer. Requirements are asserted.
 *
 * CAIRN_SEED sets the seed; it is printed.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"
#include "server/ds/flat.h"
#include "server/ds/hnsw.h"
#include "server/ds/rows_code.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORLD_CLUSTERS = 20 };

struct item {
    uint32_t id;
    float vector[];
};

struct world {
    struct rng rng;
    struct rows rows;
    struct hnsw *hnsw;
    struct hnsw_scratch *scratch;
    bool clustered;
    float *centres;
};

static inline struct rng world_rng(void)
{
    static uint64_t seed;
    const char *text = getenv("CAIRN_SEED");
    if (seed == 0) {
        seed = text != NULL ? strtoull(text, NULL, 0) : 1;
        printf("CAIRN_SEED=%llu\n", (unsigned long long)seed);
    }
    return (struct rng){seed};
}

/* About normal, with variance 1. */
static inline float world_normal(struct rng *rng)
{
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (float)(rng_next(rng) >> 40) / (float)(1 << 24) - 0.5f;
    return sum * 1.732f;
}

static inline void world_vector(struct world *world, struct rng *rng, float *out)
{
    const float *centre = world->centres + rng_below(rng, WORLD_CLUSTERS) * (size_t)world->rows.dim;
    for (unsigned i = 0; i < world->rows.dim; i++)
        out[i] = world_normal(rng) + (world->clustered ? 3 * centre[i] : 0);
}

static inline void world_open(struct world *world, unsigned dim, enum metric metric,
                              enum rows_codes codes, bool clustered, unsigned m,
                              unsigned ef_construction)
{
    memset(world, 0, sizeof *world);
    world->rng = world_rng();
    world->clustered = clustered;
    rows_init(&world->rows, dim, metric, codes, kernels_best());
    world->hnsw = hnsw_create(&world->rows, m, ef_construction);
    world->scratch = hnsw_scratch_create();
    world->centres = malloc(WORLD_CLUSTERS * (size_t)dim * sizeof(float));
    assert_non_null(world->hnsw);
    assert_non_null(world->scratch);
    for (size_t i = 0; i < WORLD_CLUSTERS * (size_t)dim; i++)
        world->centres[i] = world_normal(&world->rng);
}

static inline void world_close(struct world *world)
{
    hnsw_destroy(world->hnsw);
    hnsw_scratch_destroy(world->scratch);
    for (uint32_t slot = 0; slot < world->rows.n_slots; slot++)
        if (rows_state(&world->rows, slot) != ROW_FREE)
            free(rows_item(&world->rows, slot));
    rows_deinit(&world->rows);
    free(world->centres);
}

/* A row in the tail. */
static inline uint32_t world_add(struct world *world, uint32_t id, const float *vector)
{
    struct item *item = malloc(sizeof *item + (world->rows.dim + 1) * sizeof *vector);
    item->id = id;
    if (world->rows.coded)
        code_store(vector, world->rows.dim, (uint8_t *)item->vector);
    else
        memcpy(item->vector, vector, world->rows.dim * sizeof *vector);
    assert_int_equal(rows_reserve(&world->rows, 1), 0);
    uint32_t slot = rows_add(&world->rows, item->vector, offsetof(struct item, vector));
    assert_int_equal(hnsw_reserve(world->hnsw, world->rows.n_slots), 0);
    return slot;
}

static inline unsigned world_level(struct world *world, uint32_t id)
{
    return hnsw_level(world->hnsw, rng_mix(id + 1));
}

static inline uint32_t world_insert(struct world *world, uint32_t id, const float *vector)
{
    uint32_t slot = world_add(world, id, vector);
    assert_int_equal(hnsw_insert(world->hnsw, world->scratch, slot, world_level(world, id)), 0);
    assert_int_equal(rows_state(&world->rows, slot), ROW_LINKED);
    return slot;
}

static inline void world_fill(struct world *world, uint32_t from, uint32_t to)
{
    float vector[ROWS_DIM_MAX];
    for (uint32_t id = from; id < to; id++) {
        world_vector(world, &world->rng, vector);
        world_insert(world, id, vector);
    }
}

/* Search with a query; hits, the nearest first, in `hits`; how many. */
static inline size_t world_search(struct world *world, const float *vector, size_t k, size_t ef,
                                  struct hit *hits)
{
    void *storage = aligned_alloc(ROWS_CODE_ALIGN, (rows_query_bytes(&world->rows) + 63) / 64 * 64);
    struct rows_query query;
    rows_query(&world->rows, vector, storage, &query);
    struct topk topk = {.hits = hits, .k = k};
    struct hnsw_search search = {
        .query = &query, .ef = ef, .within = INFINITY, .visits_max = UINT64_MAX, .topk = &topk};
    assert_int_equal(hnsw_search(world->hnsw, world->scratch, &search), 0);
    assert_false(search.gave_up);
    topk_sort(&topk);
    free(storage);
    return topk.count;
}

static inline size_t world_exact(struct world *world, const float *vector, size_t k,
                                 struct hit *hits)
{
    void *storage = aligned_alloc(ROWS_CODE_ALIGN, (rows_query_bytes(&world->rows) + 63) / 64 * 64);
    struct rows_query query;
    rows_query(&world->rows, vector, storage, &query);
    struct topk topk = {.hits = hits, .k = k};
    struct flat_search search = {.query = &query, .within = INFINITY, .topk = &topk};
    flat_scan(&world->rows, &search, 0, world->rows.n_slots);
    topk_sort(&topk);
    free(storage);
    return topk.count;
}

/* Part of the k nearest that a search finds, over n queries; by distance, so that ties count. */
static inline double world_recall(struct world *world, unsigned n, size_t k, size_t ef)
{
    struct rng rng = {.state = 4711};
    float *vector = malloc(world->rows.dim * sizeof *vector);
    struct hit *hits = malloc(k * sizeof *hits), *exact = malloc(k * sizeof *exact);
    size_t right = 0, all = 0;
    for (unsigned q = 0; q < n; q++) {
        world_vector(world, &rng, vector);
        size_t n_exact = world_exact(world, vector, k, exact);
        size_t n_hits = world_search(world, vector, k, ef, hits);
        assert_true(n_hits <= n_exact);
        for (size_t i = 0; i < n_hits; i++)
            right += hits[i].distance <= exact[n_exact - 1].distance;
        all += n_exact;
    }
    free(vector);
    free(hits);
    free(exact);
    return all > 0 ? (double)right / (double)all : 1;
}
