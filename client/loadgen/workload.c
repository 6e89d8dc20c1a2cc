/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of tests, and choosing among them.
 *
 * How: workloads.def is read twice, for shapes and for tests; a shape names its operation as
 * OP_<id>, so that one that has gone does not compile.
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

enum { KEY = SHAPE_KEY, VALUE = SHAPE_VALUE, FINDS = SHAPE_FINDS };

#define SHAPE(id, op, key_prefix, flags)                                                           \
    static const struct shape shape_##id = {#id, OP_##op, key_prefix, flags};
#include "client/loadgen/workloads.def"
#undef SHAPE

const struct workload workload_table[WORKLOAD_COUNT] = {
#define WORKLOAD(id, title, write, read, text) {#id, title, {&shape_##write, &shape_##read}, text},
#include "client/loadgen/workloads.def"
#undef WORKLOAD
};

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

static bool workload_mark(const char *name, size_t size, bool *chosen)
{
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
        const char *known = workload_table[i].name;
        if (strlen(known) == size && strncasecmp(known, name, size) == 0) {
            chosen[i] = true;
            return true;
        }
    }
    return false;
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
