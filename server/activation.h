/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Socket activation: listening sockets that the service manager has opened for us,
 * sd_listen_fds(3), spoken without libsystemd.
 *
 *   activation_init       which sockets are there, and are they fit for use?
 *   activation_take       each protocol takes those with its name
 *   activation_check      is one left that nobody has taken?
 *
 * A name is what FileDescriptorName= in the socket unit says. Every socket needs one: which
 * protocol it is for is not guessed.
 *
 * Threads: the main thread, activation_init before there are others, as it changes the environment.
 * Failures: functions return 0, or ERR_BAD_ARGUMENT and a sentence that says what to do.
 */
#pragma once

#include "server/config.h"

enum { ACTIVATION_MAX = 16, ACTIVATION_NAMES_MAX = 8 };

struct activation {
    unsigned n;
    struct {
        int fd;           /* -1: taken */
        const char *name; /* in `names` */
    } sockets[ACTIVATION_MAX];
    char *names; /* owned */
    unsigned n_asked;
    const char *asked[ACTIVATION_NAMES_MAX]; /* names that somebody has asked for */
};

/* Read $LISTEN_PID, $LISTEN_FDS and $LISTEN_FDNAMES, and take them out of the environment. The
 * sockets must be listening stream sockets. Before anything else opens a descriptor, which might
 * get the number of one that is missing. */
MUST_USE int activation_init(struct activation *activation, struct err_detail *out_detail);

/* Close what has not been taken, free. */
void activation_deinit(struct activation *activation);

/* At most `max` sockets with this name (constant text); they are the caller's then. Returns how
 * many there are. */
unsigned activation_take(struct activation *activation, const char *name, int *out_fds,
                         unsigned max);

/* When all have taken theirs. */
MUST_USE int activation_check(const struct activation *activation, struct err_detail *out_detail);
