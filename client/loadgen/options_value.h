/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values of options (client/loadgen/options.h): reading them, and saying what is wrong with them.
 */
#pragma once

#include "client/loadgen/options.h"

/* Put the value of a row into its field. 0 or ERR_BAD_ARGUMENT. */
MUST_USE int options_value_set(const struct options_row *row, const char *text,
                               struct options *out);

/* The default. */
void options_value_reset(const struct options_row *row, struct options *out);

/* Is it an option without a value, if none is attached to it? */
bool options_value_is_bare(const struct options_row *row);

/* What a value must be. hyphens: what stands before the name. */
void options_value_complain(const struct options_row *row, const char *hyphens, const char *text,
                            char out_detail[static OPTIONS_DETAIL_SIZE]);
