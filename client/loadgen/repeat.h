/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several runs of the same test (--run-count): the figures of each, and what they come to. The unit
 * of all statistics is a run: how much runs differ says how far a figure can be believed.
 */
#pragma once

#include "client/loadgen/metric.h"
#include "client/loadgen/stats.h"
#include "client/loadgen/writer.h"

struct repeat {
    size_t asked;   /* runs there should be */
    bool discarded; /* one before does not count */
    size_t n;
    double (*runs)[METRIC_COUNT];
    struct result *all; /* together */
};

/* 0 or ERR_OUT_OF_MEMORY; repeat_deinit is due either way. */
MUST_USE int repeat_init(struct repeat *repeat, size_t asked, bool discarded);
void repeat_deinit(struct repeat *repeat);

/* A run has ended; at most as many as asked for. */
void repeat_add(struct repeat *repeat, const struct result *result);

/* What a figure comes to. 0; ERR_BAD_ARGUMENT if it is not known of every run, or there is none;
 * ERR_OUT_OF_MEMORY. */
MUST_USE int repeat_figure(const struct repeat *repeat, enum metric_id metric,
                           struct stats_spread *out);

/* All figures that are known, as a table; the same on one line: throughput and p99. Nothing of a
 * test that was to run once. */
void repeat_print(FILE *out, const struct repeat *repeat);
void repeat_print_line(FILE *out, const struct repeat *repeat);

/* The members "runs" and "repeats" of the result. */
void repeat_write(struct writer *json, const struct repeat *repeat);
