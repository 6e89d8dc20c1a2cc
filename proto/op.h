/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of operations (ops.def) as C: ids, descriptors, argument structs, lookup by name.
 *
 * A handler of operation kv_put reads `const struct args_kv_put *a`: a->key.bytes,
 * a->ttl_ms.present, a->ttl_ms.uint. The decoder fills the same struct as an array of `struct arg`
 * in the order of the row.
 */
#pragma once

#include "common/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum op_id {
#define ARGS_OF_ALL(args)
#define OP(id, name, flags, reply, args, summary) OP_##id,
#define ALIAS(name, id)
#include "proto/ops.def"
#undef ARGS_OF_ALL
#undef OP
#undef ALIAS
    OP_COUNT
};

/* Flags of a row; in ops.def they stand without the prefix. */
enum op_flag {
    OP_READ = 1,
    OP_WRITE = 2,
    OP_KEYED = 4,
    OP_BATCH = 8,
    OP_LOGIN = 16,
    OP_ADMIN = 32,
    OP_SLOW = 64,
    OP_GROWS = 128,
};

enum arg_type {
#define TYPE(name, word, text) ARG_##name,
#include "proto/types.def"
#undef TYPE
    ARG_TYPE_COUNT
};

/* Whether and how an argument may be given (REQ, POS, OPT in ops.def). */
enum arg_place { ARG_REQUIRED, ARG_POSITIONAL, ARG_NAMED };

/* A decoded argument. Views point into the request. */
struct arg {
    bool present;
    bool text;      /* KEY, BYTES, NAME, DATA: it came as str */
    uint32_t count; /* KEYS, PAIRS, CALLS, CONDITIONS: number of elements */
    union {
        struct bytes
            bytes; /* str or bin: the body; VALUE, ARRAY, MAP: the encoded value; lists: the encoded
                               elements without the array header, already checked */
        int64_t sint;  /* INT */
        uint64_t uint; /* UINT */
        double real;   /* REAL */
        bool boolean;  /* BOOL */
    };
};

/* struct args_<id>: the arguments of each operation, by name. */
#define ARGS_OF_ALL(args)                                                                          \
    struct args_of_all {                                                                           \
        args struct arg end_;                                                                      \
    };
#define OP(id, name, flags, reply, args, summary)                                                  \
    struct args_##id {                                                                             \
        args struct arg end_;                                                                      \
    };
#define ALIAS(name, id)
#define REQ(name, type, text) struct arg name;
#define POS(name, type, text) struct arg name;
#define OPT(name, type, text) struct arg name;
#include "proto/ops.def"
#undef ARGS_OF_ALL
#undef OP
#undef ALIAS
#undef REQ
#undef POS
#undef OPT

enum {
    OP_ARGS_MAX = 24,   /* arguments of one operation, without those of all; checked at start */
    OP_ARGS_OF_ALL = 2, /* run, durability */
    OP_NAME_MAX = 32,   /* bytes of a wire name */
};

struct arg_desc {
    const char *name;
    enum arg_type type;
    enum arg_place place;
    const char *text;
};

struct op {
    enum op_id id;
    const char *name; /* wire name */
    unsigned name_size;
    unsigned flags; /* enum op_flag */
    unsigned n_args;
    unsigned n_required;
    unsigned n_positional; /* required ones included */
    const struct arg_desc *args;
    const char *reply;
    const char *summary;
};

/* Words and texts of an argument type. */
struct arg_type_desc {
    const char *word;
    const char *text;
};

extern const struct op op_table[OP_COUNT];
extern const struct arg_desc op_args_of_all[OP_ARGS_OF_ALL];
extern const struct arg_type_desc arg_type_table[ARG_TYPE_COUNT];

/* The operation with this wire name or alias, or NULL. Any thread, after op_init. */
const struct op *op_find(struct bytes name);

/* The aliases: returns the alias number i and its operation, NULL behind the last. */
const char *op_alias(unsigned i, enum op_id *out_id);

/* Build the lookup and REQUIRE that the table is sound: names unique, arguments in order, summaries
 * sentences. Once, before threads. */
void op_init(void);

/* Index of the argument with this name in op (0..n_args-1), or of those of all (n_args...), or -1.
 * */
int op_arg_find(const struct op *op, struct bytes name);
