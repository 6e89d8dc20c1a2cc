/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Workers: see workers.h. One lock, two queues, one condition.
 *
 *   workers_submit --> [ now: task task ] --.
 *                      [ later: task    ] ---'--> a worker: the first of `now`, else of `later`
 *
 * Threads: as the header says. Failures: only starting.
 */
#include "server/store/workers.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/thread.h"

#include <stdio.h>

struct queue {
    struct task *first, **last;
};

struct worker {
    struct workers *workers;
    unsigned index;
    pthread_t thread;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct queue queues[WORK_COUNT];
    uint64_t waiting;
    unsigned busy;
    bool stopping;
    unsigned count;
    struct worker workers[WORKERS_MAX];
};

static struct task *queue_take(struct queue *queue)
{
    struct task *task = queue->first;
    if (task == NULL)
        return NULL;
    queue->first = task->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    return task;
}

/* The lock is held. */
static struct task *workers_take(struct workers *workers)
{
    struct task *task = NULL;
    for (unsigned i = 0; i < WORK_COUNT && task == NULL; i++)
        task = queue_take(&workers->queues[i]);
    if (task != NULL)
        workers->waiting--;
    return task;
}

/* The next task; NULL: it is over, as nobody is left who could submit one. The lock is held. */
static struct task *workers_wait(struct workers *workers)
{
    struct task *task;
    while ((task = workers_take(workers)) == NULL) {
        if (workers->stopping && workers->busy == 0) {
            (void)pthread_cond_broadcast(&workers->more);
            return NULL;
        }
        (void)pthread_cond_wait(&workers->more, &workers->lock);
    }
    return task;
}

static void *worker_run(void *context)
{
    struct worker *self = context;
    struct workers *workers = self->workers;
    struct task *task;
    char name[16]; /* as top -H and perf show it */
    (void)snprintf(name, sizeof name, "cairn-work-%u", self->index % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    pthread_mutex_lock(&workers->lock);
    while ((task = workers_wait(workers)) != NULL) {
        workers->busy++;
        pthread_mutex_unlock(&workers->lock);
        task->run(task, self->index);
        pthread_mutex_lock(&workers->lock);
        workers->busy--;
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

void workers_submit(struct workers *workers, struct task *task, enum work work)
{
    struct queue *queue = &workers->queues[work];
    pthread_mutex_lock(&workers->lock);
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
    workers->waiting++;
    pthread_mutex_unlock(&workers->lock);
    (void)pthread_cond_signal(&workers->more);
}

static void workers_end(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_mutex_unlock(&workers->lock);
    (void)pthread_cond_broadcast(&workers->more);
    for (unsigned i = 0; i < workers->count; i++)
        (void)pthread_join(workers->workers[i].thread, NULL);
}

void workers_stop(struct workers *workers)
{
    if (workers == NULL)
        return;
    workers_end(workers);
    pthread_cond_destroy(&workers->more);
    pthread_mutex_destroy(&workers->lock);
    mem_free(workers);
}

int workers_start(unsigned n, struct workers **out_workers)
{
    struct workers *workers = mem_calloc(1, sizeof *workers);
    REQUIRE(n > 0 && n <= WORKERS_MAX);
    if (workers == NULL)
        return ERR_OUT_OF_MEMORY;
    (void)pthread_mutex_init(&workers->lock, NULL);
    (void)pthread_cond_init(&workers->more, NULL);
    for (unsigned i = 0; i < WORK_COUNT; i++)
        workers->queues[i].last = &workers->queues[i].first;
    for (unsigned i = 0; i < n; i++) {
        struct worker *worker = &workers->workers[i];
        *worker = (struct worker){.workers = workers, .index = i};
        if (thread_create(&worker->thread, worker_run, worker) != 0) {
            workers_stop(workers);
            return ERR_INTERNAL;
        }
        workers->count++;
    }
    *out_workers = workers;
    return 0;
}

unsigned workers_count(const struct workers *workers)
{
    return workers->count;
}

bool workers_stopping(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    bool stopping = workers->stopping;
    pthread_mutex_unlock(&workers->lock);
    return stopping;
}

uint64_t workers_waiting(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    uint64_t waiting = workers->waiting;
    pthread_mutex_unlock(&workers->lock);
    return waiting;
}
