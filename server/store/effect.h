/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An effect: one change of one record, with everything in it that applying needs (absolute expiry,
 * assigned version). A transaction plans effects; partition_apply is the only thing that performs
 * them, live and in recovery.
 */
#pragma once

#include "server/store/record.h"

struct vindex;

enum effect_type { EFFECT_PUT, EFFECT_DEL };

struct effect {
    enum effect_type type;
    uint8_t event; /* enum event (feed.h), or EVENT_NONE: as the type says */
    struct record_spec
        spec;      /* the key; for EFFECT_PUT also content. Views of the planner's memory */
    uint64_t hash; /* of the key */
    uint64_t version;
    struct record *record; /* EFFECT_PUT: prepared while planning, or NULL: overwrite `old` */
    struct record *old;    /* the record that stands there now, expired or not, or NULL */
    struct vindex *index;  /* EFFECT_PUT of a collection: its index, prepared too (vindex.h) */
};
