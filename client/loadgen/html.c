/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes the page of results.
 *
 *   what was measured, and may it be believed
 *   all tests at a glance
 *   comparison of two servers, or the search for the knee, if there is one
 *   each test: figures, warnings, table
 *   the machine, the options, the command; the JSON
 *
 * How: every section is a function over the JSON of the run; a section without data is left out.
 *
 * Invariants: text from the JSON is escaped; the page refers to nothing outside of it.
 * Threads: any; no state. Failures: ERR_OUT_OF_MEMORY; what cannot be written is lost.
 */
#include "client/loadgen/html.h"

#include "client/loadgen/html_figures.h"
#include "client/loadgen/html_text.h"
#include "client/loadgen/load.h"
#include "common/err.h"

#include <math.h>
#include <string.h>

/* ---- pieces ---- */

/* What is left out on narrow screens. */
#define HTML_MINOR " class=\"minor\""

/* `kind` is "", or " class=..." */
static void html_duration_cell(FILE *out, const char *kind, const json_t *object, const char *key)
{
    char text[HTML_NUMBER_SIZE];
    html_duration(load_number(object, key), text);
    fprintf(out, "<td%s>%s</td>", kind, text);
}

/* A number over its name. `text` is ours. */
static void html_tile(FILE *out, const char *name, const char *text)
{
    fprintf(out, "<div class=\"tile\"><b>%s</b><span>%s</span></div>\n", text, name);
}

static void html_duration_tile(FILE *out, const char *name, const json_t *object, const char *key)
{
    char text[HTML_NUMBER_SIZE];
    html_duration(load_number(object, key), text);
    html_tile(out, name, text);
}

/* A row of a list of terms, if there is something to say. */
static void html_fact(FILE *out, const char *name, const char *text)
{
    if (text[0] == 0)
        return;
    fprintf(out, "<dt>%s</dt><dd>", name);
    html_escape(out, text);
    fputs("</dd>\n", out);
}

/* The text of any value: a text as it is, else its JSON. The buffer is for numbers. */
static const char *html_value(const json_t *value, char *buffer, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "yes" : "no";
    if (!json_is_number(value))
        return "";
    (void)snprintf(buffer, size, "%.12g", json_number_value(value));
    return buffer;
}

static size_t html_warnings_of(json_t *results)
{
    size_t n = 0;
    const char *name;
    json_t *result;
    json_object_foreach(results, name, result) n +=
        json_array_size(json_object_get(result, "warnings"));
    return n;
}

/* ---- head ---- */

static void html_software(FILE *out, const json_t *target)
{
    const char *software = load_text(target, "software");
    html_escape(out, software[0] != 0 ? software : "server");
    fputs(" ", out);
    html_escape(out, load_text(target, "version"));
}

static void html_servers(FILE *out, const json_t *document)
{
    const json_t *other = json_object_get(document, "target_b");
    html_software(out, json_object_get(document, "target"));
    if (other == NULL)
        return;
    fputs(" and ", out);
    html_software(out, other);
}

/* The label of the run, if it has one. */
static void html_title(FILE *out, const json_t *document)
{
    if (load_text(document, "label")[0] != 0)
        html_escape(out, load_text(document, "label"));
    else
        html_servers(out, document);
}

/* Are all tests of vectors, which have no values and no keys of these kinds? */
static bool html_all_vectors(json_t *results)
{
    const char *name;
    json_t *result;
    json_object_foreach(results, name, result)
    {
        if (json_object_get(result, "vector") == NULL)
            return false;
    }
    return json_object_size(results) > 0;
}

