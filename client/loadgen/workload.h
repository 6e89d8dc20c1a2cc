/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tests of workloads.def as C, and the choice of some of them by name.
 */
#pragma once

#include "client/loadgen/command.h"
#include "common/check.h"

#include <stdbool.h>
#include <stdint.h>

/* A language in which requests are spelled. */
enum spelling { SPELLING_RESP, SPELLING_RPC, SPELLING_COUNT };

enum shape_flag {
    SHAPE_FINDS = 1,      /* the reply is a value, or nil: a miss */
    SHAPE_INLINE = 2,     /* RESP: a line of text */
    SHAPE_INSERTS = 4,    /* its key is a new one */
    SHAPE_STORES = 16,    /* it writes the whole value of a key */
    SHAPE_REMOVES = 32,   /* keys may be gone after it */
    SHAPE_COPIES = 64,    /* it sends what the request before was answered */
    SHAPE_SESSIONS = 128, /* its keys are sessions of checkpoints */
    SHAPE_VECTORS = 256,  /* its keys are those of vectors */
    SHAPE_SEARCHES = 512, /* the reply is what was found */
    SHAPE_MANY = 1024,    /* for each of several queries */
};

/* A request of which only keys, values and numbers change. */
struct shape {
    const char *name;
    const char *spelling[SPELLING_COUNT]; /* "": there is no such request */
    unsigned flags;                       /* enum shape_flag */
    char *const *words;                   /* of the command line, instead of spellings; or NULL */
    int n_words;
    /* A sequence: these, one after the other, and none of the above. */
    const struct shape *const *steps;
    unsigned n_steps;
};

enum workload_id {
#define WORKLOAD(id, title, groups, shapes, text) WORKLOAD_##id,
#include "client/loadgen/workloads.def"
#undef WORKLOAD
    WORKLOAD_COUNT
};

/* At most, in one workload: shapes; these and the steps of those that are sequences. */
enum { WORKLOAD_SHAPES = 16, WORKLOAD_ROWS = 32 };

struct workload {
    const char *name;
    const char *title;
    const char *groups; /* names separated by spaces */
    unsigned n_shapes;
    const struct shape *shapes[WORKLOAD_SHAPES]; /* one that inserts comes first */
    uint32_t weights[WORKLOAD_SHAPES];           /* how often each comes; all 0: by --ratio */
    const char *text;
};

extern const struct workload workload_table[WORKLOAD_COUNT];

/* Does it mix several shapes? */
static inline bool workload_mixes(const struct workload *workload)
{
    return workload->n_shapes > 1;
}

/* Has it, or any of its steps, this flag? */
bool shape_has(const struct shape *shape, enum shape_flag flag);

/* What --preload writes, each under the same keys. */
enum preload { PRELOAD_KEYS, PRELOAD_SESSIONS, PRELOAD_VECTORS, PRELOADS };

/* Does it, or any of its steps, need these to be there? */
bool shape_needs(const struct shape *shape, enum preload what);
bool workload_needs(const struct workload *workload, enum preload what);

/* Has any of its shapes this flag? */
bool workload_has(const struct workload *workload, enum shape_flag flag);

/* Figures are kept for each shape, in the first n_shapes rows, and behind these for each step of
 * the sequences among them: the row of the first step of a shape, and the number of all rows. */
unsigned workload_first_step(const struct workload *workload, unsigned shape);
unsigned workload_rows(const struct workload *workload);

/* The shape of the request that is step number `step` (0 if there are no steps) of a shape. */
static inline const struct shape *shape_step(const struct shape *shape, unsigned step)
{
    return shape->n_steps > 0 ? shape->steps[step] : shape;
}

/* Can it be run in this protocol? */
bool workload_speaks(const struct workload *workload, enum spelling spelling);

/* Is it one request, spelled in every language? */
bool shape_speaks_all(const struct shape *shape);

/* The first word, in this language, that `knows` says is unknown in a request whose words were
 * given, not spelled; NULL: there is none. */
const char *workload_unknown_word(const struct workload *workload,
                                  bool (*knows)(struct bytes word));

/* The words of a shape, with this word for __key__. False: there are too many. */
MUST_USE bool shape_command(const struct shape *shape, enum spelling spelling, const char *key,
                            struct command *out);

enum { WORKLOAD_DETAIL_SIZE = 240 };

/* Which tests a list like "set,get" names, whatever the case of its letters, and - for _; a name
 * of a group stands for all in it. 0, or ERR_BAD_ARGUMENT with a sentence in out_detail. */
MUST_USE int workload_select(const char *list, bool out_chosen[static WORKLOAD_COUNT],
                             char out_detail[static WORKLOAD_DETAIL_SIZE]);

/* The shape of the test of this name, if it has but one; else NULL. */
const struct shape *workload_shape(const char *name, size_t size);

/* There is no test of this name. ERR_BAD_ARGUMENT, with a sentence that offers another. */
int workload_unknown(const char *name, size_t size, char out_detail[static WORKLOAD_DETAIL_SIZE]);
