/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Draws the figures of a result.
 *
 * How: everything is read from the JSON of the result (docs/loadgen-json.md), so that a page can be
 * made from a file as well. Each figure opens with a sentence that says what there is to see.
 *
 * Invariants: what is missing or of another type in the JSON is left out of the drawing.
 * Threads: any; no state. Failures: without memory a figure is left out.
 */
#include "client/loadgen/html_figures.h"

#include "client/loadgen/html_plot.h"
#include "client/loadgen/html_text.h"
#include "client/loadgen/load.h"
#include "common/mem.h"

#include <math.h>
#include <string.h>

static void figure_open(FILE *out, const char *title)
{
    fprintf(out, "<figure><h3>%s</h3>\n<p class=\"note\">", title);
}

static void figure_close(FILE *out)
{
    fputs("</figure>\n", out);
}

static void figure_legend(FILE *out, const char *kind, const char *text)
{
    fprintf(out, "<span class=\"key\"><i class=\"%s\"></i>%s</span>\n", kind, text);
}

enum {
    FIGURE_COLUMNS = 120,
    FIGURE_LEVELS = 6,
    FIGURE_OCTAVES = 42, /* of nanoseconds */
    FIGURE_STEPS = 4,    /* to an octave: as the cells of the JSON, four to one */
    FIGURE_CELLS = FIGURE_OCTAVES * FIGURE_STEPS,
};

/* ---- histograms ---- */

struct figure_hist {
    struct plot_point *point; /* x: smallest value of a bucket, y: count; ascending */
    size_t n;
    double total;
};

/* Read [[smallest, count]...]. False, with nothing to free, if there is nothing to draw. */
static bool figure_hist_read(const json_t *pairs, struct figure_hist *out)
{
    size_t size = json_array_size(pairs);
    *out = (struct figure_hist){.point = mem_calloc(size + 1, sizeof *out->point)};
    for (size_t i = 0; out->point != NULL && i < size; i++) {
        const json_t *pair = json_array_get(pairs, i);
        double x = load_element(pair, 0);
        double y = load_element(pair, 1);
        bool ascends = out->n == 0 ? x >= 0 : x > out->point[out->n - 1].x;
        if (!ascends || y <= 0)
            continue;
        out->point[out->n++] = (struct plot_point){x, y};
        out->total += y;
    }
    if (out->n > 0)
        return true;
    mem_free(out->point);
    return false;
}

/* ---- steps of latency ---- */

/* Steps of histograms are linear within an octave, so ours must be too: steps that are not would
 * take now more, now fewer of theirs and show stripes that are not there. */
static size_t figure_step(double ns, unsigned steps)
{
    double octave = floor(log2(fmax(ns, 1)));
    double within = floor((ns / exp2(octave) - 1) * steps);
    if (octave >= FIGURE_OCTAVES)
        return FIGURE_OCTAVES * steps - 1;
    return (size_t)octave * steps + (size_t)fmin(fmax(within, 0), steps - 1);
}

/* The smallest latency of a step. */
static double figure_step_low(size_t step, unsigned steps)
{
    return exp2((double)(step / steps)) * (1 + (double)(step % steps) / steps);
}

/* Its height on a log scale, in octaves: what counts are divided by. */
static double figure_step_height(size_t step, unsigned steps)
{
    return log2(figure_step_low(step + 1, steps) / figure_step_low(step, steps));
}

/* ---- latency by percentile ---- */

/* Quantiles with a label; the scale is 1 / (1 - quantile). */
static const struct figure_tick {
    double scale;
    const char *text;
    bool minor;
} figure_ticks[] = {
    {2, "50&nbsp;%", false}, {10, "90", false},       {100, "99", false},
    {1e3, "99.9", false},    {1e4, "99.99", false},   {1e5, "99.999", true},
    {1e6, "99.9999", false}, {1e7, "99.99999", true},
};

