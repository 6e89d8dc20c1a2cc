/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/wal/file: the table of operations on POSIX, the lock of a directory, and what is told of
 * the file system below.
 */
#include "server/wal/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char root[64], path[80];
    struct dir *dir;
    const struct file_ops *ops;
};

static int place_setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    (void)snprintf(p->root, sizeof p->root, "/tmp/cairn-file-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    (void)snprintf(p->path, sizeof p->path, "%s/data", p->root);
    assert_int_equal(dir_open(p->path, &p->dir), 0);
    p->ops = p->dir->ops;
    *state = p;
    return 0;
}

static bool unlink_one(void *context, const char *name)
{
    struct dir *dir = context;
    return dir->ops->remove(dir, name) == 0;
}

static int place_teardown(void **state)
{
    struct place *p = *state;
    assert_int_equal(p->ops->list(p->dir, unlink_one, p->dir), 0);
    dir_close(p->dir);
    assert_int_equal(rmdir(p->path), 0);
    assert_int_equal(rmdir(p->root), 0);
    free(p);
    return 0;
}

static int make(struct place *p, const char *name)
{
    int file = p->ops->open(p->dir, name, FILE_WRITE | FILE_CREATE);
    assert_true(file >= 0);
    return file;
}

static void create(void **state)
{
    struct place *p = *state;
    char path[128];
    struct stat st;
    assert_int_equal(p->ops->open(p->dir, "a", FILE_WRITE), -ENOENT);
    assert_int_equal(p->ops->open(p->dir, "a", FILE_READ), -ENOENT);
    int file = make(p, "a");
    assert_int_equal(fcntl(file, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fstat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(p->ops->open(p->dir, "a", FILE_WRITE | FILE_CREATE), -EEXIST);
    p->ops->close(p->dir, file);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof path, "%s/link", p->path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(p->ops->open(p->dir, "link", FILE_READ), -ELOOP);
}

static void write_and_read(void **state)
{
    struct place *p = *state;
    char zeros[3] = {0}, back[32];
    char text[] = "hello world";
    struct iovec parts[] = {{text, 0}, {text, 6}, {NULL, 0}, {text + 6, 3}, {text + 9, 2}};
    int file = make(p, "a");
    assert_int_equal(p->ops->size(p->dir, file), 0);
    assert_int_equal(p->ops->write(p->dir, file, 3, parts, 5), 0);
    assert_int_equal(p->ops->write(p->dir, file, 0, parts, 0), 0);
    assert_int_equal(p->ops->size(p->dir, file), 14);
    assert_int_equal(p->ops->read(p->dir, file, 0, back, sizeof back), 14);
    assert_memory_equal(back, zeros, 3);
    assert_memory_equal(back + 3, "hello world", 11);
    assert_int_equal(p->ops->read(p->dir, file, 12, back, 1), 1);
    assert_int_equal(p->ops->read(p->dir, file, 14, back, 1), 0);
    assert_int_equal(p->ops->sync(p->dir, file), 0);
    assert_int_equal(p->ops->allocate(p->dir, file, 100000), 0);
    assert_int_equal(p->ops->size(p->dir, file), 100000);
    p->ops->close(p->dir, file);
    file = p->ops->open(p->dir, "a", FILE_READ);
    assert_int_equal(p->ops->read(p->dir, file, 3, back, 5), 5);
    assert_memory_equal(back, "hello", 5);
    assert_int_equal(p->ops->write(p->dir, file, 0, &parts[1], 1), -EBADF); /* only to read */
    p->ops->close(p->dir, file);
}

/* A transfer that the system cuts short is an error in the end, never half a success: here the
 * size of files is limited in the middle of the second part. */
static void short_write(void **state)
{
    struct place *p = *state;
    struct rlimit before, limit;
    static char part[3000];
    struct iovec parts[] = {{part, sizeof part}, {part, sizeof part}};
    int file = make(p, "a");
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){4096, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int err = p->ops->write(p->dir, file, 0, parts, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(err, -EFBIG);
    assert_int_equal(p->ops->size(p->dir, file), 4096); /* it went on behind the short one */
    p->ops->close(p->dir, file);
}

struct names {
    char text[128];
    int n, stop_at;
};

static bool note_name(void *context, const char *name)
{
    struct names *names = context;
    assert_true(strlen(name) == 1);
    names->text[(unsigned char)name[0]] = 1;
    return ++names->n != names->stop_at;
}

static void names(void **state)
{
    struct place *p = *state;
    struct names all = {.n = 0}, one = {.stop_at = 1};
    char hidden[128];
    for (char name[2] = "a"; name[0] <= 'e'; name[0]++)
        p->ops->close(p->dir, make(p, name));
    assert_int_equal(p->ops->remove(p->dir, "c"), 0);
    assert_int_equal(p->ops->remove(p->dir, "c"), -ENOENT);
    assert_int_equal(p->ops->rename(p->dir, "a", "b"), 0); /* replaces */
    assert_int_equal(p->ops->rename(p->dir, "a", "x"), -ENOENT);
    assert_int_equal(p->ops->rename(p->dir, "d", "x"), 0);
    assert_int_equal(p->ops->sync_names(p->dir), 0);
    (void)snprintf(hidden, sizeof hidden, "%s/.hidden", p->path);
    int fd = open(hidden, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(p->ops->list(p->dir, note_name, &all), 0);
    assert_int_equal(all.n, 3);
    assert_true(all.text['b'] && all.text['x'] && all.text['e']);
    assert_int_equal(p->ops->list(p->dir, note_name, &one), 0);
    assert_int_equal(one.n, 1);
    assert_int_equal(unlink(hidden), 0);
}

/* One process, one directory: also against another opening in the same process. */
static void lock(void **state)
{
    struct place *p = *state;
    struct dir *other;
    assert_int_equal(dir_lock(p->dir), 0);
    assert_int_equal(dir_open(p->path, &other), 0);
    assert_int_equal(dir_lock(other), -EWOULDBLOCK);
    pid_t child = fork();
    if (child == 0) {
        struct dir *theirs;
        _exit(dir_open(p->path, &theirs) == 0 && dir_lock(theirs) == -EWOULDBLOCK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    dir_close(p->dir);
    assert_int_equal(dir_lock(other), 0); /* free again */
    p->dir = other;
}

/* Those who only read exclude nobody but a writer, and make nothing. */
static void shared_lock(void **state)
{
    struct place *p = *state;
    struct dir *one, *two;
    struct stat st;
    char path[128];
    assert_int_equal(dir_open_existing(p->path, &one), 0);
    assert_int_equal(dir_open_existing(p->path, &two), 0);
    assert_int_equal(dir_lock_shared(one), 0);
    (void)snprintf(path, sizeof path, "%s/LOCK", p->path);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(dir_lock(p->dir), 0);
    assert_int_equal(dir_lock_shared(one), -EWOULDBLOCK);
    int holder = dir_lock_holder(one);
    assert_true(holder == getpid() || holder == 0); /* 0: the system does not say */
    dir_close(p->dir);
    assert_int_equal(dir_lock_shared(one), 0);
    assert_int_equal(dir_lock_shared(two), 0);
    assert_int_equal(dir_lock_holder(one), 0); /* nobody has it alone */
    assert_int_equal(dir_open(p->path, &p->dir), 0);
    assert_int_equal(dir_lock(p->dir), -EWOULDBLOCK);
    dir_close(one);
    dir_close(two);
    assert_int_equal(dir_lock(p->dir), 0);
}

static void moving(void **state)
{
    struct place *p = *state;
    struct dir *to;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/aside", p->path);
    assert_int_equal(dir_open_existing(path, &to), -ENOENT);
    assert_int_equal(dir_open(path, &to), 0);
    p->ops->close(p->dir, make(p, "f"));
    assert_int_equal(dir_move(p->dir, "f", to), 0);
    assert_int_equal(p->ops->open(p->dir, "f", FILE_READ), -ENOENT);
    int file = to->ops->open(to, "f", FILE_READ);
    assert_true(file >= 0);
    to->ops->close(to, file);
    assert_int_equal(dir_move(p->dir, "f", to), -ENOENT);
    assert_int_equal(to->ops->remove(to, "f"), 0);
    dir_close(to);
    assert_int_equal(rmdir(path), 0);
}

static void opening(void **state)
{
    struct place *p = *state;
    struct dir *dir;
    char path[128];
    bool syncs;
    uint64_t bytes = 0;
    (void)snprintf(path, sizeof path, "%s/none/below", p->root);
    assert_int_equal(dir_open(path, &dir), -ENOENT);
    p->ops->close(p->dir, make(p, "f"));
    (void)snprintf(path, sizeof path, "%s/f", p->path);
    assert_int_equal(dir_open(path, &dir), -ENOTDIR);
    assert_string_equal(p->dir->path, p->path);
    assert_non_null(dir_file_system(p->dir, &syncs));
    assert_int_equal(dir_free_bytes(p->dir, &bytes), 0);
    assert_true(bytes > 0);
    dir_close(NULL);
    assert_int_equal(dir_open("/dev/shm", &dir), 0);
    assert_string_equal(dir_file_system(dir, &syncs), "tmpfs");
    assert_false(syncs);
    dir_close(dir);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(create), TEST(write_and_read), TEST(short_write), TEST(names),
        TEST(lock),   TEST(shared_lock),    TEST(moving),      TEST(opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
