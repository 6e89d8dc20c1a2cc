/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The section of the page that shows how latency grows with the rate, and where the knee is.
 *
 * How: points of the grid and of the bisection become lines, in the order of their rates; those
 * that confirm stand in the table only.
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

static const struct knee_line {
    const char *kind, *key, *text;
} knee_lines[] = {
    {"max", "p999_ns", "p99.9"},
    {"p99", "p99_ns", "p99"},
    {"median", "median_ns", "p50"},
};

static int knee_order(const void *left, const void *right)
{
    double a = ((const struct plot_point *)left)->x, b = ((const struct plot_point *)right)->x;
    return (a > b) - (a < b);
}

static bool knee_is_drawn(const json_t *point)
{
    return load_number(point, "offered_per_sec") > 0 && load_number(point, "ops_per_sec") > 0 &&
           strcmp(load_text(point, "step"), "confirm") != 0;
}

/* The points of a line, by rate; as many as there is room for. */
static size_t knee_line_points(const json_t *points, const char *key, struct plot_point *out)
{
    size_t n = 0, i;
    json_t *point;
    json_array_foreach(points, i, point)
    {
        double ns = load_number(point, key);
        if (knee_is_drawn(point) && ns > 0)
            out[n++] = (struct plot_point){load_number(point, "ops_per_sec"), ns};
    }
    qsort(out, n, sizeof *out, knee_order);
    return n;
}

/* Axes that hold all points. False: there are none. */
static bool knee_axes(const json_t *points, struct plot *plot)
{
    double rate = 0, low = INFINITY, high = 0;
    size_t i;
    json_t *point;
    json_array_foreach(points, i, point)
    {
        if (!knee_is_drawn(point))
            continue;
        rate = fmax(rate, load_number(point, "ops_per_sec"));
        for (size_t line = 0; line < LENGTH_OF(knee_lines); line++) {
            double ns = load_number(point, knee_lines[line].key);
            low = ns > 0 ? fmin(low, ns) : low;
            high = fmax(high, ns);
        }
    }
    plot->x = plot_axis_linear(rate);
    plot->y = plot_axis_log(low, high);
    return rate > 0 && isfinite(low) && high > 0;
}

static void knee_draw(const struct plot *plot, const json_t *knee, struct plot_point *room)
{
    const json_t *points = json_object_get(knee, "points");
    double rate = load_number(knee, "knee_per_sec"), slo = load_number(knee, "slo_ns");
    plot_grid_y(plot);
    plot_grid_x(plot);
    for (size_t i = 0; i < LENGTH_OF(knee_lines); i++)
        plot_line(plot, knee_lines[i].kind, room,
                  knee_line_points(points, knee_lines[i].key, room));
    if (slo > plot->y.low && slo < plot->y.high) {
        struct plot_point line[] = {{0, slo}, {plot->x.high, slo}};
        plot_line(plot, "offered", line, 2);
    }
    if (rate > 0) {
        struct plot_point line[] = {{rate, plot->y.low}, {rate, plot->y.high}};
        plot_line(plot, "response", line, 2);
    }
}

static void knee_plot(FILE *out, const json_t *knee)
{
    const json_t *points = json_object_get(knee, "points");
    struct plot plot = {.out = out};
    struct plot_point *room = mem_calloc(json_array_size(points) + 1, sizeof *room);
    if (room != NULL && knee_axes(points, &plot)) {
        for (size_t i = LENGTH_OF(knee_lines); i-- > 0;)
            fprintf(out, "<span class=\"key\"><i class=\"%s\"></i>%s</span>\n", knee_lines[i].kind,
                    knee_lines[i].text);
        fputs("<span class=\"key\"><i class=\"offered\"></i>objective</span>\n"
              "<span class=\"key\"><i class=\"response\"></i>knee</span>\n",
              out);
        plot_open(&plot, "tall", "Latency against throughput");
        knee_draw(&plot, knee, room);
        fputs("</svg>\n", out);
        plot_labels_y(&plot, PLOT_DURATION);
        plot_labels_x(&plot, PLOT_SHORT);
        plot_close(&plot);
    }
    mem_free(room);
}

