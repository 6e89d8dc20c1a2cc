/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Trends and confidence intervals of a phase over time.
 *
 * How: least squares for the trend; batch means and Student's t for the interval (A. Law and
 * W. Kelton, Simulation Modeling and Analysis, 9.5). Where the intervals do not fill ten equal
 * batches the oldest are left out. With few intervals a chance agreement ends a test early more
 * often than one time in twenty; tests/unit: steady_test says how often.
 *
 * Invariants: no figure is NaN or infinite.
 * Threads: any; no state. Failures: none; what cannot be told yet is not enough.
 */
#include "client/loadgen/steady.h"

#include <math.h>

#define STEADY_T_BATCHES 2.262 /* Student's t, 97.5 %, STEADY_BATCHES - 1 degrees of freedom */

/* The same for so many, from 8 on within 0.02. */
static double steady_t(unsigned degrees)
{
    return 1.96 + 2.77 / degrees;
}

static double steady_mean(const double *values, unsigned n)
{
    double sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += values[i];
    return sum / n;
}

struct steady_trend steady_trend(const double *values, unsigned n)
{
    double mean = steady_mean(values, n), middle = (n - 1) / 2.0;
    double products = 0, squares = 0, rest = 0;
    for (unsigned i = 0; i < n; i++) {
        products += (i - middle) * (values[i] - mean);
        squares += (i - middle) * (i - middle);
    }
    double slope = products / squares;
    for (unsigned i = 0; i < n; i++) {
        double off = values[i] - mean - slope * (i - middle);
        rest += off * off;
    }
    double deviation = sqrt(rest / (n - 2) / squares);
    return (struct steady_trend){.drift = slope * (n - 1) / mean,
                                 .noise = steady_t(n - 2) * deviation * (n - 1) / mean};
}

bool steady_is_flat(const struct steady_trend *trend)
{
    double drift = fabs(trend->drift);
    return trend->noise < STEADY_NOISE && (drift <= STEADY_DRIFT || drift <= trend->noise);
}

double steady_half_width(const double values[static STEADY_BATCHES])
{
    double mean = steady_mean(values, STEADY_BATCHES), squares = 0;
    for (unsigned i = 0; i < STEADY_BATCHES; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    double deviation = sqrt(squares / (STEADY_BATCHES - 1) / STEADY_BATCHES);
    return mean > 0 ? STEADY_T_BATCHES * deviation / mean : 1;
}

bool steady_asked(const struct steady_rules *rules)
{
    return rules->until_steady || rules->rate > 0 || rules->p99 > 0;
}

/* The first interval is not looked at: connections begin in it one after the other. */
static void steady_see_trends(const struct series *series, struct steady *out)
{
    double rates[SERIES_ROWS], medians[SERIES_ROWS];
    unsigned n = series->n / 2 > STEADY_WINDOW ? series->n / 2 : STEADY_WINDOW;
    if (series->n <= n)
        return;
    const struct series_row *rows = series->row + series->n - n;
    for (unsigned i = 0; i < n; i++) {
        rates[i] = series_rate(rows + i, 1);
        medians[i] = (double)series_quantile(rows + i, 0.5);
    }
    out->has_trends = steady_mean(rates, n) > 0 && steady_mean(medians, n) > 0;
    if (!out->has_trends)
        return;
    out->rate_trend = steady_trend(rates, n);
    out->median_trend = steady_trend(medians, n);
}

static void steady_see_batches(const struct series *series, struct steady *out)
{
    double rates[STEADY_BATCHES], tails[STEADY_BATCHES];
    unsigned size = series->n / STEADY_BATCHES;
    const struct series_row *rows = series->row + series->n - size * STEADY_BATCHES;
    if (size == 0)
        return;
    out->has_rate = out->has_p99 = true;
    for (unsigned i = 0; i < STEADY_BATCHES; i++, rows += size) {
        uint64_t requests = series_requests(rows, size);
        rates[i] = series_rate(rows, size);
        tails[i] = (double)series_quantile_of(rows, size, 0.99);
        out->has_p99 = out->has_p99 && requests >= STEADY_BATCH_REQUESTS;
    }
    out->rate = steady_half_width(rates);
    out->p99 = out->has_p99 ? steady_half_width(tails) : 0;
}

struct steady steady_judge(const struct steady_rules *rules, const struct series *series)
{
    struct steady found = {.rules = *rules, .intervals = series->n};
    found.after_ns = series->seen_ns - series->begun_ns;
    steady_see_trends(series, &found);
    steady_see_batches(series, &found);
    bool flat = found.has_trends && steady_is_flat(&found.rate_trend) &&
                steady_is_flat(&found.median_trend);
    found.enough = steady_asked(rules) && (!rules->until_steady || flat) &&
                   (!(rules->rate > 0) || (found.has_rate && found.rate <= rules->rate)) &&
                   (!(rules->p99 > 0) || (found.has_p99 && found.p99 <= rules->p99));
    return found;
}

struct steady steady_look(const struct steady_rules *rules, const struct series *series)
{
    struct steady found = {.rules = *rules, .intervals = series->n};
    bool time = rules->until_steady || series->n % STEADY_BATCHES == 0;
    return steady_asked(rules) && time ? steady_judge(rules, series) : found;
}
