/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes the JSON of a run: what it was, its results, what stands behind them.
 *
 * How: a result is client/loadgen/result_json, several runs of it client/loadgen/repeat, what is
 * found of several results versus, knee_report and sweep_report. What is not known is left out. The
 * format extends one that other tools read, which is why some names are not ours:
 * docs/loadgen-json.md.
 *
 * Invariants: no password is written.
 * Threads: the main thread. Failures: as client/loadgen/writer.h.
 */
#include "client/loadgen/report_json.h"

#include "build_version.h"
#include "client/loadgen/knee_report.h"
#include "client/loadgen/result_json.h"
#include "client/loadgen/vector_report.h"

#include <inttypes.h>
#include <time.h>

static void json_timestamp(struct writer *json, int64_t now_ms)
{
    char text[32];
    struct tm tm;
    time_t now = (time_t)(now_ms / 1000);
    if (gmtime_r(&now, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        writer_text(json, "timestamp", text);
    writer_uint(json, "time_ms", (uint64_t)now_ms);
}

/* Does the word that follows, or stands behind '=', belong to nobody else? */
static bool json_is_secret(const char *option, size_t size)
{
    static const char *const secret[] = {"-a", "--auth", "--pass", "--password"};
    for (size_t i = 0; i < LENGTH_OF(secret); i++)
        if (strlen(secret[i]) == size && strncmp(secret[i], option, size) == 0)
            return true;
    return false;
}

enum { JSON_WORD_SIZE = 512 };

/* A word of the command line without passwords: the value of one of these options, the part before
 * '@' of an address with "//". */
static void json_mask(const char *before, const char *word, char out[static JSON_WORD_SIZE])
{
    const char *slashes = strstr(word, "//"), *at = strrchr(word, '@');
    const char *equals = strchr(word, '=');
    bool address = slashes != NULL && at != NULL && at > slashes;
    size_t kept = address ? (size_t)(slashes + 2 - word) : 0;
    const char *rest = address ? at : "";
    if (json_is_secret(before, strlen(before)))
        address = true;
    else if (equals != NULL && json_is_secret(word, (size_t)(equals - word))) {
        kept = (size_t)(equals + 1 - word);
        rest = "";
        address = true;
    } else if (strncmp(word, "-a", 2) == 0 && word[2] != 0) {
        kept = 2;
        rest = "";
        address = true;
    }
    (void)snprintf(out, JSON_WORD_SIZE, "%.*s%s%s", address ? (int)kept : JSON_WORD_SIZE, word,
                   address ? "***" : "", address ? rest : "");
}

/* The command line, words apart by spaces; words with other than plain characters in quotes. */
static void json_command(struct writer *json, const struct report_run *run)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_=+:,./@%*";
    char text[4096] = "", word[JSON_WORD_SIZE];
    size_t used = 0;
    for (int i = 0; i < run->argc && used < sizeof text; i++) {
        json_mask(i > 0 ? run->argv[i - 1] : "", run->argv[i], word);
        const char *quote = word[0] != 0 && word[strspn(word, plain)] == 0 ? "" : "'";
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s%s", i > 0 ? " " : "",
                                 quote, word, quote);
    }
    writer_known(json, "command", text);
}

/* A number, or what is written: "64-4096". */
static void json_sizes(struct writer *json, const char *key, const struct sizes *sizes)
{
    char text[SIZES_TEXT_SIZE];
    sizes_format(sizes, text);
    if (sizes->min == sizes->max)
        writer_uint(json, key, (uint64_t)sizes->min);
    else
        writer_text(json, key, text);
}

/* All that was given of an option that can be given again and again. */
static void json_said(struct writer *json, const struct options_row *row,
                      const struct options *options)
{
    writer_open(json, row->name, '[');
    for (unsigned i = 0; i < options->n_said; i++)
        if (&options_table[options->said[i].id] == row)
            writer_text(json, NULL, options->said[i].text);
    writer_close(json, ']');
}

