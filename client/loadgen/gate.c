/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Judges results by gates.
 *
 * How: whether more is better is known from metrics.def, or else from the order of the bounds.
 *
 * Invariants: a gate without a result says so; it is neither kept nor missed.
 * Threads: any; no state. Failures: none; a gate that cannot be read is told and passed over.
 */
#include "client/loadgen/gate.h"

#include "client/loadgen/load.h"
#include "client/loadgen/metric.h"
#include "client/loadgen/text.h"
#include "common/glob.h"

#include <string.h>

struct gate {
    const char *name, *pattern, *from;
    const struct metric *metric;
    double stretch, target, acceptable; /* 0: there is none */
    bool counts;
};

/* False if it is no gate. */
static bool gate_read(const json_t *json, struct gate *out)
{
    *out = (struct gate){
        .name = load_text(json, "name"),
        .pattern = load_text(json, "result"),
        .from = load_text(json, "from"),
        .stretch = load_number(json, "stretch"),
        .target = load_number(json, "target"),
        .acceptable = load_number(json, "acceptable"),
        .counts = !json_is_false(json_object_get(json, "counts")),
    };
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        if (strcmp(metric_table[i].key, load_text(json, "metric")) == 0)
            out->metric = &metric_table[i];
    if (out->acceptable <= 0)
        out->acceptable = out->target;
    return out->metric != NULL && out->pattern[0] != 0 && out->target > 0;
}

static bool gate_reached(const struct gate *gate, double value, double bound)
{
    if (bound <= 0)
        return false;
    return gate->metric->higher_is_better ? value >= bound : value <= bound;
}

static const char *gate_level(const struct gate *gate, double value)
{
    if (gate_reached(gate, value, gate->stretch))
        return "stretch";
    if (gate_reached(gate, value, gate->target))
        return "target";
    return gate_reached(gate, value, gate->acceptable) ? "acceptable" : "missed";
}

static void gate_value(const struct gate *gate, double value, char out[static TEXT_SIZE])
{
    double scaled = value / gate->metric->scale;
    if (scaled >= 10000)
        text_count((uint64_t)(scaled + 0.5), out);
    else
        (void)snprintf(out, TEXT_SIZE, "%.4g", scaled);
}

/* One line. True if the gate was missed and counts. */
static bool gate_line(FILE *out, const struct gate *gate, const char *result, double value)
{
    char is[TEXT_SIZE], target[TEXT_SIZE];
    const char *level = gate_level(gate, value);
    gate_value(gate, value, is);
    gate_value(gate, gate->target, target);
    fprintf(out, "  %-10s %-34s %12s  target %12s %s  (%s)%s\n", gate->counts ? level : "context",
            result, is, target, gate->metric->unit, gate->name,
            gate->counts ? "" : ", taken under other conditions");
    return gate->counts && strcmp(level, "missed") == 0;
}

static unsigned gate_judge(FILE *out, const struct gate *gate, json_t *results)
{
    const char *name;
    json_t *result;
    unsigned missed = 0, found = 0;
    json_object_foreach(results, name, result)
    {
        double value = metric_of_json(gate->metric, result);
        if (value <= 0 || !glob_match(bytes_of(gate->pattern), bytes_of(name)))
            continue;
        found++;
        missed += gate_line(out, gate, name, value);
    }
    if (found == 0 && gate->counts)
        fprintf(out, "  %-10s %-34s  (%s)\n", "no result", gate->pattern, gate->name);
    return missed;
}

unsigned gate_print(FILE *out, const json_t *gates, const json_t *document)
{
    json_t *results = json_object_get(document, "results");
    unsigned missed = 0;
    size_t i;
    const json_t *row;
    fputs("\ngates\n", out);
    json_array_foreach(json_object_get(gates, "gates"), i, row)
    {
        struct gate gate;
        if (gate_read(row, &gate))
            missed += gate_judge(out, &gate, results);
        else
            fprintf(out, "  %-10s number %zu: a gate has result, target and a known metric\n",
                    "ignored", i + 1);
    }
    return missed;
}
