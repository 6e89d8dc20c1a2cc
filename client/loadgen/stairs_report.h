/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What each step of a staircase of connections came to: throughput and latency against connections.
 */
#pragma once

#include "client/loadgen/plan.h"
#include "client/loadgen/result.h"

/* A step; intervals in which the number of connections changed belong to none. */
struct stairs_figures {
    unsigned connections;
    uint64_t length_ns, requests, errors;
    double rate; /* successful requests per second */
    uint64_t median_ns, p99_ns, p999_ns, max_ns;
};

/* False: there is no interval of this step. */
bool stairs_figures_of(const struct stairs *stairs, const struct series *series, unsigned step,
                       struct stairs_figures *out);

/* As a table of the summary; as member "by_connections" of a result. Nothing if there is no
 * staircase. */
void stairs_report_print(FILE *out, const struct plan *plan, const struct result *result);
void stairs_report_write(struct writer *json, const struct plan *plan, const struct result *result);