struct figure_curve {
    const char *kind, *text;
    const json_t *latency; /* the object with "histogram" */
};

/* Make buckets points of a curve: up to this share (scale), so much (ns). */
static void figure_accumulate(struct figure_hist *hist, double max_ns)
{
    double seen = 0;
    for (size_t i = 0; i < hist->n; i++) {
        seen += hist->point[i].y;
        double above = fmax(hist->total - seen, 1);
        double value = i + 1 == hist->n && max_ns > 0 ? max_ns : hist->point[i].x;
        hist->point[i] = (struct plot_point){hist->total / above, value};
    }
}

static void figure_curve_draw(const struct plot *plot, const struct figure_curve *curve)
{
    struct figure_hist hist;
    if (!figure_hist_read(json_object_get(curve->latency, "histogram"), &hist))
        return;
    figure_accumulate(&hist, load_number(curve->latency, "max_ns"));
    plot_steps(plot, curve->kind, hist.point, hist.n);
    mem_free(hist.point);
}

/* What is drawn where fewer than ten samples lie above. */
static void figure_shade(const struct plot *plot, double samples)
{
    double x = plot_at_x(plot, samples / 10);
    fprintf(plot->out, "<path class=\"few\" d=\"M%.1f 0H%dV%dH%.1fZ\"/>\n", x, PLOT_SIZE, PLOT_SIZE,
            x);
}

static void figure_percentile_note(FILE *out, const json_t *result, const json_t *service)
{
    char text[HTML_NUMBER_SIZE];
    double median = load_number(result, "median_ns"), p99 = load_number(result, "p99_ns");
    double wait = p99 - load_number(service, "p99_ns");
    if (median > 0) {
        html_number(p99 / median, text);
        fprintf(out, "The slowest of a hundred takes %s times the median. ", text);
    }
    if (service != NULL && wait > 0) {
        html_duration(wait, text);
        fprintf(out, "The gap between response and service time is waiting to be sent: %s at p99. ",
                text);
    } else if (service == NULL)
        fputs("A request is sent as soon as it is due, so service time is response time. ", out);
    fputs("Shaded: fewer than ten samples lie beyond.</p>\n", out);
}

static void figure_percentile_plot(FILE *out, const struct figure_curve *curves, size_t n)
{
    double samples = 0, low = load_number(curves[0].latency, "min_ns"), high = 0;
    for (size_t i = 0; i < n; i++) {
        double least = load_number(curves[i].latency, "min_ns");
        low = least > 0 && least < low ? least : low;
        high = fmax(high, load_number(curves[i].latency, "max_ns"));
        samples = fmax(samples, load_number(curves[i].latency, "samples"));
    }
    struct plot plot = {.out = out,
                        .x = {.low = 1, .high = fmax(samples, 100), .log = true},
                        .y = plot_axis_log(low, high)};
    plot_open(&plot, "tall", "Latency by percentile");
    figure_shade(&plot, samples);
    plot_grid_y(&plot);
    for (size_t i = 0; i < LENGTH_OF(figure_ticks) && figure_ticks[i].scale <= plot.x.high; i++)
        plot_grid_line(&plot, figure_ticks[i].scale);
    for (size_t i = n; i-- > 0;)
        figure_curve_draw(&plot, &curves[i]);
    fputs("</svg>\n", out);
    plot_labels_y(&plot, PLOT_DURATION);
    for (size_t i = 0; i < LENGTH_OF(figure_ticks) && figure_ticks[i].scale <= plot.x.high; i++)
        plot_label(&plot, figure_ticks[i].scale, figure_ticks[i].minor, figure_ticks[i].text);
    plot_close(&plot);
}

