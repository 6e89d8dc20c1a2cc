/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pairs of runs and what they come to.
 *
 * How: of each run only the figures of metrics.def are kept. The ratio is taken pair by pair
 * (client/loadgen/stats.h), because the runs of a pair follow each other at once.
 *
 * Invariants: every pair has a run of each side.
 * Threads: the main thread. Failures: ERR_OUT_OF_MEMORY; what cannot be compared is left out.
 */
#include "client/loadgen/versus.h"

#include "common/err.h"
#include "common/mem.h"

#include <string.h>

enum { VERSUS_CAPACITY = 16 };

void versus_init(struct versus *versus, const struct workload *workload)
{
    memset(versus, 0, sizeof *versus);
    versus->workload = workload;
}

void versus_deinit(struct versus *versus)
{
    mem_free(versus->pairs);
}

int versus_add(struct versus *versus, const struct result *a, const struct result *b)
{
    if (versus->n == versus->capacity) {
        size_t capacity = versus->capacity > 0 ? 2 * versus->capacity : VERSUS_CAPACITY;
        struct versus_pair *pairs = mem_realloc(versus->pairs, capacity * sizeof *pairs);
        if (pairs == NULL)
            return ERR_OUT_OF_MEMORY;
        versus->pairs = pairs;
        versus->capacity = capacity;
    }
    metric_values(a, versus->pairs[versus->n].a);
    metric_values(b, versus->pairs[versus->n].b);
    versus->n++;
    return 0;
}

int versus_compare(const struct versus *versus, enum metric_id metric, double threshold,
                   struct comparison *out)
{
    struct stats_ratio ratio;
    double *values = mem_calloc(2 * versus->n + 1, sizeof *values);
    if (values == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < versus->n; i++) {
        values[i] = versus->pairs[i].a[metric];
        values[versus->n + i] = versus->pairs[i].b[metric];
    }
    int err = stats_ratio_of_pairs(values, values + versus->n, versus->n, COMPARISON_SEED, &ratio);
    mem_free(values);
    if (err == 0)
        *out = comparison_make(metric, &ratio, threshold);
    return err == ERR_BAD_ARGUMENT ? ERR_NOT_FOUND : err;
}

void versus_print(FILE *out, const struct versus *versus, const char *a, const char *b)
{
    fprintf(out, "\n%s, %zu pairs, A: %s, B: %s\n", versus->workload->title, versus->n, a, b);
    comparison_print_head(out, "A", "B");
    for (enum metric_id i = 0; i < METRIC_COUNT; i++) {
        struct comparison comparison;
        if (versus_compare(versus, i, COMPARISON_THRESHOLD, &comparison) == 0)
            comparison_print(out, &comparison);
    }
    fflush(out);
}

void versus_write(struct writer *json, const struct versus *versus)
{
    for (enum metric_id i = 0; i < METRIC_COUNT; i++) {
        struct comparison comparison;
        if (versus_compare(versus, i, COMPARISON_THRESHOLD, &comparison) != 0)
            continue;
        writer_open(json, NULL, '{');
        writer_text(json, "test", versus->workload->name);
        comparison_write(json, &comparison);
        writer_open_line(json, "pairs", '[');
        for (size_t j = 0; j < versus->n; j++) {
            writer_open(json, NULL, '[');
            writer_real(json, NULL, versus->pairs[j].a[i] / metric_table[i].scale);
            writer_real(json, NULL, versus->pairs[j].b[i] / metric_table[i].scale);
            writer_close(json, ']');
        }
        writer_close(json, ']');
        writer_close(json, '}');
    }
}
