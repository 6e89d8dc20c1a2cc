/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --dry-run: what a run would do, for people, without a server.
 */
#pragma once

#include "client/loadgen/address.h"
#include "client/loadgen/plan.h"

#include <stdio.h>

void dry_run_print(FILE *out, const struct address *address, const struct plan *plan);
