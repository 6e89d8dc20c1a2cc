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
#include "server/http.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/notify.h"
#include "server/snapshots.h"
#include "server/storage.h"
#include "server/store/workers.h"

/* Written by the main thread, read by others. */
enum server_phase { SERVER_STARTING, SERVER_READY, SERVER_STOPPING };

struct server {
    uv_loop_t uv;        /* of the main thread: accepting and signals */
    uv_poll_t on_signal; /* of signal_fd */
    int signal_fd;
    uv_async_t on_end;   /* a loop has ended */
    uv_timer_t watchdog; /* of the service manager: when to feed it */
    _Atomic unsigned n_ended;
    struct config *config; /* under config_lock once loops run */
    uv_mutex_t config_lock;
    const char *config_path; /* NULL: none */
    struct auth *auth;       /* NULL: no login needed */
    bool accept_loss;        /* start with what can be proved of damaged data */
    struct workers *workers;
    struct store *store;
    struct storage storage;      /* what the store stands on */
    struct snapshots *snapshots; /* NULL: there are none */
    struct op_host host;
    struct slowlog slowlog;
    struct loop **loops;
    unsigned n_loops;
    _Atomic unsigned n_loops_running; /* those that the log tells of its progress */
    struct listener_group group;
    struct listener *listeners[2 * CONFIG_ADDRESSES_MAX];
    unsigned n_listeners;
    struct http *https[CONFIG_ADDRESSES_MAX];
    unsigned n_https;
    struct activation activation; /* sockets of the service manager */
    struct notify notify;
    char serving[1024]; /* where we listen, in words; may be cut */
    uint64_t started_ns;
    int64_t started_ms; /* the same since 1970 */
    _Atomic enum server_phase phase;
};

/* Run until told to stop (SIGTERM, SIGINT); reload on SIGHUP. Takes over the configuration, which
 * must have passed config_check. accept_loss: see storage_loss.c. Returns the exit status of the
 * process (sysexits.h). */
int server_run(struct config *config, const char *config_path, bool accept_loss);

/* The services for handlers (server/report.c). */
void server_init_host(struct server *server);

/* Those of them about clients (server/report_clients.c), as struct op_host says. */
int report_clients(void *self, uint64_t after, size_t max, struct session_view **out_views,
                   size_t *out_count);
int report_kill(void *self, uint64_t id, bool *out_found);

/* Those about the data directory (server/report_storage.c), and their metrics, into counter[]. */
bool report_snapshot(void *self);
void report_snapshots(void *self, struct reply *reply);
void report_recovery(void *self, struct reply *reply);
void report_storage_stats(const struct server *server, uint64_t *counter);

/* Fill in all metrics and figures of operations, for whoever tells them. Any thread while the loops
 * have not been joined; takes no lock. To be released by stats_deinit. */
void server_collect_stats(const struct server *server, struct stats *out_stats);

/* Make an empty store, instead of one that there may be. Before anybody uses it. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int server_make_store(struct server *server);

/* The configuration has changed: tell loops and store. config_lock is held, or nothing runs yet. */
void server_apply_config(struct server *server);
