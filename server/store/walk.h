/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Walks: all records of some kinds in one run, in no order, with a cursor that is a number and
 * costs the server nothing. Records that exist throughout are met at least once, some perhaps
 * twice.
 */
#pragma once

#include "server/store/scan.h"

/* Visit records of `kinds` (1 << enum record_kind, one or several) from *cursor (0: the beginning)
 * on, and move it; 0 again at the end. Ends after `limit` records, or earlier if there is little to
 * find. Any number is taken as a cursor. 0, or TXN_RETRY. */
MUST_USE int walk_visit(struct store *store, const struct run *run, uint64_t kinds, int64_t now_ms,
                        uint64_t limit, scan_visit_fn visit, void *context, uint64_t *cursor);
