/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct request: one decoded call, whatever protocol it came in. All views point into the message,
 * which must stay where it is until the call has been answered.
 */
#pragma once

#include "proto/op.h"

struct request {
    const struct op *op;
    uint32_t msgid;
    bool notification; /* no reply is wanted */
    size_t size;       /* bytes of the message; of a call inside a batch, its own */
    uint64_t hash;     /* KEYED operations: hash of the key in this run, once `hashed` */
    uint32_t hashed_run;
    bool hashed;
    struct args_of_all all;           /* run, durability */
    struct arg args[OP_ARGS_MAX + 1]; /* struct args_<id> */
};
