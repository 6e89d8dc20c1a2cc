/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libcairn: the C client of Cairn, a networked state store. Blocking calls, pipelining, and a pool,
 * over MessagePack-RPC.
 *
 *   #include <cairn.h>
 *
 *   struct cairn_error error;
 *   struct cairn *c = cairn_connect("127.0.0.1:7420", NULL, &error);
 *   if (c == NULL) {
 *       fprintf(stderr, "%s %s\n", error.code, error.message);
 *       return 1;
 *   }
 *   struct cairn_put_options ten_seconds = {.ttl_ms = 10000};
 *   uint64_t version;
 *   int status = cairn_kv_put(c, cairn_text("greeting"), cairn_text("hello"), &ten_seconds,
 *                             &version);
 *   if (status < 0)
 *       fprintf(stderr, "%s %s\n", cairn_error(c)->code, cairn_error(c)->message);
 *
 *   struct cairn_bytes value;
 *   if (cairn_kv_get(c, cairn_text("greeting"), &value) == CAIRN_OK)
 *       fwrite(value.data, 1, value.size, stdout);
 *
 *   status = cairn_kv_cas(c, cairn_text("greeting"), version, cairn_text("goodbye"), 0, &version);
 *   if (status == CAIRN_CONFLICT)
 *       printf("somebody was faster: version %llu\n",
 *              (unsigned long long)cairn_error(c)->actual);
 *   cairn_close(c);
 *
 * Results. Functions that return int return CAIRN_OK (0), CAIRN_ABSENT (1: there is no such key) or
 *   a negative enum cairn_status, about which cairn_error() tells more. Outputs come last, may be
 *   NULL where that is said, and are untouched unless the result is CAIRN_OK.
 * Views. A struct cairn_bytes given to a function is read before it returns and never kept. One
 *   that a function hands out points into the connection and is valid until the next call on the
 *   same connection (it may be an argument of that call); copy what must live longer.
 * Threads. A connection, packer or page is used by one thread at a time; different ones are
 *   independent. A pool may be used by any number of threads. There is no other shared state, no
 *   signal is raised (not SIGPIPE either), and no thread is started.
 * Time. Every call ends within the timeout of its connection, whatever the server does. A call that
 *   timed out may still have been carried out by the server. The connection stays usable: the late
 *   reply is dropped when it comes. Only looking up a host name is not bounded by the timeout.
 * Trust. Replies are checked as hostile input; their size is bounded by max_reply_bytes.
 */
#ifndef CAIRN_H
#define CAIRN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CAIRN_API __attribute__((visibility("default")))
#else
#define CAIRN_API
#endif

/* The version of this library. */
#define CAIRN_VERSION_TEXT "0.1.0"

/* ---- Bytes ---------------------------------------------------------------------------------- */

/* Borrowed bytes; data may be NULL if size is 0. */
struct cairn_bytes {
    const void *data;
    size_t size;
};

/* View of a C string, without its NUL. */
static inline struct cairn_bytes cairn_text(const char *text)
{
    struct cairn_bytes bytes = {text, strlen(text)};
    return bytes;
}

/* View of any memory. */
static inline struct cairn_bytes cairn_view(const void *data, size_t size)
{
    struct cairn_bytes bytes = {data, size};
    return bytes;
}

/* ---- Errors --------------------------------------------------------------------------------- */

/* What a call came to. Numbers are stable. */
enum cairn_status {
    CAIRN_OK = 0,
    CAIRN_ABSENT = 1, /* the key does not exist */

    /* Answers of the server. Those marked * may also come from the library itself: from_server in
     * struct cairn_error tells which. */
    CAIRN_BAD_REQUEST = -1,
    CAIRN_UNKNOWN_METHOD = -2,
    CAIRN_BAD_ARGUMENT = -3,   /* * an argument is wrong; nothing was sent */
    CAIRN_LIMIT_EXCEEDED = -4, /* * a bound of struct cairn_options */
    CAIRN_NOT_FOUND = -5,
    CAIRN_CONFLICT = -6,   /* a condition did not hold; `actual` may tell the version found */
    CAIRN_WRONG_TYPE = -7, /* * the value is not of the type that was asked for */
    CAIRN_OVERFLOW = -8,
    CAIRN_OUT_OF_MEMORY = -9, /* * */
    CAIRN_NOAUTH = -10,
    CAIRN_AUTH_FAILED = -11,
    CAIRN_UNSUPPORTED = -12,
    CAIRN_BUSY = -13,
    CAIRN_SHUTTING_DOWN = -14,
    CAIRN_IO = -15,
    CAIRN_INTERNAL = -16,
    CAIRN_DISK_FULL = -17,
    CAIRN_DATA_DAMAGED = -18,
    CAIRN_DATA_FORMAT = -19,
    CAIRN_ALREADY_EXISTS = -20,
    CAIRN_OTHER = -99, /* a code that this version does not know: see `code` */

