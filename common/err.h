/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Error codes: one table (err.def), read here as an enum and in err.c as names and texts.
 *
 * Functions return 0 or a negative `enum err`. Request errors go to the client, operating errors go
 * up and are logged once where they are handled, programmer errors meet REQUIRE (common/check.h).
 */
#pragma once

#include <stdbool.h>

enum err_index {
#define ERR(name, retryable, text) ERR_INDEX_##name,
#include "common/err.def"
#undef ERR
    ERR_COUNT
};

/* Negative values of the table, so that 0 is success and any other value an error. */
enum err {
    ERR_OK = 0,
#define ERR(name, retryable, text) ERR_##name = -(ERR_INDEX_##name + 1),
#include "common/err.def"
#undef ERR
};

/* The stable name of an error ("NOT_FOUND"); "OK" for 0; "INTERNAL" for an unknown number. */
const char *err_name(int err);

/* One sentence for people: what happened and what to do. */
const char *err_text(int err);

/* True if the same request may succeed later. */
bool err_retryable(int err);

/* The error with this name, or 0 if there is none. `name` need not end in NUL. */
int err_by_name(const char *name, unsigned long size);
