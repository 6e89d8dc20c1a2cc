/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why a run ended early, in the caller's storage. (A request the server refused is not one: it is
 * counted and the run goes on.)
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>

enum failure_kind {
    FAILURE_NONE,
    FAILURE_CONNECT,  /* no connection, or what answers does not speak the protocol */
    FAILURE_CLOSED,   /* the server closed a connection, or it broke */
    FAILURE_REPLY,    /* the server sent something that is no reply to what it was asked */
    FAILURE_SILENT,   /* nothing came from the server for --timeout */
    FAILURE_OVERLOAD, /* a request was due that could not be sent, and --overload says to end */
    FAILURE_LOCAL,    /* no memory, no descriptors ... on this side */
};

struct failure {
    enum failure_kind kind;
    char text[240]; /* one sentence or two; printable */
};

/* Fill in, unless there is a failure already: the first counts. Returns ERR_IO. */
int failure_set(struct failure *failure, enum failure_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Exit code for it: 0, or 3 (what was measured is not what was asked for). */
int failure_exit_code(const struct failure *failure);
