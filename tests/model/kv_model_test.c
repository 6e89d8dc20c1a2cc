/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random operations of the groups kv, batch and run against the oracle.
 *
 * Few keys in few runs, so that conflicts, expiries and replacements are frequent; small and large
 * values; time goes on by random steps. In phases: an ordinary one, one in which allocations fail,
 * one with a memory limit that refuses, and one that evicts. Every 500 operations all invariants
 * and all content are checked.
 *
 * CAIRN_SEED sets the seed, CAIRN_MODEL_OPS the number of operations; a failure prints the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/check.h"
#include "proto/pack.h"
#include "tests/model/compare.h"
#include "tests/model/driver.h"

#include <inttypes.h>
#include <stdlib.h>

#define OK(result) REQUIRE((result) == 0)

enum { N_KEYS = 40, LONG_KEY = 300, CHECK_EVERY = 500, PHASE = 4000 };

/* What the calls of one operation are made of. */
struct maker {
    struct driver *driver;
    struct model_key keys[N_KEYS];
    uint8_t key_bytes[N_KEYS][LONG_KEY];
    struct buf pool; /* bytes of values of the present operation */
    struct call calls[CALL_ITEMS];
    struct call page; /* a scan that goes on, if paging */
    uint8_t cursor[LONG_KEY];
    bool paging;
    struct walk {
        bool going;
        struct call page;    /* the next */
        bool stayed[N_KEYS]; /* was there all the time, and should be returned */
        bool seen[N_KEYS];
        uint64_t complete, owed; /* walks that came to an end, and keys they had to return */
    } walk;
    unsigned session_run;
};

static uint64_t below(struct maker *m, uint64_t n)
{
    return rng_below(&m->driver->rng, n);
}

static bool one_in(struct maker *m, uint64_t n)
{
    return below(m, n) == 0;
}

/* Short keys with common prefixes, bytes 0 and 0xff, no UTF-8, and one longer than 255 bytes. */
static void make_keys(struct maker *m)
{
    static const char *const prefixes[] = {"a", "ab", "b\xff", "\xff", "\xff\xff", "user:", "k"};
    for (unsigned i = 0; i < N_KEYS; i++) {
        uint8_t *key = m->key_bytes[i];
        const char *prefix = prefixes[i % LENGTH_OF(prefixes)];
        size_t size = strlen(prefix);
        memcpy(key, prefix, size);
        for (unsigned n = i / LENGTH_OF(prefixes); n > 0; n--)
            key[size++] = (uint8_t)(n % 2 == 0 ? 0xff : 'a' + n);
        if (i % 11 == 10) {
            memset(key + size, 'x', LONG_KEY - size);
            size = LONG_KEY;
        }
        m->keys[i].bytes = (struct bytes){key, size};
    }
}

static struct model_key pick_key(struct maker *m)
{
    uint64_t a = below(m, N_KEYS), b = below(m, N_KEYS);
    struct model_key key = m->keys[a < b ? a : b]; /* some more often than others */
    key.text = !one_in(m, 4);
    return key;
}

/* A size: mostly small, around the widths of sizes, now and then large. */
static size_t pick_size(struct maker *m)
{
    uint64_t kind = below(m, 40);
    return kind < 30 ? below(m, 40) : kind < 39 ? 240 + below(m, 32) : below(m, 3000);
}

static struct bytes pick_data(struct maker *m)
{
    size_t start = m->pool.size, size = pick_size(m);
    uint8_t fill = one_in(m, 6) ? 0xff : 'v';
    for (size_t i = 0; i < size; i++)
        m->pool.data[start + i] = fill;
    m->pool.size += size;
    return (struct bytes){m->pool.data + start, size};
}

static void pack_number_text(struct maker *m)
{
    static const char *const texts[] = {"12",
                                        "-7",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "9223372036854775808",
                                        "",
                                        "-",
                                        "1x",
                                        " 1",
                                        "+1",
                                        "007",
                                        "0.1",
                                        "-1.5e3",
                                        "1e4000",
                                        "1e308",
                                        "1.7976931348623157e308",
                                        "0.30000000000000004"};
    OK(pack_str(&m->pool, bytes_of(texts[below(m, LENGTH_OF(texts))])));
}

