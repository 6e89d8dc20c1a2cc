/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The journal: see journal.h.
 *
 * Invariant: store->version is the version of the newest transaction; with a log it moves under the
 * lock of the log, so it never goes back. Events are added in the order of versions: under the lock
 * of the log, or, without one, with the version taken under the lock of the feed.
 *
 * Threads: any, with the partitions of the effects locked.
 * Failures: none; a log that has failed ends the process (server/wal/wal.h).
 */
#include "server/store/journal.h"

#include "server/store/codec.h"
#include "server/wal/wal.h"

static uint64_t journal_count(struct store *store)
{
    return atomic_fetch_add_explicit(&store->version, 1, memory_order_relaxed) + 1;
}

/* Without a log, with the feed on. */
__attribute__((noinline)) static uint64_t journal_feed(struct store *store,
                                                       const struct effect *effects, size_t count,
                                                       const struct buf *notes)
{
    feed_lock(store->feed);
    uint64_t version = journal_count(store);
    feed_add(store->feed, version, effects, count, notes);
    feed_unlock(store->feed);
    return version;
}

uint64_t journal_record(struct store *store, const struct effect *effects, size_t count,
                        const struct buf *notes)
{
    uint64_t lsn;
    if (store->wal == NULL)
        return __builtin_expect(feed_is_on(store->feed), 0)
                   ? journal_feed(store, effects, count, notes)
                   : journal_count(store);
    uint8_t *body =
        wal_begin(store->wal, codec_type(effects, count), codec_size(effects, count), &lsn);
    codec_write(body, effects, count);
    atomic_store_explicit(&store->version, lsn, memory_order_relaxed);
    if (feed_is_on(store->feed)) {
        feed_lock(store->feed);
        feed_add(store->feed, lsn, effects, count, notes);
        feed_unlock(store->feed);
    }
    wal_end(store->wal);
    return lsn;
}
