/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the words behind `cairn GROUP VERB` to packed params, by the operation's row in ops.def.
 *
 * Everything that is not a row of the table (--json, --raw, --timeout ...) is in struct args as
 * well, because people write it anywhere on the line.
 */
#pragma once

#include "client/cli/usage.h"
#include "common/buf.h"
#include "proto/op.h"

enum args_value_form {
    ARGS_VALUE_GUESS,  /* JSON if it parses as JSON, else a str */
    ARGS_VALUE_STRING, /* --string: a str, whatever it looks like */
    ARGS_VALUE_JSON,   /* --json-in: must be JSON */
};

/* One argument as it was typed. */
struct args_word {
    const char *text; /* NULL: not given; "": a flag without value */
    bool bare;        /* an option without "=value" */
};

struct args {
    const struct op *op;
    struct args_word word[OP_ARGS_MAX + OP_ARGS_OF_ALL];
    const char **words; /* owned: the words that are no options */
    const char **rest;  /* those of a list argument (KEYS, PAIRS) */
    unsigned rest_count;
    enum args_value_form form;
    bool json, raw, all, help;
    bool has_timeout;
    int64_t timeout_ms; /* 0: for ever */
};

/* The options of cairn itself that may stand anywhere: is argv[i] one of them (and its value)?
 * Returns how many words it takes, 0 if it is none, or a negative enum err told in *usage. */
int args_common(int argc, char **argv, int i, struct args *args, struct usage *usage);

/* Read the words behind the verb. The result keeps views of argv. 0, or a negative enum err told in
 * *usage. With --help, missing arguments are not an error. */
MUST_USE int args_parse(const struct op *op, int argc, char **argv, struct args *args,
                        struct usage *usage);

/* Release what args_parse took. */
void args_deinit(struct args *args);

/* Pack the params: one map of all arguments by name. `cursor`, if its data is not NULL, replaces
 * that argument. Reads files and stdin. 0, or a negative enum err told in *usage. */
MUST_USE int args_pack(const struct args *args, struct bytes cursor, struct buf *out,
                       struct usage *usage);

/* Names as they are typed: "ttl_ms" -> "ttl" (UINT) and "ttl-ms"; at most OP_NAME_MAX bytes and a
 * NUL are written. The short one is the one that help shows. */
void args_option_name(const struct arg_desc *desc, bool in_short, char out[OP_NAME_MAX + 1]);

/* Is this a length of time (ttl_ms), or an instant (expires_at_ms)? */
bool args_is_duration(const struct arg_desc *desc);
bool args_is_instant(const struct arg_desc *desc);

/* Argument number i of an operation, those of all operations behind its own; NULL behind the
 * last. */
const struct arg_desc *args_desc(const struct op *op, unsigned i);
