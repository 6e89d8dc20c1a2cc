/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints and writes the search for the knee.
 *
 * How: everything is worked out anew from the points (client/loadgen/knee.h).
 *
 * Invariants: a knee never stands without the objective it was found for.
 * Threads: the main thread. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/knee_report.h"

#include "client/loadgen/text.h"

#include <string.h>

static const char *const knee_phases[] = {
    [KNEE_MAXIMUM] = "maximum", [KNEE_GRID] = "grid", [KNEE_BISECT] = "bisect",
    [KNEE_CONFIRM] = "confirm", [KNEE_DONE] = "",
};

const char *knee_phase_text(enum knee_phase phase)
{
    return knee_phases[phase];
}

static void knee_ms(double ns, char out[static TEXT_SIZE])
{
    text_ms((uint64_t)ns, out);
}

static void knee_rate(double rate, char out[static TEXT_SIZE])
{
    text_count((uint64_t)(rate + 0.5), out);
}

/* "p99 at most 5.000 ms" */
static void knee_print_objective(FILE *out, const struct knee *knee)
{
    char text[TEXT_SIZE];
    double ns = knee_objective_ns(knee);
    fprintf(out, "p%.6g at most ", 100 * knee->rules.quantile);
    if (ns > 0) {
        knee_ms(ns, text);
        fprintf(out, "%s ms", text);
    } else {
        fputs("twice what it is at the lowest rate", out);
    }
}

void knee_report_head(FILE *out, const struct knee *knee)
{
    fprintf(out, "\n%s, objective: ", knee->workload->title);
    knee_print_objective(out, knee);
    fprintf(out, "\n  %-8s %12s %12s  %9s %9s %9s  %6s  %s\n", "step", "offered/s", "done/s",
            "p50 (ms)", "p99", "p99.9", "client", "");
    fflush(out);
}

void knee_report_point(FILE *out, const struct knee *knee, const struct knee_point *point)
{
    char offered[TEXT_SIZE] = "-", achieved[TEXT_SIZE], median[TEXT_SIZE], p99[TEXT_SIZE],
         p999[TEXT_SIZE];
    const char *verdict = knee_verdict_text(knee_judge(knee, point));
    if (point->offered > 0)
        knee_rate(point->offered, offered);
    knee_rate(point->achieved, achieved);
    knee_ms(point->median_ns, median);
    knee_ms(point->p99_ns, p99);
    knee_ms(point->p999_ns, p999);
    fprintf(out, "  %-8s %12s %12s  %9s %9s %9s  %4.0f %%  %s\n", knee_phases[point->phase],
            offered, achieved, median, p99, p999, 100 * point->busy,
            point->offered > 0 ? verdict : "closed loop");
    fflush(out);
}

static void knee_print_runs(FILE *out, const struct knee *knee, const struct knee_answer *answer)
{
    char rate[TEXT_SIZE], low[TEXT_SIZE], high[TEXT_SIZE], median_ms[TEXT_SIZE], low_ms[TEXT_SIZE],
        high_ms[TEXT_SIZE];
    knee_rate(answer->achieved.median, rate);
    knee_rate(answer->achieved.low, low);
    knee_rate(answer->achieved.high, high);
    knee_ms(answer->latency_ns.median, median_ms);
    knee_ms(answer->latency_ns.low, low_ms);
    knee_ms(answer->latency_ns.high, high_ms);
    fprintf(out, "; %d runs: %s (%s to %s) requests/s, p%.6g %s (%s to %s) ms", KNEE_RUNS, rate,
            low, high, 100 * knee->rules.quantile, median_ms, low_ms, high_ms);
}

void knee_report_answer(FILE *out, const struct knee *knee, const struct knee_answer *answer)
{
    static const char *const texts[] = {
        [KNEE_UNFINISHED] = "not finished; kept so far: %s requests/s",
        [KNEE_FOUND] = "the knee is at %s requests/s",
        [KNEE_CLIENT_LIMITED] = "client-limited: the knee is at %s requests/s or above, where "
                                "loadgen is short of CPU",
        [KNEE_BEYOND] = "the knee is at %s requests/s or above: all rates were kept; raise -c",
        [KNEE_NOWHERE] = "no rate was kept: %s requests/s",
        [KNEE_UNCONFIRMED] = "not confirmed: what was kept once was not kept again; about %s "
                             "requests/s",
    };
    char rate[TEXT_SIZE];
    const char *text = texts[answer->outcome], *hole = strstr(text, "%s");
    knee_rate(answer->rate, rate);
    fprintf(out, "%s: %.*s%s%s, for ", knee->workload->title, (int)(hole - text), text, rate,
            hole + 2);
    knee_print_objective(out, knee);
    if (answer->achieved.median > 0)
        knee_print_runs(out, knee, answer);
    fputc('\n', out);
    fflush(out);
}

/* ---- JSON ---- */

static void knee_write_span(struct writer *json, const char *key, const struct knee_span *span)
{
    if (!(span->median > 0))
        return;
    writer_open_line(json, key, '{');
    writer_real(json, "median", span->median);
    writer_real(json, "low", span->low);
    writer_real(json, "high", span->high);
    writer_close(json, '}');
}

static void knee_write_point(struct writer *json, const struct knee *knee,
                             const struct knee_point *point)
{
    writer_open_line(json, NULL, '{');
    writer_text(json, "step", knee_phases[point->phase]);
    if (point->offered > 0)
        writer_real(json, "offered_per_sec", point->offered);
    writer_real(json, "ops_per_sec", point->achieved);
    writer_uint(json, "median_ns", (uint64_t)point->median_ns);
    writer_uint(json, "p99_ns", (uint64_t)point->p99_ns);
    writer_uint(json, "p999_ns", (uint64_t)point->p999_ns);
    writer_uint(json, "objective_ns", (uint64_t)point->latency_ns);
    writer_uint(json, "slip_p99_ns", (uint64_t)point->slip_ns);
    writer_real(json, "client_busy", point->busy);
    writer_real(json, "client_waiting", point->waiting);
    writer_uint(json, "errors", point->errors);
    if (point->offered > 0)
        writer_text(json, "verdict", knee_verdict_text(knee_judge(knee, point)));
    writer_close(json, '}');
}

static void knee_write(struct writer *json, const struct knee *knee)
{
    struct knee_answer answer = knee_answer(knee);
    writer_open(json, NULL, '{');
    writer_text(json, "test", knee->workload->name);
    writer_text(json, "title", knee->workload->title);
    writer_real(json, "quantile", knee->rules.quantile);
    writer_uint(json, "slo_ns", (uint64_t)knee_objective_ns(knee));
    writer_bool(json, "slo_given", knee->rules.slo_ns > 0);
    writer_text(json, "outcome", knee_outcome_text(answer.outcome));
    writer_real(json, "knee_per_sec", answer.rate);
    knee_write_span(json, "confirmed_per_sec", &answer.achieved);
    knee_write_span(json, "confirmed_ns", &answer.latency_ns);
    writer_open(json, "points", '[');
    for (size_t i = 0; i < knee->n; i++)
        knee_write_point(json, knee, &knee->points[i]);
    writer_close(json, ']');
    writer_close(json, '}');
}

void knee_report_write(struct writer *json, const struct knee *knees, size_t n)
{
    if (n == 0)
        return;
    writer_open(json, "knee", '[');
    for (size_t i = 0; i < n; i++)
        knee_write(json, &knees[i]);
    writer_close(json, ']');
}
