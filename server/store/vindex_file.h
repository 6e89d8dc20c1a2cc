/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graphs in snapshots, so that a restart need not build them again.
 *
 *   part   | generation u64 | count u32 | node node ... |              a chunk of SNAPSHOT_GRAPHS
 *   node   | hash u64 | slot u32 | level u8 | links of level 0 | ... | links of `level` |
 *   links  | count u16 | slot u32 ... |
 *
 * All little-endian. The hash is that of a row's key and vector. Slots are those of the process
 * that saved: what a link means is the row whose node has that slot. A graph is only ever a
 * hint: when it is loaded, a node finds its row by the hash, whatever became of the row since;
 * nodes without a row and links to them are dropped, rows without a node are linked anew; and a
 * part that cannot be is dropped with the whole graph, which is then built from the records.
 */
#pragma once

#include "server/store/vindex.h"

/* ---- saving ---- */

/* All indexes of a partition that have a graph, with a reference each: an array of struct vindex *
 * in out. Locks the partition. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int vindex_list_graphs(struct partition *partition, struct buf *out);

/* From the first part until the end of saving no slot is used again. */
void vindex_pin(struct vindex *vindex, bool pin);

/* Append the part that begins with the row *slot, and move that behind it. *out_done: there is
 * no more. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int vindex_save_part(struct vindex *vindex, uint32_t *slot, struct buf *out,
                              bool *out_done);

/* ---- loading ---- */

/* A part as it was read. */
struct vindex_part {
    struct vindex_part *next;
    size_t size;
    uint8_t bytes[];
};

/* Can this be a part? *out_count: of its nodes. */
bool vindex_check_part(struct bytes part, uint64_t *out_count);

/* Give the indexes of this partition, which have just been made, the graphs in `parts`. 0 or
 * ERR_OUT_OF_MEMORY; then some have none. */
MUST_USE int vindex_load(struct partition *partition, const struct vindex_part *parts);
