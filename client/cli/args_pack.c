/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Typed words to packed params: the second half of args.h.
 *
 * How: by the type of the argument in ops.def.
 *
 *   KEY BYTES NAME   str as typed; {"$bin": "base64"} is what it says
 *   DATA             the same; "-" and "@FILE" are the bytes of stdin or a file
 *   VALUE            JSON if it parses, else str; "-" and "@FILE" are bytes
 *   CALLS CONDITIONS JSON; "-" and "@FILE" hold JSON
 *   VECTOR           JSON; "-" and "@FILE" hold JSON, a row of .npy, or raw floats
 *   UINT             a number; a duration (ttl_ms) or an instant (expires_at_ms)
 *
 * Invariants: what is not UTF-8 is sent as bin, never as str.
 * Threads: one. Failures: one sentence in *usage that names the argument.
 */
#include "client/cli/args.h"
#include "client/cli/input.h"
#include "client/cli/json.h"
#include "client/cli/vec_file.h"
#include "common/err.h"
#include "common/num.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <time.h>

/* One argument on its way. */
struct args_item {
    const struct args *args;
    const struct arg_desc *desc;
    struct buf *out;
    struct usage *usage;
};

static int args_wrong(const struct args_item *item, const char *text, const char *what)
{
    char name[OP_NAME_MAX + 1];
    args_option_name(item->desc, true, name);
    return usage_set(item->usage, "%s: '%.80s' is not %s", name, text, what);
}

static int args_pack_text(const struct args_item *item, struct bytes text)
{
    return mp_utf8_valid(text) ? pack_str(item->out, text) : pack_bin(item->out, text);
}

/* A key or name: as typed, but for {"$bin": ...}. */
static int args_pack_name(const struct args_item *item, const char *text)
{
    if (strncmp(text, "{\"$bin\"", 7) != 0 || item->args->options.string)
        return args_pack_text(item, bytes_of(text));
    size_t before = item->out->size;
    int err = json_in(bytes_of(text), item->out, item->usage);
    if (err != ERR_BAD_REQUEST)
        return err;
    item->out->size = before;
    return args_pack_text(item, bytes_of(text));
}

/* The bytes of stdin or a file: as bin, or parsed if they must be JSON. */
static int args_pack_input(const struct args_item *item, const char *text, bool json)
{
    struct buf bytes;
    buf_init(&bytes);
    int err = input_read(text, item->args->has_lines, &bytes, item->usage);
    if (err == 0)
        err = json ? json_in(buf_bytes(&bytes), item->out, item->usage)
                   : pack_bin(item->out, buf_bytes(&bytes));
    buf_deinit(&bytes);
    return err;
}

static int args_pack_data(const struct args_item *item, const char *text)
{
    if (!item->args->options.string && input_is_named(text))
        return args_pack_input(item, text, false);
    return args_pack_name(item, text);
}

static bool args_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int args_pack_value(const struct args_item *item, const char *text)
{
    const struct options *options = &item->args->options;
    struct bytes bytes = bytes_of(text);
    if (options->string)
        return args_pack_text(item, bytes);
    if (input_is_named(text))
        return args_pack_input(item, text, options->json_in);
    if (options->json_in)
        return json_in(bytes, item->out, item->usage);
    if (bytes.size == 0 || args_is_space(text[0]) || args_is_space(text[bytes.size - 1]))
        return args_pack_text(item, bytes);
    int err = json_in(bytes, item->out, item->usage);
    return err == ERR_BAD_REQUEST ? args_pack_text(item, bytes) : err;
}

/* How a short one is written; NULL: there is no short one. */
static const char *args_example(enum arg_type type)
{
    return type == ARG_ARRAY    ? "'[\"a\", \"b\"]'"
           : type == ARG_MAP    ? "'{\"a\": 1}'"
           : type == ARG_VECTOR ? "'[0.5, 1]'"
                                : NULL;
}

/* What was typed is not JSON, as *usage says: say which argument, and what it may be. */
static int args_not_json(const struct args_item *item)
{
    const char *example = args_example(item->desc->type);
    char name[OP_NAME_MAX + 1];
    struct usage why = *item->usage;
    args_option_name(item->desc, true, name);
    return usage_set(item->usage, "%s: %.300s; give %s, or @FILE for what a file has", name,
                     why.text, example != NULL ? example : "JSON");
}

static int args_pack_json(const struct args_item *item, const char *text)
{
    if (input_is_named(text))
        return args_pack_input(item, text, true);
    int err = json_in(bytes_of(text), item->out, item->usage);
    return err == ERR_BAD_REQUEST ? args_not_json(item) : err;
}

static int args_pack_vector(const struct args_item *item, const char *text)
{
    struct buf bytes;
    if (!input_is_named(text))
        return args_pack_json(item, text);
    buf_init(&bytes);
    int err = input_read(text, item->args->has_lines, &bytes, item->usage);
    if (err == 0)
        err = vec_file_vector(buf_bytes(&bytes), item->out, item->usage);
    buf_deinit(&bytes);
    return err;
}

