/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Export and import of checkpoints: see ckpt_copy.h.
 *
 *   ckpt.export, page by page  -->  file        file  -->  verify all  -->  ckpt.import, in parts
 *
 * How: an import asks the server for its limits, so that a part is never refused for its size, and
 * what can be refused is, before anything is sent. With --mode fail it also asks for the sessions.
 *
 * Threads: one. Failures: told on stderr; an export that did not come to its end is a file that no
 * import takes.
 */
#include "client/cli/ckpt_copy.h"

#include "client/cli/bulk.h"
#include "client/cli/ckpt_file.h"
#include "client/cli/input.h"
#include "client/cli/run.h"
#include "common/err.h"
#include "proto/pack.h"

#include <inttypes.h>
#include <unistd.h>

enum { COPY_TOTALS = 3 };

/* ---- export ---- */

static int export_items(struct ckpt_writer *writer, const struct print_page *page)
{
    struct mp_reader reader = page->items;
    struct bytes item;
    int err = 0;
    for (uint32_t i = 0; i < page->count && err == 0; i++)
        err = print_skip(&reader, &item) ? ckpt_writer_add(writer, item) : ERR_BAD_REQUEST;
    return err;
}

/* Fetch one page; *cursor is where it begins, then where the next one does, or nothing. */
static int export_page(struct session *session, const struct args *args, struct ckpt_writer *writer,
                       struct buf *cursor, struct usage *usage)
{
    struct print_page page = {.count = 0};
    struct bytes result;
    struct buf params;
    buf_init(&params);
    int err = args_pack(args, cursor->size > 0 ? buf_bytes(cursor) : BYTES_NONE, &params, usage);
    if (err == 0 && session_call(session, args->op->name, buf_bytes(&params), &result) != CAIRN_OK)
        err = session_tell(&session->error);
    else if (err == 0)
        err = print_find_page(result, &page) ? export_items(writer, &page) : ERR_BAD_REQUEST;
    cursor->size = 0;
    if (err == 0 && page.cursor.data != NULL)
        err = buf_append(cursor, page.cursor.data, page.cursor.size);
    buf_deinit(&params);
    return err;
}

int ckpt_export_run(struct session *session, struct args *args, struct bytes params,
                    struct printer *printer, struct usage *usage)
{
    bool terminal = printer->columns > 0;
    struct ckpt_writer writer;
    struct buf cursor;
    (void)params;
    int limit = op_arg_find(args->op, bytes_of("limit"));
    if (limit >= 0 && args->word[limit].text == NULL)
        args->word[limit] = (struct args_word){"1000", false};
    buf_init(&cursor);
    int err = ckpt_writer_begin(&writer, printer->out, printer->json || terminal);
    do {
        if (err == 0)
            err = export_page(session, args, &writer, &cursor, usage);
        if (!terminal)
            bulk_progress("items exported", writer.count, err != 0 || cursor.size == 0);
    } while (err == 0 && cursor.size > 0 && ferror(printer->out) == 0);
    if (err == 0 && cursor.size == 0)
        err = ckpt_writer_end(&writer);
    ckpt_writer_deinit(&writer);
    buf_deinit(&cursor);
    return err < 0 ? run_internal(err) : err;
}

/* ---- import ---- */

struct import {
    struct session *session;
    struct ckpt_file file;
    struct bytes options; /* pairs of names and values behind the header of the map, packed */
    uint32_t n_options;
    struct bulk_limits limits;
    uint64_t sent;
    uint64_t totals[COPY_TOTALS];
};

static const char *const import_totals[COPY_TOTALS] = {"imported", "skipped", "overwritten"};

