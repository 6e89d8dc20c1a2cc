/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file system that forgets: what was synced is always there; of what was not, everything that
 * the model allows is seen within some hundred seeds, and nothing else; faults come when they are
 * asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/simfs.h"

#include <errno.h>

enum { SEEDS = 400 };

static int make(struct simfs *fs, const char *name)
{
    struct dir *dir = simfs_dir(fs);
    int file = dir->ops->open(dir, name, FILE_WRITE | FILE_CREATE);
    assert_true(file >= 0);
    return file;
}

static void put(struct simfs *fs, int file, uint64_t offset, char c, size_t size)
{
    struct dir *dir = simfs_dir(fs);
    char data[4096];
    memset(data, c, sizeof data);
    struct iovec part = {data, size};
    assert_int_equal(dir->ops->write(dir, file, offset, &part, 1), 0);
}

static void sync_all(struct simfs *fs, int file)
{
    struct dir *dir = simfs_dir(fs);
    assert_int_equal(dir->ops->sync(dir, file), 0);
    assert_int_equal(dir->ops->sync_names(dir), 0);
}

static void test_calls(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    struct dir *dir = simfs_dir(fs);
    char to[10];
    int file = make(fs, "a");
    assert_int_equal(dir->ops->open(dir, "a", FILE_CREATE), -EEXIST);
    assert_int_equal(dir->ops->open(dir, "b", FILE_READ), -ENOENT);
    struct iovec parts[3] = {{(char[]){"ab"}, 2}, {to, 0}, {(char[]){"cd"}, 2}};
    assert_int_equal(dir->ops->write(dir, file, 3, parts, 3), 0);
    assert_int_equal(dir->ops->size(dir, file), 7);
    assert_int_equal(dir->ops->read(dir, file, 2, to, sizeof to), 5);
    assert_memory_equal(to, "\0abcd", 5);
    assert_int_equal(dir->ops->read(dir, file, 7, to, sizeof to), 0);
    assert_int_equal(dir->ops->allocate(dir, file, 1000), 0);
    assert_int_equal(dir->ops->size(dir, file), 1000);
    assert_int_equal(dir->ops->rename(dir, "a", "b"), 0);
    assert_int_equal(dir->ops->remove(dir, "a"), -ENOENT);
    assert_int_equal(simfs_open_files(fs), 1);
    dir->ops->close(dir, file);
    assert_int_equal(simfs_open_files(fs), 0);
    file = dir->ops->open(dir, "b", FILE_READ);
    assert_int_equal(dir->ops->write(dir, file, 0, &(struct iovec){to, 1}, 1), -EBADF);
    assert_string_equal(simfs_name(fs, 0), "b");
    assert_null(simfs_name(fs, 1));
    assert_int_equal(dir->ops->remove(dir, "b"), 0);
    assert_null(simfs_content(fs, "b").data);
    simfs_destroy(fs);
}

/* Whatever is written behind the sync, in the same sector too, what was synced stays. */
static void test_synced_stays(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    int file = make(fs, "a");
    put(fs, file, 0, 's', 700);
    sync_all(fs, file);
    put(fs, file, 700, 'u', 1000);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(fs, 1 + seed % 2, seed);
        struct bytes content = simfs_content(after, "a");
        assert_true(content.size == 700 || content.size == 1700);
        for (size_t i = 0; i < 700; i++)
            assert_int_equal(content.data[i], 's');
        simfs_destroy(after);
    }
    simfs_destroy(fs);
}

static void see(bool seen[static 4], const uint8_t *at, size_t size)
{
    size_t old = 0, new = 0, zero = 0;
    for (size_t i = 0; i < size; i++) {
        old += at[i] == 'o';
        new += at[i] == 'n';
        zero += at[i] == 0;
    }
    seen[old == size ? 0 : new == size ? 1 : zero == size ? 2 : 3] = true;
}

/* Each sector of an unsynced write is old, new, zeros or garbage, by itself. */
static void test_sectors_apart(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    bool seen[2][4] = {{false}};
    unsigned mixed = 0;
    int file = make(fs, "a");
    put(fs, file, 0, 'o', 1024);
    sync_all(fs, file);
    put(fs, file, 100, 'n', 800);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(fs, SIMFS_POWER_WEAK, seed);
        const uint8_t *data = simfs_content(after, "a").data;
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(data[i], 'o');
        for (unsigned i = 900; i < 1024; i++)
            assert_int_equal(data[i], 'o');
        see(seen[0], data + 100, 412);
        see(seen[1], data + 512, 388);
        mixed += data[511] != data[512];
        simfs_destroy(after);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_true(seen[0][i] && seen[1][i]);
    assert_true(mixed > SEEDS / 20);
    simfs_destroy(fs);
}

