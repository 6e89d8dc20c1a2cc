/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The protocols of the fake server: requests taken apart, answers written. Which one a connection
 * speaks is told by the first byte it sends.
 */
#pragma once

#include "common/buf.h"

enum fake_verb { FAKE_PING, FAKE_SET, FAKE_GET, FAKE_OTHER };

/* A request; views point into the data. */
struct fake_request {
    enum fake_verb verb;
    uint32_t id; /* of protocols that have one */
    struct bytes key, value;
};

enum fake_answer { FAKE_PONG, FAKE_OK, FAKE_VALUE, FAKE_DAMAGED, FAKE_ERROR };

enum { FAKE_MORE = 1 };

struct fake_wire {
    bool has_id; /* replies may come in any order */

    /* Take the request in front of the data. 0; FAKE_MORE: it is not all there; below 0: it is none
     * of this protocol. */
    int (*take)(uint8_t *data, size_t size, struct fake_request *out, size_t *out_size);

    /* Append a reply. value: of FAKE_VALUE and FAKE_DAMAGED; there is none if its data is NULL. 0
     * or ERR_OUT_OF_MEMORY. */
    int (*put)(enum fake_answer answer, uint32_t id, const struct buf *value, struct buf *out);
};

/* The protocol that begins with this byte: MessagePack-RPC with an array of four, else RESP. */
const struct fake_wire *fake_wire_of(uint8_t first);
