/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Assembling the daemon, and taking it apart again.
 *
 *   configuration -> store -> recovery -> loops -> HTTP -> listeners -> "ready"
 *   SIGTERM, SIGINT: listeners close, loops answer what they have received, a last snapshot,
 *   everything is freed
 *   SIGHUP: the configuration is read again and what is reloadable is applied
 *   a second SIGTERM or SIGINT ends the process at once
 *
 * The service manager is told when we are ready, reload and stop, and its watchdog is fed for as
 * long as the main thread and all loops come round.
 *
 * Threads: all of this runs on the main thread.
 * Failures: what cannot be set up at start ends the process with a sentence and an exit status; a
 * bad configuration on reload is reported and changes nothing.
 */
#include "server/server.h"

#include "build_version.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "server/listen.h"
#include "server/watchdog.h"

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

static unsigned server_count_loops(const struct config *config)
{
    int64_t wanted = config_int(config, OPTION_server_loops);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return wanted > 0 ? (unsigned)wanted : cpus > 0 ? (unsigned)cpus : 1;
}

static unsigned server_count_workers(const struct config *config)
{
    int64_t wanted = config_int(config, OPTION_server_workers);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    long n = wanted > 0 ? wanted : cpus > 0 ? cpus : 1;
    return n < WORKERS_MAX ? (unsigned)n : WORKERS_MAX;
}

/* About four partitions a loop, so that loops seldom meet; a power of two. */
static unsigned server_count_partitions(unsigned n_loops)
{
    unsigned n = 4;
    while (n < 4 * n_loops && n < STORE_PARTITIONS_MAX)
        n *= 2;
    return n;
}

/* Many connections need many descriptors; not being allowed more is no error. */
static void server_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void server_apply_config(struct server *server)
{
    struct limits limits = config_limits(server->config);
    log_set_level((enum log_level)config_enum(server->config, OPTION_log_level));
    server->group.connections_max = limits.connections;
    run_table_set_max(server->store->runs, limits.runs);
    atomic_store(&server->store->memory_limit,
                 (uint64_t)config_int(server->config, OPTION_memory_limit));
    atomic_store(&server->store->evict,
                 config_enum(server->config, OPTION_memory_policy) == MEMORY_POLICY_EVICT);
    slowlog_set_threshold(&server->slowlog,
                          config_int(server->config, OPTION_slowlog_threshold_us));
    for (unsigned i = 0; i < server->n_loops; i++)
        loop_set_limits(server->loops[i], &limits);
}

/* ---- the service manager ---- */

static void server_notify_ready(struct server *server)
{
    const char *serving = server->serving;
    notify_send(&server->notify, "READY=1\nSTATUS=Serving %s",
                serving[0] == '\0' ? "nobody: no address is set" : serving);
}

static void server_on_watchdog(uv_timer_t *timer)
{
    struct server *server = timer->data;
    if (watchdog_is_alive(server->loops, server->n_loops, server->notify.watchdog_ns / 2))
        notify_send(&server->notify, "WATCHDOG=1");
}

/* Twice in the time allowed; a loop that is silent for as long as that hangs. */
static void server_start_watchdog(struct server *server)
{
    uint64_t period_ms = server->notify.watchdog_ns / 2 / 1000000;
    server->watchdog.data = server;
    REQUIRE(uv_timer_init(&server->uv, &server->watchdog) == 0);
    if (period_ms > 0)
        REQUIRE(uv_timer_start(&server->watchdog, server_on_watchdog, period_ms, period_ms) == 0);
}

/* ---- signals ---- */

static void server_close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void server_on_stop(struct server *server, int number)
{
    if (server->phase == SERVER_STOPPING) {
        log_warn("server", "signal %d again: ending at once", number);
        _exit(EX_TEMPFAIL);
    }
    server->phase = SERVER_STOPPING;
    log_notice("server", "signal %d: stopping", number);
    for (unsigned i = 0; i < server->n_listeners; i++)
        listener_close(server->listeners[i]);
    uv_mutex_lock(&server->config_lock);
    uint64_t drain_ms = (uint64_t)config_int(server->config, OPTION_server_drain_ms);
    uv_mutex_unlock(&server->config_lock);
    notify_send(&server->notify,
                "STOPPING=1\nSTATUS=Stopping: clients have %.1f s to take their replies",
                (double)drain_ms / 1000);
    for (unsigned i = 0; i < server->n_loops; i++)
        loop_stop(server->loops[i], drain_ms);
}

