/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct target: where to connect to and how, with address and options resolved and copied.
 */
#pragma once

#include "client/include/cairn.h"
#include "common/check.h"

#include <sys/un.h>

struct target {
    char host[256]; /* empty: a Unix socket */
    char port[8];
    char path[sizeof((struct sockaddr_un){0}.sun_path)];
    char token[1024]; /* these four: empty if not given */
    char run[256];
    char durability[16];
    char client[64];
    uint32_t connect_timeout_ms;
    uint32_t timeout_ms; /* UINT32_MAX: for ever */
    uint32_t max_in_flight;
    size_t max_reply_bytes, max_send_bytes;
};

/* Read an address (NULL: the default one) and options (may be NULL). 0 or CAIRN_BAD_ARGUMENT, told
 * in *error; nothing of the token is repeated there. */
MUST_USE int target_init(struct target *target, const char *address,
                         const struct cairn_options *options, struct cairn_error *error);
