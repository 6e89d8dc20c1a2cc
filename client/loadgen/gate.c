/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Judges results by gates.
 *
 * How: whether more is better is known from metrics.def.
 *
 * Invariants: a gate without a result says so; it is neither kept nor missed. Name, metric and
 * result tell every outcome from the others.
 * Threads: any; no state. Failures: ERR_OUT_OF_MEMORY; a file with a gate that cannot be read is
 * refused, as a bound that nobody holds would look like one that is kept.
 */
#include "client/loadgen/gate.h"

#include "client/loadgen/text.h"
#include "common/err.h"
#include "common/glob.h"
#include "common/mem.h"

#include <string.h>

enum { GATE_NAME_MAX = 200, GATE_KEY_SIZE = 512 };

/* ---- reading ---- */

static const struct metric *gate_metric(const char *key)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        if (strcmp(metric_table[i].key, key) == 0)
            return &metric_table[i];
    return NULL;
}

/* Is there one of this name and metric already? */
static bool gate_is_twice(const struct gates *gates, const struct gate *gate)
{
    for (size_t i = 0; i < gates->n; i++)
        if (gates->rows[i].metric == gate->metric && strcmp(gates->rows[i].name, gate->name) == 0)
            return true;
    return false;
}

/* What is wrong with it; NULL: nothing. */
static const char *gate_read(const struct gates *gates, const json_t *json, struct gate *out)
{
    *out = (struct gate){
        .name = load_text(json, "name"),
        .pattern = load_text(json, "result"),
        .metric = gate_metric(load_text(json, "metric")),
        .stretch = load_number(json, "stretch"),
        .target = load_number(json, "target"),
        .acceptable = load_number(json, "acceptable"),
        .counts = !json_is_false(json_object_get(json, "counts")),
    };
    if (out->acceptable <= 0)
        out->acceptable = out->target;
    if (out->metric == NULL)
        return "metric has to be that of a result, as p99_ns or ops_per_sec";
    if (out->pattern[0] == 0)
        return "result, a pattern of names, is missing";
    if (out->target <= 0)
        return "target, a number above 0, is missing";
    if (strlen(out->name) > GATE_NAME_MAX)
        return "name has more than 200 bytes";
    return gate_is_twice(gates, out) ? "another has this name and metric" : NULL;
}

int gate_open(struct gates *gates, const char *path, char out_detail[static LOAD_DETAIL_SIZE])
{
    *gates = (struct gates){.file = NULL};
    int err = load_file(path, &gates->file, out_detail);
    if (err != 0)
        return err;
    const json_t *rows = json_object_get(gates->file, "gates");
    size_t n = json_array_size(rows);
    if (n == 0) {
        (void)snprintf(out_detail, LOAD_DETAIL_SIZE,
                       "%.150s has no gates: {\"gates\": [...]}, as bench/gates.json", path);
        return ERR_BAD_ARGUMENT;
    }
    gates->rows = mem_calloc(n, sizeof *gates->rows);
    if (gates->rows == NULL) {
        (void)snprintf(out_detail, LOAD_DETAIL_SIZE, "out of memory");
        return ERR_OUT_OF_MEMORY;
    }
    for (; gates->n < n; gates->n++) {
        const char *wrong =
            gate_read(gates, json_array_get(rows, gates->n), &gates->rows[gates->n]);
        if (wrong != NULL) {
            (void)snprintf(out_detail, LOAD_DETAIL_SIZE, "%.150s, gate number %zu: %s", path,
                           gates->n + 1, wrong);
            return ERR_BAD_ARGUMENT;
        }
    }
    return 0;
}

void gate_close(struct gates *gates)
{
    for (size_t i = 0; i < gates->n_outcomes; i++)
        mem_free(gates->outcomes[i].result);
    mem_free(gates->outcomes);
    mem_free(gates->rows);
    json_decref(gates->file);
    *gates = (struct gates){.file = NULL};
}

/* ---- judging ---- */

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

static int gate_keep(struct gates *gates, size_t gate, const char *result, double value)
{
    size_t size = strlen(result) + 1;
    struct gate_outcome *grown =
        mem_realloc(gates->outcomes, (gates->n_outcomes + 1) * sizeof *grown);
    if (grown == NULL)
        return ERR_OUT_OF_MEMORY;
    gates->outcomes = grown;
    grown[gates->n_outcomes] = (struct gate_outcome){gate, value, mem_alloc(size)};
    if (grown[gates->n_outcomes].result == NULL)
        return ERR_OUT_OF_MEMORY;
    memcpy(grown[gates->n_outcomes++].result, result, size);
    return 0;
}

