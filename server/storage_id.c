/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads and writes STORE.
 *
 * Written under a temporary name, synced, renamed, and the directory synced: it is whole or absent.
 *
 * Threads: any. Failures: negative errno.
 */
#include "server/storage_id.h"

#include <errno.h>
#include <stdio.h>

#define STORAGE_ID_TEMP "STORE.tmp"

enum { STORAGE_ID_TEXT = 64 };

void storage_id_format(const struct store_id *id, char out_text[static STORAGE_ID_HEX])
{
    for (size_t i = 0; i < sizeof id->bytes; i++)
        (void)snprintf(out_text + 2 * i, 3, "%02x", id->bytes[i]);
}

int storage_id_write(struct dir *dir, const struct store_id *id)
{
    char text[STORAGE_ID_TEXT], hex[STORAGE_ID_HEX];
    storage_id_format(id, hex);
    struct iovec part = {text, (size_t)snprintf(text, sizeof text, "cairn store 1 %s\n", hex)};
    (void)!dir->ops->remove(dir, STORAGE_ID_TEMP);
    int file = dir->ops->open(dir, STORAGE_ID_TEMP, FILE_WRITE | FILE_CREATE);
    int err = file < 0 ? file : dir->ops->write(dir, file, 0, &part, 1);
    if (err == 0)
        err = dir->ops->sync(dir, file);
    if (file >= 0)
        dir->ops->close(dir, file);
    if (err == 0)
        err = dir->ops->rename(dir, STORAGE_ID_TEMP, STORAGE_ID_FILE);
    return err != 0 ? err : dir->ops->sync_names(dir);
}

static bool storage_id_parse(const char *text, struct store_id *out_id)
{
    int version, at = 0;
    if (sscanf(text, "cairn store %d %n", &version, &at) != 1 || version != 1)
        return false;
    for (size_t i = 0; i < sizeof out_id->bytes; i++, at += 2)
        if (sscanf(text + at, "%2hhx", &out_id->bytes[i]) != 1)
            return false;
    return strcmp(text + at, "\n") == 0;
}

int storage_id_read(struct dir *dir, struct store_id *out_id)
{
    char text[STORAGE_ID_TEXT + 1] = "";
    int file = dir->ops->open(dir, STORAGE_ID_FILE, FILE_READ);
    if (file < 0)
        return file;
    ssize_t n = dir->ops->read(dir, file, 0, text, STORAGE_ID_TEXT);
    dir->ops->close(dir, file);
    if (n < 0)
        return (int)n;
    return storage_id_parse(text, out_id) ? 0 : -EBADMSG;
}

static bool storage_id_visit(void *context, const char *name)
{
    uint64_t lsn;
    *(bool *)context = segment_parse_name(name, &lsn) || strncmp(name, "snap-", 5) == 0;
    return !*(bool *)context;
}

int storage_id_used(struct dir *dir, bool *out_used)
{
    *out_used = false;
    return dir->ops->list(dir, storage_id_visit, out_used);
}
