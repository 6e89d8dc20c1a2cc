/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Export of vectors: see vec_copy.h.
 *
 *   vec.keys with vectors and metadata, page by page  -->  {"key": ..., "vector": [...], ...}
 *
 * or, with --format npy, rows and lines of two files (vec_npy.h).
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
#include "client/cli/vec_npy.h"
#include "client/cli/vec_text.h"
#include "common/err.h"
#include "proto/pack.h"

#include <errno.h>
#include <inttypes.h>

enum { EXPORT_PAGE_BYTES = 1 << 20, EXPORT_PAGE_MAX = 1000, EXPORT_NIL = 0xc0 };

struct export
{
    struct session *session;
    struct args args; /* of vec.keys */
    char limit[24];
    struct buf cursor, page, line, text;
    uint64_t count;
    FILE *out; /* of lines; NULL: npy */
    struct vec_npy npy;
    struct usage *usage;
};

/* A field of a line, if the item has it. */
static int export_field(struct export *ex, struct bytes item, const char *name)
{
    struct bytes value = bulk_get(item, name);
    int err = pack_str(&ex->line, bytes_of(name));
    return err != 0 ? err : buf_append(&ex->line, value.data, value.size);
}

static int export_line(struct export *ex, struct bytes item, bool has_metadata)
{
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
    return err;
}

static int export_item(struct export *ex, struct bytes item)
{
    struct bytes metadata = bulk_get(item, "metadata"), vector = bulk_get(item, "vector");
    bool has_metadata = metadata.size > 0 && metadata.data[0] != EXPORT_NIL;
    if (bulk_get(item, "key").size == 0 || vector.size == 0)
        return ERR_BAD_REQUEST;
    int err = ex->out != NULL ? export_line(ex, item, has_metadata)
                              : vec_npy_add(&ex->npy, bulk_get(item, "key"), vector,
                                            has_metadata ? metadata : BYTES_NONE, ex->usage);
    ex->count += err == 0;
    return err;
}

static int export_items(struct export *ex, struct bytes result)
{
    struct print_page page;
    struct bytes item;
    ex->page.size = ex->cursor.size = 0;
    int err = ex->out != NULL ? vec_text_reply(result, &ex->page)
                              : buf_append(&ex->page, result.data, result.size);
    if (err == 0 && !print_find_page(buf_bytes(&ex->page), &page))
        err = ERR_BAD_REQUEST;
    for (uint32_t i = 0; err == 0 && i < page.count; i++)
        err = print_skip(&page.items, &item) ? export_item(ex, item) : ERR_BAD_REQUEST;
    if (err == 0 && page.cursor.data != NULL)
        err = buf_append(&ex->cursor, page.cursor.data, page.cursor.size);
    return err;
}

/* An exit code for an error of ours, which is told. */
static int export_told(const struct export *ex, int err)
{
    if (err != ERR_BAD_ARGUMENT)
        return run_internal(err);
    fprintf(stderr, "cairn: %s\n", ex->usage->text);
    return EXIT_USAGE;
}

/* Fetch and write one page. An exit code. */
static int export_page(struct export *ex)
{
    struct bytes result;
    struct buf params;
    int code = EXIT_DONE;
    buf_init(&params);
    int err = args_pack(&ex->args, ex->cursor.size > 0 ? buf_bytes(&ex->cursor) : BYTES_NONE,
                        &params, ex->usage);
    if (err == 0 &&
        session_call(ex->session, ex->args.op->name, buf_bytes(&params), &result) != CAIRN_OK)
        code = session_tell(&ex->session->error);
    else if (err == 0)
        err = export_items(ex, result);
    buf_deinit(&params);
    return err != 0 ? export_told(ex, err) : code;
}

static void export_word(struct export *ex, const char *name, const char *text)
{
    int i = op_arg_find(ex->args.op, bytes_of(name));
    if (i >= 0)
        ex->args.word[i] = (struct args_word){text, text[0] == 0};
}

