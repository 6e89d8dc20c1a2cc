/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where clients connect: the addresses of the options listen.*, or sockets that the service manager
 * has opened in their place.
 */
#pragma once

#include "common/check.h"

struct server;

/* Start to listen, for all protocols. 0, or the exit status of the process (sysexits.h), when the
 * log says why. Main thread, when the loops have been started. */
MUST_USE int listen_start(struct server *server);
