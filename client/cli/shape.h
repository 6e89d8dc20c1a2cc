/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Replies as tables, by their shape alone:
 *
 *   array of maps                        a row each; the columns are the keys
 *   array of arrays of one length        a row each; the names come from ops.def, if it has some
 *   map of maps with the same keys       a row each, its key first
 *   any other map                        two columns; what is nested follows below, with a title
 */
#pragma once

#include "client/cli/print.h"
#include "client/cli/table.h"

/* Write a reply as one table or several. *out_shaped: false, and nothing is written, if it is no
 * map and no rows. 0 or a negative enum err. */
MUST_USE int shape_reply(struct bytes packed, FILE *out, unsigned columns, bool *out_shaped);

/* Write a page of a list of `op`. *table is NULL before the first page; it is kept, so that the
 * next page is aligned with this one, until shape_list_end. */
MUST_USE int shape_list(const struct print_page *page, const struct op *op, FILE *out,
                        unsigned columns, struct table **table);
void shape_list_end(struct table *table);
