/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Distances of rows and queries, and the scores made of them.
 *
 * The kernels' single precision is for vectors of ordinary size. Where it yields what is not finite
 * (sums too large; the NaN of a factor, see rows.c) the distance is computed again in double.
 */
#include "server/ds/rows.h"

#include "common/prefetch.h"
#include "server/ds/rows_code.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { ROWS_LINE = 64, ROWS_PREFETCH_LINES = 8 };

/* ---- in double ---- */

static double rows_dot_double(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        float pair[2];
        memcpy(&pair[0], (const char *)a + i * sizeof *a, sizeof *a);
        memcpy(&pair[1], (const char *)b + i * sizeof *b, sizeof *b);
        sum += (double)pair[0] * pair[1];
    }
    return sum;
}

/* The sum of squares of differences: no product of sums, which would lose what is nearly the same.
 */
static double rows_l2_double(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        float pair[2];
        memcpy(&pair[0], (const char *)a + i * sizeof *a, sizeof *a);
        memcpy(&pair[1], (const char *)b + i * sizeof *b, sizeof *b);
        sum += ((double)pair[0] - pair[1]) * ((double)pair[0] - pair[1]);
    }
    return sum;
}

static double rows_cosine_double(const float *a, const float *b, size_t n)
{
    double squares = rows_square(a, n) * rows_square(b, n);
    return squares > 0 ? rows_dot_double(a, b, n) / sqrt(squares) : 0;
}

static __attribute__((noinline, cold)) float rows_distance_double(const struct rows *rows,
                                                                  const float *a, const float *b)
{
    double distance = rows->metric == METRIC_COSINE ? -rows_cosine_double(a, b, rows->dim)
                      : rows->metric == METRIC_L2   ? rows_l2_double(a, b, rows->dim)
                                                    : -rows_dot_double(a, b, rows->dim);
    return (float)fmax(-FLT_MAX, fmin(FLT_MAX, distance));
}

/* ---- in single precision, and by codes ---- */

/* `factors`: the product of both. */
static inline float rows_distance_full(const struct rows *rows, const float *a, const float *b,
                                       float factors)
{
    float distance = rows->metric == METRIC_L2 ? rows->kernels->l2(a, b, rows->dim)
                                               : -rows->kernels->dot(a, b, rows->dim) * factors;
    return isfinite(distance) ? distance : rows_distance_double(rows, a, b);
}

/* What a row or a query is to the distance by codes. */
struct rows_coded {
    const int8_t *code;
    float step, square;
};

static inline struct rows_coded rows_coded(const struct rows *rows, uint32_t slot)
{
    uint32_t i;
    const struct rows_chunk *chunk = &rows->chunks[rows_chunk_of(slot, &i)];
    float step = chunk->steps[i];
    return (struct rows_coded){
        .code = rows_code_at(rows, slot),
        .step = step,
        .square = chunk->squares != NULL ? (float)chunk->squares[i] * step * step : 0,
    };
}

/* May be not finite. */
static inline float rows_distance_codes(const struct rows *rows, struct rows_coded a,
                                        struct rows_coded b)
{
    float dot = (float)rows->kernels->dot_int8(a.code, b.code, rows->dim) * a.step * b.step;
    if (rows->metric != METRIC_L2)
        return -dot;
    float distance = a.square + b.square - 2 * dot;
    return distance < 0 ? 0 : distance; /* by rounding */
}

/* A row of which there is nothing but the code; all sums are of integers, and exact. */
static float rows_distance_coded(const struct rows *rows, const struct rows_query *query,
                                 uint32_t slot)
{
    uint32_t i;
    const struct rows_chunk *chunk = &rows->chunks[rows_chunk_of(slot, &i)];
    const int8_t *code = rows_code_at(rows, slot);
    double step = chunk->steps[i], dot = rows->kernels->dot_int8(query->code, code, rows->dim);
    if (query->rest != NULL)
        dot += 1.0 / CODE_REST * rows->kernels->dot_int8(query->rest, code, rows->dim);
    double distance = -dot * step * query->step;
    if (rows->metric == METRIC_L2)
        distance = fmax(0, chunk->squares[i] * step * step + query->full_square + 2 * distance);
    return (float)fmax(-FLT_MAX, fmin(FLT_MAX, distance));
}

float rows_distance(const struct rows *rows, const struct rows_query *query, uint32_t slot)
{
    if (rows->coded)
        return rows_distance_coded(rows, query, slot);
    return rows_distance_full(rows, query->vector, rows_vector(rows, slot),
                              query->factor * rows_row(rows, slot)->factor);
}

float rows_distance_fast(const struct rows *rows, const struct rows_query *query, uint32_t slot)
{
    if (!rows->int8)
        return rows_distance(rows, query, slot);
    struct rows_coded coded = {query->code, query->step, (float)query->square};
    float distance = rows_distance_codes(rows, coded, rows_coded(rows, slot));
    return isfinite(distance) ? distance : rows_distance(rows, query, slot);
}

float rows_distance_between(const struct rows *rows, uint32_t a, uint32_t b)
{
    struct rows_query query;
    if (rows->int8) {
        float distance = rows_distance_codes(rows, rows_coded(rows, a), rows_coded(rows, b));
        if (isfinite(distance))
            return distance;
    }
    if (rows->coded) {
        rows_query_row(rows, a, &query);
        return rows_distance_coded(rows, &query, b);
    }
    return rows_distance_full(rows, rows_vector(rows, a), rows_vector(rows, b),
                              rows_row(rows, a)->factor * rows_row(rows, b)->factor);
}

void rows_prefetch(const struct rows *rows, uint32_t slot)
{
    size_t bytes = rows->int8 ? rows->dim : rows->vector_bytes;
    const char *at =
        rows->int8 ? (const char *)rows_code_at(rows, slot) : (const char *)rows_vector(rows, slot);
    for (size_t line = 0; line < ROWS_PREFETCH_LINES && line * ROWS_LINE < bytes; line++)
        prefetch(at + line * ROWS_LINE);
}

/* ---- scores ---- */

float rows_score(enum metric metric, float distance)
{
    if (metric == METRIC_L2)
        return 1 / (1 + sqrtf(distance));
    if (metric == METRIC_DOT)
        return -distance;
    return fmaxf(-1, fminf(1, -distance));
}

/* By halving over the floats from 0 up, whose bits are in their order: scores fall as they rise,
 * but not strictly, and the last one with a score is wanted. */
static float rows_distance_of_l2(float score)
{
    uint32_t low = 0, high = 0x7f800000; /* score(low) >= score > score(high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        float distance;
        memcpy(&distance, &middle, sizeof distance);
        if (rows_score(METRIC_L2, distance) >= score)
            low = middle;
        else
            high = middle;
    }
    float distance;
    memcpy(&distance, &low, sizeof distance);
    return distance;
}

float rows_distance_of_score(enum metric metric, float score)
{
    if (metric == METRIC_DOT)
        return -score;
    if (score > 1)
        return -INFINITY;
    if (score <= (metric == METRIC_L2 ? 0 : -1))
        return INFINITY;
    return metric == METRIC_L2 ? rows_distance_of_l2(score) : -score;
}
