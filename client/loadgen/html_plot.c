/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Draws plots.
 *
 *   <div class="plot kind">
 *     <svg viewBox="0 0 1000 1000" preserveAspectRatio="none"> grid, shapes, lines </svg>
 *     <span class="y" style="top:..."> labels </span>
 *   </div>
 *
 * How: ticks are at 1, 2 and 5 times powers of ten (log: only the powers if there are many). All
 * values are mapped to the square of the drawing.
 *
 * Invariants: numbers in attributes are finite.
 * Threads: any; no state. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/html_plot.h"

#include "client/loadgen/html_text.h"
#include "common/check.h"

#include <math.h>

enum {
    PLOT_TICKS_MAX = 40,
    PLOT_DECADES_MAX = 6,
    PLOT_ALONE = 12, /* how long a point alone is */
};

static const double plot_round[] = {1, 2, 5, 10};

/* The largest 1, 2 or 5 times a power of ten that is not above value. */
static double plot_round_down(double value)
{
    double power = pow(10, floor(log10(value) + 1e-9));
    double best = power;
    for (size_t i = 0; i < LENGTH_OF(plot_round); i++)
        if (plot_round[i] * power <= value * (1 + 1e-9))
            best = plot_round[i] * power;
    return best;
}

static double plot_round_up(double value)
{
    double down = plot_round_down(value);
    if (down >= value * (1 - 1e-9))
        return down;
    double power = pow(10, floor(log10(value) + 1e-9));
    for (size_t i = 0; i < LENGTH_OF(plot_round); i++)
        if (plot_round[i] * power > down * (1 + 1e-9))
            return plot_round[i] * power;
    return 10 * power;
}

struct plot_axis plot_axis_linear(double high)
{
    if (!isfinite(high) || high <= 0)
        high = 1;
    double step = plot_round_up(high / 5);
    return (struct plot_axis){.low = 0, .high = step * ceil(high / step - 1e-9)};
}

struct plot_axis plot_axis_log(double low, double high)
{
    if (!isfinite(high) || high <= 0)
        high = 1;
    double least = high / pow(10, PLOT_DECADES_MAX);
    if (!isfinite(low) || low < least)
        low = least;
    struct plot_axis axis = {.low = plot_round_down(low), .high = plot_round_up(high), .log = true};
    if (axis.high <= axis.low)
        axis.high = 10 * axis.low;
    return axis;
}

/* 0 at the low end, 1 at the high end. */
static double plot_share(const struct plot_axis *axis, double value)
{
    double share = axis->log ? log(fmax(value, axis->low) / axis->low) / log(axis->high / axis->low)
                             : (value - axis->low) / (axis->high - axis->low);
    return isfinite(share) ? fmin(fmax(share, 0), 1) : 0;
}

double plot_at_x(const struct plot *plot, double value)
{
    return PLOT_SIZE * plot_share(&plot->x, value);
}

double plot_at_y(const struct plot *plot, double value)
{
    return PLOT_SIZE * (1 - plot_share(&plot->y, value));
}

void plot_open(struct plot *plot, const char *kind, const char *label)
{
    fprintf(plot->out,
            "<div class=\"plot %s\"><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
            "role=\"img\" aria-label=\"",
            kind, PLOT_SIZE, PLOT_SIZE);
    html_escape(plot->out, label);
    fputs("\">\n", plot->out);
}

void plot_close(struct plot *plot)
{
    fputs("</div>\n", plot->out);
}

/* The values at which an axis has ticks. Returns how many. */
static size_t plot_ticks(const struct plot_axis *axis, double out_ticks[static PLOT_TICKS_MAX])
{
    size_t n = 0;
    if (!axis->log) {
        double step = plot_round_up((axis->high - axis->low) / 5.01);
        for (double at = axis->low; at <= axis->high * (1 + 1e-9) && n < PLOT_TICKS_MAX; at += step)
            out_ticks[n++] = at;
        return n;
    }
    bool few = axis->high / axis->low <= 1001;
    double power = pow(10, floor(log10(axis->low) + 1e-9));
    for (; power <= axis->high * (1 + 1e-9); power *= 10)
        for (size_t i = 0; i < (few ? 3 : 1); i++) {
            double at = plot_round[i] * power;
            bool within = at >= axis->low * (1 - 1e-9) && at <= axis->high * (1 + 1e-9);
            if (within && n < PLOT_TICKS_MAX)
                out_ticks[n++] = at;
        }
    return n;
}

