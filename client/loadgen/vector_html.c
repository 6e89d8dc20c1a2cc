/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The section of the page that shows what recall costs: throughput and latency of searches against
 * the share that they found.
 *
 * How: results that have a recall are points, those of one test a line. The axis of recall is one
 * of odds (logit), so that 0.9, 0.99 and 0.999 are as far from each other as it is hard to get from
 * one to the next; what is above 0.9999 stands at its end.
 *
 * Invariants: text from the JSON is escaped; what is missing or of another type is left out.
 * Threads: any; no state. Failures: without memory a figure is left out.
 */
#include "client/loadgen/html.h"

#include "client/loadgen/html_plot.h"
#include "client/loadgen/html_text.h"
#include "client/loadgen/load.h"
#include "common/mem.h"

#include <math.h>
#include <string.h>

static const struct recall_tick {
    double value;
    const char *text; /* "": a line without a label */
    bool minor;
} recall_ticks[] = {
    {0.5, "0.5", false},    {0.7, "", false},
    {0.8, "0.8", true},     {0.9, "0.9", false},
    {0.95, "0.95", true},   {0.98, "", false},
    {0.99, "0.99", false},  {0.995, "", false},
    {0.999, "0.999", true}, {0.9999, "from 0.9999", false},
};

static const double recall_least = 0.3, recall_most = 0.9999;

static double recall_odds(double recall)
{
    double share = fmin(fmax(recall, recall_least), recall_most);
    return log(share / (1 - share));
}

static double recall_of(const json_t *result)
{
    return load_number(json_object_get(result, "recall"), "mean");
}

/* A line: the results of a test, by recall. */
struct recall_line {
    const char *key; /* what is drawn */
    const char *kind;
};

static int recall_order(const void *left, const void *right)
{
    double a = ((const struct plot_point *)left)->x, b = ((const struct plot_point *)right)->x;
    return (a > b) - (a < b);
}

/* The points of a test, as many as there is room for. */
static size_t recall_points(const json_t *results, const char *test, const char *key,
                            struct plot_point *out)
{
    const char *name;
    json_t *result;
    size_t n = 0;
    json_object_foreach((json_t *)(uintptr_t)results, name, result)
    {
        double value = load_number(result, key), recall = recall_of(result);
        if (recall > 0 && value > 0 && strcmp(load_text(result, "test"), test) == 0)
            out[n++] = (struct plot_point){recall_odds(recall), value};
    }
    qsort(out, n, sizeof *out, recall_order);
    return n;
}

/* Axes that hold all points of a test. */
static void recall_axes(struct plot *plot, const struct plot_point *points, size_t n, double *low,
                        double *high)
{
    for (size_t i = 0; i < n; i++) {
        *low = fmin(*low, points[i].y);
        *high = fmax(*high, points[i].y);
        plot->x.low = fmin(plot->x.low, points[i].x - 0.5);
        plot->x.high = fmax(plot->x.high, points[i].x + 0.5);
    }
}

static bool recall_within(const struct plot *plot, double odds)
{
    return odds >= plot->x.low && odds <= plot->x.high;
}

static void recall_labels(const struct plot *plot)
{
    for (size_t i = 0; i < LENGTH_OF(recall_ticks); i++)
        if (recall_within(plot, recall_odds(recall_ticks[i].value)))
            plot_label(plot, recall_odds(recall_ticks[i].value), recall_ticks[i].minor,
                       recall_ticks[i].text);
}

static void recall_figure(FILE *out, const json_t *results, const char *test, const char *title,
                          const struct recall_line *lines, size_t n_lines, enum plot_format format,
                          struct plot_point *room)
{
    struct plot plot = {.out = out, .x = {.low = recall_odds(0.9), .high = recall_odds(0.99)}};
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < n_lines; i++)
        recall_axes(&plot, room, recall_points(results, test, lines[i].key, room), &low, &high);
    plot.y = plot_axis_log(low, high);
    fprintf(out, "<figure><h3>%s</h3>\n", title);
    plot_open(&plot, "tall", title);
    plot_grid_y(&plot);
    for (size_t i = 0; i < LENGTH_OF(recall_ticks); i++)
        if (recall_within(&plot, recall_odds(recall_ticks[i].value)))
            plot_grid_line(&plot, recall_odds(recall_ticks[i].value));
    for (size_t i = 0; i < n_lines; i++) {
        size_t n = recall_points(results, test, lines[i].key, room);
        plot_line(&plot, lines[i].kind, room, n);
        plot_dots(&plot, lines[i].kind, room, n);
    }
    fputs("</svg>\n", out);
    plot_labels_y(&plot, format);
    recall_labels(&plot);
    plot_close(&plot);
    fputs("</figure>\n", out);
}

