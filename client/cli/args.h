/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the words behind `cairn GROUP VERB` to packed params, by the operation's row in ops.def.
 *
 * The options of cairn itself (--json, --raw, --timeout ...) are read as well, because people write
 * them anywhere on the line.
 */
#pragma once

#include "client/cli/options.h"
#include "common/buf.h"
#include "proto/op.h"

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
    struct options options; /* to begin with, those before the command */
    bool has_lines;         /* stdin holds commands, so that it cannot be an argument */
    const char *input;      /* of a command with a file (own.h): which, as for input_read */
};

/* Read the words behind the verb. args: all zero but for `options` and `has_lines`. The result
 * keeps views of argv. 0, or a negative enum err told in *usage. With --help, missing arguments are
 * no error. */
MUST_USE int args_parse(const struct op *op, int argc, char **argv, struct args *args,
                        struct usage *usage);

/* Release what args_parse took. */
void args_deinit(struct args *args);

/* The words of this command as those of another operation, by the names of the arguments; what the
 * other has not is left out. Holds as long as `args`; args_deinit is for `args` alone. */
struct args args_for(const struct args *args, const struct op *op);

/* Pack the params: one map of all arguments by name. `cursor`, if its data is not NULL, is packed
 * and replaces that argument. Reads files and stdin. 0, or a negative enum err told in *usage. */
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
