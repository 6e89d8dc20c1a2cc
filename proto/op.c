/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of operations as arrays, and its lookup by wire name.
 *
 * Lookup is an open-addressed table of 256 slots over a multiplicative hash of the name's length
 * and its first and last eight bytes, which also decide equality of all but long names without a
 * call; it is filled once by op_init and only read afterwards.
 *
 * Threads: op_init once before others; then constant.
 * Failures: a table that is not sound stops the program at start (REQUIRE), never at run time.
 */
#include "proto/op.h"

#include "common/check.h"

#define REQ(name, type, text) {#name, ARG_##type, ARG_REQUIRED, text},
#define POS(name, type, text) {#name, ARG_##type, ARG_POSITIONAL, text},
#define OPT(name, type, text) {#name, ARG_##type, ARG_NAMED, text},

#define ARGS_OF_ALL(args)     const struct arg_desc op_args_of_all[OP_ARGS_OF_ALL] = {args};
#define OP(id, name, flags, reply, args, summary)                                                  \
    static const struct arg_desc op_args_##id[] = {args{NULL, ARG_KEY, ARG_NAMED, NULL}};
#define ALIAS(name, id)
#include "proto/ops.def"
#undef ARGS_OF_ALL
#undef OP
#undef ALIAS
#undef REQ
#undef POS
#undef OPT

/* Flags as the rows write them. */
enum {
    READ = OP_READ,
    WRITE = OP_WRITE,
    KEYED = OP_KEYED,
    BATCH = OP_BATCH,
    LOGIN = OP_LOGIN,
    ADMIN = OP_ADMIN,
    SLOW = OP_SLOW,
    GROWS = OP_GROWS
};

#define REQ(name, type, text) +1
#define POS(name, type, text)
#define OPT(name, type, text)
enum {
#define ARGS_OF_ALL(args)
#define OP(id, name, flags, reply, args, summary) OP_REQUIRED_##id = 0 args,
#define ALIAS(name, id)
#include "proto/ops.def"
};
#undef POS
#define POS(name, type, text) +1
#undef OP
enum {
#define OP(id, name, flags, reply, args, summary) OP_POSITIONAL_##id = 0 args,
#include "proto/ops.def"
};
#undef ARGS_OF_ALL
#undef OP
#undef ALIAS
#undef REQ
#undef POS
#undef OPT