void figure_percentiles(FILE *out, const json_t *result)
{
    const json_t *service = json_object_get(result, "service");
    const json_t *first_byte = json_object_get(result, "ttfb");
    struct figure_curve curves[3] = {{"response", "response time", result}};
    size_t n = 1;
    if (load_number(result, "samples") <= 0)
        return;
    if (json_is_object(service))
        curves[n++] = (struct figure_curve){"service", "service time", service};
    if (json_is_object(first_byte))
        curves[n++] = (struct figure_curve){"ttfb", "first byte", first_byte};
    figure_open(out, "Latency by percentile");
    figure_percentile_note(out, result, service);
    for (size_t i = 0; i < n; i++)
        figure_legend(out, curves[i].kind, curves[i].text);
    figure_percentile_plot(out, curves, n);
    figure_close(out);
}

void figure_versus(FILE *out, const char *title, const json_t *a, const json_t *b)
{
    const struct figure_curve curves[] = {{"response", "A", a}, {"service", "B", b}};
    if (load_number(a, "samples") <= 0 || load_number(b, "samples") <= 0)
        return;
    fputs("<figure><h3>Latency by percentile: ", out);
    html_escape(out, title);
    fputs("</h3>\n<p class=\"note\">All runs of a side together. Where one line is lower, its "
          "server is faster.</p>\n",
          out);
    for (size_t i = 0; i < LENGTH_OF(curves); i++)
        figure_legend(out, curves[i].kind, curves[i].text);
    figure_percentile_plot(out, curves, LENGTH_OF(curves));
    figure_close(out);
}

/* ---- over time ---- */

/* A part of the time: intervals of the series, merged. */
struct figure_column {
    double start_s, length_s, ops;
    double median_ns, p99_ns, max_ns; /* the worst of its intervals */
    double slip_p99_ns, slip_max_ns;  /* the same */
    double client_ns, server_ns;      /* CPU time; NAN: not known of all of it */
    double cell[FIGURE_CELLS];
};

struct figure_series {
    struct figure_column column[FIGURE_COLUMNS];
    size_t n;
    double end_s, low_ns, high_ns, cell_max;
    double rate_low, rate_high, max_at_s;
    double slip_low_ns, slip_high_ns, cpu_high; /* CPUs in use */
    bool has_cpu, has_server;
};

static void figure_column_add(struct figure_column *column, const json_t *row)
{
    size_t i;
    json_t *pair;
    double length_s = load_number(row, "length_ns") / 1e9;
    column->length_s += length_s;
    column->ops += load_number(row, "ops");
    column->median_ns = fmax(column->median_ns, load_number(row, "median_ns"));
    column->p99_ns = fmax(column->p99_ns, load_number(row, "p99_ns"));
    column->max_ns = fmax(column->max_ns, load_number(row, "max_ns"));
    column->slip_p99_ns = fmax(column->slip_p99_ns, load_number(row, "slip_p99_ns"));
    column->slip_max_ns = fmax(column->slip_max_ns, load_number(row, "slip_max_ns"));
    column->client_ns += load_number(row, "client_cpu_ns");
    column->server_ns +=
        json_object_get(row, "server_cpu_ns") != NULL ? load_number(row, "server_cpu_ns") : NAN;
    json_array_foreach(json_object_get(row, "cells"), i, pair)
    {
        double ns = load_element(pair, 0);
        double count = load_element(pair, 1);
        if (ns > 0 && count > 0)
            column->cell[figure_step(ns, FIGURE_STEPS)] += count;
    }
}

/* The range of latencies and the end of the time. False if there is nothing to draw. */
static bool figure_series_range(struct figure_series *series, const json_t *rows)
{
    size_t i, j;
    json_t *row, *pair;
    double low = INFINITY, high = 0;
    json_array_foreach(rows, i, row)
    {
        double end = (load_number(row, "t_ns") + load_number(row, "length_ns")) / 1e9;
        series->end_s = fmax(series->end_s, end);
        high = fmax(high, load_number(row, "max_ns"));
        series->has_cpu = series->has_cpu || json_object_get(row, "client_cpu_ns") != NULL;
        series->has_server = series->has_server || json_object_get(row, "server_cpu_ns") != NULL;
        json_array_foreach(json_object_get(row, "cells"), j, pair)
        {
            double ns = load_element(pair, 0);
            low = ns > 0 ? fmin(low, ns) : low;
        }
    }
    struct plot_axis axis = plot_axis_log(low, high);
    series->low_ns = axis.low;
    series->high_ns = axis.high;
    return high > 0 && series->end_s > 0 && isfinite(low);
}

