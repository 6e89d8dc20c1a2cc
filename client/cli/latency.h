/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn --latency: how long the server takes to answer, seen from here.
 */
#pragma once

#include "client/cli/session.h"
#include "common/hist.h"

enum { LATENCY_LINE_BYTES = 160 };

/* "min 12.3 us, avg ..., p50, p99, max, 100 samples". */
void latency_line(const struct hist *hist, char out[LATENCY_LINE_BYTES]);

/* Ping until --count intervals have passed, or Ctrl-C; then print the summary. An exit code. */
int latency_run(struct session *session);
