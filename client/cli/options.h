/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The options of cairn itself, by the table in options.def.
 */
#pragma once

#include "client/cli/usage.h"
#include "common/suggest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum options_type {
    OPTIONS_TEXT,
    OPTIONS_FLAG,
    OPTIONS_TIMEOUT,
    OPTIONS_PERIOD,
    OPTIONS_COUNT,
};

enum options_place { OPTIONS_FRONT, OPTIONS_ANYWHERE };

/* A length of time. */
struct options_ms {
    bool given;
    int64_t ms;
};

/* What the command line says besides the command. All zero: nothing was given. */
struct options {
#define OPTIONS_FIELD_TEXT    const char *
#define OPTIONS_FIELD_FLAG    bool
#define OPTIONS_FIELD_TIMEOUT struct options_ms
#define OPTIONS_FIELD_PERIOD  struct options_ms
#define OPTIONS_FIELD_COUNT   int64_t
#define GROUP(title)
#define OPTION(id, name, letter, type, place, arg, text) OPTIONS_FIELD_##type id;
#include "client/cli/options.def"
#undef GROUP
#undef OPTION
};

struct options_row {
    const char *group; /* the title it stands under */
    const char *name;
    char letter; /* 0: none */
    enum options_type type;
    enum options_place place;
    const char *arg, *text;
    size_t field; /* offset in struct options */
};

/* Row number i, NULL behind the last. */
const struct options_row *options_row(unsigned i);

/* Is argv[i] an option that may stand in this place (and its value)? Returns how many words it
 * takes, 0 if it is none, or a negative enum err told in *usage. Texts are views of argv. */
int options_take(int argc, char **argv, int i, enum options_place place, struct options *out,
                 struct usage *usage);

/* Does this option, as it is typed, need the next word as its value? */
bool options_wants_value(const char *word, enum options_place place);

/* Offer "--name" of every option of this place that is shown in the help. */
void options_offer(struct suggest *suggest, enum options_place place);