static void json_option(struct writer *json, const struct options_row *row,
                        const struct options *options)
{
    const void *field = (const char *)options + row->field;
    char text[64], option[80], word[JSON_WORD_SIZE];
    switch (row->type) {
    case OPTIONS_TYPE_TEXT:
        (void)snprintf(option, sizeof option, "--%s", row->name);
        json_mask(option, *(const char *const *)field, word);
        writer_text(json, row->name, word);
        break;
    case OPTIONS_TYPE_COUNT:
    case OPTIONS_TYPE_BYTES:
    case OPTIONS_TYPE_TIME:
        writer_uint(json, row->name, (uint64_t) * (const int64_t *)field);
        break;
    case OPTIONS_TYPE_AUTO:
        if (*(const int64_t *)field == OPTIONS_AUTO)
            writer_text(json, row->name, "auto");
        else
            writer_uint(json, row->name, (uint64_t) * (const int64_t *)field);
        break;
    case OPTIONS_TYPE_RATIO:
        (void)snprintf(text, sizeof text, "%" PRIu32 ":%" PRIu32,
                       ((const struct ratio *)field)->write, ((const struct ratio *)field)->read);
        writer_text(json, row->name, text);
        break;
    case OPTIONS_TYPE_SIZES:
    case OPTIONS_TYPE_SPAN:
        json_sizes(json, row->name, field);
        break;
    case OPTIONS_TYPE_REAL:
        writer_real(json, row->name, *(const double *)field);
        break;
    case OPTIONS_TYPE_FLAG:
        writer_bool(json, row->name, *(const bool *)field);
        break;
    case OPTIONS_TYPE_MAYBE:
        if (*(const int64_t *)field > 0)
            writer_uint(json, row->name, (uint64_t) * (const int64_t *)field);
        else
            writer_bool(json, row->name, *(const int64_t *)field == OPTIONS_AUTO);
        break;
    case OPTIONS_TYPE_EACH:
        json_said(json, row, options);
        break;
    }
}

/* Every option by its name, given or not; sizes in bytes, times in ms. */
static void json_options(struct writer *json, const struct options *options)
{
    writer_open(json, "config", '{');
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        json_option(json, &options_table[i], options);
    writer_close(json, '}');
}

static void json_environment(struct writer *json, const struct report_run *run)
{
    const struct environment *environment = &run->environment;
    writer_open(json, "environment", '{');
    writer_known(json, "cpu", environment->cpu);
    writer_uint(json, "cpus", run->plan->cpus);
    writer_known(json, "governor", environment->governor);
    writer_known(json, "turbo", environment->turbo);
    if (environment->memory_bytes > 0)
        writer_uint(json, "memory_bytes", environment->memory_bytes);
    writer_known(json, "disk", environment->disk);
    writer_known(json, "os", environment->os);
    writer_known(json, "kernel", environment->kernel);
    writer_known(json, "machine", environment->machine);
    writer_close(json, '}');
}

static void json_target(struct writer *json, const char *key, const char *address,
                        const struct plan *plan, const struct probe *server)
{
    writer_open(json, key, '{');
    writer_known(json, "address", address);
    if (plan->driver != NULL) /* it is known */
        writer_text(json, "protocol", plan->driver->name);
    writer_known(json, "software", server->software);
    writer_known(json, "version", server->version);
    writer_known(json, "durability", server->durability);
    writer_known(json, "allocator", server->allocator);
    writer_known(json, "threads", server->threads);
    writer_close(json, '}');
}

