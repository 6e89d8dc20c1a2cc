/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --dry-run and --show-config: what a run would do, for people, without a server.
 */
#pragma once

#include "client/loadgen/address.h"
#include "client/loadgen/plan.h"

#include <stdio.h>

/* The lines below a head; with the head of --dry-run. */
void dry_run_show(FILE *out, const struct address *address, const struct plan *plan);
void dry_run_print(FILE *out, const struct address *address, const struct plan *plan);
