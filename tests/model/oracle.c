/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle: a sorted array of entries, and each operation written down as plainly as possible.
 *
 * Entries never change; a put replaces the pointer. An atomic batch works on the array itself and
 * goes back to a copy of the pointers if a call fails. Entries written by the transaction in
 * progress have version 0 until it ends.
 *
 * Threads: one.
 */
#include "tests/model/oracle_impl.h"

#include "common/err.h"
#include "proto/pack.h"

#include <stdlib.h>

static const uint8_t model_run_bytes[] = {0xfe, 0xff};

const struct bytes model_run_names[MODEL_RUNS] = {
    {(const uint8_t *)"default", 7},
    {(const uint8_t *)"other", 5},
    {(const uint8_t *)"other/2", 7},
    {model_run_bytes, 2},
};

void entry_unref(struct entry *entry)
{
    if (--entry->refs == 0)
        free(entry);
}

void oracle_init(struct oracle *oracle)
{
    *oracle = (struct oracle){0};
}

void oracle_deinit(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->n; i++)
        entry_unref(oracle->items[i]);
    free(oracle->items);
}

void expect_init(struct expect *expect)
{
    *expect = (struct expect){.index = -1};
}

void expect_deinit(struct expect *expect)
{
    buf_deinit(&expect->result);
    buf_deinit(&expect->cursor);
}

/* Where a key is or would be. */
size_t oracle_place(const struct oracle *o, unsigned run, struct bytes key, bool *out_found)
{
    size_t low = 0, high = o->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct entry *entry = o->items[middle];
        int order =
            entry->run != run ? (entry->run < run ? -1 : 1) : bytes_compare(entry_key(entry), key);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_found =
        low < o->n && o->items[low]->run == run && bytes_equal(entry_key(o->items[low]), key);
    return low;
}

bool oracle_is_live(const struct oracle *o, size_t i)
{
    return o->items[i]->expires_at_ms == 0 || o->items[i]->expires_at_ms > o->now_ms;
}

const struct entry *oracle_live(const struct oracle *o, unsigned run, struct bytes key)
{
    bool found;
    size_t i = oracle_place(o, run, key, &found);
    return found && oracle_is_live(o, i) ? o->items[i] : NULL;
}

void oracle_remove_at(struct oracle *o, size_t i)
{
    entry_unref(o->items[i]);
    o->n--;
    memmove(&o->items[i], &o->items[i + 1], (o->n - i) * sizeof o->items[0]);
}

void oracle_purge(struct oracle *o, int64_t until_ms)
{
    for (size_t i = o->n; i-- > 0;)
        if (o->items[i]->expires_at_ms != 0 && o->items[i]->expires_at_ms <= until_ms)
            oracle_remove_at(o, i);
}

void oracle_put(struct oracle *o, unsigned run, struct model_key key, struct bytes value,
                int64_t expires_at_ms)
{
    bool found;
    size_t i = oracle_place(o, run, key.bytes, &found);
    struct entry *entry = malloc(sizeof *entry + key.bytes.size + value.size);
    REQUIRE(entry != NULL);
    *entry = (struct entry){1, run, key.text, 0, expires_at_ms, key.bytes.size, value.size};
    memcpy(entry->bytes, key.bytes.data, key.bytes.size);
    memcpy(entry->bytes + key.bytes.size, value.data, value.size);
    o->wrote = true;
    if (found) {
        entry_unref(o->items[i]);
        o->items[i] = entry;
        return;
    }
    if (o->n == o->room) {
        o->room = o->room * 2 + 64;
        o->items = realloc(o->items, o->room * sizeof o->items[0]);
        REQUIRE(o->items != NULL);
    }
    memmove(&o->items[i + 1], &o->items[i], (o->n - i) * sizeof o->items[0]);
    o->items[i] = entry;
    o->n++;
}

void oracle_del(struct oracle *o, unsigned run, struct bytes key)
{
    bool found;
    size_t i = oracle_place(o, run, key, &found);
    REQUIRE(found);
    oracle_remove_at(o, i);
    o->wrote = true;
}

