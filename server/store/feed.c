/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ring of the feed.
 *
 *   ring[number % n]   chunk 7   chunk 8   chunk 9   chunk 6      a position is number * FEED_CHUNK
 *                                          ^newest   ^oldest      + offset; end is in the newest
 *
 * Memory is taken once, when the feed is turned on, so that adding cannot fail. A writer whose
 * chunk is full takes the oldest for the next. Readers look at the bytes below `end` without a
 * lock: those never change while the chunk is what it is, and a reader holds the one it looks at.
 * If the oldest is held, a spare takes its place in the ring and the reader gives the old one back
 * as a spare; there is a spare for each reader, so there always is one.
 *
 * Invariants
 *   1. end moves by whole transactions.
 *   2. Events after lost_version are all in the ring; of that and before some may be missing.
 *   3. An item lies within a chunk. A chunk that could not take the next ends with version 0.
 *   4. Chunks in the ring and spares are n_chunks + n_threads, less those that are only held.
 *
 * Threads: writers under the lock, one at a time; readers take it to go from chunk to chunk.
 * Failures: only turning it on may.
 */
#include "server/store/feed.h"

#include "common/err.h"
#include "common/mem.h"
#include "proto/mp.h"
#include "server/store/run.h"

#include <pthread.h>

enum {
    FEED_CHUNK = 128 * 1024, /* more than the largest item */
    FEED_ITEM_HEAD = offsetof(struct feed_item, key),
    FEED_ALIGN = 8,
};

_Static_assert(FEED_ITEM_HEAD + UINT16_MAX + FEED_ALIGN < FEED_CHUNK, "an item lies in a chunk");
_Static_assert(FEED_RING_MIN >= 2 * FEED_CHUNK, "the oldest chunk is not the newest");

struct feed_chunk {
    struct feed_chunk *next; /* among the spares */
    unsigned refs;           /* readers that hold it */
    bool in_ring;
    uint64_t number;
    uint64_t first_version, last_version; /* of its items; UINT64_MAX, 0: it has none */
    atomic_bool runs;                     /* it has events about runs */
    uint8_t data[FEED_CHUNK] __attribute__((aligned(FEED_ALIGN)));
};

struct feed {
    atomic_bool on;
    _Atomic uint64_t end;
    pthread_mutex_t lock;         /* of all that follows */
    unsigned n_chunks, n_threads; /* one thread needs no lock */
    struct feed_chunk **ring;
    struct feed_chunk *spares;
    uint64_t oldest, newest; /* numbers of chunks */
    size_t used;             /* bytes of the newest */
    uint64_t version;        /* of the newest transaction that was added */
    uint64_t lost_version;
    uint64_t drop_version; /* of the newest event about a dropped run */
    pthread_mutex_t listeners_lock;
    struct feed_listener *listeners;
};

const char *event_name(enum event event)
{
    static const char *const names[EVENT_COUNT] = {
        "none",
#define EVENT(name, text) #name,
#include "server/store/events.def"
#undef EVENT
    };
    return names[event];
}

struct feed *feed_create(uint64_t ring_bytes, unsigned n_threads)
{
    struct feed *feed = mem_calloc(1, sizeof *feed);
    if (feed == NULL)
        return NULL;
    REQUIRE(pthread_mutex_init(&feed->lock, NULL) == 0);
    REQUIRE(pthread_mutex_init(&feed->listeners_lock, NULL) == 0);
    feed->n_chunks =
        (unsigned)((ring_bytes > FEED_RING_MIN ? ring_bytes : FEED_RING_MIN) / FEED_CHUNK);
    feed->n_threads = n_threads;
    return feed;
}

static void feed_free_chunks(struct feed *feed)
{
    for (unsigned i = 0; feed->ring != NULL && i < feed->n_chunks; i++)
        mem_free(feed->ring[i]);
    for (struct feed_chunk *chunk = feed->spares, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        mem_free(chunk);
    }
    mem_free(feed->ring);
    feed->ring = NULL;
    feed->spares = NULL;
}

