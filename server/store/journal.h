/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The journal: where effects get their version and, with a log, become an entry of it.
 *
 *   planned effects --> journal_record --> version = LSN, entry staged --> partition_apply
 *                                          and, once somebody watches, events in the feed
 *
 * It is called with all partitions of the effects locked, so that for each record the order of
 * versions, of entries and of application is one order.
 */
#pragma once

#include "server/store/store.h"

/* Give these effects (at least one) their version: the next number, or the LSN of the entry that
 * holds them; and tell the feed of them and of the notes (of struct note). Cannot fail. */
uint64_t journal_record(struct store *store, const struct effect *effects, size_t count,
                        const struct buf *notes);

/* Most bytes the effects of one transaction may make in the log. */
#define JOURNAL_BODY_MAX ((size_t)60 << 20)
