/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The world of the fuzz target dispatch, and requests made of decisions: valid or nearly so, on a
 * few keys, so that they meet each other. For dispatch_fuzz.c alone.
 */
#pragma once

#include "common/check.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/pack.h"
#include "proto/rpc.h"
#include "server/ops/ckpt.h"
#include "server/ops/dispatch.h"
#include "tests/fuzz/dispatch_doubles.h"

enum { SESSIONS = 2, JOBS = 4, PARTITIONS = 4, STEPS_MAX = 200, BEFORE = 3, VALUE_MAX = 300 };
enum { ITEMS_MAX = 16, MANY_MAX = 200 }; /* limits.items; the same where there are many vectors */

struct pending {
    struct job *job;
    struct session *session;
    uint32_t msgid;
    bool notification;
};

struct world {
    const uint8_t *at, *end; /* decisions left */
    struct store *store;
    struct op_env env;
    struct slowlog slowlog;
    struct limits limits;
    struct session session[SESSIONS];
    struct pending jobs[JOBS];
    unsigned n_jobs;
    bool faults;  /* allocations may fail */
    bool limited; /* there is a memory limit: records may go at any time */
    bool vectors; /* mostly about vectors, and many, as there are workers */
    struct workers workers;
    struct buf message, out;
};

static void ok(int err)
{
    REQUIRE(err == 0);
}

/* ---- decisions ---- */

/* 0..n-1; 0 when the input is at its end. */
static unsigned choose(struct world *w, unsigned n)
{
    return w->at < w->end ? *w->at++ % n : 0;
}

static bool once_in(struct world *w, unsigned n)
{
    return choose(w, n) == n - 1;
}

static const char *pick(struct world *w, const char *const *names, unsigned n)
{
    return names[choose(w, n)];
}

/* ---- requests ---- */

static void put_text(struct world *w, const char *text)
{
    struct bytes bytes = bytes_of(text);
    ok(once_in(w, 4) ? pack_bin(&w->message, bytes) : pack_str(&w->message, bytes));
}

/* Few and similar, so that prefixes, ranges and cursors meet them. */
static void put_key(struct world *w)
{
    static const char *const keys[] = {"a",   "b",     "c",           "aa",      "ab",
                                       "ba",  "bb",    "k1",          "k2",      "k10",
                                       "k11", "k\xff", "caf\xc3\xa9", "\xff\xff"};
    char text[32];
    if (once_in(w, 3)) {
        (void)snprintf(text, sizeof text, "key:%03u", choose(w, 200));
        put_text(w, text);
    } else {
        put_text(w, once_in(w, 40) ? "" : pick(w, keys, LENGTH_OF(keys)));
    }
}

static void put_uint(struct world *w)
{
    uint64_t version = atomic_load(&w->store->version), number = 0;
    switch (choose(w, 6)) {
    case 0:
        number = choose(w, 24);
        break;
    case 1:
        number = version - choose(w, 4);
        break;
    case 2:
        number = choose(w, 256) * 40;
        break;
    case 3:
        number = (uint64_t)w->env.now_ms + choose(w, 256) * 40 - 100;
        break;
    case 4:
        number = ((uint64_t)1 << 53) - choose(w, 3);
        break;
    default:
        number = 1;
    }
    ok(pack_uint(&w->message, number));
}

static void put_int(struct world *w)
{
    static const int64_t numbers[] = {1, -1, 5, INT64_MAX, INT64_MIN, 0, -1000, 1000};
    ok(pack_int(&w->message, numbers[choose(w, LENGTH_OF(numbers))]));
}

static void put_bytes(struct world *w)
{
    static uint8_t body[VALUE_MAX];
    size_t size = choose(w, 4) == 0 ? choose(w, 256) + 44 : choose(w, 20);
    memset(body, choose(w, 2) == 0 ? 'x' : 0xc3, sizeof body); /* UTF-8 or not */
    struct bytes bytes = {body, size};
    ok(once_in(w, 2) ? pack_bin(&w->message, bytes) : pack_str(&w->message, bytes));
}

