/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values of a sweep, and what came of them.
 *
 * How: a value is set as if it had been given on the command line, and the plan is made anew from
 * all options: what is wrong with a value is said by those who know it, before anything is
 * measured.
 *
 * Invariants: each value has a text of its own, so that results have names of their own.
 * Threads: the main thread. Failures: ERR_BAD_ARGUMENT and a sentence.
 */
#include "client/loadgen/sweep.h"

#include "common/err.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* Options that can be swept. */
static const enum options_id sweep_options[] = {
    OPTIONS_connections, OPTIONS_pipeline, OPTIONS_threads,       OPTIONS_rate,
    OPTIONS_size,        OPTIONS_keyspace, OPTIONS_zipf_exponent, OPTIONS_key_size,
};

__attribute__((format(printf, 2, 3))) static int sweep_wrong(char *out_detail, const char *format,
                                                             ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out_detail, OPTIONS_DETAIL_SIZE, format, args);
    va_end(args);
    return ERR_BAD_ARGUMENT;
}

static int sweep_find(struct sweep *sweep, const char *name, size_t size, char *out_detail)
{
    for (size_t i = 0; i < LENGTH_OF(sweep_options); i++)
        if (size < SWEEP_NAME_SIZE && options_is(sweep_options[i], name, size)) {
            sweep->id = sweep_options[i];
            memcpy(sweep->name, name, size);
            return 0;
        }
    return sweep_wrong(out_detail,
                       "--sweep %.*s: there are clients, pipeline, threads, rate, data-size, "
                       "keyspace, key-size and key-zipf-exp, as clients=1,10,50",
                       (int)(size < SWEEP_NAME_SIZE ? size : SWEEP_NAME_SIZE), name);
}

static int sweep_add(struct sweep *sweep, const char *text, size_t size, char *out_detail)
{
    if (sweep->n == SWEEP_VALUES)
        return sweep_wrong(out_detail, "--sweep takes at most %d values", SWEEP_VALUES);
    if (size == 0 || size >= SWEEP_TEXT_SIZE)
        return sweep_wrong(out_detail, "--sweep takes values with commas between them, as %s=1,2,4",
                           sweep->name);
    memcpy(sweep->values[sweep->n], text, size);
    for (unsigned i = 0; i < sweep->n; i++)
        if (strcmp(sweep->values[i], sweep->values[sweep->n]) == 0)
            return sweep_wrong(out_detail, "--sweep: the value %s is there twice",
                               sweep->values[i]);
    sweep->n++;
    return 0;
}

static int sweep_set(const struct sweep *sweep, unsigned value, struct options *options,
                     char *out_detail)
{
    return options_set(options, sweep->id, sweep->values[value], out_detail);
}

int sweep_parse(struct sweep *sweep, struct options *options,
                char out_detail[static OPTIONS_DETAIL_SIZE])
{
    const char *text = options->sweep;
    size_t size = strcspn(text, "=");
    *sweep = (struct sweep){.n = 0};
    if (text[0] == 0)
        return 0;
    int err = sweep_find(sweep, text, size, out_detail);
    if (err == 0 && options->given[sweep->id])
        err =
            sweep_wrong(out_detail, "give --%s or --sweep %s, not both", sweep->name, sweep->name);
    for (text += size; err == 0 && (*text == '=' || *text == ','); text += size) {
        size = strcspn(++text, ",");
        err = sweep_add(sweep, text, size, out_detail);
    }
    if (err == 0 && sweep->n == 0)
        err = sweep_wrong(out_detail, "--sweep needs values: %s=1,2,4", sweep->name);
    return err != 0 ? err : sweep_set(sweep, 0, options, out_detail);
}

int sweep_plan(const struct sweep *sweep, unsigned value, const struct options *options,
               const struct plan *like, struct plan *out,
               char out_detail[static OPTIONS_DETAIL_SIZE])
{
    struct options changed = *options;
    int err = sweep_set(sweep, value, &changed, out_detail);
    if (err == 0)
        err = plan_make(&changed, like->cpus, out, out_detail);
    if (err != 0)
        return err;
    out->vectors = like->vectors;
    if (like->own != NULL)
        plan_set_own(out, like->own);
    if (like->list != NULL)
        plan_set_keys(out, &changed, like->list);
    err = plan_check(out, out_detail);
    if (err == 0 && like->driver != NULL)
        err = plan_use(out, like->driver, out_detail);
    return err;
}

bool sweep_changes_keys(const struct sweep *sweep)
{
    return sweep->n > 0 && (sweep->id == OPTIONS_size || sweep->id == OPTIONS_keyspace ||
                            sweep->id == OPTIONS_key_size);
}

void sweep_step_text(const struct sweep *sweep, unsigned value,
                     char out_text[static SWEEP_STEP_SIZE])
{
    (void)snprintf(out_text, SWEEP_STEP_SIZE, "%s=%s", sweep->name, sweep->values[value]);
}

bool sweep_is_in_name(const struct sweep *sweep, const struct plan *plan)
{
    if (sweep->id == OPTIONS_rate)
        return plan->rate <= 0 || plan->rate == floor(plan->rate);
    if (sweep->id == OPTIONS_size)
        return plan->value_min == plan->value_bytes && plan->sizes.kind == SIZES_UNIFORM;
    return sweep->id == OPTIONS_connections || sweep->id == OPTIONS_pipeline;
}

struct sweep_point sweep_point_of(unsigned value, const struct plan *plan,
                                  const struct repeat *repeat, const struct result *result)
{
    struct sweep_point point = {.value = value,
                                .runs = repeat->n,
                                .offered = result->offered,
                                .busiest = result->busiest,
                                .max_ns = result->latency.count > 0 ? result->latency.max : 0,
                                .errors = result->counts.errors};
    struct stats_spread spread;
    for (enum metric_id i = 0; i < METRIC_COUNT; i++)
        if (repeat_figure(repeat, i, &spread) == 0)
            point.figures[i] = spread.median;
    if (repeat_figure(repeat, METRIC_rate, &spread) == 0)
        point.rate = spread;
    warning_check(plan, result, point.warnings);
    return point;
}
