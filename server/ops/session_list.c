/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The sessions of a loop as others see them.
 *
 * The lock is taken to open, close, list and kill, to log in and to change a name, never for an
 * ordinary request: what changes with each of those are relaxed atomics.
 *
 * Invariants
 *   1. Ids ascend: the main thread counts them up and hands connections to a loop in that order.
 *   2. A session in the list exists: it is taken out before it is freed.
 *
 * Threads: as the header says. A reader holds the lock for as long as it takes to copy a page.
 * Failures: none.
 */
#include "server/ops/session_list.h"

void session_list_init(struct session_list *list)
{
    REQUIRE(pthread_mutex_init(&list->lock, NULL) == 0);
    list->first = NULL;
    list->end = &list->first;
}

void session_list_deinit(struct session_list *list)
{
    REQUIRE(list->first == NULL);
    pthread_mutex_destroy(&list->lock);
}

void session_list_add(struct session_list *list, struct session *session)
{
    pthread_mutex_lock(&list->lock);
    session->list = list;
    session->next = NULL;
    session->link = list->end;
    *list->end = session;
    list->end = &session->next;
    pthread_mutex_unlock(&list->lock);
}

void session_list_remove(struct session *session)
{
    struct session_list *list = session->list;
    if (list == NULL)
        return;
    pthread_mutex_lock(&list->lock);
    *session->link = session->next;
    if (session->next != NULL)
        session->next->link = session->link;
    else
        list->end = session->link;
    session->list = NULL;
    pthread_mutex_unlock(&list->lock);
}

void session_list_lock(struct session *session)
{
    if (session->list != NULL)
        pthread_mutex_lock(&session->list->lock);
}

void session_list_unlock(struct session *session)
{
    if (session->list != NULL)
        pthread_mutex_unlock(&session->list->lock);
}

static uint64_t session_seconds(uint64_t since_ns, uint64_t now_ns)
{
    return now_ns > since_ns ? (now_ns - since_ns) / 1000000000 : 0;
}

/* Under the lock. */
static void session_view(const struct session *session, uint64_t now_ns, struct session_view *out)
{
    struct bytes run = session_run_name(session);
    uint64_t active_ns = __atomic_load_n(&session->active_ns, __ATOMIC_RELAXED);
    *out = (struct session_view){
        .id = session->id,
        .run_size = run.size < sizeof out->run ? run.size : sizeof out->run,
        .protocol = session->protocol,
        .logged_in = session->logged_in,
        .loop = session->loop,
        .requests = __atomic_load_n(&session->requests, __ATOMIC_RELAXED),
        .last = __atomic_load_n(&session->last, __ATOMIC_RELAXED),
        .age_s = session_seconds(session->opened_ns, now_ns),
        .idle_s = session_seconds(active_ns, now_ns),
    };
    memcpy(out->run, run.data, out->run_size);
    memcpy(out->address, session->address, sizeof out->address);
    memcpy(out->client_name, session->client_name, sizeof out->client_name);
}

size_t session_list_view(struct session_list *list, uint64_t after, size_t max, uint64_t now_ns,
                         struct session_view *out_views)
{
    size_t n = 0;
    pthread_mutex_lock(&list->lock);
    for (const struct session *session = list->first; session != NULL && n < max;
         session = session->next)
        if (session->id > after)
            session_view(session, now_ns, &out_views[n++]);
    pthread_mutex_unlock(&list->lock);
    return n;
}

bool session_list_kill(struct session_list *list, uint64_t id)
{
    pthread_mutex_lock(&list->lock);
    struct session *session = list->first;
    while (session != NULL && session->id < id)
        session = session->next;
    bool killed = session != NULL && session->id == id && !session->killed;
    if (killed)
        session->killed = true;
    pthread_mutex_unlock(&list->lock);
    return killed;
}
