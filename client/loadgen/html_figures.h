/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The figures of one result in the page of --html.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* Latency by percentile: response, service and first byte. */
void figure_percentiles(FILE *out, const json_t *result);

/* The response times of two servers by percentile; `title` is that of the test. */
void figure_versus(FILE *out, const char *title, const json_t *a, const json_t *b);

/* Throughput over time, and below it latency over time on a heat map. */
void figure_time(FILE *out, const json_t *result);

/* How many requests took how long. */
void figure_distribution(FILE *out, const json_t *result);
