/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/ops/ckpt_value: writes and notes with their checksums: a bit that is not what it was is
 * noticed wherever it is, and values from before there were checksums are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/ops/ckpt.h"

#include <stdlib.h>

#define ROW(text)                                                                                  \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static const struct row {
    const char *what;
    enum record_kind kind;
    struct bytes bytes;
} rows[] = {
    {"a write", KIND_write,
     ROW("\x95\xa4task\x01\xa7"
         "channel\xa4type\xc4\x03xyz")},
    {"a write of 16 bytes", KIND_write,
     ROW("\x95\xa1t\xd2\xff\xff\xff\xff\xa1"
         "c\xa0\xc4\x10"
         "0123456789abcdef")},
    {"an empty write", KIND_write,
     ROW("\x95\xa1t\x01\xa1"
         "c\xa1t\xc4\x00")},
    {"a note", KIND_note,
     ROW("\x94\xcf\x01\x23\x45\x67\x89\xab\xcd\xef\xaa"
         "annotation\xa4info\xa5hello")},
    {"a restore", KIND_note, ROW("\x94\x07\xa8restored\xc0\xc0")},
};

/* A copy in memory of its own, so that reading behind it is noticed. */
static struct bytes copy_of(struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.size);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size);
    return (struct bytes){copy, bytes.size};
}

static bool is_taken(struct bytes value, enum record_kind kind)
{
    struct bytes copy = copy_of(value), row;
    bool taken = ckpt_row(copy, kind, &row);
    free((void *)(uintptr_t)copy.data);
    return taken;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct bytes plain = rows[i].bytes, row;
        struct buf buf = {0};
        print_message("%s\n", rows[i].what);
        assert_int_equal(ckpt_row_begin(&buf), 0);
        assert_int_equal(buf_append(&buf, plain.data, plain.size), 0);
        struct bytes value = ckpt_row_end(&buf);
        assert_true(is_taken(plain, rows[i].kind));
        assert_true(ckpt_row(value, rows[i].kind, &row));
        assert_true(bytes_equal(row, plain));
        assert_false(is_taken(value, rows[i].kind == KIND_write ? KIND_note : KIND_write));
        for (size_t bit = 0; bit < 8 * buf.size; bit++) {
            buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(is_taken(value, rows[i].kind));
            buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t size = 0; size < buf.size; size++)
            assert_false(is_taken((struct bytes){value.data, size}, rows[i].kind));
        for (size_t size = 0; size < plain.size; size++)
            assert_false(is_taken((struct bytes){plain.data, size}, rows[i].kind));
        buf_deinit(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
