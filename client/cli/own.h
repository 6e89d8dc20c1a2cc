/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands that do more than call their operation and print the result.
 */
#pragma once

#include "client/cli/args.h"
#include "client/cli/print.h"
#include "client/cli/session.h"

enum { OWN_OPS = 4, OWN_OPS_MAX = OP_COUNT + OWN_OPS };

/* Every command: the rows of ops.def, then those that only cairn has, in the same form (their id is
 * OP_COUNT). NULL behind the last. */
const struct op *own_op(unsigned i);

/* The one of this name or alias, or NULL. */
const struct op *own_find_op(struct bytes name);

/* Is this such a command, with these arguments? */
bool own_runs(const struct op *op, const struct args *args);

/* Do it on an open connection. params: the arguments, packed. An exit code. */
int own_run(struct session *session, struct args *args, struct bytes params,
            struct printer *printer, struct usage *usage);

/* The argument that is read from a file, standard input if it is not given; -1: there is none. */
int own_input(const struct op *op);

/* What help says of it besides its operation, or NULL. */
const char *own_text(const struct op *op);
