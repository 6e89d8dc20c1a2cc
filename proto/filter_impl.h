/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What compiling and matching filters share: the order of scalars.
 */
#pragma once

#include "proto/mp.h"

/* One bit each, so that several can be asked for. */
enum filter_order { FILTER_UNORDERED = 0, FILTER_LESSER = 1, FILTER_SAME = 2, FILTER_BIGGER = 4 };

/* Numbers by value, whatever their encoding, str and bin by their bytes; anything else, and NaN,
 * has no order. */
enum filter_order filter_order(const struct mp *a, const struct mp *b);

/* An order of all scalars but NaN, in which those that are equal are the same: for searching. */
enum filter_order filter_scalar_order(const struct mp *a, const struct mp *b);