/* The transaction ends: what it wrote gets its version. */
static void oracle_commit(struct oracle *o)
{
    if (!o->wrote)
        return;
    o->version++;
    o->wrote = false;
    for (size_t i = 0; i < o->n; i++)
        if (o->items[i]->version == 0)
            o->items[i]->version = o->version;
}

/* ---- ranges ---- */

/* Does the range of the call hold this entry, its cursor aside? */
static bool range_has(const struct call *c, const struct entry *entry)
{
    struct bytes key = entry_key(entry);
    return entry->run == c->run &&
           (!call_has(c, CALL_PREFIX) || bytes_start_with(key, c->prefix)) &&
           (!call_has(c, CALL_FROM) || bytes_compare(key, c->from) >= 0) &&
           (!call_has(c, CALL_TO) || c->to.size == 0 || bytes_compare(key, c->to) < 0);
}

static bool range_is_behind(const struct call *c, const struct entry *entry)
{
    int order = call_has(c, CALL_CURSOR) ? bytes_compare(entry_key(entry), c->cursor) : 0;
    return !call_has(c, CALL_CURSOR) || (call_has(c, CALL_REVERSE) ? order < 0 : order > 0);
}

static void say_key(struct buf *out, struct bytes key, bool text)
{
    OK(text ? pack_str(out, key) : pack_bin(out, key));
}

static void say_item(const struct oracle *o, const struct call *c, const struct entry *entry,
                     struct expect *x)
{
    bool with_version = call_has(c, CALL_WITH_VERSION);
    if (!call_has(c, CALL_KEYS_ONLY))
        OK(pack_array(&x->result, with_version ? 4 : 2));
    say_key(&x->result, entry_key(entry), entry->text);
    if (call_has(c, CALL_KEYS_ONLY))
        return;
    OK(buf_append(&x->result, entry_value(entry).data, entry->value_size));
    if (!with_version)
        return;
    OK(pack_uint(&x->result, entry->version));
    if (entry->expires_at_ms == 0)
        OK(pack_nil(&x->result));
    else
        OK(pack_int(&x->result, entry->expires_at_ms - o->now_ms));
}

static int page_limit(const struct call *c, uint64_t *out)
{
    *out = call_has(c, CALL_LIMIT) ? c->limit : 100;
    return *out == 0 ? ERR_BAD_ARGUMENT : *out > 10000 ? ERR_LIMIT_EXCEEDED : 0;
}

static int do_scan(struct oracle *o, const struct call *c, struct expect *x)
{
    uint64_t limit, items = 0;
    int err = page_limit(c, &limit);
    if (err == 0 && call_has(c, CALL_KEYS_ONLY) && call_has(c, CALL_WITH_VERSION))
        err = ERR_BAD_ARGUMENT;
    if (err != 0)
        return err;
    x->page = true;
    for (size_t n = 0; n < o->n; n++) {
        size_t i = call_has(c, CALL_REVERSE) ? o->n - 1 - n : n;
        const struct entry *entry = o->items[i];
        if (!range_has(c, entry) || !range_is_behind(c, entry))
            continue;
        bool live = oracle_is_live(o, i), full = items == limit;
        x->cursor_must = x->cursor_must || (full && live);
        x->cursor_may = x->cursor_may || full;
        if (full || !live)
            continue;
        say_item(o, c, entry, x);
        x->cursor.size = 0;
        OK(buf_append(&x->cursor, entry_key(entry).data, entry->key_size));
        items++;
    }
    return 0;
}

/* The plain way: * stands for any bytes, ? for one, no other byte is special. */
static bool is_match(struct bytes pattern, struct bytes key)
{
    if (pattern.size == 0)
        return key.size == 0;
    struct bytes rest = {pattern.data + 1, pattern.size - 1};
    if (pattern.data[0] != '*')
        return key.size > 0 && (pattern.data[0] == '?' || pattern.data[0] == key.data[0]) &&
               is_match(rest, (struct bytes){key.data + 1, key.size - 1});
    for (size_t i = 0; i <= key.size; i++)
        if (is_match(rest, (struct bytes){key.data + i, key.size - i}))
            return true;
    return false;
}

