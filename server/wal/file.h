/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of one directory, through a small replaceable table of operations.
 *
 *   log, replay, snapshots --> struct dir --> POSIX (file.c), or a file system made for a test that
 *                                            loses what was not synced (tests/lib/simfs)
 *
 * Everything the log and the snapshots do to a disk goes through this table: what is not in it they
 * do not use. Names are plain names inside the directory, without '/'.
 *
 * All operations return 0 (or a count) or a negative errno. They finish short transfers and retry
 * EINTR themselves, and report everything else: nothing is retried after an error of a sync.
 *
 * Threads: a struct dir may be used by several threads at once; one file by one at a time. But a
 * sync may run beside a write: it covers what was written before it began.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

#include <stdint.h>
#include <sys/uio.h>

enum {
    FILE_READ = 0,
    FILE_WRITE = 1,  /* for reading and writing */
    FILE_CREATE = 2, /* it must not exist yet; mode 0600 */
};

enum { FILE_NAME_MAX = 63 };

struct dir;

/* Told of every name; false ends the listing. */
typedef bool (*file_visit_fn)(void *context, const char *name);

/* The table. `file` is a handle >= 0. */
struct file_ops {
    int (*open)(struct dir *dir, const char *name, int flags);
    void (*close)(struct dir *dir, int file);
    int (*write)(struct dir *dir, int file, uint64_t offset, const struct iovec *parts, int n);
    /* Bytes read: fewer than asked for only at the end of the file. */
    ssize_t (*read)(struct dir *dir, int file, uint64_t offset, void *to, size_t size);
    int64_t (*size)(struct dir *dir, int file);
    /* As large as that, of zeros that have their blocks. -EOPNOTSUPP: not on this file system. */
    int (*allocate)(struct dir *dir, int file, uint64_t size);
    int (*sync)(struct dir *dir, int file); /* fdatasync; its error is final */
    /* Read what is on disk next time, not what a cache took it for; as far as that can be had. */
    void (*forget)(struct dir *dir, int file);
    int (*rename)(struct dir *dir, const char *from, const char *to); /* atomic, replaces */
    int (*remove)(struct dir *dir, const char *name);
    int (*sync_names)(
        struct dir *dir); /* fsync of the directory: names created, renamed, removed */
    int (*list)(struct dir *dir, file_visit_fn visit, void *context);
};

/* An open directory: the table and what it needs. Implementations embed it. */
struct dir {
    const struct file_ops *ops;
    const char *path; /* for messages */
};

/* Open a directory of the system, made with mode 0700 if it is absent (its parent is then synced).
 * 0 and *out_dir, or a negative errno. */
MUST_USE int dir_open(const char *path, struct dir **out_dir);
/* The same of one that must be there already: nothing is made. */
MUST_USE int dir_open_existing(const char *path, struct dir **out_dir);
void dir_close(struct dir *dir);

/* Hold the directory for this process until dir_close: flock on the file LOCK. -EWOULDBLOCK:
 * another process has it. */
MUST_USE int dir_lock(struct dir *dir);

/* For reading only, beside others who do the same, and without making the file: where there is no
 * LOCK nobody has it. As dir_lock. */
MUST_USE int dir_lock_shared(struct dir *dir);

/* The process that has the lock; 0: none, or the system does not say. */
int dir_lock_holder(struct dir *dir);

/* Move a file into another directory of the same file system; sync the names of both afterwards. 0
 * or a negative errno. */
MUST_USE int dir_move(struct dir *dir, const char *name, struct dir *to);

/* The kind of file system below, "ext4", "tmpfs", "nfs", "overlay" ..., and whether a sync there is
 * known to reach a disk. */
const char *dir_file_system(struct dir *dir, bool *out_syncs);

/* Bytes that unprivileged users may still write there. */
MUST_USE int dir_free_bytes(struct dir *dir, uint64_t *out_bytes);
