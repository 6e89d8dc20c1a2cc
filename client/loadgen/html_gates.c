/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The section of gates: what results were held against (--gates), and what they came to.
 *
 * How: a row for each outcome; colour repeats what the word says.
 *
 * Invariants: as client/loadgen/html.c.
 * Threads: any; no state. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/html.h"

#include "client/loadgen/html_text.h"
#include "client/loadgen/load.h"

#include <stdbool.h>
#include <string.h>

/* "target", or "target_ns" where it is a time. */
static void html_gate_value(FILE *out, const json_t *gate, const char *key, const char *title)
{
    char with_unit[32], text[HTML_NUMBER_SIZE];
    (void)snprintf(with_unit, sizeof with_unit, "%s_ns", key);
    if (load_number(gate, with_unit) > 0)
        html_duration(load_number(gate, with_unit), text);
    else
        html_number(load_number(gate, key), text);
    fprintf(out, "<td data-is=\"%s\">%s</td>", title, text);
}

static void html_gate(FILE *out, const json_t *gate)
{
    const char *level = load_text(gate, "level"), *kind = "better";
    bool counts = json_is_true(json_object_get(gate, "counts"));
    if (!counts)
        kind = "";
    else if (strcmp(level, "missed") == 0)
        kind = "worse";
    fputs("<tr><th>", out);
    html_escape(out, load_text(gate, "name"));
    fputs("<br><small>", out);
    html_escape(out, load_text(gate, "result"));
    fputs(" ", out);
    html_escape(out, load_text(gate, "metric"));
    fputs("</small></th>", out);
    html_gate_value(out, gate, "target", "target");
    html_gate_value(out, gate, "actual", "is");
    fprintf(out, "<td class=\"verdict %s\">", kind);
    html_escape(out, counts ? level : "context");
    fputs("</td></tr>\n", out);
}

void html_gates(FILE *out, const json_t *document)
{
    json_t *gates = json_object_get(document, "gates");
    const char *name;
    json_t *gate;
    if (json_object_size(gates) == 0)
        return;
    fputs("<section><h2>Gates</h2>\n<p class=\"note\">The best bound that was reached: acceptable, "
          "target or stretch. Context was taken under other conditions, and counts for "
          "nothing.</p>\n<div class=\"scroll\"><table class=\"ab\"><thead><tr><th></th>"
          "<th>target</th><th>is</th><th class=\"verdict\">reached</th></tr></thead><tbody>\n",
          out);
    json_object_foreach(gates, name, gate) html_gate(out, gate);
    fputs("</tbody></table></div></section>\n", out);
}
