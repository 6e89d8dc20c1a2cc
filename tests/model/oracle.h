/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle of the model tests: what every operation should answer, computed over a sorted array.
 *
 * It knows nothing of partitions, transactions or memory. Each transaction that changes something
 * takes the next version. What has expired is absent, but is kept until oracle_purge, because the
 * end of a scan may be announced a page late for it.
 */
#pragma once

#include "common/buf.h"
#include "proto/op.h"

#include <stdint.h>

enum { MODEL_RUNS = 4, CALL_ITEMS = 8, CALL_CONDITIONS = 2 };

/* Names of the runs, in order; a run is an index here. */
extern const struct bytes model_run_names[MODEL_RUNS];

/* Which optional arguments a call has. */
enum call_option {
    CALL_RUN = 1 << 0,
    CALL_WITH_VERSION = 1 << 1,
    CALL_TTL = 1 << 2,
    CALL_EXPIRES_AT = 1 << 3,
    CALL_KEEP_TTL = 1 << 4,
    CALL_IF_VERSION = 1 << 5,
    CALL_IF_VALUE = 1 << 6,
    CALL_IF_ABSENT = 1 << 7,
    CALL_IF_EXISTS = 1 << 8,
    CALL_RETURN_OLD = 1 << 9,
    CALL_DELTA = 1 << 10,
    CALL_MIN = 1 << 11,
    CALL_MAX = 1 << 12,
    CALL_PREFIX = 1 << 13,
    CALL_FROM = 1 << 14,
    CALL_TO = 1 << 15,
    CALL_LIMIT = 1 << 16,
    CALL_CURSOR = 1 << 17,
    CALL_KEYS_ONLY = 1 << 18,
    CALL_REVERSE = 1 << 19,
    CALL_ATOMIC = 1 << 20,
    CALL_STRICT = 1 << 21, /* durability: strict */
    CALL_IF_NONE = 1 << 22,
    CALL_IF_SOME = 1 << 23,
    CALL_IF_LATER = 1 << 24,
    CALL_IF_SOONER = 1 << 25,
    CALL_RETURN_VALUE = 1 << 26,
    CALL_PARTIAL = 1 << 27,
    CALL_MATCH = 1 << 28,
    CALL_POSITION = 1 << 29, /* the cursor of kv.walk */
};

struct model_key {
    struct bytes bytes;
    bool text; /* goes as str */
};

/* A call before it is encoded. All views belong to whoever made it. */
struct call {
    enum op_id op;
    unsigned options;
    unsigned run; /* it works in, whether given as an option or not; run.use, run.drop: its name */
    unsigned n;   /* keys, pairs or calls */
    struct model_key key[CALL_ITEMS];
    struct bytes value[CALL_ITEMS]; /* encoded; append: the bytes */
    bool data_text;                 /* append: as str */
    struct bytes if_value, prefix, from, to, cursor, match;
    uint64_t ttl_ms, expires_at_ms, version, limit, position;
    int64_t delta, min, max;
    double real; /* kv.incr_real: what is added */
    const struct call *calls;
    unsigned n_conditions;
    struct model_key condition_key[CALL_CONDITIONS];
    uint64_t condition_version[CALL_CONDITIONS];
};

static inline bool call_has(const struct call *call, enum call_option option)
{
    return (call->options & (unsigned)option) != 0;
}

/* What the answer must be. */
struct expect {
    int err;           /* enum err */
    uint64_t actual;   /* ERR_CONFLICT: the version found */
    int index;         /* the call or condition that failed, or -1 */
    struct buf result; /* encoded; of a page: its items */
    bool page;         /* a map of items and cursor */
    bool walk;         /* the same, its items any of those in result, at most `high` of them */
    bool cursor_must, cursor_may;
    struct buf cursor;
    bool range; /* a number from low to high */
    uint64_t low, high;
};

struct entry;

struct oracle {
    struct entry **items; /* by run, then key */
    size_t n, room;
    int64_t now_ms;
    uint64_t version; /* of the newest transaction */
    bool wrote;       /* the transaction in progress has an effect */
};

void oracle_init(struct oracle *oracle);
void oracle_deinit(struct oracle *oracle);

void expect_init(struct expect *expect);
void expect_deinit(struct expect *expect);

/* Do what the call does and say what it must answer. */
void oracle_call(struct oracle *oracle, const struct call *call, struct expect *out);

/* Forget what expired at or before this time. */
void oracle_purge(struct oracle *oracle, int64_t until_ms);

/* Reading, for whoever compares all of it. */
struct entry_view {
    unsigned run;
    struct bytes key, value;
    bool text;
    uint64_t version;
    int64_t expires_at_ms;
};
struct entry_view oracle_at(const struct oracle *oracle, size_t i);
bool oracle_is_live(const struct oracle *oracle, size_t i);
void oracle_remove_at(struct oracle *oracle, size_t i);

/* The present version of a key, 0 if absent; its value, or nil. */
uint64_t oracle_version(const struct oracle *oracle, unsigned run, struct bytes key);
struct bytes oracle_value(const struct oracle *oracle, unsigned run, struct bytes key);
