/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The two halves of staging: see the drawing in staging.h.
 *
 * Anonymous mappings without a reservation of swap. The log is written from here, without a copy.
 *
 * Invariant: what is filled never exceeds `capacity`. Those who append look at wal_is_behind first,
 * so it is their number that bounds it, not what clients send.
 *
 * Threads: the caller locks.
 * Failures: only staging_init.
 */
#include "server/wal/staging.h"

#include "common/clock.h"

#include <sys/mman.h>

static uint8_t *staging_map(size_t capacity)
{
    void *base = mmap(NULL, capacity, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return base == MAP_FAILED ? NULL : base;
}

bool staging_init(struct staging *staging, size_t capacity)
{
    *staging = (struct staging){.capacity = capacity};
    for (int i = 0; i < 2; i++) {
        staging->half[i].base = staging_map(capacity);
        if (staging->half[i].base == NULL) {
            staging_deinit(staging);
            return false;
        }
    }
    return true;
}

void staging_deinit(struct staging *staging)
{
    for (int i = 0; i < 2; i++)
        if (staging->half[i].base != NULL)
            (void)munmap(staging->half[i].base, staging->capacity);
    *staging = (struct staging){.filling = 0};
}

uint8_t *staging_add(struct staging *staging, size_t size)
{
    struct staging_half *half = staging_filling(staging);
    REQUIRE(size <= staging->capacity - half->used);
    uint8_t *at = half->base + half->used;
    if (half->used == 0)
        half->since_ticks = clock_ticks();
    half->used += size;
    return at;
}

void staging_swap(struct staging *staging)
{
    REQUIRE(staging_draining(staging)->used == 0);
    staging->filling = !staging->filling;
}

void staging_give_back(const struct staging_half *half)
{
    if (half->used > STAGING_KEPT)
        (void)madvise(half->base + STAGING_KEPT, half->used - STAGING_KEPT, MADV_DONTNEED);
}

void staging_empty(struct staging_half *half)
{
    half->done = half->used = 0;
    half->since_ticks = 0;
}
