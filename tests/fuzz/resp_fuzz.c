/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes the way of RESP commands through the server without a network. The first byte chooses
 * limits, version, and what the rest is: the bytes of a connection, or decisions of which commands
 * are made, as arrays or inline.
 *
 *   bytes -> resp_scan -> resp_from_inline -> resp_find -> resp_map -> dispatch_plain -> resp_reply
 *
 * Checked: a command that comes in pieces is found as it is when it comes whole; one made here
 * comes back word by word; the lookup finds what a plain search finds; views lie inside the message
 * and say what stood there, MessagePack made in place is well-formed, limits are kept; a problem is
 * one line; every command gets one whole reply of its version.
 */
#include "common/check.h"
#include "common/err.h"
#include "common/log.h"
#include "common/rng.h"
#include "proto/pack.h"
#include "proto/resp_command.h"
#include "server/ops/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTITIONS = 2, WORDS_MAX = 24, COMMANDS_MAX = 60, NOW_MS = 1000000 };

struct world {
    const uint8_t *at, *end; /* decisions left */
    struct rng rng;          /* of pieces */
    struct store *store;
    struct op_env env;
    struct limits limits;
    struct session session;
    unsigned version;
    uint64_t cursor;            /* of the last page */
    struct buf stream;          /* bytes of the connection */
    struct buf line, out;       /* an inline command as an array; a reply */
    struct bytes args[1 << 14]; /* of the present command, as they stood in the message */
    size_t n_args;
    const struct resp_command *command; /* being run */
};