void feed_destroy(struct feed *feed)
{
    if (feed == NULL)
        return;
    feed_free_chunks(feed);
    pthread_mutex_destroy(&feed->listeners_lock);
    pthread_mutex_destroy(&feed->lock);
    mem_free(feed);
}

/* ---- turning it on ---- */

static int feed_alloc_chunks(struct feed *feed)
{
    feed->ring = mem_calloc(feed->n_chunks, sizeof(struct feed_chunk *));
    if (feed->ring == NULL)
        return ERR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < feed->n_chunks + feed->n_threads; i++) {
        struct feed_chunk *chunk = mem_alloc(sizeof *chunk); /* its pages are touched when used */
        if (chunk == NULL) {
            feed_free_chunks(feed);
            return ERR_OUT_OF_MEMORY;
        }
        chunk->refs = 0;
        chunk->in_ring = false;
        chunk->next = feed->spares;
        feed->spares = chunk;
    }
    return 0;
}

/* A spare becomes chunk `number` of the stream. Under the lock. */
static struct feed_chunk *feed_enter(struct feed *feed, uint64_t number)
{
    struct feed_chunk *chunk = feed->spares;
    REQUIRE(chunk != NULL);
    feed->spares = chunk->next;
    chunk->in_ring = true;
    chunk->number = number;
    chunk->first_version = UINT64_MAX;
    chunk->last_version = 0;
    atomic_store_explicit(&chunk->runs, false, memory_order_relaxed);
    feed->ring[number % feed->n_chunks] = chunk;
    feed->newest = number;
    feed->used = 0;
    return chunk;
}

int feed_start(struct feed *feed, uint64_t version)
{
    int err = 0;
    feed_lock(feed);
    if (!feed_is_on(feed) && (err = feed_alloc_chunks(feed)) == 0) {
        feed->version = feed->lost_version = version;
        (void)feed_enter(feed, 0);
        atomic_store_explicit(&feed->on, true, memory_order_release);
    }
    feed_unlock(feed);
    return err;
}

bool feed_is_on(const struct feed *feed)
{
    return atomic_load_explicit(&feed->on, memory_order_relaxed);
}

/* ---- writers ---- */

void feed_lock(struct feed *feed)
{
    if (feed->n_threads > 1)
        pthread_mutex_lock(&feed->lock);
}

void feed_unlock(struct feed *feed)
{
    if (feed->n_threads > 1)
        pthread_mutex_unlock(&feed->lock);
}

static void feed_add_spare(struct feed *feed, struct feed_chunk *chunk)
{
    chunk->next = feed->spares;
    feed->spares = chunk;
}

/* The oldest chunk leaves the ring. */
static void feed_forget(struct feed *feed)
{
    struct feed_chunk **slot = &feed->ring[feed->oldest % feed->n_chunks];
    struct feed_chunk *chunk = *slot;
    feed->lost_version = chunk->last_version;
    *slot = NULL;
    feed->oldest++;
    chunk->in_ring = false;
    if (chunk->refs == 0)
        feed_add_spare(feed, chunk);
}

/* The chunk with room for `size` bytes: the newest, or the next. */
static struct feed_chunk *feed_room(struct feed *feed, size_t size)
{
    struct feed_chunk *chunk = feed->ring[feed->newest % feed->n_chunks];
    if (FEED_CHUNK - feed->used >= size)
        return chunk;
    if (feed->used < FEED_CHUNK)
        ((struct feed_item *)(void *)(chunk->data + feed->used))->version = 0;
    if (feed->newest - feed->oldest + 1 == feed->n_chunks)
        feed_forget(feed);
    return feed_enter(feed, feed->newest + 1);
}

static size_t feed_item_size(size_t key_size)
{
    return (FEED_ITEM_HEAD + key_size + FEED_ALIGN - 1) & ~(size_t)(FEED_ALIGN - 1);
}

