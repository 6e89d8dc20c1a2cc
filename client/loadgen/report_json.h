/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results for programs: one JSON object.
 */
#pragma once

#include "client/loadgen/json.h"
#include "client/loadgen/plan.h"
#include "client/loadgen/result.h"

/* Begin the object: tool, environment, configuration. Then each test, then end. */
void report_json_begin(struct json *json, const struct plan *plan, const char *target);
void report_json_test(struct json *json, const struct plan *plan, const struct result *result);
void report_json_end(struct json *json);
