/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cutting bytes into pieces where their content says so, so that two strings of bytes that have a
 * long part in common have pieces in common, wherever that part stands: FastCDC (Xia et al.,
 * "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data Deduplication", USENIX
 * ATC 2016).
 *
 * Where it cuts is no part of any format: pieces that were cut in another way are read as well.
 */
#pragma once

#include "common/bytes.h"

enum { CKPT_CUT_MIN = 1024, CKPT_CUT_AVERAGE = 2048, CKPT_CUT_MAX = 8192 };

/* Size of the first piece: all of `bytes`, or CKPT_CUT_MIN..CKPT_CUT_MAX. */
size_t ckpt_cut(struct bytes bytes);