static void recall_cell(FILE *out, bool minor, const char *text)
{
    fprintf(out, "<td%s>%s</td>", minor ? " class=\"minor\"" : "", text);
}

static void recall_share(FILE *out, const json_t *recall, const char *key, bool minor)
{
    char text[HTML_NUMBER_SIZE];
    (void)snprintf(text, sizeof text, "%.4f", load_number(recall, key));
    recall_cell(out, minor, text);
}

static void recall_row(FILE *out, const json_t *result)
{
    const json_t *recall = json_object_get(result, "recall");
    char text[HTML_NUMBER_SIZE];
    fputs("<tr><th>", out);
    html_escape(out, load_text(result, "title"));
    fputs("</th>", out);
    recall_share(out, recall, "mean", false);
    recall_share(out, recall, "p5", true);
    recall_share(out, recall, "min", true);
    html_number(load_number(result, "ops_per_sec"), text);
    recall_cell(out, false, text);
    html_duration(load_number(result, "median_ns"), text);
    recall_cell(out, true, text);
    html_duration(load_number(result, "p99_ns"), text);
    recall_cell(out, false, text);
    fputs("</tr>\n", out);
}

static void recall_table(FILE *out, const json_t *results, const char *test)
{
    const char *name;
    json_t *result;
    fputs("<div class=\"scroll\"><table><thead><tr><th>searches</th><th>recall</th>"
          "<th class=\"minor\">5 % below</th><th class=\"minor\">worst</th><th>requests/s</th>"
          "<th class=\"minor\">p50</th><th>p99</th></tr></thead><tbody>\n",
          out);
    json_object_foreach((json_t *)(uintptr_t)results, name,
                        result) if (recall_of(result) > 0 &&
                                    strcmp(load_text(result, "test"), test) == 0)
        recall_row(out, result);
    fputs("</tbody></table></div>\n", out);
}

/* Of what: the first result says it for all. */
static void recall_note(FILE *out, const json_t *result)
{
    const json_t *vector = json_object_get(result, "vector");
    char vectors[HTML_NUMBER_SIZE], scored[HTML_NUMBER_SIZE];
    html_number(load_number(vector, "vectors"), vectors);
    html_number(load_number(json_object_get(result, "recall"), "scored"), scored);
    fprintf(out, "<p class=\"note\">%s vectors of %.0f elements, ", vectors,
            load_number(vector, "dim"));
    html_escape(out, load_text(vector, "metric"));
    fputs(", index ", out);
    html_escape(out, load_text(vector, "index"));
    fprintf(out,
            ". Recall is the share of the %.0f nearest that were found, by an exact search of "
            "loadgen&#8217;s own, of %s queries; ties count as found.</p>\n",
            load_number(json_object_get(result, "recall"), "k"), scored);
}

static void recall_section(FILE *out, const json_t *results, const json_t *first, const char *test,
                           struct plot_point *room)
{
    static const struct recall_line rate[] = {{"ops_per_sec", "response"}};
    static const struct recall_line times[] = {{"median_ns", "median"}, {"p99_ns", "p99"}};
    fputs("<section><h2>Recall <small>", out);
    html_escape(out, test);
    fputs("</small></h2>\n", out);
    recall_note(out, first);
    fputs("<div class=\"figures\">\n", out);
    recall_figure(out, results, test, "Throughput against recall: requests/s", rate, 1, PLOT_SHORT,
                  room);
    recall_figure(out, results, test, "Latency against recall: p50 and, dashed, p99", times, 2,
                  PLOT_DURATION, room);
    fputs("</div>\n", out);
    recall_table(out, results, test);
    fputs("</section>\n", out);
}

/* Is this the first result with a recall of its test? */
static bool recall_is_first(const json_t *results, const json_t *of)
{
    const char *name;
    json_t *result;
    json_object_foreach((json_t *)(uintptr_t)results, name, result)
    {
        if (result == of)
            return true;
        if (recall_of(result) > 0 && strcmp(load_text(result, "test"), load_text(of, "test")) == 0)
            return false;
    }
    return false;
}

void html_recall(FILE *out, const json_t *document)
{
    json_t *results = json_object_get(document, "results"), *result;
    const char *name;
    struct plot_point *room = mem_calloc(json_object_size(results) + 1, sizeof *room);
    json_object_foreach(results, name, result)
    {
        if (room != NULL && recall_of(result) > 0 && recall_is_first(results, result))
            recall_section(out, results, result, load_text(result, "test"), room);
    }
    mem_free(room);
}