/* All that a page may hold; what a whole walk must hold is for the test to say. */
static int do_walk(struct oracle *o, const struct call *c, struct expect *x)
{
    int err = page_limit(c, &x->high);
    x->walk = true;
    for (size_t i = 0; i < o->n && err == 0; i++) {
        const struct entry *entry = o->items[i];
        if (entry->run == c->run && oracle_is_live(o, i) &&
            (!call_has(c, CALL_MATCH) || is_match(c->match, entry_key(entry))))
            say_key(&x->result, entry_key(entry), entry->text);
    }
    return err;
}

static int do_count(struct oracle *o, const struct call *c, struct expect *x)
{
    x->range = true;
    for (size_t i = 0; i < o->n; i++) {
        if (!range_has(c, o->items[i]))
            continue;
        x->low += oracle_is_live(o, i);
        x->high++;
    }
    return 0;
}

/* kv.clear and run.drop, which has no prefix. */
static int do_clear(struct oracle *o, const struct call *c, struct expect *x)
{
    int err = do_count(o, c, x);
    for (size_t i = o->n; i-- > 0;)
        if (range_has(c, o->items[i]))
            oracle_remove_at(o, i);
    return err;
}

static int do_use(struct oracle *o, const struct call *c, struct expect *x)
{
    struct bytes name = model_run_names[c->run];
    (void)o;
    say_key(&x->result, name, mp_utf8_valid(name));
    return 0;
}

static int do_list(struct oracle *o, const struct call *c, struct expect *x)
{
    uint64_t limit, items = 0, records[MODEL_RUNS] = {0};
    int err = page_limit(c, &limit);
    if (err != 0)
        return err;
    x->page = true;
    for (size_t i = 0; i < o->n; i++)
        records[o->items[i]->run]++;
    for (unsigned i = 0; i < MODEL_RUNS; i++) {
        struct bytes name = model_run_names[i];
        if (records[i] == 0 || (call_has(c, CALL_PREFIX) && !bytes_start_with(name, c->prefix)) ||
            (call_has(c, CALL_CURSOR) && bytes_compare(name, c->cursor) <= 0))
            continue;
        x->cursor_must = x->cursor_may = x->cursor_must || items == limit;
        if (items == limit)
            continue;
        OK(pack_map(&x->result, 2));
        say_key(&x->result, bytes_of("run"), true);
        say_key(&x->result, name, mp_utf8_valid(name));
        say_key(&x->result, bytes_of("records"), true);
        OK(pack_uint(&x->result, records[i]));
        x->cursor.size = 0;
        OK(buf_append(&x->cursor, name.data, name.size));
        items++;
    }
    return 0;
}

/* ---- batches ---- */

static void batch_say_error(struct expect *x, int err)
{
    OK(pack_array(&x->result, 2));
    say_key(&x->result, bytes_of(err_name(err)), true);
    OK(pack_nil(&x->result));
}

/* One call and its transaction; whatever it answered goes into x->result as [error, result]. */
static void batch_one(struct oracle *o, const struct call *c, struct expect *x)
{
    struct expect inner;
    expect_init(&inner);
    int err = oracle_do_table[c->op](o, c, &inner);
    oracle_commit(o);
    if (err != 0) {
        batch_say_error(x, err);
    } else {
        OK(pack_array(&x->result, 2));
        OK(pack_nil(&x->result));
        OK(buf_append(&x->result, inner.result.data, inner.result.size));
    }
    expect_deinit(&inner);
}

/* What does not depend on the state: every call must be one that can be part of it. */
static int batch_refuse(const struct call *c, struct expect *x)
{
    for (unsigned i = 0; i < c->n; i++) {
        const struct call *call = &c->calls[i];
        x->index = (int)i;
        if (oracle_do_table[call->op] == NULL)
            return ERR_UNSUPPORTED;
        if (call_has(call, CALL_RUN) && !(call_has(c, CALL_RUN) && call->run == c->run))
            return ERR_UNSUPPORTED;
    }
    x->index = -1;
    return 0;
}

