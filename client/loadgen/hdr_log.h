/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Latency over time as HdrHistogram logs it (.hlog, format 1.3): a line for each interval with the
 * whole histogram of it, which its plotters and its log processor read.
 *
 *   0.000,0.200,1.310,HISTFAAA...                    an interval: begin and length in s, max in ms
 *   Tag=whole,0.000,10.003,4.194,HISTFAAA...         the whole test
 *   Tag=service,...                                  the same of the service time, in an open loop
 *   Tag=get,...                                      and of a kind of request of a test that mixes
 */
#pragma once

#include "client/loadgen/result.h"

#include <stdio.h>

/* 0 or ERR_OUT_OF_MEMORY; whether all was written is the stream's to tell. */
MUST_USE int hdr_log_write(FILE *out, const struct result *result);