static double pick_real(struct maker *m)
{
    static const double reals[] = {0.1,  0.2,   -0.3,   1.5,    -0.0,   5e-324, 1.7e308, -1.7e308,
                                   1e15, 1e-15, 0x1p62, 0x1p63, -1e300, 3,      -7};
    return one_in(m, 3) ? (double)((int64_t)below(m, 20000) - 10000) / 1000
                        : reals[below(m, LENGTH_OF(reals))];
}

static struct bytes pick_value(struct maker *m)
{
    size_t start = m->pool.size;
    struct bytes data;
    switch (below(m, 8)) {
    case 0:
        OK(pack_int(&m->pool, (int64_t)below(m, 300) - 150));
        break;
    case 1:
        OK(pack_int(&m->pool, one_in(m, 2) ? INT64_MAX : INT64_MIN));
        break;
    case 2:
        pack_number_text(m);
        break;
    case 3:
        OK(pack_array(&m->pool, 2));
        OK(pack_nil(&m->pool));
        OK(pack_real(&m->pool, 0.5));
        break;
    case 4:
        OK(one_in(m, 3)   ? pack_map(&m->pool, 0)
           : one_in(m, 2) ? pack_real(&m->pool, pick_real(m))
                          : pack_uint(&m->pool, UINT64_MAX));
        break;
    default:
        data = pick_data(m);
        start = m->pool.size;
        OK(one_in(m, 3) ? pack_bin(&m->pool, data) : pack_str(&m->pool, data));
        break;
    }
    return (struct bytes){m->pool.data + start, m->pool.size - start};
}

static void pick_expiry(struct maker *m, struct call *c, bool at)
{
    if (at && one_in(m, 6)) {
        c->options |= CALL_EXPIRES_AT;
        c->expires_at_ms =
            one_in(m, 8) ? below(m, 2) : (uint64_t)m->driver->env.now_ms - 20 + below(m, 100);
    }
    if (one_in(m, 5)) {
        c->options |= CALL_TTL;
        c->ttl_ms = one_in(m, 20) ? 0 : one_in(m, 20) ? ((uint64_t)1 << 53) - 1 : below(m, 200);
    }
}

static uint64_t pick_version(struct maker *m, const struct call *c, struct bytes key)
{
    uint64_t now = oracle_version(&m->driver->oracle, c->run, key);
    return one_in(m, 3) ? below(m, 3) : now;
}

/* A copy of the value that a key has now, or nil. */
static struct bytes present_value(struct maker *m, const struct call *c)
{
    struct bytes value = oracle_value(&m->driver->oracle, c->run, c->key[0].bytes);
    size_t start = m->pool.size;
    OK(buf_append(&m->pool, value.data, value.size));
    return (struct bytes){m->pool.data + start, value.size};
}

static void pick_conditions(struct maker *m, struct call *c)
{
    if (one_in(m, 6)) {
        c->options |= CALL_IF_VERSION;
        c->version = pick_version(m, c, c->key[0].bytes);
    }
    if (one_in(m, 8)) {
        c->options |= CALL_IF_VALUE;
        c->if_value = one_in(m, 3) ? pick_value(m) : present_value(m, c);
    }
    c->options |= one_in(m, 5) ? CALL_RETURN_OLD : 0;
    if (c->op != OP_kv_put)
        return;
    c->options |= one_in(m, 8) ? CALL_IF_ABSENT : 0;
    c->options |= one_in(m, 8) ? CALL_IF_EXISTS : 0;
    c->options |= one_in(m, 6) ? CALL_KEEP_TTL : 0;
}

static void make_incr(struct maker *m, struct call *c)
{
    static const int64_t deltas[] = {1, -1, 7, -100, INT64_MAX, INT64_MIN};
    if (one_in(m, 2)) {
        c->options |= CALL_DELTA;
        c->delta = deltas[below(m, LENGTH_OF(deltas))];
    }
    c->options |= one_in(m, 5) ? CALL_MIN : 0;
    c->options |= one_in(m, 5) ? CALL_MAX : 0;
    c->min = -(int64_t)below(m, 100);
    c->max = (int64_t)below(m, 100);
    pick_expiry(m, c, false);
}

static void pick_expiry_conditions(struct maker *m, struct call *c)
{
    c->options |= one_in(m, 6) ? CALL_IF_NONE : 0;
    c->options |= one_in(m, 6) ? CALL_IF_SOME : 0;
    c->options |= one_in(m, 6) ? CALL_IF_LATER : 0;
    c->options |= one_in(m, 6) ? CALL_IF_SOONER : 0;
}

