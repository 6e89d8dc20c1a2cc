/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A fixed script of operations on checkpoints, with a log, judged in two ways.
 *
 *   failing allocations   the n-th allocation of every step fails, for n = 1, 2, ... until a whole
 *                         run meets none any more: a step is refused with OUT_OF_MEMORY and has
 *                         done nothing (a compaction may have done a part), or does what it should
 *   crashes               what a start makes of the log up to every single entry, also those that
 *                         jobs write one after the other: all that is there can be read
 *
 * At each such point: every invariant of the store; what sessions count is what they have; a
 * recount changes no count; ckpt.validate finds all valid; nothing is there without an owner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rng.h"
#include "proto/pack.h"
#include "proto/rpc.h"
#include "server/ops/ckpt.h"
#include "server/ops/dispatch.h"
#include "tests/unit/server/store/logged.h"

enum { FAILS_MAX = 600, REPLY_ROOM = 1 << 20, MSGID = 7 };

#define OK(result) assert_int_equal(result, 0)

/* ---- a server without sockets ---- */

struct bench {
    struct store *store;
    struct logged logged;
    struct limits limits;
    struct stats stats;
    struct op_env env;
    struct session session;
    struct buf request, reply;
    unsigned long fail_nth; /* of each step; 0: none */
    bool fail_sticky, fired;
    unsigned refused;
};

static struct slowlog nothing_slow = {.threshold_ns = UINT64_MAX};

/* Operations on this store; which is given back by the caller. */
static void bench_init(struct bench *b, struct store *store)
{
    memset(b, 0, sizeof *b);
    b->store = store;
    b->limits = limits_default();
    b->env = (struct op_env){.store = store,
                             .limits = &b->limits,
                             .stats = &b->stats,
                             .slowlog = &nothing_slow,
                             .now_ms = FIXTURE_NOW_MS};
    session_init(&b->session, store, 1, true);
    b->session.error_maps = true;
}

static void bench_deinit(struct bench *b)
{
    session_deinit(&b->session);
    stats_deinit(&b->stats);
    buf_deinit(&b->request);
    buf_deinit(&b->reply);
    buf_deinit(&b->env.scratch);
}

/* ---- requests, as text ---- */

static void pack_text(const char **at, struct buf *out);

/* @SIZE and a letter: so many bytes that are different for each letter. */
static void pack_filler(const char **at, struct buf *out)
{
    char *end;
    size_t size = strtoul(*at + 1, &end, 10);
    struct rng rng = {(uint8_t)*end};
    uint8_t bytes[8192];
    REQUIRE(size <= sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)rng_below(&rng, 256);
    OK(pack_bin(out, (struct bytes){bytes, size}));
    *at = end + 1;
}

/* An array, or a map. */
static void pack_many(const char **at, struct buf *out)
{
    char close = **at == '[' ? ']' : '}';
    struct buf items = {0};
    size_t n = 0;
    for ((*at)++; **at != close; n++) {
        pack_text(at, &items);
        *at += strspn(*at, ",: ");
    }
    (*at)++;
    OK(close == ']' ? pack_array(out, n) : pack_map(out, n / 2));
    if (items.size > 0)
        OK(buf_append(out, items.data, items.size));
    buf_deinit(&items);
}

static void pack_text(const char **at, struct buf *out)
{
    char *end;
    if (**at == '@') {
        pack_filler(at, out);
    } else if (**at == '[' || **at == '{') {
        pack_many(at, out);
    } else if (**at == '\'') {
        const char *close = strchr(*at + 1, '\'');
        OK(pack_str(out, (struct bytes){(const uint8_t *)*at + 1, (size_t)(close - *at - 1)}));
        *at = close + 1;
    } else if (strncmp(*at, "true", 4) == 0) {
        OK(pack_bool(out, true));
        *at += 4;
    } else {
        OK(pack_int(out, strtoll(*at, &end, 10)));
        REQUIRE(end > *at);
        *at = end;
    }
}

static void arm(struct bench *b)
{
    if (b->fail_nth > 0)
        buf_deinit(&b->env.scratch); /* so that handlers must allocate it */
    mem_fail_after(b->fail_nth, b->fail_sticky);
}

