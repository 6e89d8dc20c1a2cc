/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Making and unmaking connections; what happens on them in between is in conn.h and worker.c.
 *
 * How: the ring has a power of two of slots, at least one for each request of the window.
 *
 * Invariants: in_flight is the number of busy slots.
 * Threads: a connection belongs to one worker. Failures: ERR_OUT_OF_MEMORY.
 */
#include "client/loadgen/conn.h"

#include "common/err.h"
#include "common/mem.h"

#include <unistd.h>

int conn_init(struct conn *conn, int fd, unsigned window)
{
    uint32_t slots = 1;
    while (slots < window)
        slots *= 2;
    struct conn_request *ring = mem_calloc(slots, sizeof *ring);
    if (ring == NULL)
        return ERR_OUT_OF_MEMORY;
    *conn = (struct conn){.fd = fd, .mask = slots - 1, .ring = ring};
    buf_init(&conn->unsent);
    buf_init(&conn->unparsed);
    return 0;
}

void conn_deinit(struct conn *conn)
{
    close(conn->fd);
    mem_free(conn->ring);
    history_deinit(&conn->history);
    buf_deinit(&conn->unsent);
    buf_deinit(&conn->unparsed);
}
