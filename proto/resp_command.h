/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of RESP commands (resp.def) as C: from a command to a request, and from the result of
 * the operation, which is MessagePack, to a reply.
 */
#pragma once

#include "proto/limits.h"
#include "proto/mp.h"
#include "proto/request.h"
#include "proto/resp.h"

enum resp_id {
#define SPELLING(id, name, arity, flags, keys, op, map, param, shape, group, since, arguments,     \
                 summary)                                                                          \
    RESP_##id,
#define OWN(id, name, arity, flags, keys, group, since, arguments, summary) RESP_##id,
#include "proto/resp.def"
#undef SPELLING
#undef OWN
    RESP_COUNT
};

/* Flags of a row; in resp.def they stand without the prefix. */
enum resp_flag {
    RESP_WRITE = 1,
    RESP_READONLY = 2,
    RESP_DENYOOM = 4,
    RESP_FAST = 8,
    RESP_SLOW = 16,
    RESP_ADMIN = 32,
    RESP_NOAUTH = 64,
    RESP_AT_ONCE = 128,
    RESP_ALONE = 256,
};

enum resp_keys { RESP_KEYS_NONE, RESP_KEYS_FIRST, RESP_KEYS_ALL, RESP_KEYS_PAIRS };

/* How a result is told. What is written on CONFLICT stands behind the slash. */
enum resp_shape {
    RESP_SHAPE_NONE,         /* not a spelling of an operation */
    RESP_SHAPE_OK,           /* +OK, whatever it is */
    RESP_SHAPE_SET,          /* a version: +OK; [version, value]: the value / nil */
    RESP_SHAPE_DONE,         /* 1 / 0 */
    RESP_SHAPE_VALUE,        /* a stored value; numbers as text */
    RESP_SHAPE_VALUES,       /* an array of them */
    RESP_SHAPE_SECOND,       /* [version, value]: the value */
    RESP_SHAPE_INTEGER,      /* an integer; a bool as 0 or 1; an array: how many are not 0 */
    RESP_SHAPE_TTL,          /* milliseconds; nil: -2 */
    RESP_SHAPE_TTL_SECONDS,  /* the same in seconds, rounded */
    RESP_SHAPE_TIME,         /* the instant in milliseconds since 1970; nil: -2 */
    RESP_SHAPE_TIME_SECONDS, /* the same in seconds */
    RESP_SHAPE_TYPE,         /* a kind of record: +string or +vectorset; nil: +none */
    RESP_SHAPE_PONG,         /* "pong": +PONG; anything else: as a value */
    RESP_SHAPE_PAGE,         /* {items, cursor}: [cursor, items] */
    /* Of vector sets; where there is no such collection, what stands behind the slash. */
    RESP_SHAPE_CARD,   /* an integer / 0 */
    RESP_SHAPE_BOOL,   /* is the result, or the last element of an array, not nil, 0 or false?
                             * / false */
    RESP_SHAPE_DIM,    /* of what vec.info returns: dim; nil: an error */
    RESP_SHAPE_VINFO,  /* the same in the words of Redis; nil: nil */
    RESP_SHAPE_VECTOR, /* of a vector: an array of its elements / nil */
    RESP_SHAPE_MEMBER, /* [key]: it; []: nil / nil */
    RESP_SHAPE_LINKS,  /* [[[key, score]...]...]: keys of each level; nil: nil / nil */
    RESP_SHAPE_LINKS_SCORES,
    RESP_SHAPE_ATTRIBUTES,  /* of [vector]: its metadata as JSON / nil */
    RESP_SHAPE_HITS,        /* {items}: keys / an empty array */
    RESP_SHAPE_HITS_SCORES, /* each with its score */
    RESP_SHAPE_HITS_ATTRIBUTES,
    RESP_SHAPE_HITS_BOTH,
};

/* A command on its way to a request. */
struct resp_call {
    const struct resp_command *command;
    struct resp_reader args; /* behind the name; what is read may be written over */
    const struct limits *limits;
    int64_t now_ms;
    struct buf *scratch;     /* for what does not fit in place; views of it go to the request */
    struct request *request; /* what it becomes */
    struct problem *problem; /* or why not */
    enum resp_shape shape;   /* how its result is told: that of the row, unless map changes it */
};

struct resp_command {
    enum resp_id id;
    const char *name; /* lower case */
    int arity;
    unsigned flags; /* enum resp_flag */
    enum resp_keys keys;
    int op;                         /* enum op_id, or -1 */
    int (*map)(struct resp_call *); /* 0, or an error in call->problem */
    int param;
    enum resp_shape shape;
    const char *group, *since, *arguments, *summary;
};

extern const struct resp_command resp_table[RESP_COUNT];

/* Build the lookup. Once, before threads. */
void resp_init(void);

/* The command with this name in any case, or NULL. */
const struct resp_command *resp_find(struct bytes name);

/* Does this number of arguments (without the name) fit? */
bool resp_arity_fits(const struct resp_command *command, uint32_t n_args);

/* Make a command a request: arguments are checked against limits and become MessagePack in place.
 * The caller has set all but `shape`; the number of arguments fits. The request has no options but
 * run and durability left out. 0, or an error in *problem, whose text is the one Redis has. */
MUST_USE int resp_map(struct resp_call *call);

/* Does this argument read as that word (lower case) in any case? */
bool resp_is(struct bytes arg, const char *word);

/* ---- replies ---- */

/* Who is answered, and how much may be said. */
struct resp_context {
    unsigned version; /* of RESP, 2 or 3 */
    int64_t now_ms;
    uint64_t reply_bytes; /* limits.reply_bytes */
};

/* Write the result of an operation. 0, ERR_LIMIT_EXCEEDED (a reply of many small parts) or
 * ERR_OUT_OF_MEMORY; `out` may then hold a part. */
MUST_USE int resp_reply(const struct resp_context *context, enum resp_shape shape,
                        struct bytes result, struct buf *out);

/* Write what stands for a problem of a command whose result would have this shape: an error line as
 * Redis words it, or nil or 0 for CONFLICT. */
MUST_USE int resp_reply_problem(const struct resp_context *context,
                                const struct resp_command *command, enum resp_shape shape,
                                const struct problem *problem, struct buf *out);

/* Write one MessagePack value as it stands: arrays as arrays, maps as maps, nested numbers as
 * numbers. top: a number is told as text, as Redis' strings are. */
MUST_USE int resp_put_value(const struct resp_context *context, struct mp_reader *reader, bool top,
                            struct buf *out);
MUST_USE int resp_put_real(const struct resp_context *context, double value, struct buf *out);
MUST_USE int resp_put_bool(const struct resp_context *context, bool value, struct buf *out);
