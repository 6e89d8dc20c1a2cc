/* SPDX-License-Identifier: BSD-3-Clause
 *
 * KEYS: all keys that match a pattern, VRANGE: elements of a vector set in a range; in one reply.
 *
 * A job that reads pages, so that the loop goes on meanwhile: KEYS those of kv.scan, then of
 * vec.list, where what every match begins with limits the range; VRANGE those of vec.keys. What
 * exists throughout is there exactly once.
 *
 * Threads: the loop of the connection, which may be gone before the job ends: it has a session of
 * its own.
 * Failures: more keys than limits.reply_bytes are an error; so is a lack of memory.
 */
#include "common/err.h"
#include "common/glob.h"
#include "common/mem.h"
#include "common/num.h"
#include "proto/pack.h"
#include "server/net/resp.h"
#include "server/net/jobs.h"

enum { KEYS_PAGE = 512 };

struct keys_job {
    struct job job; /* first */
    struct session session;
    enum op_id op;             /* whose pages are read */
    struct buf pattern;        /* KEYS */
    struct buf name, from, to; /* VRANGE; a bound that is empty is none */
    uint64_t left;             /* how many more may be found */
    struct buf cursor, page;
    struct buf found; /* encoded keys */
    uint64_t count;
    int failed; /* enum err */
};

static struct arg keys_bytes(const struct buf *buf)
{
    return (struct arg){.present = buf->size > 0, .bytes = buf_bytes(buf)};
}

static void keys_request(const struct keys_job *keys, uint64_t items, struct request *request)
{
    struct arg prefix = {.present = true, .bytes = glob_prefix(buf_bytes(&keys->pattern))};
    struct arg limit = {.present = true, .uint = items}, only = {.present = true, .boolean = true};
    struct arg name = keys_bytes(&keys->name), cursor = keys_bytes(&keys->cursor);
    resp_request(request, keys->op);
    if (keys->op == OP_kv_scan)
        *(struct args_kv_scan *)request->args = (struct args_kv_scan){
            .prefix = prefix, .limit = limit, .cursor = cursor, .keys_only = only};
    else if (keys->op == OP_vec_list)
        *(struct args_vec_list *)request->args = (struct args_vec_list){
            .prefix = prefix, .limit = limit, .cursor = cursor, .names_only = only};
    else
        *(struct args_vec_keys *)request->args =
            (struct args_vec_keys){.collection = name,
                                   .limit = limit,
                                   .cursor = cursor,
                                   .from = keys_bytes(&keys->from),
                                   .to = keys_bytes(&keys->to)};
}

/* One page: {items: [key...], cursor}. */
static int keys_read_page(struct keys_job *keys, struct op_env *env)
{
    uint64_t items = keys->left < KEYS_PAGE ? keys->left : KEYS_PAGE;
    struct problem problem;
    struct request request;
    struct job *none = NULL;
    keys_request(keys, items < env->limits->page_items ? items : env->limits->page_items, &request);
    keys->page.size = 0;
    return dispatch_plain(env, &keys->session, &request, &keys->page, &problem, &none);
}

/* Keep the keys of the page that match. *out_more: there is another page, and `cursor` says where.
 * */
static int keys_take_page(struct keys_job *keys, bool *out_more)
{
    struct mp_reader reader = mp_reader_of(buf_bytes(&keys->page));
    struct mp mp;
    int err = 0;
    REQUIRE(mp_read(&reader, &mp) == 0 && mp_read(&reader, &mp) == 0);
    REQUIRE(mp_read(&reader, &mp) == 0);
    for (uint32_t left = mp.count; left > 0 && err == 0; left--) {
        REQUIRE(mp_read(&reader, &mp) == 0);
        if (keys->op != OP_vec_keys && !glob_match(buf_bytes(&keys->pattern), mp.bytes))
            continue;
        err = pack_bin(&keys->found, mp.bytes);
        keys->count++;
        keys->left--;
    }
    if (err != 0)
        return err;
    REQUIRE(mp_read(&reader, &mp) == 0 && mp_read(&reader, &mp) == 0);
    *out_more = mp.kind != MP_NIL;
    keys->cursor.size = 0;
    return *out_more ? buf_append(&keys->cursor, mp.bytes.data, mp.bytes.size) : 0;
}

/* There are no more pages of this operation. Is there another? */
static bool keys_go_on(struct keys_job *keys, const struct op_env *env)
{
    bool sets = keys->op == OP_kv_scan && atomic_load(&env->store->vectors.collections) > 0;
    keys->op = sets ? OP_vec_list : keys->op;
    return sets;
}

static bool keys_step(struct job *job, struct op_env *env)
{
    struct keys_job *keys = (struct keys_job *)job;
    bool more = false;
    int err = keys->left == 0 ? 0 : keys_read_page(keys, env);
    if (keys->op == OP_vec_keys && err == ERR_NOT_FOUND)
        return true; /* of what is not there are no elements */
    if (err == 0 && keys->left > 0)
        err = keys_take_page(keys, &more);
    if (err == 0 && keys->found.size > env->limits->reply_bytes)
        err = ERR_LIMIT_EXCEEDED;
    keys->failed = err;
    return err != 0 || keys->left == 0 || (!more && !keys_go_on(keys, env));
}

