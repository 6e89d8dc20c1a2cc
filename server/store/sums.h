/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sums over the records of RECORD_SUMMED kinds, by run: kept where effects are applied, so that to
 * ask for them costs the same however many records there are.
 *
 * Only partition_apply changes them (and order_build makes them, after recovery).
 */
#pragma once

#include "server/store/record.h"

/* Of the records of a kind in a run: how many, and the sums of the numbers they end with
 * (record_summed). */
struct sums_row {
    uint32_t run;
    uint8_t kind; /* KIND_NONE: there is no row here */
    uint64_t records, numbers[RECORD_SUMMED_NUMBERS];
};

/* A table of rows that are not 0; begins as zeros. */
struct sums {
    struct sums_row *rows;
    size_t capacity, used;
};

void sums_deinit(struct sums *sums);

/* Make sure that records of `runs` more runs can be added. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int sums_reserve(struct sums *sums, size_t runs);

/* A record of any kind comes, or goes. */
void sums_add(struct sums *sums, const struct record *record);
void sums_remove(struct sums *sums, const struct record *record);

/* Fill an empty table with these. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int sums_build(struct sums *sums, void *const *records, size_t n);

/* Add those of a run and kind, which it names, to what the row has already. */
void sums_read(const struct sums *sums, struct sums_row *row);

/* Memory held. */
size_t sums_bytes(const struct sums *sums);
