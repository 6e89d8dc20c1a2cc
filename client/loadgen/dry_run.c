/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints a plan.
 *
 * How: one function for each line, in the order in which things would be done.
 *
 * Invariants: nothing is connected or reserved.
 * Threads: none. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/dry_run.h"

#include "client/loadgen/result.h"
#include "client/loadgen/text.h"
#include "common/num.h"

#include <inttypes.h>
#include <math.h>

enum {
    DRY_REQUEST_BYTES = 64,         /* of a request besides its value, about */
    DRY_THREAD_BYTES = 256 * 1024,  /* input of a thread */
    DRY_OUTPUT_BYTES = 1024 * 1024, /* at most built before a send */
    DRY_REPLY_BYTES = 4096,
    DRY_HISTS = 4, /* of a kind of request, in a thread */
};

static void dry_label(FILE *out, const char *label)
{
    fprintf(out, "  %-12s ", label);
}

/* "1.5 MiB": three digits are enough for a plan. */
static void dry_size(double bytes, char out_text[static TEXT_SIZE])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < LENGTH_OF(units); unit++)
        bytes /= 1024;
    (void)snprintf(out_text, TEXT_SIZE, "%.*f %s", unit > 0 && bytes < 100 ? 1 : 0, bytes,
                   units[unit]);
}

static double dry_value_mean(const struct plan *plan)
{
    if (plan->sizes.kind != SIZES_UNIFORM)
        return sizes_mean(&plan->sizes);
    return ((double)plan->value_min + (double)plan->value_bytes) / 2;
}

static void dry_target(FILE *out, const struct address *address)
{
    const struct driver *driver = address->driver;
    int port = address->port != 0 ? address->port : driver != NULL ? driver->port : 0;
    dry_label(out, "server");
    if (address->path[0] != 0)
        fprintf(out, "%s", address->path);
    else
        fprintf(out, "%s:%d", address->host, port != 0 ? port : driver_msgpack.port);
    fprintf(out, ", protocol %s\n", driver != NULL ? driver->name : "as the server says");
}

static void dry_load(FILE *out, const struct plan *plan)
{
    unsigned most = plan_connections(plan, 0);
    unsigned least = plan_connections(plan, plan->threads - 1);
    dry_label(out, "load");
    fprintf(out, "%u connections", plan->connections);
    if (plan->each_rate > 0)
        fprintf(out, " (%.10g requests/s each)", plan->each_rate);
    fprintf(out, " over %u thread%s", plan->threads, plan->threads == 1 ? "" : "s");
    if (most != least)
        fprintf(out, " (%u or %u each)", most, least);
    else if (plan->threads > 1)
        fprintf(out, " (%u each)", most);
    fprintf(out, ", %u in flight on each%s\n", plan->pipeline,
            plan->batch && plan->pipeline > 1 ? ", sent and awaited together" : "");
    dry_label(out, "");
    if (plan->stairs.each_ns > 0) {
        fprintf(out, "%u of them at first, %u more every %.6g s\n", plan->stairs.start,
                plan->stairs.step, (double)plan->stairs.each_ns / 1e9);
        dry_label(out, "");
    }
    char rate[SCHEDULE_TEXT_SIZE];
    const struct schedule_law law = plan_law(plan);
    schedule_format(&law, rate);
    if (plan->rate > 0)
        fprintf(out, "open loop: %s\n", rate);
    else if (plan->think.kind != THINK_NEVER)
        fprintf(out,
                "closed loop: each connection thinks for %.6g s on average, so at most %.6g "
                "requests/s\n",
                think_mean_ns(&plan->think) / 1e9,
                1e9 * plan->connections * plan->pipeline / think_mean_ns(&plan->think));
    else
        fputs("closed loop: as fast as the server answers\n", out);
}

static void dry_machine(FILE *out, const struct plan *plan)
{
    const struct pin_list *cpus = &plan->pin.client;
    if (cpus->n > 0) {
        dry_label(out, "CPUs");
        for (unsigned i = 0; i < cpus->n; i++)
            fprintf(out, "%s%u", i > 0 ? ", " : "", cpus->cpu[i]);
        fputs(", of which threads take one each in turn\n", out);
    }
    if (plan->busy_poll_ns > 0) {
        dry_label(out, "waiting");
        fprintf(out, "awake for %.6g us, then asleep\n", (double)plan->busy_poll_ns / 1e3);
    }
}