static void knee_cell(FILE *out, const char *kind, const char *text)
{
    fprintf(out, "<td%s>%s</td>", kind, text);
}

static void knee_row(FILE *out, const json_t *point)
{
    const char *const keys[] = {"offered_per_sec", "ops_per_sec", "median_ns", "p99_ns", "p999_ns"};
    const char *verdict = load_text(point, "verdict");
    char text[HTML_NUMBER_SIZE];
    fputs("<tr><th>", out);
    html_escape(out, load_text(point, "step"));
    fputs("</th>", out);
    for (size_t i = 0; i < LENGTH_OF(keys); i++) {
        double value = load_number(point, keys[i]);
        (void)snprintf(text, sizeof text, "-");
        if (value > 0 && i < 2)
            html_number(value, text);
        else if (value > 0)
            html_duration(value, text);
        knee_cell(out, i == 0 || i == 4 ? " class=\"minor\"" : "", text);
    }
    fprintf(out, "<td class=\"verdict %s\">", strcmp(verdict, "kept") == 0 ? "better" : "");
    html_escape(out, verdict[0] != 0 ? verdict : "closed loop");
    fputs("</td></tr>\n", out);
}

static void knee_table(FILE *out, const json_t *points)
{
    size_t i;
    json_t *point;
    fputs("<details><summary>All rates</summary>\n<div class=\"scroll\"><table><thead><tr>"
          "<th>step</th><th class=\"minor\">offered/s</th><th>done/s</th><th>p50</th><th>p99</th>"
          "<th class=\"minor\">p99.9</th><th class=\"verdict\">verdict</th></tr></thead><tbody>\n",
          out);
    json_array_foreach(points, i, point) knee_row(out, point);
    fputs("</tbody></table></div></details>\n", out);
}

/* What has come of it, in a sentence. */
static void knee_sentence(FILE *out, const json_t *knee)
{
    static const struct {
        const char *outcome, *before, *behind;
    } texts[] = {
        {"found", "The knee is at ", " requests/s."},
        {"client-limited", "The knee is at ",
         " requests/s or above: beyond it loadgen itself was short of CPU, which says nothing "
         "about "
         "the server."},
        {"beyond", "The knee is at ", " requests/s or above: all rates were kept."},
        {"nowhere", "No rate was kept (", ")."},
        {"unconfirmed", "Not confirmed: about ", " requests/s were kept once, but not again."},
    };
    char rate[HTML_NUMBER_SIZE], objective[HTML_NUMBER_SIZE];
    html_number(load_number(knee, "knee_per_sec"), rate);
    html_duration(load_number(knee, "slo_ns"), objective);
    for (size_t i = 0; i < LENGTH_OF(texts); i++)
        if (strcmp(load_text(knee, "outcome"), texts[i].outcome) == 0)
            fprintf(out, "<b>%s%s%s</b> ", texts[i].before, rate, texts[i].behind);
    fprintf(out,
            "Objective: p%.6g of the response time at most %s, 99&nbsp;%% of the rate done, no "
            "errors.",
            100 * load_number(knee, "quantile"), objective);
}

void html_knees(FILE *out, const json_t *document)
{
    size_t i;
    json_t *knee;
    json_array_foreach(json_object_get(document, "knee"), i, knee)
    {
        fputs("<section><h2>Throughput against latency <small>", out);
        html_escape(out, load_text(knee, "title"));
        fputs("</small></h2>\n<p class=\"note\">", out);
        knee_sentence(out, knee);
        fputs("</p>\n<figure>", out);
        knee_plot(out, knee);
        fputs("</figure>\n", out);
        knee_table(out, json_object_get(knee, "points"));
        fputs("</section>\n", out);
    }
}
