/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the oracle share.
 */
#pragma once

#include "common/check.h"
#include "proto/mp.h"
#include "tests/model/oracle.h"

#define OK(result) REQUIRE((result) == 0)

struct entry {
    unsigned refs, run;
    bool text;
    uint64_t version;
    int64_t expires_at_ms;
    size_t key_size, value_size;
    uint8_t bytes[];
};

static inline struct bytes entry_key(const struct entry *entry)
{
    return (struct bytes){entry->bytes, entry->key_size};
}

static inline struct bytes entry_value(const struct entry *entry)
{
    return (struct bytes){entry->bytes + entry->key_size, entry->value_size};
}

void entry_unref(struct entry *entry);

/* Where a key is or would be; the live entry with it, or NULL. */
size_t oracle_place(const struct oracle *o, unsigned run, struct bytes key, bool *out_found);
const struct entry *oracle_live(const struct oracle *o, unsigned run, struct bytes key);

void oracle_put(struct oracle *o, unsigned run, struct model_key key, struct bytes value,
                int64_t expires_at_ms);
void oracle_del(struct oracle *o, unsigned run, struct bytes key);

/* An operation that may be part of an atomic batch: changes and answers, or returns an error. */
typedef int (*oracle_do_fn)(struct oracle *o, const struct call *c, struct expect *x);
extern const oracle_do_fn oracle_do_table[OP_COUNT];
