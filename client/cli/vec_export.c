/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Export of vectors: see vec_copy.h.
 *
 *   vec.keys with vectors and metadata, page by page  -->  {"key": ..., "vector": [...], ...}
 *
 * How: floats are written with the fewest digits that read back as the same; whatever JSON has no
 * words for is written as json.h says, so that an import gives the same keys and metadata.
 *
 * Threads: one. Failures: told on stderr.
 */
#include "client/cli/bulk.h"
#include "client/cli/json.h"
#include "client/cli/run.h"
#include "client/cli/vec_copy.h"
#include "client/cli/vec_text.h"
#include "common/err.h"
#include "proto/pack.h"

#include <inttypes.h>
#include <unistd.h>

enum { EXPORT_PAGE_BYTES = 1 << 20, EXPORT_PAGE_MAX = 1000, EXPORT_NIL = 0xc0 };

struct export
{
    struct session *session;
    struct args args; /* of vec.keys */
    char limit[24];
    struct buf cursor, page, line, text;
    uint64_t count;
    FILE *out;
};

/* A field of a line, if the item has it. */
static int export_field(struct export *ex, struct bytes item, const char *name)
{
    struct bytes value = bulk_get(item, name);
    int err = pack_str(&ex->line, bytes_of(name));
    return err != 0 ? err : buf_append(&ex->line, value.data, value.size);
}

static int export_item(struct export *ex, struct bytes item)
{
    struct bytes metadata = bulk_get(item, "metadata");
    bool has_metadata = metadata.size > 0 && metadata.data[0] != EXPORT_NIL;
    if (bulk_get(item, "key").size == 0 || bulk_get(item, "vector").size == 0)
        return ERR_BAD_REQUEST;
    ex->line.size = ex->text.size = 0;
    int err = pack_map(&ex->line, has_metadata ? 3 : 2);
    (void)(err == 0 && (err = export_field(ex, item, "key")) == 0 &&
           (err = export_field(ex, item, "vector")) == 0 && has_metadata &&
           (err = export_field(ex, item, "metadata")) == 0);
    if (err == 0)
        err = json_out_exact(buf_bytes(&ex->line), &ex->text);
    if (err == 0)
        err = buf_append(&ex->text, "\n", 1);
    if (err == 0)
        fwrite(ex->text.data, 1, ex->text.size, ex->out);
    ex->count += err == 0;
    return err;
}

static int export_items(struct export *ex, struct bytes result)
{
    struct print_page page;
    struct bytes item;
    ex->page.size = ex->cursor.size = 0;
    int err = vec_text_reply(result, &ex->page);
    if (err == 0 && !print_find_page(buf_bytes(&ex->page), &page))
        err = ERR_BAD_REQUEST;
    for (uint32_t i = 0; err == 0 && i < page.count; i++)
        err = print_skip(&page.items, &item) ? export_item(ex, item) : ERR_BAD_REQUEST;
    if (err == 0 && page.cursor.data != NULL)
        err = buf_append(&ex->cursor, page.cursor.data, page.cursor.size);
    return err;
}

/* Fetch and write one page. An exit code. */
static int export_page(struct export *ex, struct usage *usage)
{
    struct bytes result;
    struct buf params;
    int code = EXIT_DONE;
    buf_init(&params);
    int err = args_pack(&ex->args, ex->cursor.size > 0 ? buf_bytes(&ex->cursor) : BYTES_NONE,
                        &params, usage);
    if (err == 0 &&
        session_call(ex->session, ex->args.op->name, buf_bytes(&params), &result) != CAIRN_OK)
        code = session_tell(&ex->session->error);
    else if (err == 0)
        err = export_items(ex, result);
    buf_deinit(&params);
    return err != 0 ? run_internal(err) : code;
}

static void export_word(struct export *ex, const char *name, const char *text)
{
    int i = op_arg_find(ex->args.op, bytes_of(name));
    if (i >= 0)
        ex->args.word[i] = (struct args_word){text, text[0] == 0};
}

/* Pages of about EXPORT_PAGE_BYTES, by the dimension of the collection. */
static int export_begin(struct export *ex, const struct args *args, struct usage *usage)
{
    struct args info = args_for(args, &op_table[OP_vec_info]);
    struct bytes result;
    struct buf params;
    uint64_t dim = 1;
    int code = EXIT_DONE;
    buf_init(&params);
    int err = args_pack(&info, BYTES_NONE, &params, usage);
    if (err == 0 &&
        session_call(ex->session, info.op->name, buf_bytes(&params), &result) != CAIRN_OK)
        code = session_tell(&ex->session->error);
    else if (err == 0 && result.size > 0 && result.data[0] == EXPORT_NIL) {
        fprintf(stderr, "cairn: there is no such collection\n");
        code = EXIT_ABSENT;
    } else if (err == 0)
        (void)bulk_number(result, "dim", &dim);
    buf_deinit(&params);
    uint64_t rows = EXPORT_PAGE_BYTES / ((dim > 0 ? dim : 1) * sizeof(float));
    snprintf(ex->limit, sizeof ex->limit, "%" PRIu64,
             rows == 0                ? 1
             : rows < EXPORT_PAGE_MAX ? rows
                                      : EXPORT_PAGE_MAX);
    return err != 0 ? run_internal(err) : code;
}

int vec_export_run(struct session *session, struct args *args, struct bytes params,
                   struct printer *printer, struct usage *usage)
{
    struct export ex = {.session = session, .out = printer->out};
    (void)params;
    ex.args = args_for(args, &op_table[OP_vec_keys]);
    int code = export_begin(&ex, args, usage);
    export_word(&ex, "with_vectors", "");
    export_word(&ex, "with_metadata", "");
    export_word(&ex, "limit", ex.limit);
    while (code == EXIT_DONE) {
        code = export_page(&ex, usage);
        bool last = code != EXIT_DONE || ex.cursor.size == 0 || ferror(ex.out) != 0;
        if (printer->columns == 0)
            bulk_progress("vectors exported", ex.count, last);
        if (last)
            break;
    }
    buf_deinit(&ex.cursor);
    buf_deinit(&ex.page);
    buf_deinit(&ex.line);
    buf_deinit(&ex.text);
    return code;
}
