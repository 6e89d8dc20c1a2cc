/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes lines of JSON.
 *
 * How: client/loadgen/report_json writes what is in them, on one line; each line is flushed.
 *
 * Invariants: every line is a JSON object.
 * Threads: the main thread. Failures: none; whoever closes the file looks at ferror.
 */
#include "client/loadgen/ndjson.h"

#include "client/loadgen/warning.h"

static void ndjson_begin(struct ndjson *ndjson, struct writer *json, const char *type)
{
    writer_init_line(json, ndjson->out);
    writer_open(json, NULL, '{');
    writer_text(json, "type", type);
}

static void ndjson_end(struct ndjson *ndjson, struct writer *json)
{
    writer_close(json, '}');
    (void)fflush(ndjson->out);
}

void ndjson_config(struct ndjson *ndjson, const struct report_run *run)
{
    struct writer json;
    if (ndjson->out == NULL)
        return;
    writer_init_line(&json, ndjson->out);
    report_json_begin(&json, run);
    writer_close(&json, '}'); /* of results, which follow in lines of their own */
    writer_text(&json, "type", "config");
    ndjson_end(ndjson, &json);
}

static void ndjson_rate(struct writer *json, const struct ndjson_sample *sample,
                        const struct hist *latency)
{
    double seconds = (double)sample->length_ns / 1e9;
    writer_real(json, "ops_per_sec", seconds > 0 ? (double)latency->count / seconds : 0);
}

/* The same members as of a kind in an interval of --json. */
static void ndjson_kinds(struct writer *json, const struct ndjson_sample *sample)
{
    if (sample->kinds == NULL)
        return;
    writer_open(json, "by_request", '{');
    for (unsigned i = 0; i < sample->workload->n_shapes; i++) {
        writer_open(json, sample->workload->shapes[i]->name, '{');
        writer_uint(json, "ops", sample->kinds[i].count);
        ndjson_rate(json, sample, &sample->kinds[i]);
        writer_uint(json, "median_ns", hist_quantile(&sample->kinds[i], 0.5));
        writer_uint(json, "p99_ns", hist_quantile(&sample->kinds[i], 0.99));
        writer_uint(json, "max_ns", hist_quantile(&sample->kinds[i], 1));
        writer_close(json, '}');
    }
    writer_close(json, '}');
}

void ndjson_sample(struct ndjson *ndjson, const struct ndjson_sample *sample)
{
    struct writer json;
    const struct hist *latency = sample->latency;
    if (ndjson->out == NULL)
        return;
    ndjson_begin(ndjson, &json, "sample");
    writer_text(&json, "title", sample->label);
    writer_uint(&json, "t_ns", sample->begin_ns);
    writer_uint(&json, "length_ns", sample->length_ns);
    writer_uint(&json, "ops", latency->count);
    writer_uint(&json, "errors", sample->errors);
    ndjson_rate(&json, sample, latency);
    writer_uint(&json, "median_ns", hist_quantile(latency, 0.5));
    writer_uint(&json, "p95_ns", hist_quantile(latency, 0.95));
    writer_uint(&json, "p99_ns", hist_quantile(latency, 0.99));
    writer_uint(&json, "p999_ns", hist_quantile(latency, 0.999));
    writer_uint(&json, "max_ns", hist_quantile(latency, 1));
    if (sample->slip->count > 0) {
        writer_uint(&json, "slip_p99_ns", hist_quantile(sample->slip, 0.99));
        writer_uint(&json, "slip_max_ns", hist_quantile(sample->slip, 1));
    }
    snapshot_write(&json, &sample->used, sample->length_ns, sample->threads, latency->count);
    if (sample->length_ns > 0)
        writer_real(&json, "connections", (double)sample->conn_ns / (double)sample->length_ns);
    ndjson_kinds(&json, sample);
    ndjson_end(ndjson, &json);
}

static void ndjson_warnings(struct ndjson *ndjson, const struct report_run *run,
                            const struct result *result)
{
    struct writer json;
    bool holds[WARNING_COUNT];
    warning_check(run->plan, result, holds);
    for (unsigned i = 0; i < WARNING_COUNT; i++) {
        if (!holds[i])
            continue;
        ndjson_begin(ndjson, &json, "warning");
        writer_text(&json, "title", result->workload->title);
        writer_text(&json, "name", warning_table[i].name);
        writer_text(&json, "text", warning_table[i].text);
        ndjson_end(ndjson, &json);
    }
}

void ndjson_result(struct ndjson *ndjson, const struct report_run *run, const struct result *result)
{
    struct writer json;
    if (ndjson->out == NULL)
        return;
    ndjson_warnings(ndjson, run, result);
    ndjson_begin(ndjson, &json, "result");
    writer_open(&json, "results", '{');
    report_json_test(&json, run, result, NULL);
    writer_close(&json, '}');
    ndjson_end(ndjson, &json);
}
