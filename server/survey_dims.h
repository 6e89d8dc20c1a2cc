/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Do vectors have as many elements as their collections say, in that form? Told of the records and
 * effects of files in any order, whole or not.
 */
#pragma once

#include "server/store/record.h"

struct survey_dim;

/* All zero: nothing was told. */
struct survey_dims {
    struct survey_dim *table; /* open-addressed, by generation */
    size_t mask, count;
    bool differ; /* a vector is not like its collection */
    bool failed; /* no memory: nothing can be said */
};

/* A record that recovery takes, or an effect that puts one. */
void survey_dims_see(struct survey_dims *dims, const struct record_spec *spec);

void survey_dims_deinit(struct survey_dims *dims);
