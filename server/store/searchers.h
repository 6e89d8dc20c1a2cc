/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What threads search vectors with (struct vindex_searcher), lent for the time of a search: there
 * are as many as ever were needed at once, whoever searched.
 *
 * Any thread.
 */
#pragma once

#include "server/store/vindex.h"

#include <pthread.h>

enum { SEARCHERS_MAX = 64 }; /* kept; what is given back beyond that is destroyed */

struct searchers {
    pthread_mutex_t lock;
    unsigned count;
    struct vindex_searcher *idle[SEARCHERS_MAX]; /* the last used on top: it is warm */
};

void searchers_init(struct searchers *searchers);
/* All have been given back. */
void searchers_deinit(struct searchers *searchers);

/* NULL without memory. */
struct vindex_searcher *searchers_take(struct searchers *searchers) MUST_USE;
void searchers_give(struct searchers *searchers, struct vindex_searcher *searcher);
