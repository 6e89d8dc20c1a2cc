/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Progress lines.
 *
 *   SET  ▅▆▇▆█▇  104,512 requests/s  p50 0.412  p99 0.934  p99.9 2.114 ms  errors 0  4 s left
 *
 * How: what was there at the last line is subtracted from a snapshot of all workers, so that rate
 * and percentiles are those of the interval.
 *
 * Invariants: what is shown of an interval is what --ndjson writes of it.
 * Threads: the main thread. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/progress.h"

#include "client/loadgen/phase.h"
#include "client/loadgen/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_LATE_MS 1.0 /* as the warning sent-late has it */

/* Do the people at this terminal see UTF-8? */
static bool progress_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != 0)
            return strcasestr(value, "UTF-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

void progress_init(struct progress *progress, int64_t interval_ms, bool asked)
{
    memset(progress, 0, sizeof *progress);
    progress->terminal = isatty(STDERR_FILENO) != 0;
    progress->shown = interval_ms > 0 && (asked || progress->terminal);
    progress->bars = progress->terminal && progress_utf8();
    progress->interval_ns = (uint64_t)interval_ms * 1000000u;
}

void progress_begin(struct progress *progress, const struct snapshot *begun)
{
    progress->begun = progress->printed = begun->now_ns;
    progress->errors_before = progress->n_rates = 0;
    progress->cpu_before = begun->cpu;
    progress->conn_before = begun->conn_ns;
    hist_init(&progress->before);
    hist_init(&progress->slip_before);
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        hist_init(&progress->kinds_before[i]);
}

/* What came since `before`; minimum and maximum are not known and bound nothing. */
static void progress_difference(const struct hist *now, const struct hist *before, struct hist *out)
{
    hist_init(out);
    out->max = now->max;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        out->bucket[i] = now->bucket[i] - before->bucket[i];
        out->count += out->bucket[i];
    }
}

static double progress_left_s(const struct progress *progress, const struct phase *phase,
                              uint64_t done, uint64_t now, double rate)
{
    if (phase->duration_ns > 0) {
        double left = (double)phase->duration_ns - (double)(now - progress->begun);
        return left > 0 ? left / 1e9 : 0;
    }
    return done < phase->requests && rate > 0 ? (double)(phase->requests - done) / rate : 0;
}

static void progress_add_rate(struct progress *progress, double rate)
{
    if (progress->n_rates == PROGRESS_BARS)
        memmove(progress->rates, progress->rates + 1, (PROGRESS_BARS - 1) * sizeof rate);
    else
        progress->n_rates++;
    progress->rates[progress->n_rates - 1] = rate;
}

/* The rates so far, the highest of them a full bar. */
static void progress_print_bars(const struct progress *progress)
{
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double top = 1;
    for (unsigned i = 0; i < progress->n_rates; i++)
        top = progress->rates[i] > top ? progress->rates[i] : top;
    for (unsigned i = 0; i < progress->n_rates; i++)
        fputs(bars[(size_t)(progress->rates[i] / top * (LENGTH_OF(bars) - 0.01))], stderr);
    fputs("  ", stderr);
}

/* Why the line should not be believed, by the names that these warnings have in the result. */
static void progress_print_warnings(const struct phase *phase, const struct ndjson_sample *sample)
{
    double late_ms = (double)hist_quantile(sample->slip, 0.99) / 1e6;
    if (phase->busy_poll_ns == 0 && snapshot_saturated(&sample->used, sample->length_ns))
        fprintf(stderr, "  client-saturated: a thread of loadgen is busy %.0f %%",
                100 * (double)sample->used.busiest_ns / (double)sample->length_ns);
    if (sample->slip->count > 0 && late_ms > PROGRESS_LATE_MS)
        fprintf(stderr, "  sent-late: p99 %.1f ms", late_ms);
}

