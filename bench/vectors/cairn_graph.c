/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A thin layer over rows and hnsw. Threads: one. Failures end the program.
 */
#include "bench/vectors/cairn_graph.h"

#include "common/mem.h"
#include "common/rng.h"
#include "server/ds/flat.h"
#include "server/ds/hnsw.h"

#include <math.h>
#include <string.h>

enum { ITEM_HEADER = 48, K_MAX = 1000 };

struct cairn_graph {
    struct rows rows;
    struct hnsw *hnsw;
    struct hnsw_scratch *scratch;
    void *storage;
    uint64_t scanned;
};

struct cairn_graph *cairn_graph_open(unsigned dim, int metric, int int8, unsigned m,
                                     unsigned ef_construction)
{
    struct cairn_graph *graph = mem_calloc(1, sizeof *graph);
    REQUIRE(graph != NULL);
    rows_init(&graph->rows, dim, (enum metric)metric, int8 != 0, kernels_best());
    graph->hnsw = hnsw_create(&graph->rows, m, ef_construction);
    graph->scratch = hnsw_scratch_create();
    graph->storage = mem_aligned(ROWS_CODE_ALIGN, rows_query_bytes(&graph->rows));
    REQUIRE(graph->hnsw != NULL && graph->scratch != NULL && graph->storage != NULL);
    return graph;
}

void cairn_graph_close(struct cairn_graph *graph)
{
    hnsw_destroy(graph->hnsw);
    hnsw_scratch_destroy(graph->scratch);
    for (uint32_t slot = 0; slot < graph->rows.n_slots; slot++)
        mem_free(rows_item(&graph->rows, slot));
    rows_deinit(&graph->rows);
    mem_free(graph->storage);
    mem_free(graph);
}

void cairn_graph_add(struct cairn_graph *graph, const float *vector)
{
    size_t bytes = graph->rows.dim * sizeof *vector;
    char *item = mem_alloc(ITEM_HEADER + bytes);
    REQUIRE(item != NULL && rows_reserve(&graph->rows, 1) == 0);
    memcpy(item + ITEM_HEADER, vector, bytes);
    uint32_t slot =
        rows_add(&graph->rows, (const float *)(const void *)(item + ITEM_HEADER), ITEM_HEADER);
    unsigned level = hnsw_level(graph->hnsw, rng_mix(slot + UINT64_C(0x9e3779b97f4a7c15)));
    REQUIRE(hnsw_reserve(graph->hnsw, slot + 1) == 0);
    REQUIRE(hnsw_insert(graph->hnsw, graph->scratch, slot, level) == 0);
}

size_t cairn_graph_search(struct cairn_graph *graph, const float *vector, size_t k, size_t ef,
                          uint32_t *out_ids)
{
    struct hit hits[K_MAX];
    struct rows_query query;
    rows_query(&graph->rows, vector, graph->storage, &query);
    REQUIRE(k > 0 && k <= K_MAX);
    struct topk topk = {.hits = hits, .k = k};
    struct hnsw_search search = {
        .query = &query, .ef = ef, .within = INFINITY, .visits_max = UINT64_MAX, .topk = &topk};
    REQUIRE(hnsw_search(graph->hnsw, graph->scratch, &search) == 0);
    graph->scanned += search.scanned;
    topk_sort(&topk);
    for (size_t i = 0; i < topk.count; i++)
        out_ids[i] = hits[i].slot;
    return topk.count;
}

size_t cairn_graph_exact(struct cairn_graph *graph, const float *vector, size_t k,
                         uint32_t *out_ids)
{
    struct hit hits[K_MAX];
    struct rows_query query;
    rows_query(&graph->rows, vector, graph->storage, &query);
    REQUIRE(k > 0 && k <= K_MAX);
    struct topk topk = {.hits = hits, .k = k};
    struct flat_search search = {.query = &query, .within = INFINITY, .topk = &topk};
    flat_scan(&graph->rows, &search, 0, graph->rows.n_slots);
    topk_sort(&topk);
    for (size_t i = 0; i < topk.count; i++)
        out_ids[i] = hits[i].slot;
    return topk.count;
}

size_t cairn_graph_bytes(const struct cairn_graph *graph)
{
    return rows_bytes(&graph->rows) + hnsw_bytes(graph->hnsw);
}

uint64_t cairn_graph_scanned(struct cairn_graph *graph)
{
    uint64_t scanned = graph->scanned;
    graph->scanned = 0;
    return scanned;
}
