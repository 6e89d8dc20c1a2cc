/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct table: rows of cells, written with aligned columns no wider than the terminal.
 */
#pragma once

#include "common/buf.h"

#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 32 };

struct table {
    unsigned columns;
    bool has_names;                     /* a first line with the names of the columns */
    unsigned widths[TABLE_COLUMNS_MAX]; /* widest cell so far, in columns of the terminal */
    bool is_text[TABLE_COLUMNS_MAX];    /* not all cells are numbers: to the left */
    bool is_filled[TABLE_COLUMNS_MAX];  /* not all cells are empty */
    bool is_whole[TABLE_COLUMNS_MAX];   /* never cut: what is there will be typed or copied */
    struct buf text;                    /* of all cells, the names first */
    struct buf cells;                   /* struct table_cell */
};

/* A table with so many columns, 1 to TABLE_COLUMNS_MAX. */
void table_init(struct table *table, unsigned columns);
void table_deinit(struct table *table);

/* The name of the next column; all of them, or none, before the first cell. */
MUST_USE int table_name(struct table *table, const char *name, size_t size);

/* The next cell, row by row. is_number: it is aligned to the right, if all of its column are. The
 * text is copied; control characters in it become '?'. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int table_cell(struct table *table, struct bytes text, bool is_number);

/* Write all rows, in lines of at most `width` columns: where they are too wide, columns without any
 * text are left out, and long cells are cut and end in an ellipsis, but for those of columns that
 * are to stay whole; if even that does not help, each row becomes lines of name and cell. */
void table_write(const struct table *table, unsigned width, FILE *out);

/* Forget the rows, but not the names and the widths: what follows is aligned with what was written,
 * and has no line of names. */
void table_next_page(struct table *table);

/* Columns that UTF-8 text takes on a terminal. */
unsigned table_width(struct bytes text);
