/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What commands share that send or fetch a lot: how much one request may have, and telling how far
 * it has come.
 */
#pragma once

#include "client/cli/session.h"

enum { BULK_PART_BYTES = 256 * 1024, BULK_ROOM = 4096 };

struct bulk_limits {
    uint64_t items; /* of one request */
    uint64_t bytes; /* of one request, with BULK_ROOM for what is around the items */
};

/* Ask the server. An exit code; what went wrong was told. */
int bulk_ask_limits(struct session *session, struct bulk_limits *out);

/* The value of a key of a packed map; none if there is none, or it is no map. */
struct bytes bulk_get(struct bytes map, const char *key);

/* The number under a key; false, and *out is as it was, if there is none. */
bool bulk_number(struct bytes map, const char *key, uint64_t *out);

/* The text under a key; none if there is none. */
struct bytes bulk_text(struct bytes map, const char *key);

/* "1000 items imported" on a terminal, over what stood there. last: nothing follows. */
void bulk_progress(const char *what, uint64_t count, bool last);
