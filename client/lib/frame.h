/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where does a MessagePack value end? Found piece by piece as bytes arrive.
 */
#pragma once

#include "proto/mp.h"

/* Where a scan stands; all zero is the start. */
struct frame {
    size_t position;  /* bytes of whole elements seen */
    uint64_t missing; /* elements still to come, once position > 0 */
};

/* Go on scanning one value that begins at data[0]. 0: complete, frame->position is its size;
 * MP_MORE; ERR_BAD_REQUEST: not MessagePack; ERR_LIMIT_EXCEEDED: it will be larger than `limit`
 * bytes. Work is proportional to the bytes, however they are cut. */
MUST_USE int frame_scan(struct frame *frame, struct bytes data, size_t limit);

/* Step over one whole value of any depth. 0, MP_MORE or ERR_BAD_REQUEST; moves only on 0. */
MUST_USE int frame_skip(struct mp_reader *reader);

/* Is this exactly one value? */
bool frame_is_one(struct bytes data);
