/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What times of arrival say about the process behind them. Times are in ns and ascend.
 */
#pragma once

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
