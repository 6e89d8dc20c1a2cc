/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Latency by percentile in the text form of HdrHistogram (.hgrm), which its plotters read
 * (https://hdrhistogram.github.io/HdrHistogram/plotFiles.html): value in ms, percentile, count up
 * to it, 1 / (1 - percentile).
 */
#pragma once

#include "client/loadgen/result.h"

enum { HDR_DETAIL_SIZE = 300 };

/* One histogram. */
void hdr_write(FILE *out, const struct hist *hist);

/* Those of a result: PREFIX_test.hgrm; in an open loop, where it differs, the service time as
 * PREFIX_test_service.hgrm; of a test that mixes requests each of them as PREFIX_test_request.hgrm.
 * `step` ("": none) says which of several of a test this is: PREFIX_test_step.hgrm and so on. The
 * log is PREFIX_test.hlog (client/loadgen/hdr_log.h). 0, or ERR_IO with a sentence. */
MUST_USE int hdr_write_files(const char *prefix, const char *step, const struct result *result,
                             char out_detail[static HDR_DETAIL_SIZE]);
