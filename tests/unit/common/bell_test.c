/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/bell: it is silent until it is rung, many rings are answered once, and no ring of several
 * threads is lost.
 */
#include "common/bell.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 4, RINGS = 20000 };

static bool rings(const struct bell *bell, int patience_ms)
{
    struct pollfd one = {.fd = bell->fd, .events = POLLIN};
    return poll(&one, 1, patience_ms) == 1;
}

static void once(void **state)
{
    struct bell bell;
    (void)state;
    assert_int_equal(bell_init(&bell), 0);
    assert_false(rings(&bell, 0));
    bell_answer(&bell); /* though silent: nothing comes of it */
    for (unsigned round = 0; round < 3; round++) {
        bell_ring(&bell);
        bell_ring(&bell);
        assert_true(rings(&bell, 0));
        bell_answer(&bell);
        assert_false(rings(&bell, 0));
    }
    bell_deinit(&bell);
}

struct ringers {
    struct bell bell;
    atomic_uint done;
};

static void *ring(void *context)
{
    struct ringers *ringers = context;
    for (unsigned i = 0; i < RINGS; i++) {
        atomic_fetch_add_explicit(&ringers->done, 1, memory_order_relaxed);
        bell_ring(&ringers->bell);
    }
    return NULL;
}

/* Who sleeps whenever there is nothing to be seen sees everything in the end: a lost ring would let
 * it sleep for good. */
static void none_is_lost(void **state)
{
    struct ringers ringers = {.done = 0};
    pthread_t threads[THREADS];
    (void)state;
    assert_int_equal(bell_init(&ringers.bell), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ring, &ringers), 0);
    unsigned seen = 0;
    while (seen < THREADS * RINGS) {
        assert_true(rings(&ringers.bell, -1));
        bell_answer(&ringers.bell);
        seen = atomic_load_explicit(&ringers.done, memory_order_relaxed);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    bell_deinit(&ringers.bell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(once), cmocka_unit_test(none_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
