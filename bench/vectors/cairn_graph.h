/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graph as a C++ program can use it: server/ds/hnsw.h is C with atomics.
 *
 * Vectors stand in blocks of memory of their own behind a header, as they do in records.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cairn_graph;

/* metric: 0 cosine, 1 l2, 2 dot. All of these end the program if there is no memory. */
struct cairn_graph *cairn_graph_open(unsigned dim, int metric, int int8, unsigned m,
                                     unsigned ef_construction);
void cairn_graph_close(struct cairn_graph *graph);

/* Ids are given from 0 up. */
void cairn_graph_add(struct cairn_graph *graph, const float *vector);

/* The ids of up to k nearest, the nearest first; returns how many. */
size_t cairn_graph_search(struct cairn_graph *graph, const float *vector, size_t k, size_t ef,
                          uint32_t *out_ids);

/* The same of all there are, exactly. */
size_t cairn_graph_exact(struct cairn_graph *graph, const float *vector, size_t k,
                         uint32_t *out_ids);

/* Memory of rows and links; and distances computed by searches since the last call. */
size_t cairn_graph_bytes(const struct cairn_graph *graph);
uint64_t cairn_graph_scanned(struct cairn_graph *graph);

#ifdef __cplusplus
}
#endif