static void make_many(struct maker *m, struct call *c, unsigned least)
{
    c->n = least + (unsigned)below(m, CALL_ITEMS - least + 1);
    for (unsigned i = 0; i < c->n; i++) {
        c->key[i] = pick_key(m);
        if (c->op == OP_kv_mput)
            c->value[i] = pick_value(m);
    }
    if (c->op == OP_kv_mput) {
        pick_expiry(m, c, false);
        c->options |= one_in(m, 4) ? CALL_IF_ABSENT : 0;
    }
    if (c->op == OP_kv_mget)
        c->options |= one_in(m, 2) ? CALL_WITH_VERSION : 0;
}

/* Any operation that may be part of an atomic batch. */
static void make_key_call(struct maker *m, struct call *c)
{
    static const enum op_id ops[] = {
        OP_kv_put,     OP_kv_put,      OP_kv_put,       OP_kv_put,       OP_kv_put,
        OP_kv_get,     OP_kv_get,      OP_kv_del,       OP_kv_del,       OP_kv_cas,
        OP_kv_exists,  OP_kv_mget,     OP_kv_mput,      OP_kv_mdel,      OP_kv_incr,
        OP_kv_incr,    OP_kv_append,   OP_kv_strlen,    OP_kv_expire,    OP_kv_ttl,
        OP_kv_persist, OP_kv_versions, OP_kv_incr_real, OP_kv_incr_real, OP_kv_expire,
        OP_kv_persist,
    };
    c->op = ops[below(m, LENGTH_OF(ops))];
    c->key[0] = pick_key(m);
    c->value[0] = c->op == OP_kv_append ? pick_data(m) : pick_value(m);
    c->data_text = one_in(m, 2);
    if (c->op == OP_kv_get)
        c->options |= one_in(m, 2) ? CALL_WITH_VERSION : 0;
    if (c->op == OP_kv_put || c->op == OP_kv_del)
        pick_conditions(m, c);
    if (c->op == OP_kv_put || c->op == OP_kv_expire)
        pick_expiry(m, c, true);
    if (c->op == OP_kv_expire)
        pick_expiry_conditions(m, c);
    if (c->op == OP_kv_expire || c->op == OP_kv_persist)
        c->options |= one_in(m, 3) ? CALL_RETURN_VALUE : 0;
    if (c->op == OP_kv_incr_real)
        c->real = pick_real(m);
    if (c->op == OP_kv_cas) {
        pick_expiry(m, c, false);
        c->version = pick_version(m, c, c->key[0].bytes);
    }
    if (c->op == OP_kv_incr)
        make_incr(m, c);
    if (c->op == OP_kv_mget || c->op == OP_kv_mput || c->op == OP_kv_mdel ||
        c->op == OP_kv_versions)
        make_many(m, c, 1);
}

static void pick_run(struct maker *m, struct call *c)
{
    c->run = m->session_run;
    if (one_in(m, 4)) {
        c->options |= CALL_RUN;
        c->run = (unsigned)below(m, MODEL_RUNS);
    }
}

static void make_batch(struct maker *m, struct call *c, bool atomic)
{
    c->op = OP_batch;
    c->n = (unsigned)below(m, CALL_ITEMS + 1);
    c->calls = m->calls;
    c->options |= atomic ? CALL_ATOMIC : 0;
    c->options |= atomic && one_in(m, 3) ? CALL_PARTIAL : 0;
    for (unsigned i = 0; i < c->n; i++) {
        struct call *call = &m->calls[i];
        *call = (struct call){.run = c->run};
        if (one_in(m, atomic ? 40 : 8)) {
            call->options |= CALL_RUN;
            call->run = one_in(m, 2) ? c->run : (unsigned)below(m, MODEL_RUNS);
        }
        make_key_call(m, call);
        if (atomic && one_in(m, 60))
            *call = (struct call){.op = OP_kv_count, .run = c->run};
    }
    while (atomic && c->n_conditions < CALL_CONDITIONS && one_in(m, 3)) {
        struct model_key key = pick_key(m);
        c->condition_key[c->n_conditions] = key;
        c->condition_version[c->n_conditions++] = pick_version(m, c, key.bytes);
    }
}

