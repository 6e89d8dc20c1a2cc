/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One loop without sockets: a call is encoded, decoded by proto/rpc, run by dispatch, carried to
 * its end if it became a job, and its response decoded and compared.
 *
 *   struct call --encode--> bytes --rpc_decode--> request --dispatch_run--> reply --+--> equal?
 *        '--------------------------- oracle_call -----------------> expect --------'
 *
 * Versions: the oracle is told the store's counter before a call, as sweeps and evictions take
 * versions too; from there on it predicts.
 *
 * Threads: one. Failures end the test with the seed and the last operations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/check.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"
#include "proto/rpc.h"
#include "tests/model/compare.h"
#include "tests/model/driver.h"

#include <inttypes.h>
#include <stdlib.h>

static struct slowlog nothing_slow = {.threshold_ns = UINT64_MAX};

#define OK(result) REQUIRE((result) == 0)

void driver_init(struct driver *d, uint64_t seed, unsigned n_partitions, unsigned n_threads)
{
    *d = (struct driver){.seed = seed, .rng = {seed}, .limits = limits_default()};
    struct store_options options = {.n_partitions = n_partitions,
                                    .n_threads = n_threads,
                                    .runs_max = 100,
                                    .now_ms = 1000000,
                                    .hash_key_given = true,
                                    .hash_key = {rng_next(&d->rng), rng_next(&d->rng)}};
    d->store = store_create(&options);
    REQUIRE(d->store != NULL);
    oracle_init(&d->oracle);
    d->env.store = d->store;
    d->env.limits = &d->limits;
    d->env.stats = &d->stats;
    d->env.slowlog = &nothing_slow;
    d->env.now_ms = d->oracle.now_ms = options.now_ms;
    session_init(&d->session, d->store, 1, true);
    d->session.error_maps = true;
}

void driver_deinit(struct driver *d)
{
    session_deinit(&d->session);
    store_destroy(d->store);
    oracle_deinit(&d->oracle);
    stats_deinit(&d->stats);
    buf_deinit(&d->request);
    buf_deinit(&d->reply);
    buf_deinit(&d->env.scratch);
    buf_deinit(&d->last_cursor);
}

_Noreturn void driver_fail(const struct driver *d, const char *what)
{
    fprintf(stderr, "CAIRN_SEED=%" PRIu64 ": operation %" PRIu64 ": %s\n", d->seed, d->number,
            what);
    for (uint64_t i = DRIVER_HISTORY; i-- > 0;)
        if (d->number > i)
            fprintf(stderr, "  %s\n", d->history[(d->number - i) % DRIVER_HISTORY]);
    fail_msg("%s", what);
    abort();
}

/* ---- encoding ---- */

static void encode_text(struct buf *out, struct bytes bytes, bool text)
{
    OK(text ? pack_str(out, bytes) : pack_bin(out, bytes));
}

static void encode_name(struct buf *out, const char *name)
{
    OK(pack_str(out, bytes_of(name)));
}

