/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of an event loop.
 *
 *   one turn:  idle: jobs take turns, a step each, for a fifth of a millisecond
 *              prepare: tell watches what is new, send what is left, forget the time
 *              wait for events -> conn_on_event: read, run requests, gather replies
 *              check: one send for each connection that has replies
 *   now and then (tick): expiry of this loop's share of the partitions, time limits of connections
 *
 * Stopping: connections with nothing under way are closed at once, the others as soon as their
 * replies have gone, all of them when drain_ms is over; the loop ends when none is left.
 *
 * A full disk, with no room for what this turn has done: its replies wait until the log thread has
 * found some, and so does every later one that rests on it; others go. Jobs and expiry pause.
 *
 * Threads: each function says so in the header; messages come through the mailbox.
 * Failures: a loop that cannot be set up is not started; afterwards only single connections fail.
 */
#include "server/net/loop.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "common/thread.h"
#include "server/net/conn.h"
#include "server/net/jobs.h"
#include "server/net/push.h"
#include "server/ops/dispatch.h"
#include "server/wal/wal.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum {
    TICK_MS = 100,
    CHECK_NS = 250000000,     /* how often time limits of connections are looked at */
    SWEEP_NS = 200000,        /* expiry works no longer than this at a time, */
    SWEEP_BUDGET = 64,        /* in slices of so many steps under a partition's lock, */
    SWEEP_AGAIN_MS = 1,       /* and again so soon while there is more to do */
    SPARE_BYTES = 128 * 1024, /* buffers above this are not kept for lending */
    SPARE_FIRST_BYTES = 4096, /* what a lent buffer has at least */
};

uint64_t loop_time_ns(const struct loop *loop)
{
    return uv_now(&loop->uv) * 1000000;
}

void loop_see_time(struct loop *loop)
{
    if (loop->now_is_set)
        return;
    loop->env.now_ms = clock_wall_ms();
    loop->turn_ticks = clock_ticks();
    loop->now_is_set = true;
}

/* The loop is about to look at its connections again. A turn in which the time was of no interest
 * has done nothing that takes any. */
static void loop_end_turn(struct loop *loop)
{
    uint64_t now = loop->now_is_set ? clock_ticks() : 0;
    uint64_t held = now > loop->turn_ticks ? now - loop->turn_ticks : 0;
    if (held > atomic_load_explicit(&loop->held_max_ticks, memory_order_relaxed))
        atomic_store_explicit(&loop->held_max_ticks, held, memory_order_relaxed);
    loop->now_is_set = false;
}

uint64_t loop_held_max_ns(const struct loop *loop)
{
    return clock_ticks_to_ns(atomic_load_explicit(&loop->held_max_ticks, memory_order_relaxed));
}

void loop_held_reset(struct loop *loop)
{
    atomic_store_explicit(&loop->held_max_ticks, 0, memory_order_relaxed);
}

struct buf loop_borrow(struct loop *loop)
{
    struct buf buf;
    if (loop->n_spares > 0)
        return loop->spares[--loop->n_spares];
    buf_init(&buf);
    if (buf_reserve(&buf, SPARE_FIRST_BYTES) != 0)
        buf_init(&buf); /* if not now, then when bytes are added */
    return buf;
}

void loop_give_back(struct loop *loop, struct buf *buf)
{
    buf->size = 0;
    if (buf->capacity <= SPARE_BYTES && loop->n_spares < LOOP_SPARES)
        loop->spares[loop->n_spares++] = *buf;
    else
        buf_deinit(buf);
    buf_init(buf);
}

/* ---- replies ---- */

static bool loop_commit(struct loop *loop, uint64_t lsn);

static void loop_flush(struct loop *loop)
{
    struct conn *conn = loop->dirty;
    uint64_t lsn = loop->env.written_first;
    if (conn == NULL)
        return;
    loop->env.written_first = 0;
    bool logged = loop_commit(loop, lsn);
    bool failed = !logged && wal_state(loop->env.store->wal) == WAL_FAILED;
    loop->dirty = NULL;
    while (conn != NULL) {
        struct conn *next = conn->next_dirty;
        conn->dirty = false;
        if (!logged && !failed)
            conn_hold_all(conn, lsn);
        if (failed)
            conn_close(conn); /* nobody knows what has become of its requests */
        else
            conn_flush(conn);
        conn = next;
    }
}

/* ---- the log ---- */

