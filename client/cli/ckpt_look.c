/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Looking at checkpoints by hand: see ckpt_look.h.
 *
 * How: both are made of ckpt.get, with the words of the command under its names.
 *
 * Threads: one. Failures: told on stderr; a checkpoint that is not there is EXIT_ABSENT.
 */
#include "client/cli/ckpt_look.h"

#include "client/cli/ckpt_diff.h"
#include "client/cli/run.h"
#include "client/cli/shape.h"
#include "common/err.h"
#include "proto/pack.h"

enum { LOOK_NIL = 0xc0 };

/* ckpt.get; EXIT_ABSENT, told, if there is none. The result holds until the next call. */
static int look_get(struct session *session, struct bytes params, struct bytes *out_result)
{
    if (session_call(session, op_table[OP_ckpt_get].name, params, out_result) != CAIRN_OK)
        return session_tell(&session->error);
    if (out_result->size > 0 && out_result->data[0] != LOOK_NIL)
        return EXIT_DONE;
    fprintf(stderr, "cairn: there is no such checkpoint\n");
    return EXIT_ABSENT;
}

int ckpt_show_run(struct session *session, struct args *args, struct bytes params,
                  struct printer *printer, struct usage *usage)
{
    struct bytes result;
    bool shaped = false;
    int err = 0, code = look_get(session, params, &result);
    (void)args;
    (void)usage;
    if (code == EXIT_DONE && printer->tables)
        err = shape_reply(result, printer->out, printer->width, &shaped);
    if (code == EXIT_DONE && err == 0 && !shaped)
        err = print_result(printer, result);
    return err != 0 ? run_internal(err) : code;
}

/* ---- diff ---- */

/* The words of the command as arguments of ckpt.get: the checkpoint is that of `which`. */
static int look_params(const struct args *args, const char *which, struct buf *out,
                       struct usage *usage)
{
    struct args get = args_for(args, &op_table[OP_ckpt_get]);
    int from = op_arg_find(args->op, bytes_of(which)), to = op_arg_find(get.op, bytes_of("id"));
    if (from >= 0 && to >= 0)
        get.word[to] = args->word[from];
    return args_pack(&get, BYTES_NONE, out, usage);
}

/* The state of one of the two, copied. */
static int look_state(struct session *session, const struct args *args, const char *which,
                      struct buf *out, struct usage *usage)
{
    struct bytes result, key, value;
    struct mp_reader reader;
    struct buf params;
    struct mp head;
    bool text;
    buf_init(&params);
    int err = look_params(args, which, &params, usage);
    int code = err == 0 ? look_get(session, buf_bytes(&params), &result) : run_internal(err);
    buf_deinit(&params);
    if (code != EXIT_DONE)
        return code;
    reader = mp_reader_of(result);
    err = mp_read(&reader, &head) == 0 && head.kind == MP_MAP ? 0 : ERR_BAD_REQUEST;
    for (uint32_t i = 0; err == 0 && i < head.count; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0 || !print_skip(&reader, &value))
            err = ERR_BAD_REQUEST;
        else if (bytes_equal(key, bytes_of("state")))
            err = buf_append(out, value.data, value.size);
    }
    return err == 0 ? EXIT_DONE : run_internal(err);
}

/* Called for each row: its sign and its parts, packed. */
typedef int (*look_row_fn)(void *context, char sign, struct mp_reader parts, uint32_t count);

static int look_rows(const struct ckpt_diff *diff, look_row_fn row, void *context)
{
    struct mp_reader reader = mp_reader_of(buf_bytes(&diff->rows));
    struct bytes sign, packed;
    struct mp head;
    bool text;
    int err = 0;
    while (err == 0 && print_skip(&reader, &packed)) {
        struct mp_reader inside = mp_reader_of(packed);
        if (mp_read(&inside, &head) != 0 || mp_read_bytes(&inside, &sign, &text) != 0)
            return ERR_INTERNAL;
        err = row(context, (char)sign.data[0], inside, head.count - 1);
    }
    return err;
}

/* A line: the parts behind tabs. */
static int look_line(void *context, char sign, struct mp_reader parts, uint32_t count)
{
    struct printer *printer = context;
    struct bytes part;
    int err = 0;
    fputc(sign, printer->out);
    fputc('\t', printer->out);
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = print_skip(&parts, &part) ? print_part(printer, part, i == 0) : ERR_INTERNAL;
    fputc('\n', printer->out);
    return err;
}

struct look_list {
    struct buf *out;
    char sign;
};

static int look_add(void *context, char sign, struct mp_reader parts, uint32_t count)
{
    struct look_list *list = context;
    if (sign != list->sign)
        return 0;
    int err = pack_array(list->out, count);
    return err != 0 ? err : buf_append(list->out, parts.at, (size_t)(parts.end - parts.at));
}

/* {added: [...], removed: [...], changed: [...]} */
static int look_print_json(const struct ckpt_diff *diff, struct printer *printer)
{
    const struct {
        const char *name;
        uint64_t count;
        char sign;
    } lists[] = {{"added", diff->added, '+'},
                 {"removed", diff->removed, '-'},
                 {"changed", diff->changed, '~'}};
    struct buf out;
    buf_init(&out);
    int err = pack_map(&out, LENGTH_OF(lists));
    for (size_t i = 0; i < LENGTH_OF(lists) && err == 0; i++) {
        struct look_list list = {&out, lists[i].sign};
        err = pack_str(&out, bytes_of(lists[i].name));
        if (err == 0)
            err = pack_array(&out, lists[i].count);
        if (err == 0)
            err = look_rows(diff, look_add, &list);
    }
    if (err == 0)
        err = print_result(printer, buf_bytes(&out));
    buf_deinit(&out);
    return err;
}

int ckpt_diff_run(struct session *session, struct args *args, struct bytes params,
                  struct printer *printer, struct usage *usage)
{
    struct ckpt_diff diff = {.added = 0};
    struct buf from, to;
    int err = 0;
    (void)params;
    buf_init(&from);
    buf_init(&to);
    int code = look_state(session, args, "from", &from, usage);
    if (code == EXIT_DONE)
        code = look_state(session, args, "to", &to, usage);
    if (code == EXIT_DONE)
        err = ckpt_diff(buf_bytes(&from), buf_bytes(&to), &diff);
    if (code == EXIT_DONE && err == 0)
        err =
            printer->json ? look_print_json(&diff, printer) : look_rows(&diff, look_line, printer);
    ckpt_diff_deinit(&diff);
    buf_deinit(&from);
    buf_deinit(&to);
    return err != 0 ? run_internal(err) : code;
}
