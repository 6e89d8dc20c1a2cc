/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/mailbox: messages come in order and once, a burst wakes once, messages may post messages,
 * and many threads may post while the owner runs.
 */
#include "common/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 4, LETTERS = 2000 };

struct owner {
    struct mailbox box;
    atomic_uint wakes;
    unsigned ran;
    unsigned next[THREADS]; /* the number each thread's next letter must have */
};

struct letter {
    struct mail mail;
    unsigned thread, number;
};

static void wake(void *owner)
{
    atomic_fetch_add(&((struct owner *)owner)->wakes, 1);
}

static void receive(struct mail *mail, void *owner)
{
    struct letter *letter = (struct letter *)mail;
    struct owner *self = owner;
    assert_int_equal(letter->number, self->next[letter->thread]);
    self->next[letter->thread]++;
    self->ran++;
}

static void burst(void **state)
{
    (void)state;
    struct owner owner = {.ran = 0};
    struct letter letters[10];
    mailbox_init(&owner.box, wake, &owner);
    mailbox_run(&owner.box); /* nothing there */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5; i++) {
            letters[5 * round + i] = (struct letter){{NULL, receive}, 0, 5 * round + i};
            mailbox_post(&owner.box, &letters[5 * round + i].mail);
        }
        assert_int_equal(owner.wakes, round + 1);
        assert_int_equal(owner.ran, 5 * round);
        mailbox_run(&owner.box);
        assert_int_equal(owner.ran, 5 * round + 5);
    }
    mailbox_deinit(&owner.box);
}

static void post_again(struct mail *mail, void *owner)
{
    struct owner *self = owner;
    if (++self->ran < 3)
        mailbox_post(&self->box, mail); /* the mail is ours: it may go round again */
}

/* What a message posts is run the next time, and wakes again. */
static void posts_from_within(void **state)
{
    (void)state;
    struct owner owner = {.ran = 0};
    struct mail mail = {NULL, post_again};
    mailbox_init(&owner.box, wake, &owner);
    mailbox_post(&owner.box, &mail);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(owner.wakes, i);
        mailbox_run(&owner.box);
        assert_int_equal(owner.ran, i);
    }
    mailbox_deinit(&owner.box);
}

struct poster {
    struct owner *owner;
    struct letter letters[LETTERS];
};

static void *poster_main(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < LETTERS; i++)
        mailbox_post(&poster->owner->box, &poster->letters[i].mail);
    return NULL;
}

/* The owner sleeps until it is woken, as a loop does: no wake-up may be missing. */
static void many_threads(void **state)
{
    (void)state;
    static struct poster posters[THREADS];
    pthread_t threads[THREADS];
    struct owner owner = {.ran = 0};
    unsigned wakes_seen = 0;
    mailbox_init(&owner.box, wake, &owner);
    for (unsigned t = 0; t < THREADS; t++) {
        posters[t].owner = &owner;
        for (unsigned i = 0; i < LETTERS; i++)
            posters[t].letters[i] = (struct letter){{NULL, receive}, t, i};
        assert_int_equal(pthread_create(&threads[t], NULL, poster_main, &posters[t]), 0);
    }
    while (owner.ran < THREADS * LETTERS) {
        unsigned wakes = atomic_load(&owner.wakes);
        if (wakes == wakes_seen) {
            sched_yield();
            continue;
        }
        wakes_seen = wakes;
        mailbox_run(&owner.box);
    }
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    assert_true(owner.wakes <= THREADS * LETTERS);
    mailbox_deinit(&owner.box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst),
        cmocka_unit_test(posts_from_within),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
