/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of the log and the snapshots share. A test gets a struct fixture as its state: an
 * empty directory of its own, and one that can fail in front of it.
 */
#pragma once

#include "common/buf.h"
#include "tests/unit/server/wal/fault_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char path[64];
    struct dir *dir;        /* the real one */
    struct fault_dir fault; /* in front of it */
};

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    (void)snprintf(fixture->path, sizeof fixture->path, "/tmp/cairn-wal-XXXXXX");
    if (mkdtemp(fixture->path) == NULL || dir_open(fixture->path, &fixture->dir) != 0)
        return 1;
    fixture->fault.below = fixture->dir;
    fault_begin(&fixture->fault, 0, false);
    *state = fixture;
    return 0;
}

static inline bool remove_visit(void *context, const char *name)
{
    struct dir *dir = context;
    return dir->ops->remove(dir, name) == 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    int err = fixture->dir->ops->list(fixture->dir, remove_visit, fixture->dir);
    dir_close(fixture->dir);
    err |= rmdir(fixture->path);
    free(fixture);
    return err;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

struct names {
    const char *expected;
    int n, missing;
};

static inline bool names_visit(void *context, const char *name)
{
    struct names *names = context;
    names->n++;
    names->missing += strstr(names->expected, name) == NULL;
    return true;
}

/* The directory holds these names, `n` of them, and no other. */
static inline void assert_names(struct fixture *fixture, int n, const char *expected)
{
    struct names names = {expected, 0, 0};
    assert_int_equal(fixture->dir->ops->list(fixture->dir, names_visit, &names), 0);
    assert_int_equal(names.n, n);
    assert_int_equal(names.missing, 0);
}

static inline struct buf file_get(struct dir *dir, const char *name)
{
    struct buf data;
    buf_init(&data);
    int file = dir->ops->open(dir, name, FILE_READ);
    assert_true(file >= 0);
    size_t size = (size_t)dir->ops->size(dir, file);
    assert_int_equal(buf_reserve(&data, size + 1), 0);
    assert_int_equal(dir->ops->read(dir, file, 0, data.data, size), size);
    data.size = size;
    dir->ops->close(dir, file);
    return data;
}

static inline void file_set(struct dir *dir, const char *name, struct bytes data)
{
    struct iovec part = {(void *)(uintptr_t)data.data, data.size};
    (void)dir->ops->remove(dir, name);
    int file = dir->ops->open(dir, name, FILE_WRITE | FILE_CREATE);
    assert_true(file >= 0);
    assert_int_equal(dir->ops->write(dir, file, 0, &part, 1), 0);
    dir->ops->close(dir, file);
}