/* Requests of a cell by its area. */
static double figure_density(const struct figure_column *column, size_t cell)
{
    return column->cell[cell] / column->length_s / figure_step_height(cell, FIGURE_STEPS);
}

/* CPUs that were in use on average, in percent of one. */
static double figure_cpu(const struct figure_column *column, double ns)
{
    return 100 * ns / 1e9 / column->length_s;
}

static void figure_series_sum(struct figure_series *series)
{
    double slowest = 0;
    series->rate_low = series->slip_low_ns = INFINITY;
    for (size_t i = 0; i < series->n; i++) {
        const struct figure_column *column = &series->column[i];
        double rate = column->ops / column->length_s;
        series->rate_low = fmin(series->rate_low, rate);
        series->rate_high = fmax(series->rate_high, rate);
        series->slip_high_ns = fmax(series->slip_high_ns, column->slip_max_ns);
        if (column->slip_p99_ns > 0)
            series->slip_low_ns = fmin(series->slip_low_ns, column->slip_p99_ns);
        series->cpu_high = fmax(series->cpu_high, figure_cpu(column, column->client_ns));
        series->cpu_high = fmax(series->cpu_high, figure_cpu(column, column->server_ns));
        if (column->max_ns > slowest) {
            slowest = column->max_ns;
            series->max_at_s = column->start_s + column->length_s / 2;
        }
        for (size_t j = 0; j < FIGURE_CELLS; j++)
            series->cell_max = fmax(series->cell_max, figure_density(column, j));
    }
}

/* False if there is nothing to draw. */
static bool figure_series_read(const json_t *rows, struct figure_series *out)
{
    size_t size = json_array_size(rows);
    size_t each = (size + FIGURE_COLUMNS - 1) / FIGURE_COLUMNS;
    memset(out, 0, sizeof *out);
    if (size == 0 || !figure_series_range(out, rows))
        return false;
    for (size_t i = 0; i < size; i++) {
        const json_t *row = json_array_get(rows, i);
        if (load_number(row, "length_ns") <= 0)
            continue;
        struct figure_column *column = &out->column[i / each];
        if (column->length_s <= 0)
            column->start_s = load_number(row, "t_ns") / 1e9;
        figure_column_add(column, row);
        out->n = i / each + 1;
    }
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (out->column[i].length_s > 0)
            out->column[kept++] = out->column[i];
    out->n = kept;
    figure_series_sum(out);
    return out->n > 0;
}

/* How dark a cell is, 0..FIGURE_LEVELS-1. */
static unsigned figure_level(const struct figure_series *series, const struct figure_column *column,
                             size_t cell)
{
    double share = log1p(figure_density(column, cell)) / log1p(series->cell_max);
    return (unsigned)fmin(share * FIGURE_LEVELS, FIGURE_LEVELS - 1);
}

/* The cells of one level, as one path. */
static void figure_heat_level(const struct plot *plot, const struct figure_series *series,
                              unsigned level)
{
    fprintf(plot->out, "<path class=\"heat h%u\" d=\"", level);
    for (size_t i = 0; i < series->n; i++) {
        const struct figure_column *column = &series->column[i];
        double x = plot_at_x(plot, column->start_s);
        double width = plot_at_x(plot, column->start_s + column->length_s) - x;
        for (size_t j = 0; j < FIGURE_CELLS; j++) {
            if (column->cell[j] <= 0 || figure_level(series, column, j) != level)
                continue;
            double top = plot_at_y(plot, figure_step_low(j + 1, FIGURE_STEPS));
            double height = plot_at_y(plot, figure_step_low(j, FIGURE_STEPS)) - top;
            fprintf(plot->out, "M%.1f %.1fh%.1fv%.1fh-%.1fz", x, top, width, height, width);
        }
    }
    fputs("\"/>\n", plot->out);
}

