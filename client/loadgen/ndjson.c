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
    writer_real(&json, "ops_per_sec",
                sample->length_ns > 0 ? (double)latency->count * 1e9 / (double)sample->length_ns
                                      : 0);
    writer_uint(&json, "median_ns", hist_quantile(latency, 0.5));
    writer_uint(&json, "p95_ns", hist_quantile(latency, 0.95));
    writer_uint(&json, "p99_ns", hist_quantile(latency, 0.99));
    writer_uint(&json, "p999_ns", hist_quantile(latency, 0.999));
    writer_uint(&json, "max_ns", hist_quantile(latency, 1));
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