static struct bytes pick_bound(struct maker *m)
{
    struct bytes key = pick_key(m).bytes;
    return (struct bytes){key.data, below(m, key.size < 5 ? key.size + 1 : 5)};
}

static void pick_range(struct maker *m, struct call *c)
{
    c->prefix = pick_bound(m);
    c->from = pick_bound(m);
    c->to = pick_bound(m);
    c->options |= one_in(m, 2) ? CALL_PREFIX : 0;
    if (c->op == OP_kv_clear)
        return;
    c->options |= one_in(m, 4) ? CALL_FROM : 0;
    c->options |= one_in(m, 4) ? CALL_TO : 0;
}

static void make_scan(struct maker *m, struct call *c)
{
    c->op = OP_kv_scan;
    pick_range(m, c);
    c->options |= one_in(m, 2) ? CALL_REVERSE : 0;
    c->options |= one_in(m, 3) ? CALL_KEYS_ONLY : 0;
    c->options |= one_in(m, 3) ? CALL_WITH_VERSION : 0;
    c->options |= one_in(m, 5) ? 0 : CALL_LIMIT;
    c->limit = one_in(m, 60) ? 10001 : below(m, 12);
    if (one_in(m, 8)) {
        c->options |= CALL_CURSOR;
        c->cursor = pick_key(m).bytes;
    }
}

static void make_list(struct maker *m, struct call *c)
{
    c->op = OP_run_list;
    c->run = 0;
    c->options = one_in(m, 3) ? CALL_LIMIT : 0;
    c->limit = below(m, 4);
    if (one_in(m, 3)) {
        c->options |= CALL_PREFIX;
        c->prefix = bytes_of(one_in(m, 2) ? "other" : "d");
    } else if (one_in(m, 3)) {
        c->options |= CALL_CURSOR;
        c->cursor = model_run_names[below(m, MODEL_RUNS)];
    }
}

static void make_call(struct maker *m, struct call *c)
{
    uint64_t kind = below(m, 1000);
    *c = (struct call){0};
    pick_run(m, c);
    if (kind < 80 && !m->driver->memory_limited && !m->driver->faults) {
        make_batch(m, c, false);
    } else if (kind < 180) {
        make_batch(m, c, true);
    } else if (kind < 250) {
        make_scan(m, c);
    } else if (kind < 270) {
        c->op = OP_kv_count;
        pick_range(m, c);
        driver_sweep_all(m->driver);
    } else if (kind < 274) {
        c->op = OP_kv_clear;
        pick_range(m, c);
        driver_settle(m->driver);
    } else if (kind < 276) {
        *c = (struct call){.op = OP_run_drop, .run = (unsigned)below(m, MODEL_RUNS)};
        driver_settle(m->driver);
    } else if (kind < 280) {
        *c = (struct call){.op = OP_run_use, .run = (unsigned)below(m, MODEL_RUNS)};
    } else if (kind < 290) {
        make_list(m, c);
        driver_settle(m->driver);
    } else {
        make_key_call(m, c);
        c->options |= one_in(m, 300) ? CALL_STRICT : 0;
        if ((c->op == OP_kv_mput || c->op == OP_kv_mget) && one_in(m, 20))
            c->n = 0;
    }
}

/* ---- walks ---- */

static bool walk_is_live(struct maker *m, unsigned i)
{
    return oracle_version(&m->driver->oracle, m->walk.page.run, m->keys[i].bytes) != 0;
}

static void pick_walk_limit(struct maker *m)
{
    m->walk.page.options &= ~(unsigned)CALL_LIMIT;
    m->walk.page.options |= one_in(m, 20) ? 0 : CALL_LIMIT;
    m->walk.page.limit = one_in(m, 60) ? 10001 : below(m, 6); /* now and then 0 */
}

static void begin_walk(struct maker *m, unsigned run)
{
    static const char *const patterns[] = {"*", "a*", "*b", "user:", "*\xff?", "k??", "", "?*x"};
    struct walk *walk = &m->walk;
    *walk = (struct walk){.going = true, .complete = walk->complete, .owed = walk->owed};
    walk->page = (struct call){.op = OP_kv_walk, .options = CALL_RUN, .run = run};
    if (one_in(m, 3)) {
        walk->page.options |= CALL_MATCH;
        walk->page.match = bytes_of(patterns[below(m, LENGTH_OF(patterns))]);
    }
    for (unsigned i = 0; i < N_KEYS; i++)
        walk->stayed[i] = walk_is_live(m, i);
}

