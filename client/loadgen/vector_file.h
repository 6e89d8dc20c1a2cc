/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sets of vectors that are files: .npy and .fvecs, which client/common/vector_table.h reads.
 */
#pragma once

#include "client/loadgen/vector_set.h"

enum { VECTOR_FILE_QUERIES = 10000 };

/* Fill a set from its spec's files: the first rows are the vectors, those of the query file, or the
 * last rows, the queries. spec.n and spec.queries are as many as are asked for, 0: as there are
 * (queries: VECTOR_FILE_QUERIES). As vector_set_make. */
MUST_USE int vector_file_fill(struct vector_set *set, char out_detail[static VECTOR_DETAIL_SIZE]);
