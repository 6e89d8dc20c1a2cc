/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Searchers are lent, given back and lent again, to any number of threads at once; none to two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/searchers.h"

#include "common/mem.h"

#include <pthread.h>

static void lent_again(void **state)
{
    struct searchers searchers;
    (void)state;
    searchers_init(&searchers);
    struct vindex_searcher *a = searchers_take(&searchers), *b = searchers_take(&searchers);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    searchers_give(&searchers, a);
    searchers_give(&searchers, b);
    assert_ptr_equal(searchers_take(&searchers), b); /* the warm one */
    assert_ptr_equal(searchers_take(&searchers), a);
    searchers_give(&searchers, a);
    searchers_give(&searchers, b);
    searchers_deinit(&searchers);
}

/* More than are kept are destroyed: the leak sanitizer sees to that. */
static void more_than_are_kept(void **state)
{
    enum { N = SEARCHERS_MAX + 3 };
    struct vindex_searcher *taken[N];
    struct searchers searchers;
    (void)state;
    searchers_init(&searchers);
    for (unsigned i = 0; i < N; i++)
        assert_non_null(taken[i] = searchers_take(&searchers));
    for (unsigned i = 0; i < N; i++)
        searchers_give(&searchers, taken[i]);
    assert_int_equal(searchers.count, SEARCHERS_MAX);
    searchers_deinit(&searchers);
}

static void without_memory(void **state)
{
    struct searchers searchers;
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    searchers_init(&searchers);
    struct vindex_searcher *kept = searchers_take(&searchers);
    searchers_give(&searchers, kept);
    mem_fail_after(1, 1);
    assert_ptr_equal(searchers_take(&searchers), kept);
    assert_null(searchers_take(&searchers));
    mem_fail_after(0, 0);
    searchers_give(&searchers, kept);
    searchers_deinit(&searchers);
}

/* What threads have is theirs: each counts in a place that belongs to the searcher it has. */
struct shared {
    struct searchers searchers;
    struct vindex_searcher *seen[16];
    _Atomic unsigned n_seen, users[16];
};

static unsigned place_of(struct shared *shared, const struct vindex_searcher *searcher)
{
    for (unsigned i = 0; i < shared->n_seen; i++)
        if (shared->seen[i] == searcher)
            return i;
    return UINT32_MAX;
}

static void *borrow(void *context)
{
    struct shared *shared = context;
    for (unsigned i = 0; i < 2000; i++) {
        struct vindex_searcher *searcher = searchers_take(&shared->searchers);
        unsigned place = place_of(shared, searcher);
        REQUIRE(place != UINT32_MAX && shared->users[place]++ == 0);
        REQUIRE(--shared->users[place] == 0);
        searchers_give(&shared->searchers, searcher);
    }
    return NULL;
}

static void by_threads(void **state)
{
    enum { THREADS = 4 };
    static struct shared shared;
    pthread_t threads[THREADS];
    (void)state;
    searchers_init(&shared.searchers);
    for (unsigned i = 0; i < THREADS; i++)
        assert_non_null(shared.seen[i] = searchers_take(&shared.searchers));
    shared.n_seen = THREADS;
    for (unsigned i = 0; i < THREADS; i++)
        searchers_give(&shared.searchers, shared.seen[i]);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, borrow, &shared), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(shared.searchers.count, THREADS);
    searchers_deinit(&shared.searchers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lent_again),
        cmocka_unit_test(more_than_are_kept),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