static void put_value(struct world *w, unsigned depth)
{
    unsigned count = choose(w, 4);
    switch (choose(w, depth > 0 ? 9 : 7)) {
    case 0:
        ok(pack_nil(&w->message));
        break;
    case 1:
        ok(pack_bool(&w->message, count & 1));
        break;
    case 2:
        put_int(w);
        break;
    case 3:
        put_text(w, count == 0 ? "12" : count == 1 ? "-9223372036854775808" : "text");
        break;
    case 4:
        put_bytes(w);
        break;
    case 5:
        ok(pack_real(&w->message, 0.5));
        break;
    case 6:
        ok(buf_append(&w->message, "\xd5\x01xy", 4)); /* ext */
        break;
    case 7:
        ok(pack_array(&w->message, count));
        for (unsigned i = 0; i < count; i++)
            put_value(w, depth - 1);
        break;
    default:
        ok(pack_map(&w->message, count));
        for (unsigned i = 0; i < 2 * count; i++)
            put_value(w, depth - 1);
    }
}

static void put_name(struct world *w, const char *arg)
{
    static const char *const runs[] = {"default", "r1", "r2", "r3", "run\xff", ""};
    static const char *const levels[] = {"memory", "memory", "memory", "buffered", "strict", "?"};
    static const char *const errors[] = {"string", "map", "?"};
    static const char *const kinds[] = {"kv", "kv", "run", "?"};
    static const char *const words[] = {"cosine", "l2", "dot", "flat", "hnsw", "int8", "?"};
    static const char *const others[] = {"server", "limits", "keyspace", "kv.get", "token", "?"};
    if (strcmp(arg, "run") == 0 || strcmp(arg, "name") == 0)
        put_text(w, pick(w, runs, LENGTH_OF(runs)));
    else if (strcmp(arg, "durability") == 0)
        put_text(w, pick(w, levels, LENGTH_OF(levels)));
    else if (strcmp(arg, "kind") == 0)
        put_text(w, pick(w, kinds, LENGTH_OF(kinds)));
    else if (strcmp(arg, "collection") == 0)
        put_text(w, once_in(w, 3) ? "c2" : "c1");
    else if (strcmp(arg, "metric") == 0 || strcmp(arg, "index") == 0 ||
             strcmp(arg, "quantization") == 0)
        put_text(w, pick(w, words, LENGTH_OF(words)));
    else if (strcmp(arg, "errors") == 0)
        put_text(w, pick(w, errors, LENGTH_OF(errors)));
    else
        put_text(w, pick(w, others, LENGTH_OF(others)));
}

static void put_call(struct world *w, bool inner);

/* A checkpoint as ckpt.export gives it, or a session. */
static void put_item(struct world *w)
{
    bool whole = choose(w, 4) != 0;
    ok(pack_map(&w->message, whole ? 3 : 1));
    put_text(w, "session");
    put_key(w);
    if (!whole)
        return;
    put_text(w, "id");
    put_key(w);
    put_text(w, once_in(w, 8) ? "writes" : "state");
    put_value(w, 2);
}

/* Of the keys of many: a key that stands for its number. */
static void put_numbered(struct world *w, unsigned number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "key:%03u", number);
    ok(pack_str(&w->message, bytes_of(text)));
}

/* So many keys, every one or every second. */
static void put_many_keys(struct world *w)
{
    unsigned count = choose(w, MANY_MAX), first = choose(w, 256), step = 1 + choose(w, 2);
    ok(pack_array(&w->message, count));
    for (unsigned i = 0; i < count; i++)
        put_numbered(w, first + i * step);
}

static void put_list(struct world *w, enum arg_type type, bool inner)
{
    if (w->vectors && type == ARG_KEYS && once_in(w, 2)) {
        put_many_keys(w);
        return;
    }
    unsigned count = type == ARG_CALLS && inner ? 0 : choose(w, once_in(w, 8) ? 20 : 6);
    ok(pack_array(&w->message, count));
    for (unsigned i = 0; i < count; i++) {
        if (type == ARG_PAIRS || type == ARG_CALLS)
            ok(pack_array(&w->message, 2));
        else if (type == ARG_CONDITIONS)
            ok(pack_array(&w->message, 3));
        if (type == ARG_CALLS) {
            put_call(w, true);
            continue;
        }
        if (type == ARG_ITEMS) {
            put_item(w);
            continue;
        }
        if (type == ARG_CONDITIONS)
            put_text(w, once_in(w, 16) ? "?" : "kv");
        put_key(w);
        if (type == ARG_PAIRS)
            put_value(w, 2);
        else if (type == ARG_CONDITIONS)
            put_uint(w);
    }
}

