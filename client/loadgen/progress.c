/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Progress lines.
 *
 *   SET  ▅▆▇▆█▇  104,512 requests/s  p50 0.412  p99 0.934  p99.9 2.114 ms  errors 0  4 s left
 *
 * How: the histograms of all workers are merged; what was there at the last line is subtracted, so
 * that rate and percentiles are those of the interval.
 *
 * Invariants: nothing here writes what a worker reads.
 * Threads: the main thread. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/progress.h"

#include "client/loadgen/text.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

void progress_begin(struct progress *progress)
{
    progress->begun = progress->printed = clock_mono_ns();
    progress->errors_before = progress->n_rates = 0;
    hist_init(&progress->before);
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

/* `recent`: of the interval; errors and requests: of the phase. */
static void progress_print(const struct progress *progress, const struct phase *phase,
                           const struct hist *recent, uint64_t requests, uint64_t errors,
                           uint64_t now)
{
    double rate = progress->rates[progress->n_rates - 1];
    double left = progress_left_s(progress, phase, requests, now, rate);
    char rate_text[TEXT_SIZE], errors_text[TEXT_SIZE];
    text_count((uint64_t)rate, rate_text);
    text_count(errors, errors_text);
    fprintf(stderr, "%s%-8s ", progress->terminal ? "\r" : "", progress->label);
    if (progress->bars)
        progress_print_bars(progress);
    fprintf(stderr, "%10s requests/s  p50 %.3f  p99 %.3f  p99.9 %.3f ms  errors %s  %.0f s left%s",
            rate_text, (double)hist_quantile(recent, 0.5) / 1e6,
            (double)hist_quantile(recent, 0.99) / 1e6, (double)hist_quantile(recent, 0.999) / 1e6,
            errors_text, left, progress->terminal ? "\033[K" : "\n");
    fflush(stderr);
}

/* An interval is over: show it, but for the last one, in whose place the result stands. */
static void progress_tell(struct progress *progress, const struct phase *phase,
                          const struct hist *all, uint64_t errors, uint64_t now, bool last)
{
    struct hist recent;
    const struct ndjson_sample sample = {
        .label = progress->label,
        .begin_ns = progress->printed - progress->begun,
        .length_ns = now - progress->printed,
        .errors = errors - progress->errors_before,
        .latency = &recent,
        .workload = phase->workload,
        .kinds = workload_mixes(phase->workload) ? progress->kinds : NULL,
    };
    progress_difference(all, &progress->before, &recent);
    progress_add_rate(progress, (double)recent.count / ((double)sample.length_ns / 1e9));
    if (progress->shown && !last)
        progress_print(progress, phase, &recent, all->count + errors, errors, now);
    if (progress->ndjson != NULL)
        ndjson_sample(progress->ndjson, &sample);
    progress->before = *all;
    progress->errors_before = errors;
    progress->printed = now;
}

/* The interval that ends now. */
static void progress_take(struct progress *progress, const struct phase *phase,
                          struct worker *const *workers, unsigned n_workers, uint64_t now,
                          bool last)
{
    uint64_t errors = 0;
    struct hist all, kind;
    hist_init(&all);
    for (unsigned i = 0; i < n_workers; i++)
        errors += worker_load(&workers[i]->counts.errors);
    for (unsigned shape = 0; shape < phase->workload->n_shapes; shape++) {
        hist_init(&kind);
        for (unsigned i = 0; i < n_workers; i++)
            hist_merge(&kind, &workers[i]->latency[shape]);
        hist_merge(&all, &kind);
        progress_difference(&kind, &progress->kinds_before[shape], &progress->kinds[shape]);
        progress->kinds_before[shape] = kind;
    }
    progress_tell(progress, phase, &all, errors, now, last);
}

static bool progress_writes(const struct progress *progress)
{
    return progress->ndjson != NULL && progress->ndjson->out != NULL;
}

void progress_update(struct progress *progress, const struct phase *phase,
                     struct worker *const *workers, unsigned n_workers)
{
    uint64_t now = clock_mono_ns();
    bool wanted = (progress->shown || progress_writes(progress)) && progress->interval_ns > 0;
    if (wanted && now - progress->printed >= progress->interval_ns)
        progress_take(progress, phase, workers, n_workers, now, false);
}

void progress_end(struct progress *progress, const struct phase *phase,
                  struct worker *const *workers, unsigned n_workers)
{
    uint64_t now = clock_mono_ns();
    if (progress->shown && progress->terminal) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    if (progress_writes(progress) && progress->interval_ns > 0 && now > progress->printed)
        progress_take(progress, phase, workers, n_workers, now, true);
}
