/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The map functions of resp.def, between resp_command.c (the table) and resp_map.c and
 * resp_map_vec.c, and what these two share.
 */
#pragma once

#include "proto/resp_command.h"

/* param of a row, as bits. */
enum {
    MAP_SECONDS = 1, /* times are in seconds */
    MAP_AT = 2,      /* they are instants */
    MAP_NX = 4,      /* only if absent */
    MAP_GET = 8,     /* return the old value */
};

int resp_map_none(struct resp_call *call);
int resp_map_key(struct resp_call *call);
int resp_map_keys(struct resp_call *call);  /* one key: the operation on one */
int resp_map_pairs(struct resp_call *call); /* MAP_NX */
int resp_map_set(struct resp_call *call);   /* with its options */
int resp_map_put(struct resp_call *call);   /* MAP_NX, MAP_GET */
int resp_map_setex(struct resp_call *call); /* MAP_SECONDS */
int resp_map_getdel(struct resp_call *call);
int resp_map_getex(struct resp_call *call);
int resp_map_append(struct resp_call *call);
int resp_map_by(struct resp_call *call); /* param 1 or -1: the sign; one argument: by 1 */
int resp_map_by_real(struct resp_call *call);
int resp_map_expire(struct resp_call *call); /* MAP_SECONDS, MAP_AT */
int resp_map_scan(struct resp_call *call);
int resp_map_flush(struct resp_call *call);
int resp_map_ping(struct resp_call *call);
int resp_map_value(struct resp_call *call);

/* Vector sets. */
int resp_map_vset(struct resp_call *call);     /* key: the collection */
int resp_map_velement(struct resp_call *call); /* key element */
int resp_map_vmember(struct resp_call *call);  /* the same, as a list of one key */
int resp_map_vemb(struct resp_call *call);
int resp_map_vlinks(struct resp_call *call);
int resp_map_vrandmember(struct resp_call *call);
int resp_map_vadd(struct resp_call *call);
int resp_map_vsetattr(struct resp_call *call);
int resp_map_vsim(struct resp_call *call);

/* ---- what map functions share ---- */

/* These return what they say: 0 or an error in call->problem. */
MUST_USE int resp_syntax(struct resp_call *call);
MUST_USE int resp_read_int(struct resp_call *call, struct bytes arg, int64_t *out);
/* Of the sizes of keys the least and the largest: do they fit? */
MUST_USE int resp_check_key(struct resp_call *call, size_t min, size_t max);

static inline void resp_give_true(struct arg *arg)
{
    *arg = (struct arg){.present = true, .boolean = true};
}

static inline void resp_give_uint(struct arg *arg, int64_t value)
{
    *arg = (struct arg){.present = true, .uint = (uint64_t)value};
}

/* ---- shapes of vector sets, between resp_reply.c and resp_reply_vec.c ---- */

MUST_USE int resp_reply_vec(const struct resp_context *context, enum resp_shape shape,
                            struct mp_reader *reader, struct buf *out);
/* What is said where there is no such collection; true if anything is (else it is an error). */
MUST_USE bool resp_reply_absent(const struct resp_context *context, enum resp_shape shape,
                                const struct problem *problem, struct buf *out, int *out_err);