/* Mostly of the dimension that collections mostly have. */
static void put_vector(struct world *w)
{
    static const uint8_t floats[8 * sizeof(float)] = {
        0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0, 0, 0xc0, 0xff}; /* 1, 2, NaN, 0... */
    unsigned dim = once_in(w, 8) ? choose(w, 8) : 2;
    if (once_in(w, 3)) {
        ok(pack_bin(&w->message, (struct bytes){floats, dim * sizeof(float)}));
        return;
    }
    ok(pack_array(&w->message, dim));
    for (unsigned i = 0; i < dim; i++)
        once_in(w, 20) ? put_value(w, 1) : put_int(w);
}

/* So many vectors to search for, or to store. */
static void put_vectors(struct world *w, unsigned count, unsigned first, unsigned spread, bool rows)
{
    ok(pack_array(&w->message, count));
    for (unsigned i = first; i < first + count; i++) {
        if (rows) {
            ok(pack_array(&w->message, 3));
            put_numbered(w, i);
        }
        ok(pack_array(&w->message, 2));
        ok(pack_int(&w->message, 1 + i * 7 % spread));
        ok(pack_int(&w->message, i * 13 % 32));
        if (rows)
            ok(pack_nil(&w->message));
    }
}

static void put_many_vectors(struct world *w)
{
    unsigned count = choose(w, MANY_MAX), first = choose(w, 256), spread = 1 + choose(w, 64);
    put_vectors(w, count, first, spread, !once_in(w, 4));
}

/* A vector to search for, or one to store. */
static void put_vector_row(struct world *w)
{
    if (once_in(w, 3)) {
        put_vector(w);
        return;
    }
    ok(pack_array(&w->message, 3));
    put_key(w);
    put_vector(w);
    put_value(w, 2);
}

/* What arrays hold, by the name of the argument. */
static void put_rows(struct world *w, const char *name)
{
    if (w->vectors && strcmp(name, "vectors") == 0 && once_in(w, 2)) {
        put_many_vectors(w);
        return;
    }
    unsigned count = choose(w, 4);
    bool writes = strcmp(name, "writes") == 0, blobs = strcmp(name, "blobs") == 0;
    bool versions = strcmp(name, "channel_versions") == 0;
    ok(pack_array(&w->message, count));
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(name, "vectors") == 0) {
            put_vector_row(w);
            continue;
        }
        if (strcmp(name, "entries") == 0) {
            ok(pack_map(&w->message, 2));
            put_text(w, "state");
            put_value(w, 3);
            put_text(w, "id");
        } else if (writes || blobs || versions) {
            ok(pack_array(&w->message, versions ? 2 : 4));
            if (writes)
                put_int(w);
            put_name(w, name);
            if (!writes)
                put_uint(w);
            if (!versions)
                put_text(w, "type");
        }
        if (!versions)
            put_name(w, name);
    }
}

static void put_arg(struct world *w, const struct arg_desc *desc, bool inner)
{
    if (once_in(w, 50)) { /* anything */
        put_value(w, 1);
        return;
    }
    switch (desc->type) {
    case ARG_KEY:
    case ARG_BYTES:
        put_key(w);
        break;
    case ARG_NAME:
        put_name(w, desc->name);
        break;
    case ARG_DATA:
        once_in(w, 3) ? put_text(w, "token") : put_bytes(w);
        break;
    case ARG_VALUE:
        put_value(w, 3);
        break;
    case ARG_ARRAY:
        put_rows(w, desc->name);
        break;
    case ARG_VECTOR:
        put_vector(w);
        break;
    case ARG_MAP:
        ok(pack_map(&w->message, 1));
        put_text(w, once_in(w, 2) ? "run_id" : "k");
        put_value(w, 2);
        break;
    case ARG_INT:
        put_int(w);
        break;
    case ARG_UINT:
        if (strcmp(desc->name, "dim") == 0 && !once_in(w, 8))
            ok(pack_uint(&w->message, 2));
        else
            put_uint(w);
        break;
    case ARG_REAL:
        ok(pack_real(&w->message, (double)choose(w, 1000) / 8 - 60));
        break;
    case ARG_BOOL:
        ok(pack_bool(&w->message, choose(w, 4) != 0));
        break;
    case ARG_KEYS:
    case ARG_PAIRS:
    case ARG_CALLS:
    case ARG_ITEMS:
    case ARG_CONDITIONS:
        put_list(w, desc->type, inner);
        break;
    case ARG_TYPE_COUNT:
        break;
    }
}

/* The options from number `first` on that are given: one bit each, of all operations the last. */
static unsigned choose_options(struct world *w, const struct op *op, unsigned first)
{
    unsigned bits = 0;
    for (unsigned i = first; i < op->n_args + OP_ARGS_OF_ALL; i++)
        if (i < op->n_required || once_in(w, i < op->n_args ? 3 : 8))
            bits |= 1u << i;
    return bits;
}

