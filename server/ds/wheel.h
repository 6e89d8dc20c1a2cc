/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hierarchical timer wheel: intrusive nodes ordered roughly by due time, O(1) add and remove, and
 * an advance that does a bounded amount of work per call (a slice may be continued by the next
 * call). After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
 *
 * Times are absolute milliseconds (any epoch, >= 0). A node is due if its time is <= now; the wheel
 * never gives out a node early, and gives it out at the latest when an advance has caught up with
 * now rounded down to a tick, that is up to WHEEL_TICK_MS - 1 late. If now goes back, nothing is
 * early either; nodes that were due and not taken by then may come up to 64 ticks late. Times
 * beyond the top level wait in the last slot and are sorted in again.
 *
 * Pure data structure: no clock, no locks; callers serialise all access to one wheel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded by the caller; fields belong to the wheel. 24 bytes. */
struct wheel_node {
    struct wheel_node *next;
    struct wheel_node **link; /* what points at us; NULL if not in a wheel */
    int64_t at_ms;            /* due time; read-only for the caller */
};

enum { WHEEL_LEVELS = 6, WHEEL_SLOTS = 64, WHEEL_TICK_MS = 4 };

struct wheel {
    int64_t tick;                    /* ticks before this one have been fully processed */
    size_t count;                    /* nodes in the wheel */
    uint64_t occupied[WHEEL_LEVELS]; /* bit per slot that is not empty, so empty time is skipped */
    struct wheel_node *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* An empty wheel whose time begins at now_ms. */
void wheel_init(struct wheel *wheel, int64_t now_ms);

/* Add a node (not in any wheel) that is due at at_ms; the past counts as due at once. */
void wheel_add(struct wheel *wheel, struct wheel_node *node, int64_t at_ms);

/* Take a node out of the wheel it is in. */
void wheel_remove(struct wheel *wheel, struct wheel_node *node);

/* The node moved to another address (already copied there): mend the links. */
void wheel_moved(struct wheel_node *node);

/* Take out and return one due node, or NULL. *budget is decreased by the steps taken (nodes looked
 * at or moved between levels, occupied slots visited); NULL with *budget <= 0 means "call again".
 * */
struct wheel_node *wheel_pop_due(struct wheel *wheel, int64_t now_ms, int *budget);

/* Earliest time at which wheel_pop_due may find work (a lower bound for the next node), or
 * INT64_MAX if the wheel is empty. */
int64_t wheel_next_ms(const struct wheel *wheel);
