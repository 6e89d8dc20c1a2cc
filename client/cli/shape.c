/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MessagePack to tables.
 *
 * How: a first look at the elements decides the shape and the columns, a second pass fills in the
 * cells. Text stands in a cell without quotes unless it would then read as something else: what is
 * shown can be typed back.
 *
 * Invariants: what does not fit a shape is shown as JSON, never left out; columns stay within
 * TABLE_COLUMNS_MAX.
 * Threads: one. Failures: no memory; ERR_BAD_REQUEST for what is not MessagePack.
 */
#include "client/cli/shape.h"

#include "client/cli/columns.h"
#include "client/cli/json.h"
#include "common/err.h"
#include "common/mem.h"

#include <ctype.h>
#include <math.h>

enum { SHAPE_TITLE_BYTES = 128 };

/* ---- Cells ---------------------------------------------------------------------------------- */

/* Would this text read as JSON, or with blanks at its ends as something else? */
static bool shape_is_ambiguous(struct bytes text)
{
    struct usage ignored;
    struct buf scratch;
    buf_init(&scratch);
    bool blank = text.data[0] == ' ' || text.data[text.size - 1] == ' ';
    bool is_json = json_in(text, &scratch, &ignored) != ERR_BAD_REQUEST;
    buf_deinit(&scratch);
    return blank || is_json;
}

/* A figure of the server, with three digits behind the point. */
static int shape_real(double real, struct buf *out)
{
    char text[400]; /* of the largest double, too */
    int n = snprintf(text, sizeof text, fabs(real) < 1e9 ? "%.3f" : "%.3g", real);
    return buf_append(out, text, (size_t)n);
}

static int shape_text(struct bytes packed, bool rounded, struct buf *out, bool *out_number)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct mp mp;
    *out_number = false;
    if (mp_read(&reader, &mp) != 0)
        return ERR_BAD_REQUEST;
    if ((mp.kind == MP_STR || mp.kind == MP_BIN) && print_is_plain(mp.bytes) &&
        !shape_is_ambiguous(mp.bytes))
        return buf_append(out, mp.bytes.data, mp.bytes.size);
    *out_number = mp.kind == MP_UINT || mp.kind == MP_SINT || mp.kind == MP_FLOAT;
    if (mp.kind == MP_FLOAT && rounded)
        return shape_real(mp.real, out);
    return json_out(packed, 0, out);
}

/* The next cell. rounded: a figure of the server, not a value of a client. */
static int shape_cell(struct table *table, bool rounded, struct bytes packed)
{
    struct buf text;
    bool number = false;
    buf_init(&text);
    int err = packed.size == 0 ? 0 : shape_text(packed, rounded, &text, &number);
    if (err == 0)
        err = table_cell(table, buf_bytes(&text), packed.size > 0 && number);
    buf_deinit(&text);
    return err;
}

/* ---- Looking at values ---------------------------------------------------------------------- */

/* The header of a value, and a reader behind it. */
static bool shape_open(struct bytes packed, struct mp *out_head, struct mp_reader *out_inside)
{
    *out_inside = mp_reader_of(packed);
    return mp_read(out_inside, out_head) == 0;
}

/* A key that is text, and its value. */
static bool shape_pair(struct mp_reader *reader, struct bytes *out_key, struct bytes *out_value)
{
    bool text;
    return mp_read_bytes(reader, out_key, &text) == 0 && print_skip(reader, out_value);
}

/* The value of a key in a map; size 0 if it has none. */
static struct bytes shape_get(struct bytes map, struct bytes wanted)
{
    struct mp_reader reader;
    struct mp head;
    struct bytes key, value;
    if (!shape_open(map, &head, &reader) || head.kind != MP_MAP)
        return BYTES_NONE;
    for (uint32_t i = 0; i < head.count && shape_pair(&reader, &key, &value); i++)
        if (bytes_equal(key, wanted))
            return value;
    return BYTES_NONE;
}

struct shape_columns {
    unsigned count;
    struct bytes names[TABLE_COLUMNS_MAX];
};