static void html_load(FILE *out, const json_t *document)
{
    const json_t *config = json_object_get(document, "config");
    const char *swept = load_text(json_array_get(json_object_get(document, "sweep"), 0), "option");
    static const struct {
        const char *key, *one, *many;
    } parts[] = {{"connections", "connection", "connections"},
                 {"threads", "client thread", "client threads"},
                 {"pipeline", "request in flight on each", "requests in flight on each"},
                 {"size", "byte a value", "bytes a value"},
                 {"keyspace", "key", "keys"},
                 {"key-size", "byte a key", "bytes a key"}};
    enum { OF_CONNECTIONS = 3 }; /* so many; the rest are of keys and values */
    bool vectors = html_all_vectors(json_object_get(document, "results"));
    char text[HTML_NUMBER_SIZE];
    for (size_t i = 0; i < (vectors ? OF_CONNECTIONS : LENGTH_OF(parts)); i++) {
        double value = load_number(config, parts[i].key);
        const char *several = load_text(config, parts[i].key); /* "16-40" */
        if ((value <= 0 && several[0] == 0) || strcmp(parts[i].key, swept) == 0)
            continue;
        if (several[0] != 0) {
            fputs("<li>", out);
            html_escape(out, several);
            fprintf(out, " %s</li>", parts[i].many);
            continue;
        }
        html_number(value, text);
        fprintf(out, "<li>%s %s</li>", text, value == 1 ? parts[i].one : parts[i].many);
    }
}

static void html_trust(FILE *out, const json_t *document)
{
    size_t warnings = html_warnings_of(json_object_get(document, "results"));
    const char *why = load_text(document, "failure");
    if (json_object_size(json_object_get(document, "results")) == 0) {
        fputs("<p class=\"trust bad\">&#9888; Nothing was measured", out);
        fputs(why[0] != 0 ? ": " : ".", out);
        html_escape(out, why);
        fputs("</p>\n", out);
    } else if (warnings == 0)
        fputs("<p class=\"trust good\">&#10003; Nothing speaks against these figures.</p>\n", out);
    else
        fprintf(out,
                "<p class=\"trust bad\">&#9888; %zu warning%s: read below before you quote these "
                "figures.</p>\n",
                warnings, warnings == 1 ? "" : "s");
}

static void html_address(FILE *out, const json_t *target)
{
    html_escape(out, load_text(target, "address"));
    fputs(" ", out);
    html_escape(out, load_text(target, "protocol"));
}

/* What the servers promise; of two servers that promise different things, both. */
static void html_durability(FILE *out, const json_t *document)
{
    const char *a = load_text(document, "durability");
    const char *b = load_text(json_object_get(document, "target_b"), "durability");
    if (a[0] == 0 && b[0] == 0)
        return;
    fputs("<li class=\"strong\">durability: ", out);
    html_escape(out, a[0] != 0 ? a : "unknown");
    if (json_object_get(document, "target_b") != NULL && strcmp(a, b) != 0) {
        fputs(" (A), ", out);
        html_escape(out, b[0] != 0 ? b : "unknown");
        fputs(" (B)", out);
    }
    fputs("</li>", out);
}

static void html_head(FILE *out, const json_t *document)
{
    const json_t *target = json_object_get(document, "target");
    const json_t *other = json_object_get(document, "target_b");
    fputs("<header><p class=\"eyebrow\">loadgen report</p><h1>", out);
    html_title(out, document);
    fputs("</h1>\n<p class=\"sub\">", out);
    if (load_text(document, "label")[0] != 0) {
        html_servers(out, document);
        fputs(" &#183; ", out);
    }
    html_address(out, target);
    fputs(" &#183; ", out);
    if (other != NULL) {
        html_address(out, other);
        fputs(" &#183; ", out);
    }
    fputs("<span>", out);
    html_escape(out, load_text(document, "timestamp"));
    fputs("</span></p>\n<ul class=\"chips\">", out);
    html_durability(out, document);
    html_load(out, document);
    fputs("</ul>\n", out);
    html_trust(out, document);
    fputs("</header>\n", out);
}

/* ---- all tests ---- */

static double html_highest(json_t *results, const char *key)
{
    double most = 0;
    const char *name;
    json_t *result;
    json_object_foreach(results, name, result) most = fmax(most, load_number(result, key));
    return most;
}

static void html_rate_cell(FILE *out, double rate, double highest)
{
    char text[HTML_NUMBER_SIZE];
    html_number(rate, text);
    fprintf(out, "<td class=\"bar\"><i style=\"width:%.1f%%\"></i><b>%s</b></td>",
            highest > 0 ? 100 * rate / highest : 0, text);
}

