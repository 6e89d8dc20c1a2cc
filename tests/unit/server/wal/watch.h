/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A directory in /tmp whose file operations are counted, can be made to fail, and which remembers
 * what a power failure would leave: of each file what it held when it was last synced, under the
 * names that were there when the directory was last synced.
 *
 * Threads: any.
 */
#pragma once

#include "server/wal/file.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WATCH_FILES = 1024, WATCH_HANDLES = 512 };

/* A file: names come and go. */
struct watch_file {
    char name[FILE_NAME_MAX + 1];    /* now; empty: none */
    char durable[FILE_NAME_MAX + 1]; /* as of the last sync of the directory */
    uint8_t *synced;                 /* what it held when it was last synced */
    size_t n_synced;
};

struct watch {
    struct dir dir; /* the table handed out */
    struct dir *inner;
    char path[64];
    pthread_mutex_t lock;
    struct watch_file files[WATCH_FILES];
    int of_handle[WATCH_HANDLES]; /* index into files */
    int n_files;

    unsigned long calls;              /* that may fail */
    unsigned long writes, syncs;      /* of files that have a name of a segment */
    unsigned long fail_at, failed_at; /* the call that fails (0: none), and that did */
    unsigned long after; /* writes and syncs of segments after a write or sync failed */
    const char *failed;  /* what kind of call it was */
    unsigned long hasty; /* segments made while somebody waited */
    int fail_err;
    bool broken; /* a write or sync of the log failed */
    void (*synced)(
        void *context); /* a sync has ended, of a file or of the names; without the lock */
    void *context;
    bool full_open, full_allocate, full_write; /* no space for new files */
    bool full_spare;                           /* none for the spare */
    atomic_ulong refused;                      /* for want of space */
};

static inline struct watch *watch_of(struct dir *dir)
{
    return (struct watch *)dir;
}

/* Is it this call's turn to fail? Under the lock. */
static inline bool watch_fails(struct watch *w, const char *what)
{
    if (++w->calls != w->fail_at)
        return false;
    w->failed_at = w->calls;
    w->failed = what;
    return true;
}

static inline struct watch_file *watch_find(struct watch *w, const char *name)
{
    for (int i = 0; i < w->n_files; i++)
        if (strcmp(w->files[i].name, name) == 0)
            return &w->files[i];
    return NULL;
}

static inline bool watch_is_segment(const struct watch_file *file)
{
    return strncmp(file->name, "wal-0", 5) == 0;
}

static inline struct watch_file *watch_file_of(struct watch *w, int handle)
{
    assert_true(handle >= 0 && handle < WATCH_HANDLES);
    return &w->files[w->of_handle[handle]];
}

static inline int watch_open_locked(struct watch *w, const char *name, int flags)
{
    if (watch_fails(w, "open"))
        return w->fail_err;
    w->hasty += (flags & FILE_CREATE) && strcmp(name, "wal-next") == 0;
    if ((flags & FILE_CREATE) && (w->full_open || (w->full_spare && strstr(name, "spare")))) {
        w->refused++;
        return -ENOSPC;
    }
    int handle = w->inner->ops->open(w->inner, name, flags);
    if (handle < 0)
        return handle;
    struct watch_file *file = watch_find(w, name);
    if (file == NULL) {
        assert_true(w->n_files < WATCH_FILES);
        file = &w->files[w->n_files++];
        (void)snprintf(file->name, sizeof file->name, "%s", name);
    }
    assert_true(handle < WATCH_HANDLES);
    w->of_handle[handle] = (int)(file - w->files);
    return handle;
}

static inline int watch_open(struct dir *dir, const char *name, int flags)
{
    struct watch *w = watch_of(dir);
    pthread_mutex_lock(&w->lock);
    int handle = watch_open_locked(w, name, flags);
    pthread_mutex_unlock(&w->lock);
    return handle;
}

static inline void watch_close(struct dir *dir, int handle)
{
    watch_of(dir)->inner->ops->close(watch_of(dir)->inner, handle);
}

/* Count a write or sync, and find out whether it fails. */
static inline int watch_note(struct watch *w, int handle, bool sync)
{
    int err = 0;
    pthread_mutex_lock(&w->lock);
    bool segment = watch_is_segment(watch_file_of(w, handle));
    if (segment) {
        *(sync ? &w->syncs : &w->writes) += 1;
        w->after += w->broken;
    }
    if (watch_fails(w, "write or sync"))
        err = w->fail_err;
    else if (!sync && !segment && w->full_write)
        err = -ENOSPC;
    w->broken |= err != 0 && segment;
    pthread_mutex_unlock(&w->lock);
    return err;
}

static inline int watch_write(struct dir *dir, int handle, uint64_t offset,
                              const struct iovec *parts, int n)
{
    struct watch *w = watch_of(dir);
    int err = watch_note(w, handle, false);
    return err != 0 ? err : w->inner->ops->write(w->inner, handle, offset, parts, n);
}