static void ok(int err)
{
    REQUIRE(err == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    op_init();
    resp_init();
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

/* A copy that ends where its memory ends. */
static uint8_t *copy_of(struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.size + (bytes.size == 0));
    REQUIRE(copy != NULL);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static void check_inside(struct bytes view, struct bytes message)
{
    REQUIRE(view.data >= message.data && view.data <= message.data + message.size);
    REQUIRE(view.size <= (size_t)(message.data + message.size - view.data));
}

static void check_problem(const struct problem *problem, int err)
{
    REQUIRE(err < 0 && err != ERR_INTERNAL && problem->err == err && problem->text[0] != 0);
    for (const char *p = problem->text; *p != 0; p++)
        REQUIRE(*p >= 0x20 && *p < 0x7f);
}

/* ---- bounds ---- */

struct seen {
    int err;
    struct resp_scan scan;
    struct problem problem;
};

static void scan_part(struct seen *seen, struct bytes stream, size_t size)
{
    size_t need = 0;
    uint8_t *copy = copy_of((struct bytes){stream.data, size});
    seen->err = resp_scan(&seen->scan, (struct bytes){copy, size}, &need, &seen->problem);
    free(copy);
    REQUIRE(seen->err != RESP_MORE || (need > seen->scan.position && seen->scan.position <= size));
}

/* In pieces it is the same as whole, and no sooner. */
static void check_pieces(struct world *w, struct bytes stream, const struct seen *whole)
{
    struct seen seen = {.err = RESP_MORE};
    size_t size = whole->err == 0 ? whole->scan.position : stream.size;
    uint64_t most = 1 + rng_below(&w->rng, 1 + stream.size);
    for (size_t n = 0; seen.err == RESP_MORE && n < size;) {
        n += 1 + (size_t)rng_below(&w->rng, most);
        n = n < size ? n : size;
        scan_part(&seen, stream, n);
        REQUIRE(whole->err != 0 || (seen.err == RESP_MORE) == (n < size));
    }
    REQUIRE(seen.err == whole->err);
    if (seen.err == 0)
        REQUIRE(seen.scan.position == whole->scan.position &&
                seen.scan.begin == whole->scan.begin && seen.scan.count == whole->scan.count &&
                seen.scan.is_inline == whole->scan.is_inline);
    else if (seen.err != RESP_MORE)
        REQUIRE(strcmp(seen.problem.text, whole->problem.text) == 0);
}

/* ---- requests ---- */

static const struct resp_command *slow_find(struct bytes name)
{
    for (unsigned i = 0; i < RESP_COUNT; i++) {
        const char *row = resp_table[i].name;
        if (strlen(row) == name.size && strncasecmp(row, (const char *)name.data, name.size) == 0)
            return &resp_table[i];
    }
    return NULL;
}

static struct bytes take_bytes(struct mp_reader *reader, enum mp_kind kind)
{
    struct mp mp = {0};
    ok(mp_read(reader, &mp));
    REQUIRE(mp.kind == kind);
    return mp.bytes;
}

/* The elements of a list are the arguments behind the name, and fill their view exactly. */
static void check_list(const struct world *w, const struct arg *arg, bool pairs)
{
    struct mp_reader reader = mp_reader_of(arg->bytes);
    struct mp pair = {0};
    size_t n = 1;
    REQUIRE(arg->count <= w->limits.items && w->n_args == 1 + arg->count * (pairs ? 2u : 1u));
    for (uint32_t i = 0; i < arg->count; i++) {
        if (pairs) {
            ok(mp_read(&reader, &pair));
            REQUIRE(pair.kind == MP_ARRAY && pair.count == 2);
        }
        REQUIRE(bytes_equal(take_bytes(&reader, MP_STR), w->args[n++]));
        if (pairs)
            REQUIRE(bytes_equal(take_bytes(&reader, MP_BIN), w->args[n++]));
    }
    REQUIRE(mp_at_end(&reader));
}

static bool is_argument(const struct world *w, struct bytes bytes)
{
    size_t n = 1;
    while (n < w->n_args && !bytes_equal(bytes, w->args[n]))
        n++;
    return n < w->n_args || w->n_args == LENGTH_OF(w->args); /* a vector may be longer */
}

/* A value is one of the arguments as a bin. */
static void check_value(const struct world *w, const struct arg *arg)
{
    struct mp_reader reader = mp_reader_of(arg->bytes);
    struct bytes body = take_bytes(&reader, MP_BIN);
    REQUIRE(is_argument(w, body) && mp_at_end(&reader));
    REQUIRE(arg->bytes.size <= w->limits.value_bytes);
}

/* What is neither in the message nor in the scratch is a word of ours. */
static void check_place(const struct arg *arg, enum arg_type type, struct bytes message,
                        struct bytes scratch)
{
    const uint8_t *at = arg->bytes.data;
    if (type == ARG_NAME && (at < message.data || at >= message.data + message.size))
        return;
    bool packed = scratch.size > 0 && at >= scratch.data && at < scratch.data + scratch.size;
    check_inside(arg->bytes, packed ? scratch : message);
}

static void check_arg(const struct world *w, const struct arg *arg, const struct arg_desc *desc,
                      struct bytes message, struct bytes scratch)
{
    enum arg_type type = desc->type;
    if (!arg->present) {
        REQUIRE(desc->place != ARG_REQUIRED);
        return;
    }
    if (type == ARG_UINT)
        REQUIRE(arg->uint < (uint64_t)1 << 53);
    else if (type == ARG_REAL)
        REQUIRE(arg->real - arg->real == 0);
    else if (type != ARG_INT && type != ARG_BOOL && arg->bytes.size > 0)
        check_place(arg, type, message, scratch);
    if (type == ARG_KEY)
        REQUIRE(arg->bytes.size >= 1 && is_argument(w, arg->bytes));
    if (type == ARG_KEY || type == ARG_BYTES)
        REQUIRE(arg->bytes.size <= w->limits.key_bytes);
    if ((type == ARG_KEYS || type == ARG_PAIRS) && w->command->group[0] != 'v')
        check_list(w, arg, type == ARG_PAIRS);
    if (type == ARG_VALUE && scratch.size == 0)
        check_value(w, arg);
}

static void check_request(const struct world *w, const struct request *request,
                          struct bytes message, struct bytes scratch)
{
    REQUIRE(!request->all.run.present && !request->all.durability.present);
    for (unsigned i = 0; i < request->op->n_args; i++)
        check_arg(w, &request->args[i], &request->op->args[i], message, scratch);
}

/* ---- replies ---- */

static const uint8_t *line_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *cr = memchr(p, '\r', (size_t)(end - p));
    REQUIRE(cr != NULL && cr + 1 < end && cr[1] == '\n');
    REQUIRE(memchr(p, '\n', (size_t)(cr - p)) == NULL);
    return cr + 2;
}

/* One whole reply begins here; returns its end. */
static const uint8_t *check_reply(const uint8_t *p, const uint8_t *end, unsigned version)
{
    REQUIRE(p < end && strchr(version == 3 ? "+-:$*%_#,=" : "+-:$*", *p) != NULL);
    const uint8_t *next = line_end(p, end);
    long long number = strtoll((const char *)p + 1, NULL, 10);
    if (*p == '$' || *p == '=') {
        if (version == 2 && number == -1)
            return next;
        REQUIRE(number >= 0 && number + 2 <= end - next);
        REQUIRE(next[number] == '\r' && next[number + 1] == '\n');
        return next + number + 2;
    }
    if (*p != '*' && *p != '%')
        return next;
    if (*p == '*' && version == 2 && number == -1)
        return next;
    REQUIRE(number >= 0);
    for (long long i = 0; i < number * (*p == '%' ? 2 : 1); i++)
        next = check_reply(next, end, version);
    return next;
}

static void check_answer(struct world *w, bool error)
{
    ok(buf_append(&w->out, "", 1)); /* for strtoll */
    const uint8_t *end = w->out.data + w->out.size - 1;
    REQUIRE(check_reply(w->out.data, end, w->version) == end);
    REQUIRE(!error || strchr("-:$_*#", w->out.data[0]) != NULL); /* absent sets: also [], false */
}

/* ---- running ---- */

/* To its end, as nothing else runs on this connection meanwhile. */
static int finish_job(struct world *w, struct job *job, struct buf *result, struct problem *problem)
{
    for (unsigned i = 0; !dispatch_step(&w->env, job); i++)
        REQUIRE(i < 10000);
    int err = dispatch_finish_plain(&w->env, &w->session, job, result, problem);
    dispatch_end_job(&w->env, job, result->size);
    return err;
}

static void remember_cursor(struct world *w, struct bytes result)
{
    struct mp_reader reader = mp_reader_of(result);
    struct mp mp = {0};
    ok(mp_read(&reader, &mp));
    ok(mp_skip(&reader, MP_DEPTH_MAX));
    ok(mp_skip(&reader, MP_DEPTH_MAX));
    ok(mp_skip(&reader, MP_DEPTH_MAX));
    ok(mp_read(&reader, &mp));
    REQUIRE(mp.kind == MP_UINT && mp_at_end(&reader));
    w->cursor = mp.uint;
}

static void answer(struct world *w, const struct resp_command *command, enum resp_shape shape,
                   int err, const struct problem *problem, struct bytes result)
{
    struct resp_context context = {w->version, w->env.now_ms, w->limits.reply_bytes};
    w->out.size = 0;
    if (err != 0) {
        check_problem(problem, err);
        ok(resp_reply_problem(&context, command, shape, problem, &w->out));
        check_answer(w, true);
        return;
    }
    err = resp_reply(&context, shape, result, &w->out);
    if (err == ERR_LIMIT_EXCEEDED)
        return;
    ok(err);
    check_answer(w, false);
    if (command->shape == RESP_SHAPE_PAGE)
        remember_cursor(w, result);
}

static int run_request(struct world *w, struct request *request, struct buf *result,
                       struct problem *problem)
{
    struct job *job = NULL;
    request->msgid = 0;
    request->size = 0;
    request->notification = request->hashed = false;
    dispatch_prefetch(&w->env, &w->session, request);
    dispatch_prefetch_record(&w->env, request);
    int err = dispatch_plain(&w->env, &w->session, request, result, problem, &job);
    return job == NULL ? err : finish_job(w, job, result, problem);
}

static void run_command(struct world *w, const struct resp_command *command,
                        struct resp_reader args, struct bytes message)
{
    struct request request;
    struct problem problem;
    struct buf result = {0}, scratch = {0};
    w->command = command;
    memset(&request, 0xa5, sizeof request); /* nothing may be used that was not set */
    memset(&problem, 0xa5, sizeof problem);
    struct resp_call call = {.command = command,
                             .args = args,
                             .limits = &w->limits,
                             .now_ms = w->env.now_ms,
                             .scratch = &scratch,
                             .request = &request,
                             .problem = &problem};
    int err = resp_map(&call);
    if (err == 0) {
        check_request(w, &request, message, buf_bytes(&scratch));
        err = run_request(w, &request, &result, &problem);
    }
    answer(w, command, call.shape, err, &problem, buf_bytes(&result));
    buf_deinit(&result);
    buf_deinit(&scratch);
}

/* The arguments as they stand, while nothing has been written over. */
static void read_args(struct world *w, struct resp_reader reader, struct bytes message)
{
    w->n_args = 0;
    while (reader.left > 0 && w->n_args < LENGTH_OF(w->args)) {
        struct bytes arg = resp_next(&reader);
        check_inside(arg, message);
        w->args[w->n_args++] = arg;
    }
    REQUIRE(reader.left > 0 || reader.at == message.data + message.size);
}

static void one_array(struct world *w, struct bytes message, const struct resp_scan *scan)
{
    if (scan->count == 0)
        return;
    uint8_t *copy = copy_of(message), *spoilt = copy_of(message);
    read_args(w, resp_reader_of(scan, copy), (struct bytes){copy, message.size});
    struct resp_reader args = resp_reader_of(scan, spoilt);
    struct bytes name = resp_next(&args);
    const struct resp_command *command = resp_find(name);
    REQUIRE(command == slow_find(name));
    if (command != NULL && command->op >= 0 && resp_arity_fits(command, args.left))
        run_command(w, command, args, (struct bytes){spoilt, message.size});
    free(copy);
    free(spoilt);
}

static void one_line(struct world *w, struct bytes message)
{
    struct bytes line = {message.data, message.size - 1};
    struct seen seen = {0};
    uint8_t *copy = copy_of(line);
    w->line.size = 0;
    seen.err = resp_from_inline((struct bytes){copy, line.size}, &w->line, &seen.problem);
    free(copy);
    if (seen.err != 0) {
        REQUIRE(seen.err == ERR_BAD_REQUEST);
        check_problem(&seen.problem, seen.err);
        return;
    }
    scan_part(&seen, buf_bytes(&w->line), w->line.size);
    REQUIRE(seen.err == 0 && seen.scan.position == w->line.size && !seen.scan.is_inline);
    one_array(w, buf_bytes(&w->line), &seen.scan);
}

static void run_stream(struct world *w, struct bytes stream)
{
    while (stream.size > 0) {
        struct seen whole = {0};
        scan_part(&whole, stream, stream.size);
        check_pieces(w, stream, &whole);
        if (whole.err != 0) {
            if (whole.err != RESP_MORE)
                check_problem(&whole.problem, whole.err);
            return;
        }
        size_t size = whole.scan.position;
        if (whole.scan.is_inline)
            one_line(w, (struct bytes){stream.data, size});
        else
            one_array(w, (struct bytes){stream.data, size}, &whole.scan);
        w->env.now_ms += (int64_t)rng_below(&w->rng, 200);
        stream = (struct bytes){stream.data + size, stream.size - size};
    }
}

/* ---- commands made of decisions ---- */

/* 0..n-1; 0 when the input is at its end. */
static unsigned choose(struct world *w, unsigned n)
{
    return w->at < w->end ? *w->at++ % n : 0;
}

static struct bytes choose_key(struct world *w)
{
    static const char *const keys[] = {
        "a",  "b",  "ab", "k1", "k2", "k3", "\xff", "caf\xc3\xa9", "m0", "m1",
        "m2", "m3", "m4", "m5", "m6", "m7", "m8",   "n",           "",   "12345678901234567"};
    return bytes_of(keys[choose(w, LENGTH_OF(keys))]);
}

static struct bytes choose_number(struct world *w)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "5",
                                          "1000",
                                          "1000100",
                                          "1001",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "9007199254740991",
                                          "9223372036854775",
                                          "0.5",
                                          "-1e3",
                                          "1e308",
                                          "1e4000",
                                          "-0",
                                          "007",
                                          "x"};
    static char cursor[24];
    if (choose(w, 4) > 0)
        return bytes_of(numbers[choose(w, LENGTH_OF(numbers))]);
    (void)snprintf(cursor, sizeof cursor, "%llu", (unsigned long long)w->cursor);
    return bytes_of(cursor);
}

