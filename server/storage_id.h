/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file STORE of a data directory: the id that every other file of it carries, as one line.
 *
 *   cairn store 1 00112233445566778899aabbccddeeff
 */
#pragma once

#include "server/wal/segment.h"

#define STORAGE_ID_FILE "STORE"

enum { STORAGE_ID_HEX = 2 * sizeof(struct store_id) + 1 };

/* 0; -ENOENT; -EBADMSG: damaged, or of a later version; or another negative errno. */
MUST_USE int storage_id_read(struct dir *dir, struct store_id *out_id);

/* Make the file, durably. 0 or a negative errno. */
MUST_USE int storage_id_write(struct dir *dir, const struct store_id *id);

/* As 32 digits. */
void storage_id_format(const struct store_id *id, char out_text[static STORAGE_ID_HEX]);

/* Are there files of a store in this directory? 0 and *out_used, or a negative errno. */
MUST_USE int storage_id_used(struct dir *dir, bool *out_used);