/* A failure that is still to come is met here; one that goes on for ever has come already. */
static void disarm(struct bench *b)
{
    bool to_come = false;
    for (unsigned long i = 0; i < b->fail_nth && !to_come && !b->fail_sticky; i++) {
        void *memory = mem_alloc(1);
        to_come = memory == NULL;
        mem_free(memory);
    }
    b->fired |= b->fail_nth > 0 && !to_come;
    mem_fail_after(0, 0);
}

/* Run it to its end; the result, or the error, is a view of the reply. */
static struct rpc_response call(struct bench *b, const char *method, const char *params)
{
    struct problem problem = {.text = ""};
    struct request request;
    struct rpc_response got;
    size_t size = 0;
    bool failed = false;
    b->request.size = b->reply.size = 0;
    OK(rpc_encode_request(&b->request, MSGID, bytes_of(method)));
    pack_text(&params, &b->request);
    if (rpc_decode(buf_bytes(&b->request), &b->limits, &request, &problem, &size) != RPC_OK)
        fail_msg("%s: %s", method, problem.text);
    OK(buf_reserve(&b->reply, REPLY_ROOM)); /* so that the failure meets the store instead */
    arm(b);
    struct job *job = dispatch_run(&b->env, &b->session, &request, &b->reply, &failed);
    while (job != NULL && !dispatch_step(&b->env, job))
        continue;
    disarm(b);
    assert_false(failed);
    if (job != NULL) {
        OK(dispatch_finish(&b->env, &b->session, MSGID, false, job, NULL, &b->reply));
        dispatch_end_job(&b->env, job, b->reply.size);
    }
    OK(rpc_decode_response(buf_bytes(&b->reply), &got, &size));
    return got;
}

static bool is_error(const struct rpc_response *got)
{
    return got->error.size != 1 || got->error.data[0] != 0xc0;
}

/* ---- what is there ---- */

static void sweep(struct bench *b)
{
    for (unsigned i = 0; i < b->store->n_partitions; i++)
        while (store_sweep(b->store, i, b->env.now_ms, 1000))
            continue;
}

/* Call for every record, in the order of partitions. */
static void each(const struct store *store, void (*visit)(void *context, const struct record *),
                 void *context)
{
    for (unsigned i = 0; i < store->n_partitions; i++) {
        struct omap_iter iter;
        const struct record *record;
        omap_seek(&store->partitions[i].order, NULL, &iter);
        while ((record = omap_next(&iter)) != NULL)
            visit(context, record);
    }
}

/* What a record is, but for numbers and versions, which depend on what was refused: kind, key
 * without the generation, counts, and the size of the value. */
static void describe(void *context, const struct record *record)
{
    struct buf *out = context;
    struct bytes key = record_key_bytes(record);
    uint8_t kind = record_kind_of(record);
    uint8_t copy[CKPT_KEY_MAX];
    REQUIRE(key.size <= sizeof copy);
    memcpy(copy, key.data, key.size);
    if (record_kinds[kind].owner != KIND_none)
        memset(copy + group_prefix_size(key) - sizeof(uint64_t), 0, sizeof(uint64_t));
    if (kind == KIND_note)
        memset(copy + key.size - sizeof(uint64_t), 0, sizeof(uint64_t));
    uint32_t count = kind == KIND_blob || kind == KIND_piece ? record_count(record) : 0;
    uint64_t size = record_value(record).size;
    OK(buf_append(out, &kind, sizeof kind));
    OK(buf_append(out, copy, key.size));
    OK(buf_append(out, &count, sizeof count));
    OK(buf_append(out, &size, sizeof size));
}

static struct buf description(const struct store *store)
{
    struct buf out = {0};
    each(store, describe, &out);
    return out;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return bytes_equal(buf_bytes(a), buf_bytes(b));
}

/* The session, and what it should be. */
struct tally {
    struct bench *bench;
    const struct record *session;
    uint64_t checkpoints, bytes, owned;
};

static void count_owned(void *context, const struct record *record)
{
    struct tally *tally = context;
    struct bytes key = record_key_bytes(record);
    if (record_kinds[record_kind_of(record)].owner == KIND_none ||
        !bytes_equal(group_name(key), record_key_bytes(tally->session)))
        return;
    tally->checkpoints += record_kind_of(record) == KIND_ckpt;
    tally->bytes += key.size + record_value(record).size;
    tally->owned++;
}

