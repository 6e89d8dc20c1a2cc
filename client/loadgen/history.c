/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Remembers what keys held.
 *
 * How: a table with one place for each key; a key that is met later takes it over. What is judged
 * holds whatever order requests in flight are answered in: a value is stale only if it was there
 * before another that is known was even asked for, and that other one was there before the read
 * was sent.
 *
 * Invariants: a key in the table has an event. Threads: that of the connection.
 * Failures: ERR_OUT_OF_MEMORY.
 */
#include "client/loadgen/history.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"

#include <string.h>

int history_init(struct history *history)
{
    if (history->keys == NULL)
        history->keys = mem_calloc(HISTORY_KEYS, sizeof *history->keys);
    if (history->keys == NULL)
        return ERR_OUT_OF_MEMORY;
    history_clear(history);
    return 0;
}

void history_deinit(struct history *history)
{
    mem_free(history->keys);
    history->keys = NULL;
}

void history_clear(struct history *history)
{
    memset(history->keys, 0, HISTORY_KEYS * sizeof *history->keys);
}

static struct history_key *history_place(const struct history *history, uint64_t key)
{
    return &history->keys[rng_mix(key) % HISTORY_KEYS];
}

void history_note(struct history *history, uint64_t key, struct history_event event)
{
    struct history_key *place = history_place(history, key);
    if (place->key != key)
        place->n = 0;
    place->key = key;
    for (unsigned i = 0; i < place->n; i++)
        if (place->events[i].value == event.value)
            return; /* when it came first says most */
    if (place->n < HISTORY_VALUES)
        place->n++;
    memmove(place->events + 1, place->events, (place->n - 1) * sizeof event);
    place->events[0] = event;
}

/* Did the key hold another value at some time from `after` until the read was sent? */
static bool history_overtaken(const struct history_key *place, uint64_t value, uint64_t after,
                              uint64_t sent)
{
    for (unsigned i = 0; i < place->n; i++) {
        const struct history_event *event = &place->events[i];
        if (event->value != value && event->sent >= after && event->answered <= sent)
            return true;
    }
    return false;
}

enum history_verdict history_judge(const struct history *history, uint64_t key, uint64_t value,
                                   uint64_t sent)
{
    const struct history_key *place = history_place(history, key);
    uint64_t after = 0; /* what never was there is stale if anything was */
    bool known = false;
    if (place->n == 0 || place->key != key)
        return HISTORY_UNKNOWN;
    for (unsigned i = 0; i < place->n; i++)
        if (place->events[i].value == value) {
            after = place->events[i].answered;
            known = true;
        }
    if (!known && value != HISTORY_NOTHING)
        return HISTORY_UNKNOWN;
    if (history_overtaken(place, value, after, sent))
        return HISTORY_STALE;
    return known ? HISTORY_GOOD : HISTORY_UNKNOWN;
}