/* The title of a test, of which side, and at which rate or step. */
static void html_result_title(FILE *out, const char *name, const json_t *result)
{
    char rate[HTML_NUMBER_SIZE];
    double offered = load_number(result, "offered_per_sec");
    const char *step = load_text(result, "step");
    html_escape(out, load_text(result, "title"));
    if (strncmp(name, "A/", 2) == 0 || strncmp(name, "B/", 2) == 0)
        fprintf(out, ", %c", name[0]);
    if (step[0] != 0) {
        fputs(", ", out);
        html_escape(out, step);
    }
    if (offered <= 0 || step[0] != 0)
        return;
    html_number(offered, rate);
    fprintf(out, " at %s/s", rate);
}

static void html_summary_row(FILE *out, unsigned index, const char *name, const json_t *result,
                             double highest)
{
    static const struct {
        const char *key, *kind;
    } cells[] = {{"median_ns", ""},
                 {"p95_ns", HTML_MINOR},
                 {"p99_ns", ""},
                 {"p999_ns", HTML_MINOR},
                 {"max_ns", HTML_MINOR}};
    char errors[HTML_NUMBER_SIZE];
    double n_errors = load_number(result, "errors");
    fprintf(out, "<tr><th><a href=\"#t%u\">", index);
    html_result_title(out, name, result);
    fputs("</a></th>", out);
    html_rate_cell(out, load_number(result, "ops_per_sec"), highest);
    for (size_t i = 0; i < LENGTH_OF(cells); i++)
        html_duration_cell(out, cells[i].kind, result, cells[i].key);
    html_number(n_errors, errors);
    fprintf(out, "<td%s>%s</td></tr>\n", n_errors > 0 ? " class=\"worse\"" : "", errors);
}

static void html_summary(FILE *out, json_t *results)
{
    double highest = html_highest(results, "ops_per_sec");
    unsigned index = 0;
    const char *name;
    json_t *result;
    if (json_object_size(results) == 0)
        return;
    fputs("<section><h2>At a glance</h2>\n<div class=\"scroll\"><table><thead><tr><th>test</th>"
          "<th>requests/s</th><th>p50</th><th" HTML_MINOR ">p95</th><th>p99</th>"
          "<th" HTML_MINOR ">p99.9</th><th" HTML_MINOR ">max</th>"
          "<th>errors</th></tr></thead><tbody>\n",
          out);
    json_object_foreach(results, name, result)
        html_summary_row(out, index++, name, result, highest);
    fputs("</tbody></table></div></section>\n", out);
}

/* ---- a test ---- */

static void html_tiles(FILE *out, const json_t *result)
{
    char text[HTML_NUMBER_SIZE];
    double hits = load_number(result, "hits"), reads = hits + load_number(result, "misses");
    fputs("<div class=\"tiles\">", out);
    html_number(load_number(result, "ops_per_sec"), text);
    html_tile(out, "requests/s", text);
    html_duration_tile(out, "median", result, "median_ns");
    html_duration_tile(out, "p99", result, "p99_ns");
    html_duration_tile(out, "p99.9", result, "p999_ns");
    html_duration_tile(out, "maximum", result, "max_ns");
    html_number(load_number(result, "errors"), text);
    html_tile(out, "errors", text);
    if (reads > 0) {
        (void)snprintf(text, sizeof text, "%.4g&nbsp;%%", 100 * hits / reads);
        html_tile(out, "reads that hit", text);
    }
    fputs("</div>\n", out);
}

