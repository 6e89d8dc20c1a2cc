/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Snapshots are found by their names, the newest first, and removed by age.
 */
#include "server/wal/snapshot_format.h"

#include "tests/unit/server/wal/wal_fixture.h"

static void listing(void **state)
{
    static const char *const others[] = {
        "snap-12.snap",
        "snap-000000000000000g.snap",
        "snap-0000000000000001.snap1",
        "snap-00000000000000AB.snap",
        "xsnap-0000000000000001.snap",
        "wal-0000000000000001.log",
    };
    static const uint64_t lsns[] = {3, UINT64_MAX, 0, 70, 16, 4};
    static const uint64_t expected[] = {UINT64_MAX, 70, 16, 4, 3, 0};
    struct fixture *fixture = *state;
    struct dir *dir = &fixture->fault.dir;
    uint64_t found[8];
    assert_int_equal(snapshot_list(dir, found, 8), 0);
    for (size_t i = 0; i < LENGTH_OF(others); i++)
        file_set(dir, others[i], BYTES_NONE);
    for (size_t i = 0; i < LENGTH_OF(lsns); i++) {
        char name[FILE_NAME_MAX + 1];
        snapshot_name(lsns[i], name);
        file_set(dir, name, BYTES_NONE);
    }
    for (int max = 0; max <= 8; max++) {
        int n = max < 6 ? max : 6;
        assert_int_equal(snapshot_list(dir, found, max), n);
        assert_memory_equal(found, expected, (size_t)n * sizeof *found);
    }
    fault_begin(&fixture->fault, 1, false);
    assert_int_equal(snapshot_list(dir, found, 8), -EIO);
}

/* The oldest goes first; names are synced once, if any went. */
static void trimming(void **state)
{
    struct fixture *fixture = *state;
    struct fault_dir *fault = &fixture->fault;
    for (uint64_t lsn = 0x20; lsn >= 1; lsn /= 2) {
        char name[FILE_NAME_MAX + 1];
        snapshot_name(lsn, name);
        file_set(fixture->dir, name, BYTES_NONE);
    }
    file_set(fixture->dir, "snap.tmp", BYTES_NONE);
    file_set(fixture->dir, "wal-0000000000000001.log", BYTES_NONE);
    assert_int_equal(snapshot_trim(&fault->dir, 3), 0);
    assert_string_equal(fault->removed,
                        "snap.tmp snap-0000000000000001.snap snap-0000000000000002.snap "
                        "snap-0000000000000004.snap ");
    assert_string_equal(fault->trace, "ldldldldln");
    assert_names(fixture, 4,
                 "snap-0000000000000008.snap snap-0000000000000010.snap "
                 "snap-0000000000000020.snap wal-0000000000000001.log");
    for (unsigned n = 1; n <= 4; n++) { /* list, remove, list, sync */
        fault_begin(fault, n, false);
        assert_int_equal(snapshot_trim(&fault->dir, 2), -EIO);
        if (n == 3)
            file_set(fixture->dir, "snap-0000000000000008.snap", BYTES_NONE);
    }
    fault_begin(fault, 0, false);
    assert_int_equal(snapshot_trim(&fault->dir, 2), 0);
    assert_string_equal(fault->trace, "l");
}

/* It is no snapshot any more, and that is durable. */
static void setting_aside(void **state)
{
    struct fixture *fixture = *state;
    struct dir *dir = &fixture->fault.dir;
    uint64_t found[2];
    file_set(fixture->dir, "snap-0000000000000010.snap", BYTES_NONE);
    file_set(fixture->dir, "snap-0000000000000020.snap", BYTES_NONE);
    for (unsigned n = 1; n <= 2; n++) { /* rename, sync */
        fault_begin(&fixture->fault, n, false);
        assert_int_equal(snapshot_set_aside(dir, 0x20), -EIO);
    }
    assert_names(fixture, 2, "snap-0000000000000010.snap snap-0000000000000020.damaged");
    assert_int_equal(snapshot_list(fixture->dir, found, 2), 1);
    assert_int_equal(found[0], 0x10);
    assert_int_equal(snapshot_trim(fixture->dir, 1), 0);
    assert_names(fixture, 2, "snap-0000000000000010.snap snap-0000000000000020.damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(listing),
        TEST(trimming),
        TEST(setting_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
