/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tests of workloads.def as C, and the choice of some of them by name.
 */
#pragma once

#include "common/check.h"
#include "proto/op.h"

#include <stdbool.h>

enum shape_flag {
    SHAPE_KEY = 1,   /* has a key */
    SHAPE_VALUE = 2, /* has a value */
    SHAPE_FINDS = 4, /* the reply is a value, or nil: a miss */
};

/* A request of which only the key changes. */
struct shape {
    const char *name;
    enum op_id op;
    const char *key_prefix;
    unsigned flags; /* enum shape_flag */
};

enum workload_id {
#define WORKLOAD(id, title, write, read, text) WORKLOAD_##id,
#include "client/loadgen/workloads.def"
#undef WORKLOAD
    WORKLOAD_COUNT
};

enum { WORKLOAD_SHAPES = 2 }; /* at most, in one workload */

struct workload {
    const char *name;
    const char *title;
    const struct shape *shapes[WORKLOAD_SHAPES]; /* what writes, what reads; the same if only one */
    const char *text;
};

extern const struct workload workload_table[WORKLOAD_COUNT];

/* Does it mix two shapes? */
static inline bool workload_mixes(const struct workload *workload)
{
    return workload->shapes[0] != workload->shapes[1];
}

enum { WORKLOAD_DETAIL_SIZE = 240 };

/* Which tests a list like "set,get" names, whatever the case of its letters. 0, or ERR_BAD_ARGUMENT
 * with a sentence in out_detail. */
MUST_USE int workload_select(const char *list, bool out_chosen[static WORKLOAD_COUNT],
                             char out_detail[static WORKLOAD_DETAIL_SIZE]);
