/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Aligned tables for people.
 *
 *   key     value               widths: the widest cell of each column; if their sum is too much,
 *   ------  -----               the widest column gives way first
 *   user:1  {"name": "Ada…
 *
 * How: cells are kept as text with their width; nothing is written before all are there. Bytes that
 * are not UTF-8 count as one column each and are written as '?'.
 *
 * Invariants: no line is wider than the terminal (but where one column alone is), and no control
 * character is written.
 * Threads: one. Failures: no memory.
 */
#include "client/cli/table.h"

#include "common/err.h"

#include <wchar.h>

/* Only what is longer than TABLE_CELL_MIN is cut: half of an address helps nobody. */
enum { TABLE_GAP = 2, TABLE_CELL_MIN = 12 };

struct table_cell {
    size_t at, size; /* in table->text */
    unsigned width;
    bool is_number;
};

void table_init(struct table *table, unsigned columns)
{
    REQUIRE(columns >= 1 && columns <= TABLE_COLUMNS_MAX);
    *table = (struct table){.columns = columns};
    buf_init(&table->text);
    buf_init(&table->cells);
}

void table_deinit(struct table *table)
{
    buf_deinit(&table->text);
    buf_deinit(&table->cells);
}

/* ---- Characters ----------------------------------------------------------------------------- */

/* The character at the beginning of the text: its bytes and its columns. 0 columns and one byte to
 * be replaced: not printable. */
static size_t table_character(struct bytes text, int *out_columns)
{
    mbstate_t state = {0};
    wchar_t c;
    size_t n = mbrtowc(&c, (const char *)text.data, text.size, &state);
    *out_columns = n == 0 || n > text.size ? -1 : wcwidth(c);
    return n == 0 || n > text.size ? 1 : n;
}

/* Add text with what cannot be printed as '?'; *out_width: its columns. */
static int table_clean(struct bytes text, struct buf *out, unsigned *out_width)
{
    unsigned width = 0;
    int err = 0;
    while (text.size > 0 && err == 0) {
        int columns;
        size_t n = table_character(text, &columns);
        err = columns < 0 ? buf_append(out, "?", 1) : buf_append(out, text.data, n);
        width += columns < 0 ? 1 : (unsigned)columns;
        text = (struct bytes){text.data + n, text.size - n};
    }
    *out_width = width;
    return err;
}

unsigned table_width(struct bytes text)
{
    unsigned width = 0;
    while (text.size > 0) {
        int columns;
        size_t n = table_character(text, &columns);
        width += columns < 0 ? 1 : (unsigned)columns;
        text = (struct bytes){text.data + n, text.size - n};
    }
    return width;
}

/* How many bytes of clean text fit into so many columns. */
static size_t table_fitting(struct bytes text, unsigned width)
{
    size_t at = 0;
    while (at < text.size) {
        int columns;
        size_t n = table_character((struct bytes){text.data + at, text.size - at}, &columns);
        if (columns > 0 && (unsigned)columns > width)
            break;
        width -= columns > 0 ? (unsigned)columns : 0;
        at += n;
    }
    return at;
}

/* ---- Cells ---------------------------------------------------------------------------------- */

static unsigned table_count(const struct table *table)
{
    return (unsigned)(table->cells.size / sizeof(struct table_cell));
}

static const struct table_cell *table_at(const struct table *table, unsigned i)
{
    return (const struct table_cell *)(const void *)table->cells.data + i;
}

static int table_add(struct table *table, struct bytes text, bool is_number)
{
    struct table_cell cell = {table->text.size, 0, 0, is_number};
    unsigned *widest = &table->widths[table_count(table) % table->columns];
    int err = table_clean(text, &table->text, &cell.width);
    cell.size = table->text.size - cell.at;
    if (err == 0)
        err = buf_append(&table->cells, &cell, sizeof cell);
    if (err == 0 && cell.width > *widest)
        *widest = cell.width;
    return err;
}

int table_name(struct table *table, const char *name, size_t size)
{
    table->has_names = true;
    return table_add(table, (struct bytes){(const uint8_t *)name, size}, true);
}

int table_cell(struct table *table, struct bytes text, bool is_number)
{
    unsigned column = table_count(table) % table->columns;
    table->is_text[column] = table->is_text[column] || !is_number;
    table->is_filled[column] = table->is_filled[column] || text.size > 0;
    return table_add(table, text, is_number);
}

void table_next_page(struct table *table)
{
    table->has_names = false;
    table->text.size = table->cells.size = 0;
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* Widths that fit: 0 is left out; then the widest column that may be cut first. False: some would
 * become too narrow to read. */
static bool table_fit(const struct table *table, unsigned width, unsigned out[TABLE_COLUMNS_MAX])
{
    unsigned total = (table->columns - 1) * TABLE_GAP;
    for (unsigned i = 0; i < table->columns; i++) {
        bool fits = table->is_whole[i] || table->widths[i] < width;
        out[i] = fits ? table->widths[i] : width;
        total += out[i];
    }
    for (unsigned i = 0; i < table->columns && total > width; i++)
        if (!table->is_filled[i] && i > 0) {
            total -= out[i] + TABLE_GAP;
            out[i] = 0;
        }
    while (total > width) {
        unsigned widest = table->columns;
        for (unsigned i = 0; i < table->columns; i++)
            if (!table->is_whole[i] && (widest == table->columns || out[i] >= out[widest]))
                widest = i;
        if (widest == table->columns || out[widest] <= TABLE_CELL_MIN)
            return false;
        out[widest]--;
        total--;
    }
    return true;
}

static void table_pad(unsigned columns, char with, FILE *out)
{
    for (unsigned i = 0; i < columns; i++)
        fputc(with, out);
}

/* A cell in exactly `width` columns; without blanks behind the last of a line. */
static void table_write_cell(const struct table *table, const struct table_cell *cell,
                             unsigned width, bool right, bool last, FILE *out)
{
    struct bytes text = {table->text.data + cell->at, cell->size};
    bool cut = cell->width > width;
    size_t n = cut ? table_fitting(text, width > 0 ? width - 1 : 0) : text.size;
    unsigned used = cut ? table_width((struct bytes){text.data, n}) + 1 : cell->width;
    if (right)
        table_pad(width - used, ' ', out);
    if (n > 0)
        fwrite(text.data, 1, n, out);
    if (cut)
        fputs("…", out);
    if (!right && !last)
        table_pad(width - used, ' ', out);
}

static void table_write_row(const struct table *table, unsigned first,
                            const unsigned widths[TABLE_COLUMNS_MAX], FILE *out)
{
    unsigned n = table->columns; /* without empty cells at the end */
    while (n > 1 && (table_at(table, first + n - 1)->width == 0 || widths[n - 1] == 0))
        n--;
    for (unsigned i = 0; i < n; i++) {
        bool last = i + 1 == n;
        if (widths[i] == 0)
            continue;
        table_write_cell(table, table_at(table, first + i), widths[i], !table->is_text[i], last,
                         out);
        table_pad(last ? 0 : TABLE_GAP, ' ', out);
    }
    fputc('\n', out);
}

static void table_write_rule(const struct table *table, const unsigned widths[TABLE_COLUMNS_MAX],
                             FILE *out)
{
    for (unsigned i = 0; i < table->columns; i++) {
        table_pad(i == 0 || widths[i] == 0 ? 0 : TABLE_GAP, ' ', out);
        table_pad(widths[i], '-', out);
    }
    fputc('\n', out);
}

/* Each row as lines of name and cell, for tables that are too wide. */
static void table_write_tall(const struct table *table, unsigned width, FILE *out)
{
    unsigned first = table->has_names ? table->columns : 0, names = 0;
    for (unsigned i = 0; i < first; i++)
        names = table_at(table, i)->width > names ? table_at(table, i)->width : names;
    unsigned room = names + TABLE_GAP < width ? width - names - TABLE_GAP : 1;
    for (unsigned at = first; at < table_count(table); at++) {
        if (at > first && at % table->columns == 0)
            fputc('\n', out);
        if (first > 0) {
            table_write_cell(table, table_at(table, at % table->columns), names, false, false, out);
            table_pad(TABLE_GAP, ' ', out);
        }
        const struct table_cell *cell = table_at(table, at);
        bool whole = table->is_whole[at % table->columns];
        table_write_cell(table, cell, whole ? cell->width : room, false, true, out);
        fputc('\n', out);
    }
}

void table_write(const struct table *table, unsigned width, FILE *out)
{
    unsigned widths[TABLE_COLUMNS_MAX];
    if (!table_fit(table, width, widths)) {
        table_write_tall(table, width, out);
        return;
    }
    for (unsigned at = 0; at + table->columns <= table_count(table); at += table->columns) {
        table_write_row(table, at, widths, out);
        if (at == 0 && table->has_names)
            table_write_rule(table, widths, out);
    }
}
