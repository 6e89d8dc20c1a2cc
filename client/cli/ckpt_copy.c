/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Export and import of checkpoints: see ckpt_copy.h.
 *
 *   ckpt.export, page by page  -->  file        file  -->  verify all  -->  ckpt.import, in parts
 *
 * How: an import reads its file twice, and holds an item and a part of it. It asks the server for
 * its limits, so that a part is never refused for its size, and what can be refused is, before
 * anything is sent: also a file that was changed meanwhile. With --mode fail it also asks for the
 * sessions.
 *
 * Threads: one. Failures: told on stderr; an export that did not come to its end is a file that no
 * import takes.
 */
#include "client/cli/ckpt_copy.h"

#include "client/cli/bulk.h"
#include "client/cli/ckpt_file.h"
#include "client/cli/ckpt_item.h"
#include "client/cli/ckpt_writer.h"
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
    int session_at = op_arg_find(args->op, bytes_of("session"));
    bool named = session_at >= 0 && args->word[session_at].text != NULL;
    if (err == 0 && named && writer.count == 0) { /* a wrong name must not pass for a backup */
        fprintf(stderr, "cairn: there is no such session\n");
        err = EXIT_ABSENT;
    }
    ckpt_writer_deinit(&writer);
    buf_deinit(&cursor);
    return err < 0 ? run_internal(err) : err;
}

/* ---- import ---- */

struct import {
    struct session *session;
    struct input_file input;
    struct ckpt_file file;
    struct usage *usage;
    struct bytes options; /* pairs of names and values behind the header of the map, packed */
    uint32_t n_options;
    struct bulk_limits limits;
    struct buf part, params; /* items that are sent at once; the arguments they are sent in */
    uint64_t sent, in_part;
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

/* Why nothing was imported, or nothing of what follows. */
static int import_tell(const struct import *im, int err)
{
    if (err != ERR_BAD_ARGUMENT)
        return run_internal(err);
    if (im->sent == 0)
        fprintf(stderr, "cairn: nothing was imported: %s\n", im->usage->text);
    else
        fprintf(stderr, "cairn: only items 1 to %" PRIu64 " were imported: %s\n", im->sent,
                im->usage->text);
    return EXIT_USAGE;
}

/* Is there a session of this item already? */
static int import_find_session(struct import *im, const struct args *args, uint64_t i)
{
    struct ckpt_item item;
    struct bytes packed, result;
    int err = ckpt_file_get(&im->file, i, &packed);
    if (err != 0)
        return import_tell(im, err);
    if (!ckpt_item_read(packed, &item) || item.checkpoint)
        return EXIT_DONE;
    err = import_pack_session(args, item.session, &im->params);
    if (err != 0)
        return run_internal(err);
    if (session_call(im->session, "ckpt.session_get", buf_bytes(&im->params), &result) != CAIRN_OK)
        return session_tell(&im->session->error);
    if (result.data[0] == 0xc0)
        return EXIT_DONE;
    fprintf(stderr, "cairn: nothing was imported: there is a session of item %" PRIu64 "\n", i);
    return EXIT_ANSWERED_ERROR;
}

static int import_find_sessions(struct import *im, const struct args *args)
{
    int code = EXIT_DONE;
    for (uint64_t i = 1; i <= im->file.count && code == EXIT_DONE; i++)
        code = import_find_session(im, args, i);
    return code;
}

/* {options..., items: [those of the part]} */
static int import_pack(struct import *im)
{
    struct buf *out = &im->params;
    out->size = 0;
    int err = pack_map(out, im->n_options + 1);
    (void)(err == 0 && (err = buf_append(out, im->options.data, im->options.size)) == 0 &&
           (err = pack_str(out, bytes_of("items"))) == 0 &&
           (err = pack_array(out, im->in_part)) == 0 &&
           (err = buf_append(out, im->part.data, im->part.size)) == 0);
    return err;
}

static int import_send(struct import *im)
{
    struct bytes result;
    int err = import_pack(im);
    if (err != 0)
        return run_internal(err);
    if (session_call(im->session, "ckpt.import", buf_bytes(&im->params), &result) != CAIRN_OK) {
        int code = session_tell(&im->session->error);
        fprintf(stderr,
                "cairn: that was for items %" PRIu64 " to %" PRIu64 "; those before were "
                "imported\n",
                im->sent + 1, im->sent + im->in_part);
        return code;
    }
    for (unsigned i = 0; i < COPY_TOTALS; i++) {
        uint64_t number = 0;
        (void)bulk_number(result, import_totals[i], &number);
        im->totals[i] += number;
    }
    im->sent += im->in_part;
    im->in_part = im->part.size = 0;
    bulk_progress("items imported", im->sent, im->sent == im->file.count);
    return EXIT_DONE;
}

/* Add an item to the part, which is sent before if it would become too large. */
static int import_item(struct import *im, uint64_t i)
{
    struct bytes item;
    int err = ckpt_file_get(&im->file, i, &item);
    if (err != 0)
        return import_tell(im, err);
    if (im->in_part > 0 &&
        (im->in_part == im->limits.items || im->part.size + item.size > BULK_PART_BYTES)) {
        int code = import_send(im);
        if (code != EXIT_DONE)
            return code;
    }
    err = buf_append(&im->part, item.data, item.size);
    im->in_part++;
    return err != 0 ? run_internal(err) : EXIT_DONE;
}

static int import_send_all(struct import *im)
{
    int code = EXIT_DONE;
    if (input_file_changed(&im->input)) {
        (void)usage_set(im->usage, "the file was changed while it was read");
        return import_tell(im, ERR_BAD_ARGUMENT);
    }
    for (uint64_t i = 1; i <= im->file.count && code == EXIT_DONE; i++)
        code = import_item(im, i);
    return code == EXIT_DONE && im->in_part > 0 ? import_send(im) : code;
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

static void import_verified(uint64_t items)
{
    bulk_progress("items verified", items, false);
}

/* The first pass: what is refused is told. */
static int import_verify(struct import *im, const struct args *args)
{
    int err = input_file_open(&im->input, args->input, args->has_lines, im->usage);
    if (err != 0)
        return import_tell(im, err);
    err = ckpt_file_verify(&im->file, &im->input, import_verified, im->usage);
    if (err != ERR_BAD_ARGUMENT)
        return err != 0 ? run_internal(err) : EXIT_DONE;
    fprintf(stderr, "cairn: nothing was imported: the file is refused: %s\n", im->usage->text);
    return EXIT_USAGE;
}

int ckpt_import_run(struct session *session, struct args *args, struct bytes params,
                    struct printer *printer, struct usage *usage)
{
    struct import im = {.session = session, .usage = usage, .input = {.fd = -1}};
    struct mp_reader reader = mp_reader_of(params);
    struct mp head;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return run_internal(ERR_INTERNAL);
    im.options = (struct bytes){reader.at, (size_t)(reader.end - reader.at)};
    im.n_options = head.count;
    int code = import_verify(&im, args);
    if (code == EXIT_DONE)
        code = import_file(&im, args, printer);
    ckpt_file_deinit(&im.file);
    input_file_close(&im.input);
    buf_deinit(&im.part);
    buf_deinit(&im.params);
    return code;
}
