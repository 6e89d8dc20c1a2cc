/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Groups: the records that one record owns, of kinds whose row in kinds.def names an owner.
 *
 *   owner    key  session id             value  [number, generation, ...]
 *   of it    key  | name size u8 | name = session id | generation u64 big-endian | rest |
 *
 * All of a group and its owner live in one partition, so that what is done to it is one transaction
 * under one lock. The generation is a number no other owner ever had: once the owner is deleted,
 * or expires, its group cannot be found any more, at that instant and whatever its size, and a new
 * owner of the same name does not see it. The memory is given back in the background
 * (group_reap), without a word in the log; recovery does what was not done (group_find_ownerless).
 *
 * For the same reason records of a group may be written before there is an owner: they are seen
 * once it is there, or never.
 */
#pragma once

#include "server/store/store.h"

enum { GROUP_NAME_MAX = 255, GROUP_PREFIX_MAX = 1 + GROUP_NAME_MAX + 8 };

struct group {
    uint32_t run;
    uint8_t owner; /* enum record_kind */
    struct bytes name;
    uint64_t generation;
};

/* Do records of this kind own others? Their keys have at most GROUP_NAME_MAX bytes. */
bool group_owns(uint8_t kind);

/* What all keys of the group begin with: its size, 1 <= name.size <= GROUP_NAME_MAX. */
size_t group_write_prefix(const struct group *group, uint8_t out[static GROUP_PREFIX_MAX]);

/* The group of a key of such a kind; false: it is not of this form. */
bool group_read(const struct record_key *key, struct group *out_group, struct bytes *out_rest);

/* Size of the prefix of a key that group_read takes. */
size_t group_prefix_size(struct bytes key);

/* The name in such a key; of anything else all of it. */
struct bytes group_name(struct bytes key);

/* The generation in the value of an owner: its second element; 0 if there is none. */
uint64_t group_generation(struct bytes owner_value);

/* ---- what nobody owns any more ---- */

struct reap;

/* To be handed to group_orphan, or to reap_destroy (NULL is fine); NULL without memory. */
struct reap *reap_create(const struct group *group) MUST_USE;
void reap_destroy(struct reap *reap);

/* The owner goes, by a transaction that holds the partition: its group will be reaped. */
void group_orphan(struct partition *partition, struct reap *reap);

/* Forget what is to be reaped: the partition goes. */
void group_forget(struct partition *partition);

/* Delete some records that nobody owns; takes what it did off *budget. The partition is locked. */
void group_reap(struct store *store, struct partition *partition, int *budget);

/* After recovery, with the partition in order: orphan every group without owner. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int group_find_ownerless(struct store *store, struct partition *partition);
