/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Doing one command on an open connection. All functions return an exit code (usage.h); what went
 * wrong was then told on stderr.
 */
#pragma once

#include "client/cli/args.h"
#include "client/cli/print.h"
#include "client/cli/session.h"

/* Call `method` with packed params and print the result. op: its row, NULL for a generic call. */
int run_call(struct session *session, const char *method, const struct op *op, struct bytes params,
             struct printer *printer);

/* Call a list again and again with the cursor it returned, and print every page. */
int run_all(struct session *session, struct args *args, struct printer *printer,
            struct usage *usage);

/* Tell an error of our own (negative enum err). */
int run_internal(int err);
