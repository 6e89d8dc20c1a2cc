/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sessions: which run a request works in.
 *
 * A session keeps references to two runs, its own and the one a request last named, so that the
 * common request needs no lookup. A run that was dropped is looked up again by name.
 *
 * Threads: a session belongs to one loop. What others may see of it is changed under the lock of
 * the list it is in, and read by server/ops/session_list.c.
 */
#include "server/ops/session.h"

#include "common/err.h"
#include "server/ops/session_list.h"
#include "server/ops/watch.h"

void session_init(struct session *session, struct store *store, uint64_t id, bool logged_in)
{
    *session = (struct session){.id = id, .logged_in = logged_in, .last = OP_COUNT};
    session->run = run_ref(store->default_run);
}

void session_deinit(struct session *session)
{
    watch_close_all(session);
    run_unref(session->run);
    run_unref(session->other);
    buf_deinit(&session->run_name);
}

static void session_set_logged_in(struct session *session, bool logged_in)
{
    session_list_lock(session);
    session->logged_in = logged_in;
    session_list_unlock(session);
}

void session_log_in(struct session *session)
{
    session_set_logged_in(session, true);
}

void session_log_out(struct session *session)
{
    session_set_logged_in(session, false);
}

void session_set_client_name(struct session *session, struct bytes name)
{
    size_t size = name.size < SESSION_CLIENT_MAX ? name.size : SESSION_CLIENT_MAX;
    session_list_lock(session);
    for (size_t i = 0; i < size; i++) {
        bool printable = name.data[i] >= ' ' && name.data[i] <= '~';
        session->client_name[i] = printable ? (char)name.data[i] : '?';
    }
    session->client_name[size] = 0;
    session_list_unlock(session);
}

struct bytes session_run_name(const struct session *session)
{
    return session->run_name.size > 0 ? buf_bytes(&session->run_name) : bytes_of("default");
}

int session_use(struct session *session, struct bytes name)
{
    struct buf copy;
    buf_init(&copy);
    int err = buf_append(&copy, name.data, name.size);
    if (err != 0)
        return err;
    session_list_lock(session);
    buf_deinit(&session->run_name);
    session->run_name = copy;
    session_list_unlock(session);
    run_unref(session->run);
    session->run = NULL;
    return 0;
}

int session_run(struct session *session, struct store *store, const struct bytes *option,
                bool create, struct run **out_run)
{
    struct run **slot = option == NULL ? &session->run : &session->other;
    struct run *run = *slot;
    if (run != NULL && !run_is_dropped(run) &&
        (option == NULL || bytes_equal(run_name(run), *option))) {
        *out_run = run;
        return 0;
    }
    struct bytes name = option == NULL ? session_run_name(session) : *option;
    run_unref(run);
    *slot = NULL;
    int err = 0;
    if (create)
        err = run_open(store->runs, name, slot);
    else
        *slot = run_find(store->runs, name);
    if (err == 0)
        *out_run = *slot;
    return err;
}