void loop_wait_for_log(struct loop *loop, struct conn *conn, uint64_t lsn)
{
    loop->sync_lsn = lsn > loop->sync_lsn ? lsn : loop->sync_lsn;
    if (conn->waits)
        return;
    conn->waits = true;
    conn->next_waiting = loop->waiting;
    loop->waiting = conn;
}

void loop_wait_no_more(struct loop *loop, struct conn *conn)
{
    struct conn **link = &loop->waiting;
    while (*link != conn)
        link = &(*link)->next_waiting;
    *link = conn->next_waiting;
    conn->waits = false;
}

/* What replies of this turn rest on, up to `lsn`, goes to the log before them. False: there is no
 * room for it, and they have to wait; or the log has failed, and nothing may be said any more. */
static bool loop_commit(struct loop *loop, uint64_t lsn)
{
    const struct store *store = loop->env.store;
    struct wal *wal = store->wal;
    if (wal == NULL || lsn == 0 || store->durability == DURABILITY_LEVEL_STRICT ||
        MUTANT(acknowledge_unwritten))
        return true;
    return lsn <= wal_written_lsn(wal) || wal_write(wal, lsn);
}

/* Replies that waited may go now, perhaps; requests, too. */
static void loop_see_log(struct loop *loop)
{
    struct conn *conn = loop->waiting, *next;
    loop->waiting = NULL;
    for (; conn != NULL; conn = next) {
        next = conn->next_waiting;
        conn->waits = false;
        conn_mark_dirty(conn);
    }
    bool was_behind = loop->behind;
    loop->behind = wal_is_behind(loop->env.store->wal);
    for (conn = loop->conns; was_behind && !loop->behind && conn != NULL; conn = next) {
        next = conn->next;
        conn_resume(conn);
    }
}

/* All replies that may go have gone: whom to wait for now? True: the log has moved meanwhile, look
 * again. */
static bool loop_watch_log(struct loop *loop, uint64_t durable_lsn)
{
    struct wal *wal = loop->env.store->wal;
    if (wal == NULL)
        return false;
    loop->behind = loop->behind || wal_is_behind(wal);
    bool wants = loop->waiting != NULL || loop->behind;
    atomic_store(&loop->wants_log, wants);
    if (!wants)
        return false;
    if (loop->sync_lsn > durable_lsn)
        wal_want_sync(wal, loop->sync_lsn);
    return wal_durable_lsn(wal) != durable_lsn;
}

/* ---- turns ---- */

static void loop_on_prepare(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    struct wal *wal = loop->env.store->wal;
    uint64_t durable_lsn;
    do {
        durable_lsn = wal != NULL ? wal_durable_lsn(wal) : 0;
        if (wal != NULL && atomic_load_explicit(&loop->wants_log, memory_order_relaxed))
            loop_see_log(loop);
        /* Sending may let waiting requests run, which reply in turn; each connection's input is
         * finite. */
        push_events(loop);
        while (loop->dirty != NULL)
            loop_flush(loop);
    } while (loop_watch_log(loop, durable_lsn));
    push_before_sleep(loop);
    loop_end_turn(loop);
}

static void loop_on_check(uv_check_t *handle)
{
    loop_flush(handle->data);
}

bool loop_may_not_append(const struct loop *loop)
{
    const struct wal *wal = loop->env.store->wal;
    return wal != NULL && !loop->stopping && (wal_refuses(wal, false, 0) || wal_is_behind(wal));
}

/* ---- time ---- */

/* This loop's share of the partitions. True if more is due. */
static bool loop_sweep(struct loop *loop)
{
    uint64_t until = clock_mono_ns() + SWEEP_NS;
    bool more = false;
    for (unsigned i = loop->index; i < loop->env.store->n_partitions; i += loop->n_loops) {
        bool due = true;
        while (due && clock_mono_ns() < until)
            due = store_sweep(loop->env.store, i, loop->env.now_ms, SWEEP_BUDGET);
        more = more || due;
    }
    return more;
}

static void loop_check_conns(struct loop *loop, uint64_t now_ns)
{
    struct conn *next;
    for (struct conn *conn = loop->conns; conn != NULL; conn = next) {
        next = conn->next;
        conn_check_time(conn, now_ns);
    }
}

/* All connections that have nothing under way leave; at the end of patience, all. */
static void loop_drain(struct loop *loop, uint64_t now_ns)
{
    struct conn *next;
    for (struct conn *conn = loop->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (now_ns >= loop->stop_at_ns)
            conn_close(conn);
        else
            conn_stop(conn);
    }
    if (loop->conns == NULL && !jobs_any(loop))
        uv_stop(&loop->uv);
}

