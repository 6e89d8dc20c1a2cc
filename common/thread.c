/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What threads ask of the system, and work that several do at once: see thread.h. The chain of
 * calls is the list of threads: each makes the next one, does its own share, and waits for the next
 * one to end. So there is nothing to allocate.
 */
#include "common/thread.h"

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREAD_SLICE_NS 100000 /* the shortest that Linux takes */

/* What sched_setattr(2) takes, its first version: no header of glibc 2.36 has it. */
struct thread_sched_attr {
    uint32_t size, sched_policy;
    uint64_t sched_flags;
    int32_t sched_nice;
    uint32_t sched_priority;
    uint64_t sched_runtime, sched_deadline, sched_period;
};

void thread_run_soon(void)
{
    struct thread_sched_attr attr = {.size = sizeof attr};
    if (syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) != 0)
        return;
    attr.sched_runtime = THREAD_SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

int thread_create(pthread_t *thread, void *(*run)(void *context), void *context)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int err = pthread_create(thread, NULL, run, context);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

struct thread_part {
    unsigned i, n;
    void (*work)(void *context, unsigned i);
    void *context;
};

static void *thread_part_run(void *arg)
{
    const struct thread_part *part = arg;
    struct thread_part rest = *part;
    pthread_t thread;
    rest.i++;
    int err = rest.i == rest.n || thread_create(&thread, thread_part_run, &rest) != 0;
    part->work(part->context, part->i);
    if (!err)
        (void)pthread_join(thread, NULL);
    return NULL;
}

void thread_share(unsigned n, void (*work)(void *context, unsigned i), void *context)
{
    struct thread_part first = {0, n, work, context};
    (void)thread_part_run(&first);
}
