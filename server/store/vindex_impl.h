/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files vindex*.c share: see vindex.h.
 *
 * Locks, in this order; each is for the index of one collection:
 *
 *   partition  (the caller's) apply: nobody else adds, kills or moves rows; refs grow only here
 *   use        read: searches, linking, mending. write: a round begins or ends; who has taken it
 *              once knows that all who were in here before have left
 *   lock       short: the rows' free list, what has been retired, counters
 *
 * Threads: as vindex.h says; a field names its lock.
 */
#pragma once

#include "server/store/vindex.h"
#include "server/store/workers.h"

#include <pthread.h>

enum {
    VINDEX_SEED = 11,        /* of the hash that draws levels */
    VINDEX_LINK_SLICE = 16,  /* rows linked by one task */
    VINDEX_MEND_SLICE = 64,  /* rows mended by one task */
    VINDEX_HELP_FROM = 64,   /* so many rows in the tail are linked by all workers */
    VINDEX_DEAD_MIN = 32,    /* dead rows in the graph are left until there are so many, */
    VINDEX_DEAD_SHARE = 32,  /* and this part of all */
    VINDEX_SPARE_MIN = 64,   /* so many slots more than vectors at most, */
    VINDEX_SPARE_SHARE = 16, /* or this part of them: writers wait for mending before */
    VINDEX_NEW_MIN = 64,  /* rows linked since the last round, behind which there is one to see */
    VINDEX_NEW_SHARE = 4, /* that walks come to all: so many, and a quarter */
    VINDEX_FREE_SLICE = 128,     /* rows freed under the lock */
    VINDEX_RETIRED_MAX = 256,    /* records that wait to be freed */
    VINDEX_DESTROY_SLICE = 4096, /* rows of dropped indexes freed by one task, or one index, */
    VINDEX_DESTROY_ROWS = 32,    /* which takes as long as so many rows, besides its own */
};

struct vindex;

/* The part of one worker in tending. */
struct vindex_task {
    struct task task;
    struct vindex *vindex;
    atomic_bool busy; /* submitted and not ended; holds a reference */
};

struct vindex {
    _Atomic uint32_t refs;
    struct store *store;
    struct vindex *next; /* of store->dropped */
    uint64_t generation;
    struct vec_config config;
    struct rows rows;
    pthread_rwlock_t use;
    pthread_mutex_t lock;
    bool dropped;                /* partition; and atomically read by workers */
    _Atomic(struct hnsw *) hnsw; /* NULL: no graph. Set once, under `use` */
    atomic_bool mending;         /* a round is under way; */
    _Atomic int64_t mend_room;   /* with so much room when it began: vindex_room */
    atomic_bool pinned;          /* no slot is used again: it is being saved */
    _Atomic uint32_t n_tail; /* rows alive or dead that are not linked, while there is a graph */
    _Atomic uint32_t n_dead; /* rows that died and were not freed */
    _Atomic uint32_t n_dead_linked; /* of these about so many in the graph */
    _Atomic uint32_t n_new;         /* rows linked since a round began */
    uint32_t n_most;                /* partition and lock: vectors, when there were the most */
    _Atomic uint32_t link_next;     /* where linking looks for rows of the tail */
    struct record **retired;        /* lock: replaced by others with the same vector */
    _Atomic uint32_t n_retired;
    uint32_t retired_capacity;
    size_t reported_bytes;   /* partition: of the partition's sum */
    pthread_mutex_t growing; /* hnsw_reserve */
    unsigned n_tasks;
    struct vindex_task *tasks;               /* one for each worker; [0] leads */
    _Atomic(struct hnsw_scratch *) *scratch; /* of each worker */
    /* figures */
    _Atomic uint64_t searches, scanned;
    _Atomic uint32_t walk_ns; /* of a walk, for each candidate (ef); a moving average */
};

/* Tend it, if there is anything to do and somebody who can. The partition is locked, or the caller
 * has a reference. */
void vindex_schedule(struct vindex *vindex);

/* Change a figure; wraps down, too. */
static inline void vindex_add(_Atomic uint64_t *figure, uint64_t more)
{
    atomic_fetch_add_explicit(figure, more, memory_order_relaxed);
}

/* The record of a row. */
struct record *vindex_record(const struct vindex *vindex, uint32_t slot);

/* Of its key and vector, the same in every process. */
uint64_t vindex_row_hash(const struct vindex *vindex, uint32_t slot);

struct vindex *vindex_create(struct store *store, const struct vec_collection *collection) MUST_USE;

/* How many rows can be added behind `more` new vectors, dead ones being still there, before there
 * are more slots than there should be. The partition or the lock is held. */
int64_t vindex_room(const struct vindex *vindex, size_t more);

/* Should there be a graph? */
bool vindex_wants_graph(const struct vindex *vindex);