/* Add the keys of a map that are not there yet; false if it is none, or there are too many. */
static bool shape_add_keys(struct bytes map, struct shape_columns *columns)
{
    struct mp_reader reader;
    struct mp head;
    struct bytes key, value;
    if (!shape_open(map, &head, &reader) || head.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        unsigned k = 0;
        if (!shape_pair(&reader, &key, &value))
            return false;
        while (k < columns->count && !bytes_equal(columns->names[k], key))
            k++;
        if (k == TABLE_COLUMNS_MAX)
            return false;
        if (k == columns->count)
            columns->names[columns->count++] = key;
    }
    return true;
}

/* ---- Arrays --------------------------------------------------------------------------------- */

/* Names for n columns out of "[key, value, ...]" in a text of ops.def. */
static bool shape_names_in(const char *text, unsigned n, struct shape_columns *out)
{
    for (const char *at = strchr(text, '['); at != NULL; at = strchr(at + 1, '[')) {
        const char *p = at + 1;
        out->count = 0;
        while (isalpha((unsigned char)*p) && out->count < n) {
            size_t size = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
            out->names[out->count++] = (struct bytes){(const uint8_t *)p, size};
            p += size;
            p += strspn(p, ", ");
        }
        if (out->count == n && *p == ']')
            return true;
    }
    return false;
}

/* What the items of a list of `op` are called if they are arrays of n. */
static bool shape_names_of(const struct op *op, unsigned n, struct shape_columns *out)
{
    if (shape_names_in(op->reply, n, out))
        return true;
    for (unsigned i = 0; i < op->n_args; i++)
        if (shape_names_in(op->args[i].text, n, out))
            return true;
    return false;
}

/* Are all elements arrays of one length? That length, else 0. */
static unsigned shape_width_of(struct mp_reader reader, uint32_t count)
{
    struct bytes item;
    unsigned width = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct mp_reader inside;
        struct mp head;
        if (!print_skip(&reader, &item) || !shape_open(item, &head, &inside) ||
            head.kind != MP_ARRAY || head.count == 0 || head.count > TABLE_COLUMNS_MAX ||
            (i > 0 && head.count != width))
            return 0;
        width = head.count;
    }
    return width;
}

/* The columns of an array of maps; false if it is none. */
static bool shape_keys_of(struct mp_reader reader, uint32_t count, struct shape_columns *out)
{
    struct bytes item;
    out->count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!print_skip(&reader, &item) || !shape_add_keys(item, out))
            return false;
    return out->count > 0;
}

static int shape_head(struct table *table, const struct shape_columns *columns)
{
    int err = 0;
    for (unsigned i = 0; i < columns->count && err == 0; i++)
        err = table_name(table, (const char *)columns->names[i].data, columns->names[i].size);
    return err;
}

static int shape_map_row(struct table *table, struct bytes map, const struct shape_columns *columns)
{
    int err = 0;
    for (unsigned i = 0; i < columns->count && err == 0; i++)
        err = shape_cell(table, true, shape_get(map, columns->names[i]));
    return err;
}

/* Is there nothing to show: no value, nil, or an empty text? */
static bool shape_is_blank(struct bytes packed)
{
    return packed.size == 0 || packed.data[0] == 0xc0 || packed.data[0] == 0xa0;
}

static int shape_chosen_cell(struct table *table, const struct column *column, struct bytes value)
{
    struct buf text;
    bool number = column->form == COLUMN_SCORE;
    buf_init(&text);
    bool plain = column->form == COLUMN_PLAIN || column->form == COLUMN_WHOLE;
    int err = shape_is_blank(value) ? 0
              : plain               ? shape_text(value, true, &text, &number)
                                    : columns_text(column, value, &text);
    if (err == 0)
        err = table_cell(table, buf_bytes(&text), number);
    buf_deinit(&text);
    return err;
}

static int shape_chosen_row(struct table *table, struct bytes map, const struct columns *chosen)
{
    int err = 0;
    for (const struct column *c = chosen->column; c->key != NULL && err == 0; c++)
        err = shape_chosen_cell(table, c, shape_get(map, bytes_of(c->key)));
    return err;
}

static int shape_array_row(struct table *table, struct bytes array)
{
    struct mp_reader reader;
    struct mp head;
    struct bytes part;
    int err = shape_open(array, &head, &reader) ? 0 : ERR_BAD_REQUEST;
    for (uint32_t i = 0; err == 0 && i < head.count; i++)
        err = print_skip(&reader, &part) ? shape_cell(table, false, part) : ERR_BAD_REQUEST;
    return err;
}

