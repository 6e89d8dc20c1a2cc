/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory to search with, lent: a stack under a lock that is held for a few instructions.
 *
 * Threads: any. Failures: memory for a new one.
 */
#include "server/store/searchers.h"

void searchers_init(struct searchers *searchers)
{
    searchers->count = 0;
    REQUIRE(pthread_mutex_init(&searchers->lock, NULL) == 0);
}

void searchers_deinit(struct searchers *searchers)
{
    while (searchers->count > 0)
        vindex_searcher_destroy(searchers->idle[--searchers->count]);
    (void)pthread_mutex_destroy(&searchers->lock);
}

struct vindex_searcher *searchers_take(struct searchers *searchers)
{
    struct vindex_searcher *searcher = NULL;
    (void)pthread_mutex_lock(&searchers->lock);
    if (searchers->count > 0)
        searcher = searchers->idle[--searchers->count];
    (void)pthread_mutex_unlock(&searchers->lock);
    return searcher != NULL ? searcher : vindex_searcher_create();
}

void searchers_give(struct searchers *searchers, struct vindex_searcher *searcher)
{
    (void)pthread_mutex_lock(&searchers->lock);
    if (searchers->count < SEARCHERS_MAX) {
        searchers->idle[searchers->count++] = searcher;
        searcher = NULL;
    }
    (void)pthread_mutex_unlock(&searchers->lock);
    vindex_searcher_destroy(searcher);
}
