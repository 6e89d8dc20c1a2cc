/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A table of file operations above another one: counts the calls of one operation, or of all, and
 * fails some. See file_fault.h. Empty but in builds with -Dfaults=true.
 *
 * A failed write has written nothing, a failed sync has synced nothing; what is told of both is the
 * same. `close` and `forget` cannot fail.
 *
 * Threads: any; the counter is atomic. Failures: a setting that cannot be read ends the process.
 */
#include "server/wal/file_fault.h"

#ifdef CAIRN_FAULTS
#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sysexits.h>
#include <unistd.h>

static struct {
    const struct file_ops *below;
    char call[16];      /* the operation, or "any" */
    uint64_t from, to;  /* the first that fails, and the last */
    int err;            /* negative errno; 0: kill */
    _Atomic uint64_t n; /* so far */
} fault;

/* What this call fails with; 0: it does not. */
static int fault_now(const char *call)
{
    if (strcmp(fault.call, call) != 0 && strcmp(fault.call, "any") != 0)
        return 0;
    uint64_t n = atomic_fetch_add(&fault.n, 1) + 1;
    if (n < fault.from || n > fault.to)
        return 0;
    if (fault.err == 0)
        (void)raise(SIGKILL);
    log_notice("fault", "%s %llu: %s", call, (unsigned long long)n, strerrorname_np(-fault.err));
    return fault.err;
}

/* ---- the table ---- */

#define FAULT_OR(call, otherwise)                                                                  \
    int err = fault_now(call);                                                                     \
    return err != 0 ? err : (otherwise)

static int fault_open(struct dir *dir, const char *name, int flags)
{
    FAULT_OR("open", fault.below->open(dir, name, flags));
}

static void fault_close(struct dir *dir, int file)
{
    fault.below->close(dir, file);
}

static int fault_write(struct dir *dir, int file, uint64_t offset, const struct iovec *parts, int n)
{
    FAULT_OR("write", fault.below->write(dir, file, offset, parts, n));
}

static ssize_t fault_read(struct dir *dir, int file, uint64_t offset, void *to, size_t size)
{
    FAULT_OR("read", fault.below->read(dir, file, offset, to, size));
}

static int64_t fault_size(struct dir *dir, int file)
{
    FAULT_OR("size", fault.below->size(dir, file));
}

static int fault_allocate(struct dir *dir, int file, uint64_t size)
{
    FAULT_OR("allocate", fault.below->allocate(dir, file, size));
}

static int fault_sync(struct dir *dir, int file)
{
    FAULT_OR("sync", fault.below->sync(dir, file));
}

static void fault_forget(struct dir *dir, int file)
{
    fault.below->forget(dir, file);
}

static int fault_rename(struct dir *dir, const char *from, const char *to)
{
    FAULT_OR("rename", fault.below->rename(dir, from, to));
}

static int fault_remove(struct dir *dir, const char *name)
{
    FAULT_OR("remove", fault.below->remove(dir, name));
}

static int fault_sync_names(struct dir *dir)
{
    FAULT_OR("sync_names", fault.below->sync_names(dir));
}

static int fault_list(struct dir *dir, file_visit_fn visit, void *context)
{
    FAULT_OR("list", fault.below->list(dir, visit, context));
}

static const struct file_ops fault_table = {
    .open = fault_open,
    .close = fault_close,
    .write = fault_write,
    .read = fault_read,
    .size = fault_size,
    .allocate = fault_allocate,
    .sync = fault_sync,
    .forget = fault_forget,
    .rename = fault_rename,
    .remove = fault_remove,
    .sync_names = fault_sync_names,
    .list = fault_list,
};

/* ---- the setting ---- */

static bool fault_parse_err(const char *name)
{
    if (strcmp(name, "KILL") == 0)
        return true;
    for (int err = 1; err < 256; err++) {
        const char *is = strerrorname_np(err);
        if (is != NULL && strcmp(is, name) == 0)
            fault.err = -err;
    }
    return fault.err != 0;
}

/* call:from[-[to]]:error */
static bool fault_parse(const char *text)
{
    unsigned long long from, to;
    int at = 0;
    if (sscanf(text, "%15[a-z_]:%llu%n", fault.call, &from, &at) != 2)
        return false;
    fault.from = fault.to = from;
    text += at;
    if (sscanf(text, "-%llu%n", &to, &at) == 1) {
        fault.to = to;
        text += at;
    } else if (*text == '-') {
        fault.to = UINT64_MAX;
        text++;
    }
    return *text == ':' && from > 0 && fault.to >= from && fault_parse_err(text + 1);
}

const struct file_ops *file_fault_ops(const struct file_ops *below)
{
    const char *text = getenv("CAIRN_FAULT_FILE");
    if (text == NULL)
        return below;
    fault.below = below;
    if (fault.from == 0 && !fault_parse(text)) {
        log_error("fault", "CAIRN_FAULT_FILE=%s cannot be read; for example sync:12:EIO", text);
        _exit(EX_USAGE);
    }
    return &fault_table;
}
#endif
