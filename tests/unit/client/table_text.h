/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of vectors for tests, and what is read from them as text: a line for each row, then what is
 * wrong with the file. The test defines read_all.
 */
#pragma once

#include "common/buf.h"
#include "common/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(literal)  ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})
#define FVECS(dim, ...) dim "\0\0\0" __VA_ARGS__
#define ONE             "\0\0\x80\x3f"
#define TWO             "\0\0\0\x40"

static void read_all(struct bytes bytes, struct buf *out, bool with_error);

static void add(struct buf *out, const char *text)
{
    assert_int_equal(buf_append(out, text, strlen(text)), 0);
}

static void add_elements(struct buf *out, struct bytes row)
{
    char number[64];
    for (size_t at = 0; at < row.size; at += sizeof(float)) {
        float element;
        memcpy(&element, row.data + at, sizeof element);
        snprintf(number, sizeof number, " %g", (double)element);
        add(out, number);
    }
}

static FILE *open_bytes(struct bytes bytes)
{
    FILE *in = bytes.size > 0 ? fmemopen((void *)(uintptr_t)bytes.data, bytes.size, "rb")
                              : fopen("/dev/null", "rbe");
    assert_non_null(in);
    return in;
}

/* A file that is cut, from so many bytes on, gives the rows before that, and either an error or all
 * of its rows. */
static void check_cuts(struct bytes file, size_t from)
{
    struct buf whole;
    buf_init(&whole);
    read_all(file, &whole, false);
    for (size_t n = from; n < file.size; n++) {
        struct buf out;
        buf_init(&out);
        read_all((struct bytes){file.data, n}, &out, false);
        assert_true(bytes_start_with(buf_bytes(&whole), buf_bytes(&out)));
        buf_deinit(&out);
    }
    buf_deinit(&whole);
}

static void check(struct bytes bytes, const char *expected)
{
    struct buf out;
    buf_init(&out);
    read_all(bytes, &out, true);
    if (!bytes_start_with(buf_bytes(&out), bytes_of(expected)) ||
        (out.size != strlen(expected) && expected[strlen(expected) - 1] == '\n'))
        fail_msg("%.*s instead of %s", (int)out.size, (const char *)out.data, expected);
    buf_deinit(&out);
}