/* A figure of a column: at this offset. */
static double figure_value(const struct figure_column *column, size_t offset)
{
    double value;
    memcpy(&value, (const char *)column + offset, sizeof value);
    return value;
}

static double figure_middle(const struct figure_column *column)
{
    return column->start_s + column->length_s / 2;
}

/* A line over the columns, with a point for each; if there is only one, all along it. */
static void figure_line(const struct plot *plot, const struct figure_series *series,
                        const char *kind, struct plot_point points[static FIGURE_COLUMNS])
{
    if (series->n == 1) {
        points[0].x = 0;
        points[1] = (struct plot_point){series->end_s, points[0].y};
    }
    plot_line(plot, kind, points, series->n == 1 ? 2 : series->n);
}

/* The line of a latency, with gaps where nothing was answered. */
static void figure_latency_line(const struct plot *plot, const struct figure_series *series,
                                const char *kind, size_t offset)
{
    struct plot_point points[FIGURE_COLUMNS];
    for (size_t i = 0; i < series->n; i++) {
        double value = figure_value(&series->column[i], offset);
        points[i] = (struct plot_point){figure_middle(&series->column[i]), value > 0 ? value : NAN};
    }
    figure_line(plot, series, kind, points);
}

static void figure_latency_plot(FILE *out, const struct figure_series *series)
{
    static const struct {
        const char *kind;
        size_t offset;
    } lines[] = {{"max", offsetof(struct figure_column, max_ns)},
                 {"p99", offsetof(struct figure_column, p99_ns)},
                 {"median", offsetof(struct figure_column, median_ns)}};
    struct plot plot = {.out = out,
                        .x = {.low = 0, .high = series->end_s},
                        .y = {.low = series->low_ns, .high = series->high_ns, .log = true}};
    plot_open(&plot, "tall", "Latency over time");
    for (unsigned level = 0; level < FIGURE_LEVELS; level++)
        figure_heat_level(&plot, series, level);
    plot_grid_y(&plot);
    for (size_t i = 0; i < LENGTH_OF(lines); i++)
        figure_latency_line(&plot, series, lines[i].kind, lines[i].offset);
    fputs("</svg>\n", out);
    plot_labels_y(&plot, PLOT_DURATION);
    plot_labels_x(&plot, PLOT_SECONDS);
    plot_close(&plot);
}

/* Steps, one for each column; filled down to 0. */
static void figure_rate_plot(FILE *out, const struct figure_series *series, double offered)
{
    struct plot plot = {.out = out,
                        .x = {.low = 0, .high = series->end_s},
                        .y = plot_axis_linear(fmax(series->rate_high, offered))};
    plot_open(&plot, "low", "Throughput over time");
    plot_grid_y(&plot);
    fprintf(out, "<path class=\"area\" d=\"M0 %d", PLOT_SIZE);
    for (size_t i = 0; i < series->n; i++) {
        const struct figure_column *column = &series->column[i];
        double end = i + 1 < series->n ? series->column[i + 1].start_s : series->end_s;
        fprintf(out, "V%.1fH%.1f", plot_at_y(&plot, column->ops / column->length_s),
                plot_at_x(&plot, end));
    }
    fprintf(out, "V%dZ\"/>\n", PLOT_SIZE);
    if (offered > 0) {
        struct plot_point line[] = {{0, offered}, {series->end_s, offered}};
        plot_line(&plot, "offered", line, 2);
    }
    fputs("</svg>\n", out);
    plot_labels_y(&plot, PLOT_SHORT);
    plot_close(&plot);
}