static void feed_put(struct feed *feed, uint64_t version, uint32_t index,
                     const struct record_key *key, bool text, enum event event)
{
    size_t size = feed_item_size(key->bytes.size);
    struct feed_chunk *chunk = feed_room(feed, size);
    struct feed_item *item = (struct feed_item *)(void *)(chunk->data + feed->used);
    item->version = version;
    item->run = key->run;
    item->index = index;
    item->key_size = (uint16_t)key->bytes.size;
    item->kind = key->kind;
    item->event = (uint8_t)event;
    item->text = text;
    if (key->bytes.size > 0)
        memcpy(item->key, key->bytes.data, key->bytes.size);
    if (chunk->first_version == UINT64_MAX)
        chunk->first_version = version;
    chunk->last_version = version;
    feed->used += size;
    if (key->kind == KIND_run)
        atomic_store_explicit(&chunk->runs, true, memory_order_relaxed);
    if (event == EVENT_dropped)
        feed->drop_version = version;
}

static void feed_put_effect(struct feed *feed, uint64_t version, uint32_t index,
                            const struct effect *effect)
{
    struct record_key key = effect->spec.key;
    bool put = effect->type == EFFECT_PUT;
    enum event event = effect->event != EVENT_NONE ? (enum event)effect->event
                       : put                       ? EVENT_put
                                                   : EVENT_del;
    if (key.kind == KIND_run) { /* the record is the run */
        key.run = run_read_value(effect->spec.value);
        feed_put(feed, version, index, &key, mp_utf8_valid(key.bytes),
                 put ? EVENT_created : EVENT_dropped);
        return;
    }
    if (put)
        feed_put(feed, version, index, &key, effect->spec.text, event);
    else if (effect->old != NULL) /* else it was planned and taken back */
        feed_put(feed, version, index, &key, record_is_text(effect->old), event);
}

void feed_add(struct feed *feed, uint64_t version, const struct effect *effects, size_t count,
              const struct buf *notes)
{
    const struct note *note = (const struct note *)(const void *)notes->data;
    size_t n_notes = notes->size / sizeof *note;
    for (size_t i = 0; i < count; i++)
        feed_put_effect(feed, version, (uint32_t)i, &effects[i]);
    for (size_t i = 0; i < n_notes; i++)
        feed_put(feed, version, (uint32_t)(count + i), &note[i].key, note[i].text, note[i].event);
    feed->version = version;
    atomic_store(&feed->end, feed->newest * FEED_CHUNK + feed->used);
}

/* ---- readers ---- */

uint64_t feed_end(const struct feed *feed)
{
    return atomic_load(&feed->end);
}

void feed_seek_end(struct feed *feed, struct feed_cursor *out_cursor)
{
    feed_lock(feed);
    *out_cursor = (struct feed_cursor){atomic_load(&feed->end), feed->version};
    feed_unlock(feed);
}

/* Under the lock: where the events behind a version begin, or shortly before. */
static uint64_t feed_position(const struct feed *feed, uint64_t version)
{
    uint64_t low = feed->oldest, high = feed->newest; /* the last that begins at it or before */
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        if (feed->ring[middle % feed->n_chunks]->first_version <= version)
            low = middle;
        else
            high = middle - 1;
    }
    return low * FEED_CHUNK;
}

bool feed_seek(struct feed *feed, uint64_t version, struct feed_cursor *out_cursor)
{
    feed_lock(feed);
    bool whole = version >= feed->lost_version;
    uint64_t after = whole ? version : feed->lost_version;
    *out_cursor = (struct feed_cursor){feed_position(feed, after), after};
    feed_unlock(feed);
    return whole;
}

/* Under the lock. */
static void feed_drop_hold(struct feed *feed, struct feed_reader *reader)
{
    struct feed_chunk *chunk = reader->held;
    reader->held = NULL;
    if (chunk != NULL && --chunk->refs == 0 && !chunk->in_ring)
        feed_add_spare(feed, chunk);
}

