/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn vec search: what was found, as a table for people.
 */
#pragma once

#include "client/cli/args.h"
#include "client/cli/print.h"
#include "client/cli/session.h"

/* Search and print. For a table the metadata is asked for as well. An exit code. */
int vec_search_run(struct session *session, struct args *args, struct bytes params,
                   struct printer *printer, struct usage *usage);
