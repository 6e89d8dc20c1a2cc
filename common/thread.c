/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work that several threads do at once: see thread.h. The chain of calls is the list of threads:
 * each makes the next one, does its own share, and waits for the next one to end. So there is
 * nothing to allocate.
 */
#include "common/thread.h"

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
    int err = rest.i == rest.n || pthread_create(&thread, NULL, thread_part_run, &rest) != 0;
    if (part->i > 0)
        thread_leave_signals();
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
