/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clearing a range of records, a slice at a time, so that no lock is held for long.
 *
 * Only records that were there when the clear began go (versions up to its own); what is written
 * meanwhile stays.
 */
#pragma once

#include "common/buf.h"
#include "server/store/txn.h"

enum { CLEAR_SLICE = 128 };

/* Fields belong to clear.c; read-only for others: deleted. */
struct clear {
    uint32_t run;
    uint8_t kind;       /* KIND_NONE: all kinds of the run */
    uint64_t version;   /* only records up to this version */
    unsigned partition; /* the one being cleared */
    uint64_t deleted;   /* so far */
    struct buf prefix;  /* only keys that begin with it */
    struct buf at;      /* go on behind this key of kind at_kind, if begun */
    uint8_t at_kind;
    bool begun;
    bool silent; /* the run is gone: nothing of this is seen or logged */
};

/* Everything with this prefix that is there now. 0 or ERR_OUT_OF_MEMORY; clear_deinit in any case.
 * */
MUST_USE int clear_init(struct clear *clear, struct store *store, const struct run *run,
                        enum record_kind kind, struct bytes prefix);
void clear_deinit(struct clear *clear);

/* Begin anew with another kind: with what was there when the first began, of the same prefix. */
void clear_again(struct clear *clear, enum record_kind kind);

/* Delete up to CLEAR_SLICE records, or one that owns others, which nobody owns then (group.h).
 * *out_done: nothing is left. 0, or ERR_OUT_OF_MEMORY: try again. */
MUST_USE int clear_step(struct clear *clear, struct store *store, int64_t now_ms, bool *out_done);
