/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The vectors of a run: those that are stored, and those that are searched for.
 *
 * Synthetic ones are a function of (seed, number), so that two runs, and their oracles, have the
 * same. They are a mixture of Gaussians that is as hard for an index as text embeddings are: 256
 * clusters that overlap, of which vectors leave the centre in 40 directions, less in each than
 * in the one before, with a little noise in all. So the intrinsic dimension is low, whatever --dim
 * is, and neighbours are neighbours in clusters that an index must find its way between. (Points
 * that are independent in each element have hardly any neighbours; single tight clusters are too
 * easy.) Queries are drawn from the same distribution and are none of those stored.
 *
 * With --dataset they are the rows of a file: real embeddings.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vector_metric { VECTOR_COSINE, VECTOR_L2, VECTOR_DOT, VECTOR_METRICS };

/* As the server calls them. */
extern const char *const vector_metric_names[VECTOR_METRICS];

enum { VECTOR_DIM_MAX = 8192, VECTOR_DETAIL_SIZE = 240 };

/* What the options ask for. */
struct vector_spec {
    enum vector_metric metric;
    size_t dim;
    uint64_t n, queries; /* vectors stored, searched for */
    double selectivity;  /* a filter matches this share of them, 0..1; 1: no filter */
    uint64_t seed;
    const char *dataset, *query_file; /* ""; a file */
};

struct vector_set {
    struct vector_spec spec;    /* with a file, its dimension and what is in it */
    float *rows;                /* n * dim */
    float *queries;             /* queries * dim */
    float *norms, *query_norms; /* cosine: their lengths; else NULL */
};

/* Make or read them, on so many threads. 0, or ERR_BAD_ARGUMENT, ERR_IO, ERR_OUT_OF_MEMORY with a
 * sentence; vector_set_deinit is due either way. */
MUST_USE int vector_set_make(struct vector_set *set, const struct vector_spec *spec,
                             unsigned threads, char out_detail[static VECTOR_DETAIL_SIZE]);
void vector_set_deinit(struct vector_set *set);

/* Synthetic vector number i into out[0..dim). */
struct vector_mixture;
MUST_USE struct vector_mixture *vector_mixture_create(size_t dim, uint64_t seed);
void vector_mixture_destroy(struct vector_mixture *mixture);
void vector_mixture_draw(const struct vector_mixture *mixture, uint64_t number, float *out);

static inline const float *vector_row(const struct vector_set *set, uint64_t i)
{
    return set->rows + i * set->spec.dim;
}

static inline const float *vector_query(const struct vector_set *set, uint64_t i)
{
    return set->queries + i * set->spec.dim;
}

/* The number in the metadata of vector i, {"u": 0..1}: uniform, a function of (seed, i). */
double vector_uniform(const struct vector_set *set, uint64_t i);

/* Does the filter {"u": {"$lt": selectivity}} match it? */
bool vector_matches(const struct vector_set *set, uint64_t i);

/* How far vector i is from query q: less is nearer. cosine: 1 - cos; l2: the distance; dot: the
 * product, negative. */
double vector_distance(const struct vector_set *set, uint64_t q, uint64_t i);

/* Call work(context, i) for 0..n-1, some at once on each of so many threads; returns when all are
 * done, or, if threads cannot be started, does them here. progress says on standard error how far
 * it is, after two seconds; NULL: it does not. */
void vector_parallel(size_t n, unsigned threads, const char *progress,
                     void (*work)(void *context, size_t i), void *context);