static void check_session(void *context, const struct record *record)
{
    struct tally *all = context, tally = {.session = record};
    uint64_t numbers[RECORD_SUMMED_NUMBERS];
    if (record_kind_of(record) != KIND_session)
        return;
    each(all->bench->store, count_owned, &tally);
    record_summed(record_value(record), numbers);
    assert_int_equal(numbers[0], tally.checkpoints);
    assert_int_equal(numbers[1], tally.bytes);
    all->checkpoints += tally.checkpoints;
    all->owned += tally.owned + 1;
}

static uint64_t uint_of(struct rpc_response got, const char *name)
{
    struct mp_reader reader = mp_reader_of(got.result);
    struct bytes key;
    struct mp mp;
    bool text;
    OK(mp_read(&reader, &mp));
    for (uint32_t i = mp.count; i > 0; i--) {
        OK(mp_read_bytes(&reader, &key, &text));
        struct mp_reader at = reader;
        OK(mp_skip(&reader, MP_DEPTH_MAX));
        if (bytes_equal(key, bytes_of(name)) && mp_read(&at, &mp) == 0)
            return mp.uint;
    }
    fail_msg("no %s", name);
    return 0;
}

static void check(struct bench *b)
{
    struct tally all = {.bench = b};
    sweep(b);
    size_t records = fixture_check(b->store);
    each(b->store, check_session, &all);
    assert_int_equal(records, all.owned); /* nothing without an owner */
    struct buf before = description(b->store);
    ckpt_recount(b->store);
    struct buf after = description(b->store);
    assert_true(same(&before, &after));
    buf_deinit(&before);
    buf_deinit(&after);
    unsigned long fail_nth = b->fail_nth;
    b->fail_nth = 0;
    struct rpc_response got = call(b, "ckpt.validate", "[]");
    assert_false(is_error(&got));
    assert_int_equal(uint_of(got, "invalid"), 0);
    assert_int_equal(uint_of(got, "valid"), all.checkpoints);
    b->fail_nth = fail_nth;
}

/* ---- the script ---- */

