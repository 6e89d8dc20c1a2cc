/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Golden files: bytes written by a version that is out there. A test compares what it makes with
 * them, so that a change of a format is noticed, and reads them. With CAIRN_GOLDEN=write it makes
 * the files anew, for a format that is new.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline void golden_path(const char *name, char out_path[static 512])
{
    assert_true(snprintf(out_path, 512, "%s%s", GOLDEN, name) < 512);
}

static inline void golden_write(const char *name, const void *data, size_t size)
{
    char path[512];
    golden_path(name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Read all of it, at most `max` bytes; returns how many. */
static inline size_t golden_read(const char *name, void *to, size_t max)
{
    char path[512];
    golden_path(name, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(to, 1, max, file);
    assert_int_equal(fclose(file), 0);
    return size;
}

/* These bytes are those of the file. */
static inline void golden_same(const char *name, const void *data, size_t size)
{
    const char *how = getenv("CAIRN_GOLDEN");
    if (how != NULL && strcmp(how, "write") == 0)
        golden_write(name, data, size);
    uint8_t *have = malloc(size + 1);
    assert_non_null(have);
    assert_int_equal(golden_read(name, have, size + 1), size);
    assert_memory_equal(have, data, size);
    free(have);
}
