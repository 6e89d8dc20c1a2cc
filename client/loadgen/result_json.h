/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A result as members of an object of JSON, described in docs/loadgen-json.md.
 */
#pragma once

#include "client/loadgen/plan.h"
#include "client/loadgen/result.h"
#include "client/loadgen/writer.h"

/* Open and close the object around. step: "clients=10", of a sweep; NULL: there is none. */
void result_json_write(struct writer *json, const struct plan *plan, const char *step,
                       const struct result *result);
