/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inspection of a segment: its header, then entries for as long as the chain holds, then what
 * stands behind them.
 *
 * The rules for an entry are those of replay.c: the CRC of the chain, the next LSN, a watermark not
 * above its own offset, nothing behind a clean shutdown.
 *
 * One segment is in memory at a time; nothing that stands in it decides how much is allocated.
 *
 * Threads: pure, but for reading. Failures: a file that cannot be read is an error, one that is
 * damaged is a finding.
 */
#include "server/wal/inspect.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/wal/wal_impl.h"

#include <errno.h>
#include <stdio.h>

static int inspect_fail(const struct inspect_options *options, const char *name, int error,
                        char out_text[static 256])
{
    (void)snprintf(out_text, 256, "%.120s/%s: cannot be read: %s", options->dir->path, name,
                   strerrordesc_np(-error));
    return error == -ENOMEM ? ERR_OUT_OF_MEMORY : ERR_IO;
}

/* The file up to `limit` (0: all) into memory of its own. 0 or a negative errno. */
static int inspect_read(struct dir *dir, int file, uint64_t limit, uint8_t **out_data,
                        struct bytes *out, uint64_t *out_size)
{
    int64_t size = dir->ops->size(dir, file);
    if (size < 0)
        return (int)size;
    size_t wanted = limit != 0 && limit < (uint64_t)size ? (size_t)limit : (size_t)size;
    uint8_t *data = mem_alloc(wanted + 1);
    if (data == NULL)
        return -ENOMEM;
    ssize_t n = dir->ops->read(dir, file, 0, data, wanted);
    if (n < 0) {
        mem_free(data);
        return (int)n;
    }
    *out_data = data;
    *out = (struct bytes){data, (size_t)n};
    *out_size = (uint64_t)size;
    return 0;
}

static bool inspect_fits(const struct inspection *found, const struct entry *entry)
{
    uint64_t expected = found->last_lsn + (entry_type_counts(entry->type) ? 1 : 0);
    return !found->clean && entry->lsn == expected && entry->synced <= found->end;
}

static void inspect_note(struct inspection *found, const struct entry *entry)
{
    if (entry->synced > found->synced)
        found->synced = entry->synced;
    found->clean = entry->type == ENTRY_SHUTDOWN;
    if (!entry_type_counts(entry->type)) {
        found->notes++;
        return;
    }
    if (found->entries++ == 0)
        found->first_lsn = entry->lsn;
    found->last_lsn = entry->lsn;
}

/* Entries, for as long as they are good. */
static int inspect_entries(const struct inspect_options *options, struct bytes data,
                           struct inspection *found)
{
    struct entry entry;
    size_t size;
    uint32_t crc;
    found->end = SEGMENT_HEADER_BYTES;
    found->crc = found->header.salt;
    found->last_lsn = found->header.last_lsn;
    while (found->end < data.size) {
        struct bytes rest = {data.data + found->end, data.size - (size_t)found->end};
        if (entry_read(rest, found->crc, &entry, &size, &crc) != 0 || !inspect_fits(found, &entry))
            break;
        int err = options->entry == NULL ? 0 : options->entry(options->context, found, &entry);
        if (err != 0)
            return err;
        inspect_note(found, &entry);
        found->end += size;
        found->crc = crc;
    }
    return 0;
}

static int inspect_data(const struct inspect_options *options, struct bytes data,
                        struct inspection *found)
{
    found->header_err = data.size < SEGMENT_HEADER_BYTES
                            ? ERR_DATA_DAMAGED
                            : segment_decode_header(data.data, &found->header);
    if (found->header_err != 0)
        return 0;
    int err = inspect_entries(options, data, found);
    if (err == 0 && options->limit == 0) {
        struct tail tail = {data, found->end, found->last_lsn, found->crc};
        tail_examine(&tail, &found->tail);
    }
    return err;
}

int inspect_segment(const struct inspect_options *options, struct inspection *out,
                    char out_text[static 256])
{
    struct dir *dir = options->dir;
    uint8_t *memory = NULL;
    struct bytes data = BYTES_NONE;
    *out = (struct inspection){.name_lsn = options->name_lsn};
    segment_name(options->name_lsn, out->name);
    int file = dir->ops->open(dir, out->name, FILE_READ);
    if (file < 0)
        return inspect_fail(options, out->name, file, out_text);
    int err = inspect_read(dir, file, options->limit, &memory, &data, &out->bytes);
    dir->ops->close(dir, file);
    if (err != 0)
        return inspect_fail(options, out->name, err, out_text);
    err = inspect_data(options, data, out);
    mem_free(memory);
    return err;
}

int inspect_list(struct dir *dir, uint64_t **out_lsns, size_t *out_n)
{
    return trim_list(dir, out_lsns, out_n);
}