/* On the thread of a loop that has ended. */
static void server_note_end(void *context)
{
    struct server *server = context;
    atomic_fetch_add(&server->n_ended, 1);
    (void)uv_async_send(&server->on_end);
}

/* On the main thread: when all loops have ended, so do we. */
static void server_on_end(uv_async_t *handle)
{
    struct server *server = handle->data;
    if (atomic_load(&server->n_ended) == server->n_loops)
        uv_stop(&server->uv);
}

static void server_report_changes(const struct config_changes *changes)
{
    for (unsigned i = 0; i < changes->n_applied; i++)
        log_notice("server", "%s has changed", config_option(changes->applied[i]).name);
    for (unsigned i = 0; i < changes->n_restart; i++)
        log_warn("server", "%s has changed in the file; that needs a restart",
                 config_option(changes->restart[i]).name);
}

static void server_on_reload(struct server *server)
{
    struct config_changes changes;
    struct err_detail detail;
    if (server->phase == SERVER_STOPPING)
        return;
    notify_send(&server->notify, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading",
                (unsigned long long)(clock_mono_ns() / 1000));
    uv_mutex_lock(&server->config_lock);
    int err = config_reload(server->config, server->config_path, &changes, &detail);
    if (err == 0)
        server_apply_config(server);
    uv_mutex_unlock(&server->config_lock);
    if (err != 0) {
        log_error("server", "reload failed, nothing has changed: %s", detail.text);
        notify_send(&server->notify, "READY=1\nSTATUS=Reload failed, nothing has changed: %s",
                    detail.text);
        return;
    }
    server_report_changes(&changes);
    server_notify_ready(server);
    log_notice("server", "configuration reloaded");
}

static void server_on_signal(uv_poll_t *handle, int status, int events)
{
    struct server *server = handle->data;
    struct signalfd_siginfo info;
    (void)status;
    (void)events;
    while (read(server->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGHUP)
            server_on_reload(server);
        else
            server_on_stop(server, (int)info.ssi_signo);
}

/* Signals are read, not handled: no instant is a bad one for them. Until here they end the process
 * at once, also while it recovers. */
static void server_watch_signals(struct server *server)
{
    sigset_t ours;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGTERM);
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &ours, NULL);
    server->signal_fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    server->on_signal.data = server;
    REQUIRE(uv_poll_init(&server->uv, &server->on_signal, server->signal_fd) == 0);
    REQUIRE(uv_poll_start(&server->on_signal, UV_READABLE, server_on_signal) == 0);
}

/* ---- start ---- */

int server_make_store(struct server *server)
{
    bool logs = config_durability(server->config) != DURABILITY_MEMORY;
    struct store_options options = {
        .n_partitions = server_count_partitions(server->n_loops),
        .n_threads = server->n_loops + logs, /* snapshots */
        .memory_limit = (uint64_t)config_int(server->config, OPTION_memory_limit),
        .evict = config_enum(server->config, OPTION_memory_policy) == MEMORY_POLICY_EVICT,
        .runs_max = config_limits(server->config).runs,
        .feed_bytes = (uint64_t)config_int(server->config, OPTION_watch_ring_bytes),
        .now_ms = clock_wall_ms(),
    };
    store_destroy(server->store);
    server->store = store_create(&options);
    if (server->store == NULL)
        return ERR_OUT_OF_MEMORY;
    server->store->workers = server->workers;
    return 0;
}

static int server_start_loops(struct server *server)
{
    struct loop_options options = {.n_loops = server->n_loops,
                                   .store = server->store,
                                   .host = &server->host,
                                   .slowlog = &server->slowlog,
                                   .limits = config_limits(server->config),
                                   .login_required = server->auth != NULL,
                                   .on_end = server_note_end,
                                   .context = server};
    unsigned n = server->n_loops;
    server->loops = mem_calloc(n, sizeof *server->loops);
    server->n_loops = 0;
    for (unsigned i = 0; i < n && server->loops != NULL; i++, server->n_loops++) {
        options.index = i;
        if (loop_start(&options, &server->loops[i]) != 0)
            return ERR_INTERNAL;
        atomic_store(&server->n_loops_running, i + 1);
    }
    return server->loops == NULL ? ERR_OUT_OF_MEMORY : 0;
}

static int server_load_auth(struct server *server)
{
    struct err_detail detail = {""};
    const char *path = config_text(server->config, OPTION_auth_file);
    if (path[0] == 0 || auth_load(path, &server->auth, &detail) == 0)
        return 0;
    log_error("server", "auth.file: %s", detail.text);
    return EX_CONFIG;
}

