/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Items of files of checkpoints (ckpt_file.h), packed.
 */
#pragma once

#include "common/buf.h"

enum { CKPT_ITEM_DEPTH = 32 };

struct ckpt_item {
    struct bytes session; /* that it names */
    bool checkpoint;      /* else it is a session */
    struct bytes blobs;   /* [[channel, version, type, bytes]...], packed; none if it has none */
};

/* Look at one. False: it is no item. */
bool ckpt_item_read(struct bytes packed, struct ckpt_item *out);

/* Rows of blobs, one after the other. */
struct ckpt_item_rows {
    struct bytes rest;
    uint32_t left;
    uint32_t row;       /* of the last one, from 0 */
    struct bytes bytes; /* its last element, packed; none if the row is none of four */
};
struct ckpt_item_rows ckpt_item_rows(const struct ckpt_item *item);
bool ckpt_item_next(struct ckpt_item_rows *rows);

/* Is this packed value a str or bin? */
bool ckpt_item_is_bytes(struct bytes packed);