static void figure_cpu_line(const struct plot *plot, const struct figure_series *series,
                            const char *kind, size_t offset)
{
    struct plot_point points[FIGURE_COLUMNS];
    for (size_t i = 0; i < series->n; i++) {
        const struct figure_column *column = &series->column[i];
        points[i] = (struct plot_point){figure_middle(column),
                                        figure_cpu(column, figure_value(column, offset))};
    }
    figure_line(plot, series, kind, points);
}

/* CPU time of loadgen and, where it is known, of the server. */
static void figure_cpu_plot(FILE *out, const struct figure_series *series)
{
    struct plot plot = {.out = out,
                        .x = {.low = 0, .high = series->end_s},
                        .y = plot_axis_linear(series->cpu_high)};
    if (!series->has_cpu)
        return;
    figure_legend(out, "response", "CPU time of loadgen, % of one CPU");
    if (series->has_server)
        figure_legend(out, "service", "of the server");
    plot_open(&plot, "low thin", "CPU time over time");
    plot_grid_y(&plot);
    figure_cpu_line(&plot, series, "response", offsetof(struct figure_column, client_ns));
    if (series->has_server)
        figure_cpu_line(&plot, series, "service", offsetof(struct figure_column, server_ns));
    fputs("</svg>\n", out);
    plot_labels_y(&plot, PLOT_PERCENT);
    plot_close(&plot);
}

/* How late requests were sent: that is loadgen, not the server. */
static void figure_slip_plot(FILE *out, const struct figure_series *series)
{
    struct plot plot = {.out = out,
                        .x = {.low = 0, .high = series->end_s},
                        .y = plot_axis_log(series->slip_low_ns, series->slip_high_ns)};
    if (series->slip_high_ns <= 0)
        return;
    figure_legend(out, "p99", "sent late, p99");
    figure_legend(out, "max", "maximum");
    plot_open(&plot, "low", "How late requests were sent over time");
    plot_grid_y(&plot);
    figure_latency_line(&plot, series, "max", offsetof(struct figure_column, slip_max_ns));
    figure_latency_line(&plot, series, "p99", offsetof(struct figure_column, slip_p99_ns));
    fputs("</svg>\n", out);
    plot_labels_y(&plot, PLOT_DURATION);
    plot_close(&plot);
}

/* Gaps in the line of the server's CPU time are explained. */
static void figure_cpu_note(FILE *out, const struct figure_series *series)
{
    for (size_t i = 0; i < series->n && series->has_server; i++)
        if (isnan(series->column[i].server_ns)) {
            fputs("<p class=\"note\">Where its line has a gap, the server did not say in time what "
                  "CPU time it had used.</p>\n",
                  out);
            return;
        }
}

static void figure_time_note(FILE *out, const struct figure_series *series)
{
    char low[HTML_NUMBER_SIZE], high[HTML_NUMBER_SIZE], slowest[HTML_NUMBER_SIZE];
    double most = 0;
    for (size_t i = 0; i < series->n; i++)
        most = fmax(most, series->column[i].max_ns);
    html_number(series->rate_low, low);
    html_number(series->rate_high, high);
    html_duration(most, slowest);
    if (series->n > 1)
        fprintf(out, "Between %s and %s requests/s", low, high);
    else
        fprintf(out, "%s requests/s", low);
    fprintf(out,
            "; the slowest request, %s, ended at about %.1f&nbsp;s. The stronger the colour, the "
            "more requests took so long.</p>\n",
            slowest, series->max_at_s);
}

