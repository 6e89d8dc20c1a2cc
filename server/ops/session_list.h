/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The sessions of one loop, in the order of their ids, for others to look at. The loop alone adds,
 * removes and changes them.
 */
#pragma once

#include "server/ops/session.h"

#include <pthread.h>

enum { SESSION_RUN_SHOWN = 255 }; /* bytes shown of the name of a run */

struct session_list {
    pthread_mutex_t lock;
    struct session *first, **end;
};

/* A session as others see it: a copy. */
struct session_view {
    uint64_t id;
    char address[SESSION_ADDRESS_SIZE];
    char client_name[SESSION_CLIENT_MAX + 1];
    uint8_t run[SESSION_RUN_SHOWN];
    size_t run_size;
    const char *protocol;
    bool logged_in;
    unsigned loop;
    uint64_t requests;
    enum op_id last;
    uint64_t age_s, idle_s;
};

void session_list_init(struct session_list *list);
void session_list_deinit(struct session_list *list);

/* ---- the loop ---- */

/* Add at the end: its id must be above all others. Remove, if it is in a list. */
void session_list_add(struct session_list *list, struct session *session);
void session_list_remove(struct session *session);

/* Between the two nobody looks at the session. For one that is in no list, nothing. */
void session_list_lock(struct session *session);
void session_list_unlock(struct session *session);

/* ---- any thread ---- */

/* Copy up to `max` sessions with the lowest ids above `after`; returns how many. */
size_t session_list_view(struct session_list *list, uint64_t after, size_t max, uint64_t now_ns,
                         struct session_view *out_views);

/* Mark the session with this id as killed. False if there is none, or it was before. */
bool session_list_kill(struct session_list *list, uint64_t id);
