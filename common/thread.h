/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every thread does that is not the main one.
 */
#pragma once

#include <pthread.h>
#include <signal.h>

/* Signals to the process are for the main thread: call this first in a thread that may sleep for
 * long, or one of them may wait there unseen. */
static inline void thread_leave_signals(void)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
}
