/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mailbox: a locked list of intrusive messages.
 *
 *   post, post, post --> [ m m m ] --wake once--> owner: take the list, run it without the lock
 *
 * The lock is held for a few instructions; the rate of messages is that of connections and
 * administrative requests, not of data.
 *
 * Threads: mailbox_post from any, the rest from the owner.
 */
#include "common/mailbox.h"

void mailbox_init(struct mailbox *box, void (*wake)(void *owner), void *owner)
{
    REQUIRE(pthread_mutex_init(&box->lock, NULL) == 0);
    box->first = NULL;
    box->last = &box->first;
    box->wake = wake;
    box->owner = owner;
}

void mailbox_deinit(struct mailbox *box)
{
    REQUIRE(box->first == NULL);
    pthread_mutex_destroy(&box->lock);
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&box->lock);
    bool was_empty = box->first == NULL;
    *box->last = mail;
    box->last = &mail->next;
    if (was_empty)
        box->wake(box->owner); /* under the lock: the owner may be gone right after it */
    pthread_mutex_unlock(&box->lock);
}

void mailbox_run(struct mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    struct mail *mail = box->first;
    box->first = NULL;
    box->last = &box->first;
    pthread_mutex_unlock(&box->lock);
    while (mail != NULL) {
        struct mail *next = mail->next;
        mail->run(mail, box->owner);
        mail = next;
    }
}
