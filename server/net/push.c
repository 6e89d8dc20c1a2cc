/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pushing events.
 *
 *   loop A: commits ... end of turn: feed_tell --> wake of loop B, if it waits
 *   loop B: push_events: each watch in turn looks at the feed --> conn->out --> sent with replies
 *
 * Watches take turns, a page each; one whose connection takes no more is left where it is, and
 * comes back when output has gone (conn_flush). So nothing here waits for a client, and a client
 * that does not read keeps no memory but limits.output_bytes.
 *
 * Threads: the loop; push_wake any.
 * Failures: a connection without memory for its notification is closed.
 */
#include "server/net/push.h"

#include "common/clock.h"
#include "server/net/conn.h"

enum { PUSH_NS = 500000 };

static void push_wake(void *context)
{
    bell_ring(&((struct loop *)context)->bell);
}

void push_init(struct loop *loop)
{
    loop->env.watches.listener.wake = push_wake;
    loop->env.watches.listener.context = loop;
}

void push_deinit(struct loop *loop)
{
    watch_set_close(&loop->env.watches, loop->env.store);
}

void push_events(struct loop *loop)
{
    struct watch_set *set = &loop->env.watches;
    uint64_t end;
    if (!watch_set_has_news(set, loop->env.store, &end))
        return;
    uint64_t until = clock_mono_ns() + PUSH_NS;
    unsigned left = set->count;
    set->again = false;
    for (; left > 0 && set->first != NULL && clock_mono_ns() < until; left--) {
        struct watch *watch = set->at != NULL ? set->at : set->first;
        set->at = watch->next;
        if (conn_push(conn_of_session(watch->session), watch, end))
            set->again = true;
    }
    if (left > 0)
        set->again = true;
    set->looked = end;
}

void push_before_sleep(struct loop *loop)
{
    struct watch_set *set = &loop->env.watches;
    struct feed *feed = loop->env.store->feed;
    if (!feed_is_on(feed))
        return;
    uint64_t end = feed_end(feed);
    if (end != loop->told) {
        loop->told = end;
        feed_tell(feed);
    }
    atomic_store(&set->listener.waits, set->first != NULL);
    if (watch_set_has_news(set, loop->env.store, &end))
        push_wake(loop);
}
