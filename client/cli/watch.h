/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cairn watch open: events on stdout, a line each, until Ctrl-C, the timeout or the end of the
 * connection. (Commands that repeat themselves are --stat and --latency: stat.h, latency.h.)
 */
#pragma once

#include "client/cli/print.h"
#include "client/cli/session.h"

/* Open a watch with these packed params and print its events. timeout_ms: how long to wait for one;
 * UINT32_MAX: for ever. Returns an exit code; what went wrong was told on stderr. */
int watch_run(struct session *session, struct bytes params, uint32_t timeout_ms,
              struct printer *printer);
