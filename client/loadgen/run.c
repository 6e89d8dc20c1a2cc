/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads of a run.
 *
 *   main    prepare -> start threads -> wait: each interval show progress -> join, sum up
 *   worker             run its share ------------------------------> post `ended`
 *
 * How: memory is reserved before the threads start. The main thread sleeps on a semaphore and wakes
 * for progress lines and for workers that have returned; if one has failed, it tells the others to
 * stop.
 *
 * Invariants: while workers run, the main thread only reads their counts and histograms.
 * Threads: one for each worker and phase. Failures: the first one is kept in the result.
 */
#include "client/loadgen/run.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/thread.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum { RUN_TICK_NS = 200000000 }; /* at most so late is an interrupt seen */

static atomic_bool run_interrupt_flag;

void run_interrupt(void)
{
    atomic_store_explicit(&run_interrupt_flag, true, memory_order_relaxed);
}

bool run_interrupted(void)
{
    return atomic_load_explicit(&run_interrupt_flag, memory_order_relaxed);
}

static int run_add_connections(struct worker *worker, unsigned count, unsigned window,
                               const struct target *target, struct failure *failure)
{
    for (unsigned i = 0; i < count; i++) {
        int fd;
        int err = target_connect(target, &fd, failure);
        if (err != 0)
            return err;
        err = worker_add(worker, fd, window);
        if (err != 0)
            return failure_set(failure, FAILURE_LOCAL, "cannot keep a connection: %s",
                               err_text(err));
    }
    return 0;
}

static int run_add_worker(struct run *run, const struct target *target, struct failure *failure)
{
    unsigned index = run->n_workers;
    unsigned count = plan_connections(run->plan, index);
    struct worker *worker = mem_alloc(sizeof *worker);
    if (worker == NULL)
        return failure_set(failure, FAILURE_LOCAL, "out of memory");
    run->workers[run->n_workers++] = worker;
    int err = worker_init(worker, index, count);
    if (err != 0)
        return failure_set(failure, FAILURE_LOCAL, "cannot make a worker: %s", err_text(err));
    worker->target = target;
    return run_add_connections(worker, count, phase_window_max(run->plan), target, failure);
}

int run_open(struct run *run, const struct plan *plan, const struct target *target,
             int64_t server_pid, struct failure *failure)
{
    *run = (struct run){.plan = plan, .target = target, .server_pid = server_pid};
    REQUIRE(sem_init(&run->start, 0, 0) == 0 && sem_init(&run->ended, 0, 0) == 0);
    run->workers = mem_calloc(plan->threads, sizeof *run->workers);
    int err = run->workers == NULL ? failure_set(failure, FAILURE_LOCAL, "out of memory") : 0;
    for (unsigned i = 0; i < plan->threads && err == 0; i++)
        err = run_add_worker(run, target, failure);
    return err;
}

void run_close(struct run *run)
{
    for (unsigned i = 0; i < run->n_workers; i++) {
        worker_deinit(run->workers[i]);
        mem_free(run->workers[i]);
    }
    mem_free(run->workers);
    sem_destroy(&run->start);
    sem_destroy(&run->ended);
}

/* A thread of a phase. */
struct run_thread {
    struct worker *worker;
    struct run *run;
    pthread_t thread;
};

static void *run_thread_main(void *argument)
{
    struct run_thread *thread = argument;
    struct run *run = thread->run;
    thread_run_soon();
    while (sem_wait(&run->start) != 0)
        ; /* EINTR */
    worker_run(thread->worker);
    if (thread->worker->failure.kind != FAILURE_NONE)
        atomic_store(&run->stop, true);
    sem_post(&run->ended);
    return NULL;
}

/* Wait for a worker to return, at most until the tick. True if one has. */
static bool run_wait(struct run *run)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RUN_TICK_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return sem_clockwait(&run->ended, CLOCK_MONOTONIC, &until) == 0;
}

/* What belongs to a phase besides the workers. */
struct run_watcher {
    struct server_cpu server;
    struct snapshot seen;
};

