/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A protocol driver: all that depends on the protocol, as a table of functions. One file each
 * (driver_msgpack.c); the list of all is in driver.c.
 */
#pragma once

#include "client/loadgen/frame.h"
#include "client/loadgen/workload.h"
#include "common/buf.h"

enum driver_status {
    DRIVER_MORE,  /* the reply is not all there */
    DRIVER_VALUE, /* success */
    DRIVER_NIL,   /* success without a value */
    DRIVER_ERROR, /* the server refused: see text */
    DRIVER_BAD,   /* not a reply in this protocol; the connection is of no more use */
};

struct driver_reply {
    size_t size; /* bytes it takes */
    bool has_id; /* false: replies come in the order of the requests */
    uint32_t id;
    struct bytes text; /* DRIVER_ERROR: what the server says; points into the data */
};

struct driver {
    const char *name;

    /* Encode what is sent first on a connection; one reply follows. It tells whether the server is
     * one of this protocol. 0 or ERR_OUT_OF_MEMORY. */
    int (*begin)(struct buf *out);

    /* Prepare a request of this shape with this value into *out, whose bytes are empty (the caller
     * frees them). 0 or ERR_OUT_OF_MEMORY. */
    int (*encode_request)(const struct shape *shape, struct bytes value, struct frame *out);

    /* Look at the reply in front of `data`; *out is only meant if it is all there. The data may be
     * anything. Never allocates. Any thread. */
    enum driver_status (*parse_reply)(struct bytes data, struct driver_reply *out);
};

extern const struct driver driver_msgpack;

/* The driver of this name, or NULL. */
const struct driver *driver_find(const char *name);
