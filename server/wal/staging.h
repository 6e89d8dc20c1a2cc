/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Staging: entries on their way from those who append to the one who writes. Two halves: one is
 * filled while the other is written.
 *
 *   filling   head body tail | head body tail | ...      under the lock of those who append
 *   draining  .. written .. | done -> ... used |         belongs to the one who writes
 *
 * Each half is address space for the worst case; pages are taken when they are touched, and given
 * back after a burst. So an entry always finds room and nobody waits for it.
 *
 * Threads: the caller locks, as drawn; staging_swap needs both.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STAGING_KEPT = 4 << 20 }; /* bytes of a half that keep their pages */

struct staging_half {
    uint8_t *base;
    size_t done, used;    /* bytes: written, and all; done <= used */
    uint64_t since_ticks; /* when the oldest of them came; 0: none */
};

struct staging {
    struct staging_half half[2];
    unsigned filling; /* 0 or 1 */
    size_t capacity;  /* bytes of a half */
};

/* False: the system does not give that much address space. */
MUST_USE bool staging_init(struct staging *staging, size_t capacity);
void staging_deinit(struct staging *staging);

static inline struct staging_half *staging_filling(struct staging *staging)
{
    return &staging->half[staging->filling];
}

static inline struct staging_half *staging_draining(struct staging *staging)
{
    return &staging->half[!staging->filling];
}

/* Room for `size` bytes at the end of what is filled. */
uint8_t *staging_add(struct staging *staging, size_t size);

/* Turn the halves round: the one that is drained must be empty. */
void staging_swap(struct staging *staging);

/* All of a half is written: return the pages of a burst (it need not be locked against those who
 * append), then call it empty. */
void staging_give_back(const struct staging_half *half);
void staging_empty(struct staging_half *half);