static void keys_finish(struct job *job, struct reply *reply)
{
    struct keys_job *keys = (struct keys_job *)job;
    reply->failed = keys->failed;
    reply_array(reply, keys->count);
    if (keys->found.size > 0)
        reply_value(reply, buf_bytes(&keys->found));
}

static void keys_destroy(struct job *job)
{
    struct keys_job *keys = (struct keys_job *)job;
    session_deinit(&keys->session);
    buf_deinit(&keys->pattern);
    buf_deinit(&keys->name);
    buf_deinit(&keys->from);
    buf_deinit(&keys->to);
    buf_deinit(&keys->cursor);
    buf_deinit(&keys->page);
    buf_deinit(&keys->found);
    mem_free(keys);
}

/* A job whose first pages are those of this operation; NULL without memory. */
static struct keys_job *keys_create(const struct resp_do *d, enum op_id op, uint64_t most)
{
    struct keys_job *keys = mem_calloc(1, sizeof *keys);
    if (keys == NULL)
        return NULL;
    keys->job = (struct job){.step = keys_step, .finish = keys_finish, .destroy = keys_destroy};
    keys->job.slow.op = op; /* whose pages it reads, each timed by itself */
    keys->job.slow.connection = d->conn->session.id;
    keys->op = op;
    keys->left = most;
    session_init(&keys->session, d->conn->loop->env.store, 0, true);
    keys->session.typed_keys = true;
    return keys;
}

static int keys_start(struct resp_do *d, struct keys_job *keys, int err)
{
    if (err == 0)
        return jobs_add(d->conn->loop, d->conn, &keys->job, d->command->id, false);
    keys_destroy(&keys->job);
    return err;
}

int resp_do_KEYS(struct resp_do *d)
{
    const struct limits *limits = &d->conn->loop->limits;
    struct bytes pattern = resp_next(&d->args);
    if (pattern.size > limits->key_bytes)
        return resp_fail(d, "ERR the pattern exceeds limits.key_bytes (%llu)",
                         (unsigned long long)limits->key_bytes);
    struct keys_job *keys = keys_create(d, OP_kv_scan, UINT64_MAX);
    if (keys == NULL)
        return ERR_OUT_OF_MEMORY;
    return keys_start(d, keys, buf_append(&keys->pattern, pattern.data, pattern.size));
}

/* ---- VRANGE ---- */

/* [a (a or an end: is it of this form? */
static bool range_is_bound(struct bytes bound, char end)
{
    return bound.size > 0 && (bound.data[0] == '[' || bound.data[0] == '(' ||
                              (bound.size == 1 && bound.data[0] == (uint8_t)end));
}

/* The first element behind what this bound divides: of [a as a start, of (a as an end it is a, else
 * the one behind a. */
static int range_keep(struct bytes bound, char with, struct buf *out)
{
    int err = buf_append(out, bound.data + 1, bound.size - 1);
    return err != 0 || bound.data[0] == (uint8_t)with ? err : buf_append(out, "", 1);
}

static int range_start(struct resp_do *d, struct bytes name, struct bytes start, struct bytes end,
                       uint64_t most)
{
    bool none = start.data[0] == '+' || end.data[0] == '-' || (end.data[0] == '(' && end.size == 1);
    struct keys_job *keys = keys_create(d, OP_vec_keys, none ? 0 : most);
    if (keys == NULL)
        return ERR_OUT_OF_MEMORY;
    int err = buf_append(&keys->name, name.data, name.size);
    if (err == 0 && start.data[0] != '-' && start.data[0] != '+')
        err = range_keep(start, '[', &keys->from);
    if (err == 0 && end.data[0] != '-' && end.data[0] != '+')
        err = range_keep(end, '(', &keys->to);
    return keys_start(d, keys, err);
}

int resp_do_VRANGE(struct resp_do *d)
{
    struct bytes name = resp_next(&d->args), start = resp_next(&d->args);
    struct bytes end = resp_next(&d->args);
    int64_t count = -1;
    if (d->args.left > 0 && !num_read_int(resp_next(&d->args), &count))
        return resp_fail(d, "ERR value is not an integer or out of range");
    if (d->args.left > 0)
        return resp_fail(d, "ERR syntax error");
    if (name.size == 0)
        return resp_fail(d, "ERR a key must not be empty");
    if (name.size > d->conn->loop->limits.name_bytes)
        return resp_fail(d, "ERR the key of a vector set exceeds limits.name_bytes (%llu)",
                         (unsigned long long)d->conn->loop->limits.name_bytes);
    if (!(range_is_bound(start, '-') || range_is_bound(start, '+')) ||
        !(range_is_bound(end, '-') || range_is_bound(end, '+')))
        return resp_fail(d, "ERR invalid range: start and end are [element (with it), (element "
                            "(without it), - or +");
    return range_start(d, name, start, end, count < 0 ? UINT64_MAX : (uint64_t)count);
}
