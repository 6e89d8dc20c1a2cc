/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command line of loadgen (options.def) as a struct.
 *
 *   -c 50   -c50   --connections 50   --connections=50   -q   [--] WORD...
 *
 * The first word that is no option begins the request to send; what follows belongs to it.
 *
 * Threads: none; parsed once, then read only.
 */
#pragma once

#include "client/loadgen/option_file.h"
#include "client/loadgen/sizes.h"
#include "common/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes to reads; not both 0. */
struct ratio {
    uint32_t write, read;
};

enum options_id {
#define GROUP(title)
#define OPTION(id, name, letter, type, arg, fallback, min, max, text) OPTIONS_##id,
#define ALIAS(name, id)
#define MEANS(name, id, value)
#define EITHER(...)
#include "client/loadgen/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef MEANS
#undef EITHER
    OPTIONS_COUNT
};

enum options_type {
    OPTIONS_TYPE_TEXT,
    OPTIONS_TYPE_COUNT,
    OPTIONS_TYPE_BYTES,
    OPTIONS_TYPE_TIME,
    OPTIONS_TYPE_AUTO,
    OPTIONS_TYPE_RATIO,
    OPTIONS_TYPE_SIZES,
    OPTIONS_TYPE_SPAN,
    OPTIONS_TYPE_REAL,
    OPTIONS_TYPE_FLAG,
    OPTIONS_TYPE_MAYBE,
    OPTIONS_TYPE_EACH,
};

/* An option that may be given again and again, with its text. */
struct options_said {
    enum options_id id;
    const char *text;
};

enum { OPTIONS_AUTO = -1, OPTIONS_NONE = 0, OPTIONS_SAID_MAX = 64 };

/* Fields are named like the rows. Text points into argv or the file, or is constant. */
struct options {
#define OPTIONS_FIELD_TEXT  const char *
#define OPTIONS_FIELD_COUNT int64_t
#define OPTIONS_FIELD_BYTES int64_t
#define OPTIONS_FIELD_TIME  int64_t
#define OPTIONS_FIELD_AUTO  int64_t
#define OPTIONS_FIELD_RATIO struct ratio
#define OPTIONS_FIELD_SIZES struct sizes
#define OPTIONS_FIELD_SPAN  struct sizes
#define OPTIONS_FIELD_REAL  double
#define OPTIONS_FIELD_FLAG  bool
#define OPTIONS_FIELD_MAYBE int64_t
#define OPTIONS_FIELD_EACH  bool
#define GROUP(title)
#define OPTION(id, name, letter, type, arg, fallback, min, max, text) OPTIONS_FIELD_##type id;
#define ALIAS(name, id)
#define MEANS(name, id, value)
#define EITHER(...)
#include "client/loadgen/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef MEANS
#undef EITHER
    bool given[OPTIONS_COUNT];                  /* it stands on the command line, or in the file */
    struct options_said said[OPTIONS_SAID_MAX]; /* of all rows of type EACH, in their order */
    unsigned n_said;
    struct option_file file; /* of --config */
    char *const *words;      /* what follows the options: a request; points into argv */
    int n_words;
};

/* A row of the table. Constant text. */
struct options_row {
    const char *name;
    char letter; /* 0: none */
    enum options_type type;
    const char *arg;
    const char *fallback;
    int64_t min, max;
    const char *text;
    size_t field; /* offset in struct options */
};

extern const struct options_row options_table[OPTIONS_COUNT];

/* A row of presets.def. Constant text. */
struct options_preset {
    const char *name, *text;
    const char *const *words;
    int n_words;
};

/* The workload that is none: they are to be listed. */
#define OPTIONS_LIST "help"

/* One for each row, and an empty one behind them. */
extern const struct options_preset options_presets[];

enum { OPTIONS_DETAIL_SIZE = 240 };

/* Two that are given, though they are different ways to say the same (EITHER). False: there are
 * none. */
bool options_clash(const struct options *options, const struct options_row **out_a,
                   const struct options_row **out_b);

/* Is this the name of the option, or another spelling of it? */
bool options_is(enum options_id id, const char *name, size_t size);

/* Give an option another value, as --name value would. 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int options_set(struct options *options, enum options_id id, const char *text,
                         char out_detail[static OPTIONS_DETAIL_SIZE]);

/* Read the command line, and the file that it names. 0, or ERR_BAD_ARGUMENT with a sentence in
 * out_detail that says what is wrong and what to write instead. --help anywhere wins: then only
 * out->help is meant. options_deinit is due if there was a file. */
MUST_USE int options_parse(int argc, char *const *argv, struct options *out,
                           char out_detail[static OPTIONS_DETAIL_SIZE]);
void options_deinit(struct options *options);