static struct bytes choose_word(struct world *w)
{
    static const char *const words[] = {
        "nx",    "XX",    "get",  "keepttl", "ex",    "PX",   "exat", "pxat", "persist", "gt", "lt",
        "match", "Count", "type", "string",  "async", "sync", "*",    "k*",   "[^a]?",   "\\"};
    static uint8_t body[300];
    unsigned kind = choose(w, 8);
    if (kind < 4)
        return bytes_of(words[choose(w, LENGTH_OF(words))]);
    if (kind < 6)
        return choose_number(w);
    if (kind == 6)
        return choose_key(w);
    memset(body, choose(w, 256), sizeof body);
    return (struct bytes){body, choose(w, 4) == 0 ? choose(w, 256) + 44 : choose(w, 40)};
}

/* The words of a command that is valid or nearly so. */
static unsigned choose_words(struct world *w, struct bytes words[static WORDS_MAX])
{
    const struct resp_command *command = &resp_table[choose(w, RESP_COUNT)];
    unsigned n = 0, count = (unsigned)abs(command->arity);
    if (command->arity < 0)
        count += choose(w, choose(w, 8) == 0 ? WORDS_MAX - count : 6);
    words[n++] = bytes_of(command->name);
    for (; n < count && n < WORDS_MAX; n++) {
        bool key = command->keys == RESP_KEYS_ALL || (command->keys == RESP_KEYS_FIRST && n == 1) ||
                   (command->keys == RESP_KEYS_PAIRS && n % 2 == 1);
        words[n] = key ? choose_key(w) : choose_word(w);
    }
    return n;
}