/* All there is by now. The server comes first: what it tells is of the moment of its answer. */
static void run_snapshot(const struct run *run, const struct phase *phase,
                         struct run_watcher *watcher)
{
    uint64_t server_ns = 0;
    bool known = server_cpu_read(&watcher->server, false, &server_ns);
    snapshot_take(&watcher->seen, phase, run->workers, run->n_workers);
    watcher->seen.cpu.has_server = known;
    watcher->seen.cpu.server_ns = server_ns;
    if (run->begun_ns > 0)
        watcher->seen.conn_ns =
            stairs_used_ns(&phase->stairs, watcher->seen.now_ns - run->begun_ns);
}

static void run_sample_kinds(struct kinds *kinds, const struct workload *workload,
                             const struct snapshot *seen, bool last)
{
    if (!workload_mixes(workload) || !(last || kinds_due(kinds, seen->now_ns)))
        return;
    kinds_next(kinds, seen, last);
    for (unsigned kind = 0; kind < workload->n_shapes; kind++)
        kinds_fill(kinds, kind, &seen->kind[kind]);
}

/* An interval is over: is what was asked for there, so that the phase can end? */
static void run_look(struct run *run, const struct phase *phase, struct result *out)
{
    if (out->length.enough || !steady_asked(&phase->end))
        return;
    out->length = steady_look(&phase->end, &out->series);
    if (out->length.enough)
        atomic_store(&run->stop, true);
}

/* Keep and show the intervals that are over; `last`: what there is of them. */
static void run_sample(struct run *run, const struct phase *phase, struct progress *progress,
                       bool last, struct run_watcher *watcher, struct result *out)
{
    const struct snapshot *seen = &watcher->seen;
    uint64_t now = clock_mono_ns();
    bool row = last || series_due(&out->series, now);
    bool kinds = workload_mixes(phase->workload) && kinds_due(&out->over_time, now);
    if (!row && !kinds && !progress_due(progress, now))
        return;
    run_snapshot(run, phase, watcher);
    progress_update(progress, phase, seen);
    if (last)
        progress_end(progress, phase, seen);
    series_update(&out->series, seen, last);
    run_sample_kinds(&out->over_time, phase->workload, seen, last);
    if (row && !last)
        run_look(run, phase, out);
}

static void run_watch(struct run *run, const struct phase *phase, struct progress *progress,
                      unsigned started, struct run_watcher *watcher, struct result *out)
{
    unsigned ended = 0;
    progress_begin(progress, &watcher->seen);
    series_init(&out->series, &watcher->seen);
    kinds_init(&out->over_time, &watcher->seen);
    while (ended < started) {
        if (run_wait(run))
            ended++;
        if (run_interrupted())
            atomic_store(&run->stop, true);
        run_sample(run, phase, progress, ended == started, watcher, out);
    }
}

/* Start the threads; they wait for run->start. Returns how many there are. */
static unsigned run_start(struct run *run, struct run_thread *threads)
{
    for (unsigned i = 0; i < run->n_workers; i++) {
        threads[i] = (struct run_thread){.worker = run->workers[i], .run = run};
        if (pthread_create(&threads[i].thread, NULL, run_thread_main, &threads[i]) != 0)
            return i;
    }
    return run->n_workers;
}

/* Time between the first worker's start and the last reply to any. */
static uint64_t run_elapsed_ns(const struct run *run)
{
    uint64_t first = run->workers[0]->started, last = run->workers[0]->last_reply;
    for (unsigned i = 1; i < run->n_workers; i++) {
        const struct worker *worker = run->workers[i];
        first = worker->started < first ? worker->started : first;
        last = worker->last_reply > last ? worker->last_reply : last;
    }
    return clock_ticks_to_ns(last - first);
}

static int run_prepare(struct run *run, const struct phase *phase)
{
    int err = 0;
    atomic_store(&run->stop, run_interrupted());
    for (unsigned i = 0; i < run->n_workers && err == 0; i++)
        err = worker_prepare(run->workers[i], phase, &run->stop);
    return err;
}

