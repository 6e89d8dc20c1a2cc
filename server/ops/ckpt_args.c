/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checks of what stands in arrays: see ckpt_args.h.
 *
 * Threads: pure functions but for ctx->problem. Failures: BAD_ARGUMENT or LIMIT_EXCEEDED, naming
 * the argument and the element.
 */
#include "server/ops/ckpt_args.h"

#include "common/err.h"

static const char *args_letter_text(char letter)
{
    switch (letter) {
    case 'c':
        return "a channel of at most 255 bytes";
    case 'v':
        return "a version: a number, or 1 to 255 bytes";
    case 't':
        return "a type of at most 255 bytes";
    case 'n':
        return "a name of 1 to 255 bytes";
    case 'b':
        return "str or bin";
    case 'o':
        return "str, bin or nil";
    case 'u':
        return "an integer from 0";
    default:
        return "an integer of 32 bits";
    }
}

static bool args_is_text(const struct mp *mp, size_t min, size_t max)
{
    return (mp->kind == MP_STR || mp->kind == MP_BIN) && mp->bytes.size >= min &&
           mp->bytes.size <= max;
}

static bool args_fits(char letter, const struct mp *mp)
{
    switch (letter) {
    case 'c':
    case 't':
        return args_is_text(mp, 0, CKPT_ID_MAX);
    case 'n':
        return args_is_text(mp, 1, CKPT_ID_MAX);
    case 'b':
        return args_is_text(mp, 0, SIZE_MAX);
    case 'o':
        return mp->kind == MP_NIL || args_is_text(mp, 0, SIZE_MAX);
    case 'u':
        return mp->kind == MP_UINT;
    case 'v':
        return mp->kind == MP_UINT || mp->kind == MP_SINT || mp->kind == MP_FLOAT ||
               args_is_text(mp, 1, CKPT_ID_MAX);
    default:
        return (mp->kind == MP_UINT && mp->uint <= INT32_MAX) ||
               (mp->kind == MP_SINT && mp->sint >= INT32_MIN);
    }
}

int ckpt_check_rows(struct op_ctx *ctx, const struct arg *arg, const char *what, const char *shape)
{
    uint32_t count = 0;
    struct mp_reader reader = ckpt_array(arg->present ? arg->bytes : BYTES_NONE, &count);
    struct mp mp;
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        if (mp_read(&reader, &mp) != 0 || mp.kind != MP_ARRAY || mp.count != strlen(shape))
            return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                               "%s: '%s', element %u, must be an array of %zu",
                               ctx->request->op->name, what, i, strlen(shape));
        for (const char *letter = shape; *letter != 0 && err == 0; letter++)
            if (mp_read(&reader, &mp) != 0 || !args_fits(*letter, &mp))
                err = problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                                  "%s: '%s', element %u, position %d, must be %s",
                                  ctx->request->op->name, what, i, (int)(letter - shape),
                                  args_letter_text(*letter));
    }
    return err;
}

int ckpt_check_ids(struct op_ctx *ctx, const struct arg *arg, const char *what, uint64_t max)
{
    uint32_t count = 0;
    struct mp_reader reader = ckpt_array(arg->present ? arg->bytes : BYTES_NONE, &count);
    struct mp mp;
    int err = 0;
    if (count > max)
        return problem_set(ctx->problem, ERR_LIMIT_EXCEEDED, "%s: '%s' has more than %llu elements",
                           ctx->request->op->name, what, (unsigned long long)max);
    for (uint32_t i = 0; i < count && err == 0; i++)
        if (mp_read(&reader, &mp) != 0 || !args_is_text(&mp, 1, CKPT_ID_MAX))
            err = problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                              "%s: '%s', element %u, must be 1 to %d bytes", ctx->request->op->name,
                              what, i, CKPT_ID_MAX);
    return err;
}

bool ckpt_has(struct bytes encoded_array, struct bytes wanted)
{
    uint32_t count;
    struct mp_reader reader = ckpt_array(encoded_array, &count);
    struct bytes element;
    bool text;
    while (count-- > 0 && mp_read_bytes(&reader, &element, &text) == 0)
        if (bytes_equal(element, wanted))
            return true;
    return false;
}
