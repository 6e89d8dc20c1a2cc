/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The section of the page for --sweep: throughput and latency for each value of an option; and the
 * figures of a staircase of connections, which are the same for each of its steps.
 *
 * How: values stand side by side at equal distances, in the order in which they were given, with
 * their own text below; so sizes, numbers and rates are drawn alike.
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

#define SWEEP_BAR 0.34 /* half the width of a bar, of the distance */

static const struct sweep_line {
    const char *kind, *key, *text;
} sweep_lines[] = {
    {"max", "p999_ns", "p99.9"},
    {"p99", "p99_ns", "p99"},
    {"median", "median_ns", "p50"},
};

static double sweep_x(size_t i)
{
    return (double)i + 0.5;
}

/* What stands for a point: a value of the option, or so many connections. */
static const char *sweep_name(const json_t *point, char room[static HTML_NUMBER_SIZE])
{
    if (json_object_get(point, "connections") == NULL)
        return load_text(point, "value");
    html_number(load_number(point, "connections"), room);
    return room;
}

/* The values below a plot; every second one only where there is room. */
static void sweep_labels(const struct plot *plot, const json_t *points)
{
    size_t i, n = json_array_size(points);
    json_t *point;
    json_array_foreach(points, i, point)
    {
        char room[HTML_NUMBER_SIZE];
        plot_label(plot, sweep_x(i), n > 6 && i % 2 == 1, sweep_name(point, room));
    }
}

static void sweep_bar(const struct plot *plot, double middle, double height)
{
    double left = plot_at_x(plot, middle - SWEEP_BAR), right = plot_at_x(plot, middle + SWEEP_BAR);
    fprintf(plot->out, "<path class=\"area\" d=\"M%.1f %dV%.1fH%.1fV%dZ\"/>\n", left, PLOT_SIZE,
            plot_at_y(plot, height), right, PLOT_SIZE);
}

/* What was offered, over each bar; where there are several runs, their interval. */
static void sweep_marks(const struct plot *plot, double middle, const json_t *point)
{
    double offered = load_number(point, "offered_per_sec");
    double low = load_number(point, "low"), high = load_number(point, "high");
    struct plot_point rate[] = {{middle - SWEEP_BAR, offered}, {middle + SWEEP_BAR, offered}};
    struct plot_point interval[] = {{middle, low}, {middle, high}};
    if (offered > 0)
        plot_line(plot, "offered", rate, 2);
    if (high > 0)
        plot_line(plot, "median", interval, 2);
}

static double sweep_highest(const json_t *points, const char *key)
{
    double most = 0;
    size_t i;
    json_t *point;
    json_array_foreach(points, i, point) most = fmax(most, load_number(point, key));
    return most;
}

static void sweep_rate_plot(FILE *out, const json_t *points)
{
    size_t i, n = json_array_size(points);
    json_t *point;
    double most =
        fmax(sweep_highest(points, "ops_per_sec"),
             fmax(sweep_highest(points, "offered_per_sec"), sweep_highest(points, "high")));
    struct plot plot = {
        .out = out, .x = {.low = 0, .high = (double)n}, .y = plot_axis_linear(most)};
    fputs("<span class=\"key\"><i class=\"area\"></i>requests/s</span>\n", out);
    if (sweep_highest(points, "offered_per_sec") > 0)
        fputs("<span class=\"key\"><i class=\"offered\"></i>offered</span>\n", out);
    if (sweep_highest(points, "high") > 0)
        fputs("<span class=\"key\"><i class=\"median\"></i>95&nbsp;% interval</span>\n", out);
    plot_open(&plot, "tall", "Throughput by value");
    plot_grid_y(&plot);
    json_array_foreach(points, i, point)
    {
        sweep_bar(&plot, sweep_x(i), load_number(point, "ops_per_sec"));
        sweep_marks(&plot, sweep_x(i), point);
    }
    fputs("</svg>\n", out);
    plot_labels_y(&plot, PLOT_SHORT);
    sweep_labels(&plot, points);
    plot_close(&plot);
}

/* The points of a line; as many as there is room for. */
static size_t sweep_line_points(const json_t *points, const char *key, struct plot_point *out)
{
    size_t n = 0, i;
    json_t *point;
    json_array_foreach(points, i, point) if (load_number(point, key) > 0) out[n++] =
        (struct plot_point){sweep_x(i), load_number(point, key)};
    return n;
}

