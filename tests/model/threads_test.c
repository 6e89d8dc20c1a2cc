/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Four threads on one store, each with its own op_env as an event loop has, for the rules that hold
 * whatever the order of things.
 *
 *   bank      transfers between accounts, by atomic batches with conditions: the sum is constant in
 *             every mget and at the end
 *   switches  at most one of two is on, by conditions on a key that the batch does not write
 *   counters  incr: none is lost
 *   versions  of a key, as each thread sees them, only grow
 *   clear, run.drop of other keys and runs, and sweeps, go on meanwhile
 *
 * CAIRN_SEED sets the seed, CAIRN_MODEL_OPS the operations of each thread. An alarm ends a
 * deadlock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/rng.h"
#include "proto/pack.h"
#include "proto/rpc.h"
#include "server/ops/dispatch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct slowlog nothing_slow = {.threshold_ns = UINT64_MAX};

#define OK(result) REQUIRE((result) == 0)

enum {
    THREADS = 4,
    ACCOUNTS = 8,
    START = 1000,
    COUNTERS = 3,
    PARTITIONS = 8,
    PAIR_CALLS = 40,
    ALARM_S = 100
};

struct loop {
    struct store *store;
    struct limits limits;
    struct stats stats;
    struct op_env env;
    struct session session;
    struct buf request, reply;
    struct rng rng;
    uint64_t operations;
    uint64_t seen[ACCOUNTS]; /* newest version of each account */
    int64_t added[COUNTERS];
    uint64_t transfers, lost, dropped, cleared;
};

static void loop_init(struct loop *loop, struct store *store, uint64_t seed, uint64_t operations)
{
    *loop = (struct loop){
        .store = store, .limits = limits_default(), .rng = {seed}, .operations = operations};
    loop->env.store = store;
    loop->env.limits = &loop->limits;
    loop->env.stats = &loop->stats;
    loop->env.slowlog = &nothing_slow;
    loop->env.now_ms = 1000;
    session_init(&loop->session, store, 1, true);
}

static void loop_deinit(struct loop *loop)
{
    session_deinit(&loop->session);
    stats_deinit(&loop->stats);
    buf_deinit(&loop->request);
    buf_deinit(&loop->reply);
    buf_deinit(&loop->env.scratch);
}

static void text(struct loop *loop, const char *word)
{
    OK(pack_str(&loop->request, bytes_of(word)));
}

static void begin(struct loop *loop, const char *method, size_t params)
{
    loop->request.size = 0;
    OK(rpc_encode_request(&loop->request, 1, bytes_of(method)));
    OK(pack_array(&loop->request, params));
}

/* Run what is encoded to its end. True if it succeeded; *out reads the result. */
static bool run(struct loop *loop, struct mp_reader *out)
{
    struct problem problem;
    struct request request;
    struct rpc_response response;
    bool failed = false;
    size_t size;
    loop->reply.size = 0;
    REQUIRE(rpc_decode(buf_bytes(&loop->request), &loop->limits, &request, &problem, &size) ==
            RPC_OK);
    dispatch_prefetch(&loop->env, &loop->session, &request);
    dispatch_prefetch_record(&loop->env, &request);
    struct job *job = dispatch_run(&loop->env, &loop->session, &request, &loop->reply, &failed);
    if (job != NULL) {
        while (!job->step(job, &loop->env))
            continue;
        OK(dispatch_finish(&loop->env, &loop->session, 1, false, job, NULL, &loop->reply));
        job->destroy(job);
    }
    REQUIRE(!failed && rpc_decode_response(buf_bytes(&loop->reply), &response, &size) == 0);
    *out = mp_reader_of(response.result);
    return response.error.data[0] == 0xc0;
}

static struct mp take(struct mp_reader *reader)
{
    struct mp mp;
    OK(mp_read(reader, &mp));
    return mp;
}

