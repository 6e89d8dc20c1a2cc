/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Figures out of results, and out of what was written about results.
 *
 * How: each row of metrics.def brings its expression and its place in the JSON.
 *
 * Invariants: a new figure takes a row and no code.
 * Threads: any; no state. Failures: none; what is not there is 0.
 */
#include "client/loadgen/metric.h"

#include "client/loadgen/load.h"

#include <string.h>

enum { HIGHER = true, LOWER = false };

const struct metric metric_table[METRIC_COUNT] = {
#define METRIC(id, title, key, unit, better, scale, judged, value)                                 \
    {title, key, unit, better, scale, judged},
#include "client/loadgen/metrics.def"
#undef METRIC
};

void metric_format(const struct metric *metric, double value, char out_text[static TEXT_SIZE])
{
    double scaled = value / metric->scale;
    if (scaled >= 10000)
        text_count((uint64_t)(scaled + 0.5), out_text);
    else
        (void)snprintf(out_text, TEXT_SIZE, "%.3f", scaled);
}

static double metric_quantile(const struct result *result, double q)
{
    return (double)hist_quantile(&result->latency, q);
}

void metric_values(const struct result *result, double out_values[static METRIC_COUNT])
{
#define METRIC(id, title, key, unit, better, scale, judged, value) out_values[METRIC_##id] = value;
#include "client/loadgen/metrics.def"
#undef METRIC
}

/* The key "a.b" as the member b of an object a. */
static void metric_write_one(struct writer *json, const char *key, double value)
{
    char outer[32];
    const char *dot = strchr(key, '.');
    if (dot == NULL) {
        writer_real(json, key, value);
        return;
    }
    (void)snprintf(outer, sizeof outer, "%.*s", (int)(dot - key), key);
    writer_open(json, outer, '{');
    writer_real(json, dot + 1, value);
    writer_close(json, '}');
}

void metric_write(struct writer *json, const double values[static METRIC_COUNT])
{
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        if (values[i] > 0)
            metric_write_one(json, metric_table[i].key, values[i]);
}

double metric_of_json(const struct metric *metric, const json_t *object)
{
    const char *dot = strchr(metric->key, '.');
    if (dot == NULL)
        return load_number(object, metric->key);
    const json_t *inner = json_object_getn(object, metric->key, (size_t)(dot - metric->key));
    return load_number(inner, dot + 1);
}

void metric_values_of_json(const json_t *object, double out_values[static METRIC_COUNT])
{
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        out_values[i] = metric_of_json(&metric_table[i], object);
}
