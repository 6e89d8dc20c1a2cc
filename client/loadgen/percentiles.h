/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The percentiles that people ask for: --print-percentiles 50,99,99.9.
 */
#pragma once

#include "client/loadgen/options.h"

enum { PERCENTILES_MAX = 12, PERCENTILES_TITLE_SIZE = 16 };

struct percentiles {
    unsigned n; /* at least 1 */
    struct percentile {
        char title[PERCENTILES_TITLE_SIZE]; /* "p99.9" */
        double quantile;                    /* above 0, at most 1 */
    } row[PERCENTILES_MAX];
};

/* 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int percentiles_parse(const char *text, struct percentiles *out,
                               char out_detail[static OPTIONS_DETAIL_SIZE]);

/* Do any of these texts name it? */
bool percentiles_is_one_of(const struct percentile *percentile, const char *const *titles,
                           size_t n);