static const char *account(unsigned i)
{
    static const char *const names[ACCOUNTS] = {"bank:0", "bank:1", "bank:2", "bank:3",
                                                "bank:4", "bank:5", "bank:6", "bank:7"};
    return names[i];
}

/* All accounts at one instant: the sum is right, no version has gone back. */
static void look(struct loop *loop, int64_t *balance, uint64_t *version)
{
    struct mp_reader reader;
    int64_t sum = 0;
    begin(loop, "kv.mget", 2);
    OK(pack_array(&loop->request, ACCOUNTS));
    for (unsigned i = 0; i < ACCOUNTS; i++)
        text(loop, account(i));
    OK(pack_map(&loop->request, 1));
    text(loop, "with_version");
    OK(pack_bool(&loop->request, true));
    REQUIRE(run(loop, &reader));
    REQUIRE(take(&reader).count == ACCOUNTS);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        REQUIRE(take(&reader).count == 3);
        balance[i] = take(&reader).sint;
        version[i] = take(&reader).uint;
        REQUIRE(take(&reader).kind == MP_NIL);
        REQUIRE(version[i] >= loop->seen[i]);
        loop->seen[i] = version[i];
        sum += balance[i];
    }
    REQUIRE(sum == ACCOUNTS * START);
}

static void call_put(struct loop *loop, const char *key, int64_t value)
{
    OK(pack_array(&loop->request, 2));
    text(loop, "kv.put");
    OK(pack_array(&loop->request, 2));
    text(loop, key);
    OK(pack_int(&loop->request, value));
}

static void condition(struct loop *loop, const char *key, uint64_t version)
{
    OK(pack_array(&loop->request, 3));
    text(loop, "kv");
    text(loop, key);
    OK(pack_uint(&loop->request, version));
}

/* Read all, then move money if neither account has changed since. */
static void transfer(struct loop *loop)
{
    unsigned from = (unsigned)rng_below(&loop->rng, ACCOUNTS);
    unsigned to = (from + 1 + (unsigned)rng_below(&loop->rng, ACCOUNTS - 1)) % ACCOUNTS;
    int64_t amount = (int64_t)rng_below(&loop->rng, 100), balance[ACCOUNTS];
    uint64_t version[ACCOUNTS];
    struct mp_reader reader;
    look(loop, balance, version);
    begin(loop, "batch", 2);
    OK(pack_array(&loop->request, 2));
    call_put(loop, account(from), balance[from] - amount);
    call_put(loop, account(to), balance[to] + amount);
    OK(pack_map(&loop->request, 1));
    text(loop, "conditions");
    OK(pack_array(&loop->request, 2));
    condition(loop, account(to), version[to]);
    condition(loop, account(from), version[from]);
    if (run(loop, &reader))
        loop->transfers++;
    else
        loop->lost++;
}

/* One of two switches may be on: each is turned on under the condition that the other, which the
 * batch does not write, is as it was seen. */
static void toggle(struct loop *loop)
{
    static const char *const names[2] = {"switch:a", "switch:b"};
    unsigned mine = (unsigned)rng_below(&loop->rng, 2);
    struct mp_reader reader;
    uint64_t on[2] = {0}, version[2] = {0};
    begin(loop, "kv.mget", 2);
    OK(pack_array(&loop->request, 2));
    text(loop, names[0]);
    text(loop, names[1]);
    OK(pack_map(&loop->request, 1));
    text(loop, "with_version");
    OK(pack_bool(&loop->request, true));
    REQUIRE(run(loop, &reader));
    (void)take(&reader);
    for (unsigned i = 0; i < 2; i++) {
        if (take(&reader).kind == MP_NIL)
            continue;
        on[i] = take(&reader).uint;
        version[i] = take(&reader).uint;
        (void)take(&reader);
    }
    REQUIRE(on[0] + on[1] <= 1);
    begin(loop, "batch", 2);
    OK(pack_array(&loop->request, 1));
    call_put(loop, names[mine], on[0] + on[1] == 0);
    OK(pack_map(&loop->request, 1));
    text(loop, "conditions");
    OK(pack_array(&loop->request, 1));
    condition(loop, names[1 - mine], version[1 - mine]);
    (void)run(loop, &reader);
}

