/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of file operations on POSIX: everything relative to one directory that is held open.
 *
 * Invariants
 *   1. Files are made with mode 0600, never through a symbolic link, and closed on exec.
 *   2. A transfer is whole or an error; only EINTR is tried again, an error of a sync never.
 *
 * Threads: any; nothing here is changed after dir_open, but for the lock's descriptor.
 * Failures: negative errno.
 */
#include "server/wal/file.h"

#include "common/mem.h"
#include "server/wal/file_fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FILE_PARTS_MAX = 16 };

struct posix_dir {
    struct dir dir;
    int fd;
    int lock; /* the file LOCK, or -1 */
    char path[];
};

static int posix_fd(const struct dir *dir)
{
    return ((const struct posix_dir *)dir)->fd;
}

static int posix_open(struct dir *dir, const char *name, int flags)
{
    int how = O_CLOEXEC | O_NOFOLLOW | (flags & FILE_WRITE ? O_RDWR : O_RDONLY);
    if (flags & FILE_CREATE)
        how |= O_CREAT | O_EXCL;
    int fd = openat(posix_fd(dir), name, how, 0600);
    return fd < 0 ? -errno : fd;
}

static void posix_close(struct dir *dir, int file)
{
    (void)dir;
    (void)close(file); /* what had to reach the disk was synced before */
}

/* Leave out the first `done` bytes. */
static struct iovec *posix_advance(struct iovec *parts, int *n, size_t done)
{
    for (; *n > 0 && done >= parts->iov_len; parts++, --*n)
        done -= parts->iov_len;
    if (*n > 0) {
        parts->iov_base = (char *)parts->iov_base + done;
        parts->iov_len -= done;
    }
    return parts;
}