/* What the rows of an array are, by a look at all of them. */
struct shape_rows {
    struct shape_columns columns; /* count 0: no names */
    unsigned width;               /* 0: not rows, but single values */
    bool maps;
    const struct columns *chosen; /* of maps; NULL: all keys */
};

static struct shape_rows shape_rows_of(struct mp_reader reader, uint32_t count, const struct op *op)
{
    struct shape_rows rows = {.width = 0, .chosen = columns_of(op)};
    if (rows.chosen != NULL) {
        for (; rows.chosen->column[rows.width].key != NULL; rows.width++)
            rows.columns.names[rows.width] = bytes_of(rows.chosen->column[rows.width].name);
        rows.columns.count = rows.width;
        return rows;
    }
    rows.maps = shape_keys_of(reader, count, &rows.columns);
    if (rows.maps) {
        rows.width = rows.columns.count;
        return rows;
    }
    rows.width = shape_width_of(reader, count);
    if (op == NULL || !shape_names_of(op, rows.width > 0 ? rows.width : 1, &rows.columns))
        rows.columns.count = 0;
    return rows;
}

static int shape_fill(struct table *table, const struct shape_rows *rows, struct mp_reader reader,
                      uint32_t count)
{
    struct bytes item;
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        if (!print_skip(&reader, &item))
            return ERR_BAD_REQUEST;
        err = rows->chosen != NULL ? shape_chosen_row(table, item, rows->chosen)
              : rows->maps         ? shape_map_row(table, item, &rows->columns)
              : rows->width > 0    ? shape_array_row(table, item)
                                   : shape_cell(table, false, item);
    }
    return err;
}

/* ---- Maps ----------------------------------------------------------------------------------- */

/* Is this a map of two maps or more, all with the same keys? */
static bool shape_is_grid(struct bytes map, struct shape_columns *out)
{
    struct mp_reader reader, inside;
    struct mp head, row;
    struct bytes key, value;
    unsigned first = 0;
    out->count = 0;
    if (!shape_open(map, &head, &reader) || head.kind != MP_MAP || head.count < 2)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (!shape_pair(&reader, &key, &value) || !shape_add_keys(value, out) ||
            !shape_open(value, &row, &inside))
            return false;
        first = i == 0 ? out->count : first;
        if (row.count != first || out->count != first)
            return false;
    }
    return first > 0 && first < TABLE_COLUMNS_MAX;
}

static int shape_grid(struct bytes map, const struct shape_columns *columns, FILE *out,
                      unsigned width)
{
    struct mp_reader reader;
    struct mp head;
    struct bytes key, value;
    struct table table;
    table_init(&table, columns->count + 1);
    int err = shape_open(map, &head, &reader) ? table_name(&table, "name", 4) : ERR_BAD_REQUEST;
    if (err == 0)
        err = shape_head(&table, columns);
    for (uint32_t i = 0; err == 0 && i < head.count; i++) {
        err = shape_pair(&reader, &key, &value) ? table_cell(&table, key, false) : ERR_BAD_REQUEST;
        if (err == 0)
            err = shape_map_row(&table, value, columns);
    }
    if (err == 0)
        table_write(&table, width, out);
    table_deinit(&table);
    return err;
}

/* Are all keys of a map text? */
static bool shape_has_names(struct mp_reader reader, uint32_t count)
{
    struct bytes key, value;
    for (uint32_t i = 0; i < count; i++)
        if (!shape_pair(&reader, &key, &value))
            return false;
    return true;
}

/* Does this value stand below, as a table of its own? */
static bool shape_is_nested(struct bytes packed)
{
    struct mp_reader reader;
    struct mp head;
    struct shape_columns columns;
    if (!shape_open(packed, &head, &reader) || (head.kind != MP_ARRAY && head.kind != MP_MAP) ||
        head.count == 0)
        return false;
    if (head.kind == MP_MAP)
        return shape_has_names(reader, head.count);
    return shape_keys_of(reader, head.count, &columns) || shape_width_of(reader, head.count) > 0;
}

