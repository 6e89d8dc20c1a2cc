/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What may come next on a command line, from the tables of operations and options.
 */
#pragma once

#include "common/buf.h"

#include <stdbool.h>

enum complete_where {
    COMPLETE_SHELL, /* the words behind `cairn` */
    COMPLETE_LINE,  /* a line of the interactive mode, which also knows help and quit */
};

struct complete {
    unsigned count;
    struct buf names; /* each ends in NUL */
};

/* Find the words that begin with `partial` and may follow the argc words. None: nothing is known,
 * for example of keys. 0, or ERR_OUT_OF_MEMORY; release *out after 0. */
MUST_USE int complete_find(enum complete_where where, int argc, char **argv, const char *partial,
                           struct complete *out);
void complete_deinit(struct complete *complete);

/* Bytes that all names begin with. */
size_t complete_common(const struct complete *complete);