static bool has_key(struct bytes keys, struct bytes wanted)
{
    struct mp_reader reader = mp_reader_of(keys);
    struct bytes key = BYTES_NONE;
    bool text;
    while (!mp_at_end(&reader)) {
        OK(mp_read_bytes(&reader, &key, &text));
        if (bytes_equal(key, wanted))
            return true;
    }
    return false;
}

/* One whole walk is over: what was there all the time, and matches, has been returned. */
static void end_walk(struct maker *m)
{
    struct walk *walk = &m->walk;
    struct expect all;
    expect_init(&all);
    walk->page.options &= ~(unsigned)CALL_LIMIT;
    oracle_call(&m->driver->oracle, &walk->page, &all);
    for (unsigned i = 0; i < N_KEYS; i++) {
        bool owed = walk->stayed[i] && has_key(buf_bytes(&all.result), m->keys[i].bytes);
        walk->owed += owed;
        if (owed && !walk->seen[i])
            driver_fail(m->driver, "a walk has missed a key that stayed");
    }
    expect_deinit(&all);
    walk->complete++;
    walk->going = false;
}

/* What the last page has returned. */
static void walk_on(struct maker *m)
{
    struct walk *walk = &m->walk;
    struct rpc_response response;
    struct bytes items;
    size_t size;
    OK(rpc_decode_response(buf_bytes(&m->driver->reply), &response, &size));
    uint32_t n = walk_page(response.result, &items, &walk->page.position);
    struct mp_reader reader = mp_reader_of(items);
    for (uint32_t k = 0; k < n; k++) {
        struct bytes key = BYTES_NONE;
        bool text;
        OK(mp_read_bytes(&reader, &key, &text));
        for (unsigned i = 0; i < N_KEYS; i++)
            walk->seen[i] = walk->seen[i] || bytes_equal(key, m->keys[i].bytes);
    }
    walk->page.options |= CALL_POSITION;
    if (walk->page.position == 0)
        end_walk(m);
}

/* After any call, and when time has gone on. What it may have deleted and put again has not
 * stayed; eviction may do so with any key. */
static void walk_watch(struct maker *m, const struct call *c)
{
    struct walk *walk = &m->walk;
    bool one_by_one = c->op == OP_batch && !call_has(c, CALL_ATOMIC) && c->n_conditions == 0;
    if (c->op == OP_kv_clear || c->op == OP_run_drop || m->driver->evicting)
        walk->going = false;
    for (unsigned k = 0; one_by_one && k < c->n; k++)
        for (unsigned i = 0; i < CALL_ITEMS; i++)
            for (unsigned j = 0; j < N_KEYS; j++)
                if (c->calls[k].key[i].bytes.data == m->keys[j].bytes.data)
                    walk->stayed[j] = false;
    for (unsigned i = 0; walk->going && i < N_KEYS; i++)
        walk->stayed[i] = walk->stayed[i] && walk_is_live(m, i);
}

/* While a job goes on: writes that are none of its business. */
static uint64_t put_between(void *context)
{
    struct maker *m = context;
    uint64_t n = below(m, 3);
    for (uint64_t i = 0; i < n; i++) {
        struct call c = {.op = OP_kv_put, .run = m->session_run};
        c.key[0] = pick_key(m);
        c.value[0] = pick_value(m);
        driver_run(m->driver, &c);
    }
    return n;
}

/* In the phase of eviction only operations whose answer does not depend on what is evicted. */
static bool fits_eviction(const struct call *c)
{
    const unsigned conditions = CALL_IF_VERSION | CALL_IF_VALUE | CALL_IF_ABSENT | CALL_IF_EXISTS |
                                CALL_RETURN_OLD | CALL_KEEP_TTL;
    bool writes = (op_table[c->op].flags & OP_WRITE) != 0;
    bool puts = (c->op == OP_kv_put || c->op == OP_kv_mput) && (c->options & conditions) == 0;
    return !writes || puts || c->op == OP_kv_del || c->op == OP_kv_mdel || c->op == OP_kv_expire ||
           c->op == OP_kv_persist;
}

