/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gates: bounds that results have to keep, from a file (bench/gates.json).
 *
 *   {"gates": [{"name": "SET over the wire", "result": "set*memory", "metric": "p99_ns",
 *               "stretch": 500000, "target": 1000000, "acceptable": 2000000,
 *               "counts": true, "from": "where the figure comes from"}]}
 *
 * result is a pattern of names with * and ?. Worse than acceptable is missed. A gate that does not
 * count is printed as context and misses nothing: its figures were taken under other conditions.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* Judge every result that a gate is for, one line each. Returns how many were missed. */
unsigned gate_print(FILE *out, const json_t *gates, const json_t *document);
