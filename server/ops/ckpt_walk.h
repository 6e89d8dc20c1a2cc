/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Walks from the newest to the oldest record of an index or of a namespace, a slice under lock at a
 * time; of a session also from the oldest to the newest.
 *
 *   begin --> next ... --> (cursor) --> end
 *
 * The records of a slice may be read until the next call of ckpt_walk_next; changes in between are
 * fine: what exists throughout is met exactly once.
 */
#pragma once

#include "server/ops/ckpt.h"

enum { CKPT_WALK_SLICE = 128, CKPT_WALK_CURSOR = 1 + CKPT_ID_MAX + 1 };

struct ckpt_walk {
    struct op_ctx *ctx;
    bool by_id; /* records of one namespace by id; else of an index by number */
    bool up;    /* from old to new */
    enum index_id index;
    bool of_session;
    struct bytes session, ns; /* of the request */
    struct bytes low;         /* by_id: only ids > this */
    uint64_t to;              /* by number: only those below this; up: not below this */
    bool begun, more, ended;
    bool locked;
    unsigned left;   /* of the slice */
    uint64_t bytes;  /* of the reply when the slice began */
    uint64_t number; /* of the last record */
    size_t id_size;
    uint8_t id[CKPT_ID_MAX]; /* of the last record, or the bound to begin with */
    struct ckpt_session s;   /* of_session: as it is during the slice */
    struct txn txn;
    struct op_ctx inner; /* ctx with that transaction */
    unsigned n_heads;
    struct {
        struct omap_iter iter;
        const struct record *record;
        uint64_t number;
    } heads[STORE_PARTITIONS_MAX];
};

/* All records of the run that an index by run has, below the cursor (absent or NULL: all). */
MUST_USE int ckpt_walk_begin_run(struct ckpt_walk *walk, struct op_ctx *ctx, enum index_id index,
                                 const struct arg *cursor);
/* All checkpoints of a session. */
MUST_USE int ckpt_walk_begin_session(struct ckpt_walk *walk, struct op_ctx *ctx,
                                     struct bytes session, const struct arg *cursor);
/* The same from old to new, those with at least this number. */
void ckpt_walk_begin_session_up(struct ckpt_walk *walk, struct op_ctx *ctx, struct bytes session,
                                uint64_t number);
/* Those of one namespace, by id: after < id < before (BYTES_NONE: no bound). */
MUST_USE int ckpt_walk_begin_ns(struct ckpt_walk *walk, struct op_ctx *ctx, struct bytes session,
                                struct bytes ns, struct bytes after, struct bytes before,
                                const struct arg *cursor);

/* Only numbers up to this one, from now on. */
void ckpt_walk_limit(struct ckpt_walk *walk, uint64_t number);

/* The next record; NULL at the end, or where the session is no more. 0, TXN_RETRY or an error. */
MUST_USE int ckpt_walk_next(struct ckpt_walk *walk, const struct record **out_record);

/* The session of a checkpoint that was met. 0, ERR_NOT_FOUND: it is gone, and so is the checkpoint;
 * or ERR_DATA_DAMAGED, of which the request is not told. */
MUST_USE int ckpt_walk_session(struct ckpt_walk *walk, const struct record *record,
                               struct ckpt_session *out);

/* Write the cursor behind the last record; nil if there are no more. */
void ckpt_walk_reply_cursor(struct ckpt_walk *walk);

/* Unlock. Always to be called. */
void ckpt_walk_end(struct ckpt_walk *walk);