void figure_time(FILE *out, const json_t *result)
{
    double offered = load_number(result, "offered_per_sec");
    struct figure_series *series = mem_alloc(sizeof *series);
    if (series != NULL && figure_series_read(json_object_get(result, "series"), series)) {
        figure_open(out, "Over time");
        figure_time_note(out, series);
        figure_legend(out, "area", "requests/s");
        if (offered > 0)
            figure_legend(out, "offered", "offered");
        figure_rate_plot(out, series, offered);
        figure_cpu_plot(out, series);
        figure_cpu_note(out, series);
        figure_slip_plot(out, series);
        figure_legend(out, "median", "median");
        figure_legend(out, "p99", "p99");
        figure_legend(out, "max", "maximum");
        figure_latency_plot(out, series);
        figure_close(out);
    }
    mem_free(series);
}

/* ---- distribution ---- */

enum { FIGURE_BAR_STEPS = 8, FIGURE_BARS = FIGURE_OCTAVES * FIGURE_BAR_STEPS };

static void figure_bars(const struct plot *plot, const double *bars, const char *kind)
{
    fprintf(plot->out, "<path class=\"%s\" d=\"M0 %d", kind, PLOT_SIZE);
    for (size_t i = 0; i < FIGURE_BARS; i++) {
        double end = figure_step_low(i + 1, FIGURE_BAR_STEPS);
        if (end > plot->x.low && figure_step_low(i, FIGURE_BAR_STEPS) < plot->x.high)
            fprintf(plot->out, "V%.1fH%.1f", plot_at_y(plot, bars[i]), plot_at_x(plot, end));
    }
    fprintf(plot->out, "V%dZ\"/>\n", PLOT_SIZE);
}

/* The share of requests, in percent, of each bar as if all were equally wide. Returns the highest.
 */
static double figure_bars_of(const json_t *latency, double out_bars[static FIGURE_BARS])
{
    struct figure_hist hist;
    double most = 0;
    memset(out_bars, 0, FIGURE_BARS * sizeof *out_bars);
    if (!figure_hist_read(json_object_get(latency, "histogram"), &hist))
        return 0;
    for (size_t i = 0; i < hist.n; i++) {
        size_t bar = figure_step(hist.point[i].x, FIGURE_BAR_STEPS);
        double width = figure_step_height(bar, FIGURE_BAR_STEPS) * FIGURE_BAR_STEPS;
        out_bars[bar] += 100 * hist.point[i].y / hist.total / width;
        most = fmax(most, out_bars[bar]);
    }
    mem_free(hist.point);
    return most;
}

static void figure_distribution_plot(FILE *out, const json_t *result, const json_t *service)
{
    double bars[FIGURE_BARS], service_bars[FIGURE_BARS];
    double low = load_number(result, "min_ns"), least = load_number(service, "min_ns");
    struct plot plot = {.out = out};
    plot.x = plot_axis_log(least > 0 ? fmin(low, least) : low, load_number(result, "max_ns"));
    double most = figure_bars_of(result, bars);
    most = fmax(most, figure_bars_of(service, service_bars));
    plot.y = plot_axis_linear(most);
    plot_open(&plot, "low", "Distribution of latency");
    plot_grid_y(&plot);
    figure_bars(&plot, bars, "area");
    if (json_is_object(service))
        figure_bars(&plot, service_bars, "line service");
    fputs("</svg>\n", out);
    plot_labels_y(&plot, PLOT_PERCENT);
    plot_labels_x(&plot, PLOT_DURATION);
    plot_close(&plot);
}

void figure_distribution(FILE *out, const json_t *result)
{
    const json_t *service = json_object_get(result, "service");
    char most[HTML_NUMBER_SIZE];
    if (load_number(result, "samples") <= 0)
        return;
    html_duration(load_number(result, "p95_ns"), most);
    figure_open(out, "Distribution");
    fprintf(out,
            "19 of 20 requests took at most %s. Two hills are two ways of a request, which no "
            "average shows.</p>\n",
            most);
    figure_legend(out, "area", "response time, % of requests for each step of 9 %");
    if (json_is_object(service))
        figure_legend(out, "service", "service time");
    figure_distribution_plot(out, result, service);
    figure_close(out);
}