    /* Of the library alone. After DISCONNECTED and PROTOCOL the connection is closed: every further
     * call answers DISCONNECTED; cairn_close it and connect again. */
    CAIRN_CANNOT_CONNECT = -100,
    CAIRN_DISCONNECTED = -101,
    CAIRN_TIMEOUT = -102,
    CAIRN_PROTOCOL = -103, /* what came is not a reply of this protocol, or not the promised one */
};

/* Why a call failed. */
struct cairn_error {
    int status;       /* enum cairn_status; 0: no error */
    bool from_server; /* the server answered this */
    bool retryable;   /* the same request may succeed later */
    bool has_actual;  /* CONFLICT: `actual` is the version that was found, 0 if absent */
    bool has_index;   /* batch: call or condition number `index` failed */
    uint32_t index;
    uint64_t actual;
    char code[32];     /* stable name: "CONFLICT", "TIMEOUT" ... */
    char message[256]; /* one sentence for people, UTF-8 without control characters */
};

/* ---- Connections ---------------------------------------------------------------------------- */

struct cairn; /* one connection */

/* All zero (or a NULL pointer) is the defaults. */
struct cairn_options {
    uint32_t connect_timeout_ms; /* 0: 5000 */
    uint32_t timeout_ms;         /* of every call; 0: 30000, UINT32_MAX: for ever */
    uint32_t max_in_flight;      /* requests sent and not answered; 0: 1024, at most 65536 */
    uint64_t max_reply_bytes;    /* of one reply; 0: 64 MiB */
    uint64_t max_send_bytes;     /* of requests not yet written; 0: 64 MiB */
    const char *token;           /* to log in with; overrides the one of the address */
    const char *run;             /* the run (namespace) to work in; overrides the address */
    const char *durability; /* "memory", "buffered", "strict": at least this; NULL: the server's */
    const char *client;     /* name of the program, for the server's log; NULL: "libcairn" */
};

/* Connect and greet (server.hello with token, run and durability). Address, NULL is the first:
 *
 *   127.0.0.1:7420   host   host:port   [::1]:7420      7420 is the default port
 *   /run/cairnd/cairnd.sock     unix:PATH               a Unix socket (unix: may be relative)
 *   cairn://[token@]host[:port][/run]                   %XX for special bytes in token and run
 *
 * Returns a connection that the caller closes with cairn_close, or NULL: then *out_error, unless it
 * is NULL, says why (CANNOT_CONNECT, TIMEOUT, AUTH_FAILED, BAD_ARGUMENT ...). */
CAIRN_API struct cairn *cairn_connect(const char *address, const struct cairn_options *options,
                                      struct cairn_error *out_error);

/* Close and release; requests that are not yet written are lost. NULL is allowed. */
CAIRN_API void cairn_close(struct cairn *c);

/* Why the latest call on c failed; valid until the next call. After a success its status is 0. */
CAIRN_API const struct cairn_error *cairn_error(const struct cairn *c);

/* Change the timeout of the calls that follow; as in struct cairn_options. */
CAIRN_API void cairn_set_timeout(struct cairn *c, uint32_t timeout_ms);

/* Whether c can still be used: neither a failure nor, as far as is known here, the server has
 * closed it. Sends nothing and does not wait. */
CAIRN_API bool cairn_usable(const struct cairn *c);

/* ---- Key-value ------------------------------------------------------------------------------ */

/* A stored value as a server returned it. */
struct cairn_record {
    bool present;              /* mget: the key exists; always true from other calls */
    bool has_bytes;            /* the value is a str or bin */
    struct cairn_bytes bytes;  /* its bytes, if has_bytes */
    struct cairn_bytes packed; /* the value as MessagePack, whatever its type */
    uint64_t version;
    int64_t ttl_ms; /* left until it expires; -1: never */
};

/* Get the bytes of a str or bin value. CAIRN_ABSENT; CAIRN_WRONG_TYPE for another type of value. */
CAIRN_API int cairn_kv_get(struct cairn *c, struct cairn_bytes key, struct cairn_bytes *out_value);

