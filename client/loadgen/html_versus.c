/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The section of the page that compares two servers.
 *
 * How: a line for each figure with the interval of its ratio as a bar, then the percentiles of both
 * sides of each test, out of all their runs.
 *
 * Invariants: text from the JSON is escaped.
 * Threads: any; no state. Failures: none; without a comparison there is no section.
 */
#include "client/loadgen/html.h"

#include "client/loadgen/html_figures.h"
#include "client/loadgen/html_text.h"
#include "client/loadgen/load.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define HTML_FOREST_RANGE 2.0 /* the scale goes from 1 / this to this */

static double html_forest_at(double ratio)
{
    double share = 0.5 + log(fmax(ratio, 1e-9)) / (2 * log(HTML_FOREST_RANGE));
    return 100 * fmin(fmax(share, 0), 1);
}

/* Are there runs enough for an interval? */
static bool html_has_interval(const json_t *row)
{
    return strcmp(load_text(row, "verdict"), "too few runs") != 0;
}

/* The interval as a bar on a scale of ratios, 1 in the middle. */
static void html_forest(FILE *out, const json_t *row)
{
    if (!html_has_interval(row)) {
        fprintf(out, "<td class=\"forest\"><div><b style=\"left:%.1f%%\"></b></div></td>",
                html_forest_at(load_number(row, "ratio")));
        return;
    }
    double low = html_forest_at(load_number(row, "low"));
    double high = html_forest_at(load_number(row, "high"));
    fprintf(out,
            "<td class=\"forest\"><div><i style=\"left:%.1f%%;width:%.1f%%\"></i>%s%s"
            "<b style=\"left:%.1f%%\"></b></div></td>",
            low, fmax(high - low, 0),
            load_number(row, "low") < 1 / HTML_FOREST_RANGE ? "<u class=\"less\"></u>" : "",
            load_number(row, "high") > HTML_FOREST_RANGE ? "<u class=\"more\"></u>" : "",
            html_forest_at(load_number(row, "ratio")));
}

/* The title of a test: "SET" */
static const char *html_test_title(json_t *results, const char *test)
{
    const char *name;
    json_t *result;
    json_object_foreach(results, name, result)
    {
        if (strcmp(load_text(result, "test"), test) == 0)
            return load_text(result, "title");
    }
    return test;
}

static void html_comparison_row(FILE *out, json_t *results, const json_t *row)
{
    const char *verdict = load_text(row, "verdict");
    char a[HTML_NUMBER_SIZE], b[HTML_NUMBER_SIZE];
    bool better = strcmp(verdict, "better") == 0, worse = strcmp(verdict, "worse") == 0;
    html_number(load_number(row, "a"), a);
    html_number(load_number(row, "b"), b);
    fputs("<tr><th>", out);
    html_escape(out, html_test_title(results, load_text(row, "test")));
    fputs(" ", out);
    html_escape(out, load_text(row, "title"));
    fputs(" <small>", out);
    html_escape(out, load_text(row, "unit"));
    fprintf(out,
            "</small></th><td data-is=\"A\">%s</td><td data-is=\"B\">%s</td>"
            "<td data-is=\"B / A\"><b>%.3f</b></td>",
            a, b, load_number(row, "ratio"));
    html_forest(out, row);
    if (html_has_interval(row))
        fprintf(out, "<td class=\"minor\">%.3f to %.3f</td>", load_number(row, "low"),
                load_number(row, "high"));
    else
        fputs("<td class=\"minor\">&#8211;</td>", out);
    fprintf(out, "<td class=\"verdict %s\">%s",
            better  ? "better"
            : worse ? "worse"
                    : "",
            better  ? "&#9650; "
            : worse ? "&#9660; "
                    : "");
    html_escape(out, load_text(row, "text"));
    fputs("</td></tr>\n", out);
}

/* "A: redis 7.0.15 at 127.0.0.1:6379" */
static void html_side(FILE *out, const char *side, const json_t *target)
{
    if (target == NULL)
        return;
    fprintf(out, "<b>%s</b>: ", side);
    html_escape(out, load_text(target, "software"));
    fputs(" ", out);
    html_escape(out, load_text(target, "version"));
    fputs(" at ", out);
    html_escape(out, load_text(target, "address"));
    fputs("<br>\n", out);
}

/* The result of B for the same test; NULL: there is none. */
static const json_t *html_other(json_t *results, const json_t *a)
{
    const char *name;
    json_t *result;
    json_object_foreach(results, name, result)
    {
        if (strncmp(name, "B/", 2) == 0 &&
            strcmp(load_text(result, "test"), load_text(a, "test")) == 0)
            return result;
    }
    return NULL;
}

/* Of each test the percentiles of both sides in one figure. */
static void html_curves(FILE *out, json_t *results)
{
    const char *name;
    json_t *result;
    json_object_foreach(results, name, result)
    {
        const json_t *other = strncmp(name, "A/", 2) == 0 ? html_other(results, result) : NULL;
        if (other != NULL)
            figure_versus(out, load_text(result, "title"), result, other);
    }
}

void html_versus(FILE *out, const json_t *document)
{
    const json_t *rows = json_object_get(json_object_get(document, "versus"), "figures");
    json_t *results = json_object_get(document, "results");
    size_t i;
    json_t *row;
    if (json_array_size(rows) == 0)
        return;
    fputs("<section><h2>A against B</h2>\n<p class=\"note\">", out);
    html_side(out, "A", json_object_get(document, "target"));
    html_side(out, "B", json_object_get(document, "target_b"));
    fputs(
        "Medians of runs in turn. The bar is "
        "the 95&nbsp;% confidence interval of the ratio, from half to twice as much (arrows: it "
        "goes "
        "on); a bar that touches the line in the middle shows no difference.</p>\n<div "
        "class=\"scroll\"><table "
        "class=\"ab\"><thead><tr><th></th>"
        "<th>A</th><th>B</th><th>B / A</th><th class=\"forest\">0.5 &#183; 1 &#183; 2</th>"
        "<th class=\"minor\">interval</th><th class=\"verdict\">verdict</th></tr></thead><tbody>\n",
        out);
    json_array_foreach(rows, i, row) html_comparison_row(out, results, row);
    fputs("</tbody></table></div>\n<div class=\"figures\">\n", out);
    html_curves(out, results);
    fputs("</div></section>\n", out);
}
