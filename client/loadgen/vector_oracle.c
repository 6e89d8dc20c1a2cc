/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Looks at every vector.
 *
 * How: a task is a few queries, which share a pass over the rows, a block of them at a time, so
 * that a block comes from memory once for all of them. Each query keeps the k smallest distances in
 * a heap with the largest on top.
 *
 * Invariants: the result does not depend on the number of threads.
 * Threads: as many as asked for, while it is made. Failures: ERR_OUT_OF_MEMORY.
 */
#include "client/loadgen/vector_oracle.h"

#include "common/err.h"
#include "common/mem.h"

#include <math.h>
#include <stdatomic.h>

enum { ORACLE_QUERIES = 8, ORACLE_ROWS = 128 };

static const double oracle_tie = 1e-3, oracle_rounding = 1e-6;

/* The smallest distances of a query. */
struct oracle_heap {
    double *distance; /* distance[0] is the largest */
    size_t n, k;
};

static void heap_swap(double *a, double *b)
{
    double c = *a;
    *a = *b;
    *b = c;
}

static void heap_sink(struct oracle_heap *heap)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < heap->n && heap->distance[child + 1] > heap->distance[child])
            child++;
        if (child >= heap->n || heap->distance[child] <= heap->distance[at])
            return;
        heap_swap(&heap->distance[child], &heap->distance[at]);
        at = child;
    }
}

static void heap_rise(struct oracle_heap *heap, size_t at)
{
    while (at > 0 && heap->distance[(at - 1) / 2] < heap->distance[at]) {
        heap_swap(&heap->distance[(at - 1) / 2], &heap->distance[at]);
        at = (at - 1) / 2;
    }
}

static void heap_offer(struct oracle_heap *heap, double distance)
{
    if (heap->n < heap->k) {
        heap->distance[heap->n++] = distance;
        heap_rise(heap, heap->n - 1);
    } else if (distance < heap->distance[0]) {
        heap->distance[0] = distance;
        heap_sink(heap);
    }
}

struct oracle_maker {
    struct vector_oracle *oracle;
    const struct vector_set *set;
    size_t k;
    atomic_bool failed;
};

/* A few queries, from number `first` of the sample on, against all rows. */
static void oracle_scan(const struct oracle_maker *maker, uint64_t first, size_t n,
                        struct oracle_heap *heaps)
{
    const struct vector_set *set = maker->set;
    for (uint64_t block = 0; block < set->spec.n; block += ORACLE_ROWS) {
        uint64_t end = block + ORACLE_ROWS < set->spec.n ? block + ORACLE_ROWS : set->spec.n;
        for (size_t q = 0; q < n; q++)
            for (uint64_t i = block; i < end; i++)
                if (vector_matches(set, i))
                    heap_offer(&heaps[q],
                               vector_distance(set, (first + q) * maker->oracle->every, i));
    }
}

static void oracle_task(void *context, size_t task)
{
    struct oracle_maker *maker = context;
    uint64_t first = (uint64_t)task * ORACLE_QUERIES, left = maker->oracle->n - first;
    size_t n = left < ORACLE_QUERIES ? (size_t)left : ORACLE_QUERIES;
    struct oracle_heap heaps[ORACLE_QUERIES];
    double *room = mem_calloc(n * maker->k, sizeof *room);
    if (room == NULL) {
        atomic_store(&maker->failed, true);
        return;
    }
    for (size_t q = 0; q < n; q++)
        heaps[q] = (struct oracle_heap){.distance = room + q * maker->k, .k = maker->k};
    oracle_scan(maker, first, n, heaps);
    for (size_t q = 0; q < n; q++)
        maker->oracle->farthest[first + q] = heaps[q].n > 0 ? heaps[q].distance[0] : -INFINITY;
    mem_free(room);
}

static uint64_t oracle_matching(const struct vector_set *set)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < set->spec.n; i++)
        n += vector_matches(set, i);
    return n;
}

int vector_oracle_make(struct vector_oracle *oracle, const struct vector_set *set,
                       const struct vector_question *question, unsigned threads)
{
    uint64_t reach = set->spec.queries, matching = oracle_matching(set), sample = question->sample;
    uint64_t expected = question->k < matching ? question->k : matching;
    if (question->reach < reach)
        reach = question->reach;
    if (sample == 0 || sample > reach)
        sample = reach;
    *oracle = (struct vector_oracle){.every = sample > 0 ? reach / sample : 1,
                                     .n = sample,
                                     .expected = expected,
                                     .farthest = mem_calloc(sample, sizeof(double))};
    struct oracle_maker maker = {oracle, set, (size_t)expected, false};
    if (oracle->farthest == NULL)
        return ERR_OUT_OF_MEMORY;
    if (expected > 0)
        vector_parallel((size_t)((sample + ORACLE_QUERIES - 1) / ORACLE_QUERIES), threads,
                        "looking for the nearest vectors, to know the recall", oracle_task, &maker);
    return atomic_load(&maker.failed) ? ERR_OUT_OF_MEMORY : 0;
}

void vector_oracle_deinit(struct vector_oracle *oracle)
{
    mem_free(oracle->farthest);
    *oracle = (struct vector_oracle){.every = 1};
}

bool vector_oracle_counts(const struct vector_oracle *oracle, uint64_t query, double distance)
{
    double farthest = oracle->farthest[query / oracle->every];
    return distance <= farthest + fabs(farthest) * oracle_tie + oracle_rounding;
}