static int server_start(struct server *server)
{
    int status = server_load_auth(server);
    if (status != 0)
        return status;
    server->n_loops = server_count_loops(server->config);
    if (workers_start(server_count_workers(server->config), &server->workers) != 0) {
        log_error("server", "the workers could not be started");
        return EX_OSERR;
    }
    if (server_make_store(server) != 0 ||
        slowlog_init(&server->slowlog,
                     (size_t)config_int(server->config, OPTION_slowlog_entries)) != 0) {
        log_error("server", "no memory for the store");
        return EX_OSERR;
    }
    status = storage_open(server);
    if (status != 0)
        return status;
    if (config_bool(server->config, OPTION_watch_always) && store_start_feed(server->store) != 0) {
        log_error("server", "no memory for watch.ring_bytes");
        return EX_OSERR;
    }
    server_init_host(server);
    if (server_start_loops(server) != 0) {
        log_error("server", "the event loops could not be started");
        return EX_OSERR;
    }
    listener_group_init(&server->group, &server->uv, server->loops, server->n_loops,
                        config_limits(server->config).connections);
    server_apply_config(server);
    server_watch_signals(server);
    server_start_watchdog(server);
    if (server->store->wal != NULL && snapshots_start(server, &server->snapshots) != 0) {
        log_error("server", "the thread for snapshots could not be started");
        return EX_OSERR;
    }
    return listen_start(server);
}

/* ---- end ---- */

static int server_deinit(struct server *server)
{
    for (unsigned i = 0; i < server->n_https; i++)
        http_stop(server->https[i]); /* it reads the loops and the store */
    for (unsigned i = 0; i < server->n_loops && server->loops != NULL; i++)
        loop_wait(server->loops[i]);
    workers_stop(server->workers);
    if (server->store != NULL)
        server->store->workers = NULL;
    snapshots_stop(server->snapshots);
    int status = storage_close(server); /* the loops are told of its progress */
    for (unsigned i = 0; i < server->n_loops && server->loops != NULL; i++)
        loop_destroy(server->loops[i]);
    uv_walk(&server->uv, server_close_handle, NULL);
    (void)uv_run(&server->uv, UV_RUN_DEFAULT);
    (void)uv_loop_close(&server->uv);
    if (server->signal_fd >= 0)
        (void)close(server->signal_fd);
    listener_group_deinit(&server->group);
    mem_free(server->loops);
    store_destroy(server->store);
    slowlog_deinit(&server->slowlog);
    auth_destroy(server->auth);
    uv_mutex_destroy(&server->config_lock);
    activation_deinit(&server->activation);
    notify_close(&server->notify);
    config_destroy(server->config);
    return status;
}

/* What the service manager has put into our environment; before descriptors and threads. */
static int server_read_environment(struct server *server)
{
    struct err_detail detail;
    if (activation_init(&server->activation, &detail) != 0) {
        log_error("server", "%s", detail.text);
        return EX_CONFIG;
    }
    notify_open(&server->notify);
    return 0;
}

int server_run(struct config *config, const char *config_path, bool accept_loss)
{
    struct server server = {
        .config = config, .config_path = config_path, .accept_loss = accept_loss};
    server.started_ns = clock_mono_ns();
    server.started_ms = clock_wall_ms();
    server.group.spare_fd = server.signal_fd = -1;
    int status = server_read_environment(&server);
    if (status != 0) {
        config_destroy(config);
        return status;
    }
    server_raise_descriptors();
    REQUIRE(uv_loop_init(&server.uv) == 0);
    REQUIRE(uv_async_init(&server.uv, &server.on_end, server_on_end) == 0);
    server.on_end.data = &server;
    REQUIRE(uv_mutex_init(&server.config_lock) == 0);
    status = server_start(&server);
    if (status == 0) {
        server.phase = SERVER_READY;
        log_notice("server", "cairnd %s ready: %u loops, durability %s%s", CAIRN_VERSION,
                   server.n_loops, durability_name(server.store->durability),
                   server.store->wal == NULL ? ": without data.dir nothing outlives the process"
                                             : "");
        server_notify_ready(&server);
        (void)uv_run(&server.uv, UV_RUN_DEFAULT);
    } else {
        for (unsigned i = 0; i < server.n_listeners; i++)
            listener_close(server.listeners[i]);
        for (unsigned i = 0; i < server.n_loops && server.loops != NULL; i++)
            loop_stop(server.loops[i], 0);
    }
    int end_status = server_deinit(&server);
    log_notice("server", "stopped");
    return status != 0 ? status : end_status;
}
