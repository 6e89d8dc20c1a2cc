/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct server: everything that runs, put together from a configuration.
 *
 *   store <- loops (threads) <- listeners, signals (main thread)
 */
#pragma once

#include "server/activation.h"
#include "server/auth.h"
#include "server/config.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/notify.h"

struct server {
    uv_loop_t uv; /* of the main thread: accepting and signals */
    uv_signal_t on_term, on_int, on_hup;
    uv_async_t on_end;   /* a loop has ended */
    uv_timer_t watchdog; /* of the service manager: when to feed it */
    _Atomic unsigned n_ended;
    struct config *config; /* under config_lock once loops run */
    uv_mutex_t config_lock;
    const char *config_path; /* NULL: none */
    struct auth *auth;       /* NULL: no login needed */
    struct store *store;
    struct op_host host;
    struct loop **loops;
    unsigned n_loops;
    struct listener_group group;
    struct listener *listeners[CONFIG_ADDRESSES_MAX];
    unsigned n_listeners;
    struct activation activation; /* sockets of the service manager */
    struct notify notify;
    uint64_t started_ns;
    bool stopping;
};

/* Run until told to stop (SIGTERM, SIGINT); reload on SIGHUP. Takes over the configuration, which
 * must have passed config_check. Returns the exit status of the process (sysexits.h). */
int server_run(struct config *config, const char *config_path);

/* The services for handlers (server/report.c). */
void server_init_host(struct server *server);

/* The configuration has changed: tell loops and store. config_lock is held, or nothing runs yet. */
void server_apply_config(struct server *server);