/* The axis that holds all lines. False: there are none. */
static bool sweep_latency_axis(const json_t *points, struct plot_axis *out)
{
    double low = INFINITY, high = 0;
    size_t i;
    json_t *point;
    json_array_foreach(points, i, point) for (size_t line = 0; line < LENGTH_OF(sweep_lines);
                                              line++)
    {
        double ns = load_number(point, sweep_lines[line].key);
        low = ns > 0 ? fmin(low, ns) : low;
        high = fmax(high, ns);
    }
    *out = plot_axis_log(low, high);
    return isfinite(low) && high > 0;
}

static void sweep_latency_plot(FILE *out, const json_t *points)
{
    size_t n = json_array_size(points);
    struct plot plot = {.out = out, .x = {.low = 0, .high = (double)n}};
    struct plot_point *room = mem_calloc(n + 1, sizeof *room);
    if (room != NULL && sweep_latency_axis(points, &plot.y)) {
        for (size_t i = LENGTH_OF(sweep_lines); i-- > 0;)
            fprintf(out, "<span class=\"key\"><i class=\"%s\"></i>%s</span>\n", sweep_lines[i].kind,
                    sweep_lines[i].text);
        plot_open(&plot, "tall", "Latency by value");
        plot_grid_y(&plot);
        for (size_t i = 0; i < n; i++)
            plot_grid_line(&plot, sweep_x(i));
        for (size_t i = 0; i < LENGTH_OF(sweep_lines); i++)
            plot_line(&plot, sweep_lines[i].kind, room,
                      sweep_line_points(points, sweep_lines[i].key, room));
        fputs("</svg>\n", out);
        plot_labels_y(&plot, PLOT_DURATION);
        sweep_labels(&plot, points);
        plot_close(&plot);
    }
    mem_free(room);
}

static void sweep_warnings(FILE *out, const json_t *point)
{
    const char *space = "";
    size_t i;
    json_t *warning;
    fputs("<td class=\"verdict\">", out);
    json_array_foreach(json_object_get(point, "warnings"), i, warning)
    {
        const char *text = json_string_value(warning);
        fputs(space, out);
        html_escape(out, text != NULL ? text : "");
        space = ", ";
    }
    fputs("</td>", out);
}

static void sweep_row(FILE *out, const json_t *point)
{
    static const char *const times[] = {"median_ns", "p99_ns", "p999_ns", "max_ns"};
    char text[HTML_NUMBER_SIZE];
    fputs("<tr><th>", out);
    html_escape(out, sweep_name(point, text));
    html_number(load_number(point, "ops_per_sec"), text);
    fprintf(out, "</th><td>%s</td>", text);
    for (size_t i = 0; i < LENGTH_OF(times); i++) {
        html_duration(load_number(point, times[i]), text);
        fprintf(out, "<td%s>%s</td>", i > 1 ? " class=\"minor\"" : "", text);
    }
    html_number(load_number(point, "errors"), text);
    fprintf(out, "<td class=\"minor\">%s</td>", text);
    sweep_warnings(out, point);
    fputs("</tr>\n", out);
}

static void sweep_table(FILE *out, const char *option, const json_t *points)
{
    size_t i;
    json_t *point;
    fputs("<div class=\"scroll\"><table class=\"warned\"><thead><tr><th>", out);
    html_escape(out, option);
    fputs("</th><th>requests/s</th><th>p50</th><th>p99</th><th class=\"minor\">p99.9</th>"
          "<th class=\"minor\">max</th><th class=\"minor\">errors</th>"
          "<th class=\"verdict\">warnings</th></tr></thead><tbody>\n",
          out);
    json_array_foreach(points, i, point) sweep_row(out, point);
    fputs("</tbody></table></div>\n", out);
}

static void sweep_figures(FILE *out, const char *option, const json_t *points)
{
    fputs("<div class=\"figures\"><figure>", out);
    sweep_rate_plot(out, points);
    fputs("</figure><figure>", out);
    sweep_latency_plot(out, points);
    fputs("</figure></div>\n", out);
    sweep_table(out, option, points);
}

void html_stairs(FILE *out, const json_t *result)
{
    const json_t *steps = json_object_get(result, "by_connections");
    if (json_array_size(steps) == 0)
        return;
    fputs("<h3>By connections</h3>\n", out);
    sweep_figures(out, "connections", steps);
}

void html_sweeps(FILE *out, const json_t *document)
{
    size_t i;
    json_t *sweep;
    json_array_foreach(json_object_get(document, "sweep"), i, sweep)
    {
        const json_t *points = json_object_get(sweep, "points");
        fputs("<section><h2>", out);
        html_escape(out, load_text(sweep, "title"));
        fputs(" by ", out);
        html_escape(out, load_text(sweep, "option"));
        fputs("</h2>\n", out);
        sweep_figures(out, load_text(sweep, "option"), points);
        fputs("</section>\n", out);
    }
}