static void put_quoted(struct buf *out, struct bytes word)
{
    char text[8];
    ok(buf_append(out, "\"", 1));
    for (size_t i = 0; i < word.size; i++) {
        int n = snprintf(text, sizeof text, "\\x%02x", word.data[i]);
        ok(buf_append(out, text, (size_t)n));
    }
    ok(buf_append(out, "\" ", 2));
}

/* Both forms mean the same, and give the words back. */
static void check_words(struct bytes array, struct bytes line, const struct bytes *words,
                        unsigned n)
{
    struct seen seen = {0};
    struct buf converted = {0};
    scan_part(&seen, array, array.size);
    REQUIRE(seen.err == 0 && seen.scan.position == array.size && seen.scan.count == n);
    uint8_t *copy = copy_of(array);
    struct resp_reader reader = resp_reader_of(&seen.scan, copy);
    for (unsigned i = 0; i < n; i++)
        REQUIRE(bytes_equal(resp_next(&reader), words[i]));
    free(copy);
    ok(resp_from_inline(line, &converted, &seen.problem));
    REQUIRE(bytes_equal(buf_bytes(&converted), array));
    buf_deinit(&converted);
}

static void make_command(struct world *w)
{
    struct bytes words[WORDS_MAX];
    struct buf array = {0}, line = {0};
    unsigned n = choose_words(w, words);
    ok(resp_put_array(&array, n));
    for (unsigned i = 0; i < n; i++) {
        ok(resp_put_bulk(&array, words[i]));
        put_quoted(&line, words[i]);
    }
    check_words(buf_bytes(&array), buf_bytes(&line), words, n);
    ok(buf_append(&line, "\r\n", 2));
    struct bytes form = choose(w, 4) == 0 ? buf_bytes(&line) : buf_bytes(&array);
    ok(buf_append(&w->stream, form.data, form.size));
    buf_deinit(&array);
    buf_deinit(&line);
}