/* Take what a cursor of the last page needs, so that the next call goes on with it. */
static void page_on(struct maker *m, const struct call *c)
{
    const struct buf *cursor = &m->driver->last_cursor;
    m->paging = c->op == OP_kv_scan && cursor->size > 0 && !one_in(m, 10);
    if (!m->paging)
        return;
    m->page = *c;
    memcpy(m->cursor, cursor->data, cursor->size);
    m->page.cursor = (struct bytes){m->cursor, cursor->size};
    m->page.options |= CALL_CURSOR | CALL_RUN; /* the run, whatever run.use does meanwhile */
}

static void step(struct maker *m)
{
    struct call c;
    m->pool.size = 0;
    if (!m->walk.going && one_in(m, 20))
        begin_walk(m, m->session_run);
    if (m->walk.going && one_in(m, 3)) {
        pick_walk_limit(m);
        c = m->walk.page;
    } else if (m->paging && one_in(m, 2))
        c = m->page;
    else
        make_call(m, &c);
    if (m->driver->evicting && !fits_eviction(&c))
        return;
    driver_run(m->driver, &c);
    if (c.op == OP_kv_scan)
        page_on(m, &c);
    if (c.op == OP_run_use && m->driver->last_ok)
        m->session_run = c.run;
    if (one_in(m, 5))
        driver_tick(m->driver, (int64_t)(one_in(m, 30) ? below(m, 300) : below(m, 12)));
    if (one_in(m, 20))
        driver_sweep_some(m->driver);
    if (c.op == OP_kv_walk && m->driver->last_ok)
        walk_on(m);
    walk_watch(m, &c);
}

/* A new phase: without trouble, with failing allocations, with a memory limit of either kind. */
static void next_phase(struct maker *m)
{
    struct driver *d = m->driver;
    struct store_figures figures;
    uint64_t kind = below(m, 6);
    driver_check(d);
    store_figures(d->store, &figures);
    d->faults = kind == 1;
    d->memory_limited = kind == 2 || kind == 3;
    d->evicting = kind == 3;
    atomic_store(&d->store->evict, d->evicting);
    atomic_store(&d->store->memory_limit, d->memory_limited ? figures.bytes * (2 + below(m, 4)) /
                                                                  (4 * d->store->n_partitions)
                                                            : 0);
}

static void print_counts(const struct driver *d)
{
    printf("%" PRIu64 " operations, %" PRIu64 " refused for memory; answered without error:",
           d->number, d->refused);
    for (unsigned i = 0; i < OP_COUNT; i++)
        if (d->counts[i] > 0)
            printf(" %s %" PRIu64, op_table[i].name, d->counts[i]);
    printf("\n");
}

static void run_model(uint64_t seed, unsigned n_partitions, unsigned n_threads, uint64_t operations)
{
    struct driver driver;
    struct maker *m = calloc(1, sizeof *m);
    REQUIRE(m != NULL);
    driver_init(&driver, seed, n_partitions, n_threads);
    m->driver = &driver;
    driver.between = put_between;
    driver.context = m;
    OK(buf_reserve(&m->pool, 1 << 20));
    make_keys(m);
    for (uint64_t i = 0; i < operations; i++) {
        step(m);
        if (i % CHECK_EVERY == 0)
            driver_check(&driver);
        if (i % PHASE == PHASE - 1)
            next_phase(m);
    }
    driver_check(&driver);
    print_counts(&driver);
    printf("%" PRIu64 " whole walks, which returned %" PRIu64 " keys that stayed\n",
           m->walk.complete, m->walk.owed);
    if (operations >= 20000)
        assert_true(m->walk.complete > 50 && m->walk.owed > 50);
    buf_deinit(&m->pool);
    free(m);
    driver_deinit(&driver);
}

/* 16 partitions, two, and one without locks; half of the operations with the first. */
static void test_model(void **state)
{
    uint64_t seed = driver_env("CAIRN_SEED", 1);
    uint64_t operations = driver_env("CAIRN_MODEL_OPS", 240000);
    (void)state;
    printf("CAIRN_SEED=%" PRIu64 "\n", seed);
    run_model(seed, 16, 2, operations / 2);
    run_model(seed + 1, 2, 2, operations / 4);
    run_model(seed + 2, 1, 1, operations / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    op_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