static void count(struct loop *loop)
{
    static const char *const names[COUNTERS] = {"n:a", "n:b", "n:c"};
    unsigned i = (unsigned)rng_below(&loop->rng, COUNTERS);
    int64_t delta = (int64_t)rng_below(&loop->rng, 9) - 3;
    struct mp_reader reader;
    begin(loop, "kv.incr", 2);
    text(loop, names[i]);
    OK(pack_int(&loop->request, delta));
    REQUIRE(run(loop, &reader));
    loop->added[i] += delta;
}

static void option_run(struct loop *loop, const char *name)
{
    OK(pack_map(&loop->request, 1));
    text(loop, "run");
    text(loop, name);
}

/* Records that come and go: by clear, and with their run. */
static void litter(struct loop *loop)
{
    char key[32];
    struct mp_reader reader;
    (void)snprintf(key, sizeof key, "tmp:%u", (unsigned)rng_below(&loop->rng, 500));
    begin(loop, "kv.put", 3);
    text(loop, key);
    text(loop, "litter");
    if (rng_below(&loop->rng, 2) == 0) {
        option_run(loop, "passing");
    } else {
        OK(pack_map(&loop->request, 1));
        text(loop, "ttl_ms");
        OK(pack_uint(&loop->request, 1 + rng_below(&loop->rng, 50)));
    }
    REQUIRE(run(loop, &reader));
}

/* An atomic batch in a run that others drop, long enough to be dropped in the middle of it: both
 * keys or neither. */
static void pair(struct loop *loop)
{
    struct mp_reader reader;
    int64_t value = (int64_t)rng_next(&loop->rng);
    begin(loop, "batch", 2);
    OK(pack_array(&loop->request, PAIR_CALLS));
    call_put(loop, "pair:a", value);
    for (unsigned i = 2; i < PAIR_CALLS; i++)
        call_put(loop, account(i % ACCOUNTS), value); /* of the same names, in the other run */
    call_put(loop, "pair:b", value);
    OK(pack_map(&loop->request, 2));
    text(loop, "run");
    text(loop, "passing");
    text(loop, "atomic");
    OK(pack_bool(&loop->request, true));
    REQUIRE(run(loop, &reader));
    begin(loop, "kv.mget", 2);
    OK(pack_array(&loop->request, 2));
    text(loop, "pair:a");
    text(loop, "pair:b");
    option_run(loop, "passing");
    REQUIRE(run(loop, &reader));
    REQUIRE(take(&reader).count == 2);
    struct mp a = take(&reader), b = take(&reader);
    REQUIRE(a.kind == b.kind && (a.kind == MP_NIL || a.uint == b.uint));
}

static void clear(struct loop *loop)
{
    struct mp_reader reader;
    if (rng_below(&loop->rng, 2) == 0) {
        begin(loop, "run.drop", 1);
        text(loop, "passing");
        REQUIRE(run(loop, &reader));
        loop->dropped += take(&reader).uint;
        return;
    }
    begin(loop, "kv.clear", 1);
    OK(pack_map(&loop->request, 1));
    text(loop, "prefix");
    text(loop, "tmp:");
    REQUIRE(run(loop, &reader));
    loop->cleared += take(&reader).uint;
}

/* All of the accounts are in every scan, in order. */
static void scan(struct loop *loop)
{
    struct mp_reader reader;
    begin(loop, "kv.scan", 1);
    OK(pack_map(&loop->request, 2));
    text(loop, "prefix");
    text(loop, "bank:");
    text(loop, "keys_only");
    OK(pack_bool(&loop->request, true));
    REQUIRE(run(loop, &reader));
    (void)take(&reader);
    (void)take(&reader);
    REQUIRE(take(&reader).count == ACCOUNTS);
    for (unsigned i = 0; i < ACCOUNTS; i++)
        REQUIRE(bytes_equal(take(&reader).bytes, bytes_of(account(i))));
}

