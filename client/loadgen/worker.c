/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loop that sends requests and takes replies.
 *
 *   closed   epoll_wait -> for each ready connection: recv -> parse all replies, record -> build as
 *            many requests as the window has room for -> send
 *            and if users think: send for those who have thought, wait until the next one has
 *   open     build what is due on connections with room -> one send for each -> epoll_wait until
 *            the next is due -> for each ready connection: recv -> parse, record
 *
 * How: reading is registered once and for all, so that an unpipelined request costs one recv, one
 * send and a share of an epoll_wait. The only timer is the time epoll_wait may take. Sending is in
 * worker_send.c, in worker_due.c what an open loop adds, and in worker_think.c what users do who
 * think; replies are in worker_reply.c.
 *
 * Invariants: in_flight is the sum of those of the connections.
 * Threads: one for each worker; counts and histograms are stored so that others may read them.
 * Failures: kept in worker->failure; the loop then ends at once.
 */
#include "client/loadgen/worker.h"

#include "client/loadgen/acks.h"
#include "client/loadgen/cpu.h"
#include "client/loadgen/worker_due.h"
#include "client/loadgen/worker_reply.h"
#include "client/loadgen/worker_send.h"
#include "client/loadgen/worker_think.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKER_OUTPUT_BYTES = 1024 * 1024, /* built before a send; more if one request is larger */
    WORKER_REPLY_EXTRA = 4096,         /* room kept for a reply besides its value */
    WORKER_EVENTS = 256,
    WORKER_TICK_MS = 50,    /* at least so often stop, deadline and silence are looked at */
    WORKER_MARK_TURNS = 64, /* so often threads tell each other how far they are */
};

int worker_init(struct worker *worker, unsigned index, unsigned connections)
{
    memset(worker, 0, sizeof *worker);
    worker->index = index;
    buf_init(&worker->acks);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->conns = mem_calloc(connections, sizeof *worker->conns);
    worker->queue = mem_calloc(connections, sizeof *worker->queue);
    worker->thinking = mem_calloc(connections, sizeof(struct conn *));
    worker->input = mem_alloc(WORKER_INPUT_BYTES);
    if (worker->epoll_fd < 0)
        return ERR_IO;
    if (worker->conns == NULL || worker->queue == NULL || worker->thinking == NULL ||
        worker->input == NULL)
        return ERR_OUT_OF_MEMORY;
    worker->conns_capacity = connections;
    return 0;
}

void worker_deinit(struct worker *worker)
{
    for (unsigned i = 0; i < worker->n_conns; i++)
        conn_deinit(&worker->conns[i]);
    mem_free(worker->conns);
    mem_free(worker->queue);
    mem_free(worker->thinking);
    mem_free(worker->input);
    buf_deinit(&worker->acks);
    vector_kept_deinit(&worker->kept);
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
}

int worker_add(struct worker *worker, int fd, unsigned window)
{
    REQUIRE(worker->n_conns < worker->conns_capacity);
    struct conn *conn = &worker->conns[worker->n_conns];
    int err = conn_init(conn, fd, window);
    if (err != 0)
        return err;
    worker->n_conns++;
    return worker_watch(worker, EPOLL_CTL_ADD, conn, EPOLLIN);
}

void worker_times_init(struct worker_times *times)
{
    hist_init(&times->service);
    hist_init(&times->first_byte);
    hist_init(&times->slip);
}

void worker_times_merge(struct worker_times *into, const struct worker_times *from)
{
    hist_merge(&into->service, &from->service);
    hist_merge(&into->first_byte, &from->first_byte);
    hist_merge(&into->slip, &from->slip);
}

static int worker_reserve(struct worker *worker, const struct phase *phase)
{
    size_t all = phase->frame_bytes * phase->window;
    size_t output = all < WORKER_OUTPUT_BYTES ? all : WORKER_OUTPUT_BYTES;
    if (output < phase->frame_bytes)
        output = phase->frame_bytes;
    int err = 0;
    for (unsigned i = 0; i < worker->n_conns && err == 0; i++) {
        struct conn *conn = &worker->conns[i];
        conn->number = (uint64_t)i * phase->threads + worker->index;
        conn->turn = conn->done = 0;
        conn->thinks = false;
        err = buf_reserve(&conn->unsent, output);
        if (err == 0)
            err = buf_reserve(&conn->unparsed, 2 * phase->value_bytes + WORKER_REPLY_EXTRA);
        if (err == 0 && phase->values.checked)
            err = history_init(&conn->history);
    }
    return err;
}