/* Ask for the dimension of the collection. An exit code. */
static int export_ask(struct export *ex, const struct args *args, uint64_t *out_dim)
{
    struct args info = args_for(args, &op_table[OP_vec_info]);
    struct bytes result;
    struct buf params;
    int code = EXIT_DONE;
    buf_init(&params);
    int err = args_pack(&info, BYTES_NONE, &params, ex->usage);
    if (err == 0 &&
        session_call(ex->session, info.op->name, buf_bytes(&params), &result) != CAIRN_OK)
        code = session_tell(&ex->session->error);
    else if (err == 0 && result.size > 0 && result.data[0] == EXPORT_NIL) {
        fprintf(stderr, "cairn: there is no such collection\n");
        code = EXIT_ABSENT;
    } else if (err == 0 && (!bulk_number(result, "dim", out_dim) || *out_dim == 0))
        err = ERR_BAD_REQUEST;
    buf_deinit(&params);
    return err != 0 ? export_told(ex, err) : code;
}

/* Pages of about EXPORT_PAGE_BYTES, by the dimension of the collection. */
static void export_words(struct export *ex, uint64_t dim)
{
    uint64_t rows = EXPORT_PAGE_BYTES / (dim * sizeof(float));
    snprintf(ex->limit, sizeof ex->limit, "%" PRIu64,
             rows == 0                ? 1
             : rows < EXPORT_PAGE_MAX ? rows
                                      : EXPORT_PAGE_MAX);
    export_word(ex, "with_vectors", "");
    export_word(ex, "with_metadata", "");
    export_word(ex, "limit", ex->limit);
}

static const char *export_text(const struct args *args, const char *name)
{
    int i = op_arg_find(args->op, bytes_of(name));
    return i >= 0 ? args->word[i].text : NULL;
}

/* Where it goes to: lines to `out` or a file, npy to two files. 0, or told in *usage. */
static int export_open(struct export *ex, const struct args *args, FILE *out, uint64_t dim)
{
    const char *format = export_text(args, "format"), *path = export_text(args, "file");
    bool npy = format != NULL && strcmp(format, "npy") == 0;
    if (path != NULL && strcmp(path, "-") == 0)
        path = NULL;
    if (!npy && format != NULL && strcmp(format, "json") != 0)
        return usage_set(ex->usage, "--format is json or npy, not '%.100s'", format);
    if (npy && path == NULL)
        return usage_set(ex->usage, "--format npy writes two files: name the first, as in cairn "
                                    "vec export docs docs.npy --format npy");
    if (npy)
        return vec_npy_open(&ex->npy, path, dim, ex->usage);
    ex->out = path == NULL ? out : fopen(path, "wbe");
    return ex->out != NULL ? 0
                           : usage_set(ex->usage, "cannot open %.300s: %s", path, strerror(errno));
}

/* An exit code: that so far, if there was an error. stdout is for others to look at. */
static int export_close(struct export *ex, FILE *out, int code)
{
    int err = 0;
    if (ex->npy.path != NULL)
        err = vec_npy_close(&ex->npy, code == EXIT_DONE, ex->usage);
    else if (ex->out != NULL && ex->out != out) {
        bool failed = ferror(ex->out) != 0;
        if (fclose(ex->out) != 0 || failed)
            err = usage_set(ex->usage, "cannot write the file: %s", strerror(errno));
    }
    return err != 0 && code == EXIT_DONE ? export_told(ex, err) : code;
}

/* All pages. An exit code. */
static int export_pages(struct export *ex, bool shows_progress)
{
    int code = EXIT_DONE;
    for (bool last = false; !last;) {
        code = export_page(ex);
        last =
            code != EXIT_DONE || ex->cursor.size == 0 || (ex->out != NULL && ferror(ex->out) != 0);
        if (shows_progress)
            bulk_progress("vectors exported", ex->count, last);
    }
    return code;
}

int vec_export_run(struct session *session, struct args *args, struct bytes params,
                   struct printer *printer, struct usage *usage)
{
    struct export ex = {.session = session, .usage = usage};
    uint64_t dim = 0;
    (void)params;
    ex.args = args_for(args, &op_table[OP_vec_keys]);
    int code = export_ask(&ex, args, &dim);
    if (code == EXIT_DONE) {
        int err = export_open(&ex, args, printer->out, dim);
        export_words(&ex, dim);
        code = err != 0 ? export_told(&ex, err)
                        : export_pages(&ex, printer->columns == 0 || ex.out != printer->out);
    }
    code = export_close(&ex, printer->out, code);
    buf_deinit(&ex.cursor);
    buf_deinit(&ex.page);
    buf_deinit(&ex.line);
    buf_deinit(&ex.text);
    return code;
}
