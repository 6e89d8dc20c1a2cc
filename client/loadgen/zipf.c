/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Zipf's distribution by rejection-inversion (W. Hörmann, G. Derflinger: Rejection-inversion to
 * generate variates from monotone discrete distributions, ACM TOMACS 6(3), 1996).
 *
 * How: x^-s lies above the histogram of the distribution when each bar is shifted by a half; its
 * integral is inverted, and what falls between curve and bar is drawn again, which is rare.
 *
 * Invariants: the result is below n, whatever rounding does.
 * Threads: any; a struct zipf is read only once made. Failures: none.
 */
#include "client/loadgen/zipf.h"

#include <math.h>

/* log(1 + x) / x and (exp(x) - 1) / x, which are 1 at 0. */
static double zipf_log1p_by(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x * (1.0 / 3 - 0.25 * x));
}

static double zipf_expm1_by(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x * 0.5 * (1 + x / 3 * (1 + 0.25 * x));
}

static double zipf_h(const struct zipf *zipf, double x)
{
    return exp(-zipf->s * log(x));
}

static double zipf_integral(const struct zipf *zipf, double x)
{
    double log_x = log(x);
    return zipf_expm1_by((1 - zipf->s) * log_x) * log_x;
}

static double zipf_inverse(const struct zipf *zipf, double y)
{
    double t = y * (1 - zipf->s);
    return exp(zipf_log1p_by(t < -1 ? -1 : t) * y);
}

void zipf_init(struct zipf *zipf, uint64_t n, double s)
{
    *zipf = (struct zipf){.n = n, .s = s};
    zipf->h_first = zipf_integral(zipf, 1.5) - 1;
    zipf->h_last = zipf_integral(zipf, (double)n + 0.5);
    zipf->accept = 2 - zipf_inverse(zipf, zipf_integral(zipf, 2.5) - zipf_h(zipf, 2));
}

uint64_t zipf_draw(const struct zipf *zipf, struct rng *rng)
{
    for (;;) {
        double uniform = (double)(rng_next(rng) >> 11) * 0x1p-53;
        double u = zipf->h_last + uniform * (zipf->h_first - zipf->h_last);
        double x = zipf_inverse(zipf, u);
        double k = floor(x + 0.5);
        k = k < 1 ? 1 : k > (double)zipf->n ? (double)zipf->n : k;
        if (k - x <= zipf->accept || u >= zipf_integral(zipf, k + 0.5) - zipf_h(zipf, k))
            return (uint64_t)k - 1;
    }
}
