/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work that several threads share: each number is called once, and all at the same time. A thread
 * that is to run soon has a short slice of time, where the system knows of that, and nothing else
 * changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/thread.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

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

struct sched {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static struct sched sched_now(void)
{
    struct sched sched = {0};
    assert_int_equal(syscall(SYS_sched_getattr, 0, &sched, sizeof sched, 0), 0);
    return sched;
}

static void soon(void *context, unsigned i)
{
    struct sched before = sched_now();
    (void)context;
    if (i == 0)
        return; /* the main thread stays as it is */
    thread_run_soon();
    struct sched after = sched_now();
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.nice, before.nice);
    if (before.runtime != 0) /* Linux 6.12 and later */
        assert_true(after.runtime < before.runtime);
    else
        print_message("[  NOTE    ] this system has no slices\n");
}

static void a_short_slice(void **state)
{
    (void)state;
    thread_share(2, soon, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(together), cmocka_unit_test(a_short_slice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