static void plot_format(double value, enum plot_format format, char out[static HTML_NUMBER_SIZE])
{
    switch (format) {
    case PLOT_DURATION:
        html_round_duration(value, out);
        break;
    case PLOT_SHORT:
        html_short(value, out);
        break;
    case PLOT_SECONDS:
        (void)snprintf(out, HTML_NUMBER_SIZE, "%.4g&nbsp;s", value);
        break;
    case PLOT_PERCENT:
        (void)snprintf(out, HTML_NUMBER_SIZE, "%.3g&nbsp;%%", value);
        break;
    }
}

void plot_grid_y(const struct plot *plot)
{
    double ticks[PLOT_TICKS_MAX];
    size_t n = plot_ticks(&plot->y, ticks);
    fputs("<path class=\"grid\" d=\"", plot->out);
    for (size_t i = 0; i < n; i++)
        fprintf(plot->out, "M0 %.1fH%d", plot_at_y(plot, ticks[i]), PLOT_SIZE);
    fputs("\"/>\n", plot->out);
}

void plot_labels_y(const struct plot *plot, enum plot_format format)
{
    double ticks[PLOT_TICKS_MAX];
    char text[HTML_NUMBER_SIZE];
    size_t n = plot_ticks(&plot->y, ticks);
    for (size_t i = 0; i < n; i++) {
        plot_format(ticks[i], format, text);
        fprintf(plot->out, "<span class=\"y\" style=\"top:%.2f%%\">%s</span>",
                plot_at_y(plot, ticks[i]) * 100 / PLOT_SIZE, text);
    }
}

void plot_grid_line(const struct plot *plot, double x)
{
    fprintf(plot->out, "<path class=\"grid\" d=\"M%.1f 0V%d\"/>\n", plot_at_x(plot, x), PLOT_SIZE);
}

void plot_label(const struct plot *plot, double x, bool minor, const char *text)
{
    fprintf(plot->out, "<span class=\"x%s\" style=\"left:%.2f%%\">%s</span>", minor ? " minor" : "",
            plot_at_x(plot, x) * 100 / PLOT_SIZE, text);
}

void plot_grid_x(const struct plot *plot)
{
    double ticks[PLOT_TICKS_MAX];
    size_t n = plot_ticks(&plot->x, ticks);
    for (size_t i = 0; i < n; i++)
        plot_grid_line(plot, ticks[i]);
}

void plot_labels_x(const struct plot *plot, enum plot_format format)
{
    double ticks[PLOT_TICKS_MAX];
    char text[HTML_NUMBER_SIZE];
    size_t n = plot_ticks(&plot->x, ticks);
    for (size_t i = 0; i < n; i++) {
        plot_format(ticks[i], format, text);
        plot_label(plot, ticks[i], n > 5 && i % 2 == 1, text);
    }
}

/* A point of a line that may have gaps on either side of it. */
static void plot_line_point(const struct plot *plot, const struct plot_point *points, size_t n,
                            size_t i)
{
    bool first = i == 0 || isnan(points[i - 1].y);
    bool last = i + 1 == n || isnan(points[i + 1].y);
    if (isnan(points[i].y))
        return;
    double x = plot_at_x(plot, points[i].x), y = plot_at_y(plot, points[i].y);
    if (first && last)
        fprintf(plot->out, "M%.1f %.1fh%d", fmax(x - PLOT_ALONE / 2.0, 0), y, PLOT_ALONE);
    else
        fprintf(plot->out, "%c%.1f %.1f", first ? 'M' : 'L', x, y);
}

void plot_line(const struct plot *plot, const char *kind, const struct plot_point *points, size_t n)
{
    if (n == 0)
        return;
    fprintf(plot->out, "<path class=\"line %s\" d=\"", kind);
    for (size_t i = 0; i < n; i++)
        plot_line_point(plot, points, n, i);
    fputs("\"/>\n", plot->out);
}

void plot_dots(const struct plot *plot, const char *kind, const struct plot_point *points, size_t n)
{
    if (n == 0)
        return;
    fprintf(plot->out, "<path class=\"line %s dots\" d=\"", kind);
    for (size_t i = 0; i < n; i++)
        fprintf(plot->out, "M%.1f %.1fh.1", plot_at_x(plot, points[i].x),
                plot_at_y(plot, points[i].y));
    fputs("\"/>\n", plot->out);
}

void plot_steps(const struct plot *plot, const char *kind, const struct plot_point *points,
                size_t n)
{
    if (n == 0)
        return;
    fprintf(plot->out, "<path class=\"line %s\" d=\"M0 %.1f", kind, plot_at_y(plot, points[0].y));
    for (size_t i = 0; i < n; i++)
        fprintf(plot->out, "V%.1fH%.1f", plot_at_y(plot, points[i].y),
                plot_at_x(plot, points[i].x));
    fputs("\"/>\n", plot->out);
}
