/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a server is, as people write it:
 *
 *   redis://[[user]:password@]host[:port][/database]    RESP
 *   cairn://[token@]host[:port][/run]                   MessagePack-RPC
 *   redis+unix://[[user]:password@]/path   cairn+unix://[token@]/path   unix:/path   /path
 *   host   host:port   [v6]:port
 *
 * %XX stands for a byte in what is before the @ and behind the slash.
 */
#pragma once

#include "client/loadgen/driver.h"
#include "client/loadgen/options.h"

enum { ADDRESS_TEXT_SIZE = 256, ADDRESS_DETAIL_SIZE = OPTIONS_DETAIL_SIZE };

struct address {
    const struct driver *driver; /* NULL: find out which protocol the server speaks */
    char host[ADDRESS_TEXT_SIZE];
    char path[108]; /* of a Unix socket; "": host and port are meant */
    int port;       /* 0: the usual one of the driver */
    char user[ADDRESS_TEXT_SIZE], password[ADDRESS_TEXT_SIZE], space[ADDRESS_TEXT_SIZE];
};

/* Read a URI. 0, or ERR_BAD_ARGUMENT with a sentence that does not show a password. */
MUST_USE int address_parse(const char *text, struct address *out,
                           char out_detail[static ADDRESS_DETAIL_SIZE]);

/* The server the options name: --uri, then what is given besides it. As address_parse. */
MUST_USE int address_of_options(const struct options *options, struct address *out,
                                char out_detail[static ADDRESS_DETAIL_SIZE]);

struct driver_login address_login(const struct address *address);