int worker_prepare(struct worker *worker, const struct phase *phase, const atomic_bool *stop)
{
    worker->phase = phase;
    worker->stop = stop;
    worker->next_index = worker->index;
    worker->end_index = phase->requests;
    memset(&worker->counts, 0, sizeof worker->counts);
    memset(worker->kinds, 0, sizeof worker->kinds);
    for (unsigned i = 0; i < workload_rows(phase->workload); i++)
        hist_init(&worker->latency[i]);
    for (unsigned i = 0; i < phase->workload->n_shapes; i++)
        worker_times_init(&worker->times[i]);
    worker->started = worker->due_ns = worker->digest = worker->replies = 0;
    atomic_store(&worker->cpu_ns, 0);
    worker->late = false;
    worker->n_used = worker->n_conns;
    if (phase->stairs.each_ns > 0)
        worker->n_used = plan_share(stairs_at(&phase->stairs, 0), worker->index, phase->threads);
    worker->next_step_ns = stairs_next_ns(&phase->stairs, 0);
    worker->n_thinking = 0;
    worker->full_since = worker->full_until = 0;
    worker->horizon = worker->mark_turns = 0;
    if (phase->law.rate > 0)
        schedule_init(&worker->schedule, &phase->law, phase->arrival_seed, worker->index,
                      phase->threads);
    worker->first_error[0] = worker->first_corrupt[0] = worker->first_stale[0] = 0;
    worker->failure.kind = FAILURE_NONE;
    int err = vector_kept_prepare(&worker->kept, phase->scores ? phase->vectors : NULL,
                                  workload_has(phase->workload, SHAPE_MANY));
    return err != 0 ? err : worker_reserve(worker, phase);
}

static int worker_handle(struct worker *worker, const struct epoll_event *event)
{
    struct conn *conn = event->data.ptr;
    int err = 0;
    if ((event->events & EPOLLOUT) != 0)
        err = worker_resume(worker, conn);
    if (err == 0 && (event->events & ~(uint32_t)EPOLLOUT) != 0)
        err = worker_read(worker, conn);
    return err;
}

/* The next step of the staircase: more connections are used. */
static int worker_climb(struct worker *worker, uint64_t elapsed_ns, uint64_t now)
{
    const struct stairs *stairs = &worker->phase->stairs;
    unsigned all = stairs_at(stairs, stairs_step(stairs, elapsed_ns));
    unsigned first = worker->n_used;
    int err = 0;
    worker->n_used = plan_share(all, worker->index, worker->phase->threads);
    worker->next_step_ns = stairs_next_ns(stairs, elapsed_ns);
    for (unsigned i = first; i < worker->n_used && worker->phase->law.rate <= 0 && err == 0; i++)
        err = worker_next(worker, &worker->conns[i], now);
    return err;
}

/* Is it time to send nothing more, or to give up? */
static int worker_check(struct worker *worker)
{
    const struct phase *phase = worker->phase;
    uint64_t now = clock_ticks();
    uint64_t elapsed = clock_ticks_to_ns(now - worker->started);
    if (atomic_load_explicit(worker->stop, memory_order_relaxed))
        worker->end_index = 0;
    if (phase->law.rate > 0) {
        if (elapsed > worker_schedule_end(worker) + phase->drain_ns)
            worker_give_up(worker, now);
    } else if (phase->duration_ns > 0 && elapsed >= phase->duration_ns) {
        worker->end_index = 0;
    }
    if (worker->in_flight > 0 && clock_ticks_to_ns(now - worker->quiet_since) > phase->timeout_ns)
        return failure_set(&worker->failure, FAILURE_SILENT,
                           "the server has sent nothing for %.1f s (--timeout)",
                           (double)phase->timeout_ns / 1e9);
    return elapsed >= worker->next_step_ns ? worker_climb(worker, elapsed, now) : 0;
}

/* The first request of this thread that is not answered. */
static uint64_t worker_first_open(const struct worker *worker)
{
    uint64_t first = worker->next_index;
    for (unsigned i = 0; i < worker->n_conns; i++) {
        const struct conn *conn = &worker->conns[i];
        for (uint32_t slot = 0; slot <= conn->mask && conn->in_flight > 0; slot++)
            if (conn->ring[slot].busy && conn->ring[slot].index < first)
                first = conn->ring[slot].index;
    }
    return first;
}