/* Get a value of any type as MessagePack. CAIRN_ABSENT. */
CAIRN_API int cairn_kv_get_packed(struct cairn *c, struct cairn_bytes key,
                                  struct cairn_bytes *out_packed);

/* Get a value with its version and remaining time. CAIRN_ABSENT. */
CAIRN_API int cairn_kv_get_record(struct cairn *c, struct cairn_bytes key,
                                  struct cairn_record *out_record);

/* Get several keys at one instant: out_records[i] belongs to keys[i], `present` tells if it
 * exists. */
CAIRN_API int cairn_kv_mget(struct cairn *c, const struct cairn_bytes *keys, size_t count,
                            struct cairn_record *out_records);

/* Conditions and expiry of a put. All zero (or NULL) is an unconditional put without expiry. */
struct cairn_put_options {
    uint64_t ttl_ms;        /* expire after; 0: never */
    uint64_t expires_at_ms; /* or at this time since 1970; 0: never */
    bool keep_ttl;          /* keep the present expiry instead of removing it */
    bool if_absent;         /* only if there is no such key */
    bool if_exists;         /* only if there is */
    bool has_if_version;    /* only if the present version is if_version (0: absent) */
    uint64_t if_version;
};

/* Set a key to bytes (stored as bin). CAIRN_CONFLICT if a condition does not hold. *out_version
 * (may be NULL): the new version. */
CAIRN_API int cairn_kv_put(struct cairn *c, struct cairn_bytes key, struct cairn_bytes value,
                           const struct cairn_put_options *options, uint64_t *out_version);

/* As cairn_kv_put, with a value of any type as MessagePack (exactly one value). */
CAIRN_API int cairn_kv_put_packed(struct cairn *c, struct cairn_bytes key,
                                  struct cairn_bytes packed,
                                  const struct cairn_put_options *options, uint64_t *out_version);

/* Set a key to bytes if its version is `expected` (0: absent), else CAIRN_CONFLICT with `actual`.
 * ttl_ms 0 keeps the expiry. *out_version (may be NULL): the new version. */
CAIRN_API int cairn_kv_cas(struct cairn *c, struct cairn_bytes key, uint64_t expected,
                           struct cairn_bytes value, uint64_t ttl_ms, uint64_t *out_version);

struct cairn_pair {
    struct cairn_bytes key, value;
};

/* Set several keys to bytes, all or none. ttl_ms 0: no expiry. *out_version (may be NULL): the same
 * for all. */
CAIRN_API int cairn_kv_mput(struct cairn *c, const struct cairn_pair *pairs, size_t count,
                            uint64_t ttl_ms, uint64_t *out_version);

/* Delete a key. CAIRN_ABSENT if there was none. */
CAIRN_API int cairn_kv_del(struct cairn *c, struct cairn_bytes key);

/* Delete a key if its version is `version`, else CAIRN_CONFLICT. */
CAIRN_API int cairn_kv_del_if(struct cairn *c, struct cairn_bytes key, uint64_t version);

/* CAIRN_OK if the key exists, else CAIRN_ABSENT. */
CAIRN_API int cairn_kv_exists(struct cairn *c, struct cairn_bytes key);

/* Add delta to a number; an absent key counts as 0. CAIRN_OVERFLOW instead of leaving 64 bits,
 * CAIRN_WRONG_TYPE if the value is no number. *out_number (may be NULL): the new one. */
CAIRN_API int cairn_kv_incr(struct cairn *c, struct cairn_bytes key, int64_t delta,
                            int64_t *out_number);

/* Time left in milliseconds, -1 without expiry. CAIRN_ABSENT. */
CAIRN_API int cairn_kv_ttl(struct cairn *c, struct cairn_bytes key, int64_t *out_ttl_ms);

/* Expire a key after ttl_ms (at least 1). CAIRN_ABSENT. */
CAIRN_API int cairn_kv_expire(struct cairn *c, struct cairn_bytes key, uint64_t ttl_ms);

/* What to list. All zero (or NULL) is everything, 100 records a page. */
struct cairn_scan_options {
    struct cairn_bytes prefix; /* only keys that begin with this */
    struct cairn_bytes from;   /* only keys >= this; size 0: from the first */
    struct cairn_bytes to;     /* only keys < this; size 0: to the last */
    uint32_t limit;            /* records of a page; 0: 100 */
    bool reverse;              /* from the last key to the first */
};

