/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which columns the table of a list has, where its items have more than a line holds.
 */
#pragma once

#include "common/buf.h"
#include "proto/op.h"

enum column_form {
    COLUMN_PLAIN,
    COLUMN_WHOLE, /* the same, never cut: the next command is given it */
    COLUMN_AGE,   /* milliseconds since 1970, as the time that has passed: 5s, 3m, 7h, 12d */
    COLUMN_WORDS, /* an array, its elements behind each other */
    COLUMN_SCORE, /* a number with six digits behind the point */
};

struct column {
    const char *key, *name; /* of the items; of the column. NULL: behind the last */
    enum column_form form;
};

enum { COLUMNS_MAX = 8 };

struct columns {
    enum op_id id;
    struct column column[COLUMNS_MAX];
};

/* Those of a list of this operation; NULL: all that its items have. */
const struct columns *columns_of(const struct op *op);

/* Add the text of a cell whose column is not plain. 0 or a negative enum err. */
MUST_USE int columns_text(const struct column *column, struct bytes packed, struct buf *out);

/* A length of time in one unit: 5s, 3m, 7h, 12d. */
void columns_age(int64_t ms, char out[static 24]);
