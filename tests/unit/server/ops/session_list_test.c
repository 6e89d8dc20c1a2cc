/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/ops/session_list: pages in the order of ids whoever comes and goes, what a view says, a
 * kill that succeeds once, and readers beside a loop that opens and closes.
 */
#include "server/ops/session_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

enum { SESSIONS = 10, SECOND_NS = 1000000000, ROUNDS = 3000 };

struct world {
    struct store *store;
    struct session_list list;
    struct session session[SESSIONS]; /* with ids from 1 */
};

static void open_session(struct world *w, unsigned i, uint64_t id)
{
    struct session *session = &w->session[i];
    session_init(session, w->store, id, false);
    (void)snprintf(session->address, sizeof session->address, "127.0.0.1:%u", i);
    session->protocol = "test";
    session_list_add(&w->list, session);
}

static void close_session(struct world *w, unsigned i)
{
    session_list_remove(&w->session[i]);
    session_deinit(&w->session[i]);
}

static int setup(void **state)
{
    static struct world w;
    struct store_options options = {.n_partitions = 4, .n_threads = 1, .runs_max = 10};
    w = (struct world){.store = store_create(&options)};
    assert_non_null(w.store);
    session_list_init(&w.list);
    for (unsigned i = 0; i < SESSIONS; i++)
        open_session(&w, i, i + 1);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < SESSIONS; i++)
        if (w->session[i].list != NULL)
            close_session(w, i);
    session_list_deinit(&w->list);
    store_destroy(w->store);
    return 0;
}

/* The ids above `after` are exactly these, ended by 0. */
static void assert_ids(struct world *w, uint64_t after, size_t max, const uint64_t *ids)
{
    struct session_view views[SESSIONS + 1];
    size_t n = session_list_view(&w->list, after, max, 0, views);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(views[i].id, ids[i]);
    assert_int_equal(ids[n], 0);
}

static void pages(void **state)
{
    struct world *w = *state;
    assert_ids(w, 0, 3, (uint64_t[]){1, 2, 3, 0});
    assert_ids(w, 3, 100, (uint64_t[]){4, 5, 6, 7, 8, 9, 10, 0});
    assert_ids(w, 10, 100, (uint64_t[]){0});
    assert_ids(w, 0, 0, (uint64_t[]){0});
    for (unsigned i = 0; i < SESSIONS; i++) /* the first, some in the middle, the last */
        if (i != 3 && i != 5)
            close_session(w, i);
    assert_ids(w, 0, 100, (uint64_t[]){4, 6, 0});
    open_session(w, 9, 70);
    assert_ids(w, 0, 100, (uint64_t[]){4, 6, 70, 0});
    close_session(w, 9);
    close_session(w, 5);
    open_session(w, 0, 71);
    assert_ids(w, 4, 100, (uint64_t[]){71, 0});
}

static void view(void **state)
{
    struct world *w = *state;
    struct session *session = &w->session[2];
    struct session_view view;
    char run[400];
    memset(run, 'r', sizeof run);
    session->opened_ns = 5 * (uint64_t)SECOND_NS;
    session_touch(session, 8 * (uint64_t)SECOND_NS);
    assert_int_equal(session_list_view(&w->list, 2, 1, 10 * (uint64_t)SECOND_NS - 1, &view), 1);
    assert_int_equal(view.age_s, 4);
    assert_int_equal(view.idle_s, 1);
    assert_int_equal(view.last, OP_COUNT);
    assert_string_equal(view.address, "127.0.0.1:2");
    assert_string_equal(view.client_name, "");
    assert_memory_equal(view.run, "default", view.run_size);
    assert_false(view.logged_in);

    session_log_in(session);
    session_set_client_name(session, bytes_of("a\nb"));
    assert_int_equal(session_use(session, (struct bytes){(uint8_t *)run, sizeof run}), 0);
    session_count(session, &op_table[OP_kv_get]);
    session_count(session, &op_table[OP_kv_put]);
    assert_int_equal(session_list_view(&w->list, 2, 1, 0, &view), 1); /* a clock behind ours */
    assert_int_equal(view.age_s, 0);
    assert_int_equal(view.requests, 2);
    assert_int_equal(view.last, OP_kv_put);
    assert_string_equal(view.client_name, "a?b");
    assert_int_equal(view.run_size, SESSION_RUN_SHOWN);
    assert_memory_equal(view.run, run, SESSION_RUN_SHOWN);
    assert_true(view.logged_in);
}

static void killing(void **state)
{
    struct world *w = *state;
    assert_true(session_list_kill(&w->list, 3));
    assert_false(session_list_kill(&w->list, 3));
    assert_false(session_list_kill(&w->list, 0));
    assert_false(session_list_kill(&w->list, 11));
    assert_false(w->session[3].killed);
    close_session(w, 4);
    assert_false(session_list_kill(&w->list, 5));
    assert_true(session_list_kill(&w->list, 10));
}

static atomic_bool ended;

/* Whatever is seen is whole: address and name of one session, ids that ascend. */
static void *look(void *argument)
{
    struct world *w = argument;
    struct session_view views[SESSIONS];
    while (!atomic_load(&ended)) {
        size_t n = session_list_view(&w->list, 0, SESSIONS, 0, views);
        for (size_t i = 0; i < n; i++) {
            REQUIRE(i == 0 || views[i].id > views[i - 1].id);
            REQUIRE(strspn(views[i].client_name, views[i].id % 2 ? "o" : "e") ==
                    strlen(views[i].client_name));
        }
    }
    return NULL;
}

static void readers(void **state)
{
    struct world *w = *state;
    static const char *const runs[] = {"r", "a run with a longer name", "default"};
    pthread_t thread;
    atomic_store(&ended, false);
    assert_int_equal(pthread_create(&thread, NULL, look, w), 0);
    for (uint64_t id = SESSIONS + 1; id < ROUNDS; id++) {
        unsigned i = id % SESSIONS;
        close_session(w, i);
        open_session(w, i, id);
        session_set_client_name(&w->session[i], bytes_of(id % 2 ? "ooo" : "eeeeee"));
        assert_int_equal(session_use(&w->session[i], bytes_of(runs[id % 3])), 0);
        session_count(&w->session[i], &op_table[OP_kv_get]);
        session_touch(&w->session[i], id);
    }
    atomic_store(&ended, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages, setup, teardown),
        cmocka_unit_test_setup_teardown(view, setup, teardown),
        cmocka_unit_test_setup_teardown(killing, setup, teardown),
        cmocka_unit_test_setup_teardown(readers, setup, teardown),
    };
    return cmocka_run_group_tests_name("session_list", tests, NULL, NULL);
}