int gate_judge(struct gates *gates, const char *result, const double values[static METRIC_COUNT])
{
    int err = 0;
    for (size_t i = 0; i < gates->n && err == 0; i++) {
        const struct gate *gate = &gates->rows[i];
        double value = values[gate->metric - metric_table];
        if (value > 0 && glob_match(bytes_of(gate->pattern), bytes_of(result)))
            err = gate_keep(gates, i, result, value);
    }
    return err;
}

static bool gate_is_missed(const struct gate *gate, double value)
{
    return gate->counts && !gate_reached(gate, value, gate->acceptable);
}

unsigned gate_missed(const struct gates *gates)
{
    unsigned missed = 0;
    for (size_t i = 0; i < gates->n_outcomes; i++)
        missed += gate_is_missed(&gates->rows[gates->outcomes[i].gate], gates->outcomes[i].value);
    return missed;
}

/* ---- telling ---- */

static void gate_value(const struct gate *gate, double value, char out[static TEXT_SIZE])
{
    double scaled = value / gate->metric->scale;
    if (scaled >= 10000)
        text_count((uint64_t)(scaled + 0.5), out);
    else
        (void)snprintf(out, TEXT_SIZE, "%.4g", scaled);
}

static void gate_line(FILE *out, const struct gate *gate, const struct gate_outcome *outcome)
{
    char is[TEXT_SIZE], target[TEXT_SIZE];
    gate_value(gate, outcome->value, is);
    gate_value(gate, gate->target, target);
    fprintf(out, "  %-10s %-34s %12s  target %12s %s  (%s)%s\n",
            gate->counts ? gate_level(gate, outcome->value) : "context", outcome->result, is,
            target, gate->metric->unit, gate->name,
            gate->counts ? "" : ", taken under other conditions");
}

/* Returns how many outcomes it has. */
static size_t gate_lines(FILE *out, const struct gates *gates, size_t gate)
{
    size_t n = 0;
    for (size_t i = 0; i < gates->n_outcomes; i++)
        if (gates->outcomes[i].gate == gate) {
            gate_line(out, &gates->rows[gate], &gates->outcomes[i]);
            n++;
        }
    return n;
}

void gate_print(FILE *out, const struct gates *gates, bool listed)
{
    size_t absent = 0;
    fputs("\ngates\n", out);
    for (size_t i = 0; i < gates->n; i++) {
        const struct gate *gate = &gates->rows[i];
        if (gate_lines(out, gates, i) > 0 || !gate->counts)
            continue;
        absent++;
        if (listed)
            fprintf(out, "  %-10s %-34s  (%s)\n", "no result", gate->pattern, gate->name);
    }
    if (absent > 0 && !listed)
        fprintf(out, "  %-10s for %zu more\n", "no result", absent);
}

/* In the unit that its name ends in: "target_ns", or "target" of what is not a time. */
static void gate_write_value(struct writer *json, const struct gate *gate, const char *what,
                             double value)
{
    char key[32];
    bool time = strcmp(gate->metric->unit, "ms") == 0;
    (void)snprintf(key, sizeof key, "%s%s", what, time ? "_ns" : "");
    if (value > 0 && time)
        writer_uint(json, key, (uint64_t)value);
    else if (value > 0)
        writer_real(json, key, value);
}

/* By how much it is better than the target, in percent. */
static double gate_margin(const struct gate *gate, double value)
{
    double above = 100 * (value - gate->target) / gate->target;
    return gate->metric->higher_is_better ? above : -above;
}

static void gate_write_outcome(struct writer *json, const struct gate *gate,
                               const struct gate_outcome *outcome)
{
    char key[GATE_KEY_SIZE];
    (void)snprintf(key, sizeof key, "%s: %s %s", gate->name, outcome->result, gate->metric->key);
    writer_open(json, key, '{');
    writer_text(json, "name", gate->name);
    writer_text(json, "result", outcome->result);
    writer_text(json, "metric", gate->metric->key);
    gate_write_value(json, gate, "stretch", gate->stretch);
    gate_write_value(json, gate, "target", gate->target);
    gate_write_value(json, gate, "acceptable", gate->acceptable);
    gate_write_value(json, gate, "actual", outcome->value);
    writer_text(json, "level", gate_level(gate, outcome->value));
    writer_bool(json, "passed", gate_reached(gate, outcome->value, gate->acceptable));
    writer_bool(json, "counts", gate->counts);
    writer_real(json, "margin_pct", gate_margin(gate, outcome->value));
    writer_close(json, '}');
}

void gate_write(struct writer *json, const struct gates *gates)
{
    if (gates->file == NULL)
        return;
    writer_open(json, "gates", '{');
    for (size_t i = 0; i < gates->n_outcomes; i++)
        gate_write_outcome(json, &gates->rows[gates->outcomes[i].gate], &gates->outcomes[i]);
    writer_close(json, '}');
}
