/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hierarchical timer wheel with a resumable advance.
 *
 *     level 0:  64 slots of one tick (4 ms)           |  .  .  n  .  n  .  |
 *     level 1:  64 slots of 64 ticks (256 ms)         |  .  n  .  .  .  .  |
 *     ...                                                ^ cursor = (tick >> 6 * level) & 63
 *     level 5:  64 slots of 64^5 ticks (50 days)
 *
 * A node's due tick is its time rounded up. It waits at the level of the highest group of 6 bits in
 * which due tick and current tick differ, in the slot that the due tick's group names. When the
 * cursor of a level >= 1 reaches a slot, its nodes are placed again, at a lower level. The current
 * slot of level 0 holds what is due.
 *
 * Invariants:
 *  1. Placing never uses the slot at the cursor of a level >= 1. So nodes found there still have
 *     to be moved down, which an advance out of budget leaves to the next call.
 *  2. The tick never passes an occupied slot at any level without stopping there (wheel_next_tick).
 *     So a node is looked at no later than at its due tick.
 *  3. A node found too early (the clock went back, or its time was beyond the top level) is placed
 *     again, so that no node is given out before its due tick.
 *  4. A bit in `occupied` is set exactly if the slot is not empty.
 *
 * If now goes back, the tick follows it: by 2 and 3 all nodes still come out in time, except that
 * those that were due already and had not been taken may come 64 ticks late.
 *
 * Threads: none of its own; the caller serialises. Failures: none; nothing is allocated.
 */
#include "server/ds/wheel.h"

#include <string.h>

enum { WHEEL_BITS = 6 };

_Static_assert(WHEEL_SLOTS == 1 << WHEEL_BITS, "a slot number is one group of bits");
_Static_assert(sizeof(struct wheel_node) == 24, "embedded in every item with a deadline");

static inline unsigned wheel_shift(unsigned level)
{
    return WHEEL_BITS * level;
}

static inline unsigned wheel_cursor(const struct wheel *wheel, unsigned level)
{
    return (unsigned)(wheel->tick >> wheel_shift(level)) & (WHEEL_SLOTS - 1);
}

/* The first tick that is not before this time. */
static int64_t wheel_due_tick(int64_t at_ms)
{
    if (at_ms <= 0)
        return 0;
    return at_ms / WHEEL_TICK_MS + (at_ms % WHEEL_TICK_MS != 0);
}

static void wheel_link(struct wheel *wheel, unsigned level, unsigned slot, struct wheel_node *node)
{
    struct wheel_node **head = &wheel->slot[level][slot];
    node->next = *head;
    node->link = head;
    if (node->next != NULL)
        node->next->link = &node->next;
    *head = node;
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

/* Clear the bit of a slot that has become empty; `link` is its head if it points into the wheel. */
static void wheel_vacate(struct wheel *wheel, struct wheel_node **link)
{
    uintptr_t offset = (uintptr_t)link - (uintptr_t)&wheel->slot[0][0];
    if (offset >= sizeof wheel->slot)
        return;
    size_t slot = offset / sizeof *link;
    wheel->occupied[slot / WHEEL_SLOTS] &= ~(UINT64_C(1) << slot % WHEEL_SLOTS);
}

static void wheel_unlink(struct wheel *wheel, struct wheel_node *node)
{
    *node->link = node->next;
    if (node->next != NULL)
        node->next->link = node->link;
    else
        wheel_vacate(wheel, node->link);
    node->next = NULL;
    node->link = NULL;
}

/* Put a node where its time belongs as seen from the current tick. */
static void wheel_place(struct wheel *wheel, struct wheel_node *node)
{
    const unsigned top = wheel_shift(WHEEL_LEVELS - 1);
    int64_t due = wheel_due_tick(node->at_ms);
    unsigned level = 0;
    if (due <= wheel->tick)
        due = wheel->tick;
    else if ((due >> top) - (wheel->tick >> top) >= WHEEL_SLOTS)
        due = wheel->tick + ((int64_t)(WHEEL_SLOTS - 1) << top); /* the last slot */
    if (due > wheel->tick)
        level = (unsigned)(63 - __builtin_clzll((uint64_t)(due ^ wheel->tick))) / WHEEL_BITS;
    if (level >= WHEEL_LEVELS)
        level = WHEEL_LEVELS - 1;
    wheel_link(wheel, level, (unsigned)(due >> wheel_shift(level)) & (WHEEL_SLOTS - 1), node);
}

void wheel_init(struct wheel *wheel, int64_t now_ms)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->tick = now_ms < 0 ? 0 : now_ms / WHEEL_TICK_MS;
}