/* Errors and requests are those of the phase. */
static void progress_print(const struct progress *progress, const struct phase *phase,
                           const struct ndjson_sample *sample, uint64_t requests, uint64_t errors)
{
    const struct hist *recent = sample->latency;
    double rate = progress->rates[progress->n_rates - 1];
    uint64_t now = progress->begun + sample->begin_ns + sample->length_ns;
    double left = progress_left_s(progress, phase, requests, now, rate);
    char rate_text[TEXT_SIZE], errors_text[TEXT_SIZE];
    text_count((uint64_t)rate, rate_text);
    text_count(errors, errors_text);
    fprintf(stderr, "%s%-8s ", progress->terminal ? "\r" : "", progress->label);
    if (progress->bars)
        progress_print_bars(progress);
    fprintf(stderr, "%10s requests/s  p50 %.3f  p99 %.3f  p99.9 %.3f ms  errors %s  %.0f s left",
            rate_text, (double)hist_quantile(recent, 0.5) / 1e6,
            (double)hist_quantile(recent, 0.99) / 1e6, (double)hist_quantile(recent, 0.999) / 1e6,
            errors_text, left);
    if (phase->stairs.each_ns > 0)
        fprintf(stderr, "  %.0f connections", (double)sample->conn_ns / (double)sample->length_ns);
    progress_print_warnings(phase, sample);
    fputs(progress->terminal ? "\033[K" : "\n", stderr);
    fflush(stderr);
}

/* What came of each kind. */
static void progress_take_kinds(struct progress *progress, const struct workload *workload,
                                const struct snapshot *seen)
{
    for (unsigned kind = 0; kind < workload->n_shapes; kind++) {
        progress_difference(&seen->kind[kind], &progress->kinds_before[kind],
                            &progress->kinds[kind]);
        progress->kinds_before[kind] = seen->kind[kind];
    }
}

/* An interval is over: show it, but for the last one, in whose place the result stands. */
static void progress_take(struct progress *progress, const struct phase *phase,
                          const struct snapshot *seen, bool last)
{
    struct hist recent, slip;
    const struct ndjson_sample sample = {
        .label = progress->label,
        .begin_ns = progress->printed - progress->begun,
        .length_ns = seen->now_ns - progress->printed,
        .errors = seen->errors - progress->errors_before,
        .latency = &recent,
        .slip = &slip,
        .used = snapshot_used(&progress->cpu_before, &seen->cpu),
        .threads = phase->threads,
        .conn_ns = seen->conn_ns - progress->conn_before,
        .workload = phase->workload,
        .kinds = workload_mixes(phase->workload) ? progress->kinds : NULL,
    };
    progress_difference(&seen->latency, &progress->before, &recent);
    progress_difference(&seen->slip, &progress->slip_before, &slip);
    progress_take_kinds(progress, phase->workload, seen);
    progress_add_rate(progress, (double)recent.count / ((double)sample.length_ns / 1e9));
    if (progress->shown && !last)
        progress_print(progress, phase, &sample, seen->latency.count + seen->errors, seen->errors);
    if (progress->ndjson != NULL)
        ndjson_sample(progress->ndjson, &sample);
    progress->before = seen->latency;
    progress->slip_before = seen->slip;
    progress->cpu_before = seen->cpu;
    progress->conn_before = seen->conn_ns;
    progress->errors_before = seen->errors;
    progress->printed = seen->now_ns;
}

static bool progress_writes(const struct progress *progress)
{
    return progress->ndjson != NULL && progress->ndjson->out != NULL;
}

bool progress_due(const struct progress *progress, uint64_t now_ns)
{
    bool wanted = (progress->shown || progress_writes(progress)) && progress->interval_ns > 0;
    return wanted && now_ns - progress->printed >= progress->interval_ns;
}

void progress_update(struct progress *progress, const struct phase *phase,
                     const struct snapshot *seen)
{
    if (progress_due(progress, seen->now_ns))
        progress_take(progress, phase, seen, false);
}

void progress_end(struct progress *progress, const struct phase *phase, const struct snapshot *seen)
{
    if (progress->shown && progress->terminal) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    if (progress_writes(progress) && progress->interval_ns > 0 && seen->now_ns > progress->printed)
        progress_take(progress, phase, seen, true);
}
