/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mailbox: the place where threads meet. Any thread posts messages to the owner; the first message
 * into an empty box calls `wake`, later ones do not, so a burst costs one wake-up.
 */
#pragma once

#include "common/check.h"

#include <pthread.h>
#include <stdbool.h>

/* Embedded in every message. `run` is called on the owner's thread, which owns the message then. */
struct mail {
    struct mail *next;
    void (*run)(struct mail *mail, void *owner);
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, **last;
    void (*wake)(void *owner); /* any thread; must not block */
    void *owner;
};

void mailbox_init(struct mailbox *box, void (*wake)(void *owner), void *owner);
void mailbox_deinit(struct mailbox *box);

/* Post a message. Any thread. */
void mailbox_post(struct mailbox *box, struct mail *mail);

/* Run all messages that are there, in order. The owner's thread. */
void mailbox_run(struct mailbox *box);
