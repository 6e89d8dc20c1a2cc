/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A plot in a page: axes, grid and lines as inline SVG, labels as HTML.
 *
 * The drawing is stretched to the place there is, strokes are not, and labels are text of the page:
 * so it can be read on a telephone and on paper without being drawn twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct plot_axis {
    double low, high; /* low < high; above 0 if log */
    bool log;
};

struct plot {
    FILE *out;
    struct plot_axis x, y;
};

/* Axes that hold these values and begin and end at a round number. A log axis holds what is above
 * 0, and no more than six decades from the top. */
struct plot_axis plot_axis_linear(double high); /* from 0 */
struct plot_axis plot_axis_log(double low, double high);

enum { PLOT_SIZE = 1000 }; /* of the drawing, either way; y grows downwards */

/* Where a value lies, 0..PLOT_SIZE; what is outside of the axis lies at its end. */
double plot_at_x(const struct plot *plot, double value);
double plot_at_y(const struct plot *plot, double value);

/* Begin and end. `kind` is a class: it says how high the plot is. `label` is for those who do not
 * see it. Between the two, in this order: ticks, shapes and lines; labels come after the end of the
 * drawing by themselves. */
void plot_open(struct plot *plot, const char *kind, const char *label);
void plot_close(struct plot *plot);

enum plot_format { PLOT_DURATION, PLOT_SHORT, PLOT_SECONDS, PLOT_PERCENT };

/* Grid lines, and with plot_close their labels. */
void plot_grid_y(const struct plot *plot);
void plot_labels_y(const struct plot *plot, enum plot_format format);
void plot_grid_x(const struct plot *plot);
void plot_labels_x(const struct plot *plot, enum plot_format format);

/* One tick of the x axis by hand; what is `minor` is left out on narrow screens. */
void plot_grid_line(const struct plot *plot, double x);
void plot_label(const struct plot *plot, double x, bool minor, const char *text);

/* A line through points, or stairs that have the height of the next point; of this class. A line
 * has a gap where y is NAN; a point alone is a short one. */
struct plot_point {
    double x, y;
};
void plot_line(const struct plot *plot, const char *kind, const struct plot_point *points,
               size_t n);
/* A dot for each point, in the colour of lines of this class. */
void plot_dots(const struct plot *plot, const char *kind, const struct plot_point *points,
               size_t n);
void plot_steps(const struct plot *plot, const char *kind, const struct plot_point *points,
                size_t n);
