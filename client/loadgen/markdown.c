/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes results as Markdown.
 *
 *   title, command, what was measured under which circumstances
 *   results: a line for each test, in an open loop and of mixes for their parts
 *   comparison, knees, gates, if there are some
 *   what speaks against the figures
 *
 * How: every section is a function over the JSON of the run, as in client/loadgen/html.c; one
 * without data is left out. Tables are those of GitHub.
 *
 * Invariants: text from the JSON cannot break a table. Latencies are in ms.
 * Threads: any; no state. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/markdown.h"

#include "client/loadgen/load.h"
#include "client/loadgen/text.h"

#include <stdbool.h>
#include <string.h>

/* ---- pieces ---- */

void markdown_text(FILE *out, const char *text)
{
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (strchr("\\`*[]<>|", c) != NULL)
            fputc('\\', out);
        fputc(c < ' ' || c == 0x7f ? ' ' : c, out);
    }
}

/* In code nothing has a meaning but its own end, and that of a cell. */
static void markdown_code(FILE *out, const char *text)
{
    fputc('`', out);
    for (; *text != 0; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text == '`' ? '\'' : *text, out);
    }
    fputc('`', out);
}

/* A time of requests that succeeded; none is made up where there were none. */
static void markdown_ms(FILE *out, const json_t *object, const char *key)
{
    char text[TEXT_SIZE] = "-";
    if (load_number(object, "samples") > 0)
        text_ms((uint64_t)load_number(object, key), text);
    fprintf(out, " %s |", text);
}

static void markdown_count(FILE *out, const json_t *object, const char *key)
{
    char text[TEXT_SIZE] = "-";
    if (json_is_number(json_object_get(object, key)))
        text_count((uint64_t)(load_number(object, key) + 0.5), text);
    fprintf(out, " %s |", text);
}

/* A figure in the unit it is shown in. */
static void markdown_figure(FILE *out, double value)
{
    char text[TEXT_SIZE];
    if (value >= 10000)
        text_count((uint64_t)(value + 0.5), text);
    else
        (void)snprintf(text, sizeof text, "%.4g", value);
    fprintf(out, " %s |", text);
}

/* ---- circumstances ---- */

static void markdown_software(FILE *out, const json_t *target)
{
    const char *software = load_text(target, "software"), *version = load_text(target, "version");
    markdown_text(out, software[0] != 0 ? software : "a server");
    if (version[0] != 0) {
        fputc(' ', out);
        markdown_text(out, version);
    }
}

void markdown_title(FILE *out, const json_t *document)
{
    const json_t *other = json_object_get(document, "target_b");
    if (load_text(document, "label")[0] != 0) {
        markdown_text(out, load_text(document, "label"));
        return;
    }
    markdown_software(out, json_object_get(document, "target"));
    if (other == NULL)
        return;
    fputs(" and ", out);
    markdown_software(out, other);
}

/* Is followed by more cells until the line ends. */
static void markdown_row(FILE *out, const char *name)
{
    fprintf(out, "| %s | ", name);
}

/* "durability **strict**": what it promises is the first thing to know. */
static void markdown_target(FILE *out, const char *name, const json_t *target)
{
    const char *durability = load_text(target, "durability");
    if (target == NULL)
        return;
    markdown_row(out, name);
    markdown_software(out, target);
    fputs(" at ", out);
    markdown_text(out, load_text(target, "address"));
    fputs(", protocol ", out);
    markdown_text(out, load_text(target, "protocol"));
    fputs(", durability **", out);
    markdown_text(out, durability[0] != 0 ? durability : "unknown");
    fputs("** |\n", out);
}

/* A number, or what is written: "64-4096". */
static void markdown_option(FILE *out, const json_t *config, const char *before, const char *key,
                            const char *behind)
{
    const char *several = load_text(config, key);
    char text[TEXT_SIZE];
    text_count((uint64_t)load_number(config, key), text);
    fputs(before, out);
    markdown_text(out, several[0] != 0 ? several : text);
    fputs(behind, out);
}

static void markdown_load(FILE *out, const json_t *config)
{
    markdown_row(out, "load");
    markdown_option(out, config, "connections ", "connections", "");
    markdown_option(out, config, ", threads ", "threads", "");
    markdown_option(out, config, ", pipeline ", "pipeline", "");
    markdown_option(out, config, ", values of ", "size", " bytes");
    if (load_number(config, "keyspace") > 0)
        markdown_option(out, config, ", keys ", "keyspace", "");
    if (load_number(config, "rate") > 0)
        markdown_option(out, config, ", open loop at ", "rate", " requests/s");
    else if (load_text(config, "sweep")[0] == 0 && !json_is_true(json_object_get(config, "knee")))
        fputs(", closed loop: latency depends on connections and pipeline", out);
    fputs(" |\n", out);
}

