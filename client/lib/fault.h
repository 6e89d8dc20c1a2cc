/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Filling in struct cairn_error: from inside the library, and from the error of a reply.
 */
#pragma once

#include "client/include/cairn.h"
#include "common/bytes.h"
#include "common/check.h"

/* No error. */
void fault_clear(struct cairn_error *error);

/* An error of the library itself. Returns status. */
int fault_set(struct cairn_error *error, int status, const char *format, ...) PRINTF_LIKE(3, 4);

/* The error of a reply as it was encoded: a str "CODE message", a map {code, message, retryable,
 * data}, or anything else. Whole MessagePack, hostile. Returns the status, which is negative. */
int fault_decode(struct cairn_error *error, struct bytes encoded);

/* The status with this wire name, CAIRN_OTHER if there is none. */
int fault_status(struct bytes name);

/* The wire name of a status. */
const char *fault_name(int status);
