/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes client/common/vector_table: the input is a file, .npy or .fvecs. Rows are of one
 * dimension and finite, no more is held than was read, what is wrong has a sentence. If the size of
 * the file is that of its rows, each is read again by going to it, as loadgen does.
 */
#include "client/common/vector_table.h"

#include "common/err.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 20 };

static void check_row(const struct vector_table *table, struct bytes row)
{
    REQUIRE(table->elements.dim > 0 && table->elements.dim <= ELEMENTS_MAX);
    REQUIRE(row.size == table->elements.dim * sizeof(float));
    for (size_t at = 0; at < row.size; at += sizeof(float)) {
        float element;
        memcpy(&element, row.data + at, sizeof element);
        REQUIRE(isfinite(element));
    }
}

static void check_error(int got, const struct usage *usage)
{
    REQUIRE(got == 0 || (got == ERR_BAD_ARGUMENT && usage->text[0] != 0));
}

/* All rows from the first on; how many there are. */
static uint64_t read_rows(struct vector_table *table, size_t size, struct usage *usage)
{
    struct bytes row;
    int got;
    while ((got = vector_table_next(table, &row, usage)) == 1) {
        check_row(table, row);
        REQUIRE(table->window->raw.capacity <= size + ROOM);
        REQUIRE(window_offset(table->window) <= size);
    }
    check_error(got, usage);
    return table->row;
}

/* What was measured is there: no row is missing, though one may be no vector. */
static void read_again(struct vector_table *table, size_t size, uint64_t good, struct usage *usage)
{
    struct bytes row;
    REQUIRE(table->rows <= size && good <= table->rows);
    for (uint64_t i = 0; i < good && i < 16; i++) {
        REQUIRE(vector_table_seek(table, good - 1 - i, usage) == 0);
        REQUIRE(vector_table_next(table, &row, usage) == 1);
        check_row(table, row);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct window window;
    struct vector_table table;
    struct usage usage = {""};
    FILE *in = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "rb") : NULL;
    if (in == NULL)
        return 0;
    window_init(&window, in);
    int got = vector_table_begin(&table, &window, &usage);
    if (got == 1) {
        uint64_t good = read_rows(&table, size, &usage);
        usage.text[0] = 0;
        int err = vector_table_measure(&table, size, &usage);
        check_error(err, &usage);
        if (err == 0)
            read_again(&table, size, good, &usage);
    } else
        check_error(got, &usage);
    vector_table_deinit(&table);
    window_deinit(&window);
    fclose(in);
    return 0;
}