static void encode_options(struct buf *out, const struct call *c)
{
    const struct {
        enum call_option option;
        const char *name;
        enum { FLAG, NUMBER, TEXT, VALUE } form;
        uint64_t number;
        struct bytes bytes;
    } rows[] = {
        {CALL_RUN, "run", TEXT, 0, model_run_names[c->run]},
        {CALL_WITH_VERSION, "with_version", FLAG, 0, BYTES_NONE},
        {CALL_TTL, "ttl_ms", NUMBER, c->ttl_ms, BYTES_NONE},
        {CALL_EXPIRES_AT, "expires_at_ms", NUMBER, c->expires_at_ms, BYTES_NONE},
        {CALL_KEEP_TTL, "keep_ttl", FLAG, 0, BYTES_NONE},
        {CALL_IF_VERSION, "if_version", NUMBER, c->version, BYTES_NONE},
        {CALL_IF_VALUE, "if_value", VALUE, 0, c->if_value},
        {CALL_IF_ABSENT, "if_absent", FLAG, 0, BYTES_NONE},
        {CALL_IF_EXISTS, "if_exists", FLAG, 0, BYTES_NONE},
        {CALL_RETURN_OLD, "return_old", FLAG, 0, BYTES_NONE},
        {CALL_DELTA, "delta", NUMBER, (uint64_t)c->delta, BYTES_NONE},
        {CALL_MIN, "min", NUMBER, (uint64_t)c->min, BYTES_NONE},
        {CALL_MAX, "max", NUMBER, (uint64_t)c->max, BYTES_NONE},
        {CALL_PREFIX, "prefix", TEXT, 0, c->prefix},
        {CALL_FROM, "from", TEXT, 0, c->from},
        {CALL_TO, "to", TEXT, 0, c->to},
        {CALL_LIMIT, "limit", NUMBER, c->limit, BYTES_NONE},
        {CALL_CURSOR, "cursor", TEXT, 0, c->cursor},
        {CALL_KEYS_ONLY, "keys_only", FLAG, 0, BYTES_NONE},
        {CALL_REVERSE, "reverse", FLAG, 0, BYTES_NONE},
        {CALL_ATOMIC, "atomic", FLAG, 0, BYTES_NONE},
        {CALL_STRICT, "durability", TEXT, 0, {(const uint8_t *)"strict", 6}},
        {CALL_IF_NONE, "if_none", FLAG, 0, BYTES_NONE},
        {CALL_IF_SOME, "if_some", FLAG, 0, BYTES_NONE},
        {CALL_IF_LATER, "if_later", FLAG, 0, BYTES_NONE},
        {CALL_IF_SOONER, "if_sooner", FLAG, 0, BYTES_NONE},
        {CALL_RETURN_VALUE, "return_value", FLAG, 0, BYTES_NONE},
        {CALL_PARTIAL, "partial", FLAG, 0, BYTES_NONE},
        {CALL_MATCH, "match", TEXT, 0, c->match},
        {CALL_POSITION, "cursor", NUMBER, c->position, BYTES_NONE},
    };
    OK(pack_map(out, (size_t)__builtin_popcount(c->options) + (c->n_conditions > 0)));
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        if (!call_has(c, rows[i].option))
            continue;
        encode_name(out, rows[i].name);
        if (rows[i].form == FLAG)
            OK(pack_bool(out, true));
        else if (rows[i].form == NUMBER)
            OK(pack_int(out, (int64_t)rows[i].number));
        else if (rows[i].form == TEXT)
            encode_text(out, rows[i].bytes, false);
        else
            OK(buf_append(out, rows[i].bytes.data, rows[i].bytes.size));
    }
    if (c->n_conditions == 0)
        return;
    encode_name(out, "conditions");
    OK(pack_array(out, c->n_conditions));
    for (unsigned i = 0; i < c->n_conditions; i++) {
        OK(pack_array(out, 3));
        encode_name(out, "kv");
        encode_text(out, c->condition_key[i].bytes, c->condition_key[i].text);
        OK(pack_uint(out, c->condition_version[i]));
    }
}

static void encode_params(struct buf *out, const struct call *c);

static void encode_calls(struct buf *out, const struct call *c)
{
    OK(pack_array(out, c->n));
    for (unsigned i = 0; i < c->n; i++) {
        OK(pack_array(out, 2));
        encode_name(out, op_table[c->calls[i].op].name);
        encode_params(out, &c->calls[i]);
    }
}

/* The one required argument that is a list. */
static void encode_list(struct buf *out, const struct call *c)
{
    bool pairs = c->op == OP_kv_mput;
    OK(pack_array(out, c->n));
    for (unsigned i = 0; i < c->n; i++) {
        if (pairs)
            OK(pack_array(out, 2));
        encode_text(out, c->key[i].bytes, c->key[i].text);
        if (pairs)
            OK(buf_append(out, c->value[i].data, c->value[i].size));
    }
}

static void encode_required(struct buf *out, const struct call *c, const struct arg_desc *arg)
{
    if (arg->type == ARG_KEY)
        encode_text(out, c->key[0].bytes, c->key[0].text);
    else if (arg->type == ARG_VALUE)
        OK(buf_append(out, c->value[0].data, c->value[0].size));
    else if (arg->type == ARG_DATA)
        encode_text(out, c->value[0], c->data_text);
    else if (arg->type == ARG_UINT)
        OK(pack_uint(out, c->version));
    else if (arg->type == ARG_REAL)
        OK(pack_real(out, c->real));
    else if (arg->type == ARG_NAME)
        encode_text(out, model_run_names[c->run], true);
    else if (arg->type == ARG_CALLS)
        encode_calls(out, c);
    else
        encode_list(out, c);
}