static int posix_write(struct dir *dir, int file, uint64_t offset, const struct iovec *parts, int n)
{
    struct iovec copy[FILE_PARTS_MAX], *left = copy;
    (void)dir;
    REQUIRE(n <= FILE_PARTS_MAX);
    memcpy(copy, parts, (size_t)n * sizeof *parts);
    left = posix_advance(left, &n, 0);
    while (n > 0) {
        ssize_t done = pwritev(file, left, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        offset += (uint64_t)done;
        left = posix_advance(left, &n, (size_t)done);
    }
    return 0;
}

static ssize_t posix_read(struct dir *dir, int file, uint64_t offset, void *to, size_t size)
{
    size_t have = 0;
    (void)dir;
    while (have < size) {
        ssize_t n = pread(file, (char *)to + have, size - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static int64_t posix_size(struct dir *dir, int file)
{
    struct stat st;
    (void)dir;
    return fstat(file, &st) == 0 ? (int64_t)st.st_size : -(int64_t)errno;
}

static int posix_allocate(struct dir *dir, int file, uint64_t size)
{
    (void)dir;
    while (fallocate(file, 0, 0, (off_t)size) != 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int posix_sync(struct dir *dir, int file)
{
    (void)dir;
    return fdatasync(file) == 0 ? 0 : -errno;
}

static void posix_forget(struct dir *dir, int file)
{
    (void)dir;
    (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static int posix_rename(struct dir *dir, const char *from, const char *to)
{
    return renameat(posix_fd(dir), from, posix_fd(dir), to) == 0 ? 0 : -errno;
}

static int posix_remove(struct dir *dir, const char *name)
{
    return unlinkat(posix_fd(dir), name, 0) == 0 ? 0 : -errno;
}

static int posix_sync_names(struct dir *dir)
{
    return fsync(posix_fd(dir)) == 0 ? 0 : -errno;
}

static int posix_list(struct dir *dir, file_visit_fn visit, void *context)
{
    struct dirent *entry;
    int fd = openat(posix_fd(dir), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL) {
        int err = -errno;
        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    while ((errno = 0, entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.' && strlen(entry->d_name) <= FILE_NAME_MAX &&
            !visit(context, entry->d_name))
            break;
    int err = entry == NULL ? -errno : 0;
    (void)closedir(list);
    return err;
}

static const struct file_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .write = posix_write,
    .read = posix_read,
    .size = posix_size,
    .allocate = posix_allocate,
    .sync = posix_sync,
    .forget = posix_forget,
    .rename = posix_rename,
    .remove = posix_remove,
    .sync_names = posix_sync_names,
    .list = posix_list,
};

/* Make the name of a directory that has just been created durable. */
static int dir_sync_parent(const char *path)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
        return -ENAMETOOLONG;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
    if (fd >= 0)
        (void)close(fd);
    return err;
}

int dir_open_existing(const char *path, struct dir **out_dir)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct posix_dir *dir = mem_alloc(sizeof *dir + strlen(path) + 1);
    if (dir == NULL) {
        (void)close(fd);
        return -ENOMEM;
    }
    memcpy(dir->path, path, strlen(path) + 1);
    dir->dir = (struct dir){file_fault_ops(&posix_ops), dir->path};
    dir->fd = fd;
    dir->lock = -1;
    *out_dir = &dir->dir;
    return 0;
}

int dir_open(const char *path, struct dir **out_dir)
{
    int err = 0;
    if (mkdir(path, 0700) == 0)
        err = dir_sync_parent(path);
    else if (errno != EEXIST)
        err = -errno;
    return err != 0 ? err : dir_open_existing(path, out_dir);
}

void dir_close(struct dir *dir)
{
    struct posix_dir *posix = (struct posix_dir *)dir;
    if (dir == NULL)
        return;
    if (posix->lock >= 0)
        (void)close(posix->lock);
    (void)close(posix->fd);
    mem_free(posix);
}

static int dir_take_lock(struct posix_dir *posix, int flags, int how)
{
    int fd = openat(posix->fd, "LOCK", flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, how | LOCK_NB) != 0) {
        int err = -errno;
        (void)close(fd);
        return err;
    }
    posix->lock = fd;
    return 0;
}

int dir_lock(struct dir *dir)
{
    return dir_take_lock((struct posix_dir *)dir, O_RDWR | O_CREAT, LOCK_EX);
}

int dir_lock_shared(struct dir *dir)
{
    int err = dir_take_lock((struct posix_dir *)dir, O_RDONLY, LOCK_SH);
    return err == -ENOENT ? 0 : err;
}

/* "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF" in /proc/locks. */
int dir_lock_holder(struct dir *dir)
{
    struct stat st;
    char line[256];
    int pid, found = 0;
    unsigned major_, minor_;
    unsigned long long inode;
    FILE *locks = fopen("/proc/locks", "re");
    if (locks == NULL)
        return 0;
    if (fstatat(posix_fd(dir), "LOCK", &st, AT_SYMLINK_NOFOLLOW) != 0)
        st.st_ino = 0;
    while (found == 0 && fgets(line, sizeof line, locks) != NULL)
        if (sscanf(line, "%*s FLOCK ADVISORY WRITE %d %x:%x:%llu", &pid, &major_, &minor_,
                   &inode) == 4 &&
            inode == st.st_ino && makedev(major_, minor_) == st.st_dev)
            found = pid;
    (void)fclose(locks);
    return found > 0 ? found : 0;
}

int dir_move(struct dir *dir, const char *name, struct dir *to)
{
    return renameat(posix_fd(dir), name, posix_fd(to), name) == 0 ? 0 : -errno;
}

const char *dir_file_system(struct dir *dir, bool *out_syncs)
{
    static const struct {
        long magic;
        const char *name;
        bool syncs;
    } known[] = {
        {EXT4_SUPER_MAGIC, "ext4", true},   {XFS_SUPER_MAGIC, "xfs", true},
        {BTRFS_SUPER_MAGIC, "btrfs", true}, {F2FS_SUPER_MAGIC, "f2fs", true},
        {0x2fc12fc1, "zfs", true},          {TMPFS_MAGIC, "tmpfs", false},
        {RAMFS_MAGIC, "ramfs", false},      {OVERLAYFS_SUPER_MAGIC, "overlay", false},
        {NFS_SUPER_MAGIC, "nfs", false},    {SMB2_SUPER_MAGIC, "smb", false},
        {V9FS_MAGIC, "9p", false},          {FUSE_SUPER_MAGIC, "fuse", false},
    };
    struct statfs st;
    *out_syncs = false;
    if (fstatfs(posix_fd(dir), &st) != 0)
        return "unknown";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if ((long)st.f_type != known[i].magic)
            continue;
        *out_syncs = known[i].syncs;
        return known[i].name;
    }
    return "unknown";
}

int dir_free_bytes(struct dir *dir, uint64_t *out_bytes)
{
    struct statvfs st;
    if (fstatvfs(posix_fd(dir), &st) != 0)
        return -errno;
    *out_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}
