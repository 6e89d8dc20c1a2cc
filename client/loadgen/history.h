/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a connection knows of keys it has written or read itself, to tell whether what it reads now
 * can be (read-your-writes, monotonic reads):
 *
 *   set 7      |---|
 *   set 9             |---|          in between the key has held 9, and 7 before
 *   get -> 7                 |---|   stale: 7 cannot have come back
 *   get -> 5                         nothing is known of 5: another connection may have written it
 *
 * A value is the number of the write it comes from. The last few keys are known, and the last few
 * values of each.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stdint.h>

enum { HISTORY_KEYS = 256, HISTORY_VALUES = 4 };

/* At some time from `sent` to `answered` the key held this value. */
struct history_event {
    uint64_t value;
    uint64_t sent, answered; /* clock_ticks */
};

struct history_key {
    uint64_t key;
    unsigned n;
    struct history_event events[HISTORY_VALUES]; /* the newest first */
};

struct history {
    struct history_key *keys; /* NULL: none is kept */
};

enum history_verdict {
    HISTORY_UNKNOWN, /* nothing speaks for or against it */
    HISTORY_GOOD,    /* the newest that is known, or newer */
    HISTORY_STALE,
};

#define HISTORY_NOTHING UINT64_MAX /* as a value: the key is not there */

/* Keep one, empty. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int history_init(struct history *history);
void history_deinit(struct history *history);

/* Forget all. */
void history_clear(struct history *history);

/* The key was written or read. A value that may come back must not be noted. */
void history_note(struct history *history, uint64_t key, struct history_event event);

/* What was read by a request sent at this time. */
enum history_verdict history_judge(const struct history *history, uint64_t key, uint64_t value,
                                   uint64_t sent);