static inline ssize_t watch_read(struct dir *dir, int handle, uint64_t offset, void *to,
                                 size_t size)
{
    return watch_of(dir)->inner->ops->read(watch_of(dir)->inner, handle, offset, to, size);
}

static inline int64_t watch_size(struct dir *dir, int handle)
{
    return watch_of(dir)->inner->ops->size(watch_of(dir)->inner, handle);
}

static inline int watch_allocate(struct dir *dir, int handle, uint64_t size)
{
    struct watch *w = watch_of(dir);
    pthread_mutex_lock(&w->lock);
    int err = watch_fails(w, "allocate") ? w->fail_err : w->full_allocate ? -ENOSPC : 0;
    pthread_mutex_unlock(&w->lock);
    return err != 0 ? err : w->inner->ops->allocate(w->inner, handle, size);
}

/* What is in the file when the sync begins is what is safe when it ends. */
static inline int watch_sync(struct dir *dir, int handle)
{
    struct watch *w = watch_of(dir);
    int err = watch_note(w, handle, true);
    int64_t size = w->inner->ops->size(w->inner, handle);
    if (err != 0 || size < 0)
        return err != 0 ? err : (int)size;
    uint8_t *copy = malloc((size_t)size + 1);
    assert_non_null(copy);
    assert_int_equal(w->inner->ops->read(w->inner, handle, 0, copy, (size_t)size), size);
    pthread_mutex_lock(&w->lock);
    struct watch_file *file = watch_file_of(w, handle);
    free(file->synced);
    file->synced = copy;
    file->n_synced = (size_t)size;
    pthread_mutex_unlock(&w->lock);
    if (w->synced != NULL)
        w->synced(w->context);
    return 0;
}

static inline int watch_rename_locked(struct watch *w, const char *from, const char *to)
{
    if (watch_fails(w, "rename"))
        return w->fail_err;
    int err = w->inner->ops->rename(w->inner, from, to);
    if (err != 0)
        return err;
    struct watch_file *replaced = watch_find(w, to), *file = watch_find(w, from);
    if (replaced != NULL)
        replaced->name[0] = 0;
    (void)snprintf(file->name, sizeof file->name, "%s", to);
    return 0;
}

static inline int watch_rename(struct dir *dir, const char *from, const char *to)
{
    struct watch *w = watch_of(dir);
    pthread_mutex_lock(&w->lock);
    int err = watch_rename_locked(w, from, to);
    pthread_mutex_unlock(&w->lock);
    return err;
}

static inline int watch_remove(struct dir *dir, const char *name)
{
    struct watch *w = watch_of(dir);
    pthread_mutex_lock(&w->lock);
    int err = watch_fails(w, "remove") ? w->fail_err : w->inner->ops->remove(w->inner, name);
    struct watch_file *file = err == 0 ? watch_find(w, name) : NULL;
    if (file != NULL)
        file->name[0] = 0;
    pthread_mutex_unlock(&w->lock);
    return err;
}

static inline int watch_sync_names(struct dir *dir)
{
    struct watch *w = watch_of(dir);
    pthread_mutex_lock(&w->lock);
    int err = watch_fails(w, "sync_names") ? w->fail_err : 0;
    for (int i = 0; i < w->n_files && err == 0; i++)
        memcpy(w->files[i].durable, w->files[i].name, sizeof w->files[i].name);
    pthread_mutex_unlock(&w->lock);
    if (err == 0 && w->synced != NULL)
        w->synced(w->context);
    return err;
}

static inline int watch_list(struct dir *dir, file_visit_fn visit, void *context)
{
    return watch_of(dir)->inner->ops->list(watch_of(dir)->inner, visit, context);
}

static inline void watch_forget(struct dir *dir, int handle)
{
    watch_of(dir)->inner->ops->forget(watch_of(dir)->inner, handle);
}

static const struct file_ops watch_ops = {
    .open = watch_open,
    .close = watch_close,
    .write = watch_write,
    .read = watch_read,
    .size = watch_size,
    .allocate = watch_allocate,
    .sync = watch_sync,
    .forget = watch_forget,
    .rename = watch_rename,
    .remove = watch_remove,
    .sync_names = watch_sync_names,
    .list = watch_list,
};

static inline struct watch *watch_create(void)
{
    struct watch *w = calloc(1, sizeof *w);
    assert_non_null(w);
    (void)snprintf(w->path, sizeof w->path, "/tmp/cairn-wal-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    assert_int_equal(dir_open(w->path, &w->inner), 0);
    w->dir = (struct dir){&watch_ops, w->path};
    assert_int_equal(pthread_mutex_init(&w->lock, NULL), 0);
    return w;
}

static inline bool watch_unlink(void *context, const char *name)
{
    struct dir *dir = context;
    return dir->ops->remove(dir, name) == 0;
}

static inline void watch_destroy(struct watch *w)
{
    assert_int_equal(w->inner->ops->list(w->inner, watch_unlink, w->inner), 0);
    dir_close(w->inner);
    assert_int_equal(rmdir(w->path), 0);
    for (int i = 0; i < w->n_files; i++)
        free(w->files[i].synced);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
