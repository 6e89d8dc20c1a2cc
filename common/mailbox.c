/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mailbox: a list of intrusive messages, to which threads add with one exchange.
 *
 *   post, post, post --> [ m m m ] --wake once--> owner: take the list, turn it round, run it
 *
 * There is no lock, as the system may well let the owner run, and stop the thread that posted,
 * within `wake`: with a lock the owner would wake only to wait for that thread.
 *
 * Threads: mailbox_post from any, the rest from the owner.
 */
#include "common/mailbox.h"

#include <sched.h>

void mailbox_init(struct mailbox *box, void (*wake)(void *owner), void *owner)
{
    atomic_init(&box->last, NULL);
    atomic_init(&box->posting, 0);
    box->wake = wake;
    box->owner = owner;
}

void mailbox_deinit(struct mailbox *box)
{
    REQUIRE(atomic_load(&box->last) == NULL);
    while (atomic_load(&box->posting) != 0)
        (void)sched_yield();
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
    struct mail *last = atomic_load_explicit(&box->last, memory_order_relaxed);
    (void)atomic_fetch_add(&box->posting, 1);
    do
        mail->next = last;
    while (!atomic_compare_exchange_weak(&box->last, &last, mail));
    if (last == NULL)
        box->wake(box->owner);
    (void)atomic_fetch_sub(&box->posting, 1);
}

/* All messages, the oldest first. */
static struct mail *mailbox_take(struct mailbox *box)
{
    struct mail *mail = atomic_exchange(&box->last, NULL), *first = NULL;
    while (mail != NULL) {
        struct mail *older = mail->next;
        mail->next = first;
        first = mail;
        mail = older;
    }
    return first;
}

void mailbox_run(struct mailbox *box)
{
    struct mail *mail = mailbox_take(box);
    while (mail != NULL) {
        struct mail *next = mail->next;
        mail->run(mail, box->owner);
        mail = next;
    }
}
