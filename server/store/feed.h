/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The feed: the newest events of the store, in the order of their versions, in a ring of bounded
 * memory. Writers add; readers, each at its own pace, see every event or learn what they missed.
 *
 *   journal_record --> feed_add --> [ chunk | chunk | chunk | chunk ] --> feed_next (cursor)
 *                                     oldest                   newest
 *
 * A cursor is a place in that stream and belongs to nobody: any number of them cost the feed
 * nothing, and one that falls behind holds nothing back. What has left the ring is lost to it, and
 * feed_next says so (FEED_LOST).
 *
 * The feed is off until feed_start, and then stays on. While it is off a writer looks at one flag.
 * Events say what happened to which key, never the value.
 */
#pragma once

#include "common/buf.h"
#include "server/store/effect.h"

#include <stdatomic.h>

enum event {
    EVENT_NONE,
#define EVENT(name, text) EVENT_##name,
#include "server/store/events.def"
#undef EVENT
    EVENT_COUNT
};

/* The name on the wire. */
const char *event_name(enum event event);

/* An event of a transaction that is no effect (txn_note). The key is a view. */
struct note {
    struct record_key key;
    bool text;
    enum event event;
};

/* An event in the ring. Events of a transaction follow each other. */
struct feed_item {
    uint64_t version; /* 0: the chunk ends here */
    uint32_t run;     /* kind run: the number of the run that was created or dropped */
    uint32_t index;   /* in the transaction: its effects, then its notes */
    uint16_t key_size;
    uint8_t kind;
    uint8_t event; /* enum event */
    uint8_t text;  /* the key came as str */
    uint8_t key[];
};

struct feed;

/* Where somebody who reads is. */
struct feed_cursor {
    uint64_t position; /* in the stream of all bytes */
    uint64_t after;    /* events up to this version are of no interest */
};

/* A thread that reads: it holds the chunk it last looked at. All zero is a good one; to be closed
 * before the feed goes. */
struct feed_reader {
    struct feed_chunk *held;
};

/* To be told when there is more to read. */
struct feed_listener {
    void (*wake)(void *context); /* any thread; must not block */
    void *context;
    atomic_bool waits; /* set by the listener before it looks for the last time and sleeps */
    bool listens;      /* it is in the list */
    struct feed_listener *next;
};

enum { FEED_RING_MIN = 1 << 20 };

/* A feed of up to `ring_bytes` (at least FEED_RING_MIN) that so many threads use, at least as many
 * as read; with one it needs no lock. No memory is taken for the ring yet. NULL without memory. */
struct feed *feed_create(uint64_t ring_bytes, unsigned n_threads) MUST_USE;
void feed_destroy(struct feed *feed);

/* Turn it on; `version` is that of the newest transaction, and nobody commits meanwhile. Again is
 * fine. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int feed_start(struct feed *feed, uint64_t version);
bool feed_is_on(const struct feed *feed);

/* ---- writers: journal.c ---- */

/* Between these two the version is taken and feed_add called, once. No I/O, no waiting but for
 * other writers. */
void feed_lock(struct feed *feed);
void feed_unlock(struct feed *feed);

/* Add the events of a transaction: its effects, then its notes (struct note). Cannot fail. */
void feed_add(struct feed *feed, uint64_t version, const struct effect *effects, size_t count,
              const struct buf *notes);

/* ---- readers ---- */

/* The end of what can be read. Whole transactions end there. */
uint64_t feed_end(const struct feed *feed);

/* Place a cursor at the end. */
void feed_seek_end(struct feed *feed, struct feed_cursor *out_cursor);

/* Place it behind the events of a version. False: not all later ones are in the ring any more, and
 * it stands behind those that are lost, which end at out_cursor->after. */
bool feed_seek(struct feed *feed, uint64_t version, struct feed_cursor *out_cursor);

enum feed_result { FEED_ITEM, FEED_END, FEED_LOST };

/* The next event before `end`, valid until the reader is used again. FEED_LOST: those between the
 * cursor and cursor->after, where it stands now, have left the ring. */
MUST_USE enum feed_result feed_next(struct feed *feed, struct feed_reader *reader,
                                    struct feed_cursor *cursor, uint64_t end,
                                    const struct feed_item **out_item);

/* The first event about the run of this name behind the cursor, valid until the reader is used
 * again; NULL: there is none. */
const struct feed_item *feed_find_run(struct feed *feed, struct feed_reader *reader,
                                      struct feed_cursor cursor, struct bytes name);

/* Was a run dropped, by an event still in the ring, after this version? */
bool feed_drops_after(struct feed *feed, uint64_t version);

/* Let go of what the reader holds. */
void feed_reader_close(struct feed *feed, struct feed_reader *reader);

/* ---- waiting ---- */

void feed_listen(struct feed *feed, struct feed_listener *listener);
void feed_listen_no_more(struct feed *feed, struct feed_listener *listener);

/* Wake those who wait. Not with a lock held. */
void feed_tell(struct feed *feed);
