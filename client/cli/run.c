/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One command on an open connection: call, print, exit code.
 *
 * How: the row of the operation tells what a result means: an operation on a key that returns nil,
 * or false to "true if ...", says that the key is absent; one that takes a cursor returns pages.
 *
 * Invariants: results go to stdout, everything else to stderr.
 * Threads: one. Failures: "cairn: CODE message" on stderr and the exit code for it.
 */
#include "client/cli/run.h"

#include "client/cli/base64.h"
#include "common/err.h"

#include <unistd.h>

int run_error(const struct cairn_error *error)
{
    fprintf(stderr, "cairn: %s %s\n", error->code, error->message);
    if (error->from_server)
        return EXIT_ANSWERED_ERROR;
    return error->status == CAIRN_BAD_ARGUMENT ? EXIT_USAGE : EXIT_UNREACHABLE;
}

int run_internal(int err)
{
    fprintf(stderr, "cairn: %s %s\n", err_name(err), err_text(err));
    return EXIT_UNREACHABLE;
}

/* Exit code for a result that arrived: 4 if it says that the key is absent. */
static int run_outcome(const struct op *op, struct bytes result)
{
    uint8_t first = result.size > 0 ? result.data[0] : 0;
    if (op == NULL || (op->flags & OP_KEYED) == 0)
        return EXIT_DONE;
    bool tells = strncmp(op->reply, "true if", 7) == 0;
    return first == 0xc0 || (first == 0xc2 && tells) ? EXIT_ABSENT : EXIT_DONE;
}

/* Did any call inside a batch fail? [[error, result]...] */
static bool run_batch_failed(struct bytes result)
{
    struct mp_reader reader = mp_reader_of(result);
    struct mp head, inner, error;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_ARRAY)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        struct mp_reader peek = reader;
        struct cairn_bytes rest = {reader.at, (size_t)(reader.end - reader.at)};
        if (mp_read(&peek, &inner) != 0 || inner.kind != MP_ARRAY || mp_read(&peek, &error) != 0 ||
            cairn_unpack_skip(&rest) != CAIRN_OK)
            return false;
        if (error.kind != MP_NIL)
            return true;
        reader.at = rest.data;
    }
    return false;
}

/* May the cursor be typed between apostrophes as it is? Else it is given as {"$bin": ...}. */
static bool run_is_typable(struct bytes cursor)
{
    for (size_t i = 0; i < cursor.size; i++)
        if (cursor.data[i] < 0x20 || cursor.data[i] >= 0x7f || cursor.data[i] == '\'')
            return false;
    return cursor.size > 0 && cursor.data[0] != '{';
}

/* How to get what is behind this page. */
static void run_note_more(struct bytes cursor)
{
    struct buf base64;
    if (run_is_typable(cursor)) {
        fprintf(stderr, "cairn: there is more: add --all, or --cursor='%.*s'\n", (int)cursor.size,
                (const char *)cursor.data);
        return;
    }
    buf_init(&base64);
    if (base64_encode(cursor, &base64) == 0)
        fprintf(stderr, "cairn: there is more: add --all, or --cursor='{\"$bin\": \"%.*s\"}'\n",
                (int)base64.size, (const char *)base64.data);
    buf_deinit(&base64);
}

static int run_print(struct printer *printer, const struct op *op, struct bytes result)
{
    struct print_page page;
    bool list =
        op != NULL && op_arg_find(op, bytes_of("cursor")) >= 0 && print_find_page(result, &page);
    int code = run_outcome(op, result);
    int err = 0;
    if (list && !printer->json)
        err = print_list_page(printer, &page);
    else if (code == EXIT_ABSENT && result.data[0] == 0xc0 && !printer->json)
        fprintf(stderr, "cairn: there is no such key\n");
    else
        err = print_result(printer, result);
    if (err == 0 && list && page.cursor.data != NULL)
        run_note_more(page.cursor);
    if (err == 0 && op != NULL && op->id == OP_batch && run_batch_failed(result))
        code = EXIT_ANSWERED_ERROR;
    return err != 0 ? run_internal(err) : code;
}

int run_call(struct cairn *c, const char *method, const struct op *op, struct bytes params,
             struct printer *printer)
{
    struct cairn_bytes result;
    if (cairn_call(c, method, cairn_view(params.data, params.size), &result) != CAIRN_OK)
        return run_error(cairn_error(c));
    return run_print(printer, op, (struct bytes){result.data, result.size});
}

static void run_progress(const struct printer *printer, bool last)
{
    if (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
        fprintf(stderr, "\r%llu items%s", (unsigned long long)printer->items, last ? "\n" : "");
}

/* Fetch one page and print it; *cursor is where it begins, then where the next one does. */
static int run_page(struct cairn *c, const struct args *args, struct printer *printer,
                    struct buf *cursor, bool *out_more, struct usage *usage)
{
    struct cairn_bytes result;
    struct print_page page;
    struct buf params;
    buf_init(&params);
    int err = args_pack(args, buf_bytes(cursor), &params, usage);
    if (err == 0 &&
        cairn_call(c, args->op->name, cairn_view(params.data, params.size), &result) != CAIRN_OK)
        err = run_error(cairn_error(c));
    else if (err == 0 && !print_find_page((struct bytes){result.data, result.size}, &page))
        err = run_internal(ERR_BAD_REQUEST);
    else if (err == 0)
        err = print_list_page(printer, &page);
    if (err == 0) {
        *out_more = page.cursor.data != NULL;
        cursor->size = 0;
        err = buf_append(cursor, page.cursor.data, page.cursor.size);
    }
    buf_deinit(&params);
    return err;
}

int run_all(struct cairn *c, struct args *args, struct printer *printer, struct usage *usage)
{
    struct buf cursor;
    bool more = true;
    int limit = op_arg_find(args->op, bytes_of("limit"));
    if (limit >= 0 && args->word[limit].text == NULL)
        args->word[limit] = (struct args_word){"1000", false};
    buf_init(&cursor);
    int err = print_list_begin(printer);
    while (err == 0 && more) {
        err = run_page(c, args, printer, &cursor, &more, usage);
        run_progress(printer, err != 0 || !more);
    }
    if (err == 0)
        err = print_list_end(printer);
    buf_deinit(&cursor);
    return err < 0 ? run_internal(err) : err;
}