static void encode_params(struct buf *out, const struct call *c)
{
    const struct op *op = &op_table[c->op];
    bool options = c->options != 0 || c->n_conditions > 0;
    OK(pack_array(out, op->n_required + options));
    for (unsigned i = 0; i < op->n_required; i++)
        encode_required(out, c, &op->args[i]);
    if (options)
        encode_options(out, c);
}

/* The request as it will be printed if something goes wrong. */
static void driver_remember(struct driver *d)
{
    char *line = d->history[d->number % DRIVER_HISTORY];
    int n = snprintf(line, DRIVER_LINE, "%" PRIu64 " at %" PRId64 ": ", d->number, d->env.now_ms);
    for (size_t i = 0; i < d->request.size && n < DRIVER_LINE - 5; i++) {
        uint8_t byte = d->request.data[i];
        n += snprintf(line + n, (size_t)(DRIVER_LINE - n),
                      byte >= 0x20 && byte < 0x7f && byte != '\\' ? "%c" : "\\%02x", byte);
    }
}

/* ---- failing allocations ---- */

void driver_arm(struct driver *d)
{
    mem_fail_after(d->fail_nth, d->fail_sticky);
}

/* A failure that is still to come is met here; one that goes on for ever has come already. */
void driver_disarm(struct driver *d)
{
    bool to_come = false;
    for (unsigned long i = 0; i < d->fail_nth && !to_come && !d->fail_sticky; i++) {
        void *memory = mem_alloc(1);
        to_come = memory == NULL;
        mem_free(memory);
    }
    d->fired |= d->fail_nth > 0 && !to_come;
    mem_fail_after(0, 0);
}

/* ---- running ---- */

static void driver_finish_job(struct driver *d, struct job *job)
{
    struct buf reply = d->reply;
    driver_arm(d);
    bool done = job->step(job, &d->env);
    driver_disarm(d);
    uint64_t written = 0;
    buf_init(&d->reply);
    while (!done) {
        d->oracle.version = atomic_load(&d->store->version);
        if (d->between != NULL)
            written += d->between(d->context);
        if (d->faults && rng_below(&d->rng, 2) == 0)
            mem_fail_after(1 + rng_below(&d->rng, 4), 0);
        done = job->step(job, &d->env);
        mem_fail_after(0, 0);
    }
    buf_deinit(&d->reply);
    d->reply = reply;
    d->written_between = written;
    OK(dispatch_finish(&d->env, &d->session, 7, false, job, NULL, &d->reply));
    job->destroy(job);
}

/* Run what is encoded; the response is in d->reply. *out_job: a job that is not finished yet. */
static void driver_dispatch(struct driver *d, struct job **out_job)
{
    struct problem problem = {.text = ""};
    struct request request;
    size_t size = 0;
    bool failed = false;
    d->reply.size = 0;
    if (rpc_decode(buf_bytes(&d->request), &d->limits, &request, &problem, &size) != RPC_OK)
        driver_fail(d, problem.text);
    REQUIRE(size == d->request.size && request.msgid == 7);
    if (rng_below(&d->rng, 2) == 0)
        dispatch_prefetch(&d->env, &d->session, &request);
    dispatch_prefetch_record(&d->env, &request);
    OK(buf_reserve(&d->reply, 65536)); /* so that an injected failure meets the store instead */
    if (d->faults && rng_below(&d->rng, 8) == 0) {
        buf_deinit(&d->env.scratch); /* so that handlers must allocate it */
        mem_fail_after(1 + rng_below(&d->rng, rng_below(&d->rng, 2) == 0 ? 3 : 12),
                       (int)rng_below(&d->rng, 2));
    } else if (d->fail_nth > 0) {
        buf_deinit(&d->env.scratch);
        driver_arm(d);
    }
    *out_job = dispatch_run(&d->env, &d->session, &request, &d->reply, &failed);
    driver_disarm(d);
    if (failed)
        driver_fail(d, "no reply");
}

static bool driver_may_refuse(const struct driver *d, const struct call *c)
{
    bool write = (op_table[c->op].flags & OP_WRITE) != 0;
    bool limited = d->memory_limited && write && c->op != OP_kv_del && c->op != OP_kv_mdel &&
                   c->op != OP_kv_expire && c->op != OP_kv_persist && c->op != OP_kv_clear &&
                   c->op != OP_run_drop;
    return limited || d->faults || d->fail_nth > 0;
}

