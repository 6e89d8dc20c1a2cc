/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MessagePack to JSON text: what cairn prints, and what VGETATTR replies.
 *
 * What JSON has no words for is an object with one special key, both ways:
 *
 *   {"$bin": "base64"}          bin, or str that is not UTF-8
 *   {"$str": "base64"}          str that is not UTF-8, where the two must not be confused
 *   {"$ext": [type, "base64"]}  ext
 *   {"$float": "nan"}           also "inf", "-inf"
 *   {"$uint": "184467..."}      read only: an integer above 2^63 - 1 inside of something
 *   {"$map": [[key, value]]}    a map with keys that are not text (or one that looks like these)
 *
 * bin that is UTF-8 is written as a string and so read back as str, which is equal to it; by
 * json_out_exact as $bin.
 */
#pragma once

#include "common/buf.h"

/* Add the JSON of one complete MessagePack value to out. indent: spaces for each level, 0: all on
 * one line. Always valid JSON in UTF-8 without control characters (but line ends). 0,
 * ERR_LIMIT_EXCEEDED (nested too deeply), ERR_BAD_REQUEST or ERR_OUT_OF_MEMORY. */
MUST_USE int json_out(struct bytes packed, unsigned indent, struct buf *out);

/* The same on one line, such that json_in gives the same value: bin is bin, keys may be there
 * twice, integers above 2^63 - 1 stand anywhere. Only lengths and numbers may take another form. */
MUST_USE int json_out_exact(struct bytes packed, struct buf *out);
