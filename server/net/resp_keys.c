/* SPDX-License-Identifier: BSD-3-Clause
 *
 * KEYS: all keys that match a pattern, in one reply.
 *
 * A job that reads pages of kv.scan, so that the loop goes on meanwhile; what every match begins
 * with limits the range. Every key that exists throughout is there exactly once.
 *
 * Threads: the loop of the connection, which may be gone before the job ends: it has a session of
 * its own.
 * Failures: more keys than limits.reply_bytes are an error; so is a lack of memory.
 */
#include "common/err.h"
#include "common/glob.h"
#include "common/mem.h"
#include "proto/pack.h"
#include "server/net/resp.h"
#include "server/net/jobs.h"

enum { KEYS_PAGE = 512 };

struct keys_job {
    struct job job; /* first */
    struct session session;
    struct buf pattern, cursor, page;
    struct buf found; /* encoded keys */
    uint64_t count;
    int failed; /* enum err */
};

/* One page: {items: [key...], cursor}. */
static int keys_read_page(struct keys_job *keys, struct op_env *env)
{
    struct problem problem;
    struct request request;
    struct job *none = NULL;
    resp_request(&request, OP_kv_scan);
    struct args_kv_scan *a = (struct args_kv_scan *)request.args;
    a->prefix = (struct arg){.present = true, .bytes = glob_prefix(buf_bytes(&keys->pattern))};
    a->limit = (struct arg){.present = true, .uint = KEYS_PAGE};
    if (a->limit.uint > env->limits->page_items)
        a->limit.uint = env->limits->page_items;
    a->keys_only = (struct arg){.present = true, .boolean = true};
    a->cursor = (struct arg){.present = keys->cursor.size > 0, .bytes = buf_bytes(&keys->cursor)};
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
        if (!glob_match(buf_bytes(&keys->pattern), mp.bytes))
            continue;
        err = pack_bin(&keys->found, mp.bytes);
        keys->count++;
    }
    if (err != 0)
        return err;
    REQUIRE(mp_read(&reader, &mp) == 0 && mp_read(&reader, &mp) == 0);
    *out_more = mp.kind != MP_NIL;
    keys->cursor.size = 0;
    return *out_more ? buf_append(&keys->cursor, mp.bytes.data, mp.bytes.size) : 0;
}

static bool keys_step(struct job *job, struct op_env *env)
{
    struct keys_job *keys = (struct keys_job *)job;
    bool more = false;
    keys->failed = keys_read_page(keys, env);
    if (keys->failed == 0)
        keys->failed = keys_take_page(keys, &more);
    if (keys->failed == 0 && keys->found.size > env->limits->reply_bytes)
        keys->failed = ERR_LIMIT_EXCEEDED;
    return keys->failed != 0 || !more;
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
    buf_deinit(&keys->cursor);
    buf_deinit(&keys->page);
    buf_deinit(&keys->found);
    mem_free(keys);
}

int resp_do_KEYS(struct resp_do *d)
{
    struct loop *loop = d->conn->loop;
    struct bytes pattern = resp_next(&d->args);
    if (pattern.size > loop->limits.key_bytes)
        return resp_fail(d, "ERR the pattern exceeds limits.key_bytes (%llu)",
                         (unsigned long long)loop->limits.key_bytes);
    struct keys_job *keys = mem_calloc(1, sizeof *keys);
    if (keys == NULL)
        return ERR_OUT_OF_MEMORY;
    keys->job = (struct job){.step = keys_step, .finish = keys_finish, .destroy = keys_destroy};
    keys->job.slow.op = OP_kv_scan; /* whose pages it reads, each timed by itself */
    keys->job.slow.connection = d->conn->session.id;
    session_init(&keys->session, loop->env.store, 0, true);
    if (buf_append(&keys->pattern, pattern.data, pattern.size) != 0) {
        keys_destroy(&keys->job);
        return ERR_OUT_OF_MEMORY;
    }
    return jobs_add(loop, d->conn, &keys->job, RESP_KEYS, false);
}
