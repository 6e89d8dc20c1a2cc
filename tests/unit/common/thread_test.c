/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work that several threads share: each number is called once, and all at the same time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/thread.h"

#include <stdatomic.h>

enum { THREADS = 9 };

struct shared {
    atomic_uint calls[THREADS];
    pthread_barrier_t all;
};

static void meet(void *context, unsigned i)
{
    struct shared *shared = context;
    atomic_fetch_add(&shared->calls[i], 1);
    (void)pthread_barrier_wait(&shared->all); /* ends only if all are here */
}

static void together(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= THREADS; n++) {
        struct shared shared = {0};
        assert_int_equal(pthread_barrier_init(&shared.all, NULL, n), 0);
        thread_share(n, meet, &shared);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(shared.calls[i], i < n);
        (void)pthread_barrier_destroy(&shared.all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(together)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
