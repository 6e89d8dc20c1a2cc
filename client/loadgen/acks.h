/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A log of what a server has acknowledged (--ack-log), so that it can be asked later, perhaps after
 * a crash, whether it still knows (client/loadgen/verify.h).
 *
 *   loadgen-acks 1 64 1000                          version, sizes of values: from, to
 *   a 000000000042 17 904511233 904533210           acknowledged: key, write, sent, answered
 *   o 000000000007 18 904511240 0                   open: sent, but refused or never answered
 *
 * Times are clock_ticks: they only say what was before what. A write is its number in the stream,
 * which stands in the value as well.
 */
#pragma once

#include "common/buf.h"

#include <stdio.h>

struct ack {
    uint64_t key, write;
    uint64_t sent, answered; /* answered 0: open */
};

/* The file; many threads may add to it, each by a buffer of its own. */
struct acks {
    int fd;
};

enum { ACKS_DETAIL_SIZE = 300 };

/* Create or empty a file, for values of such sizes. 0, or ERR_IO with a sentence. */
MUST_USE int acks_create(struct acks *acks, const char *path, size_t min, size_t max,
                         char out_detail[static ACKS_DETAIL_SIZE]);

/* Add one; it is written when the buffer is full, or by acks_flush. 0, ERR_IO or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int acks_add(const struct acks *acks, struct buf *buffer, const struct ack *ack);
MUST_USE int acks_flush(const struct acks *acks, struct buf *buffer);

/* All of a file, in the order of their keys. 0, or ERR_IO, ERR_BAD_ARGUMENT, ERR_OUT_OF_MEMORY with
 * a sentence. *out_acks is freed by mem_free. */
MUST_USE int acks_read(const char *path, struct ack **out_acks, size_t *out_count, size_t *out_min,
                       size_t *out_max, char out_detail[static ACKS_DETAIL_SIZE]);