static int args_pack_int(const struct args_item *item, const char *text)
{
    int64_t number;
    if (num_parse_int(text, &number) != 0)
        return args_wrong(item, text, "an integer of 64 bits");
    return pack_int(item->out, number);
}

/* Milliseconds since 1970, or 2026-01-31T12:00:00Z. */
static int args_instant(const char *text, int64_t *out_ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end == NULL || *end != 0)
        return num_parse_int(text, out_ms);
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return 0;
}

static int args_pack_uint(const struct args_item *item, const char *text)
{
    const char *what = "a number, 0 or above";
    int64_t number = 0;
    int err = 0;
    if (args_is_duration(item->desc)) {
        what = "a duration such as 500ms, 10s, 5m, 2h, 7d";
        err = num_parse_duration_ms(text, &number);
    } else if (args_is_instant(item->desc)) {
        what = "a time: milliseconds since 1970 or 2026-01-31T12:00:00Z";
        err = args_instant(text, &number);
    } else {
        err = num_parse_int(text, &number);
    }
    return err != 0 || number < 0 ? args_wrong(item, text, what)
                                  : pack_uint(item->out, (uint64_t)number);
}

static int args_pack_real(const struct args_item *item, const char *text)
{
    long double number;
    if (!num_read_real(bytes_of(text), &number))
        return args_wrong(item, text, "a number such as 2, -1.5 or 1e3");
    return pack_real(item->out, (double)number);
}

static int args_pack_bool(const struct args_item *item, const struct args_word *word)
{
    bool value = true;
    if (!word->bare && num_parse_bool(word->text, &value) != 0)
        return args_wrong(item, word->text, "true or false");
    return pack_bool(item->out, value);
}

/* KEYS: every word that is left; or JSON, if it was given by name or --json-in says so. */
static int args_pack_keys(const struct args_item *item, const char *text)
{
    const struct args *args = item->args;
    if (args->rest_count == 0 || (args->options.json_in && args->rest_count == 1))
        return args_pack_json(item, text);
    int err = pack_array(item->out, args->rest_count);
    for (unsigned i = 0; i < args->rest_count && err == 0; i++)
        err = args_pack_name(item, args->rest[i]);
    return err;
}

/* PAIRS: key value key value; or one word of JSON. */
static int args_pack_pairs(const struct args_item *item, const char *text)
{
    const struct args *args = item->args;
    if (args->rest_count <= 1)
        return args_pack_json(item, text);
    if (args->rest_count % 2 != 0)
        return usage_set(item->usage, "'%.80s' has no value: give pairs of key and value",
                         args->rest[args->rest_count - 1]);
    int err = pack_array(item->out, args->rest_count / 2);
    for (unsigned i = 0; i < args->rest_count && err == 0; i += 2)
        (void)((err = pack_array(item->out, 2)) == 0 &&
               (err = args_pack_name(item, args->rest[i])) == 0 &&
               (err = args_pack_value(item, args->rest[i + 1])) == 0);
    return err;
}

static int args_pack_one(const struct args_item *item, const struct args_word *word)
{
    switch (item->desc->type) {
    case ARG_KEY:
    case ARG_BYTES:
    case ARG_NAME:
        return args_pack_name(item, word->text);
    case ARG_DATA:
        return args_pack_data(item, word->text);
    case ARG_VALUE:
        return args_pack_value(item, word->text);
    case ARG_INT:
        return args_pack_int(item, word->text);
    case ARG_UINT:
        return args_pack_uint(item, word->text);
    case ARG_REAL:
        return args_pack_real(item, word->text);
    case ARG_BOOL:
        return args_pack_bool(item, word);
    case ARG_KEYS:
        return args_pack_keys(item, word->text);
    case ARG_PAIRS:
        return args_pack_pairs(item, word->text);
    case ARG_ARRAY:
    case ARG_MAP:
    case ARG_CALLS:
    case ARG_ITEMS:
    case ARG_CONDITIONS:
        return args_pack_json(item, word->text);
    case ARG_VECTOR:
        return args_pack_vector(item, word->text);
    case ARG_TYPE_COUNT:
        break;
    }
    return ERR_INTERNAL;
}

int args_pack(const struct args *args, struct bytes cursor, struct buf *out, struct usage *usage)
{
    int at = cursor.data == NULL ? -1 : op_arg_find(args->op, bytes_of("cursor"));
    size_t count = 0;
    for (unsigned i = 0; args_desc(args->op, i) != NULL; i++)
        count += args->word[i].text != NULL || (int)i == at;
    int err = pack_map(out, count);
    for (unsigned i = 0; args_desc(args->op, i) != NULL && err == 0; i++) {
        struct args_item item = {args, args_desc(args->op, i), out, usage};
        if (args->word[i].text == NULL && (int)i != at)
            continue;
        err = pack_str(out, bytes_of(item.desc->name));
        if (err == 0)
            err = (int)i == at ? buf_append(out, cursor.data, cursor.size)
                               : args_pack_one(&item, &args->word[i]);
    }
    return err;
}
