/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of key-value handlers share: how a key of a request becomes a place in the store,
 * rules about values, and what keys are that have types.
 *
 * Where keys have types (session.h) a key is a value or a collection of vectors, which lives in the
 * partition where the value would: to take what is no value for a collection needs no other lock.
 * Nothing is looked up while the server has no collection, nor for values read or replaced.
 */
#pragma once

#include "common/num.h"
#include "server/ops/ops.h"

struct kv_place {
    struct record_key key;
    uint64_t hash;
    bool text; /* to be given back as str */
};

/* The place of a key in the run of the request. */
struct kv_place kv_place(const struct op_ctx *ctx, struct bytes key, bool text);

/* The place of a request's first key, whose hash may have been computed ahead. */
struct kv_place kv_place_first(const struct op_ctx *ctx, const struct arg *key);

/* A reading lookup that counts hits and misses and marks the record as used. */
const struct record *kv_find(struct op_ctx *ctx, const struct kv_place *place);

/* ---- keys with types; the partition of the key is locked ---- */

/* By itself, as those to whom it does not happen need no room for it on the stack. */
#define KV_APART __attribute__((noinline, cold))

static inline bool kv_typed(const struct op_ctx *ctx)
{
    return ctx->session->typed_keys &&
           atomic_load_explicit(&ctx->store->vectors.collections, memory_order_relaxed) > 0;
}

/* The record of the collection that this key is; NULL: none, or keys have no types. */
KV_APART const struct record *kv_find_collection(struct op_ctx *ctx, struct bytes key);
static inline const struct record *kv_collection(struct op_ctx *ctx, struct bytes key)
{
    return kv_typed(ctx) ? kv_find_collection(ctx, key) : NULL;
}

/* There is no such value: 0, or WRONG_TYPE as the key is a collection. */
KV_APART MUST_USE int kv_absent(struct op_ctx *ctx, struct bytes key);

/* The key goes, whatever it is: plan to drop the collection. It was there: *existed is set. */
KV_APART MUST_USE int kv_drop_found(struct op_ctx *ctx, struct bytes key, bool *existed);
MUST_USE static inline int kv_drop_collection(struct op_ctx *ctx, struct bytes key, bool *existed)
{
    return kv_typed(ctx) ? kv_drop_found(ctx, key, existed) : 0;
}

/* ---- values ---- */

/* What a put of this key and value adds to memory at most, roughly. */
uint64_t kv_need(size_t key_size, size_t value_size);

/* The value as it is kept: a str that is not UTF-8 becomes bin, as strict clients could not read it
 * back (uses the scratch buffer). 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int kv_normal_value(struct op_ctx *ctx, struct bytes value, struct bytes *out_value);

/* Absolute expiry from a ttl and/or an instant; 0 if neither is given. 0 or an error in ctx. */
MUST_USE int kv_expiry(struct op_ctx *ctx, const struct arg *ttl_ms,
                       const struct arg *expires_at_ms, int64_t *out_expires_at_ms);

/* A value as text: the body of a str or bin; or, in `number`, a number in decimal, which leaves
 * *text as it was. ERR_WRONG_TYPE for any other. */
MUST_USE int kv_text_of(struct op_ctx *ctx, struct bytes value, char number[static NUM_REAL_SIZE],
                        struct bytes *out_body, bool *text);

/* Write [value, version, ttl_ms] or just the value; nil for NULL. */
void kv_reply_record(struct op_ctx *ctx, const struct record *record, bool with_version);