static void markdown_machine(FILE *out, const json_t *environment)
{
    static const struct {
        const char *key, *before;
    } facts[] = {{"cpu", ""},           {"governor", ", governor "},
                 {"turbo", ", turbo "}, {"disk", ", "},
                 {"os", ", "},          {"kernel", ", "},
                 {"machine", ", "}};
    double cpus = load_number(environment, "cpus");
    double memory = load_number(environment, "memory_bytes");
    markdown_row(out, "machine");
    fprintf(out, "%.0f CPU%s ", cpus, cpus == 1 ? "" : "s");
    for (size_t i = 0; i < LENGTH_OF(facts); i++) {
        const char *text = load_text(environment, facts[i].key);
        if (text[0] != 0) {
            fputs(facts[i].before, out);
            markdown_text(out, text);
        }
        if (i == 0 && memory > 0)
            fprintf(out, ", %.1f GiB memory", memory / 1073741824);
    }
    fputs(" |\n", out);
}

static void markdown_when(FILE *out, const json_t *document)
{
    const char *commit = load_text(document, "git_commit");
    const char *branch = load_text(document, "git_branch");
    markdown_row(out, "when");
    markdown_text(out, load_text(document, "timestamp"));
    if (commit[0] != 0) {
        fputs(", commit ", out);
        markdown_text(out, commit);
    }
    if (branch[0] != 0) {
        fputs(" of ", out);
        markdown_text(out, branch);
    }
    fputs(", by loadgen ", out);
    markdown_text(out, load_text(document, "tool_version"));
    fprintf(out, ", seed %.0f |\n", load_number(document, "seed"));
}

static void markdown_head(FILE *out, const json_t *document)
{
    fputs("# ", out);
    markdown_title(out, document);
    fputs("\n\n    ", out);
    for (const char *at = load_text(document, "command"); *at != 0; at++)
        fputc((unsigned char)*at < ' ' ? ' ' : *at, out);
    fputs("\n\n| | |\n|---|---|\n", out);
    markdown_when(out, document);
    const json_t *other = json_object_get(document, "target_b");
    markdown_target(out, other != NULL ? "A" : "server", json_object_get(document, "target"));
    markdown_target(out, "B", other);
    markdown_load(out, json_object_get(document, "config"));
    markdown_machine(out, json_object_get(document, "environment"));
}

/* ---- results ---- */

static void markdown_latency(FILE *out, const json_t *latency)
{
    static const char *const keys[] = {"median_ns", "p90_ns",   "p95_ns", "p99_ns",
                                       "p999_ns",   "p9999_ns", "max_ns"};
    for (size_t i = 0; i < LENGTH_OF(keys); i++)
        markdown_ms(out, latency, keys[i]);
}

/* The part of a result: service time, a kind of request. */
static void markdown_part(FILE *out, const char *name, const char *durability, const json_t *part)
{
    fputs("| - ", out);
    markdown_text(out, name);
    fprintf(out, " | %s |", durability);
    markdown_count(out, part, "ops_per_sec");
    markdown_latency(out, part);
    markdown_count(out, part, "errors");
    fputs(" |\n", out);
}

static void markdown_warning_names(FILE *out, const json_t *result)
{
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(result, "warnings"), i, warning)
    {
        fputs(i > 0 ? ", " : " ", out);
        markdown_text(out, load_text(warning, "name"));
    }
    fputs(i > 0 ? " |\n" : " - |\n", out);
}

static void markdown_result(FILE *out, const char *name, const json_t *result)
{
    const char *slash = strrchr(name, '/'), *durability = slash != NULL ? slash + 1 : "-";
    const char *kind;
    json_t *part;
    fputs("| ", out);
    markdown_code(out, name);
    fprintf(out, " | %s |", durability);
    markdown_count(out, result, "ops_per_sec");
    markdown_latency(out, result);
    markdown_count(out, result, "errors");
    markdown_warning_names(out, result);
    if (json_object_get(result, "service") != NULL)
        markdown_part(out, "service time", durability, json_object_get(result, "service"));
    json_object_foreach(json_object_get(result, "by_request"), kind, part)
        markdown_part(out, kind, durability, part);
}

