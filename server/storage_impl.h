/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of recovery share; nobody else includes this.
 *
 *   storage_recover.c  the newest snapshot that is good and the log behind it, or a refusal
 *   storage_loss.c     after a refusal, if loss is accepted: what can be proved
 */
#pragma once

#include "server/server.h"
#include "server/store/recover.h"

struct storage_progress {
    struct server *server;
    struct recovery recovery;
    uint64_t told_ns;
    uint64_t log_bytes;
    char problem[512];
};

/* Callbacks whose context is a struct storage_progress. */
MUST_USE int storage_on_entry(void *context, const struct entry *entry);
void storage_on_progress(void *context, uint64_t done_bytes, uint64_t all_bytes);

/* Begin with an empty store, in place of one that may hold anything. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int storage_begin_again(struct storage_progress *progress);

/* Load the snapshot of this LSN. 0, or an error with ->problem. */
MUST_USE int storage_load(struct storage_progress *progress, uint64_t lsn);

/* Recovery was refused for damage, and loss is accepted: fill the store with what can be proved,
 * save it, and set aside all files that contradict it. 0, or an error with ->problem. */
MUST_USE int storage_accept_loss(struct storage_progress *progress);
