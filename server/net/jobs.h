/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs of a loop: requests whose handlers have returned and that are not answered yet. The loop's
 * thread.
 */
#pragma once

#include "server/net/loop.h"

void jobs_init(struct loop *loop);

/* Carry on with a job. 0 or ERR_OUT_OF_MEMORY (the job is destroyed). */
MUST_USE int jobs_add(struct loop *loop, struct conn *conn, struct job *job, uint32_t tag,
                      bool silent);

/* A connection goes: its jobs end without an answer. */
void jobs_forget(struct loop *loop, const struct conn *conn);

/* Are there any? */
bool jobs_any(const struct loop *loop);

/* Take up again what the log has held up. */
void jobs_go_on(struct loop *loop);
