/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Printing results.
 *
 *   [["user:1", {"n": 1}]]   ->   user:1 TAB {"n": 1}
 *
 * How: each value becomes text in one buffer, which is then written; the first part of a list's
 * line stands without quotes if nothing in it could be mistaken.
 *
 * Lists on a terminal become tables (shape.c); anything else gets the same text wherever it goes.
 *
 * Invariants: but for --raw, no byte of a stored value reaches the terminal unescaped.
 * Threads: one. Failures: no memory, or nested too deeply; stdout's own errors are kept by stdio.
 */
#include "client/cli/print.h"

#include "client/cli/json.h"
#include "client/cli/shape.h"
#include "client/include/cairn.h"
#include "common/err.h"

#include <sys/ioctl.h>
#include <unistd.h>

enum {
    PRINT_NIL = 0xc0,
    PRINT_COLUMNS = 100,
    PRINT_INDENT = 2,
    PRINT_TERMINAL_COLUMNS = 80,
    PRINT_WIDTH_MAX = 1000000
};

/* Columns of the terminal behind this descriptor. */
static unsigned print_columns_of(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return PRINT_TERMINAL_COLUMNS;
}

void print_init(struct printer *printer, FILE *out, bool json, bool raw, bool table)
{
    *printer = (struct printer){.out = out, .json = json, .raw = raw};
    buf_init(&printer->text);
    int fd = fileno(out);
    printer->columns = fd >= 0 && isatty(fd) != 0 ? print_columns_of(fd) : 0;
    printer->tables = !json && !raw && (printer->columns > 0 || table);
    printer->width = printer->columns > 0 ? printer->columns : PRINT_WIDTH_MAX;
}

void print_deinit(struct printer *printer)
{
    buf_deinit(&printer->text);
    shape_list_end(printer->table);
    printer->table = NULL;
}

static void print_bytes(struct printer *printer, struct bytes bytes)
{
    if (bytes.size > 0)
        fwrite(bytes.data, 1, bytes.size, printer->out);
}

/* One value as JSON, without a line end. */
static int print_json(struct printer *printer, struct bytes packed, unsigned indent)
{
    printer->text.size = 0;
    int err = json_out(packed, indent, &printer->text);
    if (err == 0)
        print_bytes(printer, buf_bytes(&printer->text));
    return err;
}

/* Is this one str or bin? */
static bool print_as_bytes(struct bytes packed, struct bytes *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    bool text;
    return mp_read_bytes(&reader, out, &text) == 0;
}

int print_result(struct printer *printer, struct bytes packed)
{
    struct bytes bytes;
    if (printer->raw && print_as_bytes(packed, &bytes)) {
        print_bytes(printer, bytes);
        if (printer->columns > 0 && (bytes.size == 0 || bytes.data[bytes.size - 1] != '\n'))
            fputc('\n', printer->out); /* what comes next must not stand behind it */
        return 0;
    }
    printer->text.size = 0;
    int err = json_out(packed, 0, &printer->text);
    if (err == 0 && printer->text.size > PRINT_COLUMNS && !printer->json) {
        printer->text.size = 0;
        err = json_out(packed, PRINT_INDENT, &printer->text);
    }
    if (err == 0) {
        print_bytes(printer, buf_bytes(&printer->text));
        fputc('\n', printer->out);
    }
    return err;
}

bool print_skip(struct mp_reader *reader, struct bytes *out_packed)
{
    struct cairn_bytes rest = {reader->at, (size_t)(reader->end - reader->at)};
    const uint8_t *start = reader->at;
    if (cairn_unpack_skip(&rest) != CAIRN_OK)
        return false;
    reader->at = rest.data;
    *out_packed = (struct bytes){start, (size_t)(reader->at - start)};
    return true;
}

bool print_find_page(struct bytes packed, struct print_page *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct print_page page = {.count = 0};
    struct mp head, mp;
    struct bytes key, value;
    bool text, has_items = false;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0 || !print_skip(&reader, &value))
            return false;
        struct mp_reader inner = mp_reader_of(value);
        if (bytes_equal(key, bytes_of("cursor")) && value.data[0] != PRINT_NIL)
            page.cursor = value;
        if (bytes_equal(key, bytes_of("items")) && mp_read(&inner, &mp) == 0 &&
            mp.kind == MP_ARRAY) {
            page.items = inner;
            page.count = mp.count;
            has_items = true;
        }
    }
    if (has_items)
        *out = page;
    return has_items;
}

bool print_is_plain(struct bytes bytes)
{
    if (bytes.size == 0 || bytes.data[0] == '"' || bytes.data[0] == '{' || !mp_utf8_valid(bytes))
        return false;
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] < 0x20 || bytes.data[i] == 0x7f ||
            (bytes.data[i] == 0xc2 && bytes.data[i + 1] < 0xa0))
            return false;
    return true;
}

int print_part(struct printer *printer, struct bytes packed, bool first)
{
    struct bytes bytes;
    if (!first)
        fputc('\t', printer->out);
    if (print_as_bytes(packed, &bytes) && (printer->raw || (first && print_is_plain(bytes)))) {
        print_bytes(printer, bytes);
        return 0;
    }
    return print_json(printer, packed, 0);
}

/* One item of a list as a line. */
static int print_line(struct printer *printer, struct bytes packed)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct bytes part;
    struct mp head;
    int err = 0;
    if (mp_read(&reader, &head) == 0 && head.kind == MP_ARRAY)
        for (uint32_t i = 0; i < head.count && err == 0; i++)
            err = print_skip(&reader, &part) ? print_part(printer, part, i == 0) : ERR_BAD_REQUEST;
    else
        err = print_part(printer, packed, true);
    fputc('\n', printer->out);
    return err;
}

int print_list_begin(struct printer *printer)
{
    printer->items = 0;
    if (printer->json)
        fputs("{\"items\": [", printer->out);
    return 0;
}

static int print_lines(struct printer *printer, const struct print_page *page)
{
    struct mp_reader reader = page->items;
    struct bytes item;
    int err = 0;
    for (uint32_t i = 0; i < page->count && err == 0; i++) {
        if (!print_skip(&reader, &item))
            return ERR_BAD_REQUEST;
        if (printer->json && printer->items > 0)
            fputs(", ", printer->out);
        err = printer->json ? print_json(printer, item, 0) : print_line(printer, item);
        printer->items++;
    }
    return err;
}

int print_list_page(struct printer *printer, const struct op *op, const struct print_page *page)
{
    if (!printer->tables)
        return print_lines(printer, page);
    printer->items += page->count;
    return shape_list(page, op, printer->out, printer->width, &printer->table);
}

int print_list_end(struct printer *printer)
{
    if (printer->json)
        fputs("], \"cursor\": null}\n", printer->out);
    return 0;
}

int print_flush(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    fputs("cairn: the output could not be written\n", stderr);
    return EXIT_UNREACHABLE;
}
