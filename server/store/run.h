/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs: the namespaces records live in. A name is interned as a number that records carry; numbers
 * are never reused while the process lives.
 *
 * A run exists from its first write until it is dropped, also while it is empty. Dropping marks it:
 * from that instant every transaction that still holds it is told to look the name up again
 * (TXN_RETRY), so that for clients the run is gone at once, while its records are deleted in the
 * background.
 */
#pragma once

#include "common/buf.h"
#include "common/check.h"

struct run;
struct run_table;
struct store;

enum { RUN_NOWHERE = 0, RUN_FIRST = 1 };

/* `store`: whose journal is told of runs that come and go; NULL: nobody is. */
struct run_table *run_table_create(uint64_t runs_max, struct store *store) MUST_USE;
void run_table_destroy(struct run_table *table);

/* The bound on the number of runs; may be changed at any time. */
void run_table_set_max(struct run_table *table, uint64_t runs_max);

/* The run with this name, with a reference for the caller; NULL if there is none. */
struct run *run_find(struct run_table *table, struct bytes name);

/* As run_find, but created if absent. 0, ERR_OUT_OF_MEMORY or ERR_LIMIT_EXCEEDED. */
MUST_USE int run_open(struct run_table *table, struct bytes name, struct run **out_run);

/* Another reference; give one back (NULL is fine). */
struct run *run_ref(struct run *run);
void run_unref(struct run *run);

/* Mark as dropped and forget the name. The reference of the table passes to the caller, who deletes
 * the records and then gives it back. False if somebody else has dropped it before. */
bool run_drop(struct run_table *table, struct run *run);

/* What the log and snapshots tell: this name has this number; there is no run of this name any
 * more. Nobody else may use the table yet. 0, ERR_OUT_OF_MEMORY or ERR_DATA_DAMAGED. */
MUST_USE int run_restore(struct run_table *table, struct bytes name, uint32_t number);
void run_forget(struct run_table *table, struct bytes name);
/* Numbers up to this one have been given away. */
void run_skip_numbers(struct run_table *table, uint32_t last);
/* The last that was given away. Any thread. */
uint32_t run_last_number(struct run_table *table);

/* The numbers of all runs, for run_among. 0 or ERR_OUT_OF_MEMORY; to be released either way. */
MUST_USE int run_numbers(struct run_table *table, struct buf *out_numbers);
bool run_among(const struct buf *numbers, uint32_t number);

/* The value of a record of kind run, and back: RUN_NOWHERE if it is none. */
enum { RUN_VALUE_BYTES = 5 };
void run_write_value(uint32_t number, uint8_t out[static RUN_VALUE_BYTES]);
uint32_t run_read_value(struct bytes value);

/* The number in records; RUN_NOWHERE, which no record has, for NULL. */
uint32_t run_id(const struct run *run);
bool run_is_dropped(const struct run *run);
struct bytes run_name(const struct run *run);

/* Up to `max` runs in order of their names, from the first that is >= `from` (> if exclusive), with
 * a reference each. Returns how many. */
size_t run_page(struct run_table *table, struct bytes from, bool exclusive, size_t max,
                struct run **out_runs);