static int batch_try(struct oracle *o, const struct call *c, struct expect *x)
{
    int err = 0;
    for (unsigned i = 0; i < c->n_conditions; i++) {
        x->actual = oracle_version(o, c->run, c->condition_key[i].bytes);
        x->index = (int)i;
        if (x->actual != c->condition_version[i])
            return ERR_CONFLICT;
    }
    OK(pack_array(&x->result, c->n));
    for (unsigned i = 0; i < c->n && err == 0; i++) {
        size_t start = x->result.size;
        OK(pack_array(&x->result, 2));
        OK(pack_nil(&x->result));
        x->index = (int)i;
        err = oracle_do_table[c->calls[i].op](o, &c->calls[i], x);
        if (err == 0 || !call_has(c, CALL_PARTIAL))
            continue;
        x->result.size = start; /* it failed alone */
        batch_say_error(x, err);
        err = 0;
    }
    if (err == 0)
        x->index = -1;
    return err;
}

static void oracle_go_back(struct oracle *o, struct entry **items, size_t n)
{
    for (size_t i = 0; i < o->n; i++)
        entry_unref(o->items[i]);
    memcpy(o->items, items, n * sizeof items[0]);
    o->n = n;
    o->wrote = false;
}

static int do_batch(struct oracle *o, const struct call *c, struct expect *x)
{
    if (!call_has(c, CALL_ATOMIC) && c->n_conditions == 0) {
        OK(pack_array(&x->result, c->n));
        for (unsigned i = 0; i < c->n; i++)
            batch_one(o, &c->calls[i], x);
        return 0;
    }
    int err = batch_refuse(c, x);
    if (err != 0)
        return err;
    size_t n = o->n;
    struct entry **before = calloc(n + 1, sizeof before[0]);
    REQUIRE(before != NULL);
    for (size_t i = 0; i < n; i++) {
        before[i] = o->items[i];
        before[i]->refs++;
    }
    err = batch_try(o, c, x);
    if (err != 0)
        oracle_go_back(o, before, n);
    for (size_t i = 0; i < n && err == 0; i++)
        entry_unref(before[i]);
    free(before);
    return err;
}

static oracle_do_fn oracle_find_do(enum op_id op)
{
    if (oracle_do_table[op] != NULL)
        return oracle_do_table[op];
    return op == OP_kv_scan                         ? do_scan
           : op == OP_kv_walk                       ? do_walk
           : op == OP_kv_count                      ? do_count
           : op == OP_kv_clear || op == OP_run_drop ? do_clear
           : op == OP_run_use                       ? do_use
           : op == OP_run_list                      ? do_list
                                                    : do_batch;
}

void oracle_call(struct oracle *o, const struct call *c, struct expect *out)
{
    if (call_has(c, CALL_STRICT)) { /* more than a server in memory can promise */
        out->err = ERR_UNSUPPORTED;
        return;
    }
    out->err = oracle_find_do(c->op)(o, c, out);
    oracle_commit(o);
}

struct entry_view oracle_at(const struct oracle *o, size_t i)
{
    const struct entry *entry = o->items[i];
    return (struct entry_view){entry->run,  entry_key(entry), entry_value(entry),
                               entry->text, entry->version,   entry->expires_at_ms};
}

uint64_t oracle_version(const struct oracle *o, unsigned run, struct bytes key)
{
    const struct entry *entry = oracle_live(o, run, key);
    return entry == NULL ? 0 : entry->version;
}

struct bytes oracle_value(const struct oracle *o, unsigned run, struct bytes key)
{
    const struct entry *entry = oracle_live(o, run, key);
    return entry == NULL ? (struct bytes){(const uint8_t *)"\xc0", 1} : entry_value(entry);
}