/* Tell other threads how far this one is, and learn how far all are. */
static void worker_mark(struct worker *worker)
{
    struct phase_mark *marks = worker->phase->marks;
    uint64_t horizon = UINT64_MAX;
    if (marks == NULL || ++worker->mark_turns < WORKER_MARK_TURNS)
        return;
    worker->mark_turns = 0;
    atomic_store_explicit(&marks[worker->index].below, worker_first_open(worker),
                          memory_order_relaxed);
    for (unsigned i = 0; i < worker->phase->threads; i++) {
        uint64_t below = atomic_load_explicit(&marks[i].below, memory_order_relaxed);
        horizon = below < horizon ? below : horizon;
    }
    worker->horizon = horizon;
}

/* At most so long: until it is time to check, or the next step begins. */
static uint64_t worker_tick_ns(const struct worker *worker, uint64_t now)
{
    uint64_t tick = WORKER_TICK_MS * UINT64_C(1000000);
    if (worker->next_step_ns == UINT64_MAX)
        return tick;
    uint64_t elapsed = clock_ticks_to_ns(now - worker->started);
    uint64_t left = worker->next_step_ns > elapsed ? worker->next_step_ns - elapsed : 0;
    return left < tick ? left : tick;
}

/* How long to wait for events: until the next request is due, or has waited long enough, or it is
 * time to check. */
static uint64_t worker_patience_ns(const struct worker *worker)
{
    uint64_t now = clock_ticks(), tick = worker_tick_ns(worker, now);
    bool open = worker->phase->law.rate > 0;
    if (worker->next_index >= worker->end_index || (!open && worker->n_thinking == 0))
        return tick;
    uint64_t due = open ? worker_due(worker) : worker_thought(worker);
    if (worker->late && worker->phase->overload == PLAN_OVERLOAD_QUEUE)
        return tick;
    if (worker->late) /* then it is not sent any more */
        due += (uint64_t)((double)worker->phase->patience_ns * worker->ticks_per_ns);
    uint64_t left = due > now ? clock_ticks_to_ns(due - now) : 0;
    return left < tick ? left : tick;
}

/* --busy-poll: look for events without sleeping; takes what that lasted off the patience. */
static int worker_spin(const struct worker *worker, struct epoll_event *events,
                       uint64_t *patience_ns)
{
    uint64_t busy = worker->phase->busy_poll_ns, begin = clock_ticks(), spent = 0;
    int n = 0;
    busy = busy < *patience_ns ? busy : *patience_ns;
    while (n == 0 && spent < busy) {
        n = epoll_wait(worker->epoll_fd, events, WORKER_EVENTS, 0);
        spent = clock_ticks_to_ns(clock_ticks() - begin);
    }
    *patience_ns -= spent < *patience_ns ? spent : *patience_ns;
    return n;
}

static int worker_wait(const struct worker *worker, struct epoll_event *events)
{
    uint64_t patience_ns = worker_patience_ns(worker);
    int n = worker->phase->busy_poll_ns > 0 ? worker_spin(worker, events, &patience_ns) : 0;
    if (n != 0)
        return n;
    struct timespec patience = {.tv_nsec = (long)patience_ns};
    n = epoll_pwait2(worker->epoll_fd, events, WORKER_EVENTS, &patience, NULL);
    if (n < 0 && errno == ENOSYS) /* Linux before 5.11: rather early than late */
        n = epoll_wait(worker->epoll_fd, events, WORKER_EVENTS, (int)(patience.tv_nsec / 1000000));
    return n;
}

/* Wait for events and handle them. */
static int worker_turn(struct worker *worker)
{
    struct epoll_event events[WORKER_EVENTS];
    int n = worker_wait(worker, events);
    if (n < 0 && errno != EINTR)
        return failure_set(&worker->failure, FAILURE_LOCAL, "epoll_wait: %s", strerror(errno));
    int err = 0;
    for (int i = 0; i < n && err == 0; i++)
        err = worker_handle(worker, &events[i]);
    worker_mark(worker);
    return err != 0 ? err : worker_check(worker);
}

