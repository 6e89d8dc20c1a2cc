/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sums by run: open addressing, one row for each run and kind that has records.
 *
 * Sums wrap around as unsigned numbers do: what a record added it takes away again, whatever bytes
 * it ends with.
 *
 * Invariants
 *   1. A row is there if and only if it counts a record; from the place its hash names up to it no
 *      place is empty.
 *   2. At least half of the places are empty.
 *
 * Threads: as the partition. Failures: memory, which is reserved while planning.
 */
#include "server/store/sums.h"

#include "common/err.h"
#include "common/mem.h"

enum { SUMS_FIRST = 16 };

void sums_deinit(struct sums *sums)
{
    mem_free(sums->rows);
    *sums = (struct sums){0};
}

static size_t sums_home(const struct sums *sums, uint32_t run, uint8_t kind)
{
    uint64_t mixed = (((uint64_t)run << 8) | kind) * 0x9e3779b97f4a7c15u;
    return (size_t)(mixed >> 32) & (sums->capacity - 1);
}

/* The row of a run and kind, or the empty place where it would be. */
static struct sums_row *sums_at(const struct sums *sums, uint32_t run, uint8_t kind)
{
    size_t i = sums_home(sums, run, kind);
    while (sums->rows[i].kind != KIND_NONE &&
           (sums->rows[i].run != run || sums->rows[i].kind != kind))
        i = (i + 1) & (sums->capacity - 1);
    return &sums->rows[i];
}

int sums_reserve(struct sums *sums, size_t runs)
{
    struct sums larger = {.capacity = sums->capacity == 0 ? SUMS_FIRST : sums->capacity,
                          .used = sums->used};
    while (larger.capacity < 2 * (sums->used + runs))
        larger.capacity *= 2;
    if (larger.capacity == sums->capacity)
        return 0;
    larger.rows = mem_calloc(larger.capacity, sizeof *larger.rows);
    if (larger.rows == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < sums->capacity; i++)
        if (sums->rows[i].kind != KIND_NONE)
            *sums_at(&larger, sums->rows[i].run, sums->rows[i].kind) = sums->rows[i];
    mem_free(sums->rows);
    *sums = larger;
    return 0;
}

/* Empty a place; what stands behind it moves up where it may. */
static void sums_empty(struct sums *sums, size_t hole)
{
    size_t mask = sums->capacity - 1;
    for (size_t i = (hole + 1) & mask; sums->rows[i].kind != KIND_NONE; i = (i + 1) & mask) {
        size_t home = sums_home(sums, sums->rows[i].run, sums->rows[i].kind);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        sums->rows[hole] = sums->rows[i];
        hole = i;
    }
    sums->rows[hole] = (struct sums_row){0};
    sums->used--;
}

static bool sums_counts(const struct record *record)
{
    return record_kinds[record_kind_of(record)].flags & RECORD_SUMMED;
}

void sums_add(struct sums *sums, const struct record *record)
{
    uint64_t numbers[RECORD_SUMMED_NUMBERS];
    if (!sums_counts(record))
        return;
    struct sums_row *row = sums_at(sums, record_run(record), record_kind_of(record));
    if (row->kind == KIND_NONE) {
        REQUIRE(2 * sums->used < sums->capacity);
        *row = (struct sums_row){.run = record_run(record), .kind = record_kind_of(record)};
        sums->used++;
    }
    record_summed(record_value(record), numbers);
    row->records++;
    for (size_t i = 0; i < RECORD_SUMMED_NUMBERS; i++)
        row->numbers[i] += numbers[i];
}

void sums_remove(struct sums *sums, const struct record *record)
{
    uint64_t numbers[RECORD_SUMMED_NUMBERS];
    if (!sums_counts(record))
        return;
    struct sums_row *row = sums_at(sums, record_run(record), record_kind_of(record));
    REQUIRE(row->records > 0);
    record_summed(record_value(record), numbers);
    for (size_t i = 0; i < RECORD_SUMMED_NUMBERS; i++)
        row->numbers[i] -= numbers[i];
    if (--row->records == 0)
        sums_empty(sums, (size_t)(row - sums->rows));
}

int sums_build(struct sums *sums, void *const *records, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int err = sums_counts(records[i]) ? sums_reserve(sums, 1) : 0;
        if (err != 0)
            return err;
        sums_add(sums, records[i]);
    }
    return 0;
}

void sums_read(const struct sums *sums, struct sums_row *row)
{
    if (sums->used == 0)
        return;
    const struct sums_row *found = sums_at(sums, row->run, row->kind);
    row->records += found->records;
    for (size_t i = 0; i < RECORD_SUMMED_NUMBERS; i++)
        row->numbers[i] += found->numbers[i];
}

size_t sums_bytes(const struct sums *sums)
{
    return sums->capacity * sizeof *sums->rows;
}
