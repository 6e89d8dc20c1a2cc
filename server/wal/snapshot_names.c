/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which snapshots a directory holds, and which of them go.
 *
 * Invariant: the oldest goes first, so that an interruption leaves the newest, without a gap.
 *
 * Threads: any, but for snapshot_trim while a snapshot is being written: it removes what a writer
 * left behind.
 * Failures: what could not be removed stays, and is tried again the next time.
 */
#include "server/wal/snapshot_format.h"

#include <stdio.h>

void snapshot_name(uint64_t lsn, char out_name[static FILE_NAME_MAX + 1])
{
    (void)snprintf(out_name, FILE_NAME_MAX + 1, "snap-%016llx.snap", (unsigned long long)lsn);
}

static bool snapshot_parse_name(const char *name, uint64_t *out_lsn)
{
    char again[FILE_NAME_MAX + 1];
    unsigned long long lsn;
    if (sscanf(name, "snap-%16llx.snap", &lsn) != 1)
        return false;
    snapshot_name(lsn, again);
    if (strcmp(name, again) != 0)
        return false;
    *out_lsn = lsn;
    return true;
}

/* The newest so far, in falling order. */
struct newest {
    uint64_t *lsns;
    int n, max;
};

static bool newest_visit(void *context, const char *name)
{
    struct newest *newest = context;
    uint64_t lsn;
    if (!snapshot_parse_name(name, &lsn))
        return true;
    int at = newest->n;
    while (at > 0 && newest->lsns[at - 1] < lsn)
        at--;
    if (at == newest->max)
        return true;
    if (newest->n < newest->max)
        newest->n++;
    memmove(newest->lsns + at + 1, newest->lsns + at,
            (size_t)(newest->n - at - 1) * sizeof *newest->lsns);
    newest->lsns[at] = lsn;
    return true;
}

int snapshot_list(struct dir *dir, uint64_t *out_lsns, int max)
{
    struct newest newest = {out_lsns, 0, max};
    int err = dir->ops->list(dir, newest_visit, &newest);
    return err != 0 ? err : newest.n;
}

/* What there is to trim. */
struct trimming {
    int n;
    uint64_t oldest_lsn;
    bool temporary;
};

static bool trimming_visit(void *context, const char *name)
{
    struct trimming *trimming = context;
    uint64_t lsn;
    if (strcmp(name, SNAPSHOT_TEMPORARY) == 0)
        trimming->temporary = true;
    if (!snapshot_parse_name(name, &lsn))
        return true;
    if (trimming->n++ == 0 || lsn < trimming->oldest_lsn)
        trimming->oldest_lsn = lsn;
    return true;
}

/* The next that has to go; false if there is none. */
static bool trimming_next(const struct trimming *trimming, int keep,
                          char out_name[static FILE_NAME_MAX + 1])
{
    if (trimming->temporary)
        memcpy(out_name, SNAPSHOT_TEMPORARY, sizeof SNAPSHOT_TEMPORARY);
    else if (trimming->n > keep)
        snapshot_name(trimming->oldest_lsn, out_name);
    else
        return false;
    return true;
}

int snapshot_trim(struct dir *dir, int keep)
{
    for (bool removed = false;; removed = true) {
        char name[FILE_NAME_MAX + 1];
        struct trimming trimming = {0};
        int err = dir->ops->list(dir, trimming_visit, &trimming);
        if (err != 0)
            return err;
        if (!trimming_next(&trimming, keep, name))
            return removed ? dir->ops->sync_names(dir) : 0;
        err = dir->ops->remove(dir, name);
        if (err != 0)
            return err;
    }
}

int snapshot_set_aside(struct dir *dir, uint64_t lsn)
{
    char name[FILE_NAME_MAX + 1], aside[FILE_NAME_MAX + 1];
    snapshot_name(lsn, name);
    (void)snprintf(aside, sizeof aside, "snap-%016llx.damaged", (unsigned long long)lsn);
    int err = dir->ops->rename(dir, name, aside);
    return err != 0 ? err : dir->ops->sync_names(dir);
}
