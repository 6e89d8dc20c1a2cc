/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MessagePack-RPC messages (https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md):
 *
 *   request       [0, msgid, method, params]
 *   response      [1, msgid, error, result]
 *   notification  [2, method, params]
 *
 * params is an array (positional; after the required arguments a last map names further ones), or a
 * map, or an array of one map, that names them all.
 */
#pragma once

#include "common/buf.h"
#include "proto/limits.h"
#include "proto/mp.h"
#include "proto/problem.h"
#include "proto/request.h"

enum rpc_result {
    RPC_OK,      /* *out holds a call */
    RPC_MORE,    /* the message is not all there */
    RPC_REFUSED, /* a whole message, but not a valid call: answer *problem */
    RPC_FATAL,   /* not MessagePack-RPC: answer *problem if a msgid is known, then close */
};

/* Decode the message at the front of `data`. On RPC_OK and RPC_REFUSED *out_size is its size.
 * On RPC_REFUSED and RPC_FATAL *problem says why, out->msgid and out->notification whom to tell
 * (RPC_FATAL: out->notification if no msgid is known). Views in *out point into data. */
MUST_USE enum rpc_result rpc_decode(struct bytes data, const struct limits *limits,
                                    struct request *out, struct problem *problem, size_t *out_size);

/* Decode `method, params` of a call inside a batch, at *reader, which is complete and checked.
 * 0, or an error told in *problem; the reader has moved behind the call either way. */
MUST_USE int rpc_decode_call(struct mp_reader *reader, const struct limits *limits,
                             struct request *out, struct problem *problem);

/* Decode a map of arguments by name of `op`, at *reader, which is complete and checked; required
 * ones may be missing. 0, or an error told in *problem; the reader has moved behind it either
 * way. */
MUST_USE int rpc_decode_named(struct mp_reader *reader, const struct limits *limits,
                              const struct op *op, struct request *out, struct problem *problem);

/* The reverse: add the call [method, {name: argument...}] that decodes to this request. 0 or
 * ERR_OUT_OF_MEMORY (nothing is added). Options of all operations are left out. */
MUST_USE int rpc_encode_call(struct buf *out, const struct request *request);

/* Client side: begin a request. The params must follow, as one packed value. */
MUST_USE int rpc_encode_request(struct buf *out, uint32_t msgid, struct bytes method);

/* Client side: a response as views of its encoded parts. */
struct rpc_response {
    uint32_t msgid;
    struct bytes error;  /* encoded; 0xc0 is success */
    struct bytes result; /* encoded */
};

/* Decode the response at the front of `data`. 0, MP_MORE, or ERR_BAD_REQUEST if it is none. */
MUST_USE int rpc_decode_response(struct bytes data, struct rpc_response *out, size_t *out_size);
