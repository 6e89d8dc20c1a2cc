/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Progress lines.
 *
 *   SET  104,512 requests/s  p50 0.412 ms  p99 0.934 ms  errors 0  4 s left
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
#include <unistd.h>

void progress_init(struct progress *progress, int64_t interval_ms, bool asked)
{
    memset(progress, 0, sizeof *progress);
    progress->terminal = isatty(STDERR_FILENO) != 0;
    progress->shown = interval_ms > 0 && (asked || progress->terminal);
    progress->interval_ns = (uint64_t)interval_ms * 1000000u;
}

void progress_begin(struct progress *progress)
{
    progress->begun = progress->printed = clock_mono_ns();
    hist_init(&progress->before);
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

static void progress_print(struct progress *progress, const struct phase *phase,
                           const struct hist *all, uint64_t errors, uint64_t now)
{
    struct hist recent;
    char rate_text[TEXT_SIZE], errors_text[TEXT_SIZE];
    progress_difference(all, &progress->before, &recent);
    double rate = (double)recent.count / ((double)(now - progress->printed) / 1e9);
    double left = progress_left_s(progress, phase, all->count + errors, now, rate);
    text_count((uint64_t)rate, rate_text);
    text_count(errors, errors_text);
    fprintf(stderr, "%s%-8s %10s requests/s  p50 %.3f ms  p99 %.3f ms  errors %s  %.0f s left%s",
            progress->terminal ? "\r" : "", progress->label, rate_text,
            (double)hist_quantile(&recent, 0.5) / 1e6, (double)hist_quantile(&recent, 0.99) / 1e6,
            errors_text, left, progress->terminal ? "\033[K" : "\n");
    fflush(stderr);
}

void progress_update(struct progress *progress, const struct phase *phase,
                     struct worker *const *workers, unsigned n_workers)
{
    uint64_t now = clock_mono_ns(), errors = 0;
    struct hist all;
    if (!progress->shown || now - progress->printed < progress->interval_ns)
        return;
    hist_init(&all);
    for (unsigned i = 0; i < n_workers; i++) {
        errors += worker_load(&workers[i]->counts.errors);
        for (unsigned shape = 0; shape < WORKLOAD_SHAPES; shape++)
            hist_merge(&all, &workers[i]->latency[shape]);
    }
    progress_print(progress, phase, &all, errors, now);
    progress->before = all;
    progress->printed = now;
}

void progress_end(struct progress *progress)
{
    if (progress->shown && progress->terminal) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
