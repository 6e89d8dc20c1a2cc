/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Medians and bootstrap intervals.
 *
 * How: the percentile bootstrap (B. Efron, 1979): draw as many runs with replacement as there are,
 * take the ratio, 10,000 times; the interval holds the middle 95 % of what came out. The ratio is
 * one of medians, so that a run that was disturbed does not move it. With the median and five runs
 * or more the interval covers the truth about as often as it says (tests/unit: stats_test), which a
 * bootstrapped mean of so few does not.
 *
 * Invariants: the same values and seed give the same interval.
 * Threads: any; no state. Failures: ERR_OUT_OF_MEMORY, and ERR_BAD_ARGUMENT for values that have no
 * ratio.
 */
#include "client/loadgen/stats.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"

#include <math.h>
#include <string.h>

#define STATS_TAIL 0.025 /* outside of the interval, at each end */

static int stats_order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double stats_median(double *values, size_t n)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof *values, stats_order);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double stats_mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n == 0 ? 0 : sum / (double)n;
}

double stats_cv(const double *values, size_t n)
{
    double mean = stats_mean(values, n), squares = 0;
    if (n < 2 || mean <= 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return sqrt(squares / (double)(n - 1)) / mean;
}

/* Two sides, and room to draw from them. */
struct stats_sample {
    const double *a, *b; /* of pairs: b holds the ratios and a nothing; the same of one side */
    size_t n_a, n_b;
    double *drawn;  /* as many as the longer side */
    double *ratios; /* STATS_RESAMPLES */
    struct rng rng;
};

static double stats_draw(struct stats_sample *sample, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sample->drawn[i] = from[rng_below(&sample->rng, n)];
    return stats_median(sample->drawn, n);
}

static void stats_resample(struct stats_sample *sample, struct stats_ratio *out)
{
    for (size_t i = 0; i < STATS_RESAMPLES; i++) {
        double b = stats_draw(sample, sample->b, sample->n_b);
        double a = sample->n_a == 0 ? 1 : stats_draw(sample, sample->a, sample->n_a);
        sample->ratios[i] = b / a;
    }
    qsort(sample->ratios, STATS_RESAMPLES, sizeof *sample->ratios, stats_order);
    out->low = sample->ratios[(size_t)(STATS_TAIL * STATS_RESAMPLES)];
    out->high = sample->ratios[STATS_RESAMPLES - 1 - (size_t)(STATS_TAIL * STATS_RESAMPLES)];
}

static bool stats_usable(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]) || values[i] <= 0)
            return false;
    return n > 0;
}

/* The median without a change of the order. */
static double stats_median_of(struct stats_sample *sample, const double *values, size_t n)
{
    memcpy(sample->drawn, values, n * sizeof *values);
    return stats_median(sample->drawn, n);
}

static int stats_begin(struct stats_sample *sample, size_t n)
{
    sample->drawn = mem_alloc(n * sizeof *sample->drawn);
    sample->ratios = mem_alloc(STATS_RESAMPLES * sizeof *sample->ratios);
    return sample->drawn != NULL && sample->ratios != NULL ? 0 : ERR_OUT_OF_MEMORY;
}

static void stats_end(struct stats_sample *sample)
{
    mem_free(sample->drawn);
    mem_free(sample->ratios);
}

int stats_ratio_of_pairs(const double *a, const double *b, size_t n, uint64_t seed,
                         struct stats_ratio *out)
{
    struct stats_sample sample = {.n_b = n, .rng = {seed}};
    if (!stats_usable(a, n) || !stats_usable(b, n))
        return ERR_BAD_ARGUMENT;
    double *ratios = mem_alloc(n * sizeof *ratios);
    int err = stats_begin(&sample, n);
    if (err == 0 && ratios != NULL) {
        for (size_t i = 0; i < n; i++)
            ratios[i] = b[i] / a[i];
        sample.b = ratios;
        *out = (struct stats_ratio){.runs = n, .a_cv = stats_cv(a, n), .b_cv = stats_cv(b, n)};
        out->a = stats_median_of(&sample, a, n);
        out->b = stats_median_of(&sample, b, n);
        out->ratio = stats_median_of(&sample, ratios, n);
        stats_resample(&sample, out);
    }
    stats_end(&sample);
    mem_free(ratios);
    return ratios == NULL ? ERR_OUT_OF_MEMORY : err;
}

int stats_ratio_of_groups(const double *a, size_t n_a, const double *b, size_t n_b, uint64_t seed,
                          struct stats_ratio *out)
{
    struct stats_sample sample = {.a = a, .b = b, .n_a = n_a, .n_b = n_b, .rng = {seed}};
    if (!stats_usable(a, n_a) || !stats_usable(b, n_b))
        return ERR_BAD_ARGUMENT;
    int err = stats_begin(&sample, n_a > n_b ? n_a : n_b);
    if (err == 0) {
        *out = (struct stats_ratio){.runs = n_a < n_b ? n_a : n_b};
        out->a_cv = stats_cv(a, n_a);
        out->b_cv = stats_cv(b, n_b);
        out->a = stats_median_of(&sample, a, n_a);
        out->b = stats_median_of(&sample, b, n_b);
        out->ratio = out->b / out->a;
        stats_resample(&sample, out);
    }
    stats_end(&sample);
    return err;
}

int stats_spread_of(const double *values, size_t n, uint64_t seed, struct stats_spread *out)
{
    struct stats_sample sample = {.b = values, .n_b = n, .rng = {seed}};
    struct stats_ratio to_nothing;
    if (!stats_usable(values, n))
        return ERR_BAD_ARGUMENT;
    int err = stats_begin(&sample, n);
    if (err == 0) {
        *out = (struct stats_spread){.runs = n, .cv = stats_cv(values, n)};
        out->low = out->high = out->median = stats_median_of(&sample, values, n);
    }
    if (err == 0 && n >= STATS_RUNS_MIN) {
        stats_resample(&sample, &to_nothing);
        out->low = to_nothing.low;
        out->high = to_nothing.high;
    }
    stats_end(&sample);
    return err;
}

bool stats_is_unstable(const struct stats_ratio *ratio)
{
    return ratio->a_cv > STATS_CV_MAX || ratio->b_cv > STATS_CV_MAX;
}

enum stats_verdict stats_judge(const struct stats_ratio *ratio, bool higher_is_better,
                               double threshold)
{
    if (ratio->runs < STATS_RUNS_MIN)
        return STATS_TOO_FEW;
    bool above = ratio->low > 1 && ratio->ratio > 1 + threshold;
    bool below = ratio->high < 1 && ratio->ratio < 1 - threshold;
    if (!above && !below)
        return STATS_NO_DIFFERENCE;
    double varies = 1 + fmax(ratio->a_cv, ratio->b_cv);
    bool clear = above ? ratio->low > varies : ratio->high < 1 / varies;
    if (stats_is_unstable(ratio) && !clear)
        return STATS_UNSTABLE;
    return above == higher_is_better ? STATS_BETTER : STATS_WORSE;
}

double stats_visible(const struct stats_ratio *ratio, double threshold)
{
    double half = (ratio->high - ratio->low) / 2;
    return half > threshold ? half : threshold;
}

const char *stats_verdict_text(enum stats_verdict verdict)
{
    static const char *const texts[] = {
        [STATS_TOO_FEW] = "too few runs", [STATS_NO_DIFFERENCE] = "no difference shown",
        [STATS_UNSTABLE] = "unstable",    [STATS_BETTER] = "better",
        [STATS_WORSE] = "worse",
    };
    return texts[verdict];
}