static const struct step {
    const char *method, *params;
    bool parts; /* may be refused with a part done */
} script[] = {
    {"ckpt.session_create", "['d', {'delta': true, 'name': 'n', 'meta': {'m': 1}}]", false},
    {"ckpt.save",
     "['d', {'a': @3000a, 'b': @2000b, 'n': 1}, {'id': '1', 'tags': ['x', 'y'],"
     "'blobs': [['c', 1, 't', @1500c], ['e', 1, 't', @10e]]}]",
     false},
    {"ckpt.put_writes", "['d', '', '2', 'task', [[0, 'c', 't', @1000a], [1, 'c', 't', @9b]]]",
     false},
    {"ckpt.save",
     "['d', {'a': @3000a, 'b': @2000c, 'n': 2}, {'id': '2', 'parent': '1',"
     "'metadata': {'run_id': 'r'}, 'blobs': [['c', 2, 't', @1600c]],"
     "'channel_versions': [['c', 2], ['e', 1], ['none', 7]]}]",
     false},
    {"ckpt.save_many",
     "['d', [{'state': {'a': @3000a, 'b': @2000d}, 'id': '3', 'parent': '2'},"
     "{'state': {'a': @3100a, 'b': @2000d}, 'id': '4', 'parent': '3'},"
     "{'state': {'a': @3100a}, 'id': '5', 'ns': 'sub'}]]",
     false},
    {"ckpt.annotate", "['d', '2', @300x, {'severity': 'warning'}]", false},
    {"ckpt.tag", "['d', '3', ['keep', 'x']]", false},
    {"ckpt.restore", "['d', '3']", false},
    {"ckpt.save",
     "['d', {'a': @3000f, 'b': @2000c}, {'id': '2', 'parent': '1',"
     "'blobs': [['c', 3, 't', @1600c]]}]",
     false}, /* in place of another */
    {"ckpt.save", "['plain', @4000p, {'id': '1', 'blobs': [['c', 1, 't', @500c]]}]", false},
    {"ckpt.save",
     "['plain', @4001p, {'id': '2', 'parent': '1', 'metadata': {'run_id': 'r'},"
     "'channel_versions': [['c', 1]]}]",
     false},
    {"ckpt.untag", "['d', '3', ['x']]", false},
    {"ckpt.fork", "['d', '4', 'forked']", false},
    {"ckpt.copy", "['d', 'copied']", false},
    {"ckpt.auto", "['plain', 60000]", false},
    {"ckpt.save", "['plain', 1, {'id': '3', 'trigger': 'timer'}]", false}, /* throttled */
    {"ckpt.import",
     "[[{'session': 'd', 'id': '9', 'state': {'a': @3000g}, 'parent': '4',"
     "'created_at': 5}, {'session': 'new', 'delta': true}, {'session': 'new',"
     "'id': '1', 'state': {'a': @3000g}, 'notes': [[1, 'annotation', 'info', 'n']],"
     "'blobs': [['c', 1, 't', @1500c]], 'channel_versions': [['c', 1]]}],"
     "{'mode': 'overwrite'}]",
     false},
    {"ckpt.list", "[{'filter': {'run_id': 'r'}, 'with_state': true}]", false},
    {"ckpt.get", "['d', {'id': '4'}]", false},
    {"ckpt.history", "['d', '', '4']", false},
    {"ckpt.notes", "['d']", false},
    {"ckpt.export", "[]", false},
    {"ckpt.validate", "[]", false},
    {"ckpt.metrics", "[]", false},
    {"ckpt.delete", "['d', '1']", false},
    {"ckpt.save", "['d', {'a': @3000h}, {'id': '6', 'parent': 'none'}]", false},
    {"ckpt.delete", "['d', '6']", false},
    {"ckpt.delete", "['d', '3']", false},
    {"ckpt.compact", "['copied', {'keep_recent': 2, 'keep_tags': ['keep'], 'per_ns': true}]", true},
    {"ckpt.save", "['lean', 1, {'id': '1', 'channel_versions': [['c', 1]]}]", false},
    {"ckpt.put_writes", "['lean', '', '1', 't', [[0, 'c', 't', '']]]", false},
    {"ckpt.save", "['lean', 2, {'id': '2', 'parent': '1', 'channel_versions': [['c', 2]]}]", false},
    {"ckpt.save", "['lean', 3, {'id': '3', 'parent': '2', 'channel_versions': [['c', 3]]}]", false},
    {"ckpt.compact", "['lean', {'keep_recent': 1}]", true},
    {"ckpt.delete", "['lean', '1']", false},
    {"ckpt.compact", "['lean', {'keep_recent': 1}]", true},
    {"ckpt.delete_runs", "[['r']]", true},
    {"ckpt.session_delete", "['forked']", false},
    {"ckpt.session_create", "['forked', {'ttl_ms': 5000}]", false},
};

static void settle(struct bench *b)
{
    uint64_t version = atomic_load(&b->store->version);
    for (int i = 0; i < 4; i++)
        wal_step(b->store->wal);
    assert_true(wal_write(b->store->wal, version) && wal_durable_lsn(b->store->wal) == version);
}

static void take(struct bench *b, const struct step *step)
{
    struct buf before = description(b->store);
    struct rpc_response got = call(b, step->method, step->params);
    settle(b);
    if (is_error(&got)) {
        const char *refused = "OUT_OF_MEMORY";
        if (b->fail_nth == 0 ||
            memmem(got.error.data, got.error.size, refused, strlen(refused)) == NULL)
            fail_msg("%s: %.*s", step->method, (int)got.error.size, (const char *)got.error.data);
        sweep(b);
        struct buf after = description(b->store);
        if (!step->parts && !same(&before, &after))
            fail_msg("%s with allocation %lu failing left something", step->method, b->fail_nth);
        buf_deinit(&after);
        check(b);
        b->refused++;
        unsigned long fail_nth = b->fail_nth;
        b->fail_nth = 0;
        got = call(b, step->method, step->params);
        settle(b);
        b->fail_nth = fail_nth;
        assert_false(is_error(&got));
    }
    buf_deinit(&before);
    check(b);
}

static void begin(struct bench *b, unsigned long fail_nth, bool sticky)
{
    struct wal_end end = {0};
    struct store *store = fixture_open(4, 1);
    bench_init(b, store);
    logged_open(&b->logged);
    logged_begin(&b->logged, store, &end);
    store->durability = b->session.durability = DURABILITY_LEVEL_BUFFERED;
    b->fail_nth = fail_nth;
    b->fail_sticky = sticky;
}