static void loop_on_tick(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    uint64_t now_ns = loop_time_ns(loop);
    atomic_store_explicit(&loop->beat_ns, clock_mono_ns(), memory_order_relaxed);
    loop_see_time(loop);
    bool more = !loop_may_not_append(loop) && loop_sweep(loop);
    jobs_go_on(loop);
    if (now_ns - loop->checked_ns >= CHECK_NS) {
        loop->checked_ns = now_ns;
        loop_check_conns(loop, now_ns);
    }
    if (loop->stopping)
        loop_drain(loop, now_ns);
    (void)uv_timer_start(timer, loop_on_tick,
                         more             ? SWEEP_AGAIN_MS
                         : loop->stopping ? 5
                                          : TICK_MS,
                         0);
}

/* ---- messages ---- */

struct loop_mail {
    struct mail mail;
    const struct front *front;
    int fd;
    bool tcp;
    uint64_t number; /* connection id, or milliseconds */
    struct limits limits;
};

static void loop_run_adopt(struct mail *mail, void *owner)
{
    struct loop_mail *message = (struct loop_mail *)mail;
    struct loop *loop = owner;
    struct conn *conn = NULL;
    if (loop->stopping)
        close(message->fd);
    else if ((conn = conn_open(loop, message->front, message->fd, message->number, message->tcp)) ==
             NULL)
        log_warn("net", "a connection was closed: no memory for it");
    if (conn == NULL)
        atomic_fetch_sub(&loop->n_conns, 1);
    mem_free(message);
}

static void loop_run_kill(struct mail *mail, void *owner)
{
    struct loop_mail *message = (struct loop_mail *)mail;
    struct loop *loop = owner;
    struct conn *conn = loop->conns;
    while (conn != NULL && conn->session.id != message->number)
        conn = conn->next;
    if (conn != NULL) {
        log_notice("net", "connection %llu closed: server.kill",
                   (unsigned long long)message->number);
        stats_add(&loop->stats, METRIC_connections_killed, 1);
        if (!conn->session.leaving) /* else it killed itself, and goes when it was answered */
            conn_close(conn);
    }
    mem_free(message);
}

static void loop_run_stop(struct mail *mail, void *owner)
{
    struct loop_mail *message = (struct loop_mail *)mail;
    struct loop *loop = owner;
    loop->stopping = true;
    loop->stop_at_ns = loop_time_ns(loop) + message->number * 1000000;
    (void)uv_timer_start(&loop->tick, loop_on_tick, 0, 0);
    mem_free(message);
}

static void loop_run_limits(struct mail *mail, void *owner)
{
    struct loop_mail *message = (struct loop_mail *)mail;
    ((struct loop *)owner)->limits = message->limits;
    mem_free(message);
}

static void loop_post(struct loop *loop, struct loop_mail *message,
                      void (*run)(struct mail *, void *))
{
    message->mail.run = run;
    mailbox_post(&loop->mailbox, &message->mail);
}

void loop_adopt(struct loop *loop, const struct front *front, int fd, uint64_t conn_id, bool tcp)
{
    struct loop_mail *message = mem_calloc(1, sizeof *message);
    if (message == NULL) {
        close(fd);
        return;
    }
    message->front = front;
    message->fd = fd;
    message->tcp = tcp;
    message->number = conn_id;
    atomic_fetch_add(&loop->n_conns, 1);
    loop_post(loop, message, loop_run_adopt);
}

int loop_kill(struct loop *loop, uint64_t conn_id, bool *out_found)
{
    struct loop_mail *message = mem_calloc(1, sizeof *message);
    if (message == NULL)
        return ERR_OUT_OF_MEMORY;
    message->number = conn_id;
    *out_found = session_list_kill(&loop->sessions, conn_id);
    if (*out_found)
        loop_post(loop, message, loop_run_kill);
    else
        mem_free(message);
    return 0;
}

void loop_stop(struct loop *loop, uint64_t drain_ms)
{
    struct loop_mail *message = mem_calloc(1, sizeof *message);
    REQUIRE(message != NULL);
    message->number = drain_ms;
    loop_post(loop, message, loop_run_stop);
}

void loop_set_limits(struct loop *loop, const struct limits *limits)
{
    struct loop_mail *message = mem_calloc(1, sizeof *message);
    if (message == NULL)
        return;
    message->limits = *limits;
    loop_post(loop, message, loop_run_limits);
}

