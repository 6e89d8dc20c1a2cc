/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When snapshots are taken: on request, by the growth of the log, by time, and at the end.
 */
#pragma once

#include "server/store/save.h"

struct server;
struct snapshots;

/* Since the start. Times are 0 while there is none. */
struct snapshots_figures {
    bool running;
    uint64_t taken, failures;
    int64_t last_at_ms; /* when the last was finished, since 1970; that it started from counts */
    struct save_report last; /* that succeeded; begin_lsn 0 if it is that the server started from */
    char problem[512];       /* of the last attempt; empty if it succeeded */
};

/* Start the thread; the store has a log. 0, or ERR_OUT_OF_MEMORY. */
MUST_USE int snapshots_start(struct server *server, struct snapshots **out_snapshots);

/* Any thread. True: one begins now. False: one is running. */
bool snapshots_request(struct snapshots *snapshots);
void snapshots_figures(struct snapshots *snapshots, struct snapshots_figures *out_figures);

/* The loops have ended: give up what is running, take the last one if snapshot.on_shutdown says so,
 * end the thread. NULL is fine. */
void snapshots_stop(struct snapshots *snapshots);
