/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct cairn inside the library: a connection, the requests that are out, and building one.
 */
#pragma once

#include "client/include/cairn.h"
#include "client/lib/frame.h"
#include "client/lib/link.h"
#include "client/lib/target.h"

enum slot_state { SLOT_FREE, SLOT_PENDING, SLOT_ABANDONED };

/* A request that is out; slot number msgid & slot_mask. */
struct slot {
    uint32_t msgid;
    enum slot_state state;
};

struct cairn {
    struct link link;
    struct cairn_error error;
    struct frame frame; /* scan of the message at the front of link.in */
    size_t taken_next;  /* bytes of the message handed out last; dropped with the next read */
    size_t mark;        /* link.out.size before the request that is being built */
    uint32_t next_msgid;
    uint32_t pending;   /* requests whose reply is wanted */
    uint32_t abandoned; /* requests whose reply is dropped when it comes */
    uint32_t max_in_flight;
    uint32_t slot_mask;
    struct slot *slots;
    uint32_t timeout_ms;
    size_t max_reply_bytes, max_send_bytes;
    struct buf kept; /* notifications that came while a reply was awaited */
    size_t kept_taken;
};

/* Connect and greet. NULL: *error says why. The pool's way in. */
struct cairn *client_open(const struct target *target, struct cairn_error *error);

/* Build and do one blocking request:
 *
 *   client_begin  the head is in c->link.out; now pack the params there
 *   client_finish `err` is what packing came to (0 or ERR_OUT_OF_MEMORY): send and wait
 *
 * Both return 0 or a negative enum cairn_status, told in c->error. */
MUST_USE int client_begin(struct cairn *c, const char *method, uint32_t *out_msgid);
MUST_USE int client_finish(struct cairn *c, int err, uint32_t msgid, struct bytes *out_result);

/* The connection is quiet, unbroken, and owes nothing: it may be used by somebody else. */
bool client_is_clean(const struct cairn *c);

static inline struct bytes client_bytes(struct cairn_bytes b)
{
    return (struct bytes){b.data, b.size};
}

static inline struct cairn_bytes client_public(struct bytes b)
{
    return (struct cairn_bytes){b.data, b.size};
}
