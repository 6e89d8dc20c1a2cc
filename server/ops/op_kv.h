/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of key-value handlers share: how a key of a request becomes a place in the store,
 * and rules about values.
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
