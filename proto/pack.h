/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing MessagePack into a struct buf, by msgpack-c's packer. All return 0 or ERR_OUT_OF_MEMORY.
 * Integers take their shortest form.
 */
#pragma once

#include "common/buf.h"

MUST_USE int pack_nil(struct buf *out);
MUST_USE int pack_bool(struct buf *out, bool value);
MUST_USE int pack_uint(struct buf *out, uint64_t value);
MUST_USE int pack_int(struct buf *out, int64_t value);
MUST_USE int pack_real(struct buf *out, double value);
MUST_USE int pack_str(struct buf *out, struct bytes text);
MUST_USE int pack_bin(struct buf *out, struct bytes bytes);
MUST_USE int pack_array(struct buf *out, size_t count); /* header only; elements follow */
MUST_USE int pack_map(struct buf *out, size_t pairs);   /* header only; keys and values follow */

/* Make what stands from `start` on one value, by putting a header in front of it: a str of these
 * bytes; an array of so many elements, a map of so many pairs. */
MUST_USE int pack_wrap_str(struct buf *out, size_t start);
MUST_USE int pack_wrap_array(struct buf *out, size_t start, size_t count);
MUST_USE int pack_wrap_map(struct buf *out, size_t start, size_t pairs);
