/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How fast one thread scans vectors exactly, against how fast it copies memory.
 *
 *   flat_scan [VECTORS [DIM [ROUNDS]]]     100000 128 20
 *
 * Vectors stand in blocks of their own as the records of a store do, a few bytes beyond a multiple
 * of 8; slots are in the order of their addresses, and then in random order. A line for each way:
 *
 *   WHAT KERNELS: GB/s of elements, % of the copy, GB/s of the copy, microseconds a query
 *
 * the best of ROUNDS, a scan and a copy in turns. The copy is of 512 MB by memcpy, counted once.
 */
#include "common/mem.h"
#include "common/rng.h"
#include "server/ds/flat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEAD = 60, COPY_BYTES = 512 << 20, TAKEN = 10, AT_ONCE = 8 };

struct bench {
    uint32_t n;
    unsigned dim, rounds;
    char **items;
    char *from, *to; /* of the copy */
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *need(void *memory)
{
    REQUIRE(memory != NULL);
    return memory;
}

/* Seconds of a copy. */
static double copy(const struct bench *bench)
{
    double begin = now();
    memcpy(bench->to, bench->from, COPY_BYTES);
    __asm__ volatile("" ::"r"(bench->to) : "memory");
    return now() - begin;
}

static void make_items(struct bench *bench, struct rng *rng)
{
    bench->items = need(mem_alloc(bench->n * sizeof *bench->items));
    for (uint32_t i = 0; i < bench->n; i++) {
        bench->items[i] = need(mem_alloc(HEAD + bench->dim * sizeof(float)));
        for (unsigned e = 0; e < bench->dim; e++) {
            float element = (float)rng_below(rng, 2001) / 1000 - 1;
            memcpy(bench->items[i] + HEAD + e * sizeof element, &element, sizeof element);
        }
    }
}

static void shuffle(struct bench *bench, struct rng *rng)
{
    for (uint32_t i = bench->n; i > 1; i--) {
        uint32_t other = (uint32_t)rng_below(rng, i);
        char *item = bench->items[i - 1];
        bench->items[i - 1] = bench->items[other];
        bench->items[other] = item;
    }
}

static const float *vector_of(const struct bench *bench, uint32_t i)
{
    return (const float *)(const void *)(bench->items[i] + HEAD);
}

/* Seconds of a scan for `n_queries` at once. */
static double scan(const struct bench *bench, const struct rows *rows, void *const *storage,
                   size_t n_queries)
{
    struct rows_query queries[AT_ONCE];
    struct hit hits[AT_ONCE][TAKEN];
    struct topk topk[AT_ONCE];
    struct flat_search searches[AT_ONCE];
    for (uint32_t q = 0; q < n_queries; q++) {
        rows_query(rows, vector_of(bench, q), storage[q], &queries[q]);
        topk[q] = (struct topk){.hits = hits[q], .k = TAKEN};
        searches[q] =
            (struct flat_search){.query = &queries[q], .within = INFINITY, .topk = &topk[q]};
    }
    double begin = now();
    if (n_queries == 1)
        flat_scan(rows, searches, 0, bench->n);
    else
        flat_scan_many(rows, searches, n_queries, 0, bench->n);
    return now() - begin;
}

/* Seconds: of all queries, of the copy. */
static void report(const struct bench *bench, const char *what, const char *kernels, double seconds,
                   double copied, size_t n_queries)
{
    double speed = (double)bench->n * bench->dim * sizeof(float) * (double)n_queries / seconds;
    double copy_speed = COPY_BYTES / copied;
    printf("%-24s %-12s %6.2f GB/s %5.0f %% of %5.2f %8.0f us\n", what, kernels, speed * 1e-9,
           100 * speed / copy_speed, copy_speed * 1e-9, seconds * 1e6 / (double)n_queries);
}

static void measure(const struct bench *bench, const char *what, enum metric metric,
                    const struct kernels *kernels, size_t n_queries)
{
    struct rows rows;
    void *storage[AT_ONCE];
    rows_init(&rows, bench->dim, metric, false, kernels);
    REQUIRE(rows_reserve(&rows, bench->n) == 0);
    for (uint32_t i = 0; i < bench->n; i++)
        rows_add(&rows, vector_of(bench, i), HEAD);
    for (size_t q = 0; q < n_queries; q++)
        storage[q] = need(mem_aligned(ROWS_CODE_ALIGN, rows_query_bytes(&rows)));
    double best = INFINITY, copied = INFINITY;
    for (unsigned round = 0; round < bench->rounds; round++) { /* in turns: others may run too */
        best = fmin(best, scan(bench, &rows, storage, n_queries));
        copied = fmin(copied, copy(bench));
    }
    report(bench, what, kernels->name, best, copied, n_queries);
    for (size_t q = 0; q < n_queries; q++)
        mem_free(storage[q]);
    rows_deinit(&rows);
}

static void measure_all(const struct bench *bench, const char *order)
{
    static const char *const metrics[METRIC_COUNT] = {"cosine", "l2", "dot"};
    char what[64];
    const struct kernels *kernels;
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++) {
        snprintf(what, sizeof what, "%s, %s", metrics[metric], order);
        measure(bench, what, (enum metric)metric, kernels_best(), 1);
    }
    for (unsigned k = 1; (kernels = kernels_at(k)) != NULL; k++)
        measure(bench, what, METRIC_DOT, kernels, 1);
    snprintf(what, sizeof what, "%d at once, %s", AT_ONCE, order);
    measure(bench, what, METRIC_COSINE, kernels_best(), AT_ONCE);
}

static unsigned long argument(int argc, char **argv, int i, unsigned long otherwise)
{
    return i < argc ? strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct rng rng = {1};
    struct bench bench = {
        .n = (uint32_t)argument(argc, argv, 1, 100000),
        .dim = (unsigned)argument(argc, argv, 2, 128),
        .rounds = (unsigned)argument(argc, argv, 3, 20),
    };
    if (bench.n < AT_ONCE || bench.dim < 1 || bench.dim > ROWS_DIM_MAX) {
        fprintf(stderr, "flat_scan: at least %d vectors of 1 to %d elements\n", AT_ONCE,
                ROWS_DIM_MAX);
        return 1;
    }
    bench.from = need(mem_alloc(COPY_BYTES));
    bench.to = need(mem_alloc(COPY_BYTES));
    memset(bench.from, 1, COPY_BYTES);
    memset(bench.to, 2, COPY_BYTES);
    printf("%u vectors of %u\n", bench.n, bench.dim);
    make_items(&bench, &rng);
    measure_all(&bench, "in order");
    shuffle(&bench, &rng);
    measure_all(&bench, "scattered");
    for (uint32_t i = 0; i < bench.n; i++)
        mem_free(bench.items[i]);
    mem_free(bench.items);
    mem_free(bench.from);
    mem_free(bench.to);
    return 0;
}
