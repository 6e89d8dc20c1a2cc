/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mailbox: the place where threads meet. Any thread posts messages to the owner; the first message
 * into an empty box calls `wake`, later ones do not, so a burst costs one wake-up. Neither side
 * ever waits for the other.
 */
#pragma once

#include "common/check.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Embedded in every message. `run` is called on the owner's thread, which owns the message then. */
struct mail {
    struct mail *next;
    void (*run)(struct mail *mail, void *owner);
};

struct mailbox {
    _Atomic(struct mail *) last; /* the messages, the newest first */
    _Atomic unsigned posting;    /* threads that may still call wake */
    void (*wake)(void *owner);   /* any thread; must not block */
    void *owner;
};

void mailbox_init(struct mailbox *box, void (*wake)(void *owner), void *owner);

/* The box is empty and nobody posts any more; returns when who has posted has left. */
void mailbox_deinit(struct mailbox *box);

/* Post a message. Any thread. */
void mailbox_post(struct mailbox *box, struct mail *mail);

/* Run all messages that are there, in order. The owner's thread. */
void mailbox_run(struct mailbox *box);