static void end(struct bench *b)
{
    logged_end(b->store);
    bench_deinit(b);
    store_destroy(b->store);
    logged_close(&b->logged);
}

/* ---- failing allocations ---- */

/* All of it. *out_what: what came of it; the caller's. True if an allocation failed. */
static bool run_script(unsigned long n, bool sticky, unsigned *refused, struct buf *out_what)
{
    struct bench b;
    begin(&b, n, sticky);
    for (size_t i = 0; i < LENGTH_OF(script); i++)
        take(&b, &script[i]);
    *out_what = description(b.store);
    *refused += b.refused;
    end(&b);
    return b.fired;
}

static void failing_allocations(void **state)
{
    struct buf want = {0}, got;
    unsigned long n = 0;
    unsigned refused = 0;
    bool fired;
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    (void)run_script(0, false, &refused, &want);
    do {
        fired = run_script(++n, false, &refused, &got);
        assert_true(same(&want, &got));
        buf_deinit(&got);
        assert_true(n < FAILS_MAX);
    } while (fired);
    print_message("up to %lu allocations in a step; %u steps were refused\n", n - 1, refused);
    assert_true(n > 20 && refused > 500);
    for (; n > 0; n -= n > 16 ? n / 8 : 1) {
        (void)run_script(n, true, &refused, &got);
        assert_true(same(&want, &got));
        buf_deinit(&got);
    }
    buf_deinit(&want);
}

/* ---- crashes ---- */

struct cut {
    struct recovery recovery;
    uint64_t last; /* entries behind this LSN are lost */
};

static int cut_entry(void *context, const struct entry *entry)
{
    struct cut *cut = context;
    return entry->lsn > cut->last ? 0 : recover_entry(&cut->recovery, entry);
}

/* What a start makes of the log up to this LSN. */
static struct store *recover_to(struct logged *logged, uint64_t last)
{
    struct store *store = fixture_open(4, 1);
    struct replay_report report;
    struct cut cut = {.last = last};
    struct replay_options options = {
        .dir = logged->dir, .store = &logged_id, .entry = cut_entry, .context = &cut};
    OK(recover_begin(&cut.recovery, store, 0));
    OK(replay_settle(logged->dir, &report));
    OK(replay_run(&options, &report));
    OK(recover_finish(&cut.recovery));
    recover_end(&cut.recovery);
    ckpt_recount(store);
    return store;
}

/* All of them, or not there: what this session copies comes at once. */
static void check_whole(struct bench *b, const char *session, uint64_t checkpoints)
{
    char params[64];
    (void)snprintf(params, sizeof params, "['%s']", session);
    struct rpc_response got = call(b, "ckpt.session_get", params);
    assert_false(is_error(&got));
    if (got.result.size > 1)
        assert_int_equal(uint_of(got, "checkpoints"), checkpoints);
}

static void every_entry(void **state)
{
    enum { COPIES = 3, ALL = 5 }; /* what fork copies of d, and copy */
    struct bench b, after;
    (void)state;
    begin(&b, 0, false);
    for (size_t i = 0; i < LENGTH_OF(script); i++) {
        uint64_t from = atomic_load(&b.store->version);
        take(&b, &script[i]);
        bool copies = strcmp(script[i].method, "ckpt.fork") == 0 ||
                      strcmp(script[i].method, "ckpt.copy") == 0;
        uint64_t to = atomic_load(&b.store->version);
        assert_true(!copies || to > from + 2);
        for (uint64_t lsn = from; lsn <= to; lsn++) {
            bench_init(&after, recover_to(&b.logged, lsn));
            check(&after);
            if (copies) {
                check_whole(&after, "forked", COPIES + 1);
                check_whole(&after, "copied", ALL);
            }
            if (lsn == to) { /* all of it */
                struct buf was = description(b.store), is = description(after.store);
                assert_true(same(&was, &is));
                buf_deinit(&was);
                buf_deinit(&is);
            }
            bench_deinit(&after);
            store_destroy(after.store);
        }
    }
    print_message("%llu entries\n", (unsigned long long)atomic_load(&b.store->version));
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(every_entry),
    };
    op_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
