/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Help, written from the table of operations.
 */
#pragma once

#include "proto/op.h"

#include <stdio.h>

/* "server.config_get" as it is typed: "server config-get". */
void help_words(const struct op *op, char out[OP_NAME_MAX + 1]);

/* cairn --help; cairn GROUP --help; cairn GROUP VERB --help; the usage line of an operation
 * alone. */
void help_main(FILE *out);
void help_lines(FILE *out); /* for the interactive mode */
void help_group(FILE *out, const char *group, size_t group_size);
void help_op(FILE *out, const struct op *op);
void help_usage(FILE *out, const struct op *op);
void help_call(FILE *out);

/* The words of a wire name: its group (empty if it has none) and verb, which end in NUL. */
struct help_name {
    char group[OP_NAME_MAX + 1];
    char verb[OP_NAME_MAX + 1];
};
struct help_name help_split(const char *wire_name);