const struct op op_table[OP_COUNT] = {
#define ARGS_OF_ALL(args)
#define OP(id, name, flags, reply, args, summary)                                                  \
    {OP_##id,                                                                                      \
     name,                                                                                         \
     sizeof(name) - 1,                                                                             \
     flags,                                                                                        \
     LENGTH_OF(op_args_##id) - 1,                                                                  \
     OP_REQUIRED_##id,                                                                             \
     OP_POSITIONAL_##id,                                                                           \
     op_args_##id,                                                                                 \
     reply,                                                                                        \
     summary},
#define ALIAS(name, id)
#include "proto/ops.def"
#undef ARGS_OF_ALL
#undef OP
#undef ALIAS
};

const struct arg_type_desc arg_type_table[ARG_TYPE_COUNT] = {
#define TYPE(name, word, text) {word, text},
#include "proto/types.def"
#undef TYPE
};

struct op_alias_row {
    const char *name;
    enum op_id id;
};

static const struct op_alias_row op_aliases[] = {
#define ARGS_OF_ALL(args)
#define OP(id, name, flags, reply, args, summary)
#define ALIAS(name, id) {name, OP_##id},
#include "proto/ops.def"
#undef ARGS_OF_ALL
#undef OP
#undef ALIAS
};

enum { OP_SLOTS = 256 };

/* A name as its size and its first and last eight bytes, which overlap in a short one: together
 * they are the whole name if it has at most 16 bytes. */
struct op_word {
    uint64_t head, tail;
    size_t size;
};

struct op_slot {
    struct op_word word;
    struct bytes name;
    const struct op *op;
};

static struct op_slot op_slots[OP_SLOTS];

static struct op_word op_word(struct bytes name)
{
    struct op_word word = {0, 0, name.size};
    uint32_t head, tail;
    if (name.size >= 8) {
        memcpy(&word.head, name.data, 8);
        memcpy(&word.tail, name.data + name.size - 8, 8);
    } else if (name.size >= 4) { /* sizes known here, so that nothing is called */
        memcpy(&head, name.data, 4);
        memcpy(&tail, name.data + name.size - 4, 4);
        word.head = head;
        word.tail = tail;
    } else {
        memcpy(&word.head, name.data, name.size);
    }
    return word;
}

static unsigned op_hash(const struct op_word *word)
{
    uint64_t mixed = (word->head ^ (word->tail << 1 | word->tail >> 63) ^ word->size);
    return (unsigned)(mixed * 0x9e3779b97f4a7c15u >> 56) & (OP_SLOTS - 1);
}

static bool op_slot_is(const struct op_slot *slot, const struct op_word *word, struct bytes name)
{
    return slot->word.head == word->head && slot->word.tail == word->tail &&
           slot->word.size == word->size && (word->size <= 16 || bytes_equal(slot->name, name));
}

const struct op *op_find(struct bytes name)
{
    if (name.size == 0 || name.size > OP_NAME_MAX)
        return NULL;
    struct op_word word = op_word(name);
    unsigned i = op_hash(&word);
    for (; op_slots[i].op != NULL; i = (i + 1) & (OP_SLOTS - 1))
        if (op_slot_is(&op_slots[i], &word, name))
            return op_slots[i].op;
    return NULL;
}

const char *op_alias(unsigned i, enum op_id *out_id)
{
    if (i >= LENGTH_OF(op_aliases))
        return NULL;
    *out_id = op_aliases[i].id;
    return op_aliases[i].name;
}

static void op_add(const char *name, const struct op *op)
{
    struct bytes bytes = bytes_of(name);
    REQUIRE(bytes.size > 0 && bytes.size <= OP_NAME_MAX && op_find(bytes) == NULL);
    struct op_word word = op_word(bytes);
    unsigned i = op_hash(&word);
    while (op_slots[i].op != NULL)
        i = (i + 1) & (OP_SLOTS - 1);
    op_slots[i] = (struct op_slot){word, bytes, op};
}

static void op_check(const struct op *op)
{
    size_t n = strlen(op->summary);
    REQUIRE(op->n_args <= OP_ARGS_MAX);
    REQUIRE(n > 0 && op->summary[n - 1] == '.');
    REQUIRE((op->flags & OP_KEYED) == 0 || op->args[0].type == ARG_KEY);
    for (unsigned i = 0; i < op->n_args; i++) {
        REQUIRE(i == 0 || op->args[i - 1].place <= op->args[i].place);
        REQUIRE(op->args[i].text[0] != 0);
    }
}

void op_init(void)
{
    memset(op_slots, 0, sizeof op_slots);
    for (unsigned i = 0; i < OP_COUNT; i++) {
        op_check(&op_table[i]);
        op_add(op_table[i].name, &op_table[i]);
    }
    for (unsigned i = 0; i < LENGTH_OF(op_aliases); i++)
        op_add(op_aliases[i].name, &op_table[op_aliases[i].id]);
}

static bool op_arg_named(const struct arg_desc *desc, struct bytes name)
{
    return bytes_equal(bytes_of(desc->name), name);
}

int op_arg_find(const struct op *op, struct bytes name)
{
    if (name.size == 0 || name.size > OP_NAME_MAX)
        return -1;
    for (unsigned i = 0; i < op->n_args; i++)
        if (op_arg_named(&op->args[i], name))
            return (int)i;
    for (unsigned i = 0; i < OP_ARGS_OF_ALL; i++)
        if (op_arg_named(&op_args_of_all[i], name))
            return (int)(op->n_args + i);
    return -1;
}
