/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vectors for tests: random ones, at odd addresses in blocks of their own, and distances of them in
 * double.
 */
#pragma once

#include "server/ds/rows_code.h"

#include "tests/unit/common/seed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A block of exactly the bytes it needs; the vector at its end. */
struct item {
    uint32_t key;
    char rest[]; /* `back` counts from the beginning of the item */
};

static inline const float *item_vector(const struct item *item, uint16_t back)
{
    return (const float *)(const void *)((const char *)item + back);
}

static inline struct item *item_make(uint32_t key, uint16_t back, const float *vector, unsigned dim)
{
    struct item *item = malloc(back + dim * sizeof *vector);
    assert_non_null(item);
    item->key = key;
    memcpy((char *)item + back, vector, dim * sizeof *vector);
    return item;
}

/* As these rows have it; *vector is then what a stored code made of it. */
static inline struct item *item_make_for(const struct rows *rows, uint32_t key, uint16_t back,
                                         float *vector)
{
    if (!rows->coded)
        return item_make(key, back, vector, rows->dim);
    struct item *item = malloc(back + code_stored_bytes(rows->dim));
    assert_non_null(item);
    item->key = key;
    code_store(vector, rows->dim, (uint8_t *)item + back);
    code_load((const uint8_t *)item + back, rows->dim, vector);
    return item;
}

static inline uint16_t random_back(struct rng *rng)
{
    return (uint16_t)(sizeof(struct item) + rng_below(rng, 70));
}

/* Elements from -size to size. */
static inline void random_vector(struct rng *rng, float *elements, unsigned dim, float size)
{
    for (unsigned i = 0; i < dim; i++)
        elements[i] = ((float)rng_below(rng, 2000001) / 1000000 - 1) * size;
}

static inline double dot_of(const float *a, const float *b, unsigned dim)
{
    double sum = 0;
    for (unsigned i = 0; i < dim; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static inline double distance_of(enum metric metric, const float *a, const float *b, unsigned dim)
{
    double dot = dot_of(a, b, dim), sum = 0;
    if (metric == METRIC_DOT)
        return -dot;
    if (metric == METRIC_COSINE)
        return dot == 0 ? 0 : -dot / sqrt(dot_of(a, a, dim)) / sqrt(dot_of(b, b, dim));
    for (unsigned i = 0; i < dim; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

static inline void *query_storage(const struct rows *rows)
{
    size_t bytes = (rows_query_bytes(rows) + ROWS_CODE_ALIGN - 1) / ROWS_CODE_ALIGN;
    void *storage = aligned_alloc(ROWS_CODE_ALIGN, bytes * ROWS_CODE_ALIGN);
    assert_non_null(storage);
    return storage;
}
