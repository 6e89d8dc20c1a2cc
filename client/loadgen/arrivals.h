/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What times of arrival say about the process behind them. Times are in ns and ascend.
 */
#pragma once

#include "common/check.h"

#include <stddef.h>
#include <stdint.h>

/* Arrivals a second, from the first to the last; 0 for fewer than two. */
double arrivals_rate(const uint64_t *at, size_t n);

/* Index of dispersion: variance of the number of arrivals in windows of so many ns, divided by its
 * mean. 0: they are even; 1: they are random (Poisson); above: they come in bursts. */
double arrivals_dispersion(const uint64_t *at, size_t n, uint64_t window_ns);

/* Kolmogorov-Smirnov: the largest difference between the distribution of the gaps and the
 * exponential one of this rate, times the square root of their number: above 1.63 in one of a
 * hundred cases if they are Poisson arrivals. Below 0: no memory. */
double arrivals_exponential(const uint64_t *at, size_t n, double rate);

/* Mean time to wait in a queue served one at a time, service_ns each (Lindley's recursion). */
double arrivals_wait_ns(const uint64_t *at, size_t n, uint64_t service_ns);

/* How much gaps repeat themselves: the largest autocovariance of the gaps at lags of 2 to `lags`,
 * divided by the square of their mean. 0: even or random (Poisson) arrivals, but for chance; bursts
 * of k at a time, periodically: k - 1. A small jitter is none, even if it is periodic. */
double arrivals_periodicity(const uint64_t *at, size_t n, unsigned lags);

/* Quantile q (0..1) of how late arrivals were that should have come every 1/rate seconds from
 * begun_ns on, in ns. 0, or ERR_OUT_OF_MEMORY, ERR_BAD_ARGUMENT (no arrivals). */
MUST_USE int arrivals_late(const uint64_t *at, size_t n, uint64_t begun_ns, double rate, double q,
                           double *out_ns);
