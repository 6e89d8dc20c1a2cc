/* SPDX-License-Identifier: BSD-3-Clause
 *
 * RESP, the protocol of Redis (https://redis.io/docs/latest/develop/reference/protocol-spec/):
 * finding the bounds of a command, reading its arguments, writing replies in version 2 or 3.
 *
 *   *2\r\n $3\r\nGET\r\n $3\r\nfoo\r\n        a command: an array of bulk strings
 *   GET foo\r\n                               the same, inline: for people with telnet
 *
 * Counts and lengths come from the network: nothing is reserved for them, and all are checked
 * before anything is read. Texts of errors are those of Redis where clients match them.
 */
#pragma once

#include "common/buf.h"
#include "proto/problem.h"

enum {
    RESP_MORE = 1,
    RESP_ARGS_MAX = 1024 * 1024,       /* arguments of one command, its name included */
    RESP_LINE_MAX = 64 * 1024,         /* bytes of an inline command */
    RESP_BULK_MAX = 512 * 1024 * 1024, /* bytes of one argument */
};

/* How far a command has been checked. All zero is the start. */
struct resp_scan {
    size_t position; /* bytes checked so far; of a whole command: its size */
    size_t begin;    /* where its first argument begins */
    uint32_t count;  /* arguments */
    uint32_t left;   /* of these not checked yet */
    bool begun;      /* the count is known */
    bool is_inline;  /* one line of text */
};

/* Go on checking the command that begins at data[0]. 0: it is whole. RESP_MORE: not all there;
 * *out_need is a lower bound of the bytes it will have. ERR_BAD_REQUEST: it never will be, and
 * problem->text is the error for the client. Work is proportional to the bytes, however they are
 * cut. */
MUST_USE int resp_scan(struct resp_scan *scan, struct bytes data, size_t *out_need,
                       struct problem *problem);

/* An inline command (the line without its end) as an array of bulk strings, added to `out`. Quotes
 * and escapes are those of redis-cli. 0, ERR_BAD_REQUEST (unbalanced quotes), ERR_OUT_OF_MEMORY. */
MUST_USE int resp_from_inline(struct bytes line, struct buf *out, struct problem *problem);

/* The arguments of a whole command that are left to read. */
struct resp_reader {
    uint8_t *at;   /* writable: arguments may be made MessagePack in place */
    uint32_t left; /* arguments */
};

static inline struct resp_reader resp_reader_of(const struct resp_scan *scan, uint8_t *data)
{
    return (struct resp_reader){data + scan->begin, scan->count};
}

/* The next argument, of which there must be one. */
struct bytes resp_next(struct resp_reader *reader);

/* ---- arguments as MessagePack, in place ----
 *
 * What stands in front of an argument ($, digits, CR LF) is at least as long as the header of the
 * same bytes in MessagePack, so no byte needs to be copied elsewhere. The command cannot be read
 * again afterwards. */

/* One argument as a bin. */
struct bytes resp_as_bin(struct bytes arg);

/* Elements in a row, without a header, and what there is to check about them. */
struct resp_list {
    struct bytes bytes;
    uint32_t count;          /* elements */
    size_t key_min, key_max; /* bytes of the shortest and longest key */
    size_t value_max;        /* of the longest value */
};

/* All arguments that are left, as strs; or, with pairs (an even number), as pairs [str, bin]. */
struct resp_list resp_as_list(struct resp_reader *reader, bool pairs);

/* ---- writing ----
 *
 * `out` grows as needed; all return 0 or ERR_OUT_OF_MEMORY. version: 2 or 3. */
MUST_USE int resp_put_simple(struct buf *out, const char *text);    /* +text */
MUST_USE int resp_put_error(struct buf *out, const char *text);     /* -text, made one line */
MUST_USE int resp_put_int(struct buf *out, int64_t number);         /* :number */
MUST_USE int resp_put_bulk(struct buf *out, struct bytes bytes);    /* $size bytes */
MUST_USE int resp_put_text(struct buf *out, const char *text);      /* $size text */
MUST_USE int resp_put_nil(struct buf *out, unsigned version);       /* $-1 or _ */
MUST_USE int resp_put_nil_array(struct buf *out, unsigned version); /* *-1 or _ */
MUST_USE int resp_put_set(struct buf *out, size_t count, unsigned version); /* *count or ~count */
MUST_USE int resp_put_array(struct buf *out, size_t count);                 /* *count */
MUST_USE int resp_put_map(struct buf *out, size_t n, unsigned version);     /* *2n or %n */
MUST_USE int resp_put_verbatim(struct buf *out, struct bytes text, unsigned version);