/* What one call may have. */
static int import_limits(struct import *im)
{
    int code = bulk_ask_limits(im->session, &im->limits);
    if (code != EXIT_DONE)
        return code;
    if (im->file.largest + im->options.size + BULK_ROOM > im->limits.bytes) {
        fprintf(stderr,
                "cairn: nothing was imported: item %" PRIu64 " has %zu bytes, and the server takes "
                "%" PRIu64 " in a request: raise limits.frame_bytes\n",
                im->file.which, im->file.largest, im->limits.bytes);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

/* {session: ..., run: ...}, the run if it is an option of the command. */
static int import_pack_session(const struct args *args, struct bytes session, struct buf *out)
{
    int run = op_arg_find(args->op, bytes_of("run"));
    const char *name = run >= 0 ? args->word[run].text : NULL;
    out->size = 0;
    int err = pack_map(out, name != NULL ? 2 : 1);
    (void)(err == 0 && (err = pack_str(out, bytes_of("session"))) == 0 &&
           (err = pack_bin(out, session)) == 0);
    if (err == 0 && name != NULL)
        err = pack_str(out, bytes_of("run"));
    return err == 0 && name != NULL ? pack_str(out, bytes_of(name)) : err;
}

/* Is there a session of the file already? */
static int import_find_sessions(struct import *im, const struct args *args)
{
    struct mp_reader reader = mp_reader_of(im->file.items);
    struct bytes item, session, result;
    struct buf params;
    bool checkpoint;
    int code = EXIT_DONE;
    buf_init(&params);
    for (uint64_t i = 0; i < im->file.count && code == EXIT_DONE; i++) {
        if (!print_skip(&reader, &item) || !ckpt_file_item(item, &session, &checkpoint) ||
            checkpoint)
            continue;
        int err = import_pack_session(args, session, &params);
        if (err != 0)
            code = run_internal(err);
        else if (session_call(im->session, "ckpt.session_get", buf_bytes(&params), &result) !=
                 CAIRN_OK)
            code = session_tell(&im->session->error);
        else if (result.data[0] != 0xc0) {
            fprintf(stderr, "cairn: nothing was imported: there is a session of item %" PRIu64 "\n",
                    i + 1);
            code = EXIT_ANSWERED_ERROR;
        }
    }
    buf_deinit(&params);
    return code;
}

/* {options..., items: [n of them]} */
static int import_pack(const struct import *im, struct bytes items, uint64_t n, struct buf *out)
{
    out->size = 0;
    int err = pack_map(out, im->n_options + 1);
    (void)(err == 0 && (err = buf_append(out, im->options.data, im->options.size)) == 0 &&
           (err = pack_str(out, bytes_of("items"))) == 0 && (err = pack_array(out, n)) == 0 &&
           (err = buf_append(out, items.data, items.size)) == 0);
    return err;
}

static int import_send(struct import *im, struct bytes items, uint64_t n, struct buf *params)
{
    struct bytes result;
    int err = import_pack(im, items, n, params);
    if (err != 0)
        return run_internal(err);
    if (session_call(im->session, "ckpt.import", buf_bytes(params), &result) != CAIRN_OK) {
        int code = session_tell(&im->session->error);
        fprintf(stderr,
                "cairn: that was for items %" PRIu64 " to %" PRIu64 "; those before were "
                "imported\n",
                im->sent + 1, im->sent + n);
        return code;
    }
    for (unsigned i = 0; i < COPY_TOTALS; i++) {
        uint64_t number = 0;
        (void)bulk_number(result, import_totals[i], &number);
        im->totals[i] += number;
    }
    im->sent += n;
    bulk_progress("items imported", im->sent, im->sent == im->file.count);
    return EXIT_DONE;
}

static int import_send_all(struct import *im)
{
    struct mp_reader reader = mp_reader_of(im->file.items);
    struct buf params;
    int code = EXIT_DONE;
    buf_init(&params);
    while (code == EXIT_DONE && im->sent < im->file.count) {
        const uint8_t *start = reader.at;
        uint64_t n = 0, left = im->file.count - im->sent;
        struct mp_reader next = reader;
        struct bytes item;
        while (n < left && n < im->limits.items && print_skip(&next, &item) &&
               (n == 0 || (size_t)(next.at - start) <= BULK_PART_BYTES)) {
            reader = next;
            n++;
        }
        code = import_send(im, (struct bytes){start, (size_t)(reader.at - start)}, n, &params);
    }
    buf_deinit(&params);
    return code;
}

static int import_print(const struct import *im, struct printer *printer)
{
    struct buf result;
    buf_init(&result);
    int err = pack_map(&result, COPY_TOTALS);
    for (unsigned i = 0; i < COPY_TOTALS && err == 0; i++) {
        err = pack_str(&result, bytes_of(import_totals[i]));
        if (err == 0)
            err = pack_uint(&result, im->totals[i]);
    }
    if (err == 0)
        err = print_result(printer, buf_bytes(&result));
    buf_deinit(&result);
    return err != 0 ? run_internal(err) : EXIT_DONE;
}

static int import_file(struct import *im, const struct args *args, struct printer *printer)
{
    int mode = op_arg_find(args->op, bytes_of("mode"));
    const char *word = mode >= 0 ? args->word[mode].text : NULL;
    int code = import_limits(im);
    if (code == EXIT_DONE && word != NULL && strcmp(word, "fail") == 0)
        code = import_find_sessions(im, args);
    if (code == EXIT_DONE)
        code = import_send_all(im);
    return code == EXIT_DONE ? import_print(im, printer) : code;
}

int ckpt_import_run(struct session *session, struct args *args, struct bytes params,
                    struct printer *printer, struct usage *usage)
{
    struct import im = {.session = session};
    struct mp_reader reader = mp_reader_of(params);
    struct buf input;
    struct mp head;
    buf_init(&input);
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return run_internal(ERR_INTERNAL);
    im.options = (struct bytes){reader.at, (size_t)(reader.end - reader.at)};
    im.n_options = head.count;
    int code = EXIT_USAGE;
    int err = input_read(args->input, args->has_lines, &input, usage);
    bool is_read = err == 0;
    if (is_read)
        err = ckpt_file_read(buf_bytes(&input), &im.file, usage);
    if (err == 0) {
        code = import_file(&im, args, printer);
        ckpt_file_deinit(&im.file);
    } else if (err == ERR_BAD_ARGUMENT)
        fprintf(stderr, "cairn: nothing was imported: %s%s\n",
                is_read ? "the file is refused: " : "", usage->text);
    else
        code = run_internal(err);
    buf_deinit(&input);
    return code;
}