static void run_threads(struct run *run, const struct phase *phase, struct progress *progress,
                        struct run_thread *threads, struct run_watcher *watcher, struct result *out)
{
    unsigned started = run_start(run, threads);
    if (started < run->n_workers) {
        (void)failure_set(&out->failure, FAILURE_LOCAL, "cannot start %u threads; lower --threads",
                          run->n_workers);
        for (unsigned i = 0; i < run->n_workers; i++)
            run->workers[i]->end_index = 0;
    }
    run->begun_ns = 0;
    run_snapshot(run, phase, watcher);
    uint64_t now = clock_ticks();
    run->begun_ns = watcher->seen.now_ns;
    out->begun_ns = clock_mono_ns();
    for (unsigned i = 0; i < started; i++) /* all of them: whoever wakes up first goes on */
        run->workers[i]->started = now;
    for (unsigned i = 0; i < started; i++)
        sem_post(&run->start);
    run_watch(run, phase, progress, started, watcher, out);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i].thread, NULL);
}

/* How evenly the connections were served, if all were used all the time. */
static void run_fairness(const struct run *run, const struct phase *phase, struct result *out)
{
    if (phase->stairs.each_ns > 0)
        return;
    uint64_t *done = mem_calloc(run->plan->connections, sizeof *done);
    size_t n = 0;
    for (unsigned i = 0; i < run->n_workers && done != NULL; i++)
        for (unsigned j = 0; j < run->workers[i]->n_conns; j++)
            done[n++] = run->workers[i]->conns[j].done;
    if (done != NULL)
        out->fairness = fairness_of(done, n);
    mem_free(done);
}

/* What searches have found. */
static void run_recall(const struct run *run, const struct phase *phase, struct result *out)
{
    const struct vector_kept **kept = mem_calloc(run->n_workers, sizeof *kept);
    for (unsigned i = 0; i < run->n_workers && kept != NULL; i++)
        kept[i] = &run->workers[i]->kept;
    if (kept != NULL)
        vector_recall_score(phase->scores ? phase->vectors : NULL, kept, run->n_workers,
                            &out->recall);
    mem_free(kept);
}

/* What the server has used since the begin of the phase, when it was `known` to have used so much.
 * A counter that has not moved while requests were answered tells nothing. */
static void run_server_cpu(struct server_cpu *server, bool known, uint64_t before_ns,
                           struct result *out)
{
    uint64_t ns = 0;
    out->has_server_cpu = known && server_cpu_read(server, true, &ns) && ns > before_ns;
    out->server_cpu_ns = out->has_server_cpu ? ns - before_ns : 0;
    out->server_told = server->told;
    server_cpu_end(server);
}

void run_phase(struct run *run, const struct phase *phase, struct progress *progress,
               struct result *out)
{
    struct run_thread *threads = mem_calloc(run->n_workers, sizeof *threads);
    struct run_watcher *watcher = mem_alloc(sizeof *watcher);
    uint64_t server_0 = 0;
    result_init(out, phase->workload);
    out->offered = phase->law.rate > 0
                       ? schedule_mean_rate(&phase->law, phase->requests, phase->duration_ns)
                       : 0;
    if (threads == NULL || watcher == NULL || run_prepare(run, phase) != 0) {
        (void)failure_set(&out->failure, FAILURE_LOCAL, "out of memory; lower -c, -P or -d");
        mem_free(threads);
        mem_free(watcher);
        return;
    }
    server_cpu_begin(&watcher->server, run->target, run->server_pid, run->ask_cpu_time);
    bool known = server_cpu_read(&watcher->server, true, &server_0);
    struct cpu_time client = cpu_time_self();
    struct cpu_system system = cpu_system_read();
    run_threads(run, phase, progress, threads, watcher, out);
    struct cpu_time client_1 = cpu_time_self();
    struct cpu_system system_1 = cpu_system_read();
    out->system = cpu_system_between(&system, &system_1);
    out->client.user_ns = client_1.user_ns - client.user_ns;
    out->client.system_ns = client_1.system_ns - client.system_ns;
    run_fairness(run, phase, out);
    run_server_cpu(&watcher->server, known, server_0, out);
    out->elapsed_ns = run_elapsed_ns(run);
    for (unsigned i = 0; i < run->n_workers; i++)
        result_add(out, run->workers[i]);
    result_judge(out, &phase->end);
    run_recall(run, phase, out);
    mem_free(threads);
    mem_free(watcher);
}