void wheel_add(struct wheel *wheel, struct wheel_node *node, int64_t at_ms)
{
    node->at_ms = at_ms;
    wheel->count++;
    wheel_place(wheel, node);
}

void wheel_remove(struct wheel *wheel, struct wheel_node *node)
{
    wheel_unlink(wheel, node);
    wheel->count--;
}

void wheel_moved(struct wheel_node *node)
{
    *node->link = node;
    if (node->next != NULL)
        node->next->link = &node->next;
}

/* The lowest level whose slot at the cursor holds nodes, or WHEEL_LEVELS. */
static unsigned wheel_pending(const struct wheel *wheel)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        if (wheel->occupied[level] >> wheel_cursor(wheel, level) & 1)
            return level;
    return WHEEL_LEVELS;
}

/* The tick at which some cursor next reaches an occupied slot. Nothing must be pending. */
static int64_t wheel_next_tick(const struct wheel *wheel)
{
    int64_t next = INT64_MAX;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t bits = wheel->occupied[level];
        unsigned turn = (wheel_cursor(wheel, level) + 1) % WHEEL_SLOTS;
        if (bits == 0)
            continue;
        bits = bits >> turn | bits << (WHEEL_SLOTS - turn) % WHEEL_SLOTS;
        int64_t steps = __builtin_ctzll(bits) + 1;
        int64_t tick = ((wheel->tick >> wheel_shift(level)) + steps) << wheel_shift(level);
        if (tick < next)
            next = tick;
    }
    return next;
}

/* Take the first node from the current slot at this level. Returned if due, else placed again. */
static struct wheel_node *wheel_take(struct wheel *wheel, unsigned level)
{
    struct wheel_node *node = wheel->slot[level][wheel_cursor(wheel, level)];
    wheel_unlink(wheel, node);
    if (wheel_due_tick(node->at_ms) <= wheel->tick) {
        wheel->count--;
        return node;
    }
    wheel_place(wheel, node);
    return NULL;
}

struct wheel_node *wheel_pop_due(struct wheel *wheel, int64_t now_ms, int *budget)
{
    int64_t now = now_ms < 0 ? 0 : now_ms / WHEEL_TICK_MS;
    if (now < wheel->tick)
        wheel->tick = now;
    while (*budget > 0) {
        unsigned level = wheel_pending(wheel);
        if (level < WHEEL_LEVELS) {
            --*budget;
            struct wheel_node *node = wheel_take(wheel, level);
            if (node != NULL)
                return node;
            continue;
        }
        int64_t next = wheel_next_tick(wheel);
        wheel->tick = next <= now ? next : now;
        if (next > now)
            return NULL;
        --*budget;
    }
    return NULL;
}

int64_t wheel_next_ms(const struct wheel *wheel)
{
    if (wheel->count == 0)
        return INT64_MAX;
    if (wheel_pending(wheel) < WHEEL_LEVELS)
        return wheel->tick * WHEEL_TICK_MS;
    int64_t tick = wheel_next_tick(wheel);
    return tick > INT64_MAX / WHEEL_TICK_MS ? INT64_MAX : tick * WHEEL_TICK_MS;
}