static void markdown_results(FILE *out, json_t *results)
{
    const char *name;
    json_t *result;
    fputs("\n## Results\n\n", out);
    if (json_object_size(results) == 0) {
        fputs("Nothing was measured.\n", out);
        return;
    }
    fputs("Response times in ms.\n\n"
          "| result | durability | requests/s | p50 | p90 | p95 | p99 | p99.9 | p99.99 | max | "
          "errors | warnings |\n"
          "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
          out);
    json_object_foreach(results, name, result) markdown_result(out, name, result);
}

static void markdown_recall(FILE *out, json_t *results)
{
    const char *name;
    json_t *result;
    unsigned n = 0;
    json_object_foreach(results, name, result)
    {
        const json_t *recall = json_object_get(result, "recall");
        if (recall == NULL)
            continue;
        if (n++ == 0)
            fputs("\n| recall of | mean | p5 | min |\n|---|--:|--:|--:|\n", out);
        fputs("| ", out);
        markdown_code(out, name);
        fprintf(out, " | %.4f | %.4f | %.4f |\n", load_number(recall, "mean"),
                load_number(recall, "p5"), load_number(recall, "min"));
    }
}

/* What each request costs the CPUs, which says most where client and server share them. */
static void markdown_cpu(FILE *out, json_t *results)
{
    const char *name;
    json_t *result;
    unsigned n = 0;
    json_object_foreach(results, name, result)
    {
        double server = load_number(json_object_get(result, "server"), "us_per_op");
        if (server <= 0)
            continue;
        if (n++ == 0)
            fputs("\n| CPU time of a request, us | client | server |\n|---|--:|--:|\n", out);
        fputs("| ", out);
        markdown_code(out, name);
        fprintf(out, " | %.2f | %.2f |\n",
                load_number(json_object_get(result, "client"), "us_per_op"), server);
    }
}

/* ---- what is found of them ---- */

void markdown_versus(FILE *out, const json_t *document)
{
    const json_t *versus = json_object_get(document, "versus"), *figure;
    size_t i;
    if (versus == NULL)
        return;
    fprintf(out,
            "\n## B compared with A\n\nChanges up to %.4g %% do not matter; intervals are of 95 %%."
            "\n\n| test | figure | A | B | B / A | interval | pairs | verdict |\n"
            "|---|---|--:|--:|--:|---|--:|---|\n",
            100 * load_number(versus, "threshold"));
    json_array_foreach(json_object_get(versus, "figures"), i, figure)
    {
        fputs("| ", out);
        markdown_text(out, load_text(figure, "test"));
        fputs(" | ", out);
        markdown_text(out, load_text(figure, "title"));
        fputs(", ", out);
        markdown_text(out, load_text(figure, "unit"));
        fputs(" |", out);
        markdown_figure(out, load_number(figure, "a"));
        markdown_figure(out, load_number(figure, "b"));
        fprintf(out, " %.3f |", load_number(figure, "ratio"));
        if (strcmp(load_text(figure, "verdict"), "too few runs") == 0)
            fputs(" - |", out);
        else
            fprintf(out, " %.3f to %.3f |", load_number(figure, "low"),
                    load_number(figure, "high"));
        fprintf(out, " %.0f | ", load_number(figure, "runs"));
        markdown_text(out, load_text(figure, "text"));
        fputs(" |\n", out);
    }
}

static void markdown_knees(FILE *out, const json_t *document)
{
    size_t i;
    const json_t *knee;
    char rate[TEXT_SIZE], slo[TEXT_SIZE];
    json_array_foreach(json_object_get(document, "knee"), i, knee)
    {
        text_count((uint64_t)load_number(knee, "knee_per_sec"), rate);
        text_ms((uint64_t)load_number(knee, "slo_ns"), slo);
        fputs(i == 0 ? "\n## Knee\n\n- " : "- ", out);
        markdown_text(out, load_text(knee, "title"));
        fprintf(out, ": **%s requests/s** with p%.4g at most %s ms (%s)\n", rate,
                100 * load_number(knee, "quantile"), slo, load_text(knee, "outcome"));
    }
}

/* Of a figure that ends in _ns, in ms. */
static void markdown_bound(FILE *out, const json_t *gate, const char *key)
{
    char with_unit[32];
    (void)snprintf(with_unit, sizeof with_unit, "%s_ns", key);
    double time = load_number(gate, with_unit), value = load_number(gate, key);
    markdown_figure(out, time > 0 ? time / 1e6 : value);
}

