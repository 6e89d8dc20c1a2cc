/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/storage_id: what is written is read back, whole or not at all; what else stands there is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/storage_id.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const struct store_id id = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xab, 0xcd, 0xef, 0xfe, 0xff}};

struct fixture {
    char path[64];
    struct dir *dir;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->path, sizeof f->path, "/tmp/cairn-id-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(dir_open_existing(f->path, &f->dir), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    (void)!f->dir->ops->remove(f->dir, STORAGE_ID_FILE);
    dir_close(f->dir);
    assert_int_equal(rmdir(f->path), 0);
    free(f);
    return 0;
}

static void put(struct fixture *f, const char *text, size_t size)
{
    struct iovec part = {(char *)(uintptr_t)text, size};
    (void)!f->dir->ops->remove(f->dir, STORAGE_ID_FILE);
    int file = f->dir->ops->open(f->dir, STORAGE_ID_FILE, FILE_WRITE | FILE_CREATE);
    assert_true(file >= 0);
    assert_int_equal(f->dir->ops->write(f->dir, file, 0, &part, 1), 0);
    f->dir->ops->close(f->dir, file);
}

static void round_trip(void **state)
{
    struct fixture *f = *state;
    struct store_id back;
    char text[STORAGE_ID_HEX];
    assert_int_equal(storage_id_read(f->dir, &back), -ENOENT);
    assert_int_equal(storage_id_write(f->dir, &id), 0);
    assert_int_equal(storage_id_read(f->dir, &back), 0);
    assert_memory_equal(&back, &id, sizeof id);
    storage_id_format(&id, text);
    assert_string_equal(text, "000102030405060708090aabcdeffeff");
}

static void refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "\n",
        "cairn store 1",
        "cairn store 2 000102030405060708090aabcdeffeff\n",
        "cairn store 1 000102030405060708090aabcdeffe\n",
        "cairn store 1 000102030405060708090aabcdeffeffff\n",
        "cairn store 1 000102030405060708090aabcdeffeff",
        "cairn store 1 000102030405060708090aabcdeffexx\n",
        "caern store 1 000102030405060708090aabcdeffeff\n",
    };
    struct fixture *f = *state;
    struct store_id back;
    for (size_t i = 0; i < LENGTH_OF(wrong); i++) {
        put(f, wrong[i], strlen(wrong[i]));
        assert_int_equal(storage_id_read(f->dir, &back), -EBADMSG);
    }
}

static void used(void **state)
{
    struct fixture *f = *state;
    bool is_used = true;
    assert_int_equal(storage_id_used(f->dir, &is_used), 0);
    assert_false(is_used);
    static const char *const names[] = {"wal-0000000000000001.log", "snap-0000000000000001.snap",
                                        "snap-0000000000000001.damaged"};
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        int file = f->dir->ops->open(f->dir, names[i], FILE_WRITE | FILE_CREATE);
        f->dir->ops->close(f->dir, file);
        assert_int_equal(storage_id_used(f->dir, &is_used), 0);
        assert_true(is_used);
        assert_int_equal(f->dir->ops->remove(f->dir, names[i]), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(round_trip), TEST(refused), TEST(used)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
