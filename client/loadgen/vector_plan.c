/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Turns options into what is done with vectors.
 *
 * How: what only the server can judge (names of indexes, bounds of m and ef) is left to it: it says
 * what is wrong when the collection is created.
 *
 * Threads: any; no state. Failures: ERR_BAD_ARGUMENT and a sentence.
 */
#include "client/loadgen/vector_plan.h"

#include "common/bytes.h"
#include "common/err.h"
#include "common/num.h"

#include <stdio.h>
#include <string.h>

enum { VECTOR_EF_MAX = 100000, VECTOR_SAMPLE = 1000 };

bool vector_efs_parse(const char *text, struct vector_efs *out)
{
    out->n = 0;
    for (;;) {
        size_t size = strcspn(text, ",");
        int64_t ef;
        if (out->n == VECTOR_EFS_MAX ||
            !num_read_int((struct bytes){(const uint8_t *)text, size}, &ef) || ef < 0 ||
            ef > VECTOR_EF_MAX)
            return false;
        for (size_t i = 0; i < out->n; i++)
            if (out->ef[i] == (uint64_t)ef)
                return false;
        out->ef[out->n++] = (uint64_t)ef;
        if (text[size] == 0)
            return true;
        text += size + 1;
    }
}

bool vector_recall_parse(const char *text, bool *out_recall, uint64_t *out_sample)
{
    int64_t n = 0;
    *out_recall = strcmp(text, "off") != 0;
    *out_sample = strcmp(text, "sample") == 0 ? VECTOR_SAMPLE : 0;
    if (!*out_recall || *out_sample > 0 || strcmp(text, "all") == 0)
        return true;
    *out_sample = num_parse_int(text, &n) == 0 && n > 0 ? (uint64_t)n : 0;
    return n > 0;
}

static bool plan_metric(const char *name, enum vector_metric *out)
{
    for (unsigned i = 0; i < VECTOR_METRICS; i++)
        if (strcmp(name, vector_metric_names[i]) == 0) {
            *out = (enum vector_metric)i;
            return true;
        }
    return false;
}

static struct vector_spec plan_spec(const struct options *options)
{
    bool file = options->dataset[0] != 0;
    bool given_n = options->given[OPTIONS_vectors], given_q = options->given[OPTIONS_queries];
    return (struct vector_spec){
        .dim = (size_t)options->dim,
        .n = file && !given_n ? 0 : (uint64_t)options->vectors,
        .queries = file && !given_q ? 0 : (uint64_t)options->queries,
        .selectivity = options->filter_selectivity,
        .seed = (uint64_t)options->seed,
        .dataset = options->dataset,
        .query_file = options->query_file,
    };
}

static const char *plan_wrong(const struct options *options, struct vector_plan *plan)
{
    struct vector_efs efs;
    if (!plan_metric(options->metric, &plan->spec.metric))
        return "--metric takes cosine, l2 or dot";
    if (!vector_efs_parse(options->ef, &efs))
        return "--ef takes a number from 0 to 100000 (0: the server's own), or some, all "
               "different, as 16,32,64,128,256";
    if (!vector_recall_parse(options->recall, &plan->recall, &plan->sample))
        return "--recall takes sample, all, off, or how many queries to look at";
    if (!(options->filter_selectivity > 0))
        return "--filter-selectivity is the share of vectors that match, above 0; 1: no filter";
    if (options->query_file[0] != 0 && options->dataset[0] == 0)
        return "--query-file belongs to --dataset";
    if (options->dataset[0] != 0 && options->given[OPTIONS_dim])
        return "the dimension is that of --dataset: give no --dim";
    plan->ef = efs.ef[0];
    return NULL;
}

int vector_plan_make(const struct options *options, struct vector_plan *out,
                     char out_detail[static VECTOR_DETAIL_SIZE])
{
    *out = (struct vector_plan){
        .spec = plan_spec(options),
        .collection = options->collection,
        .index = options->index,
        .quantization = options->quantization,
        .key_prefix = options->key_prefix,
        .m = (uint64_t)options->hnsw_m,
        .ef_construction = (uint64_t)options->ef_construction,
        .k = (uint64_t)options->k,
        .batch = (uint64_t)options->batch,
        .exact = options->exact,
        .patience_ns = (uint64_t)options->build_timeout * 1000000u,
    };
    const char *wrong = plan_wrong(options, out);
    if (wrong == NULL)
        return 0;
    (void)snprintf(out_detail, VECTOR_DETAIL_SIZE, "%s", wrong);
    return ERR_BAD_ARGUMENT;
}
