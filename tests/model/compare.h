/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Comparing answers with what the oracle expects.
 */
#pragma once

#include "proto/rpc.h"
#include "tests/model/oracle.h"

/* Equal MessagePack, element by element. */
bool value_same(struct bytes want, struct bytes got);

/* The items of a page of kv.walk, one behind the other; returns how many, and its cursor. */
uint32_t walk_page(struct bytes result, struct bytes *out_items, uint64_t *out_cursor);

bool reply_same(const struct call *call, const struct expect *want, const struct rpc_response *got);

/* Is this error of the server (a map) the one with this number? */
bool error_is(struct bytes encoded, int err);