/* ---- one input ---- */

/* Values that come in over the other protocol. */
static void put_values(struct world *w)
{
    static const struct bytes values[] = {
        {(const uint8_t *)"\xc0", 1},
        {(const uint8_t *)"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9},
        {(const uint8_t *)"\x05", 1},
        {(const uint8_t *)"\xcb\x3f\xf8\0\0\0\0\0\0", 9},
        {(const uint8_t *)"\xcb\x7f\xf0\0\0\0\0\0\0", 9},
        {(const uint8_t *)"\x82\xa1k\x93\xc3\xff\xc4\0\xa1l\x80", 11},
        {(const uint8_t *)"\xd4\x05x", 3},
        {(const uint8_t *)"\x91\xcb\x7f\xf8\0\0\0\0\0\0", 10},
        {(const uint8_t *)"\xa2\xc3\xa9", 3},
    };
    for (size_t i = 0; i < LENGTH_OF(values); i++) {
        uint8_t key[2] = {'m', (uint8_t)('0' + i)};
        struct request request = {.op = &op_table[OP_kv_put]};
        struct problem problem;
        struct buf result = {0};
        request.args[0] = (struct arg){.present = true, .text = true, .bytes = {key, 2}};
        request.args[1] = (struct arg){.present = true, .bytes = values[i]};
        ok(run_request(w, &request, &result, &problem));
        buf_deinit(&result);
    }
}

static void begin_world(struct world *w, unsigned flags)
{
    static struct stats stats;
    static struct slowlog nothing_slow = {.threshold_ns = UINT64_MAX};
    struct store_options options = {.n_partitions = PARTITIONS,
                                    .n_threads = 1,
                                    .runs_max = 4,
                                    .now_ms = NOW_MS,
                                    .hash_key_given = true,
                                    .hash_key = {1, 2}};
    memset(&stats, 0, sizeof stats);
    w->version = 2 + (flags & 1);
    w->limits = limits_default();
    w->limits.reply_bytes = 65536;
    if (flags & 2) {
        w->limits.key_bytes = 16;
        w->limits.value_bytes = 64;
        w->limits.items = 16;
        w->limits.page_items = 10;
    }
    w->store = store_create(&options);
    REQUIRE(w->store != NULL);
    w->env = (struct op_env){.store = w->store,
                             .slowlog = &nothing_slow,
                             .limits = &w->limits,
                             .stats = &stats,
                             .now_ms = NOW_MS};
    session_init(&w->session, w->store, 1, true);
    put_values(w);
}

static void end_world(struct world *w)
{
    session_deinit(&w->session);
    store_destroy(w->store);
    stats_deinit(w->env.stats);
    buf_deinit(&w->env.scratch);
    buf_deinit(&w->stream);
    buf_deinit(&w->line);
    buf_deinit(&w->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    if (size == 0)
        return 0;
    w = (struct world){.at = data + 1, .end = data + size, .rng = {size}};
    begin_world(&w, data[0]);
    if (data[0] & 4) {
        for (unsigned i = 0; i < COMMANDS_MAX && w.at < w.end; i++)
            make_command(&w);
        run_stream(&w, buf_bytes(&w.stream));
    } else {
        run_stream(&w, (struct bytes){data + 1, size - 1});
    }
    end_world(&w);
    return 0;
}