/* Hold the chunk with the cursor. False: it has left the ring, and the cursor was moved. */
static bool feed_hold(struct feed *feed, struct feed_reader *reader, struct feed_cursor *cursor)
{
    uint64_t number = cursor->position / FEED_CHUNK;
    feed_lock(feed);
    feed_drop_hold(feed, reader);
    bool there = number >= feed->oldest;
    if (there) {
        reader->held = feed->ring[number % feed->n_chunks];
        reader->held->refs++;
    } else {
        cursor->position = feed->oldest * FEED_CHUNK;
        cursor->after = feed->lost_version > cursor->after ? feed->lost_version : cursor->after;
    }
    feed_unlock(feed);
    return there;
}

enum feed_result feed_next(struct feed *feed, struct feed_reader *reader,
                           struct feed_cursor *cursor, uint64_t end,
                           const struct feed_item **out_item)
{
    while (cursor->position < end) {
        uint64_t number = cursor->position / FEED_CHUNK, after = cursor->after;
        if ((reader->held == NULL || reader->held->number != number) &&
            !feed_hold(feed, reader, cursor)) {
            if (cursor->after > after)
                return FEED_LOST;
            continue;
        }
        const struct feed_item *item =
            (const void *)(reader->held->data + cursor->position % FEED_CHUNK);
        if (item->version == 0) {
            cursor->position = (number + 1) * FEED_CHUNK;
            continue;
        }
        cursor->position += feed_item_size(item->key_size);
        if (item->version > cursor->after) {
            *out_item = item;
            return FEED_ITEM;
        }
    }
    return FEED_END;
}

/* Go to the next chunk with events about runs, if this has none. */
static void feed_skip_chunks(struct feed *feed, struct feed_reader *reader,
                             struct feed_cursor *cursor, uint64_t end)
{
    while (cursor->position < end) {
        uint64_t number = cursor->position / FEED_CHUNK;
        if ((reader->held == NULL || reader->held->number != number) &&
            !feed_hold(feed, reader, cursor))
            continue;
        if (atomic_load_explicit(&reader->held->runs, memory_order_relaxed))
            return;
        cursor->position = (number + 1) * FEED_CHUNK;
    }
}

const struct feed_item *feed_find_run(struct feed *feed, struct feed_reader *reader,
                                      struct feed_cursor cursor, struct bytes name)
{
    const struct feed_item *item;
    uint64_t end = feed_end(feed);
    while (true) {
        feed_skip_chunks(feed, reader, &cursor, end);
        enum feed_result result = feed_next(feed, reader, &cursor, end, &item);
        if (result == FEED_END)
            return NULL;
        if (result == FEED_ITEM && item->kind == KIND_run &&
            bytes_equal((struct bytes){item->key, item->key_size}, name))
            return item;
    }
}

bool feed_drops_after(struct feed *feed, uint64_t version)
{
    feed_lock(feed);
    bool drops = feed->drop_version > version;
    feed_unlock(feed);
    return drops;
}

void feed_reader_close(struct feed *feed, struct feed_reader *reader)
{
    feed_lock(feed);
    feed_drop_hold(feed, reader);
    feed_unlock(feed);
}

/* ---- waiting ---- */

void feed_listen(struct feed *feed, struct feed_listener *listener)
{
    pthread_mutex_lock(&feed->listeners_lock);
    if (!listener->listens) {
        listener->listens = true;
        listener->next = feed->listeners;
        feed->listeners = listener;
    }
    pthread_mutex_unlock(&feed->listeners_lock);
}

void feed_listen_no_more(struct feed *feed, struct feed_listener *listener)
{
    pthread_mutex_lock(&feed->listeners_lock);
    struct feed_listener **link = &feed->listeners;
    while (*link != NULL && *link != listener)
        link = &(*link)->next;
    if (*link != NULL)
        *link = listener->next;
    listener->listens = false;
    pthread_mutex_unlock(&feed->listeners_lock);
}

void feed_tell(struct feed *feed)
{
    pthread_mutex_lock(&feed->listeners_lock);
    for (struct feed_listener *listener = feed->listeners; listener != NULL;
         listener = listener->next)
        if (atomic_load(&listener->waits) && atomic_exchange(&listener->waits, false))
            listener->wake(listener->context);
    pthread_mutex_unlock(&feed->listeners_lock);
}