static void *work(void *context)
{
    struct loop *loop = context;
    for (uint64_t i = 0; i < loop->operations; i++) {
        uint64_t kind = rng_below(&loop->rng, 100);
        if (kind < 20)
            transfer(loop);
        else if (kind < 35)
            toggle(loop);
        else if (kind < 60)
            count(loop);
        else if (kind < 80)
            litter(loop);
        else if (kind < 88)
            pair(loop);
        else if (kind < 96)
            clear(loop);
        else
            scan(loop);
        loop->env.now_ms += (int64_t)rng_below(&loop->rng, 3);
        if (kind % 16 == 0)
            (void)store_sweep(loop->store, (unsigned)kind % PARTITIONS, loop->env.now_ms, 16);
    }
    return NULL;
}

static void open_accounts(struct loop *loop)
{
    struct mp_reader reader;
    begin(loop, "kv.mput", 1);
    OK(pack_array(&loop->request, ACCOUNTS));
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        OK(pack_array(&loop->request, 2));
        text(loop, account(i));
        OK(pack_int(&loop->request, START));
    }
    REQUIRE(run(loop, &reader));
}

static void check_counters(struct loop *loops)
{
    static const char *const names[COUNTERS] = {"n:a", "n:b", "n:c"};
    for (unsigned i = 0; i < COUNTERS; i++) {
        struct mp_reader reader;
        int64_t sum = 0;
        for (unsigned t = 0; t < THREADS; t++)
            sum += loops[t].added[i];
        begin(&loops[0], "kv.incr", 2);
        text(&loops[0], names[i]);
        OK(pack_int(&loops[0].request, 0));
        assert_true(run(&loops[0], &reader));
        assert_int_equal(take(&reader).sint, sum);
    }
}

/* The bank and the counters are all that is left, once the rest is cleared; nothing leaks. */
static void check_rest(struct loop *loop)
{
    struct store_figures figures;
    struct mp_reader reader;
    begin(loop, "run.drop", 1);
    text(loop, "passing");
    assert_true(run(loop, &reader));
    begin(loop, "kv.clear", 1);
    OK(pack_map(&loop->request, 1));
    text(loop, "prefix");
    text(loop, "tmp:");
    assert_true(run(loop, &reader));
    store_figures(loop->store, &figures);
    assert_int_equal(figures.records, ACCOUNTS + COUNTERS + 2);
    for (unsigned p = 0; p < loop->store->n_partitions; p++)
        omap_check(&loop->store->partitions[p].order);
}

static uint64_t number_of_env(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

static void test_threads(void **state)
{
    static struct loop loops[THREADS];
    uint64_t seed = number_of_env("CAIRN_SEED", 1), lost = 0, transfers = 0;
    uint64_t operations = number_of_env("CAIRN_MODEL_OPS", 50000);
    struct store_options options = {
        .n_partitions = PARTITIONS, .n_threads = THREADS, .runs_max = 100, .now_ms = 1000};
    struct store *store = store_create(&options);
    pthread_t threads[THREADS];
    (void)state;
    printf("CAIRN_SEED=%" PRIu64 "\n", seed);
    alarm(ALARM_S);
    assert_non_null(store);
    for (unsigned t = 0; t < THREADS; t++)
        loop_init(&loops[t], store, seed + t, operations);
    open_accounts(&loops[0]);
    for (unsigned t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, work, &loops[t]), 0);
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
        lost += loops[t].lost;
        transfers += loops[t].transfers;
    }
    printf("%" PRIu64 " transfers, %" PRIu64 " lost a race\n", transfers, lost);
    check_counters(loops);
    check_rest(&loops[0]);
    for (unsigned t = 0; t < THREADS; t++)
        loop_deinit(&loops[t]);
    store_destroy(store);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    op_init();
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
