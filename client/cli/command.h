/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One command: words to an operation, or to help.
 */
#pragma once

#include "client/cli/session.h"
#include "proto/op.h"

/* The operation that the first words name ("kv put", "kv.put", "ping"), and how many they are; NULL
 * if they name none. */
const struct op *command_find(int argc, char **argv, int *out_words);

/* Is this the first word of operations: "kv"? */
bool command_is_group(const char *word);

/* Do what the words say: an operation, `call`, or help (`help`, --help). Returns an exit code
 * (usage.h); what went wrong was told on stderr. */
int command_run(struct session *session, int argc, char **argv);
