/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The clients of all loops: listing and killing them, for handlers.
 *
 * Every loop gives those of its clients that can be in the page; sorted by id, the first of them
 * are the page.
 *
 * Threads: any loop. Failures: without memory for a page, ERR_OUT_OF_MEMORY.
 */
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "server/server.h"

static int report_compare_clients(const void *a, const void *b)
{
    uint64_t x = ((const struct session_view *)a)->id, y = ((const struct session_view *)b)->id;
    return (x > y) - (x < y);
}

/* No more than there are now: those that come while we look have higher ids. */
static size_t report_clients_room(const struct server *server, size_t max)
{
    size_t n = 1;
    for (unsigned i = 0; i < server->n_loops; i++)
        n += atomic_load_explicit(&server->loops[i]->n_conns, memory_order_relaxed);
    return n < max ? n : max;
}

int report_clients(void *self, uint64_t after, size_t max, struct session_view **out_views,
                   size_t *out_count)
{
    struct server *server = self;
    size_t room = report_clients_room(server, max), n = 0;
    uint64_t now_ns = clock_mono_ns();
    struct session_view *views = mem_calloc(2 * room, sizeof *views);
    if (views == NULL)
        return ERR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < server->n_loops; i++) {
        n += session_list_view(&server->loops[i]->sessions, after, room, now_ns, views + n);
        qsort(views, n, sizeof *views, report_compare_clients);
        n = n < room ? n : room;
    }
    *out_views = views;
    *out_count = n;
    return 0;
}

int report_kill(void *self, uint64_t id, bool *out_found)
{
    struct server *server = self;
    int err = 0;
    *out_found = false;
    for (unsigned i = 0; i < server->n_loops && err == 0 && !*out_found; i++)
        err = loop_kill(server->loops[i], id, out_found);
    return err;
}
