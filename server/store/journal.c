/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The journal: see journal.h.
 *
 * Invariant: store->version is the version of the newest transaction; with a log it moves under the
 * lock of the log, so it never goes back.
 *
 * Threads: any, with the partitions of the effects locked.
 * Failures: none; a log that has failed ends the process (server/wal/wal.h).
 */
#include "server/store/journal.h"

#include "server/store/codec.h"
#include "server/wal/wal.h"

uint64_t journal_record(struct store *store, const struct effect *effects, size_t count)
{
    uint64_t lsn;
    if (store->wal == NULL)
        return atomic_fetch_add_explicit(&store->version, 1, memory_order_relaxed) + 1;
    uint8_t *body =
        wal_begin(store->wal, codec_type(effects, count), codec_size(effects, count), &lsn);
    codec_write(body, effects, count);
    atomic_store_explicit(&store->version, lsn, memory_order_relaxed);
    wal_end(store->wal);
    return lsn;
}