void report_json_begin(struct writer *json, const struct report_run *run)
{
    writer_open(json, NULL, '{');
    writer_text(json, "version", REPORT_JSON_VERSION);
    writer_text(json, "tool", "loadgen");
    writer_text(json, "tool_version", CAIRN_VERSION);
    writer_known(json, "label", run->options->label);
    json_timestamp(json, run->time_ms);
    writer_known(json, "git_commit", getenv("CAIRN_GIT_COMMIT"));
    writer_known(json, "git_branch", getenv("CAIRN_GIT_BRANCH"));
    json_command(json, run);
    writer_uint(json, "seed", run->plan->seed);
    writer_known(json, "durability", run->server.durability);
    json_target(json, "target", run->target, run->plan, &run->server);
    if (run->target_b != NULL)
        json_target(json, "target_b", run->target_b, run->plan_b, &run->server_b);
    json_environment(json, run);
    json_options(json, run->options);
    writer_open(json, "results", '{');
}

void report_json_name(const struct report_run *run, bool of_b, const struct result *result,
                      char out_name[static REPORT_NAME_SIZE])
{
    const struct probe *server = of_b ? &run->server_b : &run->server;
    const char *side = run->target_b == NULL ? "" : of_b ? "B/" : "A/";
    char rate[32] = "", what[80];
    vector_report_name(&run->plan->vectors, result, what, sizeof what);
    if (what[0] == 0)
        (void)snprintf(what, sizeof what, "/d%zu", run->plan->value_bytes);
    if (result->offered > 0)
        (void)snprintf(rate, sizeof rate, "/r%.0f", result->offered);
    bool step = run->step != NULL && !run->step_in_name;
    (void)snprintf(out_name, REPORT_NAME_SIZE, "%s%s%s/c%u/P%u%s%s%s%s/%s", side,
                   result->workload->name, what, run->plan->connections, run->plan->pipeline,
                   run->plan->reconnect ? "/k0" : "", rate, step ? "/" : "", step ? run->step : "",
                   server->durability[0] != 0 ? server->durability : "unknown");
}

void report_json_test(struct writer *json, const struct report_run *run,
                      const struct result *result, const struct repeat *repeat)
{
    char name[REPORT_NAME_SIZE];
    report_json_name(run, false, result, name);
    writer_open(json, name, '{');
    result_json_write(json, run->plan, run->step, result);
    if (repeat != NULL)
        repeat_write(json, repeat);
    writer_close(json, '}');
}

void report_json_side(struct writer *json, const struct report_run *run,
                      const struct versus *versus, bool of_b)
{
    char name[REPORT_NAME_SIZE];
    const struct result *all = of_b ? versus->b : versus->a;
    report_json_name(run, of_b, all, name);
    writer_open(json, name, '{');
    result_json_write(json, run->plan, run->step, all);
    versus_write_runs(json, versus, of_b);
    writer_close(json, '}');
}

static void json_keys_check(struct writer *json, const char *key, const struct report_keys *keys)
{
    if (keys->read == 0)
        return;
    writer_open(json, key, '{');
    writer_uint(json, "read", keys->read);
    writer_uint(json, "found", keys->found);
    writer_real(json, "expected", keys->expected);
    writer_close(json, '}');
}

void report_json_end(struct writer *json, const struct report_findings *findings)
{
    writer_close(json, '}');
    if (findings != NULL) {
        if (findings->failure.kind != FAILURE_NONE)
            writer_text(json, "failure", findings->failure.text);
        validity_write(json, &findings->validity);
        gate_write(json, &findings->gates);
        versus_write(json, findings->versus, findings->n_versus);
        knee_report_write(json, findings->knees, findings->n_knees);
        sweep_write(json, findings->sweeps, findings->n_sweeps);
        json_keys_check(json, "keys_check", &findings->keys[0]);
        json_keys_check(json, "keys_check_b", &findings->keys[1]);
        vector_report_write_build(json, "collection", &findings->builds[0]);
        vector_report_write_build(json, "collection_b", &findings->builds[1]);
    }
    writer_close(json, '}');
}

void report_findings_deinit(struct report_findings *findings)
{
    for (size_t i = 0; i < findings->n_versus; i++)
        versus_deinit(&findings->versus[i]);
    gate_close(&findings->gates);
}
