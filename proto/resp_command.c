/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of RESP commands and the lookup by name.
 *
 * A name is looked up by its length and its first eight letters, folded to upper case by clearing
 * one bit, in a small open-addressed table. All names are letters, of which that bit makes nothing
 * but the other case; so up to eight of them need no further comparison.
 *
 * Threads: the lookup is built once and only read afterwards.
 */
#include "proto/resp_command.h"

#include "proto/resp_impl.h"

enum { RESP_SLOTS = 256 };

#define WRITE    RESP_WRITE
#define READONLY RESP_READONLY
#define DENYOOM  RESP_DENYOOM
#define FAST     RESP_FAST
#define SLOW     RESP_SLOW
#define ADMIN    RESP_ADMIN
#define NOAUTH   RESP_NOAUTH
#define AT_ONCE  RESP_AT_ONCE
#define ALONE    RESP_ALONE

const struct resp_command resp_table[RESP_COUNT] = {
#define SPELLING(id, name, arity, flags, keys, op, map, param, shape, group, since, args, summary) \
    [RESP_##id] = {RESP_##id,                                                                      \
                   name,                                                                           \
                   arity,                                                                          \
                   (flags),                                                                        \
                   RESP_KEYS_##keys,                                                               \
                   OP_##op,                                                                        \
                   resp_map_##map,                                                                 \
                   (param),                                                                        \
                   RESP_SHAPE_##shape,                                                             \
                   group,                                                                          \
                   since,                                                                          \
                   args,                                                                           \
                   summary},
#define OWN(id, name, arity, flags, keys, group, since, args, summary)                             \
    [RESP_##id] = {RESP_##id,       name,  arity, (flags), RESP_KEYS_##keys, -1, NULL, 0,          \
                   RESP_SHAPE_NONE, group, since, args,    summary},
#include "proto/resp.def"
#undef SPELLING
#undef OWN
};

static struct resp_slot {
    uint64_t word; /* of the name */
    uint8_t size;  /* 0: free */
    uint8_t row;
} resp_slots[RESP_SLOTS];

/* The first eight letters in one case, and the length. */
static inline uint64_t resp_word(struct bytes name)
{
    const uint8_t *p = name.data;
    uint64_t word = 0;
    if (name.size >= 8) {
        memcpy(&word, p, 8);
    } else if (name.size >= 4) {
        uint32_t head, tail;
        memcpy(&head, p, 4);
        memcpy(&tail, p + name.size - 4, 4);
        word = head | (uint64_t)tail << (8 * (name.size - 4));
    } else {
        for (size_t i = 0; i < name.size; i++)
            word |= (uint64_t)p[i] << (8 * i);
    }
    return word & UINT64_C(0xdfdfdfdfdfdfdfdf);
}

static inline unsigned resp_slot_of(uint64_t word, size_t size)
{
    return (unsigned)(((word ^ size) * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

bool resp_is(struct bytes arg, const char *word)
{
    size_t i = 0;
    for (; i < arg.size && word[i] != 0; i++) {
        uint8_t c = arg.data[i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (uint8_t)word[i])
            return false;
    }
    return i == arg.size && word[i] == 0;
}

void resp_init(void)
{
    memset(resp_slots, 0, sizeof resp_slots);
    for (unsigned row = 0; row < RESP_COUNT; row++) {
        struct bytes name = bytes_of(resp_table[row].name);
        uint64_t word = resp_word(name);
        unsigned i = resp_slot_of(word, name.size);
        REQUIRE(resp_find(name) == NULL && row <= UINT8_MAX && name.size <= UINT8_MAX);
        REQUIRE(strspn(resp_table[row].name, "abcdefghijklmnopqrstuvwxyz") == name.size);
        while (resp_slots[i].size != 0)
            i = (i + 1) % RESP_SLOTS;
        resp_slots[i] = (struct resp_slot){word, (uint8_t)name.size, (uint8_t)row};
    }
}

const struct resp_command *resp_find(struct bytes name)
{
    if (name.size == 0)
        return NULL;
    uint64_t word = resp_word(name);
    unsigned i = resp_slot_of(word, name.size);
    for (; resp_slots[i].size != 0; i = (i + 1) % RESP_SLOTS) {
        const struct resp_slot *slot = &resp_slots[i];
        const struct resp_command *command = &resp_table[slot->row];
        if (slot->word == word && slot->size == name.size &&
            (name.size <= 8 || resp_is(name, command->name)))
            return command;
    }
    return NULL;
}

bool resp_arity_fits(const struct resp_command *command, uint32_t n_args)
{
    int64_t n = (int64_t)n_args + 1;
    return command->arity >= 0 ? n == command->arity : n >= -command->arity;
}

int resp_map(struct resp_call *call)
{
    struct request *request = call->request;
    call->shape = call->command->shape;
    call->scratch->size = 0;
    request->op = &op_table[call->command->op];
    for (unsigned i = 0; i < request->op->n_args; i++)
        request->args[i].present = false;
    request->all.run.present = false;
    request->all.durability.present = false;
    return call->command->map(call);
}