/* A sector that reached the disk has what was written to it before. */
static void test_order_within_sector(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    unsigned second = 0, first_only = 0;
    int file = make(fs, "a");
    put(fs, file, 0, 'o', 512);
    sync_all(fs, file);
    put(fs, file, 0, 'n', 10);
    put(fs, file, 10, 'n', 10);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(fs, SIMFS_POWER_ORDERED, seed);
        const uint8_t *data = simfs_content(after, "a").data;
        if (data[10] == 'n')
            assert_true(data[0] != 'o');
        second += data[10] == 'n';
        first_only += data[0] == 'n' && data[10] == 'o';
        simfs_destroy(after);
    }
    assert_true(second > 0 && first_only > 0);
    simfs_destroy(fs);
}

static bool has(const struct simfs *fs, const char *name)
{
    return simfs_content(fs, name).data != NULL;
}

/* Weak: all eight sets of three unsynced names are seen; ordered: only the four prefixes. */
static void test_names(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    bool seen[2][8] = {{false}};
    (void)make(fs, "a");
    (void)make(fs, "b");
    (void)make(fs, "c");
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        for (unsigned weak = 0; weak < 2; weak++) {
            struct simfs *after = simfs_crash(fs, SIMFS_POWER_ORDERED + weak, seed);
            seen[weak][has(after, "a") | has(after, "b") << 1 | has(after, "c") << 2] = true;
            simfs_destroy(after);
        }
    }
    for (unsigned set = 0; set < 8; set++) {
        assert_true(seen[1][set]);
        assert_int_equal(seen[0][set], (set & (set + 1)) == 0);
    }
    simfs_destroy(fs);
}

/* One of both, never none, never mixed; and a lost removal brings the name back. */
static void test_rename_is_atomic(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    struct dir *dir = simfs_dir(fs);
    bool seen[2] = {false};
    int old = make(fs, "a"), new = make(fs, "b");
    put(fs, old, 0, 'o', 10);
    put(fs, new, 0, 'n', 10);
    sync_all(fs, old);
    sync_all(fs, new);
    assert_int_equal(dir->ops->rename(dir, "b", "a"), 0);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(fs, SIMFS_POWER_WEAK, seed);
        bool moved = simfs_content(after, "a").data[0] == 'n';
        assert_int_equal(has(after, "b"), !moved);
        seen[moved] = true;
        simfs_destroy(after);
    }
    assert_true(seen[0] && seen[1]);
    assert_int_equal(dir->ops->sync_names(dir), 0);
    assert_int_equal(dir->ops->remove(dir, "a"), 0);
    for (unsigned seed = 0; !seen[0] || seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(fs, SIMFS_POWER_WEAK, seed);
        assert_false(has(after, "b"));
        seen[has(after, "a")] = true;
        simfs_destroy(after);
    }
    simfs_destroy(fs);
}

/* The name of a file that was synced may be lost on a weak file system, and not on an ordered one;
 * but a sync that writes data only keeps no renaming there. */
static void test_sync_of_file_and_names(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    struct dir *dir = simfs_dir(fs);
    bool weak[2] = {false}, ordered[2] = {false};
    int file = make(fs, "a");
    put(fs, file, 0, 'x', 10);
    assert_int_equal(dir->ops->sync(dir, file), 0);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(fs, SIMFS_POWER_WEAK, seed);
        weak[has(after, "a")] = true;
        simfs_destroy(after);
        after = simfs_crash(fs, SIMFS_POWER_ORDERED, seed);
        assert_int_equal(simfs_content(after, "a").size, 10);
        simfs_destroy(after);
    }
    assert_true(weak[0] && weak[1]);
    assert_int_equal(dir->ops->rename(dir, "a", "b"), 0);
    put(fs, file, 0, 'y', 10);
    assert_int_equal(dir->ops->sync(dir, file), 0);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(fs, SIMFS_POWER_ORDERED, seed);
        ordered[has(after, "b")] = true;
        assert_int_equal(simfs_content(after, has(after, "b") ? "b" : "a").data[0], 'y');
        simfs_destroy(after);
    }
    assert_true(ordered[0] && ordered[1]);
    simfs_destroy(fs);
}

/* Sizes: of the disk, or of any of the writes; what no write filled is zeros. */
static void test_sizes(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    unsigned seen[3] = {0}, zeros = 0;
    int file = make(fs, "a");
    sync_all(fs, file);
    put(fs, file, 0, 'x', 600);
    put(fs, file, 600, 'x', 600);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(fs, SIMFS_POWER_WEAK, seed);
        struct bytes content = simfs_content(after, "a");
        assert_int_equal(content.size % 600, 0);
        seen[content.size / 600]++;
        zeros += content.size > 0 && content.data[0] == 0;
        simfs_destroy(after);
    }
    assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0 && zeros > 0);
    simfs_destroy(fs);
}

