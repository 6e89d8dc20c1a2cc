/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeps what kind of request happened when.
 *
 * How: as client/loadgen/series.c: the caller hands in all that was recorded so far; what was there
 * at the last row is subtracted. Rows are merged by adding their cells.
 *
 * Invariants: all kinds have the same rows; rows follow each other without a gap.
 * Threads: the main thread. Failures: none.
 */
#include "client/loadgen/kinds.h"

#include <string.h>

void kinds_init(struct kinds *kinds, const struct snapshot *begun)
{
    memset(kinds, 0, sizeof *kinds);
    kinds->interval_ns = KINDS_INTERVAL_NS;
    kinds->begun_ns = kinds->seen_ns = begun->now_ns;
    kinds->cpu_before = begun->cpu;
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        hist_init(&kinds->before[i]);
}

bool kinds_due(const struct kinds *kinds, uint64_t now_ns)
{
    return now_ns - kinds->seen_ns >= kinds->interval_ns;
}

/* Add a span that follows. */
static void kinds_join(struct kinds_span *into, const struct kinds_span *from)
{
    into->length_ns += from->length_ns;
    snapshot_used_add(&into->used, &from->used);
}

static void kinds_halve(struct kinds *kinds)
{
    for (unsigned i = 0; i < KINDS_ROWS / 2; i++) {
        kinds->span[i] = kinds->span[2 * i];
        kinds_join(&kinds->span[i], &kinds->span[2 * i + 1]);
        for (unsigned kind = 0; kind < WORKLOAD_SHAPES; kind++) {
            kinds->row[kind][i] = kinds->row[kind][2 * i];
            cells_merge(&kinds->row[kind][i], &kinds->row[kind][2 * i + 1]);
        }
    }
    kinds->n = KINDS_ROWS / 2;
    kinds->interval_ns *= 2;
}

/* One more row, empty. */
static void kinds_open(struct kinds *kinds, struct kinds_span span)
{
    if (kinds->n == KINDS_ROWS)
        kinds_halve(kinds);
    kinds->span[kinds->n] = span;
    for (unsigned kind = 0; kind < WORKLOAD_SHAPES; kind++)
        memset(&kinds->row[kind][kinds->n], 0, sizeof kinds->row[kind][kinds->n]);
    kinds->n++;
}

void kinds_next(struct kinds *kinds, const struct snapshot *seen, bool last)
{
    const struct kinds_span span = {.start_ns = kinds->seen_ns - kinds->begun_ns,
                                    .length_ns = seen->now_ns - kinds->seen_ns,
                                    .used = snapshot_used(&kinds->cpu_before, &seen->cpu)};
    bool rest = last && 2 * span.length_ns < kinds->interval_ns; /* too short for its own rates */
    if (rest && kinds->n > 0)
        kinds_join(&kinds->span[kinds->n - 1], &span);
    else
        kinds_open(kinds, span);
    kinds->seen_ns = seen->now_ns;
    kinds->cpu_before = seen->cpu;
}

void kinds_fill(struct kinds *kinds, unsigned kind, const struct hist *all)
{
    cells_add(&kinds->row[kind][kinds->n - 1], all, &kinds->before[kind]);
    kinds->before[kind] = *all;
}

void kinds_append(struct kinds *into, const struct kinds *from)
{
    uint64_t end = 0;
    if (into->n > 0)
        end = into->span[into->n - 1].start_ns + into->span[into->n - 1].length_ns;
    for (unsigned i = 0; i < from->n; i++) {
        kinds_open(into, from->span[i]);
        into->span[into->n - 1].start_ns += end;
        for (unsigned kind = 0; kind < WORKLOAD_SHAPES; kind++)
            into->row[kind][into->n - 1] = from->row[kind][i];
    }
}

double kinds_rate(const struct kinds *kinds, unsigned kind, unsigned row)
{
    double seconds = (double)kinds->span[row].length_ns / 1e9;
    return seconds > 0 ? (double)kinds->row[kind][row].count / seconds : 0;
}

uint64_t kinds_requests(const struct kinds *kinds, unsigned row)
{
    uint64_t requests = 0;
    for (unsigned kind = 0; kind < WORKLOAD_SHAPES; kind++)
        requests += kinds->row[kind][row].count;
    return requests;
}