static void dry_preload(FILE *out, const struct plan *plan)
{
    char keys[TEXT_SIZE], size[TEXT_SIZE];
    text_count(plan_preload_keys(plan), keys);
    dry_size((double)plan_preload_keys(plan) * (dry_value_mean(plan) + plan_key_mean(plan)), size);
    if (plan->preload) {
        dry_label(out, "preload");
        fprintf(out, "%s keys with their values: %s\n", keys, size);
    }
    if (plan->keys_check) {
        dry_label(out, "keys check");
        fprintf(out, "%d keys are read; nothing is measured if fewer than %.6g %% are there\n",
                plan->keys < PLAN_SAMPLE ? (int)plan->keys : PLAN_SAMPLE,
                100 * (plan->expects_hits ? plan->expect_hits : 1));
    }
}

/* How long a test takes at least; below 0: that depends on the server. */
static double dry_seconds(const struct plan *plan)
{
    if (plan->duration_ns > 0)
        return (double)plan->duration_ns / 1e9;
    const struct schedule_law law = plan_law(plan);
    return plan->rate > 0 ? schedule_time_ns(&law, (double)plan->requests) / 1e9 : -1;
}

static unsigned dry_tests(FILE *out, const struct plan *plan)
{
    unsigned n = 0;
    dry_label(out, "tests");
    if (plan->own != NULL)
        fputs(plan->own->title, out);
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        if (plan->tests[i])
            fprintf(out, "%s%s", n++ > 0 ? ", " : "", workload_table[i].title);
    fputc('\n', out);
    return plan->own != NULL ? 1 : n;
}

static void dry_length(FILE *out, const struct plan *plan, unsigned tests)
{
    char requests[TEXT_SIZE];
    double seconds = dry_seconds(plan), warmup = (double)plan->warmup_ns / 1e9;
    text_count(plan->requests, requests);
    dry_label(out, "length");
    bool precise = plan->ci_rate > 0 || plan->ci_p99 > 0;
    fputs(precise ? "until known well enough, at most " : "", out);
    if (plan->duration_ns > 0)
        fprintf(out, "%.6g s", seconds);
    else
        fprintf(out, "%s requests", requests);
    fputs(tests == 1 ? "" : " each", out);
    if (warmup > 0)
        fprintf(out, ", after %s%.6g s of warm-up", plan->until_steady ? "at most " : "", warmup);
    if (seconds >= 0)
        fprintf(out, ": %s%.6g s in all", precise || plan->until_steady ? "at most " : "",
                tests * (seconds + warmup));
    fputs(plan->preload ? ", and the preload\n" : "\n", out);
}

/* Share of requests for the most frequent key of Zipf, from the sum of the series. */
static double dry_zipf_first(uint64_t keys, double s)
{
    const uint64_t exact = keys < 100000 ? keys : 100000;
    double sum = 0;
    for (uint64_t rank = exact; rank > 0; rank--)
        sum += pow((double)rank, -s);
    double from = (double)exact + 0.5, to = (double)keys + 0.5; /* the rest as an integral */
    if (keys > exact)
        sum += fabs(s - 1) < 1e-9 ? log(to / from) : (pow(to, 1 - s) - pow(from, 1 - s)) / (1 - s);
    return 1 / sum;
}

static void dry_keys(FILE *out, const struct plan *plan)
{
    char keys[TEXT_SIZE];
    text_count(plan->keys, keys);
    dry_label(out, "keys");
    fputs(keys, out);
    if (plan->first_key > 0)
        fprintf(out, " from %" PRIu64, plan->first_key);
    if (plan->key_span.max > 0)
        fprintf(out, " of %zu to %zu bytes", plan->key_span.min, plan->key_span.max);
    fprintf(out, ", %s",
            plan->keys == 1 ? "the same for all requests" : plan_pattern_name(plan->pattern));
    if (plan->keys > 1 && (plan->pattern == STREAM_ZIPF || plan->pattern == STREAM_LATEST))
        fprintf(out, " %g: the most frequent one gets %.2g %% of the requests", plan->zipf_exponent,
                100 * dry_zipf_first(plan->keys, plan->zipf_exponent));
    if (plan->keys > 1 && plan->pattern == STREAM_HOTSPOT)
        fprintf(out, ": %" PRIu32 " %% of them get %" PRIu32 " %% of the requests",
                plan->hotspot.write, plan->hotspot.read);
    fputc('\n', out);
    dry_label(out, "");
    fputs(plan->preload && plan->preload_keys == 0
              ? "reads find all of them\n"
              : "reads find those that are there already, or are written before; all "
                "with --preload\n",
          out);
}

