/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Statistics of arrivals.
 *
 * How: one pass each, but for those that need an order, and sort.
 *
 * Invariants: no figure is NaN. Threads: any; no state. Failures: as arrivals.h says.
 */
#include "client/loadgen/arrivals.h"

#include "common/err.h"
#include "common/mem.h"

#include <math.h>
#include <stdlib.h>

double arrivals_rate(const uint64_t *at, size_t n)
{
    return n < 2 || at[n - 1] == at[0] ? 0 : (double)(n - 1) * 1e9 / (double)(at[n - 1] - at[0]);
}

double arrivals_dispersion(const uint64_t *at, size_t n, uint64_t window_ns)
{
    double sum = 0, squares = 0;
    size_t windows = 0, i = 0;
    if (n == 0)
        return 0;
    /* Windows begin between arrivals: even ones do not fall on this side or that by chance. */
    uint64_t half_gap = n > 1 ? (at[n - 1] - at[0]) / (n - 1) / 2 : 0;
    for (uint64_t end = at[0] - half_gap + window_ns; end <= at[n - 1]; end += window_ns) {
        size_t begin = i;
        while (i < n && at[i] < end)
            i++;
        sum += (double)(i - begin);
        squares += (double)(i - begin) * (double)(i - begin);
        windows++;
    }
    double mean = windows > 0 ? sum / (double)windows : 0;
    return mean > 0 ? (squares / (double)windows - mean * mean) / mean : 0;
}

static int arrivals_order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double arrivals_exponential(const uint64_t *at, size_t n, double rate)
{
    double largest = 0;
    if (n < 2)
        return 0;
    size_t gaps = n - 1;
    uint64_t *gap = mem_calloc(gaps, sizeof *gap);
    if (gap == NULL)
        return -1;
    for (size_t i = 0; i < gaps; i++)
        gap[i] = at[i + 1] - at[i];
    qsort(gap, gaps, sizeof *gap, arrivals_order);
    for (size_t i = 0; i < gaps; i++) {
        double share = 1 - exp(-(double)gap[i] * rate / 1e9);
        double above = (double)(i + 1) / (double)gaps - share,
               below = share - (double)i / (double)gaps;
        largest = fmax(largest, fmax(above, below));
    }
    mem_free(gap);
    return largest * sqrt((double)gaps);
}

double arrivals_wait_ns(const uint64_t *at, size_t n, uint64_t service_ns)
{
    double sum = 0;
    uint64_t free_at = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t begin = at[i] > free_at ? at[i] : free_at;
        sum += (double)(begin - at[i]);
        free_at = begin + service_ns;
    }
    return n > 0 ? sum / (double)n : 0;
}

/* Autocovariance of the gaps at this lag. */
static double arrivals_covariance(const uint64_t *at, size_t gaps, size_t lag, double mean)
{
    double sum = 0;
    for (size_t i = 0; i + lag < gaps; i++)
        sum +=
            ((double)(at[i + 1] - at[i]) - mean) * ((double)(at[i + lag + 1] - at[i + lag]) - mean);
    return sum / (double)(gaps - lag);
}

double arrivals_periodicity(const uint64_t *at, size_t n, unsigned lags)
{
    double largest = 0;
    if (n < 3 || n - 1 <= 2 * (size_t)lags || at[n - 1] == at[0])
        return 0;
    double mean = (double)(at[n - 1] - at[0]) / (double)(n - 1);
    for (size_t lag = 2; lag <= lags; lag++)
        largest = fmax(largest, arrivals_covariance(at, n - 1, lag, mean) / (mean * mean));
    return largest;
}

static int arrivals_order_real(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int arrivals_late(const uint64_t *at, size_t n, uint64_t begun_ns, double rate, double q,
                  double *out_ns)
{
    if (n == 0)
        return ERR_BAD_ARGUMENT;
    double *late = mem_calloc(n, sizeof *late);
    if (late == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < n; i++)
        late[i] = (double)(int64_t)(at[i] - begun_ns) - (double)i * 1e9 / rate;
    qsort(late, n, sizeof *late, arrivals_order_real);
    *out_ns = late[(size_t)(q * (double)(n - 1))];
    mem_free(late);
    return 0;
}