uint64_t loop_age_ns(const struct loop *loop)
{
    uint64_t beat_ns = atomic_load_explicit(&loop->beat_ns, memory_order_relaxed);
    uint64_t now_ns = clock_mono_ns();
    return beat_ns < now_ns ? now_ns - beat_ns : 0;
}

/* ---- start and end ---- */

static void loop_wake(void *owner)
{
    bell_ring(&((struct loop *)owner)->bell);
}

static void loop_on_wake(uv_poll_t *handle, int status, int events)
{
    struct loop *loop = handle->data;
    (void)status;
    (void)events;
    bell_answer(&loop->bell);
    mailbox_run(&loop->mailbox);
}

static void loop_close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void *loop_thread(void *argument)
{
    struct loop *loop = argument;
    char name[16]; /* as top -H and perf show it */
    snprintf(name, sizeof name, "cairn-loop-%u", loop->index % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    mailbox_run(&loop->mailbox);
    uv_walk(&loop->uv, loop_close_handle, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    atomic_store_explicit(&loop->beat_ns, LOOP_ENDED, memory_order_relaxed);
    loop->on_end(loop->context);
    return NULL;
}

static int loop_init_handles(struct loop *loop)
{
    int err = uv_loop_init(&loop->uv);
    if (err != 0)
        return err;
    err = uv_poll_init(&loop->uv, &loop->wake, loop->bell.fd);
    (void)uv_prepare_init(&loop->uv, &loop->prepare);
    (void)uv_check_init(&loop->uv, &loop->check);
    (void)uv_idle_init(&loop->uv, &loop->idle);
    (void)uv_timer_init(&loop->uv, &loop->tick);
    loop->wake.data = loop->prepare.data = loop->check.data = loop;
    loop->idle.data = loop->tick.data = loop;
    if (err == 0)
        err = uv_poll_start(&loop->wake, UV_READABLE, loop_on_wake);
    (void)uv_prepare_start(&loop->prepare, loop_on_prepare);
    (void)uv_check_start(&loop->check, loop_on_check);
    (void)uv_timer_start(&loop->tick, loop_on_tick, TICK_MS, 0);
    return err;
}

int loop_start(const struct loop_options *options, struct loop **out_loop)
{
    struct loop *loop = mem_calloc(1, sizeof *loop);
    if (loop == NULL)
        return ERR_OUT_OF_MEMORY;
    loop->index = options->index;
    loop->n_loops = options->n_loops;
    loop->on_end = options->on_end;
    loop->context = options->context;
    loop->limits = options->limits;
    loop->env = (struct op_env){.store = options->store,
                                .limits = &loop->limits,
                                .stats = &loop->stats,
                                .host = options->host,
                                .slowlog = options->slowlog,
                                .loop = options->index,
                                .connections = &loop->n_conns,
                                .login_required = options->login_required};
    push_init(loop);
    jobs_init(loop);
    session_list_init(&loop->sessions);
    loop->beat_ns = clock_mono_ns();
    mailbox_init(&loop->mailbox, loop_wake, loop);
    if (bell_init(&loop->bell) != 0 || loop_init_handles(loop) != 0 ||
        thread_create(&loop->thread, loop_thread, loop) != 0) {
        mem_free(loop); /* the process ends; handles of libuv may be left */
        return ERR_INTERNAL;
    }
    *out_loop = loop;
    return 0;
}

void loop_tell_log(struct loop *loop)
{
    if (atomic_load(&loop->wants_log))
        bell_ring(&loop->bell);
}

void loop_wait(struct loop *loop)
{
    REQUIRE(pthread_join(loop->thread, NULL) == 0);
}

void loop_destroy(struct loop *loop)
{
    mailbox_run(&loop->mailbox);
    push_deinit(loop);
    REQUIRE(uv_loop_close(&loop->uv) == 0);
    mailbox_deinit(&loop->mailbox);
    bell_deinit(&loop->bell);
    session_list_deinit(&loop->sessions);
    for (unsigned i = 0; i < loop->n_spares; i++)
        buf_deinit(&loop->spares[i]);
    buf_deinit(&loop->line);
    buf_deinit(&loop->result);
    buf_deinit(&loop->packed);
    buf_deinit(&loop->env.scratch);
    stats_deinit(&loop->stats);
    mem_free(loop);
}
