/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A directory in front of another one: notes the operations, one letter each, and makes the n-th of
 * them fail without being done. Syncs are noted and not done: they only cost time here.
 *
 *   o open  w write  r read  z size  a allocate  s sync  m rename  d remove  n sync_names  l list
 *
 * For one thread at a time, but for reading.
 */
#pragma once

#include "server/wal/file.h"

#include <errno.h>
#include <stdatomic.h>

enum { FAULT_TRACE_MAX = 8192 };

struct fault_dir {
    struct dir dir;
    struct dir *below;
    atomic_uint count; /* operations so far */
    unsigned fail_at;  /* this one fails, the first being 1; 0: none */
    bool sticky;       /* and all behind it */
    int error;         /* with this negative errno */
    int open;          /* files */
    char trace[FAULT_TRACE_MAX + 1];
    char removed[FAULT_TRACE_MAX]; /* names, a space behind each */
};

static inline int fault_step(struct dir *dir, char letter)
{
    struct fault_dir *fault = (struct fault_dir *)dir;
    unsigned n = atomic_fetch_add(&fault->count, 1) + 1;
    if (n <= FAULT_TRACE_MAX)
        fault->trace[n - 1] = letter;
    bool fails =
        fault->fail_at != 0 && (n == fault->fail_at || (fault->sticky && n > fault->fail_at));
    return fails ? fault->error : 0;
}

/* Forward to the directory below, unless it is time to fail. */
#define FAULT_FORWARD(letter, call, ...)                                                           \
    struct dir *below = ((struct fault_dir *)dir)->below;                                          \
    int err = fault_step(dir, letter);                                                             \
    return err != 0 ? err : below->ops->call(below, __VA_ARGS__)

static inline int fault_open(struct dir *dir, const char *name, int flags)
{
    struct fault_dir *fault = (struct fault_dir *)dir;
    int err = fault_step(dir, 'o');
    int file = err != 0 ? err : fault->below->ops->open(fault->below, name, flags);
    fault->open += file >= 0;
    return file;
}

static inline void fault_close(struct dir *dir, int file)
{
    struct fault_dir *fault = (struct fault_dir *)dir;
    fault->open--;
    fault->below->ops->close(fault->below, file);
}

static inline int fault_write(struct dir *dir, int file, uint64_t offset, const struct iovec *parts,
                              int n)
{
    FAULT_FORWARD('w', write, file, offset, parts, n);
}

static inline ssize_t fault_read(struct dir *dir, int file, uint64_t offset, void *to, size_t size)
{
    FAULT_FORWARD('r', read, file, offset, to, size);
}

static inline int64_t fault_size(struct dir *dir, int file)
{
    FAULT_FORWARD('z', size, file);
}

static inline int fault_allocate(struct dir *dir, int file, uint64_t size)
{
    FAULT_FORWARD('a', allocate, file, size);
}

static inline int fault_sync(struct dir *dir, int file)
{
    (void)file;
    return fault_step(dir, 's');
}

static inline int fault_rename(struct dir *dir, const char *from, const char *to)
{
    FAULT_FORWARD('m', rename, from, to);
}

static inline int fault_remove(struct dir *dir, const char *name)
{
    struct fault_dir *fault = (struct fault_dir *)dir;
    size_t used = strlen(fault->removed);
    (void)snprintf(fault->removed + used, sizeof fault->removed - used, "%s ", name);
    FAULT_FORWARD('d', remove, name);
}

static inline int fault_sync_names(struct dir *dir)
{
    return fault_step(dir, 'n');
}

static inline int fault_list(struct dir *dir, file_visit_fn visit, void *context)
{
    FAULT_FORWARD('l', list, visit, context);
}

static const struct file_ops fault_ops = {
    .open = fault_open,
    .close = fault_close,
    .write = fault_write,
    .read = fault_read,
    .size = fault_size,
    .allocate = fault_allocate,
    .sync = fault_sync,
    .rename = fault_rename,
    .remove = fault_remove,
    .sync_names = fault_sync_names,
    .list = fault_list,
};

/* Forget what was noted; the n-th operation from now on fails with EIO (0: none). */
static inline void fault_begin(struct fault_dir *fault, unsigned fail_at, bool sticky)
{
    struct dir *below = fault->below;
    memset(fault, 0, sizeof *fault);
    fault->dir = (struct dir){&fault_ops, below->path};
    fault->below = below;
    fault->fail_at = fail_at;
    fault->sticky = sticky;
    fault->error = -EIO;
}