/* Entries that were evicted for this call leave the oracle too. */
static void driver_forget_evicted(struct driver *d)
{
    struct oracle *o = &d->oracle;
    for (size_t i = o->n; i-- > 0;) {
        struct entry_view view = oracle_at(o, i);
        struct run *run = run_find(d->store->runs, model_run_names[view.run]);
        struct record_key key = {run_id(run), KIND_kv, view.key};
        uint64_t hash = store_hash(d->store, &key);
        unsigned p = store_partition_index(d->store, hash);
        if (partition_find(&d->store->partitions[p], hash, &key) == NULL)
            oracle_remove_at(o, i);
        run_unref(run);
    }
}

static void driver_compare(struct driver *d, const struct call *c, const struct expect *want)
{
    struct rpc_response got;
    size_t size;
    OK(rpc_decode_response(buf_bytes(&d->reply), &got, &size));
    REQUIRE(got.msgid == 7 && size == d->reply.size);
    if (!reply_same(c, want, &got)) {
        fprintf(stderr,
                "wanted error %s actual %" PRIu64 " index %d range %" PRIu64 "-%" PRIu64 " result",
                err_name(want->err), want->actual, want->index, want->low, want->high);
        for (size_t i = 0; i < want->result.size && i < 200; i++)
            fprintf(stderr, " %02x", want->result.data[i]);
        fprintf(stderr, "\ngot");
        for (size_t i = 0; i < d->reply.size && i < 300; i++)
            fprintf(stderr, " %02x", d->reply.data[i]);
        fprintf(stderr, "\n");
        driver_fail(d, op_table[c->op].name);
    }
    d->last_ok = want->err == 0;
    d->counts[c->op] += d->last_ok;
    d->last_cursor.size = 0;
    if (d->last_ok && want->cursor_must)
        OK(buf_append(&d->last_cursor, want->cursor.data, want->cursor.size));
}

/* Refused for memory, as may be? Then nothing has changed, which driver_check will see. */
static bool driver_was_refused(struct driver *d, const struct call *c)
{
    struct rpc_response got;
    size_t size;
    OK(rpc_decode_response(buf_bytes(&d->reply), &got, &size));
    if (!driver_may_refuse(d, c) || !error_is(got.error, ERR_OUT_OF_MEMORY))
        return false;
    d->refused++;
    return true;
}

void driver_run(struct driver *d, const struct call *c)
{
    struct store_figures before, after;
    struct expect want;
    struct job *job = NULL;
    expect_init(&want);
    d->number++;
    d->request.size = 0;
    OK(rpc_encode_request(&d->request, 7, bytes_of(op_table[c->op].name)));
    encode_params(&d->request, c);
    driver_remember(d);
    store_figures(d->store, &before);
    driver_dispatch(d, &job);
    store_figures(d->store, &after);
    d->oracle.version = before.version + (after.evicted - before.evicted);
    d->written_between = 0;
    if (job != NULL || !driver_was_refused(d, c))
        oracle_call(&d->oracle, c, &want);
    else
        want.err = ERR_OUT_OF_MEMORY;
    if (job != NULL)
        driver_finish_job(d, job);
    if (want.range)
        want.low -= d->written_between < want.low ? d->written_between : want.low;
    driver_compare(d, c, &want);
    if (after.evicted != before.evicted)
        driver_forget_evicted(d);
    expect_deinit(&want);
}

/* ---- time ---- */

void driver_tick(struct driver *d, int64_t ms)
{
    d->env.now_ms += ms;
    d->oracle.now_ms = d->env.now_ms;
}

void driver_sweep_some(struct driver *d)
{
    unsigned p = (unsigned)rng_below(&d->rng, d->store->n_partitions);
    (void)store_sweep(d->store, p, d->env.now_ms, 1 + (int)rng_below(&d->rng, 8));
}

void driver_sweep_all(struct driver *d)
{
    for (unsigned p = 0; p < d->store->n_partitions; p++)
        while (store_sweep(d->store, p, d->env.now_ms, 100))
            continue;
    oracle_purge(&d->oracle, d->env.now_ms / WHEEL_TICK_MS * WHEEL_TICK_MS);
}

void driver_settle(struct driver *d)
{
    int64_t odd = d->env.now_ms % WHEEL_TICK_MS;
    driver_tick(d, odd == 0 ? 0 : WHEEL_TICK_MS - odd);
    driver_sweep_all(d);
}

uint64_t driver_env(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}
