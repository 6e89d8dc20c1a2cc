#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Run the unit test of the kernels as aarch64, with and without the dot product instructions.
# By hand, on any machine, in ten seconds: scripts/packages.sh neon && scripts/test_neon.sh
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# As much of cmocka as the test uses: a failure ends the program.
cat >"$work/cmocka.h" <<'END'
#pragma once
#include <stdio.h>
#include <string.h>
struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};
#define cmocka_unit_test(test) {#test, test}
#define cmocka_run_group_tests(tests, a, b) run_all(tests, sizeof tests / sizeof *tests)
#define print_message printf
#define fail_msg(...) (printf(__VA_ARGS__), puts(""), exit(1))
#define assert_true(is) ((is) ? (void)0 : fail_msg("%s:%d: %s", __FILE__, __LINE__, #is))
#define assert_int_equal(a, b) assert_true((a) == (b))
#define assert_ptr_equal(a, b) assert_true((a) == (b))
#define assert_ptr_not_equal(a, b) assert_true((a) != (b))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
static inline int run_all(const struct CMUnitTest *tests, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tests[i].run(NULL);
        printf("ok %s\n", tests[i].name);
    }
    return 0;
}
END

aarch64-linux-gnu-gcc -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -I"$work" -I. \
    tests/unit/server/ds/distance_test.c server/ds/distance*.c -lm -o "$work/distance_test"
for cpu in cortex-a53 max; do
    echo "== $cpu"
    timeout 600 qemu-aarch64-static -cpu "$cpu" "$work/distance_test"
done