static void html_warnings(FILE *out, const json_t *result)
{
    const json_t *warnings = json_object_get(result, "warnings");
    const char *said[] = {load_text(result, "first_error"), load_text(result, "failure")};
    size_t i;
    json_t *warning;
    fputs("<ul class=\"warnings\">", out);
    json_array_foreach(warnings, i, warning)
    {
        fputs("<li><b>", out);
        html_escape(out, load_text(warning, "name"));
        fputs("</b> ", out);
        html_escape_words(out, load_text(warning, "text"));
        fputs("</li>\n", out);
    }
    for (i = 0; i < LENGTH_OF(said); i++) {
        if (said[i][0] == 0)
            continue;
        fprintf(out, "<li><b>%s</b> ", i == 0 ? "first error" : "ended early");
        html_escape(out, said[i]);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

/* `kind` is "", or " class=..." */
static void html_latency_row(FILE *out, const char *kind, const char *name, const json_t *latency)
{
    static const struct {
        const char *key, *kind;
    } cells[] = {{"mean_ns", HTML_MINOR}, {"min_ns", HTML_MINOR},   {"median_ns", ""},
                 {"p90_ns", HTML_MINOR},  {"p95_ns", HTML_MINOR},   {"p99_ns", ""},
                 {"p999_ns", ""},         {"p9999_ns", HTML_MINOR}, {"max_ns", ""}};
    char count[HTML_NUMBER_SIZE];
    if (load_number(latency, "samples") <= 0)
        return;
    html_number(load_number(latency, "samples"), count);
    fprintf(out, "<tr><th%s>", kind);
    html_escape(out, name);
    fprintf(out, "</th><td" HTML_MINOR ">%s</td>", count);
    for (size_t i = 0; i < LENGTH_OF(cells); i++)
        html_duration_cell(out, cells[i].kind, latency, cells[i].key);
    fputs("</tr>\n", out);
}

/* Those of a sequence, each by itself. */
static void html_step_rows(FILE *out, const json_t *sequence)
{
    const char *name;
    json_t *latency;
    json_object_foreach(json_object_get(sequence, "steps"), name, latency)
        html_latency_row(out, " class=\"step\"", name, latency);
}

static void html_latency_table(FILE *out, const json_t *result)
{
    const char *name;
    json_t *latency;
    fputs("<div class=\"scroll\"><table><thead><tr><th>latency</th><th" HTML_MINOR ">requests</th>"
          "<th" HTML_MINOR ">mean</th><th" HTML_MINOR ">min</th><th>p50</th><th" HTML_MINOR ">p90"
          "</th><th" HTML_MINOR ">p95</th><th>p99</th><th>p99.9</th><th" HTML_MINOR ">p99.99</th>"
          "<th>max</th></tr></thead><tbody>\n",
          out);
    html_latency_row(out, "", "response", result);
    html_latency_row(out, "", "service", json_object_get(result, "service"));
    html_latency_row(out, "", "first byte", json_object_get(result, "ttfb"));
    html_step_rows(out, result);
    json_object_foreach(json_object_get(result, "by_request"), name, latency)
    {
        html_latency_row(out, "", name, latency);
        html_step_rows(out, latency);
    }
    fputs("</tbody></table></div>\n", out);
}

/* The p99 of a part of the latency; nothing where the part is not known. */
static void html_part_cell(FILE *out, const char *kind, const json_t *latency, const char *part)
{
    const json_t *figures = json_object_get(latency, part);
    if (figures != NULL)
        html_duration_cell(out, kind, figures, "p99_ns");
    else
        fprintf(out, "<td%s></td>", kind);
}

/* A row for each kind of request of a test that mixes several. */
static void html_kinds(FILE *out, const json_t *result)
{
    static const struct {
        const char *key, *kind;
    } parts[] = {{"service", ""}, {"ttfb", HTML_MINOR}, {"slip", HTML_MINOR}};
    double all = load_number(result, "count");
    json_t *kinds = json_object_get(result, "by_request"), *kind;
    const char *name;
    if (json_object_size(kinds) == 0 || all <= 0)
        return;
    fputs("<h3>Kinds of requests</h3><div "
          "class=\"scroll\"><table><thead><tr><th>kind</th><th" HTML_MINOR ">requests</th>"
          "<th" HTML_MINOR ">share</th><th>requests/s</th><th>errors</th><th>hits</th>"
          "<th>p99: response</th><th>service</th><th" HTML_MINOR ">first byte</th>"
          "<th" HTML_MINOR ">sent late</th></tr></thead><tbody>\n",
          out);
    json_object_foreach(kinds, name, kind)
    {
        char count[HTML_NUMBER_SIZE], rate[HTML_NUMBER_SIZE], errors[HTML_NUMBER_SIZE];
        double hits = load_number(kind, "hits"), reads = hits + load_number(kind, "misses");
        html_number(load_number(kind, "count"), count);
        html_number(load_number(kind, "ops_per_sec"), rate);
        html_number(load_number(kind, "errors"), errors);
        fputs("<tr><th>", out);
        html_escape(out, name);
        fprintf(out,
                "</th><td" HTML_MINOR ">%s</td><td" HTML_MINOR ">%.2f&nbsp;%%</td><td>%s</td>"
                "<td>%s</td>",
                count, 100 * load_number(kind, "count") / all, rate, errors);
        if (reads > 0)
            fprintf(out, "<td>%.4g&nbsp;%%</td>", 100 * hits / reads);
        else
            fputs("<td></td>", out);
        html_duration_cell(out, "", kind, "p99_ns");
        for (size_t i = 0; i < LENGTH_OF(parts); i++)
            html_part_cell(out, parts[i].kind, kind, parts[i].key);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* Numbers of an object as text; `keys` end with NULL. */
static void html_numbers(const json_t *object, const char *const *keys,
                         char (*out_texts)[HTML_NUMBER_SIZE])
{
    for (; *keys != NULL; keys++)
        html_number(load_number(object, *keys), *out_texts++);
}

static void html_checked(FILE *out, const json_t *result)
{
    static const char *const keys[] = {"checked", "corrupt", "followed", "stale", NULL};
    char texts[LENGTH_OF(keys)][HTML_NUMBER_SIZE];
    if (load_number(result, "checked") <= 0)
        return;
    html_numbers(result, keys, texts);
    fprintf(out,
            "<p class=\"note\">Verified: %s values, of which %s were wrong; %s reads of keys their "
            "connection knew, of which %s were stale.</p>\n",
            texts[0], texts[1], texts[2], texts[3]);
}

static void html_connections(FILE *out, const json_t *result)
{
    static const char *const keys[] = {"min", "max", "median", NULL};
    const json_t *fairness = json_object_get(result, "fairness");
    double in_flight = load_number(json_object_get(result, "in_flight"), "mean");
    char texts[LENGTH_OF(keys)][HTML_NUMBER_SIZE];
    fputs("<p class=\"note\">", out);
    if (load_number(fairness, "connections") > 0) {
        html_numbers(fairness, keys, texts);
        fprintf(out,
                "A connection did %s to %s requests, median %s; Jain&#8217;s index of fairness "
                "%.4f. ",
                texts[0], texts[1], texts[2], load_number(fairness, "jain"));
    }
    if (in_flight > 0)
        fprintf(out, "On average %.1f requests were in flight.", in_flight);
    fputs("</p>\n", out);
}

static void html_efficiency(FILE *out, const json_t *result)
{
    const json_t *client = json_object_get(result, "client");
    const json_t *server = json_object_get(result, "server");
    double of_server = load_number(server, "us_per_op");
    fprintf(out,
            "<p class=\"note\">CPU time of a request: client %.2f&nbsp;&#181;s (its busiest thread "
            "was busy %.0f&nbsp;%% of the time)",
            load_number(client, "us_per_op"), 100 * load_number(client, "busiest_thread"));
    if (of_server > 0)
        fprintf(out, ", server %.2f&nbsp;&#181;s", of_server);
    if (of_server > 0 && json_object_get(server, "asked") != NULL) {
        fputs(" (as it says itself: ", out);
        html_escape(out, load_text(server, "source"));
        fprintf(out, ", asked %.0f times)", load_number(server, "asked"));
    }
    fputs(".</p>\n", out);
}

/* What the machine of loadgen did meanwhile. */
static void html_system(FILE *out, const json_t *result)
{
    static const struct {
        const char *key, *text;
    } parts[] = {{"user_ns", "programs"},
                 {"system_ns", "the kernel"},
                 {"softirq_ns", "interrupts"},
                 {"steal_ns", "stolen by other machines of the host"},
                 {"idle_ns", "idle"}};
    const json_t *system = json_object_get(result, "system");
    double all = 0, other = load_number(system, "other_ns");
    for (size_t i = 0; i < LENGTH_OF(parts); i++)
        all += load_number(system, parts[i].key);
    if (all <= 0)
        return;
    fputs("<p class=\"note\">All CPUs of this machine meanwhile:", out);
    for (size_t i = 0; i < LENGTH_OF(parts); i++)
        fprintf(out, "%s %s %.1f&nbsp;%%", i > 0 ? "," : "", parts[i].text,
                100 * load_number(system, parts[i].key) / all);
    if (json_object_get(system, "other_ns") != NULL)
        fprintf(out, "; programs besides loadgen and the server took %.1f&nbsp;%%",
                100 * other / all);
    fputs(".</p>\n", out);
}

/* A half width, relative. */
static void html_plus_minus(FILE *out, double share)
{
    fprintf(out, "&#177;%.*g&nbsp;%%", share >= 0.1 ? 3 : 2, 100 * share);
}

/* How well the figures are known, where that is known. */
static void html_precision(FILE *out, const json_t *result)
{
    const json_t *precision = json_object_get(result, "precision");
    const json_t *warmup = json_object_get(result, "warmup");
    double rate = load_number(precision, "ops_per_sec"), p99 = load_number(precision, "p99");
    if (rate <= 0)
        return;
    fputs("<p class=\"note\">Throughput is known to ", out);
    html_plus_minus(out, rate);
    if (p99 > 0 && p99 < 1) {
        fputs(", p99 to ", out);
        html_plus_minus(out, p99);
    }
    fputs(" (95&nbsp;% confidence)", out);
    if (p99 >= 1)
        fputs("; p99 varies too much over time to say so of it", out);
    if (warmup != NULL)
        fprintf(out, ", after a warm-up of %.1f&nbsp;s %s", load_number(warmup, "elapsed_ns") / 1e9,
                json_is_true(json_object_get(warmup, "steady")) ? "until it was steady"
                                                                : "that did not become steady");
    fputs(".</p>\n", out);
}

/* What the server itself says of the test. */
static void html_server(FILE *out, const json_t *result)
{
    const json_t *server = json_object_get(result, "server");
    char counted[HTML_NUMBER_SIZE], sent[HTML_NUMBER_SIZE], mean[HTML_NUMBER_SIZE];
    if (json_object_get(server, "requests") == NULL)
        return;
    html_number(load_number(server, "requests"), counted);
    html_number(load_number(server, "requests_sent"), sent);
    html_duration(load_number(server, "mean_ns"), mean);
    fprintf(out,
            "<p class=\"note\">The server counted %s requests of the %s that were sent, and "
            "executed one in %s on average; resident memory %.1f to %.1f&nbsp;MiB",
            counted, sent, mean, load_number(server, "resident_before_bytes") / 1048576,
            load_number(server, "resident_after_bytes") / 1048576);
    if (load_number(server, "log_syncs") > 0) {
        html_number(load_number(server, "log_syncs"), counted);
        fprintf(out, "; %s syncs of its log", counted);
    }
    if (load_number(server, "evicted") > 0) {
        html_number(load_number(server, "evicted"), counted);
        fprintf(out, "; %s records evicted", counted);
    }
    fputs(".</p>\n", out);
}

static void html_test(FILE *out, unsigned index, const char *name, const json_t *result)
{
    fprintf(out, "<section class=\"test\" id=\"t%u\"><h2>", index);
    html_result_title(out, name, result);
    fputs(" <small>", out);
    html_escape(out, name);
    fputs("</small></h2>\n", out);
    html_tiles(out, result);
    html_warnings(out, result);
    html_repeats(out, result);
    fputs("<div class=\"figures\">\n", out);
    figure_percentiles(out, result);
    figure_time(out, result);
    figure_distribution(out, result);
    fputs("</div>\n", out);
    html_latency_table(out, result);
    html_kinds(out, result);
    html_kinds_over_time(out, result);
    html_stairs(out, result);
    html_checked(out, result);
    html_connections(out, result);
    html_efficiency(out, result);
    html_system(out, result);
    html_server(out, result);
    html_precision(out, result);
    fputs("</section>\n", out);
}

/* ---- circumstances ---- */

static void html_facts_of(FILE *out, json_t *object)
{
    const char *key;
    json_t *value;
    char buffer[64];
    fputs("<dl>\n", out);
    json_object_foreach(object, key, value)
    {
        fputs("<dt>", out);
        html_escape(out, key);
        fputs("</dt><dd>", out);
        html_escape(out, html_value(value, buffer, sizeof buffer));
        fputs("</dd>\n", out);
    }
    fputs("</dl>\n", out);
}

static void html_circumstances(FILE *out, const json_t *document)
{
    const json_t *environment = json_object_get(document, "environment");
    char memory[48] = "";
    double bytes = load_number(environment, "memory_bytes");
    if (bytes > 0)
        (void)snprintf(memory, sizeof memory, "%.1f GiB", bytes / 1073741824);
    fputs("<section><h2>Circumstances</h2>\n<div class=\"columns\"><div><h3>Machine of loadgen</h3>"
          "<dl>\n",
          out);
    html_fact(out, "processor", load_text(environment, "cpu"));
    char buffer[64];
    html_fact(out, "CPUs", html_value(json_object_get(environment, "cpus"), buffer, sizeof buffer));
    html_fact(out, "governor", load_text(environment, "governor"));
    html_fact(out, "turbo", load_text(environment, "turbo"));
    html_fact(out, "memory", memory);
    html_fact(out, "disk", load_text(environment, "disk"));
    html_fact(out, "system", load_text(environment, "os"));
    html_fact(out, "kernel", load_text(environment, "kernel"));
    json_t *other = json_object_get(document, "target_b");
    fprintf(out, "</dl></div>\n<div><h3>Server%s</h3>", other != NULL ? " A" : "");
    html_facts_of(out, json_object_get(document, "target"));
    if (other != NULL) {
        fputs("<h3 class=\"next\">Server B</h3>", out);
        html_facts_of(out, other);
    }
    fputs("</div></div>\n<h3>Again</h3><pre>", out);
    html_escape_words(out, load_text(document, "command"));
    fputs("</pre>\n<details><summary>All options</summary>", out);
    html_facts_of(out, json_object_get(document, "config"));
    fputs("</details></section>\n", out);
}

/* ---- page ---- */

static int html_data_part(const char *json, size_t size, void *out)
{
    html_escape_script(out, json, size);
    return 0;
}

static int html_data(FILE *out, const json_t *document)
{
    fputs("<script type=\"application/json\" id=\"results\">", out);
    int err =
        json_dump_callback(document, html_data_part, out, JSON_COMPACT | JSON_REAL_PRECISION(10));
    fputs("</script>\n", out);
    return err == 0 ? 0 : ERR_OUT_OF_MEMORY;
}

static void html_begin(FILE *out, const json_t *document)
{
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>loadgen: ",
          out);
    html_title(out, document);
    fputs("</title>\n<style>\n", out);
    html_style(out);
    fputs("</style></head><body><main>\n", out);
}

int html_write(FILE *out, const json_t *document)
{
    json_t *results = json_object_get(document, "results");
    const char *name;
    json_t *result;
    unsigned index = 0;
    html_begin(out, document);
    html_head(out, document);
    html_summary(out, results);
    html_versus(out, document);
    html_knees(out, document);
    html_sweeps(out, document);
    html_recall(out, document);
    html_gates(out, document);
    json_object_foreach(results, name, result) html_test(out, index++, name, result);
    html_circumstances(out, document);
    fputs("<footer>Made by loadgen ", out);
    html_escape(out, load_text(document, "tool_version"));
    fputs(". Latencies are at most 0.8&nbsp;% above the truth. All figures are in this file as "
          "JSON: element &#8220;results&#8221;.</footer>\n</main>\n",
          out);
    int err = html_data(out, document);
    fputs("</body></html>\n", out);
    return err;
}
