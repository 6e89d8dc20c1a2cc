/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Indexes: the rows of indexes.def as ordered maps of a partition, derived from its records.
 *
 * Only partition_apply changes them (and order_build makes them, after recovery); they hold the
 * same record pointers as the partition.
 */
#pragma once

#include "server/ds/omap.h"
#include "server/store/record.h"

enum index_id {
#define INDEX(name, kind, by_owner, text) INDEX_##name,
#include "server/store/indexes.def"
#undef INDEX
    INDEX_COUNT
};

/* Where in an index: before the records with a higher sequence number. */
struct index_key {
    uint32_t run;
    struct bytes owner; /* by_owner: the prefix of the group (group.h) */
    uint64_t number;
    struct bytes key; /* of a record, among those with the same number; none: before them */
};

void index_init(struct omap indexes[static INDEX_COUNT]);
void index_deinit(struct omap indexes[static INDEX_COUNT]);

/* Make sure that the next `changes` records can be inserted, whatever is removed in between. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int index_reserve(struct omap indexes[static INDEX_COUNT], size_t changes);

/* A record of a RECORD_NUMBERED kind, into and out of the indexes of its kind. */
void index_insert(struct omap indexes[static INDEX_COUNT], struct record *record);
void index_remove(struct omap indexes[static INDEX_COUNT], struct record *record);

/* Fill empty indexes with these records of any kinds. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int index_build(struct omap indexes[static INDEX_COUNT], void *const *records, size_t n);

/* Memory held. */
size_t index_bytes(const struct omap indexes[static INDEX_COUNT]);

/* Does this record belong to the run, and owner if the index goes by that, of the key? */
bool index_within(enum index_id id, const struct record *record, const struct index_key *key);
