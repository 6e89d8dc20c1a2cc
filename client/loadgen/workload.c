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

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    INLINE = SHAPE_INLINE,
    FINDS = SHAPE_FINDS,
    INSERTS = SHAPE_INSERTS,
    UPDATES = SHAPE_UPDATES,
    STORES = SHAPE_STORES,
};

#define TEN(text) text text text text text text text text text text

#define SHAPE(id, resp, rpc, flags)                                                                \
    static const struct shape shape_##id = {                                                       \
        #id, {[SPELLING_RESP] = resp, [SPELLING_RPC] = rpc}, flags, NULL, 0};
#include "client/loadgen/workloads.def"
#undef SHAPE

const struct workload workload_table[WORKLOAD_COUNT] = {
#define WORKLOAD(id, title, groups, write, read, text)                                             \
    {#id, title, groups, {&shape_##write, &shape_##read}, text},
#include "client/loadgen/workloads.def"
#undef WORKLOAD
};

const struct shape *const workload_update = &shape_set;

bool workload_speaks(const struct workload *workload, enum spelling spelling)
{
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++) {
        const struct shape *shape = workload->shapes[i];
        if (shape->words == NULL && shape->spelling[spelling][0] == 0)
            return false;
    }
    return true;
}

bool shape_command(const struct shape *shape, enum spelling spelling, struct command *out)
{
    if (shape->words != NULL)
        return command_of_words(shape->words, shape->n_words, out);
    command_split(shape->spelling[spelling], out);
    return true;
}

static int workload_unknown(const char *name, size_t size, char *out_detail)
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
        (void)snprintf(out_detail, WORKLOAD_DETAIL_SIZE, "unknown test '%.*s'; --help lists all",
                       shown, name);
    return ERR_BAD_ARGUMENT;
}

/* Is the name the word, or one of the words, of a text? */
static bool workload_names(const char *words, const char *name, size_t size)
{
    while (*words != 0) {
        size_t word = strcspn(words, " ");
        if (word == size && strncasecmp(words, name, size) == 0)
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

void workload_own_init(struct workload_own *own, char *const *words, int n_words)
{
    size_t at = 0;
    memset(own, 0, sizeof *own);
    for (int i = 0; i < n_words && at < sizeof own->title; i++) {
        int n =
            snprintf(own->title + at, sizeof own->title - at, "%s%s", i > 0 ? " " : "", words[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    own->shape = (struct shape){
        .name = own->title, .spelling = {"", ""}, .words = words, .n_words = n_words};
    own->workload = (struct workload){
        .name = own->title,
        .title = own->title,
        .groups = "",
        .shapes = {&own->shape, &own->shape},
        .text = "",
    };
}
