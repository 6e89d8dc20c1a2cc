/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes client/loadgen/vector_file: the input is a file of vectors, .npy or .fvecs. What is taken
 * for one fits the file, whatever its header says, and what is read of it are finite numbers; less
 * of the header is never taken for more.
 */
#include "client/loadgen/vector_file.h"

#include "common/check.h"
#include "common/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rows(const uint8_t *data, size_t size, const struct vector_table *table)
{
    float *rows = calloc(table->rows * table->dim, sizeof *rows);
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
    uint64_t row = 0;
    REQUIRE(rows != NULL && file != NULL);
    int err = vector_table_read(file, table, 0, table->rows, rows, &row);
    REQUIRE((err == 0 || err == ERR_BAD_ARGUMENT) && row < table->rows);
    for (size_t i = 0; err == 0 && i < table->rows * table->dim; i++)
        REQUIRE(isfinite(rows[i]));
    fclose(file);
    free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vector_table table;
    const char *why;
    size_t head = size < VECTOR_FILE_HEAD ? size : VECTOR_FILE_HEAD;
    uint8_t *copy = malloc(head + (head == 0)); /* it ends where its memory ends */
    REQUIRE(copy != NULL);
    memcpy(copy, data, head);
    if (vector_table_find(copy, head, size, &table, &why)) {
        REQUIRE(table.dim > 0 && table.dim <= VECTOR_DIM_MAX && table.rows > 0);
        REQUIRE(table.begin + table.rows * table.stride <= size);
        check_rows(data, size, &table);
    } else
        REQUIRE(why != NULL);
    free(copy);
    return 0;
}