/* The death of the process loses nothing, and makes nothing durable. */
static void test_kill(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    unsigned lost = 0;
    int file = make(fs, "a");
    put(fs, file, 0, 'x', 10);
    struct simfs *killed = simfs_crash(fs, SIMFS_KILL, 1);
    assert_int_equal(simfs_digest(killed), simfs_digest(fs));
    assert_int_equal(simfs_open_files(killed), 0);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct simfs *after = simfs_crash(killed, SIMFS_POWER_WEAK, seed);
        struct simfs *again = simfs_crash(killed, SIMFS_POWER_WEAK, seed);
        assert_int_equal(simfs_digest(after), simfs_digest(again));
        lost += !has(after, "a");
        simfs_destroy(after);
        simfs_destroy(again);
    }
    assert_true(lost > 0 && lost < SEEDS);
    simfs_destroy(killed);
    simfs_destroy(fs);
}

static void test_faults(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    struct dir *dir = simfs_dir(fs);
    struct iovec part = {(char[1000]){"x"}, 1000};
    int file = make(fs, "a");
    uint64_t calls = simfs_calls(fs);
    simfs_fail(fs, 2, ENOSPC, false);
    assert_int_equal(dir->ops->write(dir, file, 0, &part, 1), 0);
    assert_int_equal(dir->ops->write(dir, file, 1000, &part, 1), -ENOSPC);
    assert_int_equal(dir->ops->write(dir, file, 1000, &part, 1), 0);
    assert_int_equal(simfs_calls(fs), calls + 3);
    simfs_fail(fs, 1, EIO, true);
    assert_int_equal(dir->ops->size(dir, file), -EIO);
    assert_int_equal(dir->ops->remove(dir, "a"), -EIO);
    simfs_fail(fs, 0, 0, false);
    assert_true(has(fs, "a"));
    simfs_destroy(fs);
}

/* Behind a failed sync the next one succeeds, and what was unsynced may be gone all the same. */
static void test_failed_sync(void **state)
{
    (void)state;
    unsigned lost = 0;
    for (unsigned seed = 0; seed < 100; seed++) {
        struct simfs *empty = simfs_create();
        struct simfs *fs = simfs_crash(empty, SIMFS_KILL, seed);
        struct dir *dir = simfs_dir(fs);
        int file = make(fs, "a");
        put(fs, file, 0, 'o', 512);
        sync_all(fs, file);
        put(fs, file, 0, 'n', 512);
        simfs_fail(fs, 1, EIO, false);
        assert_int_equal(dir->ops->sync(dir, file), -EIO);
        sync_all(fs, file);
        assert_int_equal(simfs_content(fs, "a").data[0], 'n');
        struct simfs *killed = simfs_crash(fs, SIMFS_KILL, seed);
        int again = simfs_dir(killed)->ops->open(simfs_dir(killed), "a", FILE_WRITE);
        simfs_dir(killed)->ops->forget(simfs_dir(killed), again);
        struct simfs *after = simfs_crash(fs, SIMFS_POWER_ORDERED, seed);
        lost += simfs_content(after, "a").data[0] == 'o';
        assert_int_equal(simfs_content(after, "a").data[0], simfs_content(killed, "a").data[0]);
        simfs_destroy(after);
        simfs_destroy(killed);
        simfs_destroy(fs);
        simfs_destroy(empty);
    }
    assert_true(lost > 10 && lost < 90);
}

static void test_damage(void **state)
{
    (void)state;
    struct simfs *fs = simfs_create();
    int file = make(fs, "a");
    put(fs, file, 0, 'x', 10);
    simfs_put(fs, "a", bytes_of("spoilt"));
    simfs_put(fs, "b", bytes_of("new"));
    struct simfs *after = simfs_crash(fs, SIMFS_POWER_WEAK, 1);
    assert_true(bytes_equal(simfs_content(after, "a"), bytes_of("spoilt")));
    assert_true(bytes_equal(simfs_content(after, "b"), bytes_of("new")));
    simfs_drop(after, "a");
    assert_false(has(after, "a"));
    assert_int_not_equal(simfs_digest(after), simfs_digest(fs));
    simfs_destroy(after);
    simfs_destroy(fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_synced_stays),
        cmocka_unit_test(test_sectors_apart),
        cmocka_unit_test(test_order_within_sector),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_rename_is_atomic),
        cmocka_unit_test(test_sync_of_file_and_names),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_failed_sync),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
