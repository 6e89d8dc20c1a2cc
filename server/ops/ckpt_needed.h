/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which ancestors the checkpoints that a compaction keeps cannot do without: where one names a
 * channel it has no blob of, the channel is made of what its ancestors have.
 *
 *   one of them has a blob of it    all up to the nearest that has
 *   none has                        all up to the oldest that has a write of it
 *
 * They are looked for in steps, as there may be many; an ancestor is met once for each channel.
 */
#pragma once

#include "server/ops/ckpt.h"

struct ckpt_needed {
    struct buf wanted;       /* where to begin: a row for each channel */
    size_t at;               /* of the rows, the one that is looked into */
    bool walking, returning; /* up its ancestors; over those that were met */
    size_t id_size;          /* the ancestor that is next */
    uint8_t id[CKPT_ID_MAX];
    struct buf path;         /* of struct needed_step: those that were met */
    size_t needed, returned; /* so many of them are needed; were returned over */
    uint64_t *marks;         /* what was met before, by hash; 0: a free place */
    size_t capacity, used;
};

/* As {0} it is empty, and so it is afterwards. */
void ckpt_needed_deinit(struct ckpt_needed *needed);

/* This checkpoint is kept. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_needed_want(struct ckpt_needed *needed, struct ckpt_session *s, struct bytes ns,
                              const struct ckpt_value *value);

/* Is there anything left to look for? */
bool ckpt_needed_pending(const struct ckpt_needed *needed);

/* Go so many steps, and add the numbers of needed checkpoints (uint64_t each) to `keep`. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_needed_go(struct ckpt_needed *needed, struct ckpt_session *s, unsigned steps,
                            struct buf *keep);
