/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Escapes text and formats numbers for HTML.
 *
 * How: the five characters that mean something become entities; control characters, which are not
 * allowed, become spaces. Units are taken so that a number has one to three digits before the
 * point.
 *
 * Invariants: what comes out has no tag, whatever went in.
 * Threads: any; no state. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/html_text.h"

#include "client/loadgen/text.h"
#include "common/check.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const char *html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static void html_escape_part(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char *entity = html_entity(text[i]);
        unsigned char c = (unsigned char)text[i];
        if (entity != NULL)
            fputs(entity, out);
        else
            fputc(c < ' ' || c == 0x7f ? ' ' : c, out);
    }
}

void html_escape(FILE *out, const char *text)
{
    html_escape_part(out, text, strlen(text));
}

void html_escape_words(FILE *out, const char *text)
{
    while (*text != 0) {
        size_t size = strcspn(text, " "), spaces = strspn(text + size, " ");
        bool option = text[text[0] == '('] == '-';
        fputs(option ? "<span class=\"option\">" : "", out);
        html_escape_part(out, text, size);
        fputs(option ? "</span>" : "", out);
        html_escape_part(out, text + size, spaces);
        text += size + spaces;
    }
}

void html_escape_script(FILE *out, const char *json, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (json[i] == '<') /* valid in JSON, and neither </script nor <!-- is left */
            fputs("\\u003c", out);
        else
            fputc(json[i], out);
    }
}

/* A number and its unit. */
struct html_unit {
    double from;
    const char *name;
};

static const struct html_unit html_times[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "&#181;s"}, {0, "ns"}};

static const struct html_unit *html_time_unit(double ns)
{
    const struct html_unit *unit = html_times;
    while (unit->from > 0 && ns < unit->from)
        unit++;
    return unit;
}

static double html_in_unit(double value, const struct html_unit *unit)
{
    return unit->from > 0 ? value / unit->from : value;
}

void html_duration(double ns, char out_text[static HTML_NUMBER_SIZE])
{
    const struct html_unit *unit = html_time_unit(ns);
    double value = html_in_unit(ns, unit);
    int decimals = value >= 99.95 || unit->from == 0 ? 0 : value >= 9.995 ? 1 : 2;
    (void)snprintf(out_text, HTML_NUMBER_SIZE, "%.*f&nbsp;%s", decimals, value, unit->name);
}

void html_round_duration(double ns, char out_text[static HTML_NUMBER_SIZE])
{
    const struct html_unit *unit = html_time_unit(ns * (1 + 1e-9));
    (void)snprintf(out_text, HTML_NUMBER_SIZE, "%.3g&nbsp;%s", html_in_unit(ns, unit), unit->name);
}

void html_number(double value, char out_text[static HTML_NUMBER_SIZE])
{
    if (value >= 100 && value < 1e18)
        text_count((uint64_t)(value + 0.5), out_text);
    else if (value == floor(value))
        (void)snprintf(out_text, HTML_NUMBER_SIZE, "%.6g", value);
    else
        (void)snprintf(out_text, HTML_NUMBER_SIZE, "%.*f",
                       fabs(value) >= 10  ? 1
                       : fabs(value) >= 1 ? 2
                                          : 3,
                       value);
}

void html_short(double value, char out_text[static HTML_NUMBER_SIZE])
{
    static const struct html_unit units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    for (size_t i = 0; i < LENGTH_OF(units); i++)
        if (value >= units[i].from) {
            (void)snprintf(out_text, HTML_NUMBER_SIZE, "%.4g&nbsp;%s", value / units[i].from,
                           units[i].name);
            return;
        }
    (void)snprintf(out_text, HTML_NUMBER_SIZE, "%.4g", value);
}