/* What is in flight will not be answered: it counts with its age. */
static void worker_abandon(struct worker *worker)
{
    uint64_t now = clock_ticks();
    for (unsigned i = 0; i < worker->n_conns; i++) {
        struct conn *conn = &worker->conns[i];
        for (uint32_t slot = 0; slot <= conn->mask; slot++) {
            const struct conn_request *request = &conn->ring[slot];
            if (!request->busy)
                continue;
            hist_add(&worker->latency[request->shape], clock_ticks_to_ns(now - request->intended));
            worker_count(&worker->counts.unanswered, 1);
            (void)worker_log(worker, conn, request, 0); /* there is a failure already */
        }
    }
}

static int worker_run_closed(struct worker *worker)
{
    int err = 0;
    for (unsigned i = 0; i < worker->n_used && err == 0; i++)
        err = worker_next(worker, &worker->conns[i], clock_ticks());
    while (err == 0 && (worker->in_flight > 0 ||
                        (worker->n_thinking > 0 && worker->next_index < worker->end_index))) {
        err = worker_wake(worker);
        if (err == 0)
            err = worker_turn(worker);
    }
    return err;
}

/* Of bursts, the time after the last one in which nothing is due belongs to the test, though nobody
 * waits for it; 0: there is none. */
static uint64_t worker_quiet_end(const struct worker *worker)
{
    const struct phase *phase = worker->phase;
    bool stopped = atomic_load_explicit(worker->stop, memory_order_relaxed);
    if (phase->law.on_ns == 0 || stopped)
        return 0;
    return worker->started + (uint64_t)((double)worker_schedule_end(worker) * worker->ticks_per_ns);
}

static int worker_run_open(struct worker *worker)
{
    worker_schedule(worker);
    int err = 0;
    while (err == 0 && (worker->in_flight > 0 || worker->next_index < worker->end_index)) {
        err = worker_send_due(worker);
        if (err == 0)
            err = worker_turn(worker);
    }
    uint64_t rest = worker_quiet_end(worker);
    if (err == 0 && rest > worker->last_reply)
        worker->last_reply = rest;
    return err;
}

static bool worker_clock_ns(clockid_t clock, uint64_t *out_ns)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        return false;
    *out_ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    return true;
}

/* From now on the CPU time of this thread is that of the worker; until the end. */
static void worker_clock_begin(struct worker *worker)
{
    clockid_t clock;
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0 &&
        worker_clock_ns(clock, &worker->cpu_begin_ns))
        atomic_store(&worker->cpu_clock, clock);
}

static void worker_clock_end(struct worker *worker)
{
    atomic_store(&worker->cpu_ns, worker_cpu_ns(worker));
    atomic_store(&worker->cpu_clock, 0);
}

uint64_t worker_cpu_ns(const struct worker *worker)
{
    clockid_t clock = atomic_load(&worker->cpu_clock);
    uint64_t now;
    if (clock != 0 && worker_clock_ns(clock, &now))
        return now - worker->cpu_begin_ns;
    return atomic_load(&worker->cpu_ns); /* a thread that has ended has no clock */
}

void worker_run(struct worker *worker)
{
    const uint64_t span = UINT64_C(1) << 40;
    if (worker->phase->pin != NULL)
        pin_thread(worker->phase->pin, worker->index);
    struct cpu_thread begin = cpu_thread_self();
    worker_clock_begin(worker);
    if (worker->started == 0)
        worker->started = clock_ticks();
    worker->last_reply = worker->quiet_since = worker->started;
    worker->ticks_per_ns = (double)span / (double)clock_ticks_to_ns(span);
    (void)prctl(PR_SET_TIMERSLACK, 1); /* wake up when asked to, not up to 50 us later */
    int err = worker->phase->law.rate > 0 ? worker_run_open(worker) : worker_run_closed(worker);
    if (err != 0)
        worker_abandon(worker);
    if (worker->phase->acks != NULL && acks_flush(worker->phase->acks, &worker->acks) != 0)
        (void)failure_set(&worker->failure, FAILURE_LOCAL, "--ack-log: cannot write to it: %s",
                          strerror(errno));
    if (worker->phase->marks != NULL) /* nobody waits for this thread any more */
        atomic_store(&worker->phase->marks[worker->index].below, UINT64_MAX);
    struct cpu_thread end = cpu_thread_self();
    worker->cpu = cpu_thread_between(&begin, &end);
    worker_clock_end(worker);
}
