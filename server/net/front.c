/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What all front-ends ask before they go on: back-pressure and the size of messages.
 *
 * Threads: the loop of the connection.
 */
#include "server/net/front.h"

#include "server/net/conn.h"

bool front_may_run(const struct conn *conn)
{
    const struct limits *limits = &conn->loop->limits;
    if (conn->out.size - conn->sent > limits->output_bytes)
        return false;
    if (conn->loop->behind)
        return false;
    return conn->n_jobs == 0 || (!conn->session.ordered && conn->n_jobs < limits->in_flight);
}

size_t front_frame_limit(const struct conn *conn, const char **out_option)
{
    const struct limits *limits = &conn->loop->limits;
    bool out = conn->loop->env.login_required && !conn->session.logged_in;
    *out_option = out ? "limits.login_frame_bytes" : "limits.frame_bytes";
    return out ? limits->login_frame_bytes : limits->frame_bytes;
}
