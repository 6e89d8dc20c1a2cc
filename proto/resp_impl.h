/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The map functions of resp.def, between resp_command.c (the table) and resp_map.c.
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