static void dry_values(FILE *out, const struct plan *plan)
{
    char text[SIZES_TEXT_SIZE];
    sizes_format(&plan->sizes, text);
    dry_label(out, "values");
    if (plan->sizes.kind != SIZES_UNIFORM)
        fprintf(out, "%s: %.6g bytes on average, at most %zu", text, sizes_mean(&plan->sizes),
                plan->value_bytes);
    else if (plan->value_min == plan->value_bytes)
        fprintf(out, "%zu bytes", plan->value_bytes);
    else
        fprintf(out, "%zu to %zu bytes", plan->value_min, plan->value_bytes);
    if (plan->compress > 0)
        fprintf(out, ", which can be compressed %g times", plan->compress);
    if (plan->verify)
        fprintf(out, ", %.6g %% of those that are read are checked", 100 * (1 - plan->verify_skip));
    fputc('\n', out);
}

static void dry_vectors(FILE *out, const struct vector_plan *plan)
{
    char vectors[TEXT_SIZE], size[TEXT_SIZE];
    const struct vector_spec *spec = &plan->spec;
    if (!plan->used)
        return;
    dry_label(out, "vectors");
    if (spec->dataset[0] != 0) {
        fprintf(out, "those of %s\n", spec->dataset);
        return;
    }
    text_count(spec->n, vectors);
    dry_size((double)(spec->n + spec->queries) * (double)spec->dim * sizeof(float), size);
    fprintf(out, "%s of %zu elements and %" PRIu64 " queries, %s: %s here\n", vectors, spec->dim,
            spec->queries, vector_metric_names[spec->metric], size);
}

/* Kinds of requests of the test that has most. */
static unsigned dry_kinds(const struct plan *plan)
{
    unsigned most = plan->own != NULL ? plan->own->n_shapes : 1;
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        if (plan->tests[i] && workload_table[i].n_shapes > most)
            most = workload_table[i].n_shapes;
    return most;
}

/* What loadgen itself will take, about. */
static void dry_memory(FILE *out, const struct plan *plan)
{
    char text[TEXT_SIZE];
    double window = phase_window_max(plan), value = (double)plan->value_bytes;
    double request = value + DRY_REQUEST_BYTES;
    double output = fmax(fmin(request * window, DRY_OUTPUT_BYTES), request);
    double connection = output + 2 * value + DRY_REPLY_BYTES + window * sizeof(struct conn_request);
    if (plan->verify)
        connection += HISTORY_KEYS * (double)sizeof(struct history_key);
    double hists = (double)dry_kinds(plan) * DRY_HISTS * (double)sizeof(struct hist);
    dry_size(plan->connections * connection + plan->threads * (DRY_THREAD_BYTES + hists) + value +
                 VALUE_SLICES + (double)sizeof(struct result) + (double)sizeof(struct snapshot),
             text);
    dry_label(out, "memory");
    fprintf(out, "%s here\n", text);
}

void dry_run_show(FILE *out, const struct address *address, const struct plan *plan)
{
    dry_target(out, address);
    dry_preload(out, plan);
    unsigned tests = dry_tests(out, plan);
    dry_length(out, plan, tests);
    dry_load(out, plan);
    dry_machine(out, plan);
    dry_keys(out, plan);
    dry_values(out, plan);
    dry_vectors(out, &plan->vectors);
    dry_memory(out, plan);
    if (plan->threads > plan->cpus)
        fprintf(out, "  warning: %u threads, but %u CPU%s: they will wait for each other\n",
                plan->threads, plan->cpus, plan->cpus == 1 ? "" : "s");
}

void dry_run_print(FILE *out, const struct address *address, const struct plan *plan)
{
    fputs("This would be done:\n", out);
    dry_run_show(out, address, plan);
}
