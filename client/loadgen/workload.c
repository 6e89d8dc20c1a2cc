/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of tests, and choosing among them.
 *
 * How: workloads.def is read twice, for shapes and for tests. That operations exist and take such
 * arguments is checked by tests/unit/client/loadgen/driver_msgpack_test.c.
 *
 * Invariants: the tables are constant. Threads: any; no state.
 * Failures: an unknown name is ERR_BAD_ARGUMENT, with the nearest name there is.
 */
#include "client/loadgen/workload.h"

#include "common/suggest.h"
#include "common/err.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    INLINE = SHAPE_INLINE,
    FINDS = SHAPE_FINDS,
    INSERTS = SHAPE_INSERTS,
    STORES = SHAPE_STORES,
    REMOVES = SHAPE_REMOVES,
    COPIES = SHAPE_COPIES,
    SESSIONS = SHAPE_SESSIONS,
    VECTORS = SHAPE_VECTORS,
    SEARCHES = SHAPE_SEARCHES,
    MANY = SHAPE_MANY,
};

#define TEN(text) text text text text text text text text text text

/* Of checkpoints. No UUID sorts before the first. */
#define FIRST "00-first"
#define TAGS  " one two three"
#define ENTRY "{ state __data__ tags [" TAGS " ] }"

#define SHAPE(id, resp, rpc, flags_)                                                               \
    static const struct shape shape_##id = {                                                       \
        .name = #id,                                                                               \
        .spelling = {[SPELLING_RESP] = resp, [SPELLING_RPC] = rpc},                                \
        .flags = (flags_)};
#define SEQUENCE(id, ...)                                                                          \
    static const struct shape *const steps_##id[] = {__VA_ARGS__};                                 \
    static const struct shape shape_##id = {                                                       \
        .name = #id, .spelling = {"", ""}, .steps = steps_##id, .n_steps = LENGTH_OF(steps_##id)};
#include "client/loadgen/workloads.def"
#undef SHAPE
#undef SEQUENCE

#define ONE(shape)       .n_shapes = 1, .shapes = {&shape_##shape}
#define TWO(write, read) .n_shapes = 2, .shapes = {&shape_##write, &shape_##read}

