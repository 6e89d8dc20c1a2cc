/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One command on an open connection: call, print, exit code.
 *
 * How: the row of the operation tells what a result means: nil from one that returns "... or nil",
 * or false to "true if ...", says that there is no such thing; one that takes a cursor returns
 * pages.
 *
 * Invariants: results go to stdout, everything else to stderr.
 * Threads: one. Failures: "cairn: CODE message" on stderr and the exit code for it.
 */
#include "client/cli/run.h"

#include "client/cli/json.h"
#include "client/cli/shape.h"
#include "client/cli/vec_text.h"
#include "common/base64.h"
#include "common/err.h"

#include <unistd.h>

int run_internal(int err)
{
    fprintf(stderr, "cairn: %s %s\n", err_name(err), err_text(err));
    return EXIT_UNREACHABLE;
}

/* Does nil, as this operation replies it, say that there is no such thing? Elsewhere it is a value.
 */
static bool run_nil_is_absent(const struct op *op)
{
    static const char end[] = "or nil";
    size_t size = strlen(op->reply);
    return (op->flags & OP_KEYED) != 0 || strstr(op->reply, "nil if ") != NULL ||
           (size >= strlen(end) && strcmp(op->reply + size - strlen(end), end) == 0);
}

/* Exit code for a result that arrived: 4 if it says that what was asked for is absent. */
static int run_outcome(const struct op *op, struct bytes result)
{
    uint8_t first = result.size > 0 ? result.data[0] : 0;
    if (op == NULL)
        return EXIT_DONE;
    bool is_absent = (first == 0xc0 && run_nil_is_absent(op)) ||
                     (first == 0xc2 && strncmp(op->reply, "true if", 7) == 0);
    return is_absent ? EXIT_ABSENT : EXIT_DONE;
}

static void run_tell_absent(const struct op *op)
{
    fprintf(stderr, "cairn: there is no such %s\n",
            op->id == OP_vec_info           ? "collection"
            : op->id == OP_ckpt_get         ? "checkpoint"
            : op->id == OP_ckpt_session_get ? "session"
                                            : "key");
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

/* {"$bin": "base64"} */
static int run_bin(struct bytes bytes, struct buf *out)
{
    static const char head[] = "{\"$bin\": \"";
    int err = buf_append(out, head, strlen(head));
    if (err == 0)
        err = base64_encode(bytes, out);
    return err != 0 ? err : buf_append(out, "\"}", 2);
}

/* How to get what is behind this page: the cursor as it is typed, text between apostrophes. */
static int run_note_more(struct bytes cursor)
{
    struct mp_reader reader = mp_reader_of(cursor);
    struct buf text;
    struct mp mp;
    buf_init(&text);
    int err = mp_read(&reader, &mp) == 0 ? 0 : ERR_BAD_REQUEST;
    bool typable = err == 0 && (mp.kind == MP_STR || mp.kind == MP_BIN) && run_is_typable(mp.bytes);
    if (err == 0 && !typable && mp.kind == MP_STR)
        mp.kind = MP_BIN;
    if (typable)
        err = buf_append(&text, mp.bytes.data, mp.bytes.size);
    else if (err == 0 && mp.kind == MP_BIN)
        err = run_bin(mp.bytes, &text);
    else if (err == 0)
        err = json_out(cursor, 0, &text);
    if (err == 0)
        fprintf(stderr, "cairn: there is more: add --all, or --cursor='%.*s'\n", (int)text.size,
                (const char *)text.data);
    buf_deinit(&text);
    return err;
}

/* Print a result that is neither a page nor an absent key. Values of clients are shown as JSON;
 * what the server says of itself is shown as a table to people. */
static int run_print_reply(struct printer *printer, const struct op *op, struct bytes result)
{
    bool of_server = op != NULL && (op->flags & OP_BATCH) == 0 && op->id != OP_batch;
    if (!printer->tables || !of_server)
        return print_result(printer, result);
    bool shaped = false;
    int err = shape_reply(result, printer->out, printer->width, &shaped);
    return err != 0 || shaped ? err : print_result(printer, result);
}

static int run_print(struct printer *printer, const struct op *op, struct bytes result)
{
    struct print_page page;
    bool list =
        op != NULL && op_arg_find(op, bytes_of("cursor")) >= 0 && print_find_page(result, &page);
    int code = run_outcome(op, result);
    int err = 0;
    if (list && !printer->json)
        err = print_list_page(printer, op, &page);
    else if (code == EXIT_ABSENT && result.data[0] == 0xc0 && !printer->json)
        run_tell_absent(op);
    else
        err = run_print_reply(printer, op, result);
    if (err == 0 && list && page.cursor.data != NULL)
        err = run_note_more(page.cursor);
    if (err == 0 && op != NULL && op->id == OP_batch && run_batch_failed(result))
        code = EXIT_ANSWERED_ERROR;
    return err != 0 ? run_internal(err) : code;
}

/* The result as it is shown: vectors as numbers. *out is it, or in *room. */
static int run_shown(const struct op *op, struct bytes result, struct buf *room, struct bytes *out)
{
    *out = result;
    if (!vec_text_has(op))
        return 0;
    int err = vec_text_reply(result, room);
    *out = buf_bytes(room);
    return err;
}

int run_call(struct session *session, const char *method, const struct op *op, struct bytes params,
             struct printer *printer)
{
    struct bytes result, shown;
    struct buf room;
    if (session_call(session, method, params, &result) != CAIRN_OK)
        return session_tell(&session->error);
    buf_init(&room);
    int err = run_shown(op, result, &room, &shown);
    int code = err != 0 ? run_internal(err) : run_print(printer, op, shown);
    buf_deinit(&room);
    return code;
}

static void run_progress(const struct printer *printer, bool last)
{
    if (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
        fprintf(stderr, "\r%llu items%s", (unsigned long long)printer->items, last ? "\n" : "");
}

/* Fetch one page and print it; *cursor is where it begins, then where the next one does. */
static int run_page(struct session *session, const struct args *args, struct printer *printer,
                    struct buf *cursor, bool *out_more, struct usage *usage)
{
    struct bytes result;
    struct print_page page;
    struct buf params, room;
    buf_init(&params);
    buf_init(&room);
    int err = args_pack(args, buf_bytes(cursor), &params, usage);
    if (err == 0 && session_call(session, args->op->name, buf_bytes(&params), &result) != CAIRN_OK)
        err = session_tell(&session->error);
    else if (err == 0 && (err = run_shown(args->op, result, &room, &result)) == 0)
        err = print_find_page(result, &page) ? print_list_page(printer, args->op, &page)
                                             : run_internal(ERR_BAD_REQUEST);
    if (err == 0) {
        *out_more = page.cursor.data != NULL;
        cursor->size = 0;
        err = buf_append(cursor, page.cursor.data, page.cursor.size);
    }
    buf_deinit(&params);
    buf_deinit(&room);
    return err;
}

int run_all(struct session *session, struct args *args, struct printer *printer,
            struct usage *usage)
{
    struct buf cursor;
    bool more = true;
    int limit = op_arg_find(args->op, bytes_of("limit"));
    if (limit >= 0 && args->word[limit].text == NULL)
        args->word[limit] = (struct args_word){"1000", false};
    buf_init(&cursor);
    int err = print_list_begin(printer);
    while (err == 0 && more) {
        err = run_page(session, args, printer, &cursor, &more, usage);
        run_progress(printer, err != 0 || !more);
    }
    if (err == 0)
        err = print_list_end(printer);
    buf_deinit(&cursor);
    return err < 0 ? run_internal(err) : err;
}
