/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every thread does that is not the main one, and work that several do at once.
 */
#pragma once

#include <pthread.h>

/* As pthread_create without attributes; but signals to the process are for the main thread, so this
 * one never has any, not even at its first instant. */
int thread_create(pthread_t *thread, void *(*run)(void *context), void *context);

/* The calling thread answers others: when it has something to do, let it run before threads that
 * compute. Asks the system for the shortest slice of time, which from Linux 6.12 on lets it take
 * the CPU from a thread with a longer one at once rather than up to 3 ms later; its share of the
 * CPU stays the same. Systems without that do as they did. */
void thread_run_soon(void);

/* Call work(context, i) for each i below n (at least 1), all at the same time: 0 by the caller,
 * each other by a thread made for it. Returns when all have ended. Threads that cannot be made are
 * left out, so work must be such that whoever is there does all of it. */
void thread_share(unsigned n, void (*work)(void *context, unsigned i), void *context);