struct cairn_page {
    size_t count;              /* records not yet taken by cairn_page_next */
    struct cairn_bytes cursor; /* where the next page begins; size 0: this is the last one */
    struct cairn_bytes rest_;  /* private */
};

/* One page of records in byte order of their keys, from the beginning or from the cursor of the
 * page before:
 *
 *   struct cairn_page page = {0};
 *   do {
 *       if (cairn_kv_scan(c, &options, page.cursor, &page) != CAIRN_OK)
 *           break;
 *       while (cairn_page_next(&page, &key, &record))
 *           ...
 *   } while (page.cursor.size > 0);
 *
 * The views in page, key and record are valid until the next call on c. */
CAIRN_API int cairn_kv_scan(struct cairn *c, const struct cairn_scan_options *options,
                            struct cairn_bytes cursor, struct cairn_page *out_page);

/* Take the next record of a page; false at its end. */
CAIRN_API bool cairn_page_next(struct cairn_page *page, struct cairn_bytes *out_key,
                               struct cairn_record *out_record);

/* ---- Any operation -------------------------------------------------------------------------- */

/* Call any method of docs/commands.md. params: one packed MessagePack array (or map of arguments by
 * name); size 0 is an empty array. *out_result (may be NULL): the result as one packed value. */
CAIRN_API int cairn_call(struct cairn *c, const char *method, struct cairn_bytes params,
                         struct cairn_bytes *out_result);

/* ---- Pipelining ----------------------------------------------------------------------------- */

/* Send many requests, then take the replies, which may come in any order:
 *
 *   for (i = 0; i < n; i++)
 *       cairn_send(c, "kv.get", params[i], &msgid[i]);
 *   while (cairn_outstanding(c) > 0 && cairn_receive(c, &reply) == CAIRN_OK)
 *       ... reply.msgid says whose it is ...
 *
 * While replies are outstanding, the blocking calls above answer CAIRN_BAD_ARGUMENT. */
struct cairn_reply {
    uint32_t msgid;            /* of cairn_send */
    int status;                /* CAIRN_OK, or the error that the server answered: cairn_error() */
    struct cairn_bytes result; /* packed; size 0 if status is not CAIRN_OK */
};

/* Queue a request; nothing is waited for and nothing is written. CAIRN_LIMIT_EXCEEDED if
 * max_in_flight or max_send_bytes is reached: receive, or flush, first. */
CAIRN_API int cairn_send(struct cairn *c, const char *method, struct cairn_bytes params,
                         uint32_t *out_msgid);

/* Write all that is queued. Replies that come meanwhile are kept, up to max_reply_bytes; if that
 * does not suffice, CAIRN_LIMIT_EXCEEDED: receive some first. cairn_receive flushes by itself. */
CAIRN_API int cairn_flush(struct cairn *c);

/* Wait for the next reply, whichever it is. CAIRN_OK if there is one, even if it is an error of the
 * server (out_reply->status). CAIRN_TIMEOUT: it may still come; CAIRN_BAD_ARGUMENT if none is
 * outstanding. */
CAIRN_API int cairn_receive(struct cairn *c, struct cairn_reply *out_reply);

/* Requests sent by cairn_send and not yet received. */
CAIRN_API size_t cairn_outstanding(const struct cairn *c);

/* ---- Notifications -------------------------------------------------------------------------- */

/* What a server tells without being asked again, once a watch is open (docs/watch.md):
 *
 *   cairn_call(c, "watch.open", params, &result);
 *   while (cairn_notified(c, &told) == CAIRN_OK)
 *       ... told.params is [watch id, event...] ...
 *
 * Those that come while a reply is awaited are kept for cairn_notified, up to max_reply_bytes in
 * all; a connection that is told more than that is closed (CAIRN_LIMIT_EXCEEDED): take them more
 * often, or give the watch a credit. */
struct cairn_notification {
    struct cairn_bytes method; /* "watch.event" */
    struct cairn_bytes params; /* packed */
};

/* Wait for the next one. CAIRN_TIMEOUT: none came; CAIRN_BAD_ARGUMENT while pipelined replies are
 * outstanding. The views are valid until the next call on c. */
CAIRN_API int cairn_notified(struct cairn *c, struct cairn_notification *out_notification);

/* ---- Pool ----------------------------------------------------------------------------------- */

struct cairn_pool; /* up to `size` connections to one server, shared by threads */