const struct workload workload_table[WORKLOAD_COUNT] = {
#define WORKLOAD(id, title_, groups_, shapes_, text_)                                              \
    {.name = #id, .title = (title_), .groups = (groups_), shapes_, .text = (text_)},
#include "client/loadgen/workloads.def"
#undef WORKLOAD
};

static bool shape_speaks(const struct shape *shape, enum spelling spelling)
{
    for (unsigned i = 0; i < shape->n_steps; i++)
        if (!shape_speaks(shape->steps[i], spelling))
            return false;
    return shape->n_steps > 0 || shape->words != NULL || shape->spelling[spelling][0] != 0;
}

bool shape_speaks_all(const struct shape *shape)
{
    bool all = shape->words == NULL;
    for (unsigned i = 0; i < SPELLING_COUNT; i++)
        all = all && shape->spelling[i][0] != 0;
    return all;
}

const char *workload_unknown_word(const struct workload *workload, bool (*knows)(struct bytes word))
{
    for (unsigned i = 0; i < workload->n_shapes; i++)
        for (unsigned step = 0; step == 0 || step < workload->shapes[i]->n_steps; step++) {
            const struct shape *shape = shape_step(workload->shapes[i], step);
            if (shape->n_words > 0 && !knows(bytes_of(shape->words[0])))
                return shape->words[0];
        }
    return NULL;
}

bool workload_speaks(const struct workload *workload, enum spelling spelling)
{
    for (unsigned i = 0; i < workload->n_shapes; i++)
        if (!shape_speaks(workload->shapes[i], spelling))
            return false;
    return true;
}

bool shape_has(const struct shape *shape, enum shape_flag flag)
{
    for (unsigned i = 0; i < shape->n_steps; i++)
        if ((shape->steps[i]->flags & flag) != 0)
            return true;
    return (shape->flags & flag) != 0;
}

bool shape_needs(const struct shape *shape, enum preload what)
{
    unsigned kinds = SHAPE_SESSIONS | SHAPE_VECTORS;
    unsigned kind = what == PRELOAD_SESSIONS  ? SHAPE_SESSIONS
                    : what == PRELOAD_VECTORS ? SHAPE_VECTORS
                                              : 0;
    for (unsigned i = 0; i < shape->n_steps; i++)
        if ((shape->steps[i]->flags & kinds) == kind)
            return true;
    return shape->n_steps == 0 && (shape->flags & kinds) == kind;
}

bool workload_needs(const struct workload *workload, enum preload what)
{
    for (unsigned i = 0; i < workload->n_shapes; i++)
        if (shape_needs(workload->shapes[i], what))
            return true;
    return false;
}

bool workload_has(const struct workload *workload, enum shape_flag flag)
{
    for (unsigned i = 0; i < workload->n_shapes; i++)
        if (shape_has(workload->shapes[i], flag))
            return true;
    return false;
}

unsigned workload_first_step(const struct workload *workload, unsigned shape)
{
    unsigned row = workload->n_shapes;
    for (unsigned i = 0; i < shape; i++)
        row += workload->shapes[i]->n_steps;
    return row;
}

unsigned workload_rows(const struct workload *workload)
{
    return workload_first_step(workload, workload->n_shapes);
}

bool shape_command(const struct shape *shape, enum spelling spelling, const char *key,
                   struct command *out)
{
    if (shape->words == NULL)
        command_split(shape->spelling[spelling], out);
    else if (!command_of_words(shape->words, shape->n_words, out))
        return false;
    command_set_key(out, key);
    return true;
}

int workload_unknown(const char *name, size_t size, char out_detail[static WORKLOAD_DETAIL_SIZE])
{
    struct suggest suggest;
    suggest_init(&suggest, name, size);
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        suggest_offer(&suggest, workload_table[i].name);
    int shown = size < 32 ? (int)size : 32;
    if (suggest.best != NULL)
        (void)snprintf(out_detail, WORKLOAD_DETAIL_SIZE, "unknown test '%.*s'; did you mean %s?",
                       shown, name, suggest.best);
    else
        (void)snprintf(out_detail, WORKLOAD_DETAIL_SIZE, "unknown test '%.*s'; --help lists all%s",
                       shown, name,
                       name[0] >= '0' && name[0] <= '9' ? ", and threads are --threads" : "");
    return ERR_BAD_ARGUMENT;
}

/* ckpt-save is ckpt_save. */
static char workload_letter(char c)
{
    return (char)(c == '-' ? '_' : tolower((unsigned char)c));
}

static bool workload_same(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (workload_letter(a[i]) != workload_letter(b[i]))
            return false;
    return true;
}

/* Is the name the word, or one of the words, of a text? */
static bool workload_names(const char *words, const char *name, size_t size)
{
    while (*words != 0) {
        size_t word = strcspn(words, " ");
        if (word == size && workload_same(words, name, size))
            return true;
        words += word + (words[word] == ' ');
    }
    return false;
}

static bool workload_mark(const char *name, size_t size, bool *chosen)
{
    bool found = false;
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
        const struct workload *workload = &workload_table[i];
        if (!workload_names(workload->name, name, size) &&
            !workload_names(workload->groups, name, size))
            continue;
        chosen[i] = true;
        found = true;
    }
    return found;
}

int workload_select(const char *list, bool out_chosen[static WORKLOAD_COUNT],
                    char out_detail[static WORKLOAD_DETAIL_SIZE])
{
    bool chosen[WORKLOAD_COUNT] = {false};
    for (;;) {
        size_t size = strcspn(list, ",");
        if (!workload_mark(list, size, chosen))
            return workload_unknown(list, size, out_detail);
        if (list[size] == 0)
            break;
        list += size + 1;
    }
    memcpy(out_chosen, chosen, sizeof chosen);
    return 0;
}

const struct shape *workload_shape(const char *name, size_t size)
{
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        if (workload_table[i].n_shapes == 1 && workload_names(workload_table[i].name, name, size))
            return workload_table[i].shapes[0];
    return NULL;
}
