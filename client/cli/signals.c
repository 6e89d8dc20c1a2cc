/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Caught signals, each a flag.
 *
 * How: the handler only sets the flag. signals_wait blocks the caught signals, looks at the flags,
 * and lets ppoll unblock them, so that none can slip in between the look and the wait.
 *
 * Invariants: flags are the only state, because a handler can reach nothing else.
 * Threads: one. Failures: none; a signal that cannot be caught keeps its default action.
 */
#include "client/cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

enum { SIGNALS_COUNT = 32 };

static volatile sig_atomic_t signals_came[SIGNALS_COUNT];
static sigset_t signals_caught; /* all empty at start, as sigemptyset leaves it on Linux */

static void signals_on(int number)
{
    signals_came[number] = 1;
}

void signals_catch(int number)
{
    struct sigaction action = {.sa_handler = signals_on};
    sigemptyset(&action.sa_mask);
    if (number < SIGNALS_COUNT && sigaction(number, &action, NULL) == 0)
        sigaddset(&signals_caught, number);
}

bool signals_take(int number)
{
    bool came = signals_came[number] != 0;
    signals_came[number] = 0;
    return came;
}

static bool signals_any(void)
{
    for (int i = 1; i < SIGNALS_COUNT; i++)
        if (signals_came[i] != 0)
            return true;
    return false;
}

void signals_wait(int fd, int timeout_ms)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
    sigset_t before;
    if (sigprocmask(SIG_BLOCK, &signals_caught, &before) != 0)
        return;
    if (!signals_any())
        (void)ppoll(&entry, 1, timeout_ms < 0 ? NULL : &timeout, &before);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}