/* The entries of a map that are not nested, as two columns. *out_any: there were some. */
static int shape_entries(struct bytes map, FILE *out, unsigned width, bool *out_any)
{
    struct mp_reader reader;
    struct mp head;
    struct bytes key, value;
    struct table table;
    table_init(&table, 2);
    table.is_text[1] = true; /* next to its name, number or not */
    int err = shape_open(map, &head, &reader) ? 0 : ERR_BAD_REQUEST;
    *out_any = false;
    for (uint32_t i = 0; err == 0 && i < head.count; i++) {
        if (!shape_pair(&reader, &key, &value))
            err = ERR_BAD_REQUEST;
        if (err != 0 || shape_is_nested(value))
            continue;
        *out_any = true;
        err = table_cell(&table, key, false);
        if (err == 0)
            err = shape_cell(&table, true, value);
    }
    if (err == 0)
        table_write(&table, width, out);
    table_deinit(&table);
    return err;
}

static int shape_any(struct bytes packed, FILE *out, unsigned width);

static int shape_map(struct bytes map, FILE *out, unsigned width)
{
    struct mp_reader reader;
    struct mp head;
    struct bytes key, value;
    bool any;
    int err = shape_entries(map, out, width, &any);
    if (err == 0 && !shape_open(map, &head, &reader))
        err = ERR_BAD_REQUEST;
    for (uint32_t i = 0; err == 0 && i < head.count; i++) {
        if (!shape_pair(&reader, &key, &value))
            return ERR_BAD_REQUEST;
        if (!shape_is_nested(value))
            continue;
        fprintf(out, any ? "\n%.*s:\n" : "%.*s:\n",
                (int)(print_is_plain(key) && key.size < SHAPE_TITLE_BYTES ? key.size : 0),
                (const char *)key.data);
        any = true;
        err = shape_any(value, out, width);
    }
    return err;
}

static int shape_array(struct mp_reader reader, uint32_t count, FILE *out, unsigned width)
{
    struct shape_rows rows = shape_rows_of(reader, count, NULL);
    struct table table;
    table_init(&table, rows.width > 0 ? rows.width : 1);
    int err = shape_head(&table, &rows.columns);
    if (err == 0)
        err = shape_fill(&table, &rows, reader, count);
    if (err == 0)
        table_write(&table, width, out);
    table_deinit(&table);
    return err;
}

/* Nesting is bounded by what the connection accepts (MP_DEPTH_MAX). */
static int shape_any(struct bytes packed, FILE *out, unsigned width)
{
    struct mp_reader reader;
    struct mp head;
    struct shape_columns columns;
    if (!shape_open(packed, &head, &reader))
        return ERR_BAD_REQUEST;
    if (head.kind == MP_ARRAY)
        return shape_array(reader, head.count, out, width);
    return shape_is_grid(packed, &columns) ? shape_grid(packed, &columns, out, width)
                                           : shape_map(packed, out, width);
}

int shape_reply(struct bytes packed, FILE *out, unsigned columns, bool *out_shaped)
{
    *out_shaped = shape_is_nested(packed);
    return *out_shaped ? shape_any(packed, out, columns) : 0;
}

/* ---- Lists ---------------------------------------------------------------------------------- */

/* The table that the pages share: a new one, or, if the shape is another, a fresh one. */
static int shape_table_for(const struct shape_rows *rows, struct table **table)
{
    unsigned columns = rows->width > 0 ? rows->width : 1;
    if (*table != NULL && (*table)->columns == columns && !rows->maps) {
        table_next_page(*table);
        return 0;
    }
    shape_list_end(*table);
    *table = mem_alloc(sizeof **table);
    if (*table == NULL)
        return ERR_OUT_OF_MEMORY;
    table_init(*table, columns);
    for (unsigned i = 0; rows->chosen != NULL && i < columns; i++)
        (*table)->is_whole[i] = rows->chosen->column[i].form == COLUMN_WHOLE;
    return shape_head(*table, &rows->columns);
}

int shape_list(const struct print_page *page, const struct op *op, FILE *out, unsigned columns,
               struct table **table)
{
    if (page->count == 0)
        return 0;
    struct shape_rows rows = shape_rows_of(page->items, page->count, op);
    int err = shape_table_for(&rows, table);
    if (err == 0)
        err = shape_fill(*table, &rows, page->items, page->count);
    if (err == 0)
        table_write(*table, columns, out);
    return err;
}

void shape_list_end(struct table *table)
{
    if (table != NULL)
        table_deinit(table);
    mem_free(table);
}