/* Nothing is connected before the first borrow. Address and options as in cairn_connect; they are
 * copied. NULL: *out_error (may be NULL) says why. Release with cairn_pool_destroy. */
CAIRN_API struct cairn_pool *cairn_pool_create(const char *address,
                                               const struct cairn_options *options, size_t size,
                                               struct cairn_error *out_error);

/* Release the pool. Every connection must have been given back. NULL is allowed. */
CAIRN_API void cairn_pool_destroy(struct cairn_pool *pool);

/* Borrow a connection for the calling thread; connects if none is idle, replaces those that broke,
 * waits at most timeout_ms for one to be given back (connecting has its own timeout). NULL:
 * *out_error (may be NULL) says why (CAIRN_TIMEOUT: all are in use). */
CAIRN_API struct cairn *cairn_pool_borrow(struct cairn_pool *pool, uint32_t timeout_ms,
                                          struct cairn_error *out_error);

/* Give a connection back. One that is broken, or that still owes replies, is closed and replaced at
 * need. What was set on it (run.use, cairn_set_timeout) stays set: undo it first. NULL is
 * allowed. */
CAIRN_API void cairn_pool_give_back(struct cairn_pool *pool, struct cairn *c);

/* ---- MessagePack ---------------------------------------------------------------------------- */

/* A small writer for params and values, for programs without a MessagePack library of their own:
 *
 *   struct cairn_packer *p = cairn_packer_create();
 *   cairn_pack_array(p, 1);
 *   cairn_pack_str(p, cairn_text("greeting"));
 *   status = cairn_call(c, "kv.strlen", cairn_packer_bytes(p), &result);
 *   cairn_packer_destroy(p);
 *
 * If memory runs out, the packer holds nothing from then on, and the call that is given its bytes
 * answers CAIRN_OUT_OF_MEMORY or CAIRN_BAD_ARGUMENT; no single step need be checked. */
struct cairn_packer;

CAIRN_API struct cairn_packer *cairn_packer_create(void);         /* NULL: out of memory */
CAIRN_API void cairn_packer_destroy(struct cairn_packer *packer); /* NULL is allowed */
CAIRN_API void cairn_packer_clear(struct cairn_packer *packer);   /* begin again */
CAIRN_API void cairn_pack_nil(struct cairn_packer *packer);
CAIRN_API void cairn_pack_bool(struct cairn_packer *packer, bool value);
CAIRN_API void cairn_pack_int(struct cairn_packer *packer, int64_t value);
CAIRN_API void cairn_pack_uint(struct cairn_packer *packer, uint64_t value);
CAIRN_API void cairn_pack_real(struct cairn_packer *packer, double value);
CAIRN_API void cairn_pack_str(struct cairn_packer *packer, struct cairn_bytes text);
CAIRN_API void cairn_pack_bin(struct cairn_packer *packer, struct cairn_bytes bytes);
CAIRN_API void cairn_pack_array(struct cairn_packer *packer, uint32_t count); /* elements follow */
CAIRN_API void cairn_pack_map(struct cairn_packer *packer,
                              uint32_t pairs); /* keys, values follow */

/* All that was packed; valid until the packer changes. */
CAIRN_API struct cairn_bytes cairn_packer_bytes(const struct cairn_packer *packer);

enum cairn_kind {
    CAIRN_NIL,
    CAIRN_BOOL,
    CAIRN_UINT, /* 0 and above */
    CAIRN_INT,  /* below 0 */
    CAIRN_REAL,
    CAIRN_STR,
    CAIRN_BIN,
    CAIRN_EXT, /* bytes: one byte of type, then the body */
    CAIRN_ARRAY,
    CAIRN_MAP,
};

/* One element of MessagePack: a scalar, or the header of an array or map. */
struct cairn_item {
    enum cairn_kind kind;
    uint32_t count; /* ARRAY: elements; MAP: pairs */
    union {
        bool boolean;
        uint64_t uint;
        int64_t sint;
        double real;
        struct cairn_bytes bytes; /* STR, BIN, EXT */
    } as;
};

/* Read one element off the front of *rest. CAIRN_PROTOCOL, with *rest unchanged, if none is
 * there. */
CAIRN_API int cairn_unpack(struct cairn_bytes *rest, struct cairn_item *out_item);

/* Step over one whole value, arrays and maps with all they hold. As cairn_unpack. */
CAIRN_API int cairn_unpack_skip(struct cairn_bytes *rest);

#ifdef __cplusplus
}
#endif

#endif
