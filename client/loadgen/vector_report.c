/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints and writes what is known of vectors.
 *
 * How: as client/loadgen/report.c and client/loadgen/report_json.c do for everything else.
 *
 * Invariants: a line that has nothing to say is left out.
 * Threads: the main thread. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/vector_report.h"

#include "client/loadgen/text.h"

#include <inttypes.h>

static bool report_filters(const struct vector_plan *plan)
{
    return plan->set->spec.selectivity < 1;
}

void vector_report_head(FILE *out, const struct vector_plan *plan)
{
    char vectors[TEXT_SIZE], queries[TEXT_SIZE];
    if (!plan->used || plan->set == NULL)
        return;
    const struct vector_spec *spec = &plan->set->spec;
    text_count(spec->n, vectors);
    text_count(spec->queries, queries);
    fprintf(out, "%s vectors of %zu elements%s%s, %s, index %s, quantization %s; %s queries",
            vectors, spec->dim, spec->dataset[0] != 0 ? " from " : "", spec->dataset,
            vector_metric_names[spec->metric], plan->index, plan->quantization, queries);
    if (report_filters(plan))
        fprintf(out, " with a filter that %.6g %% match", 100 * spec->selectivity);
    fputc('\n', out);
}

static double report_per_second(uint64_t n, uint64_t ns)
{
    return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

void vector_report_build(FILE *out, const struct vector_build *build)
{
    char vectors[TEXT_SIZE], rate[TEXT_SIZE], built[TEXT_SIZE];
    if (build->vectors == 0)
        return;
    text_count(build->vectors, vectors);
    text_count((uint64_t)report_per_second(build->vectors, build->load_ns), rate);
    text_count((uint64_t)report_per_second(build->vectors, build->build_ns), built);
    fprintf(out,
            "%s vectors stored in %.3f s (%s/s), all in the index (%s) after %.3f s (%s/s): %.1f "
            "MiB\n",
            vectors, (double)build->load_ns / 1e9, rate, build->state.state,
            (double)build->build_ns / 1e9, built, (double)build->state.bytes / 1048576);
}

void vector_report_recall(FILE *out, const struct vector_recall *recall)
{
    char scored[TEXT_SIZE], few[TEXT_SIZE];
    if (recall->scored == 0)
        return;
    text_count(recall->scored, scored);
    fprintf(out, "  %-12s %.4f mean, %.4f p5, %.4f min of %s searches for %" PRIu64, "recall",
            recall->mean, recall->p5, recall->min, scored, recall->k);
    text_count(recall->few, few);
    if (recall->few > 0)
        fprintf(out, "; %s found fewer than there are", few);
    text_count(recall->wrong, few);
    if (recall->wrong > 0)
        fprintf(out, "; %s results were wrong", few);
    fputc('\n', out);
}

static void report_write_recall(struct writer *json, const struct vector_recall *recall)
{
    if (recall->scored == 0)
        return;
    writer_open(json, "recall", '{');
    writer_real(json, "mean", recall->mean);
    writer_real(json, "p5", recall->p5);
    writer_real(json, "min", recall->min);
    writer_uint(json, "k", recall->k);
    writer_uint(json, "scored", recall->scored);
    writer_uint(json, "few", recall->few);
    writer_uint(json, "wrong", recall->wrong);
    writer_close(json, '}');
}

void vector_report_write(struct writer *json, const struct vector_plan *plan,
                         const struct result *result)
{
    report_write_recall(json, &result->recall);
    if (!plan->used || plan->set == NULL || !workload_has(result->workload, SHAPE_VECTORS))
        return;
    const struct vector_spec *spec = &plan->set->spec;
    writer_open(json, "vector", '{');
    writer_uint(json, "vectors", spec->n);
    writer_uint(json, "dim", spec->dim);
    writer_text(json, "metric", vector_metric_names[spec->metric]);
    writer_text(json, "index", plan->index);
    writer_text(json, "quantization", plan->quantization);
    writer_uint(json, "batch", plan->batch);
    if (workload_has(result->workload, SHAPE_SEARCHES)) {
        writer_uint(json, "queries", spec->queries);
        writer_uint(json, "k", plan->k);
        writer_uint(json, "ef", plan->ef);
        writer_bool(json, "exact", plan->exact);
        writer_real(json, "filter_selectivity", spec->selectivity);
    }
    writer_close(json, '}');
}

void vector_report_write_build(struct writer *json, const char *key,
                               const struct vector_build *build)
{
    const struct vector_state *state = &build->state;
    if (state->state[0] == 0)
        return;
    writer_open(json, key, '{');
    if (build->vectors > 0) {
        writer_uint(json, "stored", build->vectors);
        writer_uint(json, "load_ns", build->load_ns);
        writer_uint(json, "build_ns", build->build_ns);
        writer_real(json, "build_per_sec", report_per_second(build->vectors, build->build_ns));
    }
    writer_text(json, "state", state->state);
    writer_uint(json, "count", state->count);
    writer_uint(json, "linked", state->linked);
    writer_uint(json, "tail", state->tail);
    writer_uint(json, "tombstones", state->tombstones);
    writer_uint(json, "bytes", state->bytes);
    writer_close(json, '}');
}

void vector_report_name(const struct vector_plan *plan, const struct result *result, char *out,
                        size_t size)
{
    size_t at;
    out[0] = 0;
    if (!plan->used || plan->set == NULL || !workload_has(result->workload, SHAPE_VECTORS))
        return;
    at =
        (size_t)snprintf(out, size, "/n%" PRIu64 "/dim%zu", plan->set->spec.n, plan->set->spec.dim);
    bool many = workload_has(result->workload, SHAPE_MANY) ||
                result->workload == &workload_table[WORKLOAD_vec_upsert_many];
    if (many && at < size)
        at += (size_t)snprintf(out + at, size - at, "/b%" PRIu64, plan->batch);
    if (!workload_has(result->workload, SHAPE_SEARCHES) || at >= size)
        return;
    at += (size_t)snprintf(out + at, size - at, "/k%" PRIu64 "/ef%" PRIu64, plan->k, plan->ef);
    if (at < size && report_filters(plan))
        at += (size_t)snprintf(out + at, size - at, "/f%.6g", plan->set->spec.selectivity);
    if (at < size && plan->exact)
        (void)snprintf(out + at, size - at, "/exact");
}