static void put_options(struct world *w, const struct op *op, unsigned bits, bool inner)
{
    ok(pack_map(&w->message, (unsigned)__builtin_popcount(bits)));
    for (unsigned i = 0; i < op->n_args + OP_ARGS_OF_ALL; i++) {
        const struct arg_desc *desc =
            i < op->n_args ? &op->args[i] : &op_args_of_all[i - op->n_args];
        if ((bits >> i & 1) == 0)
            continue;
        ok(pack_str(&w->message, bytes_of(once_in(w, 60) ? "nope" : desc->name)));
        put_arg(w, desc, inner);
    }
}

static unsigned choose_op(struct world *w)
{
    if (w->vectors && choose(w, 4) != 0)
        return OP_vec_create + choose(w, OP_vec_search_many + 1 - OP_vec_create);
    return choose(w, OP_COUNT);
}

/* method, params: by position as far as `positional`, the rest by name. */
static void put_call(struct world *w, bool inner)
{
    const struct op *op = &op_table[choose_op(w)];
    unsigned extra = op->n_positional - op->n_required;
    unsigned positional = op->n_required + (extra > 0 ? choose(w, extra + 1) : 0);
    if (once_in(w, 5))
        positional = 0;
    unsigned bits = choose_options(w, op, positional);
    ok(pack_str(&w->message, bytes_of(once_in(w, 60) ? "nope" : op->name)));
    if (positional == 0 && once_in(w, 2)) {
        put_options(w, op, bits, inner);
        return;
    }
    ok(pack_array(&w->message, positional + (bits != 0)));
    for (unsigned i = 0; i < positional; i++)
        put_arg(w, &op->args[i], inner);
    if (bits != 0)
        put_options(w, op, bits, inner);
}

/* A collection with a graph to be made, and a search that walks it if it has been, as hardly an
 * input would have them. */
static void make_collection(struct world *w, unsigned request)
{
    static const char *const requests[] = {"vec.create", "vec.upsert_many", "vec.search_many"};
    static const char *const metrics[] = {"cosine", "l2", "dot"};
    static const char *const quantizations[] = {"none", "int8", "int8_only"};
    w->message.size = 0;
    ok(pack_array(&w->message, 4));
    ok(pack_uint(&w->message, 0));
    ok(pack_uint(&w->message, 1));
    ok(pack_str(&w->message, bytes_of(requests[request])));
    ok(pack_array(&w->message, request == 0 ? 3 : 2));
    ok(pack_str(&w->message, bytes_of("c1")));
    if (request == 1) {
        put_vectors(w, MANY_MAX, 0, 1 + choose(w, 64), true);
        return;
    }
    if (request == 2) {
        put_vectors(w, 1 + choose(w, 20), 0, 64, false);
        return;
    }
    ok(pack_uint(&w->message, 2));
    ok(pack_map(&w->message, 5));
    ok(pack_str(&w->message, bytes_of("index")));
    ok(pack_str(&w->message, bytes_of("hnsw")));
    ok(pack_str(&w->message, bytes_of("m")));
    ok(pack_uint(&w->message, 2 + choose(w, 4)));
    ok(pack_str(&w->message, bytes_of("ef_construction")));
    ok(pack_uint(&w->message, 8));
    ok(pack_str(&w->message, bytes_of("metric")));
    ok(pack_str(&w->message, bytes_of(pick(w, metrics, LENGTH_OF(metrics)))));
    ok(pack_str(&w->message, bytes_of("quantization")));
    ok(pack_str(&w->message, bytes_of(pick(w, quantizations, LENGTH_OF(quantizations)))));
}

static void make_request(struct world *w)
{
    static const uint32_t msgids[] = {0, 1, 0x7f, 0x80, 0xffff, 0x10000, UINT32_MAX};
    w->message.size = 0;
    if (once_in(w, 12)) {
        ok(pack_array(&w->message, 3));
        ok(pack_uint(&w->message, 2));
    } else {
        ok(pack_array(&w->message, 4));
        ok(pack_uint(&w->message, 0));
        ok(pack_uint(&w->message, msgids[choose(w, LENGTH_OF(msgids))]));
    }
    put_call(w, false);
    if (once_in(w, 40)) /* and not quite */
        w->message.data[choose(w, 256) % w->message.size] ^= (uint8_t)(1u << choose(w, 8));
}

/* ---- responses ---- */
