/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reply interface: handlers describe a result, this writes it into the connection's output.
 *
 * One reply is begun, then either one result value is written (arrays and maps as a header and
 * their elements), or an error, and it is ended. Failures (no memory, larger than
 * limits.reply_bytes) are kept inside and become an error reply at the end, so that handlers need
 * not check every call.
 */
#pragma once

#include "common/buf.h"
#include "proto/problem.h"

enum reply_form {
    REPLY_RPC,    /* [1, msgid, error, result] */
    REPLY_NESTED, /* [error, result]: a call inside a batch */
    REPLY_PLAIN,  /* the result alone, for a protocol that words errors itself */
};

struct reply {
    struct buf *out;
    size_t start; /* where this reply begins in *out */
    size_t limit; /* bytes it may have */
    uint32_t msgid;
    enum reply_form form;
    bool silent;     /* a notification: nothing is kept */
    bool error_maps; /* errors as {code, message, retryable, data} instead of "CODE message" */
    int failed;      /* enum err: what went wrong while writing */
};

/* Begin: the head up to the result. `limit` is limits.reply_bytes. */
void reply_begin(struct reply *reply, struct buf *out, enum reply_form form, uint32_t msgid,
                 size_t limit);

/* Parts of the result. */
void reply_nil(struct reply *reply);
void reply_bool(struct reply *reply, bool value);
void reply_uint(struct reply *reply, uint64_t value);
void reply_int(struct reply *reply, int64_t value);
void reply_real(struct reply *reply, double value);
void reply_text(struct reply *reply, const char *text);           /* str */
void reply_bytes(struct reply *reply, struct bytes b, bool text); /* str if text, else bin */
void reply_value(struct reply *reply, struct bytes encoded);      /* MessagePack as it is */
void reply_array(struct reply *reply, size_t count);
void reply_map(struct reply *reply, size_t pairs);
void reply_key(struct reply *reply, const char *key); /* key of a map: str */

/* An array whose length is known only at its end. */
size_t reply_array_open(struct reply *reply);
void reply_array_close(struct reply *reply, size_t mark, size_t count);

/* Bytes this reply has so far. */
size_t reply_size(const struct reply *reply);

/* Take back whole values: what was written since it had this size. */
void reply_cut(struct reply *reply, size_t size);

/* A number that is not known yet (the version of a batch): its place, and filling it in. */
size_t reply_uint_later(struct reply *reply);
void reply_uint_now(struct reply *reply, size_t place, uint64_t value);

/* Replace whatever was written by an error. Not in the form REPLY_PLAIN. */
void reply_error(struct reply *reply, const struct problem *problem);

/* End: 0, or ERR_OUT_OF_MEMORY if not even an error could be written (nothing is left then). In the
 * form REPLY_PLAIN: 0, or why there is no result. */
MUST_USE int reply_end(struct reply *reply);
