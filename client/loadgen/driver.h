/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A protocol driver: all that depends on the protocol, as a table of functions. One file each
 * (driver_msgpack.c, driver_resp.c); the list of all is in driver.c.
 */
#pragma once

#include "client/loadgen/command.h"
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
    struct bytes text;  /* DRIVER_ERROR: what the server says; points into the data */
    struct bytes value; /* DRIVER_VALUE: the value, if it is a string of bytes */
    struct bytes whole; /* the same, whatever it is, as it is encoded */
};

/* What a connection begins with. Empty texts: not asked for. */
struct driver_login {
    const char *user, *password; /* password: a token for msgpack, which has no users */
    const char *space;           /* RESP: number of the database; msgpack: the run */
    bool brief;                  /* only what must be said: nothing, if nothing is asked for */
};

struct driver {
    const char *name;
    enum spelling spelling; /* in which requests are written for it */
    uint16_t port;          /* where servers usually listen */
    const char *server;     /* what speaks it, for people */

    /* Encode what is sent first on a connection, to which *out_replies replies follow. They tell
     * whether the server is one of this protocol. 0 or ERR_OUT_OF_MEMORY. */
    int (*begin)(const struct driver_login *login, struct buf *out, unsigned *out_replies);

    /* Prepare a request into *out (after frame_init; the caller frees its bytes). inline_form: as a
     * line of text. value: what to write for __data__; data NULL: values differ, leave holes. What
     * is still __key__ becomes a hole. 0, ERR_OUT_OF_MEMORY, or ERR_BAD_ARGUMENT (too many keys,
     * values or numbers, brackets that do not match). */
    int (*encode)(const struct command *command, bool inline_form, struct bytes value,
                  struct frame *out);

    /* Look at the reply in front of `data`; *out is only meant if it is all there. The data may be
     * anything. Never allocates. Any thread. */
    enum driver_status (*parse_reply)(struct bytes data, struct driver_reply *out);

    /* What a whole reply has under this key, if that is a string of bytes; else BYTES_NONE. In
     * "items.0.key" a dot leads into a map or array. NULL: this protocol has no maps. */
    struct bytes (*find_field)(struct bytes whole, struct bytes field);

    /* Can a request begin with this word? NULL: that is for the server to say. */
    bool (*knows)(struct bytes word);
};

extern const struct driver driver_msgpack, driver_resp2, driver_resp3;

/* The driver of this name, or NULL. */
const struct driver *driver_find(const char *name);

/* ---- for drivers ---- */

/* Note a hole that begins at the end of the bytes. 0 or ERR_BAD_ARGUMENT: too many. */
MUST_USE int driver_add_value(struct frame *frame);

/* The same for a word that is a key of --key-file, a number or a reply; *out_is tells whether it
 * is. */
MUST_USE int driver_add_hole(struct frame *frame, struct bytes word, bool *out_is);

/* The same for a word that stands for a vector (client/loadgen/vector_words.h). */
MUST_USE int driver_add_vector(struct frame *frame, struct bytes word, bool *out_is);

/* Append a word; its placeholders of keys become holes. 0, ERR_OUT_OF_MEMORY, ERR_BAD_ARGUMENT. */
MUST_USE int driver_add_word(struct frame *frame, struct bytes word);