static void markdown_gates(FILE *out, const json_t *document)
{
    json_t *gates = json_object_get(document, "gates");
    const char *name;
    json_t *gate;
    if (json_object_size(gates) == 0)
        return;
    fputs("\n## Gates\n\nTimes in ms.\n\n"
          "| gate | result | figure | target | is | reached |\n|---|---|---|--:|--:|---|\n",
          out);
    json_object_foreach(gates, name, gate)
    {
        bool counts = json_is_true(json_object_get(gate, "counts"));
        const char *level = load_text(gate, "level");
        const char *mark = counts && strcmp(level, "missed") == 0 ? "**" : "";
        fputs("| ", out);
        markdown_text(out, load_text(gate, "name"));
        fputs(" | ", out);
        markdown_code(out, load_text(gate, "result"));
        fputs(" | ", out);
        markdown_code(out, load_text(gate, "metric"));
        fputs(" |", out);
        markdown_bound(out, gate, "target");
        markdown_bound(out, gate, "actual");
        fprintf(out, " %s%s%s |\n", mark, counts ? level : "(context)", mark);
    }
}

/* ---- validity ---- */

/* The text of a warning by its name, from the first result that has it; and who else has it. */
static void markdown_flag(FILE *out, const char *flag, json_t *results)
{
    const char *name, *text = "";
    json_t *result;
    const json_t *warning;
    size_t i, n = 0;
    fprintf(out, "- **%s**", flag);
    json_object_foreach(results, name, result)
    {
        json_array_foreach(json_object_get(result, "warnings"), i, warning)
        {
            if (strcmp(load_text(warning, "name"), flag) != 0)
                continue;
            text = load_text(warning, "text");
            fputs(n++ > 0 ? ", " : " (", out);
            markdown_code(out, name);
        }
    }
    fputs(n > 0 ? "): " : ": ", out);
    markdown_text(out, n > 0 ? text : "the run was ended before it was over");
    fputc('\n', out);
}

/* What a server said, or why there is no more. */
static void markdown_failures(FILE *out, json_t *results)
{
    static const char *const keys[] = {"failure", "first_error", "first_corrupt", "first_stale"};
    const char *name;
    json_t *result;
    json_object_foreach(results, name, result)
    {
        for (size_t i = 0; i < LENGTH_OF(keys); i++) {
            const char *text = load_text(result, keys[i]);
            if (text[0] == 0)
                continue;
            fputs("- ", out);
            markdown_code(out, name);
            fputs(": ", out);
            markdown_text(out, text);
            fputc('\n', out);
        }
    }
}

static void markdown_signs(FILE *out, const json_t *validity)
{
    double residual = json_number_value(json_object_get(validity, "little_residual_pct"));
    char slip[TEXT_SIZE];
    text_ms((uint64_t)load_number(validity, "slip_p99_ns"), slip);
    if (json_object_get(validity, "little_residual_pct") != NULL)
        fprintf(out,
                "- Requests in flight were %+.1f %% off what was asked for, which is the time "
                "loadgen needs to send the next.\n",
                residual);
    if (json_object_get(validity, "achieved_ratio") != NULL)
        fprintf(out, "- %.2f %% of the requests that were due were done.\n",
                100 * load_number(validity, "achieved_ratio"));
    if (json_object_get(validity, "slip_p99_ns") != NULL)
        fprintf(out, "- loadgen sent 99 %% of the requests at most %s ms late.\n", slip);
}

static void markdown_validity(FILE *out, const json_t *document)
{
    const json_t *validity = json_object_get(document, "validity"), *flag;
    const json_t *flags = json_object_get(validity, "flags");
    json_t *results = json_object_get(document, "results");
    size_t i;
    fputs("\n## Validity\n\n", out);
    if (json_object_size(results) == 0 && load_text(document, "failure")[0] != 0) {
        fputs("- Nothing was measured: ", out);
        markdown_text(out, load_text(document, "failure"));
        fputc('\n', out);
    }
    if (json_array_size(flags) == 0 && json_object_size(results) > 0)
        fputs("- Nothing speaks against these figures.\n", out);
    json_array_foreach(flags, i, flag)
    {
        if (json_is_string(flag))
            markdown_flag(out, json_string_value(flag), results);
    }
    markdown_failures(out, results);
    markdown_signs(out, validity);
}

int markdown_write(FILE *out, const json_t *document)
{
    json_t *results = json_object_get(document, "results");
    markdown_head(out, document);
    markdown_results(out, results);
    markdown_recall(out, results);
    markdown_cpu(out, results);
    markdown_versus(out, document);
    markdown_knees(out, document);
    markdown_gates(out, document);
    markdown_validity(out, document);
    return 0;
}
